"""Applying and undoing, over accounts in memory: what no real server does on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from enricher.response import contain
from enricher.response.contain import ContainServices
from enricher.response.containmentports import (
    Found,
    FoundState,
    NoAnswerError,
    Progress,
    RefusedError,
    StepStatus,
    UnknownPlanError,
)
from enricher.stores.memory_containment import MemoryContainment
from tests.unit.response.test_containment import AT, planned, user

if TYPE_CHECKING:
    from enricher.response.containmentports import Report
    from enricher.response.plans import Plan, Step


@dataclass
class MemoryAccounts:
    """What is in place, by step id; faults are raised once, after or instead of the call."""

    there: dict[str, Any] = field(default_factory=dict)
    lost_answers: set[str] = field(default_factory=set)
    refusals: set[str] = field(default_factory=set)
    order: list[str] = field(default_factory=list)

    def look(self, step: Step) -> Found:
        if step.id not in self.there:
            return Found(state=FoundState.OPEN, before={})
        same = self.there[step.id] == step.policy
        return Found(state=FoundState.HOLDS if same else FoundState.CHANGED, before={})

    def apply(self, step: Step) -> None:
        if step.id in self.refusals:
            raise RefusedError("iam:PutRolePolicy LimitExceeded")
        self.there[step.id] = step.policy
        self.order.append(step.id)
        if step.id in self.lost_answers:
            self.lost_answers.remove(step.id)
            raise NoAnswerError("iam:PutRolePolicy ReadTimeoutError")

    def undo(self, step: Step) -> None:
        del self.there[step.id]
        self.order.append(step.id)


@dataclass
class Desk:
    """One plan, and those who carry it out."""

    accounts: MemoryAccounts = field(default_factory=MemoryAccounts)
    records: MemoryContainment = field(default_factory=MemoryContainment)
    at: datetime = AT
    plan: Plan = field(default_factory=lambda: planned(user()))

    def __post_init__(self) -> None:
        contain.keep(self.plan, self.records, actor="tests", at=AT)
        self.revoke = "revoke-sessions/111122223333/role/Admin"

    @property
    def services(self) -> ContainServices:
        return ContainServices(responder=self.accounts, records=self.records, now=lambda: self.at)

    def apply(self, **more: Any) -> Report:  # noqa: ANN401 - the use case's
        return contain.apply(self.plan.id, self.services, actor="tests", dry_run=False, **more)

    def undo(self, **more: Any) -> Report:  # noqa: ANN401 - the use case's
        return contain.undo(self.plan.id, self.services, actor="tests", **more)

    def status(self, report: Report) -> StepStatus:
        (found,) = [one for one in report.results if one.step_id == self.revoke]
        return found.status


def test_a_lost_answer_is_no_lost_step() -> None:
    """It was done and nobody heard: the next apply finds it, and undo takes it away."""
    desk = Desk()
    desk.accounts.lost_answers.add(desk.revoke)
    first = desk.apply()
    assert first.failed == [desk.revoke]
    assert desk.records.kept[desk.plan.id, desk.revoke].progress is Progress.APPLYING
    desk.at += timedelta(minutes=1)
    assert desk.status(desk.apply()) is StepStatus.HOLDS
    assert desk.status(desk.undo()) is StepStatus.UNDONE


def test_a_lost_answer_can_be_undone_at_once() -> None:
    desk = Desk()
    desk.accounts.lost_answers.add(desk.revoke)
    desk.apply()
    assert desk.status(desk.undo()) is StepStatus.UNDONE
    assert desk.revoke not in desk.accounts.there


def test_what_was_refused_is_not_undone() -> None:
    desk = Desk()
    desk.accounts.refusals.add(desk.revoke)
    report = desk.apply()
    assert desk.status(report) is StepStatus.FAILED
    assert len(report.changed) == 4
    desk.accounts.there[desk.revoke] = {"somebody": "else's"}
    assert desk.status(desk.undo()) is StepStatus.NOTHING_TO_UNDO
    assert desk.accounts.there[desk.revoke] == {"somebody": "else's"}


def test_what_somebody_took_away_is_applied_with_the_time_of_then() -> None:
    """Sessions that were issued while it was away end too."""
    desk = Desk()
    desk.apply()
    del desk.accounts.there[desk.revoke]
    desk.at += timedelta(hours=3)
    assert desk.status(desk.apply()) is StepStatus.APPLIED
    (statement,) = desk.accounts.there[desk.revoke]["Statement"]
    assert statement["Condition"] == {
        "DateLessThan": {"aws:TokenIssueTime": "2026-03-02T11:00:01Z"}
    }
    assert desk.status(desk.undo()) is StepStatus.UNDONE


def test_undo_goes_backwards() -> None:
    desk = Desk()
    desk.apply()
    applied = list(desk.accounts.order)
    desk.accounts.order.clear()
    desk.undo()
    left = [one for one in applied if not one.startswith("delete-login-profile")]
    assert desk.accounts.order == left[::-1]


def test_a_dry_undo_only_looks() -> None:
    desk = Desk()
    desk.apply()
    there = dict(desk.accounts.there)
    report = desk.undo(dry_run=True)
    assert desk.status(report) is StepStatus.WOULD_UNDO
    assert report.changed == []
    assert desk.accounts.there == there


def test_a_second_undo_finds_nothing() -> None:
    desk = Desk()
    desk.apply()
    desk.undo()
    again = desk.undo()
    assert again.changed == []
    assert desk.status(again) is StepStatus.NOTHING_TO_UNDO


def test_it_can_be_applied_again_after_it_was_undone() -> None:
    desk = Desk()
    desk.apply()
    desk.undo()
    desk.at = datetime(2026, 3, 3, tzinfo=UTC)
    assert desk.status(desk.apply()) is StepStatus.APPLIED


def test_a_plan_that_nobody_kept_is_unknown() -> None:
    desk = Desk()
    with pytest.raises(UnknownPlanError):
        contain.apply("0" * 32, desk.services, actor="tests")
