"""When enough happened for the alerts of thresholds, asked of the events."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from enricher.alerts.alert import window_of
from enricher.alerts.clauses import all_of, any_of, between, of_group, one_of
from enricher.alerts.ports import Fault, Grouping
from enricher.alerts.thresholds import Instant, bursts
from enricher.cloudtrail.times import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from enricher.alerts.alert import Key
    from enricher.alerts.clauses import Query
    from enricher.alerts.ports import Bucket, Matching
    from enricher.alerts.rules import Rule, Threshold
    from enricher.alerts.thresholds import Span

    _Values = tuple[str | None, ...]
    _Totals = Mapping[tuple[_Values, datetime], int]

_EXACTLY = 50  # of one question, each with clauses of its own
_ROUGHLY = 10_000


def by_rule(
    keys: Iterable[Key], rules: Mapping[str, Rule], most: int
) -> Iterator[tuple[Rule, list[Key]]]:
    """Give the alerts of each rule, as many at once as one question is to hold."""
    found: dict[str, list[Key]] = {}
    for key in keys:
        found.setdefault(key.rule_id, []).append(key)
    for rule_id, part in found.items():
        for start in range(0, len(part), most):
            yield rules[rule_id], part[start : start + most]


def spans_of(
    keys: Sequence[Key], rules: Mapping[str, Rule], matching: Matching
) -> tuple[dict[Key, list[Span]], dict[str, str]]:
    """Say when enough happened, of each alert of a threshold.

    Returns:
        The spans of each alert, of those whose rules could be asked; and by id of a rule, why it
        could not.
    """
    faults: dict[str, str] = {}
    likely = _likely(keys, rules, matching, faults)
    spans: dict[Key, list[Span]] = {key: [] for key in keys}
    asked = list(by_rule(likely, rules, _EXACTLY))
    answers = matching.groups(
        [_counting(rule, any_of(_span(key, rule) for key in part), SECOND) for rule, part in asked]
    )
    for (rule, part), answer in zip(asked, answers, strict=True):
        if isinstance(answer, Fault):
            faults[rule.id] = answer.reason
            continue
        instants = _instants(answer, len(rule.group_by))
        for key in part:
            begin, end = _reach(key, rule)
            near = (one for one in instants.get(key.values, ()) if one.at >= begin)
            spans[key] = bursts(near, _threshold(rule), key.start, end)
    return {key: some for key, some in spans.items() if key.rule_id not in faults}, faults


def _likely(
    keys: Sequence[Key], rules: Mapping[str, Rule], matching: Matching, faults: dict[str, str]
) -> list[Key]:
    """Leave out where less than enough happened in all, which is nearly everywhere.

    One cheap question of each rule, by windows, tells; second by second is asked of the rest only.
    """
    asked = [
        (rule, stretch)
        for rule, part in by_rule(keys, rules, _ROUGHLY)
        for stretch in _stretches(part, rule)
    ]
    questions = [_counting(rule, _around(some, rule), rule.window) for rule, some in asked]
    likely: list[Key] = []
    for (rule, stretch), answer in zip(asked, matching.groups(questions), strict=True):
        if isinstance(answer, Fault):
            faults[rule.id] = answer.reason
            continue
        totals = _totals(answer, len(rule.group_by))
        least = _threshold(rule).least
        likely += [key for key in stretch if _most(key, rule, totals) >= least]
    return [key for key in likely if key.rule_id not in faults]


def _threshold(rule: Rule) -> Threshold:
    if rule.threshold is None:
        raise AssertionError("only of rules that have one")
    return rule.threshold


# --- what is asked --------------------------------------------------------------------------------


def _reach(key: Key, rule: Rule) -> tuple[datetime, datetime]:
    """Give the time, from inclusive to exclusive, whose events may count for an alert."""
    return key.start - _threshold(rule).within, key.start + rule.window


def _stretches(keys: Iterable[Key], rule: Rule) -> Iterator[list[Key]]:
    """Give alerts whose times touch together: what lies far from all of them is not asked for."""
    stretch: list[Key] = []
    for key in sorted(keys, key=lambda one: one.start):
        if stretch and _reach(key, rule)[0] > _reach(stretch[-1], rule)[1]:
            yield stretch
            stretch = []
        stretch.append(key)
    if stretch:
        yield stretch


def _around(keys: Sequence[Key], rule: Rule) -> Query:
    """Give the query of the events of some groups, from the first alert to the last."""
    time = between(_reach(keys[0], rule)[0], _reach(keys[-1], rule)[1])
    columns = zip(*(key.values for key in keys), strict=True)
    return all_of(time, *map(one_of, rule.group_by, columns))


def _span(key: Key, rule: Rule) -> Query:
    """Give the query of the events that may count for an alert, and of no others."""
    return all_of(*of_group(rule.group_by, key.values), between(*_reach(key, rule)))


def _counting(rule: Rule, where: Query, window: timedelta) -> Grouping:
    """Ask for events that may count, by the value whose kinds are counted."""
    field = _threshold(rule).field
    by = (*rule.group_by, field) if field else rule.group_by
    return Grouping(query=all_of(rule.query, where), by=by, window=window)


# --- what is answered -----------------------------------------------------------------------------


def _totals(buckets: Iterable[Bucket], grouped: int) -> _Totals:
    """Give how much happened in each window of each group."""
    totals: Counter[tuple[_Values, datetime]] = Counter()
    for one in buckets:
        values, counted = one.values[:grouped], one.values[grouped:]
        if one.start is not None and None not in counted:
            totals[values, one.start] += 1 if counted else one.count
    return totals


def _most(key: Key, rule: Rule, totals: _Totals) -> int:
    """Say how much would count for an alert if all around it happened at once."""
    at, total = window_of(_reach(key, rule)[0], rule.window), 0
    while at <= key.start:
        total += totals.get((key.values, at), 0)
        at += rule.window
    return total


def _instants(
    buckets: Iterable[Bucket], grouped: int
) -> dict[tuple[str | None, ...], list[Instant]]:
    """Give what happened when in each group: the first values are its own, the next is counted."""
    found: dict[tuple[str | None, ...], list[Instant]] = {}
    for one in buckets:
        values, counted = one.values[:grouped], one.values[grouped:]
        if one.start is not None and None not in counted:
            instant = Instant(one.start, counted[0] if counted else None, one.count)
            found.setdefault(values, []).append(instant)
    return {values: sorted(some, key=lambda one: one.at) for values, some in found.items()}
