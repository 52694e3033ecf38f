"""A real worker, scraped, killed in part, and read over its shoulder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import redis
from opensearchpy import OpenSearch
from prometheus_client.parser import text_string_to_metric_families

from enricher.cloudtrail import codec
from enricher.stores.task_queue import INGEST_TASK, QUEUES, RECONCILE_TASK, make_celery
from tests.integration.conftest import free_port
from tests.integration.test_ingest import (
    PATIENCE_SECONDS,
    SAMPLES,
    House,
    log_file,
    record,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from enricher.stack import Endpoints

Json = dict[str, Any]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

OF_OUR_OWN = "/8"  # databases of Redis that no other test's worker serves
OF_THE_CUT_OFF = "/9"
SOON_SECONDS = 60
NOBODY_LISTENS = "http://127.0.0.1:9"
PROCESSES = 2
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Worker:
    """A worker with metrics, and the servers that it works with."""

    house: House
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def scrape(self) -> Samples:
        """Give every sample by its name and its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def children(self) -> set[int]:
        """Give the processes of its pool."""
        return {child.pid for child in psutil.Process(self.process.pid).children()}

    def send(self, task: str, *arguments: object, times: int = 1) -> None:
        """Queue a task as the enricher does, so many times in a row."""
        with make_celery(self.house.environment["ENRICHER_REDIS__URL"], time_limit=HOUR) as app:
            for _ in range(times):
                app.send_task(task, args=list(arguments))

    def lines(self) -> list[Json]:
        """Give the log's lines that are JSON."""
        found = self.log.read_text().splitlines()
        return [codec.loads(line) for line in found if line.startswith("{")]

    def ends(self, task: str) -> list[Json]:
        """Give the lines of the ends of a task."""
        return [
            line
            for line in self.lines()
            if line["event"] == "task_finished" and line["task_name"] == task
        ]


@contextmanager
def working(environment: dict[str, str], folder: Path, **settings: str) -> Iterator[Worker]:
    """Run a worker with two processes and metrics until the block ends."""
    port, log = free_port(), folder / "worker.log"
    redis_url = environment["ENRICHER_REDIS__URL"]
    chosen = {
        **os.environ,  # noqa: TID251 - the command inherits what runs the tests
        **environment,
        "ENRICHER_WORKER__METRICS_PORT": str(port),
        "ENRICHER_LOG_FORMAT": "json",
        "COLUMNS": "400",
        "TMPDIR": str(folder),
        **settings,
    }
    command = [sys.executable, "-m", "enricher.cli", "worker", "--concurrency", str(PROCESSES)]
    with (
        closing(OpenSearch(environment["ENRICHER_OPENSEARCH__URL"], timeout=60)) as client,
        closing(redis.Redis.from_url(redis_url)) as broker,
        log.open("wb") as written,
    ):
        broker.flushdb()
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, env=chosen, stdout=written, stderr=subprocess.STDOUT
        )
        worker = Worker(House(chosen, client, broker), process, port, log)
        try:
            with make_celery(redis_url, time_limit=HOUR) as app:
                until(lambda: process.poll() is not None or app.control.ping(timeout=1))
            assert process.poll() is None, log.read_text()
            yield worker
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def until(true: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + SOON_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def value(samples: Samples, name: str, **labels: str) -> float:
    """Give one sample."""
    return samples[name, frozenset(labels.items())]


@pytest.fixture(scope="module")
def servers(stack_endpoints: Endpoints) -> Iterator[dict[str, str]]:
    """Say where the shared servers are, emptied; a database of Redis of our own."""
    with closing(OpenSearch(stack_endpoints.opensearch_url, timeout=60)) as client:
        client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
        yield {
            "ENRICHER_OPENSEARCH__URL": stack_endpoints.opensearch_url,
            "ENRICHER_REDIS__URL": re.sub(r"/\d+$", OF_OUR_OWN, stack_endpoints.redis_url),
        }
        client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})


