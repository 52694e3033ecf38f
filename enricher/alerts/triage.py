"""What people do with alerts: acknowledge, close, suppress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from enricher.alerts.alert import Status, What, changed
from enricher.alerts.errors import UnknownAlertError
from enricher.alerts.ports import Suppression, Wanted
from enricher.alerts.suppress import with_suppression
from enricher.cloudtrail.times import format_time
from enricher.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from enricher.alerts.alert import Alert
    from enricher.alerts.ports import AlertStore, RuleStore

_ROUNDS = 5
_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TriageServices:
    """What triage needs."""

    alerts: AlertStore
    rules: RuleStore
    now: Callable[[], datetime]


def acknowledge(alert_id: str, by: str, services: TriageServices, note: str | None = None) -> Alert:
    """Say that somebody looks after an alert; twice is the same as once.

    Raises:
        UnknownAlertError: If there is no such alert.
    """
    return _set_status(alert_id, Status.ACKNOWLEDGED, What.ACKNOWLEDGED, (by, note), services)


def close(alert_id: str, by: str, services: TriageServices, note: str | None = None) -> Alert:
    """Say that nothing is left to do about an alert; new events open it again.

    Raises:
        UnknownAlertError: If there is no such alert.
    """
    return _set_status(alert_id, Status.CLOSED, What.CLOSED, (by, note), services)


def suppress(suppression: Suppression, services: TriageServices) -> int:
    """Keep a suppression, and mark the alerts that it covers; give how many.

    Raises:
        ConfigurationError: If it names nothing, or is over already.
    """
    if not (suppression.rule_id or suppression.origin_id or suppression.account_id):
        raise ConfigurationError("a suppression names a rule, an origin, an account, or several")
    if suppression.until <= format_time(services.now()):
        raise ConfigurationError("a suppression ends in the future: say until when")
    services.rules.suppress(suppression)
    return _mark(suppression, suppression.by, services)


def unsuppress(suppression_id: str, by: str, services: TriageServices) -> bool:
    """End a suppression now, and unmark the alerts that it covered; False if there is none."""
    found = next((one for one in services.rules.suppressions() if one.id == suppression_id), None)
    if found is None:
        return False
    ended = msgspec.structs.replace(found, until=format_time(services.now()))
    services.rules.suppress(ended)
    _mark(found, by, services)
    return True


def new_suppression(
    of: Wanted, *, reason: str, until: datetime, by: str, now: datetime
) -> Suppression:
    """Make a suppression of a rule, an origin, an account; it gets an id of its own."""
    return Suppression(
        id=uuid4().hex[:12],
        reason=reason,
        until=format_time(until),
        by=by,
        at=format_time(now),
        rule_id=of.rule_id,
        origin_id=of.origin_id,
        account_id=of.account_id,
    )


def _set_status(
    alert_id: str,
    status: Status,
    what: What,
    said: tuple[str, str | None],
    services: TriageServices,
) -> Alert:
    by, note = said

    def after(alert: Alert) -> Alert:
        if alert.status is status:
            return alert
        new = {"status": status.value, **({"note": note} if note else {})}
        change = (what, {"status": alert.status.value}, new)
        return changed(alert, [change], services.now(), by, status=status)

    new = _rewrite(alert_id, after, services.alerts)
    services.alerts.refresh()  # whoever lists alerts next does not find it as it was
    return new


def _rewrite(alert_id: str, after: Callable[[Alert], Alert], store: AlertStore) -> Alert:
    for _ in range(_ROUNDS):
        found = store.get(alert_id)
        if found is None:
            raise UnknownAlertError("there is no alert of this id: `enricher alerts list`")
        new = after(found.alert)
        if new is found.alert or store.write([(new, found)])[0]:
            return new
    raise UnavailableError("this alert is being rewritten by others; try again later")


def _mark(suppression: Suppression, by: str, services: TriageServices) -> int:
    """Let the alerts that a suppression is about say what the suppressions are now."""
    suppressions = services.rules.suppressions()
    now = services.now()
    count = 0
    services.alerts.refresh()
    for alert in _about(suppression, services.alerts):
        new = _rewrite(
            alert.id, lambda one: with_suppression(one, suppressions, now, by), services.alerts
        )
        count += new.revision != alert.revision
    services.alerts.refresh()
    return count


def _about(suppression: Suppression, store: AlertStore) -> Iterator[Alert]:
    wanted = Wanted(
        rule_id=suppression.rule_id,
        origin_id=suppression.origin_id,
        account_id=suppression.account_id,
    )
    after: str | None = None
    while page := store.find(wanted, _PAGE, after):
        yield from page
        after = page[-1].id
