"""What the use cases need of the index of events.

Values of a selection are always values, never query syntax: whatever a caller sends is looked for
as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enricher.response.models import Alert

Source = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Match:
    """One field holds one of these values; without values, it holds any at all."""

    field: str
    values: tuple[str | bool, ...] = ()


AnyOf = tuple[Match, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which events.

    Attributes:
        every: Of each of these groups one match at least holds.
        none: None of these matches holds.
        start: The first instant, UTC, inclusive; None for all there was.
        end: The last instant, UTC, inclusive; None for all there is.
    """

    every: tuple[AnyOf, ...] = ()
    none: AnyOf = ()
    start: datetime | None = None
    end: datetime | None = None

    def where(self, name: str, *values: str | bool) -> Selection:
        """Narrow it: this field holds one of these values, or any at all."""
        return Selection(
            every=(*self.every, (Match(name, values),)),
            none=self.none,
            start=self.start,
            end=self.end,
        )

    def without(self, name: str, *values: str | bool) -> Selection:
        """Narrow it: this field holds none of these values, or nothing at all."""
        return Selection(
            every=self.every,
            none=(*self.none, Match(name, values)),
            start=self.start,
            end=self.end,
        )


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event as it is in the index."""

    id: str
    source: Source


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in order of time.

    Attributes:
        after: Where the next page begins; None where this one is the last.
    """

    events: tuple[FoundEvent, ...]
    after: tuple[int | str | None, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Events told apart by the values of one field.

    Attributes:
        by: The field.
        size: How many values at most, those of the most events first.
        missing: Stands for events without that field; None leaves them out.
        span: Whether to tell the first and last time.
        sample: Fields to be shown of each value's newest event; none for no sample.
        samples: Named samples of some of the value's events: their oldest that has this field.
        within: Groups within each value, by name.
        distinct: Fields whose different values are to be counted within each value; events
            without the field count as one more. Beyond 3,000 the count is about right.
    """

    by: str
    size: int = 10
    missing: str | None = None
    span: bool = False
    sample: tuple[str, ...] = ()
    samples: Mapping[str, Sample] = field(default_factory=dict)
    within: Mapping[str, Group] = field(default_factory=dict)
    distinct: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One event of those that hold a field, with what is to be shown of it."""

    having: Match
    fields: tuple[str, ...]


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """The events of one value; answers have thousands, so they are made the quick way."""

    value: str
    count: int
    first: datetime | None = None
    last: datetime | None = None
    sample: Source | None = None
    samples: Mapping[str, Source] = {}
    within: Mapping[str, Buckets] = {}
    distinct: Mapping[str, int] = {}

    def values(self, name: str) -> list[str]:
        """Give the values of a group within, those of the most events first."""
        return [bucket.value for bucket in self.within[name].buckets]

    def counts(self, name: str) -> dict[str, int]:
        """Count the events of a group within, by value."""
        return {bucket.value: bucket.count for bucket in self.within[name].buckets}


class Buckets(msgspec.Struct, frozen=True):
    """The values of one field.

    Attributes:
        other: How many events have other values, beyond those that were asked for.
    """

    buckets: tuple[Bucket, ...] = ()
    other: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many events there are of what.

    Attributes:
        complete: Whether all events were counted; otherwise a limit of time or number was met.
    """

    total: int
    complete: bool
    groups: Mapping[str, Buckets]


class AlertReading(Protocol):
    """Alerts, asked for by who is behind them."""

    def of_origin(
        self, origin_id: str, start: datetime | None, end: datetime | None, most: int
    ) -> tuple[Alert, ...]:
        """Give the newest alerts with events of an origin in a time; suppressed ones too."""
        ...


class EventReading(Protocol):
    """Reads events; nothing is ever loaded whole that may be large."""

    def page(
        self,
        selection: Selection,
        *,
        size: int,
        after: Sequence[int | str | None] | None = None,
        newest_first: bool = False,
    ) -> EventPage:
        """Give events in order of time, whole; none is left out between one page and the next.

        Raises:
            QuestionError: If ``after`` is where no page ever ended.
            TooSlowError: If they cannot be given in time.
            UnavailableError: If the index does not answer.
        """
        ...

    def tally(self, selection: Selection, groups: Mapping[str, Group]) -> Tally:
        """Count events by group, without loading them.

        Raises:
            TooSlowError: If there is nothing to be said in time.
            UnavailableError: If the index does not answer.
        """
        ...
