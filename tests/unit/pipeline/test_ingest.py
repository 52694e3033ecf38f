"""Ingest one log file: the numbers add up, whatever the file holds."""

from __future__ import annotations

import gzip
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import pytest

from enricher.cloudtrail import codec
from enricher.cloudtrail.reading import InputLimits
from enricher.errors import UnavailableError
from enricher.pipeline.documents import Period
from enricher.pipeline.ledger import FileReport
from enricher.pipeline.ports import QuarantineEntry
from enricher.stores.memory import MemoryAttempts
from tests.unit.pipeline.deliveries import (
    NOW,
    RUN,
    AwayIndex,
    AwayStore,
    Deliveries,
    RefusingIndex,
    log_file,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enricher.stores.memory import MemoryEventIndex

ACCOUNT = "111122223333"
NAME = (
    f"AWSLogs/o-12e6ca41d6/{ACCOUNT}/CloudTrail/eu-west-1/2026/03/02/"
    f"{ACCOUNT}_CloudTrail_eu-west-1_20260302T0840Z_0WrUm42FJSH7Isn6.json.gz"
)
LIMITS = InputLimits(inflated_bytes=1 << 20, record_bytes=100_000, depth=100, records=3_000)


def record(number: int, **fields: object) -> dict[str, Any]:
    """Give a record that a user signed with a long-term key."""
    return {
        "eventID": f"event-{number}",
        "eventTime": f"2026-03-02T08:00:{number:02}Z",
        "eventName": "ListBuckets",
        "eventSource": "s3.amazonaws.com",
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
        **fields,
    }


def nested(depth: int) -> dict[str, Any]:
    """Give an object that is nested so deep."""
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


class Parts(TypedDict, total=False):
    """What a test puts in place of the ordinary."""

    index: MemoryEventIndex
    attempts: MemoryAttempts
    period: Period
    batch_records: int


def ingest(
    content: bytes, name: str = NAME, **parts: Unpack[Parts]
) -> tuple[FileReport, Deliveries]:
    """Ingest one file."""
    deliveries = Deliveries(files={name: content}, limits=LIMITS, **parts)
    return deliveries.ingest(name), deliveries


def numbers(report: FileReport) -> tuple[int, int, int, int]:
    """Give the numbers that have to add up."""
    return report.records, report.indexed, report.duplicate, report.quarantined


GOOD = [record(number) for number in range(4)]


# --- what is written ----------------------------------------------------------------------------


def test_each_record_becomes_a_document() -> None:
    report, deliveries = ingest(log_file(GOOD))
    assert numbers(report) == (4, 4, 0, 0)
    assert report.status == "ingested"
    assert list(deliveries.index.events) == [f"event-{n}:{ACCOUNT}" for n in range(4)]
    assert deliveries.index.quarantine_entries == {}


def test_a_document_is_the_record_and_its_enrichment() -> None:
    _, deliveries = ingest(log_file(GOOD))
    document = deliveries.documents()[f"event-0:{ACCOUNT}"]
    enriched = document.pop("enriched")
    assert document == GOOD[0]
    assert enriched["origin"]["id"] == "AIDAEXAMPLE000000001"
    assert (enriched["file"], enriched["revision"]) == (NAME, 1)
    assert enriched["at"] == "2026-03-03T00:00:00Z"
    assert enriched["enrichers"]["identity"] >= 1


@pytest.mark.parametrize(
    ("period", "index"),
    [(Period.MONTH, "cloudtrail-events-2026.03"), (Period.DAY, "cloudtrail-events-2026.03.02")],
)
def test_the_index_is_chosen_by_event_time(period: Period, index: str) -> None:
    _, deliveries = ingest(log_file(GOOD), period=period)
    assert {event.index for event in deliveries.index.events.values()} == {index}


@pytest.mark.parametrize("batch_records", [1, 2, 3, 4, 5_000])
def test_the_size_of_batches_does_not_matter(batch_records: int) -> None:
    _, expected = ingest(log_file(GOOD))
    report, deliveries = ingest(log_file(GOOD), batch_records=batch_records)
    assert numbers(report) == (4, 4, 0, 0)
    assert deliveries.documents() == expected.documents()


def test_a_record_twice_in_a_file_is_one_document() -> None:
    report, deliveries = ingest(log_file([*GOOD, GOOD[1], GOOD[1]]))
    assert numbers(report) == (6, 4, 2, 0)
    assert len(deliveries.index.events) == 4


def test_the_ledger_says_what_became_of_a_file() -> None:
    content = log_file([*GOOD, GOOD[0], "text"])
    _, deliveries = ingest(content)
    assert deliveries.index.file(NAME) == {
        "location": NAME,
        "run_id": RUN,
        "status": "ingested",
        "reason": None,
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "records": 6,
        "indexed": 4,
        "duplicate": 1,
        "quarantined": 1,
        "pending": 0,
        "content_sha256": hashlib.sha256(gzip.decompress(content)).hexdigest(),
        "delivery_delay_ms": 57597000,
        "attempts": 1,
        "refusals": [{"reason": "not-an-object", "count": 1}],
        "organization_id": "o-12e6ca41d6",
        "account_id": ACCOUNT,
        "region": "eu-west-1",
        "delivered_at": "2026-03-02T08:40:00Z",
        "oldest_event_at": "2026-03-02T08:00:00Z",
        "newest_event_at": "2026-03-02T08:00:03Z",
        "started_at": "2026-03-03T00:00:00Z",
        "finished_at": "2026-03-03T00:00:00Z",
        "duration_ms": 0,
    }


def test_the_ledger_counts_what_waits_for_evidence() -> None:
    session = {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE000000001:alice",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/alice",
        "accountId": ACCOUNT,
        "accessKeyId": "ASIAEXAMPLE000000001",
        "sessionContext": {"attributes": {"creationDate": "2026-03-02T07:00:00Z"}},
    }
    report, deliveries = ingest(log_file([*GOOD, record(8, userIdentity=session)]))
    assert report.pending == 1
    waiting = deliveries.documents()[f"event-8:{ACCOUNT}"]["enriched"]["waiting_for"]
    assert "issued/ASIAEXAMPLE000000001" in waiting
    assert deliveries.store._rested_on >= set(waiting)


def test_numbers_that_do_not_add_up_are_a_fault() -> None:
    report = FileReport(location=NAME, run_id=RUN, started_at=NOW, records=2, indexed=1)
    with pytest.raises(AssertionError, match="does not add up"):
        report.entry(NOW)


# --- files that cannot be read --------------------------------------------------------------------

_PACKED = log_file(GOOD)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "file-empty"),
        (gzip.compress(b"", mtime=0), "file-empty"),
        (gzip.compress(b" \n", mtime=0), "file-empty"),
        (b'{"Records":[]}', "not-gzip"),
        (_PACKED[:20], "gzip-truncated"),
        (_PACKED[:-1], "gzip-truncated"),
        (_PACKED[:-8] + b"\0" * 8, "gzip-invalid"),
        (gzip.compress(bytes(2 << 20), mtime=0), "inflated-size-exceeded"),
        (gzip.compress(b'{"Records":[{', mtime=0), "json-invalid"),
        (gzip.compress(b'{"Records":{}}', mtime=0), "records-not-a-list"),
        (log_file([1] * 3_001), "too-many-records"),
    ],
)
def test_a_file_that_cannot_be_read_is_quarantined_by_reference(
    content: bytes, reason: str
) -> None:
    report, deliveries = ingest(content)
    assert (report.status, report.reason) == ("failed", reason)
    assert numbers(report) == (0, 0, 0, 0)
    assert report.refusals == {reason: 1}
    (entry,) = deliveries.index.quarantine_entries.values()
    assert entry == QuarantineEntry(
        id=entry.id,
        what="file",
        reason=reason,
        location=NAME,
        verbatim=None,
        at=NOW,
        run_id=RUN,
    )
    ledger = deliveries.index.file(NAME)
    assert ledger is not None
    assert (ledger["status"], ledger["reason"]) == ("failed", reason)
    assert deliveries.index.events == {}


