"""Rule files: Sigma as it is, and one key of ours, ``enricher``, for what Sigma does not say.

A file may hold several documents. A Sigma correlation is a threshold over the rules that it names;
those raise no alerts of their own unless it says ``generate: true``.

References:
    - Sigma specification, "Rules" and "Correlations".
    - docs/how-to/alerts.md, "Rules of your own".
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import yaml
from sigma.collection import SigmaCollection
from sigma.correlations import (
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
)
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from enricher.alerts.clauses import any_of
from enricher.alerts.errors import RuleError
from enricher.alerts.query import query_of
from enricher.alerts.rules import FirstSeen, Parsed, Refusal, Rule, Threshold, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigma.rule import SigmaRuleBase

    from enricher.alerts.clauses import Query
    from enricher.alerts.fields import Fields

ORIGIN, ROOT_SESSION = "enriched.origin.id", "enriched.session.root_id"
_KEY = "enricher"
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LONGEST = timedelta(days=366)
_SHORTEST = timedelta(seconds=1)
# What pySigma itself stumbles over where a file is YAML, but no rule.
_PARSER_FAULTS = (TypeError, AttributeError, ValueError, LookupError, NameError, RecursionError)


class _FirstSeenKey(msgspec.Struct, forbid_unknown_fields=True):
    fields: list[str]
    learn: str


class _Extension(msgspec.Struct, forbid_unknown_fields=True):
    """What the key ``enricher`` of a rule may hold."""

    next_steps: list[str] = []
    group_by: list[str] | None = None
    window: str = "1h"
    first_seen: _FirstSeenKey | None = None


def parse_rules(text: str, fields: Fields) -> Parsed:
    """Read the rules of one file; one that cannot be used costs no other.

    Args:
        text: Sigma, as YAML of one document or several.
        fields: What events have.
    """
    try:
        collection: SigmaCollection = SigmaCollection.from_yaml(text, collect_errors=True)
        collection.resolve_rule_references()
    except (SigmaError, yaml.YAMLError) as err:
        return _refused(str(err))
    except _PARSER_FAULTS as err:
        return _refused(f"this is no Sigma rule ({type(err).__name__})")
    version = version_of(text)
    rules: list[Rule] = []
    refusals = [
        Refusal(id=None, title="", reason=str(err))
        for err in collection.errors
        if not any(err in one.errors for one in collection.rules)
    ]
    silent = _counted_only(collection)
    for one in collection.rules:
        if id(one) in silent:
            continue
        try:
            rules.append(_rule(one, version, fields))
        except RuleError as err:
            rule_id = str(one.id) if one.id else None
            refusals.append(Refusal(id=rule_id, title=str(one.title), reason=str(err)))
    if not (rules or refusals):
        return _refused("there is no rule in it")
    return Parsed(rules=tuple(rules), refusals=tuple(refusals))


def span(text: str) -> timedelta:
    """Read a span of time, e.g. ``10m``, ``1h`` or ``7d``.

    Raises:
        RuleError: If it is none, or not between a second and a year.
    """
    match = _SPAN.fullmatch(text)
    found = timedelta(seconds=int(match[1]) * _SECONDS[match[2]]) if match else timedelta()
    if not _SHORTEST <= found <= _LONGEST:
        raise RuleError("a span of time is a number and s, m, h, d or w, a year at most: e.g. 10m")
    return found


def _refused(reason: str) -> Parsed:
    return Parsed(rules=(), refusals=(Refusal(id=None, title="", reason=reason),))


def _counted_only(collection: SigmaCollection) -> set[int]:
    """Find the rules that are there only to be counted."""
    found: set[int] = set()
    for one in collection.rules:
        if isinstance(one, SigmaCorrelationRule) and not one.generate:
            found.update(id(reference.rule) for reference in one.rules or ())
    return found


def _rule(rule: SigmaRuleBase, version: str, fields: Fields) -> Rule:
    if rule.errors:
        raise RuleError("; ".join(str(err) for err in rule.errors))
    if rule.id is None:
        raise RuleError("a rule needs an id: a UUID of its own")
    extension = _extension(rule)
    steps = tuple(extension.next_steps)
    threshold: Threshold | None = None
    if isinstance(rule, SigmaCorrelationRule):
        threshold = _threshold(rule, extension, fields)
        group_by = tuple(rule.group_by or ())
        query = any_of(_detection(one, fields) for one in _counted(rule))
    else:
        group_by = tuple(
            (ORIGIN, ROOT_SESSION) if extension.group_by is None else extension.group_by
        )
        query = _detection(rule, fields)
    for field in group_by:
        _check_grouped(field, fields)
    return Rule(
        id=str(rule.id),
        title=str(rule.title),
        level=rule.level.name.lower() if rule.level else "medium",
        status=rule.status.name.lower() if rule.status else "experimental",
        description=(rule.description or "").strip(),
        tags=tuple(str(tag) for tag in rule.tags),
        references=tuple(str(one) for one in rule.references),
        false_positives=tuple(str(one) for one in rule.falsepositives),
        next_steps=steps,
        version=version,
        query=query,
        group_by=group_by,
        window=span(extension.window),
        first_seen=_first_seen(extension, fields),
        threshold=threshold,
    )


def _extension(rule: SigmaRuleBase) -> _Extension:
    try:
        return msgspec.convert(rule.custom_attributes.get(_KEY, {}), _Extension)
    except msgspec.ValidationError as err:
        raise RuleError(f"the key enricher: {err}") from err


def _detection(rule: SigmaRuleBase, fields: Fields) -> Query:
    if not isinstance(rule, SigmaRule):
        raise RuleError("a correlation of correlations cannot be asked")
    if rule.errors:
        raise RuleError("; ".join(str(err) for err in rule.errors))
    source = rule.logsource
    if (source.product, source.service) != ("aws", "cloudtrail"):
        raise RuleError("its log source is not product aws, service cloudtrail")
    try:
        parsed = [one.parsed for one in rule.detection.parsed_condition]
    except SigmaError as err:
        raise RuleError(str(err)) from err
    return any_of(query_of(one, fields) for one in parsed)


def _counted(rule: SigmaCorrelationRule) -> Iterator[SigmaRuleBase]:
    for reference in rule.rules or ():
        yield reference.rule


def _threshold(rule: SigmaCorrelationRule, extension: _Extension, fields: Fields) -> Threshold:
    kinds = (SigmaCorrelationType.EVENT_COUNT, SigmaCorrelationType.VALUE_COUNT)
    condition = rule.condition
    if rule.type not in kinds or not isinstance(condition, SigmaCorrelationCondition):
        raise RuleError(f"correlations of type {rule.type.name.lower()} cannot be asked")
    if rule.aliases:
        raise RuleError("a correlation's aliases cannot be asked: group by fields of the events")
    if extension.group_by is not None or extension.first_seen is not None:
        raise RuleError("a correlation has its own group-by, and no first_seen")
    least = {
        SigmaCorrelationConditionOperator.GTE: condition.count,
        SigmaCorrelationConditionOperator.GT: condition.count + 1,
    }.get(condition.op)
    if least is None or least < 1:
        raise RuleError("a correlation's condition is gte or gt: that enough happened can be seen")
    field = condition.fieldref if rule.type is SigmaCorrelationType.VALUE_COUNT else None
    if isinstance(field, list):
        raise RuleError("a value_count counts the values of one field")
    if field is not None:
        _check_grouped(field, fields)
    within = timedelta(seconds=rule.timespan.seconds)
    if within > _LONGEST:
        raise RuleError("a correlation's timespan is a year at most")
    return Threshold(least=least, within=within, field=field)


def _first_seen(extension: _Extension, fields: Fields) -> FirstSeen | None:
    chosen = extension.first_seen
    if chosen is None:
        return None
    if not chosen.fields:
        raise RuleError("first_seen needs fields: whose values are to be new")
    for field in chosen.fields:
        _check_grouped(field, fields)
    return FirstSeen(fields=tuple(chosen.fields), learn=span(chosen.learn))


def _check_grouped(field: str, fields: Fields) -> None:
    kind = fields.type_of(field)
    if kind is None:
        raise RuleError(f"events have no field {field}")
    if not fields.can_group(field):
        raise RuleError(f"{field} is of type {kind}: events cannot be grouped by it")
