"""Where a page ended, as text that a caller hands back; it names a place, never a query."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

from enricher.cloudtrail import codec
from enricher.response.errors import QuestionError

if TYPE_CHECKING:
    from collections.abc import Sequence

_FAULT = "the cursor is not what an earlier page said: begin without one"


def encoded(place: Sequence[int | str | None]) -> str:
    """Write a place down."""
    return urlsafe_b64encode(codec.dumps(list(place))).rstrip(b"=").decode()


def decoded(cursor: str) -> tuple[int | str | None, ...]:
    """Read a place.

    Raises:
        QuestionError: If the text is none.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        place = codec.loads(urlsafe_b64decode(padded))
    except (UnicodeEncodeError, binascii.Error, codec.JSONDecodeError) as err:
        raise QuestionError(_FAULT) from err
    match place:
        case [int() as at, (str() | None) as event_id, int() as number] if _whole(at, number):
            return (at, event_id, number)
    raise QuestionError(_FAULT)


def _whole(*numbers: int) -> bool:
    return all(not isinstance(one, bool) and abs(one) < 1 << 63 for one in numbers)