def test_a_file_that_is_gone_is_quarantined_by_reference() -> None:
    deliveries = Deliveries(files={})
    report = deliveries.ingest(NAME)
    assert (report.status, report.reason) == ("failed", "file-missing")


def test_a_bad_file_ingested_again_is_one_entry() -> None:
    deliveries = Deliveries(files={NAME: b""})
    deliveries.ingest(NAME)
    deliveries.ingest(NAME)
    assert len(deliveries.index.quarantine_entries) == 1


@pytest.mark.parametrize("content", [b'{"name":"package"}', b"7", b"{}"])
def test_json_that_is_not_cloudtrail_is_skipped(content: bytes) -> None:
    report, deliveries = ingest(content, "package.json")
    assert (report.status, report.reason) == ("skipped", "not-cloudtrail")
    assert numbers(report) == (0, 0, 0, 0)
    assert deliveries.index.quarantine_entries == {}
    ledger = deliveries.index.file("package.json")
    assert ledger is not None
    assert ledger["status"] == "skipped"


def test_a_file_without_records_is_ingested() -> None:
    report, _ = ingest(log_file([]))
    assert report.status == "ingested"
    assert numbers(report) == (0, 0, 0, 0)


# --- records that cannot be taken -----------------------------------------------------------------

_BAD: dict[str, object] = {
    "not-an-object": "text",
    "event-time-unreadable": record(9, eventTime="yesterday"),
    "record-too-deep": record(9, requestParameters=nested(200)),
    "record-too-large": record(9, errorMessage="x" * 100_000),
}


