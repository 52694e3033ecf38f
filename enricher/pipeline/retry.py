"""Take refused records and files up again, once what refused them may be mended.

Safe to repeat: a document that exists is not written again, and the ledger notes which entries of a
file it was last corrected for, so that none is counted twice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from enricher.cloudtrail import codec
from enricher.cloudtrail.indexable import REDACTED, indexable
from enricher.cloudtrail.logfile import says_gzip
from enricher.cloudtrail.reading import RefusedRecord, read_log_file
from enricher.cloudtrail.record import Record
from enricher.errors import LogFileError, RecordError
from enricher.pipeline.batch import enrich_batch, publish, state
from enricher.pipeline.correction import Refused, Taken, corrected, settled
from enricher.pipeline.ports import LogFileStat, Written
from enricher.pipeline.writing import Readable, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from enricher.cloudtrail.codec import JsonObject
    from enricher.pipeline.ingest import IngestServices
    from enricher.pipeline.intake import Intake
    from enricher.pipeline.ports import QuarantineEntry

_TOGETHER = 50  # each may hold megabytes
_NOWHERE = -1  # no record is there
_ENDED_WELL = frozenset({"ingested", "skipped"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which entries are meant; everything by default.

    Attributes:
        beginnings: How their ids begin; empty for any.
        run_id, reason: Only those of it; None for any.
    """

    beginnings: tuple[str, ...] = ()
    run_id: str | None = None
    reason: str | None = None


