"""What the events say of alerts: which they hold, and when enough of them happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import msgspec

from enricher.alerts import alert as alerts
from enricher.alerts.clauses import all_of, any_of, between, of_events, same, weight
from enricher.alerts.firstseen import counts, scope_of, shown
from enricher.alerts.ports import Fault, Grouping, Parts
from enricher.alerts.thresholds import Instant, bursts
from enricher.cloudtrail.times import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from enricher.alerts.alert import Content, Key
    from enricher.alerts.clauses import Query
    from enricher.alerts.ports import AlertStore, Baseline, Bucket, Matching, Seen, Suppression
    from enricher.alerts.rules import Rule, Threshold
    from enricher.alerts.thresholds import Span

_PARTS = 50  # of one question
_CLAUSES = 400


class Stores(Protocol):
    """Where events, alerts and what was seen before are."""

    @property
    def matching(self) -> Matching:
        """The events."""
        ...

    @property
    def alerts(self) -> AlertStore:
        """The alerts."""
        ...

    @property
    def baseline(self) -> Baseline:
        """What was seen before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What alerts are judged by.

    Attributes:
        rules: Rules by id.
        beginnings: When each first-seen rule that ran began.
        heirs: Who has the event of a first-seen alert by now, by digest of its key.
    """

    rules: Mapping[str, Rule]
    beginnings: Mapping[str, datetime | None]
    suppressions: Sequence[Suppression]
    heirs: Mapping[str, Key]
    now: datetime


@dataclass(slots=True)
class Found:
    """What the events say of some alerts."""

    contents: dict[Key, Content | None] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


def look(keys: Sequence[Key], question: Question, stores: Stores) -> Found:
    """Ask what is in alerts now; a rule that fails at it is named with the reason."""
    found = Found()
    firsts = _firsts(keys, question, stores)
    spans = _spans(keys, question, stores, found)
    asked: list[tuple[list[Key], Parts]] = []
    for rule, part in _by_rule(keys, question, found):
        parts = {
            key: query
            for key in part
            if (query := _part(key, rule, firsts.get(key, []), spans.get(key, []))) is not None
        }
        found.contents |= dict.fromkeys(key for key in part if key not in parts)
        asked += [([*some], Parts(rule.query, (*some.values(),))) for some in _bounded(parts)]
    answers = stores.matching.contents([one for _, one in asked])
    for (part, _), answer in zip(asked, answers, strict=True):
        rule_id = part[0].rule_id
        if isinstance(answer, Fault):
            found.faults[rule_id] = answer.reason
            continue
        rule = question.rules[rule_id]
        for key, content in zip(part, answer, strict=True):
            new = tuple(shown(one, rule) for one in firsts.get(key, [])[: alerts.MOST_EVENT_IDS])
            found.contents[key] = content and msgspec.structs.replace(content, first_seen=new)
    return found


def _by_rule(
    keys: Iterable[Key], question: Question, found: Found
) -> Iterator[tuple[Rule, list[Key]]]:
    """Give the alerts of each rule that did not fail, as many at once as one question holds."""
    by_rule: dict[str, list[Key]] = {}
    for key in keys:
        by_rule.setdefault(key.rule_id, []).append(key)
    for rule_id, part in by_rule.items():
        if rule_id not in found.faults:
            for start in range(0, len(part), _PARTS):
                yield question.rules[rule_id], part[start : start + _PARTS]


def _bounded(parts: Mapping[Key, Query]) -> Iterator[dict[Key, Query]]:
    """Give as many parts at once as a cluster takes in one query; it has 1,024 for all of it."""
    some: dict[Key, Query] = {}
    clauses = 0
    for key, query in parts.items():
        if some and clauses + weight(query) > _CLAUSES:
            yield some
            some, clauses = {}, 0
        some[key] = query
        clauses += weight(query)
    if some:
        yield some


def _part(key: Key, rule: Rule, firsts: Sequence[Seen], spans: Sequence[Span]) -> Query | None:
    """Tell the events of an alert from others of its rule; None where there are none."""
    if rule.threshold is not None:
        within = any_of(between(*one, inclusive=True) for one in spans) if spans else None
        return within and all_of(*_of_group(key, rule), within)
    window = between(key.start, key.start + rule.window)
    if rule.first_seen is None:
        return all_of(*_of_group(key, rule), window)
    ids = sorted({one.event_id for one in firsts})
    return all_of(*_of_group(key, rule), window, of_events(ids)) if ids else None


def _of_group(key: Key, rule: Rule) -> Iterator[Query]:
    for name, value in zip(rule.group_by, key.values, strict=True):
        yield same(name, value)


def _firsts(keys: Sequence[Key], question: Question, stores: Stores) -> dict[Key, list[Seen]]:
    """Give what was first seen with each alert of a first-seen rule, as far as it fires."""
    firsts = [key for key in keys if question.rules[key.rule_id].first_seen is not None]
    scopes = {key.rule_id: scope_of(question.rules[key.rule_id]) for key in firsts}
    unknown = [scope for rule_id, scope in scopes.items() if rule_id not in question.beginnings]
    known = stores.baseline.beginnings(unknown)
    seen: dict[str, list[Seen]] = {}
    for one in stores.baseline.of_keys([*scopes.values()], [key.digest for key in firsts]):
        seen.setdefault(one.key, []).append(one)
    found: dict[Key, list[Seen]] = {}
    for key in firsts:
        rule, scope = question.rules[key.rule_id], scopes[key.rule_id]
        beginning = question.beginnings.get(key.rule_id, known.get(scope))
        if fired := counts(seen.get(key.digest, ()), rule, beginning):
            found[key] = fired
    return found


def _spans(
    keys: Sequence[Key], question: Question, stores: Stores, found: Found
) -> dict[Key, list[Span]]:
    """Give when enough happened, of each alert of a threshold."""
    counted = [key for key in keys if question.rules[key.rule_id].threshold is not None]
    asked = [
        (rule, rule.threshold, part)
        for rule, part in _by_rule(counted, question, found)
        if rule.threshold is not None
    ]
    spans: dict[Key, list[Span]] = {}
    # Second by second is asked only where there is enough in all: few of the groups.
    answers = stores.matching.groups([_counting(*one, window=one[0].window) for one in asked])
    likely: list[tuple[Rule, Threshold, list[Key]]] = []
    for (rule, threshold, part), answer in zip(asked, answers, strict=True):
        if isinstance(answer, Fault):
            found.faults[rule.id] = answer.reason
            continue
        enough = _enough(answer, threshold, len(rule.group_by))
        spans |= {key: [] for key in part if key.values not in enough}
        if kept := [key for key in part if key.values in enough]:
            likely.append((rule, threshold, kept))
    answers = stores.matching.groups([_counting(*one, window=SECOND) for one in likely])
    for (rule, threshold, part), answer in zip(likely, answers, strict=True):
        if isinstance(answer, Fault):
            found.faults[rule.id] = answer.reason
            continue
        instants = _instants(answer, len(rule.group_by))
        for key in part:
            begin, end = key.start - threshold.within, key.start + rule.window
            near = (one for one in instants.get(key.values, ()) if one.at >= begin)
            spans[key] = bursts(near, threshold, key.start, end)
    return spans


def _counting(
    rule: Rule, threshold: Threshold, keys: Sequence[Key], *, window: timedelta
) -> Grouping:
    """Ask for the events that may count, by the value whose kinds are counted."""
    spans = (
        all_of(
            *_of_group(key, rule), between(key.start - threshold.within, key.start + rule.window)
        )
        for key in keys
    )
    return Grouping(
        query=all_of(rule.query, any_of(spans)),
        by=(*rule.group_by, *((threshold.field,) if threshold.field else ())),
        window=window,
    )


def _enough(
    buckets: Iterable[Bucket], threshold: Threshold, grouped: int
) -> set[tuple[str | None, ...]]:
    """Give the groups that would reach a threshold if everything happened at once."""
    totals: Counter[tuple[str | None, ...]] = Counter()
    for one in buckets:
        values, counted = one.values[:grouped], one.values[grouped:]
        if None not in counted:
            totals[values] += 1 if counted else one.count
    return {values for values, total in totals.items() if total >= threshold.least}


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
