"""What was found, for people and for programs."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.delivery import DELIVERIES
from benchmarks.judging import WITH, WITHOUT
from enricher.benchmark.figures import Series
from enricher.benchmark.floors import FINAL, RAW
from enricher.benchmark.stages import APART, PLAIN
from enricher.cloudtrail import codec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from enricher.benchmark.figures import Spread

_COLUMNS = "| measure | events/s | CPU µs/event, all | node | ours | Redis |"


@dataclass(slots=True, kw_only=True)
class Findings:
    """All that one run found; what was not asked for is empty.

    Attributes:
        series: Floors and deliveries, interleaved.
        stages: Processor time of each stage.
        states: Of each delivery the documents by state, and how many were rewritten.
        bytes_each: Index bytes of an event, by floor.
        judging: How many rules and alerts there were, and seconds from an event to its alert.
        latency: Seconds from the queue to a search.
        growth: Rows by table.
        memory_bytes: Resident memory of the worker's processes.
        loading: How the floors were sent.
    """

    at: datetime
    events: int
    files: int
    repetitions: int
    source: str
    series: Series = field(default_factory=Series)
    stages: Series = field(default_factory=Series)
    states: dict[str, dict[str, int]] = field(default_factory=dict)
    bytes_each: dict[str, float] = field(default_factory=dict)
    judging: dict[str, float] = field(default_factory=dict)
    latency: dict[str, float] = field(default_factory=dict)
    growth: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    memory_bytes: list[int] = field(default_factory=list)
    loading: str = ""

    def ratios(self) -> dict[str, tuple[Spread, Spread]]:
        """Compare measures: by the clock on the wall, and by processor time."""
        pairs = [(FINAL, RAW), *((one, FINAL) for one in DELIVERIES), (WITH, WITHOUT)]
        return {
            f"{one} / {other}": (
                self.series.rates_compared(one, other),
                self.series.cpu_compared(one, other),
            )
            for one, other in pairs
            if one in self.series.samples and other in self.series.samples
        }

    def document(self) -> dict[str, Any]:
        """Give everything as JSON."""
        return {
            "at": self.at.isoformat(),
            "machine": _machine(),
            "events": self.events,
            "files": self.files,
            "repetitions": self.repetitions,
            "source": self.source,
            "floors_sent_as": self.loading,
            "measures": self.series.document(),
            "stages": self.stages.document(),
            "ratios": {
                name: {"by_clock": clock.document(), "by_cpu": cpu.document()}
                for name, (clock, cpu) in self.ratios().items()
            },
            "states": self.states,
            "index_bytes_per_event": self.bytes_each,
            "judging": self.judging,
            "latency_seconds": self.latency,
            "growth": self.growth,
            "worker_memory_bytes": self.memory_bytes,
        }


def write_report(findings: Findings, directory: Path) -> None:
    """Write ``RESULTS.md`` and ``results.json``."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_bytes(codec.pretty(findings.document()))
    (directory / "RESULTS.md").write_text("\n".join(_lines(findings)) + "\n", encoding="utf-8")


def _lines(found: Findings) -> Iterator[str]:
    machine = _machine()
    yield "# What was measured"
    yield ""
    yield (
        f"{found.at:%Y-%m-%d %H:%M} UTC, {machine['processors']} processors, "
        f"{machine['memory_gib']:.0f} GiB, Python {machine['python']}; load of the machine at the "
        f"end {machine['load']:.1f}. {found.events:,} events in {found.files:,} files "
        f"({found.source}), {found.repetitions} repetitions, interleaved. Medians, with the least "
        "and the most in brackets. Written by `make bench`."
    )
    yield ""
    yield "Rates are this machine's; the ratios are what to look at."
    if found.series.samples:
        yield from _measures(found)
    if found.stages.samples:
        yield from _stages(found.stages)
    if found.judging:
        yield from _judging(found.judging)
    if found.latency:
        yield from _latency(found.latency)
    for title, rows in found.growth.items():
        yield from _growth(title, rows)
    if found.memory_bytes:
        sizes = ", ".join(f"{size / (1 << 20):,.0f}" for size in found.memory_bytes)
        yield from ("", f"Resident memory of the worker, MiB, its main process first: {sizes}.")


def _measures(found: Findings) -> Iterator[str]:
    series = found.series
    yield from (
        "",
        "## Floors and deliveries",
        "",
        _COLUMNS,
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    )
    for name in series.samples:
        cpu = " | ".join(series.cpu_of(name, who).shown(1) for who in ("node", "ours", "redis"))
        rate, all_of_it = series.rate(name).shown(0), series.cpu_each(name).shown(1)
        yield f"| {name} | {rate} | {all_of_it} | {cpu} |"
    yield ""
    if found.bytes_each:
        yield f"The floors are sent as: {found.loading}."
    for name, states in found.states.items():
        said = ", ".join(f"{count:,} {state}" for state, count in states.items())
        yield f"After {name}: {said}."
    yield from ("", "| ratio | by the clock | by processor time |", "| --- | ---: | ---: |")
    for name, (clock, spent) in found.ratios().items():
        yield f"| {name} | {clock.shown()} | {spent.shown()} |"
    if found.bytes_each:
        raw, final = found.bytes_each[RAW], found.bytes_each[FINAL]
        yield ""
        yield (
            f"Index bytes of an event, merged: raw {raw:,.0f}, final {final:,.0f} "
            f"({final / raw:.2f} times as many)."
        )


def _stages(stages: Series) -> Iterator[str]:
    yield from (
        "",
        "## (d) Processor time of each stage",
        "",
        "| stage | µs/record |",
        "| --- | ---: |",
    )
    for stage in stages.samples:
        yield f"| {stage} | {stages.cpu_each(stage).shown(1)} |"
    total = sum(
        stages.cpu_each(stage).median
        for stage in stages.samples
        if stage != PLAIN and not stage.startswith(APART)
    )
    yield f"| **all stages** | {total:,.1f} |"


def _judging(judging: dict[str, float]) -> Iterator[str]:
    yield from ("", "## (c) Alert rules", "")
    yield (
        f"{judging['rules']:,.0f} rules, {judging['own']:,.0f} of them the package's own and the "
        f"others of one call each, judged every {judging['interval']:.0f} s. At "
        f"{judging['rate']:,.0f} records/s {judging['alerts']:,.0f} alerts; seconds from an event "
        f"being final to its alert: p50 {judging['p50']:.1f}, p95 {judging['p95']:.1f}, the "
        f"longest {judging['longest']:.1f}."
    )


def _latency(latency: dict[str, float]) -> Iterator[str]:
    yield from ("", "## (e) From the queue to a search", "")
    yield (
        f"{latency['files']:,.0f} files at {latency['rate']:,.0f} records/s, seconds: "
        f"p50 {latency['p50']:.2f}, p95 {latency['p95']:.2f}, p99 {latency['p99']:.2f}; the "
        "refresh interval of 5 s is part of it."
    )


def _growth(title: str, rows: list[dict[str, float]]) -> Iterator[str]:
    names = list(rows[0])
    yield from ("", f"## (f) Growth: {title}", "")
    yield f"| {' | '.join(name.replace('_', ' ') for name in names)} |"
    yield f"|{' ---: |' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(_number(row[name]) for name in names)} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:.3g}"


def _machine() -> dict[str, Any]:
    return {
        "processors": psutil.cpu_count(),
        "memory_gib": psutil.virtual_memory().total / (1 << 30),
        "python": platform.python_version(),
        "load": psutil.getloadavg()[0],
    }
