"""Turns what a responder names into a selection of events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import model_validator

from enricher.response.errors import QuestionError
from enricher.response.models import Answer
from enricher.response.ports import Match, Selection

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address
    from typing import Self

# The calendar's ends, and its middle year.
_FIRST, _LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_MIDDLE = 5_000
EVENT_ID = ("eventID", "_id")
ISSUED_KEY = (
    "responseElements.credentials.accessKeyId",
    "responseElements.accessKey.accessKeyId",
)
KEY = "userIdentity.accessKeyId"
SESSION, ROOT, ISSUED = (
    "enriched.session.id",
    "enriched.session.root_id",
    "enriched.session.issued_id",
)
CREDENTIAL = "enriched.session.credential_id"
ADDRESS = "enriched.source.ip"
ORIGIN = "enriched.origin.id"


class PrincipalName(Answer):
    """A principal by exactly one of its names."""

    arn: str | None = None
    """An ARN of a user, role, session or root."""
    id: str | None = None
    """A unique id: `AIDA…`, `AROA…`, `AROA…:name`, or the id of an origin."""
    name: str | None = None
    """A name: of a user, a role or an origin."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len([one for one in (self.arn, self.id, self.name) if one]) != 1:
            raise ValueError("name the principal in one way: arn, id or name")
        return self


def by_event(event_id: str) -> Selection:
    """Events by CloudTrail's id, or by their id in the index."""
    return any_field(EVENT_ID, event_id)


def by_origin(principal: PrincipalName) -> Selection:
    """Events of which the principal is the origin."""
    field, value = _named(principal)
    return Selection().where(f"enriched.origin.{field}", value)


def by_caller(principal: PrincipalName) -> Selection:
    """Events that carry the principal as caller, or as the role or user whose session called."""
    caller, issuer = "userIdentity", "userIdentity.sessionContext.sessionIssuer"
    field, value = _named(principal)
    name = {"arn": "arn", "id": "principalId", "name": "userName"}[field]
    return any_field((f"{caller}.{name}", f"{issuer}.{name}"), value)


def _named(principal: PrincipalName) -> tuple[str, str]:
    """Give the one way in which it is named, and its name."""
    return next(
        (name, value)
        for name in ("arn", "id", "name")
        if isinstance(value := getattr(principal, name), str) and value
    )


def by_principal(principal: PrincipalName) -> Selection:
    """Events of a principal, whether it was their origin or their caller."""
    (of_origin,), (of_caller,) = by_origin(principal).every, by_caller(principal).every
    return Selection(every=((*of_origin, *of_caller),))


def by_address(ip: IPv4Address | IPv6Address) -> Selection:
    """Events from an address; the interface that a link-local one names says nothing here."""
    return Selection().where(ADDRESS, str(ip).partition("%")[0])


def any_field(names: tuple[str, ...], value: str) -> Selection:
    """Events that hold a value in one of these fields."""
    return Selection(every=(tuple(Match(name, (value,)) for name in names),))


def within(selection: Selection, start: datetime | None, end: datetime | None) -> Selection:
    """Narrow a selection to a span of time, both ends included.

    Raises:
        QuestionError: If it ends before it begins.
    """
    start, end = start and as_utc(start), end and as_utc(end)
    if start and end and end < start:
        raise QuestionError("the time range ends before it begins")
    return Selection(every=selection.every, none=selection.none, start=start, end=end)


def as_utc(at: datetime) -> datetime:
    """Give an instant in UTC; at the ends of the calendar, the calendar's own end."""
    return shifted(at, timedelta())


def shifted(at: datetime, by: timedelta) -> datetime:
    """Move an instant, at most to the end of the calendar."""
    try:
        return (at + by).astimezone(UTC)
    except OverflowError:
        return _FIRST if at.year < _MIDDLE else _LAST
