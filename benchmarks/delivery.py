"""Files through real workers: until every document is final, or when it can be searched."""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.house import until
from enricher.pipeline.intake import grouped
from enricher.pipeline.ports import LogFileStat
from enricher.stores.opensearch import EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.house import House
    from enricher.benchmark.figures import Sample
    from enricher.benchmark.material import Material

_QUIET_POLLS = 3
_MOST_SECONDS = 600
_RUN = "benchmark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """In which order files come.

    Attributes:
        shuffled: By chance; otherwise in the order of their events.
        late: Share of the files, by chance, that come after all others.
        evidence_first: Their facts are published before the first is ingested.
    """

    shuffled: bool = False
    late: float = 0.0
    evidence_first: bool = False

    def of(self, files: Sequence[LogFileStat], seed: int) -> list[LogFileStat]:
        """Give the files in this order."""
        rng = random.Random(seed)
        if self.shuffled:
            return rng.sample(files, len(files))
        held = {file.location for file in rng.sample(files, int(len(files) * self.late))}
        return sorted(files, key=lambda file: file.location in held)


ORDERED = Order()
DELIVERIES = {
    "(b) ordered": ORDERED,
    "(b) shuffled": Order(shuffled=True),
    "(b) shuffled, evidence first": Order(shuffled=True, evidence_first=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What became of one delivery.

    Attributes:
        states: Documents by their state when nothing was left to do.
        rewritten: Documents that were written more than once.
    """

    sample: Sample
    states: dict[str, int]
    rewritten: int


def deliver(house: House, material: Material, order: Order, seed: int) -> Delivered:
    """Queue all files, and measure until nothing is left to do and all of it can be searched.

    Raises:
        RuntimeError: If documents are missing at the end.
    """
    services = house.services
    with tempfile.TemporaryDirectory(prefix="enricher-bench-") as directory:
        files = stats(material.write(Path(directory)))
        before = _count(house)
        arriving = order.of(files, seed)
        if order.evidence_first:
            services.intake.publish_ahead(arriving)
        for group in grouped(arriving):
            services.queue.ingest([file.location for file in group], _RUN)
        # Queued beforehand would be begun at once: what is measured begins with the first task.
        meter = house.meter()
        with meter.taking(material.count) as taken:
            _settle(house)
            services.opensearch.indices.refresh(index=EVENTS)
    found = _count(house) - before
    if found != material.count:
        raise RuntimeError(f"{material.count} records were delivered, {found} documents are there")
    return Delivered(
        sample=taken.sample, states=services.index.states(), rewritten=_rewritten(house)
    )


def stats(paths: Sequence[Path]) -> list[LogFileStat]:
    """Say of files what a source would say."""
    return [
        LogFileStat(location=str(path), size_bytes=path.stat().st_size, etag=None) for path in paths
    ]


def _settle(house: House) -> None:
    """Wait until the queues have been empty a few times in a row: nothing follows any more."""
    quiet = 0

    def nothing_left() -> bool:
        nonlocal quiet
        quiet = quiet + 1 if house.services.queue.depth() == 0 else 0
        return quiet >= _QUIET_POLLS

    until(nothing_left, "the queue does not become empty", _MOST_SECONDS)


def _count(house: House) -> int:
    client = house.services.opensearch
    client.indices.refresh(index=EVENTS, params={"ignore_unavailable": "true"})
    found: dict[str, Any] = client.count(index=EVENTS, params={"ignore_unavailable": "true"})
    count: int = found["count"]
    return count


def _rewritten(house: House) -> int:
    body = {"query": {"range": {"enriched.revision": {"gt": 1}}}}
    found: int = house.services.opensearch.count(index=EVENTS, body=body)["count"]
    return found
