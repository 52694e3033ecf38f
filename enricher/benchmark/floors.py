"""The floor: how fast the cluster takes documents from a loop that has nothing else to do.

Indices of its own, with the mapping that events have, removed afterwards.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from enricher.benchmark.figures import Series
from enricher.cloudtrail import codec
from enricher.errors import ConfigurationError
from enricher.stores.opensearch_client import parts, translated
from enricher.stores.templates import EVENTS_TEMPLATE, joined, load_mappings, with_enrichers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opensearchpy import OpenSearch

    from enricher.benchmark.material import Prepared
    from enricher.benchmark.meter import Meter
    from enricher.enrichers.interface import Enricher

PREFIX = "enricher-bench-"
RAW, FINAL = "(a1) raw floor", "(a2) final floor"
_MEBIBYTE = 1 << 20
_WARMING_DOCUMENTS = 60_000  # of each kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How documents are sent.

    Attributes:
        bulk_bytes: Size of one request.
        senders: Requests at the same time.
        shards: Primary shards of the index.
    """

    bulk_bytes: int = 8 * _MEBIBYTE
    senders: int = 2
    shards: int = 1

    def shown(self) -> str:
        """Give it as people read it."""
        return (
            f"{self.bulk_bytes / _MEBIBYTE:g} MiB a request, {self.senders} at a time, "
            f"shards: {self.shards}"
        )


WAYS: tuple[Loading, ...] = tuple(
    Loading(bulk_bytes=size * _MEBIBYTE, senders=senders, shards=shards)
    for size in (2, 5, 10)
    for senders in (1, 2)
    for shards in (1, 2)
)
"""Among these the best one is looked for."""


@dataclass(slots=True)
class Floors:
    """Both floors, measured as often as they are asked for.

    Attributes:
        client: The cluster.
        enrichers: Those whose fields are mapped.
        meter: Who takes part.
        loading: How documents are sent.
        series: What was measured so far.
        bytes_each: Of each floor the bytes that an event takes in a merged index, once known.
    """

    client: OpenSearch
    enrichers: Sequence[Enricher]
    meter: Meter
    loading: Loading
    series: Series
    bytes_each: dict[str, float]

    def warm_up(self, prepared: Prepared) -> None:
        """Send documents that are not counted, until a node's compiler has done with its work.

        A node that has just started takes several times as long for a document.
        """
        for _ in range(_WARMING_DOCUMENTS // len(prepared.final) + 1):
            trial = Floors(self.client, self.enrichers, self.meter, self.loading, Series(), {})
            trial.measure(prepared)

    def find_best(self, prepared: Prepared) -> None:
        """Look for the way to send raw documents that is fastest here."""
        best = max(WAYS, key=lambda way: self._rate(prepared.raw, way))
        self.loading = best

    def measure(self, prepared: Prepared, *, weigh: bool = False) -> None:
        """Send both kinds of documents once, one after the other.

        Args:
            prepared: The documents.
            weigh: Whether to see afterwards how large the indices are; merging them takes a while.
        """
        for measure, documents in ((RAW, prepared.raw), (FINAL, prepared.final)):
            self._send(measure, documents, self.loading, weigh=weigh)

    def _rate(self, documents: Sequence[tuple[str, bytes]], way: Loading) -> float:
        trial = Floors(self.client, self.enrichers, self.meter, way, Series(), {})
        trial._send(RAW, documents, way, weigh=False)
        return trial.series.samples[RAW][0].rate

    def _send(
        self,
        measure: str,
        documents: Sequence[tuple[str, bytes]],
        way: Loading,
        *,
        weigh: bool,
    ) -> None:
        bodies = requests(documents, way.bulk_bytes)
        body = events_body(self.enrichers, way.shards)
        with index_of_own(self.client, "floor", body) as index:
            with self.meter.taking(len(documents)) as taken:
                load(self.client, index, bodies, way.senders)
            self.series.add(measure, taken.sample)
            if weigh:
                self.bytes_each[measure] = index_bytes(self.client, index) / len(documents)


def events_body(enrichers: Sequence[Enricher], shards: int | None = None) -> dict[str, Any]:
    """Give settings and mapping of an events index, as the templates compose it."""
    mappings = with_enrichers(load_mappings(), enrichers)
    composed = mappings.templates[EVENTS_TEMPLATE]["composed_of"]
    whole: dict[str, Any] = {}
    for name in composed:
        whole = joined(whole, mappings.components[name]["template"])
    if shards is not None:
        index = {**whole["settings"]["index"], "number_of_shards": shards}
        whole = {**whole, "settings": {"index": index}}
    return whole


@contextmanager
def index_of_own(client: OpenSearch, name: str, body: dict[str, Any]) -> Iterator[str]:
    """Have an index in a block, and none of it after.

    Raises:
        ConfigurationError: If there is one of that name: nothing of others is ever removed.
    """
    index = PREFIX + name
    with translated():
        if client.indices.exists(index=index):
            raise ConfigurationError(f"there is an index {index}: another run left it? Remove it")
        client.indices.create(index=index, body=body)
    try:
        yield index
    finally:
        with translated():
            client.indices.delete(index=index)


def requests(documents: Sequence[tuple[str, bytes]], bulk_bytes: int) -> list[bytes]:
    """Make the bodies of bulk requests, beforehand."""
    lines = [
        b"".join((codec.dumps({"create": {"_id": _id}}), b"\n", body, b"\n"))
        for _id, body in documents
    ]
    return [b"".join(lines[number] for number in part) for part in parts(lines, bulk_bytes)]


def load(client: OpenSearch, index: str, bodies: Sequence[bytes], senders: int) -> None:
    """Send the requests until all of them are acknowledged and can be searched.

    Raises:
        ConfigurationError: If a document was not taken.
    """

    def send(body: bytes) -> None:
        with translated():
            answer = client.bulk(body=body, index=index, params={"filter_path": "errors"})
        if answer["errors"]:
            raise ConfigurationError(
                "the cluster refused a document: is it overloaded, or does a pipeline stand "
                "before new indices?"
            )

    with ThreadPoolExecutor(senders) as pool:
        for _ in pool.map(send, bodies):
            pass
    with translated():
        client.indices.refresh(index=index)


def index_bytes(client: OpenSearch, index: str) -> int:
    """Give what an index takes on disk once its segments are merged, without replicas."""
    with translated():
        client.indices.forcemerge(index=index, params={"max_num_segments": "1"})
        # What the index itself says of its size may be ten seconds old; its segments say what is.
        client.indices.refresh(index=index)
        segments = client.cat.segments(index=index, params={"format": "json", "bytes": "b"})
    return sum(int(one["size"]) for one in segments if one["prirep"] == "p")
