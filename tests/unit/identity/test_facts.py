"""Which facts each kind of record states, under which keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from enricher.cloudtrail.record import Record
from enricher.identity.facts import (
    Issuance,
    KeyCreation,
    Mark,
    Naming,
    Sighting,
    Stamp,
    supersedes,
)
from enricher.identity.signer import signer
from tests.unit.identity.stories import (
    AWAY,
    HOME,
    NOON,
    STORE,
    assume_role,
    at,
    call,
    facts,
    portal_user,
    record,
    role,
    root,
    service,
    sign_in,
    user,
)

if TYPE_CHECKING:
    from enricher.cloudtrail.caller import Caller
    from tests.unit.identity.stories import Json

ALICE = user("alice", "AKIAALICE")
ADMIN = role("Admin", "alice", key="ASIAADMIN", account=AWAY)
DAY = at("00:00:00")
MINTED = "arn:aws:signin:us-east-1:111111111111:session/minted"
ALICE_NAMED = (
    "name/AIDAALICE",
    Naming(arn=f"arn:aws:iam::{HOME}:user/alice", at=DAY),
)
ALICE_USED = (f"used/{HOME}/AIDAALICE/2026-03-01", Mark(value="AKIAALICE"))


def caller(written: Json) -> Caller:
    return Record(written).caller


def issued(written: Json) -> Issuance:
    """Give the only issuance that a record states."""
    found = {fact for _, fact in facts(written) if isinstance(fact, Issuance)}
    assert len(found) == 1
    return found.pop()


def test_a_users_call_names_the_user_and_the_key_in_use() -> None:
    assert facts(call("act", NOON, ALICE)) == [ALICE_NAMED, ALICE_USED]


def test_a_role_sessions_call_names_the_role() -> None:
    assert facts(call("act", NOON, ADMIN)) == [
        ("name/AROAADMIN", Naming(arn=f"arn:aws:iam::{AWAY}:role/Admin", at=DAY))
    ]


def test_a_temporary_key_is_no_long_term_key_in_use() -> None:
    assert facts(call("act", NOON, user("alice", "ASIATEMP", NOON))) == [ALICE_NAMED]


@pytest.mark.parametrize(
    "identity",
    [
        user("alice", "AKIAALICE", accountId=None, arn=None),
        user("alice", "AKIAALICE", principalId=None),
        role("Admin", "alice", context={"sessionIssuer": {"type": "Role"}}),
        root("AKIAROOT"),
        service("ec2"),
        {"type": "IAMUser"},
    ],
)
def test_a_caller_without_id_or_name_is_not_named(identity: Json) -> None:
    assert facts(call("act", NOON, identity, recipientAccountId=HOME)) == []


def test_assume_role_issues_a_session_to_its_holder() -> None:
    written = assume_role(
        "assume", NOON, ALICE, ADMIN, sharedEventID="shared-1", requestID="request-1"
    )
    written["requestParameters"]["sourceIdentity"] = "alice"
    issuance = Issuance(
        event_name="AssumeRole",
        event_id="assume",
        at=at(NOON),
        recipient=HOME,
        caller=caller(written),
        account_id=AWAY,
        principal_id="AROAADMIN:alice",
        arn=f"arn:aws:sts::{AWAY}:assumed-role/Admin/alice",
        role_arn=f"arn:aws:iam::{AWAY}:role/Admin",
        session_name="alice",
        access_key_id="ASIAADMIN",
        expires_at=at("23:00:00"),
        source_identity="alice",
        shared_event_id="shared-1",
        request_id="request-1",
    )
    sighting = Sighting(
        event_name="AssumeRole",
        event_id="assume",
        at=at(NOON),
        recipient=HOME,
        caller=caller(written),
    )
    assert facts(written) == [
        ALICE_NAMED,
        ALICE_USED,
        ("shared/shared-1", sighting),
        ("issued/ASIAADMIN", issuance),
        (f"session/{AWAY}/AROAADMIN:alice/2026-03-01T12:00:00Z", issuance),
        (f"began/{AWAY}/AROAADMIN:alice/2026-03-01", issuance),
    ]


def test_the_response_may_name_the_source_identity() -> None:
    written = assume_role("assume", NOON, ALICE, ADMIN)
    written["responseElements"]["sourceIdentity"] = "alice"
    assert issued(written).source_identity == "alice"


def test_a_role_in_the_request_tells_the_account_where_the_holder_is_not_named() -> None:
    written = assume_role("assume", NOON, service("config"), ADMIN)
    del written["responseElements"]["assumedRoleUser"]
    found = issued(written)
    assert (found.account_id, found.arn) == (
        AWAY,
        f"arn:aws:sts::{AWAY}:assumed-role/Admin/alice",
    )
    assert (found.principal_id, found.service) == (None, "config.amazonaws.com")
    assert (found.workload_kind, found.workload_id) == ("aws_service", "config.amazonaws.com")
    assert [key for key, _ in facts(written)] == [
        "issued/ASIAADMIN",
        f"session/{AWAY}/arn:aws:sts::{AWAY}:assumed-role/Admin/alice/2026-03-01T12:00:00Z",
    ]


def test_the_recipient_is_the_account_where_nothing_else_tells_it() -> None:
    written = assume_role("assume", NOON, ALICE, ADMIN)
    written["requestParameters"] = None
    del written["responseElements"]["assumedRoleUser"]
    found = issued(written)
    assert (found.account_id, found.arn, found.session_name) == (HOME, None, None)
    assert [key for key, _ in facts(written)][2:] == ["issued/ASIAADMIN"]


@pytest.mark.parametrize(
    "members",
    [
        {"errorCode": "AccessDenied"},
        {"responseElements": None},
        {"responseElements": {"credentials": {"accessKeyId": ""}}},
        {"eventSource": "sts.example.com"},
    ],
)
def test_what_failed_or_is_foreign_issues_nothing(members: Json) -> None:
    written = {**assume_role("assume", NOON, ALICE, ADMIN), **members}
    assert not [fact for _, fact in facts(written) if isinstance(fact, Issuance)]


def test_a_foreign_host_states_nothing_at_all() -> None:
    assert facts(call("act", NOON, ALICE, eventSource="ec2.example.com")) == []


def test_a_service_issues_to_its_workload_and_nobodys_day_knows_it() -> None:
    holder = role("Server", "i-0abc", key="ASIASERVER")
    written = assume_role("assume", NOON, service("ec2"), holder)
    found = issued(written)
    assert (found.service, found.workload_kind) == ("ec2.amazonaws.com", "ec2_instance")
    assert (found.workload_id, found.workload_name) == ("i-0abc", "i-0abc")
    assert [key for key, _ in facts(written)] == [
        "issued/ASIASERVER",
        f"session/{HOME}/AROASERVER:i-0abc/2026-03-01T12:00:00Z",
    ]


def test_the_consoles_own_call_is_internal_and_a_services_is_not() -> None:
    forwarded = user("alice", "ASIAHOME", "09:00:00", invokedBy="AWS Internal")
    assert issued(assume_role("assume", NOON, forwarded, ADMIN)).internal
    address = {"sourceIPAddress": "AWS Internal"}
    assert issued(assume_role("assume", NOON, ALICE, ADMIN, **address)).internal
    assert not issued(assume_role("assume", NOON, service("ec2"), ADMIN, **address)).internal
    assert not issued(assume_role("assume", NOON, ALICE, ADMIN)).internal


def test_get_session_token_issues_to_the_same_user() -> None:
    written = record(
        "token",
        NOON,
        "sts:GetSessionToken",
        ALICE,
        requestParameters={"serialNumber": f"arn:aws:iam::{HOME}:mfa/alice"},
        responseElements={"credentials": {"accessKeyId": "ASIATEMP"}},
    )
    found = issued(written)
    assert found == Issuance(
        event_name="GetSessionToken",
        event_id="token",
        at=at(NOON),
        recipient=HOME,
        caller=caller(written),
        account_id=HOME,
        principal_id="AIDAALICE",
        arn=f"arn:aws:iam::{HOME}:user/alice",
        access_key_id="ASIATEMP",
        mfa=True,
    )
    written["requestParameters"] = None
    assert issued(written).mfa is None
    assert {key for key, fact in facts(written) if fact == issued(written)} == {
        "issued/ASIATEMP",
        f"session/{HOME}/AIDAALICE/2026-03-01T12:00:00Z",
        f"began/{HOME}/AIDAALICE/2026-03-01",
    }


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("GetSessionToken", {"credentials": {}}),
        ("GetFederationToken", {"federatedUser": {"federatedUserId": "1:visitor"}}),
        ("AssumeRoot", {"credentials": None}),
    ],
)
def test_a_session_without_a_key_is_not_issued(name: str, response: Json) -> None:
    written = record(
        "token",
        NOON,
        f"sts:{name}",
        ALICE,
        requestParameters={"targetPrincipal": AWAY},
        responseElements=response,
    )
    assert facts(written) == [ALICE_NAMED, ALICE_USED]


def test_get_federation_token_issues_to_the_federated_user() -> None:
    arn = f"arn:aws:sts::{HOME}:federated-user/visitor"
    written = record(
        "token",
        NOON,
        "sts:GetFederationToken",
        ALICE,
        responseElements={
            "credentials": {"accessKeyId": "ASIATEMP", "expiration": "Mar 2, 2026, 12:00:00 AM"},
            "federatedUser": {"federatedUserId": f"{HOME}:visitor", "arn": arn},
        },
    )
    found = issued(written)
    assert (found.account_id, found.principal_id, found.arn) == (HOME, f"{HOME}:visitor", arn)
    assert found.expires_at == at("2026-03-02T00:00:00Z")


@pytest.mark.parametrize("target", [AWAY, f"arn:aws:iam::{AWAY}:root"])
def test_assume_root_issues_to_the_targets_root(target: str) -> None:
    written = record(
        "root",
        NOON,
        "sts:AssumeRoot",
        ALICE,
        requestParameters={"targetPrincipal": target},
        responseElements={"credentials": {"accessKeyId": "ASIAROOT"}},
    )
    found = issued(written)
    assert (found.account_id, found.principal_id) == (AWAY, AWAY)
    assert found.arn == f"arn:aws:iam::{AWAY}:root"


def test_assume_root_of_nobody_issues_nothing() -> None:
    response = {"credentials": {"accessKeyId": "ASIAROOT"}}
    written = record("root", NOON, "sts:AssumeRoot", ALICE, responseElements=response)
    assert facts(written) == [ALICE_NAMED, ALICE_USED]


# --- certificates, Cognito, zonal keys ----------------------------------------------------------


def anywhere(**entry: Any) -> Json:  # noqa: ANN401 - any member
    return record(
        "create",
        NOON,
        "rolesanywhere:CreateSession",
        service("rolesanywhere"),
        requestParameters={"trustAnchorArn": "arn:anchor"},
        responseElements={
            "credentialSet": [{"credentials": {"accessKeyId": "ASIACERT"}, **entry}, None, "text"]
        },
    )


def test_roles_anywhere_issues_to_a_certificate() -> None:
    arn = f"arn:aws:sts::{AWAY}:assumed-role/Server/2A99"
    written = anywhere(
        assumedRoleUser={"assumedRoleId": "AROASERVER:2A99", "arn": arn},
        roleArn=f"arn:aws:iam::{AWAY}:role/Server",
        sourceIdentity="CN=server",
    )
    assert issued(written) == Issuance(
        event_name="CreateSession",
        event_id="create",
        at=at(NOON),
        recipient=HOME,
        caller=caller(written),
        account_id=AWAY,
        principal_id="AROASERVER:2A99",
        arn=arn,
        role_arn=f"arn:aws:iam::{AWAY}:role/Server",
        access_key_id="ASIACERT",
        service="rolesanywhere.amazonaws.com",
        source_identity="CN=server",
        workload_kind="x509_subject",
        workload_id="2a99",
        workload_name="CN=server",
        workload_provider="arn:anchor",
    )


def test_a_certificate_is_known_by_its_serial_where_it_has_no_name() -> None:
    found = issued(anywhere(assumedRoleUser={"assumedRoleId": "AROASERVER:2A99"}))
    assert (found.workload_id, found.workload_name) == ("2a99", "2a99")
    assert (found.account_id, found.arn, found.role_arn) == (HOME, None, None)


def test_the_role_of_the_request_goes_before_that_of_the_answer() -> None:
    written = anywhere(roleArn=f"arn:aws:iam::{HOME}:role/Other")
    written["requestParameters"]["roleArn"] = f"arn:aws:iam::{AWAY}:role/Server"
    found = issued(written)
    assert (found.account_id, found.role_arn) == (AWAY, f"arn:aws:iam::{AWAY}:role/Server")
    assert (found.principal_id, found.workload_id) == (None, None)


def test_roles_anywhere_without_a_list_issues_nothing() -> None:
    written = anywhere()
    written["responseElements"] = {"credentialSet": {"credentials": {"accessKeyId": "ASIA"}}}
    assert facts(written) == []


@pytest.mark.parametrize("where", ["requestParameters", "responseElements"])
def test_cognito_issues_to_an_identity(where: str) -> None:
    written = record(
        "cognito",
        NOON,
        "cognito-identity:GetCredentialsForIdentity",
        {"type": "Unknown"},
        requestParameters={},
        responseElements={"credentials": {"accessKeyId": "ASIAAPP"}},
    )
    written[where]["identityId"] = "us-east-1:one"
    assert issued(written) == Issuance(
        event_name="GetCredentialsForIdentity",
        event_id="cognito",
        at=at(NOON),
        recipient=HOME,
        caller=caller(written),
        access_key_id="ASIAAPP",
        service="cognito-identity.amazonaws.com",
        workload_kind="cognito_identity",
        workload_id="us-east-1:one",
        workload_name="us-east-1:one",
    )
    assert [key for key, _ in facts(written)] == ["issued/ASIAAPP"]


def test_s3_express_issues_another_key_to_the_same_principal() -> None:
    written = record(
        "zonal",
        "12:30:00",
        "s3express:CreateSession",
        ADMIN,
        responseElements={"credentials": {"accessKeyId": "ASIAZONE"}},
    )
    found = issued(written)
    assert (found.account_id, found.principal_id) == (AWAY, "AROAADMIN:alice")
    assert (found.arn, found.access_key_id) == (ADMIN["arn"], "ASIAZONE")


# --- the console --------------------------------------------------------------------------------


def test_a_sign_in_anchors_a_session_of_its_second() -> None:
    written = sign_in("login", NOON, "ConsoleLogin", user("alice"), MFAUsed="Yes")
    anchor = Issuance(
        event_name="ConsoleLogin",
        event_id="login",
        at=at(NOON),
        recipient=HOME,
        caller=caller(written),
        account_id=HOME,
        principal_id="AIDAALICE",
        arn=f"arn:aws:iam::{HOME}:user/alice",
        mfa=True,
    )
    assert facts(written) == [
        ALICE_NAMED,
        (f"session/{HOME}/AIDAALICE/2026-03-01T12:00:00Z", anchor),
        (f"began/{HOME}/AIDAALICE/2026-03-01", anchor),
    ]


@pytest.mark.parametrize(("used", "mfa"), [("No", False), ("Yes", True), (None, None), ("", None)])
def test_a_sign_in_says_whether_there_was_a_second_factor(
    used: str | None, *, mfa: bool | None
) -> None:
    assert issued(sign_in("login", NOON, "ConsoleLogin", user("alice"), MFAUsed=used)).mfa is mfa


@pytest.mark.parametrize("name", ["SwitchRole", "RenewRole"])
def test_a_switch_knows_where_it_came_from(name: str) -> None:
    holder = role("Admin", "alice", None)
    source = f"arn:aws:iam::{HOME}:user/alice"
    found = issued(sign_in("switch", NOON, name, holder, SwitchFrom=source))
    assert (found.switched_from, found.access_key_id) == (source, None)
    assert (found.event_name, found.arn) == (name, holder["arn"])


def test_the_source_accounts_switch_anchors_nothing() -> None:
    written = sign_in("switch", NOON, "SwitchRole", user("alice"), SwitchTo="arn:role")
    assert facts(written) == [ALICE_NAMED]


def test_a_sign_in_that_does_not_say_success_anchors_nothing() -> None:
    written = sign_in("login", NOON, "ConsoleLogin", user("alice"))
    written["responseElements"] = {"ConsoleLogin": "Pending"}
    assert facts(written) == [ALICE_NAMED]


def test_a_sign_in_with_an_older_session_anchors_that_one_too() -> None:
    holder = role("Admin", "alice", "11:00:00", key="ASIAADMIN")
    written = sign_in("login", NOON, "ConsoleLogin", holder)
    assert [key for key, _ in facts(written)][1:] == [
        f"session/{HOME}/AROAADMIN:alice/2026-03-01T12:00:00Z",
        f"began/{HOME}/AROAADMIN:alice/2026-03-01",
        f"session/{HOME}/AROAADMIN:alice/2026-03-01T11:00:00Z",
    ]


def test_a_sign_in_may_mint_a_sign_in_session() -> None:
    written = sign_in("login", NOON, "ConsoleLogin", user("alice"), signInSessionArn=MINTED)
    assert issued(written).sign_in_session == MINTED
    assert facts(written)[-1] == (
        f"signin/{MINTED}",
        Sighting(
            event_name="ConsoleLogin",
            event_id="login",
            at=at(NOON),
            recipient=HOME,
            caller=signer(Record(written)),
        ),
    )


def test_a_sign_in_may_go_on_with_a_sign_in_session() -> None:
    holder = role("Admin", "alice", context={"signInSessionArn": MINTED})
    written = sign_in("login", NOON, "ConsoleLogin", holder)
    assert issued(written).sign_in_session == MINTED
    assert f"signin/{MINTED}" not in [key for key, _ in facts(written)]


def test_a_sign_in_token_is_known_by_its_day() -> None:
    written = sign_in("token", NOON, "GetSigninToken", ADMIN)
    written["responseElements"] = {"credentials": {"accessKeyId": "ASIATOKEN"}}
    found = issued(written)
    assert (found.arn, found.access_key_id) == (ADMIN["arn"], "ASIATOKEN")
    assert [key for key, _ in facts(written)][1:] == [f"began/{AWAY}/AROAADMIN:alice/2026-03-01"]


@pytest.mark.parametrize("member", ["accountId", "principalId"])
def test_a_sign_in_token_of_nobody_is_not_known(member: str) -> None:
    nobody = {**root("ASIAROOT"), "arn": "", member: ""}
    assert facts(sign_in("token", NOON, "GetSigninToken", nobody)) == []


@pytest.mark.parametrize("name", ["AuthorizeOAuth2Access", "CreateOAuth2Token"])
def test_a_grant_is_known_by_the_session_that_grants_and_what_it_mints(name: str) -> None:
    written = record(
        "grant",
        "12:05:00",
        f"signin:{name}",
        ADMIN,
        additionalEventData={"signInSessionArn": MINTED},
    )
    sighting = Sighting(
        event_name=name,
        event_id="grant",
        at=at("12:05:00"),
        recipient=AWAY,
        caller=caller(written),
    )
    assert facts(written)[1:] == [
        (f"oauth/{AWAY}/AROAADMIN:alice/2026-03-01T12:00:00Z", sighting),
        (f"signin/{MINTED}", sighting),
    ]


def test_a_grant_of_a_long_term_key_is_no_console_sessions() -> None:
    written = record("grant", NOON, "signin:CreateOAuth2Token", ALICE)
    assert facts(written) == [ALICE_NAMED, ALICE_USED]


@pytest.mark.parametrize(
    ("details", "key"),
    [
        (
            {"account_id": AWAY, "role_name": "AWSReservedSSO_ReadOnly_0123456789abcdef"},
            f"idc/{AWAY}/ReadOnly/2026-03-01T12:00:00Z",
        ),
        (
            {"accountId": AWAY, "roleName": "ReadOnly"},
            f"idc/{AWAY}/ReadOnly/2026-03-01T12:00:00Z",
        ),
    ],
)
@pytest.mark.parametrize("where", ["requestParameters", "serviceEventDetails"])
def test_a_portal_call_is_known_by_what_was_asked_for(details: Json, key: str, where: str) -> None:
    written = record("portal", NOON, "sso:Federate", portal_user(), **{where: details})
    assert [found for found, _ in facts(written)] == [key]


@pytest.mark.parametrize("details", [{"account_id": AWAY}, {"role_name": "ReadOnly"}, {}])
def test_a_portal_call_for_nothing_is_not_known(details: Json) -> None:
    written = record("portal", NOON, "sso:Federate", portal_user(), serviceEventDetails=details)
    assert facts(written) == []


# --- names, keys, endpoints ---------------------------------------------------------------------


def test_a_new_key_is_known_with_its_creator() -> None:
    written = record(
        "create",
        NOON,
        "iam:CreateAccessKey",
        ALICE,
        responseElements={"accessKey": {"accessKeyId": "AKIANEW"}},
    )
    creation = KeyCreation(event_id="create", at=at(NOON), recipient=HOME, creator_arn=ALICE["arn"])
    assert facts(written)[2:] == [("longterm/AKIANEW", creation)]


@pytest.mark.parametrize(
    ("name", "response", "key"),
    [
        ("CreateUser", {"user": {"userId": "AIDANEW", "arn": "arn:new"}}, "name/AIDANEW"),
        ("CreateRole", {"role": {"roleId": "AROANEW", "arn": "arn:new"}}, "name/AROANEW"),
    ],
)
def test_a_new_principal_is_named(name: str, response: Json, key: str) -> None:
    written = record("create", NOON, f"iam:{name}", ALICE, responseElements=response)
    assert facts(written)[2:] == [(key, Naming(arn="arn:new", at=at(NOON)))]


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("CreateUser", {"user": {"userId": "AIDANEW"}}),
        ("CreateRole", {"role": {"arn": "arn:new"}}),
        ("CreateAccessKey", {"accessKey": {}}),
    ],
)
def test_what_has_no_id_or_name_is_not_named(name: str, response: Json) -> None:
    written = record("create", NOON, f"iam:{name}", ALICE, responseElements=response)
    assert facts(written) == [ALICE_NAMED, ALICE_USED]


@pytest.mark.parametrize(
    "members",
    [{"sourceIPAddress": "ec2.amazonaws.com"}, {"vpcEndpointAccountId": "AWS Internal"}],
)
def test_an_endpoint_of_aws_is_known_by_who_uses_it(members: Json) -> None:
    written = call("act", NOON, ALICE, vpcEndpointId="vpce-1", **members)
    assert facts(written)[2:] == [("endpoint/vpce-1", Mark(value="aws"))]


def test_an_endpoint_of_somebody_is_not_known() -> None:
    written = call("act", NOON, ALICE, vpcEndpointId="vpce-1", vpcEndpointAccountId=AWAY)
    assert facts(written) == [ALICE_NAMED, ALICE_USED]


def test_a_stamp_names_the_user_of_the_whole_session() -> None:
    stamped = {**ADMIN, "onBehalfOf": {"userId": "user-1", "identityStoreArn": STORE}}
    written = call("act", "12:07:00", stamped)
    stamp = Stamp(event_id="act", at=at("12:07:00"), user_id="user-1", identity_store=STORE)
    assert facts(written)[1:] == [(f"onbehalf/{AWAY}/AROAADMIN:alice/2026-03-01T12:00:00Z", stamp)]


@pytest.mark.parametrize("type_", ["AWSAccount", "AWSService", "Unknown", ""])
def test_a_copy_that_names_no_caller_in_full_says_nothing_of_him(type_: str) -> None:
    identity = {"type": type_, "principalId": "AIDAALICE", "accountId": HOME}
    assert facts(call("act", NOON, identity, sharedEventID="shared-1")) == []


def test_the_two_records_of_an_insight_are_no_copies() -> None:
    written = call("act", NOON, ALICE, sharedEventID="shared-1", eventCategory="Insight")
    assert facts(written) == [ALICE_NAMED, ALICE_USED]


def test_a_tool_call_is_known_by_the_requests_it_made() -> None:
    made = [{"requestId": "request-1"}, {"requestId": ""}, "text", {"requestId": "request-2"}]
    written = record(
        "tool",
        NOON,
        "aws-mcp:CallReadWriteTool",
        ADMIN,
        eventType="AwsMcpEvent",
        additionalEventData={"downstreamRequests": made},
    )
    assert [key for key, _ in facts(written)][1:] == ["request/request-1", "request/request-2"]
    written["additionalEventData"] = {"downstreamRequests": {"requestId": "request-1"}}
    assert len(facts(written)) == 1


# --- which of several stays ---------------------------------------------------------------------


def test_the_first_record_proves_a_stamp_and_the_last_day_counts_for_a_name() -> None:
    early = Stamp(event_id="b", at=at(NOON), user_id="user-1", identity_store=STORE)
    late = Stamp(event_id="a", at=at("13:00:00"), user_id="user-1", identity_store=STORE)
    same_time = Stamp(event_id="a", at=at(NOON), user_id="user-1", identity_store=STORE)
    assert early.fact_id == late.fact_id == f"user-1@{STORE}"
    assert supersedes(early, late)
    assert supersedes(same_time, early)
    assert not supersedes(late, early)
    assert not supersedes(early, early)


def test_what_one_record_states_never_gives_way() -> None:
    one, other = Mark(value="x"), Mark(value="x")
    assert (one.fact_id, one.rank) == ("x", "")
    assert not supersedes(one, other)
    creation = KeyCreation(event_id="create", at=at(NOON), recipient=HOME)
    assert (creation.fact_id, creation.rank) == (f"create:{HOME}", "")
    assert KeyCreation(event_id="create", at=at(NOON)).fact_id == "create:"
