"""What a first-seen rule has seen, and which alerts a run of it touches.

The baseline keeps, for each combination of values, the earliest event that had it. The least of
what was ever seen does not depend on the order in which it was seen; so an event that is delivered
late and is earlier moves the first, and the alerts of both are looked at again.

A rule begins with the earliest event that matches it: what is first seen less than ``learn`` after
that only teaches. Events that lack one of the fields neither teach nor fire.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from enricher.alerts.alert import FirstSeenShown, Grouped, Key, window_of
from enricher.alerts.clauses import all_of, any_of, same, weight
from enricher.alerts.ports import Fault, Grouping, Seen
from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence
    from datetime import datetime

    from enricher.alerts.clauses import Query
    from enricher.alerts.ports import Baseline, Bucket, Matching
    from enricher.alerts.rules import FirstSeen, Rule

_AT_ONCE = 1_000
_CLAUSES = 400  # of one question; a cluster takes 1,024 for all of it
_NEVER = "9998-12-31T23:59:59Z"


@dataclass(slots=True)
class Learned:
    """What a run of a first-seen rule learned.

    Attributes:
        touched: Alerts to look at.
        heirs: Who has the first event by now, by digest of the alerts that had it before.
        known: Time of the first event that the rule had ever seen before this run.
        beginning: The same after it, to be kept when the alerts are written.
    """

    known: datetime | None
    beginning: datetime | None
    touched: set[Key] = field(default_factory=set)
    heirs: dict[str, Key] = field(default_factory=dict)


def scope_of(rule: Rule) -> str:
    """Name what a rule has seen: by what it asks, so that another text alone does not matter."""
    return codec.digest([rule.id, rule.query, first_seen_of(rule).fields])[:32]


def first_seen_of(rule: Rule) -> FirstSeen:
    """Give what makes a rule a first-seen rule."""
    if rule.first_seen is None:
        raise AssertionError("only of rules that have it")
    return rule.first_seen


def learn(
    rules: Sequence[tuple[Rule, Query]],
    changed: Sequence[str],
    matching: Matching,
    baseline: Baseline,
) -> dict[str, Learned | Fault]:
    """Take what is new into the baseline, and say which alerts that touches.

    A rule that has seen nothing yet is taught from all events there are; of those, only what is
    new raises alerts.

    Args:
        rules: The rules, each with the query of what is new to it.
        changed: Ids of the new events that were written again.
        matching: The events.
        baseline: What was seen before.

    Returns:
        By rule id, what it learned, or why it could not.
    """
    scopes = {rule.id: scope_of(rule) for rule, _ in rules}
    known = baseline.beginnings(list(scopes.values()))
    untaught = [rule for rule, _ in rules if scopes[rule.id] not in known]
    new = _news(rules, scopes, known, matching, baseline)
    all_there_is = matching.groups([_question(rule, None) for rule in untaught])
    taught = {rule.id: answer for rule, answer in zip(untaught, all_there_is, strict=True)}
    found: dict[str, Learned | Fault] = {}
    lessons: list[_Lesson] = []
    for (rule, _), fresh in zip(rules, new, strict=True):
        everything = taught.get(rule.id, fresh)
        if isinstance(fresh, Fault):
            found[rule.id] = fresh
        elif isinstance(everything, Fault):
            found[rule.id] = everything
        else:
            scope = scopes[rule.id]
            lesson = _Lesson(rule, scope, known.get(scope))
            lesson.fresh, lesson.everything = lesson.seen(fresh), lesson.seen(everything)
            lessons.append(lesson)
    faults = _repair(lessons, changed, matching, baseline)
    lessons = [one for one in lessons if one.rule.id not in faults]
    entries = _note([one for lesson in lessons for one in lesson.everything.values()], baseline)
    for lesson in lessons:
        # What is new and not the first of its combination changes no alert.
        firsts = (entries[one.id] for one in lesson.fresh.values())
        lesson.touch(one for one in firsts if one.rank >= lesson.fresh[one.id].rank)
        lesson.begin((entries[one] for one in lesson.everything), baseline)
    return found | faults | {one.rule.id: one.learned for one in lessons}


def _news(
    rules: Sequence[tuple[Rule, Query]],
    scopes: Mapping[str, str],
    begun: Container[str],
    matching: Matching,
    baseline: Baseline,
) -> list[list[Bucket] | Fault]:
    """Give the combinations among what is new, with their first events, that can matter.

    Nearly all were seen before, which their times tell; the event itself is asked for only where
    it may be the first of all. A rule that has seen nothing yet is shown everything.
    """
    answers = matching.groups([_question(rule, new, dated=True) for rule, new in rules])
    ids = [
        _id_of(scopes[rule.id], bucket.values)
        for (rule, _), answer in zip(rules, answers, strict=True)
        if not isinstance(answer, Fault) and scopes[rule.id] in begun
        for bucket in answer
    ]
    known = _known(ids, baseline)
    questions: dict[str, Grouping] = {}
    for (rule, new), answer in zip(rules, answers, strict=True):
        if not isinstance(answer, Fault):
            scope = scopes[rule.id]
            first = [one.values for one in answer if _may_be_first(one, scope, known)]
            if first:
                questions[rule.id] = _closer(rule, new, first)
    shown = dict(zip(questions, matching.groups([*questions.values()]), strict=True))
    return [
        answer if isinstance(answer, Fault) else shown.get(rule.id, [])
        for (rule, _), answer in zip(rules, answers, strict=True)
    ]


def _may_be_first(bucket: Bucket, scope: str, known: Mapping[str, Seen]) -> bool:
    """Say whether an event of a combination may be the first of it that was ever seen."""
    if None in bucket.values or bucket.first_at is None:
        return False
    seen = known.get(_id_of(scope, bucket.values))
    return seen is None or format_time(bucket.first_at) <= seen.first_at


@dataclass(slots=True)
class _Lesson:
    """One rule, and what it is to learn in a run.

    Attributes:
        fresh: Combinations of events that are new, by id.
        everything: All combinations to take into the baseline.
    """

    rule: Rule
    scope: str
    known: InitVar[datetime | None]
    fresh: dict[str, Seen] = field(default_factory=dict)
    everything: dict[str, Seen] = field(default_factory=dict)
    learned: Learned = field(init=False)

    def __post_init__(self, known: datetime | None) -> None:
        self.learned = Learned(known=known, beginning=known)

    def seen(self, buckets: Iterable[Bucket]) -> dict[str, Seen]:
        """Give the combinations that were found, by id."""
        found = (self._entry(bucket) for bucket in buckets)
        return {entry.id: entry for entry in found if None not in entry.values}

    def _entry(self, bucket: Bucket) -> Seen:
        rule, first = self.rule, bucket.first
        if first is None:
            raise AssertionError("the question asked for the first event")
        key = Key(rule_id=rule.id, values=first.values, start=window_of(first.at, rule.window))
        return Seen(
            id=_id_of(self.scope, bucket.values),
            scope=self.scope,
            rule_id=rule.id,
            values=bucket.values,
            first_at=format_time(first.at),
            event_id=first.id,
            key=key.digest,
            group=first.values,
        )

    def touch(self, entries: Iterable[Seen]) -> None:
        """Have the alerts of these combinations looked at."""
        for one in entries:
            key = key_of(one, self.rule)
            self.learned.touched.add(key)
            self.learned.heirs |= dict.fromkeys(one.before, key)

    def begin(self, entries: Iterable[Seen], baseline: Baseline) -> None:
        """Find when the rule begins; what only taught while it seemed to begin later fires now."""
        firsts = [_time(one.first_at) for one in entries]
        learned, known = self.learned, self.learned.known
        learned.beginning = min([*firsts, known] if known else firsts, default=None)
        if known and learned.beginning and learned.beginning < known:
            span = first_seen_of(self.rule).learn
            late = baseline.between(self.scope, learned.beginning + span, known + span)
            learned.touched |= {key_of(entry, self.rule) for entry in late}


def may_fire(key: Key, rule: Rule, beginning: datetime | None) -> bool:
    """Say whether the window of an alert ends after the rule has learned."""
    return beginning is not None and key.start + rule.window > _learned_at(rule, beginning)


def counts(entries: Iterable[Seen], rule: Rule, beginning: datetime | None) -> list[Seen]:
    """Give the combinations that fire: those that are first seen when the rule has learned."""
    if beginning is None:
        return []
    learned_at = format_time(_learned_at(rule, beginning))
    return sorted((one for one in entries if one.first_at >= learned_at), key=lambda one: one.rank)


def _learned_at(rule: Rule, beginning: datetime) -> datetime:
    return beginning + first_seen_of(rule).learn


def shown(entry: Seen, rule: Rule) -> FirstSeenShown:
    """Give a combination as its alert shows it."""
    pairs = zip(first_seen_of(rule).fields, entry.values, strict=True)
    return FirstSeenShown(
        values=tuple(Grouped(field=name, value=value) for name, value in pairs),
        at=entry.first_at,
        event_id=entry.event_id,
    )


def key_of(entry: Seen, rule: Rule) -> Key:
    """Give the alert that a combination's first event belongs to."""
    start = window_of(_time(entry.first_at), rule.window)
    return Key(rule_id=rule.id, values=entry.group, start=start)


