"""Starting servers, knowing them again later, ending them."""

from __future__ import annotations

import subprocess
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from enricher.stack.state import ProcessIdentity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

# The system derives a process's start from its boot time, which moves when the clock is corrected.
START_TOLERANCE_S = 2.0
KILL_WAIT_S = 10.0


# Servers that this very process launched: it must reap them when they end.
_launched: dict[int, subprocess.Popen[bytes]] = {}


def launch(
    command: Sequence[str], *, directory: Path, log_path: Path, environment: Mapping[str, str]
) -> ProcessIdentity:
    """Start a server in the background, in a session of its own, writing to ``log_path``.

    A session of its own keeps a Ctrl-C in the terminal from reaching it: we decide when it ends.
    """
    with log_path.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
    _launched[process.pid] = process
    try:
        created_at = psutil.Process(process.pid).create_time()
    except psutil.NoSuchProcess:  # it ended at once
        created_at = 0.0
    return ProcessIdentity(process.pid, created_at)


def find(identity: ProcessIdentity) -> psutil.Process | None:
    """Give the process if it still runs and is the same one."""
    child = _launched.get(identity.pid)
    if child is not None and child.poll() is not None:
        _launched.pop(identity.pid, None)
        return None
    try:
        process = psutil.Process(identity.pid)
        same = abs(process.create_time() - identity.created_at) < START_TOLERANCE_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def end(identities: Sequence[ProcessIdentity], *, patience: timedelta) -> None:
    """End processes and wait until they are gone; by force when ``patience`` is over."""
    alive = [process for identity in identities if (process := find(identity))]
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(alive, timeout=patience.total_seconds())
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=KILL_WAIT_S)
    for process in alive:
        child = _launched.pop(process.pid, None)
        if child is not None:
            child.wait(KILL_WAIT_S)


def listens_on(process: psutil.Process, port: int) -> bool:
    """Say whether it is this process that listens on a port, rather than somebody else."""
    try:
        connections = process.net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return False
    return any(
        connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        for connection in connections
    )


def last_lines(path: Path, count: int) -> tuple[str, ...]:
    """Give the end of a log; nothing when there is no log."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return tuple(line.rstrip() for line in deque(file, maxlen=count))
    except FileNotFoundError:
        return ()


def begin_log(log_path: Path, first_line: str) -> None:
    """Begin the log of a run; that of the run before it is kept beside it."""
    if log_path.exists():
        log_path.replace(log_path.with_name(log_path.name + ".1"))
    log_path.write_text(first_line + "\n", encoding="utf-8")
