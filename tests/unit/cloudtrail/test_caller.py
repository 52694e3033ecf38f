"""``userIdentity``, normalized."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from enricher.cloudtrail.caller import HIDDEN, Caller, flag, parse_caller

ROLE_SESSION: dict[str, Any] = {
    "type": "AssumedRole",
    "principalId": "AROAEXAMPLE000000001:alice",
    "arn": "arn:aws-cn:sts::111122223333:assumed-role/Deploy/alice",
    "accountId": "111122223333",
    "accessKeyId": "ASIAEXAMPLE000000001",
    "invokedBy": "cloudformation.amazonaws.com",
    "invokedByDelegate": {"accountId": "999900001111"},
    "onBehalfOf": {
        "userId": "93d4-e5f6",
        "identityStoreArn": "arn:aws:identitystore::111122223333:identitystore/d-1",
    },
    "inScopeOf": {
        "issuerType": "AWS::Lambda::Function",
        "credentialsIssuedTo": "arn:aws:lambda:eu-west-1:111122223333:function:f",
        "sourceArn": "arn:aws:lambda:eu-west-1:111122223333:function:other",
    },
    "sessionContext": {
        "attributes": {"creationDate": "2026-03-02T08:00:00Z", "mfaAuthenticated": "true"},
        "sessionIssuer": {
            "type": "Role",
            "principalId": "AROAEXAMPLE000000001",
            "arn": "arn:aws-cn:iam::111122223333:role/team/Deploy",
            "accountId": "111122223333",
            "userName": "Deploy",
        },
        "sourceIdentity": "alice@example.com",
        "signInSessionArn": "arn:aws:signin:us-east-1:111122223333:session/1",
        "ec2RoleDelivery": "2.0",
        "webIdFederationData": {
            "federatedProvider": "arn:aws:iam::111122223333:oidc-provider/example.com",
            "attributes": {"example.com:aud": "sts", "example.com:sub": "repo:org/one"},
        },
    },
}


def test_a_role_session_is_read_whole() -> None:
    assert parse_caller(ROLE_SESSION, region="us-east-1", from_console=True) == Caller(
        type="AssumedRole",
        partition="aws-cn",
        account_id="111122223333",
        principal_id="AROAEXAMPLE000000001:alice",
        arn="arn:aws-cn:sts::111122223333:assumed-role/Deploy/alice",
        access_key_id="ASIAEXAMPLE000000001",
        created_at=datetime(2026, 3, 2, 8, tzinfo=UTC),
        mfa=True,
        issuer_type="Role",
        issuer_principal_id="AROAEXAMPLE000000001",
        issuer_arn="arn:aws-cn:iam::111122223333:role/team/Deploy",
        issuer_account_id="111122223333",
        issuer_name="Deploy",
        source_identity="alice@example.com",
        sign_in_session="arn:aws:signin:us-east-1:111122223333:session/1",
        invoked_by="cloudformation.amazonaws.com",
        delegate_account_id="999900001111",
        user_id="93d4-e5f6",
        identity_store="arn:aws:identitystore::111122223333:identitystore/d-1",
        scope_type="AWS::Lambda::Function",
        scope_arn="arn:aws:lambda:eu-west-1:111122223333:function:f",
        ec2_delivery=True,
        federated_provider="arn:aws:iam::111122223333:oidc-provider/example.com",
        federated_subject="repo:org/one",
        from_console=True,
    )


def test_a_saml_user_names_its_provider() -> None:
    caller = parse_caller(
        {
            "type": "SAMLUser",
            "principalId": "/nQTosBbaHrvuioiTKQkrbl3/WM=:alice@example.com",
            "userName": "alice@example.com",
            "identityProvider": "/nQTosBbaHrvuioiTKQkrbl3/WM=",
        }
    )
    assert caller.identity_provider == "/nQTosBbaHrvuioiTKQkrbl3/WM="
    assert caller.user_name == "alice@example.com"


@pytest.mark.parametrize("identity", [None, "anonymous", 7, [], {}])
def test_a_record_without_identity_has_an_empty_caller(identity: object) -> None:
    assert parse_caller(identity) == Caller()


def test_empty_values_are_absent() -> None:
    caller = parse_caller(
        {
            "type": "Root",
            "accessKeyId": "",
            "userName": HIDDEN,
            "sessionContext": {"sessionIssuer": {}, "webIdFederationData": {}, "attributes": {}},
        }
    )
    assert caller == Caller(type="Root")


@pytest.mark.parametrize("value", ["text", 7, ["text"], None, True])
def test_misshapen_members_are_absent(value: object) -> None:
    caller = parse_caller(
        {
            "type": "AssumedRole",
            "accountId": {"not": "text"},
            "sessionContext": value,
            "onBehalfOf": value,
            "inScopeOf": value,
            "invokedByDelegate": value,
        }
    )
    assert caller == Caller(type="AssumedRole")


def test_the_account_is_taken_from_the_arn_where_it_is_not_said() -> None:
    caller = parse_caller({"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/alice"})
    assert caller.account_id == "111122223333"


def test_an_arn_without_an_account_gives_none() -> None:
    assert parse_caller({"arn": "arn:aws:s3:::bucket"}).account_id is None


def test_the_issuer_tells_the_partition_where_the_caller_has_no_arn() -> None:
    issuer = {"sessionIssuer": {"arn": "arn:aws-us-gov:iam::111122223333:role/Deploy"}}
    caller = parse_caller({"sessionContext": issuer}, region="eu-west-1")
    assert caller.partition == "aws-us-gov"


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), (7, "aws")])
def test_the_region_tells_the_partition_where_no_arn_does(region: object, partition: str) -> None:
    assert parse_caller({"type": "AWSService"}, region=region).partition == partition


def test_the_source_of_a_scope_stands_in_for_whom_the_credentials_were_issued_to() -> None:
    caller = parse_caller({"inScopeOf": {"sourceArn": "arn:aws:ssm:::x"}})
    assert caller.scope_arn == "arn:aws:ssm:::x"


def test_two_federated_subjects_are_none() -> None:
    federation = {"attributes": {"one:sub": "a", "two:sub": "b"}}
    caller = parse_caller({"sessionContext": {"webIdFederationData": federation}})
    assert caller.federated_subject is None


@pytest.mark.parametrize(
    ("principal_id", "session_name"),
    [
        ("AROAEXAMPLE000000001:alice", "alice"),
        ("715248393954:aws:ec2-infrastructure:i-0c9d812c0cfa2790f", "i-0c9d812c0cfa2790f"),
        ("AIDAEXAMPLE000000001", None),
        (None, None),
    ],
)
def test_a_session_name_stands_behind_the_last_colon(
    principal_id: str | None, session_name: str | None
) -> None:
    assert Caller(principal_id=principal_id).session_name == session_name


def test_a_role_name_comes_from_issuer_or_session_or_is_said() -> None:
    role, session = "arn:aws:iam::1:role/p/One", "arn:aws:sts::1:assumed-role/Two/alice"
    assert Caller(issuer_arn=role, arn=session, issuer_name="Three").role_name == "One"
    assert Caller(arn=session, issuer_name="Three").role_name == "Two"
    assert Caller(issuer_name="Three").role_name == "Three"
    assert Caller().role_name is None


@pytest.mark.parametrize(
    ("caller", "long_term"),
    [
        (Caller(access_key_id="AKIAEXAMPLE000000001"), True),
        (Caller(access_key_id="ASIAEXAMPLE000000001"), False),
        (
            Caller(
                access_key_id="AKIAEXAMPLE000000001", created_at=datetime(2026, 1, 1, tzinfo=UTC)
            ),
            False,
        ),
        (Caller(), False),
    ],
)
def test_only_an_akia_key_without_creation_time_is_long_term(
    caller: Caller, *, long_term: bool
) -> None:
    assert caller.has_long_term_key is long_term


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("True", True),
        ("false", False),
        ("", None),
        ("yes", None),
        (1, None),
        (None, None),
    ],
)
def test_a_boolean_may_be_written_as_text(written: object, *, read: bool | None) -> None:
    assert flag(written) is read
    attributes = {"creationDate": "2026-03-02T08:00:00Z", "mfaAuthenticated": written}
    assert parse_caller({"sessionContext": {"attributes": attributes}}).mfa is read


def test_callers_of_equal_identities_are_equal_and_may_be_keys() -> None:
    one, two = parse_caller(ROLE_SESSION), parse_caller(dict(reversed(ROLE_SESSION.items())))
    assert one == two
    assert {one: 1}[two] == 1


def test_a_console_record_s_caller_is_another_one() -> None:
    one, two = parse_caller(ROLE_SESSION), parse_caller(ROLE_SESSION, from_console=True)
    assert one != two
    assert two.from_console
    assert not one.from_console


def test_an_identity_beyond_the_codec_is_an_empty_caller() -> None:
    nested: dict[str, Any] = {}
    for _ in range(2_000):
        nested = {"sessionContext": nested}
    assert parse_caller(nested) == Caller()
