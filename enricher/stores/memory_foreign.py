"""The in-memory twin of indices that another pipeline writes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.profiles import ENRICHED
from enricher.cloudtrail.times import parse_time
from enricher.pipeline.foreign import Page, Revision
from enricher.pipeline.ports import StoredEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from enricher.pipeline.foreign import Span


class MemoryForeignIndex:
    """Documents of others in a dictionary, under one index."""

    def __init__(
        self, documents: Mapping[str, Mapping[str, Any]], mapping: Mapping[str, Any]
    ) -> None:
        self.events = {
            id_: StoredEvent(
                id=id_, index="others", source=dict(source), seq_no=number, primary_term=1
            )
            for number, (id_, source) in enumerate(documents.items())
        }
        self._mapping = mapping
        self._written = len(self.events)

    def mappings(self) -> dict[str, Mapping[str, Any]]:
        """Give the mapping of the one index."""
        return {"others": self._mapping}

    def sample(self, event_name: str, names: Sequence[str], most: int) -> list[dict[str, Any]]:
        """Give some documents, with those of these event names among them if there are any."""
        sources = [event.source for event in self.events.values()]
        named = [source for source in sources if source.get(event_name) in names]
        return [*named[:most], *sources[:most]]

    def prepare(self) -> None:
        """Do nothing: a dictionary takes every field."""

    def count(self, span: Span) -> int:
        """Count the documents of a span."""
        return len(self._within(span))

    def pages(self, span: Span, after: list[Any] | None, size: int) -> Iterator[Page]:
        """Give the documents of a span in order of time and id."""
        found = [(place, event) for place, event in self._within(span) if place > (after or [])]
        for start in range(0, len(found), size):
            part = found[start : start + size]
            yield Page([event for _, event in part], part[-1][0])

    def _within(self, span: Span) -> list[tuple[list[Any], StoredEvent]]:
        placed = []
        for event in self.events.values():
            at = parse_time(event.source.get(span.field))
            if at is None:
                continue
            if (span.since is None or at >= span.since) and (span.until is None or at < span.until):
                placed.append(([at.isoformat(), event.id], event))
        return sorted(placed, key=lambda one: one[0])

    def read_again(self, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        """Give those of these documents that are still there, as they are now."""
        return [self.events[event.id] for event in events if event.id in self.events]

    def rewrite(self, events: Sequence[StoredEvent]) -> list[Revision]:
        """Replace ``enriched`` of documents, and nothing else, where nobody wrote meanwhile."""
        return [self._rewrite(event) for event in events]

    def _rewrite(self, event: StoredEvent) -> Revision:
        current = self.events.get(event.id)
        if current is None:
            return Revision.GONE
        if current.seq_no != event.seq_no:
            return Revision.CONTESTED
        self._written += 1
        source = {**current.source, ENRICHED: event.source[ENRICHED]}
        self.events[event.id] = replace(current, source=source, seq_no=self._written)
        return Revision.WRITTEN
