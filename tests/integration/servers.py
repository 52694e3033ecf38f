"""Real servers and real workers that tests may kill, and what is in the index afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import psutil
import redis
from opensearchpy import OpenSearch

from enricher.cloudtrail import codec
from enricher.pipeline.documents import VOLATILE
from enricher.stack import Stack, StackSettings
from enricher.stores.task_queue import ENRICH_QUEUE, INGEST_QUEUE, NOTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_SECONDS = 300
EVENTS = "cloudtrail-events-*"
_HEAP_BYTES = 768 << 20
_POLL_SECONDS = 0.2
_QUIET_POLLS = 5
_PAGE = 5_000

Enrichments = dict[str, dict[str, Any]]


@dataclass
class Servers:
    """A stack of its own, whose servers are killed and started again at the same place."""

    stack: Stack
    data_dir: Path
    environment: dict[str, str]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def start(cls, data_dir: Path, opensearch_port: int, redis_port: int) -> Servers:
        """Start both servers, and install."""
        settings = replace(
            StackSettings.default(),
            data_dir=data_dir,
            heap=_HEAP_BYTES,
            opensearch_port=opensearch_port,
            redis_port=redis_port,
        )
        stack = Stack(settings)
        endpoints = stack.up()
        environment = {
            **os.environ,  # noqa: TID251 - the command inherits what runs the tests
            "ENRICHER_OPENSEARCH__URL": endpoints.opensearch_url,
            "ENRICHER_REDIS__URL": endpoints.redis_url,
            # What a worker that was killed had in hand comes back after this and a little more.
            "ENRICHER_WORKER__TIME_LIMIT": "PT15S",
        }
        servers = cls(stack, data_dir, environment)
        servers.run("install")
        return servers

    def __post_init__(self) -> None:
        """Connect."""
        self.opensearch = OpenSearch(self.environment["ENRICHER_OPENSEARCH__URL"], timeout=60)
        self.redis = redis.Redis.from_url(self.environment["ENRICHER_REDIS__URL"])

    def stop(self) -> None:
        """End everything."""
        self.end_workers()
        self.opensearch.close()
        self.redis.close()
        self.stack.down()

    def empty(self) -> None:
        """Forget all that former tests did."""
        self.end_workers()
        self.redis.flushall()
        self.opensearch.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
        self.run("install")

    # --- commands and workers -------------------------------------------------------------------

    def run(self, *arguments: str | Path, **environment: str) -> str:
        """Run the command to its end; give what it printed."""
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "enricher.cli", *map(str, arguments)],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            check=True,
            timeout=PATIENCE_SECONDS,
        ).stdout.decode()

    def start_worker(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it answers."""
        log = (self.data_dir / f"worker-{len(self.workers)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "enricher.cli", "worker"],
                env={**self.environment, **environment},
                stdout=log,
                stderr=log,
            )
        self.workers.append(process)
        until(lambda: bool(psutil.Process(process.pid).children()), "the worker starts")
        return process

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """Kill a worker's main process; its children find out by themselves."""
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        self.workers.remove(worker)

    def end_workers(self) -> None:
        """End the workers in order."""
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                worker.kill()
                raise
        self.workers.clear()

    # --- servers --------------------------------------------------------------------------------

    def kill_server(self, name: str) -> None:
        """Kill a server as a crash does."""
        (status,) = (one for one in self.stack.status().servers if one.name == name)
        assert status.pid is not None
        server = psutil.Process(status.pid)
        server.kill()
        server.wait(PATIENCE_SECONDS)

    def start_servers(self) -> None:
        """Start what was killed, at the same place."""
        endpoints = self.stack.up()
        assert endpoints.opensearch_url == self.environment["ENRICHER_OPENSEARCH__URL"]
        assert endpoints.redis_url == self.environment["ENRICHER_REDIS__URL"]

    def forget_redis(self) -> None:
        """Take away what Redis keeps on disk."""
        shutil.rmtree(self.data_dir / "valkey" / "appendonlydir")

    # --- what there is --------------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until no work is left and the ledger knows of no file that is still queued."""
        quiet = 0

        def settled() -> bool:
            nonlocal quiet
            self._check_workers()
            if self._is_queue_empty() and self.files("queued"):
                self.run("reconcile")  # the scheduler's part: the queue has lost a task
            quiet = quiet + 1 if self.is_idle() else 0
            return quiet >= _QUIET_POLLS

        until(settled, "all work is done")

    def _check_workers(self) -> None:
        for number, worker in enumerate(self.workers):
            log = (self.data_dir / f"worker-{number}.log").read_text(errors="replace")
            assert worker.poll() is None, f"a worker ended by itself:\n{log[-4_000:]}"

    def is_idle(self) -> bool:
        """Say whether nothing is queued or in hand."""
        return self._is_queue_empty() and not self.files("queued")

    def _is_queue_empty(self) -> bool:
        waiting = self.redis.llen(INGEST_QUEUE) + self.redis.llen(ENRICH_QUEUE)
        in_hand = self.redis.hlen("unacked") + self.redis.hlen(NOTED)
        return waiting + in_hand == 0

    def files(self, status: str) -> int:
        """Count the ledger's files with a status."""
        self.opensearch.indices.refresh(index="cloudtrail-files")
        query = {"query": {"term": {"status": status}}}
        count: int = self.opensearch.count(index="cloudtrail-files", body=query)["count"]
        return count

    def sources(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give every event with its id, from as many indices as there are."""
        self.opensearch.indices.refresh(index=EVENTS)
        body: dict[str, Any] = {"size": _PAGE, "sort": ["eventTime", "_id"]}
        while True:
            hits = self.opensearch.search(index=EVENTS, body=body)["hits"]["hits"]
            yield from ((hit["_id"], hit["_source"]) for hit in hits)
            if len(hits) < _PAGE:
                return
            body["search_after"] = hits[-1]["sort"]

    def enrichments(self) -> Enrichments:
        """Give what each event says; fails if one is there twice."""
        found: Enrichments = {}
        for document_id, source in self.sources():
            assert document_id not in found
            found[document_id] = without_times(source["enriched"])
        return found

    def closed(self) -> Enrichments:
        """Give what each event says once nothing is waited for any more."""
        time.sleep(1)  # a window of nothing is over in the second after the last write
        self.run("reconcile", ENRICHER_PIPELINE__WINDOW="PT0S")
        return self.enrichments()

    def expected(self, logs: Path) -> Enrichments:
        """Give what the offline command says of the same files: the oracle."""
        events = [codec.loads(line) for line in self.run("explain", logs).splitlines()]
        return {
            f"{event['eventID']}:{event['recipientAccountId']}": without_times(event["enriched"])
            for event in events
        }


def without_times(enriched: dict[str, Any]) -> dict[str, Any]:
    """Leave out when it was processed and what file brought it first."""
    return {name: value for name, value in enriched.items() if name not in VOLATILE}


def until(done: Callable[[], bool], what: str) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: If it takes too long.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < deadline, f"waited too long until {what}"
        time.sleep(_POLL_SECONDS)
