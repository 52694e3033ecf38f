"""What the use cases need from the world. Each port has an in-memory twin in ``stores``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from enricher.identity.evidence import Loaded
    from enricher.identity.facts import Keyed


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFileStat:
    """What a source knows of a log file without reading it."""

    location: str
    size_bytes: int | None = None
    etag: str | None = None


class LogFileSource(Protocol):
    """Reads log files by location: a path, later also ``s3://bucket/key``."""

    def read(self, location: str) -> Iterator[bytes]:
        """Give the file's bytes in pieces.

        Raises:
            LogFileError: ``file-missing``, ``permission-denied``, ``file-unreadable``.
            UnavailableError: If the source does not answer; may be repeated.
        """
        ...


class Document(Struct, frozen=True, kw_only=True):
    """One event as it is written.

    Attributes:
        id: ``_id`` (rulings 20).
        index: Chosen by ``eventTime``, so that a record lives in one index whoever delivers it.
        body: The whole document as JSON.
    """

    id: str
    index: str
    body: bytes


class Written(StrEnum):
    """What became of one document."""

    CREATED = "created"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


class WriteResult(Struct, frozen=True):
    """What became of one document, and why it was refused.

    Attributes:
        reason: A slug, e.g. ``mapper_parsing_exception``; None unless refused.
        detail: Where in the document, without its values.
    """

    written: Written
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as it is found in the index, with what a safe rewrite needs."""

    id: str
    index: str
    source: dict[str, Any]
    seq_no: int
    primary_term: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineEntry:
    """Something that was refused, whole, with its reason.

    Attributes:
        attempts: How often it was taken up again, in vain.
    """

    id: str
    what: str
    reason: str
    location: str
    verbatim: str | None
    at: datetime
    position: int | None = None
    event_id: str | None = None
    document_id: str | None = None
    detail: str | None = None
    run_id: str | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginChange:
    """An event that is about to name another origin than before.

    Attributes:
        revision: The revision that names the new one.
    """

    document_id: str
    event_id: str | None
    revision: int
    at: datetime
    previous: Mapping[str, Any]
    current: Mapping[str, Any]


class Events(Protocol):
    """Events, their audit, and the quarantine of what could not become one."""

    def create(self, documents: Sequence[Document]) -> list[WriteResult]:
        """Write documents that are not there yet; those that are stay untouched.

        Returns:
            One result for each document, in order, all acknowledged.

        Raises:
            UnavailableError: If the cluster does not answer or is overloaded; nothing is lost by
                calling again with the same documents.
        """
        ...

    def depending_on(self, keys: Sequence[str], event_ids: Sequence[str]) -> Iterator[StoredEvent]:
        """Find the events whose answer may change with these evidence keys, freshly refreshed.

        Args:
            keys: Evidence keys that have new facts.
            event_ids: Records that state facts under these keys: events that rest on them.
        """
        ...

    def pending(self, *, written_before: datetime | None = None) -> Iterator[StoredEvent]:
        """Find the events that wait for evidence, freshly refreshed.

        Args:
            written_before: Only those whose enrichment was last written before this instant.
        """
        ...

    def not_enriched(self) -> Iterator[StoredEvent]:
        """Find the events that were written raw and not enriched yet, freshly refreshed."""
        ...

    def of_file(self, location: str) -> Iterator[StoredEvent]:
        """Find the events that a log file delivered first, freshly refreshed."""
        ...

    def stored(self, documents: Sequence[Document]) -> Iterator[StoredEvent]:
        """Give the events that are stored under the ids of these documents, as they are now."""
        ...

    def every(self) -> Iterator[StoredEvent]:
        """Give every event there is."""
        ...

    def audit(self, changes: Sequence[OriginChange]) -> None:
        """Keep what an event said before; the same change twice is one."""
        ...

    def rewrite(self, events: Sequence[StoredEvent]) -> list[bool]:
        """Write events again where nobody else did since they were read.

        Returns:
            For each event, in order, whether it was written; False where somebody else was faster.
        """
        ...

    def quarantine(self, entries: Sequence[QuarantineEntry]) -> None:
        """Keep what was refused; the same entry twice is one."""
        ...


class Ledger(Protocol):
    """What became of each log file."""

    def save_files(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Write entries by ``location``; fields that an entry does not name stay as they are."""
        ...

    def file(self, location: str) -> dict[str, Any] | None:
        """Give the ledger's entry of a log file."""
        ...

    def still_queued(self, before: datetime) -> Iterator[dict[str, Any]]:
        """Give the entries of files that were queued before this instant and have not ended."""
        ...


