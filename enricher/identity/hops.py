"""One step of a chain: from who asked for a session to the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from enricher.identity.model import Hop, Lineage, Status
from enricher.identity.sessions import session_id_of

if TYPE_CHECKING:
    from enricher.cloudtrail.caller import Caller
    from enricher.identity.evidence import Issue
    from enricher.identity.model import Confidence, Origin


def step(behind: Lineage, hop: Hop, holder: Caller) -> Lineage:
    """Add a hop to the lineage of who asked for it.

    The chain is as sure as its weakest hop, and its rule is that hop's (identity.md §2.1).
    """
    session_id = session_id_of(holder, hop.at)
    origin = behind.origin
    if origin.settled and hop.confidence <= origin.confidence:
        origin = replace(origin, rule=hop.rule, confidence=hop.confidence)
    evidence = tuple(sorted({*origin.evidence, *hop.evidence}))
    return Lineage(
        origin=replace(origin, evidence=evidence),
        hops=(*behind.hops, hop),
        session_id=session_id,
        parent_id=behind.session_id,
        root_id=behind.root_session or session_id,
        root_complete=behind.root_complete,
        chain_seen=behind.chain_seen,
        waiting=behind.waiting,
        notes=behind.notes,
        tainted=behind.tainted,
    )


def hop_over(
    behind: Lineage, issue: Issue, holder: Caller, rule: str, grade: Confidence
) -> Lineage:
    """Add the session that an issuance began to the lineage of its caller."""
    fact = issue.fact
    hop = Hop(
        via=fact.event_name,
        arn=fact.arn or holder.arn,
        account_id=fact.account_id or holder.account_id,
        principal_id=holder.principal_id,
        access_key_id=holder.access_key_id or fact.access_key_id,
        event_id=fact.event_id,
        at=fact.at,
        rule=rule,
        confidence=grade,
        evidence=issue.evidence,
        source_identity=fact.source_identity,
    )
    return step(behind, hop, holder)


def first_session(origin: Origin, *, complete: bool = True) -> Lineage:
    """Make the lineage of somebody who has no session: the first one issued is the root."""
    return Lineage(
        origin=origin, root_complete=complete, chain_seen=origin.status is Status.RESOLVED
    )
