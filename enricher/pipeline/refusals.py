"""What is refused, and why: entries of the quarantine (design §6)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from enricher.cloudtrail import codec
from enricher.cloudtrail.indexable import redacted
from enricher.pipeline.ports import QuarantineEntry

if TYPE_CHECKING:
    from datetime import datetime

    from enricher.errors import RecordError
    from enricher.pipeline.ledger import FileReport

RECORD, FILE = "record", "file"
_VERBATIM_CHARS = 5_000_000


def refused_record(  # noqa: PLR0913 - one entry, all of its parts
    report: FileReport,
    error: RecordError,
    position: int,
    verbatim: object,
    *,
    at: datetime,
    detail: str | None = None,
) -> QuarantineEntry:
    """Give the entry of one record; the same place of the same file is one entry.

    Args:
        report: Of the file that holds it.
        error: Why it is refused.
        position: Its place in the file, 0-based.
        verbatim: The record as delivered; session tokens are taken out (rulings on secrets).
        at: Now.
        detail: Where in the document the index found fault.
    """
    event_id = verbatim.get("eventID") if isinstance(verbatim, dict) else None
    return QuarantineEntry(
        id=hashlib.sha256(f"{report.location}\n{position}".encode()).hexdigest(),
        what=RECORD,
        reason=error.reason,
        location=report.location,
        position=position,
        event_id=event_id if isinstance(event_id, str) else None,
        detail=detail,
        verbatim=_spelled(verbatim),
        at=at,
        run_id=report.run_id,
    )


def refused_file(report: FileReport, reason: str, *, at: datetime) -> QuarantineEntry:
    """Give the entry of a whole file, kept by reference: what is left of it stays where it is."""
    return QuarantineEntry(
        id=hashlib.sha256(report.location.encode()).hexdigest(),
        what=FILE,
        reason=reason,
        location=report.location,
        verbatim=None,
        at=at,
        run_id=report.run_id,
    )


def _spelled(value: object) -> str | None:
    """Spell a refused value as JSON; what the codec refuses stays in its file, by position."""
    try:
        text = codec.dumps(redacted(value)).decode()
    except (TypeError, ValueError, RecursionError):
        return None
    return text if len(text) <= _VERBATIM_CHARS else None