def _id_of(scope: str, values: Sequence[str | None]) -> str:
    """Name a combination of values that a rule has seen."""
    return codec.digest([scope, values])[:40]


def _question(rule: Rule, new: Query | None, *, dated: bool = False) -> Grouping:
    fields = first_seen_of(rule).fields
    shown = () if dated else rule.group_by
    return Grouping(query=rule.query, by=fields, new=new, shown=shown, dated=dated)


def _closer(rule: Rule, new: Query, combinations: Sequence[Sequence[str | None]]) -> Grouping:
    """Ask for the first events of some combinations, or of all where they are many."""
    question = _question(rule, new)
    each = [all_of(*map(same, first_seen_of(rule).fields, values)) for values in combinations]
    if sum(map(weight, each)) > _CLAUSES:
        return question
    return replace(question, query=all_of(rule.query, any_of(each)))


def _known(ids: Sequence[str], baseline: Baseline) -> dict[str, Seen]:
    found: dict[str, Seen] = {}
    for start in range(0, len(ids), _AT_ONCE):
        found |= baseline.known(ids[start : start + _AT_ONCE])
    return found


def _note(found: Sequence[Seen], baseline: Baseline) -> dict[str, Seen]:
    """Take combinations into the baseline; give them as they are known afterwards."""
    after: dict[str, Seen] = {}
    for start in range(0, len(found), _AT_ONCE):
        part = found[start : start + _AT_ONCE]
        known = baseline.known([entry.id for entry in part])
        merged = {entry.id: _earlier(entry, known.get(entry.id)) for entry in part}
        baseline.note([entry for number, entry in merged.items() if entry != known.get(number)])
        after |= merged
    return after


