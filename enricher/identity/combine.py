"""Which finding wins where several fit: strength, order, ambiguity, conflict (rulings 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from enricher.identity.model import (
    MAX_CANDIDATES,
    Candidate,
    Confidence,
    Origin,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enricher.identity.model import (
        Lineage,
        Principal,
    )

_ORDER = {"L1": 0, "L1b": 1, "L3": 2, "L5c": 3, "L5": 4, "L5b": 5, "L5d": 6}
_ORDER |= {"L4": 7, "L6": 8, "L7": 9}


@dataclass(frozen=True, slots=True)
class Finding:
    """One way to explain a credential: the rule, how sure the link is, what lies behind it."""

    rule: str
    grade: Confidence
    lineage: Lineage

    @property
    def rank(self) -> tuple[int, int, int, tuple[str, ...]]:
        """Sort the strongest first; what is left to choose is chosen by the proof, not by order."""
        origin = self.lineage.origin
        return (
            -int(self.grade),
            _ORDER[self.rule],
            0 if origin.settled else 1,
            origin.evidence,
        )


def best(findings: Iterable[Finding], nobody: Principal) -> Lineage | None:
    """Give the lineage of the strongest finding, None where there is none.

    Args:
        findings: All that fits.
        nobody: What to call the origin where the findings disagree.
    """
    ranked = sorted(findings, key=lambda finding: finding.rank)
    if not ranked:
        return None
    first = ranked[0]
    rivals = [f for f in ranked if f.rule == first.rule and f.grade == first.grade]
    if not _all_agree(rivals):
        return _undecided(Status.AMBIGUOUS, "several-issuers", rivals, nobody)
    strong = [f for f in ranked if f.grade >= Confidence.STRONG and _resolved(f)]
    if _resolved(first) and not _all_agree(strong):
        return _undecided(Status.CONFLICT, "rules-disagree", strong, nobody)
    lineage = _without_session(rivals) if len(rivals) > 1 else first.lineage
    return _completed(lineage, [f for f in ranked if f not in rivals])


def _resolved(finding: Finding) -> bool:
    return finding.lineage.origin.status is Status.RESOLVED


def _all_agree(findings: list[Finding]) -> bool:
    if len(findings) < 2:  # noqa: PLR2004 - one cannot disagree
        return True
    first = findings[0].lineage.origin
    return all(
        finding.lineage.origin.status is first.status
        and first.principal.same_as(finding.lineage.origin.principal)
        for finding in findings[1:]
    )


def _without_session(rivals: list[Finding]) -> Lineage:
    """The same origin by several ways: the person is known, the session between is not."""
    lineages = [finding.lineage for finding in rivals]
    first = lineages[0]
    one_root = all(other.root_id == first.root_id for other in lineages)
    one_parent = all(other.parent_id == first.parent_id for other in lineages)
    evidence = {event_id for other in lineages for event_id in other.origin.evidence}
    return replace(
        first.with_origin(evidence=tuple(sorted(evidence))),
        parent_id=first.parent_id if one_parent else None,
        root_id=first.root_id if one_root else first.session_id,
        root_complete=first.root_complete and one_root,
        waiting=frozenset().union(*(other.waiting for other in lineages)),
        notes=frozenset({"shared_second"}).union(*(other.notes for other in lineages)),
    )


def _completed(lineage: Lineage, others: list[Finding]) -> Lineage:
    """Add what weaker findings that agree know: the issuing hop, an id, a name, an ARN."""
    for other in others:
        more = other.lineage
        if more.origin.status is not lineage.origin.status:
            continue
        if not lineage.origin.principal.same_as(more.origin.principal):
            continue
        principal = _merge(lineage.origin.principal, more.origin.principal)
        explains = bool(more.hops) and not lineage.hops and other.grade >= Confidence.STRONG
        if principal == lineage.origin.principal and not explains:
            continue
        evidence = tuple(sorted({*lineage.origin.evidence, *more.origin.evidence}))
        lineage = lineage.with_origin(principal=principal, evidence=evidence)
        if explains:
            lineage = replace(
                lineage,
                hops=more.hops,
                parent_id=more.parent_id,
                root_id=more.root_id,
                root_complete=more.root_complete,
                chain_seen=more.chain_seen,
                notes=lineage.notes | more.notes,
                waiting=more.waiting,
            )
    return lineage


def _merge(one: Principal, other: Principal) -> Principal:
    return replace(
        one,
        id=one.id or other.id,
        arn=one.arn or other.arn,
        name=one.name or other.name,
        account_id=one.account_id or other.account_id,
        identity_provider=one.identity_provider or other.identity_provider,
        human=one.human if one.human is not None else other.human,
    )


def _undecided(status: Status, reason: str, rivals: list[Finding], nobody: Principal) -> Lineage:
    """Name nobody, and list who it may have been."""
    first = rivals[0].lineage
    evidence = {event_id for f in rivals for event_id in f.lineage.origin.evidence}
    origin = Origin(
        status=status,
        principal=nobody,
        rule=rivals[0].rule,
        confidence=Confidence.NONE,
        reason=reason,
        candidates=_candidates(rivals),
        evidence=tuple(sorted(evidence)),
    )
    roots = {f.lineage.root_id for f in rivals}
    return replace(
        first,
        origin=origin,
        hops=first.hops[-1:] if status is Status.AMBIGUOUS else first.hops,
        parent_id=None,
        root_id=first.root_id if len(roots) == 1 else first.session_id,
        root_complete=False,
        waiting=frozenset().union(*(f.lineage.waiting for f in rivals)),
        notes=frozenset({"shared_second"} if status is Status.AMBIGUOUS else ()).union(
            *(f.lineage.notes for f in rivals)
        ),
    )


def _candidates(rivals: list[Finding]) -> tuple[Candidate, ...]:
    """List the distinct origins among the rivals, at most five, in a stable order."""
    found: list[Candidate] = []
    for finding in rivals:
        origin = finding.lineage.origin
        known = (
            origin.candidates
            if origin.candidates and origin.status in (Status.AMBIGUOUS, Status.CONFLICT)
            else (
                Candidate(
                    principal=origin.principal,
                    rule=finding.rule,
                    confidence=min(finding.grade, origin.confidence),
                    evidence=origin.evidence,
                ),
            )
        )
        for candidate in known:
            if not any(candidate.principal.same_as(other.principal) for other in found):
                found.append(candidate)
    found.sort(key=lambda c: (c.principal.kind, c.principal.id or "", c.principal.arn or ""))
    return tuple(found[:MAX_CANDIDATES])
