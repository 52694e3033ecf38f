"""Write what was read and enriched, and hold it against the evidence of that moment (design §5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from enricher.cloudtrail.indexable import Indexable
from enricher.cloudtrail.record import Record
from enricher.pipeline.batch import look_once_more
from enricher.pipeline.documents import index_name, new_document
from enricher.pipeline.ports import Written
from enricher.pipeline.reenrich import EnrichServices, enrich_stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enricher.identity.evidence import EvidenceSnapshot
    from enricher.pipeline.documents import Period
    from enricher.pipeline.ports import Document, WriteResult


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteServices(EnrichServices):
    """What writing needs beside what enriching needs.

    Attributes:
        period: How much time one index holds.
    """

    period: Period


class Readable(Struct, frozen=True):
    """A record that can be indexed, with its place.

    Attributes:
        location: The log file that delivers it.
        position: Its place in there, 0-based.
    """

    location: str
    position: int
    record: Record
    body: Indexable


def write(
    readable: Sequence[Readable],
    answers: Sequence[dict[str, Any]],
    snapshot: EvidenceSnapshot | None,
    services: WriteServices,
) -> list[WriteResult]:
    """Create the documents of these records; then look once more at what they rest on.

    Args:
        readable: The records, of any files.
        answers: What enrichment says of each.
        snapshot: The evidence that the answers rest on; None where they rest on none yet.
        services: Where everything is.

    Returns:
        What became of each document.

    Raises:
        UnavailableError: If a server does not answer; nothing is lost by calling again.
    """
    now = services.clock.now()
    documents = [
        new_document(
            document_id=one.record.document_id,
            index=index_name(one.record.at, services.period),
            body=one.body.body,
            enriched=answer,
            file=one.location,
            at=now,
        )
        for one, answer in zip(readable, answers, strict=True)
    ]
    results = services.index.create(documents)
    if snapshot is not None:
        _settle(documents, results, services)
        look_once_more(snapshot, services.store, services.queue)
    return results


def _settle(
    documents: Sequence[Document], results: Sequence[WriteResult], services: WriteServices
) -> None:
    """Bring documents that were there before up to the evidence of now.

    Whoever wrote one may have died before it looked once more, or may have written it raw.
    """
    there = [
        document
        for document, result in zip(documents, results, strict=True)
        if result.written is Written.DUPLICATE
    ]
    if there:
        enrich_stored(lambda: services.index.stored(there), services)
