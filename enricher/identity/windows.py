"""When a link holds: whole seconds, one of skew, expiry and grace (rulings 6; identity.md §2.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from enricher.cloudtrail.times import SECOND
from enricher.identity.model import Confidence

if TYPE_CHECKING:
    from datetime import datetime

    from enricher.cloudtrail.caller import Caller
    from enricher.identity.facts import Issuance

EXPIRY_GRACE = timedelta(minutes=5)  # long-running calls are logged after expiry
CONSOLE_SPAN = timedelta(hours=12)  # the longest console session
LONGEST_SPAN = timedelta(hours=36)  # the longest credential there is (GetSessionToken)
COGNITO_SESSION = "CognitoIdentityCredentials"


class Fit(NamedTuple):
    """How well an issuance explains a credential that bears its key."""

    rule: str
    grade: Confidence
    after_expiry: bool = False


def fit_by_key(fact: Issuance, caller: Caller, at: datetime) -> Fit | None:
    """Compare an issuance of the caller's key with the caller (rules L1, L1b, L1c).

    Key, principal id and creation time all agree: exact, moderate after the expiry. One of the
    last two is lacking: strong, in the window only. One disagrees: no link at all.
    """
    if fact.account_id and caller.account_id and fact.account_id != caller.account_id:
        return None
    same_holder = _same_holder(fact, caller)
    if same_holder is False:
        return None
    if fact.workload_kind == "cognito_identity" and caller.session_name != COGNITO_SESSION:
        return None
    began_at = caller.created_at
    if began_at is not None and not _began_then(fact, began_at):
        return None
    if at < fact.at - SECOND:
        return None
    expired = fact.expires_at is not None and at > fact.expires_at + EXPIRY_GRACE
    if same_holder and began_at is not None:
        return Fit("L1", Confidence.MODERATE, True) if expired else Fit("L1", Confidence.EXACT)
    return None if expired else Fit("L1b", Confidence.STRONG)


def _same_holder(fact: Issuance, caller: Caller) -> bool | None:
    """Compare whom it was issued to with the caller; None where nothing can be compared.

    Records of services name the role and the session that they asked for, not the holder's id.
    """
    if fact.principal_id and caller.principal_id:
        return fact.principal_id == caller.principal_id
    if fact.role_arn and fact.session_name and caller.issuer_arn and caller.session_name:
        return (fact.role_arn, fact.session_name) == (caller.issuer_arn, caller.session_name)
    return None


def _began_then(fact: Issuance, began_at: datetime) -> bool:
    if abs(fact.at - began_at) <= SECOND:
        return True
    # S3 Express hands out another key within the caller's own session.
    return fact.event_name == "CreateSession" and fact.caller.created_at == began_at


class TimeFit(NamedTuple):
    """How far a use lies from the start of a session that is found by its second."""

    grade: Confidence
    after_expiry: bool = False


def fit_by_second(began_at: datetime, at: datetime, *, skewed: bool = False) -> TimeFit | None:
    """Grade a link by principal and second (rules L4, L5, L7): no expiry bounds a console session.

    Args:
        began_at: When the session began.
        at: When the credential was used.
        skewed: The link needed the second of skew.
    """
    if at < began_at - SECOND or at > began_at + LONGEST_SPAN:
        return None
    if at > began_at + CONSOLE_SPAN + EXPIRY_GRACE:
        return TimeFit(Confidence.MODERATE, True)
    return TimeFit(Confidence.MODERATE if skewed else Confidence.STRONG)
