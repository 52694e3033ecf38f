"""Ingest log files: read, publish their facts, enrich, write, and look once more (design §5).

Safe to repeat: a document that exists is settled against the evidence, never written anew, and
facts are sets. Records flow in pieces: all of a small file, or a part of a large one. Pieces of
several files share a bulk request; each file keeps its own account of what became of it.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.indexable import indexable
from enricher.cloudtrail.logfile import says_gzip
from enricher.cloudtrail.reading import RefusedRecord, read_log_file
from enricher.cloudtrail.record import Record
from enricher.errors import LogFileError, RecordError, UnavailableError
from enricher.pipeline.batch import enrich_new, publish, state
from enricher.pipeline.integrity import mark_integrity
from enricher.pipeline.ledger import FileReport, FileStatus
from enricher.pipeline.ports import Written
from enricher.pipeline.refusals import refused_file, refused_record
from enricher.pipeline.writing import Readable, WriteServices, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from enricher.cloudtrail.codec import JsonObject
    from enricher.cloudtrail.reading import InputLimits
    from enricher.identity.evidence import EvidenceSnapshot
    from enricher.pipeline.batch import Stated
    from enricher.pipeline.ports import (
        Attempts,
        LogFileSource,
        QuarantineEntry,
        WriteResult,
    )

MOST_OF_A_FILE = 0.5
_ENOUGH_TO_TELL = 1_000  # records that stand for a file whose end is not read yet
MOST_ATTEMPTS = 3
NOT_CLOUDTRAIL = "not-cloudtrail"
_PIECE_BYTES = 32 << 20
_NO_RUN = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestServices(WriteServices):
    """What ingesting needs beside what writing needs, put together once per process.

    Attributes:
        enrichers: Those that run, in order.
        enrich_at_ingest: Enrich in the first write what can be; otherwise write raw and pending.
    """

    source: LogFileSource
    attempts: Attempts
    limits: InputLimits
    enrich_at_ingest: bool = True


@dataclass(slots=True)
class _Piece:
    """Some records of one file that are written together.

    Attributes:
        last: Nothing more of the file follows.
    """

    report: FileReport
    readable: list[Readable] = field(default_factory=list)
    refused: list[QuarantineEntry] = field(default_factory=list)
    size_bytes: int = 0
    last: bool = False

    def refuse(self, entry: QuarantineEntry) -> None:
        self.refused.append(entry)
        self.size_bytes += len(entry.verbatim or "")

    def is_full(self, most_records: int) -> bool:
        return (
            len(self.readable) + len(self.refused) >= most_records
            or self.size_bytes >= _PIECE_BYTES
        )


def ingest_log_files(
    locations: Sequence[str], run_id: str, services: IngestServices
) -> list[FileReport]:
    """Ingest log files and write their ledger entries.

    A file that cannot be read is marked failed in the ledger and kept in quarantine by reference;
    one whose records are refused for the most part is stopped and marked failed (design §6).
    Files that come again because their worker died come one by one, so that the one that kills
    is found out.

    Returns:
        What became of each file; nothing where they were queued again one by one.

    Raises:
        UnavailableError: If a server does not answer; nothing is lost by calling again.
    """
    reports = _reports(locations, run_id, services)
    with _attempt(reports, services):
        if len(reports) > 1 and any(report.attempts > 1 for report in reports):
            for location in locations:
                services.queue.ingest([location], run_id)
            return []
        for batch in _batches(reports, services):
            _write(batch, services)
        if not services.enrich_at_ingest:
            for location in locations:
                services.queue.enrich_file(location)
    return reports


def publish_ahead(locations: Sequence[str], services: IngestServices) -> None:
    """Publish what log files state, and write nothing: who ingests them finds all of it there.

    Only what ingesting publishes too, or an answer could rest on an event that never comes. What is
    refused is passed over: ingesting says so in the ledger.

    Raises:
        UnavailableError: If a server does not answer; nothing depends on this but the cost.
    """
    for batch in _batches(_reports(locations, _NO_RUN, services), services):
        stated: list[Stated] = []
        for piece in batch:
            _give_up_if_mostly_refused(piece, services)
            stated += [state(one.record, one.body.notes) for one in piece.readable]
        publish(stated, services.store, services.queue)


def _reports(locations: Sequence[str], run_id: str, services: IngestServices) -> list[FileReport]:
    return [
        FileReport(location=location, run_id=run_id, started_at=services.clock.now())
        for location in locations
    ]


@contextmanager
def _attempt(reports: Sequence[FileReport], services: IngestServices) -> Iterator[None]:
    """Count this attempt; only a process that dies within it, or is ended, leaves the count behind.

    With the counter away, files are taken as if for the first time.
    """
    locations = [report.location for report in reports]
    with suppress(UnavailableError):
        for report, attempts in zip(reports, services.attempts.begin(locations), strict=True):
            report.attempts = attempts
    try:
        yield
    except Exception:
        _end_attempt(locations, services)
        raise
    _end_attempt(locations, services)


def _end_attempt(locations: Sequence[str], services: IngestServices) -> None:
    with suppress(UnavailableError):  # the count is forgotten by itself after a day
        services.attempts.end(locations)


# --- reading ----------------------------------------------------------------------------------


def _batches(reports: Sequence[FileReport], services: IngestServices) -> Iterator[list[_Piece]]:
    """Join pieces to batches of bounded size; a file is read only as far as it is written.

    Pieces are never cut to fill a batch: what shares a write with what depends on the files alone.
    """
    held: list[_Piece] = []
    count = 0
    for report in reports:
        for piece in _pieces(report, services):
            if held and count + len(piece.readable) > services.batch_records:
                yield held
                held, count = [], 0
            held.append(piece)
            count += len(piece.readable)
            if piece.is_full(services.batch_records):
                yield held
                held, count = [], 0
    if held:
        yield held


def _pieces(report: FileReport, services: IngestServices) -> Iterator[_Piece]:
    """Read a file piece by piece, until its end or until it has failed."""
    piece = _Piece(report)
    if report.attempts > MOST_ATTEMPTS:
        _fail(piece, "kills-its-worker", services)
    else:
        content = hashlib.sha256()  # of what digest files hash: the gunzipped content
        try:
            for found in read_log_file(
                _counted(report, services),
                services.limits,
                expect_gzip=says_gzip(report.location),
                seen=content.update,
            ):
                report.records += 1
                _sort_in(piece, found, services)
                if piece.is_full(services.batch_records):
                    yield piece
                    if report.status is FileStatus.FAILED:
                        return
                    piece = _Piece(report)
            report.content_sha256 = content.hexdigest()
        except LogFileError as err:
            if err.reason == NOT_CLOUDTRAIL:
                report.status, report.reason = FileStatus.SKIPPED, err.reason
            else:
                _fail(piece, err.reason, services)
    piece.last = True
    yield piece


def _counted(report: FileReport, services: IngestServices) -> Iterator[bytes]:
    """Measure and hash a file while it is read."""
    digest = hashlib.sha256()
    for chunk in services.source.read(report.location):
        digest.update(chunk)
        report.size_bytes += len(chunk)
        yield chunk
    report.sha256 = digest.hexdigest()


def _sort_in(
    piece: _Piece, found: tuple[int, JsonObject] | RefusedRecord, services: IngestServices
) -> None:
    report = piece.report
    if isinstance(found, RefusedRecord):
        piece.refuse(_refusal(report, found.error, found.position, found.verbatim, services))
        return
    position, raw = found
    try:
        record = Record(raw, position)
        body = indexable(raw, services.limits)
    except RecordError as err:
        piece.refuse(_refusal(report, err, position, raw, services))
        return
    piece.readable.append(Readable(report.location, position, record, body))
    piece.size_bytes += len(body.body)


# --- writing ----------------------------------------------------------------------------------


def _write(batch: Sequence[_Piece], services: IngestServices) -> None:
    """Publish, enrich, write and look once more; then say in the ledger what is done."""
    for piece in batch:
        _give_up_if_mostly_refused(piece, services)
    readable = [one for piece in batch for one in piece.readable]
    if readable:
        reports = {piece.report.location: piece.report for piece in batch}
        refused = _write_records(readable, reports, services)
        for piece in batch:
            piece.readable = []
            piece.refused += [one for one in refused if one.location == piece.report.location]
            _give_up_if_mostly_refused(piece, services)
    services.index.quarantine([entry for piece in batch for entry in piece.refused])
    done = [
        piece.report for piece in batch if piece.last or piece.report.status is FileStatus.FAILED
    ]
    if done:
        now = services.clock.now()
        services.index.save_files([report.entry(now) for report in done])
        read = {one.location: one.content_sha256 for one in done if one.content_sha256}
        mark_integrity(read, services.index)


def _write_records(
    readable: Sequence[Readable], reports: dict[str, FileReport], services: IngestServices
) -> list[QuarantineEntry]:
    """Write records of any files; give those that the index refuses."""
    stated = [state(one.record, one.body.notes) for one in readable]
    answers, snapshot, away = _enriched(stated, services)
    results = write(readable, answers, snapshot, services)
    if away is not None:
        raise away  # the documents are in, raw; the task comes again to enrich them
    return [
        _refusal(
            reports[one.location], error, one.position, one.record.raw, services, result.detail
        )
        for one, answer, result in zip(readable, answers, results, strict=True)
        if (error := _account_for(one, reports[one.location], answer, result)) is not None
    ]


def _account_for(
    one: Readable, report: FileReport, answer: dict[str, Any], result: WriteResult
) -> RecordError | None:
    """Count what became of one document; give the error of one that was refused."""
    at = one.record.at
    report.oldest_event_at = min(report.oldest_event_at or at, at)
    report.newest_event_at = max(report.newest_event_at or at, at)
    match result.written:
        case Written.CREATED:
            report.indexed += 1
            report.pending += answer["state"] == "pending"
        case Written.DUPLICATE:
            report.duplicate += 1
        case Written.REFUSED:
            return RecordError(result.reason or "refused", one.position)
    return None


def _enriched(
    stated: Sequence[Stated], services: IngestServices
) -> tuple[list[dict[str, Any]], EvidenceSnapshot | None, UnavailableError | None]:
    """Publish facts and enrich; with the evidence away, raw events still go in (design §2)."""
    try:
        publish(stated, services.store, services.queue)
        if services.enrich_at_ingest:
            answers, snapshot = enrich_new(stated, services.store, services.enrichers)
            return answers, snapshot, None
    except UnavailableError as err:
        return [_raw_only(one) for one in stated], None, err
    return [_raw_only(one) for one in stated], None, None


def _raw_only(one: Stated) -> dict[str, Any]:
    """What a document says before it is enriched: pending, with its notes."""
    notes = {"notes": sorted(one.notes)} if one.notes else {}
    return {"state": "pending", **notes}


# --- what is refused --------------------------------------------------------------------------


def _refusal(  # noqa: PLR0913, PLR0917 - one entry, all of its parts
    report: FileReport,
    error: RecordError,
    position: int,
    verbatim: object,
    services: IngestServices,
    detail: str | None = None,
) -> QuarantineEntry:
    report.quarantined += 1
    report.refusals[error.reason] += 1
    return refused_record(report, error, position, verbatim, at=services.clock.now(), detail=detail)


def _give_up_if_mostly_refused(piece: _Piece, services: IngestServices) -> None:
    """Stop a file of which most is refused: something is wrong with it, or with us.

    What was read is quarantined too, so that the numbers add up and nothing is half done; what
    was not read yet is kept by reference.
    """
    report = piece.report
    too_early = not piece.last and report.records < _ENOUGH_TO_TELL
    mostly = report.quarantined > MOST_OF_A_FILE * report.records
    if too_early or not mostly or report.status is not FileStatus.INGESTED:
        return
    error = RecordError("most-of-the-file-refused")
    piece.refused += [
        _refusal(report, error, one.position, one.record.raw, services) for one in piece.readable
    ]
    piece.readable = []
    if piece.last:
        report.status, report.reason = FileStatus.FAILED, error.reason
    else:
        _fail(piece, error.reason, services)


def _fail(piece: _Piece, reason: str, services: IngestServices) -> None:
    report = piece.report
    report.status, report.reason = FileStatus.FAILED, reason
    report.refusals[reason] += 1
    piece.refused.append(refused_file(report, reason, at=services.clock.now()))
