"""Values that fit their mapping, and those for which an event would be refused."""

from __future__ import annotations

from typing import Any

import pytest

from enricher.enrichers.fields import (
    BOOLEAN,
    DATE,
    DOUBLE,
    LONG,
    SHORT,
    Declared,
    Field,
    component_template,
    keyword,
    word,
)


@pytest.mark.parametrize(
    ("mapping", "value", "fits"),
    [
        (DATE, "2026-03-02T08:00:00Z", True),
        (DATE, "2026-03-02T08:00:00.123456789+01:00", True),
        (DATE, "2026-02-30T08:00:00Z", False),
        (DATE, "yesterday", False),
        (DATE, 1_772_438_400, False),
        (SHORT, -32_768, True),
        (SHORT, 32_768, False),
        (LONG, (1 << 63) - 1, True),
        (DOUBLE, 1, True),
        (DOUBLE, "1", False),
        (BOOLEAN, "true", False),
        (BOOLEAN, [True, False, None], True),
        (keyword(8), "longer than eight: stored", True),
        (keyword(8), None, True),
        (keyword(8), "Word", True),
        (word(8), "Word", False),
        (word(8), ["word", "Word"], False),
        (word(8), ["word", None], True),
        (word(8), "word:Name", True),
        (word(8), 1, False),
    ],
)
def test_value_fits_or_not(mapping: dict[str, Any], value: object, *, fits: bool) -> None:
    field = Field("acme.a", mapping, "what", value)
    found = Declared([field]).fault({"acme": {"a": value}})
    assert found == (None if fits else "value-of-another-type")


def test_component_maps_fields_below_enriched_and_nothing_by_itself() -> None:
    fields = (Field("acme.a", BOOLEAN, "what", True), Field("acme.b.c", DATE, "what", "…"))
    assert component_template("Fields.", 3, fields) == {
        "_meta": {"version": 3, "what": "Fields."},
        "template": {
            "mappings": {
                "properties": {
                    "enriched": {
                        "dynamic": False,
                        "properties": {
                            "acme": {
                                "dynamic": False,
                                "properties": {
                                    "a": {"type": "boolean"},
                                    "b": {
                                        "dynamic": False,
                                        "properties": {"c": {"type": "date"}},
                                    },
                                },
                            }
                        },
                    }
                }
            }
        },
    }
