"""Whatever becomes of the workers, the index ends with exactly the oracle's documents."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.integration.faults import check, queue, queue_noted
from tests.integration.servers import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.faults import Logs
    from tests.integration.servers import Servers

KILLS = 20


def test_workers_that_are_killed_lose_nothing(servers: Servers, many: Logs) -> None:
    rng = random.Random(5)  # noqa: S311 - no secret
    main = servers.start_worker()
    queue(servers, many.shuffled(seed=5))
    killed = 0
    while killed < KILLS:
        time.sleep(rng.uniform(0.05, 0.8))
        if rng.random() < 0.25:
            servers.kill(main)
            main = servers.start_worker()
            killed += 1
            continue
        for child in psutil.Process(main.pid).children()[:1]:
            child.kill()
            killed += 1
    assert not servers.is_idle(), "the work was done before the last kill"
    check(servers, many.expected)


@pytest.mark.parametrize("seed", range(5))
def test_deliveries_in_any_order_end_alike(servers: Servers, few: Logs, seed: int) -> None:
    queue(servers, few.shuffled(seed))
    servers.start_worker()
    check(servers, few.expected)


def test_two_workers_race_on_the_same_files(servers: Servers, many: Logs) -> None:
    queue(servers, [file for file in many.files for _ in range(2)])
    for _ in range(2):
        servers.start_worker()
    check(servers, many.expected)


def test_a_file_that_takes_too_long_comes_again(servers: Servers, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)  # whoever opens it waits for somebody to write
    servers.start_worker(ENRICHER_WORKER__TIME_LIMIT="PT3S")
    queue_noted(servers, [pipe]).wait()
    attempts = f"enricher:attempts:{pipe}"
    until(lambda: servers.redis.get(attempts) == b"1", "the file is begun")
    until(lambda: servers.redis.get(attempts) == b"2", "the file is begun again")
    pipe.write_bytes(b'{"Records":[]}')
    servers.settle()
    assert (servers.files("ingested"), servers.files("failed")) == (1, 0)
