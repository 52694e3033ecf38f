"""Watch a queue of notifications: one ingest task for each new log file.

A message is deleted when its work is queued. What breaks off before that comes again, and a log
file that is ingested twice makes no document twice.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from enricher.errors import UnavailableError
from enricher.pipeline.notifications import NotificationError, parse_notification
from enricher.pipeline.ports import LogFileStat, QuarantineEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from enricher.pipeline.intake import Intake
    from enricher.pipeline.ports import Clock

MOST_AT_ONCE = 10  # what SQS gives at once
RECEIVED_TOO_OFTEN = 5
LONG_POLL = timedelta(seconds=20)
LAST_POLL = timedelta(seconds=1)
_FILES_AT_ONCE = 10
_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message in hand.

    Attributes:
        id: The same each time it is received.
        receipt: Of this time; what deletes it.
        received: How often it was received, this time included.
    """

    id: str
    receipt: str
    body: str
    received: int = 1


class MessageQueue(Protocol):
    """Notifications, at least once, in any order."""

    @property
    def name(self) -> str:
        """The queue's name, for people."""
        ...

    @property
    def visibility(self) -> timedelta:
        """How long messages that were received are kept from others."""
        ...

    def receive(self, most: int, wait: timedelta) -> list[Message]:
        """Take messages; wait for the first one so long."""
        ...

    def delete(self, messages: Sequence[Message]) -> list[Message]:
        """Delete messages in one request; give those that would not be deleted."""
        ...

    def extend(self, messages: Sequence[Message]) -> None:
        """Keep messages from others for another while, from now on."""
        ...


class Quarantine(Protocol):
    """Where what was refused is kept."""

    def quarantine(self, entries: Sequence[QuarantineEntry]) -> None:
        """Keep what was refused; the same entry twice is one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchServices:
    """What watching needs."""

    messages: MessageQueue
    quarantine: Quarantine
    intake: Intake
    clock: Clock
    pause: Callable[[float], None]


@dataclass(slots=True)
class BatchReport:
    """What became of the messages that were received together.

    Attributes:
        received: Messages.
        queued: Log files.
        ignored: What else they told of, by reason.
        left: Messages that could not be understood and stay in the queue: id → reason.
        quarantined: The same, taken out of the queue for good.
        not_deleted: Messages that come again although their work is queued.
        unavailable: Why nothing could be done; None if it could.
    """

    received: int = 0
    queued: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    left: dict[str, str] = field(default_factory=dict)
    quarantined: dict[str, str] = field(default_factory=dict)
    not_deleted: int = 0
    unavailable: str | None = None


def watch(
    services: WatchServices,
    run_id: str,
    *,
    until_empty: bool = False,
    most: int | None = None,
    undisturbed: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[BatchReport]:
    """Handle messages as they come, for ever unless it is bounded.

    Args:
        services: Where they come from, and where the work goes.
        run_id: What the ledger calls this run.
        until_empty: End when no message is left.
        most: End after so many messages.
        undisturbed: Entered while a batch is handled; may hold signals back.

    Raises:
        UnavailableError: If a server does not answer; only where this is bounded, else it is
            reported and tried again.
    """
    bounded = until_empty or most is not None
    wait = LAST_POLL if until_empty else LONG_POLL
    left, failures = most, 0
    while left is None or left > 0:
        try:
            messages = services.messages.receive(min(MOST_AT_ONCE, left or MOST_AT_ONCE), wait)
            if not messages:
                if until_empty:
                    return
                continue
            with undisturbed():
                report = handle_batch(messages, run_id, services)
        except UnavailableError as err:
            if bounded:
                raise
            yield BatchReport(unavailable=str(err))
            services.pause(min(_FIRST_PAUSE * 2**failures, _LONGEST_PAUSE).total_seconds())
            failures = min(failures + 1, 10)
            continue
        failures = 0
        if left is not None:
            left -= len(messages)
        yield report


def handle_batch(messages: Sequence[Message], run_id: str, services: WatchServices) -> BatchReport:
    """Queue the work of messages, then delete them together.

    Raises:
        UnavailableError: If a server does not answer; the messages come again.
    """
    report = BatchReport(received=len(messages))
    grip = _Grip(messages, services)
    logs: list[str] = []
    done: list[Message] = []
    for message in messages:
        try:
            notification = parse_notification(message.body)
        except NotificationError as err:
            if _give_up(message, err.reason, run_id, services, report):
                done.append(message)
            continue
        logs += notification.logs
        report.ignored.update(notification.ignored)
        done.append(message)
    for start in range(0, len(logs), _FILES_AT_ONCE):
        grip.keep()
        part = logs[start : start + _FILES_AT_ONCE]
        report.queued += services.intake.take((LogFileStat(location=log) for log in part), run_id)
    if done:
        report.not_deleted = len(services.messages.delete(done))
    return report


class _Grip:
    """Keeps messages in hand while their batch takes long."""

    def __init__(self, messages: Sequence[Message], services: WatchServices) -> None:
        self._messages, self._services = messages, services
        self._since = services.clock.now()

    def keep(self) -> None:
        """Ask for more time once half of it is over."""
        now = self._services.clock.now()
        if now - self._since > self._services.messages.visibility / 2:
            self._services.messages.extend(self._messages)
            self._since = now


def _give_up(
    message: Message, reason: str, run_id: str, services: WatchServices, report: BatchReport
) -> bool:
    """Leave a message to the queue's own policy, at last quarantine it; say whether it may go."""
    if message.received < RECEIVED_TOO_OFTEN:
        report.left[message.id] = reason
        return False
    location = f"sqs:{services.messages.name}/{message.id}"
    entry = QuarantineEntry(
        id=hashlib.sha256(location.encode()).hexdigest(),
        what="message",
        reason=reason,
        location=location,
        verbatim=message.body,
        at=services.clock.now(),
        run_id=run_id,
    )
    services.quarantine.quarantine([entry])
    report.quarantined[message.id] = reason
    return True
