"""All records, all evidence, at once: what every other way of delivery must end with.

The offline command and the tests use it: read everything, build the evidence in memory, close the
window, resolve each (design §5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.record import Record
from enricher.enrichers.interface import Context
from enricher.enrichers.registry import built_in, enrich
from enricher.identity.evidence import EvidenceInMemory
from enricher.identity.extract import facts_of
from enricher.identity.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from enricher.enrichers.interface import Enricher


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One record and its enrichment."""

    document_id: str
    record: Mapping[str, Any]
    enriched: dict[str, Any]


def enrich_all(
    records: Iterable[Mapping[str, Any]],
    *,
    window_closed: bool = True,
    enrichers: Sequence[Enricher] | None = None,
) -> list[Event]:
    """Enrich records with the evidence that they hold together.

    Args:
        records: Raw records, in any order; a record delivered twice counts once.
        window_closed: False answers as if more evidence might come.
        enrichers: Who is asked, in order; None for all built-in ones.

    Returns:
        One event for each distinct record, in the order of first delivery.

    Raises:
        RecordError: If a record is no object or has no readable ``eventTime``.
    """
    distinct: dict[str, Record] = {}
    for raw in records:
        record = Record(dict(raw))
        distinct.setdefault(record.document_id, record)
    stated = {document_id: facts_of(record) for document_id, record in distinct.items()}
    evidence = EvidenceInMemory(keyed for facts in stated.values() for keyed in facts)
    resolver = Resolver(evidence)
    asked = built_in() if enrichers is None else enrichers
    events = []
    for document_id, record in distinct.items():
        context = Context(
            record=record,
            facts=stated[document_id],
            resolver=resolver,
            window_closed=window_closed,
        )
        events.append(
            Event(
                document_id=document_id,
                record=record.raw,
                enriched=enrich(context, asked),
            )
        )
    return events
