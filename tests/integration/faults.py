"""Log files to be delivered while something dies, and what the index must hold in the end."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import urllib3

from enricher.bootstrap import Container
from enricher.server_settings import OpenSearchSettings, RedisSettings
from enricher.settings import Settings
from tools.trailgen.generate import generate
from tools.trailgen.plan import load_plan, small_plan
from tools.trailgen.trail import write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.servers import Enrichments, Servers

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


def few_logs(servers: Servers, folder: Path) -> Logs:
    """Give some hundreds of events, in many small files."""
    write(generate(12, small_plan(events=400)), folder)
    return of_folder(servers, folder)


def many_logs(servers: Servers, folder: Path) -> Logs:
    """Give thousands of events over many accounts."""
    write(generate(13, load_plan(events=4_000, accounts=5)), folder)
    return of_folder(servers, folder)


def archived_logs(servers: Servers, folder: Path) -> Logs:
    """Give more than a few tasks ingest, in folders of many accounts."""
    write(generate(14, load_plan(events=20_000, accounts=10)), folder)
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
