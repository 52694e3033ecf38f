"""Rule files: what can be expressed, as which query, and why the rest cannot."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from enricher.alerts.parsing import parse_rules
from enricher.alerts.rules import FirstSeen, Threshold
from enricher.stores import templates

if TYPE_CHECKING:
    from enricher.alerts.rules import Rule

FIELDS = templates.event_fields(templates.load_mappings())
ID = "11111111-1111-4111-8111-111111111111"


def rule_text(selection: str, more: str = "", condition: str = "sel") -> str:
    return f"""
title: A rule
id: {ID}
status: test
logsource: {{product: aws, service: cloudtrail}}
detection:
  sel: {selection}
  condition: {condition}
level: high
{more}
"""


def parsed(text: str) -> Rule:
    found = parse_rules(text, FIELDS)
    assert found.refusals == ()
    (rule,) = found.rules
    return rule


def reason(text: str) -> str:
    found = parse_rules(text, FIELDS)
    assert found.rules == ()
    (refusal,) = found.refusals
    return refusal.reason


def cased(kind: str, field: str, value: str) -> dict[str, Any]:
    return {kind: {field: {"value": value, "case_insensitive": True}}}


@pytest.mark.parametrize(
    ("selection", "query"),
    [
        ("{eventName: StopLogging}", cased("term", "eventName", "StopLogging")),
        ("{recipientAccountId: '012345678901'}", {"term": {"recipientAccountId": "012345678901"}}),
        ("{eventName|cased: StopLogging}", {"term": {"eventName": "StopLogging"}}),
        ("{enriched.origin.kind: Root}", {"term": {"enriched.origin.kind": "root"}}),
        ("{enriched.origin.kind|cased: Root}", {"term": {"enriched.origin.kind": "Root"}}),
        (
            "{enriched.action.tags|endswith: CREDENTIALS}",
            cased("wildcard", "enriched.action.tags", "*CREDENTIALS"),
        ),
        ("{enriched.action.tags: Secrets}", {"term": {"enriched.action.tags": "secrets"}}),
        (
            "{enriched.action.tags: 'privileged-task:iamauditrootuser'}",
            cased("term", "enriched.action.tags", "privileged-task:iamauditrootuser"),
        ),
        ("{eventName|contains: 'a*?b'}", cased("wildcard", "eventName", "*a*?b*")),
        (r"{userAgent|contains: 'a\b'}", cased("wildcard", "userAgent", r"*a\\b*")),
        ("{requestParameters.x.y|endswith: Z}", cased("wildcard", "requestParameters.x.y", "*Z")),
        ("{requestParameters.enable: false}", cased("term", "requestParameters.enable", "false")),
        ("{readOnly: 'False'}", {"term": {"readOnly": "false"}}),
        ("{enriched.chain_depth|gte: 3}", {"range": {"enriched.chain_depth": {"gte": 3}}}),
        (
            "{enriched.source.ip|cidr: 10.0.0.0/8}",
            {"term": {"enriched.source.ip": "10.0.0.0/8"}},
        ),
        ("{sourceIPAddress|cidr: 10.0.0.0/8}", cased("wildcard", "sourceIPAddress", "10.*")),
        ("{errorCode: null}", {"bool": {"must_not": [{"exists": {"field": "errorCode"}}]}}),
        ("{errorCode|exists: true}", {"exists": {"field": "errorCode"}}),
        ("{requestParameters.x|contains: '*'}", {"exists": {"field": "requestParameters.x"}}),
        ("{userAgent.text: aws cli}", {"match_phrase": {"userAgent.text": "aws cli"}}),
        (
            "{userIdentity.arn|re: '^arn:.+\"x'}",
            {
                "regexp": {
                    "userIdentity.arn": {
                        "value": '(arn:.+\\"x).*',
                        "flags": "NONE",
                        "case_insensitive": False,
                    }
                }
            },
        ),
    ],
)
def test_a_value_is_asked_by_the_type_of_its_field(selection: str, query: dict[str, Any]) -> None:
    assert parsed(rule_text(selection)).query == query


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        ("{nosuch: a}", "events have no field nosuch"),
        ("{enriched.origin.candidates.id: a}", "events have no field"),
        ("{userIdentity.arn|fieldref: eventName}", "two fields"),
        ("{eventName|expand: '%names%'}", "placeholder"),
        ("[lonely]", "a value without a field"),
        ("{enriched.source.ip: '10.*'}", "takes no wildcards"),
        ("{readOnly: maybe}", "true or false"),
        ("{enriched.chain_depth: many}", "it is a number"),
        ("{eventName|gte: 3}", "it has no order"),
        ("{enriched.chain_depth|cidr: 10.0.0.0/8}", "holds no addresses"),
        ("{eventName|re: 'a(?=b)'}", "look-around"),
        ("{readOnly|re: 'a'}", "takes no regular expressions"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_reason(selection: str, said: str) -> None:
    assert said in reason(rule_text(selection))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "a", "- 1", "a: [", "title: x", "correlation: {}", "title: x\ncorrelation: 3"],
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    assert reason(text)


def test_another_log_source_is_refused() -> None:
    text = rule_text("{eventName: a}").replace("service: cloudtrail", "service: other")
    assert "log source" in reason(text)


def test_a_rule_groups_by_origin_and_root_session_within_an_hour() -> None:
    rule = parsed(rule_text("{eventName: a}"))
    assert rule.group_by == ("enriched.origin.id", "enriched.session.root_id")
    assert rule.window == timedelta(hours=1)
    assert (rule.level, rule.threshold, rule.first_seen) == ("high", None, None)


def test_our_key_says_what_sigma_does_not() -> None:
    more = """
