"""Where a credential comes from and where it leads: events, credentials, principals, sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.response.errors import NotIndexedError
from enricher.response.events import USE, WHO, event, part, use, who
from enricher.response.models import Answer, Event, Json, Use, Who
from enricher.response.ports import Group, Match, Selection
from enricher.response.selecting import (
    CREDENTIAL,
    ISSUED,
    ISSUED_KEY,
    KEY,
    SESSION,
    any_field,
    by_caller,
    by_event,
    by_origin,
)

if TYPE_CHECKING:
    from enricher.response.models import Origin
    from enricher.response.ports import Bucket, Buckets, EventReading
    from enricher.response.selecting import PrincipalName

_COPIES = 20
_PROOFS = 50
_ISSUANCES = 100
_INSTANCES = 50
_FIRST_EVENTS = 20
_SHOWN_INSTANCES = 10


class EventLineage(Who):
    """An event, who was behind it, and the events that prove it."""

    event: Event
    """The event, short."""
    waiting_for: tuple[str, ...] = ()
    """Evidence that would change the answer and has not come."""
    proof: tuple[Event, ...] = ()
    """The events that prove the origin, in order of time."""
    proof_not_indexed: tuple[str, ...] = ()
    """Ids of proving events that are not in the index, or not any more."""
    copies: tuple[str, ...] = ()
    """Ids in the index of other events under the same id; ask for one of them by that."""
    record: Json
    """The record as it is indexed, with all of `enriched`."""


class Instance(Who):
    """One credential behind an access key id: ids of temporary keys recur."""

    credential_id: str | None
    """Its own id; absent where nothing tells it from others."""
    session_id: str | None
    """The session in which it was used."""
    root_id: str | None
    """The session at the origin of all that."""
    principal_arn: str | None
    """Who acted with it."""
    use: Use
    """How much, when and from where it was used."""
    issued_by: tuple[str, ...]
    """Ids of the events that issued it, as far as they are known."""
    events: tuple[Event, ...]
    """What was done with it at first; none where there are very many credentials."""


class CredentialLineage(Answer):
    """Every credential behind an access key id."""

    access_key_id: str
    """The id that was asked for."""
    instances: tuple[Instance, ...]
    """Each credential that was used under it, the one of the most events first."""
    instances_omitted_events: int
    """Events of instances beyond those that are given."""
    issued_by: tuple[Event, ...]
    """The calls that handed this id out."""
    issued: tuple[Event, ...]
    """The calls by which it began other sessions or made other keys, in order of time."""
    created_by: str | None
    """Who created it, if it is a long-term key and that was seen."""
    complete: bool
    """Whether everything was counted."""


class Principal(Who):
    """A principal that goes by the name that was asked for."""

    principal_arn: str | None
    """Its ARN; of a session, where it acted as one."""
    use: Use
    """How much, when and from where."""
    sessions: int
    """How many sessions at most it had; of very many, not all are counted."""
    access_keys: tuple[str, ...]
    """Access key ids that signed, most used first."""
    acted_as: tuple[str, ...]
    """ARNs under which it acted, most used first."""


class Principals(Answer):
    """Who goes by a name: as the origin of what was done, and as who appears in the records."""

    as_origin: tuple[Principal, ...]
    """Origins of that name, with everything that they did by whatever chain."""
    as_caller: tuple[Principal, ...]
    """Callers of that name, one for each origin behind them."""
    complete: bool
    """Whether everything was counted."""


def event_lineage(event_id: str, reading: EventReading) -> EventLineage:
    """Say who was behind an event.

    Raises:
        NotIndexedError: If it is not in the index.
    """
    found = reading.page(by_event(event_id), size=_COPIES).events
    if not found:
        raise NotIndexedError(
            "no such event: is this its eventID, and has its log file been ingested?"
        )
    first = next((one for one in found if one.id == event_id), found[0])
    answer = who(first.source)
    proof, absent = proof_of(answer.origin, reading)
    enriched = part(first.source, "enriched")
    return EventLineage(
        **_fields(answer),
        event=event(first),
        waiting_for=tuple(enriched.get("waiting_for", ())),
        proof=proof,
        proof_not_indexed=absent,
        copies=tuple(one.id for one in found if one.id != first.id),
        record=dict(first.source),
    )


def proof_of(
    origin: Origin | None, reading: EventReading
) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    """Give the events that prove an origin, in order of time, and the ids that are not indexed."""
    wanted = origin.evidence[:_PROOFS] if origin else ()
    proof = _events(Selection().where("eventID", *wanted), _PROOFS, reading) if wanted else ()
    return proof, tuple(sorted(set(wanted) - {one.event_id for one in proof}))


def credential_lineage(access_key_id: str, reading: EventReading) -> CredentialLineage:
    """Say what is known of every credential behind an access key id.

    Raises:
        NotIndexedError: If it was neither used nor handed out in what is indexed.
    """
    used = Selection().where(KEY, access_key_id)
    by = Group(by=CREDENTIAL, size=_INSTANCES, missing="", span=True, sample=_SAMPLED, within=USE)
    tally = reading.tally(used, {"instances": by})
    issued_by = _events(any_field(ISSUED_KEY, access_key_id), _ISSUANCES, reading)
    if not tally.total and not issued_by:
        raise NotIndexedError(
            "no such access key: is this its id, and have the log files of its account been "
            "ingested?"
        )
    instances = tally.groups["instances"]
    samples = [part(bucket.sample, "enriched", "credential") for bucket in instances.buckets]
    return CredentialLineage(
        access_key_id=access_key_id,
        instances=tuple(
            _instance(
                bucket,
                issued_by,
                _events(used.where(CREDENTIAL, bucket.value), _FIRST_EVENTS, reading)
                if bucket.value and number < _SHOWN_INSTANCES
                else (),
            )
            for number, bucket in enumerate(instances.buckets)
        ),
        instances_omitted_events=instances.other,
        issued_by=issued_by,
        issued=_events(Selection(every=(*used.every, _HANDS_OUT)), _ISSUANCES, reading),
        created_by=next((one["created_by"] for one in samples if "created_by" in one), None),
        complete=tally.complete,
    )


def principals(name: PrincipalName, reading: EventReading) -> Principals:
    """Say what a principal did, as an origin and as a caller.

    Raises:
        NotIndexedError: If nobody of that name is in the index.
    """
    by = Group(
        by="enriched.origin.id", missing="", span=True, sample=_SAMPLED, within=_OF_A_PRINCIPAL
    )
    as_origin = reading.tally(by_origin(name), {"who": by})
    as_caller = reading.tally(by_caller(name), {"who": by})
    if not as_origin.total and not as_caller.total:
        raise NotIndexedError(
            "no such principal: names are compared exactly, and only what is indexed is known"
        )
    return Principals(
        as_origin=_principals(as_origin.groups["who"]),
        as_caller=_principals(as_caller.groups["who"]),
        complete=as_origin.complete and as_caller.complete,
    )


_SAMPLED = (*WHO, "userIdentity.arn")
_HANDS_OUT = (Match(ISSUED), Match("eventName", ("CreateAccessKey",)))
_OF_A_PRINCIPAL = {
    **USE,
    "sessions": Group(by=SESSION, size=1_000),
    "access_keys": Group(by=KEY, size=50),
    "acted_as": Group(by="userIdentity.arn", size=50),
}


def _instance(bucket: Bucket, issued_by: tuple[Event, ...], events: tuple[Event, ...]) -> Instance:
    sample = bucket.sample or {}
    session = part(sample, "enriched", "session")
    answer = who(sample)
    proving = {hop.event_id for hop in answer.chain[-1:]}
    proving |= set(answer.origin.evidence) if answer.origin else set()
    return Instance(
        **_fields(answer),
        credential_id=bucket.value or None,
        session_id=session.get("id"),
        root_id=session.get("root_id"),
        principal_arn=part(sample, "userIdentity").get("arn"),
        use=use(bucket),
        issued_by=tuple(
            one.event_id for one in issued_by if one.event_id and one.event_id in proving
        ),
        events=events,
    )


def _principals(found: Buckets) -> tuple[Principal, ...]:
    return tuple(
        Principal(
            **_fields(who(bucket.sample or {})),
            principal_arn=part(bucket.sample, "userIdentity").get("arn"),
            use=use(bucket),
            sessions=len(bucket.within["sessions"].buckets),
            access_keys=tuple(bucket.values("access_keys")),
            acted_as=tuple(bucket.values("acted_as")),
        )
        for bucket in found.buckets
    )


def _events(selection: Selection, most: int, reading: EventReading) -> tuple[Event, ...]:
    return tuple(event(one) for one in reading.page(selection, size=most).events)


def _fields(answer: Who) -> dict[str, object]:
    return {name: getattr(answer, name) for name in Who.model_fields}
