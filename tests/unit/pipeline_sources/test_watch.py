"""A queue that is watched, over a queue in memory."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from enricher.errors import UnavailableError
from enricher.pipeline.intake import Intake
from enricher.pipeline.watch import Message, WatchServices, watch
from enricher.stores.memory import MemoryEventIndex, MemoryTaskQueue
from tests.unit.pipeline_sources.test_notifications import AT, s3_event, s3_record, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TEST_EVENT = text({"Event": "s3:TestEvent"})


class SlowClock:
    """A clock on which every look takes a while."""

    def __init__(self, step: timedelta) -> None:
        self._now, self._step = datetime(2026, 3, 2, tzinfo=UTC), step

    def now(self) -> datetime:
        self._now += self._step
        return self._now


@dataclass
class MemoryMessages:
    """Messages in a list; what is not deleted is there again at the next round."""

    bodies: list[str]
    name: str = "queue"
    visibility: timedelta = timedelta(minutes=2)
    undeletable: set[str] = field(default_factory=set)
    extended: int = 0
    faults: int = 0
    deleted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.messages = [
            Message(id=str(n), receipt=f"r{n}", body=body, received=0)
            for n, body in enumerate(self.bodies)
        ]
        self.in_hand: set[str] = set()

    def receive(self, most: int, wait: timedelta) -> list[Message]:
        assert wait.total_seconds() <= 20
        if self.faults:
            self.faults -= 1
            raise UnavailableError("away")
        free = [m for m in self.messages if m.id not in self.in_hand][:most]
        if not free:
            return []
        taken = [replace(m, received=m.received + 1) for m in free]
        self.messages = [next((t for t in taken if t.id == m.id), m) for m in self.messages]
        self.in_hand |= {m.id for m in taken}
        return taken

    def delete(self, messages: Sequence[Message]) -> list[Message]:
        gone = {m.id for m in messages} - self.undeletable
        self.deleted += sorted(gone)
        self.messages = [m for m in self.messages if m.id not in gone]
        return [m for m in messages if m.id in self.undeletable]

    def extend(self, messages: Sequence[Message]) -> None:
        self.extended += len(messages)


def services(
    messages: MemoryMessages, *, step: timedelta = timedelta(0), pauses: list[float] | None = None
) -> WatchServices:
    index = MemoryEventIndex()
    return WatchServices(
        messages=messages,
        quarantine=index,
        intake=Intake(ledger=index, queue=MemoryTaskQueue(), clock=SlowClock(timedelta(0))),
        clock=SlowClock(step),
        pause=(pauses if pauses is not None else []).append,
    )


def queued(watching: WatchServices) -> list[tuple[str, str]]:
    assert isinstance(watching.intake.queue, MemoryTaskQueue)
    return watching.intake.queue.locations


def test_work_is_queued_and_its_messages_deleted() -> None:
    messages = MemoryMessages([s3_event(s3_record()), TEST_EVENT])
    watching = services(messages)
    (report,) = watch(watching, "run", until_empty=True)
    assert queued(watching) == [(AT, "run")]
    assert (report.received, report.queued, report.ignored) == (2, 1, {"test-event": 1})
    assert messages.messages == []


def test_what_is_not_understood_stays_for_a_while_and_is_quarantined_at_last() -> None:
    messages = MemoryMessages(["garbage"])
    watching = services(messages)
    for _ in range(4):
        messages.in_hand.clear()
        (report,) = watch(watching, "run", until_empty=True)
        assert report.left == {"0": "not-json"}
    assert len(messages.messages) == 1
    messages.in_hand.clear()
    (report,) = watch(watching, "run", until_empty=True)
    assert report.quarantined == {"0": "not-json"}
    assert messages.messages == []
    index = watching.quarantine
    assert isinstance(index, MemoryEventIndex)
    (entry,) = index.quarantine_entries.values()
    assert (entry.what, entry.reason, entry.verbatim) == ("message", "not-json", "garbage")
    assert entry.location == "sqs:queue/0"


def test_what_is_not_deleted_is_said() -> None:
    messages = MemoryMessages([TEST_EVENT, TEST_EVENT], undeletable={"1"})
    (report,) = watch(services(messages), "run", until_empty=True)
    assert (messages.deleted, report.not_deleted) == (["0"], 1)


def test_a_slow_batch_asks_for_more_time() -> None:
    many = s3_event(*(s3_record(f"{n}.json") for n in range(60)))
    quick, slow = MemoryMessages([many]), MemoryMessages([many])
    list(watch(services(quick, step=timedelta(seconds=1)), "run", until_empty=True))
    list(watch(services(slow, step=timedelta(seconds=31)), "run", until_empty=True))
    assert (quick.extended, slow.extended) == (0, 3)


def test_it_ends_after_so_many_messages() -> None:
    messages = MemoryMessages([TEST_EVENT] * 25)
    reports = list(watch(services(messages), "run", most=12))
    assert [report.received for report in reports] == [10, 2]
    assert len(messages.messages) == 13


def test_a_server_that_is_away_is_waited_for() -> None:
    pauses: list[float] = []
    messages = MemoryMessages([TEST_EVENT], faults=8)
    reports = watch(services(messages, pauses=pauses), "run")
    unavailable = [next(reports).unavailable for _ in range(8)]
    assert unavailable == ["away"] * 8
    assert next(reports).received == 1
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_bounded_watch_does_not_wait_for_a_server_that_is_away() -> None:
    with pytest.raises(UnavailableError):
        list(watch(services(MemoryMessages([], faults=1)), "run", until_empty=True))


def test_signals_are_held_back_while_messages_are_in_hand() -> None:
    held: list[int] = []
    messages = MemoryMessages([TEST_EVENT] * 11)

    @contextmanager
    def undisturbed() -> Iterator[None]:
        before = len(messages.deleted)
        yield
        held.append(len(messages.deleted) - before)

    list(watch(services(messages), "run", until_empty=True, undisturbed=undisturbed))
    assert held == [10, 1]
