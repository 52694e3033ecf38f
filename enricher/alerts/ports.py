"""What alerting needs from the world. Each store has an in-memory twin in ``stores``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from enricher.alerts.alert import Alert, Content, Status
    from enricher.alerts.clauses import Query
    from enricher.alerts.telling import Telling

# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """A question: which groups of events match a query?

    Attributes:
        by: The fields that make a group.
        window: Groups are apart by aligned window of event time; None where they are not.
        new: Only events that this matches too; None for all there are.
        shown: Fields of each group's first event that are wanted too.
        dated: Whether it is wanted when each group's first event was; cheaper than the event.
    """

    query: Query
    by: tuple[str, ...]
    window: timedelta | None = None
    new: Query | None = None
    shown: tuple[str, ...] = ()
    dated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One group of events.

    Attributes:
        values: Of the fields that make the group, in order; None where events have none.
        start: Beginning of the window, where the question has one.
        count: Events in it.
        first: The group's first event, where fields of it were asked for.
        first_at: When it was, where only that was asked for.
    """

    values: tuple[str | None, ...]
    start: datetime | None
    count: int
    first: FirstEvent | None = None
    first_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstEvent:
    """The first event of a group: its id, its time, and the fields that were asked for."""

    id: str
    at: datetime
    values: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """A question: of the events that a query matches, what is there in each of some parts?

    Attributes:
        parts: Queries too; an event may be of several parts, or of none.
    """

    query: Query
    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule's question that OpenSearch could not answer, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Changed:
    """An event whose enrichment was written again."""

    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class News:
    """What was written since the last run, all of it.

    Attributes:
        query: Of these events; some that were judged before may be among them.
        marks: How far that is, for the next run.
    """

    query: Query
    marks: Mapping[str, int]


class Matching(Protocol):
    """The events, asked what matches."""

    def groups(self, questions: Sequence[Grouping]) -> list[list[Bucket] | Fault]:
        """Answer each question in full, however many groups there are.

        Raises:
            UnavailableError: If the cluster does not answer; the call may be repeated.
        """
        ...

    def contents(self, questions: Sequence[Parts]) -> list[list[Content | None] | Fault]:
        """Say what is to be said of the events of each part; None of a part without events."""
        ...

    def news(self, marks: Mapping[str, int], since: datetime) -> News:
        """Say what was written since a run.

        Args:
            marks: How far that run came.
            since: Of what it did not know, only what was enriched from then on is new.
        """
        ...

    def changed(self, new: Query) -> Iterator[list[Changed]]:
        """Give, in lists, those of the new events that were written again."""
        ...


# --- alerts -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An alert as it is kept, with what a safe rewrite needs."""

    alert: Alert
    index: str
    seq_no: int
    primary_term: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which alerts are asked for; what is None does not matter.

    Attributes:
        levels: One of these severities.
        start: With an event from then on.
        end: With an event until then.
        silent_at: Without those that nobody is to be told of at that instant.
    """

    status: Status | None = None
    rule_id: str | None = None
    origin_id: str | None = None
    account_id: str | None = None
    levels: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    telling: Telling | None = None
    silent_at: datetime | None = None


class AlertStore(Protocol):
    """Alerts, by id and by what they stand for."""

    def refresh(self) -> None:
        """Let the searches below find all that was written."""
        ...

    def by_keys(self, digests: Sequence[str]) -> dict[str, Stored]:
        """Give the alerts that stand for these keys now, by digest."""
        ...

    def holding(self, events: Sequence[Changed]) -> list[Stored]:
        """Give the alerts that hold any of these events, or may: they hold more than they list."""
        ...

    def naming(self, rule_id: str, event_ids: Sequence[str], besides: str) -> Stored | None:
        """Give an alert of a rule, besides the one of that id, that lists any of these events."""
        ...

    def get(self, alert_id: str) -> Stored | None:
        """Give one alert."""
        ...

    def taken(self, ids: Sequence[str]) -> set[str]:
        """Say which of these ids are an alert's."""
        ...

    def write(self, changes: Sequence[tuple[Alert, Stored | None]]) -> list[bool]:
        """Write alerts over what was read, or as new ones; False where others were faster."""
        ...

    def find(self, wanted: Wanted, most: int, after: str | None = None) -> list[Alert]:
        """Give alerts by window, newest first.

        Args:
            wanted: Which.
            most: How many at most.
            after: Id of the last alert of the page before.
        """
        ...

    def due(self, now: datetime, most: int) -> list[Stored]:
        """Give alerts that somebody is to be told of by now, the longest due first."""
        ...


