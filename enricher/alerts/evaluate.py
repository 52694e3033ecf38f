"""Judge what is new or changed: every few seconds, all rules at once (design §2, §9).

Only events that were written after the last run are searched, whatever any clock says. Nothing is
counted twice, because alerts are computed anew from their events whenever they are touched; how far
a run came is noted last, and a run that dies is repeated whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from enricher.alerts.alert import Key
from enricher.alerts.clauses import any_of, enriched_since
from enricher.alerts.contents import Question
from enricher.alerts.errors import LeaseLostError, RuleError
from enricher.alerts.firstseen import learn, scope_of
from enricher.alerts.ports import Fault, Grouping
from enricher.alerts.settle import settle
from enricher.cloudtrail.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from enricher.alerts.alert import Alert
    from enricher.alerts.clauses import Query
    from enricher.alerts.firstseen import Learned
    from enricher.alerts.ports import (
        AlertStore,
        Baseline,
        Matching,
        Progress,
        ProgressStore,
        RuleStore,
        Stored,
        StoredRule,
    )
    from enricher.alerts.rules import Rule

LEASE = timedelta(minutes=2)
_RENEW_AFTER = LEASE / 8  # since it was taken or renewed last; each time is a write
_RULES_AT_ONCE = 500
_NOTHING: Query = {"match_none": {}}


class Compiler(Protocol):
    """Makes a rule of its source, or remembers it."""

    def rule(self, stored: StoredRule) -> Rule:
        """Give the rule.

        Raises:
            RuleError: If it cannot be expressed over the fields that events have now.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateServices:
    """What judging needs.

    Attributes:
        look_back: How far the first run looks back, and each in an index that it did not know.
    """

    matching: Matching
    alerts: AlertStore
    baseline: Baseline
    rules: RuleStore
    progress: ProgressStore
    compiler: Compiler
    now: Callable[[], datetime]
    look_back: timedelta


@dataclass(slots=True)
class EvaluationReport:
    """What a run found.

    Attributes:
        ran: Whether it ran; another process may have been at it.
        rules: How many rules were asked.
        failed: How many of them could not be.
        written: Alerts that are new or other than before.
        notable: Those of them that are worth telling of, by id.
    """

    ran: bool = False
    rules: int = 0
    failed: int = 0
    written: int = 0
    notable: list[str] = field(default_factory=list)

    def count(self, alerts: Sequence[Alert]) -> None:
        """Add alerts that were written."""
        self.written += len(alerts)
        self.notable += [one.id for one in alerts if one.revision == one.notable_revision]


@dataclass(slots=True)
class _Run:
    """One run: what it looks at, and what it has found so far."""

    services: EvaluateServices
    now: datetime
    since: datetime
    new: Query
    progress: Progress
    report: EvaluationReport
    held_at: datetime
    rules: dict[str, Rule] = field(default_factory=dict)
    learned: dict[str, Learned] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def hold(self) -> None:
        """Stay the only one."""
        now = self.services.now()
        if now - self.held_at >= _RENEW_AFTER:
            self.progress = self.services.progress.keep(self.progress, now, LEASE)
            self.held_at = now


def evaluate(services: EvaluateServices) -> EvaluationReport:
    """Judge what was enriched since the last run.

    Raises:
        UnavailableError: If a server does not answer; the cursor stays, the next run takes it up.
        LeaseLostError: If this took so long that another process began; what was found stands.
    """
    now = services.now()
    progress = services.progress.claim(now, LEASE)
    if progress is None:
        return EvaluationReport()
    since = (progress.cursor or now) - services.look_back
    run = _Run(services, now, since, _NOTHING, progress, EvaluationReport(ran=True), now)
    try:
        news = services.matching.news(progress.marks, since)
        run.new = news.query
        _judge(run)
    except LeaseLostError:
        raise
    except BaseException:
        services.progress.release(run.progress)
        raise
    services.progress.finish(run.progress, now, news.marks)
    return run.report