def _earlier(entry: Seen, known: Seen | None) -> Seen:
    return known if known is not None and known.rank <= entry.rank else _instead(entry, known)


def _instead(entry: Seen, known: Seen | None) -> Seen:
    """Give an entry that takes another's place, and remembers which alert that belonged to."""
    if known is None:
        return entry
    before = [one for one in (*known.before, known.key) if one not in ("", entry.key)]
    return msgspec.structs.replace(entry, before=tuple(dict.fromkeys(before)))


def _forgotten(known: Seen) -> Seen:
    """Give an entry that no event has any more: whatever comes is earlier."""
    nowhere = msgspec.structs.replace(known, first_at=_NEVER, event_id="", key="")
    return _instead(nowhere, known)


def _repair(
    lessons: Sequence[_Lesson], changed: Sequence[str], matching: Matching, baseline: Baseline
) -> dict[str, Fault]:
    """Look again for the first events of combinations whose first event was written again."""
    of_scope = {one.scope: one for one in lessons}
    stale = [
        (of_scope[entry.scope], entry)
        for entry in (baseline.naming(changed) if changed else ())
        if entry.scope in of_scope
    ]
    faults: dict[str, Fault] = {}
    replaced: list[Seen] = []
    answers = matching.groups([_again(lesson.rule, known) for lesson, known in stale])
    for (lesson, known), answer in zip(stale, answers, strict=True):
        if isinstance(answer, Fault):
            faults[lesson.rule.id] = answer
            continue
        lesson.learned.touched.add(key_of(known, lesson.rule))
        now = lesson.seen(answer).get(known.id)
        entry = _forgotten(known) if now is None else _instead(now, known)
        if entry != known:
            replaced.append(entry)
        if now is not None:
            lesson.touch([entry])
    baseline.replace(replaced)
    return faults


def _again(rule: Rule, known: Seen) -> Grouping:
    fields = first_seen_of(rule).fields
    clauses = [same(name, value) for name, value in zip(fields, known.values, strict=True)]
    return Grouping(query=all_of(rule.query, *clauses), by=fields, shown=rule.group_by)


def _time(text: str) -> datetime:
    at = parse_time(text)
    if at is None:
        raise AssertionError("a time that we wrote")
    return at
