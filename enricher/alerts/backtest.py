"""What rules would have raised: an evaluation of all events, of which nothing is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from enricher.alerts.catalogue import stored_rule
from enricher.alerts.clauses import all_of
from enricher.alerts.evaluate import EvaluateServices, evaluate
from enricher.alerts.ports import News, Wanted
from enricher.cloudtrail.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from enricher.alerts.alert import Alert, Content
    from enricher.alerts.clauses import Query
    from enricher.alerts.ports import (
        AlertStore,
        Baseline,
        Bucket,
        Changed,
        Fault,
        Grouping,
        Matching,
        Parts,
        ProgressStore,
        RuleStore,
        StoredRule,
    )
    from enricher.alerts.rules import Rule

_PAGE = 1_000
BEGINNING = datetime(1970, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestServices:
    """What a backtest needs: the events, and empty stores that nobody else sees."""

    matching: Matching
    alerts: AlertStore
    baseline: Baseline
    rules: RuleStore
    progress: ProgressStore
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class _AtRest:
    """Events as they are now: all are new, none is changed."""

    events: Matching

    def groups(self, questions: Sequence[Grouping]) -> list[list[Bucket] | Fault]:
        return self.events.groups([replace(one, new=None) for one in questions])

    def contents(self, questions: Sequence[Parts]) -> list[list[Content | None] | Fault]:
        return self.events.contents(questions)

    def news(self, marks: Mapping[str, int], since: datetime) -> News:  # noqa: ARG002 - the port's
        return News({"match_all": {}}, marks)

    def changed(self, new: Query) -> Iterator[list[Changed]]:  # noqa: ARG002 - the port's
        return iter(())


@dataclass(frozen=True, slots=True)
class _Made:
    """Rules that need no parsing any more."""

    rules: dict[str, Rule]

    def rule(self, stored: StoredRule) -> Rule:
        return self.rules[stored.id]


def backtest(
    rules: Sequence[Rule], since: datetime, services: BacktestServices
) -> tuple[list[Alert], dict[str, str]]:
    """Give the alerts that rules would have raised by events from an instant on.

    First-seen rules learn from everything that is indexed, older events too.

    Returns:
        The alerts, newest window first, and why rules failed, by id.
    """
    made = {rule.id: _only(rule, since) for rule in rules}
    now = services.now()
    services.rules.save([stored_rule(rule, "", None, format_time(now)) for rule in rules])
    evaluate(
        EvaluateServices(
            matching=_AtRest(services.matching),
            alerts=services.alerts,
            baseline=services.baseline,
            rules=services.rules,
            progress=services.progress,
            compiler=_Made(made),
            now=services.now,
            look_back=now - BEGINNING,
        )
    )
    errors = {one.id: one.error for one in services.rules.rules() if one.error is not None}
    at = format_time(since)
    return [one for one in _all(services.alerts) if one.last_at >= at], errors


def _only(rule: Rule, since: datetime) -> Rule:
    """Let a rule look no further back than it has to."""
    if rule.first_seen is not None:
        return rule
    start = since - rule.threshold.within if rule.threshold else since
    recent = {"range": {"eventTime": {"gte": format_time(start)}}}
    return replace(rule, query=all_of(rule.query, recent))


def _all(store: AlertStore) -> Iterator[Alert]:
    after: str | None = None
    while page := store.find(Wanted(), _PAGE, after):
        yield from page
        after = page[-1].id
