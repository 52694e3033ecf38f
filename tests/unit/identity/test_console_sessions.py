"""Console sessions of roles: switches, renewals, sign-ins, and who stood behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from enricher.identity.sessions import group_id, synthetic_id
from tests.unit.identity.stories import (
    AWAY,
    HOME,
    NOON,
    answer,
    assume_role,
    at,
    call,
    role,
    seen_from_outside,
    sign_in,
    user,
)

if TYPE_CHECKING:
    from tests.unit.identity.stories import (
        Json,
    )

ALICE = user("alice", "AKIAALICE")
HOME_LOGIN = sign_in("login", "09:00:00", "ConsoleLogin", user("alice"))
HOME_SESSION = group_id("aws", HOME, "AIDAALICE", at("09:00:00"))
SOURCE = user("alice", "ASIAHOME", "09:00:00", invokedBy="AWS Internal")
ALICE_ARN = f"arn:aws:iam::{HOME}:user/alice"
NEW = role("Admin", "alice", None, account=AWAY)
PAGE = role("Admin", "alice", key="ASIAPAGE", account=AWAY)
INTERNAL = {"sourceIPAddress": "AWS Internal", "userAgent": "AWS Internal"}
SHARED: Json = {"sharedEventID": "shared"}


def switch(
    event_id: str = "switch",
    clock: str = NOON,
    source: str | None = ALICE_ARN,
    name: str = "SwitchRole",
) -> Json:
    return sign_in(event_id, clock, name, NEW, SwitchFrom=source)


def pair(event_id: str = "assume", clock: str = NOON, by: Json = SOURCE, **members: Any) -> Json:  # noqa: ANN401 - any member
    return assume_role(event_id, clock, by, NEW, **INTERNAL, **members)


def outside(event_id: str = "outside", by: Json = SOURCE, **members: Any) -> Json:  # noqa: ANN401 - any member
    return assume_role(
        event_id, NOON, seen_from_outside(by), NEW, recipientAccountId=AWAY, **INTERNAL, **members
    )


def facing(found: Json) -> tuple[object, ...]:
    """Give status, kind, id, rule and confidence of an origin."""
    return (
        found["status"],
        found["kind"],
        found.get("id"),
        found["rule"],
        found["confidence"],
    )


SWITCHED = ("resolved", "iam_user", "AIDAALICE", "L4", "strong")


# --- switches -------------------------------------------------------------------------------------


def test_a_switch_and_its_call_lead_to_the_session_switched_from() -> None:
    found = answer(HOME_LOGIN, pair(), switch(), call("act", "12:05:00", PAGE))
    assert facing(found["origin"]) == SWITCHED
    assert found["origin"]["human"] is True
    assert found["origin"]["evidence"] == ["assume", "login", "switch"]
    (hop,) = found["chain"]
    assert (hop["via"], hop["event_id"], hop["rule"]) == ("SwitchRole", "switch", "L4")
    assert (hop["access_key_id"], hop["arn"]) == ("ASIAPAGE", PAGE["arn"])
    session = found["session"]
    assert session["parent_id"] == session["root_id"] == HOME_SESSION
    assert session["root_complete"] is True
    assert found["access"]["session_mode"] == "console"
    assert found["state"] == "final"


def test_the_switchs_own_record_is_the_switched_roles() -> None:
    found = answer(HOME_LOGIN, pair(), switch())
    assert facing(found["origin"]) == SWITCHED
    session = group_id("aws", AWAY, "AROAADMIN:alice", at(NOON))
    assert found["session"]["id"] == session
    assert found["session"]["kind"] == "role"
    assert found["access"]["mode"] == "console"


def test_the_call_alone_leads_there_too() -> None:
    found = answer(HOME_LOGIN, pair(), call("act", "12:05:00", PAGE))
    assert facing(found["origin"]) == SWITCHED
    assert [hop["via"] for hop in found["chain"]] == ["AssumeRole"]


def test_the_switch_alone_names_who_switched() -> None:
    found = answer(switch(), call("act", "12:05:00", PAGE), window_closed=False)
    origin = found["origin"]
    assert facing(origin) == ("resolved", "iam_user", None, "L4", "strong")
    assert (origin["arn"], origin["name"], origin["account_id"]) == (ALICE_ARN, "alice", HOME)
    assert origin["human"] is True
    assert origin["missing"] == {"account_id": HOME, "time": "2026-03-01T12:00:00Z"}
    assert found["waiting_for"] == [f"session/{AWAY}/AROAADMIN:alice/2026-03-01T12:00:00Z"]
    session = found["session"]
    assert session["root_id"] == session["id"]
    assert session["root_complete"] is False
    assert "parent_id" not in session


def test_the_switch_alone_from_a_role_goes_on_out_of_sight() -> None:
    source = f"arn:aws:sts::{HOME}:assumed-role/Base/bob"
    found = answer(switch(source=source), call("act", "12:05:00", PAGE), window_closed=False)
    origin = found["origin"]
    assert facing(origin) == ("external", "external_role_session", None, "L10", "weak")
    assert (origin["arn"], origin["name"], origin["account_id"]) == (source, "bob", HOME)
    assert origin["reason"] == "account-not-collected"
    assert origin["missing"] == {"account_id": HOME, "time": "2026-03-01T12:00:00Z"}
    assert found["session"]["root_complete"] is False
    assert found["waiting_for"] == [f"session/{AWAY}/AROAADMIN:alice/2026-03-01T12:00:00Z"]


def test_a_switch_from_nowhere_names_nobody() -> None:
    found = answer(switch(source=None), call("act", "12:05:00", PAGE))
    assert found["origin"]["status"] == "unknown"


def test_the_switch_and_the_other_accounts_copy_name_user_and_id() -> None:
    found = answer(switch(), outside(**SHARED), call("act", "12:05:00", PAGE))
    origin = found["origin"]
    assert facing(origin) == SWITCHED
    assert (origin["arn"], origin["name"], origin["account_id"]) == (ALICE_ARN, "alice", HOME)
    assert origin["missing"] == {
        "account_id": HOME,
        "time": "2026-03-01T12:00:00Z",
        "shared_event_id": "shared",
    }
    assert found["session"]["root_complete"] is False


def test_the_other_accounts_copy_of_a_roles_switch_is_named_by_the_switch() -> None:
    base = role("Base", "bob", "09:00:00")
    source = base["arn"]
    found = answer(switch(source=source), outside(by=base), call("act", "12:05:00", PAGE))
    origin = found["origin"]
    assert facing(origin)[:3] == ("external", "external_role_session", "AROABASE:bob")
    assert origin["arn"] == source


def test_both_copies_are_one_switch() -> None:
    records = [HOME_LOGIN, pair(**SHARED), outside(**SHARED), switch()]
    found = answer(*records, call("act", "12:05:00", PAGE))
    assert facing(found["origin"]) == SWITCHED
    assert found["origin"]["evidence"] == ["assume", "login", "outside", "switch"]


def test_a_switch_in_the_next_second_is_moderate() -> None:
    late = answer(switch(clock="12:00:01"), call("act", "12:05:00", PAGE))
    assert late["origin"]["confidence"] == "moderate"
    assert [hop["at"] for hop in late["chain"]] == ["2026-03-01T12:00:01Z"]
    by_call = answer(HOME_LOGIN, pair(clock="12:00:01"), call("act", "12:05:00", PAGE))
    assert by_call["origin"]["confidence"] == "moderate"


def test_a_switched_session_may_be_used_longer_than_it_should() -> None:
    late = call("act", "2026-03-02T00:05:01Z", PAGE)
    for records in ([switch()], [HOME_LOGIN, pair()]):
        found = answer(*records, late)
        assert (found["origin"]["confidence"], found["notes"]) == ("moderate", ["after_expiry"])
    for records in ([switch()], [HOME_LOGIN, pair()]):
        found = answer(*records, call("act", "2026-03-03T00:00:01Z", PAGE))
        assert found["origin"]["status"] == "unknown"


# --- several in one second ------------------------------------------------------------------------

CAROL = user("carol", "ASIACAROL", "09:00:00", invokedBy="AWS Internal")
CAROL_ARN = f"arn:aws:iam::{HOME}:user/carol"


def test_two_switches_in_one_second_are_ambiguous() -> None:
    records = [
        pair(),
        switch(),
        pair("carols-assume", by=CAROL),
        switch("carols-switch", source=CAROL_ARN),
    ]
    found = answer(*records, call("act", "12:05:00", PAGE))
    assert facing(found["origin"])[0] == "ambiguous"
    assert [c["id"] for c in found["origin"]["candidates"]] == ["AIDAALICE", "AIDACAROL"]
    assert found["notes"] == ["shared_second"]
    assert facing(answer(*records, switch())["origin"]) == SWITCHED
    carols = answer(*reversed(records), switch("carols-switch", source=CAROL_ARN))
    assert carols["origin"]["id"] == "AIDACAROL"


def test_a_call_belongs_to_the_switch_of_its_caller() -> None:
    found = answer(pair(), switch("carols", source=CAROL_ARN), call("act", "12:05:00", PAGE))
    assert found["origin"]["status"] == "ambiguous"
    foreign = user("alice", "ASIAHOME", "09:00:00")
    elsewhere = {**foreign, "accountId": "333333333333", "arn": "arn:aws:iam::333333333333:user/x"}
    copies = [outside(by=elsewhere), switch(), call("act", "12:05:00", PAGE)]
    assert answer(*copies)["origin"]["status"] == "ambiguous"


def test_a_switch_from_nowhere_takes_any_call_of_its_second() -> None:
    found = answer(HOME_LOGIN, pair(), switch(source=None), call("act", "12:05:00", PAGE))
    assert facing(found["origin"]) == SWITCHED


# --- renewals -------------------------------------------------------------------------------------

LATER = role("Admin", "alice", "13:00:00", key="ASIALATER", account=AWAY)


def renewal(
    event_id: str = "renew", clock: str = "13:00:00", source: str | None = ALICE_ARN
) -> Json:
    return switch(event_id, clock, source, "RenewRole")


NOON_GROUP = group_id("aws", AWAY, "AROAADMIN:alice", at(NOON))


def test_a_renewal_continues_the_switch() -> None:
    found = answer(
        HOME_LOGIN,
        pair(),
        switch(),
        pair("again", "13:00:00"),
        renewal(),
        call("act", "13:05:00", LATER),
    )
    assert facing(found["origin"]) == ("resolved", "iam_user", "AIDAALICE", "L4", "moderate")
    assert found["session"]["continues"] == NOON_GROUP
    assert found["session"]["root_id"] == HOME_SESSION
    assert [hop["via"] for hop in found["chain"]] == ["RenewRole"]


def test_a_renewal_alone_has_behind_it_what_the_switch_had() -> None:
    found = answer(HOME_LOGIN, pair(), switch(), renewal(), call("act", "13:05:00", LATER))
    assert facing(found["origin"]) == ("resolved", "iam_user", "AIDAALICE", "L4", "moderate")
    assert found["session"]["continues"] == NOON_GROUP
    session = found["session"]
    assert session["root_id"] == session["parent_id"] == HOME_SESSION
    assert [hop["event_id"] for hop in found["chain"]] == ["renew"]
    assert found["origin"]["evidence"] == ["assume", "login", "renew", "switch"]


def test_a_renewal_of_a_renewal_goes_back_to_the_switch() -> None:
    again = renewal("again", "14:00:00")
    last = role("Admin", "alice", "14:00:00", key="ASIALAST", account=AWAY)
    found = answer(HOME_LOGIN, pair(), switch(), renewal(), again, call("act", "14:05:00", last))
    assert found["origin"]["id"] == "AIDAALICE"
    assert found["session"]["root_id"] == HOME_SESSION
    assert found["session"]["continues"] == group_id("aws", AWAY, "AROAADMIN:alice", at("13:00:00"))


def test_a_renewal_of_nothing_seen_is_as_a_switch() -> None:
    found = answer(renewal(), call("act", "13:05:00", LATER))
    assert facing(found["origin"]) == ("resolved", "iam_user", None, "L4", "moderate")
    assert "continues" not in found["session"]


@pytest.mark.parametrize(
    ("earlier", "continues"),
    [
        (switch(clock="01:00:00"), True),
        (switch(clock="00:59:59"), False),
        (switch(clock="12:59:59"), True),
        (switch(source=CAROL_ARN), False),
        (renewal("earlier", NOON), True),
        (sign_in("earlier", NOON, "ConsoleLogin", NEW), False),
    ],
)
def test_a_renewal_continues_the_last_switch_from_there_in_twelve_hours(
    earlier: Json, *, continues: bool
) -> None:
    found = answer(earlier, renewal(), call("act", "13:05:00", LATER))
    assert ("continues" in found["session"]) is continues


def test_of_several_switches_the_last_is_continued() -> None:
    records = [switch("first", "11:00:00"), switch("last", NOON), switch("later", "13:30:00")]
    found = answer(*records, renewal(), call("act", "13:05:00", LATER))
    assert found["session"]["continues"] == NOON_GROUP
    nowhere = answer(switch(), renewal(source=None), call("act", "13:05:00", LATER))
    assert nowhere["session"]["continues"] == NOON_GROUP


def test_a_renewal_of_what_nobody_explains_names_nobody() -> None:
    found = answer(switch(source=None), renewal(source=None), call("act", "13:05:00", LATER))
    assert found["origin"]["status"] == "unknown"


# --- sign-ins with a program's credentials --------------------------------------------------------

BROKER = role("Broker", "ann", key="ASIABROKER")
ISSUE = assume_role("assume", NOON, ALICE, BROKER)
ALICES_DAY = synthetic_id(HOME, "AKIAALICE", at(NOON))
CONSOLE = role("Broker", "ann", "12:10:00", key="ASIATOKEN")
CONSOLE_PAGE = role("Broker", "ann", "12:10:00", key="ASIAPAGE")


def token(
    event_id: str = "token", clock: str = "12:05:00", by: Json = BROKER, key: str = "ASIATOKEN"
) -> Json:
    written = sign_in(event_id, clock, "GetSigninToken", by)
    written["responseElements"] = {"credentials": {"accessKeyId": key}}
    return written


LOGIN = sign_in("login", "12:10:00", "ConsoleLogin", CONSOLE)
BRIDGED = ("resolved", "iam_user", "AIDAALICE", "L4", "strong")


def test_a_sign_in_token_bridges_from_a_program_to_the_console() -> None:
    found = answer(ISSUE, token(), LOGIN, call("act", "12:15:00", CONSOLE_PAGE))
    assert facing(found["origin"]) == BRIDGED
    assert found["origin"]["evidence"] == ["assume", "login", "token"]
    assert [hop["via"] for hop in found["chain"]] == ["AssumeRole", "ConsoleLogin"]
    assert found["session"]["root_id"] == ALICES_DAY
    assert found["access"]["session_mode"] == "console"


@pytest.mark.parametrize(
    ("clock", "bridged"),
    [("11:55:00", True), ("11:54:59", False), ("12:10:00", True), ("12:10:01", False)],
)
def test_a_sign_in_token_is_good_for_a_quarter_of_an_hour(clock: str, *, bridged: bool) -> None:
    issue = assume_role("assume", "11:50:00", ALICE, role("Broker", "ann", "11:50:00", key="ASIAB"))
    asked = token(clock=clock, by=role("Broker", "ann", "11:50:00", key="ASIAB"))
    found = answer(issue, asked, LOGIN, call("act", "12:15:00", CONSOLE_PAGE))
    assert (found["origin"]["status"] == "resolved") is bridged


BOBS = role("Broker", "ann", "11:59:00", key="ASIABOBS")
BOBS_ISSUE = assume_role("bobs", "11:59:00", user("bob", "AKIABOB"), BOBS)


def test_of_two_tokens_the_one_that_signed_counts() -> None:
    other = token("other", "12:06:00", BOBS, "ASIAOTHER")
    records = [ISSUE, BOBS_ISSUE, token(), other]
    found = answer(*records, LOGIN, call("act", "12:15:00", CONSOLE_PAGE))
    assert facing(found["origin"]) == BRIDGED
    keyless = sign_in("login", "12:10:00", "ConsoleLogin", {**CONSOLE, "accessKeyId": ""})
    doubt = answer(*records, keyless, call("act", "12:15:00", CONSOLE_PAGE))
    assert doubt["origin"]["status"] == "ambiguous"
    by_input = sign_in("login", "12:10:00", "ConsoleLogin", {**CONSOLE, "accessKeyId": "ASIABOBS"})
    found = answer(*records, by_input, call("act", "12:15:00", CONSOLE_PAGE))
    assert found["origin"]["id"] == "AIDABOB"


def test_a_token_in_the_day_before_is_found() -> None:
    night = "2026-03-02T00:05:00Z"
    broker = role("Broker", "ann", "23:50:00", key="ASIABROKER")
    page = role("Broker", "ann", night, key="ASIAPAGE")
    signed = sign_in("login", night, "ConsoleLogin", role("Broker", "ann", night, key="ASIATOKEN"))
    found = answer(
        assume_role("assume", "23:50:00", ALICE, broker),
        token(clock="23:55:00", by=broker),
        signed,
        call("act", "2026-03-02T00:06:00Z", page),
    )
    assert found["origin"]["id"] == "AIDAALICE"
    assert found["origin"]["evidence"] == ["assume", "login", "token"]


def test_a_sign_in_with_an_earlier_session_is_that_sessions() -> None:
    signed = sign_in("login", "12:10:00", "ConsoleLogin", BROKER)
    found = answer(ISSUE, signed, call("act", "12:15:00", CONSOLE_PAGE))
    assert facing(found["origin"]) == BRIDGED
    assert found["origin"]["evidence"] == ["assume", "login"]


def test_a_sign_in_by_nothing_seen_explains_nothing() -> None:
    found = answer(LOGIN, call("act", "12:15:00", CONSOLE_PAGE))
    assert found["origin"]["status"] == "unknown"
    assert found["access"]["session_mode"] == "console"


# --- sign-ins that do not name the principal's id -------------------------------------------------


def test_a_switch_is_known_by_its_arn_where_the_id_is_lost() -> None:
    bare = {**NEW, "principalId": ""}
    known = sign_in("switch", NOON, "SwitchRole", bare, SwitchFrom=ALICE_ARN)
    found = answer(HOME_LOGIN, pair(), known, call("act", "12:05:00", PAGE))
    assert found["origin"]["id"] == "AIDAALICE"
    again = sign_in("renew", "13:00:00", "RenewRole", bare, SwitchFrom=ALICE_ARN)
    renewed = answer(again, call("act", "13:05:00", LATER))
    assert (renewed["origin"]["arn"], renewed["origin"]["confidence"]) == (ALICE_ARN, "moderate")
    assert "continues" not in renewed["session"]


def test_a_sign_in_that_names_no_id_has_no_token() -> None:
    signed = sign_in("login", "12:10:00", "ConsoleLogin", {**CONSOLE, "principalId": ""})
    found = answer(ISSUE, token(), signed, call("act", "12:15:00", CONSOLE_PAGE))
    assert found["origin"]["status"] == "unknown"
