"""Whatever dies in the middle, the index ends with exactly the oracle's documents."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest
import urllib3

from enricher.bootstrap import Container
from enricher.errors import UnavailableError
from enricher.pipeline.ingest import ingest_log_files
from enricher.server_settings import OpenSearchSettings, RedisSettings
from enricher.settings import Settings
from tests.integration.conftest import free_port
from tests.integration.servers import EVENTS, until
from tools.trailgen.generate import generate
from tools.trailgen.plan import load_plan, small_plan
from tools.trailgen.trail import write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.servers import Enrichments, Servers

KILLS = 20
DELIVERIES = 3
FILES_PER_TASK = 3


class Logs(NamedTuple):
    """Log files, and what the index must hold at the end."""

    folder: Path
    files: list[Path]
    expected: Enrichments

    def shuffled(self, seed: int, times: int = DELIVERIES) -> list[Path]:
        """Give every file so many times, in an order by chance."""
        order = self.files * times
        random.Random(seed).shuffle(order)  # noqa: S311 - no secret
        return order


@pytest.fixture(scope="module")
def few(started: Servers, tmp_path_factory: pytest.TempPathFactory) -> Logs:
    """Give some hundreds of events, in many small files."""
    return logs(started, tmp_path_factory.mktemp("few"), seed=12, events=400)


@pytest.fixture(scope="module")
def many(started: Servers, tmp_path_factory: pytest.TempPathFactory) -> Logs:
    """Give thousands of events over many accounts."""
    folder = tmp_path_factory.mktemp("many")
    write(generate(13, load_plan(events=4_000, accounts=5)), folder)
    return of_folder(started, folder)


def logs(servers: Servers, folder: Path, *, seed: int, events: int) -> Logs:
    write(generate(seed, small_plan(events=events)), folder)
    return of_folder(servers, folder)


def of_folder(servers: Servers, folder: Path) -> Logs:
    below = folder / "AWSLogs"
    return Logs(below, sorted(below.rglob("*.json.gz")), servers.expected(below))


def queue(servers: Servers, files: list[Path]) -> None:
    """Queue files in this order, a few for each task."""
    container = container_of(servers)
    for start in range(0, len(files), FILES_PER_TASK):
        names = [str(file) for file in files[start : start + FILES_PER_TASK]]
        container.queue.ingest(names, "run")


def container_of(servers: Servers, **redis: str) -> Container:
    return Container(
        Settings(
            opensearch=OpenSearchSettings(url=servers.environment["ENRICHER_OPENSEARCH__URL"]),
            redis=RedisSettings(url=redis.get("url", servers.environment["ENRICHER_REDIS__URL"])),
        )
    )


def queue_noted(servers: Servers, files: list[Path]) -> subprocess.Popen[bytes]:
    """Queue files as the command does, noted in the ledger."""
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "enricher.cli", "ingest", "--no-wait", *map(str, files)],
        env=servers.environment,
        stdout=subprocess.DEVNULL,
    )


def check(servers: Servers, expected: Enrichments) -> None:
    """Compare every event with the oracle's, and the ledger with itself."""
    servers.settle()
    assert servers.closed() == expected
    assert servers.files("failed") == 0


# --- workers --------------------------------------------------------------------------------------


def test_workers_that_are_killed_lose_nothing(servers: Servers, many: Logs) -> None:
    rng = random.Random(5)  # noqa: S311 - no secret
    main = servers.start_worker()
    queue(servers, many.shuffled(seed=5))
    killed = 0
    while killed < KILLS:
        time.sleep(rng.uniform(0.05, 0.8))
        if rng.random() < 0.25:
            servers.kill(main)
            main = servers.start_worker()
            killed += 1
            continue
        for child in psutil.Process(main.pid).children()[:1]:
            child.kill()
            killed += 1
    assert not servers.is_idle(), "the work was done before the last kill"
    check(servers, many.expected)


@pytest.mark.parametrize("seed", range(5))
def test_deliveries_in_any_order_end_alike(servers: Servers, few: Logs, seed: int) -> None:
    queue(servers, few.shuffled(seed))
    servers.start_worker()
    check(servers, few.expected)


def test_two_workers_race_on_the_same_files(servers: Servers, many: Logs) -> None:
    queue(servers, [file for file in many.files for _ in range(2)])
    for _ in range(2):
        servers.start_worker()
    check(servers, many.expected)


