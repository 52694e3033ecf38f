"""Containment: plans are made and kept, looked at, applied and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path
from fastapi import Query as QueryParameters
from fastapi.responses import PlainTextResponse, Response
from pydantic import Field

from enricher.api.access import needs_read, needs_respond
from enricher.api.gate import Caller
from enricher.api.parameters import Query, Services
from enricher.api.problems import ProblemError, documented
from enricher.errors import UnavailableError
from enricher.response import contain
from enricher.response.contain import ContainServices
from enricher.response.plan_as_text import as_text
from enricher.response.planning import Contained
from enricher.response.plans import Plan
from enricher.response.runs import KeptPlans, PlanAnswer, Run, kept_plans, run_of

router = APIRouter(
    prefix="/v1/containment/plans",
    tags=["containment"],
    responses=documented(401, 403, 422, 429, 503),
)
PlanId = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{32}$",
        description="The id of a plan that was kept.",
        examples=["5b2c8e1f3a4d6b7c8e9f0a1b2c3d4e5f"],
    ),
]
Responder = Annotated[Caller, Depends(needs_respond)]
_STEP = "deny-all/111122223333/role/Admin"


class PlanFormat(StrEnum):
    """How a plan is written."""

    JSON = "json"
    TEXT = "text"


class PlanQuery(Query):
    """How the answer is written."""

    format: PlanFormat = PlanFormat.JSON
    """`json`, or `text`: to read, to print, to copy line by line into a shell."""


class PlansQuery(Query):
    """Which plans."""

    most: int = Field(100, ge=1, le=1_000)
    """How many at most."""


class Apply(Query):
    """How a plan is applied."""

    dry_run: bool = True
    """Whether only to look: what holds, and what would be done. False changes AWS."""
    include: tuple[str, ...] = Field((), max_length=1_000, examples=[[_STEP]])
    """Ids of optional steps to apply too."""


class TakeBack(Query):
    """How a plan is taken back."""

    dry_run: bool = True
    """Whether only to look: what would be taken back. False changes AWS."""


@router.post(
    "",
    operation_id="makePlan",
    summary="Plan what contains an origin or a session",
    status_code=201,
    responses=documented(400, 404, 413),
)
def post_plan(
    wanted: Annotated[
        Contained,
        Body(
            openapi_examples={
                "session": {"value": {"session_id": "0d5c8a1b2e3f40516273849506a7b8c9"}},
                "origin": {
                    "value": {
                        "origin_id": "AIDACKCEVSQ6C2EXAMPLE",
                        "start": "2026-03-02T00:00:00Z",
                    }
                },
                "principal": {"value": {"principal": {"name": "alice"}}},
                "access key": {"value": {"access_key_id": "ASIAIOSFODNN7EXAMPLE"}},
            }
        ),
    ],
    services: Services,
    caller: Responder,
) -> PlanAnswer:
    """Make a plan from what is indexed, and keep it, so that it can be applied by its id.

    Nothing is changed in AWS. The id is a digest of the plan: what was approved is what is applied.
    """
    planning = services.planning
    plan = planning.plan_of(wanted)
    contain.keep(plan, services.containment_records, actor=caller.id, at=planning.now())
    return plan


@router.get(
    "",
    operation_id="listPlans",
    summary="Which plans there are",
    dependencies=[Depends(needs_read)],
)
def list_plans(query: Annotated[PlansQuery, QueryParameters()], services: Services) -> KeptPlans:
    """Give the newest plans that were kept; a plan is there about a second after it was made."""
    return kept_plans(query.most, services.containment_records)


@router.get(
    "/{plan_id}",
    operation_id="getPlan",
    summary="One plan",
    dependencies=[Depends(needs_read)],
    response_model=PlanAnswer,
    responses={
        **documented(404),
        200: {
            "description": "The plan.",
            "content": {
                "text/plain": {
                    "schema": {"type": "string"},
                    "example": "1. deny-all arn:aws:iam::111122223333:user/alice",
                }
            },
        },
    },
)
def get_plan(
    plan_id: PlanId, query: Annotated[PlanQuery, QueryParameters()], services: Services
) -> Plan | Response:
    """Give a plan as it was kept: steps in order, each with its calls, its reach and its undo."""
    plan = contain.kept_plan(plan_id, services.containment_records)
    if query.format is PlanFormat.TEXT:
        return PlainTextResponse(as_text(plan))
    return plan


@router.post(
    "/{plan_id}/apply",
    operation_id="applyPlan",
    summary="Look what a plan would do, or do it",
    responses=documented(400, 404, 409, 413),
)
def apply_plan(
    plan_id: PlanId,
    wanted: Annotated[
        Apply,
        Body(
            openapi_examples={
                "look": {"value": {"dry_run": True}},
                "do it": {"value": {"dry_run": False}},
                "with an optional step": {"value": {"dry_run": False, "include": [_STEP]}},
            }
        ),
    ],
    services: Services,
    caller: Responder,
) -> Run:
    """Apply a plan in its order; a step that fails does not keep the others from being tried.

    Only looks, unless `dry_run` is false. Applied twice, it changes nothing the second time.
    """
    with _carried_out():
        report = contain.apply(
            plan_id,
            _containing(services),
            actor=caller.id,
            dry_run=wanted.dry_run,
            include=wanted.include,
        )
    return run_of(report)


@router.post(
    "/{plan_id}/undo",
    operation_id="undoPlan",
    summary="Look what would be taken back, or take it back",
    responses=documented(400, 404, 409, 413),
)
def undo_plan(
    plan_id: PlanId,
    wanted: Annotated[
        TakeBack,
        Body(
            openapi_examples={
                "look": {"value": {"dry_run": True}},
                "take it back": {"value": {"dry_run": False}},
            }
        ),
    ],
    services: Services,
    caller: Responder,
) -> Run:
    """Take back what a plan applied, the last step first, and nothing else.

    Only looks, unless `dry_run` is false.
    """
    with _carried_out():
        report = contain.undo(
            plan_id, _containing(services), actor=caller.id, dry_run=wanted.dry_run
        )
    return run_of(report)


def _containing(services: Services) -> ContainServices:
    if not services.settings.containment.enabled:
        raise ProblemError(
            409,
            "containment-off",
            "containment is off: whoever runs the service sets ENRICHER_CONTAINMENT__ENABLED and "
            "ENRICHER_CONTAINMENT__ROLE_NAME to allow plans to be applied",
        )
    return services.containing


@contextmanager
def _carried_out() -> Iterator[None]:
    """Say of a run that breaks off that nothing of it is forgotten."""
    try:
        yield
    except UnavailableError as err:
        raise ProblemError(
            503,
            "run-broken-off",
            "the records do not answer, so the run was broken off; what was begun is noted: look "
            "with dry_run what holds, and repeat the call",
            {"Retry-After": "5"},
        ) from err
