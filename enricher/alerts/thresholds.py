"""Where enough happened within a span of time, whatever instant the span begins at."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from enricher.alerts.rules import Threshold


@dataclass(frozen=True, slots=True)
class Instant:
    """Events of one second that are counted: when, with which value if those count, how many."""

    at: datetime
    value: str | None
    count: int = 1


class Span(NamedTuple):
    """A span of time, both ends inclusive."""

    start: datetime
    end: datetime


def bursts(
    instants: Iterable[Instant], threshold: Threshold, start: datetime, end: datetime
) -> list[Span]:
    """Find the spans in which a threshold is reached by an event of a window.

    The span of an event is the threshold's length of time that ends with it. A span counts where
    it holds enough and its event lies in the window; spans that touch or overlap are one.

    Args:
        instants: The events, in order of time, from one span's length before the window on.
        threshold: How much is enough.
        start: Beginning of the window, inclusive.
        end: End of the window, exclusive.
    """
    recent: deque[Instant] = deque()
    counts: Counter[str | None] = Counter()
    found: list[Span] = []
    for one in instants:
        if one.at >= end:
            break
        recent.append(one)
        counts[one.value] += one.count
        while recent[0].at <= one.at - threshold.within:
            gone = recent.popleft()
            counts[gone.value] -= gone.count
            if not counts[gone.value]:
                del counts[gone.value]
        reached = counts.total() if threshold.field is None else len(counts)
        if reached >= threshold.least and one.at >= start:
            _add(found, Span(recent[0].at, one.at))
    return found


def _add(found: list[Span], span: Span) -> None:
    if found and span.start <= found[-1].end:
        found[-1] = Span(min(found[-1].start, span.start), span.end)
    else:
        found.append(span)
