"""How the cost of an event grows: workers, events there, accounts, chains, late evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks.delivery import ORDERED, Order, deliver
from benchmarks.house import until
from benchmarks.trails import trail
from enricher.benchmark.floors import Loading, load, requests
from enricher.benchmark.material import prepare
from enricher.cloudtrail.record import Record
from enricher.pipeline.documents import index_name
from enricher.stores.redis_evidence import WIRE_FORMAT
from tools.trailgen.plan import load_plan

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from benchmarks.delivery import Delivered
    from benchmarks.house import House
    from enricher.benchmark.material import Material

_LATE = (0.0, 0.1, 0.25, 0.5)
_WORKERS = (1, 2)
_ACCOUNTS = (10, 100, 1_000)
_DEPTHS = (1, 2, 4, 6)
_CREDENTIALS = f"facts:{WIRE_FORMAT}:issued/"

Row = dict[str, float]
Table = list[Row]


def measure_growth(house: House, events: int, *, large: bool) -> dict[str, Table]:
    """Make every table; each row is one delivery, after one that is not counted."""
    there = (10_000, 100_000, 1_000_000) if large else (10_000, 100_000)
    usual = trail(load_plan(events))
    tables: dict[str, Table] = {"processes of the worker": []}
    for processes in _WORKERS:
        with house.worker(processes):
            house.empty()
            deliver(house, usual.fresh("warm"), ORDERED, 0)
            house.empty()
            found = deliver(house, usual.fresh(f"{processes}"), ORDERED, 0)
            tables["processes of the worker"].append(_row(processes, found))
    with house.worker(_WORKERS[-1]):
        tables["events there already"] = []
        house.empty()
        filled = 0
        for wanted in there:
            filled = _fill(house, events, filled, wanted)
            found = deliver(house, trail(load_plan(events), seed=-wanted), ORDERED, 0)
            filled += usual.count
            tables["events there already"].append(_row(wanted, found))
        tables["share of files that come last"] = []
        for late in _LATE:
            house.empty()
            found = deliver(house, usual.fresh(f"late {late}"), Order(late=late), 1)
            tables["share of files that come last"].append(_row(late, found))
        tables["accounts"] = []
        for accounts in _ACCOUNTS:
            house.empty()
            found = deliver(house, trail(load_plan(events, accounts)), ORDERED, 0)
            tables["accounts"].append(_row(accounts, found))
        tables["longest chain"] = []
        for depth in _DEPTHS:
            house.empty()
            plan = replace(load_plan(events), chain_depth=depth, shares={"role_chain": 1})
            found = deliver(house, trail(plan), ORDERED, 0)
            tables["longest chain"].append(_row(depth, found))
    tables["evidence in Redis"] = [_redis(house, usual, events)]
    return tables


def _row(value: float, found: Delivered) -> Row:
    sample = found.sample
    return {
        "value": value,
        "events_per_second": sample.rate,
        "cpu_each": sample.cpu_each,
        "cpu_ours": sample.cpu_of("ours"),
        "cpu_node": sample.cpu_of("node"),
        "rewritten": found.rewritten / sample.events,
    }


def _fill(house: House, events: int, filled: int, wanted: int) -> int:
    """Put finished events into the index until there are so many, each time of other people.

    Copies of one trail would be no measure: all of them belong to the same credentials, and what is
    learned of one of these concerns every copy.
    """
    services = house.services
    way = Loading()
    while filled < wanted:
        others = trail(load_plan(min(events, wanted - filled)), seed=filled + 1)
        month = index_name(Record(next(others.records())).at, services.settings.opensearch.period)
        prepared = prepare(others, services.enrichers, datetime.now(tz=UTC))
        bodies = requests(prepared.final, way.bulk_bytes)
        load(services.opensearch, month, bodies, way.senders)
        filled += others.count
    # What is left to be merged would be counted with the events that come next.
    until(lambda: _merging(services.opensearch) == 0, "the node does not end its merges", 300)
    return filled


def _merging(client: OpenSearch) -> int:
    found = client.nodes.stats(metric="indices", index_metric="merge")
    return sum(int(node["indices"]["merges"]["current"]) for node in found["nodes"].values())


def _redis(house: House, material: Material, events: int) -> Row:
    """See what evidence takes: all memory that Redis has more, for each key that holds facts."""
    services = house.services
    house.empty()
    with house.worker(_WORKERS[-1]):
        before = services.redis.info("memory")["used_memory"]
        deliver(house, material.fresh("redis"), ORDERED, 0)
        after = services.redis.info("memory")["used_memory"]
    keys = {
        kind: sum(1 for _ in services.redis.scan_iter(f"enricher:{kind}*", count=10_000))
        for kind in (_CREDENTIALS, "facts:", "waiting:")
    }
    return {
        "value": events,
        "bytes": after - before,
        "keys_with_facts": keys["facts:"],
        "credentials": keys[_CREDENTIALS],
        "keys_waited_for": keys["waiting:"],
        "bytes_per_credential": (after - before) / max(keys[_CREDENTIALS], 1),
    }
