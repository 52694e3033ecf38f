"""What can still be said of a role session that no rule explains, and what would explain it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from enricher.identity import keys
from enricher.identity.evidence import issuances, merge_copies
from enricher.identity.model import Candidate, Confidence, Kind, Lineage, Missing, Principal
from enricher.identity.origins import nobody, resolved, unknown
from enricher.identity.portal import portal_keys
from enricher.identity.windows import COGNITO_SESSION, CONSOLE_SPAN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.identity.evidence import Issue
    from enricher.identity.lookup import RoleSession

# Sign-ins that go on from a session before them: what led there is found by the day.
_GOING_ON = frozenset({"ConsoleLogin", "RenewRole"})


def unresolved(session: RoleSession) -> Lineage:
    """No rule fits: an asserted identity, else nobody, with hints and with what is missing."""
    caller = session.caller
    missing = Missing(account_id=caller.account_id, at=caller.created_at)
    if caller.source_identity:
        principal = Principal(
            kind=Kind.ASSERTED,
            id=caller.source_identity,
            arn=caller.arn,
            name=caller.source_identity,
            account_id=caller.account_id,
        )
        origin = resolved(principal, "L8", Confidence.MODERATE)
        origin = replace(origin, missing=missing)
    else:
        reason = "cognito" if caller.session_name == COGNITO_SESSION else "issuer-not-seen"
        origin = unknown(nobody(caller), reason, missing=missing)
    origin = replace(origin, candidates=tuple(_hints(session)))
    return Lineage(origin=origin, waiting=frozenset(_wanted(session)))


def _hints(session: RoleSession) -> Iterator[Candidate]:
    """L9, L11: possibilities that prove nothing (rulings 4)."""
    caller = session.caller
    if caller.created_at is None and caller.account_id and caller.principal_id:
        latest = _closest_preceding(session)
        for issue in latest:
            behind = session.behind(issue)
            yield Candidate(
                principal=behind.origin.principal,
                rule="L9",
                confidence=Confidence.WEAK,
                evidence=issue.evidence,
            )
    name = caller.session_name
    if name and "@" in name:
        principal = Principal(kind=Kind.UNKNOWN_ISSUER, name=name, account_id=caller.account_id)
        yield Candidate(principal=principal, rule="L11", confidence=Confidence.WEAK)


def _closest_preceding(session: RoleSession) -> list[Issue]:
    """L9: the last time that somebody became this principal, within twelve hours."""
    caller = session.caller
    found = [
        fact
        for day in keys.days_back(session.at, CONSOLE_SPAN)
        for fact in issuances(
            session.walk.evidence.facts(
                keys.began(caller.account_id or "", caller.principal_id or "", day)
            )
        )
        if session.at - CONSOLE_SPAN <= fact.at <= session.at
        and fact.event_name != "GetSigninToken"
    ]
    if not found:
        return []
    latest = max(fact.at for fact in found)
    return merge_copies(fact for fact in found if fact.at == latest)


def _wanted(session: RoleSession) -> set[str]:
    """The keys whose arrival would explain the session."""
    caller = session.caller
    wanted = set(session.session_keys)
    if caller.access_key_id:
        wanted.add(keys.issued(caller.access_key_id))
    if caller.sign_in_session:
        wanted.add(keys.sign_in(caller.sign_in_session))
    goes_on = any(fact.event_name in _GOING_ON for fact in session.of_second)
    if (goes_on or caller.created_at is None) and caller.account_id and caller.principal_id:
        for day in keys.days_back(caller.created_at or session.at, CONSOLE_SPAN):
            wanted.add(keys.began(caller.account_id, caller.principal_id, day))
    return wanted


def awaiting(session: RoleSession, found: Lineage) -> Lineage:
    """Add what would still change an answer that has been found."""
    caller = session.caller
    waiting = set(found.waiting)
    if not found.hops:
        waiting |= _wanted(session)  # the origin is stamped, the issuing record was not seen
    elif session.skewed and found.hops[-1].confidence <= Confidence.MODERATE:
        waiting.add(session.session_keys[0])
    principal = found.origin.principal
    if principal.kind is Kind.IDC_USER and principal.id is None:
        waiting.update(portal_keys(caller)[:2])
    return replace(found, waiting=frozenset(waiting))