# --- the numbers --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def worker(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker that has ingested the samples."""
    with working(servers, tmp_path_factory.mktemp("worker")) as found:
        answer = found.house.run("ingest", "--wait", SAMPLES)
        assert answer.returncode == 0, answer.stderr
        yield found


def test_the_numbers_add_up_with_the_ledger(worker: Worker, tmp_path: Path) -> None:
    before = worker.scrape()
    for number in range(3):
        content = [record(40 + number), *(["no object"] * (2 * number))]
        (tmp_path / f"{number}.json").write_bytes(codec.dumps({"Records": content}))
    worker.house.run("ingest", "--wait", tmp_path)
    entries = [e for where, e in worker.house.ledger().items() if where.startswith(str(tmp_path))]
    samples = worker.scrape()

    def grown(name: str, **labels: str) -> float:
        return value(samples, name, **labels) - value(before, name, **labels)

    for result in ("indexed", "duplicate", "quarantined"):
        counted = grown("enricher_records_total", result=result)
        assert counted == sum(entry[result] for entry in entries), result
    for status in ("ingested", "failed", "skipped"):
        counted = grown("enricher_files_total", status=status)
        assert counted == len([entry for entry in entries if entry["status"] == status]), status
    assert grown("enricher_file_bytes_total") == sum(e["size_bytes"] for e in entries)
    delays = [entry["delivery_delay_ms"] for entry in entries if "delivery_delay_ms" in entry]
    assert delays
    assert grown("enricher_delivery_delay_seconds_count") == len(delays)
    seconds = grown("enricher_delivery_delay_seconds_sum")
    assert seconds == pytest.approx(sum(delays) / 1000, abs=len(delays))
    assert value(samples, "enricher_tasks_running") == 0


def test_both_processes_worked(worker: Worker) -> None:
    samples = worker.scrape()
    done = value(samples, "enricher_tasks_total", task=INGEST_TASK, outcome="done")
    assert done == value(samples, "enricher_task_seconds_count", task=INGEST_TASK)
    directory = next(worker.log.parent.glob("enricher-metrics-*"))

    def both_wrote() -> bool:
        # Of tasks that come one by one, the same process may take each.
        worker.send(RECONCILE_TASK, times=4 * PROCESSES)
        wrote = {int(path.stem.rpartition("_")[2]) for path in directory.glob("histogram_*.db")}
        return len(wrote - {worker.process.pid}) >= PROCESSES

    until(both_wrote)
    until(lambda: value(worker.scrape(), "enricher_tasks_in_hand") == 0)


def test_the_servers_are_asked_at_scrape(worker: Worker) -> None:
    samples = worker.scrape()
    states = codec.loads(worker.house.run("status", "--json").stdout)["events"]
    assert value(samples, "enricher_server_up", server="redis") == 1
    assert value(samples, "enricher_server_up", server="opensearch") == 1
    assert value(samples, "enricher_queue_tasks", queue="enricher.ingest") == 0
    assert value(samples, "enricher_tasks_in_hand") == 0
    assert value(samples, "enricher_pending_events") == states.get("pending", 0)
    entries = worker.house.ledger().values()
    newest = max(entry.get("newest_event_at", "") for entry in entries)
    at = value(samples, "enricher_newest_event_timestamp_seconds")
    assert time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) == newest


