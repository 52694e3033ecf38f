"""Log files delivered in any order to use cases that run on in-memory adapters."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.cloudtrail.reading import InputLimits
from enricher.enrichers.registry import built_in
from enricher.errors import UnavailableError
from enricher.pipeline.documents import VOLATILE, Period
from enricher.pipeline.ingest import IngestServices, ingest_log_files, publish_ahead
from enricher.pipeline.offline import Explained, explain
from enricher.pipeline.ports import WriteResult, Written
from enricher.pipeline.reenrich import EnrichServices, enrich_again, enrich_file
from enricher.stores.memory import (
    MemoryAttempts,
    MemoryEventIndex,
    MemoryEvidenceStore,
    MemoryLogFiles,
    MemoryTaskQueue,
)
from tools.trailgen.generate import generate
from tools.trailgen.plan import small_plan

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping, Sequence

    from enricher.identity.facts import Keyed
    from enricher.pipeline.ledger import FileReport
    from enricher.pipeline.ports import Document, StoredEvent

SAMPLES = Path(__file__).parents[3] / "samples"
LIMITS = InputLimits()
NOW = datetime(2026, 3, 3, tzinfo=UTC)
RUN = "run-1"
SEEDS = (*range(8), 20)  # of generated trails
# What an open window says otherwise than a closed one.
OF_THE_WINDOW = VOLATILE | {"state", "waiting_for"}

Json = dict[str, Any]


class StoppedClock:
    """A clock that shows what it was set to."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        """Give the instant that was set."""
        return self.at


@dataclass(kw_only=True)
class Deliveries:
    """Use cases on in-memory adapters, and the log files that they read."""

    files: Mapping[str, bytes]
    index: MemoryEventIndex = field(default_factory=MemoryEventIndex)
    store: MemoryEvidenceStore = field(default_factory=MemoryEvidenceStore)
    queue: MemoryTaskQueue = field(default_factory=MemoryTaskQueue)
    attempts: MemoryAttempts = field(default_factory=MemoryAttempts)
    clock: StoppedClock = field(default_factory=StoppedClock)
    limits: InputLimits = LIMITS
    period: Period = Period.MONTH
    batch_records: int = 5_000
    enrich_at_ingest: bool = True

    def ingest(self, location: str, run_id: str = RUN) -> FileReport:
        """Ingest one of the files."""
        (report,) = self.ingest_together([location], run_id)
        return report

    def ingest_together(self, locations: Sequence[str], run_id: str = RUN) -> list[FileReport]:
        """Ingest several of the files as one task."""
        return ingest_log_files(locations, run_id, self.ingesting)

    def publish_ahead(self, locations: Sequence[str]) -> None:
        """Publish the facts of several of the files, and ingest none."""
        publish_ahead(locations, self.ingesting)

    @property
    def ingesting(self) -> IngestServices:
        """What ingesting needs."""
        return IngestServices(
            source=MemoryLogFiles(self.files),
            index=self.index,
            store=self.store,
            queue=self.queue,
            attempts=self.attempts,
            clock=self.clock,
            limits=self.limits,
            period=self.period,
            enrichers=built_in(),
            batch_records=self.batch_records,
            enrich_at_ingest=self.enrich_at_ingest,
        )

    def ingest_all(self) -> list[FileReport]:
        """Ingest every file, then do all work that follows."""
        reports = [self.ingest(location) for location in self.files]
        self.drain()
        return reports

    @property
    def enriching(self) -> EnrichServices:
        """What enriching again needs."""
        return EnrichServices(
            index=self.index,
            store=self.store,
            queue=self.queue,
            clock=self.clock,
            enrichers=built_in(),
            batch_records=self.batch_records,
        )

    def drain(self, rng: random.Random | None = None, most: int | None = None) -> None:
        """Do the work that is queued, in order or by chance, until there is no more or so much."""
        while (self.queue.keys or self.queue.raw_files) and most != 0:
            most = None if most is None else most - 1
            number = rng.randrange(len(self.queue.keys) + len(self.queue.raw_files)) if rng else 0
            if number < len(self.queue.keys):
                enrich_again(self.queue.keys.pop(number), self.enriching)
            else:
                enrich_file(self.queue.raw_files.pop(number - len(self.queue.keys)), self.enriching)

    def documents(self) -> dict[str, Json]:
        """Give every stored document by its id."""
        return {event.id: event.source for event in self.index.events.values()}

    def answers(self) -> dict[str, Json]:
        """Give what every document says once the window does not matter."""
        return {name: settled(source["enriched"]) for name, source in self.documents().items()}

    def explained(self) -> dict[str, Json]:
        """Give what the offline command says of the same files."""
        events = explain(
            self.files, MemoryLogFiles(self.files), self.limits, built_in(), Explained()
        )
        return {event.document_id: settled(dict(event.enriched)) for event in events}


class RefusingIndex(MemoryEventIndex):
    """An index that refuses documents which hold a word, as a strict mapping would."""

    def __init__(self, word: bytes) -> None:
        super().__init__()
        self.word = word

    def create(self, documents: Sequence[Document]) -> list[WriteResult]:
        """Take the documents without the word."""
        fitting = iter(super().create([d for d in documents if self.word not in d.body]))
        refused = WriteResult(Written.REFUSED, "mapper_parsing_exception", "field eventName")
        return [refused if self.word in d.body else next(fitting) for d in documents]


class AwayIndex(MemoryEventIndex):
    """An index that does not answer the first few times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def create(self, documents: Sequence[Document]) -> list[WriteResult]:
        """Take documents once the server is back."""
        if self.times > 0:
            self.times -= 1
            raise UnavailableError("away")
        return super().create(documents)


