"""An alert: what a rule found in one group of events and one window of time.

What an alert says of its events is computed from them anew each time, never added to what it said
before; so repeats, overlaps and any order of delivery end in the same alerts (ADR 0010). What
people did with it (acknowledged, closed) and what happened to it (its history) is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from enricher.alerts.telling import Telling, Told
from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from enricher.alerts.rules import Rule

ALERTS_PREFIX = "cloudtrail-alerts-"
SYSTEM = "enricher"
LEVELS = ("informational", "low", "medium", "high", "critical")
MOST_EVENT_IDS = 100
MOST_HISTORY = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What an alert stands for: a rule, a group of events, a window of event time.

    Attributes:
        values: Of the fields that the rule groups by, in its order; None where events have none.
        start: Beginning of the window.
    """

    rule_id: str
    values: tuple[str | None, ...]
    start: datetime

    @property
    def digest(self) -> str:
        """The key as one short word."""
        return codec.digest([self.rule_id, self.values, format_time(self.start)])[:32]


def window_of(at: datetime, window: timedelta) -> datetime:
    """Give the beginning of the aligned window that an instant lies in."""
    return at - (at - _EPOCH) % window


def index_of(start: datetime) -> str:
    """Give the index of an alert: by the month of its window."""
    return f"{ALERTS_PREFIX}{start.year:04}.{start.month:02}"


class Status(StrEnum):
    """What people did with an alert."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class What(StrEnum):
    """What happened to an alert."""

    OPENED = "opened"
    UPGRADED = "upgraded"  # late evidence says more of its origin, or its rule is more severe now
    MOVED = "moved"  # its events are of another group by now, and it went with them
    REDUCED = "reduced"  # some of its events are not, by now
    WITHDRAWN = "withdrawn"  # none of its events matches any more
    SUPERSEDED = "superseded"  # all of its events are in another alert by now
    REOPENED = "reopened"  # it was closed, and there are new events
    RULE_CHANGED = "rule-changed"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"


# Worth telling somebody who was told of the alert before.
_NOTABLE = frozenset({What.OPENED, What.UPGRADED, What.MOVED, What.REOPENED, What.UNSUPPRESSED})


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an alert's history.

    Attributes:
        by: Who did it: ``enricher``, or whoever used the command line or the API.
        before: What it was, as far as it changed.
    """

    at: str
    what: What
    by: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


class RuleShown(msgspec.Struct, frozen=True, kw_only=True):
    """The rule behind an alert, as it was when the alert was written."""

    id: str
    title: str
    level: str
    tags: tuple[str, ...]
    version: str
    next_steps: tuple[str, ...] = ()


class OriginShown(msgspec.Struct, frozen=True, kw_only=True):
    """Who was behind the alert's first event: that event's ``enriched.origin``, in part."""

    status: str | None = None
    kind: str | None = None
    id: str | None = None
    arn: str | None = None
    name: str | None = None
    account_id: str | None = None
    account_name: str | None = None
    identity_provider: str | None = None
    confidence: str | None = None
    rule: str | None = None
    human: bool | None = None
    reason: str | None = None


class SessionShown(msgspec.Struct, frozen=True, kw_only=True):
    """The session at the start of the chain of the alert's first event."""

    root_id: str | None = None


class Grouped(msgspec.Struct, frozen=True, kw_only=True):
    """One field that the alert's events agree in."""

    field: str
    value: str | None


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The time that an alert is about: from start, inclusive, to end, exclusive."""

    start: str
    end: str


class FirstSeenShown(msgspec.Struct, frozen=True, kw_only=True):
    """One combination of values that was not seen before."""

    values: tuple[Grouped, ...]
    at: str
    event_id: str


class Suppressed(msgspec.Struct, frozen=True, kw_only=True):
    """Why nobody is told of an alert, and until when."""

    id: str
    reason: str
    until: str


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What an alert says of its events: a function of them alone.

    Attributes:
        count: How many there are, exactly.
        event_ids: The newest 100 of them, newest first.
        accounts: Like regions, actions, targets and sources, 50 values at most.
    """

    first_at: str
    last_at: str
    count: int
    event_ids: tuple[str, ...]
    origin: OriginShown
    session: SessionShown
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    first_seen: tuple[FirstSeenShown, ...] = ()


