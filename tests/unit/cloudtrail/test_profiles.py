"""Where a record is in documents that other pipelines wrote."""

from __future__ import annotations

from typing import Any

import pytest

from enricher.cloudtrail import codec
from enricher.cloudtrail.profiles import ECS, NATIVE, PROFILES, SIEM_ON_OPENSEARCH, find, rebuild
from enricher.cloudtrail.record import Record

Json = dict[str, Any]

RECORD: Json = {
    "eventID": "e1",
    "eventTime": "2026-03-02T10:00:00Z",
    "eventName": "GetObject",
    "eventSource": "s3.amazonaws.com",
    "userIdentity": {"type": "IAMUser", "principalId": "AIDAEXAMPLE", "userName": "alice"},
    "requestParameters": {"bucketName": "b"},
    "errorCode": None,
}
TEXT = codec.dumps(RECORD).decode()


def trail(**fields: Any) -> Json:  # noqa: ANN401 - any field
    """Make a document as Elastic's pipeline writes it."""
    return {
        "@timestamp": "2026-03-02T10:00:00.000Z",
        "event": {"id": "e1", "action": "GetObject", "provider": "s3.amazonaws.com"},
        "aws": {"cloudtrail": fields},
    }


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"a": {"b": {"c": 1}}}, 1),
        ({"a.b.c": 1}, 1),
        ({"a.b": {"c": 1}}, 1),
        ({"a": {"b.c": 1}}, 1),
        ({"a": {"b": "text"}}, None),
        ({"a": None}, None),
        ("text", None),
    ],
)
def test_path_is_found_however_it_is_nested(node: object, expected: object) -> None:
    assert find(node, "a.b.c") == expected


def test_native_document_is_the_record() -> None:
    found = rebuild(NATIVE, {**RECORD, "enriched": {"state": "final"}})
    assert found is not None
    assert found == (RECORD, True)


def test_json_text_in_place_of_an_object_is_read() -> None:
    written = {**RECORD, "requestParameters": '{"bucketName":"b"}'}
    assert rebuild(NATIVE, written) == (RECORD, True)


def test_text_that_is_no_json_stays_text() -> None:
    written = {**RECORD, "requestParameters": "{bucketName=b}"}
    found = rebuild(NATIVE, written)
    assert found is not None
    assert found.raw["requestParameters"] == "{bucketName=b}"


@pytest.mark.parametrize(
    ("profile", "place"), [("native", "message"), ("siem-on-opensearch", "@message")]
)
def test_verbatim_copy_is_taken_before_what_was_rewritten(profile: str, place: str) -> None:
    written = {**RECORD, "requestParameters": {"bucketName": "rewritten"}, place: TEXT}
    assert rebuild(PROFILES[profile], written) == (RECORD, True)


@pytest.mark.parametrize(
    "copy",
    [
        TEXT[:-5],
        "no JSON",
        codec.dumps({"Records": [RECORD]}).decode(),
        codec.dumps({**RECORD, "eventID": "another"}).decode(),
        codec.dumps({"eventID": "e1"}).decode(),
        7,
    ],
    ids=["cut short", "text", "a whole file", "of another event", "no record", "a number"],
)
def test_copy_that_is_not_this_record_is_passed_over(copy: object) -> None:
    assert rebuild(SIEM_ON_OPENSEARCH, {**RECORD, "@message": copy}) == (RECORD, False)


def test_ecs_with_the_original_event_is_whole() -> None:
    document = trail()
    document["event"]["original"] = TEXT
    assert rebuild(ECS, document) == (RECORD, True)


def test_ecs_is_put_together_from_its_fields() -> None:
    document = trail(
        user_identity={
            "type": "AssumedRole",
            "arn": "arn:aws:sts::111122223333:assumed-role/Admin/alice",
            "access_key_id": "ASIAEXAMPLEEXAMPLE",
            "session_context": {
                "creation_date": "2026-03-02T09:00:00.000Z",
                "mfa_authenticated": "true",
                "session_issuer": {"principal_id": "AROAEXAMPLE", "type": "Role"},
            },
        },
        flattened={"request_parameters": {"bucketName": "b"}},
        request_parameters="{bucketName=b}",
        resources=[{"arn": "arn:aws:s3:::b", "type": "AWS::S3::Bucket"}],
        recipient_account_id="111122223333",
    )
    document |= {"user": {"id": "AROAEXAMPLE:alice", "name": "Admin"}}
    found = rebuild(ECS, document)
    assert found is not None
    assert not found.whole
    assert found.raw == (
        {
            "eventID": "e1",
            "eventTime": "2026-03-02T10:00:00.000Z",
            "eventName": "GetObject",
            "eventSource": "s3.amazonaws.com",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": "AROAEXAMPLE:alice",
                "arn": "arn:aws:sts::111122223333:assumed-role/Admin/alice",
                "accessKeyId": "ASIAEXAMPLEEXAMPLE",
                "sessionContext": {
                    "attributes": {
                        "mfaAuthenticated": "true",
                        "creationDate": "2026-03-02T09:00:00.000Z",
                    },
                    "sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLE"},
                },
            },
            "requestParameters": {"bucketName": "b"},
            "resources": [{"ARN": "arn:aws:s3:::b", "type": "AWS::S3::Bucket"}],
            "recipientAccountId": "111122223333",
        }
    )
    assert Record(found.raw).caller.account_id == "111122223333"


@pytest.mark.parametrize(
    ("more", "account"),
    [
        ({}, "111122223333"),
        ({"instance": {"id": "i-0abc"}}, None),
        ({"availability_zone": "eu-west-1a"}, None),
    ],
    ids=["the caller's", "a collector's", "a collector's too"],
)
def test_account_of_whoever_collects_is_never_the_callers(more: Json, account: str | None) -> None:
    document = trail(user_identity={"type": "AWSAccount"})
    document["cloud"] = {"account": {"id": "111122223333"}, **more}
    found = rebuild(ECS, document)
    assert found is not None
    assert found.raw["userIdentity"].get("accountId") == account


def test_user_id_of_an_identity_center_user_is_no_principal_id() -> None:
    document = trail(user_identity={"type": "IdentityCenterUser"})
    document["user"] = {"id": "9067-on-behalf-of"}
    found = rebuild(ECS, document)
    assert found is not None
    assert found.raw["userIdentity"] == {"type": "IdentityCenterUser"}


@pytest.mark.parametrize(
    "source",
    [{}, {"message": "GET /"}, {"eventTime": "yesterday", "eventName": "x"}, {"eventName": "x"}],
)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_what_holds_no_record_gives_none(profile: Any, source: Json) -> None:  # noqa: ANN401
    assert rebuild(profile, source) is None
