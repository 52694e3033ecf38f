"""Plans and what became of them, as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from enricher.response.containmentports import StepResult
from enricher.response.models import Answer
from enricher.response.plans import Plan
from enricher.response.structs import Structured

if TYPE_CHECKING:
    from enricher.response.containmentports import Records, Report

PlanAnswer = Annotated[Plan, Structured(Plan)]
_PLAN_ID = "5b2c8e1f3a4d6b7c8e9f0a1b2c3d4e5f"
_STEP = "revoke-sessions/111122223333/role/Admin"


class Run(Answer):
    """What one run over a plan did: each of its steps, whatever became of it."""

    plan_id: str = Field(examples=[_PLAN_ID])
    """Which plan."""
    dry_run: bool
    """Whether it only looked."""
    at: datetime
    """When it began."""
    changed: tuple[str, ...] = Field(examples=[[_STEP]])
    """Ids of the steps that changed something in this run."""
    holding: tuple[str, ...] = Field(examples=[[_STEP]])
    """Ids of the steps that hold now, as seen after the run."""
    failed: tuple[str, ...] = Field(examples=[[]])
    """Ids of the steps that failed; their results say why."""
    results: tuple[Annotated[StepResult, Structured(StepResult)], ...]
    """What became of each step."""


class PlanInShort(Answer):
    """A plan that was kept."""

    id: str = Field(examples=[_PLAN_ID])
    """Its id."""
    subject: dict[str, str] = Field(examples=[{"kind": "origin", "id": "AIDACKCEVSQ6C2EXAMPLE"}])
    """What it contains: `kind` (origin or session) and `id`."""
    actor: str = Field(examples=["a1b2c3d4"])
    """Who had it made: id of the API key, or `oidc:` and a subject."""
    at: datetime
    """When."""


class KeptPlans(Answer):
    """Plans that were kept, newest first."""

    plans: tuple[PlanInShort, ...]
    """The plans."""


def run_of(report: Report) -> Run:
    """Give a report as it is answered."""
    return Run.model_validate(report.document())


def kept_plans(most: int, records: Records) -> KeptPlans:
    """Give the newest plans.

    Raises:
        UnavailableError: If the records do not answer.
    """
    return KeptPlans(
        plans=tuple(
            PlanInShort(id=one.id, subject=one.subject, actor=one.actor, at=one.at)
            for one in records.newest(most)
        )
    )
