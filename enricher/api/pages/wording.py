"""Says in words what fields say in codes: who it was, how sure that is, by what it was found.

The methods are those of ``docs/explanation/origin.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from enricher.response.origins import FIXES

if TYPE_CHECKING:
    from enricher.response.models import Hop, Origin

KINDS = {
    "iam_user": "IAM user",
    "root": "root user",
    "saml_subject": "SAML user",
    "oidc_subject": "OIDC subject",
    "idc_user": "Identity Center user",
    "ec2_instance": "EC2 instance",
    "lambda_function": "Lambda function",
    "workload": "workload",
    "aws_service": "AWS service",
    "x509_subject": "holder of a certificate",
    "cognito_identity": "Cognito identity",
    "delegated_provider": "delegated provider",
    "external_iam_user": "IAM user of another account",
    "external_role_session": "role session of another account",
    "asserted": "claimed as source identity",
    "anonymous": "nobody: the call was not signed",
    "unknown_issuer": "not known",
}
METHODS = {
    "L0": "the record itself names the principal",
    "L1": "the call that issued the key, at that second",
    "L1b": "the call that issued the key, a part of it lost, one candidate",
    "L2": "copies of one call in two accounts, by their shared id",
    "L2b": "copies of one call in two accounts, by request and key",
    "L3": "AWS's own id of the sign-in session",
    "L4": "a console sign-in or role switch in the second in which the session began",
    "L5": "a SAML sign-in of that principal in that second",
    "L5b": "the Identity Center portal's request in that second",
    "L5c": "Identity Center's user, stamped on the record",
    "L5d": "Identity Center's user, told by its session",
    "L6": "the workload, named by the record or by the service that gave it credentials",
    "L7": "a service that acts with its caller's own identity",
    "L8": "the source identity: a claim that cannot change along a chain",
    "L9": "the closest call before: no time of creation is known",
    "L10": "only the account is known",
    "L11": "a session name that looks like somebody: a hint",
}
_VERBS = {"exact": "did this", "strong": "did this", "moderate": "probably did this"}
_MAY = "may have done this"
_EACH = "Each has its own chain: open one of the sessions or origins below."
_NOBODY = "The events name nobody, or are not enriched yet."
_BEHIND = "Whoever is behind it there is not seen."
_SURE = frozenset({"exact", "strong"})


class Verdict(NamedTuple):
    """The answer in a sentence.

    Attributes:
        who: Whom it begins with; a value, or our own words where nobody is named.
        named: Whether ``who`` is a value.
        what: How it goes on.
        sure: Whether it may be read as a fact.
        badge: How sure, in a word.
        then: What follows: what proves it, what would tell more.
    """

    who: str
    named: bool
    what: str
    sure: bool
    badge: str
    then: str


def verdict(origin: Origin | None, origins: int = 0, sessions: int = 1) -> Verdict:
    """Say who did it.

    Args:
        origin: Who was behind all of it; None where that is nobody known, or not one alone.
        origins: How many origins there are.
        sessions: How many sessions the answer is about; the origin is that of the least sure.
    """
    if origin is None:
        if origins > 1:
            return Verdict(f"{origins} origins", False, "are behind this", False, "several", _EACH)
        return Verdict("Nobody known", False, "is behind this", False, "not known", _NOBODY)
    proof, status = _proof(origin, sessions), origin.status
    name = origin.name or origin.arn or origin.id
    match status:
        case "resolved" if name and origin.kind == "asserted":
            what = f"({where(origin)}) is said to have done this"
            return Verdict(name, True, what, False, "claimed", proof)
        case "resolved" if name:
            sure = origin.confidence or "none"
            what = f"({where(origin)}) {_VERBS.get(sure, _MAY)}"
            return Verdict(name, True, what, sure in _SURE, sure, proof)
        case "external" if name:
            what = f"({where(origin)}) did this, from an account that is not collected"
            return Verdict(name, True, what, False, status, f"{_BEHIND} {proof}")
        case "external":
            account = origin.account_id or "an account that is not collected"
            return Verdict("This came from", False, account, False, status, f"{_BEHIND} {proof}")
        case "ambiguous":
            many = f"One of {len(origin.candidates)}" if origin.candidates else "One of several"
            what = "did this, and nothing tells which"
            return Verdict(many, False, what, False, status, proof)
        case "conflict":
            return Verdict("Evidence disagrees", False, "on who did this", False, status, proof)
        case _:
            what = "who did this"
            return Verdict("It is not known", False, what, False, status, fix(origin) or proof)


def where(origin: Origin) -> str:
    """Say what an origin is, and of which account."""
    kind = KINDS.get(origin.kind or "", origin.kind or "of unknown kind")
    account = origin.account_name or origin.account_id
    both = account if account == origin.account_id else f"{account}, {origin.account_id}"
    return f"{kind}, {both}" if account else kind


def _proof(origin: Origin, sessions: int) -> str:
    number = len(origin.evidence)
    sure = is_sure(origin.confidence) and origin.status == "resolved"
    if sessions > 1:
        rests = "is proved by" if sure else "rests on"
        return f"The least sure of {sessions} sessions {rests}:"
    if not number:
        return "The record itself says so." if origin.rule == "L0" else "No event proves it."
    rests = "Proved by" if sure else "It rests on"
    return f"{rests} {number} event{'s' if number > 1 else ''}:"


def fix(origin: Origin) -> str | None:
    """Say what would tell more, where the reason says so."""
    return FIXES.get(origin.reason or "")


def method(rule: str | None) -> str:
    """Say by what a hop or an origin was found."""
    return METHODS.get(rule or "", "a method that is not known here")


def is_sure(confidence: str | None) -> bool:
    """Say whether a hop may be drawn as certain."""
    return confidence in _SURE


def hop(one: Hop) -> str:
    """Say how sure a hop is, and by which rule."""
    sure = one.confidence or "none"
    return f"{sure} · {one.rule}" if one.rule else sure


FIGURES = {
    "person": "origin",
    "machine": "origin, a machine",
    "role": "session",
    "event": "event",
    "unknown": "origin",
}
