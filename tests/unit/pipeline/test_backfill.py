"""A backfill beside others who write, in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from enricher.cloudtrail.profiles import NATIVE
from enricher.enrichers.registry import built_in
from enricher.errors import UnavailableError
from enricher.pipeline.backfill import (
    BackfillServices,
    Job,
    Step,
    backfill,
    check,
    preview,
)
from enricher.stores.checkpoints import MemoryCheckpoints
from enricher.stores.memory import MemoryEventIndex, MemoryEvidenceStore, MemoryTaskQueue
from enricher.stores.memory_foreign import MemoryForeignIndex
from tests.unit.pipeline.deliveries import StoppedClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enricher.pipeline.backfill import BackfillReport
    from enricher.pipeline.foreign import Revision
    from enricher.pipeline.ports import StoredEvent

Json = dict[str, Any]

MAPPING: Json = {"properties": {"eventTime": {"type": "date"}}}
JOB = Job(pattern="others-*", profile=NATIVE)
USER = {
    "type": "IAMUser",
    "principalId": "AIDAEXAMPLEEXAMPLE",
    "arn": "arn:aws:iam::111122223333:user/alice",
    "accountId": "111122223333",
    "accessKeyId": "AKIAEXAMPLEEXAMPLE",
    "userName": "alice",
}


def document(number: int, **fields: Any) -> Json:  # noqa: ANN401 - any CloudTrail field
    return {
        "eventID": f"e{number}",
        "eventTime": f"2026-03-02T10:00:{number:02}Z",
        "eventName": "GetObject",
        "eventSource": "s3.amazonaws.com",
        "eventVersion": "1.11",
        "recipientAccountId": "111122223333",
        "userIdentity": USER,
        **fields,
    }


class Others(MemoryForeignIndex):
    """Somebody else writes to documents just before we do."""

    def __init__(self, documents: dict[str, Json], meddling: int) -> None:
        super().__init__(documents, MAPPING)
        self.meddling = meddling

    def rewrite(self, events: Sequence[StoredEvent]) -> list[Revision]:
        if self.meddling:
            self.meddling -= 1
            first = self.events[events[0].id]
            theirs = {**first.source, "theirs": self.meddling}
            self.events[first.id] = replace(first, source=theirs, seq_no=first.seq_no + 1_000)
        return super().rewrite(events)


def services(foreign: MemoryForeignIndex, pauses: list[float] | None = None) -> BackfillServices:
    return BackfillServices(
        foreign=foreign,
        wanted={"properties": {}},
        index=MemoryEventIndex(),
        store=MemoryEvidenceStore(),
        beside=MemoryEvidenceStore(),
        queue=MemoryTaskQueue(),
        checkpoints=MemoryCheckpoints(),
        clock=StoppedClock(datetime(2026, 3, 3, tzinfo=UTC)),
        pause=(pauses if pauses is not None else []).append,
        enrichers=built_in(),
    )


def run(job: Job, chosen: BackfillServices) -> BackfillReport:
    ready = check(job, chosen)
    assert ready.span is not None
    return backfill(job, ready.span, chosen, lambda _step, _documents: None)


def documents(count: int) -> dict[str, Json]:
    return {f"d{number}": document(number) for number in range(count)}


def test_document_that_somebody_wrote_meanwhile_is_resolved_again() -> None:
    foreign = Others(documents(3), meddling=2)

    report = run(JOB, services(foreign))

    assert (report.written, report.unchanged, report.gone) == (3, 0, 0)
    assert foreign.events["d0"].source["theirs"] == 0
    names = {e.source["enriched"]["origin"]["name"] for e in foreign.events.values()}
    assert names == {"alice"}


def test_document_that_is_always_rewritten_ends_the_run() -> None:
    with pytest.raises(UnavailableError):
        run(JOB, services(Others(documents(1), meddling=100)))


def test_document_that_is_deleted_meanwhile_is_counted() -> None:
    class Deleting(MemoryForeignIndex):
        def rewrite(self, events: Sequence[StoredEvent]) -> list[Revision]:
            self.events.pop("d1", None)
            return super().rewrite(events)

    report = run(JOB, services(Deleting(documents(3), MAPPING)))

    assert (report.written, report.gone) == (2, 1)


def test_what_is_no_record_is_left_out_with_its_reason() -> None:
    found = {**documents(1), "no": {"eventTime": "2026-03-02T10:00:00Z", "message": "GET /"}}

    report = run(JOB, services(MemoryForeignIndex(found, MAPPING)))

    assert (report.written, report.left_out) == (1, {"no-record": 1})


def test_rate_is_kept_by_pauses() -> None:
    pauses: list[float] = []
    foreign = MemoryForeignIndex(documents(20), MAPPING)

    run(replace(JOB, rate=2), services(foreign, pauses))

    assert pauses == [5.0, 10.0, 5.0, 10.0]  # the clock stands still: ten documents a page


def test_checkpoint_is_of_what_was_asked_for_and_goes_when_all_is_done() -> None:
    chosen = services(MemoryForeignIndex(documents(3), MAPPING))
    run(JOB, chosen)
    assert isinstance(chosen.checkpoints, MemoryCheckpoints)
    assert chosen.checkpoints.by_scope == {}
    since = replace(JOB, since=datetime(2026, 3, 1, tzinfo=UTC))
    assert len({JOB.scope, since.scope, replace(JOB, pattern="x").scope}) == 3


def test_preview_counts_and_writes_nothing() -> None:
    foreign = MemoryForeignIndex(documents(3), MAPPING)
    chosen = services(foreign)
    ready = check(JOB, chosen)
    assert ready.span is not None
    before = dict(foreign.events)

    report = preview(JOB, ready.span, chosen, lambda _step, _documents: None)

    assert (report.read[Step.PUBLISH], report.unchanged) == (3, 0)
    assert report.facts > 0
    assert foreign.events == before
