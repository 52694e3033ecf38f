"""Refused records and files, taken up again by the real command on real servers."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis
from opensearchpy import OpenSearch
from typer.testing import CliRunner

from enricher.bootstrap import Container
from enricher.cli import quarantine as command
from enricher.cloudtrail import codec
from enricher.pipeline.documents import VOLATILE
from enricher.pipeline.retry import Choice, Fate, retry
from enricher.settings import load_settings
from enricher.stores.opensearch_digests import ledger_id
from enricher.stores.opensearch_quarantine import OpenSearchQuarantine
from enricher.stores.task_queue import make_celery
from tools.trailgen.generate import generate
from tools.trailgen.plan import small_plan
from tools.trailgen.trail import write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from enricher.pipeline.retry import RetryReport
    from enricher.stack import Endpoints

Json = dict[str, Any]

PATIENCE_SECONDS = 300
OF_OUR_OWN = "/8"  # a database of Redis that no other test's worker serves
SMALL, LARGE = "9000", "2000000"
NUMBERS = ("records", "indexed", "duplicate", "quarantined")
_OF_THE_WINDOW = VOLATILE | {"state", "waiting_for"}


class Ground:
    """The servers, and the command on them."""

    def __init__(self, endpoints: Endpoints, client: OpenSearch) -> None:
        self.client = client
        self.environment = {
            **os.environ,  # noqa: TID251 - the command inherits what runs the tests
            "ENRICHER_OPENSEARCH__URL": endpoints.opensearch_url,
            "ENRICHER_REDIS__URL": endpoints.redis_url,
            "COLUMNS": "400",
        }

    def run(
        self, *arguments: str | Path, record_bytes: str = LARGE
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "enricher.cli", *map(str, arguments)],
            env={**self.environment, "ENRICHER_INPUT__RECORD_BYTES": record_bytes},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    def numbers(self, path: Path) -> tuple[int, ...]:
        entry = self.ledger(path)
        found = tuple(entry[name] for name in NUMBERS)
        assert found[0] == sum(found[1:]), entry
        return found

    def ledger(self, path: Path) -> Json:
        found: Json = self.client.get(index="cloudtrail-files", id=ledger_id(str(path)))
        entry: Json = found["_source"]
        return entry

    def quarantine(self) -> list[Json]:
        return [hit["_source"] for hit in self._every("cloudtrail-quarantine")]

    def events(self) -> dict[str, Json]:
        return {hit["_id"]: hit["_source"] for hit in self._every("cloudtrail-events-*")}

    def _every(self, index: str) -> list[Json]:
        self.client.indices.refresh(index=index)
        hits: list[Json] = self.client.search(index=index, body={"size": 10_000})["hits"]["hits"]
        return hits

    def empty(self) -> None:
        """Forget everything but the queues, which the worker has open."""
        self.client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
        with closing(redis.Redis.from_url(self.environment["ENRICHER_REDIS__URL"])) as broker:
            for name in broker.scan_iter("enricher:*"):
                broker.delete(name)


@pytest.fixture(scope="module")
def served(stack_endpoints: Endpoints) -> Iterator[Ground]:
    """A real worker for all tests of this module, with the small limit."""
    redis_url = re.sub(r"/\d+$", OF_OUR_OWN, stack_endpoints.redis_url)
    endpoints = replace(stack_endpoints, redis_url=redis_url)
    with closing(OpenSearch(endpoints.opensearch_url, timeout=60)) as client:
        found = Ground(endpoints, client)
        worker = subprocess.Popen(
            [sys.executable, "-m", "enricher.cli", "worker"],
            env={**found.environment, "ENRICHER_INPUT__RECORD_BYTES": SMALL},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(worker, redis_url)
            yield found
        finally:
            worker.terminate()
            worker.wait(PATIENCE_SECONDS)


def _wait_for(worker: subprocess.Popen[bytes], redis_url: str) -> None:
    with make_celery(redis_url, time_limit=timedelta(minutes=1)) as app:
        for _ in range(PATIENCE_SECONDS):
            assert worker.poll() is None
            if app.control.ping(timeout=1):
                return
    pytest.fail("the worker does not answer")


@pytest.fixture
def ground(served: Ground) -> Iterator[Ground]:
    """Empty servers."""
    served.empty()
    yield served
    served.empty()


@pytest.fixture
def services(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Container:
    """What the command works with, in this process."""
    for name in ("ENRICHER_OPENSEARCH__URL", "ENRICHER_REDIS__URL"):
        monkeypatch.setenv(name, ground.environment[name])
    return Container(load_settings({}))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    """A dozen different records that all fit the small limit, an issuing one first."""
    root = tmp_path_factory.mktemp("trail")
    write(generate(31, small_plan()), root)
    found: dict[str, Json] = {}
    for path in sorted(root.rglob("*.json.gz")):
        for record in codec.loads(gzip.decompress(path.read_bytes())).get("Records", ()):
            if record.get("eventID") and len(codec.dumps(record)) < int(SMALL):
                found.setdefault(record["eventID"], record)
    issuing = [one for one in found.values() if one["eventName"] == "AssumeRole"]
    others = [one for one in found.values() if one["eventName"] != "AssumeRole"]
    assert issuing
    return [issuing[0], *others[:11]]


def inflated(record: Json) -> Json:
    """Make a record larger than the small limit."""
    parameters = record.get("requestParameters") or {}
    return {**record, "requestParameters": {**parameters, "padding": "x" * int(SMALL)}}


def log_file(path: Path, records: Sequence[object]) -> Path:
    path.write_bytes(gzip.compress(codec.dumps({"Records": list(records)})))
    return path


def comparable(events: Iterable[Json]) -> dict[str, Json]:
    """Give events as they are compared, whenever and by whatever way they came."""
    return {
        event["eventID"]: {
            **event,
            "enriched": {n: v for n, v in event["enriched"].items() if n not in _OF_THE_WINDOW},
        }
        for event in events
    }


def test_record_that_was_too_large_is_indexed_once_the_limit_allows(
    ground: Ground, records: list[Json], tmp_path: Path
) -> None:
    """It ends as if it had never been refused, in its file's account too."""
    path = log_file(tmp_path / "log.json.gz", [inflated(records[0]), *records[1:]])
    assert ground.run("ingest", "--wait", path, record_bytes=SMALL).returncode == 1
    assert ground.numbers(path) == (12, 11, 0, 1)
    (refused,) = ground.quarantine()

    again = ground.run("quarantine", "retry", "--all", record_bytes=SMALL)

    assert again.returncode == 1
    assert "refused again 1: record-too-large" in again.stdout
    (kept,) = ground.quarantine()
    assert (kept["id"], kept["verbatim"]) == (refused["id"], refused["verbatim"])
    assert kept["attempts"] == 1
    assert ground.numbers(path) == (12, 11, 0, 1)

    mended = ground.run("quarantine", "retry", refused["id"][:12])

    assert mended.returncode == 0, mended.stderr
    assert "1 indexed" in mended.stdout
    assert ground.quarantine() == []
    assert ground.numbers(path) == (12, 12, 0, 0)
    assert ground.ledger(path)["refusals"] == []
    after = ground.events()
    assert {event["enriched"]["file"] for event in after.values()} == {str(path)}
    lines = ground.run("explain", path).stdout.splitlines()
    assert comparable(after.values()) == comparable(map(codec.loads, lines))


