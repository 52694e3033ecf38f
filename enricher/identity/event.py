"""The answer for one record, in the shape of the document (design §4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from enricher.cloudtrail.arn import parse_arn, role_name
from enricher.cloudtrail.times import format_time
from enricher.identity import keys
from enricher.identity.access import access_of
from enricher.identity.facts import Issuance, KeyCreation
from enricher.identity.hops import first_session
from enricher.identity.model import Confidence, Kind, Principal, present
from enricher.identity.origins import aws_service, iam_user, nobody, resolved, root_user, unknown
from enricher.identity.resolve import MCP
from enricher.identity.sessions import (
    NO_SESSION_TYPES,
    credential_id,
    event_session_id,
    group_id,
)
from enricher.identity.signer import SESSION_STARTS, signer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from enricher.cloudtrail.caller import Caller
    from enricher.cloudtrail.record import Record
    from enricher.identity.access import EventAccess
    from enricher.identity.facts import Keyed
    from enricher.identity.model import Hop, Lineage, Origin
    from enricher.identity.resolve import Resolver

# Services whose records issue credentials, sign in, or speak of somebody else than their caller.
_TELLING_SERVICES = frozenset(
    {"sts", "signin", "sso", "sso-oauth", "rolesanywhere", "cognito-identity", "s3express"}
)
_SESSION_TYPES = frozenset({"IAMUser", "AssumedRole", "Root", "FederatedUser"})
_KIND_OF_SESSION = {"AssumedRole": "role", "IAMUser": "user", "Root": "root", "Role": "role"}


_NO_NAMES: Mapping[str, str] = {}


class _Spelling(NamedTuple):
    """What an answer depends on beside record and evidence."""

    window_closed: bool
    account_names: Mapping[str, str]


class Identity(NamedTuple):
    """Origin, chain, session, credential and access of one record.

    Attributes:
        fields: The part of ``enriched`` that this answer fills, JSON-ready. Its members may be
            shared with other records of the same credential: copy before you change one.
        notes: Findings for ``enriched.notes``.
    """

    fields: dict[str, Any]
    notes: frozenset[str]


_UNANSWERED = Identity({}, frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spelled:
    """What all records of one credential have in common, spelled once.

    Attributes:
        proven_by_record: The record itself is the proof of its origin.
        access: How calls reached AWS, by user agent and by whether TLS details are there.
    """

    lineage: Lineage
    fields: dict[str, Any]
    origin: dict[str, Any]
    proven_by_record: bool
    access: dict[tuple[str, bool], tuple[dict[str, Any], frozenset[str]]]


def resolve_record(
    record: Record,
    facts: Iterable[Keyed],
    resolver: Resolver,
    *,
    window_closed: bool,
    account_names: Mapping[str, str] = _NO_NAMES,
) -> Identity:
    """Answer for one record: the one pure function behind pipeline, commands and tests.

    Args:
        record: The record.
        facts: The facts that the record itself states (``extract.facts_of``).
        resolver: The evidence, and what is known already of its credentials.
        window_closed: No more evidence is waited for (rulings 15, 16).
        account_names: Account id → name, the same for every record of one resolver.

    Returns:
        The answer; an empty one where evidence is missing that is not loaded yet, for it does not
        count then.
    """
    issued = None
    spelling = _Spelling(window_closed, account_names)
    if is_ordinary(record):
        spelled = _known(record, resolver, spelling)
        if spelled is None:
            return _UNANSWERED
        access, notes = _known_access(record, spelled, resolver)
    else:
        issued = _issued_session(facts)
        caller = signer(record)
        misses = resolver.evidence.misses
        lineage = _lineage(record, caller, resolver)
        if resolver.evidence.misses != misses:
            return _UNANSWERED
        spelled = _spell(record, caller, lineage, resolver, spelling)
        access, notes = _spell_access(access_of(record, lineage, resolver.evidence))
    origin = spelled.origin
    if spelled.proven_by_record:
        origin = {**origin, "evidence": [record.event_id]}
    fields = {**spelled.fields, "origin": origin, "access": access}
    if issued is not None:
        fields["session"] = {**fields["session"], "issued_id": issued}
    own = spelled.lineage.notes
    found = own | notes if notes else own
    if record.foreign_source or not record.has_event_id:
        found |= _record_notes(record)
    return Identity(fields, found)


def is_ordinary(record: Record) -> bool:
    """Whether nothing but the caller matters: an API call that neither issues nor signs in."""
    caller = record.caller
    return (
        record.event_type == "awsapicall"
        and record.service not in _TELLING_SERVICES
        and caller.type in _SESSION_TYPES
        and caller.invoked_by != MCP
        and (caller.created_at is not None or caller.access_key_id is not None)
    )


def _known(record: Record, resolver: Resolver, spelling: _Spelling) -> _Spelled | None:
    """Spell the answer for a credential, once for each period in which it is the same.

    None where it lacks evidence.
    """
    caller, evidence = record.caller, resolver.evidence
    misses = evidence.misses
    slot = (*resolver.slot(caller, record.at), spelling.window_closed)
    spelled: _Spelled | None = resolver.memo.get(slot)
    if spelled is None:
        lineage = resolver.lineage(caller, record.at)
        if evidence.misses != misses:
            return None
        spelled = _spell(record, caller, lineage, resolver, spelling)
        if evidence.misses == misses:
            resolver.memo[slot] = spelled
    return spelled


def _known_access(
    record: Record, spelled: _Spelled, resolver: Resolver
) -> tuple[dict[str, Any], frozenset[str]]:
    key = (record.user_agent, bool(record.raw.get("tlsDetails")))
    known = spelled.access.get(key)
    if known is None:
        misses = resolver.evidence.misses
        access = access_of(record, spelled.lineage, resolver.evidence)
        known = _spell_access(access)
        if not access.by_traces and resolver.evidence.misses == misses:
            spelled.access[key] = known
    return known


def _spell_access(access: EventAccess) -> tuple[dict[str, Any], frozenset[str]]:
    mode = access.event.mode.value
    fields = present(
        {
            "mode": mode,
            "subtype": access.event.subtype,
            "session_mode": access.session.mode.value,
            "console": mode == "console",
            "confidence": access.event.confidence.word,
            "evidence": list(access.event.codes) or None,
            "tool": access.tool,
        }
    )
    return fields, access.notes


def _spell(
    record: Record, caller: Caller, lineage: Lineage, resolver: Resolver, spelling: _Spelling
) -> _Spelled:
    """Spell everything but the record's own proof and access."""
    window_closed = spelling.window_closed
    waiting = lineage.waiting
    origin = lineage.origin
    return _Spelled(
        lineage=lineage,
        fields={
            "state": _state(origin, waiting, window_closed=window_closed),
            **({"waiting_for": sorted(waiting)} if waiting and not window_closed else {}),
            "chain": [hop.document() for hop in lineage.hops],
            "chain_depth": len(lineage.hops),
            "chain_text": _chain_text(caller, lineage, spelling.account_names),
            "session": _session(record, caller, lineage, window_closed=window_closed),
            **_credential(caller, resolver),
        },
        origin=_origin(caller, origin, spelling.account_names),
        proven_by_record=origin.settled and not origin.evidence,
        access={},
    )


