"""An alert as an OCSF Detection Finding (class 2004), with the profile Cloud.

References:
    - OCSF schema 1.3.0, "Detection Finding", "Finding Information", "Evidence Artifacts",
      "Resource Details"; nothing is written that later versions, up to 1.8.0, do not take.
    - MITRE ATT&CK, Enterprise tactics.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

import enricher
from enricher.alerts.alert import Status, What
from enricher.alerts.shown import notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from enricher.alerts.alert import Alert
    from enricher.alerts.shown import AlertFacts, AlertOrigin, Notice

Json = dict[str, Any]

VERSION = "1.3.0"
_CATEGORY, _CLASS = 2, 2004
_CREATE, _UPDATE, _OTHER = 1, 2, 99
_SEVERITIES = {"informational": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
_CONFIDENCES = {"none": 0, "weak": 1, "moderate": 2, "strong": 3, "exact": 3}
_CONFIDENCE_NAMES = {0: "Unknown", 1: "Low", 2: "Medium", 3: "High"}
_STATUSES = {Status.OPEN: (1, "New"), Status.ACKNOWLEDGED: (2, "In Progress")}
_RESOLVED = (4, "Resolved")
_RULE = 1  # type of analytic
_AWS_ACCOUNT = 10  # type of account
_USER_TYPES = {"root": (2, "Admin"), "aws_service": (3, "System")}
_USER = (1, "User")
_TACTICS = {
    "reconnaissance": ("TA0043", "Reconnaissance"),
    "resource-development": ("TA0042", "Resource Development"),
    "initial-access": ("TA0001", "Initial Access"),
    "execution": ("TA0002", "Execution"),
    "persistence": ("TA0003", "Persistence"),
    "privilege-escalation": ("TA0004", "Privilege Escalation"),
    "defense-evasion": ("TA0005", "Defense Evasion"),
    "stealth": ("TA0005", "Stealth"),
    "defense-impairment": ("TA0112", "Defense Impairment"),
    "credential-access": ("TA0006", "Credential Access"),
    "discovery": ("TA0007", "Discovery"),
    "lateral-movement": ("TA0008", "Lateral Movement"),
    "collection": ("TA0009", "Collection"),
    "command-and-control": ("TA0011", "Command and Control"),
    "exfiltration": ("TA0010", "Exfiltration"),
    "impact": ("TA0040", "Impact"),
}
# What OCSF has no words for: how sure an origin is and by which rule of evidence, the group.
_UNMAPPED = {"origin", "group", "window", "origins", "first_seen", "revision"}
_TECHNIQUE = re.compile(r"t\d{4}(\.\d{3})?")


def detection_finding(alert: Alert) -> Json:
    """Give an alert as OCSF has it."""
    told = notice(alert)
    facts = told.alert
    activity, activity_name = _activity(told.what)
    status_id, status = _STATUSES.get(facts.status, _RESOLVED)
    confidence_id = _CONFIDENCES.get(facts.origin.confidence or "none", 0)
    return {
        "activity_id": activity,
        "activity_name": activity_name,
        "category_uid": _CATEGORY,
        "category_name": "Findings",
        "class_uid": _CLASS,
        "class_name": "Detection Finding",
        "type_uid": _CLASS * 100 + activity,
        "type_name": f"Detection Finding: {activity_name}",
        "time": _epoch(facts.updated_at),
        "start_time": _epoch(facts.first_at),
        "end_time": _epoch(facts.last_at),
        "count": facts.count,
        "message": _message(facts),
        "severity_id": _SEVERITIES.get(facts.severity, 0),
        "severity": facts.severity.capitalize(),
        "status_id": status_id,
        "status": status,
        "confidence_id": confidence_id,
        "confidence": _CONFIDENCE_NAMES[confidence_id],
        "metadata": _metadata(told),
        "cloud": _cloud(facts),
        "finding_info": _finding_info(told),
        "evidences": [_evidence(facts)],
        "resources": [{"uid": one, "cloud_partition": _partition(one)} for one in facts.targets],
        "observables": list(_observables(facts)),
        "unmapped": facts.model_dump(mode="json", exclude_none=True, include=_UNMAPPED),
        **({"remediation": {"desc": "\n".join(steps)}} if (steps := facts.rule.next_steps) else {}),
    }


def _activity(what: What) -> tuple[int, str]:
    return (_CREATE, "Create") if what is What.OPENED else (_UPDATE, "Update")


def _epoch(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _message(facts: AlertFacts) -> str:
    who = facts.origin.name or facts.origin.arn or facts.origin.id or "unknown origin"
    return f"{facts.rule.title}: {who}"


def _metadata(told: Notice) -> Json:
    return {
        "version": VERSION,
        "uid": told.key,
        "profiles": ["cloud"],
        "log_name": "AWS CloudTrail",
        "product": {
            "name": "enricher",
            "vendor_name": "enricher",
            "version": enricher.__version__,
        },
        "event_code": told.what.value,
        "logged_time": _epoch(told.alert.updated_at),
    }


def _cloud(facts: AlertFacts) -> Json:
    cloud: Json = {"provider": "AWS"}
    if facts.accounts:
        cloud["account"] = _account(facts.accounts[0])
    if facts.regions:
        cloud["region"] = facts.regions[0]
    return cloud


def _account(account_id: str, name: str | None = None) -> Json:
    named = {"name": name} if name else {}
    return {"uid": account_id, **named, "type_id": _AWS_ACCOUNT, "type": "AWS Account"}


def _finding_info(told: Notice) -> Json:
    facts = told.alert
    return {
        "uid": facts.id,
        "title": facts.rule.title,
        "desc": _message(facts),
        "created_time": _epoch(facts.opened_at),
        "modified_time": _epoch(facts.updated_at),
        "first_seen_time": _epoch(facts.first_at),
        "last_seen_time": _epoch(facts.last_at),
        "data_sources": ["AWS CloudTrail"],
        "types": list(facts.rule.tags),
        "analytic": {
            "uid": facts.rule.id,
            "name": facts.rule.title,
            "version": facts.rule.version,
            "type_id": _RULE,
            "type": "Rule",
        },
        "attacks": attacks(facts.rule.tags),
        "related_events": [{"uid": one} for one in facts.event_ids],
    }


def attacks(tags: Sequence[str]) -> list[Json]:
    """Read Sigma's ATT&CK tags, e.g. ``attack.t1078.004`` or ``attack.initial-access``.

    Sigma does not say which tactic a technique serves, so each stands alone.
    """
    found: list[Json] = []
    for tag in tags:
        space, _, name = tag.lower().partition(".")
        if space != "attack":
            continue
        tactic = _TACTICS.get(name.replace("_", "-"))
        if tactic is not None:
            found.append({"tactic": {"uid": tactic[0], "name": tactic[1]}})
        elif _TECHNIQUE.fullmatch(name):
            uid = name.upper()
            found.append({"technique": {"uid": uid.partition(".")[0]}})
            if "." in uid:
                found[-1]["sub_technique"] = {"uid": uid}
    return found


def _evidence(facts: AlertFacts) -> Json:
    evidence: Json = {
        "actor": _actor(facts),
        "data": {
            "event_ids": list(facts.event_ids),
            "actions": list(facts.actions),
            "accounts": list(facts.accounts),
            "regions": list(facts.regions),
            "sources": list(facts.sources),
        },
    }
    if facts.actions:
        service, _, operation = facts.actions[0].rpartition(":")
        evidence["api"] = {
            "operation": operation,
            **({"service": {"name": service}} if service else {}),
        }
    if facts.sources:
        source = facts.sources[0]
        evidence["src_endpoint"] = {"ip": source} if _is_address(source) else {"name": source}
    return evidence


def _actor(facts: AlertFacts) -> Json:
    actor: Json = {"user": _user(facts.origin)}
    if facts.session.root_id:
        actor["session"] = {"uid": facts.session.root_id}
    if facts.origin.identity_provider:
        actor["idp"] = {"name": facts.origin.identity_provider}
    return actor


def _user(origin: AlertOrigin) -> Json:
    type_id, kind = _USER_TYPES.get(origin.kind or "", _USER if origin.human else (99, "Other"))
    user: Json = {"name": origin.name or origin.arn or origin.id or "unknown", "type_id": type_id}
    user["type"] = origin.kind or kind if type_id == _OTHER else kind
    if uid := origin.arn or origin.id:
        user["uid"] = uid
    if origin.arn and origin.id:
        user["uid_alt"] = origin.id
    if origin.account_id:
        user["account"] = _account(origin.account_id, origin.account_name)
    return user


def _observables(facts: AlertFacts) -> Iterable[Json]:
    yield from _observable("evidences[].src_endpoint.ip", 2, "IP Address", _addresses(facts))
    if facts.origin.name:
        yield from _observable("evidences[].actor.user.name", 4, "User Name", [facts.origin.name])
    yield from _observable("resources[].uid", 10, "Resource UID", facts.targets)


def _observable(name: str, type_id: int, kind: str, values: Iterable[str]) -> Iterator[Json]:
    for value in values:
        yield {"name": name, "type_id": type_id, "type": kind, "value": value}


def _addresses(facts: AlertFacts) -> list[str]:
    return [one for one in facts.sources[:1] if _is_address(one)]


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _partition(arn: str) -> str:
    parts = arn.split(":")
    return parts[1] if len(parts) > 2 and parts[0] == "arn" and parts[1] else "aws"  # noqa: PLR2004
