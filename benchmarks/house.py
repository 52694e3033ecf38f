"""Servers and workers of the benchmark's own: nothing of anybody else is near them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from enricher.benchmark.meter import Meter, processor_of_processes
from enricher.bootstrap import Container
from enricher.server_settings import OpenSearchSettings, RedisSettings
from enricher.settings import Settings
from enricher.stack import Stack, StackSettings
from enricher.stores import templates
from enricher.stores.opensearch import EVENTS
from enricher.stores.task_queue import QUEUES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from enricher.stack import Endpoints

HEAP_BYTES = 1 << 30
_PATIENCE_SECONDS = 60
_POLL_SECONDS = 0.02
_HIGHEST_PREFERRED_PORT = 65_000


@dataclass
class House:
    """A running stack, and what the enricher is to it.

    Attributes:
        workers: Those that run now, by their main processes.
    """

    stack: Stack
    endpoints: Endpoints
    workers: list[psutil.Process] = field(default_factory=list)

    @cached_property
    def services(self) -> Container:
        """The enricher's parts, as this process has them."""
        return Container(
            Settings(
                opensearch=OpenSearchSettings(url=self.endpoints.opensearch_url),
                redis=RedisSettings(url=self.endpoints.redis_url),
            )
        )

    def pid(self, server: str) -> int:
        """Give the process of a server."""
        (found,) = (one.pid for one in self.stack.status().servers if one.name == server)
        if found is None:
            raise RuntimeError(f"{server} does not run any more")
        return found

    def meter(self, ours: Callable[[], float] | None = None) -> Meter:
        """Make a meter of both servers, and of the workers or of whom it is told."""
        return Meter(
            {
                "node": processor_of_processes(self.pid("opensearch")),
                "redis": processor_of_processes(self.pid("valkey")),
                "ours": ours or processor_of_processes(*(one.pid for one in self.workers)),
            }
        )

    def empty(self) -> None:
        """Forget events, ledger and evidence of what was measured before."""
        client, redis = self.services.opensearch, self.services.redis
        client.indices.delete(index=f"{EVENTS},cloudtrail-*", params={"ignore_unavailable": "true"})
        keys = list(redis.scan_iter("enricher:*", count=10_000))
        for start in range(0, len(keys), 10_000):
            redis.delete(*keys[start : start + 10_000])
        templates.install(client, self.services.settings.opensearch.period, self.services.enrichers)

    @contextmanager
    def worker(self, processes: int, queues: Sequence[str] = QUEUES) -> Iterator[psutil.Process]:
        """Have a worker with so many processes in a block."""
        words = ("worker", "--concurrency", str(processes), "--queues", ",".join(queues))
        with self._command(*words) as (started, log):
            there = len(self.workers) + 1
            until(lambda: self._answer(there, started, log), "the worker does not start")
            worker = psutil.Process(started.pid)
            self.workers.append(worker)
            try:
                yield worker
            finally:
                self.workers.remove(worker)

    @contextmanager
    def beat(self) -> Iterator[None]:
        """Have the scheduler in a block."""
        with self._command("beat"):
            yield

    @contextmanager
    def _command(self, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """Run the command in a block; give the process and its log."""
        environment = {
            **os.environ,  # noqa: TID251 - the command inherits what runs this one
            "ENRICHER_OPENSEARCH__URL": self.endpoints.opensearch_url,
            "ENRICHER_REDIS__URL": self.endpoints.redis_url,
            "ENRICHER_LOG_LEVEL": "WARNING",
        }
        command = [sys.executable, "-m", "enricher.cli", *words]
        with tempfile.NamedTemporaryFile(prefix="enricher-bench-", suffix=".log") as log:
            started = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603 - our own command
            try:
                yield started, Path(log.name)
            finally:
                started.terminate()
                started.wait(_PATIENCE_SECONDS)

    def _answer(self, many: int, started: subprocess.Popen[bytes], log: Path) -> bool:
        if started.poll() is not None:
            raise RuntimeError(f"the worker ended: {log.read_text(errors='replace')[-2_000:]}")
        return self.services.queue.workers() >= many


def until(holds: Callable[[], bool], otherwise: str, seconds: float = _PATIENCE_SECONDS) -> None:
    """Wait until something holds.

    Raises:
        RuntimeError: If it does not in time.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(_POLL_SECONDS)


@contextmanager
def house(heap: int = HEAP_BYTES) -> Iterator[House]:
    """Start servers of our own on free ports of loopback, and remove all of them afterwards."""
    with tempfile.TemporaryDirectory(prefix="enricher-bench-") as directory:
        settings = replace(
            StackSettings.default(),
            data_dir=Path(directory),
            heap=heap,
            opensearch_port=_some_port(),
            redis_port=_some_port(),
        )
        stack = Stack(settings)
        with stack.running() as endpoints:
            yield House(stack, endpoints)


def _some_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return min(port, _HIGHEST_PREFERRED_PORT)
