"""What was told of an alert, and to whom: kept on the alert itself.

An alert that is written because something happened to it says in the same write that it is due. It
stays so until every target has acknowledged it or was given up, so a crash at any instant loses
nothing; at worst a target is told twice, with the same key (ADR 0011).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from enricher.cloudtrail.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from enricher.alerts.alert import Alert


class Telling(StrEnum):
    """Whether somebody is to be told of an alert."""

    DUE = "due"
    DONE = "done"
    GIVEN_UP = "given-up"  # by one target at least


class Outcome(StrEnum):
    """How far telling one target has come."""

    TRYING = "trying"
    DELIVERED = "delivered"
    GIVEN_UP = "given-up"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How telling one target of an alert went.

    Attributes:
        revision: The notable revision of the alert that this is about.
        attempts: How often it was tried, the one in hand included.
        at: When it was tried last.
        next_at: Not to be tried again before; None where it is not to be tried again.
        reason: Why the last attempt failed: a slug, e.g. ``answered-500``.
    """

    revision: int
    outcome: Outcome
    attempts: int
    at: str
    next_at: str | None = None
    reason: str | None = None


def key_of(alert: Alert) -> str:
    """Give what a delivery is recognized by when it comes again: alert and notable revision."""
    return f"{alert.id}:{alert.notable_revision}"


def is_settled(alert: Alert, target: str) -> bool:
    """Say whether a target needs no telling any more."""
    told = _of_now(alert, target)
    return told is not None and told.outcome is not Outcome.TRYING


def is_ready(alert: Alert, target: str, now: datetime) -> bool:
    """Say whether a target is to be told now: not settled, not in hand, not to be left alone."""
    told = _of_now(alert, target)
    if told is None:
        return True
    return told.outcome is Outcome.TRYING and (told.next_at or "") <= format_time(now)


def claimed(alert: Alert, target: str, now: datetime, lease: timedelta) -> Alert:
    """Take an attempt in hand: it is counted before it is made, and nobody else makes it."""
    told = _of_now(alert, target)
    trying = Told(
        revision=alert.notable_revision,
        outcome=Outcome.TRYING,
        attempts=1 + (told.attempts if told else 0),
        at=format_time(now),
        next_at=format_time(now + lease),
        reason=told.reason if told else None,
    )
    return _with(alert, target, trying)


def delivered(alert: Alert, target: str, revision: int, now: datetime) -> Alert:
    """Note that a target has acknowledged a revision."""
    told = alert.told[target]
    done = Told(
        revision=revision, outcome=Outcome.DELIVERED, attempts=told.attempts, at=format_time(now)
    )
    return _with(alert, target, done) if told.revision <= revision else alert


def failed(alert: Alert, target: str, reason: str, next_at: datetime | None) -> Alert:
    """Note that an attempt failed; without a next one, the target is given up."""
    return _with(
        alert,
        target,
        msgspec.structs.replace(
            alert.told[target],
            outcome=Outcome.TRYING if next_at else Outcome.GIVEN_UP,
            next_at=format_time(next_at) if next_at else None,
            reason=reason,
        ),
    )


def settled(alert: Alert, targets: Iterable[str], now: datetime) -> Alert:
    """Say on an alert whether it is due still, and when something is to be done next.

    Args:
        alert: The alert.
        targets: Names of those that want to be told of it.
        now: Current time.
    """
    names = list(targets)
    left = [_next(alert, name, now) for name in names if not is_settled(alert, name)]
    if left:
        return msgspec.structs.replace(alert, telling=Telling.DUE, tell_at=min(left))
    outcomes = {told.outcome for name in names if (told := _of_now(alert, name))}
    telling = Telling.GIVEN_UP if Outcome.GIVEN_UP in outcomes else Telling.DONE
    return msgspec.structs.replace(alert, telling=telling, tell_at=None)


def to_be_told_again(alert: Alert, now: datetime) -> Alert:
    """Let the targets that were given up be tried from the beginning."""
    kept = {name: told for name, told in alert.told.items() if told.outcome is not Outcome.GIVEN_UP}
    return msgspec.structs.replace(alert, told=kept, telling=Telling.DUE, tell_at=format_time(now))


def _of_now(alert: Alert, target: str) -> Told | None:
    """Give what was told of the alert as it is; what was told of it before counts no more."""
    told = alert.told.get(target)
    return told if told is not None and told.revision >= alert.notable_revision else None


def _next(alert: Alert, target: str, now: datetime) -> str:
    told = _of_now(alert, target)
    return (told.next_at if told else None) or format_time(now)


def _with(alert: Alert, target: str, told: Told) -> Alert:
    return msgspec.structs.replace(alert, told={**alert.told, target: told})
