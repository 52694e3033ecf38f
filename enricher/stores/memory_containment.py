"""The in-memory twin of what is kept of containment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.cloudtrail import codec
from enricher.response.containmentports import KeptPlan
from enricher.response.plans import plan_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from enricher.response.containmentports import Noted, StepState
    from enricher.response.plans import Plan


class MemoryContainment:
    """Plans, states and the audit in dictionaries; plans as the text that they are kept as."""

    def __init__(self) -> None:
        self.plans: dict[str, bytes] = {}
        self.listed: dict[str, KeptPlan] = {}
        self.kept: dict[tuple[str, str], StepState] = {}
        self.noted: list[Noted] = []

    def keep(self, plan: Plan, actor: str, at: datetime) -> None:
        """Keep a plan."""
        self.plans.setdefault(plan.id, codec.dumps(plan.document()))
        kept = KeptPlan(id=plan.id, subject=plan.subject, actor=actor, at=at)
        self.listed.setdefault(plan.id, kept)

    def plan(self, plan_id: str) -> Plan | None:
        """Give a plan."""
        text = self.plans.get(plan_id)
        return plan_of(codec.loads(text)) if text is not None else None

    def newest(self, most: int) -> list[KeptPlan]:
        """Give the newest plans."""
        return sorted(self.listed.values(), key=lambda one: one.at, reverse=True)[:most]

    def states(self, plan: Plan) -> dict[str, StepState]:
        """Give what was done of a plan, by step id."""
        return {step_id: state for (of, step_id), state in self.kept.items() if of == plan.id}

    def begin(self, plan_id: str, state: StepState) -> StepState:
        """Note that a step begins."""
        kept = self.kept.get((plan_id, state.step_id))
        if kept is not None and kept.is_active:
            return kept
        self.finish(plan_id, state)
        return state

    def finish(self, plan_id: str, state: StepState) -> None:
        """Note how a step ended."""
        self.kept[plan_id, state.step_id] = state

    def note(self, entries: Sequence[Noted]) -> None:
        """Add to the audit."""
        self.noted += entries
