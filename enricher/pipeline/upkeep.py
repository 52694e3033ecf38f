"""What keeps the promises when something was forgotten: reconcile, close windows, rebuild.

All of it may run at any time, beside ingestion and beside itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from enricher.pipeline.batch import send_wakeups, state
from enricher.pipeline.documents import record_of
from enricher.pipeline.reenrich import batches, enrich_stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from enricher.pipeline.ports import StoredEvent
    from enricher.pipeline.reenrich import EnrichServices

_KEYS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepReport:
    """What upkeep found and changed.

    Attributes:
        raw: Events that had been written raw and are enriched now.
        awaited: Events whose evidence had come unnoticed.
        closed: Events that wait no longer, for their window is over.
    """

    raw: int
    awaited: int
    closed: int


def reconcile(services: EnrichServices, window: timedelta) -> UpkeepReport:
    """Find what was forgotten, and stop waiting for what is too late (design §5).

    Args:
        services: Index, evidence, queue and clock.
        window: How long a document waits after its enrichment was last written.
    """
    send_wakeups(services.store, services.queue)
    raw = enrich_stored(services.index.not_enriched, services)
    awaited = enrich_stored(lambda: _arrived(services), services)
    over = services.clock.now() - window
    closed = enrich_stored(
        lambda: services.index.pending(written_before=over), services, close_window=True
    )
    return UpkeepReport(raw=raw.changed, awaited=awaited.changed, closed=closed.changed)


def _arrived(services: EnrichServices) -> Iterator[StoredEvent]:
    """Give the pending events for which some evidence that they wait for is there."""
    for batch in batches(services.index.pending(), services.batch_records):
        waits = [_waiting_for(event) for event in batch]
        keys = sorted({key for waiting in waits for key in waiting})
        known: set[str] = set()
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            part = keys[start : start + _KEYS_AT_ONCE]
            versions = services.store.versions(part)
            known.update(key for key, version in zip(part, versions, strict=True) if version)
        for event, waiting in zip(batch, waits, strict=True):
            if not known.isdisjoint(waiting):
                yield event


def _waiting_for(event: StoredEvent) -> list[str]:
    found = event.source.get("enriched", {}).get("waiting_for", [])
    return [key for key in found if isinstance(key, str)]


def rebuild_evidence(services: EnrichServices) -> int:
    """Restore the evidence store from the events, and settle every event against it.

    First all facts are published, then every event is resolved again: that declares anew what is
    waited for, and corrects what was missed while the store was away.

    Returns:
        How many events were read.
    """
    count = 0
    for batch in batches(services.index.every(), services.batch_records):
        count += len(batch)
        stated = [state(record_of(event)) for event in batch]
        services.store.publish(keyed for one in stated for keyed in one.facts)
    enrich_stored(services.index.every, services)
    return count
