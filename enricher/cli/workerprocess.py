"""A worker for the time of one command, where none is running."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from enricher.bootstrap import Container
from enricher.cli.shown import err
from enricher.errors import ConfigurationError

_START_SECONDS = 60
_STOP_SECONDS = 40
_TAIL_LINES = 20


@contextmanager
def local_worker(services: Container) -> Iterator[None]:
    """Make sure that a worker serves the queue: one that runs, else one of our own."""
    if services.queue.workers():
        yield
        return
    with tempfile.NamedTemporaryFile("w+", prefix="enricher-worker-", suffix=".log") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "enricher.cli", "worker"], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait_for(process, services, Path(log.name))
            err.print("No worker was running; one runs for the time of this command.", style="dim")
            yield
        finally:
            _end(process)


def _wait_for(process: subprocess.Popen[bytes], services: Container, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if services.queue.workers():
            return
    lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    raise ConfigurationError("the worker did not start; its last lines:\n" + "\n".join(lines))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
