"""How fast records are parsed, stated as facts and resolved, on one core, evidence in memory.

    python -m benchmarks.resolve DIRECTORY [--rounds N]

Each stage is timed apart over all log files below a directory; medians of several rounds. Read
the ratios and the order of magnitude: machines differ, and are shared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.reading import InputLimits, inflate, parse_log_file
from enricher.cloudtrail.record import Record, read_event_time
from enricher.identity.event import resolve_record
from enricher.identity.evidence import EvidenceInMemory
from enricher.identity.extract import facts_of
from enricher.identity.resolve import Resolver
from enricher.stores.directory import DirectoryLogFiles, find_log_files

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Time the stages and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    contents = read(arguments.directory)
    timings: dict[str, list[float]] = {}
    count = 0
    for _ in range(arguments.rounds):
        count = run_once(contents, timings)
    print(f"{count} records, {len(contents)} files, medians of {arguments.rounds} rounds")
    for stage, seconds in timings.items():
        median = statistics.median(seconds)
        print(
            f"{stage:<22} {median / count * 1e6:8.2f} µs/record {count / median:12,.0f} records/s"
        )


def read(directory: Path) -> list[bytes]:
    """Read and gunzip every log file."""
    source, limit = DirectoryLogFiles(), InputLimits().inflated_bytes
    found = find_log_files([directory]).logs
    contents = [b"".join(inflate(source.read(location), limit=limit)) for location in found]
    return [content for content in contents if b'"eventTime"' in content]


def run_once(contents: list[bytes], timings: dict[str, list[float]]) -> int:
    """Run every stage once over all records."""

    def timed(stage: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever work gives
        started = time.perf_counter()
        result = work()
        timings.setdefault(stage, []).append(time.perf_counter() - started)
        return result

    limits = InputLimits()
    raw = timed(
        "parse JSON",
        lambda: [
            record
            for content in contents
            for _, record in parse_log_file(content, limits).records
            if read_event_time(record.get("eventTime")) is not None
        ],
    )
    records = timed("read records", lambda: [Record(one) for one in raw])
    stated = timed("facts", lambda: [facts_of(record) for record in records])
    evidence = timed(
        "publish (in memory)",
        lambda: EvidenceInMemory(keyed for facts in stated for keyed in facts),
    )

    def resolve() -> int:
        resolver = Resolver(evidence)
        for record, facts in zip(records, stated, strict=True):
            resolve_record(record, facts, resolver, window_closed=True)
        return len(records)

    timed("resolve", resolve)
    timings.setdefault("facts + resolve", []).append(
        timings["facts"][-1] + timings["publish (in memory)"][-1] + timings["resolve"][-1]
    )
    return len(records)


if __name__ == "__main__":
    main()
