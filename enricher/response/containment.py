"""Plans containment: from what the events say of an origin or session to ordered steps.

The order follows the credentials: first what issues them (the origin), then role by role down the
chain, so that nothing that was cut off can be issued again by what comes later; last what was left
behind to come back by. Where the evidence names nobody for certain, nobody is cut off at the
origin: the notes say so, and only what the events prove is planned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from enricher.cloudtrail import codec
from enricher.cloudtrail.arn import parse_arn
from enricher.cloudtrail.times import format_time
from enricher.identity.model import Confidence, Kind, Status
from enricher.response import iamsteps, manualsteps
from enricher.response.exposure import (
    KEY_ID,
    RoleSeen,
    iam_principal,
    is_managed_policy,
)
from enricher.response.iamsteps import Tie
from enricher.response.originsteps import BY_KIND
from enricher.response.plans import Action, AlsoHits, in_region, sealed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from enricher.response.exposure import (
        AttachedPolicy,
        Exposure,
        IamPrincipal,
        KeySeen,
        Subject,
    )
    from enricher.response.plans import Plan, Step

_TAG_DIGITS = 8
_RESERVED = "AWSReservedSSO_"
_SERVICE_LINKED_PATH = "aws-service-role/"
_SERVICE_LINKED_NAME = "AWSServiceRoleFor"
_FROM_OUTSIDE = frozenset(
    {
        Kind.SAML_SUBJECT,
        Kind.OIDC_SUBJECT,
        Kind.X509_SUBJECT,
        Kind.COGNITO_IDENTITY,
        Kind.DELEGATED_PROVIDER,
        Kind.EXTERNAL_IAM_USER,
        Kind.EXTERNAL_ROLE_SESSION,
    }
)
_WORKLOADS = frozenset({Kind.EC2_INSTANCE, Kind.LAMBDA_FUNCTION, Kind.WORKLOAD})


def plan(subject: Subject, exposure: Exposure, made_at: datetime) -> Plan:
    """Plan what contains an origin or session.

    The same input gives the same plan, whatever the order of roles, keys and policies in it.

    Args:
        subject: What is contained. Who is behind a session is cut off with it: otherwise the next
            one is issued at once.
        exposure: What the events say of it: for a session, what lies above and below it.
        made_at: Now, UTC: sessions issued before it are to end.
    """
    tag = codec.digest([subject.kind.value, subject.id, format_time(made_at)])[:_TAG_DIGITS]
    making = _Making(exposure, made_at, tag)
    steps = [
        *making.origin_steps(),
        *making.role_steps(),
        *making.root_sessions(),
        *making.keys(),
        *making.optional(),
    ]
    unique = {step.id: step for step in reversed(steps)}
    return sealed(
        subject={"kind": subject.kind.value, "id": subject.id},
        made_at=format_time(made_at),
        origin=dict(exposure.origin.document),
        steps=tuple(unique[step_id] for step_id in dict.fromkeys(step.id for step in steps)),
        notes=tuple(dict.fromkeys([*_notes(exposure), *making.notes])),
    )


class _Making:
    """One plan in the making."""

    def __init__(self, exposure: Exposure, made_at: datetime, tag: str) -> None:
        self._exposure = exposure
        self._made_at = made_at
        self._tag = tag
        self.notes: list[str] = []

    # --- the origin -------------------------------------------------------------------------------

    def origin_steps(self) -> list[Step]:
        """Cut the origin off, where it is certain who it is."""
        origin = self._exposure.origin
        if origin.status not in (Status.RESOLVED, Status.EXTERNAL):
            return []
        tie = self._tie(
            "It is the origin.",
            origin.confidence,
            origin.evidence,
            AlsoHits(what="all that this principal does, in other sessions too", origins=0),
        )
        if origin.kind is Kind.IAM_USER:
            return self._user_steps(tie)
        if origin.kind is Kind.ROOT:
            account = origin.account_id or origin.id or ""
            management = account == self._exposure.organization_management_account
            return manualsteps.root(
                account, tie, management=management, partition=_partition(origin.arn)
            )
        if origin.kind is Kind.IDC_USER:
            return manualsteps.identity_center_user(origin, tie)
        steps = BY_KIND[origin.kind](origin, tie) if origin.kind in BY_KIND else []
        region = self._exposure.region if origin.kind in _WORKLOADS else None
        return [in_region(step, region) for step in steps]

    def _user_steps(self, tie: Tie) -> list[Step]:
        user = iam_principal(self._exposure.origin.arn)
        if user is None or user.kind != "user":
            self.notes.append(
                "The origin is a user whose ARN the events do not give: look its id up "
                "(iam list-users) and make the plan again."
            )
            return []
        if not self._exposure.is_own(user.account_id):
            return BY_KIND[Kind.EXTERNAL_IAM_USER](self._exposure.origin, tie)
        steps = [
            iamsteps.deny_all(user, tie),
            iamsteps.revoke_sessions(user, tie),
            *(self._key(key, user, tie) for key in self._keys() if self._is_of(key, user)),
            iamsteps.delete_login_profile(user, tie),
        ]
        if self._exposure.origin.confidence >= Confidence.STRONG:
            return steps
        return [msgspec.structs.replace(step, optional=True) for step in steps]

    # --- the roles --------------------------------------------------------------------------------

    def role_steps(self) -> Iterator[Step]:
        """Revoke the sessions of each role of the lineage, from the origin downwards."""
        for role, seen in self._roles():
            yield from self._steps_of(role, self._role_tie(seen), seen)

    def _steps_of(self, role: IamPrincipal, tie: Tie, seen: RoleSeen) -> list[Step]:
        if role.name.startswith(_RESERVED):
            origin = self._exposure.origin
            user_id = origin.id if origin.kind is Kind.IDC_USER else None
            return [manualsteps.permission_set(role, tie, user_id)]
        if role.path is not None and role.path.startswith(_SERVICE_LINKED_PATH):
            self.notes.append(
                f"{role.arn} is a service-linked role: nobody can edit it or revoke its sessions; "
                "contain what makes the service act."
            )
            return []
        if not self._exposure.is_own(role.account_id):
            return [_other_account(role, tie)]
        caveats = tuple(self._caveats(role, seen))
        return [iamsteps.revoke_sessions(role, tie, caveats)]

    def _caveats(self, role: IamPrincipal, seen: RoleSeen) -> Iterator[str]:
        yield "It ends everybody's sessions of this role, not the subject's alone."
        if seen.other_origins is None:
            yield "Nobody counted who else uses this role: look before it is applied."
        if role.name.startswith(_SERVICE_LINKED_NAME) and role.path is None:
            yield (
                "By its name it may be a service-linked role, its path was not seen: then IAM "
                "refuses (UnmodifiableEntity)."
            )
        origin = self._exposure.origin
        if origin.kind in _WORKLOADS:
            yield (
                "What the role's credentials are issued to gets new ones: stop the instance, "
                "function or task first. What else runs with this role fails until it has new ones."
            )
        elif origin.status is not Status.RESOLVED:
            yield (
                "What issues this role's sessions is not cut off by this plan: if new ones appear, "
                "apply the optional denial of the role."
            )

    def _roles(self) -> Iterator[tuple[IamPrincipal, RoleSeen]]:
        """Give each role once: the chain's in its order, then the others by ARN."""
        known: dict[tuple[str, str, str], tuple[IamPrincipal, RoleSeen]] = {}
        for seen in sorted(self._exposure.roles, key=lambda one: (one.arn, one.evidence)):
            role = self._principal(seen.arn, "role")
            if role is not None:
                known[role.key] = _joined(known.get(role.key), (role, seen))
        ordered: list[tuple[str, str, str]] = []
        for hop in self._exposure.chain:
            role = iam_principal(hop.arn)
            if role is None or role.kind != "role":
                continue
            evidence = (hop.event_id,) if hop.event_id else ()
            seen = RoleSeen(arn=role.arn, evidence=evidence, confidence=hop.confidence)
            known[role.key] = _joined(known.get(role.key), (role, seen))
            ordered.append(role.key)
        for key in dict.fromkeys([*ordered, *sorted(known)]):
            yield known[key]

    def _role_tie(self, seen: RoleSeen) -> Tie:
        others = seen.other_origins
        what = (
            "every session of this role; who else uses it was not counted"
            if others is None
            else "every session of this role"
        )
        return self._tie(
            "The subject acted with sessions of this role.",
            self._exposure.origin.confidence if seen.confidence is None else seen.confidence,
            seen.evidence,
            AlsoHits(what=what, origins=others, names=seen.names_shown),
        )

    # --- the rest ---------------------------------------------------------------------------------

    def root_sessions(self) -> Iterator[Step]:
        """Say what becomes of sessions of AssumeRoot in the chain."""
        for hop in self._exposure.chain:
            if hop.via == "AssumeRoot" and hop.account_id:
                evidence = (hop.event_id,) if hop.event_id else ()
                why = "The subject acted as root of this account by AssumeRoot."
                tie = self._tie(why, hop.confidence, evidence)
                yield manualsteps.assumed_root(hop.account_id, tie, _partition(hop.arn))

    def keys(self) -> Iterator[Step]:
        """Deactivate the long-term keys that the subject used or made for itself or others."""
        for key in self._keys():
            user = self._principal(key.user_arn, "user")
            if user is None:
                continue
            if not self._exposure.is_own(user.account_id):
                self.notes.append(f"A key of {user.arn} is in an account that is not yours.")
                continue
            yield self._key(key, user)

    def _keys(self) -> list[KeySeen]:
        fit = [key for key in self._exposure.keys if KEY_ID.fullmatch(key.id)]
        return sorted(set(fit), key=lambda key: (key.id, key.user_arn, key.evidence))

    @staticmethod
    def _is_of(key: KeySeen, user: IamPrincipal) -> bool:
        owner = iam_principal(key.user_arn)
        return owner is not None and owner.key == user.key

    def _key(self, key: KeySeen, user: IamPrincipal, of_origin: Tie | None = None) -> Step:
        why = "The subject made this key." if key.created else "The subject signed with this key."
        confidence = self._exposure.origin.confidence
        evidence = key.evidence or (of_origin.evidence if of_origin else ())
        return iamsteps.deactivate_key(user, key, self._tie(why, confidence, evidence))

    def optional(self) -> Iterator[Step]:
        """Offer what goes further: denying roles and groups, detaching what was attached."""
        editable = [one for one in self._roles() if self._is_editable(one[0])]
        if editable and self._exposure.origin.kind in _FROM_OUTSIDE:
            yield manualsteps.close_trust(editable[0][0], self._role_tie(editable[0][1]))
        for role, seen in editable:
            yield iamsteps.deny_all(role, self._role_tie(seen), optional=True)
        for arn in sorted(set(self._exposure.group_arns)):
            group = self._principal(arn, "group")
            if group is not None and self._exposure.is_own(group.account_id):
                hits = AlsoHits(what="every member of the group")
                tie = self._tie("Its members are in on it.", Confidence.NONE, (), hits)
                yield iamsteps.deny_all(group, tie, optional=True)
        for attached in sorted(set(self._exposure.attached), key=_by_target):
            principal = iam_principal(attached.principal_arn)
            if principal is None or not self._exposure.is_own(principal.account_id):
                continue
            if is_managed_policy(attached.policy_arn):
                confidence = self._exposure.origin.confidence
                tie = self._tie("The subject attached this policy.", confidence, attached.evidence)
                yield iamsteps.detach_policy(principal, attached, tie)

    def _is_editable(self, role: IamPrincipal) -> bool:
        is_aws = role.name.startswith(_RESERVED) or (role.path or "").startswith(
            _SERVICE_LINKED_PATH
        )
        return not is_aws and self._exposure.is_own(role.account_id)

    def _principal(self, arn: str, kind: str) -> IamPrincipal | None:
        found = iam_principal(arn)
        if found is not None and found.kind == kind:
            return found
        self.notes.append(f"What stands for a {kind} in the events is none: nothing is planned.")
        return None

    def _tie(
        self,
        why: str,
        confidence: Confidence,
        evidence: Iterable[str],
        also_hits: AlsoHits | None = None,
    ) -> Tie:
        return Tie(
            tag=self._tag,
            made_at=self._made_at,
            why=why,
            confidence=confidence.word,
            evidence=tuple(sorted(set(evidence))),
            also_hits=also_hits or AlsoHits(what="nobody else", origins=0),
        )


