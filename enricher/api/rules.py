"""Alert rules: which there are, and what they would find."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path

from enricher.alerts.alert import Alert
from enricher.alerts.answers import (
    MOST_TESTED,
    RefusedRecord,
    Rules,
    RuleState,
    RuleTested,
    RuleTrial,
)
from enricher.alerts.backtest import BEGINNING, backtest
from enricher.alerts.clauses import all_of
from enricher.alerts.errors import UnknownRuleError
from enricher.alerts.rules import Rule
from enricher.alerts.shown import facts
from enricher.api.access import needs_read
from enricher.api.enrichment import RECORD, content_of
from enricher.api.parameters import Services
from enricher.api.problems import documented
from enricher.bootstrap import Container
from enricher.cloudtrail import codec
from enricher.cloudtrail.record import Record
from enricher.cloudtrail.times import format_time
from enricher.pipeline.ondemand import enrich_now
from enricher.stores import templates
from enricher.stores.opensearch_scratch import scratch_index

router = APIRouter(
    prefix="/v1/rules",
    tags=["rules"],
    dependencies=[Depends(needs_read)],
    responses=documented(401, 403, 404, 422, 429, 503),
)

RuleId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=64,
        description="A rule's id.",
        examples=["0c9d2ba5-9ef5-4a52-93d3-0b8b2b1f7a8e"],
    ),
]
_Found = tuple[list[Alert], dict[str, str]]


@router.get("", operation_id="listRules", summary="Installed rules, and how they do")
def list_rules(services: Services) -> Rules:
    """Give rules by title, with what is wrong with them, and how far all are evaluated."""
    progress = services.progress.read()
    return Rules(
        rules=tuple(RuleState.model_validate(one) for one in services.rules.rules()),
        judged_until=progress.cursor if progress else None,
    )


@router.post(
    "/{rule_id}/test",
    operation_id="testRule",
    summary="Which alerts a rule would raise",
    responses=documented(400, 413),
)
def test_rule(
    rule_id: RuleId,
    trial: Annotated[
        RuleTrial,
        Body(
            openapi_examples={
                "records": {"value": {"records": [RECORD]}},
                "time": {"value": {"start": "2026-03-02T00:00:00Z", "end": "2026-03-03T00:00:00Z"}},
            }
        ),
    ],
    services: Services,
) -> RuleTested:
    """Try an installed rule on records, or on what is indexed of a time; nothing is kept.

    A first-seen rule learns from everything that is indexed, or from the records alone.
    """
    stored = services.rules.rule(rule_id)
    if stored is None:
        raise UnknownRuleError("there is no rule of this id")
    rule = services.evaluating.compiler.rule(stored)
    refused: tuple[RefusedRecord, ...] = ()
    if trial.records is None:
        alerts, errors = _of_time(rule, trial, services)
    else:
        (alerts, errors), refused = _of_records(rule, trial.records, services)
    return RuleTested(
        rule_id=rule.id,
        alerts=tuple(facts(one) for one in alerts[:MOST_TESTED]),
        complete=len(alerts) <= MOST_TESTED,
        refused=refused,
        error=errors.get(rule.id),
    )


def _of_time(rule: Rule, trial: RuleTrial, services: Container) -> _Found:
    if trial.end is not None:
        until = {"range": {"eventTime": {"lte": format_time(trial.end)}}}
        rule = replace(rule, query=all_of(rule.query, until))
    return backtest([rule], trial.start or BEGINNING, services.backtesting())


def _of_records(
    rule: Rule, records: list[dict[str, Any]], services: Container
) -> tuple[_Found, tuple[RefusedRecord, ...]]:
    """Enrich records, and search them in an index of their own, which is deleted afterwards."""
    found = enrich_now(content_of({"Records": records}), services.enriching_now)
    # A record that is sent twice is one event.
    documents = {
        Record(one.event, one.position).document_id: codec.dumps(one.event)
        for one in found
        if one.event is not None
    }
    refused = tuple(
        RefusedRecord(position=one.position, reason=one.refused) for one in found if one.refused
    )
    mappings = templates.with_enrichers(templates.load_mappings(), services.enrichers)
    with scratch_index(services.opensearch, mappings, documents.items()) as index:
        return backtest([rule], BEGINNING, services.backtesting(index)), refused
