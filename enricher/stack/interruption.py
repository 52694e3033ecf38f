"""Ctrl-C and termination as exceptions, held back where an exception would lose a process."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """While entered, a signal that would end this process raises in the main thread.

    The default way to end on SIGTERM runs no ``finally``, and would leave servers behind. A handler
    that the application installed is called as before. In threads other than the main one, where
    Python delivers no signals, this does nothing.
    """

    def __init__(self, *, once: bool = False) -> None:
        """Prepare; nothing changes before it is entered.

        Args:
            once: Raise for the first signal only, so that impatience does not stop the cleanup.
        """
        self._once = once
        self._previous: dict[int, object] = {}
        self._held = 0
        self._pending: int | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # e.g. under nohup
                    self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._previous:
            number, handler = self._previous.popitem()
            signal.signal(number, handler)  # type: ignore[arg-type] # what signal() gave us

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold signals back in this block; raise at its end if one came."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if self._pending is not None and not self._held:
            number, self._pending = self._pending, None
            self._raise(number, None)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._held:
            self._pending = number
        else:
            self._raise(number, frame)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if self._once:
            self._held += 1
        handler = self._previous.get(number)
        if callable(handler):  # also Python's own for SIGINT, which raises KeyboardInterrupt
            handler(number, frame)
        else:
            raise SystemExit(128 + number)
