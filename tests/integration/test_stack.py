"""The embedded stack for real: servers start, answer, keep their data, and leave nothing behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest
import redis
from opensearchpy import OpenSearch

from enricher.stack import ServerStartError, Stack, StackSettings
from enricher.stack.distribution import Distribution
from enricher.stack.interruption import Interruption
from enricher.stack.lock import load_lock
from enricher.stack.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAP_BYTES = 384 << 20
WAIT_S = 60
CLI = "from enricher.cli.stack import app; app()"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> StackSettings:
    """Downloads are the user's own; data and ports are not."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return replace(
        StackSettings.default(),
        data_dir=tmp_path_factory.mktemp("stack") / "dir with ü",
        heap=HEAP_BYTES,
        opensearch_port=min(port, 65000),
        redis_port=min(port, 65000) + 200,
    )


@pytest.fixture(scope="module")
def stack(settings: StackSettings) -> Iterator[Stack]:
    """A stack that is up; tests may restart it."""
    stack = Stack(settings)
    with stack.running():
        yield stack


@contextmanager
def _client(stack: Stack) -> Iterator[OpenSearch]:
    endpoints = stack.endpoints()
    assert endpoints is not None
    with closing(OpenSearch(endpoints.opensearch_url)) as client:
        yield client


def _redis(stack: Stack) -> redis.Redis:
    endpoints = stack.endpoints()
    assert endpoints is not None
    return redis.Redis.from_url(endpoints.redis_url, decode_responses=True)


def _state(data_dir: Path) -> dict[str, Any]:
    try:
        content = (data_dir / "stack.json").read_bytes()
    except FileNotFoundError:
        return {}
    servers: dict[str, Any] = msgspec.json.decode(content)["servers"]
    return servers


def _servers_of(data_dir: Path) -> list[psutil.Process]:
    """All processes that work in a data directory, whether the state file knows them or not."""
    return [
        process
        for process in psutil.process_iter(["cwd"])
        if str(process.info["cwd"] or "").startswith(str(data_dir))
    ]


