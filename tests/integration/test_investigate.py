"""The investigation page in a real browser, over an index that a real worker filled."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from enricher.api.investigate import _HEADERS
from enricher.cloudtrail import codec
from enricher.cloudtrail.plain import plain
from tests.cases.case_files import load_case
from tests.integration.api_house import SAMPLES, open_house
from tests.integration.browsing import open_browser, visiting
from tests.integration.servers import until
from tests.integration.test_api import HEIDI, finding
from tests.integration.test_api_hostile import HOSTILE, kept_shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, StorageState

    from enricher.stack import Endpoints
    from tests.integration.api_house import ApiHouse
    from tests.integration.browsing import Visit

Json = dict[str, Any]

SEEDS = Path(__file__).parents[3] / "shared" / "cases"
DENIED = "6f51ebf7-feb4-436a-a37e-303ab0577e50"  # alice, in the third account
RENEWED = "2d1d3447-1d7c-4bb5-a56c-6b1e4b0fa4cc"  # her role, renewed by the console: moderate
BOBS_KEY = "ASIA3JUODO7W6YEVI655"
VALUES = (*HOSTILE, "\"' onmouseover=alert(1) x='", "\u200b\u2068\U000e0041long " + "x" * 5_000)
SHARED_KEY = "ASIAHOSTILEEXAMPLE00"


def hostile(number: int, value: str) -> Json:
    """Make a record of it that says itself whose it is, so that it has a session."""
    record = {**kept_shape(value), "eventID": f"h{number}-{value}"[:600], "eventSource": value}
    record["userIdentity"]["accessKeyId"] = SHARED_KEY
    return record


RECORDS = [hostile(number, value) for number, value in enumerate(VALUES)]
# Elements within a value, scripts that are not ours, attributes that act, pictures from elsewhere.
MADE_BY_VALUES = """
() => [
  ...document.querySelectorAll("bdi *, pre *, img, iframe, object, embed, main style"),
  ...[...document.scripts].filter((one) => !new URL(one.src).pathname.startsWith("/static/")),
  ...[...document.querySelectorAll("main *")].filter((one) =>
    [...one.attributes].some(({ name, value }) =>
      /^on/i.test(name) || /^\\s*(javascript|data):/i.test(value))),
].map((one) => one.outerHTML.slice(0, 200))
"""
SHAPES = """
[...document.querySelectorAll(".plot path.point")]
  .map((one) => one.getAttribute("d").replace(/[-0-9.]+/g, ""))
