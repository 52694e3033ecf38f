"""The values of an answer: origin, hop, session, access, and how sure each is (design §4)."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from enricher.cloudtrail.times import format_time

MAX_CANDIDATES = 5


class Confidence(IntEnum):
    """How sure a link is; a chain is as sure as its weakest link (identity.md §2.1)."""

    NONE = 0
    WEAK = 1
    MODERATE = 2
    STRONG = 3
    EXACT = 4

    @property
    def word(self) -> str:
        """The word that the document carries."""
        return _WORDS[self]


_WORDS = {confidence: confidence.name.lower() for confidence in Confidence}


class Status(StrEnum):
    """Whether the origin is known (design §4)."""

    RESOLVED = "resolved"
    AMBIGUOUS = "ambiguous"
    CONFLICT = "conflict"
    EXTERNAL = "external"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """What stands at the start of a chain (design §4; ids: rulings)."""

    IAM_USER = "iam_user"
    ROOT = "root"
    SAML_SUBJECT = "saml_subject"
    OIDC_SUBJECT = "oidc_subject"
    IDC_USER = "idc_user"
    EC2_INSTANCE = "ec2_instance"
    LAMBDA_FUNCTION = "lambda_function"
    WORKLOAD = "workload"
    AWS_SERVICE = "aws_service"
    X509_SUBJECT = "x509_subject"
    COGNITO_IDENTITY = "cognito_identity"
    DELEGATED_PROVIDER = "delegated_provider"
    EXTERNAL_IAM_USER = "external_iam_user"
    EXTERNAL_ROLE_SESSION = "external_role_session"
    ASSERTED = "asserted"
    ANONYMOUS = "anonymous"
    UNKNOWN_ISSUER = "unknown_issuer"


class Principal(Struct, frozen=True, kw_only=True):
    """Somebody who could be the origin; ``kind``, ``id`` and ``identity_provider`` make it unique.

    Attributes:
        human: A person rather than a machine, None where the data does not say.
    """

    kind: Kind
    id: str | None = None
    arn: str | None = None
    name: str | None = None
    account_id: str | None = None
    identity_provider: str | None = None
    human: bool | None = None

    def same_as(self, other: Principal) -> bool:
        """Whether both name the same principal; an id that one lacks is compared by what it has."""
        if self.kind is not other.kind:
            return False
        if self.id and other.id:
            return self.id == other.id and _agree(self.identity_provider, other.identity_provider)
        if self.arn and other.arn:
            return self.arn == other.arn
        return _agree(self.name, other.name) and self.account_id == other.account_id

    def document(self) -> dict[str, Any]:
        """Give the JSON form, absent values left out."""
        return present(
            {
                "kind": self.kind.value,
                "id": self.id,
                "arn": self.arn,
                "name": self.name,
                "account_id": self.account_id,
                "identity_provider": self.identity_provider,
                "human": self.human,
            }
        )


class Candidate(Struct, frozen=True, kw_only=True):
    """One of several possible origins, or a hint that proves nothing (rulings 4)."""

    principal: Principal
    rule: str
    confidence: Confidence
    evidence: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            **self.principal.document(),
            "rule": self.rule,
            "confidence": self.confidence.word,
            **({"evidence": list(self.evidence)} if self.evidence else {}),
        }


class Missing(Struct, frozen=True, kw_only=True):
    """What to fetch to get further: an account's trail around an instant (identity.md §2.6)."""

    account_id: str | None = None
    at: datetime | None = None
    shared_event_id: str | None = None

    def document(self) -> dict[str, Any]:
        """Give the JSON form."""
        return present(
            {
                "account_id": self.account_id,
                "time": format_time(self.at) if self.at else None,
                "shared_event_id": self.shared_event_id,
            }
        )


class Origin(Struct, frozen=True, kw_only=True):
    """The answer to "who was it?", with its proof.

    Attributes:
        rule: The rule of the weakest hop, L0 where there is none.
        evidence: Event ids that prove it; empty where the record itself is the proof.
        acting_as: Whose rights were used where that is not a role: a root, a federated user.
    """

    status: Status
    principal: Principal
    rule: str
    confidence: Confidence
    reason: str | None = None
    candidates: tuple[Candidate, ...] = ()
    missing: Missing | None = None
    evidence: tuple[str, ...] = ()
    acting_as: str | None = None

    @property
    def settled(self) -> bool:
        """Whether it names somebody, be it in an account out of sight (rulings 15)."""
        return self.status in (Status.RESOLVED, Status.EXTERNAL)


class Hop(Struct, frozen=True, kw_only=True):
    """One session that was issued on the way from the origin to the acting credential."""

    via: str
    arn: str | None
    account_id: str | None
    principal_id: str | None
    access_key_id: str | None
    event_id: str | None
    at: datetime
    rule: str
    confidence: Confidence
    evidence: tuple[str, ...]
    source_identity: str | None = None

    def document(self) -> dict[str, Any]:
        """Give the JSON form."""
        return present(
            {
                "via": self.via,
                "arn": self.arn,
                "account_id": self.account_id,
                "access_key_id": self.access_key_id,
                "event_id": self.event_id,
                "at": format_time(self.at),
                "rule": self.rule,
                "confidence": self.confidence.word,
            }
        )


class Mode(StrEnum):
    """How AWS was reached (identity.md §5)."""

    CONSOLE = "console"
    PROGRAMMATIC = "programmatic"
    SERVICE = "service"
    UNKNOWN = "unknown"


class Access(Struct, frozen=True, kw_only=True):
    """How AWS was reached, by which evidence (codes P1 to P14 of identity.md §5.1)."""

    mode: Mode = Mode.UNKNOWN
    subtype: str | None = None
    confidence: Confidence = Confidence.NONE
    codes: tuple[str, ...] = ()


UNKNOWN_ACCESS = Access()


class Lineage(Struct, frozen=True, kw_only=True):
    """All that the evidence says about one credential: where it came from, and its sessions.

    Attributes:
        hops: Issued sessions, from the origin to this credential.
        session_id: This credential's own session; None for callers who have none (rulings 17).
        root_id: The furthest session known; the true root where ``root_complete``.
        access: How the session began.
        chain_seen: Every issuing record of the chain was seen, so that what it set is known.
        waiting: Evidence keys that came back empty, and whose arrival would change the answer.
        fas_derived: A service minted the credential for a long-term key (identity.md §1.15).
        tainted: The walk was cut short by a cycle or its length: not to be reused for others.
    """

    origin: Origin
    hops: tuple[Hop, ...] = ()
    session_id: str | None = None
    parent_id: str | None = None
    root_id: str | None = None
    root_complete: bool = False
    continues: str | None = None
    access: Access = UNKNOWN_ACCESS
    chain_seen: bool = False
    fas_derived: bool = False
    mfa: bool | None = None
    waiting: frozenset[str] = frozenset()
    notes: frozenset[str] = frozenset()
    tainted: bool = False

    @property
    def confidence(self) -> Confidence:
        """How sure the whole chain is."""
        return self.origin.confidence

    @property
    def root_session(self) -> str | None:
        """The root as a descendant sees it: the furthest session known, this one at least."""
        return self.root_id or self.session_id

    def with_origin(self, **changes: Any) -> Lineage:  # noqa: ANN401 - forwards to replace
        """Give a copy whose origin differs in these fields."""
        return replace(self, origin=replace(self.origin, **changes))


def present(fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is absent."""
    return {name: value for name, value in fields.items() if value is not None}


def _agree(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other
