"""Servers that tests may kill, started once."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Start servers of their own: what is killed here must not be missed elsewhere."""
    servers = Servers.start(tmp_path_factory.mktemp("killed"), free_port(), free_port())
    yield servers
    servers.stop()


@pytest.fixture
def servers(started: Servers) -> Servers:
    """Give those servers, emptied, with no worker."""
    started.empty()
    return started


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a figure that was measured, so that it stands in the tests' output."""
    plugins = request.config.pluginmanager
    reporter: Any = plugins.getplugin("terminalreporter")
    capture: Any = plugins.getplugin("capturemanager")

    def line(text: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(text)

    return line


def free_port() -> int:
    """Find a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
