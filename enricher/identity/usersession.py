"""Sessions of IAM users, federated users and roots: the principal is on the record (rule L0).

The origin's walk ends with them; the session's walk goes on, to the sign-in or to the long-term
key behind it (rulings 2, 7, 11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from enricher.cloudtrail.caller import Caller
from enricher.identity import keys
from enricher.identity.evidence import issuances, merge_copies
from enricher.identity.facts import Mark
from enricher.identity.hops import hop_over
from enricher.identity.model import (
    UNKNOWN_ACCESS,
    Access,
    Confidence,
    Lineage,
    Missing,
    Mode,
)
from enricher.identity.origins import (
    federating_user,
    iam_user,
    nobody,
    resolved,
    root_arn,
    root_user,
    unknown,
)
from enricher.identity.sessions import session_id_of, synthetic_id
from enricher.identity.windows import CONSOLE_SPAN, fit_by_key, fit_by_second

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from enricher.identity.evidence import Issue
    from enricher.identity.facts import Issuance
    from enricher.identity.model import (
        Origin,
    )
    from enricher.identity.walk import Path, Walk

_SIGN_IN = Access(mode=Mode.CONSOLE, subtype="direct", confidence=Confidence.STRONG, codes=("P6",))
_STAMPED_CONSOLE = Access(
    mode=Mode.CONSOLE, subtype="direct", confidence=Confidence.EXACT, codes=("P4",)
)
_ISSUED = Access(mode=Mode.PROGRAMMATIC, subtype="sts", confidence=Confidence.STRONG, codes=("P7",))
_LONG_TERM_KEY = Access(
    mode=Mode.PROGRAMMATIC, subtype="long_term_key", confidence=Confidence.EXACT, codes=("P5",)
)
_FORWARDED = Access(
    mode=Mode.PROGRAMMATIC, subtype="long_term_key", confidence=Confidence.MODERATE, codes=("P2",)
)


def iam_user_session(walk: Walk, caller: Caller, at: datetime, path: Path) -> Lineage:
    """Resolve an IAM user: the origin stands on the record, the session may have a parent."""
    if caller.has_long_term_key or (caller.created_at is None and not caller.access_key_id):
        origin = resolved(iam_user(caller, human=None), "L0", Confidence.EXACT)
        return _own_session(caller, at, origin)
    lineage = _begun_session(walk, caller, at, path)
    human = True if lineage.access.mode is Mode.CONSOLE else None
    origin = resolved(iam_user(caller, human=human), "L0", Confidence.EXACT, lineage.evidence)
    return lineage.lineage(origin)


def federated_user(walk: Walk, caller: Caller, at: datetime, path: Path) -> Lineage:
    """Resolve a GetFederationToken session: its issuer is the user (identity.md §1.7)."""
    begun = _begun_session(walk, caller, at, path)
    human = True if begun.access.mode is Mode.CONSOLE else None
    principal = federating_user(caller, human=human)
    if principal.id is None and principal.arn is None:
        return begun.lineage(unknown(nobody(caller), "issuer-not-seen"))
    origin = resolved(principal, "L0", Confidence.EXACT, begun.evidence)
    return begun.lineage(replace(origin, acting_as=caller.arn))


def root_session(walk: Walk, caller: Caller, at: datetime, path: Path) -> Lineage:
    """Resolve a root: the person at the root's sign-in, or the caller of AssumeRoot.

    References:
        - rulings 11; identity.md §1.11; IAM User Guide, "Track privileged tasks in CloudTrail".
    """
    origin = resolved(root_user(caller.account_id, caller.partition), "L0", Confidence.EXACT)
    if caller.created_at is None and (caller.has_long_term_key or not caller.access_key_id):
        return _own_session(caller, at, origin)
    begun = _begun_session(walk, caller, at, path)
    if begun.issue is not None and begun.issue.fact.event_name == "AssumeRoot":
        return _assumed_root(walk, caller, begun, path)
    known = begun.issue is not None or begun.anchored
    if known or caller.from_console or caller.invoked_by:
        return begun.lineage(replace(origin, evidence=begun.evidence))
    acting_as = root_arn(caller.account_id, caller.partition)
    missing = Missing(account_id=None, at=caller.created_at)
    reason = "root-session-unresolved"
    return begun.lineage(unknown(nobody(caller), reason, missing=missing, acting_as=acting_as))


class _Begun:
    """How a session of a principal that needs no link began."""

    def __init__(self, caller: Caller, at: datetime) -> None:
        self.session_id = session_id_of(caller, at)
        self.issue: Issue | None = None
        self.anchored = False
        self.access: Access = _STAMPED_CONSOLE if caller.from_console else UNKNOWN_ACCESS
        self.evidence: tuple[str, ...] = ()
        self.parent_id: str | None = None
        self.root_id = self.session_id
        self.root_complete = False
        self.fas_derived = False
        self.mfa: bool | None = caller.mfa
        self.waiting: frozenset[str] = frozenset()
        self.notes: frozenset[str] = frozenset()

    def lineage(self, origin: Origin) -> Lineage:
        return Lineage(
            origin=origin,
            session_id=self.session_id,
            parent_id=self.parent_id,
            root_id=self.root_id,
            root_complete=self.root_complete,
            access=self.access,
            chain_seen=True,
            fas_derived=self.fas_derived,
            mfa=self.mfa,
            waiting=self.waiting,
            notes=self.notes,
        )


def _begun_session(walk: Walk, caller: Caller, at: datetime, path: Path) -> _Begun:
    begun = _Begun(caller, at)
    found = _at_that_second(walk, caller)
    if _from_issue(walk, caller, at, path, begun, found):
        return begun
    anchors = [f for f in found if f.access_key_id is None and fit_by_second(f.at, at)]
    if anchors:
        _from_sign_in(begun, anchors)
        return begun
    if caller.created_at is None and caller.from_console:
        _attach_to_sign_in(walk, caller, at, begun)
        return begun
    begun.waiting = frozenset(_session_keys(caller))
    if caller.invoked_by and not caller.from_console:
        _from_long_term_key(walk, caller, begun)
    return begun


def _session_keys(caller: Caller) -> list[str]:
    found = [keys.issued(caller.access_key_id)] if caller.access_key_id else []
    if caller.created_at and caller.account_id and caller.principal_id:
        found += [
            keys.session(caller.account_id, caller.principal_id, second)
            for second in keys.around(caller.created_at)
        ]
    return found


def _at_that_second(walk: Walk, caller: Caller) -> list[Issuance]:
    """Find what began in the session's second, else within the second of skew."""
    if not (caller.created_at and caller.account_id and caller.principal_id):
        return []
    for second in keys.around(caller.created_at):
        key = keys.session(caller.account_id, caller.principal_id, second)
        found = issuances(walk.evidence.facts(key))
        if found:
            return found
    return []