@pytest.mark.parametrize("position", [0, 2, 4])
@pytest.mark.parametrize("reason", _BAD)
def test_a_bad_record_does_not_cost_its_neighbours(reason: str, position: int) -> None:
    records: list[object] = [*GOOD]
    records.insert(position, _BAD[reason])
    report, deliveries = ingest(log_file(records))
    assert report.status == "ingested"
    assert numbers(report) == (5, 4, 0, 1)
    assert report.refusals == {reason: 1}
    assert set(deliveries.index.events) == {f"event-{n}:{ACCOUNT}" for n in range(4)}
    (entry,) = deliveries.index.quarantine_entries.values()
    assert entry == QuarantineEntry(
        id=entry.id,
        what="record",
        reason=reason,
        location=NAME,
        position=position,
        event_id=None if reason == "not-an-object" else "event-9",
        verbatim=codec.dumps(_BAD[reason]).decode(),
        at=NOW,
        run_id=RUN,
    )


def test_every_kind_of_bad_record_at_once_adds_up() -> None:
    report, deliveries = ingest(log_file([*GOOD, GOOD[0], *_BAD.values()]))
    assert numbers(report) == (9, 4, 1, 4)
    assert report.refusals == dict.fromkeys(_BAD, 1)
    assert len(deliveries.index.quarantine_entries) == 4


def test_bad_lines_are_refused_one_by_one() -> None:
    lines = [codec.dumps(one) for one in GOOD]
    report, deliveries = ingest(b"\n".join([*lines, b'{"eventID":', b"7"]), "events.jsonl")
    assert numbers(report) == (6, 4, 0, 2)
    assert report.refusals == {"json-invalid": 1, "not-an-object": 1}
    assert {entry.verbatim for entry in deliveries.index.quarantine_entries.values()} == {
        '"{\\"eventID\\":"',
        "7",
    }


def test_records_that_are_mended_are_indexed_and_say_so() -> None:
    odd = record(5, requestParameters="text", eventName=["x"], readOnly="maybe")
    long = record(6, requestParameters={"policy": "x" * 33_000})
    report, deliveries = ingest(log_file([odd, long]))
    assert numbers(report) == (2, 2, 0, 0)
    one, two = deliveries.documents().values()
    assert one["enriched"]["notes"] == ["reshaped_value"]
    assert one["raw"] == odd
    assert two["enriched"]["notes"] == ["oversize_value"]
    assert two["raw"] == long


