"""The policies that contain, and where IAM keeps them.

References:
    - IAM User Guide, "Revoke IAM role temporary security credentials": the condition on
      ``aws:TokenIssueTime``; a request that no temporary credential signed has no such key.
    - IAM User Guide, "IAM and AWS STS quotas": 2,048 characters of inline policies for a user,
      5,120 for a group, 10,240 for a role, without white space.
    - Organizations User Guide, "Quotas": 5,120 characters of one service control policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import SECOND, format_time

if TYPE_CHECKING:
    from datetime import datetime

INLINE_LIMITS = {"user": 2_048, "group": 5_120, "role": 10_240}  # characters
SCP_LIMIT = 5_120  # characters
_VERSION = "2012-10-17"


def deny_all() -> dict[str, Any]:
    """Deny everything."""
    return _deny("EnricherDenyAll")


def deny_older_sessions(cutoff: datetime) -> dict[str, Any]:
    """Deny everything to sessions that were issued up to an instant.

    Args:
        cutoff: UTC. AWS knows issue times in whole seconds, so the second that has begun is
            included: a session issued in it may be older than the instant.
    """
    after = format_time(cutoff + SECOND)  # it cuts fractions off
    return _deny("EnricherRevokeOlderSessions", {"DateLessThan": {"aws:TokenIssueTime": after}})


def deny_root() -> dict[str, Any]:
    """Deny everything to the root users of the accounts it is attached to: for an SCP."""
    return _deny("EnricherDenyRoot", {"ArnLike": {"aws:PrincipalArn": "arn:*:iam::*:root"}})


def deny_identity_center_user(user_id: str) -> dict[str, Any]:
    """Deny everything to one user of Identity Center: for an SCP.

    References:
        IAM Identity Center User Guide, "Use a Deny policy to revoke active user permissions".
    """
    condition = {"StringEquals": {"identitystore:userId": user_id}}
    return _deny("EnricherDenyIdentityCenterUser", condition)


def document(policy: dict[str, Any]) -> str:
    """Give the text of a policy as it is sent: no white space, which IAM would not count either."""
    return codec.dumps(policy).decode()


def _deny(sid: str, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Deny", "Action": "*", "Resource": "*"}
    return {
        "Version": _VERSION,
        "Statement": [{**statement, **({"Condition": condition} if condition else {})}],
    }
