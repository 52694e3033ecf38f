"""Refusals, in the words that AWS uses.

References:
    - identity.md §6.3, "Message grammar"; IAM User Guide, "Troubleshoot access denied error
      messages".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tools.trailgen.organization import PARTITION

if TYPE_CHECKING:
    from tools.trailgen.records import Call
    from tools.trailgen.session import Session

_KEEPS_REQUEST = frozenset({"s3", "ec2"})  # elsewhere requestParameters of a refusal are null

_IMPLICIT = (
    "because no identity-based policy allows the {action} action",
    "because no permissions boundary allows the {action} action",
    "because no session policy allows the {action} action",
)
_EXPLICIT = (
    "with an explicit deny in a service control policy",
    "with an explicit deny in an identity-based policy: {policy}",
    "with an explicit deny in a resource control policy",
    "with an explicit deny in a permissions boundary",
)
REASONS = (*_IMPLICIT, *_EXPLICIT)


def denied(call: Call, session: Session, reason: str = REASONS[0]) -> Call:
    """Turn a call into one that was refused."""
    action = f"{_PREFIXES.get(call.service, call.service)}:{_plain(call.name)}"
    policy = f"arn:{PARTITION}:iam::{session.account.id}:policy/guardrails"
    text = (
        f"User: {session.arn} is not authorized to perform: {action} "
        f"on resource: {_resource(call, session)} {reason.format(action=action, policy=policy)}"
    )
    code = "AccessDenied"
    if call.service == "ec2":
        code = "Client.UnauthorizedOperation"
        blob = "Zm9yIHNob3cgb25seQ" * 8
        text = (
            f"You are not authorized to perform this operation. {text}. "
            f"Encoded authorization failure message: {blob}"
        )
    request = call.request if call.service in _KEEPS_REQUEST else None
    return replace(call, request=request, response=None, error=(code, text))


_PREFIXES = {"monitoring": "cloudwatch"}


def _plain(name: str) -> str:
    """Drop the API version that some event names carry, e.g. ``GetFunction20150331v2``."""
    head, _, tail = name.partition("2015")
    return head if tail else name


def _resource(call: Call, session: Session) -> str:
    if call.resources:
        return str(call.resources[0]["ARN"])
    if call.service == "iam":
        return f"arn:{PARTITION}:iam::{session.account.id}:*"
    return "*"
