"""Servers that tests may kill, started once; AWS as moto serves it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.aws_house import CREDENTIALS, Aws, aws_served, set_scene
from tests.integration.faults import few_logs, many_logs
from tests.integration.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.aws_house import Scene
    from tests.integration.faults import Logs


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


@pytest.fixture(scope="module")
def few(started: Servers, tmp_path_factory: pytest.TempPathFactory) -> Logs:
    """Give some hundreds of events, in many small files."""
    return few_logs(started, tmp_path_factory.mktemp("few"))


@pytest.fixture(scope="module")
def many(started: Servers, tmp_path_factory: pytest.TempPathFactory) -> Logs:
    """Give thousands of events over many accounts."""
    return many_logs(started, tmp_path_factory.mktemp("many"))


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


@pytest.fixture(scope="module")
def aws_credentials() -> Iterator[None]:
    """Hide whatever credentials this machine has behind some that any test server takes."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def endpoint(aws_credentials: None) -> Iterator[str]:
    """Give the address of a server that speaks as AWS does."""
    del aws_credentials
    with aws_served() as address:
        yield address


@pytest.fixture(scope="module")
def aws(endpoint: str) -> Aws:
    """Give three accounts of that server."""
    return Aws(endpoint)


@pytest.fixture
def scene(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Give them with everybody in them, made anew; the process has the enricher's own keys."""
    made, own = set_scene(aws)
    for name, value in own.items():
        monkeypatch.setenv(name.upper(), value)
    yield made
    aws.enforce(on=False)


def free_port() -> int:
    """Find a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