class DigestLedger(Protocol):
    """What digest files say of log files, kept beside what became of them."""

    def save_digests(self, files: Sequence[DigestedFile]) -> list[IngestedFile]:
        """Keep what valid digest files say; nothing else of a ledger's entry is touched.

        A file that was never ingested gets an entry with status ``missing``.

        Returns:
            Those of the files that were ingested, each version of them.
        """
        ...

    def digests_of(self, locations: Sequence[str]) -> dict[str, str]:
        """Give the hash that a valid digest file names, by location; without those of no digest.

        A location that names a version has what is known of the object.
        """
        ...

    def adopt_digest(self, location: str) -> None:
        """Move what is known of an object to the entry of its version, now that it is ingested."""
        ...

    def mark_integrity(self, locations: Sequence[str], integrity: str) -> int:
        """Set ``enriched.integrity`` of the events that these log files delivered.

        It never undoes another writer's change, and is not undone by one.

        Returns:
            How many events said otherwise before.

        Raises:
            UnavailableError: If others keep rewriting the same events; it may be repeated.
        """
        ...


class EventIndex(Events, Ledger, DigestLedger, Protocol):
    """Events, quarantine and ledger: all that is kept in OpenSearch."""


class DigestStatus(StrEnum):
    """What became of a log file that a valid digest file names, where it was delivered to."""

    VALID = "valid"
    CHANGED = "changed"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestedFile:
    """A log file that a valid digest file names.

    Attributes:
        location: Where it is, as it is ingested: a path, or ``s3://bucket/key``.
        sha256: Of its gunzipped content, as the digest file has it.
        status: What is there now.
        digest: Location of the digest file.
        verified_at: When that was seen, UTC.
    """

    location: str
    sha256: str
    status: DigestStatus
    digest: str
    verified_at: datetime


@dataclass(frozen=True, slots=True)
class IngestedFile:
    """A log file that was ingested, as the ledger has it.

    Attributes:
        location: The ledger's; for a version of an object it names the version.
        of: The same without the version: as digest files name it.
        content_sha256: Of the gunzipped content that was ingested; None where it was not noted.
    """

    location: str
    of: str
    content_sha256: str | None


class EvidenceStore(Protocol):
    """Facts by key, and on which somebody rests. A cache: it can be rebuilt from the index."""

    def publish(self, keyed: Iterable[Keyed]) -> set[str]:
        """Add facts, then say whom that may concern.

        Returns:
            The keys that got a new fact and that somebody rests on.
        """
        ...

    def unsent(self) -> dict[str, int]:
        """Give the keys that were woken and whose wake-up is not known to be sent.

        A wake-up is noted in the same step as the fact, so that no process can die between them.

        Returns:
            Key → the version that was woken for.
        """
        ...

    def sent(self, woken: Mapping[str, int]) -> None:
        """Note that these wake-ups were sent; one that was woken anew meanwhile stays unsent."""
        ...

    def read(self, keys: Sequence[str]) -> list[Loaded]:
        """Give what is known under each key, in order."""
        ...

    def rest_on(self, keys: Sequence[str]) -> list[int]:
        """Declare that somebody rests on what is known under these keys, be it nothing.

        Returns:
            Each key's version as of that very step: whatever is published later wakes.
        """
        ...

    def versions(self, keys: Sequence[str]) -> list[int]:
        """Give each key's version: 0 where nothing was ever published, growing with each change."""
        ...


class Wakeups(Protocol):
    """Where it goes that evidence has changed; at least once, in any order."""

    def enrich_again(self, keys: Sequence[str]) -> None:
        """Ask for the events that depend on these evidence keys to be resolved again."""
        ...


class TaskQueue(Wakeups, Protocol):
    """Where follow-up work goes; at least once, in any order."""

    def ingest(self, locations: Sequence[str], run_id: str) -> None:
        """Ask for log files to be ingested together, by one worker."""
        ...

    def publish_ahead(self, locations: Sequence[str]) -> None:
        """Ask for the facts of log files to be published, before the files are ingested."""
        ...

    def ingesting(self) -> int:
        """Give how many tasks of log files wait or are in hand."""
        ...

    def enrich_file(self, location: str) -> None:
        """Ask for what was written raw of a log file to be enriched."""
        ...


class Attempts(Protocol):
    """How often a log file was begun and not ended: it may kill its workers (design §6)."""

    def begin(self, locations: Sequence[str]) -> list[int]:
        """Note beginnings; give how many there were in a row of each, this one included."""
        ...

    def end(self, locations: Sequence[str]) -> None:
        """Note ends, good or bad, that the worker survived."""
        ...


class Clock(Protocol):
    """Time as the use cases see it."""

    def now(self) -> datetime:
        """Give the present instant, aware UTC."""
        ...
