"""(c) What alert rules cost at the full rate of ingestion, and how soon an alert is there.

The rules that come with the package, and more of the plainest kind: one call of one service by
somebody who is no AWS service, as most rules of others are. Nobody alerts on tags, on objects that
are written, or on code that is deployed; so no such rule is among them.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

import botocore.session

from benchmarks.delivery import ORDERED, deliver, stats
from benchmarks.house import until
from benchmarks.latency import pace
from enricher.alerts.alert import ALERTS_PREFIX
from enricher.alerts.catalogue import check, install
from enricher.alerts.evaluate import evaluate
from enricher.cloudtrail.times import parse_time
from enricher.stores.memory_alerts import MemoryProgress
from enricher.stores.opensearch import EVENTS
from enricher.stores.rule_files import read_rule_files, shipped_rules
from enricher.stores.task_queue import ALERTS_QUEUE, QUEUES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.house import House
    from enricher.alerts.rules import Rule
    from enricher.benchmark.figures import Series
    from enricher.benchmark.material import Material

RULES = 500
WITHOUT, WITH = "(c) without rules", "(c) with rules"
_SERVICES = ("ec2", "s3", "kms", "lambda", "rds", "ecs", "sns", "sqs", "ssm", "glue", "logs")
_CHANGING = ("Create", "Delete", "Put", "Update", "Modify", "Attach")
_WARMING, _AT_ONCE = 40, 1_000  # runs of rules, and new events before each
_BEFORE = 20_000  # events that come first and are not counted
_ROUTINE = ("Tag", "Object", "FunctionCode", "LogEvents", "LogStream")
_MOST_ALERTS = 10_000
_MOST_EVENTS = 1_000  # of one query
_ALERTS = f"{ALERTS_PREFIX}*"
_OF_NONE = {"ignore_unavailable": "true", "allow_no_indices": "true"}


def measure_rules(
    house: House, material: Material, workers: int, repeat: int, series: Series
) -> dict[str, float]:
    """Deliver with rules and without, in turn; then see how long alerts take at half that rate.

    One worker judges and does nothing else, as the documents advise: no run waits behind files.

    Before each measurement, some of the trail is delivered that is not counted: the rules have run
    and know who does what, as they do wherever they were not installed a minute ago.

    Returns:
        How many rules were judged by and alerts raised, and seconds from an event being final to
        its alert: p50, p95, the longest.
    """
    others = [name for name in QUEUES if name != ALERTS_QUEUE]
    with house.worker(workers, others), house.worker(1, [ALERTS_QUEUE]), house.beat():
        _warm_up(house, material.fresh("warm"))
        for number in range(repeat):
            for name in (WITHOUT, WITH) if number % 2 else (WITH, WITHOUT):
                fresh = material.fresh(f"{name}{number}")
                _begin(house, fresh, rules=name == WITH)
                measured = deliver(house, fresh.rest(_BEFORE), ORDERED, seed=0)
                series.add(name, measured.sample)
        rate = series.rate(WITH).median / 2
        return _measure_delay(house, material.fresh("alerts"), rate)


def _begin(house: House, material: Material, *, rules: bool) -> None:
    """Deliver what came before, and let the rules judge it."""
    house.empty()
    if rules:
        install_rules(house)
    deliver(house, material.first(_BEFORE), ORDERED, seed=0)
    if rules:
        evaluating = house.services.evaluating
        until(lambda: evaluate(evaluating).ran, "rules are being judged by another for too long")


def _warm_up(house: House, material: Material) -> None:
    """Have everything judged anew, again and again, by rules that each process makes once.

    A node's compiler is at work for dozens of runs, each of which takes three times as long as
    later. Between them something is delivered, or they would be answered from a cache.
    """
    _begin(house, material, rules=True)
    left = material.rest(_BEFORE)
    for _ in range(_WARMING):
        deliver(house, left.first(_AT_ONCE), ORDERED, seed=0)
        left = left.rest(_AT_ONCE)
        evaluate(replace(house.services.evaluating, progress=MemoryProgress()))


def install_rules(house: House) -> None:
    """Install as many rules as are measured with."""
    services = house.services
    own = _own_rules(house)
    wanted = RULES - len(own)
    more = check(dict(islice(_plain_rules(), wanted)), services.event_fields)
    if more.refusals or len(more.rules) != wanted:
        raise RuntimeError(f"rules are refused: {more.refusals}")
    install([*own, *more.rules], services.rules, datetime.now(tz=UTC))
    services.opensearch.indices.refresh(index="cloudtrail-rules", params=_OF_NONE)


def _own_rules(house: House) -> list[tuple[Rule, str, str]]:
    """Give the rules that come with the package, each with its text and the name of its file."""
    own = check(read_rule_files(shipped_rules()), house.services.event_fields)
    if own.refusals:
        raise RuntimeError(f"rules are refused: {own.refusals}")
    return own.rules


def _plain_rules() -> Iterator[tuple[str, str]]:
    """Give rule files, by name, of calls that change something."""
    session = botocore.session.get_session()
    for service in _SERVICES:
        for call in session.get_service_model(service).operation_names:
            if call.startswith(_CHANGING) and not any(word in call for word in _ROUTINE):
                yield f"{service}/{call}.yml", _rule(f"{service}.amazonaws.com", call)


def _rule(source: str, call: str) -> str:
    return f"""