def _lineage(record: Record, caller: Caller, resolver: Resolver) -> Lineage:
    """Find where the caller came from; failed sign-ins and bare service records are told apart."""
    if is_failed_sign_in(record):
        return first_session(_failed_sign_in(caller), complete=False)
    if not caller.type and not caller.principal_id and not caller.arn:
        service = caller.invoked_by if caller.invoked_by != "AWS Internal" else None
        if service is None and (caller.invoked_by or record.event_type == "awsserviceevent"):
            service = record.event_source
        if service:
            return first_session(resolved(aws_service(service), "L0", Confidence.EXACT))
    if caller.type == "Unknown" and record.service in ("sso", "signin", "sso-oauth"):
        name = caller.user_name
        if name and not caller.user_id:
            user = Principal(
                kind=Kind.IDC_USER, name=name, account_id=caller.account_id, human=True
            )
            return first_session(resolved(user, "L0", Confidence.STRONG))
    return resolver.record_lineage(record, caller)


def is_failed_sign_in(record: Record) -> bool:
    """Whether somebody tried to sign in, switch or renew, and did not succeed."""
    return record.failed and record.service == "signin" and record.event_name in SESSION_STARTS


def _failed_sign_in(caller: Caller) -> Origin:
    """Name what AWS named; nobody proved to be it (rulings 3)."""
    if caller.type == "Root":
        principal = root_user(caller.account_id, caller.partition)
    elif caller.type == "IAMUser":
        principal = iam_user(caller, human=None)
    else:
        principal = nobody(caller)
    return unknown(principal, "failed-sign-in")


def _state(origin: Origin, waiting: frozenset[str], *, window_closed: bool) -> str:
    """Give the state (rulings 15); with nothing to wait for, the window is closed as it were."""
    if waiting and not window_closed:
        return "pending"
    return "final" if origin.settled else "unresolved"


