"""Who a record's caller is, with what the rest of the record adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enricher.cloudtrail.record import Record
from enricher.identity.signer import signer, starts_session, switches_console
from tests.unit.identity.stories import (
    AWAY,
    HOME,
    NOON,
    assume_role,
    at,
    record,
    role,
    service,
    sign_in,
    user,
)

if TYPE_CHECKING:
    from tests.unit.identity.stories import (
        Json,
    )

PROVIDER = f"arn:aws-cn:iam::{AWAY}:saml-provider/Idp"
ROLE = f"arn:aws-cn:iam::{AWAY}:role/Admin"
ISSUER = "token.actions.githubusercontent.com"
SUBJECT = "repo:example/orders:ref:refs/heads/main"


def saml(request: Json, response: Json, **members: str | None) -> Json:
    identity = {
        "type": "SAMLUser",
        "principalId": "qualifier:alice@example.com",
        "userName": "alice@example.com",
        "identityProvider": "qualifier",
        **members,
    }
    return record(
        "saml",
        NOON,
        "sts:AssumeRoleWithSAML",
        {name: value for name, value in identity.items() if value is not None},
        requestParameters=request,
        responseElements=response,
    )


def web(response: Json, **members: str | None) -> Json:
    identity = {"type": "WebIdentityUser", **members}
    return record(
        "web",
        NOON,
        "sts:AssumeRoleWithWebIdentity",
        {name: value for name, value in identity.items() if value is not None},
        requestParameters={"roleArn": ROLE},
        responseElements=response,
    )


def test_a_saml_subject_is_named_by_the_response() -> None:
    found = signer(
        Record(
            saml(
                {"principalArn": PROVIDER, "roleArn": ROLE, "roleSessionName": "alice"},
                {"subject": "subject-1", "subjectType": "persistent", "sourceIdentity": "alice"},
            )
        )
    )
    assert (found.principal_id, found.user_name) == ("subject-1", "subject-1")
    assert (found.identity_provider, found.account_id) == (PROVIDER, AWAY)
    assert (found.partition, found.issuer_arn) == ("aws-cn", ROLE)


@pytest.mark.parametrize(
    ("request_", "response", "name"),
    [
        ({"sourceIdentity": "alice", "roleSessionName": "session"}, {}, "alice"),
        ({"roleSessionName": "session"}, {"sourceIdentity": "alice"}, "alice"),
        ({"sourceIdentity": "asked"}, {"sourceIdentity": "answered"}, "answered"),
        ({"roleSessionName": "session"}, {}, "session"),
        ({}, {}, "subject-1"),
    ],
)
def test_a_transient_subject_is_named_by_what_lasts(
    request_: Json, response: Json, name: str
) -> None:
    answered = {"subject": "subject-1", "subjectType": "transient", **response}
    found = signer(Record(saml(request_, answered)))
    assert (found.principal_id, found.user_name) == ("subject-1", name)


@pytest.mark.parametrize(
    ("members", "subject"),
    [
        ({}, "alice@example.com"),
        ({"userName": None}, "alice@example.com"),
        ({"userName": None, "principalId": "bare"}, "bare"),
        ({"userName": None, "principalId": None}, None),
    ],
)
def test_a_saml_subject_is_read_from_the_caller_where_the_call_failed(
    members: dict[str, str | None], subject: str | None
) -> None:
    found = signer(Record(saml({}, {}, **members)))
    assert (found.principal_id, found.user_name) == (subject, subject)
    assert (found.identity_provider, found.account_id) == ("qualifier", HOME)
    assert (found.partition, found.issuer_arn) == ("aws", None)


def test_the_role_tells_the_account_where_the_provider_is_not_named() -> None:
    found = signer(Record(saml({"roleArn": ROLE}, {})))
    assert (found.account_id, found.partition) == (AWAY, "aws-cn")
    owned = signer(Record(saml({"roleArn": ROLE}, {}, accountId=HOME)))
    assert owned.account_id == HOME


@pytest.mark.parametrize(
    ("response", "members"),
    [
        ({"subjectFromWebIdentityToken": SUBJECT, "provider": f"arn:p:oidc-provider/{ISSUER}"}, {}),
        ({"provider": ISSUER}, {"userName": SUBJECT}),
        (
            {},
            {
                "principalId": f"arn:aws:iam::{AWAY}:oidc-provider/{ISSUER}:{SUBJECT}",
                "identityProvider": f"arn:aws:iam::{AWAY}:oidc-provider/{ISSUER}",
            },
        ),
        ({}, {"principalId": SUBJECT, "identityProvider": ISSUER}),
        (
            {"subjectFromWebIdentityToken": SUBJECT, "provider": "other"},
            {"userName": "other", "identityProvider": ISSUER},
        ),
    ],
)
def test_an_oidc_subject_is_sub_at_its_issuer(
    response: Json, members: dict[str, str | None]
) -> None:
    found = signer(Record(web(response, **members)))
    assert (found.principal_id, found.user_name) == (SUBJECT, SUBJECT)
    assert (found.identity_provider, found.account_id) == (ISSUER, AWAY)


def test_an_oidc_caller_who_says_nothing_is_nobody() -> None:
    written = web({})
    written["requestParameters"] = None
    found = signer(Record(written))
    assert (found.principal_id, found.identity_provider, found.account_id) == (None, None, HOME)


def test_cognito_is_told_apart_by_its_pool() -> None:
    provider = "cognito-identity.amazonaws.com"
    answered = {"subjectFromWebIdentityToken": "us-east-1:one", "audience": "us-east-1:pool"}
    found = signer(Record(web(answered, identityProvider=provider)))
    assert (found.principal_id, found.user_name) == ("us-east-1:one", "us-east-1:one")
    assert (found.federated_provider, found.identity_provider) == (provider, "us-east-1:pool")
    assert found.account_id == AWAY
    del answered["audience"]
    written = web(answered, identityProvider=provider)
    written["requestParameters"] = None
    found = signer(Record(written))
    assert (found.identity_provider, found.account_id) == (provider, HOME)


@pytest.mark.parametrize("name", ["ConsoleLogin", "SwitchRole", "RenewRole"])
@pytest.mark.parametrize("event_type", ["AwsConsoleSignIn", "AwsConsoleSignin"])
def test_a_sign_in_begins_its_own_session_without_the_key_before(
    name: str, event_type: str
) -> None:
    holder = role("Admin", "alice", "11:00:00", key="ASIABEFORE")
    written = {**sign_in("login", NOON, name, holder), "eventType": event_type}
    found = signer(Record(written))
    assert (found.created_at, found.access_key_id) == (at(NOON), None)
    assert starts_session(Record(written))


@pytest.mark.parametrize(
    "members",
    [
        {"eventType": "AwsApiCall"},
        {"eventName": "GetSigninToken", "responseElements": {"GetSigninToken": "Success"}},
        {"errorCode": "AccessDenied"},
        {"responseElements": {"SwitchRole": "Failure"}},
        {"responseElements": {}},
        {"additionalEventData": {"SwitchTo": "arn:role"}},
    ],
)
def test_what_is_no_sign_in_that_succeeded_begins_nothing(members: Json) -> None:
    holder = role("Admin", "alice", "11:00:00", key="ASIABEFORE")
    written = {**sign_in("switch", NOON, "SwitchRole", holder), **members}
    assert not starts_session(Record(written))
    assert signer(Record(written)) == Record(written).caller


def test_the_console_itself_calls_when_it_switches_a_role() -> None:
    source = user("alice", "ASIAHOME", "09:00:00", invokedBy="AWS Internal")
    written = assume_role("assume", NOON, source, role("Admin", "alice"))
    assert switches_console(Record(written))
    found = signer(Record(written))
    assert found.from_console
    assert (found.created_at, found.access_key_id) == (at("09:00:00"), "ASIAHOME")


@pytest.mark.parametrize(
    "members",
    [
        {"errorCode": "AccessDenied"},
        {"eventName": "AssumeRoleWithSAML"},
        {"eventSource": "ec2.amazonaws.com"},
        {"userIdentity": user("alice", "AKIAALICE", invokedBy="athena.amazonaws.com")},
        {"userIdentity": {"type": "AWSService", "invokedBy": "AWS Internal"}},
        {"userIdentity": service("ec2")},
    ],
)
def test_other_calls_switch_nothing(members: Json) -> None:
    source = user("alice", "ASIAHOME", "09:00:00", invokedBy="AWS Internal")
    written = {**assume_role("assume", NOON, source, role("Admin", "alice")), **members}
    assert not switches_console(Record(written))
    assert not signer(Record(written)).from_console
