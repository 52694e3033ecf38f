"""What is asked and answered about alerts and rules, as it is written in JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from enricher.alerts.shown import AlertFacts, AlertShown, Shown

Json = dict[str, Any]
MOST_TESTED = 1_000


class AlertsPage(Shown):
    """Alerts, by the window that they are about, newest first."""

    alerts: tuple[AlertShown, ...]
    """The alerts."""
    next: str | None = None
    """`after` of the next page; absent where this is the last."""


class Comment(Shown):
    """What whoever acknowledges or closes an alert says about it."""

    model_config = ConfigDict(str_strip_whitespace=True)

    comment: str | None = Field(None, min_length=1, max_length=2_048, examples=["asked alice"])
    """Why; kept in the alert's history."""


class RuleState(Shown):
    """A rule as it is installed, and how it does."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["0c9d2ba5-9ef5-4a52-93d3-0b8b2b1f7a8e"])
    """Its id."""
    title: str = Field(examples=["Denied calls in many accounts by one origin"])
    """What it is about."""
    level: str = Field(examples=["high"])
    """`informational`, `low`, `medium`, `high` or `critical`."""
    tags: tuple[str, ...] = Field(examples=[["attack.t1580"]])
    """ATT&CK tactics and techniques, as Sigma tags them."""
    version: str
    """Which text of it."""
    enabled: bool
    """Whether it judges."""
    installed_at: datetime
    """When it was first installed."""
    updated_at: datetime
    """When it was last changed, enabled or disabled."""
    error: str | None = None
    """Why its last run failed."""
    failing_since: datetime | None = None
    """What was enriched from then on, it has not judged yet."""


class Rules(Shown):
    """Installed rules, by title."""

    rules: tuple[RuleState, ...]
    """The rules."""
    judged_until: datetime | None = None
    """What was enriched until then is judged; absent where nothing is."""


class RuleTrial(Shown):
    """What to try a rule on: records, or the events that are indexed of a time."""

    records: list[Json] | None = Field(None, min_length=1)
    """Records as CloudTrail writes them; they may prove one another."""
    start: AwareDatetime | None = Field(None, examples=["2026-03-02T00:00:00Z"])
    """Events from then on, inclusive."""
    end: AwareDatetime | None = Field(None, examples=["2026-03-03T00:00:00Z"])
    """Events until then, inclusive; until now, where it is absent."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.records) == bool(self.start) or (self.end and not self.start):
            raise ValueError("send records, or a start and an end of what is indexed")
        if self.start and self.end and self.end < self.start:
            raise ValueError("the time range ends before it begins")
        return self


class RefusedRecord(Shown):
    """A record that could not be taken."""

    position: int = Field(examples=[0])
    """Which, counted from 0."""
    reason: str = Field(examples=["event-time-unreadable"])
    """Why."""


class RuleTested(Shown):
    """The alerts that a rule would have raised; nothing of it is kept."""

    rule_id: str
    """The rule."""
    alerts: tuple[AlertFacts, ...]
    """The alerts, newest first."""
    complete: bool
    """Whether these are all of them."""
    refused: tuple[RefusedRecord, ...] = ()
    """Records that could not be taken."""
    error: str | None = None
    """Why the rule could not be asked."""