def _from_issue(  # noqa: PLR0913, PLR0917 - one step of the walk needs all of it
    walk: Walk,
    caller: Caller,
    at: datetime,
    path: Path,
    begun: _Begun,
    found: Sequence[Issuance],
) -> bool:
    """Link to GetSessionToken, GetFederationToken or AssumeRoot, by the key (rule L1)."""
    candidates: list[Issuance] = []
    if caller.access_key_id:
        all_issued = issuances(walk.evidence.facts(keys.issued(caller.access_key_id)))
        candidates = [fact for fact in all_issued if fit_by_key(fact, caller, at)]
        if len({(f.principal_id, f.at) for f in all_issued}) > 1:
            begun.notes |= {"key_reused"}
        elif all_issued and not candidates:
            begun.notes |= {"key_id_conflict"}
    if not candidates and caller.invoked_by:  # forward access with the session's time (rulings 7)
        candidates = [fact for fact in found if fact.access_key_id is not None]
    issues = merge_copies(candidates)
    if len(issues) != 1:
        return False
    begun.issue = issues[0]
    fact = issues[0].fact
    parent = walk.lineage(fact.caller, fact.at, path)
    begun.evidence = issues[0].evidence
    begun.access = _ISSUED
    begun.parent_id = parent.session_id
    begun.root_id = parent.root_session or begun.session_id
    begun.root_complete = parent.root_complete
    begun.mfa = begun.mfa if begun.mfa is not None else fact.mfa
    return True


