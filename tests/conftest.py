"""What all tests share: markers by folder, no network for unit tests, servers, trails."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import disable_socket, enable_socket

from enricher.stack import DownloadError, Stack, StackSettings
from enricher.stores.connections import Access, make_opensearch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensearchpy import OpenSearch

    from enricher.stack import Endpoints

TESTS = Path(__file__).parent
REPOSITORY = TESTS.parent
FOLDERS = ("unit", "property", "cases", "contract", "integration", "conventions", "bench")
LONGEST = frozenset(
    {
        "test_alerts.py",
        "test_api_schema.py",
        "test_aws_sources.py",
        "test_delivery.py",
        "test_faults.py",
        "test_faults_of_servers.py",
        "test_investigate.py",
        "test_retry.py",
        "test_secure.py",
        "test_volume.py",
    }
)
HEAP_BYTES = 1 << 30
HIGHEST_PREFERRED_PORT = 65_000
_environment = dict(os.environ)  # noqa: TID251 - how tests are run is no setting of the enricher
IN_CI = bool(_environment.get("CI"))
TRAILS = _environment.get("ENRICHER_TEST_TRAILS")
SIGMA = _environment.get("ENRICHER_TEST_SIGMA")

# Time limits for one example would fail on a busy machine, not on a fault.
settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if IN_CI else "dev")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers; nobody writes them, the folder gives them."""
    for folder in FOLDERS:
        config.addinivalue_line("markers", f"{folder}: lies in tests/{folder}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with the name of its folder; the longest files go first.

    A long one that begins last would keep one process busy while the others have nothing to do.
    """
    items.sort(key=lambda item: item.path.name not in LONGEST)
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in FOLDERS:
            item.add_marker(folder)


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let no unit test open a network connection, unless it is marked ``enable_socket``."""
    node = request.node
    if node.get_closest_marker("unit") is None or node.get_closest_marker("enable_socket"):
        yield
        return
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture(scope="session")
def stack_endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """Give a real OpenSearch and a real Valkey, shared by all tests of the run.

    Names of indices, keys and queues are the tests' own to keep apart.
    """
    stack = Stack(
        replace(
            StackSettings.default(),
            data_dir=tmp_path_factory.mktemp("shared-stack"),
            heap=HEAP_BYTES,
            opensearch_port=_some_port(),
            redis_port=_some_port(),
        )
    )
    try:
        stack.up()
    except DownloadError as err:
        if IN_CI:
            raise
        pytest.skip(f"the servers cannot be downloaded here: {err}")
    try:
        yield _endpoints(stack)
    finally:
        stack.down()


@pytest.fixture(scope="session")
def client(stack_endpoints: Endpoints) -> Iterator[OpenSearch]:
    """Give a client of the shared node, as patient as ours: large requests may fill its heap."""
    access = Access(url=stack_endpoints.opensearch_url)
    with closing(make_opensearch(access, timeout=timedelta(minutes=1))) as client:
        yield client


def _endpoints(stack: Stack) -> Endpoints:
    found = stack.endpoints()
    assert found is not None
    return found


def _some_port() -> int:
    """Give a port that nobody uses, to begin looking from."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return min(port, HIGHEST_PREFERRED_PORT)


@pytest.fixture(scope="session")
def trails() -> Path:
    """Give the folder of trails by others, read in place.

    ``ENRICHER_TEST_TRAILS`` names it; without that it is looked for beside the checkout.
    """
    if TRAILS is None:
        beside = REPOSITORY.parent / "shared" / "trails"
        if not beside.is_dir():
            pytest.skip("no trails here: set ENRICHER_TEST_TRAILS to a folder of log files")
        return beside
    if not Path(TRAILS).is_dir():
        pytest.fail(f"ENRICHER_TEST_TRAILS names {TRAILS}, and there is no such folder")
    return Path(TRAILS)


@pytest.fixture(scope="session")
def sigma() -> Path:
    """Give the folder of Sigma rules by others, read in place.

    ``ENRICHER_TEST_SIGMA`` names it; without that it is looked for beside the checkout.
    """
    folder = Path(SIGMA) if SIGMA else REPOSITORY.parent / "shared" / "sigma"
    if not folder.is_dir():
        if SIGMA:
            pytest.fail(f"ENRICHER_TEST_SIGMA names {SIGMA}, and there is no such folder")
        pytest.skip("no rules here: set ENRICHER_TEST_SIGMA to a folder of Sigma rules")
    return folder
