"""What is to be contained, as the events say it: the input of a plan.

``enricher.response.exposing`` reads it from the index; ``OriginSeen.of`` and ``HopSeen.of`` take
``enriched.origin`` and ``enriched.chain`` as they are indexed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.arn import parse_arn
from enricher.identity.model import Confidence, Kind, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES_SHOWN = 20
# IAM's own rules for names and ids: what does not fit was not written by IAM.
_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_PARTITION = re.compile(r"aws(-[a-z]+){0,3}", re.ASCII)
_PATH = re.compile(r"[!-~]{0,512}", re.ASCII)
KEY_ID = re.compile(r"[A-Z0-9]{16,128}", re.ASCII)


class SubjectKind(StrEnum):
    """What a plan is made for."""

    ORIGIN = "origin"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a plan is made for.

    Attributes:
        id: ``enriched.origin.id`` or ``enriched.session.id``.
    """

    kind: SubjectKind
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginSeen:
    """The origin, as it stands on the event (``enriched.origin``).

    Attributes:
        document: The whole of it; the plan carries it.
    """

    status: Status
    kind: Kind
    confidence: Confidence
    id: str | None = None
    arn: str | None = None
    name: str | None = None
    account_id: str | None = None
    identity_provider: str | None = None
    acting_as: str | None = None
    evidence: tuple[str, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, origin: Mapping[str, Any]) -> OriginSeen:
        """Read ``enriched.origin``; what it does not say is unknown."""
        return cls(
            status=Status(origin.get("status", Status.UNKNOWN)),
            kind=Kind(origin.get("kind", Kind.UNKNOWN_ISSUER)),
            confidence=confidence_of(origin.get("confidence")),
            id=origin.get("id"),
            arn=origin.get("arn"),
            name=origin.get("name"),
            account_id=origin.get("account_id"),
            identity_provider=origin.get("identity_provider"),
            acting_as=origin.get("acting_as"),
            evidence=tuple(origin.get("evidence", ())),
            document=dict(origin),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HopSeen:
    """One hop from the origin to the acting credential (``enriched.chain[]``)."""

    via: str
    arn: str | None = None
    account_id: str | None = None
    access_key_id: str | None = None
    event_id: str | None = None
    confidence: Confidence = Confidence.NONE

    @classmethod
    def of(cls, hop: Mapping[str, Any]) -> HopSeen:
        """Read one entry of ``enriched.chain``."""
        return cls(
            via=str(hop.get("via", "")),
            arn=hop.get("arn"),
            account_id=hop.get("account_id"),
            access_key_id=hop.get("access_key_id"),
            event_id=hop.get("event_id"),
            confidence=confidence_of(hop.get("confidence")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSeen:
    """A role that the subject used, in its chain or below it.

    Attributes:
        arn: ``sessionIssuer.arn``, which has the role's path; a session's ARN is taken too.
        other_origins: How many other origins used the role in the time that was looked at; None
            where nobody counted.
        other_names: Some of those, for people to read.
        evidence: Event ids of the role's use by this subject.
        confidence: How sure that use is; None for as sure as the origin, or the hop of the chain.
    """

    arn: str
    other_origins: int | None = None
    other_names: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    confidence: Confidence | None = None

    @property
    def names_shown(self) -> tuple[str, ...]:
        """As many of the others as a plan lists."""
        return tuple(sorted(set(self.other_names)))[:NAMES_SHOWN]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySeen:
    """A long-term access key that the subject used, or made.

    Attributes:
        user_arn: Whose key it is.
        created: The subject made it, maybe for another user, to come back by.
    """

    id: str
    user_arn: str
    created: bool = False
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedPolicy:
    """A managed policy that the subject attached to a user, role or group."""

    principal_arn: str
    policy_arn: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """All that the events say about a subject.

    Attributes:
        origin: Who it was.
        chain: Hops from the origin to the acting credential.
        roles: Roles of the lineage: of the chain, and those assumed from its sessions.
        keys: Long-term keys.
        attached: Policies that the subject attached.
        group_arns: Groups to offer a denial for: several members are in on it.
        own_accounts: Accounts where a responder role can be; None where nobody says.
        organization_management_account: Where service control policies do not apply.
        region: Where the instance or function of the origin runs.
        complete: Whether all that is indexed was looked at.
    """

    origin: OriginSeen
    chain: tuple[HopSeen, ...] = ()
    roles: tuple[RoleSeen, ...] = ()
    keys: tuple[KeySeen, ...] = ()
    attached: tuple[AttachedPolicy, ...] = ()
    group_arns: tuple[str, ...] = ()
    own_accounts: frozenset[str] | None = None
    organization_management_account: str | None = None
    region: str | None = None
    complete: bool = True

    def is_own(self, account_id: str) -> bool:
        """Whether the account may have a responder role."""
        return self.own_accounts is None or account_id in self.own_accounts


@dataclass(frozen=True, slots=True, order=True)
class IamPrincipal:
    """A user, role or group whose ARN is IAM's own spelling.

    Attributes:
        kind: ``user``, ``role`` or ``group``.
        path: Between the slashes; None where only a session's ARN was seen, which has lost it.
    """

    account_id: str
    kind: str
    name: str
    partition: str = "aws"
    path: str | None = None

    @property
    def arn(self) -> str:
        """Its ARN; without the path where that is not known."""
        path = f"{self.path}/" if self.path else ""
        return f"arn:{self.partition}:iam::{self.account_id}:{self.kind}/{path}{self.name}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it one: IAM does not allow the same name twice in other paths."""
        return self.account_id, self.kind, self.name


def iam_principal(arn: str | None) -> IamPrincipal | None:
    """Read the ARN of a user, role or group, or of a role's session; None where it is none.

    Names and accounts that IAM could not have written give None too: nothing is called with them.
    """
    parsed = parse_arn(arn)
    if parsed is None or not _ACCOUNT.fullmatch(parsed.account_id):
        return None
    if not _PARTITION.fullmatch(parsed.partition):
        return None
    kind, _, rest = parsed.resource.partition("/")
    if parsed.service == "sts" and kind == "assumed-role":
        kind, path, name = "role", None, rest.partition("/")[0]
    elif parsed.service == "iam" and kind in ("user", "role", "group"):
        path, _, name = rest.rpartition("/")
    else:
        return None
    if not _NAME.fullmatch(name) or not _PATH.fullmatch(path or ""):
        return None
    return IamPrincipal(parsed.account_id, kind, name, parsed.partition, path)


def is_managed_policy(arn: str) -> bool:
    """Whether it is the ARN of a managed policy, AWS's or one of an account, as IAM writes it."""
    parsed = parse_arn(arn)
    if parsed is None or parsed.service != "iam" or parsed.resource_type != "policy":
        return False
    owned = parsed.account_id == "aws" or _ACCOUNT.fullmatch(parsed.account_id)
    spelt = _PARTITION.fullmatch(parsed.partition) and _NAME.fullmatch(parsed.name)
    return bool(owned and spelt and _PATH.fullmatch(parsed.resource))


def confidence_of(word: object) -> Confidence:
    """Read a confidence as the document has it; none where it is not one."""
    return next((one for one in Confidence if one.word == word), Confidence.NONE)
