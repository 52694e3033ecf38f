"""Several log files in one task, and what a task that comes again finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from enricher.errors import UnavailableError
from enricher.pipeline.ingest import MOST_ATTEMPTS
from enricher.pipeline.ledger import FileStatus
from enricher.stores.memory import MemoryEventIndex, MemoryEvidenceStore, MemoryTaskQueue
from tests.unit.pipeline.deliveries import Deliveries, RefusingIndex, log_file, sample_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from enricher.identity.facts import Keyed
    from enricher.pipeline.ports import Document, WriteResult

ACCOUNT = "111122223333"


def record(name: str, **fields: object) -> dict[str, Any]:
    """Give a record that a user signed with a long-term key."""
    return {
        "eventID": name,
        "eventTime": "2026-03-02T08:00:00Z",
        "eventName": "ListBuckets",
        "recipientAccountId": ACCOUNT,
        "userIdentity": {"type": "IAMUser", "principalId": "AIDAEXAMPLE000000001"},
        **fields,
    }


class CountingIndex(MemoryEventIndex):
    """An index that remembers how many documents came in each request."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[int] = []

    def create(self, documents: Sequence[Document]) -> list[WriteResult]:
        """Take documents, and count them."""
        self.requests.append(len(documents))
        return super().create(documents)


def files(*sizes: int) -> dict[str, bytes]:
    """Give files with so many records each."""
    return {
        f"{number}.json.gz": log_file(record(f"{number}-{place}") for place in range(size))
        for number, size in enumerate(sizes)
    }


def test_small_files_share_a_request_and_each_has_its_own_account() -> None:
    index = CountingIndex()
    deliveries = Deliveries(files=files(2, 0, 3), index=index)
    reports = deliveries.ingest_together(list(deliveries.files))
    assert index.requests == [5]
    assert [report.indexed for report in reports] == [2, 0, 3]
    assert [entry["indexed"] for entry in index.files.values()] == [2, 0, 3]


@pytest.mark.parametrize(
    ("sizes", "requests"),
    [
        pytest.param((6, 6), [6, 6], id="no-file-is-cut-to-fill-a-request"),
        pytest.param((2, 25, 2), [2, 10, 10, 7], id="a-large-file-is-cut-by-itself"),
        pytest.param((5, 5, 1), [10, 1], id="full"),
    ],
)
def test_what_shares_a_request_depends_on_the_files_alone(
    sizes: tuple[int, ...], requests: list[int]
) -> None:
    index = CountingIndex()
    deliveries = Deliveries(files=files(*sizes), index=index, batch_records=10)
    deliveries.ingest_together(list(deliveries.files))
    assert index.requests == requests
    assert len(index.events) == sum(sizes)


def test_a_file_that_fails_costs_its_neighbours_nothing() -> None:
    good = log_file([record("a")])
    bad = log_file([record("b", eventName="Forbidden")])
    contents = {"a": good, "none": b"", "b": bad, "other": b"[1, 2]", "package": b"{}"}
    deliveries = Deliveries(files=contents, index=RefusingIndex(b"Forbidden"))
    reports = deliveries.ingest_together([*contents, "missing"])
    assert [(report.status.value, report.reason) for report in reports] == [
        ("ingested", None),
        ("failed", "file-empty"),
        ("failed", "most-of-the-file-refused"),
        ("failed", "most-of-the-file-refused"),
        ("skipped", "not-cloudtrail"),
        ("failed", "file-missing"),
    ]
    assert set(deliveries.index.events) == {f"a:{ACCOUNT}"}
    assert set(deliveries.index.files) == {*contents, "missing"}


def test_one_task_ends_as_one_task_for_each_file_does() -> None:
    together = Deliveries(files=sample_files())
    together.ingest_together(list(together.files))
    together.drain()
    alone = Deliveries(files=sample_files())
    alone.ingest_all()
    assert together.answers() == alone.answers()
    assert together.answers() == together.explained()


def test_files_whose_worker_died_come_again_one_by_one() -> None:
    deliveries = Deliveries(files=files(1, 1))
    deliveries.attempts.begin(list(deliveries.files))
    assert deliveries.ingest_together(list(deliveries.files)) == []
    assert deliveries.queue.groups == [(["0.json.gz"], "run-1"), (["1.json.gz"], "run-1")]
    assert deliveries.attempts.begun == {}
    for _ in range(MOST_ATTEMPTS):
        deliveries.attempts.begin(["0.json.gz"])
    assert deliveries.ingest("0.json.gz").reason == "kills-its-worker"
    assert deliveries.ingest("1.json.gz").status is FileStatus.INGESTED


# --- a process that died in the middle ----------------------------------------------------------


class DiesAfter(MemoryEvidenceStore):
    """An evidence store whose user dies at one of its steps, once."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step: str | None = step

    def _reach(self, step: str) -> None:
        if step == self.step:
            self.step = None
            raise KeyboardInterrupt

    def publish(self, keyed: Iterable[Keyed]) -> set[str]:
        """Publish, and die before anybody is told."""
        woken = super().publish(keyed)
        self._reach("published")
        return woken

    def rest_on(self, keys: Sequence[str]) -> list[int]:
        """Die before it is said what is rested on."""
        self._reach("written")
        return super().rest_on(keys)


@pytest.mark.parametrize("step", ["published", "written"])
@pytest.mark.parametrize("dying", range(6))
def test_whoever_dies_in_the_middle_ends_in_the_same_documents(step: str, dying: int) -> None:
    contents = sample_files()
    deliveries = Deliveries(files=contents, store=DiesAfter("never"))
    names = list(contents)
    names = names[dying::6] + names  # some come early, then all, once more
    for number, name in enumerate(names):
        if number == dying:
            assert isinstance(deliveries.store, DiesAfter)
            deliveries.store.step = step
            with pytest.raises(KeyboardInterrupt):
                deliveries.ingest(name)
        else:
            deliveries.ingest(name)
        deliveries.drain()
    deliveries.ingest(names[dying])
    deliveries.drain()
    assert deliveries.answers() == deliveries.explained()


def test_a_wake_up_that_was_never_sent_is_sent_by_the_next() -> None:
    store = MemoryEvidenceStore()
    deliveries = Deliveries(files=sample_files(), store=store)
    deliveries.ingest_all()
    before = len(deliveries.queue.keys)
    store._unsent["issued/ASIAEXAMPLE"] = 7  # what a process that died left
    deliveries.ingest(next(iter(deliveries.files)))
    assert deliveries.queue.keys[before:] == [["issued/ASIAEXAMPLE"]]
    assert store.unsent() == {}


def test_a_wake_up_that_cannot_be_sent_stays() -> None:
    class AwayQueue(MemoryTaskQueue):
        """A queue that takes no wake-ups."""

        def enrich_again(self, keys: Sequence[str]) -> None:  # noqa: ARG002 - the port's
            """Fail."""
            raise UnavailableError("away")

    store = MemoryEvidenceStore()
    deliveries = Deliveries(files=sample_files(), store=store, queue=AwayQueue())
    with pytest.raises(UnavailableError):
        deliveries.ingest_all()
    assert store.unsent()
