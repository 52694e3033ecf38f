"""Log files that are read for their evidence before any of them is ingested."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from enricher.stores.memory import MemoryEventIndex, MemoryEvidenceStore
from tests.unit.pipeline.deliveries import (
    SEEDS,
    Deliveries,
    differences,
    log_file,
    shuffled,
    trail_files,
    trail_records,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from enricher.identity.facts import Keyed

ROLE = "arn:aws:iam::111122223333:role/Deploy"
SESSION = "arn:aws:sts::111122223333:assumed-role/Deploy/now"
NOT_A_RECORD = "none"


@pytest.mark.parametrize("seed", SEEDS)
def test_in_whatever_order_they_are_ingested_then_each_event_is_written_once(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - same seed, same order
    for files in (trail_files(seed), trail_records(seed)):
        deliveries = Deliveries(files=files, batch_records=rng.choice([1, 3, 5_000]))
        for location in shuffled(files, rng):
            deliveries.publish_ahead([location])
        assert not deliveries.index.events
        for location in shuffled(files, rng):
            deliveries.ingest(location)
        assert deliveries.queue.keys == []
        revisions = {one["enriched"]["revision"] for one in deliveries.documents().values()}
        assert revisions == {1}
        assert differences(deliveries.answers(), deliveries.explained()) == {}


def issuing() -> dict[str, Any]:
    """Give a record by which a user became a role's session."""
    return {
        "eventID": "issuing",
        "eventTime": "2026-03-02T08:00:00Z",
        "eventName": "AssumeRole",
        "eventSource": "sts.amazonaws.com",
        "recipientAccountId": "111122223333",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLE000000001",
            "arn": "arn:aws:iam::111122223333:user/ann",
            "accessKeyId": "AKIAEXAMPLE000000001",
        },
        "requestParameters": {"roleArn": ROLE, "roleSessionName": "now"},
        "responseElements": {
            "credentials": {"accessKeyId": "ASIAEXAMPLE000000001"},
            "assumedRoleUser": {"assumedRoleId": "AROAEXAMPLE000000001:now", "arn": SESSION},
        },
    }


class RememberingStore(MemoryEvidenceStore):
    """An evidence store that remembers what was published."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[Keyed] = []

    def publish(self, keyed: Iterable[Keyed]) -> set[str]:
        """Take facts, and remember them."""
        facts = list(keyed)
        self.published += facts
        return super().publish(facts)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"/a": log_file([issuing()])}, id="whole"),
        pytest.param({"/a": log_file([issuing(), NOT_A_RECORD])}, id="half-refused"),
        pytest.param({"/a": log_file([issuing(), *[NOT_A_RECORD] * 2])}, id="mostly-refused"),
        pytest.param({"/a": log_file([issuing()] * 9)[:-20]}, id="broken-off"),
        pytest.param({"/a": b"{"}, id="no-log-file"),
        pytest.param({}, id="gone"),
    ],
)
def test_what_is_published_ahead_is_what_ingesting_publishes(files: Mapping[str, bytes]) -> None:
    """Else an answer could rest on an event that never comes."""
    ahead, then = RememberingStore(), RememberingStore()
    index = MemoryEventIndex()
    Deliveries(files=files, store=ahead, index=index).publish_ahead(["/a"])
    Deliveries(files=files, store=then).ingest("/a")
    assert ahead.published == then.published
    assert (index.events, index.files, index.quarantine_entries) == ({}, {}, {})
