"""How often one caller may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.api import limits
from enricher.api.limits import RateLimit

if TYPE_CHECKING:
    import pytest


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_caller_may_ask_at_once_and_then_at_the_rate() -> None:
    clock = _Clock()
    limit = RateLimit(rate=2, burst=3, now=clock)
    assert [limit.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait("b") == 0
    clock.now += 0.5
    assert [limit.wait("a"), limit.wait("a")] == [0, 0.5]
    clock.now += 3_600
    assert [limit.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_callers_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_CALLERS", 2)
    limit = RateLimit(rate=1, burst=1, now=_Clock())
    assert [limit.wait(name) for name in ("a", "b", "c")] == [0, 0, 0]
    assert limit.wait("c") == 1
    assert limit.wait("a") == 0  # forgotten, as the one that was idle longest
