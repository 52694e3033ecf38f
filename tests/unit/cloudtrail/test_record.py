"""One record, read once: its document id, its spelling variants, its failures."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest

from enricher.cloudtrail.caller import Caller
from enricher.cloudtrail.record import Record, read_event_time
from enricher.errors import RecordError

EVENT_ID = "0c9d812c-0cfa-4279-8f10-1de0c5cd0001"
ACCOUNT = "111122223333"


def record(**fields: object) -> Record:
    """Read a record that has these fields, and an event time."""
    return Record({"eventTime": "2026-03-02T08:00:00Z", **fields})


# --- document ids (rulings 20) ------------------------------------------------------------------


def test_the_document_id_is_event_id_and_recipient() -> None:
    one = record(eventID=EVENT_ID, recipientAccountId=ACCOUNT)
    assert one.document_id == f"{EVENT_ID}:{ACCOUNT}"
    assert one.event_id == EVENT_ID
    assert one.has_event_id


def test_the_document_id_is_the_event_id_alone_where_there_is_no_recipient() -> None:
    assert record(eventID=EVENT_ID).document_id == EVENT_ID
    assert record(eventID=EVENT_ID, recipientAccountId="").document_id == EVENT_ID
    assert record(eventID=EVENT_ID, recipientAccountId=None).document_id == EVENT_ID


def test_aggregated_events_spell_their_id_otherwise() -> None:
    one = record(eventId=EVENT_ID, recipientAccountId=ACCOUNT)
    assert one.document_id == f"{EVENT_ID}:{ACCOUNT}"
    assert one.has_event_id


def test_without_an_event_id_the_document_id_is_the_digest_of_the_canonical_record() -> None:
    one = record(eventName="Größe", recipientAccountId=ACCOUNT)
    canonical = (
        '{"eventName":"Größe","eventTime":"2026-03-02T08:00:00Z",'
        f'"recipientAccountId":"{ACCOUNT}"}}'
    ).encode()
    assert one.document_id == hashlib.sha256(canonical).hexdigest()
    assert one.event_id == one.document_id
    assert not one.has_event_id


@pytest.mark.parametrize("missing", ["", None, 7, {}, []])
def test_an_event_id_that_is_no_text_is_none(missing: object) -> None:
    assert not record(eventID=missing).has_event_id


def test_the_order_of_members_does_not_show_in_the_digest() -> None:
    one = Record({"eventTime": "2026-03-02T08:00:00Z", "a": {"x": 1, "y": 2}})
    two = Record({"a": {"y": 2, "x": 1}, "eventTime": "2026-03-02T08:00:00Z"})
    assert one.document_id == two.document_id


def test_an_id_that_opensearch_would_refuse_becomes_a_digest() -> None:
    longest = record(eventID="e" * 512)
    assert longest.document_id == "e" * 512
    too_long = record(eventID="e" * 513)
    assert len(too_long.document_id) == 64
    assert too_long.event_id == "e" * 513


def test_an_id_s_length_counts_in_bytes() -> None:
    assert record(eventID="é" * 256).document_id == "é" * 256
    assert len(record(eventID="é" * 257).document_id) == 64


# --- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-02T08:00:00Z",
        "2026-03-02T08:00Z",
        "2026-03-02T08:00:00.123Z",
        "2026-03-02T08:00:00.123456789Z",
        "2026-03-02T09:00:00+01:00",
        "2026-03-02T09:00:00+0100",
        "2026-03-02T08:00:00",
        "2026-03-02 08:00:00",
        "2026-03-02 08:00:00.000",
        "20260302T080000Z",
    ],
)
def test_an_event_time_is_read_as_utc_in_whole_seconds(written: str) -> None:
    assert Record({"eventTime": written}).at == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert read_event_time(written) == datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        "yesterday",
        1772438400,
        1772438400000,
        "1772438400000",
        "Mar 2, 2026, 8:00:00 AM",
        "2026-03-02",
        "2026-W10-1",
        "20260302",
        "2026-02-30T08:00:00Z",
        "2026-03-02T24:00:00Z",
        "2026-03-02T08:00:00z",
        "2026-03-02T08:00:00,123Z",
        "2026-03-02T08:00:00Z ",
        "\uff12\uff10\uff12\uff16-03-02T08:00:00Z",
        ["2026-03-02T08:00:00Z"],
    ],
)
def test_an_event_time_that_the_index_could_not_read_is_refused(written: object) -> None:
    with pytest.raises(RecordError) as refused:
        Record({"eventTime": written}, 7)
    assert refused.value.reason == "event-time-unreadable"
    assert refused.value.position == 7


def test_a_record_without_event_time_is_refused() -> None:
    with pytest.raises(RecordError, match="event-time-unreadable"):
        Record({"eventID": EVENT_ID})


@pytest.mark.parametrize("value", [None, "text", 7, ["list"]])
def test_a_record_that_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(RecordError) as refused:
        Record(value, 3)  # type: ignore[arg-type] # JSON may be anything
    assert refused.value.reason == "not-an-object"
    assert refused.value.position == 3


# --- spelling -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "clean"),
    [
        ("ListFunctions20150331", "ListFunctions"),
        ("UpdateFunctionConfiguration20150331v2", "UpdateFunctionConfiguration"),
        ("AssumeRole", "AssumeRole"),
        ("GetBucket2015", "GetBucket2015"),
        ("20150331", "20150331"),
        ("", ""),
    ],
)
def test_an_event_name_loses_its_api_version(written: str, clean: str) -> None:
    assert record(eventName=written).event_name == clean


@pytest.mark.parametrize(
    ("written", "source", "service"),
    [
        ("sts.amazonaws.com", "sts.amazonaws.com", "sts"),
        ("STS.amazonaws.com", "sts.amazonaws.com", "sts"),
        ("sts.amazonaws.com.cn", "sts.amazonaws.com.cn", "sts"),
        ("sts.amazonaws.com.rproxy.goskope.com", "sts.amazonaws.com", "sts"),
        ("rolesanywhere.amazonaws.com", "rolesanywhere.amazonaws.com", "rolesanywhere"),
        ("bedrock.aws", "bedrock.aws", "bedrock"),
        ("evil.example.com", "evil.example.com", "evil.example.com"),
        ("", "", ""),
    ],
)
def test_an_event_source_is_a_host_and_its_service(written: str, source: str, service: str) -> None:
    one = record(eventSource=written)
    assert (one.event_source, one.service) == (source, service)


@pytest.mark.parametrize(
    ("source", "foreign"),
    [
        ("sts.amazonaws.com", False),
        ("sts.amazonaws.com.cn", False),
        ("bedrock.aws", False),
        ("sts.amazonaws.com.rproxy.goskope.com", False),
        ("sts.amazonaws.com.example.org", True),
        ("amazonaws.com", True),
        ("sts.notamazonaws.com", True),
        ("evil.example.com", True),
        (None, False),
    ],
)
def test_a_host_outside_aws_is_foreign(source: str | None, *, foreign: bool) -> None:
    assert record(eventSource=source).foreign_source is foreign


@pytest.mark.parametrize("written", ["AwsServiceEvent", "AWSServiceEvent"])
def test_event_types_are_compared_in_lower_case(written: str) -> None:
    assert record(eventType=written).event_type == "awsserviceevent"


def test_fields_are_read_under_their_names() -> None:
    one = record(
        sharedEventID="s-1",
        requestID="r-1",
        recipientAccountId=ACCOUNT,
        requestParameters={"a": 1},
        responseElements={"b": 2},
        additionalEventData={"c": 3},
        serviceEventDetails={"d": 4},
        vpcEndpointId="vpce-1",
        vpcEndpointAccountId="AWS Internal",
        userAgent="aws-cli/2",
        sourceIPAddress="192.0.2.1",
        errorCode="AccessDenied",
    )
    assert (one.shared_event_id, one.request_id, one.recipient) == ("s-1", "r-1", ACCOUNT)
    assert (one.request, one.response) == ({"a": 1}, {"b": 2})
    assert (one.extra, one.service_details) == ({"c": 3}, {"d": 4})
    assert (one.vpc_endpoint, one.vpc_endpoint_account) == ("vpce-1", "AWS Internal")
    assert (one.user_agent, one.source_ip) == ("aws-cli/2", "192.0.2.1")
    assert one.error_code == "AccessDenied"


@pytest.mark.parametrize("value", [None, "text", 7, ["list"], True])
def test_misshapen_fields_are_absent(value: object) -> None:
    names = ("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails")
    one = record(userIdentity=value, **dict.fromkeys(names, value))
    assert (one.request, one.response, one.extra, one.service_details) == ({}, {}, {}, {})
    assert one.caller == Caller()


def test_the_two_records_of_an_insight_are_no_copies_of_each_other() -> None:
    assert record(eventCategory="Insight", sharedEventID="s-1").shared_event_id is None
    assert record(eventCategory="Management", sharedEventID="s-1").shared_event_id == "s-1"


def test_the_raw_record_stays_as_delivered() -> None:
    raw = {"eventTime": "2026-03-02T08:00:00Z", "eventName": "ListFunctions20150331"}
    assert Record(raw).raw is raw
    assert raw == {"eventTime": "2026-03-02T08:00:00Z", "eventName": "ListFunctions20150331"}


# --- who and how --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [True, "true", "True"])
def test_the_console_flag_is_read_at_the_top_and_in_the_session(value: object) -> None:
    attributes = {"sessionCredentialFromConsole": value}
    below = {"sessionContext": {"attributes": attributes}}
    for one in (record(sessionCredentialFromConsole=value), record(userIdentity=below)):
        assert one.from_console
        assert one.caller.from_console


@pytest.mark.parametrize("value", [False, "false", "", None, 1])
def test_another_console_flag_is_none(value: object) -> None:
    assert not record(sessionCredentialFromConsole=value).from_console


def test_a_record_of_the_console_itself_has_a_console_caller() -> None:
    one = record(eventType="AwsConsoleAction")
    assert not one.from_console
    assert one.caller.from_console


def test_the_region_tells_the_partition_of_a_caller_without_arn() -> None:
    assert record(awsRegion="cn-north-1", userIdentity={}).caller.partition == "aws-cn"
    assert record(awsRegion=["cn-north-1"], userIdentity={}).caller.partition == "aws"


@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({"errorCode": "AccessDenied"}, True),
        ({"errorCode": ""}, False),
        ({"errorMessage": "words alone"}, False),
        ({}, False),
    ],
)
def test_a_call_fails_with_an_error_code(fields: dict[str, Any], *, failed: bool) -> None:
    assert record(eventType="AwsApiCall", **fields).failed is failed


@pytest.mark.parametrize("event_type", ["AwsConsoleSignIn", "AwsConsoleSignin"])
@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({"responseElements": {"ConsoleLogin": "Success"}}, False),
        ({"responseElements": {"ConsoleLogin": "Failure"}}, True),
        (
            {
                "responseElements": {"ConsoleLogin": "Failure"},
                "errorMessage": "Failed authentication",
            },
            True,
        ),
        ({"responseElements": None, "errorMessage": "Failed authentication"}, True),
        ({"responseElements": {"SwitchRole": "Failure"}}, False),
        ({"responseElements": None}, False),
    ],
)
def test_a_sign_in_fails_without_an_error_code(
    event_type: str, fields: dict[str, Any], *, failed: bool
) -> None:
    assert record(eventType=event_type, eventName="ConsoleLogin", **fields).failed is failed


@pytest.mark.parametrize(
    ("fields", "internal"),
    [
        ({"sourceIPAddress": "AWS Internal"}, True),
        ({"userAgent": "AWS Internal"}, True),
        ({"userIdentity": {"invokedBy": "AWS Internal"}}, True),
        ({"sourceIPAddress": "192.0.2.1", "userAgent": "aws-cli/2"}, False),
        ({}, False),
    ],
)
def test_calls_by_aws_itself_are_internal(fields: dict[str, Any], *, internal: bool) -> None:
    assert record(**fields).internal is internal
