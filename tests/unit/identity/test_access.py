"""Console, programmatic or service: what each piece of evidence says, and which goes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.identity.stories import (
    AWAY,
    BROWSER,
    CLI,
    HOME,
    NOON,
    answer,
    assume_role,
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
IN_CONSOLE = user("alice", "ASIACONSOLE", NOON)
LOGIN = sign_in("login", NOON, "ConsoleLogin", user("alice"))
TLS = {"clientProvidedHostHeader": "ec2.us-east-1.amazonaws.com"}
FLAG = {"sessionCredentialFromConsole": "true"}
CLOUDSHELL = f"{CLI} exec-env/CloudShell"
S3_CONSOLE = "[S3Console/0.4, aws-internal/3 aws-sdk-java/1.12]"


def access(*records: Json) -> tuple[object, ...]:
    """Give mode, subtype, confidence, codes and the session's mode of the last record."""
    found = answer(*records)["access"]
    assert found["console"] is (found["mode"] == "console")
    return (
        found["mode"],
        found.get("subtype"),
        found["confidence"],
        found.get("evidence"),
        found["session_mode"],
    )


# --- the caller decides -------------------------------------------------------------------------

SERVICE = ("service", "service_principal", "exact", ["P1"], "service")


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (service("ec2"), SERVICE),
        ({"invokedBy": "ec2.amazonaws.com"}, SERVICE),
        ({"invokedBy": "AWS Internal"}, SERVICE),
        (
            {**ALICE, "invokedByDelegate": {"accountId": AWAY}},
            ("service", "delegated", "exact", ["P1"], "service"),
        ),
        (
            {**ALICE, "invokedBy": "athena.amazonaws.com"},
            ("service", "fas", "exact", ["P2"], "programmatic"),
        ),
        (
            {**IN_CONSOLE, "invokedBy": "aws-mcp.amazonaws.com"},
            ("service", "agent", "exact", ["P3b", "P2"], "programmatic"),
        ),
    ],
)
def test_the_caller_tells_a_service(identity: Json, expected: tuple[object, ...]) -> None:
    assert access(call("act", NOON, identity)) == expected


def test_what_happens_within_a_service_is_the_services() -> None:
    event = call("act", NOON, {"accountId": HOME}, eventType="AwsServiceEvent")
    assert access(event) == ("service", "service_principal", "exact", ["P1"], "unknown")
    named = call("act", NOON, ALICE, eventType="AWSServiceEvent")
    assert access(named)[:4] == ("service", "service_principal", "exact", ["P1"])


def test_an_agents_tool_call_is_programmatic() -> None:
    tool = record("tool", NOON, "aws-mcp:CallReadWriteTool", IN_CONSOLE, eventType="AwsMcpEvent")
    assert access(LOGIN, tool) == ("programmatic", "agent", "exact", ["P3b"], "console")


def test_a_service_role_at_work_is_a_service() -> None:
    linked = {
        "sessionIssuer": {
            "type": "Role",
            "arn": f"arn:aws:iam::{HOME}:role/aws-service-role/config.amazonaws.com/ForConfig",
        }
    }
    identity = role("ForConfig", "x", key="ASIACONFIG", context=linked)
    by_itself = ("service", "service_role", "strong", ["P8"], "service")
    assert access(call("act", NOON, identity)) == by_itself
    invoked = {**identity, "invokedBy": "config.amazonaws.com"}
    assert access(call("act", NOON, invoked)) == (
        "service",
        "service_role",
        "exact",
        ["P2"],
        "service",
    )


# --- the console's own AssumeRole ---------------------------------------------------------------

SOURCE = user("alice", "ASIAHOME", "09:00:00", invokedBy="AWS Internal")
ADMIN = role("Admin", "alice", account=AWAY)
SWITCHED = ("console", "backend", "strong", ["P2", "P3"])


def outside_copy(**members: object) -> Json:
    return assume_role(
        "outside",
        NOON,
        seen_from_outside(SOURCE),
        ADMIN,
        **{"recipientAccountId": AWAY, "sourceIPAddress": "AWS Internal", **members},
    )


