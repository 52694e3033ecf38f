"""What each stage of the pipeline costs a processor, for each record, apart from all others.

The stages are those of ``enricher.pipeline.ingest``, run one after the other over the same
batches. What they cost together is less than what a worker costs: it also has a queue, a ledger
and a clock.
"""

from __future__ import annotations

import gc
import time
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from enricher.benchmark.figures import Sample
from enricher.cloudtrail.indexable import indexable
from enricher.cloudtrail.reading import InputLimits, inflate, parse_log_file
from enricher.cloudtrail.record import Record
from enricher.enrichers.interface import Context
from enricher.enrichers.registry import Answers
from enricher.identity.evidence import EvidenceSnapshot
from enricher.identity.resolve import Resolver
from enricher.pipeline.batch import state
from enricher.pipeline.documents import Period, index_name, new_document
from enricher.stores.memory import MemoryEvidenceStore
from enricher.stores.opensearch import create_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from enricher.benchmark.material import Material
    from enricher.enrichers.interface import Enricher
    from enricher.pipeline.batch import Stated
    from enricher.pipeline.ports import Document, EvidenceStore

BATCH_RECORDS = 2_000  # what a task of small files holds
PLAIN = "json and bulk lines only"
_LIMITS = InputLimits()
_Result = TypeVar("_Result")


@dataclass(slots=True)
class Stopwatch:
    """Adds up processor time by stage."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def time(self, stage: str, work: Callable[[], _Result]) -> _Result:
        """Do some work of a stage."""
        began = time.process_time()
        result = work()
        self.seconds[stage] += time.process_time() - began
        return result


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
        watch.time(PLAIN, lambda batch=batch: _plain(batch))  # type: ignore[misc] # it is called at once
    gc.unfreeze()
    count = material.count
    return {
        stage: Sample(events=count, seconds=seconds, cpu_seconds={"ours": seconds})
        for stage, seconds in watch.seconds.items()
    }


def ours(stages: dict[str, Sample]) -> float:
    """Give what all stages cost together, in microseconds for each record."""
    return sum(sample.cpu_each for stage, sample in stages.items() if stage != PLAIN)


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
    contents = watch.time(
        "gunzip",
        lambda: [b"".join(inflate([one], limit=_LIMITS.inflated_bytes)) for one in batch],
    )
    raw = watch.time(
        "parse JSON",
        lambda: [
            one for content in contents for _, one in parse_log_file(content, _LIMITS).records
        ],
    )
    records = watch.time("read records", lambda: [Record(one) for one in raw])
    bodies = watch.time("make indexable", lambda: [indexable(one, _LIMITS) for one in raw])
    stated = watch.time("facts", lambda: [state(record) for record in records])
    watch.time("publish facts", lambda: store.publish(fact for one in stated for fact in one.facts))
    answers = _enrich(stated, enrichers, store, watch)

    def documents() -> list[Document]:
        return [
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

    finished = watch.time("serialize", documents)
    watch.time("bulk lines", lambda: b"".join([create_lines(one) for one in finished]))


def _enrich(
    stated: Sequence[Stated],
    enrichers: Sequence[Enricher],
    store: EvidenceStore,
    watch: Stopwatch,
) -> list[dict[str, object]]:
    """As ``enrich_batch`` does, with the enrichers and the evidence timed apart."""
    snapshot = EvidenceSnapshot()
    resolver = Resolver(snapshot)
    contexts = [
        Context(record=one.record, facts=one.facts, resolver=resolver, window_closed=False)
        for one in stated
    ]
    answers = watch.time("join answers", lambda: Answers(contexts, [one.notes for one in stated]))
    for enricher in enrichers:
        stage = f"enricher {enricher.name}"

        def ask(enricher: Enricher = enricher, stage: str = stage) -> list[object]:
            return watch.time(stage, lambda: answers.ask(enricher, Resolver(snapshot)))  # type: ignore[return-value] # whatever it says

        found = ask()
        while snapshot.wanted:
            keys = sorted(snapshot.wanted)
            watch.time("read evidence", lambda keys=keys: snapshot.load(store.read(keys)))  # type: ignore[misc] # it is called at once
            found = ask()
        watch.time("join answers", lambda found=found: answers.take(found))  # type: ignore[misc] # it is called at once
    return watch.time("join answers", lambda: answers.end(enrichers))


def _plain(batch: Sequence[bytes]) -> bytes:
    """Do the least that anybody has to who sends records to OpenSearch."""
    lines = []
    for one in batch:
        content = b"".join(inflate([one], limit=_LIMITS.inflated_bytes))
        for _, raw in parse_log_file(content, _LIMITS).records:
            lines.append(_plain_lines(raw))
    return b"".join(lines)


def _plain_lines(raw: dict[str, object]) -> bytes:
    from enricher.cloudtrail import codec
    action = codec.dumps({"create": {"_index": "events", "_id": raw.get("eventID")}})
    return action + b"\n" + codec.dumps(raw) + b"\n"
