"""How fast each built-in enricher answers, on one core, evidence in memory.

    python -m benchmarks.enrichers DIRECTORY [--rounds N] [--hostile]

Each enricher is timed apart over all log files below a directory, then all of them together as an
event is enriched; medians of several rounds, of processor time, for machines are shared. With
``--hostile`` the time for messages and user agents made to hurt is shown beside: twice as long a
text should take twice the time.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.resolve import read
from enricher.cloudtrail.reading import InputLimits, parse_log_file
from enricher.cloudtrail.record import Record
from enricher.cloudtrail.useragent import hint_of, tool_of
from enricher.enrichers.denials import read_denial, refuses
from enricher.enrichers.geo import GeoEnricher
from enricher.enrichers.interface import Context
from enricher.enrichers.registry import Answers, built_in
from enricher.identity.evidence import EvidenceInMemory
from enricher.identity.extract import facts_of
from enricher.identity.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SIZES = (4_096, 8_192)
_HOSTILE = (
    "User: a is not authorized to perform: ",
    "is not authorized to perform: a:b on resource: ",
    "is not authorized to perform: a:b on resource: x because no no no identity ",
    "explicit deny in a aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ",
    "no identity-based policy allows",
    "authorization id: 00000000-0000-0000-0000-00000000000 ",
    "a.",
    " ",
)
_AGENTS = ("aws-sdk-", "console.a.", "Console ", "a.amazonaws.com", "exec-env/CloudShel", "a b ")


def main() -> None:
    """Time the enrichers and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--hostile", action="store_true")
    arguments = parser.parse_args()
    records = _records(arguments.directory)
    timings: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        run_once(records, timings)
    print(f"{len(records)} records, medians of {arguments.rounds} rounds")
    for name, seconds in timings.items():
        median = statistics.median(seconds)
        each, per_second = median / len(records) * 1e6, len(records) / median
        print(f"{name:<22} {each:8.2f} µs/record {per_second:12,.0f} records/s")
    if arguments.hostile:
        _time_hostile(arguments.rounds)


def _records(directory: Path) -> list[Record]:
    limits = InputLimits()
    return [
        Record(raw)
        for content in read(directory)
        for _, raw in parse_log_file(content, limits).records
        if isinstance(raw.get("eventTime"), str)
    ]


def run_once(records: Sequence[Record], timings: dict[str, list[float]]) -> None:
    """Ask each enricher about all records, then all of them."""
    stated = [facts_of(record) for record in records]
    evidence = EvidenceInMemory(keyed for facts in stated for keyed in facts)

    def contexts() -> list[Context]:
        resolver = Resolver(evidence)  # a fresh one: it remembers what it resolved
        return [
            Context(record=record, facts=facts, resolver=resolver, window_closed=True)
            for record, facts in zip(records, stated, strict=True)
        ]

    # What lives long is not looked through again and again, as in a worker.
    gc.collect()
    gc.freeze()
    enrichers = [one for one in built_in() if one.name != GeoEnricher.name]  # it needs a database
    for enricher in enrichers:
        asked = contexts()
        started = time.process_time()
        for context in asked:
            enricher.enrich(context)
        timings.setdefault(enricher.name, []).append(time.process_time() - started)
    asked = contexts()
    started = time.process_time()
    answers = Answers(asked, [()] * len(asked))
    for enricher in enrichers:
        answers.ask(enricher)
    answers.end(enrichers)
    timings.setdefault("all", []).append(time.process_time() - started)


def _time_hostile(rounds: int) -> None:
    sizes = " and ".join(f"{size:,}" for size in _SIZES)
    print(f"\nhostile messages and user agents of {sizes} characters")
    for kind, pieces, work in (
        ("message", _HOSTILE, _read_message),
        ("agent", _AGENTS, _read_agent),
    ):
        for piece in pieces:
            shown = [f"{_median(work, piece, size, rounds) * 1e3:8.3f} ms" for size in _SIZES]
            print(f"{kind:<8} {' '.join(shown)}  {piece!r} …")


def _median(work: Callable[[str], None], piece: str, size: int, rounds: int) -> float:
    text = (piece * (size // len(piece) + 1))[:size]
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        work(text)
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)


def _read_message(text: str) -> None:
    read_denial.cache_clear()
    refuses(text)
    read_denial(text)


def _read_agent(text: str) -> None:
    tool_of.cache_clear()
    hint_of.cache_clear()
    tool_of(text)
    hint_of(text)


if __name__ == "__main__":
    main()
