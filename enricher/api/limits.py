"""How much one caller may ask: a bucket of tokens each, in the memory of this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_CALLERS = 10_000


class RateLimit:
    """Token buckets by caller; the one that was idle longest is forgotten when there are too many.

    Args:
        rate: Tokens a second that a bucket gets.
        burst: Tokens that it holds at most.
        now: Seconds of a clock that only goes forward.
    """

    def __init__(self, rate: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._now = rate, float(burst), now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, caller: str) -> float:
        """Take a token; give the seconds until there is one, 0 where one was taken."""
        with self._lock:
            now = self._now()
            tokens, at = self._buckets.pop(caller, (self._burst, now))
            tokens = min(self._burst, tokens + (now - at) * self._rate)
            taken = tokens >= 1
            self._buckets[caller] = (tokens - 1 if taken else tokens, now)
            if len(self._buckets) > _MOST_CALLERS:
                self._buckets.popitem(last=False)
            return 0.0 if taken else (1 - tokens) / self._rate