def test_the_switchs_own_call_is_the_consoles() -> None:
    found = access(assume_role("assume", NOON, SOURCE, ADMIN))
    assert found[:4] == SWITCHED


def test_the_other_copy_is_the_consoles_where_the_first_one_shows_it() -> None:
    shared = {"sharedEventID": "shared"}
    first = assume_role("assume", NOON, SOURCE, ADMIN, **shared)
    assert access(first, outside_copy(**shared))[:4] == SWITCHED
    other = assume_role("assume", NOON, user("alice", "AKIAALICE"), ADMIN, **shared)
    assert access(other, outside_copy(**shared))[:4] != SWITCHED


@pytest.mark.parametrize("name", ["SwitchRole", "RenewRole"])
def test_the_other_copy_is_the_consoles_where_a_switch_of_that_second_shows_it(name: str) -> None:
    switch = sign_in("switch", NOON, name, role("Admin", "alice", None, account=AWAY))
    assert access(switch, outside_copy())[:4] == SWITCHED


@pytest.mark.parametrize(
    "members",
    [
        {"sourceIPAddress": "192.0.2.1"},
        {"errorCode": "AccessDenied"},
        {"eventName": "AssumeRoleWithSAML"},
        {"eventSource": "ec2.amazonaws.com"},
        {"recipientAccountId": ""},
        {"responseElements": {"credentials": {"accessKeyId": "ASIA"}}},
        {"userIdentity": {"type": "Unknown", "principalId": "x"}},
    ],
)
def test_other_copies_are_not_the_consoles(members: Json) -> None:
    switch = sign_in("switch", NOON, "SwitchRole", role("Admin", "alice", None, account=AWAY))
    assert access(switch, outside_copy(**members))[:4] != SWITCHED


def test_a_sign_in_of_that_second_is_no_switch() -> None:
    login = sign_in("login", NOON, "ConsoleLogin", role("Admin", "alice", NOON, account=AWAY))
    assert access(login, outside_copy())[:4] != SWITCHED


# --- the channel decides ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (LOGIN, ("console", "signin", "exact", ["P3"])),
        (
            sign_in("token", NOON, "GetSigninToken", ALICE),
            ("programmatic", "federation_bridge", "exact", ["P3"]),
        ),
        (
            call("act", NOON, IN_CONSOLE, eventType="AwsConsoleAction"),
            ("console", "direct", "exact", ["P3"]),
        ),
        (
            record("grant", NOON, "signin:CreateOAuth2Token", IN_CONSOLE),
            ("programmatic", "cli_login", "moderate", ["P11"]),
        ),
        (
            record("grant", NOON, "signin:AuthorizeOAuth2Access", IN_CONSOLE),
            ("console", "signin", "strong", ["P3"]),
        ),
        (call("act", NOON, ALICE), ("programmatic", "long_term_key", "exact", ["P5"])),
        (
            record("portal", NOON, "sso:GetRoleCredentials", portal_user()),
            ("programmatic", "idc_cli", "strong", ["P9"]),
        ),
        (
            record("portal", NOON, "sso:GetRoleCredentials", portal_user(), userAgent=BROWSER),
            ("unknown", "signin", "weak", ["P11"]),
        ),
        (
            record("portal", NOON, "sso:Federate", portal_user()),
            ("console", "signin", "strong", ["P9"]),
        ),
        (
            record("portal", NOON, "sso:Authenticate", portal_user()),
            ("unknown", "signin", "none", None),
        ),
        *(
            (
                record("event", NOON, f"{host}:Event", {}, eventType="AwsServiceEvent"),
                ("unknown", "signin", "none", None),
            )
            for host in ("sso", "sso-oauth", "signin", "identitystore", "sso-directory")
        ),
    ],
)
def test_the_kind_of_record_tells_the_channel(written: Json, expected: tuple[object, ...]) -> None:
    assert access(written)[:4] == expected


def test_a_console_action_comes_from_a_console_session() -> None:
    action = call("act", NOON, IN_CONSOLE, eventType="AwsConsoleAction")
    assert access(action)[4] == "console"


@pytest.mark.parametrize("type_", ["SAMLUser", "WebIdentityUser"])
def test_a_federated_caller_has_no_session_yet(type_: str) -> None:
    written = record("sts", NOON, "sts:AssumeRole", {"type": type_, "principalId": "a:b"})
    assert access(written)[4] == "unknown"


