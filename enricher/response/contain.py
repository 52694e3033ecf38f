"""Carries a containment plan out, and takes it back: step by step, each noted before it is done.

What was applied is kept with what was there before, so that any process can go on where another
broke off, a second apply changes nothing, and undo removes only what the plan put there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from enricher.cloudtrail.times import format_time
from enricher.response import policies
from enricher.response.containmentports import (
    FoundState,
    NoAnswerError,
    Noted,
    Progress,
    RefusedError,
    Report,
    StepResult,
    StepState,
    StepStatus,
    UnknownPlanError,
    UnknownStepError,
)
from enricher.response.plans import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from enricher.response.containmentports import Found, Records, Responder
    from enricher.response.plans import Plan, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainServices:
    """What containment needs.

    Attributes:
        now: The present instant, aware UTC.
    """

    responder: Responder
    records: Records
    now: Callable[[], datetime]


def keep(plan: Plan, records: Records, *, actor: str, at: datetime) -> None:
    """Keep a plan, so that it can be applied by its id."""
    records.keep(plan, actor, at)


def apply(
    plan_id: str,
    services: ContainServices,
    *,
    actor: str,
    dry_run: bool = True,
    include: Collection[str] = (),
) -> Report:
    """Apply a plan in its order; one step that fails does not keep the others from being tried.

    Args:
        plan_id: Of a plan that was kept.
        services: What it needs.
        actor: Who asks, for the audit.
        dry_run: Only look: what holds, and what would be done.
        include: Ids of optional steps to apply too.

    Raises:
        UnknownPlanError: If there is no such plan.
        UnknownStepError: If ``include`` names what this plan cannot apply.
        UnavailableError: If it cannot be noted; what is under way is noted, and may be repeated.
    """
    plan = kept_plan(plan_id, services.records)
    unknown = set(include) - {step.id for step in plan.steps if not step.manual}
    if unknown:
        raise UnknownStepError("include names steps that this plan does not have, or people do")
    run = _Run(plan, services, actor, dry_run)
    results = [run.apply(step, asked=step.id in include) for step in plan.steps]
    return run.report(results)


def undo(plan_id: str, services: ContainServices, *, actor: str, dry_run: bool = False) -> Report:
    """Take back what a plan applied, the last step first, and nothing else.

    Raises:
        UnknownPlanError: If there is no such plan.
        UnavailableError: If it cannot be noted; it may be repeated.
    """
    plan = kept_plan(plan_id, services.records)
    run = _Run(plan, services, actor, dry_run)
    return run.report([run.undo(step) for step in reversed(plan.steps)])


def written_at(step: Step, now: datetime) -> Step:
    """Give a step as it is written at an instant: sessions end that were issued before *it*."""
    if step.action is not Action.REVOKE_SESSIONS:
        return step
    return _with_policy(step, policies.deny_older_sessions(now))


def _with_policy(step: Step, policy: dict[str, Any] | None) -> Step:
    if policy is None or step.policy is None:
        return step
    calls = tuple(
        msgspec.structs.replace(
            call, parameters={**call.parameters, "PolicyDocument": policies.document(policy)}
        )
        for call in step.calls
    )
    return msgspec.structs.replace(step, policy=policy, calls=calls)


def _policy_of(step: Step) -> dict[str, Any] | None:
    return step.policy if step.action is Action.REVOKE_SESSIONS else None


def kept_plan(plan_id: str, records: Records) -> Plan:
    """Give a plan that was kept.

    Raises:
        UnknownPlanError: If there is none, or it was changed since.
    """
    plan = records.plan(plan_id)
    if plan is None:
        raise UnknownPlanError("there is no such plan, or it was changed: make it again")
    return plan


class _Run:
    """One run over a plan's steps."""

    def __init__(self, plan: Plan, services: ContainServices, actor: str, dry_run: bool) -> None:  # noqa: FBT001 - one of one's own
        self._plan = plan
        self._services = services
        self._actor = actor
        self._dry_run = dry_run
        self._began = services.now()
        self._states = services.records.states(plan)

    # --- apply ------------------------------------------------------------------------------------

    def apply(self, step: Step, *, asked: bool) -> StepResult:
        """Apply one step, or say why not."""
        state = self._active(step)
        if step.manual:
            return _result(step, StepStatus.MANUAL)
        if step.optional and not asked and state is None:
            return _result(step, StepStatus.NOT_ASKED_FOR)
        return self._noted("containment-apply", step, self._apply)

    def _apply(self, step: Step) -> StepResult:
        state = self._active(step)
        fresh = written_at(step, self._services.now())
        found = self._services.responder.look(_with_policy(step, state.policy) if state else fresh)
        if found.state is FoundState.HOLDS:
            if state is not None and state.progress is Progress.APPLYING and not self._dry_run:
                self._finish(state, Progress.APPLIED)  # whoever began could not say so any more
            kept = _with_policy(step, state.policy) if state else fresh
            return _result(kept, StepStatus.HOLDS, holds=True, by_plan=state is not None)
        if self._dry_run:
            return _result(fresh, StepStatus.WOULD_APPLY, holds=False)
        return self._write(fresh, self._begun(fresh, found, state))

    def _begun(self, step: Step, found: Found, state: StepState | None) -> StepState:
        """Note what is about to be written, before it is."""
        if state is not None:  # somebody took it away since: what was there first stays noted
            again = msgspec.structs.replace(
                state, progress=Progress.APPLYING, policy=_policy_of(step)
            )
            self._services.records.finish(self._plan.id, again)
            return again
        beginning = StepState(
            step_id=step.id,
            progress=Progress.APPLYING,
            at=format_time(self._services.now()),
            before=found.before,
            policy=_policy_of(step),
        )
        return self._services.records.begin(self._plan.id, beginning)

    def _write(self, step: Step, state: StepState) -> StepResult:
        step = _with_policy(step, state.policy)
        try:
            self._services.responder.apply(step)
        except RefusedError:
            self._finish(state, Progress.REFUSED)
            raise
        self._finish(state, Progress.APPLIED)
        return _result(step, StepStatus.APPLIED, holds=self._seen(step), by_plan=True)

    def _seen(self, step: Step) -> bool | None:
        """Look whether it is in place: the answer of the write alone proves nothing."""
        try:
            return self._services.responder.look(step).state is FoundState.HOLDS
        except (RefusedError, NoAnswerError):
            return None

    # --- undo -------------------------------------------------------------------------------------

    def undo(self, step: Step) -> StepResult:
        """Take one step back, or say why not."""
        if step.manual:
            return _result(step, StepStatus.MANUAL)
        if self._active(step) is None:
            return _result(step, StepStatus.NOTHING_TO_UNDO)
        return self._noted("containment-undo", step, self._undo)

    def _undo(self, step: Step) -> StepResult:
        state = self._states[step.id]
        step = _with_policy(step, state.policy)
        found = self._services.responder.look(step)
        if found.state is FoundState.CHANGED:
            raise RefusedError("changed-since")  # somebody else's now: not ours to remove
        if found.state is FoundState.OPEN:
            if not self._dry_run:
                self._finish(state, Progress.UNDONE)
            return _result(step, StepStatus.NOTHING_TO_UNDO, holds=False)
        if not step.undo.exact:
            return _result(step, StepStatus.NOT_RESTORABLE, holds=True, by_plan=True)
        if self._dry_run:
            return _result(step, StepStatus.WOULD_UNDO, holds=True, by_plan=True)
        self._services.responder.undo(step)
        self._finish(state, Progress.UNDONE)
        return _result(step, StepStatus.UNDONE, holds=self._seen(step))

    # --- both -------------------------------------------------------------------------------------

    def report(self, results: Sequence[StepResult]) -> Report:
        """Say what became of every step."""
        return Report(
            plan_id=self._plan.id,
            dry_run=self._dry_run,
            at=format_time(self._began),
            results=tuple(results),
        )

    def _active(self, step: Step) -> StepState | None:
        state = self._states.get(step.id)
        return state if state is not None and state.is_active else None

    def _noted(self, what: str, step: Step, act: Callable[[Step], StepResult]) -> StepResult:
        try:
            result = act(step)
        except (RefusedError, NoAnswerError) as err:
            result = _result(step, StepStatus.FAILED, reason=err.reason)
        entry = Noted(
            what=what,
            plan_id=self._plan.id,
            actor=self._actor,
            at=self._services.now(),
            dry_run=self._dry_run,
            result=result,
        )
        self._services.records.note([entry])
        return result

    def _finish(self, state: StepState, progress: Progress) -> None:
        ended = msgspec.structs.replace(state, progress=progress)
        self._services.records.finish(self._plan.id, ended)
        self._states[state.step_id] = ended


def _result(step: Step, status: StepStatus, **more: Any) -> StepResult:  # noqa: ANN401 - StepResult checks them
    return StepResult(
        step_id=step.id,
        action=step.action,
        target=step.target,
        account_id=step.account_id,
        status=status,
        policy=None if step.manual else step.policy,
        **more,
    )