def test_a_record_that_the_index_refuses_is_quarantined() -> None:
    records = [*GOOD, record(7, eventName="Forbidden")]
    report, deliveries = ingest(log_file(records), index=RefusingIndex(b"Forbidden"))
    assert report.status == "ingested"
    assert numbers(report) == (5, 4, 0, 1)
    (entry,) = deliveries.index.quarantine_entries.values()
    assert (entry.reason, entry.detail) == ("mapper_parsing_exception", "field eventName")
    assert (entry.position, entry.event_id) == (4, "event-7")
    assert entry.verbatim == codec.dumps(records[4]).decode()


def test_session_tokens_do_not_reach_the_quarantine() -> None:
    secret = {"credentials": {"accessKeyId": "ASIAEXAMPLE000000001", "sessionToken": "secret"}}
    bad = record(9, eventTime="yesterday", responseElements=secret)
    _, deliveries = ingest(log_file([*GOOD, bad]))
    (entry,) = deliveries.index.quarantine_entries.values()
    assert entry.verbatim is not None
    assert "ASIAEXAMPLE000000001" in entry.verbatim
    assert "secret" not in entry.verbatim


def test_a_bad_record_ingested_again_is_one_entry() -> None:
    deliveries = Deliveries(files={NAME: log_file([*GOOD, "text"])})
    first, second = deliveries.ingest(NAME), deliveries.ingest(NAME)
    assert numbers(first) == (5, 4, 0, 1)
    assert numbers(second) == (5, 0, 4, 1)
    assert len(deliveries.index.quarantine_entries) == 1


# --- most of a file -----------------------------------------------------------------------------


def test_a_file_of_which_most_is_refused_is_stopped() -> None:
    report, deliveries = ingest(log_file([*GOOD[:2], 1, 2, 3]))
    assert (report.status, report.reason) == ("failed", "most-of-the-file-refused")
    assert numbers(report) == (5, 0, 0, 5)
    assert report.refusals == {"not-an-object": 3, "most-of-the-file-refused": 2}
    assert deliveries.index.events == {}
    assert len(deliveries.index.quarantine_entries) == 5


def test_half_of_a_file_is_not_most() -> None:
    report, _ = ingest(log_file([*GOOD[:2], 1, 2]))
    assert report.status == "ingested"
    assert numbers(report) == (4, 2, 0, 2)


@pytest.mark.parametrize(
    ("batch_records", "expected"), [(5_000, (6, 2, 0, 4)), (4, (6, 0, 0, 6)), (1, (6, 2, 0, 4))]
)
def test_a_file_of_which_the_index_refuses_most_is_stopped(
    batch_records: int, expected: tuple[int, int, int, int]
) -> None:
    refused = [record(n, eventName="Forbidden") for n in range(10, 14)]
    report, deliveries = ingest(
        log_file([*refused, *GOOD[:2]]),
        index=RefusingIndex(b"Forbidden"),
        batch_records=batch_records,
    )
    assert (report.status, report.reason) == ("failed", "most-of-the-file-refused")
    assert numbers(report) == expected
    assert len(deliveries.index.quarantine_entries) == report.quarantined


def test_a_large_file_of_which_most_is_refused_is_not_read_to_its_end() -> None:
    refused = [record(n % 60, eventID=f"r{n}", eventName="Forbidden") for n in range(1_000)]
    never_read = [record(n % 60, eventID=f"n{n}") for n in range(1_500)]
    report, deliveries = ingest(
        log_file([*refused, *never_read]),
        index=RefusingIndex(b"Forbidden"),
        batch_records=1_000,
    )
    assert (report.status, report.reason) == ("failed", "most-of-the-file-refused")
    assert numbers(report) == (1_000, 0, 0, 1_000)
    kept = [entry.what for entry in deliveries.index.quarantine_entries.values()]
    assert (kept.count("record"), kept.count("file")) == (1_000, 1)


