"""What an enricher is: a name, a version, the fields it writes, and one pure function (design §2).

There are two kinds with one shape. Built-in enrichers are trusted with a ``Context``: the record,
read once for all of them, and the evidence. Those of other packages are plug-ins: they are given a
``View``, which holds copies of what they declare to read and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from enricher.cloudtrail.record import Record
from enricher.enrichers.fields import Field
from enricher.identity.facts import Keyed
from enricher.identity.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["Context", "Contribution", "Enricher", "Field", "PlugIn", "View"]


class Context(msgspec.Struct, kw_only=True):
    """What a built-in enricher may look at; it changes nothing of it.

    Attributes:
        record: The record.
        facts: What the record itself states.
        resolver: The evidence at hand.
        window_closed: No more evidence is waited for.
        enriched: What the enrichers before this one said; kept by the registry.
        notes: What was noted so far; kept by the registry.
    """

    record: Record
    facts: Sequence[Keyed]
    resolver: Resolver
    window_closed: bool
    enriched: dict[str, Any] = msgspec.field(default_factory=dict)
    notes: set[str] = msgspec.field(default_factory=set)


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """What one enricher says of a record: its own fields of ``enriched``, and nothing else.

    Attributes:
        fields: By top-level name below ``enriched``; JSON values.
        notes: Slugs for ``enriched.notes``.
    """

    fields: dict[str, Any]
    notes: frozenset[str] = frozenset()


class Enricher(Protocol):
    """One enricher. ``enrich`` is pure and total: same context, same contribution.

    Attributes:
        name: Lower-case letters, digits and dashes; unique.
        version: Raised with every change that can change an answer.
        reads: Top-level fields of the record that it looks at; ``enriched.<name>`` for what an
            enricher before it said.
        fields: What it writes. Their top-level names are its own: no other enricher has them.
    """

    name: str
    version: int

    @property
    def reads(self) -> Sequence[str]:
        """What it looks at."""
        ...

    @property
    def fields(self) -> Sequence[Field]:
        """What it writes."""
        ...

    def enrich(self, context: Context) -> Contribution:
        """Say what this enricher knows of the record."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that a plug-in is given: copies of what it declares to read, session tokens redacted.

    Attributes:
        record: The declared top-level fields that the record has, as CloudTrail delivered them.
            They are claims of whoever called AWS: any type, any length, any text.
        enriched: The declared top-level fields of ``enriched`` that are there.
    """

    record: Mapping[str, Any]
    enriched: Mapping[str, Any]


class PlugIn(Protocol):
    """An enricher of another package: an ``Enricher`` that is given a ``View``.

    Its entry point in the group ``enricher.enrichers`` bears its name, and is called without
    arguments for the plug-in itself; a class will do.
    """

    name: str
    version: int

    @property
    def reads(self) -> Sequence[str]:
        """What it looks at: it is given that, and nothing else."""
        ...

    @property
    def fields(self) -> Sequence[Field]:
        """What it writes."""
        ...

    def enrich(self, view: View) -> Contribution:
        """Say what this plug-in knows of the record."""
        ...
