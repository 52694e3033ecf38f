"""What messages say of new log files."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.cloudtrail import codec
from enricher.pipeline.notifications import NotificationError, parse_notification

LOG = "trail/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/02/111122223333_CloudTrail_a.json.gz"
AT = f"s3://bucket/{LOG}"
DIGEST = LOG.replace("CloudTrail", "CloudTrail-Digest")
INSIGHT = LOG.replace("CloudTrail", "CloudTrail-Insight")


def text(content: object) -> str:
    return codec.dumps(content).decode()


def s3_record(key: str = LOG, name: str = "ObjectCreated:Put", **thing: object) -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": name,
        "s3": {"bucket": {"name": "bucket"}, "object": {"key": key, **thing}},
    }


def s3_event(*records: dict[str, Any]) -> str:
    return text({"Records": list(records)})


def sns(message: object) -> str:
    return text({"Type": "Notification", "TopicArn": "arn:aws:sns:::t", "Message": message})


def event_bridge(key: str = LOG, kind: str = "Object Created", **thing: object) -> str:
    detail = {"bucket": {"name": "bucket"}, "object": {"key": key, **thing}}
    return text({"source": "aws.s3", "detail-type": kind, "detail": detail})


CLOUDTRAIL = text({"s3Bucket": "bucket", "s3ObjectKey": [LOG, DIGEST]})


@pytest.mark.parametrize(
    "body",
    [
        s3_event(s3_record()),
        s3_event(s3_record(versionId="null")),
        s3_event(s3_record(name="s3:ObjectCreated:CompleteMultipartUpload")),
        sns(s3_event(s3_record())),
        event_bridge(),
        sns(event_bridge()),
        sns(sns(s3_event(s3_record()))),
        text({"s3Bucket": "bucket", "s3ObjectKey": [LOG]}),
        sns(text({"s3Bucket": "bucket", "s3ObjectKey": [LOG]})),
    ],
)
def test_every_form_names_the_same_log_file(body: str) -> None:
    found = parse_notification(body)
    assert found.logs == (AT,)
    assert found.ignored == Counter()


def test_a_version_is_kept() -> None:
    assert parse_notification(s3_event(s3_record(versionId="v.1_"))).logs == (
        f"{AT}?versionId=v.1_",
    )
    assert parse_notification(event_bridge(**{"version-id": "v1"})).logs == (f"{AT}?versionId=v1",)


def test_only_the_keys_of_s3_itself_are_decoded() -> None:
    spelled = "my+prefix%2B%C3%BC/a.json.gz"
    assert parse_notification(s3_event(s3_record(spelled))).logs == (
        "s3://bucket/my prefix+ü/a.json.gz",
    )
    assert parse_notification(event_bridge(spelled)).logs == (f"s3://bucket/{spelled}",)
    direct = text({"s3Bucket": "bucket", "s3ObjectKey": [spelled]})
    assert parse_notification(direct).logs == (f"s3://bucket/{spelled}",)


@pytest.mark.parametrize(
    ("body", "ignored"),
    [
        (text({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}), "test-event"),
        (sns("CloudTrail validation message."), "test-event"),
        (s3_event(s3_record(DIGEST)), "digest-file"),
        (event_bridge(INSIGHT), "insight-file"),
        (s3_event(s3_record("a/picture.png")), "not-json"),
        (s3_event(s3_record(name="ObjectRemoved:Delete")), "other-event"),
        (event_bridge(kind="Object Deleted"), "other-event"),
    ],
)
def test_what_is_no_new_log_file_is_counted(body: str, ignored: str) -> None:
    found = parse_notification(body)
    assert found.logs == ()
    assert found.ignored == Counter({ignored: 1})


def test_many_files_in_one_message_come_once_each() -> None:
    second = LOG.replace("_a.", "_b.")
    found = parse_notification(
        s3_event(s3_record(), s3_record(second), s3_record(), s3_record(DIGEST))
    )
    assert found.logs == (AT, f"s3://bucket/{second}")
    assert found.ignored == Counter({"digest-file": 1})
    assert parse_notification(CLOUDTRAIL).ignored == Counter({"digest-file": 1})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not-json"),
        ("hello", "not-json"),
        ("[1]", "not-a-notification"),
        ("{}", "not-a-notification"),
        (text({"Records": []}), "not-a-notification"),
        (text({"Records": [1]}), "not-a-notification"),
        (text({"Records": [{"eventSource": "aws:s3"}]}), "not-a-notification"),
        (text({"Records": [{"eventSource": "aws:ses"}]}), "not-a-notification"),
        (text({"Type": "Notification"}), "message-missing"),
        (sns("hello"), "not-json"),
        (sns(sns(sns(sns("{}")))), "wrapped-too-often"),
        (text({"source": "aws.s3", "detail-type": "Object Created"}), "object-missing"),
        (text({"s3Bucket": "a/b", "s3ObjectKey": ["k"]}), "bucket-missing"),
        (text({"s3Bucket": "b", "s3ObjectKey": [""]}), "key-missing"),
        (text({"s3Bucket": "b", "s3ObjectKey": [1]}), "key-missing"),
        (
            s3_event(s3_record(), {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}),
            "object-missing",
        ),
    ],
)
def test_what_cannot_be_understood_has_a_reason(body: str, reason: str) -> None:
    with pytest.raises(NotificationError) as caught:
        parse_notification(body)
    assert caught.value.reason == reason
    assert pickle.loads(pickle.dumps(caught.value)).reason == reason  # noqa: S301 - our own


def json_values() -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=8)
    names = st.sampled_from(
        [
            "Records",
            "s3",
            "bucket",
            "object",
            "key",
            "name",
            "eventSource",
            "eventName",
            "Type",
            "Message",
            "detail",
            "source",
            "detail-type",
            "s3Bucket",
            "s3ObjectKey",
            "versionId",
        ]
    )
    words = st.sampled_from(
        ["aws:s3", "ObjectCreated:Put", "Notification", "aws.s3", "Object Created", "%", "{}"]
    )
    return st.recursive(
        leaves | words,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
        max_leaves=20,
    )


@given(json_values())
def test_no_message_raises_anything_else(content: object) -> None:
    try:
        found = parse_notification(text(content))
    except NotificationError:
        return
    assert all(location.startswith("s3://") for location in found.logs)
