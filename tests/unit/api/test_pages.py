"""What the page says and draws, without a browser."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from markupsafe import Markup

from enricher.api.pages import wording
from enricher.api.pages.chain import cut, pictures
from enricher.api.pages.files import address_of, static_file
from enricher.api.pages.rendering import link, render, shown
from enricher.identity.model import Kind, Status
from enricher.response.models import Event, Hop, Origin
from enricher.settings import ApiSettings
from enricher.stores.dashboards_client import INVESTIGATE

DOCS = Path(__file__).parents[3] / "docs"
ALICE = Origin(
    status="resolved",
    kind="iam_user",
    name="alice",
    account_id="111122223333",
    confidence="strong",
    rule="L4",
    evidence=("a", "b"),
)
HOP = Hop(
    via="SwitchRole",
    arn="arn:aws:sts::444455556666:assumed-role/Admin/alice",
    account_id="444455556666",
    rule="L4",
    confidence="strong",
)


def test_the_answer_is_one_sentence() -> None:
    said = wording.verdict(ALICE)
    assert f"{said.who} {said.what}" == "alice (IAM user, 111122223333) did this"
    assert (said.badge, said.then, said.sure) == ("strong", "Proved by 2 events:", True)


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("confidence", [None, "none", "weak", "moderate", "strong", "exact"])
def test_only_what_is_proved_is_said_as_a_fact(status: Status, confidence: str | None) -> None:
    said = wording.verdict(ALICE.model_copy(update={"status": status, "confidence": confidence}))
    proved = status is Status.RESOLVED and confidence in {"strong", "exact"}
    assert said.sure is proved
    assert (said.what.endswith(") did this")) is proved


def test_a_claim_is_no_fact() -> None:
    said = wording.verdict(ALICE.model_copy(update={"kind": "asserted", "confidence": "exact"}))
    assert (said.sure, said.badge) == (False, "claimed")
    assert said.what.endswith("is said to have done this")


def test_several_origins_are_not_one() -> None:
    said = wording.verdict(None, origins=3)
    assert f"{said.who} {said.what}" == "3 origins are behind this"
    assert not said.sure


def test_every_kind_and_rule_has_its_words() -> None:
    assert set(wording.KINDS) == set(Kind)
    rules = re.findall(
        r"^\| (L[\w, ]+) \|", (DOCS / "explanation/origin.md").read_text(), re.MULTILINE
    )
    assert set(wording.METHODS) == {one for row in rules for one in row.split(", ")}


def test_a_chain_is_drawn_both_ways_where_it_is_short() -> None:
    event = Event(document_id="x", name="CreateUser", service="iam.amazonaws.com")
    across, down = pictures(ALICE, [HOP], event)
    assert [node.title for node in across.nodes] == ["alice", "Admin", "CreateUser"]
    assert [edge.via for edge in across.edges] == ["SwitchRole", "calls"]
    assert len({node.y for node in across.nodes}) == 1
    assert len({node.x for node in down.nodes}) == 1
    (only,) = pictures(ALICE, [HOP] * 9)
    assert not only.across


@pytest.mark.parametrize("confidence", [None, "none", "weak", "moderate"])
def test_an_uncertain_hop_is_not_drawn_as_a_certain_one(confidence: str | None) -> None:
    hop = HOP.model_copy(update={"confidence": confidence})
    for picture in pictures(ALICE, [hop]):
        assert not picture.edges[0].sure
        assert not picture.nodes[1].sure
        assert picture.nodes[0].sure


def test_nobody_is_drawn_as_nobody() -> None:
    for origin in (None, Origin(status="unknown", reason="issuer-not-seen")):
        (across, _) = pictures(origin, [HOP])
        assert (across.nodes[0].figure, across.nodes[0].sure) == ("unknown", False)


def test_a_long_name_keeps_its_ends() -> None:
    assert cut("short") == "short"
    assert cut("a-very-long-name-of-a-role-in-production", 20) == "a-very-long-n…uction"
    assert cut("\u202e") == "\\u202e"


def test_nothing_invisible_is_shown() -> None:
    every = "".join(map(chr, [*range(0x250), *range(0x2000, 0x2070), 0xFEFF, 0xE0041, 0xD800]))
    text = str(shown(every))
    assert all(char.isprintable() for char in text)
    assert not {"Cc", "Cf", "Cs"} & {unicodedata.category(char) for char in text}
    assert shown(None) == ""
    assert shown(Markup("<b>")) == "<b>"


def test_a_template_escapes_whatever_it_is_given() -> None:
    page = render("signin.html", then='"><script>\u202e', wrong="<img src=x>")
    assert "&#34;&gt;&lt;script&gt;\\u202e" in page
    assert "&lt;img src=x&gt;" in page


def test_a_template_asks_for_nothing_that_is_not_there() -> None:
    with pytest.raises(Exception, match="wrong"):
        render("signin.html", then="/investigate")


def test_no_template_writes_script_style_or_raw_values() -> None:
    folder = Path(wording.__file__).parent / "templates"
    for template in folder.iterdir():
        content = template.read_text()
        assert not re.search(r"\|\s*safe|style=|<style| on\w+=|autoescape", content), template.name
        assert all("src=" in one for one in re.findall(r"<script[^>]*>", content)), template.name


def test_links_hold_any_value() -> None:
    assert link(event="a&b=c#d e") == "/investigate?event=a%26b%3Dc%23d+e"
    assert link(event=None, session="x") == "/investigate?session=x"


def test_the_charting_library_is_that_of_the_installed_package() -> None:
    plotly = static_file("plotly.js")
    assert plotly is not None
    assert len(plotly.gzipped) > 1_000_000
    assert address_of("plotly.js") == f"/static/plotly.js?v={plotly.version}"
    for name in ("../page.css", "", "page.py", "templates/answer.html"):
        assert static_file(name) is None


def test_dashboards_link_to_where_the_page_is_by_default() -> None:
    settings = ApiSettings()
    assert f"http://{settings.address}:{settings.port}/investigate" == INVESTIGATE