# --- what is new ----------------------------------------------------------------------------------


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A combination of values that a rule has seen, and the first event that had it.

    Attributes:
        scope: The rule and what it asks; a rule that asks otherwise learns anew.
        values: The combination.
        first_at: Time of the first event, as it is spelled everywhere.
        event_id: That event; of several in the same second, the one whose id sorts first.
        key: Digest of the alert that the first event belongs to.
        group: Values of the fields that the rule groups by, of the first event.
        before: Keys that it had before, when another event was known as the first.
    """

    id: str
    scope: str
    rule_id: str
    values: tuple[str | None, ...]
    first_at: str
    event_id: str
    key: str
    group: tuple[str | None, ...]
    before: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[str, str]:
        """What is smaller came first."""
        return self.first_at, self.event_id


class Baseline(Protocol):
    """What first-seen rules have seen."""

    def beginnings(self, scopes: Sequence[str]) -> dict[str, datetime]:
        """Give the time of the first event that scopes have seen, of those that have seen any."""
        ...

    def begin(self, beginnings: Mapping[str, datetime]) -> None:
        """Keep when scopes' first events were; an earlier instant stays."""
        ...

    def note(self, entries: Iterable[Seen]) -> None:
        """Keep combinations; of two first events, the earlier one stays."""
        ...

    def replace(self, entries: Sequence[Seen]) -> None:
        """Keep combinations as they are now, whatever was known."""
        ...

    def known(self, ids: Sequence[str]) -> dict[str, Seen]:
        """Give what is kept under these ids."""
        ...

    def of_keys(self, scopes: Sequence[str], digests: Sequence[str]) -> list[Seen]:
        """Give the combinations of scopes whose first event belongs to one of these alerts."""
        ...

    def naming(self, event_ids: Sequence[str]) -> list[Seen]:
        """Give the combinations whose first event is one of these."""
        ...

    def between(self, scope: str, start: datetime, end: datetime) -> list[Seen]:
        """Give the combinations first seen from start, inclusive, to end, exclusive."""
        ...


# --- rules, suppressions, how far evaluation came -------------------------------------------------


class StoredRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as it is installed.

    Attributes:
        source: The text of its file, whole.
        error: Why its last run failed; None where it did not.
        failing_since: What was enriched from then on, it has not judged: its next run does.
    """

    id: str
    title: str
    level: str
    tags: tuple[str, ...]
    version: str
    source: str
    enabled: bool
    installed_at: str
    updated_at: str
    error: str | None = None
    failing_since: str | None = None


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """Whose alerts nobody is told of, why, and until when; what is None does not matter."""

    id: str
    reason: str
    until: str
    by: str
    at: str
    rule_id: str | None = None
    origin_id: str | None = None
    account_id: str | None = None


class RuleStore(Protocol):
    """Installed rules and suppressions."""

    def rules(self) -> list[StoredRule]:
        """Give all rules, by title."""
        ...

    def rule(self, rule_id: str) -> StoredRule | None:
        """Give one rule."""
        ...

    def save(self, rules: Sequence[StoredRule]) -> None:
        """Write rules; each replaces its former version."""
        ...

    def note_errors(self, errors: Mapping[str, tuple[str | None, str | None]]) -> None:
        """Note how rules' runs ended: by id, the error and since when; nothing else changes."""
        ...

    def suppressions(self) -> list[Suppression]:
        """Give all suppressions, the newest first; also those that are over."""
        ...

    def suppress(self, suppression: Suppression) -> None:
        """Keep a suppression; one of that id is replaced."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far evaluation came, and the right to go on from there.

    Attributes:
        cursor: When the last run began; None where there was none.
        marks: What was written until then, by whatever the events are kept in.
        token: Whose right it is; worth something until another process takes it.
    """

    cursor: datetime | None
    marks: Mapping[str, int]
    token: tuple[int, int]


class ProgressStore(Protocol):
    """The cursor of evaluation, held by one process at a time."""

    def claim(self, now: datetime, lease: timedelta) -> Progress | None:
        """Take the right to evaluate; None where another process has it still."""
        ...

    def keep(self, progress: Progress, now: datetime, lease: timedelta) -> Progress:
        """Hold it for longer.

        Raises:
            LeaseLostError: If it ended, and another process took it.
        """
        ...

    def finish(self, progress: Progress, cursor: datetime, marks: Mapping[str, int]) -> None:
        """Move the cursor and let go; raises as ``keep``."""
        ...

    def release(self, progress: Progress) -> None:
        """Let go and leave the cursor where it was; raises as ``keep``."""
        ...

    def read(self) -> Progress | None:
        """Look how far it came; None where it never began."""
        ...