def _joined(
    one: tuple[IamPrincipal, RoleSeen] | None, other: tuple[IamPrincipal, RoleSeen]
) -> tuple[IamPrincipal, RoleSeen]:
    """Join what two places say of one role; a path that one lacks is the other's."""
    if one is None:
        return other
    role = one[0] if one[0].path is not None else other[0]
    sure = [seen.confidence for _, seen in (one, other) if seen.confidence is not None]
    counts = [seen.other_origins for _, seen in (one, other) if seen.other_origins is not None]
    return role, RoleSeen(
        arn=role.arn,
        other_origins=max(counts, default=None),
        other_names=tuple(sorted({*one[1].other_names, *other[1].other_names})),
        evidence=tuple(sorted({*one[1].evidence, *other[1].evidence})),
        confidence=max(sure, default=None),
    )


def _other_account(role: IamPrincipal, tie: Tie) -> Step:
    return manualsteps.manual(
        Action.ASK_OTHER_ACCOUNT,
        role.arn,
        role.account_id,
        tie,
        hits="everybody's sessions of this role",
        caveats=(
            (
                "The role is in an account where you have no responder role: its owner has to "
                "revoke the sessions (IAM console: the role, Revoke sessions)."
            ),
        ),
        expect="the owner confirms it",
        undo="the owner deletes the inline policy AWSRevokeOlderSessions",
        references=(iamsteps.REVOKE,),
    )