class Alert(Content, frozen=True, kw_only=True):
    """An alert, whole; its fields are those of the index.

    Attributes:
        id: Stays the same, also where the alert goes with its events to another group.
        key: Digest of what it stands for now.
        superseded_by: The alert that has its events by now.
        revision: Raised by everything that happens to it; not by being told to somebody.
        notable_revision: The last revision that is worth telling people of.
        telling: Whether somebody is still to be told of that one.
        tell_at: When something is to be done about that; None where nothing is.
        told: How it went, by name of the target.
    """

    id: str
    key: str
    rule: RuleShown
    severity: str
    status: Status
    group: tuple[Grouped, ...]
    window: Window
    opened_at: str
    updated_at: str
    history: tuple[Change, ...]
    revision: int
    notable_revision: int
    suppressed: Suppressed | None = None
    superseded_by: str | None = None
    telling: Telling = Telling.DONE
    tell_at: str | None = None
    told: dict[str, Told] = {}

    @property
    def stands_for(self) -> Key:
        """Its key."""
        start = parse_time(self.window.start)
        if start is None:
            raise AssertionError("an alert's window is a time: we wrote it")
        values = tuple(one.value for one in self.group)
        return Key(rule_id=self.rule.id, values=values, start=start)

    def is_silent(self, now: datetime) -> bool:
        """Say whether nobody is to be told of it now."""
        return self.suppressed is not None and self.suppressed.until > format_time(now)

    def document(self) -> dict[str, Any]:
        """Give the JSON form, which is that of the index and of the API."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def alert_of(document: object) -> Alert:
    """Read an alert from its JSON form."""
    return msgspec.convert(document, Alert)


def opened(alert_id: str, key: Key, rule: Rule, content: Content, now: datetime) -> Alert:
    """Make a new alert."""
    at = format_time(now)
    return Alert(
        id=alert_id,
        **_grouped(key, rule),
        **_shown(rule),
        **content_of(content),
        status=Status.OPEN,
        opened_at=at,
        updated_at=at,
        history=(Change(at=at, what=What.OPENED, by=SYSTEM),),
        revision=1,
        notable_revision=1,
        telling=Telling.DUE,
        tell_at=at,
    )


def found_again(alert: Alert, rule: Rule, content: Content | None, now: datetime) -> Alert:
    """Give an alert as its events are now; the same object where nothing changed.

    A closed alert with more events than before is open again, so that nothing goes on unseen
    behind it. An alert that lost its last event is closed; it keeps its place and its history.
    """
    if content is None:
        return _withdrawn(alert, now) if alert.count else alert
    changes = [*_differences(alert, rule, content)]
    values: dict[str, Any] = {**_shown(rule), **content_of(content)}
    new_events = content.count > alert.count or not set(content.event_ids) <= {*alert.event_ids}
    if alert.status is Status.CLOSED and new_events and content.count >= alert.count:
        values |= {"status": Status.OPEN, "superseded_by": None}
        changes.append((What.REOPENED, {"count": alert.count}, {"count": content.count}))
    return changed(alert, changes, now, **values)


def moved(alert: Alert, key: Key, rule: Rule, content: Content, now: datetime) -> Alert:
    """Let an alert go with its events, which are of another group by now."""
    before = {one.field: one.value for one in alert.group}
    values = _grouped(key, rule)
    after = {one.field: one.value for one in values["group"]}
    changes = [(What.MOVED, before, after), *_differences(alert, rule, content)]
    return changed(alert, changes, now, **values, **_shown(rule), **content_of(content))


def superseded(alert: Alert, by: str, now: datetime) -> Alert:
    """Close an alert whose events are in another one by now."""
    values: dict[str, Any] = {
        "status": Status.CLOSED,
        "count": 0,
        "event_ids": (),
        "superseded_by": by,
    }
    change = (What.SUPERSEDED, {"count": alert.count}, {"by": by})
    return changed(alert, [change], now, **values)


def changed(
    alert: Alert,
    changes: Sequence[tuple[What, dict[str, Any] | None, dict[str, Any] | None]],
    now: datetime,
    by: str = SYSTEM,
    **values: Any,  # noqa: ANN401 - fields of an alert
) -> Alert:
    """Give an alert with other values, as its next revision; itself where nothing is other."""
    new = msgspec.structs.replace(alert, **values)
    if new == alert:
        return alert
    at = format_time(now)
    lines = tuple(
        Change(at=at, what=what, by=by, before=before, after=after)
        for what, before, after in changes
    )
    revision = alert.revision + 1
    if any(what in _NOTABLE for what, _, _ in changes):
        due = {"notable_revision": revision, "telling": Telling.DUE, "tell_at": at}
        new = msgspec.structs.replace(new, **due)
    return msgspec.structs.replace(
        new,
        history=(alert.history + lines)[-MOST_HISTORY:],
        updated_at=at,
        revision=revision,
    )


def content_of(content: Content) -> dict[str, Any]:
    """Give what is said of events, by field."""
    return {name: getattr(content, name) for name in Content.__struct_fields__}


def _withdrawn(alert: Alert, now: datetime) -> Alert:
    change = (What.WITHDRAWN, {"count": alert.count}, {"count": 0})
    return changed(alert, [change], now, status=Status.CLOSED, count=0, event_ids=())


def _differences(
    alert: Alert, rule: Rule, content: Content
) -> Iterable[tuple[What, dict[str, Any] | None, dict[str, Any] | None]]:
    if content.origin != alert.origin:
        before, after = _origin(alert.origin), _origin(content.origin)
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        yield (
            What.UPGRADED,
            {name: before[name] for name in names if name in before},
            {name: after[name] for name in names if name in after},
        )
    if content.count < alert.count:
        yield What.REDUCED, {"count": alert.count}, {"count": content.count}
    if LEVELS.index(rule.level) > LEVELS.index(alert.severity):
        yield What.UPGRADED, {"severity": alert.severity}, {"severity": rule.level}
    if rule.version != alert.rule.version:
        yield What.RULE_CHANGED, {"version": alert.rule.version}, {"version": rule.version}


def _origin(origin: OriginShown) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(origin)
    return {name: value for name, value in found.items() if value is not None}


def _grouped(key: Key, rule: Rule) -> dict[str, Any]:
    pairs = zip(rule.group_by, key.values, strict=True)
    return {
        "key": key.digest,
        "group": tuple(Grouped(field=field, value=value) for field, value in pairs),
        "window": Window(start=format_time(key.start), end=format_time(key.start + rule.window)),
    }


def _shown(rule: Rule) -> dict[str, Any]:
    shown = RuleShown(
        id=rule.id,
        title=rule.title,
        level=rule.level,
        tags=rule.tags,
        version=rule.version,
        next_steps=rule.next_steps,
    )
    return {"rule": shown, "severity": rule.level}
