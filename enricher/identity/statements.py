"""The forms in which records state facts: an issuance under its keys, a sighting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.record import Record, mapping, text
from enricher.cloudtrail.times import parse_time
from enricher.identity import keys
from enricher.identity.facts import Issuance, Keyed, Sighting
from enricher.identity.signer import signer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.cloudtrail.record import Record


def issuance(record: Record, **fields: Any) -> Issuance:  # noqa: ANN401 - the struct's own fields
    """State that the record began a session.

    Args:
        record: A record that succeeded.
        fields: What differs by kind of call; ``credentials`` is read for key and expiry, by
            default that of the response.
    """
    credentials = mapping(fields.pop("credentials", record.response.get("credentials")))
    fields.setdefault("caller", signer(record))
    fields.setdefault("access_key_id", text(credentials.get("accessKeyId")))
    return Issuance(
        event_name=record.event_name,
        event_id=record.event_id,
        at=record.at,
        recipient=record.recipient,
        expires_at=parse_time(credentials.get("expiration")),
        internal=record.internal and record.caller.type != "AWSService",
        shared_event_id=record.shared_event_id,
        request_id=record.request_id,
        **fields,
    )


def published(issuance: Issuance) -> Iterator[Keyed]:
    """Publish an issuance under its key id, its session and, for people, its day."""
    if issuance.access_key_id:
        yield Keyed(keys.issued(issuance.access_key_id), issuance)
    holder = issuance.principal_id or issuance.arn
    if issuance.account_id and holder:
        yield Keyed(keys.session(issuance.account_id, holder, issuance.at), issuance)
        if issuance.service is None:
            yield Keyed(keys.began(issuance.account_id, holder, issuance.at), issuance)


def sighting(record: Record) -> Sighting:
    """State that a record of this caller exists."""
    return Sighting(
        event_name=record.event_name,
        event_id=record.event_id,
        at=record.at,
        recipient=record.recipient,
        caller=signer(record),
    )
