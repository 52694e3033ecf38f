"""The shape of an answer: what is shared by the calls of a credential, and what is each one's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enricher.identity.sessions import (
    credential_id,
    event_session_id,
    group_id,
    synthetic_id,
)
from tests.unit.identity.stories import (
    AWAY,
    HOME,
    NOON,
    answer,
    assume_role,
    at,
    call,
    record,
    role,
    sign_in,
    user,
)

if TYPE_CHECKING:
    from tests.unit.identity.stories import (
        Json,
    )

ALICE = user("alice", "AKIAALICE")
ADMIN = role("Admin", "session", key="ASIAADMIN")
ISSUE = assume_role("assume", NOON, ALICE, ADMIN)


def test_each_part_of_a_session_makes_its_id() -> None:
    one = group_id("aws", HOME, "AROA:x", at(NOON))
    others = {
        group_id("aws-cn", HOME, "AROA:x", at(NOON)),
        group_id("aws", AWAY, "AROA:x", at(NOON)),
        group_id("aws", HOME, "AROA:y", at(NOON)),
        group_id("aws", HOME, "AROA:x", at("12:00:01")),
        synthetic_id(HOME, "AKIA", at(NOON)),
        synthetic_id(AWAY, "AKIA", at(NOON)),
        synthetic_id(HOME, "AKIB", at(NOON)),
        synthetic_id(HOME, "AKIA", at("2026-03-02T12:00:00Z")),
        event_session_id("a"),
        event_session_id("b"),
        credential_id(one, "AKIA"),
        credential_id(one, "AKIB"),
        credential_id("other", "AKIA"),
    }
    assert len(others) == 13
    assert one not in others
    assert all(len(name) == 32 and int(name, 16) for name in others)
    assert synthetic_id(HOME, "AKIA", at(NOON)) == synthetic_id(HOME, "AKIA", at("23:59:59"))


def test_ids_are_what_they_have_always_been() -> None:
    assert group_id("aws", HOME, "AROA:x", at(NOON)) == "ddfa67d0975eb3fe790e44dccd9efdce"
    assert synthetic_id(HOME, "AKIA", at(NOON)) == "8705c7abeee6d4bc408a0c594c9704b1"
    assert credential_id("session", "AKIA") == "742a0df0f7bf843d77a4e9b728a25756"
    assert event_session_id("document") == "2db05bad5ab74c2c7d20fb317d9ab065"


def test_two_keys_of_a_session_are_two_credentials() -> None:
    login = sign_in("login", NOON, "ConsoleLogin", user("alice"))
    one, two = (
        answer(login, call("act", "12:01:00", user("alice", key, NOON)))["session"]
        for key in ("ASIAONE", "ASIATWO")
    )
    assert one["id"] == two["id"]
    assert one["credential_id"] != two["credential_id"]
    assert "credential_id" not in answer(login)["session"]


def test_the_calls_of_a_credential_differ_in_their_own_proof_only() -> None:
    first, second = call("first", "12:01:00", ALICE), call("second", "12:02:00", ALICE)
    one, two = answer(second, first), answer(first, second)
    assert (one["origin"]["evidence"], two["origin"]["evidence"]) == (["first"], ["second"])
    one["origin"].pop("evidence")
    two["origin"].pop("evidence")
    assert one == two
    chained = answer(ISSUE, first, call("act", "12:03:00", ADMIN))
    assert chained["origin"]["evidence"] == ["assume"]


def test_what_waits_is_pending_while_the_window_is_open() -> None:
    act = call("act", "12:01:00", ADMIN)
    assert answer(act, window_closed=False)["state"] == "pending"
    assert answer(act)["state"] == "unresolved"
    assert "waiting_for" not in answer(act)
    assert answer(ISSUE, act, window_closed=False)["state"] == "final"
    anonymous = call("act", NOON, {"type": "Unknown"})
    assert answer(anonymous, window_closed=False)["state"] == "unresolved"


def test_a_call_without_key_or_time_stands_alone() -> None:
    nameless = {"type": "Directory", "principalId": "d-1", "accountId": HOME}
    found = answer(call("act", NOON, nameless))["session"]
    own = event_session_id(f"act:{HOME}")
    assert found == {"id": own, "root_id": own, "root_complete": False, "kind": "event"}


@pytest.mark.parametrize(
    ("identity", "kind"),
    [
        (user("alice", "ASIATEMP", NOON), "user"),
        ({**ADMIN, "type": "Role"}, "role"),
        (ADMIN, "role"),
        (user("alice", "AKIAALICE"), "synthetic"),
        ({**user("alice", "ASIATEMP", NOON), "type": "FederatedUser"}, "federated"),
        ({**user("alice", "ASIATEMP", NOON), "type": "Root", "principalId": HOME}, "root"),
        ({**user("alice", "ASIATEMP", NOON), "type": "Directory"}, None),
    ],
)
def test_sessions_are_of_a_kind(identity: Json, kind: str | None) -> None:
    found = answer(call("act", "12:01:00", identity))["session"]["kind"]
    assert found == (kind or "federated")


@pytest.mark.parametrize(
    ("additional", "mfa"), [({"MFAUsed": "Yes"}, True), ({"MFAUsed": "No"}, False), ({}, None)]
)
def test_a_sign_in_says_whether_there_was_a_second_factor(
    additional: Json, *, mfa: bool | None
) -> None:
    found = answer(sign_in("login", NOON, "ConsoleLogin", user("alice"), **additional))
    assert found["session"].get("mfa") is mfa


@pytest.mark.parametrize(
    ("members", "notes"),
    [
        ({"eventSource": "ec2.example.com"}, ["foreign_event_source"]),
        ({"eventID": None}, ["no_event_id"]),
        (
            {"eventSource": "ec2.example.com", "eventID": ""},
            ["foreign_event_source", "no_event_id"],
        ),
        ({}, None),
    ],
)
def test_what_is_odd_of_a_record_is_noted(members: Json, notes: list[str] | None) -> None:
    assert answer(call("act", NOON, ALICE, **members)).get("notes") == notes


def test_a_token_for_signing_in_begins_no_session() -> None:
    token = sign_in("token", NOON, "GetSigninToken", ADMIN)
    token["responseElements"] = {"credentials": {"accessKeyId": "ASIATOKEN"}}
    assert "issued_id" not in answer(token)["session"]
    assert (
        "issued_id" not in answer(sign_in("login", NOON, "ConsoleLogin", user("alice")))["session"]
    )


def test_the_issued_session_lies_in_the_partition_of_its_holder() -> None:
    china = role(
        "Admin", "session", key="ASIAADMIN", arn=f"arn:aws-cn:sts::{HOME}:assumed-role/A/s"
    )
    issue = assume_role("assume", NOON, ALICE, china)
    expected = group_id("aws-cn", HOME, "AROAADMIN:session", at(NOON))
    assert answer(issue)["session"]["issued_id"] == expected
    assert answer(call("act", "12:01:00", china))["session"]["id"] == expected
    nameless = {"credentials": {"accessKeyId": "ASIAADMIN"}}
    assert "issued_id" not in answer({**issue, "responseElements": nameless})["session"]
    token = record(
        "token",
        NOON,
        "sts:GetSessionToken",
        {**ALICE, "arn": ""},
        awsRegion="cn-north-1",
        responseElements=nameless,
    )
    assert answer(token)["session"]["issued_id"] == group_id("aws-cn", HOME, "AIDAALICE", at(NOON))


def test_a_chain_is_spelled_with_the_best_name_there_is() -> None:
    assert answer(call("act", NOON, user("alice", "AKIA", userName=None)))["chain_text"] == "alice"
    idless = user("alice", "AKIA", userName=None, arn=None)
    assert answer(call("act", NOON, idless))["chain_text"] == "AIDAALICE"
    assert answer(call("act", NOON, {"type": "Unknown"}))["chain_text"] == "unknown_issuer"
