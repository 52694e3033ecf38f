"""What holds of every enricher: it answers for any record, and looks at what it declares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from enricher.cloudtrail import codec
from enricher.cloudtrail.record import Record
from enricher.enrichers.geo import Place
from enricher.enrichers.registry import ENVELOPE, built_in, enrich
from tests.property.answers import contexts, leaves, readable
from tests.property.strategies import damaged, damages, json_records, stories

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enricher.enrichers.interface import Enricher
    from tests.property.strategies import Damage, Json, Story

ALL = built_in({"111122223333": "prod"}, lambda _: Place(country="DE", asn=64_496))
FIELDS = {field.name: field for field in (*ENVELOPE, *(f for one in ALL for f in one.fields))}
FAILURE = re.compile(rf"({'|'.join(one.name for one in ALL)}): ")


def check(records: list[Json]) -> None:
    """Enrich records; see that none breaks an enricher, and that all that is said is declared."""
    before = codec.dumps(records)
    for context in contexts(records):
        answer = enrich(context, ALL)
        assert [note for note in answer.get("notes", ()) if FAILURE.match(note)] == []
        assert set(leaves(answer, FIELDS)) <= FIELDS.keys()
        assert codec.loads(codec.dumps(answer)) == answer
    assert codec.dumps(records) == before


@settings(max_examples=150)
@given(raw=json_records())
def test_any_record_that_can_be_read_is_answered_for(raw: Json) -> None:
    raw["eventTime"] = "2026-03-02T06:00:00Z"
    check([raw])


@settings(max_examples=60)
@given(story=stories(events=25), damage=damages(most=20))
def test_damaged_records_are_answered_for(story: Story, damage: list[Damage]) -> None:
    check(readable(damaged(story.trail.records, damage)))


@settings(max_examples=15)
@given(story=stories(events=40))
@pytest.mark.parametrize("enricher", ALL, ids=[one.name for one in ALL])
def test_an_enricher_looks_at_what_it_declares_to_read(enricher: Enricher, story: Story) -> None:
    for context in contexts(story.trail.records):
        whole = enricher.enrich(context)
        context.record = only(context.record, {"eventTime", *enricher.reads})
        assert enricher.enrich(context) == whole


def only(record: Record, names: set[str]) -> Record:
    """Give a record with these fields alone."""
    some: Mapping[str, Any] = {name: v for name, v in record.raw.items() if name in names}
    return Record(dict(some), document_id=record.document_id)
