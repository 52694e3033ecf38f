"""The embedded stack: a real OpenSearch and a real Valkey for one user, without installation."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from enricher.stack.credentials import Credentials
from enricher.stack.distribution import Distribution
from enricher.stack.errors import ServerStartError, StackError
from enricher.stack.exclusion import exclusive
from enricher.stack.interruption import Interruption
from enricher.stack.lock import load_lock
from enricher.stack.opensearch import OpenSearch
from enricher.stack.ports import LOOPBACK, free_port, is_free
from enricher.stack.processes import begin_log, end, find, last_lines, launch, listens_on
from enricher.stack.settings import Endpoints, ServerStatus, StackStatus
from enricher.stack.state import ServerState, StackState, StateFile
from enricher.stack.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from enricher.stack.servers import Server
    from enricher.stack.settings import StackSettings

POLL_S = 0.1
PATIENCE_TO_END = timedelta(seconds=30)
LOG_LINES_SHOWN = 20
START_ATTEMPTS = 3


def _say_nothing(message: str) -> None:
    del message


class Stack:
    """The servers of one data directory.

    Every method may be called by any process of the user at any time: the state file tells what
    runs, and a lock keeps two commands from changing it at once.
    """

    def __init__(self, settings: StackSettings) -> None:
        settings = replace(
            settings, data_dir=settings.data_dir.resolve(), cache_dir=settings.cache_dir.resolve()
        )  # the servers run in directories of their own
        self._settings = settings
        self._state_file = StateFile(settings.data_dir / "stack.json")
        self._lock_path = settings.data_dir / ".stack.lock"
        found = Credentials.of(settings.data_dir)
        self._credentials = found if settings.secure or found.exist() else None
        distribution = Distribution(
            load_lock(), settings.cache_dir, security=self._credentials is not None
        )
        self._valkey = Valkey(settings, self._credentials)
        self._opensearch = OpenSearch(settings, distribution, self._credentials)
        self._servers: tuple[Server, ...] = (self._valkey, self._opensearch)
        self._log_paths = {server.name: server.log_path for server in self._servers}

    def up(self, report: Callable[[str], None] = _say_nothing) -> Endpoints:
        """Start what does not run yet and wait until it answers.

        When that fails, or is interrupted, no server is left that was not up before. While it
        runs in the main thread, SIGTERM and SIGHUP raise ``SystemExit`` here.

        Args:
            report: Told in a few words what is going on.

        Raises:
            ServerStartError: A server does not start; the error has the end of its log.
            DownloadError: A file of the server cannot be had.
            ChecksumError: A file of the server is not what it should be.
            StackError: Something else is in the way; the message says what.
        """
        with Interruption(once=True) as interruption, self._exclusive(report):
            self._secure()
            alive = self._alive().servers
            missing = [server for server in self._servers if server.name not in alive]
            try:
                for server in missing:
                    server.prepare(report)
                for server in missing:
                    self._start(server, interruption)
                for server in self._servers:
                    self._await(server, report, interruption)
                return self._endpoints(self._state_file.read())
            except BaseException:
                with interruption.held():
                    ready = {name for name, server in alive.items() if server.ready}
                    self._end(set(self._state_file.read().servers) - ready)
                raise

    def down(self) -> None:
        """End the servers and wait until they are gone; their data stays."""
        if not self._settings.data_dir.is_dir():
            return
        with Interruption() as interruption, self._exclusive(_say_nothing), interruption.held():
            self._end(set(self._state_file.read().servers))

    @contextmanager
    def running(self) -> Iterator[Endpoints]:
        """Have the stack up in a block, and down after it, whatever happens there."""
        with Interruption():
            try:
                yield self.up()
            finally:
                self.down()

    def endpoints(self) -> Endpoints | None:
        """Say where the servers answer; None unless all of them were started and still run."""
        state = self._alive()
        ready = all(
            server.name in state.servers and state.servers[server.name].ready
            for server in self._servers
        )
        return self._endpoints(state) if ready else None

    def status(self) -> StackStatus:
        """Look at every server now: its process, and whether it answers."""
        state = self._alive()
        now = datetime.now(tz=UTC)
        return StackStatus(
            tuple(_status(server, state.servers.get(server.name), now) for server in self._servers),
            now,
            self._credentials,
        )

    def log_path(self, name: str) -> Path:
        """Say where a server's log is; that of the run before ends in ``.1``."""
        return self._log_paths[name]

    def log_tail(self, name: str, lines: int) -> tuple[str, ...]:
        """Give the last lines of a server's log; none if it never ran."""
        return last_lines(self._log_paths[name], lines)

    @contextmanager
    def _exclusive(self, report: Callable[[str], None]) -> Iterator[None]:
        # It holds CloudTrail records: for its owner only.
        self._settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        waiting = "Another command is at work on this stack; waiting for it"
        with exclusive(self._lock_path, lambda: report(waiting)):
            yield

    def _alive(self) -> StackState:
        servers = self._state_file.read().servers
        return StackState({name: s for name, s in servers.items() if find(s.process)})

    def _endpoints(self, state: StackState) -> Endpoints:
        return Endpoints(
            opensearch_url=self._opensearch.url(state.servers[self._opensearch.name].port),
            redis_url=self._valkey.url(state.servers[self._valkey.name].port),
            credentials=self._credentials,
        )

    def _secure(self) -> None:
        """Make the credentials of a new secure stack.

        What was open stays open, and what was secure stays secure: else a start that forgets the
        word would open what others rely on being closed.
        """
        found = Credentials.of(self._settings.data_dir)
        if self._credentials is None:
            if found.exist():
                raise StackError("another command made this stack secure just now: try again")
            return
        if found.exist():
            return
        if any(server.directory.exists() for server in self._servers):
            raise StackError(
                f"the stack in {self._settings.data_dir} was made without --secure and stays so: "
                "give a secure one a directory of its own with --data-dir"
            )
        from enricher.stack.issuing import issue  # noqa: PLC0415 - few stacks need its libraries

        issue(found)

    def _remember(self, name: str, server: ServerState) -> None:
        # Also of servers that ended meanwhile: who waits for them is to find out why.
        self._state_file.write(StackState({**self._state_file.read().servers, name: server}))

    def _start(self, server: Server, interruption: Interruption) -> None:
        port = free_port(server.preferred_port)
        command = server.command(port)
        begin_log(server.log_path, f"{server.name}: on {LOOPBACK}:{port}, for this machine only")
        # A signal between the start and the note of it would leave a process that nobody knows.
        with interruption.held():
            process = launch(
                command,
                directory=server.directory,
                log_path=server.log_path,
                environment=server.environment(),
            )
            try:
                self._remember(server.name, ServerState(process, port))
            except BaseException:
                end([process], patience=PATIENCE_TO_END)
                raise

    def _await(
        self, server: Server, report: Callable[[str], None], interruption: Interruption
    ) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            state = self._state_file.read().servers[server.name]
            if state.ready:
                return
            report(f"Waiting for {server.name} on port {state.port}")
            reason = self._wait_until_ready(server, state)
            if reason is None:
                self._remember(server.name, replace(state, ready=True))
                return
            # Between our look at the port and the server's, somebody else took it: take another.
            taken = find(state.process) is None and not is_free(state.port)
            if not taken or attempt == START_ATTEMPTS:
                lines = last_lines(server.log_path, LOG_LINES_SHOWN)
                raise ServerStartError(server.name, reason, str(server.log_path), lines)
            self._start(server, interruption)

    def _wait_until_ready(self, server: Server, state: ServerState) -> str | None:
        deadline = time.monotonic() + self._settings.start_timeout.total_seconds()
        while time.monotonic() < deadline:
            process = find(state.process)
            if process is None:
                return "stopped while it was starting"
            if listens_on(process, state.port) and server.version(state.port):
                return None
            time.sleep(POLL_S)
        return f"did not answer within {self._settings.start_timeout.total_seconds():.0f} s"

    def _end(self, names: set[str]) -> None:
        servers = self._state_file.read().servers
        end([servers[name].process for name in names], patience=PATIENCE_TO_END)
        remaining = {name: server for name, server in servers.items() if name not in names}
        self._state_file.write(StackState(remaining))


def _status(server: Server, state: ServerState | None, now: datetime) -> ServerStatus:
    if state is None:
        return ServerStatus(server.name, False, None, None, None, None, server.log_path)
    version = server.version(state.port)
    began = datetime.fromtimestamp(state.process.created_at, tz=UTC)
    return ServerStatus(
        name=server.name,
        running=version is not None,
        pid=state.process.pid,
        url=server.url(state.port),
        version=version,
        uptime=now - began,
        log_path=server.log_path,
    )
