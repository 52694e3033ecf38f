"""Role sessions: every rule that may say who assumed the role (identity.md §2.2; rulings 1-9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from enricher.identity import keys
from enricher.identity.beginnings import how_it_began
from enricher.identity.combine import Finding, best
from enricher.identity.consolesession import console_findings
from enricher.identity.evidence import merge_copies, sightings
from enricher.identity.hops import first_session, hop_over
from enricher.identity.lookup import RoleSession
from enricher.identity.model import (
    Candidate,
    Confidence,
    Kind,
    Origin,
    Principal,
    Status,
)
from enricher.identity.origins import (
    idc_user,
    is_idc_session,
    linked_role_service,
    nobody,
    oidc_subject,
    resolved,
)
from enricher.identity.portal import portal_user
from enricher.identity.unexplained import awaiting, unresolved
from enricher.identity.windows import (
    fit_by_key,
    fit_by_second,
)
from enricher.identity.workloads import impersonates_instance, stamped_workload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from enricher.cloudtrail.caller import Caller
    from enricher.identity.model import (
        Lineage,
    )
    from enricher.identity.walk import Path, Walk
    from enricher.identity.windows import (
        Fit,
    )


def role_session(
    walk: Walk, caller: Caller, at: datetime, path: Path, *, only_switch: str | None = None
) -> Lineage:
    """Resolve a role session by every rule that fits; the strongest wins.

    Args:
        walk: The evidence, and the walk.
        caller: The role session.
        at: When its credential was used.
        path: The credentials already walked through.
        only_switch: Event id of the console switch whose own record is asked.
    """
    session = RoleSession(walk, caller, at, path)
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
    found = unresolved(session) if found is None else awaiting(session, found)
    found = replace(
        found,
        session_id=session.session_id,
        root_id=found.root_id or session.session_id,
        access=how_it_began(session),
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
    for grant in sightings(session.walk.evidence.facts(keys.sign_in(arn))) if arn else ():
        if grant.caller.principal_id != session.caller.principal_id:
            continue
        granting = replace(grant.caller, sign_in_session=None)
        behind = session.walk.lineage(granting, grant.at, session.path)
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
        fit = fit_by_second(issue.fact.at, session.at, skewed=session.skewed)
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
    user = portal_user(session.walk.evidence, caller)
    if user is not None:
        named = replace(caller, user_id=user.user_id, identity_store=user.identity_store)
        yield _stamp(user.rule, user.grade, idc_user(named, name=name), (user.event_id,))


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
        fit = fit_by_second(issue.fact.at, session.at, skewed=session.skewed)
        if fit is not None:
            lineage = hop_over(session.behind(issue), issue, caller, "L7", fit.grade)
            yield Finding("L7", fit.grade, lineage)


# --- what remains to be checked ---------------------------------------------------------------


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