def test_a_file_that_takes_too_long_comes_again(servers: Servers, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)  # whoever opens it waits for somebody to write
    servers.start_worker(ENRICHER_WORKER__TIME_LIMIT="PT3S")
    queue_noted(servers, [pipe]).wait()
    attempts = f"enricher:attempts:{pipe}"
    until(lambda: servers.redis.get(attempts) == b"1", "the file is begun")
    until(lambda: servers.redis.get(attempts) == b"2", "the file is begun again")
    pipe.write_bytes(b'{"Records":[]}')
    servers.settle()
    assert (servers.files("ingested"), servers.files("failed")) == (1, 0)


# --- OpenSearch -----------------------------------------------------------------------------------


def test_opensearch_is_killed_in_the_middle(servers: Servers, many: Logs) -> None:
    queue_noted(servers, many.files).wait()
    servers.start_worker()
    until(lambda: servers.files("ingested") > 0, "the first files are in")
    servers.kill_server("opensearch")
    servers.start_servers()
    assert servers.files("queued") > 0, "the work was done before the server was killed"
    check(servers, many.expected)


def test_an_index_that_is_read_only_for_a_while_loses_nothing(servers: Servers, few: Logs) -> None:
    servers.start_worker()
    queue_noted(servers, few.files[: len(few.files) // 2]).wait()
    servers.settle()
    block(servers, blocked=True)
    queue_noted(servers, few.files).wait()
    before = dict(servers.sources())
    time.sleep(3)
    assert dict(servers.sources()) == before
    block(servers, blocked=False)
    check(servers, few.expected)


def block(servers: Servers, *, blocked: bool) -> None:
    """Do what OpenSearch does when a disk is full, or undo it."""
    setting = {"index.blocks.read_only_allow_delete": blocked or None}
    servers.opensearch.indices.put_settings(index=EVENTS, body=setting)


def test_an_overloaded_cluster_loses_nothing(servers: Servers, few: Logs) -> None:
    with moody(servers.environment["ENRICHER_OPENSEARCH__URL"], seed=3) as (url, answered):
        servers.start_worker(ENRICHER_OPENSEARCH__URL=url, ENRICHER_OPENSEARCH__TIMEOUT="PT5S")
        queue(servers, few.shuffled(seed=1, times=1))
        servers.settle()
    assert min(answered.values()) > 0, answered
    check(servers, few.expected)


# --- Redis ----------------------------------------------------------------------------------------


def test_redis_is_lost_in_the_middle(servers: Servers, many: Logs) -> None:
    queue_noted(servers, many.files).wait()
    servers.start_worker()
    until(lambda: servers.files("ingested") > 0, "the first files are in")
    servers.kill_server("valkey")
    servers.forget_redis()
    time.sleep(11)  # what was noted just now could still be on its way
    servers.start_servers()
    assert servers.files("queued") > 0, "the work was done before the server was killed"
    servers.run("evidence", "rebuild")
    check(servers, many.expected)


def test_raw_events_are_indexed_while_redis_is_down(servers: Servers, few: Logs) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    names = [str(file) for file in few.files]
    with pytest.raises(UnavailableError, match="Redis"):
        ingest_log_files(names, "run", container_of(servers, url=nobody).ingesting)
    raw = dict(servers.sources())
    assert set(raw) == set(few.expected)
    assert {source["enriched"]["state"] for source in raw.values()} == {"pending"}
    assert not any("origin" in source["enriched"] for source in raw.values())

    queue_noted(servers, few.files).wait()
    servers.start_worker()
    check(servers, few.expected)


# --- a server that does not always answer -----------------------------------------------------


@contextmanager
def moody(url: str, seed: int) -> Iterator[tuple[str, dict[str, int]]]:
    """Stand in front of a server, and now and then refuse, fail, or lose its answer."""
    rng, lock = random.Random(seed), threading.Lock()  # noqa: S311 - no secret
    answered = {"passed on": 0, "429": 0, "503": 0, "answer lost": 0}
    there = urlsplit(url)
    pool = urllib3.HTTPConnectionPool(str(there.hostname), there.port, maxsize=20)

    class Moody(BaseHTTPRequestHandler):
        """Passes requests on, or not."""

        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with lock:
                mood = rng.choices(list(answered), weights=(70, 12, 12, 6))[0]
                answered[mood] += 1
            if mood in {"429", "503"}:
                self._answer(int(mood), b'{"error":{"type":"circuit_breaking_exception"}}')
                return
            headers = {"Content-Type": self.headers.get("Content-Type") or "application/json"}
            found = pool.request(self.command, self.path, body=body, headers=headers)
            if mood == "answer lost":  # the request was done, and nobody is told
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._answer(found.status, found.data)

        def _answer(self, status: int, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _handle  # noqa: N815 - http.server's

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", answered
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
