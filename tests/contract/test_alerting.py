"""What alerting keeps, over memory and over OpenSearch."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from opensearchpy import OpenSearch

from enricher.alerts.alert import MOST_EVENT_IDS, Status
from enricher.alerts.errors import LeaseLostError
from enricher.alerts.ports import Changed, Seen, StoredRule, Suppression, Wanted
from enricher.pipeline.documents import Period
from enricher.stores import templates
from enricher.stores.memory_alerts import (
    MemoryAlerts,
    MemoryBaseline,
    MemoryProgress,
    MemoryRules,
)
from enricher.stores.opensearch_alerts import OpenSearchAlerts
from enricher.stores.opensearch_baseline import OpenSearchBaseline
from enricher.stores.opensearch_rules import OpenSearchProgress, OpenSearchRules
from tests.unit.alerts.test_alert import alert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.alerts.ports import AlertStore, Baseline, ProgressStore, RuleStore
    from enricher.stack import Endpoints

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
LEASE = timedelta(minutes=2)
WITHIN = datetime(2026, 3, 2, 8, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def client(stack_endpoints: Endpoints) -> Iterator[OpenSearch]:
    """A client of the real node."""
    with closing(OpenSearch(stack_endpoints.opensearch_url, max_retries=0, timeout=60)) as client:
        yield client


@pytest.fixture(params=["memory", "opensearch"])
def node(request: pytest.FixtureRequest) -> OpenSearch | None:
    """The real node, emptied; None for the twins."""
    if request.param == "memory":
        return None
    client: OpenSearch = request.getfixturevalue("client")
    client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
    templates.install(client, Period.MONTH)
    return client


@pytest.fixture
def alerts(node: OpenSearch | None) -> AlertStore:
    return MemoryAlerts() if node is None else OpenSearchAlerts(node)


@pytest.fixture
def baseline(node: OpenSearch | None) -> Baseline:
    return MemoryBaseline() if node is None else OpenSearchBaseline(node)


@pytest.fixture
def rules(node: OpenSearch | None) -> RuleStore:
    return MemoryRules() if node is None else OpenSearchRules(node)


@pytest.fixture
def progress(node: OpenSearch | None) -> ProgressStore:
    return MemoryProgress() if node is None else OpenSearchProgress(node)


# --- alerts ---------------------------------------------------------------------------------------


def test_an_alert_is_written_once_and_over_what_was_read(alerts: AlertStore) -> None:
    one = alert("1", "2", name="alice")
    assert alerts.get("a") is None
    assert alerts.write([(one, None)]) == [True]
    assert alerts.write([(one, None)]) == [False]
    alerts.refresh()
    stored = alerts.get("a")
    assert stored is not None
    assert stored.alert == one
    closed = msgspec.structs.replace(one, status=Status.CLOSED, revision=2)
    assert alerts.write([(closed, stored)]) == [True]
    assert alerts.write([(one, stored)]) == [False]
    found = alerts.get("a")
    assert found is not None
    assert found.alert == closed


def test_alerts_are_found_by_what_they_stand_for_and_hold(alerts: AlertStore) -> None:
    one = alert("1", "2")
    many = msgspec.structs.replace(alert("7"), id="b", key="k", count=MOST_EVENT_IDS + 1)
    alerts.write([(one, None), (many, None)])
    alerts.refresh()
    assert {key: s.alert.id for key, s in alerts.by_keys([one.key, "none"]).items()} == {
        one.key: "a"
    }
    assert alerts.taken(["a", "c"]) == {"a"}
    naming = alerts.naming("r", ["7", "x"], "a")
    assert naming is not None
    assert naming.alert.id == "b"
    assert alerts.naming("r", ["1"], "a") is None

    def held(event: str, at: datetime) -> list[str]:
        return sorted(s.alert.id for s in alerts.holding([Changed(event, at)]))

    assert alerts.holding([]) == []
    assert held("2", WITHIN + timedelta(days=1)) == ["a"]
    assert held("9", WITHIN) == ["b"]  # it holds more events than it lists
    assert held("9", WITHIN + timedelta(days=1)) == []


def test_alerts_are_listed_newest_first_in_pages(alerts: AlertStore) -> None:
    ids = ["a", "b", "c"]
    alerts.write([(msgspec.structs.replace(alert("1"), id=i, key=i), None) for i in ids])
    alerts.refresh()
    assert [one.id for one in alerts.find(Wanted(), 2)] == ["c", "b"]
    assert [one.id for one in alerts.find(Wanted(), 2, after="b")] == ["a"]
    assert alerts.find(Wanted(status=Status.CLOSED), 2) == []
    wanted = Wanted(rule_id="r", origin_id="AIDA", account_id="1", silent_at=NOW)
    assert len(alerts.find(wanted, 9)) == 3
    assert alerts.find(Wanted(account_id="2"), 9) == []


# --- what was seen --------------------------------------------------------------------------------


def seen(at: str, event: str, key: str = "k") -> Seen:
    return Seen(
        id="i",
        scope="s",
        rule_id="r",
        values=("AIDA", "x"),
        first_at=f"2026-03-02T{at}:00Z",
        event_id=event,
        key=key,
        group=("AIDA", None),
    )


def test_the_earliest_event_stays_in_any_order(baseline: Baseline) -> None:
    for one in (seen("08:10", "b"), seen("08:00", "d"), seen("08:05", "a"), seen("08:00", "c")):
        baseline.note([one])
    assert baseline.known(["i", "j"]) == {"i": seen("08:00", "c")}
    assert baseline.of_keys(["s"], ["k"]) == [seen("08:00", "c")]
    assert baseline.of_keys(["other"], ["k"]) == []
    assert baseline.naming(["c"]) == [seen("08:00", "c")]
    assert baseline.naming(["d"]) == []
    assert len(baseline.between("s", WITHIN - timedelta(minutes=5), WITHIN)) == 1
    assert baseline.between("s", WITHIN, WITHIN + timedelta(days=1)) == []


def test_what_is_replaced_may_be_later(baseline: Baseline) -> None:
    baseline.note([seen("08:00", "a")])
    baseline.replace([seen("09:00", "b")])
    assert baseline.known(["i"]) == {"i": seen("09:00", "b")}


def test_a_beginning_only_moves_back(baseline: Baseline) -> None:
    assert baseline.beginnings(["s"]) == {}
    for minutes in (5, 0, 9):
        baseline.begin({"s": WITHIN + timedelta(minutes=minutes)})
    assert baseline.beginnings(["s", "t"]) == {"s": WITHIN}


# --- rules ----------------------------------------------------------------------------------------


def stored(rule_id: str, title: str) -> StoredRule:
    return StoredRule(
        id=rule_id,
        title=title,
        level="high",
        tags=("attack.t1098",),
        version="1",
        source="title: x\n",
        enabled=True,
        installed_at="2026-03-02T08:00:00Z",
        updated_at="2026-03-02T08:00:00Z",
    )


def test_rules_come_back_as_they_were_with_their_errors(rules: RuleStore) -> None:
    one, two = stored("1", "B"), stored("2", "A")
    assert rules.rules() == []
    rules.save([one, two])
    assert rules.rules() == [two, one]
    assert rules.rule("3") is None
    rules.note_errors({"1": ("broken", "2026-03-02T09:00:00Z")})
    failing = msgspec.structs.replace(one, error="broken", failing_since="2026-03-02T09:00:00Z")
    assert rules.rule("1") == failing
    rules.note_errors({"1": (None, None)})
    assert rules.rule("1") == one


def test_suppressions_are_listed_newest_first(rules: RuleStore) -> None:
    def one(at: str) -> Suppression:
        return Suppression(id=at, reason="r", until=at, by="me", at=at, account_id="1")

    old, new = one("2026-03-02T08:00:00Z"), one("2026-03-03T08:00:00Z")
    rules.suppress(old)
    rules.suppress(new)
    rules.suppress(new)
    assert rules.suppressions() == [new, old]


# --- the cursor -----------------------------------------------------------------------------------


def test_one_process_at_a_time_has_the_cursor(progress: ProgressStore) -> None:
    assert progress.read() is None
    first = progress.claim(NOW, LEASE)
    assert first is not None
    assert first.cursor is None
    assert progress.claim(NOW, LEASE) is None
    first = progress.keep(first, NOW, LEASE)
    progress.finish(first, NOW, {"i/0": 7})
    second = progress.claim(NOW, LEASE)
    assert second is not None
    assert (second.cursor, second.marks) == (NOW, {"i/0": 7})
    progress.release(second)
    found = progress.read()
    assert found is not None
    assert found.cursor == NOW


def test_who_was_believed_dead_cannot_move_the_cursor(progress: ProgressStore) -> None:
    slow = progress.claim(NOW, LEASE)
    assert slow is not None
    late = NOW + LEASE + timedelta(seconds=1)
    other = progress.claim(late, LEASE)
    assert other is not None
    with pytest.raises(LeaseLostError):
        progress.keep(slow, late, LEASE)
    with pytest.raises(LeaseLostError):
        progress.finish(slow, late, {})
    progress.finish(other, NOW, {"i/0": 8})
    found = progress.read()
    assert found is not None
    assert (found.cursor, found.marks) == (NOW, {"i/0": 8})
