"""Amazon Resource Names, in every partition.

References:
    - IAM User Guide, "Amazon Resource Names (ARNs)" and "IAM identifiers".
    - identity.md §0.2, "Partition" and "Role ARN ↔ session ARN".
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


class Arn(NamedTuple):
    """One ARN, taken apart; ``resource`` may itself hold colons and slashes."""

    partition: str
    service: str
    region: str
    account_id: str
    resource: str

    @property
    def resource_type(self) -> str:
        """The part of the resource before the first slash, e.g. ``assumed-role``."""
        return self.resource.partition("/")[0]

    @property
    def name(self) -> str:
        """The last part of the path: a user's, role's or session's name."""
        return self.resource.rpartition("/")[2]


@lru_cache(maxsize=16_384)
def parse_arn(text: str | None) -> Arn | None:
    """Take an ARN apart; None where the text is not one."""
    if not text or not text.startswith("arn:"):
        return None
    parts = text.split(":", 5)
    if len(parts) < 6:  # noqa: PLR2004 - an ARN has six fields
        return None
    return Arn(*parts[1:])


def role_name(arn: str | None) -> str | None:
    """Give the role's name from a role ARN or a role session's ARN; the path is dropped.

    A session's ARN has lost the path (identity.md §0.2), so only the name can be compared.
    """
    parsed = parse_arn(arn)
    if parsed is None:
        return None
    if parsed.resource_type == "assumed-role":
        return parsed.resource.split("/")[1] if "/" in parsed.resource else None
    return parsed.name if parsed.resource_type == "role" else None


def session_arn(role_arn: str, session_name: str) -> str | None:
    """Give the ARN of a role's session; the role's path is lost in it."""
    parsed, name = parse_arn(role_arn), role_name(role_arn)
    if parsed is None or name is None:
        return None
    return f"arn:{parsed.partition}:sts::{parsed.account_id}:assumed-role/{name}/{session_name}"


@lru_cache(maxsize=256)
def partition_of_region(region: str | None) -> str:
    """Give the partition that a region lies in; ``aws`` where the region says nothing.

    References:
        - AWS General Reference, "Partitions": region names carry the partition's prefix.
    """
    text = region or ""
    if text.startswith("cn-"):
        return "aws-cn"
    if text.startswith("us-gov-"):
        return "aws-us-gov"
    if text.startswith("us-isob-"):
        return "aws-iso-b"
    if text.startswith("us-iso-"):
        return "aws-iso"
    return "aws-eusc" if text.startswith("eusc-") else "aws"
