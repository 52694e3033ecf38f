"""Who is active, and how much of what happens is resolved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from enricher.response.events import USE, WHO, use, who
from enricher.response.models import Answer, Origin, Use
from enricher.response.ports import Group

if TYPE_CHECKING:
    from enricher.response.ports import Bucket, Buckets, EventReading, Selection

_ACCOUNTS = 500


class ActiveOrigin(Answer):
    """An origin, and what it did by whatever chain."""

    origin: Origin
    """Who, as its newest event has it."""
    use: Use
    """How much, when and from where."""
    sessions: int = Field(examples=[4])
    """How many root sessions it had; of very many, not all are counted."""
    acted_as: tuple[str, ...]
    """ARNs under which it acted, most used first."""


class Origins(Answer):
    """Who is active."""

    origins: tuple[ActiveOrigin, ...]
    """Origins, those of the most events first."""
    events_omitted: int
    """Events of other origins than those that are given."""
    events_without_origin: int
    """Events of which nobody is known."""
    complete: bool
    """Whether everything was counted."""


class Reason(Answer):
    """Why origins are not resolved, and what to do about it."""

    reason: str = Field(examples=["account-not-collected"])
    """The reason, as on the events."""
    events: int = Field(examples=[17])
    """How many events have it."""
    fix: str
    """What would resolve them."""
    account_ids: tuple[str, ...]
    """Accounts whose trail would tell, where that is known."""


class AccountCoverage(Answer):
    """How much of what happened in an account is resolved."""

    account_id: str = Field(examples=["111122223333"])
    """The account that got the records; empty where they name none."""
    events: int
    """How many events."""
    resolved: float = Field(examples=[0.994], ge=0, le=1)
    """The part of them whose origin is resolved."""
    by_status: dict[str, int]
    """Events by status of their origin; `not-enriched` where there is none yet."""
    by_rule: dict[str, int]
    """Events by the rule of their weakest hop."""
    by_confidence: dict[str, int]
    """Events by how sure their origin is."""
    reasons: tuple[Reason, ...]
    """Why the others are not, most events first."""


class Coverage(Answer):
    """How much is resolved, by account."""

    accounts: tuple[AccountCoverage, ...]
    """Accounts, those of the most events first."""
    events_omitted: int
    """Events of accounts beyond those that are given."""
    complete: bool
    """Whether everything was counted."""


# What each reason asks for; reasons are those of enriched.origin.reason.
FIXES = {
    "account-not-collected": "Collect the trail of the accounts that are named, or of the whole "
    "organization.",
    "account-only": "Collect the trail of the calling account: this copy of the event names no "
    "more of the caller than that.",
    "issuer-not-seen": "Ingest what came before: the call that issued the credential is not "
    "indexed. It may be in us-east-1, or in the account of whoever called.",
    "several-issuers": "Look at the candidates: several issuances fit.",
    "rules-disagree": "Look at the candidates: evidence that should agree does not.",
    "source-identity-disagrees": "Look at it: the session claims an identity that its chain did "
    "not set.",
    "root-session-unresolved": "Ingest the sign-ins of that root user, and the AssumeRoot calls "
    "of the management account.",
    "cognito": "Log the data events of Cognito's identity pools.",
    "depth-limit": "Look at the chain: it is longer than is followed.",
    "cycle": "Look at the chain: it leads back to itself.",
    "failed-sign-in": "Nothing: a sign-in that failed proves nobody.",
    "anonymous": "Nothing: nobody signed the call.",
    "no-principal": "Nothing: AWS names no caller.",
    "caller-type-unknown": "Report it: this kind of caller is not known here yet.",
}
_UNKNOWN_FIX = "See the explanation of origins in the documentation."
_NOT_ENRICHED = "not-enriched"
_MISSING = Group(by="enriched.origin.missing.account_id", size=20)
_COVERAGE = Group(
    by="recipientAccountId",
    size=_ACCOUNTS,
    missing="",
    within={
        "status": Group(by="enriched.origin.status", missing=_NOT_ENRICHED),
        "rule": Group(by="enriched.origin.rule", size=50),
        "confidence": Group(by="enriched.origin.confidence"),
        "reasons": Group(by="enriched.origin.reason", size=10, within={"missing": _MISSING}),
    },
)


def active_origins(selection: Selection, most: int, reading: EventReading) -> Origins:
    """Say who is active in some events."""
    by = Group(
        by="enriched.origin.id",
        size=most,
        span=True,
        sample=WHO,
        within={
            **USE,
            "sessions": Group(by="enriched.session.root_id", size=200),
            "acted_as": Group(by="userIdentity.arn", size=20),
        },
    )
    tally = reading.tally(selection, {"origins": by})
    found = tally.groups["origins"]
    counted = sum(one.count for one in found.buckets) + found.other
    return Origins(
        origins=tuple(one for bucket in found.buckets if (one := _active(bucket)) is not None),
        events_omitted=found.other,
        events_without_origin=tally.total - counted,
        complete=tally.complete,
    )


def _active(bucket: Bucket) -> ActiveOrigin | None:
    origin = who(bucket.sample or {}).origin
    if origin is None:
        return None
    return ActiveOrigin(
        origin=origin,
        use=use(bucket),
        sessions=len(bucket.within["sessions"].buckets),
        acted_as=tuple(bucket.values("acted_as")),
    )


def coverage(selection: Selection, reading: EventReading) -> Coverage:
    """Say how much of some events is resolved, by account."""
    tally = reading.tally(selection, {"accounts": _COVERAGE})
    found = tally.groups["accounts"]
    return Coverage(
        accounts=tuple(_coverage(one) for one in found.buckets),
        events_omitted=found.other,
        complete=tally.complete,
    )


def _coverage(bucket: Bucket) -> AccountCoverage:
    by_status = bucket.counts("status")
    return AccountCoverage(
        account_id=bucket.value,
        events=bucket.count,
        resolved=by_status.get("resolved", 0) / bucket.count,
        by_status=by_status,
        by_rule=bucket.counts("rule"),
        by_confidence=bucket.counts("confidence"),
        reasons=_reasons(bucket.within["reasons"]),
    )


def _reasons(found: Buckets) -> tuple[Reason, ...]:
    return tuple(
        Reason(
            reason=one.value,
            events=one.count,
            fix=FIXES.get(one.value, _UNKNOWN_FIX),
            account_ids=tuple(one.values("missing")),
        )
        for one in found.buckets
    )