class Quarantine(Protocol):
    """What was refused, and the ledger's account of it."""

    def held(self, choice: Choice) -> Iterator[QuarantineEntry]:
        """Give entries as they are now, those of one location together."""
        ...

    def holds_file(self, location: str) -> bool:
        """Say whether a log file itself is in quarantine, not only records of it."""
        ...

    def release(self, ids: Sequence[str]) -> None:
        """Let entries go; those that are gone already do no harm."""
        ...

    def correct(self, location: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Change a ledger entry as a whole, on what it says at that moment; none is no matter."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryServices:
    """What taking up again needs."""

    ingesting: IngestServices
    intake: Intake
    quarantine: Quarantine


class Fate(StrEnum):
    """What became of an entry."""

    INDEXED = "indexed"
    DUPLICATE = "duplicate"
    REFUSED = "refused"
    QUEUED = "queued"
    MENDED = "mended"
    TO_BE_SENT_AGAIN = "to be sent again"


@dataclass(slots=True)
class RetryReport:
    """What became of the entries.

    Attributes:
        fates: How many of each.
        reasons: Why entries were refused once more.
        queued: The entries of log files that wait for a worker now.
    """

    fates: Counter[Fate] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    queued: list[QuarantineEntry] = field(default_factory=list)


def retry(choice: Choice, run_id: str, services: RetryServices) -> RetryReport:
    """Take entries up again: records at once, log files by the queue.

    What succeeds leaves the quarantine and moves in the ledger; what fails stays, with its new
    reason.

    Args:
        choice: Which entries.
        run_id: The run that log files are queued as.
        services: Where everything is.

    Raises:
        UnavailableError: If a server does not answer; nothing is lost by calling again.
    """
    report = RetryReport()
    for location, entries in groupby(services.quarantine.held(choice), lambda one: one.location):
        pieces = _Pieces(location, services.ingesting)
        while some := list(islice(entries, _TOGETHER)):
            records = [one for one in some if one.what == "record"]
            if records:
                _retry_records(location, records, pieces, services, report)
            for entry in some:
                if entry.what == "file":
                    _retry_file(entry, run_id, services, report)
                elif entry.what != "record":
                    report.fates[Fate.TO_BE_SENT_AGAIN] += 1
    return report


# --- log files --------------------------------------------------------------------------------


def _retry_file(
    entry: QuarantineEntry, run_id: str, services: RetryServices, report: RetryReport
) -> None:
    """Queue a log file, unless a later run has taken it in the meantime."""
    if _mended(entry, services):
        services.quarantine.release([entry.id])
        report.fates[Fate.MENDED] += 1
        return
    services.intake.take([LogFileStat(location=entry.location)], run_id)
    report.fates[Fate.QUEUED] += 1
    report.queued.append(entry)


def _mended(entry: QuarantineEntry, services: RetryServices) -> bool:
    ledger = services.ingesting.index.file(entry.location) or {}
    return ledger.get("status") in _ENDED_WELL and ledger.get("run_id") != entry.run_id


def settle_files(report: RetryReport, run_id: str, services: RetryServices) -> bool:
    """See what became of the log files that were queued; say whether all have ended.

    Call it until it does; entries that are settled are not looked at again.
    """
    waiting: list[QuarantineEntry] = []
    for entry in report.queued:
        ledger = services.ingesting.index.file(entry.location) or {}
        if ledger.get("run_id") != run_id or ledger.get("status") == "queued":
            waiting.append(entry)
        elif ledger.get("status") in _ENDED_WELL:
            services.quarantine.release([entry.id])
            report.fates[Fate.MENDED] += 1
        else:
            reason = ledger.get("reason") or entry.reason
            _keep([Refused(entry, reason)], run_id, services, report)
    report.fates[Fate.QUEUED] -= len(report.queued) - len(waiting)
    report.queued = waiting
    return not waiting


# --- records ----------------------------------------------------------------------------------


class _Again(NamedTuple):
    """A refused record that can be read now."""

    entry: QuarantineEntry
    readable: Readable


def _retry_records(
    location: str,
    entries: Sequence[QuarantineEntry],
    pieces: _Pieces,
    services: RetryServices,
    report: RetryReport,
) -> None:
    """Write records of one file as its ingestion would; then correct what is said of them."""
    done = settled(services.ingesting.index.file(location) or {})
    services.quarantine.release(sorted(done))
    report.fates[Fate.MENDED] += sum(entry.id in done for entry in entries)
    readable: list[_Again] = []
    refusals: list[Refused] = []
    for entry in entries:
        if entry.id in done:
            continue
        try:
            readable.append(_read(entry, pieces, services.ingesting))
        except (RecordError, LogFileError) as err:
            refusals.append(Refused(entry, err.reason))
    taken, refused = _write(readable, services.ingesting) if readable else ([], [])
    refusals += refused
    complete = not services.quarantine.holds_file(location)
    services.quarantine.correct(
        location, partial(corrected, taken=taken, refusals=refusals, complete=complete)
    )
    services.quarantine.release([one.entry.id for one in taken])
    _keep(refusals, None, services, report)
    for one in taken:
        report.fates[Fate.INDEXED if one.created else Fate.DUPLICATE] += 1


def _read(entry: QuarantineEntry, pieces: _Pieces, services: IngestServices) -> _Again:
    """Read a record from its entry, else from its file.

    What is kept in quarantine has lost its session tokens. That matters to a record that is named
    by its whole content.
    """
    raw = codec.loads(entry.verbatim) if entry.verbatim else None
    if not isinstance(raw, dict):
        return _again(entry, pieces.at(entry.position), services)
    again = _again(entry, raw, services)
    record = again.readable.record
    names_itself = record.document_id.startswith(record.event_id)
    if REDACTED in (entry.verbatim or "") and not (record.has_event_id and names_itself):
        return _again(entry, pieces.at(entry.position), services)
    return again


def _again(entry: QuarantineEntry, raw: JsonObject, services: IngestServices) -> _Again:
    position = _NOWHERE if entry.position is None else entry.position
    record = Record(raw, position)
    body = indexable(raw, services.limits)
    return _Again(entry, Readable(entry.location, position, record, body))


class _Pieces:
    """The pieces of a log file by position, read when the first is asked for."""

    def __init__(self, location: str, services: IngestServices) -> None:
        self._location, self._services = location, services
        self._found: dict[int, JsonObject | RecordError] | None = None

    def at(self, position: int | None) -> JsonObject:
        """Give the record at a position.

        Raises:
            LogFileError: If the file cannot be read any more.
            RecordError: If there is no record at this position, still or any more.
        """
        if self._found is None:
            self._found = self._read()
        found = self._found.get(_NOWHERE if position is None else position)
        if isinstance(found, dict):
            return found
        raise found or RecordError("position-missing", position)

    def _read(self) -> dict[int, JsonObject | RecordError]:
        limits = self._services.limits
        pieces = read_log_file(
            self._services.source.read(self._location),
            limits,
            expect_gzip=says_gzip(self._location),
        )
        return dict(
            (piece.position, piece.error) if isinstance(piece, RefusedRecord) else piece
            for piece in pieces
        )


def _write(
    entries: Sequence[_Again], services: IngestServices
) -> tuple[list[Taken], list[Refused]]:
    """Publish, enrich, write and look once more, as when a file is ingested."""
    readable = [one.readable for one in entries]
    stated = [state(one.record, one.body.notes) for one in readable]
    publish(stated, services.store, services.queue)
    answers, snapshot = enrich_batch(stated, services.store, services.enrichers)
    results = write(readable, answers, snapshot, services)
    taken: list[Taken] = []
    refused: list[Refused] = []
    for (entry, one), answer, result in zip(entries, answers, results, strict=True):
        if result.written is Written.REFUSED:
            refused.append(Refused(entry, result.reason or "refused", result.detail))
        else:
            created = result.written is Written.CREATED
            pending = created and answer["state"] == "pending"
            taken.append(Taken(entry, one.record.at, created=created, pending=pending))
    return taken, refused


def _keep(
    refusals: Iterable[Refused],
    run_id: str | None,
    services: RetryServices,
    report: RetryReport,
) -> None:
    """Keep what was refused once more, with its new reason."""
    now = services.ingesting.clock.now()
    kept = [
        replace(
            entry,
            reason=reason,
            detail=detail,
            at=now,
            attempts=entry.attempts + 1,
            run_id=run_id or entry.run_id,
        )
        for entry, reason, detail in refusals
    ]
    if kept:
        services.ingesting.index.quarantine(kept)
    report.fates[Fate.REFUSED] += len(kept)
    report.reasons.update(entry.reason for entry in kept)
