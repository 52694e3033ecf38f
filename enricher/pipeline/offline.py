"""Everything in memory, no server: how a responder enriches a folder on a laptop.

Same facts, same evidence, same resolve; the window is closed, for all there is is at hand.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from enricher.cloudtrail import codec
from enricher.cloudtrail.indexable import indexable
from enricher.cloudtrail.logfile import says_gzip
from enricher.cloudtrail.reading import RefusedRecord, read_log_file
from enricher.cloudtrail.record import Record
from enricher.enrichers.interface import Context
from enricher.enrichers.registry import enrich
from enricher.errors import LogFileError, RecordError
from enricher.identity.evidence import EvidenceInMemory
from enricher.identity.resolve import Resolver
from enricher.pipeline.batch import state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from enricher.cloudtrail.codec import JsonObject
    from enricher.cloudtrail.reading import InputLimits
    from enricher.enrichers.interface import Enricher
    from enricher.pipeline.batch import Stated
    from enricher.pipeline.ports import LogFileSource


@dataclass(slots=True)
class Explained:
    """What was read, and what could not be.

    Attributes:
        refused: How many records were refused, by reason.
        failed: Files that could not be read: location → reason.
    """

    files: int = 0
    records: int = 0
    duplicates: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    origins: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


class _Kept(NamedTuple):
    """One distinct record: what it states, and its JSON as it would be indexed."""

    stated: Stated
    body: bytes
    file: str


class OfflineEvent(NamedTuple):
    """One event: its id and its document, as the index would hold it."""

    document_id: str
    document: bytes
    enriched: Mapping[str, Any]


def explain(
    locations: Iterable[str],
    source: LogFileSource,
    limits: InputLimits,
    enrichers: Sequence[Enricher],
    report: Explained,
) -> Iterator[OfflineEvent]:
    """Read all files, then give every event enriched, in the order of first delivery.

    Args:
        locations: Log files.
        source: What reads them.
        limits: What a file may hold.
        enrichers: Those that run, in order.
        report: Filled while events are given; complete when they are all given.
    """
    distinct: dict[str, _Kept] = {}
    for location in locations:
        _read(location, source, limits, report, distinct)
    evidence = EvidenceInMemory(keyed for kept in distinct.values() for keyed in kept.stated.facts)
    resolver = Resolver(evidence)
    for document_id, kept in distinct.items():
        stated = kept.stated
        answer = enrich(
            Context(
                record=stated.record, facts=stated.facts, resolver=resolver, window_closed=True
            ),
            enrichers,
            notes=stated.notes,
        )
        _count(report, answer)
        whole = {**answer, "file": kept.file}
        document = b"".join((kept.body[:-1], b',"enriched":', codec.dumps(whole), b"}"))
        yield OfflineEvent(document_id, document, whole)


def _read(
    location: str,
    source: LogFileSource,
    limits: InputLimits,
    report: Explained,
    distinct: dict[str, _Kept],
) -> None:
    report.files += 1
    try:
        for piece in read_log_file(source.read(location), limits, expect_gzip=says_gzip(location)):
            report.records += 1
            if isinstance(piece, RefusedRecord):
                report.refused[piece.error.reason] += 1
            else:
                _keep(*piece, location, limits, report, distinct)
    except LogFileError as err:
        outcome = report.skipped if err.reason == "not-cloudtrail" else report.failed
        outcome[location] = err.reason


def _keep(  # noqa: PLR0913, PLR0917 - where a record is from, and where it goes
    position: int,
    raw: JsonObject,
    location: str,
    limits: InputLimits,
    report: Explained,
    distinct: dict[str, _Kept],
) -> None:
    try:
        record = Record(raw, position)
        if record.document_id in distinct:
            report.duplicates += 1
            return
        body = indexable(raw, limits)
    except RecordError as err:
        report.refused[err.reason] += 1
        return
    stated = state(record, body.notes, window_closed=True)
    distinct[record.document_id] = _Kept(stated, body.body, location)


def _count(report: Explained, answer: Mapping[str, Any]) -> None:
    origin = answer.get("origin", {})
    report.origins[
        (
            origin.get("status", "none"),
            origin.get("kind", "none"),
            origin.get("rule", "none"),
            origin.get("confidence", "none"),
        )
    ] += 1
    if "reason" in origin:
        report.reasons[origin["reason"]] += 1
