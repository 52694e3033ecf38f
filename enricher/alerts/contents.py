"""What the events say of alerts: how many, since when, by whom, and where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import msgspec

from enricher.alerts import alert as alerts
from enricher.alerts.clauses import all_of, any_of, between, of_events, of_group, weight
from enricher.alerts.counting import by_rule, spans_of
from enricher.alerts.firstseen import counts, may_fire, scope_of, shown
from enricher.alerts.ports import Fault, Parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from enricher.alerts.alert import Content, Key
    from enricher.alerts.clauses import Query
    from enricher.alerts.ports import AlertStore, Baseline, Matching, Seen, Suppression
    from enricher.alerts.rules import Rule
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
    counted = [key for key in keys if question.rules[key.rule_id].threshold is not None]
    spans, found.faults = spans_of(counted, question.rules, stores.matching)
    asked: list[tuple[list[Key], Parts]] = []
    sound = [key for key in keys if key.rule_id not in found.faults]
    for rule, part in by_rule(sound, question.rules, _PARTS):
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
    group = of_group(rule.group_by, key.values)
    if rule.threshold is not None:
        within = any_of(between(*one, inclusive=True) for one in spans) if spans else None
        return within and all_of(*group, within)
    window = between(key.start, key.start + rule.window)
    if rule.first_seen is None:
        return all_of(*group, window)
    ids = sorted({one.event_id for one in firsts})
    return all_of(*group, window, of_events(ids)) if ids else None


def _firsts(keys: Sequence[Key], question: Question, stores: Stores) -> dict[Key, list[Seen]]:
    """Give what was first seen with each alert of a first-seen rule, as far as it fires."""
    firsts = [key for key in keys if question.rules[key.rule_id].first_seen is not None]
    scopes = {key.rule_id: scope_of(question.rules[key.rule_id]) for key in firsts}
    unknown = [scope for rule_id, scope in scopes.items() if rule_id not in question.beginnings]
    known = stores.baseline.beginnings(unknown)
    beginnings = {
        rule_id: question.beginnings.get(rule_id, known.get(scope))
        for rule_id, scope in scopes.items()
    }
    # While a rule learns, whatever it sees only teaches it.
    firing = [
        key for key in firsts if may_fire(key, question.rules[key.rule_id], beginnings[key.rule_id])
    ]
    seen: dict[str, list[Seen]] = {}
    for one in stores.baseline.of_keys([*scopes.values()], [key.digest for key in firing]):
        seen.setdefault(one.key, []).append(one)
    found: dict[Key, list[Seen]] = {}
    for key in firing:
        rule, beginning = question.rules[key.rule_id], beginnings[key.rule_id]
        if fired := counts(seen.get(key.digest, ()), rule, beginning):
            found[key] = fired
    return found
