"""Instants as whole seconds since the epoch, and the two ways in which CloudTrail writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

MINUTE = 60
HOUR = 3_600
DAY = 86_400


def instant(text: str) -> int:
    """Read an ISO 8601 time, e.g. ``2026-03-02T08:00:00Z``."""
    return int(datetime.fromisoformat(text).timestamp())


@lru_cache(maxsize=4_096)
def day_of(at: int) -> str:
    """Give the UTC date, e.g. ``2026-03-02``."""
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d")


@lru_cache(maxsize=4_096)
def stamp(at: int) -> str:
    """Write a time as ``eventTime`` and ``creationDate`` have it."""
    clock = at % DAY
    hour, rest = divmod(clock, HOUR)
    minute, second = divmod(rest, MINUTE)
    return f"{day_of(at - clock)}T{hour:02}:{minute:02}:{second:02}Z"


def display_stamp(at: int) -> str:
    """Write a time as ``expiration`` and ``createDate`` have it: ``Mar 2, 2026, 9:05:10 AM``."""
    moment = datetime.fromtimestamp(at, tz=UTC)
    hour = moment.hour % 12 or 12
    half = "PM" if moment.hour >= 12 else "AM"  # noqa: PLR2004 - noon
    month = moment.strftime("%b")
    return f"{month} {moment.day}, {moment.year}, {hour}:{moment:%M:%S} {half}"
