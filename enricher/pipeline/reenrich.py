"""Resolve again what new evidence may change, and write what did change (design §5).

Safe to repeat, and to run beside itself: a document is rewritten only if nobody else did since it
was read, else it is read again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.times import format_time
from enricher.errors import UnavailableError
from enricher.identity.facts import Provable
from enricher.pipeline.batch import enrich_batch, look_once_more, state
from enricher.pipeline.documents import VOLATILE, comparable, record_of
from enricher.pipeline.ports import OriginChange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from enricher.enrichers.interface import Enricher
    from enricher.pipeline.ports import Clock, EventIndex, EvidenceStore, StoredEvent, TaskQueue

_ROUNDS = 5
_NAMING_FIELDS = ("status", "kind", "id", "arn", "name", "account_id", "identity_provider")
_NOTES_OF_THE_SHAPE = frozenset({"oversize_value", "reshaped_value"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrichServices:
    """What enriching again needs."""

    index: EventIndex
    store: EvidenceStore
    queue: TaskQueue
    clock: Clock
    batch_records: int
    enrichers: Sequence[Enricher]


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

    def dependents() -> Iterator[StoredEvent]:
        proofs = sorted(set(_proofs(keys, services.store)))
        return services.index.depending_on(keys, proofs)

    return enrich_stored(dependents, services)


def enrich_file(location: str, services: EnrichServices) -> EnrichReport:
    """Enrich what was written raw of a log file, and settle the rest of it once more."""
    return enrich_stored(lambda: services.index.of_file(location), services)


def enrich_stored(
    find: Callable[[], Iterable[StoredEvent]],
    services: EnrichServices,
    *,
    close_window: bool = False,
) -> EnrichReport:
    """Resolve stored events again, and write those that changed.

    Args:
        find: Gives the events; asked anew where others rewrote some of them meanwhile.
        services: Where they are.
        close_window: Wait no longer for what has not come.

    Raises:
        UnavailableError: If others keep rewriting the same events.
    """
    report = EnrichReport()
    for _ in range(_ROUNDS):
        contested = 0
        for batch in batches(find(), services.batch_records):
            contested += _enrich_stored(batch, services, report, close_window=close_window)
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
    batch: Sequence[StoredEvent],
    services: EnrichServices,
    report: EnrichReport,
    *,
    close_window: bool,
) -> int:
    """Resolve stored events; give how many somebody else rewrote in the meantime."""
    stated = [
        state(
            record_of(event),
            _kept_notes(event),
            # What once stopped waiting does not begin again; new evidence still reaches it.
            window_closed=close_window or enrichment_of(event).get("state") != "pending",
        )
        for event in batch
    ]
    answers, snapshot = enrich_batch(stated, services.store, services.enrichers)
    now = services.clock.now()
    changed: list[tuple[StoredEvent, StoredEvent]] = []
    below: set[str] = set()
    for one, event, answer in zip(stated, batch, answers, strict=True):
        if comparable(enrichment_of(event)) != answer:
            changed.append((event, rewritten(event, answer, format_time(now))))
            below.update(key for key, fact in one.facts if isinstance(fact, Provable))
    changes = [
        change for old, new in changed if (change := origin_change(old, new, now)) is not None
    ]
    # What was said before is kept first: whoever was told it can still be told better.
    if changes:
        services.index.audit(changes)
    if below:
        # What an event that changed had issued may have a longer chain now, and so on downwards.
        # Asked for before the event is written: who dies in between finds it changed once more.
        services.queue.enrich_again(sorted(below))
    written = services.index.rewrite([new for _, new in changed]) if changed else []
    report.seen += len(batch)
    report.changed += sum(written)
    look_once_more(snapshot, services.store, services.queue)
    return len(written) - sum(written)


def enrichment_of(event: StoredEvent) -> dict[str, Any]:
    """Give what is written on an event; nothing where it is not enriched."""
    found = event.source.get("enriched")
    return found if isinstance(found, dict) else {}


def _kept_notes(event: StoredEvent) -> tuple[str, ...]:
    """Keep what was noted on the record's shape; everything else is found anew."""
    notes = enrichment_of(event).get("notes", ())
    return tuple(note for note in notes if note in _NOTES_OF_THE_SHAPE)


def rewritten(event: StoredEvent, answer: dict[str, Any], now: str) -> StoredEvent:
    """Give an event with another answer, as its next revision."""
    old = enrichment_of(event)
    kept = {name: old[name] for name in VOLATILE if name in old}
    revision = kept.get("revision", 0)
    enriched = {**answer, **kept, "at": now, "revision": revision + 1}
    return replace(event, source={**event.source, "enriched": enriched})


def origin_change(old: StoredEvent, new: StoredEvent, at: datetime) -> OriginChange | None:
    """Say that an event is about to name another origin, None where it names the same."""
    previous, current = enrichment_of(old).get("origin"), enrichment_of(new).get("origin", {})
    if not isinstance(previous, dict) or all(
        previous.get(name) == current.get(name) for name in _NAMING_FIELDS
    ):
        return None
    event_id = new.source.get("eventID")
    return OriginChange(
        document_id=new.id,
        event_id=event_id if isinstance(event_id, str) else None,
        revision=enrichment_of(new)["revision"],
        at=at,
        previous=previous,
        current=current,
    )


def batches(events: Iterable[StoredEvent], size: int) -> Iterator[list[StoredEvent]]:
    """Cut a stream of events into lists of bounded size."""
    source = iter(events)
    while batch := list(islice(source, size)):
        yield batch
