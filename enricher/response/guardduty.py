"""Reads a GuardDuty finding as AWS writes it: its credential, principal, address and time.

References:
    - GuardDuty User Guide, "GuardDuty finding format" and "Processing GuardDuty findings with
      Amazon EventBridge" (the finding is in ``detail``).
    - GuardDuty API reference, "GetFindings": the same with names that begin with a capital, in a
      list ``Findings``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from enricher.cloudtrail.times import parse_time
from enricher.response.errors import QuestionError
from enricher.response.models import Answer

_SOURCE = "aws.guardduty"
_DEEPEST = 20
_MOST_SEVERE = 1_000  # GuardDuty knows 10 at most
# GuardDuty's own samples name nobody.
_OF_SAMPLES = "GeneratedFinding"


class Finding(Answer):
    """What a GuardDuty finding says of who did something."""

    id: str | None = Field(examples=["bbedbdd944d7fa220a8f10fe73276617"])
    """Its id."""
    type: str | None = Field(examples=["Discovery:IAMUser/AnomalousBehavior"])
    """Its type."""
    severity: float | None = Field(examples=[8.0])
    """How bad GuardDuty says it is."""
    title: str | None
    """Its title."""
    account_id: str | None
    """The account it is about."""
    region: str | None
    """The region it was found in."""
    access_key_id: str | None
    """The access key that was used."""
    principal_id: str | None
    """The unique id of who used it, with the session's name where it is a role."""
    user_name: str | None
    """The name of the user or role."""
    user_type: str | None
    """What kind of principal: `IAMUser`, `AssumedRole` …"""
    source_ip: str | None
    """From which address."""
    api: str | None
    """Which call it tells of."""
    first_seen: datetime | None
    """The first time."""
    last_seen: datetime | None
    """The last time."""


def parse_finding(body: object) -> Finding:
    """Read one finding: bare, in EventBridge's envelope, or as GetFindings gives it.

    Raises:
        QuestionError: If it is none, or names neither an access key nor a principal.
    """
    finding = _opened(_lowered(body, 0))
    resource, service = _part(finding, "resource"), _part(finding, "service")
    key = _part(resource, "accessKeyDetails")
    action = _part(service, "action", "awsApiCallAction")
    found = Finding(
        id=_text(finding.get("id")),
        type=_text(finding.get("type")),
        severity=_number(finding.get("severity")),
        title=_text(finding.get("title")),
        account_id=_text(finding.get("accountId")),
        region=_text(finding.get("region")),
        access_key_id=_named(key.get("accessKeyId")),
        principal_id=_named(key.get("principalId")),
        user_name=_named(key.get("userName")),
        user_type=_text(key.get("userType")),
        source_ip=_address(_part(action, "remoteIpDetails")),
        api=_text(action.get("api")),
        first_seen=parse_time(service.get("eventFirstSeen")),
        last_seen=parse_time(service.get("eventLastSeen")),
    )
    if found.access_key_id is None and found.principal_id is None:
        raise QuestionError(
            "the finding names neither an access key nor a principal: ask POST /v1/triage with "
            "what you know"
        )
    return found


def _opened(body: object) -> Mapping[str, Any]:
    """Take a finding out of what it is wrapped in."""
    if isinstance(body, Mapping) and "detail" in body:
        if body.get("source") not in (None, _SOURCE):
            raise QuestionError("the event is not GuardDuty's: its source is not aws.guardduty")
        body = body["detail"]
    if isinstance(body, Mapping) and "findings" in body:
        body = body["findings"]
    if isinstance(body, list):
        if len(body) > 1:
            raise QuestionError("send one finding at a time")
        body = body[0] if body else None
    if isinstance(body, Mapping) and "resource" in body:
        return body
    raise QuestionError("this is no GuardDuty finding: it has no resource")


def _lowered(value: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON value
    """Let every name begin with a small letter, as EventBridge spells it."""
    if depth > _DEEPEST:
        return None  # nothing that is read lies so deep
    if isinstance(value, dict):
        return {
            f"{name[:1].lower()}{name[1:]}": _lowered(child, depth + 1)
            for name, child in value.items()
        }
    if isinstance(value, list):
        return [_lowered(child, depth + 1) for child in value]
    return value


def _part(parent: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        child = parent.get(name)
        parent = child if isinstance(child, Mapping) else {}
    return parent


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _named(value: object) -> str | None:
    found = _text(value)
    return None if found is None or found.startswith(_OF_SAMPLES) else found


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= _MOST_SEVERE else None


def _address(remote: Mapping[str, Any]) -> str | None:
    for name in ("ipAddressV4", "ipAddressV6"):
        try:
            return str(ipaddress.ip_address(str(remote.get(name))))
        except ValueError:
            continue
    return None
