"""Finding ports that are free on the loopback interface."""

from __future__ import annotations

import socket
from itertools import count

from enricher.stack.errors import StackError

LOOPBACK = "127.0.0.1"
HOW_FAR = 100
HIGHEST_PORT = 65535


def is_free(port: int) -> bool:
    """Say whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do it: connections that linger after a restart are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError:
            return False
        return True


def free_port(preferred: int, *, avoid: frozenset[int] = frozenset()) -> int:
    """Give ``preferred`` or the first free port above it.

    Raises:
        StackError: A hundred ports in a row are taken.
    """
    for port in count(preferred):
        if port > min(preferred + HOW_FAR, HIGHEST_PORT):
            break
        if port not in avoid and is_free(port):
            return port
    raise StackError(f"no free port from {preferred} to {preferred + HOW_FAR}: name another one")
