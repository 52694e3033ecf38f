"""What an enricher is: a name, a version, and one pure function (design §2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enricher.cloudtrail.record import Record
    from enricher.identity.facts import Keyed
    from enricher.identity.resolve import Resolver


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What an enricher may look at.

    Attributes:
        record: The record.
        facts: What the record itself states.
        resolver: The evidence at hand.
        window_closed: No more evidence is waited for.
    """

    record: Record
    facts: Sequence[Keyed]
    resolver: Resolver
    window_closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one enricher says of a record: its own fields of ``enriched``, and nothing else."""

    fields: dict[str, Any]
    notes: frozenset[str] = field(default_factory=frozenset)


class Enricher(Protocol):
    """One plug-in. ``enrich`` is pure and total: same context, same contribution."""

    name: str
    version: int

    def enrich(self, context: Context) -> Contribution:
        """Say what this enricher knows of the record."""
        ...
