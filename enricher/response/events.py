"""Reads a stored event into what is answered; what is not as it should be is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.times import parse_time
from enricher.response.models import Event, Hop, Missing, Origin, Use, Who
from enricher.response.ports import Group

if TYPE_CHECKING:
    from enricher.response.ports import Bucket, FoundEvent, Source

WHO = (
    "enriched.state",
    "enriched.origin",
    "enriched.chain",
    "enriched.chain_text",
    "enriched.session",
    "enriched.credential",
)
_OF_ORIGIN, _OF_HOP = frozenset(Origin.model_fields), frozenset(Hop.model_fields)
# What `use` reads of a bucket.
USE: dict[str, Group] = {
    "outcomes": Group(by="enriched.outcome.status"),
    "actions": Group(by="enriched.action.class"),
    "source_ips": Group(by="sourceIPAddress"),
    "regions": Group(by="awsRegion", size=20),
    "account_ids": Group(by="recipientAccountId", size=20),
}


def use(bucket: Bucket) -> Use:
    """Say how much the events of a bucket are, which was asked for with `USE` and its span."""
    return Use(
        events=bucket.count,
        first=bucket.first,
        last=bucket.last,
        outcomes=bucket.counts("outcomes"),
        actions=bucket.counts("actions"),
        source_ips=tuple(bucket.values("source_ips")),
        regions=tuple(bucket.values("regions")),
        account_ids=tuple(bucket.values("account_ids")),
    )


def part(source: object, *names: str) -> Mapping[str, Any]:
    """Give an object within an object; an empty one where there is none."""
    for name in names:
        source = source.get(name) if isinstance(source, Mapping) else None
    return source if isinstance(source, Mapping) else {}


def text(value: object) -> str | None:
    """Give a value of a record as text; None where there is none, or where it is no single one."""
    if value is None or isinstance(value, (Mapping, list)):
        return None
    return str(value)


def who(source: Source) -> Who:
    """Read who was behind an event."""
    enriched = part(source, "enriched")
    return Who(
        state=text(enriched.get("state")),
        origin=origin(enriched),
        chain=tuple(hop(one) for one in enriched.get("chain", ())),
        chain_text=text(enriched.get("chain_text")),
    )


def origin(enriched: Mapping[str, Any]) -> Origin | None:
    """Read an origin; None where the event is not enriched yet."""
    found = part(enriched, "origin")
    if "status" not in found:
        return None
    missing = part(found, "missing")
    known = {name: value for name, value in found.items() if name in _OF_ORIGIN}
    return Origin(**{**known, "missing": Missing(**missing) if missing else None})


def hop(found: Mapping[str, Any]) -> Hop:
    """Read one hop of a chain."""
    return Hop(**{name: value for name, value in found.items() if name in _OF_HOP})


def event(found: FoundEvent) -> Event:
    """Read one event, short."""
    source = found.source
    caller, enriched = part(source, "userIdentity"), part(source, "enriched")
    target, session = part(enriched, "target"), part(enriched, "session")
    return Event(
        document_id=found.id,
        event_id=text(source.get("eventID") or source.get("eventId")),
        time=parse_time(source.get("eventTime")),
        service=text(source.get("eventSource")),
        name=text(source.get("eventName")),
        region=text(source.get("awsRegion")),
        account_id=text(source.get("recipientAccountId")),
        source_ip=text(source.get("sourceIPAddress")),
        user_agent=text(source.get("userAgent")),
        principal_arn=text(caller.get("arn")),
        access_key_id=text(caller.get("accessKeyId")),
        error_code=text(source.get("errorCode")),
        error_message=text(source.get("errorMessage")),
        outcome=part(enriched, "outcome").get("status"),
        action=part(enriched, "action").get("class"),
        sensitive=part(enriched, "action").get("sensitive"),
        access=part(enriched, "access").get("mode"),
        targets=tuple(target.get("arns") or target.get("names") or ()),
        session_id=session.get("id"),
        credential_id=session.get("credential_id"),
        issued_session_id=session.get("issued_id"),
        issued_access_key_id=issued_key(source),
    )


def issued_key(source: Source) -> str | None:
    """Give the access key that a call handed out, temporary or not."""
    for holder in ("credentials", "accessKey"):
        key = part(source, "responseElements", holder).get("accessKeyId")
        if isinstance(key, str):
            return key
    return None
