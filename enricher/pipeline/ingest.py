"""Ingest one log file: read, publish its facts, enrich, write, and look once more (design §5).

Safe to repeat: a document that exists is never touched, and facts are sets.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.cloudtrail.indexable import indexable, redacted
from enricher.cloudtrail.reading import inflate, parse_log_file
from enricher.cloudtrail.record import Record
from enricher.errors import LogFileError, RecordError, UnavailableError
from enricher.pipeline.batch import enrich_batch, look_once_more, publish, state
from enricher.pipeline.documents import index_name, new_document
from enricher.pipeline.ledger import FileReport
from enricher.pipeline.ports import (
    QuarantineEntry,
    Written,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from enricher.cloudtrail.codec import JsonObject
    from enricher.cloudtrail.indexable import Indexable
    from enricher.cloudtrail.reading import InputLimits
    from enricher.enrichers.interface import Enricher
    from enricher.identity.evidence import EvidenceSnapshot
    from enricher.pipeline.batch import Stated
    from enricher.pipeline.documents import Period
    from enricher.pipeline.ports import (
        Attempts,
        Clock,
        EventIndex,
        EvidenceStore,
        LogFileSource,
        TaskQueue,
    )

MOST_OF_A_FILE = 0.5
MOST_ATTEMPTS = 3
NOT_CLOUDTRAIL = "not-cloudtrail"
_VERBATIM_CHARS = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestServices:
    """What ingesting needs, put together once per process.

    Attributes:
        enrichers: Those that run, in order.
        enrich_at_ingest: Enrich in the first write what can be; otherwise write raw and pending.
    """

    source: LogFileSource
    index: EventIndex
    store: EvidenceStore
    queue: TaskQueue
    attempts: Attempts
    clock: Clock
    limits: InputLimits
    period: Period
    batch_records: int
    enrichers: Sequence[Enricher]
    enrich_at_ingest: bool = True


@dataclass(frozen=True, slots=True)
class _Readable:
    """A record that can be indexed, with its place in the file."""

    position: int
    record: Record
    body: Indexable


def ingest_log_file(location: str, run_id: str, services: IngestServices) -> FileReport:
    """Ingest one log file and write its ledger entry.

    A file that cannot be read is marked failed in the ledger and kept in quarantine by reference;
    one whose records are refused for the most part is stopped and marked failed (design §6).

    Raises:
        UnavailableError: If a server does not answer; nothing is lost by calling again.
    """
    report = FileReport(location=location, run_id=run_id, started_at=services.clock.now())
    with _attempt(location, services) as attempts:
        if attempts > MOST_ATTEMPTS:
            _fail(report, "kills-its-worker", services)
        else:
            _ingest_or_fail(report, services)
        services.index.save_file(location, report.entry(services.clock.now()))
        if report.duplicate or not services.enrich_at_ingest:
            # What an attempt before this one left raw, or what was to be written raw.
            services.queue.enrich_file(location)
    return report


@contextmanager
def _attempt(location: str, services: IngestServices) -> Iterator[int]:
    """Count this attempt; only a process that dies within it leaves the count behind.

    With the counter away, the file is taken as if for the first time.
    """
    try:
        attempts = services.attempts.begin(location)
    except UnavailableError:
        attempts = 1
    try:
        yield attempts
    finally:
        with suppress(UnavailableError):  # the count is forgotten by itself after a day
            services.attempts.end(location)


def _ingest_or_fail(report: FileReport, services: IngestServices) -> None:
    try:
        _ingest(report, services)
    except LogFileError as err:
        if err.reason == NOT_CLOUDTRAIL:
            report.status, report.reason = "skipped", err.reason
        else:
            _fail(report, err.reason, services)


def _ingest(report: FileReport, services: IngestServices) -> None:
    digest = hashlib.sha256()
    counted = _Counted(services.source.read(report.location), digest, report)
    expect_gzip = True if report.location.lower().endswith(".gz") else None
    content = inflate(
        counted.chunks(), limit=services.limits.inflated_bytes, expect_gzip=expect_gzip
    )
    report.sha256 = digest.hexdigest()
    parsed = parse_log_file(content, services.limits)
    report.records = parsed.total
    refused = [
        _refusal(report, services, item.error, item.verbatim, item.position)
        for item in parsed.refused
    ]
    readable: list[_Readable] = []
    for position, raw in parsed.records:
        try:
            readable.append(_read(raw, position, services.limits))
        except RecordError as err:
            refused.append(_refusal(report, services, err, raw, position))
    _quarantine(report, services, refused)
    if report.records and report.quarantined > MOST_OF_A_FILE * report.records:
        _give_up(report, services, readable)
        return
    for start in range(0, len(readable), services.batch_records):
        end = start + services.batch_records
        _write(report, services, readable[start:end])
        if report.quarantined > MOST_OF_A_FILE * report.records:
            _give_up(report, services, readable[end:])
            return


class _Counted:
    """Measures and hashes a file while it is read."""

    def __init__(self, chunks: Iterator[bytes], digest: Any, report: FileReport) -> None:  # noqa: ANN401
        self._chunks, self._digest, self._report = chunks, digest, report

    def chunks(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._digest.update(chunk)
            self._report.size_bytes += len(chunk)
            yield chunk


def _read(raw: JsonObject, position: int, limits: InputLimits) -> _Readable:
    record = Record(raw, position)
    return _Readable(position=position, record=record, body=indexable(raw, limits))


def _write(report: FileReport, services: IngestServices, batch: Sequence[_Readable]) -> None:
    """Publish, enrich, write and look once more, for one batch of a file."""
    stated = [state(one.record, one.body.notes) for one in batch]
    enriched, snapshot, away = _enriched(stated, services)
    documents = [
        new_document(
            document_id=one.record.document_id,
            index=index_name(one.record.at, services.period),
            body=one.body.body,
            enriched=answer,
            file=report.location,
            at=services.clock.now(),
        )
        for one, answer in zip(batch, enriched, strict=True)
    ]
    refused = []
    for one, answer, result in zip(batch, enriched, services.index.create(documents), strict=True):
        _note_times(report, one.record.at)
        match result.written:
            case Written.CREATED:
                report.indexed += 1
                report.pending += answer["state"] == "pending"
            case Written.DUPLICATE:
                report.duplicate += 1
            case Written.REFUSED:
                error = RecordError(result.reason or "refused", one.position)
                refused.append(
                    _refusal(report, services, error, one.record.raw, one.position, result.detail)
                )
    _quarantine(report, services, refused)
    if away is not None:
        raise away  # the documents are in, raw; the task comes again to enrich them
    if snapshot is not None:
        look_once_more(snapshot, services.store, services.queue)


def _enriched(
    stated: Sequence[Stated], services: IngestServices
) -> tuple[list[dict[str, Any]], EvidenceSnapshot | None, UnavailableError | None]:
    """Publish facts and enrich; with the evidence away, raw events still go in (design §2)."""
    try:
        publish(stated, services.store, services.queue)
        if services.enrich_at_ingest:
            answers, snapshot = enrich_batch(stated, services.store, services.enrichers)
            return answers, snapshot, None
    except UnavailableError as err:
        return [_raw_only(one) for one in stated], None, err
    return [_raw_only(one) for one in stated], None, None


def _raw_only(one: Stated) -> dict[str, Any]:
    """What a document says before it is enriched: pending, with its notes."""
    notes = {"notes": sorted(one.notes)} if one.notes else {}
    return {"state": "pending", **notes}


def _note_times(report: FileReport, at: datetime) -> None:
    report.oldest_event_at = min(report.oldest_event_at or at, at)
    report.newest_event_at = max(report.newest_event_at or at, at)


# --- what is refused --------------------------------------------------------------------------


def _refusal(  # noqa: PLR0913, PLR0917 - one entry, all of its parts
    report: FileReport,
    services: IngestServices,
    error: RecordError,
    verbatim: object,
    position: int,
    detail: str | None = None,
) -> QuarantineEntry:
    event_id = verbatim.get("eventID") if isinstance(verbatim, dict) else None
    return QuarantineEntry(
        id=hashlib.sha256(f"{report.location}\n{position}".encode()).hexdigest(),
        what="record",
        reason=error.reason,
        location=report.location,
        position=position,
        event_id=event_id if isinstance(event_id, str) else None,
        detail=detail,
        verbatim=_verbatim(verbatim),
        at=services.clock.now(),
        run_id=report.run_id,
    )


def _verbatim(value: object) -> str | None:
    """Spell a refused value as JSON; what the codec refuses stays in its file, by position."""
    try:
        text = codec.dumps(redacted(value)).decode()
    except (TypeError, ValueError, RecursionError):
        return None
    return text if len(text) <= _VERBATIM_CHARS else None


def _quarantine(
    report: FileReport, services: IngestServices, entries: Sequence[QuarantineEntry]
) -> None:
    if not entries:
        return
    services.index.quarantine(entries)
    report.quarantined += len(entries)
    report.refusals.update(entry.reason for entry in entries)


def _give_up(report: FileReport, services: IngestServices, readable: Sequence[_Readable]) -> None:
    """Stop a file of which most is refused: something is wrong with it, or with us.

    What could be read is quarantined too, so that the numbers add up and nothing is half done.
    """
    error = RecordError("most-of-the-file-refused")
    entries = [_refusal(report, services, error, one.record.raw, one.position) for one in readable]
    _quarantine(report, services, entries)
    report.status, report.reason = "failed", error.reason


def _fail(report: FileReport, reason: str, services: IngestServices) -> None:
    report.status, report.reason = "failed", reason
    entry = QuarantineEntry(
        id=hashlib.sha256(report.location.encode()).hexdigest(),
        what="file",
        reason=reason,
        location=report.location,
        verbatim=None,
        at=services.clock.now(),
        run_id=report.run_id,
    )
    services.index.quarantine([entry])
    report.refusals[reason] += 1
