"""How an event is spelled as a document, and which index it lives in (design §4)."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.cloudtrail.record import Record
from enricher.cloudtrail.times import format_time
from enricher.pipeline.ports import Document

if TYPE_CHECKING:
    from datetime import datetime

    from enricher.pipeline.ports import StoredEvent

EVENTS_PREFIX = "cloudtrail-events-"
# What says when and whence, not what: left out when two enrichments are compared.
VOLATILE = frozenset({"at", "file", "integrity", "revision"})


class Period(StrEnum):
    """How much time one events index holds."""

    DAY = "day"
    MONTH = "month"


def index_name(at: datetime, period: Period) -> str:
    """Give the index of an event: by ``eventTime`` alone, whoever delivers it."""
    return _index_name(at.year, at.month, None if period is Period.MONTH else at.day)


@lru_cache(maxsize=4_096)
def _index_name(year: int, month: int, day: int | None) -> str:
    stamp = f"{year:04}.{month:02}"
    return EVENTS_PREFIX + (stamp if day is None else f"{stamp}.{day:02}")


def new_document(  # noqa: PLR0913 - a document has that many parts
    *, document_id: str, index: str, body: bytes, enriched: dict[str, Any], file: str, at: datetime
) -> Document:
    """Join the record's JSON and its enrichment, without parsing the record again."""
    whole = {**enriched, "file": file, "at": format_time(at), "revision": 1}
    joined = b"".join((body[:-1], b',"enriched":', codec.dumps(whole), b"}"))
    return Document(id=document_id, index=index, body=joined)


def comparable(enriched: dict[str, Any]) -> dict[str, Any]:
    """Give an enrichment as it is compared: without when and whence."""
    return {name: value for name, value in enriched.items() if name not in VOLATILE}


def record_of(event: StoredEvent) -> Record:
    """Give the record behind a stored event: verbatim where its shape had to be changed."""
    raw = event.source.get("raw")
    if not isinstance(raw, dict):
        raw = {name: value for name, value in event.source.items() if name != "enriched"}
    return Record(raw, document_id=event.id)