"""
SPAN = """
(() => {
  const [from, to] = document.querySelector(".plot").layout.xaxis.range;
  return Date.parse(to) - Date.parse(from);
})()
"""
UNCUT = """
(() => {
  const plan = document.querySelector("#plan");
  return plan.scrollHeight <= plan.clientHeight + 1;
})()
"""
FOCUS = """
(() => {
  const one = document.activeElement;
  const seen = one === document.body || getComputedStyle(one).outlineStyle !== "none";
  return [one.closest("section, nav, header, footer, body").id || one.tagName, seen];
})()
"""
DASHES = """
getComputedStyle(document.querySelector("svg.across .hop.unsure line")).strokeDasharray
"""
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
CONTRAST = """
() => {
  const style = getComputedStyle(document.documentElement);
  const canvas = document.createElement("canvas").getContext("2d");
  const light = (name) => {
    canvas.fillStyle = style.getPropertyValue(name).trim();
    const [r, g, b] = canvas.fillStyle.match(/[0-9a-f]{2}/g)
      .map((one) => parseInt(one, 16) / 255)
      .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const on = (ground) => ["--ink", "--soft", "--link", "--denied", "--write", "--unsure", "--sure"]
    .map((name) => [`${name} on ${ground}`, ratio(name, ground)]);
  return Object.fromEntries([...on("--card"), ...on("--ground"),
    ["--sure on its ground", ratio("--sure", "--sure-ground")],
    ["--unsure on its ground", ratio("--unsure", "--unsure-ground")]]);
}
"""
FAULTS = """
() => {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  if (document.documentElement.lang !== "en") faults.push("language");
  for (const one of ["header", "main", "footer", "h1"])
    if (all(one).length !== 1) faults.push(`${all(one).length} ${one}`);
  let level = 0;
  for (const one of all("h1, h2, h3, h4")) {
    const mine = Number(one.tagName[1]);
    if (mine > level + 1) faults.push(`heading ${one.textContent}`);
    if (!one.textContent.trim()) faults.push("empty heading");
    level = mine;
  }
  for (const one of all("input:not([type=hidden])"))
    if (!one.labels.length) faults.push(`input ${one.name}`);
  for (const one of all("table")) {
    if (!one.caption || !one.caption.textContent.trim()) faults.push("table without caption");
    if (all("th").some((head) => !head.scope)) faults.push("heading cell without scope");
  }
  for (const one of all("a, button"))
    if (!one.textContent.trim()) faults.push(`${one.tagName} without a name`);
  for (const one of all("svg"))
    if (!one.closest(".plot, [aria-hidden=true]") && one.getAttribute("aria-hidden") !== "true" &&
        !(one.getAttribute("aria-labelledby") || one.getAttribute("aria-label")))
      faults.push("picture without a name");
  for (const one of all("[role=region], nav"))
    if (!(one.getAttribute("aria-label") || one.getAttribute("aria-labelledby")))
      faults.push("part without a name");
  const ids = all("[id]").filter((one) => !one.closest(".plot")).map((one) => one.id);
  for (const one of ids) if (ids.indexOf(one) !== ids.lastIndexOf(one)) faults.push(`id ${one}`);
  for (const one of all("[aria-labelledby], [aria-describedby]"))
    for (const id of (one.getAttribute("aria-labelledby") ||
                      one.getAttribute("aria-describedby")).split(" "))
      if (!document.getElementById(id)) faults.push(`no ${id}`);
  return faults;
}
"""


@pytest.fixture(scope="module")
def house(
    stack_endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiHouse]:
    with open_house(stack_endpoints, tmp_path_factory.mktemp("page")) as found:
        files = [SAMPLES, found.write_log_file(RECORDS, "hostile")]
        if SEEDS.is_dir():
            files.append(found.write_log_file(load_case(SEEDS, "seed_bob").records, "seedbob"))
        found.ingest(*files)
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def cookies(browser: Browser, house: ApiHouse) -> StorageState:
    """What the browser of somebody holds who has signed in and may read."""
    with visiting(browser, house.url) as visit:
        visit.sign_in(house.keys["read"])
        return visit.page.context.storage_state()


@pytest.fixture
def visit(browser: Browser, house: ApiHouse, cookies: StorageState) -> Iterator[Visit]:
    """A window of that somebody."""
    with visiting(browser, house.url, viewport=DESK, storage_state=cookies) as found:
        yield found


# --- the seed investigation -----------------------------------------------------------------------


@pytest.mark.skipif(not SEEDS.is_dir(), reason="no seed cases here")
def test_a_finding_leads_to_its_origin(visit: Visit) -> None:
    """From the key in the finding to the person, the chain, the proof, and what contains it."""
    principal = "AROAJBP4A5WSXVNY72RLE:bob@example.com"
    visit.open("/investigate")
    visit.ask(codec.dumps(finding(BOBS_KEY, principal, "2020-09-17T19:05:08Z")).decode())
    assert visit.verdict() == "bob@example.com (IAM user, 203016562928) did this"
    answer = visit.page.locator(".answer")
    assert answer.locator(".badge").inner_text() == "strong"
    assert "Proved by 3 events" in answer.inner_text()
    chain = visit.page.locator("svg.across")
    assert chain.locator(".node title").all_text_contents() == [
        "bob@example.com",
        "arn:aws:sts::776613361644:assumed-role/assume-admin-role-example/bob@example.com",
    ]
    assert chain.locator(".via").all_text_contents() == ["SwitchRole"]
    assert chain.locator(".unsure").count() == 0
    assert visit.drawn() == 2
    assert "CreateUser" in visit.page.locator("#done").inner_text()
    plan = visit.page.locator("#plan").inner_text()
    assert "deny-all arn:aws:iam::203016562928:user/bob@example.com" in plan
    assert "revoke-sessions arn:aws:iam::776613361644:role/assume-admin-role-example" in plan
    # On to one of the proving events, and from there to the session in which it was done.
    visit.follow("SwitchRole", ".answer")
    assert visit.page.locator(".this").inner_text().startswith("This is SwitchRole on signin")
    visit.follow("user/bob@example.com", ".tree")
    assert visit.verdict() == "bob@example.com (IAM user, 203016562928) did this"
    visit.assert_calm()


def test_a_finding_of_one_key_shows_the_console_session_of_many(
    visit: Visit, house: ApiHouse
) -> None:
    body = {"query": {"term": {"userIdentity.principalId": HEIDI}}, "sort": ["eventTime"]}
    hits = house.opensearch.search(index="cloudtrail-events-*", body=body)["hits"]["hits"]
    event = next(one["_source"] for one in hits if one["_source"].get("readOnly"))
    key = event["userIdentity"]["accessKeyId"]
    visit.open("/investigate")
    visit.ask(codec.dumps(finding(key, HEIDI, event["eventTime"])).decode())
    assert visit.verdict().startswith("heidi@example.com (Identity Center user")
    tiles = dict(
        zip(
            visit.page.locator(".tiles dt").all_inner_texts(),
            visit.page.locator(".tiles dd").all_inner_texts(),
            strict=True,
        )
    )
    assert int(tiles["Access keys"]) > 10
    assert visit.drawn() == int(tiles["Events"])
    visit.assert_calm()


def test_an_uncertain_hop_looks_uncertain_and_says_so(visit: Visit) -> None:
    visit.open(f"/investigate?event={RENEWED}")
    assert visit.verdict() == "alice (IAM user, 111122223333) probably did this"
    hop = visit.page.locator("svg.across .hop.unsure")
    assert "uncertain" in hop.all_text_contents()[0]
    assert visit.found(DASHES) != "none"
    kinds = visit.page.locator("svg.across .node.unsure .kind").all_text_contents()
    assert kinds == ["origin, not certain", "session, not certain"]


def test_the_timeline_tells_by_shape_and_zooms(visit: Visit) -> None:
    visit.open(f"/investigate?event={DENIED}")
    assert visit.drawn() == 8
    shapes = visit.found(SHAPES)
    assert len(set(shapes)) == 3
    whole = visit.found(SPAN)
    zoom = visit.page.get_by_role("button", name="Zoom in")
    zoom.focus()
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_function(f"{SPAN.strip()} < {whole} * 0.6")
    visit.page.get_by_role("button", name="All", exact=True).click()
    visit.page.wait_for_function(f"Math.abs({SPAN.strip()} - {whole}) < 1000")
    visit.page.locator(".plot path.point").last.hover(force=True)
    until(lambda: "·" in visit.page.locator(".said").inner_text(), "the mark is told")
    visit.assert_calm()


def test_the_page_asks_what_dashboards_link_to(visit: Visit) -> None:
    arn = "arn:aws:iam::111122223333:user/alice"
    for query in ({"q": arn}, {"q": "alice"}, {"principal": arn}, {"principal": "alice"}):
        visit.open(f"/investigate?{urlencode(query)}")
        assert visit.verdict().startswith("alice (IAM user, 111122223333)")
    span = {"start": "2026-03-02 08:30", "end": "2026-03-02T09:00:00Z"}
    visit.open(f"/investigate?{urlencode({'q': '203.0.113.30', **span})}")
    assert visit.verdict().startswith("alice")
    assert visit.page.locator("#start").input_value() == "2026-03-02 08:30"


# --- hostile values -------------------------------------------------------------------------------


def assert_all_text(visit: Visit) -> None:
    """Find no markup, script or address that a value has made, and nothing invisible."""
    text = visit.found("document.body.textContent")
    assert not any(not char.isprintable() and char != "\n" for char in text)
    assert visit.found(MADE_BY_VALUES) == []
    assert visit.found("document.documentElement.scrollWidth <= innerWidth")
    visit.assert_calm()


def test_hostile_values_stay_text(visit: Visit) -> None:
    """In every field of a record that takes any text: shown, visible, and doing nothing."""
    visit.page.route("**/static/plotly.js*", lambda route: route.abort())  # the next test has it
    for value, record in zip(VALUES, RECORDS, strict=True):
        visit.open(f"/investigate?event={quote(record['eventID'], safe='')}")
        assert visit.page.locator(".answer.unsure").count() == 1, value
        assert plain(value)[:100].strip() in visit.found("document.body.textContent")
        assert_all_text(visit)


def test_hostile_values_stay_text_in_the_timeline(visit: Visit) -> None:
    visit.open(f"/investigate?credential={SHARED_KEY}")
    assert visit.drawn() == len(VALUES)
    labels = visit.found("[...document.querySelectorAll('.ytick')].map(t => t.textContent)")
    assert "<script>alert(1)</script>" in labels
    visit.page.locator(".plot path.point").first.hover(force=True)
    until(lambda: "·" in visit.page.locator(".said").inner_text(), "the mark is told")
    assert_all_text(visit)


def test_a_hostile_question_comes_back_as_text(visit: Visit) -> None:
    visit.open("/investigate")
    for value in ("</title><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{\u202e"):
        visit.ask(value)
        assert visit.verdict() in {"Nothing of that is indexed", "That cannot be asked"}
        assert_all_text(visit)


# --- who is let in --------------------------------------------------------------------------------


def test_people_sign_in_and_out(browser: Browser, house: ApiHouse) -> None:
    asked = f"/investigate?event={DENIED}"
    with visiting(browser, house.url) as visit:
        visit.sign_in("enr_00000000_wrong", asked)
        assert "That key opens nothing here" in visit.page.get_by_role("alert").inner_text()
        visit.page.get_by_label("API key").fill(house.keys["read"])
        visit.press("Enter")
        visit.page.wait_for_url(f"**{asked}")
        assert visit.verdict().startswith("alice")
        (cookie,) = visit.page.context.cookies()
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"
        assert cookie["expires"] == -1
        assert cookie["value"] not in house.keys["read"]
        assert house.keys["read"].rsplit("_", 1)[1] not in cookie["value"] + visit.page.url
        visit.page.get_by_role("button", name="Sign out").click()
        visit.page.get_by_label("API key").wait_for()
        assert visit.page.context.cookies() == []
        visit.page.context.add_cookies(
            [{"name": cookie["name"], "value": cookie["value"], "url": house.url}]
        )
        visit.open(asked)
        assert visit.page.get_by_label("API key").count() == 1
        visit.assert_calm()


def test_a_sign_in_ends_with_its_key(browser: Browser, house: ApiHouse) -> None:
    key = house.run("api-keys", "create", "short-lived", "--scope", "read").strip()
    with visiting(browser, house.url) as visit:
        visit.sign_in(key)
        assert visit.verdict() == "Who was really behind it?"
        house.run("api-keys", "revoke", key.split("_")[1])
        visit.open("/investigate")
        assert visit.verdict() == "Sign in to investigate"


def test_a_key_without_the_scope_is_told_so(browser: Browser, house: ApiHouse) -> None:
    with visiting(browser, house.url) as visit:
        visit.sign_in(house.keys["respond"], f"/investigate?event={DENIED}")
        assert visit.verdict() == "Your key does not allow that"
        assert "scope read" in visit.page.locator("main").inner_text()


def test_a_link_from_another_site_finds_who_has_signed_in(visit: Visit, house: ApiHouse) -> None:
    """Browsers hold a strict cookie back on such a link; the page asks once more by itself."""
    elsewhere = house.url.replace("127.0.0.1", "localhost")
    visit.page.route(
        f"{elsewhere}/**",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f'<a href="{house.url}/investigate?event={DENIED}">look</a>',
        ),
    )
    visit.page.goto(f"{elsewhere}/board")
    visit.follow("look", "body")
    visit.page.locator("#verdict").wait_for()
    assert visit.verdict().startswith("alice")


def signed_in(house: ApiHouse, **headers: str) -> httpx.Response:
    sent = {"Origin": house.url, **headers}
    form = {"key": house.keys["read"], "then": "//evil.example/"}
    return httpx.post(f"{house.url}/investigate/sign-in", data=form, headers=sent)


def test_forms_from_elsewhere_are_refused(house: ApiHouse) -> None:
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
    ):
        answer = signed_in(house, **headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


def test_signing_in_leads_nowhere_else(house: ApiHouse) -> None:
    answer = signed_in(house)
    assert (answer.status_code, answer.headers["location"]) == (303, "/investigate")
    assert "__Host-" not in answer.headers["set-cookie"]
    assert "HttpOnly" in answer.headers["set-cookie"]


def test_over_tls_the_cookie_is_for_this_host_alone(house: ApiHouse) -> None:
    """A proxy that has TLS passes on from where the browser says that it sends its form."""
    host = house.url.removeprefix("http://")
    cookie = signed_in(house, Origin=f"https://{host}").headers["set-cookie"]
    assert cookie.startswith("__Host-")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_every_page_has_the_policy(house: ApiHouse) -> None:
    for path, status in (
        ("/investigate", 401),
        ("/investigate/timeline?q=x", 401),
        ("/static/x", 404),
    ):
        answer = httpx.get(house.url + path)
        assert answer.status_code == status
        assert {name: answer.headers[name] for name in _HEADERS} == _HEADERS
        assert answer.headers["content-type"].startswith("text/html")
    policy = _HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")


def test_files_are_kept_until_they_change(house: ApiHouse) -> None:
    page = httpx.get(f"{house.url}/investigate").text
    (address,) = re.findall(r"/static/page\.css\?v=[0-9a-f]{16}", page)
    answer = httpx.get(house.url + address)
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]


def test_visits_are_limited_and_written_down(house: ApiHouse) -> None:
    with house.serving(ENRICHER_API__RATE="0.01", ENRICHER_API__BURST="2") as url:
        answers = [httpx.get(f"{url}/investigate?q=secret-thing") for _ in range(3)]
    assert [one.status_code for one in answers] == [401, 401, 429]
    assert int(answers[2].headers["retry-after"]) > 1
    assert "Wait a moment" in answers[2].text
    with httpx.Client(base_url=house.url, headers={"Origin": house.url}) as client:
        client.post("/investigate/sign-in", data={"key": house.keys["read"]})
        assert client.get("/investigate", params={"q": "alice"}).status_code == 200
    key_id = house.keys["read"].split("_")[1]

    def written() -> bool:
        house.opensearch.indices.refresh(index="cloudtrail-audit*")
        calls = house.get("/v1/audit", most=50)["calls"]
        assert "secret-thing" not in str(calls)
        return {("/investigate", key_id, 200), ("/investigate", None, 401)} <= {
            (one["route"], one["key_id"], one["status"]) for one in calls
        }

    until(written, "the visits are in the audit")


# --- for everybody --------------------------------------------------------------------------------


def test_the_page_is_walked_by_keyboard(visit: Visit) -> None:
    visit.open(f"/investigate?event={DENIED}")
    visit.drawn()
    press = visit.page.keyboard.press
    press("Tab")
    assert visit.found("document.activeElement.className") == "skip"
    assert visit.found("document.activeElement.getBoundingClientRect().left") == 0
    press("Enter")
    assert visit.found("document.activeElement.id") == "main"
    reached: list[str] = []
    for _ in range(200):
        press("Tab")
        where, seen = visit.found(FOCUS)
        assert seen, where
        reached.append(where)
        if visit.found("document.activeElement.id") == "plan":
            break
    assert {"chain", "timeline", "done", "refused", "sessions", "proof", "contain"} <= set(reached)
    visit.page.get_by_role("button", name="Copy the plan").focus()
    press("Enter")
    until(lambda: visit.page.locator("#copied").inner_text() != "", "the plan is copied")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_read_in_light_and_dark(browser: Browser, house: ApiHouse, scheme: str) -> None:
    with visiting(browser, house.url, viewport=DESK, color_scheme=scheme) as visit:
        visit.sign_in(house.keys["read"], f"/investigate?event={DENIED}")
        visit.drawn()
        ratios = visit.found(CONTRAST)
        assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}
        assert visit.found(FAULTS) == []
        ground = visit.found("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground))) < 150) == (scheme == "dark")
        # The answer stands on the first screen, with the chain.
        assert visit.found(
            "document.querySelector('svg.across').getBoundingClientRect().bottom < innerHeight"
        )
        visit.assert_calm()


def test_the_page_is_printed_without_what_is_for_screens(visit: Visit) -> None:
    visit.open(f"/investigate?event={DENIED}")
    visit.drawn()
    visit.page.emulate_media(media="print")
    for hidden in (".top", ".jump", "[data-copy]"):
        assert not visit.page.locator(hidden).first.is_visible()
    assert visit.page.locator("#verdict").is_visible()
    assert visit.found(UNCUT)
    assert visit.page.pdf(format="A4").startswith(b"%PDF")


def test_the_page_fits_a_phone(browser: Browser, house: ApiHouse) -> None:
    with visiting(browser, house.url, viewport=PHONE) as visit:
        visit.sign_in(house.keys["read"], f"/investigate?event={DENIED}")
        visit.drawn()
        assert visit.page.locator("svg.down").is_visible()
        assert not visit.page.locator("svg.across").is_visible()
        assert visit.found("document.documentElement.scrollWidth <= innerWidth")
        assert visit.found("document.querySelector('#verdict').getBoundingClientRect().top < 400")


def test_what_goes_wrong_says_what_to_do(visit: Visit) -> None:
    visit.open("/investigate")
    visit.ask("nobody-here")
    assert visit.verdict() == "Nothing of that is indexed"
    assert "been ingested" in visit.page.locator("main").inner_text()
    assert visit.found(FAULTS) == []
    visit.ask("203.0.113.30")
    assert visit.verdict() == "That cannot be asked"
    visit.follow("year")
    assert visit.verdict().startswith("alice")
    visit.open("/investigate?q=alice&start=yesterday")
    assert "2026-03-02 08:00" in visit.page.get_by_role("alert").inner_text()
    visit.open("/investigate?session=x")
    assert visit.verdict() == "That cannot be asked"
    visit.ask('{"detail": ')
    assert "paste all of it" in visit.page.get_by_role("alert").inner_text()
