"""Enrich records that somebody holds in hand, with the evidence there is; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.cloudtrail.indexable import indexable
from enricher.cloudtrail.reading import RefusedRecord, read_log_file
from enricher.cloudtrail.record import Record
from enricher.errors import RecordError
from enricher.pipeline.batch import enrich_batch, state
from enricher.pipeline.beside import EvidenceBeside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enricher.cloudtrail.reading import InputLimits
    from enricher.enrichers.interface import Enricher
    from enricher.pipeline.batch import Stated
    from enricher.pipeline.ports import EvidenceStore


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrichNowServices:
    """What enriching without indexing needs.

    Attributes:
        store: The evidence; it is only read.
        own: Makes a store for what the records say of one another.
    """

    store: EvidenceStore
    own: Callable[[], EvidenceStore]
    limits: InputLimits
    enrichers: Sequence[Enricher]


@dataclass(frozen=True, slots=True)
class Enriched:
    """One record and what became of it: an event as it would be indexed, or why there is none."""

    position: int
    event: dict[str, Any] | None = None
    refused: str | None = None


def enrich_now(content: bytes, services: EnrichNowServices) -> list[Enriched]:
    """Enrich records as a log file, a list or an EventBridge event holds them.

    They may prove one another; what they say is not kept.

    Raises:
        LogFileError: If that is no CloudTrail, or more than is allowed.
        UnavailableError: If the evidence cannot be read.
    """
    read = [
        _read(piece, services.limits)
        for piece in read_log_file([content], services.limits, expect_gzip=False)
    ]
    stated = [one[1] for one in read if not isinstance(one, Enriched)]
    own = services.own()
    own.publish(keyed for one in stated for keyed in one.facts)
    answers, _ = enrich_batch(stated, EvidenceBeside(services.store, own), services.enrichers)
    answered = iter(answers)
    return [
        one
        if isinstance(one, Enriched)
        else Enriched(one[0], {**one[2], "enriched": next(answered)})
        for one in read
    ]


def _read(
    piece: tuple[int, dict[str, Any]] | RefusedRecord, limits: InputLimits
) -> tuple[int, Stated, dict[str, Any]] | Enriched:
    if isinstance(piece, RefusedRecord):
        return Enriched(piece.position, refused=piece.error.reason)
    position, raw = piece
    try:
        record = Record(raw, position)
        body = indexable(raw, limits)
    except RecordError as err:
        return Enriched(position, refused=err.reason)
    return position, state(record, body.notes), codec.loads(body.body)
