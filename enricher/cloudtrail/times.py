"""Every way in which CloudTrail, and the pipelines behind it, write an instant.

References:
    - identity.md §0.2, "Times": whole seconds, always UTC; CloudTrail User Guide, "CloudTrail
      record contents" (eventTime, creationDate).
"""

from __future__ import annotations

import re
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from functools import lru_cache

SECOND = timedelta(seconds=1)

_BASIC = re.compile(r"\d{8}T\d{6}Z")  # e.g. 20131102T010628Z, in old documents

_LOCALE = re.compile(  # e.g. "Sep 17, 2020 8:04:10 PM", since 2023 "Jul 10, 2023, 12:21:41 PM"
    r"(?P<month>[A-Z][a-z]{2}) (?P<day>\d{1,2}), (?P<year>\d{4}),? "
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2}):(?P<second>\d{2})[ \u00a0\u202f](?P<half>[AP])M"
)

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}

_LARGEST_EPOCH_SECONDS = 10_000_000_000  # beyond year 2286: the number counts milliseconds


def parse_time(value: object) -> datetime | None:
    """Read an instant as aware UTC in whole seconds; None where there is none to read.

    The first and the last year of the calendar are none: who means no time writes them, e.g.
    ``0001-01-01T00:00:00Z``, and nothing could be reckoned from them.
    """
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _parse_epoch(value)
    return None


@lru_cache(maxsize=65_536)
def format_time(at: datetime) -> str:
    """Write an instant as CloudTrail does, e.g. ``2020-09-17T19:04:10Z``."""
    return f"{at.isoformat()[:19]}Z"


def day_of(at: datetime) -> str:
    """Give the UTC date, e.g. ``2020-09-17``."""
    return _day(at.toordinal())


@lru_cache(maxsize=4_096)
def _day(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()


@lru_cache(maxsize=65_536)
def _parse_text(text: str) -> datetime | None:
    if match := _LOCALE.fullmatch(text):
        return _from_locale(match)
    if _BASIC.fullmatch(text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:11]}:{text[11:13]}:{text[13:]}"
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not MINYEAR < at.year < MAXYEAR:
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at.replace(microsecond=0)


def _from_locale(match: re.Match[str]) -> datetime | None:
    month = _MONTHS.get(match["month"])
    if month is None or not MINYEAR < int(match["year"]) < MAXYEAR:
        return None
    hour = int(match["hour"]) % 12 + (12 if match["half"] == "P" else 0)
    try:
        return datetime(
            int(match["year"]),
            month,
            int(match["day"]),
            hour,
            int(match["minute"]),
            int(match["second"]),
            tzinfo=UTC,
        )
    except ValueError:
        return None


def _parse_epoch(number: float) -> datetime | None:
    seconds = number / 1000 if abs(number) > _LARGEST_EPOCH_SECONDS else number
    try:
        at = datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=0)
    except (ValueError, OverflowError, OSError):
        return None
    return at if MINYEAR < at.year < MAXYEAR else None
