"""What holds of any record in any document of another pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings

from enricher.cloudtrail import codec
from enricher.cloudtrail.linkable import shortfalls
from enricher.cloudtrail.profiles import ECS, NATIVE, PROFILES, SIEM_ON_OPENSEARCH, rebuild
from enricher.cloudtrail.record import Record
from enricher.errors import RecordError
from tests.integration import foreign_shapes as shapes
from tests.property.strategies import (
    damaged,
    damages,
    json_records,
    json_values,
    stories,
)

if TYPE_CHECKING:
    from tests.property.strategies import Damage, Json, Story


@settings(max_examples=150)
@given(value=json_records(), more=json_values())
def test_any_document_holds_a_record_or_none(value: Json, more: Any) -> None:  # noqa: ANN401
    for source in (value, {"aws": {"cloudtrail": value}}, {"event": more, "@message": more}):
        before = codec.dumps(source)
        for profile in PROFILES.values():
            found = rebuild(profile, source)
            if found is not None:
                shortfalls([found.raw])
                read_or_refused(found.raw)
        assert codec.dumps(source) == before


def read_or_refused(raw: Json) -> None:
    try:
        Record(raw)
    except RecordError:
        return


@settings(max_examples=20)
@given(story=stories(events=15))
def test_a_record_survives_whole_where_a_pipeline_kept_it(story: Story) -> None:
    for record in story.trail.records:
        if not (record.get("eventID") and record.get("recipientAccountId")):
            continue
        for profile, shape in (
            (SIEM_ON_OPENSEARCH, shapes.siem),
            (ECS, shapes.ecs_with_original),
        ):
            found = rebuild(profile, shape(record))
            assert found == (record, True)
        native = rebuild(NATIVE, shapes.native(record))
        assert native is not None
        assert record.items() <= native.raw.items()


@settings(max_examples=20)
@given(story=stories(events=15), damage=damages())
def test_what_is_put_together_again_never_names_another(story: Story, damage: list[Damage]) -> None:
    """A field of a rebuilt record says what the record's field said, or nothing."""
    for record in damaged(story.trail.records, damage):
        if not all(isinstance(record.get(name), str) for name in ("eventTime", "eventName")):
            continue
        found = rebuild(ECS, _ecs(record))
        if found is None:
            continue
        identity, true = found.raw.get("userIdentity", {}), record.get("userIdentity") or {}
        for name in ("type", "principalId", "arn", "accessKeyId", "invokedBy"):
            if isinstance(true.get(name), str):
                assert identity.get(name) in (None, true[name])


def _ecs(record: Json) -> Json:
    try:
        return shapes.ecs(record)
    except (AttributeError, KeyError, TypeError):
        return {}  # a shape that no pipeline makes a document of
