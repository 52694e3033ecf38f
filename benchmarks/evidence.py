"""What evidence takes at the size of an organization: memory and processor time of Redis.

    python -m benchmarks.evidence [--accounts N] [--events N] [--slices N]

A generated trail, slice after slice under fresh ids, goes through a real Redis as a worker sends
it: facts are published, evidence is read, what is rested on is declared. OpenSearch takes no part.
What grows with the events grows alike from slice to slice, or this shows that it does not.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.house import house
from benchmarks.trails import trail
from enricher.cloudtrail.record import Record
from enricher.pipeline.batch import enrich_batch, look_once_more, publish, state
from tools.trailgen.plan import load_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.house import House
    from enricher.benchmark.material import Material

_BATCH = 2_000  # records; a task of small files holds up to 5,000
_FACTS = "enricher:facts:"
_MEBIBYTE = 1 << 20


@dataclass(slots=True)
class CountedQueue:
    """Counts keys whose events would be enriched again."""

    woken: Counter[str] = field(default_factory=Counter)

    def enrich_again(self, keys: Sequence[str]) -> None:
        """Count them by kind."""
        self.woken.update(key.partition("/")[0] for key in keys)


def main() -> None:
    """Fill Redis, and print what it took, as a table."""
    asked = _parser().parse_args()
    usual = trail(load_plan(asked.events, asked.accounts))
    with house() as own:
        own.empty()
        queue = CountedQueue()
        print(f"{asked.accounts:,} accounts, {usual.count:,} events a slice")
        print("| events | MiB | bytes/event | keys with facts | Redis CPU µs/event | woken keys |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: |")
        empty = _used(own)
        for number in range(1, asked.slices + 1):
            meter = own.meter()
            with meter.taking(usual.count) as taken:
                _send(own, usual.fresh(f"slice {number}"), queue)
            used, events = _used(own) - empty, number * usual.count
            row = (
                f"{events:,}",
                f"{used / _MEBIBYTE:,.1f}",
                f"{used / events:,.0f}",
                f"{sum(_keys(own).values()):,}",
                f"{taken.sample.cpu_of('redis'):.1f}",
                f"{queue.woken.total():,}",
            )
            print(f"| {' | '.join(row)} |")
        _print_kinds(own, number * usual.count)


def _send(own: House, material: Material, queue: CountedQueue) -> None:
    services = own.services
    for batch in _batches(material):
        stated = [state(record) for record in batch]
        publish(stated, services.store, queue)
        _, snapshot = enrich_batch(stated, services.store, services.enrichers)
        look_once_more(snapshot, services.store, queue)


def _batches(material: Material) -> Iterator[list[Record]]:
    batch: list[Record] = []
    for raw in material.records():
        batch.append(Record(raw))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _print_kinds(own: House, events: int) -> None:
    """Say how many keys there are of each kind, and what one takes."""
    print("\n| evidence | keys | of 1,000 events | bytes each, from a sample |")
    print("| --- | ---: | ---: | ---: |")
    for kind, count in _keys(own).most_common():
        share = 1_000 * count / events
        print(f"| `{kind}/` | {count:,} | {share:,.1f} | {_bytes(own, kind):,.0f} |")


def _keys(own: House) -> Counter[str]:
    names = own.services.redis.scan_iter(f"{_FACTS}*", count=10_000)
    return Counter(name.decode().split(":", 3)[3].partition("/")[0] for name in names)


def _bytes(own: House, kind: str, most: int = 200) -> float:
    """Give what keys of a kind take, their names included."""
    redis: Any = own.services.redis
    sizes: list[int] = []
    for name in redis.scan_iter(f"{_FACTS}*:{kind}/*", count=1_000):
        sizes.append(redis.memory_usage(name))
        if len(sizes) == most:
            break
    return sum(sizes) / len(sizes)


def _used(own: House) -> int:
    used: int = own.services.redis.info("memory")["used_memory"]
    return used


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=200_000, help="of one slice")
    parser.add_argument("--slices", type=int, default=3)
    return parser


if __name__ == "__main__":
    main()
