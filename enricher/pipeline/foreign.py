"""Indices that another pipeline writes: the port to them, and what their mapping must allow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from enricher.cloudtrail.profiles import ENRICHED
from enricher.pipeline.documents import EVENTS_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from enricher.pipeline.ports import StoredEvent

_DATES = frozenset({"date", "date_nanos"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which documents are meant, by the event's time.

    Attributes:
        field: The date field that holds it; documents are read in its order.
        since, until: From and up to, the latter excluded; None for no bound.
    """

    field: str
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Documents in order, and where to go on behind them."""

    events: Sequence[StoredEvent]
    after: list[Any]


class Revision(StrEnum):
    """What became of one document's enrichment."""

    WRITTEN = "written"
    CONTESTED = "contested"
    GONE = "gone"


class ForeignIndex(Protocol):
    """The indices of a pattern. Nothing but ``enriched`` is ever written there."""

    def mappings(self) -> Mapping[str, Mapping[str, Any]]:
        """Give the mapping of every index that the pattern names."""
        ...

    def sample(self, event_name: str, names: Sequence[str], most: int) -> list[dict[str, Any]]:
        """Give some documents, with those of these event names among them if there are any."""
        ...

    def prepare(self) -> None:
        """Add the fields of ``enriched`` to every index's mapping.

        Raises:
            ConfigurationError: If an index does not take them; says which and why.
        """
        ...

    def count(self, span: Span) -> int:
        """Count the documents of a span."""
        ...

    def pages(self, span: Span, after: list[Any] | None, size: int) -> Iterator[Page]:
        """Give the documents of a span as they are now, in order of time and id.

        Args:
            span: Which.
            after: Where an earlier page ended; None for the beginning.
            size: Documents of a page.

        Raises:
            UnavailableError: If the cluster stays away or overloaded.
        """
        ...

    def read_again(self, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        """Give those of these documents that are still there, as they are now."""
        ...

    def rewrite(self, events: Sequence[StoredEvent]) -> list[Revision]:
        """Replace ``enriched`` of documents, and nothing else, where nobody wrote meanwhile.

        Raises:
            ConfigurationError: If an index may not be written.
            UnavailableError: If the cluster stays away or overloaded.
        """
        ...


def mapping_faults(
    mappings: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Any]
) -> Iterator[str]:
    """Say why indices cannot be enriched in place, each time with what to do.

    Args:
        mappings: The mapping of each index.
        wanted: The mapping of ``enriched``.
    """
    if not mappings:
        yield "no index of that name: see `GET _cat/indices` for what there is"
    for index, mapping in mappings.items():
        if index.startswith(EVENTS_PREFIX):
            yield f"{index} is the enricher's own: it is enriched already"
            continue
        stored = mapping.get("_source", {})
        if stored.get("enabled") is False:
            yield f"{index} keeps no _source: there is nothing to read, load it again with _source"
        elif stored.get("excludes") or stored.get("includes"):
            yield (
                f"{index} keeps only a part of _source: an update would lose the rest from the "
                "index, reindex it with the whole _source"
            )
        present = mapping.get("properties", {}).get(ENRICHED)
        if present is not None:
            for path in _clashes(present, wanted, ENRICHED):
                yield f"{index} maps {path} otherwise already: reindex it without {path}"


def _clashes(present: Mapping[str, Any], wanted: Mapping[str, Any], path: str) -> Iterator[str]:
    """Give the fields that are mapped otherwise; what is not mapped yet can be added."""
    if _kind(present) != _kind(wanted):
        yield path
        return
    members = present.get("properties", {})
    for name, member in wanted.get("properties", {}).items():
        if name in members:
            yield from _clashes(members[name], member, f"{path}.{name}")


def _kind(mapping: Mapping[str, Any]) -> tuple[Any, bool]:
    return mapping.get("type", "object"), mapping.get("enabled", True) is not False


def time_field(mappings: Mapping[str, Mapping[str, Any]], candidates: Sequence[str]) -> str | None:
    """Give the first of these fields that is a date in every index."""
    return next(
        (
            name
            for name in candidates
            if all(_is_date(mapping, name) for mapping in mappings.values())
        ),
        None,
    )


def _is_date(mapping: Mapping[str, Any], path: str) -> bool:
    node: Mapping[str, Any] = mapping.get("properties", {}).get(path, {})
    if node.get("type") == "alias":
        target: Mapping[str, Any] = mapping
        for name in node["path"].split("."):
            target = target.get("properties", {}).get(name, {})
        node = target
    return node.get("type") in _DATES
