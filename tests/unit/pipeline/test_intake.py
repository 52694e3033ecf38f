"""Log files are handed over: noted, grouped, queued, and queued again where the queue was lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from enricher.pipeline.intake import Intake, grouped
from enricher.pipeline.ports import LogFileStat
from enricher.stores.memory import MemoryEventIndex, MemoryTaskQueue
from tests.unit.pipeline.deliveries import StoppedClock

KIB = 1 << 10


def stats(*sizes: int | None) -> list[LogFileStat]:
    """Give files of these sizes."""
    return [LogFileStat(location=f"/{n}", size_bytes=size) for n, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        pytest.param([], [], id="none"),
        pytest.param([KIB] * 257, [256, 1], id="many-small"),
        pytest.param([300 * KIB, 300 * KIB, 300 * KIB], [2, 1], id="by-size"),
        pytest.param([KIB, 900 * KIB, KIB], [1, 1, 1], id="a-large-one-is-alone"),
        pytest.param([None] * 9, [8, 1], id="unknown-sizes"),
        pytest.param([0] * 3, [3], id="empty"),
    ],
)
def test_small_files_are_grouped(sizes: list[int | None], groups: list[int]) -> None:
    found = list(grouped(stats(*sizes)))
    assert [len(group) for group in found] == groups
    assert [file for group in found for file in group] == stats(*sizes)


class House:
    """An intake on memory twins."""

    def __init__(self) -> None:
        self.ledger, self.queue, self.clock = MemoryEventIndex(), MemoryTaskQueue(), StoppedClock()
        self.intake = Intake(ledger=self.ledger, queue=self.queue, clock=self.clock)


def test_what_is_queued_is_in_the_ledger() -> None:
    house = House()
    files = [LogFileStat(location="/a", size_bytes=7, etag="e"), LogFileStat(location="/b")]
    assert house.intake.take(files, "run") == 2
    assert house.queue.groups == [(["/a", "/b"], "run")]
    entry = house.ledger.file("/a")
    assert entry is not None
    assert (entry["status"], entry["run_id"], entry["etag"]) == ("queued", "run", "e")
    assert entry["queued_at"] == "2026-03-03T00:00:00Z"


@pytest.mark.parametrize(
    ("sizes", "tasks"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([900 * KIB], 0, id="one"),
        pytest.param([KIB] * 256, 0, id="one-task's"),
        pytest.param([KIB] * 257, 2, id="two-tasks'"),
        pytest.param([900 * KIB] * 3, 3, id="large-ones"),
    ],
)
def test_files_of_several_tasks_are_published_ahead(sizes: list[int | None], tasks: int) -> None:
    house, files = House(), stats(*sizes)
    house.intake.publish_ahead(iter(files))
    assert len(house.queue.ahead) == tasks
    published = [location for group in house.queue.ahead for location in group]
    assert published == ([file.location for file in files] if tasks else [])
    assert (house.queue.groups, house.ledger.files) == ([], {})


def test_what_the_queue_lost_is_queued_again() -> None:
    house = House()
    house.intake.take(stats(1, 2), "run")
    house.ledger.save_files([{"location": "/1", "status": "ingested"}])
    house.clock.at += timedelta(minutes=2)
    assert house.intake.take_lost() == 0  # the queue isn't empty: it may be in there
    house.queue.groups.clear()
    assert house.intake.take_lost() == 1
    assert house.queue.groups == [(["/0"], "run")]


def test_what_is_just_being_queued_is_not_lost() -> None:
    house = House()
    house.intake.take(stats(1), "run")
    house.queue.groups.clear()
    house.clock.at += timedelta(seconds=5)
    assert house.intake.take_lost() == 0
