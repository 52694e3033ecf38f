"""Tell targets of alerts: at least once, each with a key by which a repetition is recognized.

The alert is its own outbox (``enricher.alerts.telling``). Every few seconds, and after every
evaluation that found something, alerts that are due are looked for, and a task is sent for each
target; a task takes the attempt in hand, tells, and notes what came of it. A process that dies in
between leaves the alert due, and the attempt is made again once its time is over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from enricher.alerts import telling
from enricher.alerts.alert import LEVELS, Status
from enricher.alerts.chat import chat_message
from enricher.alerts.errors import DeliveryError, UnknownAlertError
from enricher.alerts.ocsf import detection_finding
from enricher.alerts.shown import notice
from enricher.cloudtrail import codec
from enricher.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from enricher.alerts.alert import Alert
    from enricher.alerts.ports import AlertStore, Stored

_AT_ONCE = 200
_ROUNDS = 10


class Kind(StrEnum):
    """How a target is told."""

    WEBHOOK = "webhook"
    SNS = "sns"
    EVENTBRIDGE = "eventbridge"


class Format(StrEnum):
    """In which form."""

    ENRICHER = "enricher"
    OCSF = "ocsf"
    SLACK = "slack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a target is told.

    Attributes:
        key: The same for every repetition: alert id and notable revision.
        alert_id: The alert.
        severity: Its level.
        rule_id: Its rule.
        body: JSON.
    """

    key: str
    alert_id: str
    severity: str
    rule_id: str
    body: bytes


class Sender(Protocol):
    """Tells one target."""

    def send(self, message: Message) -> None:
        """Tell it; returns when it has acknowledged.

        Raises:
            DeliveryError: If it did not.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Somebody who is told of alerts.

    Attributes:
        level: Of this severity at least.
        format: In which form.
        sender: Made when it is first needed.
    """

    name: str
    kind: Kind
    level: str
    format: Format
    sender: Callable[[], Sender]

    def wants(self, alert: Alert, now: datetime) -> bool:
        """Say whether it is to be told of an alert as it is now."""
        severe = LEVELS.index(alert.severity) >= LEVELS.index(self.level)
        return severe and alert.status is not Status.CLOSED and not alert.is_silent(now)


