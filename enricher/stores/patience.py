"""How a request is repeated: a few times, with growing pauses, then somebody else decides."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

OVERLOADED = frozenset({429, 502, 503, 504})
"""Statuses with which a server asks to try again."""
TRIES = 6
_FIRST_PAUSE_SECONDS = 0.25


def nobody() -> None:
    """Count nothing."""


def pause_before(attempt: int, on_repetition: Callable[[], None] = nobody) -> None:
    """Back off before a repetition: doubled each time, with jitter so that workers spread."""
    if attempt:
        on_repetition()
        longest = _FIRST_PAUSE_SECONDS * 2**attempt
        time.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - no secret
