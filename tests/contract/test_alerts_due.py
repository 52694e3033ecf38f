"""What is due to be told is found alike in memory and in OpenSearch."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from enricher.alerts.alert import Status
from enricher.alerts.ports import Wanted
from enricher.alerts.telling import Outcome, Telling, Told
from tests.contract.test_alerting import alerts, client, node
from tests.unit.alerts.test_alert import NOW, alert

if TYPE_CHECKING:
    from enricher.alerts.alert import Alert
    from enricher.alerts.ports import AlertStore

__all__ = ["alerts", "client", "node"]  # fixtures


def one(alert_id: str, tell_at: str | None, telling: Telling = Telling.DUE) -> Alert:
    made: Alert = msgspec.structs.replace(alert("1"), id=alert_id, tell_at=tell_at, telling=telling)
    return made


def ids(found: list[Alert]) -> list[str]:
    return sorted(each.id for each in found)


def test_what_is_due_by_now_comes_longest_due_first(alerts: AlertStore) -> None:
    told = Told(revision=1, outcome=Outcome.TRYING, attempts=1, at="2026-03-02T09:00:00Z")
    later = one("later", "2026-03-02T09:30:01Z")
    due = msgspec.structs.replace(one("due", "2026-03-02T09:30:00Z"), told={"soc": told})
    longer = one("longer", "2026-03-02T09:00:00Z")
    done = one("done", None, Telling.DONE)
    lost = one("lost", None, Telling.GIVEN_UP)
    everything = [later, due, longer, done, lost]
    assert alerts.write([(each, None) for each in everything]) == [True] * 5
    alerts.refresh()
    found = alerts.due(NOW, 10)
    assert [each.alert.id for each in found] == ["longer", "due"]
    assert found[1].alert.told == {"soc": told}
    assert [each.alert.id for each in alerts.due(NOW, 1)] == ["longer"]
    settled = msgspec.structs.replace(longer, telling=Telling.DONE, tell_at=None)
    assert alerts.write([(settled, found[0])]) == [True]
    assert alerts.write([(settled, found[0])]) == [False]
    alerts.refresh()
    assert [each.alert.id for each in alerts.due(NOW, 10)] == ["due"]
    assert ids(alerts.find(Wanted(telling=Telling.GIVEN_UP), 10)) == ["lost"]


def test_alerts_are_found_by_severity_and_time(alerts: AlertStore) -> None:
    low = msgspec.structs.replace(one("low", None), severity="low")
    high = one("high", None)
    assert alerts.write([(low, None), (high, None)]) == [True, True]
    alerts.refresh()
    assert ids(alerts.find(Wanted(levels=("medium", "high")), 10)) == ["high"]
    assert ids(alerts.find(Wanted(levels=("low",), status=Status.OPEN), 10)) == ["low"]
    first = datetime(2026, 3, 2, 8, tzinfo=UTC)
    last = datetime(2026, 3, 2, 8, 10, tzinfo=UTC)
    early, late = datetime(2026, 3, 2, 7, tzinfo=UTC), datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert len(alerts.find(Wanted(start=last, end=late), 10)) == 2
    assert len(alerts.find(Wanted(start=early, end=first), 10)) == 2
    assert alerts.find(Wanted(start=late), 10) == []
    assert alerts.find(Wanted(end=early), 10) == []
