"""What answers are made of: trees, cursors, lines, and the fields that they declare."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.cloudtrail import codec
from enricher.enrichers.identity_fields import FIELDS
from enricher.response.cursors import decoded, encoded
from enricher.response.errors import QuestionError
from enricher.response.events import event, who
from enricher.response.models import Hop, Missing, Origin, Use
from enricher.response.origins import FIXES
from enricher.response.ports import FoundEvent, Selection
from enricher.response.selecting import PrincipalName, by_principal, shifted, within
from enricher.response.sessions import Session, grown
from enricher.response.timeline import line

AT = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
IDS = st.sampled_from("abcdef")


# --- models ---------------------------------------------------------------------------------------


def declared(prefix: str) -> set[str]:
    names = {field.name.removeprefix(prefix) for field in FIELDS if field.name.startswith(prefix)}
    return {name.partition(".")[0] for name in names}


def test_an_origin_has_the_fields_that_are_declared() -> None:
    assert declared("origin.") == set(Origin.model_fields)


def test_a_hop_has_the_fields_that_are_declared() -> None:
    assert declared("chain.") == set(Hop.model_fields)


def test_what_is_missing_has_the_fields_that_are_declared() -> None:
    assert declared("origin.missing.") == set(Missing.model_fields)


def test_every_fix_says_what_to_do() -> None:
    assert all(fix.endswith(".") for fix in FIXES.values())


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"eventName": ["x"], "userIdentity": "x", "responseElements": {"credentials": "x"}},
        {"eventName": 7, "userIdentity": {"arn": {}}, "enriched": {"origin": {}}},
        {"eventTime": "never", "responseElements": {"accessKey": {"accessKeyId": 7}}},
    ],
)
def test_odd_records_are_read_as_far_as_they_go(odd: dict[str, object]) -> None:
    found = event(FoundEvent("1", odd))
    assert found.document_id == "1"
    assert (found.time, found.issued_access_key_id) == (None, None)
    assert who(odd).origin is None


# --- trees ----------------------------------------------------------------------------------------


def a_session(name: str, parent: str | None = None, issued: tuple[str, ...] = ()) -> Session:
    return Session(
        session_id=name, parent_id=parent, issued=issued, use=Use(events=1, first=AT, last=AT)
    )


def test_each_session_comes_before_its_children() -> None:
    found = list(grown("a", [a_session("c", "b"), a_session("b", "a"), a_session("a")]))
    assert [(one.session_id, one.depth, one.children) for one in found] == [
        ("a", 0, ("b",)),
        ("b", 1, ("c",)),
        ("c", 2, ()),
    ]


def test_a_root_of_which_nothing_is_indexed_has_its_place() -> None:
    found = list(grown("a", [a_session("b", "a")]))
    assert [(one.session_id, one.session is None) for one in found] == [("a", True), ("b", False)]


def test_a_session_that_was_begun_and_not_used_has_its_place() -> None:
    found = list(grown("a", [a_session("a", issued=("z",))]))
    assert [(one.session_id, one.depth, one.session) for one in found[1:]] == [("z", 1, None)]


@given(st.dictionaries(IDS, st.tuples(IDS, st.lists(IDS, max_size=3))))
def test_no_session_is_lost_or_comes_twice(parents: dict[str, tuple[str, list[str]]]) -> None:
    sessions = [a_session(name, up, tuple(down)) for name, (up, down) in parents.items()]
    found = [one.session_id for one in grown("a", sessions)]
    assert len(found) == len(set(found))
    assert set(parents) <= set(found)


# --- cursors and selections -----------------------------------------------------------------------


@given(st.integers(-(2**62), 2**62), st.none() | st.text(), st.integers(0, 2**62))
def test_a_cursor_is_read_as_it_was_written(at: int, event_id: str | None, number: int) -> None:
    assert decoded(encoded((at, event_id, number))) == (at, event_id, number)


@given(st.text())
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(QuestionError):
        decoded(cursor)


@pytest.mark.parametrize("place", [[1, "x"], [True, "x", 1], ["1", "x", 1], [1, {}, 1], []])
def test_a_cursor_of_another_shape_is_refused(place: list[int | str | None]) -> None:
    with pytest.raises(QuestionError):
        decoded(encoded(place))


def test_a_time_range_is_in_order_and_in_utc() -> None:
    there = datetime(2026, 3, 2, 10, 0, tzinfo=timezone(timedelta(hours=2)))
    assert within(Selection(), there, None).start == datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    with pytest.raises(QuestionError, match="ends before"):
        within(Selection(), there, there - timedelta(seconds=1))


def test_times_end_with_the_calendar() -> None:
    west = timezone(timedelta(hours=-2))
    assert shifted(datetime(1, 1, 1, tzinfo=UTC), -timedelta(days=1)).year == 1
    assert shifted(datetime(9999, 12, 31, 23, tzinfo=west), timedelta()).year == 9999


def test_a_principal_is_named_in_one_way() -> None:
    with pytest.raises(ValueError, match="one way"):
        PrincipalName(arn="a", name="b")
    with pytest.raises(ValueError, match="one way"):
        PrincipalName()
    fields = {match.field for match in by_principal(PrincipalName(name="x")).every[0]}
    assert fields == {
        "enriched.origin.name",
        "userIdentity.userName",
        "userIdentity.sessionContext.sessionIssuer.userName",
    }


# --- timeline -------------------------------------------------------------------------------------


def test_a_line_has_what_timesketch_asks_for() -> None:
    source = {
        "eventID": "e-1",
        "eventTime": "2026-03-02T08:15:00Z",
        "eventName": "Create\u202eUser",
        "eventSource": "iam.amazonaws.com",
        "enriched": {
            "chain_text": "alice → Admin@prod",
            "origin": {"status": "resolved", "kind": "iam_user", "id": "AIDAX", "name": "alice"},
            "outcome": {"status": "denied"},
        },
    }
    written = line(FoundEvent("e-1:1", source))
    assert written.endswith(b"\n")
    found = codec.loads(written)
    assert found["message"] == (
        "alice → Admin@prod: Create\\u202eUser on iam.amazonaws.com (denied)"
    )
    assert found["datetime"] == "2026-03-02T08:15:00+00:00"
    assert found["timestamp_desc"] == "CloudTrail eventTime"
    assert (found["origin"], found["origin_kind"]) == ("alice", "iam_user")
    assert "error_code" not in found
