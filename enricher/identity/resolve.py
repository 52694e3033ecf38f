"""From a credential back to who it was: the walk along the chain (identity.md §2).

``Resolver`` asks the evidence for keys, does no IO and reads no clock. It remembers what it found
for each credential, so that the events of a batch that share one are resolved once.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from enricher.cloudtrail.arn import session_arn
from enricher.cloudtrail.caller import Caller
from enricher.cloudtrail.record import mapping, text
from enricher.cloudtrail.times import SECOND
from enricher.identity import keys
from enricher.identity.evidence import issuances, sightings
from enricher.identity.facts import Naming
from enricher.identity.model import Confidence, Kind, Lineage, Missing, Origin, Principal, Status
from enricher.identity.origins import (
    aws_service,
    external_principal,
    is_anonymous,
    nobody,
    resolved,
    saml_subject,
    unknown,
    web_identity,
)
from enricher.identity.portal import portal_keys, portal_user
from enricher.identity.rolesession import role_session
from enricher.identity.sessions import session_id_of
from enricher.identity.signer import SWITCHES, starts_session
from enricher.identity.usersession import federated_user, iam_user_session, root_session
from enricher.identity.windows import CONSOLE_SPAN, EXPIRY_GRACE, LONGEST_SPAN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from enricher.cloudtrail.record import Record
    from enricher.identity.evidence import Evidence
    from enricher.identity.walk import Path

MAX_HOPS = 16
MCP = "aws-mcp.amazonaws.com"  # AWS's tool server for agents


class Resolver:
    """Resolves credentials against the evidence, each once.

    What was found without all of the evidence that it asked for is not kept, so that it is found
    anew when that evidence is there.

    Attributes:
        evidence: The facts at hand. Those under a key that was answered do not change while this
            lives; other keys may be loaded.
        memo: What callers derive from a slot and want to keep, for as long as this lives.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self._limits: dict[Caller, Sequence[datetime]] = {}
        self._known: dict[tuple[Caller, object], Lineage] = {}
        self.memo: dict[object, Any] = {}

    def lineage(self, caller: Caller, at: datetime, path: Path = ()) -> Lineage:
        """Say where a caller's credential came from.

        Args:
            caller: Whose credential.
            at: When it was used: a link holds in its window only (rulings 6).
            path: The credentials already walked through; keeps a cycle from hanging.
        """
        node = _node(caller)
        if node in path:
            return _cut(caller, at, "cycle")
        if len(path) > MAX_HOPS:
            return _cut(caller, at, "depth-limit")
        slot = self.slot(caller, at)
        found = self._known.get(slot)
        if found is None:
            misses = self.evidence.misses
            found = _bounded(self._walk(caller, at, (*path, node)))
            if not found.tainted and self.evidence.misses == misses:
                self._known[slot] = found
        return found

    def slot(self, caller: Caller, at: datetime) -> tuple[Caller, object]:
        """Name the credential, and the period in which its answer stays the same."""
        return caller, self._period(caller, at)

    def _period(self, caller: Caller, at: datetime) -> object:
        """Tell apart the times of use between which the answer can differ."""
        if caller.created_at is None:
            return at.toordinal() if caller.has_long_term_key else at
        limits = self._limits.get(caller)
        if limits is None:
            misses = self.evidence.misses
            limits = self._window_limits(caller, caller.created_at)
            if self.evidence.misses == misses:
                self._limits[caller] = limits
        return bisect_left(limits, at)

    def _window_limits(self, caller: Caller, began_at: datetime) -> Sequence[datetime]:
        issued = (
            issuances(self.evidence.facts(keys.issued(caller.access_key_id)))
            if caller.access_key_id
            else ()
        )
        ends = {fact.expires_at + EXPIRY_GRACE for fact in issued if fact.expires_at}
        return sorted(
            {
                began_at - SECOND - SECOND,
                began_at + CONSOLE_SPAN + EXPIRY_GRACE,
                began_at + LONGEST_SPAN,
                *ends,
            }
        )

    def _walk(  # noqa: C901 - one case for each type of caller
        self, caller: Caller, at: datetime, path: Path
    ) -> Lineage:
        if caller.delegate_account_id:
            return _terminal(caller, at, resolved(_delegate(caller), "L0", Confidence.EXACT))
        match caller.type:
            case "AWSService":
                return _terminal(caller, at, _service(caller))
            case "SAMLUser":
                return _terminal(caller, at, _federated(saml_subject(caller)), complete=True)
            case "WebIdentityUser":
                return _terminal(caller, at, _federated(web_identity(caller)), complete=True)
            case "IdentityCenterUser":
                return _terminal(caller, at, _identity_center(caller), complete=True)
            case "AWSAccount":
                return _terminal(caller, at, self._other_account(caller, at, None))
            case "IAMUser":
                return iam_user_session(self, caller, at, path)
            case "Root":
                return root_session(self, caller, at, path)
            case "FederatedUser":
                return federated_user(self, caller, at, path)
            case "AssumedRole" | "Role":
                return role_session(self, caller, at, path)
            case _:
                return _terminal(caller, at, _unusual(caller))

    def record_lineage(self, record: Record, caller: Caller) -> Lineage:
        """Say where a record's caller came from, with what the record's own ids can add.

        A copy of an event leads to the other account's copy (rule L2), a call made by an agent's
        tool to the tool call (rule L7b).
        """
        if caller.type == "AWSAccount":
            return self._copied(record, caller)
        if caller.type == "SAMLUser":
            return self._signed_in_by_saml(record, caller)
        if record.event_name in SWITCHES and starts_session(record):
            return role_session(self, caller, record.at, (), only_switch=record.event_id)
        if caller.invoked_by == MCP and record.request_id:
            calls = sightings(self.evidence.facts(keys.request(record.request_id)))
            for call in calls[:1]:
                behind = self.lineage(call.caller, call.at)
                return _same_session(self.lineage(caller, record.at), behind, call.event_id)
        return self.lineage(caller, record.at)

    def _signed_in_by_saml(self, record: Record, caller: Caller) -> Lineage:
        """An Identity Center user's own sign-in: the session it begins may name the user's id."""
        lineage = self.lineage(caller, record.at)
        holder = text(mapping(record.response.get("assumedRoleUser")).get("assumedRoleId"))
        if lineage.origin.principal.kind is not Kind.IDC_USER or holder is None:
            return lineage
        begun = Caller(
            type="AssumedRole",
            account_id=caller.account_id,
            principal_id=holder,
            created_at=record.at,
            issuer_arn=caller.issuer_arn,
        )
        user = portal_user(self.evidence, begun)
        if user is None:
            wanted = frozenset(portal_keys(begun))
            return replace(lineage, waiting=lineage.waiting | wanted)
        principal = replace(
            lineage.origin.principal, id=user.user_id, identity_provider=user.identity_store
        )
        return lineage.with_origin(
            principal=principal,
            rule=user.rule,
            confidence=user.grade,
            evidence=tuple(sorted({record.event_id, user.event_id})),
        )

    def _copied(self, record: Record, caller: Caller) -> Lineage:
        if is_anonymous(caller):
            principal = Principal(kind=Kind.ANONYMOUS)
            return _terminal(caller, record.at, unknown(principal, "anonymous"))
        key = keys.shared(record.shared_event_id) if record.shared_event_id else None
        for copy in sightings(self.evidence.facts(key)) if key else ():
            behind = self.lineage(copy.caller, copy.at)
            evidence = tuple(sorted({copy.event_id, *behind.origin.evidence}))
            rule = behind.origin.rule if behind.origin.rule != "L0" else "L2"
            origin = replace(behind.origin, evidence=evidence, rule=rule)
            return replace(behind, origin=origin)
        issued = self._issued_copy(record)
        if issued is not None:
            return issued
        lineage = _terminal(caller, record.at, self._other_account(caller, record.at, record))
        waiting = {key} if key else set()
        if caller.principal_id:
            waiting.add(keys.name(caller.principal_id.partition(":")[0]))
        return replace(lineage, waiting=frozenset(waiting))

    def _issued_copy(self, record: Record) -> Lineage | None:
        """Find the other copy by the same request and the same issued key (rule L2b)."""
        credentials = record.response.get("credentials")
        key = credentials.get("accessKeyId") if isinstance(credentials, dict) else None
        if not isinstance(key, str) or not key or not record.request_id:
            return None
        for fact in issuances(self.evidence.facts(keys.issued(key))):
            if fact.request_id == record.request_id and fact.caller.type != "AWSAccount":
                behind = self.lineage(fact.caller, fact.at)
                confidence = min(Confidence.STRONG, behind.confidence)
                evidence = tuple(sorted({fact.event_id, *behind.origin.evidence}))
                return behind.with_origin(evidence=evidence, rule="L2b", confidence=confidence)
        return None

    def _other_account(self, caller: Caller, at: datetime, record: Record | None) -> Origin:
        return self.external(caller, at, record.shared_event_id if record else None)

    def external(
        self, caller: Caller, at: datetime, shared_event_id: str | None, arn: str | None = None
    ) -> Origin:
        """Name a caller in an account whose trail we do not hold (rulings 5)."""
        missing = Missing(account_id=caller.account_id, at=at, shared_event_id=shared_event_id)
        principal = external_principal(caller, arn or self.known_arn(caller.principal_id))
        if principal is None:
            return unknown(nobody(caller), "account-only", missing=missing)
        user = principal.kind is Kind.EXTERNAL_IAM_USER
        return Origin(
            status=Status.EXTERNAL,
            principal=principal,
            rule="L10",
            confidence=Confidence.MODERATE if user else Confidence.WEAK,
            reason="account-not-collected",
            missing=missing,
        )

    def known_arn(self, principal_id: str | None) -> str | None:
        """Give the ARN that a unique id bore last, of a user or of a role's session (§1.3)."""
        unique_id, _, session_name = (principal_id or "").partition(":")
        if not unique_id.startswith(("AIDA", "AROA")):
            return None
        facts = self.evidence.facts(keys.name(unique_id))
        named = [fact for fact in facts if isinstance(fact, Naming)]
        if not named:
            return None
        arn = max(named, key=lambda fact: (fact.at, fact.arn)).arn
        return session_arn(arn, session_name) if session_name else arn


