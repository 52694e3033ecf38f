"""What holds of any record at all: it is understood or refused, and stays as it was delivered."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings

from enricher.cloudtrail import codec
from enricher.cloudtrail.indexable import indexable
from enricher.cloudtrail.reading import InputLimits, RefusedRecord, read_log_file
from enricher.cloudtrail.record import Record
from enricher.enrichers.oracle import enrich_all
from enricher.errors import LogFileError, RecordError
from enricher.identity.extract import facts_of
from tests.property.answers import enrich, readable
from tests.property.strategies import (
    damaged,
    damages,
    json_records,
    json_values,
    stories,
)

if TYPE_CHECKING:
    from tests.property.strategies import Damage, Json, Story

LIMITS = InputLimits()


@settings(max_examples=150)
@given(value=json_values())
def test_a_log_file_of_anything_is_read_or_refused_small_or_large(value: Any) -> None:  # noqa: ANN401 - any JSON
    def pieces(whole_bytes: int) -> list[object]:
        try:
            found = read_log_file([codec.dumps(value)], LIMITS, whole_bytes=whole_bytes)
            return [
                (piece.position, piece.error.reason, piece.verbatim)
                if isinstance(piece, RefusedRecord)
                else piece
                for piece in found
            ]
        except LogFileError as err:
            return [err.reason]

    assert pieces(whole_bytes=0) == pieces(whole_bytes=1 << 20)


@settings(max_examples=200)
@given(raw=json_records())
@example(raw={"eventTime": "9999-12-31T23:59:59Z", "userIdentity": {"type": "AssumedRole"}})
@example(raw={"eventTime": "0001-01-01T00:00:00Z", "userIdentity": {"type": "IAMUser"}})
def test_a_record_of_anything_is_understood_or_refused(raw: Json) -> None:
    check(raw)


@settings(max_examples=60)
@given(story=stories(events=15), damage=damages(most=20))
def test_a_damaged_record_is_understood_or_refused(story: Story, damage: list[Damage]) -> None:
    for raw in damaged(story.trail.records, damage):
        check(raw)


def check(raw: Json) -> None:
    """Read a record on every way that it takes, and see that it is left alone."""
    before = codec.dumps(raw)
    for read in (
        Record,
        lambda given: facts_of(Record(given)),
        lambda given: indexable(given, LIMITS),
    ):
        try:
            read(raw)
        except RecordError as err:
            assert_survives_pickling(err)
    assert codec.dumps(raw) == before


def assert_survives_pickling(error: RecordError) -> None:
    """Errors travel between processes."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(again), str(again)) == (type(error), str(error))


@settings(max_examples=150)
@given(raw=json_records())
def test_any_record_that_can_be_read_is_enriched(raw: Json) -> None:
    raw["eventTime"] = "2026-03-02T06:00:00Z"
    before = codec.dumps(raw)
    (event,) = enrich_all([raw])
    assert codec.dumps(event.record) == codec.dumps(raw) == before
    assert codec.loads(codec.dumps(event.enriched)) == event.enriched


@settings(max_examples=60)
@given(story=stories(events=25), damage=damages(most=20))
def test_damaged_records_are_enriched_together_and_survive(
    story: Story, damage: list[Damage]
) -> None:
    records = readable(damaged(story.trail.records, damage))
    before = codec.dumps(records)
    events = enrich_all(records)
    assert len(events) == len(records)
    assert [event.record for event in events] == records
    assert codec.dumps(records) == before


@settings(max_examples=40)
@given(story=stories(events=25), damage=damages())
def test_repetition_of_damaged_records_changes_nothing(story: Story, damage: list[Damage]) -> None:
    records = readable(damaged(story.trail.records, damage))
    assert enrich([*records, *records]) == enrich(records)


@pytest.mark.parametrize("raw", [None, [], "record", 1, True])
def test_what_is_no_object_is_no_record(raw: Any) -> None:  # noqa: ANN401 - any JSON
    with pytest.raises(RecordError, match="not-an-object"):
        Record(raw)