class AwayStore(MemoryEvidenceStore):
    """An evidence store that does not answer until it is back."""

    away = True

    def publish(self, keyed: Iterable[Keyed]) -> set[str]:
        """Take facts once the server is back."""
        if self.away:
            raise UnavailableError("away")
        return super().publish(keyed)


class ContestedIndex(MemoryEventIndex):
    """An index in which somebody else is faster, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def rewrite(self, events: Sequence[StoredEvent]) -> list[bool]:
        """Rewrite what nobody else has rewritten in the meantime."""
        if self.times > 0:
            self.times -= 1
            for event in events:
                current = self.events[event.id]
                self.events[event.id] = replace(current, seq_no=current.seq_no + 1)
        return super().rewrite(events)


def settled(enriched: Json) -> Json:
    """Give an enrichment as it is compared, without what a closed window changes."""
    kept = {name: value for name, value in enriched.items() if name not in OF_THE_WINDOW}
    session = {name: value for name, value in kept["session"].items() if name != "kind"}
    origin = {name: value for name, value in kept["origin"].items() if name != "missing"}
    return {**kept, "session": session, "origin": origin}


def log_file(records: Iterable[object]) -> bytes:
    """Give the bytes of a log file with these records."""
    return gzip.compress(codec.dumps({"Records": list(records)}), mtime=0)


def sample_files() -> dict[str, bytes]:
    """Give the project's samples, by path."""
    found = sorted((SAMPLES / "AWSLogs").rglob("*.json.gz"))
    return {str(path.relative_to(SAMPLES)): path.read_bytes() for path in found}


@cache
def trail_files(seed: int) -> dict[str, bytes]:
    """Give the log files of a generated trail."""
    trail = generate(seed, small_plan())
    return {path: log_file(records) for path, records in trail.files().items()}


@cache
def trail_records(seed: int) -> dict[str, bytes]:
    """Give the same trail with each record in a file of its own."""
    records = generate(seed, small_plan()).records
    return {f"{number}.json.gz": log_file([one]) for number, one in enumerate(records)}


def shuffled(names: Iterable[str], rng: random.Random) -> list[str]:
    """Give the names in another order."""
    order = list(names)
    rng.shuffle(order)
    return order


def differences(found: dict[str, Json], expected: dict[str, Json]) -> dict[str, object]:
    """Give what differs, small enough to read; the ids must be the same."""
    assert found.keys() == expected.keys()
    return {
        f"{name} {part}": (found[name].get(part), expected[name].get(part))
        for name in expected
        for part in sorted(expected[name].keys() | found[name].keys())
        if found[name].get(part) != expected[name].get(part)
    }
