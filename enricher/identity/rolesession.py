"""Role sessions: every rule that may say who assumed the role (identity.md §2.2, rulings 1–11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from enricher.cloudtrail.caller import Caller
from enricher.identity import keys
from enricher.identity.combine import Finding, best
from enricher.identity.consolesession import console_findings
from enricher.identity.evidence import Evidence, Issue, issuances, merge_copies, sightings
from enricher.identity.facts import Issuance, Sighting, Stamp
from enricher.identity.hops import first_session, hop_over
from enricher.identity.model import (
    UNKNOWN_ACCESS,
    Access,
    Candidate,
    Confidence,
    Kind,
    Lineage,
    Missing,
    Mode,
    Origin,
    Principal,
    Status,
)
from enricher.identity.origins import (
    idc_user,
    is_idc_session,
    issued_workload,
    linked_role_service,
    nobody,
    oidc_subject,
    resolved,
    unknown,
)
from enricher.identity.sessions import session_id_of
from enricher.identity.windows import (
    COGNITO_SESSION,
    CONSOLE_SPAN,
    Fit,
    fit_by_key,
    fit_by_second,
)
from enricher.identity.workloads import impersonates_instance, permission_set, stamped_workload

if TYPE_CHECKING:
    from enricher.identity.resolve import Path, Resolver


class RoleSession:
    """What the evidence holds on one role session, looked up once and asked by every rule."""

    def __init__(self, resolver: Resolver, caller: Caller, at: datetime, path: Path) -> None:
        self.resolver = resolver
        self.caller = caller
        self.at = at
        self.path = path
        self.session_id = session_id_of(caller, at)
        facts = resolver.evidence.facts
        key_id = caller.access_key_id
        self.of_key = issuances(facts(keys.issued(key_id))) if key_id else []
        self.session_keys = self._session_keys()
        self.skewed = False
        self.of_second: list[Issuance] = []
        for number, key in enumerate(self.session_keys):
            self.of_second = issuances(facts(key))
            if self.of_second:
                self.skewed = number > 0
                break

    def _session_keys(self) -> list[str]:
        caller = self.caller
        if not (caller.account_id and caller.principal_id and caller.created_at):
            return []
        return [
            keys.session(caller.account_id, caller.principal_id, second)
            for second in keys.around(caller.created_at)
        ]

    def behind(self, issue: Issue) -> Lineage:
        """Say who is behind an issuance: its workload, its caller, or a caller out of sight."""
        fact = issue.fact
        principal = issued_workload(fact)
        if principal is not None:
            if principal.account_id is None and principal.kind is not Kind.AWS_SERVICE:
                principal = replace(principal, account_id=self.caller.account_id)
            return first_session(resolved(principal, "L1", Confidence.EXACT))
        if fact.caller.type == "AWSAccount":
            origin = self.resolver.external(
                fact.caller, fact.at, fact.shared_event_id, issue.switched_from
            )
            waiting = {keys.shared(fact.shared_event_id)} if fact.shared_event_id else set()
            if fact.caller.principal_id:
                waiting.add(keys.name(fact.caller.principal_id.partition(":")[0]))
            lineage = first_session(origin, complete=False)
            return replace(lineage, waiting=frozenset(waiting), chain_seen=False)
        return self.resolver.lineage(fact.caller, fact.at, self.path)


def role_session(
    resolver: Resolver, caller: Caller, at: datetime, path: Path, *, only_switch: str | None = None
) -> Lineage:
    """Resolve a role session by every rule that fits; the strongest wins.

    Args:
        resolver: The evidence, and the walk.
        caller: The role session.
        at: When its credential was used.
        path: The credentials already walked through.
        only_switch: Event id of the console switch whose own record is asked.
    """
    session = RoleSession(resolver, caller, at, path)
    if only_switch:
        findings = list(console_findings(session, only_switch=only_switch))
    else:
        findings = [
            *_by_key(session),
            *_by_sign_in_session(session),
            *_by_saml(session),
            *_by_stamp(session),
            *console_findings(session),
            *_by_forwarding(session),
        ]
    found = best(findings, nobody(caller))
    if found is None:
        found = _unresolved(session)
    else:
        found = _awaiting(session, found)
    found = replace(
        found,
        session_id=session.session_id,
        root_id=found.root_id or session.session_id,
        access=_how_it_began(session),
        mfa=caller.mfa,
        notes=found.notes | _notes(session, found),
    )
    return _check_source_identity(session, found)


# --- the rules ------------------------------------------------------------------------------


def _by_key(session: RoleSession) -> Iterator[Finding]:
    """L1, L1b: the key was issued to this principal, then."""
    fits: dict[str, Fit] = {}
    for fact in session.of_key:
        fit = fit_by_key(fact, session.caller, session.at)
        if fit is not None:
            fits[fact.event_id] = fit
    issues = merge_copies(fact for fact in session.of_key if fact.event_id in fits)
    for issue in issues:
        fit = fits[issue.fact.event_id]
        if fit.rule == "L1b" and len(issues) > 1:
            continue  # with less than all three in agreement, only a single issuance is a link
        lineage = hop_over(session.behind(issue), issue, session.caller, fit.rule, fit.grade)
        if fit.after_expiry:
            lineage = replace(lineage, notes=lineage.notes | {"after_expiry"})
        yield Finding(fit.rule, fit.grade, lineage)


def _by_sign_in_session(session: RoleSession) -> Iterator[Finding]:
    """L3: a grant or sign-in minted this sign-in session; its caller is the same principal."""
    arn = session.caller.sign_in_session
    for grant in sightings(session.resolver.evidence.facts(keys.sign_in(arn))) if arn else ():
        if grant.caller.principal_id != session.caller.principal_id:
            continue
        granting = msgspec.structs.replace(grant.caller, sign_in_session=None)
        behind = session.resolver.lineage(granting, grant.at, session.path)
        if not behind.origin.settled:
            continue
        evidence = tuple(sorted({grant.event_id, *behind.origin.evidence}))
        yield Finding("L3", Confidence.EXACT, behind.with_origin(evidence=evidence))


def _by_saml(session: RoleSession) -> Iterator[Finding]:
    """L5: AssumeRoleWithSAML of this principal in this second; the key may differ (§1.10)."""
    of_key = {fact.event_id for fact in session.of_key}
    found = [
        fact
        for fact in session.of_second
        if fact.event_name == "AssumeRoleWithSAML" and fact.event_id not in of_key
    ]
    for issue in merge_copies(found):
        fit = fit_by_second(issue.fact.at, session.skewed, session.at)
        if fit is None:
            continue
        lineage = hop_over(session.behind(issue), issue, session.caller, "L5", fit.grade)
        if fit.after_expiry:
            lineage = replace(lineage, notes=lineage.notes | {"after_expiry"})
        yield Finding("L5", fit.grade, lineage)


def _by_stamp(session: RoleSession) -> Iterator[Finding]:
    """L5c, L5d, L6: AWS wrote on the record who the session was made for."""
    caller = session.caller
    name = caller.session_name
    if caller.user_id:
        yield _stamp("L5c", Confidence.EXACT, idc_user(caller, name=name))
    elif is_idc_session(caller):
        yield from _identity_center(session)
    workload = stamped_workload(caller)
    if workload is not None:
        yield _stamp("L6", Confidence.EXACT, workload)
    linked = linked_role_service(caller)
    if linked is not None:
        yield _stamp("L6", Confidence.STRONG, linked)
    if caller.federated_subject and caller.federated_provider:
        issuer = caller.federated_provider.rpartition(":oidc-provider/")[2]
        subject = oidc_subject(caller.federated_subject, issuer, caller.account_id)
        yield _stamp("L6", Confidence.STRONG, subject)


def _stamp(
    rule: str, grade: Confidence, principal: Principal, evidence: tuple[str, ...] = ()
) -> Finding:
    return Finding(rule, grade, first_session(resolved(principal, rule, grade, evidence)))


def _identity_center(session: RoleSession) -> Iterator[Finding]:
    """L5d, with the user's id from the session's other records or from the portal (rulings 8)."""
    caller = session.caller
    name = caller.session_name
    yield _stamp("L5d", Confidence.STRONG, idc_user(caller, name=name))
    user = portal_user(session.resolver.evidence, caller)
    if user is not None:
        named = msgspec.structs.replace(
            caller, user_id=user.user_id, identity_store=user.identity_store
        )
        yield _stamp(user.rule, user.grade, idc_user(named, name=name), (user.event_id,))


class PortalUser(NamedTuple):
    """An Identity Center user whom another record than the caller's own names."""

    user_id: str | None
    identity_store: str | None
    rule: str
    grade: Confidence
    event_id: str


