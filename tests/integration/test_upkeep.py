"""What keeps the promises on real servers: rebuild, reconcile, processes that die."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from opensearchpy import OpenSearch

from enricher.cloudtrail import codec
from enricher.pipeline.documents import VOLATILE
from tools.trailgen.generate import generate
from tools.trailgen.plan import small_plan
from tools.trailgen.trail import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.stack import Endpoints

SAMPLES = Path(__file__).parents[2] / "samples" / "AWSLogs"
_PATIENCE_SECONDS = 120
# What depends on whether the window is still open, which it never is offline.
_OF_THE_WINDOW = VOLATILE | {"state", "waiting_for"}


@pytest.fixture
def environment(stack_endpoints: Endpoints) -> dict[str, str]:
    """Point the command at the shared servers, emptied."""
    redis.Redis.from_url(stack_endpoints.redis_url).flushall()
    client = OpenSearch(stack_endpoints.opensearch_url)
    client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
    client.close()
    return {
        **os.environ,  # noqa: TID251 - the command inherits what runs the tests
        "ENRICHER_OPENSEARCH__URL": stack_endpoints.opensearch_url,
        "ENRICHER_REDIS__URL": stack_endpoints.redis_url,
    }


def run(environment: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "enricher.cli", *map(str, arguments)],
        env=environment,
        capture_output=True,
        check=True,
        timeout=_PATIENCE_SECONDS,
    )


def indexed(environment: dict[str, str]) -> dict[str, dict[str, Any]]:
    client = OpenSearch(environment["ENRICHER_OPENSEARCH__URL"])
    client.indices.refresh(index="cloudtrail-events-*")
    answer = client.search(index="cloudtrail-events-*", body={"size": 10_000})
    client.close()
    return {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}


def settled(enriched: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in enriched.items() if name not in _OF_THE_WINDOW}


def offline(environment: dict[str, str], path: Path) -> dict[str, dict[str, Any]]:
    lines = run(environment, "explain", path).stdout.splitlines()
    events = [codec.loads(line) for line in lines]
    return {f"{e['eventID']}:{e['recipientAccountId']}": settled(e["enriched"]) for e in events}


def enrichments(environment: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {_id: settled(source["enriched"]) for _id, source in indexed(environment).items()}


@pytest.fixture
def worker(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a real worker."""
    process = subprocess.Popen(
        [sys.executable, "-m", "enricher.cli", "worker"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.terminate()
    process.wait(_PATIENCE_SECONDS)


def test_evidence_that_was_lost_is_rebuilt_from_the_events(
    environment: dict[str, str], worker: subprocess.Popen[bytes]
) -> None:
    run(environment, "ingest", "--wait", SAMPLES)
    before = enrichments(environment)
    client = redis.Redis.from_url(environment["ENRICHER_REDIS__URL"])
    facts = sorted(client.keys("enricher:facts:*"))
    client.delete(*client.keys("enricher:*"))

    run(environment, "evidence", "rebuild")

    assert sorted(client.keys("enricher:facts:*")) == facts
    assert enrichments(environment) == before
    assert worker.poll() is None
    client.close()


def test_what_was_written_raw_ends_as_the_same_documents(
    environment: dict[str, str], tmp_path: Path
) -> None:
    write(generate(11, small_plan()), tmp_path)
    raw_first = {**environment, "ENRICHER_PIPELINE__ENRICH_AT_INGEST": "false"}

    run(raw_first, "ingest", "--wait", tmp_path / "AWSLogs")

    assert enrichments(environment) == offline(environment, tmp_path / "AWSLogs")


def test_windows_close_and_what_came_in_vain_is_unresolved(environment: dict[str, str]) -> None:
    run(environment, "ingest", "--wait", SAMPLES)
    closing = {**environment, "ENRICHER_PIPELINE__WINDOW": "PT0S"}
    time.sleep(1)  # a window of nothing is over in the second after the last write

    run(closing, "reconcile")

    states = {source["enriched"]["state"] for source in indexed(environment).values()}
    assert "pending" not in states
    assert enrichments(environment) == offline(environment, SAMPLES)
