"""Console sessions of roles: sign-ins, switches, renewals, and who stood behind them (rule L4).

References:
    - identity.md §1.4 to §1.6; IAM User Guide, "Switch from a user to an IAM role (console)".
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from enricher.cloudtrail.arn import parse_arn
from enricher.cloudtrail.times import SECOND
from enricher.identity import keys
from enricher.identity.combine import Finding
from enricher.identity.evidence import Issue, issuances, merge_copies
from enricher.identity.hops import first_session, hop_over
from enricher.identity.model import Confidence, Kind, Missing, Origin, Principal, Status
from enricher.identity.origins import resolved
from enricher.identity.sessions import group_id
from enricher.identity.signer import SWITCHES
from enricher.identity.windows import CONSOLE_SPAN, TimeFit, fit_by_second

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.identity.facts import Issuance
    from enricher.identity.lookup import RoleSession
    from enricher.identity.model import Lineage

SIGN_IN_TOKEN_SPAN = timedelta(minutes=15)  # a sign-in token is good for that long


def console_findings(session: RoleSession, *, only_switch: str | None = None) -> Iterator[Finding]:
    """Find every way in which the console began this session.

    Args:
        session: The session.
        only_switch: Event id of the switch itself, where its own record is asked: another switch
            to the same role in the same second is not its concern.
    """
    pairs = merge_copies(fact for fact in session.of_second if fact.internal)
    anchors = [
        fact
        for fact in session.of_second
        if fact.access_key_id is None and only_switch in (None, fact.event_id)
    ]
    for anchor in anchors:
        fit = fit_by_second(anchor.at, session.at, skewed=session.skewed)
        if fit is None:
            continue
        if anchor.event_name in SWITCHES:
            own = [pair for pair in pairs if _same_switch(anchor, pair)]
            pairs = [pair for pair in pairs if pair not in own]
            yield from _by_switch(session, anchor, own, fit)
        else:
            yield from _by_sign_in(session, anchor, fit)
    for pair in (
        () if only_switch else pairs
    ):  # the switch itself was recorded elsewhere, or not at all
        fit = fit_by_second(pair.fact.at, session.at, skewed=session.skewed)
        if fit is not None:
            yield _finding(session, session.behind(pair), pair, fit)


def _same_switch(anchor: Issuance, pair: Issue) -> bool:
    """Whether an AssumeRole made by AWS itself belongs to that switch (identity.md §1.5)."""
    source = parse_arn(anchor.switched_from)
    if source is None:
        return True
    caller = pair.fact.caller
    if caller.arn is not None:
        return caller.arn == anchor.switched_from
    return caller.account_id == source.account_id


def _finding(session: RoleSession, behind: Lineage, issue: Issue, fit: TimeFit) -> Finding:
    lineage = hop_over(behind, issue, session.caller, "L4", fit.grade)
    if fit.after_expiry:
        lineage = replace(lineage, notes=lineage.notes | {"after_expiry"})
    return Finding("L4", fit.grade, lineage)


def _by_switch(
    session: RoleSession, anchor: Issuance, pairs: list[Issue], fit: TimeFit
) -> Iterator[Finding]:
    """SwitchRole and RenewRole: the pair of AssumeRole copies names the session switched from."""
    renewed = _renewed(session, anchor) if anchor.event_name == "RenewRole" else None
    if anchor.event_name == "RenewRole":  # its shape is inferred (identity.md §1.5)
        fit = TimeFit(min(fit.grade, Confidence.MODERATE), fit.after_expiry)
    for pair in pairs:
        issue = Issue(
            fact=anchor,
            evidence=tuple(sorted({anchor.event_id, *pair.evidence})),
            internal=True,
            switched_from=anchor.switched_from,
        )
        finding = _finding(session, _behind_pair(session, anchor, pair), issue, fit)
        yield _continuing(finding, session, renewed)
    if pairs:
        return
    issue = Issue(
        fact=anchor,
        evidence=(anchor.event_id,),
        internal=True,
        switched_from=anchor.switched_from,
    )
    behind = _behind_renewed(session, renewed) if renewed else _behind_switch(session, anchor)
    if behind is not None:
        yield _continuing(_finding(session, behind, issue, fit), session, renewed)


def _behind_pair(session: RoleSession, anchor: Issuance, pair: Issue) -> Lineage:
    if pair.caller_in_full:
        return session.walk.lineage(pair.fact.caller, pair.fact.at, session.path)
    behind = session.behind(
        Issue(
            fact=pair.fact,
            evidence=pair.evidence,
            internal=True,
            switched_from=anchor.switched_from,
        )
    )
    principal = behind.origin.principal
    source = parse_arn(anchor.switched_from)
    if principal.kind is not Kind.EXTERNAL_IAM_USER or source is None:
        return behind
    # AWS stamped both the user's unique id and, on the switch, the user's ARN.
    user = _user_switched_from(anchor, principal.id)
    origin = resolved(user, "L4", Confidence.STRONG)
    return replace(behind, origin=replace(origin, missing=behind.origin.missing))


def _user_switched_from(anchor: Issuance, unique_id: str | None) -> Principal:
    source = parse_arn(anchor.switched_from)
    return Principal(
        kind=Kind.IAM_USER,
        id=unique_id,
        arn=anchor.switched_from,
        name=source.name if source else None,
        account_id=source.account_id if source else None,
        human=True,
    )


def _behind_switch(session: RoleSession, anchor: Issuance) -> Lineage | None:
    """Only the switch was recorded: ``SwitchFrom`` is AWS's own word (identity.md §1.5)."""
    source = parse_arn(anchor.switched_from)
    if source is None:
        return None
    missing = Missing(account_id=source.account_id, at=anchor.at)
    wanted = frozenset(session.session_keys[:1])
    if source.resource_type == "user":
        origin = resolved(_user_switched_from(anchor, None), "L4", Confidence.STRONG)
        lineage = first_session(replace(origin, missing=missing), complete=False)
        return replace(lineage, waiting=wanted)
    principal = Principal(
        kind=Kind.EXTERNAL_ROLE_SESSION,
        arn=anchor.switched_from,
        name=source.name,
        account_id=source.account_id,
    )
    origin = Origin(
        status=Status.EXTERNAL,
        principal=principal,
        rule="L10",
        confidence=Confidence.WEAK,
        reason="account-not-collected",
        missing=missing,
    )
    return replace(first_session(origin, complete=False), waiting=wanted, chain_seen=False)


