"""Reads from the index what a containment plan needs: who it was, by which roles, what is left.

Only what was counted is said: where a limit of time or number was met, the exposure says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from enricher.cloudtrail.arn import parse_arn
from enricher.identity.model import Confidence, Kind
from enricher.response.errors import NotIndexedError
from enricher.response.events import issued_key, part, text
from enricher.response.exposure import (
    NAMES_SHOWN,
    AttachedPolicy,
    Exposure,
    HopSeen,
    KeySeen,
    OriginSeen,
    RoleSeen,
    SubjectKind,
    confidence_of,
    iam_principal,
)
from enricher.response.ports import Group, Selection
from enricher.response.selecting import (
    ISSUED,
    KEY,
    ORIGIN,
    ROOT,
    SESSION,
    by_event,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from enricher.response.exposure import Subject
    from enricher.response.ports import (
        Bucket,
        Buckets,
        EventPage,
        EventReading,
        FoundEvent,
        Source,
        Tally,
    )

ISSUER = "userIdentity.sessionContext.sessionIssuer.arn"
_CONFIDENCE = "enriched.origin.confidence"
_SESSIONS, _ROLES, _KEYS, _CHANGES = 200, 100, 100, 500
_TREE = 500
_DEEPEST = 50
_EVIDENCE_OF_A_HOP = 3
_OF_A_LONG_TERM_KEY = "synthetic"  # the kind of session that its use on one day is
_WORKLOADS = frozenset({Kind.EC2_INSTANCE, Kind.LAMBDA_FUNCTION, Kind.WORKLOAD})
_LEAVING = ("CreateAccessKey", "AttachUserPolicy", "AttachRolePolicy", "AttachGroupPolicy")
_UNKNOWN = "somebody unknown"
_BY_ROLE = Group(
    by=ISSUER,
    size=_ROLES,
    sample=("eventID",),
    within={"confidence": Group(by=_CONFIDENCE, size=len(Confidence))},
)
_ALL = {
    "origin": Group(by=_CONFIDENCE, size=len(Confidence), sample=("enriched.origin",)),
    "sessions": Group(by=SESSION, size=_SESSIONS, sample=("enriched.chain",)),
    "roles": _BY_ROLE,
}


class _Involved(NamedTuple):
    """The events that a subject is about.

    Attributes:
        origin: ``enriched.origin``, where one session says it; None where all have to be asked.
        complete: Whether all sessions are among them.
    """

    events: Selection
    origin: Source | None = None
    complete: bool = True


def expose(
    subject: Subject, start: datetime | None, end: datetime | None, reading: EventReading
) -> Exposure:
    """Say what the events say of an origin or session.

    Args:
        subject: An origin by its id, or a session: with it those above and below it.
        start: Only what was done from then on; None for all there is.
        end: Only what was done until then; None for all there is.
        reading: The index.

    Raises:
        NotIndexedError: If nothing that the subject did is in the index.
        QuestionError: If the time range ends before it begins.
    """
    found = (
        _of_session(subject.id, reading)
        if subject.kind is SubjectKind.SESSION
        else _Involved(Selection().where(ORIGIN, subject.id))
    )
    involved = within(found.events, start, end)
    tally = reading.tally(involved, _ALL)
    if not tally.total:
        raise NotIndexedError(
            "nothing that this origin or session did in that time is indexed: is this its "
            "`enriched.origin.id` or `enriched.session.id`?"
        )
    origin = OriginSeen.of(found.origin if found.origin is not None else _surest(tally))
    chain = tuple(_hops(tally.groups["sessions"]))
    assumed = reading.tally(involved.where(ISSUED), {"targets": _ASSUMED})
    keys = reading.tally(involved.where("enriched.session.kind", _OF_A_LONG_TERM_KEY), _USED_KEYS)
    roles = [*_used(tally.groups["roles"]), *_assumed(assumed.groups["targets"])]
    others = _Others(origin, involved, within(Selection(), start, end))
    shared = others.counted(roles, reading)
    left = _left(involved, reading)
    return Exposure(
        origin=origin,
        chain=chain,
        roles=shared.roles,
        keys=(*_signing(keys.groups["keys"]), *_created(left.events)),
        attached=tuple(_attached(left.events)),
        region=_region(origin, chain, reading),
        complete=found.complete
        and shared.complete
        and left.after is None
        and _whole(tally, assumed, keys),
    )


def _whole(*tallies: Tally) -> bool:
    """Whether everything was counted, and no value left out."""
    groups = [group for one in tallies for group in one.groups.values()]
    return all(one.complete for one in tallies) and not any(group.other for group in groups)


_ASSUMED = Group(
    by="enriched.target.arns", size=_ROLES, sample=("eventID", "enriched.origin.confidence")
)
_USED_KEYS = {"keys": Group(by=KEY, size=_KEYS, sample=("userIdentity.arn", "eventID"))}


# --- which events -----------------------------------------------------------------------------


def _of_session(session_id: str, reading: EventReading) -> _Involved:
    """Give a session, those above it and those below it."""
    sample = ("enriched.origin", "enriched.session.root_id")
    own = reading.tally(
        Selection().where(SESSION, session_id),
        {"session": Group(by=SESSION, size=1, sample=sample)},
    ).groups["session"]
    if not own.buckets:
        raise NotIndexedError("no such session: nothing that was done in it is indexed")
    enriched = part(own.buckets[0].sample, "enriched")
    root_id = text(part(enriched, "session").get("root_id")) or session_id
    parent = Group(by="enriched.session.parent_id", size=1)
    tree = reading.tally(
        Selection().where(ROOT, root_id),
        {"sessions": Group(by=SESSION, size=_TREE, within={"parent": parent})},
    )
    found = tree.groups["sessions"]
    parents = {one.value: next(iter(one.values("parent")), None) for one in found.buckets}
    ids = [root_id, *_line(session_id, parents)]
    ids += [one for one in parents if session_id in _line(one, parents)]
    return _Involved(
        Selection().where(SESSION, *dict.fromkeys(ids)),
        part(enriched, "origin"),
        tree.complete and not found.other,
    )


def _line(session_id: str, parents: Mapping[str, str | None]) -> list[str]:
    """Give a session and those above it, as far as they are known; none twice."""
    line: list[str] = []
    here: str | None = session_id
    while here is not None and here not in line and len(line) < _DEEPEST:
        line.append(here)
        here = parents.get(here)
    return line


# --- who, and by what way ---------------------------------------------------------------------


def _surest(tally: Tally) -> Source:
    """Give the origin as the event has it that is surest of it."""
    found = tally.groups["origin"].buckets
    best = max(found, key=lambda one: confidence_of(one.value), default=None)
    return part(best.sample if best else None, "enriched", "origin")


def _hops(sessions: Buckets) -> Iterator[HopSeen]:
    """Give the hops of all chains, those at the origin first; of many alike, some as proof."""
    by_depth = sorted(
        {
            (depth, HopSeen.of(hop))
            for one in sessions.buckets
            for depth, hop in enumerate(part(one.sample, "enriched").get("chain", ()))
        },
        key=lambda one: (one[0], str(one[1].arn), str(one[1].event_id)),
    )
    seen: dict[tuple[object, ...], int] = {}
    for _, hop in by_depth:
        role = iam_principal(hop.arn)
        of = (hop.via, role.key if role else hop.arn)
        seen[of] = seen.get(of, 0) + 1
        if seen[of] <= _EVIDENCE_OF_A_HOP:
            yield hop


def _used(found: Buckets) -> Iterator[RoleSeen]:
    for one in found.buckets:
        if _is_role(one.value):
            sure = [confidence_of(word) for word in one.values("confidence")]
            yield RoleSeen(
                arn=one.value,
                evidence=_event_of(one),
                confidence=max(sure, default=Confidence.NONE),
            )


def _assumed(found: Buckets) -> Iterator[RoleSeen]:
    """Give roles that were assumed, whether anything was done with them or not."""
    for one in found.buckets:
        if _is_role(one.value):
            word = part(one.sample, "enriched", "origin").get("confidence")
            yield RoleSeen(arn=one.value, evidence=_event_of(one), confidence=confidence_of(word))


def _is_role(arn: str) -> bool:
    principal = iam_principal(arn)
    return principal is not None and principal.kind == "role"


def _event_of(bucket: Bucket) -> tuple[str, ...]:
    event_id = text((bucket.sample or {}).get("eventID"))
    return (event_id,) if event_id else ()


# --- who else ---------------------------------------------------------------------------------


class _Shared(NamedTuple):
    roles: tuple[RoleSeen, ...]
    complete: bool


class _Others(NamedTuple):
    """Who is not the subject: everybody else, in the same span of time."""

    origin: OriginSeen
    involved: Selection
    span: Selection

    def counted(self, roles: list[RoleSeen], reading: EventReading) -> _Shared:
        """Say of each role who else used it."""
        arns = sorted({role.arn for role in roles})[:_ROLES]
        if not arns:
            return _Shared((), complete=True)
        everybody = Selection(start=self.span.start, end=self.span.end).where(ISSUER, *arns)
        tally = reading.tally(self._without_subject(everybody), {"roles": _BY_USER})
        found = {one.value: one for one in tally.groups["roles"].buckets}
        none = None if tally.groups["roles"].other or not tally.complete else 0
        return _Shared(
            tuple(_told(role, found.get(role.arn), none) for role in roles), tally.complete
        )

    def _without_subject(self, everybody: Selection) -> Selection:
        if self.origin.id is not None:
            return everybody.without(ORIGIN, self.origin.id)
        sessions = [
            match.values
            for any_of in self.involved.every
            for match in any_of
            if match.field == SESSION
        ]
        return everybody.without(SESSION, *sessions[0]) if sessions else everybody


_BY_USER = Group(
    by=ISSUER,
    size=_ROLES,
    distinct=(ORIGIN,),
    within={
        "origins": Group(
            by=ORIGIN,
            size=NAMES_SHOWN,
            missing="",
            within={"name": Group(by="enriched.origin.name", size=1)},
        )
    },
)


def _told(role: RoleSeen, found: Bucket | None, none: int | None) -> RoleSeen:
    if found is None:
        return replace(role, other_origins=none)
    names = [
        next(iter(one.values("name")), one.value) if one.value else _UNKNOWN
        for one in found.within["origins"].buckets
    ]
    return replace(role, other_origins=found.distinct[ORIGIN], other_names=tuple(sorted(names)))


# --- what is left -----------------------------------------------------------------------------


def _left(involved: Selection, reading: EventReading) -> EventPage:
    """Give the calls that made keys or attached policies, the newest first."""
    return reading.page(
        involved.where("eventName", *_LEAVING).where("enriched.outcome.status", "success"),
        size=_CHANGES,
        newest_first=True,
    )


def _signing(found: Buckets) -> Iterator[KeySeen]:
    for one in found.buckets:
        arn = text(part(one.sample, "userIdentity").get("arn"))
        if arn and (user := iam_principal(arn)) is not None and user.kind == "user":
            yield KeySeen(id=one.value, user_arn=arn, evidence=_event_of(one))


def _created(events: tuple[FoundEvent, ...]) -> Iterator[KeySeen]:
    for one in events:
        if one.source.get("eventName") != "CreateAccessKey":
            continue
        key = issued_key(one.source)
        name = text(part(one.source, "responseElements", "accessKey").get("userName"))
        if key and name:
            yield KeySeen(
                id=key,
                user_arn=_arn(one.source, "user", name),
                created=True,
                evidence=_id_of(one),
            )


def _attached(events: tuple[FoundEvent, ...]) -> Iterator[AttachedPolicy]:
    for one in events:
        asked = part(one.source, "requestParameters")
        policy = text(asked.get("policyArn"))
        for kind in ("user", "role", "group"):
            name = text(asked.get(f"{kind}Name"))
            if policy and name and one.source.get("eventName") == f"Attach{kind.title()}Policy":
                yield AttachedPolicy(
                    principal_arn=_arn(one.source, kind, name),
                    policy_arn=policy,
                    evidence=_id_of(one),
                )


def _arn(source: Source, kind: str, name: str) -> str:
    """Spell the ARN of what a record names in its own account; its path is not known."""
    caller = parse_arn(text(part(source, "userIdentity").get("arn")))
    partition = caller.partition if caller else "aws"
    return f"arn:{partition}:iam::{source.get('recipientAccountId')}:{kind}/{name}"


def _id_of(event: FoundEvent) -> tuple[str, ...]:
    event_id = text(event.source.get("eventID"))
    return (event_id,) if event_id else ()


def _region(origin: OriginSeen, chain: tuple[HopSeen, ...], reading: EventReading) -> str | None:
    """Say where an instance or function runs: where its credentials were handed out."""
    issued = next((hop.event_id for hop in chain if hop.event_id), None)
    if origin.kind not in _WORKLOADS or issued is None:
        return None
    found = reading.page(by_event(issued), size=1).events
    return text(found[0].source.get("awsRegion")) if found else None