def portal_user(evidence: Evidence, caller: Caller) -> PortalUser | None:
    """Find the user of an Identity Center session on its other records, else at the portal.

    L5c: ``onBehalfOf`` on another record of the session. L5b: the one who asked for this
    permission set, here, in this second; two who did leave it open.
    """
    for key in portal_keys(caller):
        facts = evidence.facts(key)
        stamps = [fact for fact in facts if isinstance(fact, Stamp)]
        if len(stamps) == 1:
            stamp = stamps[0]
            return PortalUser(
                stamp.user_id, stamp.identity_store, "L5c", Confidence.EXACT, stamp.event_id
            )
        calls = {(c.caller.user_id, c.caller.identity_store): c for c in sightings(facts)}
        if len(calls) == 1:
            ((user_id, store), call) = calls.popitem()
            return PortalUser(user_id, store, "L5b", Confidence.STRONG, call.event_id)
        if stamps or calls:
            return None
    return None


def portal_keys(caller: Caller) -> list[str]:
    """Give the keys that can name the user of an Identity Center session, strongest first."""
    permissions = permission_set(caller)
    if not (permissions and caller.account_id and caller.principal_id and caller.created_at):
        return []
    account_id, began_at = caller.account_id, caller.created_at
    return [
        keys.on_behalf(account_id, caller.principal_id, began_at),
        *(keys.portal(account_id, permissions, second) for second in keys.around(began_at)),
    ]


