"""Rules for those who judge with OpenSearch's own plug-ins: Alerting, or Security Analytics.

What those cannot judge is refused, with the reason.

References:
    - OpenSearch documentation, "Alerting API": "Create a bucket-level monitor".
    - OpenSearch documentation, "Rule APIs" of Security Analytics; the modifiers that it knows are
      those of its ``SigmaModifierFacade``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import yaml

from enricher.alerts.clauses import all_of, exists
from enricher.alerts.errors import RuleError
from enricher.cloudtrail import codec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from enricher.alerts.clauses import Query
    from enricher.alerts.rules import Rule, Threshold

Json = dict[str, Any]

EVENTS = "cloudtrail-events-*"
ORIGIN_ARN = "enriched.origin.arn"
BUCKETS = "origins"
_AT = "enriched.at"
_EVERY_MINUTES = 5
_VALUES = "values"
_EXACT_UP_TO = 40_000  # the most that a cardinality is told to count exactly
_TEMPLATE = "{{"
_SEVERITIES = {"critical": "1", "high": "2", "medium": "3", "low": "4", "informational": "5"}
_MODIFIERS = frozenset(
    {
        *("contains", "startswith", "endswith", "all", "re", "cidr"),
        *("base64", "base64offset", "wide", "windash", "lt", "lte", "gt", "gte"),
    }
)
_LEVELS = frozenset(_SEVERITIES)
_STATUSES = frozenset({"unsupported", "deprecated", "experimental", "test", "stable"})
_KEYS = ("title", "id", "description", "references", "tags", "logsource", "detection")
_FIRST_SEEN = "what was seen before is state, which a monitor or detector has not"


class ExportFormat(StrEnum):
    """For which plug-in."""

    ALERTING_MONITORS = "alerting-monitors"
    SECURITY_ANALYTICS = "security-analytics"


@dataclass(frozen=True, slots=True)
class NotExported:
    """A rule that a plug-in cannot judge, and why."""

    rule: Rule
    reason: str


def exported(
    rule: Rule, source: str, form: ExportFormat, indices: str = EVENTS
) -> list[Json] | NotExported:
    """Give what a plug-in's API takes for a rule: bodies of requests.

    Args:
        rule: The rule.
        source: The text of its file.
        form: For which plug-in.
        indices: Where the events are.
    """
    try:
        match form:
            case ExportFormat.ALERTING_MONITORS:
                return list(_monitors(rule, indices))
            case ExportFormat.SECURITY_ANALYTICS:
                return [_detector_rule(rule, source)]
    except RuleError as err:
        return NotExported(rule, str(err))


# --- Alerting -------------------------------------------------------------------------------------


def _monitors(rule: Rule, indices: str) -> Iterator[Json]:
    """Give a monitor by origin, and one for the events whose origin has no ARN.

    A bucket is made of values that are there: events of unknown origins would be in none.
    """
    if rule.first_seen is not None:
        raise RuleError(_FIRST_SEEN)
    if _TEMPLATE in codec.dumps(rule.query).decode():
        raise RuleError("its query holds {{, which a monitor would take for a template")
    yield _monitor(rule, rule.title, _by_origin(rule, indices), _buckets_trigger(rule))
    if rule.threshold is None:
        name = f"{rule.title} (origin without ARN)"
        yield _monitor(rule, name, _without_origin(rule, indices), _query_trigger(rule))


def _monitor(rule: Rule, name: str, search: Json, trigger: Json) -> Json:
    (kind,) = trigger
    return {
        "type": "monitor",
        "name": name,
        "monitor_type": kind.replace("_trigger", "_monitor"),
        "enabled": True,
        "schedule": {"period": {"interval": _every(rule), "unit": "MINUTES"}},
        "inputs": [{"search": search}],
        "triggers": [trigger],
        "ui_metadata": {"enricher": {"rule": rule.id, "version": rule.version}},
    }


def _every(rule: Rule) -> int:
    """Say how often a monitor runs: a threshold's span is looked at twice in its time."""
    if rule.threshold is None:
        return _EVERY_MINUTES
    return max(1, min(_EVERY_MINUTES, _minutes(rule.threshold.within) // 2))


def _minutes(span: timedelta) -> int:
    return max(1, -(-int(span.total_seconds()) // 60))


def _search(rule: Rule, indices: str, aggregations: Json, *more: Query) -> Json:
    span = _minutes(rule.threshold.within) if rule.threshold else _EVERY_MINUTES
    period = {
        "range": {
            # When it was enriched, so that what late evidence changed is looked at again.
            _AT: {
                "gt": f"{{{{period_end}}}}||-{span}m",
                "lte": "{{period_end}}",
                "format": "epoch_millis",
            }
        }
    }
    query = all_of(period, rule.query, *more)
    return {
        "indices": [indices],
        "query": {"size": 0, "query": query, "aggregations": aggregations},
    }


def _by_origin(rule: Rule, indices: str) -> Json:
    fields = [ORIGIN_ARN] if rule.threshold is None else _grouped(rule)
    sources = [{field: {"terms": {"field": field}}} for field in fields]
    buckets: Json = {"composite": {"size": 1_000, "sources": sources}}
    if rule.threshold is not None and rule.threshold.field is not None:
        counted = {"field": rule.threshold.field, "precision_threshold": _EXACT_UP_TO}
        buckets["aggregations"] = {_VALUES: {"cardinality": counted}}
    return _search(rule, indices, {BUCKETS: buckets})


def _grouped(rule: Rule) -> list[str]:
    """Give the fields of a threshold's buckets; by its origin's ARN where it has none."""
    return list(rule.group_by) or [ORIGIN_ARN]


def _without_origin(rule: Rule, indices: str) -> Json:
    return _search(rule, indices, {}, {"bool": {"must_not": [exists(ORIGIN_ARN)]}})


def _buckets_trigger(rule: Rule) -> Json:
    path, least = _condition(rule.threshold)
    return {
        "bucket_level_trigger": {
            **_trigger(rule),
            "condition": {
                "buckets_path": {path: path},
                "parent_bucket_path": BUCKETS,
                "script": {"source": f"params.{path} >= {least}", "lang": "painless"},
                "gap_policy": "skip",
            },
        }
    }


def _condition(threshold: Threshold | None) -> tuple[str, int]:
    if threshold is None:
        return "_count", 1
    return (_VALUES if threshold.field else "_count"), threshold.least


def _query_trigger(rule: Rule) -> Json:
    source = "ctx.results[0].hits.total.value > 0"
    condition = {"script": {"source": source, "lang": "painless"}}
    return {"query_level_trigger": {**_trigger(rule), "condition": condition}}


def _trigger(rule: Rule) -> Json:
    return {"name": rule.title, "severity": _SEVERITIES.get(rule.level, "3"), "actions": []}


# --- Security Analytics ---------------------------------------------------------------------------


def _detector_rule(rule: Rule, source: str) -> Json:
    """Give a rule as ``POST /_plugins/_security_analytics/rules?category=cloudtrail`` takes it."""
    if rule.first_seen is not None:
        raise RuleError(_FIRST_SEEN)
    if rule.threshold is not None:
        raise RuleError("its rules are of one event each: correlations are another thing there")
    document = _document(rule, source)
    unknown = sorted(set(_modifiers(document["detection"])) - _MODIFIERS)
    if unknown:
        raise RuleError(f"it does not know the modifiers {', '.join(unknown)}")
    chosen = {name: document[name] for name in _KEYS if name in document}
    chosen |= {
        "description": str(document.get("description", rule.title)),
        "author": str(document.get("author", "enricher")),
        "status": rule.status if rule.status in _STATUSES else "experimental",
        "level": rule.level if rule.level in _LEVELS else "medium",
        "falsepositives": list(rule.false_positives),
    }
    if "date" in document:
        chosen["date"] = str(document["date"]).replace("-", "/")
    text = yaml.safe_dump(chosen, sort_keys=False, allow_unicode=True)
    return {"id": rule.id, "category": "cloudtrail", "rule": text}


def _document(rule: Rule, source: str) -> Json:
    for one in yaml.safe_load_all(source):
        if isinstance(one, dict) and str(one.get("id")) == rule.id and "detection" in one:
            return one
    raise RuleError("its file is not what was installed: install it again")


def _modifiers(detection: object) -> Iterator[str]:
    """Give every modifier behind a field's name, e.g. ``exists`` of ``errorCode|exists``."""
    if isinstance(detection, dict):
        for name, value in detection.items():
            yield from str(name).split("|")[1:]
            yield from _modifiers(value)
    elif isinstance(detection, list):
        for one in detection:
            yield from _modifiers(one)
