"""What the mapping of somebody else's index must allow."""

from __future__ import annotations

from typing import Any

import pytest

from enricher.pipeline.foreign import mapping_faults, time_field

Json = dict[str, Any]

WANTED: Json = {
    "dynamic": False,
    "properties": {
        "state": {"type": "keyword", "ignore_above": 16},
        "origin": {"properties": {"id": {"type": "keyword"}}},
        "enrichers": {"type": "object", "enabled": False},
    },
}


def of_enriched(mapping: Json) -> dict[str, Json]:
    return {"others": {"properties": {"enriched": mapping}}}


@pytest.mark.parametrize(
    "present",
    [
        WANTED,
        {"properties": {}},
        {"properties": {"state": {"type": "keyword"}, "theirs": {"type": "long"}}},
    ],
    ids=["there already", "empty", "a part of it, and more"],
)
def test_fields_that_can_be_added_are_no_fault(present: Json) -> None:
    assert list(mapping_faults(of_enriched(present), WANTED)) == []


@pytest.mark.parametrize(
    ("present", "path"),
    [
        ({"type": "keyword"}, "enriched"),
        ({"type": "object", "enabled": False}, "enriched"),
        ({"properties": {"state": {"type": "text"}}}, "enriched.state"),
        ({"properties": {"origin": {"properties": {"id": {"type": "ip"}}}}}, "enriched.origin.id"),
        ({"properties": {"enrichers": {"properties": {}}}}, "enriched.enrichers"),
    ],
)
def test_a_field_that_is_mapped_otherwise_is_named(present: Json, path: str) -> None:
    (fault,) = mapping_faults(of_enriched(present), WANTED)
    assert fault == f"others maps {path} otherwise already: reindex it without {path}"


def test_our_own_events_are_left_alone() -> None:
    (fault,) = mapping_faults({"cloudtrail-events-2026.03": {}}, WANTED)
    assert "the enricher's own" in fault


DATE: Json = {"properties": {"eventTime": {"type": "date"}}}
ALIAS: Json = {
    "properties": {
        "@timestamp": {"type": "alias", "path": "event.at"},
        "event": {"properties": {"at": {"type": "date_nanos"}}},
    }
}
TEXT: Json = {"properties": {"eventTime": {"type": "keyword"}, "@timestamp": {"type": "date"}}}


@pytest.mark.parametrize(
    ("mappings", "expected"),
    [
        ([DATE], "eventTime"),
        ([ALIAS], "@timestamp"),
        ([TEXT], "@timestamp"),
        ([TEXT, ALIAS], "@timestamp"),
        ([DATE, TEXT], None),
        ([{}], None),
    ],
)
def test_time_is_a_date_in_every_index(mappings: list[Json], expected: str | None) -> None:
    named = {str(number): mapping for number, mapping in enumerate(mappings)}
    assert time_field(named, ("eventTime", "@timestamp")) == expected
