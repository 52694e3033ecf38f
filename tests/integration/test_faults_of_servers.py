"""Whatever becomes of OpenSearch or Redis, the index ends with exactly the oracle's documents."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from enricher.errors import UnavailableError
from enricher.pipeline.ingest import ingest_log_files
from tests.integration.conftest import free_port
from tests.integration.faults import check, container_of, moody, queue, queue_noted
from tests.integration.servers import EVENTS, until

if TYPE_CHECKING:
    from tests.integration.faults import Logs
    from tests.integration.servers import Servers


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
