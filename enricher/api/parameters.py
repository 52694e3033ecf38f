"""Parameters that several calls share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from fastapi import Depends, Path, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, IPvAnyAddress, model_validator

from enricher.alerts.alert import LEVELS, Status
from enricher.alerts.ports import Wanted
from enricher.bootstrap import Container
from enricher.delivery_settings import Level
from enricher.response.ports import AlertReading, EventReading, Selection
from enricher.response.selecting import KEY, ORIGIN, PrincipalName, by_address, by_principal, within

_BY_DEFAULT = timedelta(days=1)
_ID, _KEY_ID, _NAME = 1024, 128, 2048


def services(request: Request) -> Container:
    """Give the parts that calls work with."""
    found: Container = request.app.state.services
    return found


def reading(request: Request) -> EventReading:
    """Give the index of events."""
    return services(request).reading


def related(request: Request) -> AlertReading:
    """Give the alerts, as triage asks for them."""
    return services(request).related_alerts


Services = Annotated[Container, Depends(services)]
Reading = Annotated[EventReading, Depends(reading)]
Related = Annotated[AlertReading, Depends(related)]

EventId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=_ID,
        description="CloudTrail's id of an event, or its id in the index.",
        examples=["38d0221b-61e0-47d6-9c45-7eb2dc55125b"],
    ),
]
AccessKeyId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=_KEY_ID,
        description="An access key id, long-term or temporary.",
        examples=["ASIAIOSFODNN7EXAMPLE"],
    ),
]
SessionId = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{32}$",
        description="`enriched.session.id` of an event.",
        examples=["0d5c8a1b2e3f40516273849506a7b8c9"],
    ),
]


class Format(StrEnum):
    """How a summary is written."""

    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


class Query(BaseModel):
    """Parameters behind the question mark; one that is not known is refused."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Span(Query):
    """A span of time."""

    start: AwareDatetime | None = Field(None, examples=["2026-03-02T00:00:00Z"])
    """From when on, inclusive."""
    end: AwareDatetime | None = Field(None, examples=["2026-03-03T00:00:00Z"])
    """Until when, inclusive."""


class FormatQuery(Query):
    """How the answer is written."""

    format: Format = Format.JSON
    """`json`, `csv` or `markdown`."""


class PageQuery(Query):
    """Which page."""

    size: int = Field(100, ge=1, le=10_000)
    """Events of the page; the service may give fewer than are asked for."""
    after: str | None = Field(None, min_length=1, max_length=4_096)
    """`next` of the page before."""


class AlertsQuery(Span):
    """Which alerts."""

    status: Status | None = None
    """Only with this status."""
    level: Level | None = None
    """Only of this severity or worse."""
    rule_id: str | None = Field(None, min_length=1, max_length=64)
    """Only of this rule."""
    origin_id: str | None = Field(None, min_length=1, max_length=_ID)
    """Only of this origin."""
    account_id: str | None = Field(None, min_length=1, max_length=64, examples=["111122223333"])
    """Only with events in this account."""
    suppressed: bool = False
    """Also those that are suppressed."""
    size: int = Field(100, ge=1, le=500)
    """Alerts of the page."""
    after: str | None = Field(None, pattern="^[0-9a-f]{32}(-[0-9]{1,6})?$")
    """`next` of the page before."""

    def wanted(self, now: datetime) -> Wanted:
        """Give what is asked for."""
        return Wanted(
            status=self.status,
            levels=LEVELS[LEVELS.index(self.level) :] if self.level else (),
            rule_id=self.rule_id,
            origin_id=self.origin_id,
            account_id=self.account_id,
            start=self.start,
            end=self.end,
            silent_at=None if self.suppressed else now,
        )


class PrincipalQuery(Query):
    """A principal by exactly one of its names."""

    arn: str | None = Field(None, min_length=1, max_length=_NAME)
    """An ARN of a user, role, session or root."""
    id: str | None = Field(None, min_length=1, max_length=_ID, examples=["AIDACKCEVSQ6C2EXAMPLE"])
    """A unique id: `AIDA…`, `AROA…`, `AROA…:name`, or the id of an origin."""
    name: str | None = Field(None, min_length=1, max_length=_ID, examples=["alice"])
    """A name: of a user, a role or an origin."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len([one for one in (self.arn, self.id, self.name) if one]) > 1:
            raise ValueError("name the principal in one way: arn, id or name")
        return self

    def principal(self) -> PrincipalName | None:
        """Give the principal that is named, if one is."""
        if not (self.arn or self.id or self.name):
            return None
        return PrincipalName(arn=self.arn, id=self.id, name=self.name)


class OnePrincipalQuery(PrincipalQuery):
    """A principal that has to be named."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.principal() is None:
            raise ValueError("name the principal: arn, id or name")
        return self


class SummaryQuery(PrincipalQuery, Span, FormatQuery):
    """Events by what is known of them; with several, only what fits them all."""

    access_key_id: str | None = Field(None, min_length=1, max_length=_KEY_ID)
    """An access key id."""
    ip: IPvAnyAddress | None = Field(None, examples=["203.0.113.20"])
    """A source address; it needs a start and an end."""

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if not (self.access_key_id or self.ip or self.principal()):
            raise ValueError("name an access_key_id, a principal (arn, id or name) or an ip")
        if self.ip and not (self.start and self.end):
            raise ValueError("an address is shared and passed on: say from when to when")
        return self

    def selection(self) -> Selection:
        """Give the events."""
        found = Selection()
        if principal := self.principal():
            found = by_principal(principal)
        if self.access_key_id:
            found = found.where(KEY, self.access_key_id)
        if self.ip:
            found = Selection(every=(*found.every, *by_address(self.ip).every))
        return within(found, self.start, self.end)


class ActivityQuery(Span):
    """Events of a span of time; the last day, where none is given."""

    account_id: str | None = Field(None, min_length=1, max_length=64, examples=["111122223333"])
    """Only what this account got."""

    def selection(self) -> Selection:
        """Give the events."""
        start = self.start
        if start is None and self.end is None:
            start = datetime.now(tz=UTC) - _BY_DEFAULT
        found = Selection()
        if self.account_id:
            found = found.where("recipientAccountId", self.account_id)
        return within(found, start, self.end)


class DeniedQuery(ActivityQuery):
    """Refused calls."""

    origin_id: str | None = Field(None, min_length=1, max_length=_ID)
    """Only those of this origin."""

    def selection(self) -> Selection:
        """Give the events."""
        found = super().selection()
        return found.where(ORIGIN, self.origin_id) if self.origin_id else found


class OriginsQuery(ActivityQuery):
    """Who is active."""

    kind: str | None = Field(None, min_length=1, max_length=32, examples=["iam_user"])
    """Only origins of this kind."""
    status: str | None = Field(None, min_length=1, max_length=32, examples=["resolved"])
    """Only events whose origin has this status."""
    human: bool | None = None
    """Only people, or only others."""
    most: int = Field(100, ge=1, le=1_000)
    """How many origins at most."""

    def selection(self) -> Selection:
        """Give the events."""
        found = super().selection()
        for name in ("kind", "status", "human"):
            value = getattr(self, name)
            if value is not None:
                found = found.where(f"enriched.origin.{name}", value)
        return found


class AuditQuery(Span):
    """Which calls."""

    most: int = Field(100, ge=1, le=1_000)
    """How many at most."""
