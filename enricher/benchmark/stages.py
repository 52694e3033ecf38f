"""What each stage of the pipeline costs a processor, for each record, apart from all others.

The stages are those of ``enricher.pipeline.ingest``, run one after the other over the same
batches. What they cost together is less than what a worker costs: it also has a queue, a ledger
and a clock.
"""

from __future__ import annotations

import gc
import hashlib
import time
import zlib
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from enricher.benchmark.figures import Sample
from enricher.cloudtrail import codec
from enricher.cloudtrail.indexable import indexable
from enricher.cloudtrail.reading import InputLimits, inflate, parse_log_file
from enricher.cloudtrail.record import Record
from enricher.enrichers.interface import Context
from enricher.enrichers.registry import Answers
from enricher.identity.resolve import Resolver
from enricher.pipeline.batch import enrich_batch, state
from enricher.pipeline.documents import Period, index_name, new_document
from enricher.stores.memory import MemoryEvidenceStore
from enricher.stores.opensearch import create_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from enricher.benchmark.material import Material
    from enricher.enrichers.interface import Enricher
    from enricher.identity.evidence import EvidenceSnapshot, Loaded
    from enricher.pipeline.batch import Stated
    from enricher.pipeline.ports import EvidenceStore

BATCH_RECORDS = 2_000  # a task of small files holds up to 5,000
ENRICH, READ_EVIDENCE = "resolve and enrich", "read evidence"
APART = "of it, the enricher "
PLAIN = "gunzip, parse and bulk lines only"
_LIMITS = InputLimits()


@dataclass(slots=True)
class Stopwatch:
    """Adds up processor time by stage."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Time what is done in the block."""
        began = time.process_time()
        yield
        self.seconds[stage] += time.process_time() - began


def measure_stages(
    material: Material,
    enrichers: Sequence[Enricher],
    now: datetime,
    store: EvidenceStore | None = None,
) -> dict[str, Sample]:
    """Run every stage once over all records.

    Args:
        material: The log files.
        enrichers: Those that run, in order.
        now: What is written as the time of enrichment.
        store: Where evidence is kept; in memory by default, where it costs next to nothing.

    Returns:
        What each stage cost, in the order of the pipeline, and at the end, to compare with, what
        it costs to parse the records and write them as lines of bulk requests.
    """
    watch = Stopwatch()
    evidence = store or MemoryEvidenceStore()
    gc.collect()
    gc.freeze()  # what lives long is not looked through again and again, as in a worker
    for batch in _batches(material):
        _run(batch, enrichers, now, evidence, watch)
    for batch in _batches(material):
        with watch.timing(PLAIN):
            _plain(batch)
    gc.unfreeze()
    count = material.count
    return {
        stage: Sample(events=count, seconds=seconds, cpu_seconds={"ours": seconds})
        for stage, seconds in watch.seconds.items()
    }


def ours(stages: dict[str, Sample]) -> float:
    """Give what all stages cost together, in microseconds for each record."""
    return sum(
        sample.cpu_each
        for stage, sample in stages.items()
        if stage != PLAIN and not stage.startswith(APART)
    )


def _batches(material: Material) -> Iterator[list[bytes]]:
    """Group gzipped log files as tasks have them."""
    batch: list[bytes] = []
    count = 0
    for file in material.files:
        if batch and count + file.records > BATCH_RECORDS:
            yield batch
            batch, count = [], 0
        batch.append(zlib.compress(file.content, 6, wbits=31))
        count += file.records
    if batch:
        yield batch


def _run(
    batch: Sequence[bytes],
    enrichers: Sequence[Enricher],
    now: datetime,
    store: EvidenceStore,
    watch: Stopwatch,
) -> None:
    with watch.timing("gunzip"):
        contents = [b"".join(inflate([one], limit=_LIMITS.inflated_bytes)) for one in batch]
    with watch.timing("hash"):
        for content in contents:
            hashlib.sha256(content)
    with watch.timing("parse JSON"):
        raw = [one for content in contents for _, one in parse_log_file(content, _LIMITS).records]
    with watch.timing("read records"):
        records = [Record(one) for one in raw]
    with watch.timing("make indexable"):
        bodies = [indexable(one, _LIMITS) for one in raw]
    with watch.timing("facts"):
        stated = [state(record) for record in records]
    with watch.timing("publish facts"):
        store.publish(fact for one in stated for fact in one.facts)
    answers = _enrich(stated, enrichers, store, watch)
    with watch.timing("serialize"):
        documents = [
            new_document(
                document_id=record.document_id,
                index=index_name(record.at, Period.MONTH),
                body=body.body,
                enriched=answer,
                file="s3://trail/AWSLogs/file.json.gz",
                at=now,
            )
            for record, body, answer in zip(records, bodies, answers, strict=True)
        ]
    with watch.timing("bulk lines"):
        b"".join([create_lines(one) for one in documents])


def _enrich(
    stated: Sequence[Stated],
    enrichers: Sequence[Enricher],
    store: EvidenceStore,
    watch: Stopwatch,
) -> list[dict[str, object]]:
    """As ``enrich_batch`` does, with the enrichers and the evidence timed apart."""
    held = _TimedStore(store, watch)
    reading = watch.seconds[READ_EVIDENCE]
    began = time.process_time()
    answers, snapshot = enrich_batch(stated, held, enrichers)
    took = time.process_time() - began
    watch.seconds[ENRICH] += took - (watch.seconds[READ_EVIDENCE] - reading)
    _ask_each(stated, enrichers, snapshot, watch)
    return answers


def _ask_each(
    stated: Sequence[Stated],
    enrichers: Sequence[Enricher],
    snapshot: EvidenceSnapshot,
    watch: Stopwatch,
) -> None:
    """Ask each enricher once more, with all evidence at hand: its part of what was done before."""
    resolver = Resolver(snapshot)
    contexts = [
        Context(record=one.record, facts=one.facts, resolver=resolver, window_closed=False)
        for one in stated
    ]
    answers = Answers(contexts, [one.notes for one in stated])
    for enricher in enrichers:
        with watch.timing(APART + enricher.name):
            answers.ask(enricher)


class _TimedStore(MemoryEvidenceStore):
    """Times what is read of another store."""

    def __init__(self, store: EvidenceStore, watch: Stopwatch) -> None:
        super().__init__()
        self._store, self._watch = store, watch

    def read(self, keys: Sequence[str]) -> list[Loaded]:
        """Give what is known under each key."""
        with self._watch.timing(READ_EVIDENCE):
            return self._store.read(keys)


def _plain(batch: Sequence[bytes]) -> bytes:
    """Do the least that anybody has to who sends records to OpenSearch."""
    lines = []
    for one in batch:
        content = b"".join(inflate([one], limit=_LIMITS.inflated_bytes))
        for _, raw in parse_log_file(content, _LIMITS).records:
            lines.append(_plain_lines(raw))
    return b"".join(lines)


def _plain_lines(raw: dict[str, object]) -> bytes:
    action = codec.dumps({"create": {"_index": "events", "_id": raw.get("eventID")}})
    return action + b"\n" + codec.dumps(raw) + b"\n"
