"""Sessions of IAM users, federated users and roots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from enricher.identity.sessions import group_id, synthetic_id
from tests.unit.identity.stories import (
    AWAY,
    HOME,
    NOON,
    answer,
    at,
    call,
    record,
    root,
    seen_from_outside,
    sign_in,
    user,
)

if TYPE_CHECKING:
    from tests.unit.identity.stories import (
        Json,
    )

ALICE = user("alice", "AKIAALICE")
TEMPORARY = user("alice", "ASIATEMP", NOON)
FORWARDED = user("alice", "ASIAFORWARD", NOON, invokedBy="athena.amazonaws.com")
ALICES_DAY = synthetic_id(HOME, "AKIAALICE", at(NOON))
ALICES_NOON = group_id("aws", HOME, "AIDAALICE", at(NOON))


def token(event_id: str, clock: str, by: Json, key: str, **members: Any) -> Json:  # noqa: ANN401 - any member
    """Write the GetSessionToken that issued a key."""
    issued = {"credentials": {"accessKeyId": key, "expiration": "Mar 2, 2026, 12:00:00 AM"}}
    return record(event_id, clock, "sts:GetSessionToken", by, responseElements=issued, **members)


def session(*records: Json, **window: bool) -> Json:
    found: Json = answer(*records, **window)["session"]
    return found


def test_a_long_term_key_is_the_users_for_a_day() -> None:
    found = answer(call("act", NOON, ALICE))
    assert found == {
        "state": "final",
        "origin": {
            "status": "resolved",
            "kind": "iam_user",
            "id": "AIDAALICE",
            "arn": f"arn:aws:iam::{HOME}:user/alice",
            "name": "alice",
            "account_id": HOME,
            "rule": "L0",
            "confidence": "exact",
            "evidence": ["act"],
        },
        "chain": [],
        "chain_depth": 0,
        "chain_text": "alice",
        "session": {
            "id": ALICES_DAY,
            "credential_id": found["session"]["credential_id"],
            "root_id": ALICES_DAY,
            "root_complete": True,
            "kind": "synthetic",
            "name": "alice",
            "principal_arn": f"arn:aws:iam::{HOME}:user/alice",
        },
        "access": {
            "mode": "programmatic",
            "subtype": "long_term_key",
            "session_mode": "programmatic",
            "console": False,
            "confidence": "exact",
            "evidence": ["P5"],
            "tool": "cli",
        },
    }


def test_a_day_later_it_is_another_session() -> None:
    late = call("late", "2026-03-02T00:00:00Z", ALICE)
    assert session(call("act", NOON, ALICE), late)["id"] != ALICES_DAY
    assert session(call("first", "00:00:00", ALICE), call("act", "23:59:59", ALICE))["id"] == (
        ALICES_DAY
    )


def test_a_key_says_who_created_it_first() -> None:
    written = {"responseElements": {"accessKey": {"accessKeyId": "AKIAALICE"}}}
    bob = user("bob", "AKIABOB")
    later = record("b", "11:00:00", "iam:CreateAccessKey", ALICE, **written)
    first = record("a", "10:00:00", "iam:CreateAccessKey", bob, **written)
    expected = {"created_by": bob["arn"], "created_event": "a"}
    assert answer(later, first, call("act", NOON, ALICE))["credential"] == expected
    assert "credential" not in answer(first, call("act", NOON, bob))
    assert "credential" not in answer(first, call("act", NOON, TEMPORARY))


# --- temporary keys of users --------------------------------------------------------------------


def test_a_temporary_key_leads_to_the_key_that_got_it() -> None:
    found = answer(
        token("token", NOON, ALICE, "ASIATEMP", requestParameters={"serialNumber": "arn:mfa"}),
        call("act", "12:01:00", TEMPORARY),
    )
    assert found["origin"]["evidence"] == ["token"]
    assert found["origin"]["confidence"] == "exact"
    assert found["chain"] == []
    assert found["session"]["id"] == ALICES_NOON
    assert found["session"]["parent_id"] == found["session"]["root_id"] == ALICES_DAY
    assert found["session"]["root_complete"] is True
    assert found["session"]["kind"] == "user"
    assert found["session"]["mfa"] is False  # what the credential itself says goes first
    assert found["access"]["session_mode"] == "programmatic"
    assert found["access"]["subtype"] == "sts"


def test_the_request_tells_the_second_factor_where_the_credential_does_not() -> None:
    bare = user(
        "alice", "ASIATEMP", sessionContext={"attributes": {"creationDate": "2026-03-01T12:00:00Z"}}
    )
    asked = token("token", NOON, ALICE, "ASIATEMP", requestParameters={"serialNumber": "arn:mfa"})
    assert session(asked, call("act", "12:01:00", bare))["mfa"] is True
    assert "mfa" not in session(call("act", "12:01:00", bare))


def test_without_the_issue_the_user_is_known_and_the_root_is_not() -> None:
    found = answer(call("act", "12:01:00", TEMPORARY))
    assert found["origin"]["status"] == "resolved"
    assert found["origin"]["evidence"] == ["act"]
    assert found["session"]["root_id"] == ALICES_NOON
    assert found["session"]["root_complete"] is False
    assert "parent_id" not in found["session"]
    waiting = answer(call("act", "12:01:00", TEMPORARY), window_closed=False)
    assert waiting["state"] == "pending"
    assert waiting["waiting_for"] == [
        "issued/ASIATEMP",
        f"session/{HOME}/AIDAALICE/2026-03-01T11:59:59Z",
        f"session/{HOME}/AIDAALICE/2026-03-01T12:00:00Z",
        f"session/{HOME}/AIDAALICE/2026-03-01T12:00:01Z",
    ]


def test_a_keyless_session_waits_for_its_second_only() -> None:
    keyless = user("alice", None, NOON)
    found = answer(call("act", "12:01:00", keyless), window_closed=False)
    assert len(found["waiting_for"]) == 3
    assert all(key.startswith("session/") for key in found["waiting_for"])


def test_a_key_issued_to_somebody_else_is_noted() -> None:
    other = token("token", NOON, user("bob", "AKIABOB"), "ASIATEMP")
    found = answer(other, call("act", "12:01:00", TEMPORARY))
    assert found["notes"] == ["key_id_conflict"]
    assert "parent_id" not in found["session"]
    own = token("own", NOON, ALICE, "ASIATEMP")
    both = answer(other, own, call("act", "12:01:00", TEMPORARY))
    assert both["notes"] == ["key_reused"]
    assert both["session"]["parent_id"] == ALICES_DAY


def test_two_issues_that_fit_leave_the_parent_open() -> None:
    one = token("one", NOON, ALICE, "ASIATEMP")
    two = token("two", NOON, user("alice", "AKIAOTHER"), "ASIATEMP")
    found = session(one, two, call("act", "12:01:00", TEMPORARY))
    assert "parent_id" not in found


# --- sign-ins -----------------------------------------------------------------------------------


def test_a_console_session_is_a_persons() -> None:
    login = sign_in("login", NOON, "ConsoleLogin", user("alice"), MFAUsed="Yes")
    bare = user(
        "alice", "ASIATEMP", sessionContext={"attributes": {"creationDate": "2026-03-01T12:00:00Z"}}
    )
    found = answer(login, call("act", "12:01:00", bare))
    assert found["origin"]["human"] is True
    assert found["origin"]["evidence"] == ["login"]
    assert found["session"]["root_complete"] is True
    assert found["session"]["mfa"] is True
    assert found["access"]["session_mode"] == "console"
    assert "notes" not in found
    assert found["state"] == "final"
    of_login = answer(call("act", "12:01:00", bare), login)
    assert of_login["session"]["id"] == found["session"]["id"] == ALICES_NOON
    assert of_login["session"]["kind"] == "user"
    assert of_login["session"]["started_at"] == "2026-03-01T12:00:00Z"


def test_two_sign_ins_in_one_second_share_it() -> None:
    logins = [
        sign_in(f"login-{used}", NOON, "ConsoleLogin", user("alice"), MFAUsed=used)
        for used in ("No", "Yes", None)
    ]
    bare = user(
        "alice", "ASIATEMP", sessionContext={"attributes": {"creationDate": "2026-03-01T12:00:00Z"}}
    )
    found = answer(*logins, call("act", "12:01:00", bare))
    assert found["notes"] == ["shared_second"]
    assert found["origin"]["evidence"] == ["login-No", "login-None", "login-Yes"]
    assert found["session"]["mfa"] is True


def test_a_sign_in_a_second_off_is_the_sessions() -> None:
    login = sign_in("login", "12:00:01", "ConsoleLogin", user("alice"))
    found = answer(login, call("act", "12:01:00", TEMPORARY))
    assert found["origin"]["evidence"] == ["login"]
    too_far = sign_in("login", "12:00:02", "ConsoleLogin", user("alice"))
    assert answer(too_far, call("act", "12:01:00", TEMPORARY))["origin"]["evidence"] == ["act"]


def test_a_sign_in_is_no_proof_of_a_session_days_later() -> None:
    login = sign_in("login", NOON, "ConsoleLogin", user("alice"))
    late = call("act", "2026-03-03T00:00:01Z", TEMPORARY)
    assert answer(login, late)["origin"]["evidence"] == ["act"]


def test_a_credential_from_the_console_is_a_persons() -> None:
    found = answer(call("act", "12:01:00", TEMPORARY, sessionCredentialFromConsole="true"))
    assert found["origin"]["human"] is True
    assert found["access"]["session_mode"] == "console"


# --- console actions without a session ----------------------------------------------------------

NO_SESSION = user("alice", "ASIAPAGE")


def action(clock: str, by: Json = NO_SESSION) -> Json:
    return call("action", clock, by, eventType="AwsConsoleAction")


def test_a_console_action_joins_the_last_sign_in_before_it() -> None:
    found = answer(
        sign_in("early", "08:00:00", "ConsoleLogin", user("alice")),
        sign_in("login", NOON, "ConsoleLogin", user("alice")),
        sign_in("later", "12:30:00", "ConsoleLogin", user("alice")),
        action("12:10:00"),
    )
    assert found["origin"]["evidence"] == ["login"]
    assert found["session"]["id"] == synthetic_id(HOME, "ASIAPAGE", at(NOON))
    assert found["session"]["parent_id"] == found["session"]["root_id"] == ALICES_NOON
    assert found["session"]["root_complete"] is True
    assert found["state"] == "final"


@pytest.mark.parametrize(
    ("clock", "joined"),
    [
        ("11:59:59", False),
        (NOON, True),
        ("2026-03-02T00:00:00Z", True),
        ("2026-03-02T00:00:01Z", False),
    ],
)
def test_a_sign_in_is_good_for_twelve_hours(clock: str, *, joined: bool) -> None:
    login = sign_in("login", NOON, "ConsoleLogin", user("alice"))
    found = session(login, action(clock))
    assert (found.get("parent_id") == ALICES_NOON) is joined


def test_of_two_sign_ins_in_one_second_the_ids_decide() -> None:
    logins = [sign_in(name, NOON, "ConsoleLogin", user("alice")) for name in ("b", "a")]
    assert answer(*logins, action("12:10:00"))["origin"]["evidence"] == ["b"]


def test_an_issue_is_no_sign_in() -> None:
    issue = token("token", NOON, ALICE, "ASIATEMP")
    assert "parent_id" not in session(issue, action("12:10:00"))


def test_a_console_action_waits_for_a_sign_in_of_those_days() -> None:
    found = answer(action("11:00:00"), window_closed=False)
    assert found["waiting_for"] == [
        f"began/{HOME}/AIDAALICE/2026-02-28",
        f"began/{HOME}/AIDAALICE/2026-03-01",
    ]
    nameless = {**NO_SESSION, "principalId": ""}
    assert "waiting_for" not in answer(action("11:00:00", nameless), window_closed=False)


# --- forward access -----------------------------------------------------------------------------


def test_forward_access_is_traced_to_the_one_key_of_the_day() -> None:
    found = answer(call("use", "11:00:00", ALICE), call("act", NOON, FORWARDED))
    assert found["origin"]["id"] == "AIDAALICE"
    assert found["origin"]["via_service"] == "athena.amazonaws.com"
    assert found["session"]["id"] == ALICES_NOON
    assert found["session"]["kind"] == "fas_derived"
    assert found["session"]["root_id"] == ALICES_DAY
    assert found["session"]["root_complete"] is True
    assert found["access"]["session_mode"] == "programmatic"
    open_ = answer(
        call("use", "11:00:00", ALICE), call("act", NOON, FORWARDED), window_closed=False
    )
    assert open_["session"]["kind"] == "user"
    assert f"used/{HOME}/AIDAALICE/2026-03-01" in open_["waiting_for"]


def test_forward_access_is_not_traced_to_one_of_several_keys() -> None:
    other = call("other", "11:00:00", user("alice", "AKIAOTHER"))
    found = session(call("use", "11:00:00", ALICE), other, call("act", NOON, FORWARDED))
    assert (found["kind"], found["root_id"], found["root_complete"]) == (
        "fas_derived",
        ALICES_NOON,
        False,
    )
    assert session(call("act", NOON, FORWARDED))["root_complete"] is False


def test_forward_access_of_a_session_belongs_to_that_session() -> None:
    login = sign_in("login", NOON, "ConsoleLogin", user("alice"))
    found = answer(login, call("use", "11:00:00", ALICE), call("act", "12:05:00", FORWARDED))
    assert found["session"]["kind"] == "user"
    assert found["origin"]["evidence"] == ["login"]
    issue = token("token", NOON, ALICE, "ASIATEMP")
    assert session(issue, call("act", "12:05:00", FORWARDED))["parent_id"] == ALICES_DAY


def test_a_key_that_is_not_forwarded_belongs_to_no_other_keys_session() -> None:
    issue = token("token", NOON, ALICE, "ASIATEMP")
    other = user("alice", "ASIAOTHER", NOON)
    assert "parent_id" not in session(issue, call("act", "12:05:00", other))


def test_forward_access_from_the_console_is_no_long_term_keys() -> None:
    page = call("act", NOON, FORWARDED, sessionCredentialFromConsole="true")
    assert session(call("use", "11:00:00", ALICE), page)["kind"] == "user"


@pytest.mark.parametrize("member", ["principalId", "accountId", "sessionContext"])
def test_forward_access_of_nobody_is_traced_nowhere(member: str) -> None:
    identity = {**FORWARDED, "arn": ""}
    del identity[member]
    found = answer(call("use", "11:00:00", ALICE), call("act", NOON, identity))
    assert found["session"]["kind"] in {"user", "synthetic", "event"}
    assert found["session"].get("root_id") != ALICES_DAY


# --- federated users ----------------------------------------------------------------------------


def visitor(**issuer: str) -> Json:
    return {
        "type": "FederatedUser",
        "principalId": f"{HOME}:visitor",
        "arn": f"arn:aws:sts::{HOME}:federated-user/visitor",
        "accountId": HOME,
        "accessKeyId": "ASIAVISITOR",
        "sessionContext": {
            "sessionIssuer": issuer,
            "attributes": {"creationDate": "2026-03-01T12:00:00Z"},
        },
    }


ISSUER = {"type": "IAMUser", "principalId": "AIDAALICE", "arn": f"arn:aws:iam::{HOME}:user/alice"}


def federation(event_id: str = "token") -> Json:
    return record(
        event_id,
        NOON,
        "sts:GetFederationToken",
        ALICE,
        responseElements={
            "credentials": {"accessKeyId": "ASIAVISITOR"},
            "federatedUser": {"federatedUserId": f"{HOME}:visitor"},
        },
    )


def test_a_federated_user_is_its_issuer() -> None:
    found = answer(federation(), call("act", "12:01:00", visitor(**ISSUER)))
    origin = found["origin"]
    assert (origin["kind"], origin["id"], origin["name"]) == ("iam_user", "AIDAALICE", "alice")
    assert origin["acting_as"] == f"arn:aws:sts::{HOME}:federated-user/visitor"
    assert (origin["evidence"], origin["rule"]) == (["token"], "L0")
    assert "human" not in origin
    assert found["session"]["parent_id"] == ALICES_DAY
    assert found["session"]["kind"] == "federated"


def test_a_federated_user_in_the_console_is_a_person() -> None:
    login = sign_in("login", NOON, "ConsoleLogin", visitor(**ISSUER))
    found = answer(login, call("act", "12:01:00", {**visitor(**ISSUER), "accessKeyId": "ASIAPAGE"}))
    assert found["origin"]["human"] is True
    assert found["origin"]["evidence"] == ["login"]


def test_a_federated_user_of_root_is_root() -> None:
    found = answer(call("act", NOON, visitor(type="Root", accountId=AWAY)))
    assert (found["origin"]["kind"], found["origin"]["id"]) == ("root", AWAY)


@pytest.mark.parametrize("member", ["principalId", "arn"])
def test_half_an_issuer_is_enough(member: str) -> None:
    issuer = {"type": "IAMUser", member: ISSUER[member]}
    assert answer(call("act", NOON, visitor(**issuer)))["origin"]["status"] == "resolved"


def test_a_federated_user_without_an_issuer_is_nobody() -> None:
    found = answer(federation(), call("act", NOON, visitor()))["origin"]
    assert (found["status"], found["reason"]) == ("unknown", "issuer-not-seen")
    assert found["kind"] == "unknown_issuer"


# --- roots --------------------------------------------------------------------------------------

ROOT = root("ASIAROOT", NOON)
ROOTS = {"kind": "root", "id": HOME, "arn": f"arn:aws:iam::{HOME}:root", "human": True}


@pytest.mark.parametrize(
    "records",
    [
        [call("act", NOON, root("AKIAROOT"))],
        [call("act", NOON, root())],
        [call("act", NOON, ROOT, sessionCredentialFromConsole="true")],
        [call("act", NOON, {**ROOT, "invokedBy": "health.amazonaws.com"})],
        [sign_in("login", NOON, "ConsoleLogin", root()), call("act", "12:01:00", ROOT)],
        [
            record(
                "token",
                NOON,
                "sts:GetSessionToken",
                root("AKIAROOT"),
                responseElements={"credentials": {"accessKeyId": "ASIAROOT"}},
            ),
            call("act", "12:01:00", ROOT),
        ],
    ],
)
def test_a_root_that_signed_in_is_the_root(records: list[Json]) -> None:
    origin = answer(*records)["origin"]
    assert {name: origin[name] for name in ROOTS} == ROOTS
    assert (origin["status"], origin["name"]) == ("resolved", f"root@{HOME}")
    assert origin["evidence"] == [records[0]["eventID"]]


def test_a_temporary_root_may_be_either() -> None:
    found = answer(call("act", "12:01:00", ROOT))
    origin = found["origin"]
    assert (origin["status"], origin["reason"]) == ("unknown", "root-session-unresolved")
    assert (origin["kind"], origin["acting_as"]) == ("unknown_issuer", ROOTS["arn"])
    assert origin["missing"] == {"time": "2026-03-01T12:00:00Z"}
    assert found["state"] == "unresolved"
    assert found["session"]["kind"] == "root"


def test_an_assumed_root_is_whoever_assumed_it() -> None:
    assume = record(
        "assume",
        NOON,
        "sts:AssumeRoot",
        ALICE,
        requestParameters={"targetPrincipal": HOME},
        responseElements={"credentials": {"accessKeyId": "ASIAROOT"}},
    )
    found = answer(assume, call("act", "12:01:00", ROOT))
    origin = found["origin"]
    assert (origin["kind"], origin["id"], origin["rule"]) == ("iam_user", "AIDAALICE", "L1")
    assert (origin["acting_as"], origin["evidence"]) == (ROOTS["arn"], ["assume"])
    assert found["chain"] == [
        {
            "via": "AssumeRoot",
            "arn": ROOTS["arn"],
            "account_id": HOME,
            "access_key_id": "ASIAROOT",
            "event_id": "assume",
            "at": "2026-03-01T12:00:00Z",
            "rule": "L1",
            "confidence": "exact",
        }
    ]
    assert found["chain_text"] == f"alice → root@{HOME}"
    assert found["access"]["session_mode"] == "programmatic"


def test_an_assumed_root_of_which_only_the_members_copy_is_seen_is_external() -> None:
    copy = record(
        "assume",
        NOON,
        "sts:AssumeRoot",
        seen_from_outside(ALICE),
        requestParameters={"targetPrincipal": HOME},
        responseElements={"credentials": {"accessKeyId": "ASIAROOT"}},
    )
    origin = answer(copy, call("act", "12:01:00", ROOT))["origin"]
    assert (origin["status"], origin["kind"]) == ("external", "external_iam_user")
    assert (origin["id"], origin["acting_as"]) == ("AIDAALICE", ROOTS["arn"])
    assert origin["missing"] == {"account_id": HOME, "time": "2026-03-01T12:00:00Z"}


def test_a_root_action_joins_its_sign_in() -> None:
    login = sign_in("login", NOON, "ConsoleLogin", root())
    found = answer(login, action("12:10:00", root("ASIAPAGE")))
    assert found["origin"]["kind"] == "root"
    assert found["session"]["parent_id"] == group_id("aws", HOME, HOME, at(NOON))


# --- attempts -----------------------------------------------------------------------------------


def test_a_failed_sign_in_names_whom_aws_named_and_proves_nothing() -> None:
    login = sign_in("login", NOON, "ConsoleLogin", user("alice"))
    login |= {"responseElements": {"ConsoleLogin": "Failure"}, "errorMessage": "Failed"}
    found = answer(login)
    origin = found["origin"]
    assert (origin["status"], origin["reason"]) == ("unknown", "failed-sign-in")
    assert (origin["kind"], origin["id"], origin["confidence"]) == ("iam_user", "AIDAALICE", "none")
    assert found["session"]["kind"] == "attempt"
    assert not {"id", "root_id", "root_complete", "parent_id"} & found["session"].keys()
    assert found["state"] == "unresolved"
    assert answer({**login, "userIdentity": root()})["origin"]["kind"] == "root"
    role_ = {"type": "AssumedRole", "principalId": "AROA:x", "accountId": HOME}
    assert answer({**login, "userIdentity": role_})["origin"]["kind"] == "unknown_issuer"


def test_a_check_of_a_second_factor_is_an_attempt() -> None:
    check = sign_in("check", NOON, "CheckMfa", user("alice"))
    found = answer(check)
    assert found["session"] == {
        "kind": "attempt",
        "name": "alice",
        "principal_arn": f"arn:aws:iam::{HOME}:user/alice",
    }
    assert found["origin"]["status"] == "resolved"