# --- the credential decides ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"userAgent": BROWSER}, ("console", "direct", "strong", ["P6"])),
        ({"userAgent": CLI}, ("programmatic", "console_credential", "moderate", ["P6", "P11"])),
        ({"userAgent": CLOUDSHELL}, ("programmatic", "cloudshell", "moderate", ["P6", "P11"])),
        ({**FLAG, "userAgent": BROWSER}, ("console", "direct", "exact", ["P4"])),
        ({**FLAG, "userAgent": CLI}, ("console", "direct", "exact", ["P4"])),
        (
            {**FLAG, "userAgent": CLI, "tlsDetails": TLS},
            ("programmatic", "console_credential", "strong", ["P4", "P11"]),
        ),
        (
            {**FLAG, "userAgent": CLOUDSHELL, "tlsDetails": TLS},
            ("programmatic", "cloudshell", "strong", ["P4", "P11"]),
        ),
    ],
)
def test_a_console_session_may_be_used_by_a_tool(
    members: Json, expected: tuple[object, ...]
) -> None:
    assert access(LOGIN, call("act", "12:01:00", IN_CONSOLE, **members)) == (*expected, "console")


def test_a_command_line_that_logged_in_is_told_by_its_grant() -> None:
    granting = user("alice", None, NOON)
    grant = record("grant", "12:01:00", "signin:CreateOAuth2Token", granting)
    command = call("act", "12:02:00", IN_CONSOLE)
    by_grant = ("programmatic", "cli_login", "strong", ["P6", "P11"], "console")
    assert access(LOGIN, grant, command) == by_grant
    asked = record("grant", "12:01:00", "signin:AuthorizeOAuth2Access", granting)
    assert access(LOGIN, asked, command)[1] == "console_credential"


def test_an_issued_key_is_programmatic_whatever_the_agent_says() -> None:
    holder = role("Admin", "alice", key="ASIAADMIN")
    issue = assume_role("assume", NOON, ALICE, holder)
    issued = ("programmatic", "sts", "strong", ["P7"], "programmatic")
    assert access(issue, call("act", "12:01:00", holder)) == issued
    assert access(issue, call("act", "12:01:00", holder, userAgent=S3_CONSOLE)) == issued


def test_a_workloads_key_is_a_workloads() -> None:
    holder = role("Server", "i-0abc", key="ASIASERVER")
    issue = assume_role("assume", NOON, service("ec2"), holder)
    workload = ("programmatic", "workload", "strong", ["P8"], "programmatic")
    assert access(issue, call("act", "12:01:00", holder)) == workload


# --- only traces speak --------------------------------------------------------------------------

LOST = role("Admin", "alice", key="ASIALOST")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (
            {
                "userAgent": S3_CONSOLE,
                "vpcEndpointId": "vpce-1",
                "vpcEndpointAccountId": "AWS Internal",
            },
            ("console", "backend", "strong", ["P14"]),
        ),
        (
            {"userAgent": S3_CONSOLE, "vpcEndpointId": "vpce-1", "vpcEndpointAccountId": HOME},
            ("unknown", "direct", "weak", ["P11"]),
        ),
        (
            {"userAgent": CLI, "vpcEndpointId": "vpce-1", "vpcEndpointAccountId": "AWS Internal"},
            ("programmatic", "sts", "weak", ["P11"]),
        ),
        (
            {"tlsDetails": {"clientProvidedHostHeader": "eu.console.aws.amazon.com"}},
            ("console", "direct", "moderate", ["P10"]),
        ),
        (
            {"tlsDetails": {"clientProvidedHostHeader": "signin.aws.amazon.com"}},
            ("console", "direct", "moderate", ["P10"]),
        ),
        (
            {"tlsDetails": {"clientProvidedHostHeader": "myconsole.aws.amazon.com.example"}},
            ("programmatic", "sts", "weak", ["P11"]),
        ),
        (
            {"additionalEventData": {"LoginTo": "https://console"}},
            ("console", "direct", "moderate", ["P10"]),
        ),
        (
            {"sourceIPAddress": "AWS Internal", "userAgent": "AWS Internal"},
            ("console", "backend", "moderate", ["P12"]),
        ),
        ({"userAgent": CLI}, ("programmatic", "sts", "weak", ["P11"])),
        ({"userAgent": BROWSER}, ("unknown", "direct", "weak", ["P11"])),
        ({"userAgent": "own-client/1.0"}, ("unknown", None, "none", None)),
        ({"userAgent": None}, ("unknown", None, "none", None)),
    ],
)
def test_traces_are_hints(members: Json, expected: tuple[object, ...]) -> None:
    assert access(call("act", NOON, LOST, **members)) == (*expected, "unknown")


