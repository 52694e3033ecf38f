"""In-memory twins of the adapters: for tests, and for everything that needs no server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.cloudtrail.logfile import kind_of
from enricher.cloudtrail.times import parse_time
from enricher.errors import LogFileError
from enricher.identity.evidence import Loaded
from enricher.identity.facts import Naming, supersedes
from enricher.pipeline.dependence import depends
from enricher.pipeline.discover import ListedPage
from enricher.pipeline.ledger import FileStatus, digest_entry, promised_entry
from enricher.pipeline.locations import without_version
from enricher.pipeline.ports import (
    IngestedFile,
    LogFileStat,
    StoredEvent,
    WriteResult,
    Written,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from enricher.cloudtrail.digest import PublicKey, Span
    from enricher.identity.facts import Fact, Keyed
    from enricher.pipeline.discover import Selection
    from enricher.pipeline.ports import (
        DigestedFile,
        Document,
        OriginChange,
        QuarantineEntry,
    )


class MemoryEvidenceStore:
    """Facts, and the keys that somebody rests on, in dictionaries."""

    def __init__(self) -> None:
        self._facts: dict[str, dict[str, Fact]] = {}
        self._versions: dict[str, int] = {}
        self._unsent: dict[str, int] = {}
        self._rested_on: set[str] = set()

    def publish(self, keyed: Iterable[Keyed]) -> set[str]:
        woken: set[str] = set()
        for key, fact in keyed:
            known = self._facts.setdefault(key, {})
            old = known.get(fact.fact_id)
            if old is not None and not supersedes(fact, old):
                continue
            known[fact.fact_id] = fact
            self._versions[key] = self._versions.get(key, 0) + 1
            # An ARN seen earlier than before changes nothing where there is only one.
            quiet = old is not None and isinstance(fact, Naming) and len(known) == 1
            if key in self._rested_on and not quiet:
                woken.add(key)
                self._unsent[key] = self._versions[key]
        return woken

    def unsent(self) -> dict[str, int]:
        return dict(self._unsent)

    def sent(self, woken: Mapping[str, int]) -> None:
        for key, version in woken.items():
            if self._unsent.get(key) == version:
                del self._unsent[key]

    def read(self, keys: Sequence[str]) -> list[Loaded]:
        return [
            Loaded(key, self._versions.get(key, 0), tuple(self._facts.get(key, {}).values()))
            for key in keys
        ]

    def rest_on(self, keys: Sequence[str]) -> list[int]:
        self._rested_on.update(keys)
        return self.versions(keys)

    def versions(self, keys: Sequence[str]) -> list[int]:
        return [self._versions.get(key, 0) for key in keys]


class MemoryEventIndex:
    """Events, quarantine and ledger in dictionaries."""

    def __init__(self) -> None:
        self.events: dict[str, StoredEvent] = {}
        self.quarantine_entries: dict[str, QuarantineEntry] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.changes: dict[tuple[str, int], OriginChange] = {}

    def create(self, documents: Sequence[Document]) -> list[WriteResult]:
        results = []
        for document in documents:
            if document.id in self.events:
                results.append(WriteResult(Written.DUPLICATE))
                continue
            self.events[document.id] = StoredEvent(
                id=document.id,
                index=document.index,
                source=codec.loads(document.body),
                seq_no=0,
                primary_term=1,
            )
            results.append(WriteResult(Written.CREATED))
        return results

    def depending_on(self, keys: Sequence[str], event_ids: Sequence[str]) -> Iterator[StoredEvent]:
        proofs = set(event_ids)
        return iter([event for event in self.events.values() if depends(event, keys, proofs)])

    def pending(self, *, written_before: datetime | None = None) -> Iterator[StoredEvent]:
        return iter(
            [
                event
                for event in self.events.values()
                if event.source["enriched"].get("state") == "pending"
                and _written_before(event, written_before)
            ]
        )

    def not_enriched(self) -> Iterator[StoredEvent]:
        return iter([e for e in self.events.values() if "origin" not in e.source["enriched"]])

    def of_file(self, location: str) -> Iterator[StoredEvent]:
        events = self.events.values()
        return iter([e for e in events if e.source["enriched"].get("file") == location])

    def stored(self, documents: Sequence[Document]) -> Iterator[StoredEvent]:
        ids = [document.id for document in documents]
        return iter([self.events[_id] for _id in ids if _id in self.events])

    def every(self) -> Iterator[StoredEvent]:
        return iter(list(self.events.values()))

    def audit(self, changes: Sequence[OriginChange]) -> None:
        self.changes.update({(c.document_id, c.revision): c for c in changes})

    def rewrite(self, events: Sequence[StoredEvent]) -> list[bool]:
        written = []
        for event in events:
            current = self.events[event.id]
            if current.seq_no != event.seq_no:
                written.append(False)
                continue
            self.events[event.id] = replace(event, seq_no=event.seq_no + 1)
            written.append(True)
        return written

    def quarantine(self, entries: Sequence[QuarantineEntry]) -> None:
        self.quarantine_entries.update({entry.id: entry for entry in entries})

    def save_files(self, entries: Sequence[Mapping[str, Any]]) -> None:
        for entry in entries:
            self.files.setdefault(entry["location"], {}).update(entry)

    def file(self, location: str) -> dict[str, Any] | None:
        return self.files.get(location)

    def still_queued(self, before: datetime) -> Iterator[dict[str, Any]]:
        return iter(
            [
                entry
                for entry in self.files.values()
                if entry["status"] == FileStatus.QUEUED
                and (parse_time(entry["queued_at"]) or before) < before
            ]
        )

    def save_digests(self, files: Sequence[DigestedFile]) -> list[IngestedFile]:
        ingested = []
        for file in files:
            own = [one for one in self.files if without_version(one) == file.location]
            versions = [one for one in own if one != file.location]
            if versions and self.files.get(file.location, {}).get("status") == FileStatus.MISSING:
                del self.files[file.location]
            elif not own:
                self.files[file.location] = promised_entry(file)
            for one in own or [file.location]:
                entry = self.files.get(one)
                if entry is None:
                    continue
                entry["digest"] = digest_entry(file)
                if entry.get("status") != FileStatus.MISSING:
                    ingested.append(IngestedFile(one, file.location, entry.get("content_sha256")))
        return ingested

    def digests_of(self, locations: Sequence[str]) -> dict[str, str]:
        entries = {
            one: self.files.get(one, {}).get("digest")
            or self.files.get(without_version(one), {}).get("digest")
            for one in locations
        }
        return {one: digest["sha256"] for one, digest in entries.items() if digest}

    def adopt_digest(self, location: str) -> None:
        promised = self.files.get(without_version(location), {})
        versioned = without_version(location) != location
        if versioned and location in self.files and "digest" in promised:
            self.files[location]["digest"] = promised["digest"]
            if promised.get("status") == FileStatus.MISSING:
                del self.files[without_version(location)]

    def mark_integrity(self, locations: Sequence[str], integrity: str) -> int:
        marked = 0
        for event in list(self.events.values()):
            enriched = event.source["enriched"]
            if enriched.get("file") in locations and enriched.get("integrity") != integrity:
                source = {**event.source, "enriched": {**enriched, "integrity": integrity}}
                self.events[event.id] = replace(event, source=source, seq_no=event.seq_no + 1)
                marked += 1
        return marked


def _written_before(event: StoredEvent, instant: datetime | None) -> bool:
    at = parse_time(event.source["enriched"].get("at"))
    return instant is None or (at is not None and at < instant)


class MemoryLogFiles:
    """Log files held as bytes, by location, with what S3 would keep beside them."""

    def __init__(
        self, files: Mapping[str, bytes], metadata: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        self._files = dict(files)
        self._metadata = dict(metadata or {})

    def metadata(self, location: str) -> Mapping[str, str]:
        if location not in self._files:
            raise LogFileError("file-missing")
        return self._metadata.get(location, {})

    def list_log_files(
        self, location: str, selection: Selection, after: Callable[[str, str], str | None]
    ) -> Iterator[ListedPage]:
        del after  # there is nothing to resume
        below = sorted(one for one in self._files if one.startswith(location))
        for one in below:
            if kind_of(one) is selection.kind and selection.refusal(one) is None:
                yield ListedPage(logs=[LogFileStat(location=one)])

    def read(self, location: str) -> Iterator[bytes]:
        if location not in self._files:
            raise LogFileError("file-missing")
        yield self._files[location]


class MemoryPublicKeys:
    """Keys of all regions and times in one list."""

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self._keys = list(keys)

    def in_use(self, region: str, signed: Span) -> Sequence[PublicKey]:
        del region, signed  # more keys than needed do no harm
        return self._keys


class MemoryTaskQueue:
    """Work that was asked for, to be taken by hand."""

    def __init__(self) -> None:
        self.groups: list[tuple[list[str], str]] = []
        self.ahead: list[list[str]] = []
        self.keys: list[list[str]] = []
        self.raw_files: list[str] = []

    def ingest(self, locations: Sequence[str], run_id: str) -> None:
        self.groups.append((list(locations), run_id))

    def publish_ahead(self, locations: Sequence[str]) -> None:
        self.ahead.append(list(locations))

    def ingesting(self) -> int:
        return len(self.groups)

    @property
    def locations(self) -> list[tuple[str, str]]:
        return [(location, run_id) for group, run_id in self.groups for location in group]

    def enrich_again(self, keys: Sequence[str]) -> None:
        self.keys.append(list(keys))

    def enrich_file(self, location: str) -> None:
        self.raw_files.append(location)


class MemoryAttempts:
    """Beginnings in a dictionary."""

    def __init__(self) -> None:
        self.begun: dict[str, int] = {}

    def begin(self, locations: Sequence[str]) -> list[int]:
        for location in locations:
            self.begun[location] = self.begun.get(location, 0) + 1
        return [self.begun[location] for location in locations]

    def end(self, locations: Sequence[str]) -> None:
        for location in locations:
            self.begun.pop(location, None)


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(tz=UTC)
