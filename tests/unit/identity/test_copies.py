"""Callers in other accounts, copies of one event, and callers at whom a walk ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enricher.identity.sessions import synthetic_id
from tests.unit.identity.stories import (
    AWAY,
    HOME,
    NOON,
    STORE,
    answer,
    assume_role,
    at,
    call,
    portal_user,
    record,
    role,
    seen_from_outside,
    service,
    user,
)

if TYPE_CHECKING:
    from tests.unit.identity.stories import (
        Json,
    )

ALICE = user("alice", "AKIAALICE")
ADMIN = role("Admin", "session", key="ASIAADMIN", account=AWAY)
SHARED: Json = {"sharedEventID": "shared"}
REQUEST: Json = {"requestID": "request"}
ALICES_DAY = synthetic_id(HOME, "AKIAALICE", at(NOON))
OUTSIDE = seen_from_outside(ALICE)


def outside(by: Json = OUTSIDE, **members: str) -> Json:
    known: Json = {"recipientAccountId": AWAY, **members}
    return assume_role("outside", NOON, by, ADMIN, **known)


def facing(found: Json) -> tuple[object, ...]:
    """Give status, kind, id, rule and confidence of an origin."""
    return (
        found["status"],
        found["kind"],
        found.get("id"),
        found["rule"],
        found["confidence"],
    )


# --- the other account's copy ---------------------------------------------------------------------


def test_a_copy_leads_to_the_copy_that_names_the_caller() -> None:
    first = assume_role("assume", NOON, ALICE, ADMIN, **SHARED)
    found = answer(first, outside(**SHARED))
    assert facing(found["origin"]) == ("resolved", "iam_user", "AIDAALICE", "L2", "exact")
    assert found["origin"]["evidence"] == ["assume"]
    assert not {"id", "root_id", "root_complete", "parent_id", "kind"} & found["session"].keys()
    assert found["session"]["issued_id"]
    assert found["state"] == "final"


def test_a_copy_of_a_role_sessions_call_leads_down_its_chain() -> None:
    base = role("Base", "ann", "11:00:00", key="ASIABASE")
    issue = assume_role("first", "11:00:00", ALICE, base)
    copy = assume_role("assume", NOON, base, ADMIN, **SHARED)
    found = answer(issue, copy, outside(seen_from_outside(base), **SHARED))
    assert facing(found["origin"]) == ("resolved", "iam_user", "AIDAALICE", "L1", "exact")
    assert found["origin"]["evidence"] == ["assume", "first"]


def test_both_copies_are_one_hop_of_the_session() -> None:
    first = assume_role("assume", NOON, ALICE, ADMIN, **SHARED)
    found = answer(first, outside(**SHARED), call("act", "12:01:00", ADMIN))
    assert facing(found["origin"]) == ("resolved", "iam_user", "AIDAALICE", "L1", "exact")
    assert found["origin"]["evidence"] == ["assume", "outside"]
    assert [hop["event_id"] for hop in found["chain"]] == ["assume"]


def test_without_a_shared_id_request_and_key_tell_the_copy() -> None:
    first = assume_role("assume", NOON, ALICE, ADMIN, **REQUEST)
    found = answer(first, outside(**REQUEST))
    assert facing(found["origin"]) == ("resolved", "iam_user", "AIDAALICE", "L2b", "strong")
    assert found["origin"]["evidence"] == ["assume"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"requestID": "other"}, {"requestID": "request"}),
        ({}, {}),
        ({"requestID": "request"}, {"requestID": "request", "responseElements": None}),
        (
            {"requestID": "request"},
            {"requestID": "request", "responseElements": {"credentials": {"accessKeyId": "ASIAX"}}},
        ),
    ],
)
def test_what_shares_no_request_and_key_is_no_copy(first: Json, second: Json) -> None:
    found = answer(assume_role("assume", NOON, ALICE, ADMIN, **first), outside(**second))
    assert found["origin"]["status"] == "external"


def test_another_copy_that_names_nobody_is_no_help() -> None:
    again = {**outside(**REQUEST), "eventID": "again"}
    assert answer(again, outside(**REQUEST))["origin"]["status"] == "external"


# --- accounts out of sight ------------------------------------------------------------------------


def test_a_user_of_an_account_out_of_sight_is_external() -> None:
    found = answer(outside(**SHARED), window_closed=False)
    assert found["origin"] == {
        "status": "external",
        "kind": "external_iam_user",
        "id": "AIDAALICE",
        "account_id": HOME,
        "rule": "L10",
        "confidence": "moderate",
        "reason": "account-not-collected",
        "missing": {
            "account_id": HOME,
            "time": "2026-03-01T12:00:00Z",
            "shared_event_id": "shared",
        },
        "evidence": ["outside"],
    }
    assert found["waiting_for"] == ["name/AIDAALICE", "shared/shared"]
    assert answer(outside(**SHARED))["state"] == "final"


def test_an_external_user_is_named_where_the_name_was_seen() -> None:
    named = answer(call("act", "09:00:00", user("alice", "AKIAALICE")), outside())
    origin = named["origin"]
    assert facing(origin)[:3] == ("external", "external_iam_user", "AIDAALICE")
    assert (origin["arn"], origin["name"]) == (ALICE["arn"], "alice")


def test_of_several_names_the_last_one_counts() -> None:
    old = user("alice", "AKIAALICE", arn=f"arn:aws:iam::{HOME}:user/old")
    records = [
        call("new", "2026-03-02T09:00:00Z", ALICE),
        call("old", "2026-03-01T09:00:00Z", old),
    ]
    assert answer(*records, outside())["origin"]["name"] == "alice"
    assert answer(*reversed(records), outside())["origin"]["name"] == "alice"


def test_a_role_session_of_an_account_out_of_sight_goes_on_there() -> None:
    partner = role("Partner", "job", "11:00:00")
    found = answer(outside(seen_from_outside(partner), **SHARED), window_closed=False)
    origin = found["origin"]
    assert facing(origin) == (
        "external",
        "external_role_session",
        "AROAPARTNER:job",
        "L10",
        "weak",
    )
    assert (origin["name"], origin["account_id"]) == ("job", HOME)
    assert found["waiting_for"] == ["name/AROAPARTNER", "shared/shared"]
    seen = call("act", "11:30:00", role("Partner", "other", "11:00:00"))
    assert answer(seen, outside(seen_from_outside(partner)))["origin"]["arn"] == (
        f"arn:aws:sts::{HOME}:assumed-role/Partner/job"
    )


def test_a_session_issued_out_of_sight_is_external_too() -> None:
    found = answer(outside(**SHARED), call("act", "12:01:00", ADMIN), window_closed=False)
    assert facing(found["origin"]) == (
        "external",
        "external_iam_user",
        "AIDAALICE",
        "L10",
        "moderate",
    )
    assert found["origin"]["missing"]["shared_event_id"] == "shared"
    assert found["chain"][0]["confidence"] == "exact"
    assert found["waiting_for"] == ["name/AIDAALICE", "shared/shared"]
    assert found["session"]["root_id"] == found["session"]["id"]
    assert found["session"]["root_complete"] is False
    nameless = {"type": "AWSAccount", "accountId": HOME}
    lost = answer(outside(nameless), call("act", "12:01:00", ADMIN), window_closed=False)
    assert (lost["origin"]["status"], lost["origin"]["reason"]) == ("unknown", "account-only")
    assert "waiting_for" not in lost


@pytest.mark.parametrize("principal", ["AROAPARTNER", "service-principal", None])
def test_an_account_alone_is_nobody(principal: str | None) -> None:
    by = {"type": "AWSAccount", "accountId": HOME}
    if principal is not None:
        by["principalId"] = principal
    found = answer(outside(by))["origin"]
    assert (found["status"], found["kind"]) == ("unknown", "unknown_issuer")
    assert found["reason"] == "account-only"
    assert found["missing"] == {"account_id": HOME, "time": "2026-03-01T12:00:00Z"}
    assert (found.get("id"), found["account_id"]) == (principal, HOME)


def test_an_account_alone_behind_a_call_without_copies() -> None:
    by = {**OUTSIDE, "invokedBy": "s3.amazonaws.com"}
    found = answer(record("act", NOON, "s3:GetObject", by, recipientAccountId=AWAY))["origin"]
    assert facing(found)[:3] == ("external", "external_iam_user", "AIDAALICE")
    assert found["via_service"] == "s3.amazonaws.com"


@pytest.mark.parametrize(
    "identity",
    [
        {"type": "AWSAccount", "accountId": "anonymous", "principalId": ""},
        {"type": "AWSAccount", "accountId": "ANONYMOUS_PRINCIPAL"},
        {"type": "AWSAccount", "principalId": "Anonymous", "accountId": HOME},
        {"type": "Unknown", "principalId": "anonymous"},
    ],
)
def test_nobody_signed_an_anonymous_call(identity: Json) -> None:
    found = answer(record("act", NOON, "s3:GetObject", identity))
    assert found["origin"] == {
        "status": "unknown",
        "kind": "anonymous",
        "rule": "L0",
        "confidence": "none",
        "reason": "anonymous",
    }
    assert found["state"] == "unresolved"


# --- callers at whom the walk ends ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (service("ec2"), ("resolved", "aws_service", "ec2.amazonaws.com", "L0", "exact")),
        ({"type": "AWSService"}, ("resolved", "aws_service", "AWS Internal", "L0", "exact")),
        (
            {**ADMIN, "invokedByDelegate": {"accountId": HOME}},
            ("resolved", "delegated_provider", HOME, "L0", "exact"),
        ),
        (portal_user(), ("resolved", "idc_user", "user-1", "L0", "exact")),
        (
            {"type": "Unknown", "principalId": "x", "onBehalfOf": {"userId": "user-1"}},
            ("resolved", "idc_user", "user-1", "L0", "exact"),
        ),
        (
            {"type": "Unknown", "arn": "arn:x", "invokedBy": "x.amazonaws.com"},
            ("resolved", "aws_service", "x.amazonaws.com", "L0", "exact"),
        ),
        (
            {"type": "Directory", "principalId": "d-1", "userName": "DOMAIN\\alice"},
            ("unknown", "unknown_issuer", "d-1", "L0", "none"),
        ),
        ({"type": "Unknown"}, ("unknown", "unknown_issuer", None, "L0", "none")),
        (
            {"invokedBy": "x.amazonaws.com"},
            ("resolved", "aws_service", "x.amazonaws.com", "L0", "exact"),
        ),
        (
            {"invokedBy": "AWS Internal"},
            ("resolved", "aws_service", "ec2.amazonaws.com", "L0", "exact"),
        ),
        ({}, ("unknown", "unknown_issuer", None, "L0", "none")),
    ],
)
def test_a_walk_ends_at(identity: Json, expected: tuple[object, ...]) -> None:
    assert facing(answer(call("act", NOON, identity))["origin"]) == expected


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        ({}, "no-principal"),
        ({"type": "Unknown"}, "no-principal"),
        ({"type": "Directory", "principalId": "d-1"}, "caller-type-unknown"),
        ({"type": "Directory", "arn": "arn:x"}, "caller-type-unknown"),
    ],
)
def test_callers_who_prove_nothing_say_why(identity: Json, reason: str) -> None:
    assert answer(call("act", NOON, identity))["origin"]["reason"] == reason


def test_an_event_within_a_service_is_the_services_even_without_a_word_of_it() -> None:
    event = call("act", NOON, {"accountId": HOME}, eventType="AwsServiceEvent")
    assert facing(answer(event)["origin"])[:3] == ("resolved", "aws_service", "ec2.amazonaws.com")


def test_a_delegate_has_its_account_for_a_name() -> None:
    found = answer(call("act", NOON, {**ADMIN, "invokedByDelegate": {"accountId": HOME}}))
    assert found["origin"]["name"] == HOME


def test_the_portals_user_is_a_person() -> None:
    found = answer(record("act", NOON, "sso:ListAccounts", portal_user()))
    origin = found["origin"]
    assert (origin["identity_provider"], origin["account_id"]) == (STORE, HOME)
    assert origin["human"] is True
    assert found["session"]["kind"] == "event"


@pytest.mark.parametrize("host", ["sso", "signin", "sso-oauth"])
def test_an_older_portal_record_names_its_user(host: str) -> None:
    older = {"type": "Unknown", "principalId": "x", "userName": "alice", "accountId": HOME}
    origin = answer(record("act", NOON, f"{host}:Authenticate", older))["origin"]
    assert facing(origin) == ("resolved", "idc_user", None, "L0", "strong")
    assert (origin["name"], origin["account_id"], origin["human"]) == ("alice", HOME, True)
    elsewhere = answer(record("act", NOON, "ec2:Describe", older))["origin"]
    assert elsewhere["status"] == "unknown"
    newer = {**older, "onBehalfOf": {"userId": "user-1"}}
    assert answer(record("act", NOON, f"{host}:Authenticate", newer))["origin"]["id"] == "user-1"


def test_a_federated_callers_own_record_ends_there() -> None:
    saml = {"type": "SAMLUser", "principalId": "q:alice", "userName": "alice"}
    written = assume_role("saml", NOON, saml, ADMIN, eventName="AssumeRoleWithSAML")
    written["requestParameters"]["principalArn"] = f"arn:aws:iam::{HOME}:saml-provider/Idp"
    found = answer(written)
    assert facing(found["origin"]) == ("resolved", "saml_subject", "alice", "L0", "exact")
    assert (found["origin"]["account_id"], found["origin"]["human"]) == (HOME, True)
    assert found["origin"]["evidence"] == ["saml"]
    web = {"type": "WebIdentityUser", "userName": "sub", "identityProvider": "gitlab.com"}
    written = assume_role("web", NOON, web, ADMIN, eventName="AssumeRoleWithWebIdentity")
    found = answer(written)
    assert facing(found["origin"]) == ("resolved", "oidc_subject", "sub", "L0", "exact")
    assert (found["origin"]["identity_provider"], found["origin"]["human"]) == ("gitlab.com", False)


@pytest.mark.parametrize(
    ("issuer", "subject", "human"),
    [
        ("token.actions.githubusercontent.com", "repo:a/b", False),
        ("gitlab.com", "project", False),
        ("oidc.eks.us-east-1.amazonaws.com/id/A", "system:serviceaccount:a:b", False),
        ("example.com", "system:serviceaccount:a:b", False),
        ("example.com", "alice", None),
        ("not-gitlab.com", "alice", None),
    ],
)
def test_pipelines_and_pods_are_machines(issuer: str, subject: str, *, human: bool | None) -> None:
    web = {"type": "WebIdentityUser", "userName": subject, "identityProvider": issuer}
    written = assume_role("web", NOON, web, ADMIN, eventName="AssumeRoleWithWebIdentity")
    assert answer(written)["origin"].get("human") is human


def test_cognito_by_web_identity_is_the_identity_of_a_pool() -> None:
    provider = "cognito-identity.amazonaws.com"
    web = {"type": "WebIdentityUser", "userName": "us-east-1:one", "identityProvider": provider}
    written = assume_role("web", NOON, web, ADMIN, eventName="AssumeRoleWithWebIdentity")
    written["responseElements"]["audience"] = "us-east-1:pool"
    origin = answer(written, call("act", "12:01:00", ADMIN))["origin"]
    assert facing(origin) == ("resolved", "cognito_identity", "us-east-1:one", "L1", "exact")
    assert (origin["identity_provider"], origin["account_id"]) == ("us-east-1:pool", AWAY)
    assert "human" not in origin


# --- agents ---------------------------------------------------------------------------------------


def tool(by: Json, request_id: str = "request") -> Json:
    made = {"downstreamRequests": [{"requestId": request_id}]}
    return record(
        "tool", "12:05:00", "aws-mcp:Tool", by, eventType="AwsMcpEvent", additionalEventData=made
    )


def test_an_agents_call_is_that_of_who_used_the_tool() -> None:
    issue = assume_role("assume", NOON, ALICE, ADMIN)
    agent = role("Agent", "x", "12:05:00", key="ASIAFRESH", invokedBy="aws-mcp.amazonaws.com")
    made = call("act", "12:05:01", agent, **REQUEST)
    found = answer(issue, tool(ADMIN), made)
    assert facing(found["origin"]) == ("resolved", "iam_user", "AIDAALICE", "L1", "exact")
    assert found["origin"]["evidence"] == ["assume", "tool"]
    assert found["chain_text"] == f"alice → Admin@{AWAY}"
    session = found["session"]
    assert session["root_id"] == session["parent_id"] == ALICES_DAY
    assert session["root_complete"] is True
    assert session["name"] == "x"
    alone = answer(issue, tool(ADMIN, "other"), made)
    assert alone["origin"]["status"] == "unknown"
    plain = call("act", "12:05:01", {**agent, "invokedBy": "athena.amazonaws.com"}, **REQUEST)
    assert answer(issue, tool(ADMIN), plain)["origin"]["status"] == "unknown"
