"""What holds of every generated trail, whatever the seed."""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tools.trailgen.generate import SCENES, generate
from tools.trailgen.plan import EVERY_SCENE, Plan, load_plan, small_plan
from tools.trailgen.trail import document_id

if TYPE_CHECKING:
    from tools.trailgen.trail import Trail

SEEDS = range(16)
DOCUMENTATION = [
    ipaddress.ip_network(block) for block in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
]


@pytest.fixture(scope="module", params=SEEDS)
def trail(request: pytest.FixtureRequest) -> Trail:
    """A small trail of each seed."""
    return generate(request.param, small_plan())


def of_event(trail: Trail) -> dict[str, dict[str, Any]]:
    """Records by event id."""
    return {record["eventID"]: record for record in trail.records}


def created(record: dict[str, Any]) -> str | None:
    """Creation time that a record's caller carries."""
    context = record["userIdentity"].get("sessionContext") or {}
    value = context.get("attributes", {}).get("creationDate")
    return None if value is None else str(value)


def test_same_seed_gives_same_trail() -> None:
    one, two = generate(7, small_plan()), generate(7, small_plan())
    assert one.records == two.records
    assert one.truth == two.truth
    assert one.files() == two.files()


def test_other_seed_gives_other_trail() -> None:
    assert generate(7, small_plan()).records != generate(8, small_plan()).records


def test_small_plan_is_small(trail: Trail) -> None:
    assert 80 <= len(trail.records) <= 110


def test_each_record_has_its_truth(trail: Trail) -> None:
    assert [document_id(record) for record in trail.records] == list(trail.truth)


def test_times_never_go_back(trail: Trail) -> None:
    times = [record["eventTime"] for record in trail.records]
    assert times == sorted(times)


def test_nobody_acts_before_the_session_begins(trail: Trail) -> None:
    for record in trail.records:
        assert (created(record) or "") <= record["eventTime"]


def test_proof_exists_and_comes_first(trail: Trail) -> None:
    events = of_event(trail)
    for record in trail.records:
        truth = trail.truth[document_id(record)]
        for hop in truth.chain:
            assert events[hop.event_id]["eventTime"] <= record["eventTime"]
        assert {id_ for group in truth.depends_on for id_ in group} <= set(events)
        assert all(truth.depends_on), "a group without alternatives proves nothing"
        assert truth.is_proven(events)


def issued_arns(record: dict[str, Any]) -> set[str]:
    """Whom a record may have made the holder of a session."""
    response = record["responseElements"] or {}
    sets = [entry["assumedRoleUser"]["arn"] for entry in response.get("credentialSet", ())]
    return {
        *sets,
        str(response.get("assumedRoleUser", {}).get("arn")),
        str(record["userIdentity"].get("arn")),
        f"arn:aws:iam::{(record['requestParameters'] or {}).get('targetPrincipal')}:root",
    }


def test_each_hop_is_an_issuance_by_the_one_before(trail: Trail) -> None:
    events = of_event(trail)
    for truth in trail.truth.values():
        before = None
        for hop in truth.chain:
            issuance = events[hop.event_id]
            assert "errorCode" not in issuance
            if issuance["eventName"] != "GetCredentialsForIdentity":  # names no role
                assert hop.arn in issued_arns(issuance)
            if before is not None and issuance["userIdentity"]["type"] != "AWSAccount":
                came_from = issuance.get("additionalEventData", {}).get("SwitchFrom")
                assert before in {issuance["userIdentity"]["arn"], came_from}
            before = hop.arn


def test_last_hop_began_the_acting_session(trail: Trail) -> None:
    events = of_event(trail)
    for record in trail.records:
        truth = trail.truth[document_id(record)]
        identity = record["userIdentity"]
        if truth.chain and identity["type"] in {"AssumedRole", "Root"}:
            assert truth.chain[-1].arn == identity["arn"]
            since = created(record) or record["eventTime"]
            assert events[truth.chain[-1].event_id]["eventTime"] == since


def test_a_session_is_account_principal_and_time(trail: Trail) -> None:
    for record in trail.records:
        session = trail.truth[document_id(record)].session
        since = created(record)
        if since is not None:
            identity = record["userIdentity"]
            assert session == ("aws", identity["accountId"], identity["principalId"], since)


def test_principals_never_begin_two_sessions_in_one_second_by_chance(trail: Trail) -> None:
    begun = Counter(
        (trail.truth[document_id(record)].origin, truth.session)
        for record in trail.records
        if (truth := trail.truth[document_id(record)]).session is not None
    )
    origins: dict[object, set[object]] = {}
    for origin, session in begun:
        origins.setdefault(session, set()).add(origin)
    assert all(len(who) == 1 for who in origins.values())


def test_addresses_are_for_documentation(trail: Trail) -> None:
    for record in trail.records:
        source = record["sourceIPAddress"]
        if source[0].isdigit():
            assert any(ipaddress.ip_address(source) in block for block in DOCUMENTATION)


def test_session_tokens_are_plainly_fake(trail: Trail) -> None:
    tokens = [
        record["responseElements"]["credentials"]["sessionToken"]
        for record in trail.records
        if "credentials" in (record["responseElements"] or {})
    ]
    assert tokens
    assert all(token.startswith("FAKE-SESSION-TOKEN-") and len(token) > 600 for token in tokens)


def test_every_scene_has_a_weight() -> None:
    assert set(EVERY_SCENE) == set(SCENES)
    assert set(load_plan().shares) <= set(SCENES)


@pytest.mark.parametrize("name", sorted(SCENES))
def test_each_scene_plays_alone(name: str) -> None:
    trail = generate(3, Plan(events=40, shares={name: 1}))
    assert len(trail.records) >= 40
    assert all(truth.is_proven(of_event(trail)) for truth in trail.truth.values())


def test_small_plans_know_every_kind_of_origin() -> None:
    kinds = {
        truth.origin.kind for seed in SEEDS for truth in generate(seed, small_plan()).truth.values()
    }
    assert kinds == {
        "iam_user",
        "root",
        "saml_subject",
        "oidc_subject",
        "idc_user",
        "ec2_instance",
        "lambda_function",
        "workload",
        "aws_service",
        "external_iam_user",
        "external_role_session",
        "x509_subject",
        "cognito_identity",
        "unknown_issuer",
    }


def test_chains_are_as_deep_as_planned() -> None:
    deepest = max(
        len(truth.chain)
        for truth in generate(5, Plan(events=400, shares={"role_chain": 1})).truth.values()
    )
    assert deepest == 6


def test_load_plan_is_mostly_role_sessions() -> None:
    plan = load_plan(events=20_000, accounts=20)
    trail = generate(1, plan)
    types = Counter(record["userIdentity"].get("type") for record in trail.records)
    modes = Counter(truth.access_mode for truth in trail.truth.values())
    assert 20_000 <= len(trail.records) < 20_100
    assert 0.5 < types["AssumedRole"] / len(trail.records) < 0.7
    assert 0.06 < modes["console"] / len(trail.records) < 0.15
    assert max(len(truth.chain) for truth in trail.truth.values()) <= 6  # 4 and a way in
    assert len({record["recipientAccountId"] for record in trail.records}) == 20
