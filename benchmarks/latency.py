"""From a log file in the queue to its events in a search, at half the greatest rate."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.delivery import stats
from benchmarks.house import until
from enricher.benchmark.figures import Spread
from enricher.stores.opensearch import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.house import House
    from enricher.benchmark.material import Material

_MOST_FILES = 400
_MOST_SECONDS = 60
_POLL_SECONDS = 0.1


def measure_latency(
    house: House, material: Material, rate: float, workers: int
) -> dict[str, float]:
    """Queue files one by one at a rate, and see when each can be searched whole.

    Args:
        house: Where.
        material: The log files; as many of them are taken as a minute holds.
        rate: Records a second.
        workers: Processes of the worker.

    Returns:
        Seconds: p50, p95, p99, with the rate and how many files there were.
    """
    house.empty()
    services = house.services
    files = material.fresh("latency").files[:_MOST_FILES]
    with tempfile.TemporaryDirectory(prefix="enricher-bench-") as directory:
        found = type(material)(files)
        waiting = [
            (one.location, file.records)
            for one, file in zip(stats(found.write(Path(directory))), files, strict=True)
        ]
        with house.worker(workers):
            queued: dict[str, float] = {}
            seen: dict[str, float] = {}
            records = dict(waiting)
            for location in pace(waiting, rate, lambda: _look(house, records, queued, seen)):
                queued[location] = time.monotonic()
                services.queue.ingest([location], "latency")

            def all_seen() -> bool:
                _look(house, records, queued, seen)
                return len(seen) == len(queued)

            until(all_seen, "not every file can be searched", 2 * _MOST_SECONDS)
    took = sorted(seen[location] - queued[location] for location in queued)
    return {
        "files": float(len(took)),
        "rate": rate,
        "p50": Spread.of(took).median,
        "p95": took[int(len(took) * 0.95)],
        "p99": took[int(len(took) * 0.99)],
    }


def pace(files: Sequence[tuple[str, int]], rate: float, look: Callable[[], None]) -> Iterator[str]:
    """Give files, each with its number of records, so that records come at a rate; for a minute.

    Args:
        files: The files.
        rate: Records a second.
        look: Called again and again meanwhile.
    """
    began = time.monotonic()
    due = 0.0
    for location, count in files:
        while (now := time.monotonic() - began) < due:
            look()
            time.sleep(min(_POLL_SECONDS, max(0.0, due - now)))
        if now > _MOST_SECONDS:
            return
        yield location
        due += count / rate


def _look(
    house: House, records: dict[str, int], queued: dict[str, float], seen: dict[str, float]
) -> None:
    """Note which files can be searched whole by now; a search waits for no refresh."""
    body: dict[str, Any] = {
        "size": 0,
        "aggs": {"files": {"terms": {"field": "enriched.file", "size": _MOST_FILES}}},
    }
    answer = house.services.opensearch.search(
        index=EVENTS, body=body, params={"ignore_unavailable": "true"}
    )
    now = time.monotonic()
    for bucket in answer.get("aggregations", {}).get("files", {}).get("buckets", ()):
        location = bucket["key"]
        if location in queued and bucket["doc_count"] >= records[location]:
            seen.setdefault(location, now)