def _origin(caller: Caller, origin: Origin, names: Mapping[str, str]) -> dict[str, Any]:
    via = caller.invoked_by if caller.type != "AWSService" else None
    return present(
        {
            "status": origin.status.value,
            **origin.principal.document(),
            "account_name": names.get(origin.principal.account_id or ""),
            "rule": origin.rule,
            "confidence": origin.confidence.word,
            "reason": origin.reason,
            "candidates": [c.document() for c in origin.candidates] or None,
            "missing": origin.missing.document() if origin.missing else None,
            "evidence": list(origin.evidence) or None,
            "acting_as": origin.acting_as,
            "via_service": via,
        }
    )


def _chain_text(caller: Caller, lineage: Lineage, names: Mapping[str, str]) -> str:
    """Spell the chain for people, e.g. ``alice → Admin@prod``; accounts without name by id."""
    principal = lineage.origin.principal
    first = principal.name or principal.id or principal.arn or principal.kind.value
    steps = [_hop_label(hop, names) for hop in lineage.hops]
    if not steps and caller.type == "AssumedRole" and principal.kind is not Kind.UNKNOWN_ISSUER:
        steps = [_in_account(caller.role_name, caller.account_id, names)]
    return " → ".join([first, *steps])


def _hop_label(hop: Hop, names: Mapping[str, str]) -> str:
    parsed = parse_arn(hop.arn)
    name = role_name(hop.arn) or (parsed.name if parsed else None) or hop.via
    return _in_account(name, hop.account_id, names)


def _in_account(name: str | None, account_id: str | None, names: Mapping[str, str]) -> str:
    return f"{name}@{names.get(account_id or '', account_id)}"


def _session(
    record: Record, caller: Caller, lineage: Lineage, *, window_closed: bool
) -> dict[str, Any]:
    session_id, kind, began_at = _own_session(record, caller, lineage, window_closed=window_closed)
    key = caller.access_key_id
    mfa = lineage.mfa if lineage.mfa is not None else _mfa_used(record)
    has_session = session_id is not None
    return present(
        {
            "id": session_id,
            "credential_id": credential_id(session_id, key) if session_id and key else None,
            "root_id": (lineage.root_id or session_id) if has_session else None,
            "root_complete": lineage.root_complete if has_session else None,
            "parent_id": lineage.parent_id if has_session else None,
            "kind": kind,
            "name": caller.session_name or caller.user_name,
            "principal_arn": caller.arn,
            "started_at": format_time(began_at) if began_at else None,
            "mfa": mfa,
            "continues": lineage.continues,
            "sign_in_session": caller.sign_in_session,
        }
    )


def _own_session(
    record: Record, caller: Caller, lineage: Lineage, *, window_closed: bool
) -> tuple[str | None, str | None, datetime | None]:
    """Give the id, kind and start of the record's own session (rulings 17)."""
    if is_failed_sign_in(record) or record.event_name == "CheckMfa":
        return None, "attempt", None
    if caller.type in NO_SESSION_TYPES:
        return None, None, None
    if lineage.session_id is None:
        return event_session_id(record.document_id), "event", None
    if caller.created_at is None:
        return lineage.session_id, "synthetic", None
    if lineage.fas_derived and window_closed:
        return lineage.session_id, "fas_derived", caller.created_at
    kind = _KIND_OF_SESSION.get(caller.type, "federated")
    return lineage.session_id, kind, caller.created_at


def _mfa_used(record: Record) -> bool | None:
    used = record.extra.get("MFAUsed")
    return used == "Yes" if isinstance(used, str) else None


def _issued_session(facts: Iterable[Keyed]) -> str | None:
    """Give the id of the session that the record began for somebody else."""
    for _, fact in facts:
        if (
            isinstance(fact, Issuance)
            and fact.access_key_id
            and fact.event_name != "GetSigninToken"
        ):
            if not (fact.account_id and fact.principal_id):
                return None
            parsed = parse_arn(fact.arn)
            partition = parsed.partition if parsed else fact.caller.partition
            return group_id(partition, fact.account_id, fact.principal_id, fact.at)
    return None


def _credential(caller: Caller, resolver: Resolver) -> dict[str, Any]:
    """Say who created a long-term key: that is how back doors are traced (identity.md §1.13)."""
    if not caller.has_long_term_key or caller.access_key_id is None:
        return {}
    facts = resolver.evidence.facts(keys.long_term(caller.access_key_id))
    created = [fact for fact in facts if isinstance(fact, KeyCreation)]
    if not created:
        return {}
    first = min(created, key=lambda fact: (fact.at, fact.event_id))
    return {
        "credential": present({"created_by": first.creator_arn, "created_event": first.event_id})
    }


def _record_notes(record: Record) -> frozenset[str]:
    notes = set()
    if record.foreign_source:
        notes.add("foreign_event_source")
    if not record.has_event_id:
        notes.add("no_event_id")
    return frozenset(notes)
