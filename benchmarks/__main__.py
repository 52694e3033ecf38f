"""All measures in one run on one machine, side by side; writes RESULTS.md and results.json.

    python -m benchmarks [--only a,b,c,d,e,f] [--events N] [--repeat N] [--data DIRECTORY] [--out …]

It starts servers and workers of its own and removes them. Nobody else should be busy on the
machine; ratios within the run survive it, rates don't.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.delivery import DELIVERIES, ORDERED, deliver
from benchmarks.growth import measure_growth
from benchmarks.house import house
from benchmarks.judging import measure_rules
from benchmarks.latency import measure_latency
from benchmarks.report import Findings, write_report
from benchmarks.trails import trail
from enricher.benchmark.floors import Floors, Loading
from enricher.benchmark.material import prepare, read_material, repeated
from enricher.benchmark.stages import measure_stages
from tools.trailgen.plan import load_plan

if TYPE_CHECKING:
    import psutil

    from benchmarks.house import House
    from enricher.benchmark.material import Material

HERE = Path(__file__).parent
MEASURES = "abcdef"
_JUDGED_EVENTS = 80_000  # rules are judged every ten seconds, and that several times
_TRIED_EVENTS = 8_000  # with each way to send them
_STAGED_EVENTS = 30_000
_GROWN_EVENTS = 30_000  # of each row of each table


def main() -> None:
    """Measure what was asked for, and write it down."""
    asked = _parser().parse_args()
    chosen = {name.strip()[0] for name in asked.only.split(",")}
    material = (
        read_material([asked.data], asked.events)
        if asked.data
        else trail(load_plan(asked.events, asked.accounts))
    )
    findings = Findings(
        at=datetime.now(tz=UTC),
        events=material.count,
        files=len(material.files),
        repetitions=asked.repeat,
        source="log files of others" if asked.data else f"generated, {asked.accounts} accounts",
    )
    with house() as own:
        own.empty()
        if chosen & {"a", "b", "d"}:
            _measure(own, material, chosen, asked.repeat, asked.workers, findings)
            write_report(findings, asked.out)  # what is found is not lost with what comes after
        if "c" in chosen:
            longer = (
                repeated(material, _JUDGED_EVENTS)
                if asked.data
                else trail(load_plan(_JUDGED_EVENTS, asked.accounts))
            )
            findings.judging = measure_rules(
                own, longer, asked.workers, asked.repeat, findings.series
            )
            write_report(findings, asked.out)
        if "e" in chosen:
            rate = findings.series.rate("(b) ordered").median if "b" in chosen else asked.rate
            findings.latency = measure_latency(own, material, rate / 2, asked.workers)
            write_report(findings, asked.out)
        if "f" in chosen:
            events = min(asked.events, _GROWN_EVENTS)
            findings.growth = measure_growth(own, events, large=asked.large)
    write_report(findings, asked.out)


def _measure(  # noqa: PLR0913, PLR0917 - what, where, how often, by whom
    own: House,
    material: Material,
    chosen: set[str],
    repeat: int,
    workers: int,
    findings: Findings,
) -> None:
    """Measure floors, deliveries and stages in turn: what disturbs, disturbs all of them."""
    services = own.services
    meter = own.meter(ours=time.process_time)
    floors = Floors(services.opensearch, services.enrichers, meter, Loading(), findings.series, {})
    # The same each time: a floor's index is made anew, and removed.
    prepared = prepare(material, services.enrichers, findings.at) if "a" in chosen else None
    if prepared is not None:
        trial = prepare(material.first(_TRIED_EVENTS), services.enrichers, findings.at)
        floors.warm_up(trial)
        floors.find_best(trial)
    with own.worker(workers) as worker:
        if "b" in chosen:  # once without counting: workers, node and caches become warm
            deliver(own, material.fresh("warm"), ORDERED, seed=0)
        for number in range(repeat):
            if prepared is not None:
                floors.measure(prepared, weigh=number == 0)
            if "b" in chosen:
                _deliver_each(own, material, number, findings)
            if "d" in chosen:
                fresh = material.first(_STAGED_EVENTS).fresh(f"d{number}")
                for stage, sample in measure_stages(
                    fresh, services.enrichers, findings.at, services.store
                ).items():
                    findings.stages.add(stage, sample)
        findings.memory_bytes = _memory(worker)
    findings.loading, findings.bytes_each = floors.loading.shown(), floors.bytes_each


def _deliver_each(own: House, material: Material, number: int, findings: Findings) -> None:
    for name, order in DELIVERIES.items():
        own.empty()
        delivered = deliver(own, material.fresh(f"{name}{number}"), order, seed=number)
        findings.series.add(name, delivered.sample)
        findings.states[name] = {**delivered.states, "rewritten": delivered.rewritten}


def _memory(worker: psutil.Process) -> list[int]:
    """Give the resident memory of each of a worker's processes."""
    children = worker.children(recursive=True)
    return [one.memory_info().rss for one in (worker, *children)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default=",".join(MEASURES), help="letters of the measures")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="processes of the worker")
    parser.add_argument("--data", type=Path, help="log files of others, in place of generated ones")
    parser.add_argument("--rate", type=float, default=2_000.0, help="of (b), where only e is asked")
    parser.add_argument("--large", action="store_true", help="growth up to a million events")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for what was found")
    return parser


if __name__ == "__main__":
    main()