def _partition(arn: str | None) -> str:
    parsed = parse_arn(arn)
    return parsed.partition if parsed else "aws"


def _by_target(attached: AttachedPolicy) -> tuple[str, str, tuple[str, ...]]:
    return attached.principal_arn, attached.policy_arn, attached.evidence


def _notes(exposure: Exposure) -> Iterator[str]:
    """Say what the plan does not do, and why."""
    origin = exposure.origin
    if origin.status in (Status.AMBIGUOUS, Status.CONFLICT):
        count = len(origin.document.get("candidates", ()))
        yield (
            f"The evidence allows {count or 'several'} origins ({origin.status.value}): nobody is "
            "cut off at the origin. Look at the candidates, and plan for the one it was."
        )
    elif origin.status is Status.UNKNOWN:
        yield "The origin is unknown: only what its chain used is contained."
    elif origin.confidence < Confidence.STRONG:
        yield (
            f"The origin is known with {origin.confidence.word} confidence only: look at its "
            "evidence; the steps that cut it off are optional, to be asked for by their ids."
        )
    if any(hop.via in ("GetSessionToken", "GetFederationToken") for hop in exposure.chain):
        yield (
            "The chain holds tokens of GetSessionToken or GetFederationToken: deactivating the key "
            "does not end them, the policies on the user do."
        )
    if not exposure.complete:
        yield (
            "There is more than was looked at: not every role, key or policy may be in this plan. "
            "Narrow the time range."
        )
    if origin.kind is Kind.ANONYMOUS:
        yield "Nobody signed the request: what allows it is a policy of the resource."
