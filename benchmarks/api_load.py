"""Fills servers for ``benchmarks.api``: one organization's trail, enriched as workers do it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opensearchpy import OpenSearch

from enricher.cloudtrail.indexable import indexable
from enricher.cloudtrail.reading import InputLimits
from enricher.cloudtrail.record import Record
from enricher.enrichers.interface import Context
from enricher.enrichers.registry import built_in, enrich
from enricher.identity.evidence import EvidenceInMemory
from enricher.identity.extract import facts_of
from enricher.identity.resolve import Resolver
from enricher.pipeline.documents import Period, index_name, new_document
from enricher.stores import templates
from enricher.stores.opensearch import EVENTS, OpenSearchEventIndex
from tools.trailgen.generate import generate
from tools.trailgen.plan import load_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from enricher.pipeline.ports import Document

Json = dict[str, Any]

_PER_HOUR = 4_000  # events of the whole organization
_BATCH = 5_000
_BULK_BYTES = 10 * 1024 * 1024
_QUIET_SECONDS = 2
_COUNTED = {
    "accounts": "recipientAccountId",
    "origins": "enriched.origin.id",
    "sessions": "enriched.session.id",
    "access keys": "userIdentity.accessKeyId",
}


@dataclass(frozen=True)
class Loaded:
    """What is there to be asked for.

    Attributes:
        seconds: How long it took to generate, enrich and index; None where it was there before.
        counts: How many different ones there are of what.
        largest: How many events the largest one of each has.
        bytes: What the index takes on disk.
        segments: Of the index.
    """

    events: int
    seconds: float | None
    counts: dict[str, int]
    largest: dict[str, int]
    bytes: int
    segments: int


def load(url: str, events: int, accounts: int, seed: int) -> Loaded:
    """Install the templates and index that many events of some days of one organization."""
    began = time.monotonic()
    client = OpenSearch(url, timeout=120)
    templates.install(client, Period.MONTH, built_in())
    if client.count(index=EVENTS)["count"] >= events:
        return _described(client, None)
    hours = max(3, events // _PER_HOUR)
    plan = replace(load_plan(events, accounts), people=200, machines=60, hours=hours)
    records = generate(seed, plan).records
    print(f"{len(records):,} records of {hours} hours after {time.monotonic() - began:.0f} s")
    index = OpenSearchEventIndex(client, bulk_bytes=_BULK_BYTES)
    written = 0
    for documents in _documents(records):
        results = index.create(documents)
        refused = [one.reason for one in results if one.reason]
        if refused:
            raise SystemExit(f"{len(refused)} documents were refused: {refused[0]}")
        written += len(results)
        if written % (20 * _BATCH) == 0:
            print(f"{written:,} events after {time.monotonic() - began:.0f} s", flush=True)
    seconds = time.monotonic() - began
    client.indices.refresh(index=EVENTS)
    _wait_for_merges(client)
    found = _described(client, seconds)
    client.close()
    return found


def _documents(records: Sequence[Json]) -> Iterator[list[Document]]:
    """Give the documents that workers would write once all evidence is there."""
    resolver = Resolver(EvidenceInMemory(one for raw in records for one in facts_of(Record(raw))))
    limits, enrichers, now = InputLimits(), built_in(), datetime.now(tz=UTC)
    for batch in _batches(records):
        documents = []
        for raw in batch:
            record = Record(raw)
            context = Context(
                record=record, facts=facts_of(record), resolver=resolver, window_closed=True
            )
            documents.append(
                new_document(
                    document_id=record.document_id,
                    index=index_name(record.at, Period.MONTH),
                    body=indexable(raw, limits).body,
                    enriched=enrich(context, enrichers),
                    file="benchmark",
                    at=now,
                )
            )
        yield documents


def _batches(records: Sequence[Json]) -> Iterator[Sequence[Json]]:
    """Cut records into batches."""
    return (records[at : at + _BATCH] for at in range(0, len(records), _BATCH))


def _wait_for_merges(client: OpenSearch) -> None:
    """Wait until the node is done with what the load left it to do."""
    while True:
        time.sleep(_QUIET_SECONDS)
        merges = client.indices.stats(index=EVENTS, metric="merge")["_all"]["total"]["merges"]
        if not merges["current"]:
            return


def _described(client: OpenSearch, seconds: float | None) -> Loaded:
    aggregations: Json = {
        name: {"cardinality": {"field": field, "precision_threshold": 40_000}}
        for name, field in _COUNTED.items()
    }
    aggregations |= {
        f"largest {name}": {"terms": {"field": field, "size": 1}}
        for name, field in _COUNTED.items()
    }
    body = {"size": 0, "aggs": aggregations, "track_total_hits": True}
    answer = client.search(index=EVENTS, body=body)
    found = answer["aggregations"]
    stats = client.indices.stats(index=EVENTS, metric="store,segments")["_all"]["primaries"]
    return Loaded(
        events=answer["hits"]["total"]["value"],
        seconds=seconds,
        counts={name: found[name]["value"] for name in _COUNTED},
        largest={name: found[f"largest {name}"]["buckets"][0]["doc_count"] for name in _COUNTED},
        bytes=stats["store"]["size_in_bytes"],
        segments=stats["segments"]["count"],
    )
