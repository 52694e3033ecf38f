"""Says of what people did whether it was outside of office hours."""

from __future__ import annotations

from datetime import UTC, datetime

from enricher.enrichers.fields import BOOLEAN, keyword
from enricher.enrichers.interface import Contribution, Field, View

OPENS, CLOSES = 7, 19  # UTC
SATURDAY = 5
NOTHING = Contribution(fields={})


class OfficeHours:
    """Whether a person acted outside of office hours; of machines it says nothing."""

    name = "office-hours"
    version = 1
    reads = ("eventTime", "enriched.origin")
    fields = (
        Field(
            "office_hours.outside",
            BOOLEAN,
            "whether a person acted at night or at the weekend",
            True,
            since="1.0",
        ),
        Field("office_hours.weekday", keyword(9), "on which day, UTC", "Monday", since="1.0"),
    )

    def enrich(self, view: View) -> Contribution:
        """Look at the time of what a person did."""
        if view.enriched.get("origin", {}).get("human") is not True:
            return NOTHING
        at = read_time(view.record.get("eventTime"))
        if at is None:
            return NOTHING
        outside = not OPENS <= at.hour < CLOSES or at.weekday() >= SATURDAY
        fields = {"outside": outside, "weekday": f"{at:%A}"}
        return Contribution(fields={"office_hours": fields})


def read_time(value: object) -> datetime | None:
    """Read an instant; what is in a record may be anything."""
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
