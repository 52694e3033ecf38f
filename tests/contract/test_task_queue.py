"""What is asked for is sent once, together, and never forgotten: on a real Valkey."""

from __future__ import annotations

import base64
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis

from enricher.cloudtrail import codec
from enricher.errors import UnavailableError
from enricher.stores.task_queue import (
    ENRICH_QUEUE,
    ENRICH_TASK,
    GATHER_EVERY,
    GATHER_EVERY_WHILE_BUSY,
    GATHERED,
    INGEST_QUEUE,
    NOTED,
    CeleryTaskQueue,
    make_celery,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.stack import Endpoints

_OF_OUR_OWN = "/7"  # a database of Redis that no worker serves


@pytest.fixture
def client(stack_endpoints: Endpoints) -> Iterator[redis.Redis]:
    """An empty database."""
    url = stack_endpoints.redis_url.rpartition("/")[0] + _OF_OUR_OWN
    with redis.Redis.from_url(url) as found:
        found.flushdb()
        yield found
        found.flushdb()


@pytest.fixture
def queue(client: redis.Redis, stack_endpoints: Endpoints) -> CeleryTaskQueue:
    url = stack_endpoints.redis_url.rpartition("/")[0] + _OF_OUR_OWN
    return CeleryTaskQueue(make_celery(url, time_limit=timedelta(minutes=1)), client)


def sent(client: redis.Redis) -> list[tuple[str, Any]]:
    """Give what is queued, oldest first: task and arguments."""
    messages = [codec.loads(one) for one in client.lrange(ENRICH_QUEUE, 0, -1)[::-1]]
    return [(one["headers"]["task"], arguments_of(one)) for one in messages]


def arguments_of(message: dict[str, Any]) -> Any:  # noqa: ANN401 - of any task
    args, _, _ = codec.loads(base64.b64decode(message["body"]))
    return args


def test_what_many_ask_for_is_sent_as_one_task(queue: CeleryTaskQueue, client: redis.Redis) -> None:
    for keys in (["issued/a", "issued/b"], ["issued/b"], ["name/c"]):
        queue.enrich_again(keys)
    assert sent(client) == []
    assert queue.gather() == 3
    ((task, (keys,)),) = sent(client)
    assert task == ENRICH_TASK
    assert sorted(keys) == ["issued/a", "issued/b", "name/c"]
    assert client.hlen(NOTED) == 0


def test_what_is_noted_is_work_that_is_not_done(
    queue: CeleryTaskQueue, client: redis.Redis
) -> None:
    queue.enrich_again(["issued/a", "issued/b"])
    assert queue.load().noted == 2
    assert queue.depth() == 1
    queue.gather()
    client.delete(ENRICH_QUEUE)
    assert queue.depth() == 0


def test_nothing_asked_for_is_nothing_sent(queue: CeleryTaskQueue, client: redis.Redis) -> None:
    queue.enrich_again([])
    assert queue.gather() == 0
    assert sent(client) == []


def test_of_several_workers_one_sends(queue: CeleryTaskQueue, client: redis.Redis) -> None:
    queue.enrich_again(["issued/a"])
    assert queue.gather() == 1
    queue.enrich_again(["issued/a"])
    assert queue.gather() == 0  # another one did so in this second
    assert len(sent(client)) == 1
    time.sleep(GATHER_EVERY.total_seconds())
    assert queue.gather() == 1
    assert len(sent(client)) == 2


def test_while_files_wait_it_is_sent_less_often(
    queue: CeleryTaskQueue, client: redis.Redis
) -> None:
    queue.ingest(["file"], "run")
    queue.enrich_again(["issued/a"])
    assert queue.gather() == 1  # the first time at once
    queue.enrich_again(["issued/b"])
    time.sleep(GATHER_EVERY.total_seconds())
    assert queue.gather() == 0
    client.delete(INGEST_QUEUE)
    assert queue.gather() == 1


def test_while_files_wait_it_is_sent_nevertheless(
    queue: CeleryTaskQueue, client: redis.Redis
) -> None:
    queue.ingest(["file"], "run")
    for key in ("issued/a", "issued/b"):
        queue.enrich_again([key])
        assert queue.gather() == 1
        assert queue.gather() == 0
        assert 0 < client.pttl(GATHERED) <= GATHER_EVERY_WHILE_BUSY.total_seconds() * 1_000
        client.pexpire(GATHERED, 1)
        time.sleep(GATHER_EVERY.total_seconds())
    assert len([task for task, _ in sent(client) if task == ENRICH_TASK]) == 2


def test_who_asks_while_it_is_sent_is_not_forgotten(
    queue: CeleryTaskQueue, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.enrich_again(["issued/a", "issued/b"])
    send = CeleryTaskQueue._send

    def meanwhile(self: CeleryTaskQueue, task: str, *rest: Any) -> None:  # noqa: ANN401
        send(self, task, *rest)
        self.enrich_again(["issued/b"])

    with monkeypatch.context() as patched:
        patched.setattr(CeleryTaskQueue, "_send", meanwhile)
        assert queue.gather() == 2
    assert client.hkeys(NOTED) == [b"issued/b"]


def test_what_cannot_be_sent_stays_noted(
    queue: CeleryTaskQueue, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise UnavailableError("away")

    queue.enrich_again(["issued/a"])
    monkeypatch.setattr(CeleryTaskQueue, "_send", away)
    with pytest.raises(UnavailableError):
        queue.gather()
    assert client.hkeys(NOTED) == [b"issued/a"]


def test_very_many_keys_are_several_tasks(queue: CeleryTaskQueue, client: redis.Redis) -> None:
    wanted = {f"issued/{number}\n\u00e9" for number in range(1_200)}
    queue.enrich_again(sorted(wanted))
    assert queue.gather() == 1_200
    tasks = [args[0] for task, args in sent(client) if task == ENRICH_TASK]
    assert [len(keys) for keys in tasks] == [500, 500, 200]
    assert {key for keys in tasks for key in keys} == wanted
    assert client.hlen(NOTED) == 0
