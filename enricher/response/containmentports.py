"""What containment asks of the world, and what it answers: ports, states, results."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from enricher.errors import EnricherError, UnavailableError
from enricher.response.plans import Action

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from enricher.response.plans import Plan, Step


class RefusedError(EnricherError):
    """AWS refuses a step, and nothing was changed by it.

    Attributes:
        reason: The call and AWS's code, e.g. ``iam:PutRolePolicy AccessDenied``, or a slug.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoAnswerError(UnavailableError):
    """AWS does not answer now: a step may have been done or not; to repeat it is safe.

    Attributes:
        reason: The call and why, e.g. ``iam:PutRolePolicy Throttling``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownPlanError(EnricherError):
    """There is no such plan, or what is kept is not what its id says."""


class UnknownStepError(EnricherError):
    """The plan has no such step, or it is one that people do."""


class FoundState(StrEnum):
    """What is there of a step."""

    HOLDS = "holds"
    OPEN = "open"
    CHANGED = "changed"  # something of that name is there, with other content


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is there of a step.

    Attributes:
        before: What undo has to know of what was there, e.g. a key's status.
    """

    state: FoundState
    before: dict[str, Any]


class Responder(Protocol):
    """Acts in the accounts."""

    def look(self, step: Step) -> Found:
        """Say whether a step holds; nothing is changed.

        Raises:
            RefusedError: If it cannot be asked, or there is nothing to apply it to.
            NoAnswerError: If AWS does not answer now.
        """
        ...

    def apply(self, step: Step) -> None:
        """Make the calls of a step; to make them twice is the same as once.

        Raises:
            RefusedError: If AWS refuses; nothing was changed.
            NoAnswerError: If AWS does not answer; it may have been done or not.
        """
        ...

    def undo(self, step: Step) -> None:
        """Make the calls that take a step back; raises as ``apply``."""
        ...


class Progress(StrEnum):
    """How far a step of a plan has come."""

    APPLYING = "applying"
    APPLIED = "applied"
    REFUSED = "refused"
    UNDONE = "undone"


class StepState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a plan did at one step.

    Attributes:
        at: When it began.
        before: What was there before.
        policy: The policy as it was written, where its instant is the one of the writing; None
            where it is the plan's.
    """

    step_id: str
    progress: Progress
    at: str
    before: dict[str, Any] = {}
    policy: dict[str, Any] | None = None

    @property
    def is_active(self) -> bool:
        """Whether something of it may be in place."""
        return self.progress in (Progress.APPLYING, Progress.APPLIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """One line of the audit: what was tried or done, by whom."""

    what: str
    plan_id: str
    actor: str
    at: datetime
    dry_run: bool
    result: StepResult


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPlan:
    """A plan that was kept, in short.

    Attributes:
        subject: What it contains: ``kind`` and ``id``.
        actor: Who had it made.
        at: When it was kept.
    """

    id: str
    subject: dict[str, str]
    actor: str
    at: datetime


class Records(Protocol):
    """Plans, what was applied of them, and the audit; every write is acknowledged."""

    def keep(self, plan: Plan, actor: str, at: datetime) -> None:
        """Keep a plan; the same plan twice is one."""
        ...

    def plan(self, plan_id: str) -> Plan | None:
        """Give a plan; None where there is none, or it was changed since it was kept."""
        ...

    def newest(self, most: int) -> list[KeptPlan]:
        """Give the newest plans, newest first; one is there a second after it was kept."""
        ...

    def states(self, plan: Plan) -> dict[str, StepState]:
        """Give what was done of a plan, by step id."""
        ...

    def begin(self, plan_id: str, state: StepState) -> StepState:
        """Note that a step begins; give what is kept: where it had begun already, that."""
        ...

    def finish(self, plan_id: str, state: StepState) -> None:
        """Note how a step ended."""
        ...

    def note(self, entries: Sequence[Noted]) -> None:
        """Add to the audit."""
        ...


class StepStatus(StrEnum):
    """What became of one step in one run."""

    WOULD_APPLY = "would-apply"
    APPLIED = "applied"
    HOLDS = "holds"  # it was in place, nothing was changed
    WOULD_UNDO = "would-undo"
    UNDONE = "undone"
    NOTHING_TO_UNDO = "nothing-to-undo"
    NOT_RESTORABLE = "not-restorable"
    FAILED = "failed"
    MANUAL = "manual"
    NOT_ASKED_FOR = "not-asked-for"  # an optional step


class StepResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one step in one run.

    Attributes:
        step_id: Which step.
        action: What it does.
        target: ARN, or what stands for one.
        account_id: Where it is done; None where that is not one of AWS's accounts.
        status: What became of it.
        holds: Whether it is in place now, as seen after it; None where nobody can say.
        by_plan: Whether this plan put it there, so that undo takes it away.
        reason: Why it failed.
        policy: The policy as it is, or would be, written.
    """

    step_id: str
    action: Action
    target: str
    account_id: str | None
    status: StepStatus
    holds: bool | None = None
    by_plan: bool = False
    reason: str | None = None
    policy: dict[str, Any] | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one run did: each step of the plan, whatever became of it."""

    plan_id: str
    dry_run: bool
    at: str
    results: tuple[StepResult, ...]

    @property
    def changed(self) -> list[str]:
        """Steps that changed something."""
        done = (StepStatus.APPLIED, StepStatus.UNDONE)
        return [result.step_id for result in self.results if result.status in done]

    @property
    def holding(self) -> list[str]:
        """Steps that hold now."""
        return [result.step_id for result in self.results if result.holds]

    @property
    def failed(self) -> list[str]:
        """Steps that failed."""
        found = (result for result in self.results if result.status is StepStatus.FAILED)
        return [result.step_id for result in found]

    def document(self) -> dict[str, Any]:
        """Give the JSON form."""
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        names = {"changed": self.changed, "holding": self.holding, "failed": self.failed}
        return {**found, **names}