def _portal_calls(session: RoleSession) -> list[Sighting]:
    """Find who asked Identity Center for this session's permission set in its second."""
    for key in portal_keys(session.caller)[1:]:
        found = sightings(session.resolver.evidence.facts(key))
        if found:
            return found
    return []


def _by_forwarding(session: RoleSession) -> Iterator[Finding]:
    """L7: a service calls on with a key that nobody issued; the session is known by its second.

    The same holds for a session that has no key at all (identity.md §2.5, ``caller_instance``).
    """
    caller = session.caller
    if session.of_key or (caller.access_key_id and not caller.invoked_by):
        return
    found = [
        fact
        for fact in session.of_second
        if fact.access_key_id and fact.event_name != "AssumeRoleWithSAML" and not fact.internal
    ]
    for issue in merge_copies(found):
        fit = fit_by_second(issue.fact.at, session.skewed, session.at)
        if fit is not None:
            lineage = hop_over(session.behind(issue), issue, caller, "L7", fit.grade)
            yield Finding("L7", fit.grade, lineage)


# --- what remains to be said ------------------------------------------------------------------


def _unresolved(session: RoleSession) -> Lineage:
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
            session.resolver.evidence.facts(
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
    if caller.created_at is None and caller.account_id and caller.principal_id:
        wanted.add(keys.began(caller.account_id, caller.principal_id, session.at))
    return wanted


def _awaiting(session: RoleSession, found: Lineage) -> Lineage:
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


def _notes(session: RoleSession, found: Lineage) -> set[str]:
    notes: set[str] = set()
    issued = {(fact.principal_id, fact.at) for fact in session.of_key}
    if len(issued) > 1:
        notes.add("key_reused")
    if session.of_key and not any(
        fit_by_key(fact, session.caller, session.at) for fact in session.of_key
    ):
        notes.add("key_id_conflict")
    if impersonates_instance(session.caller) and _issued_by_somebody_else(found):
        notes.add("session_name_impersonates_instance")
    return notes


def _issued_by_somebody_else(found: Lineage) -> bool:
    """The session bears an instance's name, but no service made it (identity.md §1.12)."""
    kind = found.origin.principal.kind
    return bool(found.hops) and kind not in (Kind.EC2_INSTANCE, Kind.AWS_SERVICE)


def _check_source_identity(session: RoleSession, found: Lineage) -> Lineage:
    """Compare sourceIdentity with what the chain's own records set (rulings 9)."""
    stated = session.caller.source_identity
    if not stated or not found.chain_seen or not found.hops:
        return found
    if found.origin.status is not Status.RESOLVED or found.origin.rule == "L8":
        return found
    issued = {hop.source_identity for hop in found.hops if hop.source_identity}
    if stated in issued and len(issued) == 1:
        return found
    asserted = Principal(kind=Kind.ASSERTED, id=stated, name=stated)
    candidates = (
        Candidate(
            principal=found.origin.principal,
            rule=found.origin.rule,
            confidence=found.origin.confidence,
            evidence=found.origin.evidence,
        ),
        Candidate(principal=asserted, rule="L8", confidence=Confidence.MODERATE),
    )
    origin = Origin(
        status=Status.CONFLICT,
        principal=nobody(session.caller),
        rule="L8",
        confidence=Confidence.NONE,
        reason="source-identity-disagrees",
        candidates=candidates,
        evidence=found.origin.evidence,
    )
    return replace(found, origin=origin)


def _how_it_began(session: RoleSession) -> Access:
    """Say how the session began: P6 to P9 of identity.md §5.1; a key match beats a time match."""
    for fact in session.of_key:
        if fit_by_key(fact, session.caller, session.at):
            return _issued_access(fact)
    anchors = [f for f in session.of_second if f.access_key_id is None or f.internal]
    if anchors:
        return Access(
            mode=Mode.CONSOLE, subtype="direct", confidence=Confidence.STRONG, codes=("P6",)
        )
    portal = {call.event_name for call in _portal_calls(session)}
    if portal == {"GetRoleCredentials"}:
        return Access(
            mode=Mode.PROGRAMMATIC, subtype="idc_cli", confidence=Confidence.STRONG, codes=("P9",)
        )
    if portal == {"Federate"}:
        return Access(
            mode=Mode.CONSOLE, subtype="direct", confidence=Confidence.STRONG, codes=("P9",)
        )
    workload = stamped_workload(session.caller)
    if workload is not None:
        return _WORKLOAD
    if linked_role_service(session.caller) is not None:
        return _SERVICE_ROLE
    for fact in session.of_second:
        if fact.service is not None or session.caller.invoked_by:
            return _issued_access(fact)
    return UNKNOWN_ACCESS


_WORKLOAD = Access(
    mode=Mode.PROGRAMMATIC, subtype="workload", confidence=Confidence.STRONG, codes=("P8",)
)
_SERVICE_ROLE = Access(
    mode=Mode.SERVICE, subtype="service_role", confidence=Confidence.STRONG, codes=("P8",)
)


def _issued_access(fact: Issuance) -> Access:
    if fact.service is None:
        subtype = "sts"
        return Access(
            mode=Mode.PROGRAMMATIC, subtype=subtype, confidence=Confidence.STRONG, codes=("P7",)
        )
    if fact.workload_kind == Kind.AWS_SERVICE.value:
        return _SERVICE_ROLE
    return _WORKLOAD