title: {call} was called
id: {uuid5(NAMESPACE_URL, f"{source}/{call}")}
status: test
logsource: {{product: aws, service: cloudtrail}}
detection:
  selection: {{eventSource: {source}, eventName: {call}}}
  service: {{enriched.origin.kind: aws_service}}
  condition: selection and not service
level: low
"""


# --- from an event to its alert -------------------------------------------------------------------


def _measure_delay(house: House, material: Material, rate: float) -> dict[str, float]:
    _begin(house, material, rules=True)
    own = len(_own_rules(house))
    before: dict[str, _SeenAlert] = {}
    _look(house, before)
    seen = {**before}
    material = material.rest(_BEFORE)
    with TemporaryDirectory(prefix="enricher-bench-") as directory:
        paths = stats(material.write(Path(directory)))
        files = zip((one.location for one in paths), material.files, strict=True)
        waiting = [(location, file.records) for location, file in files]
        for location in pace(waiting, rate, lambda: _look(house, seen)):
            house.services.queue.ingest([location], "alerts")
        until(lambda: house.services.queue.depth() == 0, "the queue does not become empty", 120)
        end = time.monotonic() + 30  # two runs more, and one that was late
        while time.monotonic() < end:
            _look(house, seen)
    seen = {alert_id: one for alert_id, one in seen.items() if alert_id not in before}
    final = _final(house, sorted({*chain.from_iterable(one.event_ids for one in seen.values())}))
    counted = _counted(house)
    took = sorted(
        # Of a threshold, the event that reached it; of any other rule, the first.
        one.at - (max(times) if one.rule_id in counted else min(times))
        for one in seen.values()
        if (times := [final[event_id] for event_id in one.event_ids if event_id in final])
    )
    return {
        "rules": float(RULES),
        "own": float(own),
        "alerts": float(len(took)),
        "rate": rate,
        "interval": house.services.settings.alerts.interval.total_seconds(),
        "p50": took[len(took) // 2],
        "p95": took[int(len(took) * 0.95)],
        "longest": took[-1],
    }


class _SeenAlert(NamedTuple):
    """An alert when it was seen first."""

    at: float
    rule_id: str
    event_ids: list[str]


def _counted(house: House) -> frozenset[str]:
    """Give the rules that count events up to a threshold."""
    return frozenset(rule.id for rule, *_ in _own_rules(house) if rule.threshold is not None)


def _look(house: House, seen: dict[str, _SeenAlert]) -> None:
    """Note which alerts can be found by now, and the events that they were raised by."""
    client = house.services.opensearch
    client.indices.refresh(index=_ALERTS, params=_OF_NONE)
    body: dict[str, Any] = {
        "size": _MOST_ALERTS,
        "query": {"bool": {"must_not": {"terms": {"id": [*seen]}}}},
        "_source": ["event_ids", "rule.id"],
    }
    answer = client.search(index=_ALERTS, body=body, params=_OF_NONE)
    now = time.time()
    for hit in answer["hits"]["hits"]:
        found = hit["_source"]
        seen[hit["_id"]] = _SeenAlert(now, found["rule"]["id"], found["event_ids"])


def _final(house: House, event_ids: list[str]) -> dict[str, float]:
    """Say when events became final; those that were written again since are left out."""
    found: dict[str, float] = {}
    for start in range(0, len(event_ids), _MOST_EVENTS):
        part = event_ids[start : start + _MOST_EVENTS]
        filters = [{"terms": {"eventID": part}}, {"term": {"enriched.revision": 1}}]
        body: dict[str, Any] = {
            "size": _MOST_ALERTS,
            "query": {"bool": {"filter": filters}},
            "_source": ["eventID", "enriched.at"],
        }
        for hit in house.services.opensearch.search(index=EVENTS, body=body)["hits"]["hits"]:
            at = parse_time(hit["_source"]["enriched"]["at"])
            if at is not None:
                found[hit["_source"]["eventID"]] = at.timestamp()
    return found
