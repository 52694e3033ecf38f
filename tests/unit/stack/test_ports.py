"""Choosing ports: the preferred one, else the next that is free."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from enricher.stack.errors import StackError
from enricher.stack.ports import free_port, is_free

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.enable_socket


@contextmanager
def _listening(port: int = 0) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", port)) as server:
        yield server.getsockname()[1]


def test_the_preferred_port_is_taken_when_it_is_free() -> None:
    with _listening() as port:
        pass
    assert is_free(port)
    assert free_port(port) == port


def test_a_port_that_is_in_use_is_passed_over() -> None:
    with _listening() as port:
        assert not is_free(port)
        assert free_port(port) > port


def test_a_port_that_is_to_be_avoided_is_passed_over() -> None:
    with _listening() as port:
        pass
    assert free_port(port, avoid=frozenset({port})) > port


def test_no_port_above_the_last_one_is_tried() -> None:
    with pytest.raises(StackError, match="no free port"):
        free_port(65535, avoid=frozenset({65535}))
