"""The API over an index that a real worker filled: every call, who may make it, what is kept."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from enricher.client import ApiClient, ApiError
from enricher.cloudtrail import codec
from enricher.errors import UnavailableError
from enricher.response.errors import NotIndexedError
from enricher.response.selecting import PrincipalName
from enricher.response.triage import Question
from tests.cases.case_files import load_case
from tests.integration.api_house import (
    ALL_TIME,
    MADE_USER,
    RULES,
    SAMPLES,
    SCOPES,
    open_house,
    records_of,
)
from tests.integration.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.stack import Endpoints
    from tests.integration.api_house import ApiHouse

Json = dict[str, Any]

SEEDS = Path(__file__).parents[3] / "shared" / "cases"
CREATE_USER = "0d3bc34f-ea55-42da-afcd-1c6e67d1efa1"  # bob, through a switched role
DENIED = "6f51ebf7-feb4-436a-a37e-303ab0577e50"  # alice, in the third account
HEIDI = "AROAGUP47AXMBO5ATHOPL:heidi@example.com"  # one console session, many keys
NOBODY = "0" * 32
PLANS = "/v1/containment/plans"


@pytest.fixture(scope="module")
def house(
    stack_endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiHouse]:
    with open_house(stack_endpoints, tmp_path_factory.mktemp("api")) as found:
        seeds = SEEDS if SEEDS.is_dir() else None
        files = [SAMPLES]
        for name in ("seed_bob", "seed_assume_root") if seeds else ():
            records = load_case(SEEDS, name).records
            files.append(found.write_log_file(records, name.replace("_", "")))
        found.ingest(*files)
        found.judge(RULES)
        yield found


@pytest.fixture(scope="module")
def truth(house: ApiHouse) -> list[Json]:
    """Every event, as the index has it."""
    return house.events()


def of_session(truth: list[Json], session_id: str) -> list[Json]:
    return [one for one in truth if one["enriched"].get("session", {}).get("id") == session_id]


@pytest.fixture(scope="module")
def busy(truth: list[Json]) -> str:
    """The session of the most keys."""
    keys: dict[str, set[str]] = {}
    for one in truth:
        if key := one["userIdentity"].get("accessKeyId"):
            keys.setdefault(one["enriched"]["session"]["id"], set()).add(key)
    return max(keys, key=lambda session: len(keys[session]))


# --- lineage --------------------------------------------------------------------------------------


def test_an_event_tells_its_origin_chain_and_proof(house: ApiHouse) -> None:
    found = house.get(f"/v1/events/{CREATE_USER}")
    assert found["origin"]["name"] == "bob"
    assert found["origin"]["kind"] == "iam_user"
    assert [hop["via"] for hop in found["chain"]][-1] == "SwitchRole"
    assert found["event"]["name"] == "CreateUser"
    assert {one["event_id"] for one in found["proof"]} == set(found["origin"]["evidence"])
    assert found["proof_not_indexed"] == []
    assert found["record"]["eventID"] == CREATE_USER
    document_id = found["event"]["document_id"]
    assert house.get(f"/v1/events/{document_id}") == found


def test_a_credential_tells_who_issued_it_and_what_it_issued(
    house: ApiHouse, truth: list[Json]
) -> None:
    issuing = next(
        one
        for one in truth
        if one["eventName"] == "AssumeRole"
        and one["userIdentity"].get("accessKeyId")
        and one["enriched"]["session"].get("issued_id")
        and one["eventSource"] == "sts.amazonaws.com"
    )
    key = issuing["userIdentity"]["accessKeyId"]
    found = house.get(f"/v1/credentials/{key}")
    used = [one for one in truth if one["userIdentity"].get("accessKeyId") == key]
    assert sum(one["use"]["events"] for one in found["instances"]) == len(used)
    assert issuing["eventID"] in {one["event_id"] for one in found["issued"]}
    assert found["instances"][0]["events"][0]["access_key_id"] == key
    issued_key = issuing["responseElements"]["credentials"]["accessKeyId"]
    issued = house.get(f"/v1/credentials/{issued_key}")
    assert issuing["eventID"] in {one["event_id"] for one in issued["issued_by"]}
    if issued["instances"]:
        assert issuing["eventID"] in issued["instances"][0]["issued_by"]


@pytest.mark.parametrize("how", ["arn", "id", "name"])
def test_a_principal_is_found_by_each_of_its_names(
    house: ApiHouse, truth: list[Json], how: str
) -> None:
    alice = next(
        o
        for o in (e["enriched"]["origin"] for e in truth)
        if o.get("name") == "alice" and "arn" in o
    )
    found = house.get("/v1/principals", **{how: alice[how]})
    (origin,) = found["as_origin"]
    done = [e for e in truth if e["enriched"]["origin"].get(how) == alice[how]]
    assert origin["use"]["events"] == len(done)
    assert len(origin["use"]["account_ids"]) == 3
    assert origin["use"]["outcomes"] == Counter(e["enriched"]["outcome"]["status"] for e in done)


def test_a_role_tells_everybody_behind_it(house: ApiHouse, truth: list[Json]) -> None:
    roles: dict[str, set[str]] = {}
    for one in truth:
        issuer = one["userIdentity"].get("sessionContext", {}).get("sessionIssuer", {}).get("arn")
        if issuer and (origin := one["enriched"]["origin"].get("id")):
            roles.setdefault(issuer, set()).add(origin)
    role = max(roles, key=lambda arn: len(roles[arn]))
    assert len(roles[role]) > 1
    found = house.get("/v1/principals", arn=role)
    assert {one["origin"]["id"] for one in found["as_caller"]} == roles[role]


def test_a_session_and_its_tree(house: ApiHouse, truth: list[Json], busy: str) -> None:
    found = house.get(f"/v1/sessions/{busy}")
    mine = of_session(truth, busy)
    assert found["use"]["events"] == len(mine)
    keys = {one["userIdentity"].get("accessKeyId") for one in mine} - {None}
    assert set(found["access_keys"]) == keys
    assert len(keys) > 10
    tree = house.get(f"/v1/sessions/{busy}/tree")
    below = {
        one["enriched"]["session"]["id"]
        for one in truth
        if one["enriched"].get("session", {}).get("root_id") == found["root_id"]
    }
    nodes = {node["session_id"]: node for node in tree["nodes"]}
    assert tree["nodes"][0]["session_id"] == tree["root_id"] == found["root_id"]
    assert below <= set(nodes)
    assert nodes[busy]["session"] == found
    assert tree["complete"]


# --- what was done --------------------------------------------------------------------------------


def test_a_summary_counts_every_call(house: ApiHouse, truth: list[Json], busy: str) -> None:
    mine = of_session(truth, busy)
    found = house.get(f"/v1/sessions/{busy}/summary")
    expected = Counter(
        (one["eventSource"], one["eventName"], one["enriched"]["action"]["class"]) for one in mine
    )
    rows = found["read_only"] + found["not_read_only"]
    assert {(r["service"], r["name"], r["action"]): r["calls"] for r in rows} == expected
    assert {row["action"] for row in found["read_only"]} <= {"read"}
    assert "read" not in {row["action"] for row in found["not_read_only"]}
    for row in rows:
        assert row["calls"] == row["success"] + row["failed"]
        assert row["first"] <= row["last"]
    assert found["events"] == len(mine)
    assert (found["events_omitted"], found["complete"]) == (0, True)


def test_samples_of_a_summary_say_most(house: ApiHouse, truth: list[Json]) -> None:
    denied = next(one for one in truth if one["eventID"] == DENIED)
    session_id = denied["enriched"]["session"]["id"]
    found = house.get(f"/v1/sessions/{session_id}/summary")
    rows = found["read_only"] + found["not_read_only"]
    (row,) = [one for one in rows if one["name"] == denied["eventName"]]
    assert row["denied"] >= 1
    assert row["denied_target"] == denied["enriched"]["outcome"]["denied_resource"]
    assert denied["errorMessage"] in row["sample_error"]
    everything = house.get("/v1/summary", name="bob", **ALL_TIME)
    (created,) = [one for one in everything["not_read_only"] if one["name"] == "CreateUser"]
    event = next(one for one in truth if one["eventID"] == CREATE_USER)
    assert codec.loads(created["sample_parameters"]) == event["requestParameters"]
    assert all(row["sample_parameters"] is None for row in everything["read_only"])


def test_a_summary_as_csv_and_markdown(house: ApiHouse, busy: str) -> None:
    found = house.get(f"/v1/sessions/{busy}/summary")
    answer = house.ask("GET", f"/v1/sessions/{busy}/summary", params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith("attachment")
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert len(rows) == len(found["read_only"]) + len(found["not_read_only"])
    answer = house.ask("GET", f"/v1/sessions/{busy}/summary", params={"format": "markdown"})
    assert answer.headers["content-type"].startswith("text/markdown")
    assert answer.text.startswith("# Summary of ")


def test_summaries_by_key_and_by_address(house: ApiHouse, truth: list[Json]) -> None:
    event = next(one for one in truth if one["eventID"] == DENIED)
    key, ip = event["userIdentity"]["accessKeyId"], event["sourceIPAddress"]
    by_key = house.get("/v1/summary", access_key_id=key)
    assert by_key["events"] == sum(one["userIdentity"].get("accessKeyId") == key for one in truth)
    span = {"start": "2026-03-02T08:00:00Z", "end": "2026-03-02T12:00:00Z"}
    by_address = house.get("/v1/summary", ip=ip, **span)
    assert by_address["events"] == sum(
        one["sourceIPAddress"] == ip and span["start"] <= one["eventTime"] <= span["end"]
        for one in truth
    )


def test_events_come_page_by_page_and_none_is_left_out(
    house: ApiHouse, truth: list[Json], busy: str
) -> None:
    with house.client() as api:
        found = list(api.session_events(busy, size=3))
    assert len(found) == len(of_session(truth, busy))
    assert {one.document_id for one in found} == {one["_id"] for one in of_session(truth, busy)}
    times = [one.time for one in found if one.time]
    assert times == sorted(times)


def test_a_timeline_has_a_line_for_each_event(
    house: ApiHouse, truth: list[Json], busy: str
) -> None:
    answer = house.ask("GET", f"/v1/sessions/{busy}/timeline")
    lines = [codec.loads(one) for one in answer.content.splitlines()]
    assert len(lines) == len(of_session(truth, busy)) == int(answer.headers["enricher-events"])
    assert all({"message", "datetime", "timestamp_desc"} <= one.keys() for one in lines)


def test_who_was_refused_what(house: ApiHouse, truth: list[Json]) -> None:
    found = house.get("/v1/access-denied", **ALL_TIME)
    denied = [one for one in truth if one["enriched"]["outcome"]["status"] == "denied"]
    assert found["events"] == len(denied) == sum(one["count"] for one in found["refused"])
    alice = next(one for one in found["refused"] if one["origin"]["name"] == "alice")
    assert "secretsmanager:GetSecretValue" in {one["action"] for one in alice["denials"]}
    only = house.get("/v1/access-denied", origin_id=alice["origin"]["id"], **ALL_TIME)
    assert only["refused"] == [alice]


def test_who_is_active(house: ApiHouse, truth: list[Json]) -> None:
    found = house.get("/v1/origins", **ALL_TIME)
    expected = Counter(one["enriched"]["origin"].get("id") for one in truth)
    nobody = expected.pop(None, 0)
    assert {one["origin"]["id"]: one["use"]["events"] for one in found["origins"]} == expected
    assert found["events_without_origin"] == nobody
    people = house.get("/v1/origins", human="true", kind="iam_user", **ALL_TIME)["origins"]
    assert {one["origin"]["name"] for one in people} >= {"alice", "bob", "carol"}
    assert house.get("/v1/origins")["origins"] == []  # of the last day


def test_how_much_is_resolved_and_what_would_resolve_the_rest(
    house: ApiHouse, truth: list[Json]
) -> None:
    found = house.get("/v1/coverage", **ALL_TIME)
    by_account = Counter(one["recipientAccountId"] for one in truth)
    assert {one["account_id"]: one["events"] for one in found["accounts"]} == by_account
    unresolved = [one for one in found["accounts"] if one["resolved"] < 1]
    assert unresolved
    assert all(reason["fix"] for one in unresolved for reason in one["reasons"])


# --- triage ---------------------------------------------------------------------------------------


def finding(key: str, principal: str, at: str) -> Json:
    return {
        "version": "0",
        "source": "aws.guardduty",
        "detail-type": "GuardDuty Finding",
        "detail": {
            "id": "f-1",
            "type": "Discovery:IAMUser/AnomalousBehavior",
            "resource": {
                "resourceType": "AccessKey",
                "accessKeyDetails": {"accessKeyId": key, "principalId": principal},
            },
            "service": {"eventFirstSeen": at, "eventLastSeen": at},
        },
    }


def test_a_finding_of_one_key_gives_the_console_session_of_many(
    house: ApiHouse, truth: list[Json]
) -> None:
    event = next(
        one
        for one in truth
        if one["userIdentity"].get("principalId") == HEIDI and one.get("readOnly")
    )
    key = event["userIdentity"]["accessKeyId"]
    found = house.post("/v1/triage/guardduty", finding(key, HEIDI, event["eventTime"]))
    assert found["finding"]["access_key_id"] == key
    assert found["origin"]["name"] == "heidi@example.com"
    assert found["origin"]["confidence"] in {"exact", "strong"}
    (session,) = found["sessions"]
    mine = of_session(truth, event["enriched"]["session"]["id"])
    assert session["use"]["events"] == len(mine) == found["summary"]["events"]
    assert len(session["access_keys"]) > 10
    assert found["credential"]["access_key_id"] == key
    assert found["trees"][0]["nodes"]
    made = [one for one in truth if one["eventName"] == "CreateUser"]
    heidis = [one for one in made if one["enriched"]["origin"].get("name") == "heidi@example.com"]
    assert sum(one["events"] for one in found["alerts"] if one["rule_id"] == MADE_USER) == len(
        heidis
    )


def test_triage_tells_what_else_there_is_around_it(house: ApiHouse, truth: list[Json]) -> None:
    event = next(one for one in truth if one["eventID"] == DENIED)
    found = house.post("/v1/triage", {"event_id": DENIED})
    assert found["origin"]["name"] == "alice"
    assert found["denials"]["events"] >= 1
    mine = {one["session_id"] for one in found["sessions"]}
    assert mine == {event["enriched"]["session"]["id"]}
    elsewhere = {one["session_id"] for one in found["elsewhere"]}
    assert (
        elsewhere
        == {
            one["enriched"]["session"]["id"]
            for one in truth
            if one["enriched"]["origin"].get("id") == found["origin"]["id"]
            and "id" in one["enriched"].get("session", {})
        }
        - mine
    )


def test_triage_by_principal_and_by_address(house: ApiHouse, truth: list[Json]) -> None:
    with house.client() as api:
        found = api.triage(Question(principal=PrincipalName(name="ci-runner")))
        assert found.origin is not None
        assert found.origin.name == "ci-runner"
        assert found.denials.events == 5
    stolen = next(one for one in truth if one["eventID"].startswith("20bf3a51"))
    span = {"start": "2026-03-02T00:00:00Z", "end": "2026-03-03T00:00:00Z"}
    by_address = house.post("/v1/triage", {"ip": stolen["sourceIPAddress"], **span})
    assert "ci-runner" in {one["origin"]["name"] for one in by_address["origins"]}


# --- the cases that the project comes from --------------------------------------------------------


@pytest.fixture
def _seeds() -> None:
    if not SEEDS.is_dir():
        pytest.skip("no seed cases here")


@pytest.mark.usefixtures("_seeds")
@pytest.mark.parametrize("name", ["seed_bob", "seed_assume_root"])
def test_one_call_tells_a_seed_case(house: ApiHouse, name: str) -> None:
    case = load_case(SEEDS, name)
    for document_id, expected in case.events.items():
        event = house.get(f"/v1/events/{document_id}")
        found = house.post("/v1/triage", {"event_id": document_id})
        for path, value in expected.items():
            part, _, field = path.removeprefix("enriched.").partition(".")
            if part == "origin":
                assert event["origin"][field] == value
                assert found["sessions"][0]["origin"][field] == value
        assert set(case.evidence.get(document_id, ())) <= set(event["origin"]["evidence"])
        root = found["sessions"][0]["root_id"]
        if document_id in case.pairs["root_session_of"]:
            other = house.get(f"/v1/events/{case.pairs['root_session_of'][document_id]}")
            assert root == other["event"]["session_id"]
        assert found["trees"][0]["root_id"] == root
        calls = found["summary"]["not_read_only"]
        assert event["event"]["name"] in {one["name"] for one in calls}


# --- containment plans ----------------------------------------------------------------------------


def _issuer(event: Json) -> str | None:
    issuer = event["userIdentity"].get("sessionContext", {}).get("sessionIssuer", {})
    return issuer.get("arn") if issuer.get("type") == "Role" else None


def test_a_plan_is_read_from_the_events(house: ApiHouse, truth: list[Json]) -> None:
    plan = house.ask("POST", PLANS, json={"principal": {"name": "alice"}}).json()
    alice = plan["subject"]["id"]
    done = [one for one in truth if one["enriched"]["origin"].get("id") == alice]
    steps = {one["id"]: one for one in plan["steps"] if not one.get("optional")}
    roles = {arn for one in done if (arn := _issuer(one))}
    assert len(roles) > 1
    for arn in roles:
        account, name = arn.split(":")[4], arn.rpartition("/")[2]
        others = {
            one["enriched"]["origin"].get("id", "") for one in truth if _issuer(one) == arn
        } - {alice}
        assert steps[f"revoke-sessions/{account}/role/{name}"]["also_hits"]["origins"] == len(
            others
        )
    (created,) = [
        (one["recipientAccountId"], one["responseElements"]["accessKey"]["accessKeyId"])
        for one in done
        if one["eventName"] == "CreateAccessKey"
        and one["enriched"]["outcome"]["status"] == "success"
    ]
    assert f"deactivate-key/{'/'.join(created)}" in steps
    known = {one["eventID"] for one in truth}
    assert {proof for one in plan["steps"] for proof in one.get("evidence", ())} <= known
    assert "notes" not in plan


def test_a_plan_for_every_origin_and_many_sessions(house: ApiHouse, truth: list[Json]) -> None:
    """Whatever stands at the start of a chain, there is something to be done about it."""
    origins = {one["enriched"]["origin"].get("id") for one in truth} - {None}
    sessions = {one["enriched"].get("session", {}).get("id") for one in truth} - {None}
    wanted = [{"origin_id": one} for one in origins]
    wanted += [{"session_id": one} for one in sorted(sessions)[:40]]
    for one in wanted:
        answer = house.ask("POST", PLANS, json=one)
        assert answer.status_code == 201, answer.text
        assert answer.json()["steps"] or answer.json()["notes"]
    late = {"origin_id": min(origins), "start": "2999-01-01T00:00:00Z"}
    assert house.ask("POST", PLANS, json=late).status_code == 404
    instance = house.ask("POST", PLANS, json={"origin_id": "i-0a1b2c3d4e5f60718"}).json()
    assert instance["steps"][0]["calls"][0]["region"] == "eu-west-1"


# --- enriching without indexing -------------------------------------------------------------------


def test_records_are_enriched_as_the_worker_does(house: ApiHouse, truth: list[Json]) -> None:
    records = records_of(truth)[:100]
    before = house.opensearch.count(index="cloudtrail-events-*")["count"]
    found = house.post("/v1/enrich", {"Records": records})["records"]
    assert [one["position"] for one in found] == list(range(len(records)))
    known = {one["eventID"]: one["enriched"]["origin"] for one in truth}
    for one in found:
        event = one["event"]
        assert event["enriched"]["origin"] == known[event["eventID"]]
    house.opensearch.indices.refresh(index="cloudtrail-events-*")
    assert house.opensearch.count(index="cloudtrail-events-*")["count"] == before


def test_records_prove_one_another_and_nothing_is_kept(house: ApiHouse, truth: list[Json]) -> None:
    stolen = next(one for one in truth if one["eventID"].startswith("20bf3a51"))
    issuing = next(
        one
        for one in truth
        if one["eventName"] == "AssumeRole"
        and one["userIdentity"].get("arn") == stolen["userIdentity"]["arn"]
        and "credentials" in (one.get("responseElements") or {})
    )
    key = issuing["responseElements"]["credentials"]["accessKeyId"]
    used = next(one for one in truth if one["userIdentity"].get("accessKeyId") == key)
    renamed = codec.dumps(records_of([issuing, used])).decode()
    role = used["userIdentity"]["principalId"].partition(":")[0]
    pair = codec.loads(renamed.replace(key, "ASIANEVERSEEN").replace(role, "AROANEVERSEEN"))

    def origin_of_use(*records: Json) -> Json:
        found: Json = house.post("/v1/enrich", list(records))["records"][-1]["event"]
        return dict(found["enriched"]["origin"])

    assert origin_of_use(pair[1])["status"] == "unknown"
    assert origin_of_use(*pair)["name"] == "ci-runner"
    assert origin_of_use(pair[1])["status"] == "unknown"


def test_one_eventbridge_event_is_enough(house: ApiHouse, truth: list[Json]) -> None:
    record = records_of(truth)[0]
    event = {"detail-type": "AWS API Call via CloudTrail", "source": "aws.x", "detail": record}
    (found,) = house.post("/v1/enrich", event)["records"]
    assert found["event"]["eventID"] == record["eventID"]


def test_what_is_refused_says_why(house: ApiHouse, truth: list[Json]) -> None:
    good = records_of(truth)[0]
    found = house.post("/v1/enrich", [{**good, "eventTime": "never"}, good])["records"]
    assert found[0]["refused"] == "event-time-unreadable"
    assert found[0]["event"] is None
    assert found[1]["refused"] is None
    for body in ({"a": 1}, {"Records": 7}):
        answer = house.ask("POST", "/v1/enrich", json=body)
        assert (answer.status_code, answer.json()["type"].split(":")[-1]) == (422, "not-cloudtrail")
    many = house.ask("POST", "/v1/enrich", json=[good] * 1_001)
    assert many.status_code == 422
    assert "too-many-records" in many.json()["detail"]


# --- who may ask ----------------------------------------------------------------------------------

NEEDS: dict[str, str | None] = {
    **dict.fromkeys(("live", "ready"), None),
    **dict.fromkeys(("metrics", "listAudit"), "admin"),
    **dict.fromkeys(
        (
            *("getEvent", "getCredential", "findPrincipals", "getSession", "getSessionTree"),
            *("getSessionSummary", "getSummary", "listSessionEvents", "getSessionTimeline"),
            *("listAccessDenied", "listOrigins", "getCoverage"),
            *("triage", "triageGuardDuty", "enrich"),
            *("listPlans", "getPlan"),
            *("listAlerts", "getAlert", "listRules", "testRule"),
        ),
        "read",
    ),
    **dict.fromkeys(("makePlan", "applyPlan", "undoPlan"), "respond"),
    **dict.fromkeys(("acknowledgeAlert", "closeAlert"), "respond"),
}


def _operations(house: ApiHouse) -> dict[str, tuple[str, str]]:
    document = house.ask("GET", "/openapi.json", key=None).json()
    return {
        operation["operationId"]: (method.upper(), path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def _ask(house: ApiHouse, operation: str, key: str | None) -> httpx.Response:
    method, path = _operations(house)[operation]
    for name, value in (
        ("{event_id}", CREATE_USER),
        ("{access_key_id}", "ASIAIOSFODNN7EXAMPLE"),
        ("{session_id}", NOBODY),
        ("{plan_id}", NOBODY),
        ("{alert_id}", NOBODY),
        ("{rule_id}", NOBODY),
    ):
        path = path.replace(name, value)
    return house.ask(method, path, key=key, json={} if method == "POST" else None)


def test_every_call_says_what_it_needs(house: ApiHouse) -> None:
    assert set(_operations(house)) == set(NEEDS)


@pytest.mark.parametrize("key", [None, "", "wrong", "enr_00000000_" + "0" * 64, *SCOPES])
@pytest.mark.parametrize("operation", NEEDS)
def test_nobody_is_let_in_without_the_scope(
    house: ApiHouse, operation: str, key: str | None
) -> None:
    needs = NEEDS[operation]
    answer = _ask(house, operation, key)
    if needs is None:
        assert answer.status_code == 200
    elif key not in SCOPES:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    elif key != needs:
        assert answer.status_code == 403
        assert needs in answer.json()["detail"]
    else:
        assert answer.status_code in {200, 404, 409, 422}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_key_is_a_bearer_token_too(house: ApiHouse, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {house.keys['read']}"}
    assert house.ask("GET", "/v1/origins", key=None, headers=headers).status_code == 200
    for wrong in (f"Basic {house.keys['read']}", house.keys["read"], "Bearer", "Bearer x.y.z"):
        answer = house.ask("GET", "/v1/origins", key=None, headers={"Authorization": wrong})
        assert answer.status_code == 401


def test_a_revoked_key_is_refused_by_the_api_that_runs(house: ApiHouse) -> None:
    key = house.run("api-keys", "create", "soon gone").strip()
    assert house.ask("GET", "/v1/origins", key=key).status_code == 200
    assert "soon gone" in house.run("api-keys", "list")
    house.run("api-keys", "revoke", key.split("_")[1])
    assert house.ask("GET", "/v1/origins", key=key).status_code == 401


def test_too_many_calls_are_told_to_slow_down(house: ApiHouse) -> None:
    with house.serving(ENRICHER_API__RATE="0.1", ENRICHER_API__BURST="3") as url:
        headers = {"X-API-Key": house.keys["read"]}
        answers = [httpx.get(f"{url}/v1/nothing", headers=headers) for _ in range(5)]
        assert [one.status_code for one in answers] == [404, 404, 404, 429, 429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 10
        other = {"X-API-Key": house.keys["all"]}
        assert httpx.get(f"{url}/v1/nothing", headers=other).status_code == 404
        strangers = [httpx.get(f"{url}/v1/origins").status_code for _ in range(15)]
        assert strangers[0] == 401
        assert strangers[-1] == 429


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])  # noqa: S104 - refused
def test_it_does_not_listen_to_others_in_the_clear(house: ApiHouse, address: str) -> None:
    answer = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "enricher.cli", "api", "--address", address, "--port", "1"],
        env=house.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 1
    assert "--without-tls" in answer.stderr


# --- problems, audit, upkeep ----------------------------------------------------------------------


def test_problems_say_what_to_do_and_nothing_of_the_inside(house: ApiHouse) -> None:
    asked = {
        f"/v1/events/{NOBODY}": (404, "not-indexed"),
        "/v1/credentials/ASIANOBODY": (404, "not-indexed"),
        "/v1/principals?name=nobody": (404, "not-indexed"),
        f"/v1/sessions/{NOBODY}": (404, "not-indexed"),
        f"/v1/sessions/{NOBODY}/tree": (404, "not-indexed"),
        f"/v1/sessions/{NOBODY}/summary": (404, "not-indexed"),
        f"/v1/sessions/{NOBODY}/timeline": (404, "not-indexed"),
        f"/v1/sessions/{NOBODY}/events?after=x": (422, "question-does-not-fit"),
        f"/v1/alerts/{NOBODY}": (404, "no-such-alert"),
        f"/v1/alerts?after={NOBODY}": (422, "question-does-not-fit"),
        "/v1/alerts/x": (422, "request-does-not-fit"),
        "/v1/alerts?level=bad": (422, "request-does-not-fit"),
        "/v1/sessions/x": (422, "request-does-not-fit"),
        "/v1/principals": (422, "request-does-not-fit"),
        "/v1/summary?ip=192.0.2.1": (422, "request-does-not-fit"),
        "/v1/origins?start=2026-03-02T00:00:00Z&end=2026-03-01T00:00:00Z": (
            422,
            "question-does-not-fit",
        ),
        "/v1/origins?start=2026-03-02": (422, "request-does-not-fit"),
        "/v1/nothing": (404, "not-found"),
    }
    for path, (status, kind) in asked.items():
        answer = house.ask("GET", path)
        problem = answer.json()
        assert (answer.status_code, problem["status"]) == (status, status), path
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["type"] == f"urn:enricher:problem:{kind}"
        assert problem["request_id"] == answer.headers["x-request-id"]
        assert problem["detail"]
        for inside in ("opensearch", "Traceback", "exception", "cloudtrail-"):
            assert inside not in answer.text


def test_a_request_that_is_too_large_is_not_read(house: ApiHouse) -> None:
    with house.serving(ENRICHER_API__REQUEST_BYTES="1000") as url:
        headers = {"X-API-Key": house.keys["read"], "Content-Type": "application/json"}
        body = b'{"Records": [' + b" " * 2_000 + b"]}"
        said = httpx.post(f"{url}/v1/enrich", content=body, headers=headers)
        assert (said.status_code, said.json()["type"]) == (413, "urn:enricher:problem:too-large")
        pieces = (body[at : at + 100] for at in range(0, len(body), 100))
        unsaid = httpx.post(f"{url}/v1/enrich", content=pieces, headers=headers)
        assert unsaid.status_code == 413


@pytest.mark.parametrize(
    "value", ["*", "a* OR *", '"', "enriched.origin.name:alice", 'alice" OR "x', "a/b", "(x"]
)
def test_what_is_asked_for_is_a_value_and_no_query(house: ApiHouse, value: str) -> None:
    assert house.ask("GET", "/v1/principals", params={"name": value}).status_code == 404
    assert house.ask("POST", "/v1/triage", json={"event_id": value}).status_code == 404
    assert house.get("/v1/summary", access_key_id=value)["events"] == 0


def test_every_call_is_in_the_audit_without_what_was_asked(house: ApiHouse) -> None:
    answers = [
        house.ask("GET", "/v1/credentials/ASIASECRETQUESTION"),
        house.ask("GET", "/v1/credentials/ASIASECRETQUESTION", key=None),
        house.ask("GET", "/v1/audit", key="read"),
        house.ask("POST", "/v1/triage", json={"event_id": "SECRETQUESTION"}),
    ]
    ids = [one.headers["x-request-id"] for one in answers]
    found: dict[str, Json] = {}

    def written() -> bool:
        calls = house.get("/v1/audit", most=1_000)["calls"]
        found.update({one["request_id"]: one for one in calls})
        return set(ids) <= set(found)

    until(written, "the audit has the calls")
    key_id = house.keys["all"].split("_")[1]
    assert [(found[i]["key_id"], found[i]["route"], found[i]["status"]) for i in ids] == [
        (key_id, "/v1/credentials/{access_key_id}", 404),
        (None, None, 401),
        (house.keys["read"].split("_")[1], "/v1/audit", 403),
        (key_id, "/v1/triage", 404),
    ]
    hits = house.opensearch.search(index="cloudtrail-audit", body={"size": 10_000})["hits"]["hits"]
    assert b"SECRETQUESTION" not in codec.dumps([hit["_source"] for hit in hits])


def test_metrics_count_by_route(house: ApiHouse) -> None:
    house.get("/v1/origins")
    answer = house.ask("GET", "/metrics")
    assert 'enricher_api_calls_total{route="/v1/origins",status="2xx"}' in answer.text
    assert "enricher_api_refused_calls_total" in answer.text


def test_it_is_ready_only_with_servers_and_templates(house: ApiHouse) -> None:
    assert house.ask("GET", "/readyz", key=None).json() == {
        "ready": True,
        "opensearch": True,
        "redis": True,
        "templates": True,
    }
    name = "cloudtrail-raw"
    installed = house.opensearch.cluster.get_component_template(name=name)
    body = installed["component_templates"][0]["component_template"]
    house.opensearch.cluster.put_component_template(name=name, body={**body, "_meta": {}})
    try:
        answer = house.ask("GET", "/readyz", key=None)
        assert answer.status_code == 503
        assert (answer.json()["templates"], answer.json()["opensearch"]) == (False, True)
    finally:
        house.run("install")
    away = {
        "ENRICHER_OPENSEARCH__URL": "http://127.0.0.1:9",
        "ENRICHER_REDIS__URL": "redis://127.0.0.1:9/0",
    }
    with house.serving(**away) as url:
        answer = httpx.get(f"{url}/readyz", timeout=60)
        assert answer.status_code == 503
        assert set(answer.json().values()) == {False}
        headers = {"X-API-Key": house.keys["read"]}
        asked = httpx.get(f"{url}/v1/origins", headers=headers, timeout=60)
        assert (asked.status_code, asked.headers["retry-after"]) == (503, "5")
        assert "127.0.0.1" not in asked.text


# --- the client and the command -------------------------------------------------------------------


def test_the_client_gives_what_the_api_says(house: ApiHouse, busy: str) -> None:
    with house.client() as api:
        assert (
            api.event(CREATE_USER).origin
            == api.session(str(api.event(CREATE_USER).event.session_id)).origin
        )
        assert api.session_summary(busy).events == api.session(busy).use.events
        assert api.session_tree(busy).asked_id == busy
        assert api.principals(name="alice").as_origin
        assert api.summary(name="alice").events
        assert api.access_denied(**ALL_TIME).events
        assert api.origins(**ALL_TIME).origins
        assert api.coverage(**ALL_TIME).accounts
        with pytest.raises(NotIndexedError):
            api.event("nobody")
        with pytest.raises(ApiError, match="does not fit"):
            api.principals(arn="a", name="b")


def test_the_command_asks_the_api_as_it_asks_the_index(house: ApiHouse) -> None:
    there = {"ENRICHER_CLIENT__URL": house.url, "ENRICHER_CLIENT__API_KEY": house.keys["read"]}
    for term in (CREATE_USER, "ASIAIOSFODNN7EXAMPLE"):
        assert house.run("who", term) == house.run("who", term, **there)


def test_a_client_of_nothing_says_so(house: ApiHouse) -> None:
    with ApiClient("http://127.0.0.1:9", "enr_x_y") as api, pytest.raises(UnavailableError):
        api.event("x")
    with ApiClient(house.url, "enr_x_y") as api, pytest.raises(ApiError) as caught:
        api.event("x")
    assert caught.value.status == 401
