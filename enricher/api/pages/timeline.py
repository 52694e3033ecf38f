"""The events of some sessions as the timeline on the page draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.plain import plain
from enricher.cloudtrail.times import format_time
from enricher.response.sessions import events_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.response.models import Event
    from enricher.response.ports import EventReading, Selection

MOST = 5_000
_PAGE = 1_000


def points(selection: Selection, reading: EventReading) -> dict[str, Any]:
    """Give the first events, in order of time, each as little as a mark and its words need."""
    found = [_point(one) for one in _events(selection, reading)]
    total = reading.tally(selection, {}).total
    return {"total": total, "events": found}


def _events(selection: Selection, reading: EventReading) -> Iterator[Event]:
    cursor, left = None, MOST
    while left > 0:
        page = events_page(selection, min(_PAGE, left), cursor, reading)
        yield from page.events
        left -= len(page.events)
        cursor = page.next
        if cursor is None:
            return


def _point(one: Event) -> dict[str, Any]:
    return {
        "at": format_time(one.time) if one.time else None,
        "how": how(one),
        "call": plain(one.name or "?"),
        "service": plain(one.service or "?"),
        "account": plain(one.account_id or ""),
        "region": plain(one.region or ""),
        "from": plain(one.source_ip or ""),
        "error": plain(one.error_code or ""),
        "id": plain(one.event_id or ""),
    }


def how(one: Event) -> str:
    """Say as what an event is drawn: what was refused first, then whether it only read."""
    if one.outcome == "denied":
        return "denied"
    return "read" if one.action == "read" else "write"