def _judge(run: _Run) -> None:
    services = run.services
    services.alerts.refresh()
    stored = services.rules.rules()
    _compile(run, stored)
    asked = [one for one in stored if one.enabled and one.id in run.rules]
    run.report.rules = len(asked)
    changed = [one for part in services.matching.changed(run.new) for one in part]
    stale = {one.alert.id: one for one in services.alerts.holding(changed)}
    touched = _touched(run, asked)
    ids = [one.id for one in changed]
    touched |= _learned(run, asked, ids)
    heirs = {digest: key for one in run.learned.values() for digest, key in one.heirs.items()}
    stale |= {one.alert.id: one for one in services.alerts.by_keys(list(heirs)).values()}
    _settle(run, touched, list(stale.values()), heirs)
    services.baseline.begin(
        {
            scope_of(run.rules[rule_id]): learned.beginning
            for rule_id, learned in run.learned.items()
            if learned.beginning is not None and learned.beginning != learned.known
        }
    )
    _note_faults(run, stored)


def _compile(run: _Run, stored: Sequence[StoredRule]) -> None:
    """Make the rules; those that are disabled too, for alerts of theirs may have to change."""
    for one in stored:
        try:
            run.rules[one.id] = run.services.compiler.rule(one)
        except RuleError as err:
            run.faults[one.id] = str(err)


def _touched(run: _Run, asked: Sequence[StoredRule]) -> set[Key]:
    """Give the alerts that what is new belongs to, of all rules but first-seen ones."""
    touched: set[Key] = set()
    chosen = [one for one in asked if run.rules[one.id].first_seen is None]
    for start in range(0, len(chosen), _RULES_AT_ONCE):
        run.hold()
        part = chosen[start : start + _RULES_AT_ONCE]
        questions = [_question(run, one) for one in part]
        for one, answer in zip(part, run.services.matching.groups(questions), strict=True):
            if isinstance(answer, Fault):
                run.faults[one.id] = answer.reason
                continue
            rule = run.rules[one.id]
            for bucket in answer:
                if bucket.start is not None:
                    touched.update(_keys(rule, bucket.values, bucket.start))
    return touched


def _question(run: _Run, stored: StoredRule) -> Grouping:
    rule = run.rules[stored.id]
    return Grouping(query=rule.query, by=rule.group_by, window=rule.window, new=_new(run, stored))


def _new(run: _Run, stored: StoredRule) -> Query:
    """Say what is new to a rule: to one that failed, also what came since then."""
    failing = parse_time(stored.failing_since)
    return run.new if failing is None else any_of([run.new, enriched_since(failing)])


def _keys(rule: Rule, values: tuple[str | None, ...], start: datetime) -> Iterator[Key]:
    """Give the alerts that an event of a window may belong to.

    An event may complete a threshold, or bring it nearer for those after it.
    """
    within = rule.threshold.within if rule.threshold else timedelta()
    end = start + rule.window + within
    while start < end:
        yield Key(rule_id=rule.id, values=values, start=start)
        start += rule.window


def _learned(run: _Run, asked: Sequence[StoredRule], changed: Sequence[str]) -> set[Key]:
    """Give the alerts that first-seen rules are to look at."""
    run.hold()
    services = run.services
    chosen = [(run.rules[one.id], _new(run, one)) for one in asked]
    firsts = [(rule, new) for rule, new in chosen if rule.first_seen is not None]
    touched: set[Key] = set()
    found = learn(firsts, changed, services.matching, services.baseline) if firsts else {}
    for rule_id, learned in found.items():
        if isinstance(learned, Fault):
            run.faults[rule_id] = learned.reason
            continue
        run.learned[rule_id] = learned
        touched |= learned.touched
    return touched


def _settle(run: _Run, touched: set[Key], stale: Sequence[Stored], heirs: dict[str, Key]) -> None:
    services = run.services
    beginnings = {rule_id: one.beginning for rule_id, one in run.learned.items()}
    question = Question(
        rules=run.rules,
        beginnings=beginnings,
        suppressions=services.rules.suppressions(),
        heirs=heirs,
        now=run.now,
    )
    parts = settle(touched, stale, question, services)
    for written, faults in parts:
        run.report.count(written)
        run.faults |= faults
        run.hold()


def _note_faults(run: _Run, stored: Sequence[StoredRule]) -> None:
    """Keep with each rule why it failed, and since when it has not judged, where that is new."""
    errors: dict[str, tuple[str | None, str | None]] = {}
    for one in stored:
        reason = run.faults.get(one.id)
        if reason is None:
            if one.error is not None and one.enabled:
                errors[one.id] = (None, None)
        elif one.enabled:
            run.report.failed += 1
            since = one.failing_since or format_time(run.since)
            if (reason, since) != (one.error, one.failing_since):
                errors[one.id] = (reason, since)
    if errors:
        run.services.rules.note_errors(errors)