def _from_sign_in(begun: _Begun, anchors: Sequence[Issuance]) -> None:
    begun.anchored = True
    begun.access = _SIGN_IN
    begun.evidence = tuple(sorted({anchor.event_id for anchor in anchors}))
    begun.root_complete = True
    stated = [anchor.mfa for anchor in anchors if anchor.mfa is not None]
    if begun.mfa is None and stated:
        begun.mfa = any(stated)
    if len(anchors) > 1:
        begun.notes |= {"shared_second"}


def _attach_to_sign_in(walk: Walk, caller: Caller, at: datetime, begun: _Begun) -> None:
    """Attach a console action without a session to the sign-in before it (identity.md §3)."""
    if not (caller.account_id and caller.principal_id):
        return
    wanted = [
        keys.began(caller.account_id, caller.principal_id, day)
        for day in keys.days_back(at, CONSOLE_SPAN)
    ]
    anchors = [
        fact
        for key in wanted
        for fact in issuances(walk.evidence.facts(key))
        if fact.access_key_id is None and at - CONSOLE_SPAN <= fact.at <= at
    ]
    if not anchors:
        begun.waiting = frozenset(wanted)
        return
    latest = max(anchors, key=lambda fact: (fact.at, fact.event_id))
    begun.anchored = True
    begun.evidence = (latest.event_id,)
    sign_in = replace_session(caller, latest.at)
    begun.parent_id = begun.root_id = session_id_of(sign_in, latest.at)
    begun.root_complete = True


def replace_session(caller: Caller, began_at: datetime) -> Caller:
    """Give the same principal in the session that began then."""
    return Caller(
        type=caller.type,
        partition=caller.partition,
        account_id=caller.account_id,
        principal_id=caller.principal_id,
        arn=caller.arn,
        user_name=caller.user_name,
        created_at=began_at,
        issuer_type=caller.issuer_type,
        issuer_principal_id=caller.issuer_principal_id,
        issuer_arn=caller.issuer_arn,
        issuer_account_id=caller.issuer_account_id,
        issuer_name=caller.issuer_name,
    )


def _from_long_term_key(walk: Walk, caller: Caller, begun: _Begun) -> None:
    """Trace forward access to the user's long-term key, where it used just one that day."""
    if not (caller.account_id and caller.principal_id and caller.created_at):
        return
    began_at = caller.created_at
    key = keys.used(caller.account_id, caller.principal_id, began_at)
    marks = [mark.value for mark in walk.evidence.facts(key) if isinstance(mark, Mark)]
    begun.fas_derived = True
    begun.access = _FORWARDED
    begun.waiting |= {key}
    if len(marks) == 1:
        begun.root_id = synthetic_id(caller.account_id, marks[0], began_at)
        begun.root_complete = True


def _assumed_root(walk: Walk, caller: Caller, begun: _Begun, path: Path) -> Lineage:
    """The root of a member account, by AssumeRoot: whoever called it (identity.md §1.11)."""
    issue = begun.issue
    if issue is None:  # pragma: no cover - the caller has checked it
        raise AssertionError
    behind = walk.lineage(issue.fact.caller, issue.fact.at, path)
    lineage = hop_over(behind, issue, caller, "L1", Confidence.EXACT)
    acting_as = root_arn(caller.account_id, caller.partition)
    return replace(lineage, access=_ISSUED).with_origin(acting_as=acting_as)


def _own_session(caller: Caller, at: datetime, origin: Origin) -> Lineage:
    """A caller who begins with himself: a long-term key, or a sign-in attempt."""
    session_id = session_id_of(caller, at)
    return Lineage(
        origin=origin,
        session_id=session_id,
        root_id=session_id,
        root_complete=session_id is not None,
        access=_LONG_TERM_KEY if caller.has_long_term_key else UNKNOWN_ACCESS,
        chain_seen=True,
        mfa=caller.mfa,
    )