def test_an_outdated_attempt_does_not_stop_the_next() -> None:
    deliveries = Deliveries(files={NAME: log_file([1, 2])})
    deliveries.ingest(NAME)
    deliveries.files = {NAME: log_file(GOOD)}
    assert numbers(deliveries.ingest(NAME)) == (4, 4, 0, 0)


# --- again, and after an interruption -------------------------------------------------------------


@pytest.mark.parametrize("enrich_at_ingest", [True, False])
def test_to_ingest_again_changes_nothing(*, enrich_at_ingest: bool) -> None:
    deliveries = Deliveries(files={NAME: log_file(GOOD)}, enrich_at_ingest=enrich_at_ingest)
    deliveries.ingest_all()
    before = dict(deliveries.index.events)
    deliveries.clock.at = datetime(2027, 1, 1, tzinfo=UTC)
    report = deliveries.ingest(NAME, "run-2")
    deliveries.drain()
    assert numbers(report) == (4, 0, 4, 0)
    assert deliveries.index.events == before
    ledger = deliveries.index.file(NAME)
    assert ledger is not None
    assert ledger["run_id"] == "run-2"


def test_with_the_evidence_away_raw_events_are_indexed_and_enriched_later() -> None:
    store = AwayStore()
    deliveries = Deliveries(files={NAME: log_file(GOOD)}, store=store)
    with pytest.raises(UnavailableError):
        deliveries.ingest(NAME)
    assert [document["enriched"]["state"] for document in deliveries.documents().values()] == [
        "pending"
    ] * 4
    assert all("origin" not in one["enriched"] for one in deliveries.documents().values())
    store.away = False
    report = deliveries.ingest(NAME)
    deliveries.drain()
    assert numbers(report) == (4, 0, 4, 0)
    assert deliveries.answers() == deliveries.explained()


@pytest.mark.parametrize("times", [1, 3, 4, 10])
def test_however_often_the_index_is_away_no_file_is_given_up(times: int) -> None:
    deliveries = Deliveries(files={NAME: log_file(GOOD)}, index=AwayIndex(times))
    for _ in range(times):
        with pytest.raises(UnavailableError):
            deliveries.ingest(NAME)
    report = deliveries.ingest(NAME)
    assert (report.status, report.reason) == ("ingested", None)
    assert numbers(report) == (4, 4, 0, 0)


def test_a_file_that_killed_its_worker_three_times_is_quarantined() -> None:
    deliveries = Deliveries(files={NAME: log_file(GOOD)})
    for _ in range(3):
        deliveries.attempts.begin([NAME])
    report = deliveries.ingest(NAME)
    assert (report.status, report.reason) == ("failed", "kills-its-worker")
    assert numbers(report) == (0, 0, 0, 0)
    assert numbers(deliveries.ingest(NAME)) == (4, 4, 0, 0)


def test_a_file_that_killed_its_worker_twice_is_tried_once_more() -> None:
    deliveries = Deliveries(files={NAME: log_file(GOOD)})
    for _ in range(2):
        deliveries.attempts.begin([NAME])
    assert numbers(deliveries.ingest(NAME)) == (4, 4, 0, 0)
    assert deliveries.attempts.begun == {}


def test_with_the_counter_away_a_file_is_taken() -> None:
    class AwayAttempts(MemoryAttempts):
        """A counter that does not answer at first."""

        def begin(self, locations: Sequence[str]) -> list[int]:  # noqa: ARG002 - the port's
            """Fail."""
            raise UnavailableError("away")

    report, _ = ingest(log_file(GOOD), attempts=AwayAttempts())
    assert numbers(report) == (4, 4, 0, 0)


def test_a_part_of_a_file_that_is_in_already_is_duplicate() -> None:
    deliveries = Deliveries(files={"a.json.gz": log_file(GOOD[:2]), "b.json.gz": log_file(GOOD)})
    reports = deliveries.ingest_all()
    assert [numbers(report) for report in reports] == [(2, 2, 0, 0), (4, 2, 2, 0)]
    assert [one["enriched"]["file"] for one in deliveries.documents().values()] == [
        "a.json.gz",
        "a.json.gz",
        "b.json.gz",
        "b.json.gz",
    ]
