"""Conditions of the catalogue that a parameter's value alone does not settle.

Each is a pure question about one record. What the caller wrote is bounded before it is read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.cloudtrail.arn import parse_arn
from enricher.cloudtrail.record import mapping, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from enricher.cloudtrail.record import Record

_LONGEST_POLICY = 32_768  # characters; IAM takes 10,240 of an inline policy, spaces not counted
_LONGEST_NAME = 1_024
# AWSDenyAll, and what AWS itself attaches to the user of a leaked key.
_DENY_POLICIES = re.compile(r"AWSDenyAll|AWSCompromisedKeyQuarantine(?:V\d)?", re.ASCII)
# The console's "revoke active sessions", and names that people give to such policies.
_DENY_NAMES = re.compile(r"awsrevokeoldersessions|deny[-_ ]?all", re.IGNORECASE)
_TASK_POLICY = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}", re.ASCII)
# Words of names by which people call what holds logs; a key below AWSLogs/ is CloudTrail's own.
_LOG_WORDS = re.compile(
    r"(?:^|[^a-z])(?:cloud-?trail|trails?|aws-?logs?|(?:flow-?)?logs?|logging|audit)(?:[^a-z]|$)",
    re.IGNORECASE,
)
_NAMING = ("bucketName", "key", "keyId", "topicArn", "subscriptionArn", "queueUrl", "functionName")


def task_policy(record: Record) -> str | None:
    """Name the task policy of an AssumeRoot, e.g. ``S3UnlockBucketPolicy``."""
    policy = record.request.get("taskPolicyArn")
    arn = text(policy.get("arn") if isinstance(policy, dict) else policy)
    parsed = parse_arn(arn[:_LONGEST_NAME]) if arn else None
    if parsed is None or not _TASK_POLICY.fullmatch(parsed.name):
        return None
    return parsed.name


def _always(_record: Record) -> bool:
    return True


def _nothing_asked(record: Record) -> bool:
    return not record.request


def _names_logs(record: Record) -> bool:
    request = record.request
    names = [request.get(name) for name in _NAMING]
    return any(isinstance(name, str) and _LOG_WORDS.search(name[:_LONGEST_NAME]) for name in names)


def _narrows_selectors(record: Record) -> bool:
    """Whether a trail would record less than all management events."""
    selectors = record.request.get("eventSelectors")
    for one in selectors if isinstance(selectors, list) else ():
        selector = mapping(one)
        if selector.get("readWriteType") not in (None, "All"):
            return True
        if selector.get("includeManagementEvents") in (False, "false"):
            return True
        if selector.get("excludeManagementEventSources"):
            return True
    return False


def _sets_user_data(record: Record) -> bool:
    return "userData" in record.request or record.request.get("attribute") == "userData"


def _passes_profile(record: Record) -> bool:
    return bool(record.request.get("iamInstanceProfile"))


def _passes_role(record: Record) -> bool:
    return bool(text(record.request.get("roleARN")))


def _denies_all(record: Record) -> bool:
    """Whether an inline policy denies everything, were it for sessions of before some time only."""
    request = record.request
    if _DENY_NAMES.search(_name(request, "policyName")):
        return True
    document = request.get("policyDocument")
    if isinstance(document, str) and len(document) <= _LONGEST_POLICY:
        try:
            document = codec.loads(document)
        except ValueError:
            return False
    statements = mapping(document).get("Statement")
    listed = statements if isinstance(statements, list) else [statements]
    return any(_denies_everything(mapping(one)) for one in listed)


def _denies_everything(statement: Mapping[str, Any]) -> bool:
    return (
        statement.get("Effect") == "Deny"
        and "*" in _listed(statement.get("Action"))
        and "*" in _listed(statement.get("Resource"))
    )


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _attaches_deny(record: Record) -> bool:
    return _is_deny_policy(record.request.get("policyArn"))


def _bounds_to_nothing(record: Record) -> bool:
    return _is_deny_policy(record.request.get("permissionsBoundary"))


def _is_deny_policy(value: object) -> bool:
    arn = text(value)
    parsed = parse_arn(arn[:_LONGEST_NAME]) if arn else None
    if parsed is None:
        return False
    own = parsed.account_id != "aws"
    if own:  # a policy of their own, by the name that people give to such policies
        return _DENY_NAMES.search(parsed.name) is not None
    return _DENY_POLICIES.fullmatch(parsed.name) is not None


def _names_deny(record: Record) -> bool:
    """Whether a policy that is taken away is one that denies all; only its name is on record."""
    return _DENY_NAMES.search(_name(record.request, "policyName")) is not None


def _adds_rights(record: Record) -> bool:
    return not (_denies_all(record) or _attaches_deny(record))


def _name(request: Mapping[str, Any], name: str) -> str:
    return (text(request.get(name)) or "")[:_LONGEST_NAME]


CONDITIONS: Mapping[str, Callable[[Record], bool]] = {
    "adds_rights": _adds_rights,
    "attaches_deny": _attaches_deny,
    "bounds_to_nothing": _bounds_to_nothing,
    "denies_all": _denies_all,
    "names_deny": _names_deny,
    "names_logs": _names_logs,
    "narrows_selectors": _narrows_selectors,
    "nothing_asked": _nothing_asked,
    "passes_profile": _passes_profile,
    "passes_role": _passes_role,
    "sets_user_data": _sets_user_data,
    "task_policy": _always,
}
