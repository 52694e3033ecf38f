"""What the enricher says, and that it says nothing where it should not."""

from __future__ import annotations

from typing import Any

import pytest
from enricher_office_hours import OfficeHours

from enricher.enrichers.interface import View


def answer(at: object, origin: dict[str, Any]) -> dict[str, Any]:
    view = View(record={"eventTime": at}, enriched={"origin": origin})
    return OfficeHours().enrich(view).fields


def test_a_person_at_night() -> None:
    assert answer("2026-03-02T23:10:00Z", {"human": True}) == {
        "office_hours": {"outside": True, "weekday": "Monday"}
    }


def test_a_person_by_day() -> None:
    assert answer("2026-03-02T09:10:00Z", {"human": True}) == {
        "office_hours": {"outside": False, "weekday": "Monday"}
    }


@pytest.mark.parametrize("origin", [{"human": False}, {}])
def test_nothing_is_said_of_machines(origin: dict[str, Any]) -> None:
    assert answer("2026-03-02T23:10:00Z", origin) == {}


@pytest.mark.parametrize("at", ["", None, 7, ["2026-03-02"], "9999-12-31T23:59:59-23:00"])
def test_no_time_is_no_fault(at: object) -> None:
    assert answer(at, {"human": True}) == {}