enricher:
  next_steps: [look]
  group_by: [recipientAccountId]
  window: 1d
  first_seen: {fields: [enriched.origin.id, awsRegion], learn: 7d}
"""
    rule = parsed(rule_text("{eventName: a}", more))
    assert rule.next_steps == ("look",)
    assert rule.group_by == ("recipientAccountId",)
    assert rule.window == timedelta(days=1)
    fields = ("enriched.origin.id", "awsRegion")
    assert rule.first_seen == FirstSeen(fields=fields, learn=timedelta(days=7))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("{windows: 1h}", "unknown field"),
        ("{window: 1x}", "a span of time"),
        ("{window: 9999d}", "a year at most"),
        ("{group_by: [requestParameters.x]}", "cannot be grouped"),
        ("{group_by: [nosuch]}", "no field nosuch"),
        ("{first_seen: {fields: [], learn: 1d}}", "needs fields"),
    ],
)
def test_a_fault_in_our_key_is_said(key: str, said: str) -> None:
    assert said in reason(rule_text("{eventName: a}", f"enricher: {key}"))


CORRELATION = """
---
title: Many
id: 22222222-2222-4222-8222-222222222222
status: test
correlation:
  type: value_count
  rules: [base]
  group-by: [enriched.origin.id]
  timespan: 10m
  condition: {gte: 5, field: recipientAccountId}
level: high
"""


def correlated(old: str = "", new: str = "") -> str:
    base = rule_text("{errorCode: AccessDenied}", "name: base")
    return base + CORRELATION.replace(old, new)


def test_a_correlation_is_a_threshold_and_its_base_rule_raises_nothing() -> None:
    rule = parsed(correlated())
    assert rule.threshold == Threshold(
        least=5, within=timedelta(minutes=10), field="recipientAccountId"
    )
    assert rule.group_by == ("enriched.origin.id",)
    assert rule.query == cased("term", "errorCode", "AccessDenied")


def test_a_base_rule_raises_alerts_where_the_correlation_says_generate() -> None:
    found = parse_rules(correlated("correlation:", "correlation:\n  generate: true"), FIELDS)
    assert [rule.title for rule in found.rules] == ["A rule", "Many"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("value_count", "temporal", "temporal cannot be asked"),
        ("{gte: 5,", "{lt: 5,", "gte or gt"),
        ("[enriched.origin.id]", "[requestParameters.a]", "cannot be grouped"),
        ("rules: [base]", "rules: [other]", "other"),
        ("level: high", "enricher: {group_by: [awsRegion]}", "its own group-by"),
    ],
)
def test_correlations_that_cannot_be_asked_are_refused(old: str, new: str, said: str) -> None:
    assert said in reason(correlated(old, new))