class DeliveryQueue(Protocol):
    """Where attempts are asked for."""

    def deliver(self, kind: Kind, alert_id: str, target: str) -> None:
        """Ask for a target to be told of an alert.

        Raises:
            UnavailableError: If the queue does not answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverServices:
    """What telling needs.

    Attributes:
        targets: By name.
        attempts: How often a target is tried.
        backoff: How long after the first failure it is tried again; doubled each time.
        longest_backoff: Until it is that long.
        lease: How long one attempt may take, until it is taken for lost.
    """

    alerts: AlertStore
    targets: Mapping[str, Target]
    queue: DeliveryQueue
    now: Callable[[], datetime]
    attempts: int
    backoff: timedelta
    longest_backoff: timedelta
    lease: timedelta


@dataclass(slots=True)
class DispatchReport:
    """What was asked for: attempts, and how many alerts need nothing more."""

    asked: int = 0
    settled: int = 0


class Result(StrEnum):
    """What came of an attempt."""

    DELIVERED = "delivered"
    FAILED = "failed"  # to be tried again
    GIVEN_UP = "given-up"
    NOTHING = "nothing"  # there was nothing to tell, or somebody else is at it


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """One attempt."""

    target: str
    kind: str | None
    result: Result
    reason: str | None = field(default=None)


def dispatch(services: DeliverServices) -> DispatchReport:
    """Ask for everything that is due to be told.

    Raises:
        UnavailableError: If a server does not answer; what is due stays so.
    """
    report = DispatchReport()
    now = services.now()
    services.alerts.refresh()
    for stored in services.alerts.due(now, _AT_ONCE):
        alert = stored.alert
        wanting = [one for one in services.targets.values() if one.wants(alert, now)]
        ready = [one for one in wanting if telling.is_ready(alert, one.name, now)]
        for one in ready:
            services.queue.deliver(one.kind, alert.id, one.name)
        report.asked += len(ready)
        if not ready:
            # Where others wrote meanwhile, the next run looks at what they wrote.
            after = telling.settled(alert, [one.name for one in wanting], now)
            report.settled += services.alerts.write([(after, stored)])[0]
    return report


def deliver(alert_id: str, target_name: str, services: DeliverServices) -> DeliveryReport:
    """Tell one target of an alert as it is now, if it is still to be told.

    Raises:
        UnavailableError: If the alerts cannot be read or written; the attempt is made again.
    """
    target = services.targets.get(target_name)
    if target is None:  # it is no longer in the settings
        return DeliveryReport(target=target_name, kind=None, result=Result.NOTHING)
    kind = target.kind.value
    alert = _claim(alert_id, target, services)
    if alert is None:
        return DeliveryReport(target=target_name, kind=kind, result=Result.NOTHING)
    try:
        _sender(target).send(message(alert, target.format))
    except DeliveryError as err:
        result = _note_failure(alert_id, target, err.reason, services)
        return DeliveryReport(target=target_name, kind=kind, result=result, reason=err.reason)
    revision = alert.notable_revision

    def done(known: Alert, now: datetime) -> Alert:
        return telling.delivered(known, target.name, revision, now)

    _note(alert_id, done, services)
    return DeliveryReport(target=target_name, kind=kind, result=Result.DELIVERED)


def _sender(target: Target) -> Sender:
    try:
        return target.sender()
    except ConfigurationError as err:
        raise DeliveryError("misconfigured") from err


def tell_again(alert_id: str, services: DeliverServices) -> None:
    """Let targets that were given up be tried again.

    Raises:
        UnknownAlertError: If there is no such alert.
    """
    for _ in range(_ROUNDS):
        stored = _known(alert_id, services)
        # Which targets there are is for the workers to say: here they may not be in the settings.
        after = telling.to_be_told_again(stored.alert, services.now())
        if services.alerts.write([(after, stored)])[0]:
            return
    raise _rewritten()


def message(alert: Alert, form: Format) -> Message:
    """Write an alert in a form."""
    return Message(
        key=telling.key_of(alert),
        alert_id=alert.id,
        severity=alert.severity,
        rule_id=alert.rule.id,
        body=codec.dumps(_content(alert, form)),
    )


def _content(alert: Alert, form: Format) -> dict[str, Any]:
    match form:
        case Format.ENRICHER:
            return notice(alert).model_dump(mode="json", exclude_none=True)
        case Format.OCSF:
            return detection_finding(alert)
        case Format.SLACK:
            return chat_message(alert)


def _claim(alert_id: str, target: Target, services: DeliverServices) -> Alert | None:
    """Take an attempt in hand; None where there is none to make, or somebody else was faster."""
    stored = services.alerts.get(alert_id)
    now = services.now()
    if stored is None or not target.wants(stored.alert, now):
        return None
    if not telling.is_ready(stored.alert, target.name, now):
        return None
    claimed = telling.claimed(stored.alert, target.name, now, services.lease)
    if claimed.told[target.name].attempts > services.attempts:
        # The process died at every one of them.
        given_up = telling.failed(claimed, target.name, "attempts-lost", None)
        _write(given_up, stored, services)
        return None
    return claimed if _write(claimed, stored, services) else None


def _note_failure(alert_id: str, target: Target, reason: str, services: DeliverServices) -> Result:
    result = Result.FAILED

    def after(alert: Alert, now: datetime) -> Alert:
        nonlocal result
        attempts = alert.told[target.name].attempts
        last = attempts >= services.attempts
        result = Result.GIVEN_UP if last else Result.FAILED
        next_at = None if last else now + backoff(attempts, services)
        return telling.failed(alert, target.name, reason, next_at)

    _note(alert_id, after, services)
    return result


def backoff(attempts: int, services: DeliverServices) -> timedelta:
    """Give how long to wait after so many attempts."""
    wait = services.backoff
    for _ in range(attempts - 1):
        wait = min(2 * wait, services.longest_backoff)
    return wait


def _note(
    alert_id: str, after: Callable[[Alert, datetime], Alert], services: DeliverServices
) -> None:
    for _ in range(_ROUNDS):
        stored = _known(alert_id, services)
        if _write(after(stored.alert, services.now()), stored, services):
            return
    raise _rewritten()


def _known(alert_id: str, services: DeliverServices) -> Stored:
    stored = services.alerts.get(alert_id)
    if stored is None:
        raise UnknownAlertError("there is no alert of this id: `enricher alerts list`")
    return stored


def _rewritten() -> UnavailableError:
    return UnavailableError("this alert is being rewritten by others; try again later")


def _write(alert: Alert, stored: Stored, services: DeliverServices) -> bool:
    now = services.now()
    wanting = [one.name for one in services.targets.values() if one.wants(alert, now)]
    return services.alerts.write([(telling.settled(alert, wanting, now), stored)])[0]
