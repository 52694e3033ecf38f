"""Suppressions: whose alerts nobody is told of, why, and until when.

A suppressed alert is kept and counted like any other; it only says that it is to be left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.alerts.alert import SYSTEM, Suppressed, What, changed
from enricher.cloudtrail.times import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from enricher.alerts.alert import Alert
    from enricher.alerts.ports import Suppression


def covers(suppression: Suppression, alert: Alert, now: datetime) -> bool:
    """Say whether a suppression is about an alert now: all that it names has to agree."""
    return suppression.until > format_time(now) and all(
        (
            suppression.rule_id in (None, alert.rule.id),
            suppression.origin_id in (None, alert.origin.id),
            suppression.account_id is None or suppression.account_id in alert.accounts,
        )
    )


def with_suppression(
    alert: Alert, suppressions: Sequence[Suppression], now: datetime, by: str = SYSTEM
) -> Alert:
    """Give an alert as the suppressions have it; itself where nothing changes.

    Of several that cover it, the one that lasts longest is shown. One that is over stays to be
    read; who looks compares its end with the clock.
    """
    found = [one for one in suppressions if covers(one, alert, now)]
    longest = max(found, key=lambda one: (one.until, one.id), default=None)
    if longest is None:
        if not alert.is_silent(now):
            return alert
        return changed(alert, [(What.UNSUPPRESSED, None, None)], now, by, suppressed=None)
    shown = Suppressed(id=longest.id, reason=longest.reason, until=longest.until)
    after = {"reason": shown.reason, "until": shown.until}
    return changed(alert, [(What.SUPPRESSED, None, after)], now, by, suppressed=shown)
