"""The scheduler ends when it is told to."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from celery import Celery
from celery.beat import Scheduler

from enricher.workers.scheduler import StoppableBeat

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_LOOKS = 3


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


class _Told(Scheduler):
    """Is told to end while it looks at its schedule."""

    looks = 0

    def tick(self, *_: object) -> float:
        type(self).looks += 1
        if self.looks > _MOST_LOOKS:
            raise AssertionError("it goes on after it was told to end")
        self.told()
        return 0.01

    def told(self) -> None:
        signal.raise_signal(signal.SIGTERM)


class _ToldInVain(_Told):
    """Loses the exception, as a finalizer does."""

    def told(self) -> None:
        with suppress(SystemExit):
            super().told()


@pytest.mark.parametrize("scheduler", [_Told, _ToldInVain])
def test_it_ends_when_it_is_told_to(
    scheduler: type[_Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "looks", 0)
    beat = StoppableBeat(Celery(broker="memory://", set_as_current=False), loglevel="ERROR")
    monkeypatch.setattr(beat, "scheduler_cls", scheduler)
    monkeypatch.setattr(beat, "setup_logging", lambda: None)
    beat.start_scheduler()
    assert scheduler.looks == 1
