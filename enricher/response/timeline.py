"""Events as Timesketch imports them: one JSON object per line.

References:
    - Timesketch user guide, "Import from JSON and CSV": ``message``, ``datetime`` and
      ``timestamp_desc`` are mandatory, everything else is an attribute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from enricher.cloudtrail import codec
from enricher.cloudtrail.plain import plain
from enricher.response.events import event, who

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.response.ports import EventReading, FoundEvent, Selection

_PAGE = 1_000


class Timeline(NamedTuple):
    """Lines to be written, and how many events they stand for.

    Attributes:
        total: How many events there were when it was begun.
        given: How many lines there are at most.
    """

    total: int
    given: int
    lines: Iterator[bytes]


def timeline(selection: Selection, most: int, reading: EventReading) -> Timeline:
    """Give events in order of time, read page by page while they are written.

    Raises:
        UnavailableError: If the index does not answer; while lines are taken, too: what was
            written by then is not the whole.
    """
    total = reading.tally(selection, {}).total
    return Timeline(total, min(total, most), _lines(selection, most, reading))


def _lines(selection: Selection, most: int, reading: EventReading) -> Iterator[bytes]:
    after, left = None, most
    while left > 0:
        page = reading.page(selection, size=min(_PAGE, left), after=after)
        yield from (line(one) for one in page.events)
        left -= len(page.events)
        if page.after is None:
            return
        after = page.after


def line(found: FoundEvent) -> bytes:
    """Write one event, with its line end."""
    short, behind = event(found), who(found.source)
    origin = behind.origin
    attributes = {
        name: value
        for name, value in short.model_dump(mode="json").items()
        if value not in (None, []) and name != "time"
    }
    at = short.time.isoformat() if short.time else ""
    return (
        codec.dumps(
            {
                "message": _message(short.name, short.service, short.outcome, behind.chain_text),
                "datetime": at,
                "timestamp_desc": "CloudTrail eventTime",
                "data_type": "aws:cloudtrail:entry",
                **attributes,
                "origin": origin.name or origin.id if origin else None,
                "origin_kind": origin.kind if origin else None,
                "origin_status": origin.status if origin else None,
                "origin_confidence": origin.confidence if origin else None,
                "chain": behind.chain_text,
            }
        )
        + b"\n"
    )


def _message(name: str | None, service: str | None, outcome: str | None, chain: str | None) -> str:
    """Say in a line what was done; this one is read by people, so nothing invisible is in it."""
    how = f" ({outcome})" if outcome not in (None, "success") else ""
    return plain(f"{chain or 'somebody'}: {name or '?'} on {service or '?'}{how}")
