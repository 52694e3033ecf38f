"""Role sessions: what each rule links, and what is said where none does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enricher.identity.sessions import group_id, synthetic_id
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
    sign_in,
    user,
)

if TYPE_CHECKING:
    from tests.unit.identity.stories import (
        Json,
    )

ALICE = user("alice", "AKIAALICE")
BOB = user("bob", "AKIABOB")
ADMIN = role("Admin", "session", key="ASIAADMIN")
ISSUE = assume_role("assume", NOON, ALICE, ADMIN)
ADMINS_NOON = group_id("aws", HOME, "AROAADMIN:session", at(NOON))
ALICES_DAY = synthetic_id(HOME, "AKIAALICE", at(NOON))
MINTED = "arn:aws:signin:us-east-1:111111111111:session/minted"


def origin(*records: Json, **window: bool) -> Json:
    found: Json = answer(*records, **window)["origin"]
    return found


def facing(found: Json) -> tuple[object, ...]:
    """Give status, kind, id, rule and confidence of an origin."""
    return (
        found["status"],
        found["kind"],
        found.get("id"),
        found["rule"],
        found["confidence"],
    )


# --- L1: the key ----------------------------------------------------------------------------------


def test_a_chain_is_spelled_from_the_origin_to_the_credential() -> None:
    found = answer(ISSUE, call("act", "12:01:00", ADMIN))
    assert found == {
        "state": "final",
        "origin": {
            "status": "resolved",
            "kind": "iam_user",
            "id": "AIDAALICE",
            "arn": f"arn:aws:iam::{HOME}:user/alice",
            "name": "alice",
            "account_id": HOME,
            "rule": "L1",
            "confidence": "exact",
            "evidence": ["assume"],
        },
        "chain": [
            {
                "via": "AssumeRole",
                "arn": f"arn:aws:sts::{HOME}:assumed-role/Admin/session",
                "account_id": HOME,
                "access_key_id": "ASIAADMIN",
                "event_id": "assume",
                "at": "2026-03-01T12:00:00Z",
                "rule": "L1",
                "confidence": "exact",
            }
        ],
        "chain_depth": 1,
        "chain_text": f"alice → Admin@{HOME}",
        "session": {
            "id": ADMINS_NOON,
            "credential_id": found["session"]["credential_id"],
            "root_id": ALICES_DAY,
            "root_complete": True,
            "parent_id": ALICES_DAY,
            "kind": "role",
            "name": "session",
            "principal_arn": f"arn:aws:sts::{HOME}:assumed-role/Admin/session",
            "started_at": "2026-03-01T12:00:00Z",
            "mfa": False,
        },
        "access": {
            "mode": "programmatic",
            "subtype": "sts",
            "session_mode": "programmatic",
            "console": False,
            "confidence": "strong",
            "evidence": ["P7"],
            "tool": "cli",
        },
    }


def test_the_issuing_record_says_which_session_it_began() -> None:
    found = answer(ISSUE)["session"]
    assert found["issued_id"] == ADMINS_NOON
    assert found["id"] == ALICES_DAY


def test_a_longer_chain_keeps_its_root() -> None:
    deploy = role("Deploy", "ci", "12:05:00", key="ASIADEPLOY", account=AWAY)
    found = answer(
        ISSUE,
        assume_role("again", "12:05:00", ADMIN, deploy),
        call("act", "12:06:00", deploy),
    )
    assert found["origin"]["evidence"] == ["again", "assume"]
    assert [hop["event_id"] for hop in found["chain"]] == ["assume", "again"]
    assert found["chain_text"] == f"alice → Admin@{HOME} → Deploy@{AWAY}"
    assert (found["session"]["root_id"], found["session"]["parent_id"]) == (ALICES_DAY, ADMINS_NOON)


def test_after_the_expiry_the_link_is_moderate() -> None:
    found = answer(ISSUE, call("late", "23:05:01", ADMIN))
    assert found["origin"]["confidence"] == "moderate"
    assert found["notes"] == ["after_expiry"]


def test_of_two_issues_with_a_date_lost_none_is_a_link() -> None:
    dateless = role("Admin", "session", None, key="ASIAADMIN")
    assert origin(ISSUE, call("act", "12:01:00", dateless))["rule"] == "L1b"
    other = assume_role("other", "12:00:30", BOB, ADMIN)
    found = answer(ISSUE, other, call("act", "12:01:00", dateless))
    assert found["origin"]["status"] == "unknown"
    assert found["notes"] == ["key_reused"]


def test_a_key_issued_to_another_principal_is_no_link() -> None:
    found = answer(ISSUE, call("act", "12:01:00", role("Other", "session", key="ASIAADMIN")))
    assert found["origin"]["status"] == "unknown"
    assert found["notes"] == ["key_id_conflict"]


def test_a_recycled_key_leads_to_its_own_issue() -> None:
    second = role("Admin", "second", "12:20:00", key="ASIAADMIN")
    again = assume_role("again", "12:20:00", BOB, second)
    found = answer(ISSUE, again, call("act", "12:30:00", second))
    assert (found["origin"]["id"], found["notes"]) == ("AIDABOB", ["key_reused"])
    first = answer(ISSUE, again, call("act", "12:30:00", ADMIN))
    assert (first["origin"]["id"], first["notes"]) == ("AIDAALICE", ["key_reused"])


def test_a_key_issued_twice_in_a_second_is_ambiguous() -> None:
    found = origin(ISSUE, assume_role("other", NOON, BOB, ADMIN), call("act", "12:01:00", ADMIN))
    assert facing(found)[:2] == ("ambiguous", "unknown_issuer")
    assert [candidate["id"] for candidate in found["candidates"]] == ["AIDAALICE", "AIDABOB"]


# --- L3: the sign-in session ----------------------------------------------------------------------


def grant(by: Json) -> Json:
    minted = {"additionalEventData": {"signInSessionArn": MINTED}}
    return record("grant", "12:05:00", "signin:CreateOAuth2Token", by, **minted)


HANDED = role("Admin", "session", key="ASIAAGENT", context={"signInSessionArn": MINTED})


def test_a_sign_in_session_leads_to_who_granted_it() -> None:
    found = answer(ISSUE, grant(ADMIN), call("act", "12:06:00", HANDED))
    assert facing(found["origin"]) == ("resolved", "iam_user", "AIDAALICE", "L1", "exact")
    assert found["origin"]["evidence"] == ["assume", "grant"]
    assert found["session"]["sign_in_session"] == MINTED
    assert found["session"]["id"] == ADMINS_NOON


def test_a_grant_of_another_principal_or_of_nobody_is_no_link() -> None:
    other = role("Other", "session", key="ASIAADMIN")
    issue = assume_role("assume", NOON, ALICE, other)
    assert origin(issue, grant(other), call("act", "12:06:00", HANDED))["status"] == "unknown"
    assert origin(grant(ADMIN), call("act", "12:06:00", HANDED))["status"] == "unknown"


def test_an_unexplained_session_waits_for_its_sign_in() -> None:
    waiting = answer(call("act", "12:06:00", HANDED), window_closed=False)["waiting_for"]
    assert waiting == sorted(
        [
            "issued/ASIAAGENT",
            f"session/{HOME}/AROAADMIN:session/2026-03-01T11:59:59Z",
            f"session/{HOME}/AROAADMIN:session/2026-03-01T12:00:00Z",
            f"session/{HOME}/AROAADMIN:session/2026-03-01T12:00:01Z",
            f"session/{HOME}/arn:aws:sts::{HOME}:assumed-role/Admin/session/2026-03-01T12:00:00Z",
            f"signin/{MINTED}",
        ]
    )


# --- L5: SAML and Identity Center -----------------------------------------------------------------


def by_saml(holder: Json, clock: str = NOON, event_id: str = "saml") -> Json:
    caller = {"type": "SAMLUser", "principalId": "q:alice", "userName": "alice"}
    written = assume_role(event_id, clock, caller, {**holder, "accessKeyId": "ASIANOTUSED"})
    written["eventName"] = "AssumeRoleWithSAML"
    return written


def test_saml_is_known_by_principal_and_second() -> None:
    found = answer(by_saml(ADMIN), call("act", "12:01:00", ADMIN))
    assert facing(found["origin"]) == ("resolved", "saml_subject", "alice", "L5", "strong")
    assert found["origin"]["evidence"] == ["saml"]
    assert [hop["rule"] for hop in found["chain"]] == ["L5"]
    assert found["session"]["root_id"] == ADMINS_NOON
    assert found["session"]["root_complete"] is True


def test_saml_with_the_very_key_is_the_keys_link() -> None:
    written = assume_role("saml", NOON, {"type": "SAMLUser", "userName": "alice"}, ADMIN)
    written["eventName"] = "AssumeRoleWithSAML"
    found = origin(written, call("act", "12:01:00", ADMIN))
    assert facing(found)[3:] == ("L1", "exact")


def test_saml_of_the_next_second_is_moderate_and_the_true_second_is_waited_for() -> None:
    found = answer(by_saml(ADMIN, "12:00:01"), call("act", "12:01:00", ADMIN), window_closed=False)
    assert facing(found["origin"])[3:] == ("L5", "moderate")
    assert found["waiting_for"] == [f"session/{HOME}/AROAADMIN:session/2026-03-01T12:00:00Z"]
    exact = answer(by_saml(ADMIN), call("act", "12:01:00", ADMIN), window_closed=False)
    assert "waiting_for" not in exact


def test_saml_is_no_link_for_days() -> None:
    late = call("late", "2026-03-02T12:00:00Z", ADMIN)
    found = answer(by_saml(ADMIN), late)
    assert (found["origin"]["confidence"], found["notes"]) == ("moderate", ["after_expiry"])
    much_later = call("later", "2026-03-03T00:00:01Z", ADMIN)
    assert origin(by_saml(ADMIN), much_later)["status"] == "unknown"
    both = [by_saml(ADMIN), by_saml(ADMIN, "13:00:00", "elsewhere"), much_later]
    assert origin(*both)["status"] == "unknown"


RESERVED = role("AWSReservedSSO_ReadOnly_0123456789abcdef", "alice@example.com", key="ASIAIDC")
STAMP = {"onBehalfOf": {"userId": "user-1", "identityStoreArn": STORE}}


def portal(event_id: str, name: str = "GetRoleCredentials", who: str = "user-1") -> Json:
    details = {"account_id": HOME, "role_name": "ReadOnly"}
    return record(
        event_id,
        NOON,
        f"sso:{name}",
        portal_user(who),
        serviceEventDetails=details,
        eventType="AwsServiceEvent",
    )


def test_a_reserved_role_is_an_identity_center_users_by_itself() -> None:
    found = answer(call("act", "12:01:00", RESERVED), window_closed=False)
    assert facing(found["origin"]) == ("resolved", "idc_user", None, "L5d", "strong")
    assert found["origin"]["name"] == "alice@example.com"
    assert found["origin"]["human"] is True
    assert found["chain_text"] == (
        f"alice@example.com → AWSReservedSSO_ReadOnly_0123456789abcdef@{HOME}"
    )
    assert f"idc/{HOME}/ReadOnly/2026-03-01T12:00:00Z" in found["waiting_for"]
    principal = RESERVED["principalId"]
    assert f"onbehalf/{HOME}/{principal}/2026-03-01T12:00:00Z" in found["waiting_for"]


def test_the_users_id_is_stamped_on_the_record_or_on_another_of_the_session() -> None:
    own = call("own", "12:01:00", {**RESERVED, **STAMP})
    stamped = ("resolved", "idc_user", "user-1", "L5c", "exact")
    assert facing(origin(own)) == stamped
    found = origin(own, call("act", "12:02:00", RESERVED))
    assert facing(found) == stamped
    assert (found["identity_provider"], found["evidence"]) == (STORE, ["own"])
    assert found["name"] == "alice@example.com"


def test_the_users_id_is_that_of_who_asked_the_portal() -> None:
    found = origin(portal("portal"), call("act", "12:01:00", RESERVED))
    assert facing(found) == ("resolved", "idc_user", "user-1", "L5b", "strong")
    assert (found["identity_provider"], found["evidence"]) == (STORE, ["portal"])


def test_two_who_asked_in_one_second_leave_the_id_open() -> None:
    two = [portal("portal"), portal("other", who="user-2")]
    found = origin(*two, call("act", "12:01:00", RESERVED))
    assert facing(found) == ("resolved", "idc_user", None, "L5d", "strong")
    stamps = [
        call(f"own-{number}", "12:01:00", {**RESERVED, "onBehalfOf": {"userId": f"user-{number}"}})
        for number in (1, 2)
    ]
    found = origin(*stamps, portal("portal"), call("act", "12:01:00", RESERVED))
    assert found.get("id") is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["GetRoleCredentials"], ("programmatic", "idc_cli", "strong", ["P9"])),
        (["Federate"], ("console", "direct", "strong", ["P9"])),
        (["Federate", "GetRoleCredentials"], ("unknown", None, "none", None)),
    ],
)
def test_the_portal_tells_how_the_session_began(
    names: list[str], expected: tuple[object, ...]
) -> None:
    calls = [portal(name, name) for name in names]
    found = answer(*calls, call("act", "12:01:00", RESERVED, userAgent="own"))["access"]
    assert found["session_mode"] == expected[0]
    given = (found["mode"], found.get("subtype"), found["confidence"], found.get("evidence"))
    assert given == expected


def test_the_sign_in_of_an_identity_center_user_is_the_users() -> None:
    signed_in = by_saml(RESERVED)
    signed_in["requestParameters"]["principalArn"] = f"arn:aws:iam::{HOME}:saml-provider/AWSSSO"
    found = answer(signed_in, window_closed=False)
    assert facing(found["origin"]) == ("resolved", "idc_user", None, "L5d", "strong")
    assert f"idc/{HOME}/ReadOnly/2026-03-01T12:00:00Z" in found["waiting_for"]
    known = answer(portal("portal"), signed_in)["origin"]
    assert facing(known) == ("resolved", "idc_user", "user-1", "L5b", "strong")
    assert known["evidence"] == ["portal", "saml"]
    del signed_in["responseElements"]["assumedRoleUser"]
    assert facing(origin(portal("portal"), signed_in))[2:4] == (None, "L5d")


# --- L6: stamps -----------------------------------------------------------------------------------


def test_a_stamped_workload_is_exact_and_its_issue_is_the_chain() -> None:
    server = role("Server", "i-0abc", key="ASIASERVER", context={"ec2RoleDelivery": "2.0"})
    alone = answer(call("act", "12:01:00", server), window_closed=False)
    assert facing(alone["origin"]) == ("resolved", "ec2_instance", "i-0abc", "L6", "exact")
    assert alone["state"] == "pending"
    assert "issued/ASIASERVER" in alone["waiting_for"]
    assert alone["chain_text"] == f"i-0abc → Server@{HOME}"
    issued = assume_role("assume", NOON, service("ec2"), server)
    found = answer(issued, call("act", "12:01:00", server), window_closed=False)
    assert facing(found["origin"]) == ("resolved", "ec2_instance", "i-0abc", "L1", "exact")
    assert [hop["event_id"] for hop in found["chain"]] == ["assume"]
    assert found["state"] == "final"


def test_a_service_linked_role_is_its_services() -> None:
    arn = f"arn:aws:iam::{HOME}:role/aws-service-role/config.amazonaws.com/ForConfig"
    linked = role("ForConfig", "x", context={"sessionIssuer": {"type": "Role", "arn": arn}})
    found = origin(call("act", "12:01:00", linked))
    assert facing(found) == ("resolved", "aws_service", "config.amazonaws.com", "L6", "strong")


def test_web_identity_is_stamped_on_some_records() -> None:
    issuer = "token.actions.githubusercontent.com"
    stamp = {
        "federatedProvider": f"arn:aws:iam::{HOME}:oidc-provider/{issuer}",
        "attributes": {f"{issuer}:aud": "sts", f"{issuer}:sub": "repo:example/orders"},
    }
    found = origin(call("act", NOON, role("Ci", "x", context={"webIdFederationData": stamp})))
    assert facing(found) == ("resolved", "oidc_subject", "repo:example/orders", "L6", "strong")
    assert (found["identity_provider"], found["account_id"]) == (issuer, HOME)
    assert found["human"] is False


# --- L7: forwarded calls --------------------------------------------------------------------------

FORWARDED = role("Admin", "session", key="ASIAFORWARD", invokedBy="athena.amazonaws.com")


@pytest.mark.parametrize("caller", [FORWARDED, role("Admin", "session")])
def test_a_forwarded_call_belongs_to_the_session_of_its_second(caller: Json) -> None:
    found = answer(ISSUE, call("act", "12:01:00", caller))
    assert facing(found["origin"]) == ("resolved", "iam_user", "AIDAALICE", "L7", "strong")
    assert found["session"]["id"] == ADMINS_NOON
    assert [hop["event_id"] for hop in found["chain"]] == ["assume"]


def test_an_unknown_key_that_is_not_forwarded_belongs_to_no_session() -> None:
    other = role("Admin", "session", key="ASIAOTHER")
    assert origin(ISSUE, call("act", "12:01:00", other))["status"] == "unknown"


def test_a_forwarded_call_of_an_issued_key_is_the_keys() -> None:
    other = assume_role("other", NOON, BOB, {**ADMIN, "accessKeyId": "ASIAFORWARD"})
    found = origin(ISSUE, other, call("act", "12:01:00", FORWARDED))
    assert facing(found) == ("resolved", "iam_user", "AIDABOB", "L1", "exact")


def test_a_forwarded_call_long_after_belongs_to_nobody() -> None:
    late = call("act", "2026-03-03T00:00:01Z", FORWARDED)
    assert origin(ISSUE, late)["status"] == "unknown"


def test_a_forwarded_call_of_a_saml_session_is_the_saml_link() -> None:
    assert facing(origin(by_saml(ADMIN), call("act", "12:01:00", FORWARDED)))[3] == "L5"


# --- sourceIdentity -------------------------------------------------------------------------------


def claiming(name: str, key: str = "ASIAADMIN") -> Json:
    return role("Admin", "session", key=key, context={"sourceIdentity": name})


def setting(name: str | None, by: Json = ALICE) -> Json:
    issue = assume_role("assume", NOON, by, ADMIN)
    issue["requestParameters"]["sourceIdentity"] = name
    return issue


def test_a_source_identity_that_the_chain_set_is_agreement() -> None:
    found = origin(setting("ann"), call("act", "12:01:00", claiming("ann")))
    assert facing(found) == ("resolved", "iam_user", "AIDAALICE", "L1", "exact")
    assert "candidates" not in found


@pytest.mark.parametrize("set_", [None, "other"])
def test_a_source_identity_that_the_chain_did_not_set_is_a_conflict(set_: str | None) -> None:
    found = origin(setting(set_), call("act", "12:01:00", claiming("ann")))
    assert facing(found) == ("conflict", "unknown_issuer", "AROAADMIN:session", "L8", "none")
    assert found["reason"] == "source-identity-disagrees"
    assert found["evidence"] == ["assume"]
    assert [candidate["rule"] for candidate in found["candidates"]] == ["L1", "L8"]
    known, claimed = found["candidates"]
    assert (known["id"], known["confidence"], known["evidence"]) == (
        "AIDAALICE",
        "exact",
        ["assume"],
    )
    assert claimed == {
        "kind": "asserted",
        "id": "ann",
        "name": "ann",
        "rule": "L8",
        "confidence": "moderate",
    }


def test_a_source_identity_without_a_chain_is_asserted() -> None:
    found = answer(call("act", "12:01:00", claiming("ann")))
    assert facing(found["origin"]) == ("resolved", "asserted", "ann", "L8", "moderate")
    assert found["origin"]["name"] == "ann"
    assert found["origin"]["arn"] == ADMIN["arn"]
    assert found["origin"]["account_id"] == HOME
    assert found["origin"]["missing"] == {"account_id": HOME, "time": "2026-03-01T12:00:00Z"}
    assert found["state"] == "final"


def test_a_source_identity_says_nothing_against_a_chain_that_is_not_all_seen() -> None:
    outside = seen_from_outside(role("Partner", "job", account=AWAY))
    issue = assume_role("assume", NOON, outside, ADMIN, recipientAccountId=HOME)
    assert origin(issue, call("act", "12:01:00", claiming("ann")))["status"] == "external"


def test_a_source_identity_says_nothing_against_an_assertion() -> None:
    first = claiming("ann", "ASIAFIRST")
    deploy = role("Deploy", "x", "12:05:00", key="ASIADEPLOY", context={"sourceIdentity": "ann"})
    issue = assume_role("assume", "12:05:00", first, deploy)
    found = origin(issue, call("act", "12:06:00", deploy))
    assert facing(found)[:3] == ("resolved", "asserted", "ann")


# --- nothing explains it --------------------------------------------------------------------------


def test_an_unexplained_session_is_nobodys() -> None:
    found = answer(call("act", "12:01:00", ADMIN))
    assert found["origin"] == {
        "status": "unknown",
        "kind": "unknown_issuer",
        "id": "AROAADMIN:session",
        "arn": ADMIN["arn"],
        "name": "Admin/session",
        "account_id": HOME,
        "rule": "L0",
        "confidence": "none",
        "reason": "issuer-not-seen",
        "missing": {"account_id": HOME, "time": "2026-03-01T12:00:00Z"},
    }
    assert found["state"] == "unresolved"
    assert found["chain_text"] == "Admin/session"
    assert found["session"]["root_id"] == found["session"]["id"] == ADMINS_NOON
    assert found["session"]["root_complete"] is False


def test_an_unexplained_session_of_an_app_says_so() -> None:
    app = role("App", "CognitoIdentityCredentials", key="ASIAAPP")
    assert origin(call("act", "12:01:00", app))["reason"] == "cognito"


def test_a_session_name_is_a_hint_where_it_looks_like_a_person() -> None:
    found = origin(call("act", "12:01:00", role("Admin", "ann@example.com")))
    assert found["status"] == "unknown"
    assert found["candidates"] == [
        {
            "kind": "unknown_issuer",
            "name": "ann@example.com",
            "account_id": HOME,
            "rule": "L11",
            "confidence": "weak",
        }
    ]


DATELESS = role("Admin", "session", None, key="ASIALOST")


def test_the_last_who_became_the_principal_is_a_hint_where_the_date_is_lost() -> None:
    early = assume_role("early", "10:00:00", BOB, ADMIN)
    later = assume_role("later", "12:30:00", BOB, ADMIN)
    token = sign_in("token", "12:00:30", "GetSigninToken", ADMIN)
    found = origin(early, ISSUE, later, token, call("act", "12:01:00", DATELESS))
    assert (found["status"], found["reason"]) == ("unknown", "issuer-not-seen")
    assert found["candidates"] == [
        {
            "kind": "iam_user",
            "id": "AIDAALICE",
            "arn": ALICE["arn"],
            "name": "alice",
            "account_id": HOME,
            "rule": "L9",
            "confidence": "weak",
            "evidence": ["assume"],
        }
    ]


def test_two_who_became_the_principal_in_the_last_second_are_two_hints() -> None:
    other = assume_role("other", NOON, BOB, ADMIN)
    found = origin(ISSUE, other, call("act", "12:01:00", DATELESS))
    assert [candidate["id"] for candidate in found["candidates"]] == ["AIDAALICE", "AIDABOB"]


@pytest.mark.parametrize(
    ("clock", "hinted"),
    [
        (NOON, True),
        ("2026-03-02T00:00:00Z", True),
        ("2026-03-02T00:00:01Z", False),
        ("11:59:59", False),
    ],
)
def test_a_hint_is_twelve_hours_old_at_most(clock: str, *, hinted: bool) -> None:
    assert ("candidates" in origin(ISSUE, call("act", clock, DATELESS))) is hinted


def test_a_session_without_a_date_waits_for_its_days() -> None:
    waiting = answer(call("act", "11:00:00", DATELESS), window_closed=False)["waiting_for"]
    assert waiting == [
        f"began/{HOME}/AROAADMIN:session/2026-02-28",
        f"began/{HOME}/AROAADMIN:session/2026-03-01",
        "issued/ASIALOST",
    ]


def test_a_session_of_no_account_waits_for_its_key_only() -> None:
    lost = {**DATELESS, "accountId": "", "arn": "", "sessionContext": {}}
    found = answer(call("act", "11:00:00", lost), window_closed=False)
    assert found["waiting_for"] == ["issued/ASIALOST"]
    assert found["origin"]["status"] == "unknown"


# --- an instance's name ---------------------------------------------------------------------------


def test_an_instances_name_that_no_service_gave_is_noted() -> None:
    fake = role("Server", "i-0abc", key="ASIASERVER")
    by_user = answer(assume_role("assume", NOON, ALICE, fake), call("act", "12:01:00", fake))
    assert by_user["notes"] == ["session_name_impersonates_instance"]
    assert by_user["origin"]["id"] == "AIDAALICE"
    for name in ("ec2", "config"):
        issued = assume_role("assume", NOON, service(name), fake)
        assert "notes" not in answer(issued, call("act", "12:01:00", fake))
    assert "notes" not in answer(call("act", "12:01:00", fake))


def test_cycles_and_chains_without_end_are_given_up() -> None:
    looped = assume_role("assume", NOON, ADMIN, ADMIN)
    found = origin(looped, call("act", "12:01:00", ADMIN))
    assert (found["status"], found["reason"]) == ("unknown", "cycle")
    steps = [role("Admin", f"step-{n}", f"12:{n:02}:00", key=f"ASIASTEP{n}") for n in range(18)]
    issues = [
        assume_role(f"assume-{n:02}", f"12:{n:02}:00", steps[n - 1] if n else ALICE, steps[n])
        for n in range(18)
    ]
    deep = answer(*issues, call("act", "12:30:00", steps[15]))
    assert (deep["origin"]["status"], deep["chain_depth"]) == ("resolved", 16)
    deeper = answer(*issues, call("act", "12:30:00", steps[16]))
    assert (deeper["origin"]["reason"], deeper["chain_depth"]) == ("depth-limit", 16)
    assert deeper["origin"]["id"] == "AROAADMIN:step-1"
    assert deeper["origin"]["arn"] == steps[1]["arn"]
    assert deeper["origin"]["account_id"] == HOME
    assert deeper["origin"]["evidence"] == [f"assume-{n:02}" for n in range(1, 17)]
    assert deeper["session"]["root_id"] == deeper["session"]["id"]
    assert deeper["session"]["root_complete"] is False
    assert "waiting_for" not in answer(
        *issues, call("act", "12:30:00", steps[16]), window_closed=False
    )
