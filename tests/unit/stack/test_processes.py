"""Processes and the state file: what was started is found again, and nothing else is."""

from __future__ import annotations

import sys
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING

import psutil
import pytest

from enricher.stack.exclusion import exclusive
from enricher.stack.processes import begin_log, end, find, last_lines, launch
from enricher.stack.settings import StackSettings
from enricher.stack.stack import Stack
from enricher.stack.state import ProcessIdentity, ServerState, StackState, StateFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHORT = timedelta(seconds=0.3)
LONG = timedelta(seconds=20)
WAIT_FOR_EVER = "import signal; signal.pause()"
DEAF = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True);"
    "\nwhile True: signal.pause()"
)


def _launch(tmp_path: Path, program: str) -> ProcessIdentity:
    return launch(
        [sys.executable, "-c", program],
        directory=tmp_path,
        log_path=tmp_path / "log",
        environment={},
    )


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ProcessIdentity]:
    identity = _launch(tmp_path, WAIT_FOR_EVER)
    yield identity
    end([identity], patience=LONG)


def test_a_process_that_runs_is_found(process: ProcessIdentity) -> None:
    found = find(process)
    assert found is not None
    assert found.pid == process.pid


def test_a_process_that_ended_is_not_found(process: ProcessIdentity) -> None:
    end([process], patience=LONG)
    assert find(process) is None
    assert not psutil.pid_exists(process.pid)


def test_a_process_that_was_killed_is_not_found_before_it_is_reaped(
    process: ProcessIdentity,
) -> None:
    psutil.Process(process.pid).kill()
    while find(process):
        pass
    assert find(process) is None


def test_another_process_with_the_same_number_is_not_ours(process: ProcessIdentity) -> None:
    other = ProcessIdentity(process.pid, process.created_at - 3600)
    assert find(other) is None
    end([other], patience=SHORT)
    assert psutil.pid_exists(process.pid)


def test_a_process_that_does_not_listen_to_reason_is_killed(tmp_path: Path) -> None:
    identity = _launch(tmp_path, DEAF)
    while last_lines(tmp_path / "log", 1) != ("deaf",):
        assert find(identity)
    end([identity], patience=SHORT)
    assert not psutil.pid_exists(identity.pid)


def test_ending_twice_is_no_error(process: ProcessIdentity) -> None:
    end([process], patience=LONG)
    end([process], patience=LONG)


def test_a_process_gets_the_given_environment_only(tmp_path: Path) -> None:
    identity = launch(
        [sys.executable, "-c", "import os; print(sorted(os.environ))"],
        directory=tmp_path,
        log_path=tmp_path / "log",
        environment={"LC_ALL": "C"},
    )
    while find(identity):
        pass
    assert last_lines(tmp_path / "log", 1) == ("['LC_ALL']",)


def test_the_log_of_the_last_run_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    begin_log(log, "first run")
    begin_log(log, "second run")
    assert last_lines(log, 5) == ("second run",)
    assert last_lines(tmp_path / "log.1", 5) == ("first run",)


def test_the_last_lines_of_a_missing_log_are_none(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "log", 20) == ()


def test_the_state_comes_back_as_it_was_written(tmp_path: Path) -> None:
    state = StackState({"valkey": ServerState(ProcessIdentity(1, 2.5), 6379, ready=True)})
    file = StateFile(tmp_path / "stack.json")
    file.write(state)
    assert file.read() == state


def test_a_state_without_servers_has_no_file(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "stack.json")
    file.write(StackState({"valkey": ServerState(ProcessIdentity(1, 2.5), 6379)}))
    file.write(StackState())
    assert list(tmp_path.iterdir()) == []
    assert file.read() == StackState()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"servers": {"valkey": {}}}'])
def test_a_state_file_that_cannot_be_read_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "stack.json").write_bytes(content)
    assert StateFile(tmp_path / "stack.json").read() == StackState()


def test_a_stack_whose_processes_are_gone_is_down(tmp_path: Path, process: ProcessIdentity) -> None:
    reused = ProcessIdentity(process.pid, process.created_at - 3600)
    StateFile(tmp_path / "stack.json").write(
        StackState(
            {
                "valkey": ServerState(reused, 6379, ready=True),
                "opensearch": ServerState(reused, 9200, ready=True),
            }
        )
    )
    stack = Stack(StackSettings(tmp_path, tmp_path / "cache"))
    assert stack.endpoints() is None
    assert [server.pid for server in stack.status().servers] == [None, None]
    assert not stack.status().running
    stack.down()
    assert psutil.pid_exists(process.pid)
    assert not (tmp_path / "stack.json").exists()


def test_a_stack_that_is_still_starting_has_no_endpoints(
    tmp_path: Path, process: ProcessIdentity
) -> None:
    StateFile(tmp_path / "stack.json").write(
        StackState(
            {
                "valkey": ServerState(process, 6379, ready=True),
                "opensearch": ServerState(process, 9200),
            }
        )
    )
    assert Stack(StackSettings(tmp_path, tmp_path / "cache")).endpoints() is None


def test_down_of_a_stack_that_never_was_creates_nothing(tmp_path: Path) -> None:
    Stack(StackSettings(tmp_path / "data", tmp_path / "cache")).down()
    assert list(tmp_path.iterdir()) == []


def test_who_comes_second_waits(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with exclusive(tmp_path / "lock", lambda: order.append("waits")):
            order.append("second")

    with exclusive(tmp_path / "lock", lambda: order.append("never")):
        thread = Thread(target=second)
        thread.start()
        while not order:
            pass
        order.append("first")
    thread.join()
    assert order == ["waits", "first", "second"]
