"""Alerts as triage asks for them: by who is behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.alerts.ports import Wanted
from enricher.response.models import Alert

if TYPE_CHECKING:
    from datetime import datetime

    from enricher.alerts.alert import Alert as Found
    from enricher.alerts.ports import AlertStore


class RelatedAlerts:
    """The alerts of a store."""

    def __init__(self, alerts: AlertStore) -> None:
        self._alerts = alerts

    def of_origin(
        self, origin_id: str, start: datetime | None, end: datetime | None, most: int
    ) -> tuple[Alert, ...]:
        """Give the newest alerts with events of an origin in a time."""
        wanted = Wanted(origin_id=origin_id, start=start, end=end)
        return tuple(_short(one) for one in self._alerts.find(wanted, most))


def _short(found: Found) -> Alert:
    return Alert.model_validate(
        {
            "id": found.id,
            "rule_id": found.rule.id,
            "rule": found.rule.title,
            "severity": found.severity,
            "status": found.status.value,
            "at": found.opened_at,
            "first": found.first_at,
            "last": found.last_at,
            "events": found.count,
            "event_ids": found.event_ids,
        }
    )
