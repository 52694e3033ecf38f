"""Where enough happened within a span, whatever instant it begins at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from enricher.alerts.rules import Threshold
from enricher.alerts.thresholds import Instant, Span, bursts

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
END = START + timedelta(hours=1)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def threshold(least: int, minutes: int = 10, field: str | None = None) -> Threshold:
    return Threshold(least=least, within=timedelta(minutes=minutes), field=field)


def test_a_burst_may_begin_before_the_window() -> None:
    instants = [Instant(at(-4), None), Instant(at(-2), None), Instant(at(3), None)]
    assert bursts(instants, threshold(3), START, END) == [Span(at(-4), at(3))]


def test_a_burst_that_ends_before_the_window_is_not_of_it() -> None:
    instants = [Instant(at(-4), None), Instant(at(-2), None), Instant(at(30), None)]
    assert bursts(instants, threshold(2), START, END) == []


def test_what_is_a_whole_span_apart_does_not_count_together() -> None:
    assert bursts([Instant(at(0), None), Instant(at(10), None)], threshold(2), START, END) == []


def test_distinct_values_are_counted_once() -> None:
    instants = [Instant(at(0), "a", 50), Instant(at(1), "a"), Instant(at(2), "b")]
    assert bursts(instants, threshold(2, field="f"), START, END) == [Span(at(0), at(2))]
    assert bursts(instants, threshold(3, field="f"), START, END) == []


@given(st.lists(st.tuples(st.integers(-15, 70), st.integers(1, 3)), max_size=25), st.integers(1, 6))
def test_an_event_is_in_a_burst_exactly_where_counting_by_hand_says_so(
    found: list[tuple[int, int]], least: int
) -> None:
    instants = sorted((Instant(at(minute), None, n) for minute, n in found), key=lambda i: i.at)
    limit = threshold(least)
    ends = [
        one.at
        for one in instants
        if START <= one.at < END
        and sum(i.count for i in instants if one.at - limit.within < i.at <= one.at) >= least
    ]
    spans = bursts(instants, limit, START, END)

    for one in instants:
        by_hand = any(end - limit.within < one.at <= end for end in ends)
        assert by_hand == any(span.start <= one.at <= span.end for span in spans)