def _node(caller: Caller) -> tuple[object, ...]:
    """Identify a credential: never by the key id alone (identity.md §2.1)."""
    return (
        caller.partition,
        caller.account_id,
        caller.access_key_id,
        caller.principal_id,
        caller.created_at,
        caller.sign_in_session,
    )


def _terminal(caller: Caller, at: datetime, origin: Origin, *, complete: bool = False) -> Lineage:
    """Make the lineage of a caller at which the walk ends."""
    session_id = session_id_of(caller, at)
    return Lineage(
        origin=origin,
        session_id=session_id,
        root_id=session_id,
        root_complete=complete or (session_id is None and origin.status is Status.RESOLVED),
        chain_seen=origin.status is Status.RESOLVED,
    )


def _cut(caller: Caller, at: datetime, reason: str) -> Lineage:
    return replace(_terminal(caller, at, unknown(nobody(caller), reason)), tainted=True)


def _bounded(lineage: Lineage) -> Lineage:
    """Refuse a chain that is longer than any real one (rulings 13).

    What is kept are the hops nearest to the event, so that the answer does not depend on where
    the walk was given up.
    """
    if len(lineage.hops) <= MAX_HOPS:
        return lineage
    hops = lineage.hops[-MAX_HOPS:]
    first = hops[0]
    principal = Principal(
        kind=Kind.UNKNOWN_ISSUER, id=first.principal_id, arn=first.arn, account_id=first.account_id
    )
    evidence = tuple(sorted({event_id for hop in hops for event_id in hop.evidence}))
    return replace(
        lineage,
        hops=hops,
        origin=replace(unknown(principal, "depth-limit"), evidence=evidence),
        root_id=None,
        root_complete=False,
        waiting=frozenset(),
    )


