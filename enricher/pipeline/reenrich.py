"""Resolve again what new evidence may change, and write what did change (design §5).

Safe to repeat, and to run beside itself: a document is rewritten only if nobody else did since it
was read, else it is read again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.record import Record
from enricher.cloudtrail.times import format_time
from enricher.errors import UnavailableError
from enricher.pipeline.batch import enrich_batch, look_once_more, state
from enricher.pipeline.documents import VOLATILE, comparable, record_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from enricher.pipeline.ports import Clock, EventIndex, EvidenceStore, StoredEvent, TaskQueue

_ROUNDS = 5
_NOTES_OF_THE_SHAPE = frozenset({"oversize_value", "reshaped_value"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrichServices:
    """What enriching again needs."""

    index: EventIndex
    store: EvidenceStore
    queue: TaskQueue
    clock: Clock
    batch_records: int


@dataclass(slots=True)
class EnrichReport:
    """What became of the events that depend on some keys."""

    seen: int = 0
    changed: int = 0


def enrich_again(keys: Sequence[str], services: EnrichServices) -> EnrichReport:
    """Resolve every event again that depends on these evidence keys.

    Raises:
        UnavailableError: If a server does not answer, or others keep rewriting the same events;
            the call may be repeated.
    """
    report = EnrichReport()
    for _ in range(_ROUNDS):
        proofs = sorted(set(_proofs(keys, services.store)))
        contested = 0
        for batch in _batches(services.index.depending_on(keys, proofs), services.batch_records):
            contested += _enrich_stored(batch, services, report)
        if not contested:
            return report
    raise UnavailableError("events are being rewritten by others; try again later")


def _proofs(keys: Sequence[str], store: EvidenceStore) -> Iterator[str]:
    for loaded in store.read(keys):
        for fact in loaded.facts:
            event_id = getattr(fact, "event_id", None)
            if event_id is not None:
                yield event_id


def _enrich_stored(
    batch: Sequence[StoredEvent], services: EnrichServices, report: EnrichReport
) -> int:
    """Resolve stored events; give how many somebody else rewrote in the meantime."""
    stated = [
        state(
            Record(record_of(event.source)),
            _kept_notes(event),
            window_closed=_enriched(event).get("state") == "unresolved",
        )
        for event in batch
    ]
    answers, snapshot = enrich_batch(stated, services.store)
    now = format_time(services.clock.now())
    changed = [
        _rewritten(event, answer, now)
        for event, answer in zip(batch, answers, strict=True)
        if comparable(_enriched(event)) != answer
    ]
    written = services.index.rewrite(changed) if changed else []
    report.seen += len(batch)
    report.changed += sum(written)
    look_once_more(snapshot, services.store, services.queue)
    return len(written) - sum(written)


def _enriched(event: StoredEvent) -> dict[str, Any]:
    found = event.source.get("enriched")
    return found if isinstance(found, dict) else {}


def _kept_notes(event: StoredEvent) -> tuple[str, ...]:
    """Keep what was noted on the record's shape; everything else is found anew."""
    notes = _enriched(event).get("notes", ())
    return tuple(note for note in notes if note in _NOTES_OF_THE_SHAPE)


def _rewritten(event: StoredEvent, answer: dict[str, Any], now: str) -> StoredEvent:
    old = _enriched(event)
    kept = {name: old[name] for name in VOLATILE if name in old}
    revision = kept.get("revision", 0)
    enriched = {**answer, **kept, "at": now, "revision": revision + 1}
    return replace(event, source={**event.source, "enriched": enriched})


def _batches(events: Iterable[StoredEvent], size: int) -> Iterator[list[StoredEvent]]:
    source = iter(events)
    while batch := list(islice(source, size)):
        yield batch