def _up_in_another_process(settings: StackSettings) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 -- our own command line
        [
            *(sys.executable, "-c", CLI, "up"),
            *("--data-dir", str(settings.data_dir), "--cache-dir", str(settings.cache_dir)),
            *("--heap", str(settings.heap)),
            *("--opensearch-port", str(settings.opensearch_port)),
            *("--redis-port", str(settings.redis_port)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _until_started(data_dir: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + WAIT_S
    while "opensearch" not in _state(data_dir):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_both_servers_answer_and_say_so(stack: Stack, settings: StackSettings) -> None:
    endpoints = stack.endpoints()
    assert endpoints is not None
    status = stack.status()
    assert status.running
    assert {server.name: server.url for server in status.servers} == {
        "opensearch": endpoints.opensearch_url,
        "valkey": endpoints.redis_url,
    }
    assert {server.name: (server.version or "").split(".")[0] for server in status.servers} == {
        "opensearch": "3",
        "valkey": "9",
    }
    for server in status.servers:
        assert server.uptime is not None
        assert server.log_path.is_relative_to(settings.data_dir)
        assert "for this machine only" in server.log_path.read_text().splitlines()[0]
    with _redis(stack) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_only_this_machine_can_connect(stack: Stack) -> None:
    for server in stack.status().servers:
        listening = [
            connection.laddr.ip.removeprefix("::ffff:")
            for connection in psutil.Process(server.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert set(listening) == {"127.0.0.1"}


def test_flat_objects_can_be_searched_by_their_leaves(stack: Stack) -> None:
    mapping = {"properties": {"requestParameters": {"type": "flat_object"}}}
    record = {"requestParameters": {"roleArn": "arn:aws:iam::111122223333:role/Admin"}}
    with _client(stack) as client:
        client.indices.create(index="flat", body={"mappings": mapping})
        client.index(index="flat", body=record, refresh="true")
        query = {"term": {"requestParameters.roleArn": record["requestParameters"]["roleArn"]}}
        assert client.search(index="flat", body={"query": query})["hits"]["total"]["value"] == 1


def test_scripts_reindex_pipelines_and_points_in_time_work(stack: Stack) -> None:
    processors = [{"set": {"field": "seen", "value": True}}]
    script = {"source": "ctx._source.count += params.by", "params": {"by": 2}}
    with _client(stack) as client:
        client.ingest.put_pipeline(id="mark", body={"processors": processors})
        client.index(index="first", id="1", body={"count": 1}, params={"pipeline": "mark"})
        client.update(index="first", id="1", body={"script": script}, refresh="true")
        source, target = {"index": "first"}, {"index": "second"}
        client.reindex(body={"source": source, "dest": target}, refresh="true")
        point = client.create_pit(index="second", params={"keep_alive": "1m"})["pit_id"]
        client.delete(index="second", id="1", refresh="true")
        hits = client.search(body={"pit": {"id": point}})["hits"]["hits"]
        client.delete_pit(body={"pit_id": [point]})
    assert [hit["_source"] for hit in hits] == [{"count": 3, "seen": True}]


def test_up_again_changes_nothing(stack: Stack) -> None:
    before = [server.pid for server in stack.status().servers]
    reports: list[str] = []
    assert stack.up(reports.append) == stack.endpoints()
    assert reports == []
    assert [server.pid for server in stack.status().servers] == before


def test_a_second_start_downloads_nothing(stack: Stack, settings: StackSettings) -> None:
    class NoNetwork:
        def chunks(self, coordinates: str) -> Iterator[bytes]:
            raise AssertionError(coordinates)

    assert stack.endpoints() is not None
    reports: list[str] = []
    distribution = Distribution(load_lock(), settings.cache_dir, source=NoNetwork())
    assert distribution.prepare(reports.append).is_dir()
    assert reports == []


def test_data_survives_down_and_up(stack: Stack, settings: StackSettings) -> None:
    with _client(stack) as client, _redis(stack) as cache:
        client.index(index="kept", id="1", body={"kept": True})
        cache.set("kept", "yes")
    stack.down()
    assert stack.endpoints() is None
    assert _servers_of(settings.data_dir) == []
    stack.up()
    with _client(stack) as client, _redis(stack) as cache:
        client.cluster.health(index="kept", params={"wait_for_status": "yellow"})
        assert client.get(index="kept", id="1")["_source"] == {"kept": True}
        assert cache.get("kept") == "yes"


def test_a_stack_that_was_killed_comes_up_again(stack: Stack) -> None:
    killed = [psutil.Process(server.pid) for server in stack.status().servers]
    for process in killed:
        process.kill()
    psutil.wait_procs(killed, timeout=WAIT_S)
    assert stack.endpoints() is None
    stack.up()
    assert stack.status().running


def test_a_second_stack_takes_other_ports(
    stack: Stack, settings: StackSettings, tmp_path: Path
) -> None:
    first = stack.endpoints()
    other = Stack(replace(settings, data_dir=tmp_path))
    with other.running() as second:
        assert first is not None
        assert first.opensearch_url != second.opensearch_url
        assert first.redis_url != second.redis_url
        assert stack.status().running
        assert other.status().running
        assert Stack(replace(settings, data_dir=tmp_path)).endpoints() == second
    assert _servers_of(tmp_path) == []
    assert stack.status().running


@pytest.mark.parametrize(
    ("number", "exit_status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_an_interrupted_start_leaves_nothing_behind(
    settings: StackSettings, tmp_path: Path, number: signal.Signals, exit_status: int
) -> None:
    with _up_in_another_process(replace(settings, data_dir=tmp_path)) as process:
        _until_started(tmp_path, process)
        assert len(_servers_of(tmp_path)) == 2
        process.send_signal(number)
        process.send_signal(number)  # impatience changes nothing
        process.communicate(timeout=WAIT_S)
    assert process.returncode == exit_status
    assert _servers_of(tmp_path) == []
    assert _state(tmp_path) == {}


def test_what_a_killed_start_left_is_ended_by_down(settings: StackSettings, tmp_path: Path) -> None:
    with _up_in_another_process(replace(settings, data_dir=tmp_path)) as process:
        _until_started(tmp_path, process)
        process.kill()
    assert len(_servers_of(tmp_path)) == 2
    Stack(replace(settings, data_dir=tmp_path)).down()
    assert _servers_of(tmp_path) == []


def test_two_starts_at_once_make_one_stack(settings: StackSettings, tmp_path: Path) -> None:
    both = replace(settings, data_dir=tmp_path)
    with _up_in_another_process(both) as first, _up_in_another_process(both) as second:
        outputs = [process.communicate(timeout=WAIT_S)[0] for process in (first, second)]
    try:
        assert [first.returncode, second.returncode] == [0, 0], outputs
        assert len(_servers_of(tmp_path)) == 2
    finally:
        Stack(both).down()
    assert _servers_of(tmp_path) == []


def test_a_port_that_is_lost_at_the_last_moment_is_replaced(
    settings: StackSettings, tmp_path: Path
) -> None:
    here = replace(settings, data_dir=tmp_path)
    thieves: list[socket.socket] = []
    reports: list[str] = []

    class Robbed(Valkey):
        def command(self, port: int) -> tuple[str, ...]:
            if not thieves:  # after the look at the port, before the start
                thieves.append(socket.create_server(("127.0.0.1", port)))
            return super().command(port)

    stack, server = Stack(here), Robbed(here)
    server.prepare(reports.append)
    with Interruption() as interruption:
        stack._start(server, interruption)
        stack._await(server, reports.append, interruption)
    state = _state(tmp_path)["valkey"]
    assert state["ready"]
    assert state["port"] > thieves[0].getsockname()[1]
    thieves[0].close()
    stack.down()
    assert _servers_of(tmp_path) == []


def test_a_server_that_cannot_start_shows_the_end_of_its_log(
    settings: StackSettings, tmp_path: Path
) -> None:
    (tmp_path / "opensearch").mkdir()
    (tmp_path / "opensearch" / "data").write_text("a file where a directory should be")
    stack = Stack(replace(settings, data_dir=tmp_path))
    with pytest.raises(ServerStartError) as caught:
        stack.up()
    assert caught.value.server == "opensearch"
    assert len(caught.value.log_lines) == 20
    assert "opensearch/data" in str(caught.value)
    assert _servers_of(tmp_path) == []