def _same_session(own: Lineage, behind: Lineage, event_id: str) -> Lineage:
    """Take the origin of the tool call whose request this was; the session stays its own."""
    evidence = tuple(sorted({event_id, *behind.origin.evidence}))
    return replace(
        own,
        origin=replace(behind.origin, evidence=evidence),
        hops=behind.hops,
        parent_id=behind.parent_id,
        root_id=behind.root_id,
        root_complete=behind.root_complete,
        waiting=behind.waiting,
    )


def _delegate(caller: Caller) -> Principal:
    account_id = caller.delegate_account_id
    return Principal(kind=Kind.DELEGATED_PROVIDER, id=account_id, name=account_id)


def _service(caller: Caller) -> Origin:
    service = caller.invoked_by or "AWS Internal"
    return resolved(aws_service(service), "L0", Confidence.EXACT)


def _federated(principal: Principal) -> Origin:
    rule, confidence = "L0", Confidence.EXACT
    if principal.kind is Kind.IDC_USER:
        rule, confidence = "L5d", Confidence.STRONG
    return resolved(principal, rule, confidence)


def _identity_center(caller: Caller) -> Origin:
    principal = Principal(
        kind=Kind.IDC_USER,
        id=caller.user_id,
        name=caller.user_name,
        account_id=caller.account_id,
        identity_provider=caller.identity_store,
        human=True,
    )
    return resolved(principal, "L0", Confidence.EXACT)


def _unusual(caller: Caller) -> Origin:
    """Callers without a principal, or of a type that proves nothing (rulings 13)."""
    if is_anonymous(caller):
        return unknown(Principal(kind=Kind.ANONYMOUS), "anonymous")
    if caller.user_id:
        return _identity_center(caller)
    if caller.invoked_by and not caller.principal_id:
        return resolved(aws_service(caller.invoked_by), "L0", Confidence.EXACT)
    if caller.principal_id is None and caller.arn is None:
        return unknown(nobody(caller), "no-principal")
    return unknown(nobody(caller), "caller-type-unknown")
