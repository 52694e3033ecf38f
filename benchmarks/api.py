"""How fast the API answers each call that reads, over many events.

    python -m benchmarks.api [--events N] [--calls N] [--report [FILE]] [--data DIR]

Real servers and a real ``enricher api``, each a process of its own on this machine, are filled with
one organization's trail and asked over HTTP: each call many times, one after the other, each time
for another event, key, session, principal or address, drawn from the events at random, so that who
does much is asked for often. Prints a table, and writes it into the report. With ``--data`` the
events are kept there, and those that are there are asked again.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from benchmarks.api_load import load
from benchmarks.api_questions import QUESTIONS, drawn
from enricher.stack import Stack, StackSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.api_load import Loaded
    from benchmarks.api_questions import Asked

_REPORT = Path(__file__).with_name("api.md")
_WARM_UP = 5
_HEAP_BYTES = 1 << 30
_LIMIT_MS = 300
_PATIENCE_SECONDS = 120
_OPENSEARCH_PORT, _REDIS_PORT, _PORT = 19_300, 16_479, 18_480


@dataclass(frozen=True)
class Timed:
    """How long one call took, in milliseconds, each time that it was asked."""

    name: str
    each_ms: list[float]

    def quantile(self, part: float) -> float:
        """Give the time that this part of the answers was there within."""
        ordered = sorted(self.each_ms)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def main() -> None:
    """Fill the servers, ask each question, print and write the report."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="enricher-bench-") as folder:
        settings = replace(
            StackSettings.default(),
            data_dir=arguments.data or Path(folder) / "stack",
            heap=_HEAP_BYTES,
            opensearch_port=_OPENSEARCH_PORT,
            redis_port=_REDIS_PORT,
        )
        with Stack(settings).running() as endpoints:
            loaded = load(
                endpoints.opensearch_url, arguments.events, arguments.accounts, arguments.seed
            )
            environment = {
                **os.environ,  # noqa: TID251 - the command inherits what runs it
                "ENRICHER_OPENSEARCH__URL": endpoints.opensearch_url,
                "ENRICHER_REDIS__URL": endpoints.redis_url,
                "ENRICHER_API__KEYS_FILE": str(Path(folder) / "keys.json"),
                "ENRICHER_API__RATE": "10000",
                "ENRICHER_API__BURST": "10000",
                "ENRICHER_LOG_LEVEL": "WARNING",
            }
            before = os.getloadavg()[0]
            with _serving(environment) as api:
                rng = random.Random(arguments.seed)
                asked = drawn(endpoints.opensearch_url, rng, arguments.calls + _WARM_UP)
                timed = [_time(api, name, asked) for name in QUESTIONS]
    lines = list(_report(loaded, timed, before, arguments.calls))
    print("\n".join(lines))
    if arguments.report:
        arguments.report.write_text("\n".join(lines) + "\n")
    slow = [one.name for one in timed if one.quantile(0.95) > _LIMIT_MS]
    sys.exit(f"above {_LIMIT_MS} ms: {', '.join(slow)}" if slow else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=30)
    parser.add_argument("--calls", type=int, default=100, help="how often each call is asked")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--data", type=Path, help="keep the servers' data in this directory")
    parser.add_argument("--report", type=Path, nargs="?", const=_REPORT, help="write it there too")
    return parser.parse_args()


@contextmanager
def _serving(environment: dict[str, str]) -> Iterator[httpx.Client]:
    """Serve the API as a process of its own; give a client that has a key."""
    command = [sys.executable, "-m", "enricher.cli"]
    scopes = [word for scope in ("read", "respond", "admin") for word in ("--scope", scope)]
    key = subprocess.run(  # noqa: S603 - our own command
        [*command, "api-keys", "create", "benchmark", *scopes],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.decode()
    process = subprocess.Popen([*command, "api", "--port", str(_PORT)], env=environment)  # noqa: S603
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{_PORT}",
            headers={"X-API-Key": key.strip()},
            timeout=60,
        ) as client:
            _wait_until_ready(client, process)
            yield client
    finally:
        process.terminate()
        process.wait(_PATIENCE_SECONDS)


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            if client.get("/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit("the API does not become ready")


def _time(api: httpx.Client, name: str, asked: Asked) -> Timed:
    each_ms: list[float] = []
    for number in range(len(asked)):
        method, path, more = QUESTIONS[name](asked[number])
        began = time.perf_counter()
        answer = api.request(method, path, **more)
        took = (time.perf_counter() - began) * 1000
        if not answer.is_success:
            raise SystemExit(f"{name}: {answer.status_code} {answer.text[:500]}")
        if number >= _WARM_UP:
            each_ms.append(took)
    timed = Timed(name, each_ms)
    print(f"{name:<34} {timed.quantile(0.5):8.1f} {timed.quantile(0.95):8.1f} ms", flush=True)
    return timed


def _report(loaded: Loaded, timed: list[Timed], load_before: float, calls: int) -> Iterator[str]:
    now = datetime.now(tz=UTC)
    yield from ("# How fast the API answers", "")
    yield f"Written by `python -m benchmarks.api --report` on {now:%Y-%m-%d}."
    yield ""
    counts = ", ".join(f"{count:,} {name}" for name, count in loaded.counts.items())
    largest = ", ".join(f"{count:,} ({name})" for name, count in loaded.largest.items())
    yield (
        f"{loaded.events:,} events in one index of one shard ({loaded.bytes / 1e9:.2f} GB, "
        f"{loaded.segments} segments): {counts}. Most events of one: {largest}."
    )
    if loaded.seconds is not None:
        yield f"Generated, enriched and indexed in {loaded.seconds:,.0f} s."
    yield ""
    yield (
        f"{os.cpu_count()} cores ({_processor()}) for OpenSearch (heap {_HEAP_BYTES >> 20} MiB), "
        f"the API and the client that asks; load average {load_before:.1f} before, "
        f"{os.getloadavg()[0]:.1f} after. {calls} calls of each kind, one after the other, after "
        f"{_WARM_UP} that do not count. Milliseconds."
    )
    yield from ("", "| call | p50 | p95 | slowest |", "| --- | ---: | ---: | ---: |")
    for one in timed:
        yield (
            f"| {one.name} | {one.quantile(0.5):.0f} | {one.quantile(0.95):.0f} "
            f"| {max(one.each_ms):.0f} |"
        )


def _processor() -> str:
    """Give the processor's name, where the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


if __name__ == "__main__":
    main()
