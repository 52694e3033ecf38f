"""Everything in memory: files in, enriched documents out."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.cloudtrail.reading import InputLimits
from enricher.enrichers.registry import built_in
from enricher.pipeline.offline import Explained, explain
from enricher.stores.memory import MemoryLogFiles
from tests.unit.pipeline.deliveries import Deliveries, log_file, sample_files

if TYPE_CHECKING:
    from enricher.pipeline.offline import OfflineEvent

ACCOUNT = "111122223333"
KEY = "ASIAEXAMPLE000000001"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/Deploy"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/alice"

ASSUMED: dict[str, Any] = {
    "eventID": "assumed",
    "eventTime": "2026-03-02T08:00:00Z",
    "eventName": "AssumeRole",
    "eventSource": "sts.amazonaws.com",
    "eventType": "AwsApiCall",
    "recipientAccountId": ACCOUNT,
    "userIdentity": {
        "type": "IAMUser",
        "principalId": "AIDAEXAMPLE000000001",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/alice",
        "accountId": ACCOUNT,
        "accessKeyId": "AKIAEXAMPLE000000001",
        "userName": "alice",
    },
    "requestParameters": {"roleArn": ROLE, "roleSessionName": "alice"},
    "responseElements": {
        "credentials": {
            "accessKeyId": KEY,
            "sessionToken": "secret",
            "expiration": "Mar 2, 2026, 9:00:00 AM",
        },
        "assumedRoleUser": {"assumedRoleId": "AROAEXAMPLE000000001:alice", "arn": SESSION},
    },
}
USED: dict[str, Any] = {
    "eventID": "used",
    "eventTime": "2026-03-02T08:10:00Z",
    "eventName": "DeleteTrail",
    "eventSource": "cloudtrail.amazonaws.com",
    "eventType": "AwsApiCall",
    "recipientAccountId": ACCOUNT,
    "userIdentity": {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE000000001:alice",
        "arn": SESSION,
        "accountId": ACCOUNT,
        "accessKeyId": KEY,
        "sessionContext": {
            "attributes": {"creationDate": "2026-03-02T08:00:00Z"},
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAEXAMPLE000000001",
                "arn": ROLE,
                "accountId": ACCOUNT,
                "userName": "Deploy",
            },
        },
    },
}


def explained(
    files: dict[str, bytes], limits: InputLimits | None = None
) -> tuple[list[OfflineEvent], Explained]:
    """Explain files in the order given."""
    report = Explained()
    events = explain(files, MemoryLogFiles(files), limits or InputLimits(), built_in(), report)
    return list(events), report


def test_an_event_names_who_was_behind_it() -> None:
    events, report = explained({"a.json.gz": log_file([USED]), "b.json.gz": log_file([ASSUMED])})
    used, assumed = events
    assert used.document_id == f"used:{ACCOUNT}"
    assert used.enriched["origin"]["id"] == "AIDAEXAMPLE000000001"
    assert used.enriched["origin"]["evidence"] == ["assumed"]
    assert [hop["event_id"] for hop in used.enriched["chain"]] == ["assumed"]
    assert used.enriched["state"] == "final"
    assert assumed.enriched["session"]["issued_id"] == used.enriched["session"]["id"]
    assert (report.files, report.records, report.duplicates) == (2, 2, 0)
    assert sum(report.origins.values()) == 2


def test_a_document_is_the_record_as_the_index_would_hold_it() -> None:
    (event,), _ = explained({"a.json.gz": log_file([ASSUMED])})
    document = codec.loads(event.document)
    assert document.pop("enriched") == {**event.enriched, "file": "a.json.gz"}
    assert document["responseElements"]["credentials"]["sessionToken"] == "REDACTED"
    assert "at" not in event.enriched
    assert "revision" not in event.enriched


def test_what_is_not_known_is_unresolved_for_nothing_more_will_come() -> None:
    (event,), report = explained({"a.json.gz": log_file([USED])})
    assert event.enriched["state"] == "unresolved"
    assert "waiting_for" not in event.enriched
    assert event.enriched["origin"]["status"] == "unknown"
    assert report.reasons == {event.enriched["origin"]["reason"]: 1}


def test_the_first_delivery_counts() -> None:
    files = {"b.json.gz": log_file([USED, ASSUMED]), "a.json.gz": log_file([ASSUMED, USED])}
    events, report = explained(files)
    assert [event.document_id for event in events] == [f"used:{ACCOUNT}", f"assumed:{ACCOUNT}"]
    assert {event.enriched["file"] for event in events} == {"b.json.gz"}
    assert (report.records, report.duplicates) == (4, 2)


def test_what_cannot_be_read_is_reported_and_costs_nothing_else() -> None:
    files = {
        "broken.json.gz": b"\x1f\x8b",
        "plain.json.gz": b"{}",
        "package.json": b'{"name":"package"}',
        "good.json.gz": log_file([ASSUMED, 7, {"eventTime": "never"}, None]),
        "deep.json": codec.dumps([{**USED, "requestParameters": {"a": [[[[1]]]]}}]),
        "large.json.gz": gzip.compress(bytes(200_000)),
    }
    limits = InputLimits(depth=5, inflated_bytes=100_000)
    events, report = explained(files, limits)
    assert [event.document_id for event in events] == [f"assumed:{ACCOUNT}"]
    assert report.failed == {
        "broken.json.gz": "gzip-truncated",
        "plain.json.gz": "not-gzip",
        "large.json.gz": "inflated-size-exceeded",
    }
    assert report.skipped == {"package.json": "not-cloudtrail"}
    assert report.refused == {
        "not-an-object": 2,
        "event-time-unreadable": 1,
        "record-too-deep": 1,
    }
    assert (report.files, report.records) == (6, 5)


def test_mended_records_carry_their_notes() -> None:
    (event,), _ = explained({"a.json": codec.dumps({**ASSUMED, "readOnly": "maybe"})})
    assert event.enriched["notes"] == ["reshaped_value"]
    assert codec.loads(event.document)["raw"]["readOnly"] == "maybe"


def test_the_samples_end_as_the_pipeline_ends_them() -> None:
    files = sample_files()
    deliveries = Deliveries(files=files)
    deliveries.ingest_all()
    events, report = explained(files)
    assert {event.document_id for event in events} == set(deliveries.index.events)
    assert report.records == sum(entry["records"] for entry in deliveries.index.files.values())
    assert not report.failed
    assert not report.refused
    for event in events:
        stored = deliveries.index.events[event.document_id].source
        expected = codec.loads(event.document)
        assert {**stored, "enriched": None} == {**expected, "enriched": None}