def test_a_nameless_caller_inside_aws_is_no_console() -> None:
    nameless = {"type": "Unknown", "principalId": "x"}
    written = call("act", NOON, nameless, sourceIPAddress="AWS Internal", userAgent="")
    assert access(written)[0] == "unknown"


def test_an_endpoint_is_learned_from_services() -> None:
    learned = call(
        "s3", NOON, service("s3"), vpcEndpointId="vpce-1", sourceIPAddress="s3.amazonaws.com"
    )
    page = call("act", NOON, LOST, userAgent=S3_CONSOLE, vpcEndpointId="vpce-1")
    assert access(learned, page)[3] == ["P14"]
    assert access(page)[3] == ["P11"]


def test_two_calls_of_one_credential_are_told_apart_by_their_traces() -> None:
    page = call(
        "page",
        NOON,
        LOST,
        userAgent=S3_CONSOLE,
        vpcEndpointId="vpce-1",
        vpcEndpointAccountId="AWS Internal",
    )
    outside = call("act", NOON, LOST, userAgent=S3_CONSOLE)
    assert access(page, outside)[3] == ["P11"]
    assert access(outside, page)[3] == ["P14"]


# --- what looks wrong ---------------------------------------------------------------------------


def suspect(*records: Json) -> bool:
    return "ua_spoof_suspect" in answer(*records).get("notes", ())


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"userAgent": "console.amazonaws.com"}, True),
        ({"userAgent": BROWSER}, True),
        ({"userAgent": "AWS Internal"}, True),
        ({"userAgent": CLOUDSHELL}, True),
        ({"userAgent": CLI}, False),
        ({"userAgent": None}, False),
        ({"userAgent": BROWSER, "eventType": "AwsConsoleAction"}, False),
        (
            {"userAgent": BROWSER, "userIdentity": {**ALICE, "invokedBy": "ec2.amazonaws.com"}},
            False,
        ),
    ],
)
def test_no_console_signs_with_a_long_term_key(members: Json, *, expected: bool) -> None:
    assert suspect(call("act", NOON, ALICE, **members)) is expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"userAgent": "AWS Internal", "tlsDetails": TLS}, True),
        ({"userAgent": "AWS Internal"}, False),
        ({"userAgent": "AWS Internal/1", "tlsDetails": TLS}, False),
        ({"userAgent": S3_CONSOLE, "tlsDetails": TLS}, False),
    ],
)
def test_nothing_inside_aws_has_tls_details(members: Json, *, expected: bool) -> None:
    assert suspect(call("act", NOON, LOST, **members)) is expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"userAgent": S3_CONSOLE}, True),
        ({"userAgent": "AWS Internal"}, True),
        ({"userAgent": S3_CONSOLE, **FLAG}, False),
        ({"userAgent": CLI}, False),
    ],
)
@pytest.mark.parametrize("issuer", [ALICE, service("ec2")])
def test_no_console_signs_with_an_issued_key(
    issuer: Json, members: Json, *, expected: bool
) -> None:
    holder = role("Server", "i-0abc", key="ASIASERVER")
    issue = assume_role("assume", NOON, issuer, holder)
    assert suspect(issue, call("act", "12:01:00", holder, **members)) is expected


def test_the_tool_that_an_agent_claims_is_told() -> None:
    assert answer(call("act", NOON, ALICE))["access"]["tool"] == "cli"
    assert "tool" not in answer(call("act", NOON, ALICE, userAgent="own"))["access"]