def test_it_is_for_this_machine_alone(worker: Worker) -> None:
    listening = {
        connection.laddr.ip
        for connection in psutil.Process(worker.process.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == worker.port
    }
    assert listening == {"127.0.0.1"}


def test_a_port_that_is_taken_is_said(worker: Worker) -> None:
    answer = worker.house.run("worker")
    assert answer.returncode == 1
    assert f"metrics cannot be served on 127.0.0.1 port {worker.port}" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_nothing_is_forgotten_when_a_process_is_killed(worker: Worker, tmp_path: Path) -> None:
    before = worker.scrape()
    killed = max(worker.children())
    os.kill(killed, signal.SIGKILL)
    until(lambda: len(worker.children() - {killed}) == PROCESSES)
    after = worker.scrape()
    assert counters(after) == counters(before)

    (tmp_path / "one.json.gz").write_bytes(log_file(*(record(number) for number in range(7))))
    assert worker.house.run("ingest", "--wait", tmp_path).returncode == 0
    grown = worker.scrape()
    assert value(grown, "enricher_records_total", result="indexed") == 7 + value(
        before, "enricher_records_total", result="indexed"
    )


def counters(samples: Samples) -> Samples:
    """Give what must never go back."""
    endings = ("_total", "_count", "_sum", "_bucket")
    return {key: number for key, number in samples.items() if key[0].endswith(endings)}


def test_a_task_whose_process_is_killed_runs_no_more_and_is_given_to_another(
    worker: Worker, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)  # whoever opens it waits for somebody to write
    before = worker.scrape()
    worker.send(INGEST_TASK, [str(pipe)], "run")
    until(lambda: value(worker.scrape(), "enricher_tasks_running") == 1)
    for pid in worker.children():
        os.kill(pid, signal.SIGKILL)
    redelivered = ("enricher_tasks_redelivered_total", frozenset({("task", INGEST_TASK)}))
    until(lambda: worker.scrape()[redelivered] == before[redelivered] + 1)
    assert value(worker.scrape(), "enricher_tasks_running") == 1
    pipe.write_bytes(codec.dumps({"Records": []}))
    until(lambda: value(worker.scrape(), "enricher_tasks_running") == 0)
    after = worker.scrape()
    assert all(after[key] >= number for key, number in counters(before).items())


# --- the log --------------------------------------------------------------------------------------


def test_a_task_leaves_one_line_with_its_counts(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(
        codec.dumps({"Records": [record(31), "no object", record(32)]})
    )
    assert worker.house.run("ingest", "--wait", tmp_path).returncode == 1
    location = str(tmp_path / "a.json")
    (line,) = [one for one in worker.ends(INGEST_TASK) if one.get("location") == location]
    entry = worker.house.ledger()[location]
    counts = ("run_id", "status", "records", "indexed", "duplicate", "quarantined", "pending")
    assert {name: line[name] for name in counts} == {name: entry[name] for name in counts}
    assert (line["outcome"], line["attempts"], line["level"]) == ("done", 1, "info")
    assert line["duration_ms"] >= entry["duration_ms"]
    ids = [one["task_id"] for one in worker.lines() if "task_id" in one]
    assert ids.count(line["task_id"]) == 1


# --- servers that are away ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cut_off(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker that cannot reach OpenSearch, and was asked to ingest a file."""
    folder = tmp_path_factory.mktemp("cut-off")
    mine = {
        "ENRICHER_OPENSEARCH__URL": NOBODY_LISTENS,
        "ENRICHER_REDIS__URL": re.sub(r"/\d+$", OF_THE_CUT_OFF, servers["ENRICHER_REDIS__URL"]),
    }
    (folder / "a.json").write_bytes(codec.dumps({"Records": [record(1)]}))
    with working(mine, folder) as found:
        found.send(INGEST_TASK, [str(folder / "a.json")], "run")
        until(lambda: found.ends(INGEST_TASK))
        yield found


def test_a_task_that_will_be_retried_says_why(cut_off: Worker) -> None:
    line = cut_off.ends(INGEST_TASK)[0]
    assert (line["outcome"], line["error"], line["level"]) == (
        "retried",
        "UnavailableError",
        "warning",
    )
    assert line["reason"] == "OpenSearch does not answer: ConnectionError"
    assert line["run_id"] == "run"
    samples = cut_off.scrape()
    assert value(samples, "enricher_tasks_total", task=INGEST_TASK, outcome="retried") >= 1


def test_a_scrape_leaves_out_what_a_server_that_is_away_knows(cut_off: Worker) -> None:
    samples = cut_off.scrape()
    assert value(samples, "enricher_server_up", server="opensearch") == 0
    assert value(samples, "enricher_server_up", server="redis") == 1
    assert value(samples, "enricher_tasks_in_hand") == 1
    assert "enricher_pending_events" not in {name for name, _ in samples}


def test_status_shows_what_the_others_know(cut_off: Worker) -> None:
    answer = cut_off.house.run("status")
    assert answer.returncode == 1
    assert "opensearch is down: OpenSearch does not answer" in answer.stderr
    assert re.search(r"tasks in hand +1\n", answer.stdout)
    assert re.search(r"workers +1\n", answer.stdout)


def test_status_without_redis_shows_what_opensearch_knows(worker: Worker) -> None:
    answer = worker.house.run("status", "--json", ENRICHER_REDIS__URL="redis://127.0.0.1:9/0")
    assert answer.returncode == 1
    found = codec.loads(answer.stdout)
    assert found["down"] == {"redis": "Redis does not answer"}
    assert (found["queue"], found["workers"]) == (None, None)
    assert found["accounts"]


# --- status ---------------------------------------------------------------------------------------


def test_status_adds_up_with_the_ledger(worker: Worker) -> None:
    entries = list(worker.house.ledger().values())
    answer = worker.house.run("status", "--json")
    assert answer.returncode == 0, answer.stderr
    found = codec.loads(answer.stdout)
    rows = {(row["account_id"], row["region"]): row for row in found["accounts"]}
    ended = [entry for entry in entries if "finished_at" in entry]
    assert sum(row["files"] for row in rows.values()) == len(entries)
    assert sum(row["records"] for row in rows.values()) == sum(e["records"] for e in ended)
    for (account, region), row in rows.items():
        own = [
            entry
            for entry in entries
            if (entry.get("account_id", ""), entry.get("region", "")) == (account, region)
        ]
        newest = max((e["newest_event_at"] for e in own if "newest_event_at" in e), default=None)
        assert row["newest_event_at"] == newest
        delays = [e["delivery_delay_ms"] / 1000 for e in own if "delivery_delay_ms" in e]
        if delays:
            assert min(delays) - 1 <= row["delay_seconds"]["median"] <= row["delay_seconds"]["p95"]
            assert row["delay_seconds"]["p95"] <= max(delays) + 1
    (hour,) = [rate for rate in found["rates"] if rate["minutes"] == 60]
    assert hour["files"] == len(ended)
    assert hour["records"] == sum(entry["records"] for entry in ended)
    assert hour["quarantined"] == sum(entry["quarantined"] for entry in ended)
    assert hour["records_per_second"] == pytest.approx(hour["records"] / 3600, abs=0.01)
    assert found["workers"] == 1
    assert sum(found["events"].values()) == len(worker.house.events())
    assert found["queue"]["waiting"] == dict.fromkeys(QUEUES, 0)
    assert found["down"] == {}


def test_status_says_how_long_the_oldest_file_waits(worker: Worker) -> None:
    elsewhere = re.sub(r"/\d+$", "/12", worker.house.environment["ENRICHER_REDIS__URL"])
    with closing(redis.Redis.from_url(elsewhere)) as broker:
        broker.flushdb()
    folder = worker.log.parent
    (folder / "queued.json").write_bytes(codec.dumps({"Records": []}))
    mine = {"ENRICHER_REDIS__URL": elsewhere}
    for _ in range(2):
        assert (
            worker.house.run("ingest", "--no-wait", folder / "queued.json", **mine).returncode == 0
        )
    found = codec.loads(worker.house.run("status", "--json", **mine).stdout)
    assert found["queue"]["waiting"]["enricher.ingest"] == 2
    assert 0 <= found["queue"]["oldest_file_seconds"] < PATIENCE_SECONDS
    assert found["workers"] == 0
