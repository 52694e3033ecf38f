"""What becomes of an alert when its events are looked at again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from enricher.alerts.alert import (
    Content,
    Key,
    OriginShown,
    SessionShown,
    Status,
    What,
    alert_of,
    changed,
    found_again,
    moved,
    opened,
    superseded,
    window_of,
)
from enricher.alerts.ports import Suppression
from enricher.alerts.rules import Rule
from enricher.alerts.suppress import with_suppression

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
RULE = Rule(
    id="r",
    title="A rule",
    level="high",
    status="test",
    description="",
    tags=("attack.t1098",),
    references=(),
    false_positives=(),
    next_steps=("look",),
    version="1",
    query={"match_all": {}},
    group_by=("enriched.origin.id",),
    window=timedelta(hours=1),
)
KEY = Key(rule_id="r", values=("AIDA",), start=datetime(2026, 3, 2, 8, tzinfo=UTC))


def content(*ids: str, **origin: Any) -> Content:  # noqa: ANN401
    return Content(
        first_at="2026-03-02T08:00:00Z",
        last_at="2026-03-02T08:10:00Z",
        count=len(ids),
        event_ids=ids,
        origin=OriginShown(**{"id": "AIDA", "status": "resolved", **origin}),
        session=SessionShown(root_id="s"),
        accounts=("1",),
    )


def alert(*ids: str, **origin: Any) -> Any:  # noqa: ANN401
    return opened("a", KEY, RULE, content(*ids, **origin), NOW)


def told(one: Any) -> list[What]:  # noqa: ANN401
    return [line.what for line in one.history]


def test_windows_are_aligned() -> None:
    at = datetime(2026, 3, 2, 8, 59, 59, tzinfo=UTC)
    assert window_of(at, timedelta(hours=1)) == datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_an_alert_survives_json() -> None:
    one = alert("1", name="alice")
    assert alert_of(msgspec.json.decode(msgspec.json.encode(one.document()))) == one
    assert one.stands_for == KEY


def test_the_same_events_change_nothing() -> None:
    one = alert("1", "2")
    assert found_again(one, RULE, content("1", "2"), LATER) is one


def test_more_events_count_up_without_news() -> None:
    after = found_again(alert("1"), RULE, content("2", "1"), LATER)
    assert (after.count, after.revision, after.notable_revision) == (2, 2, 1)
    assert told(after) == [What.OPENED]


def test_a_better_origin_is_an_upgrade_with_history() -> None:
    before = alert("1", status="ambiguous", name=None)
    after = found_again(before, RULE, content("1", name="alice"), LATER)
    assert told(after) == [What.OPENED, What.UPGRADED]
    assert after.history[-1].before == {"status": "ambiguous"}
    assert after.history[-1].after == {"status": "resolved", "name": "alice"}
    assert after.notable_revision == 2


def test_what_people_said_stands_until_there_are_new_events() -> None:
    one = alert("1")
    acknowledged = changed(one, [], NOW, "me", status=Status.ACKNOWLEDGED)
    more = content("2", "1")
    assert found_again(acknowledged, RULE, more, LATER).status is Status.ACKNOWLEDGED
    closed = changed(one, [], NOW, "me", status=Status.CLOSED)
    assert found_again(closed, RULE, content("1", name="x"), LATER).status is Status.CLOSED
    again = found_again(closed, RULE, more, LATER)
    assert (again.status, told(again)[-1]) == (Status.OPEN, What.REOPENED)


def test_an_alert_without_events_is_closed_and_kept() -> None:
    after = found_again(alert("1"), RULE, None, LATER)
    assert (after.status, after.count, told(after)[-1]) == (Status.CLOSED, 0, What.WITHDRAWN)
    assert found_again(after, RULE, None, LATER) is after
    assert found_again(after, RULE, content("1"), LATER).status is Status.OPEN


def test_an_alert_goes_with_its_events_and_keeps_its_id() -> None:
    there = Key(rule_id="r", values=("AIDB",), start=KEY.start)
    after = moved(alert("1"), there, RULE, content("1", id="AIDB"), LATER)
    assert (after.id, after.key) == ("a", there.digest)
    assert told(after) == [What.OPENED, What.MOVED, What.UPGRADED]
    assert after.stands_for == there


def test_an_alert_whose_events_are_in_another_says_in_which() -> None:
    after = superseded(alert("1"), "b", LATER)
    assert (after.status, after.superseded_by) == (Status.CLOSED, "b")


def suppression(**of: str) -> Suppression:
    until = "2026-03-03T00:00:00Z"
    return Suppression(id="s", reason="a test", until=until, by="me", at=until, **of)


def test_a_suppression_covers_what_agrees_in_all_that_it_names() -> None:
    one = alert("1")
    covered = with_suppression(one, [suppression(rule_id="r", account_id="1")], NOW)
    assert covered.suppressed is not None
    assert covered.suppressed.reason == "a test"
    assert with_suppression(one, [suppression(rule_id="r", account_id="2")], NOW) is one
    assert with_suppression(one, [suppression(origin_id="AIDA")], NOW).is_silent(NOW)


def test_a_suppression_that_is_over_covers_nothing_and_one_that_ended_is_news() -> None:
    one = alert("1")
    tomorrow = NOW + timedelta(days=1)
    assert with_suppression(one, [suppression(rule_id="r")], tomorrow) is one
    covered = with_suppression(one, [suppression(rule_id="r")], NOW)
    assert with_suppression(covered, [suppression(rule_id="r")], NOW) is covered
    free = with_suppression(covered, [], NOW)
    assert (free.suppressed, told(free)[-1]) == (None, What.UNSUPPRESSED)
    assert free.notable_revision == free.revision
