"""Signals: raised where that is safe, held back where a process would be lost."""

from __future__ import annotations

import signal
from threading import Thread

import pytest

from enricher.stack.interruption import Interruption


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["term", "hup"]
)
def test_a_signal_that_would_end_us_silently_raises(number: signal.Signals, status: int) -> None:
    with pytest.raises(SystemExit) as caught, Interruption():
        signal.raise_signal(number)
    assert caught.value.code == status


def test_ctrl_c_is_what_it_always_is() -> None:
    with pytest.raises(KeyboardInterrupt), Interruption():
        signal.raise_signal(signal.SIGINT)


def test_a_signal_is_held_until_the_block_is_done() -> None:
    done = False

    def body() -> None:
        nonlocal done
        with Interruption() as interruption, interruption.held():
            signal.raise_signal(signal.SIGTERM)
            done = True

    with pytest.raises(SystemExit):
        body()
    assert done


def test_the_handlers_are_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interruption():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_handler_of_the_application_is_called() -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        with Interruption():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_does_not_stop_the_cleanup() -> None:
    cleaned = False

    def body() -> None:
        nonlocal cleaned
        with Interruption(once=True):
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGTERM)
                cleaned = True

    with pytest.raises(SystemExit):
        body()
    assert cleaned


def test_one_inside_another_works() -> None:
    done = False

    def body() -> None:
        nonlocal done
        with Interruption(), Interruption(once=True) as inner, inner.held():
            signal.raise_signal(signal.SIGTERM)
            done = True

    with pytest.raises(SystemExit):
        body()
    assert done


def test_in_another_thread_it_does_nothing() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def body() -> None:
        with Interruption() as interruption, interruption.held():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [before]
