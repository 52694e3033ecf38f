"""TLS before a server that has none: Valkey's packaged build knows no TLS, its users' builds do."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.stack.credentials import Credentials

CHUNK_BYTES = 1 << 16


class _Way(NamedTuple):
    source: socket.socket
    target: socket.socket


@contextmanager
def tls_before(port: int, credentials: Credentials, *, host: str = "127.0.0.1") -> Iterator[int]:
    """Give the port of a TLS server that hands everything on; it wants a client's certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=credentials.authority)
    context.load_cert_chain(credentials.certificate("node"), credentials.key("node"))
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server((host, 0)) as listener:
        threading.Thread(target=_accept, args=(listener, context, port), daemon=True).start()
        yield listener.getsockname()[1]


def _accept(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):  # it is closed when the test is over
        while True:
            accepted, _ = listener.accept()
            threading.Thread(target=_serve, args=(accepted, context, port), daemon=True).start()


def _serve(accepted: socket.socket, context: ssl.SSLContext, port: int) -> None:
    # A refused handshake or a broken connection is the client's to notice.
    with (
        suppress(OSError),
        closing(context.wrap_socket(accepted, server_side=True)) as outside,
        closing(socket.create_connection(("127.0.0.1", port))) as inside,
        selectors.DefaultSelector() as ready,
    ):
        ready.register(outside, selectors.EVENT_READ, _Way(outside, inside))
        ready.register(inside, selectors.EVENT_READ, _Way(inside, outside))
        while True:
            for key, _ in ready.select():
                # A record of TLS holds less than a chunk, so nothing stays behind unseen.
                received = key.data.source.recv(CHUNK_BYTES)
                if not received:
                    return
                key.data.target.sendall(received)
