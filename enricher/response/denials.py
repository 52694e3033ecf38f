"""Who was refused what, and by which kind of policy."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from enricher.response.events import WHO, part, text, who
from enricher.response.models import Answer, Who
from enricher.response.ports import Group

if TYPE_CHECKING:
    from enricher.response.ports import Bucket, EventReading, Selection

_ORIGINS, _ACTIONS = 30, 20  # a sample is read of each: what takes time is their number


class Denial(Answer):
    """One action that was refused."""

    action: str
    """The action, e.g. `sts:AssumeRole`; the name of the call where no message names one."""
    count: int
    """How often."""
    denied_by: dict[str, int]
    """By which kind of policy, where the message says so."""
    resources: tuple[str, ...]
    """On what, most often first."""
    sample_message: str | None
    """What one of them said."""
    event_ids: tuple[str, ...]
    """One of its events."""
    first: datetime | None
    """The first."""
    last: datetime | None
    """The last."""


class Refused(Who):
    """Somebody who was refused."""

    count: int
    """How often."""
    principal_arn: str | None
    """As whom, the last time."""
    source_ips: tuple[str, ...]
    """From where, most often first."""
    denials: tuple[Denial, ...]
    """What, most often first."""


class AccessDenied(Answer):
    """What was refused, by who tried it."""

    events: int
    """How many calls were refused."""
    refused: tuple[Refused, ...]
    """Who, most often refused first."""
    events_omitted: int
    """Refused calls of others than those that are given."""
    complete: bool
    """Whether everything was counted."""


_BY_CALL = Group(
    by="eventName",
    size=_ACTIONS,
    missing="",
    span=True,
    sample=("errorCode", "errorMessage", "eventID"),
    within={
        "action": Group(by="enriched.outcome.denied_action", size=1),
        "by": Group(by="enriched.outcome.denied_by"),
        "resources": Group(by="enriched.outcome.denied_resource"),
    },
)
_BY_ORIGIN = Group(
    by="enriched.origin.id",
    size=_ORIGINS,
    missing="",
    sample=(*WHO, "userIdentity.arn"),
    within={"calls": _BY_CALL, "source_ips": Group(by="sourceIPAddress")},
)


def access_denied(selection: Selection, reading: EventReading) -> AccessDenied:
    """Group refused calls by who tried them and what was refused."""
    tally = reading.tally(
        selection.where("enriched.outcome.status", "denied"), {"origins": _BY_ORIGIN}
    )
    origins = tally.groups["origins"]
    return AccessDenied(
        events=tally.total,
        refused=tuple(_refused(one) for one in origins.buckets),
        events_omitted=origins.other,
        complete=tally.complete,
    )


def _refused(bucket: Bucket) -> Refused:
    sample = bucket.sample or {}
    behind = who(sample)
    return Refused(
        **{name: getattr(behind, name) for name in Who.model_fields},
        count=bucket.count,
        principal_arn=text(part(sample, "userIdentity").get("arn")),
        source_ips=tuple(bucket.values("source_ips")),
        denials=tuple(_denial(one) for one in bucket.within["calls"].buckets),
    )


def _denial(bucket: Bucket) -> Denial:
    sample = bucket.sample or {}
    event_id = text(sample.get("eventID"))
    return Denial(
        action=next(iter(bucket.values("action")), bucket.value),
        count=bucket.count,
        denied_by=bucket.counts("by"),
        resources=tuple(bucket.values("resources")),
        sample_message=text(sample.get("errorMessage")) or text(sample.get("errorCode")),
        event_ids=(event_id,) if event_id else (),
        first=bucket.first,
        last=bucket.last,
    )
