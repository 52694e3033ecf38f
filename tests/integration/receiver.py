"""A receiver of webhooks as a process of its own, which answers as its paths say.

``/200`` acknowledges, ``/500`` does not, ``/flaky`` does the second time, ``/moved`` redirects to
``/200``, ``/slow`` sends its answer byte by byte without end, ``/hangs`` says nothing. Each request
is a line of JSON in a file.
"""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from tests.integration.conftest import free_port
from tests.integration.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator

_DRIP_SECONDS = 0.2


@dataclass
class Receiver:
    """A running receiver."""

    url: str
    file: Path

    @property
    def heard(self) -> list[dict[str, Any]]:
        """Give what came so far: path, headers by small name, body as text."""
        return [codec.loads(line) for line in self.file.read_bytes().splitlines()]

    def at(self, path: str) -> list[dict[str, Any]]:
        """Give what came to a path."""
        return [one for one in self.heard if one["path"] == path]


@contextmanager
def receiving(
    folder: Path, certificate: Path | None = None, key: Path | None = None
) -> Iterator[Receiver]:
    """Run a receiver, with TLS where it has a certificate."""
    port = free_port()
    file = folder / f"heard-{port}.jsonl"
    file.touch()
    more = [str(one) for one in (certificate, key) if one is not None]
    process = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "tests.integration.receiver", str(port), str(file), *more]
    )
    try:
        ready = file.with_suffix(".ready")
        until(lambda: ready.exists() or process.poll() is not None, "the receiver listens")
        scheme = "https" if more else "http"
        yield Receiver(f"{scheme}://127.0.0.1:{port}", file)
    finally:
        process.terminate()
        process.wait(10)


class _Answers(BaseHTTPRequestHandler):
    file: Path
    seen = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        line = codec.dumps({"path": self.path, "headers": headers, "body": body})
        with self.file.open("ab") as written:
            written.write(line + b"\n")
        if self.path == "/slow":
            self._drip()
        elif self.path == "/hangs":
            time.sleep(60)
        else:
            self._answer()

    def _answer(self) -> None:
        type(self).seen += self.path == "/flaky"
        status = {"/500": 500, "/moved": 307}.get(self.path, 200)
        status = 503 if self.path == "/flaky" and self.seen == 1 else status
        self.send_response(status)
        if status == 307:
            self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(300):
            self.wfile.write(b"a")
            self.wfile.flush()
            time.sleep(_DRIP_SECONDS)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main(port: str, file: str, *certificate: str) -> None:
    """Serve until the process ends."""
    _Answers.file = Path(file)
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), _Answers)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    _Answers.file.with_suffix(".ready").touch()
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