# --- renewals ---------------------------------------------------------------------------------


def _renewed(session: RoleSession, anchor: Issuance) -> Issuance | None:
    """Find the switch or renewal that a RenewRole continues: the latest before, in 12 hours."""
    if not (anchor.account_id and anchor.principal_id):
        return None
    earlier = [
        fact
        for day in keys.days_back(anchor.at, CONSOLE_SPAN)
        for fact in issuances(
            session.walk.evidence.facts(keys.began(anchor.account_id, anchor.principal_id, day))
        )
        if fact.event_name in SWITCHES
        and anchor.at - CONSOLE_SPAN <= fact.at < anchor.at
        and (
            not (fact.switched_from and anchor.switched_from)
            or fact.switched_from == anchor.switched_from
        )
    ]
    return max(earlier, key=lambda fact: (fact.at, fact.event_id)) if earlier else None


def _behind_renewed(session: RoleSession, renewed: Issuance) -> Lineage | None:
    """Give what stood behind the session that was renewed: the hop before it, the same root.

    That root stays open: a later sign-in of the same user may have switched to the role unseen.
    """
    holder = replace(
        renewed.caller, created_at=renewed.at, access_key_id=None, sign_in_session=None
    )
    before = session.walk.lineage(holder, renewed.at, session.path)
    if not before.hops:
        return None
    origin = before.origin
    return replace(
        before,
        origin=origin,
        hops=before.hops[:-1],
        session_id=before.parent_id,
        root_complete=False,
    )


def _continuing(finding: Finding, session: RoleSession, renewed: Issuance | None) -> Finding:
    caller = session.caller
    if renewed is None or not (caller.account_id and caller.principal_id):
        return finding
    previous = group_id(caller.partition, caller.account_id, caller.principal_id, renewed.at)
    return Finding(finding.rule, finding.grade, replace(finding.lineage, continues=previous))


# --- sign-ins ---------------------------------------------------------------------------------


def _by_sign_in(session: RoleSession, anchor: Issuance, fit: TimeFit) -> Iterator[Finding]:
    """ConsoleLogin of a role session: a program's credentials stood behind it (§1.4, §1.6)."""
    if anchor.caller.created_at == session.caller.created_at != anchor.at:
        return  # the very session that signed in: the sign-in says nothing of who is behind it
    issue = Issue(fact=anchor, evidence=(anchor.event_id,), internal=False, switched_from=None)
    tokens = _sign_in_tokens(session, anchor)
    for token in tokens:
        behind = session.walk.lineage(token.caller, token.at, session.path)
        bridged = Issue(
            fact=anchor,
            evidence=tuple(sorted({anchor.event_id, token.event_id})),
            internal=False,
            switched_from=None,
        )
        yield _finding(session, behind, bridged, fit)
    signed_by = anchor.caller
    if not tokens and signed_by.created_at and abs(signed_by.created_at - anchor.at) > SECOND:
        behind = session.walk.lineage(signed_by, anchor.at, session.path)
        yield _finding(session, behind, issue, fit)


def _sign_in_tokens(session: RoleSession, anchor: Issuance) -> list[Issuance]:
    """Find the GetSigninToken calls of the same principal that can have led to this sign-in."""
    if not (anchor.account_id and anchor.principal_id):
        return []
    found = [
        fact
        for day in keys.days_back(anchor.at, SIGN_IN_TOKEN_SPAN)
        for fact in issuances(
            session.walk.evidence.facts(keys.began(anchor.account_id, anchor.principal_id, day))
        )
        if fact.event_name == "GetSigninToken"
        and anchor.at - SIGN_IN_TOKEN_SPAN <= fact.at <= anchor.at
    ]
    signed_by = anchor.caller.access_key_id
    by_key = [
        f for f in found if signed_by and signed_by in (f.access_key_id, f.caller.access_key_id)
    ]
    return by_key or found