def test_file_that_failed_is_ingested_once_it_is_whole(
    ground: Ground, records: list[Json], tmp_path: Path
) -> None:
    path = log_file(tmp_path / "log.json.gz", records)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert ground.run("ingest", "--wait", path).returncode == 1
    assert ground.ledger(path)["status"] == "failed"

    again = ground.run("quarantine", "retry", "--reason", "gzip-truncated")

    assert again.returncode == 1
    assert "refused again 1: gzip-truncated" in again.stdout
    (kept,) = ground.quarantine()
    assert kept["attempts"] == 1
    assert ground.numbers(path) == (0, 0, 0, 0)

    path.write_bytes(whole)
    mended = ground.run("quarantine", "retry", "--all")

    assert mended.returncode == 0, mended.stderr
    assert ground.quarantine() == []
    assert ground.ledger(path)["status"] == "ingested"
    assert ground.numbers(path) == (12, 12, 0, 0)


def test_file_that_is_done_before_the_command_looks_leaves_the_quarantine(
    ground: Ground,
    services: Container,
    records: list[Json],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker may be as quick as that."""

    def retry_and_let_it_be_done(*arguments: Any) -> RetryReport:  # noqa: ANN401 - as they are
        report = retry(*arguments)
        for _ in range(PATIENCE_SECONDS):
            if services.queue.depth() == 0:
                return report
            time.sleep(1)
        pytest.fail("the file is not done")

    path = log_file(tmp_path / "log.json.gz", records)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert ground.run("ingest", "--wait", path).returncode == 1
    path.write_bytes(whole)
    monkeypatch.setattr(command, "container", lambda: services)
    monkeypatch.setattr(command, "retry", retry_and_let_it_be_done)

    answer = CliRunner().invoke(command.app, ["retry", "--all"])

    assert answer.exit_code == 0, answer.output
    assert ground.quarantine() == []
    assert ground.numbers(path) == (12, 12, 0, 0)


def test_file_that_was_mostly_refused_is_ingested_after_all(
    ground: Ground, records: list[Json], tmp_path: Path
) -> None:
    large = [inflated(record) for record in records[:9]]
    path = log_file(tmp_path / "log.json.gz", [*large, *records[9:]])
    assert ground.run("ingest", "--wait", path, record_bytes=SMALL).returncode == 1
    assert ground.ledger(path)["status"] == "failed"
    assert ground.numbers(path) == (12, 0, 0, 12)
    run = ground.ledger(path)["run_id"]

    assert ground.run("quarantine", "retry", "--run", run).returncode == 0

    assert ground.quarantine() == []
    assert ground.numbers(path) == (12, 12, 0, 0)
    entry = ground.ledger(path)
    assert (entry["status"], entry.get("reason")) == ("ingested", None)


def test_record_without_an_id_keeps_the_one_that_its_whole_content_gives_it(
    ground: Ground, records: list[Json], tmp_path: Path
) -> None:
    """What is kept in quarantine has lost its token; its id is found in the file again."""
    issuing = {name: value for name, value in records[0].items() if name != "eventID"}
    assert "sessionToken" in issuing["responseElements"]["credentials"]
    path = log_file(tmp_path / "log.json.gz", [inflated(issuing), *records[1:]])
    ground.run("ingest", "--wait", path, record_bytes=SMALL)

    assert ground.run("quarantine", "retry", "--all").returncode == 0

    assert codec.digest(inflated(issuing)) in ground.events()
    assert b"REDACTED" in codec.dumps(ground.events()[codec.digest(inflated(issuing))])


def test_record_of_a_later_run_is_out_of_the_account(
    ground: Ground, records: list[Json], tmp_path: Path
) -> None:
    """A file ingested again counts itself; its old entries only leave."""
    path = log_file(tmp_path / "log.json.gz", [inflated(records[0]), *records[1:]])
    ground.run("ingest", "--wait", path, record_bytes=SMALL)
    log_file(path, records)
    ground.run("ingest", "--wait", path)
    assert ground.numbers(path) == (12, 1, 11, 0)
    assert len(ground.quarantine()) == 1

    again = ground.run("quarantine", "retry", "--all")

    assert again.returncode == 0
    assert "1 duplicates" in again.stdout
    assert ground.quarantine() == []
    assert ground.numbers(path) == (12, 1, 11, 0)


class _Breaking(OpenSearchQuarantine):
    """Breaks off where the ledger is corrected and the entries are not gone yet."""

    def release(self, ids: Sequence[str]) -> None:
        if ids:
            raise KeyboardInterrupt
        super().release(ids)


def test_retry_that_broke_off_counts_nothing_twice(
    ground: Ground, services: Container, records: list[Json], tmp_path: Path
) -> None:
    path = log_file(tmp_path / "log.json.gz", [*map(inflated, records[:3]), *records[3:]])
    ground.run("ingest", "--wait", path, record_bytes=SMALL)
    assert ground.numbers(path) == (12, 9, 0, 3)
    broken = replace(services.retrying, quarantine=_Breaking(services.opensearch))
    with pytest.raises(KeyboardInterrupt):
        retry(Choice(), "run", broken)
    assert ground.numbers(path) == (12, 12, 0, 0)
    held = ground.quarantine()
    assert len(held) == 3

    report = retry(Choice(beginnings=(held[1]["id"],)), "run", services.retrying)

    assert +report.fates == {Fate.MENDED: 1}
    assert ground.quarantine() == []
    assert ground.numbers(path) == (12, 12, 0, 0)


def test_message_is_only_named(ground: Ground) -> None:
    assert ground.run("install").returncode == 0
    entry = {
        "id": "f00d",
        "what": "message",
        "reason": "json-invalid",
        "location": "https://sqs.example/queue",
        "verbatim": "{",
        "at": "2026-03-02T00:00:00Z",
    }
    ground.client.index(index="cloudtrail-quarantine", id=entry["id"], body=entry)

    told = ground.run("quarantine", "retry", "--all")

    assert told.returncode == 0
    assert "only their sender can send them again" in told.stdout
    assert len(ground.quarantine()) == 1


@pytest.mark.parametrize("arguments", [[], ["--all", "--reason", "x"]])
def test_what_is_meant_must_be_said(ground: Ground, arguments: list[str]) -> None:
    assert ground.run("quarantine", "retry", *arguments).returncode == 2
