"""Whether the service lives and is ready, what it counts, and what was done through it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import redis
from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import BaseModel, ConfigDict, Field

from enricher.api.access import needs_admin
from enricher.api.metrics import REGISTRY
from enricher.api.parameters import AuditQuery, Services
from enricher.api.problems import documented
from enricher.errors import EnricherError
from enricher.stores.opensearch_client import translated
from enricher.stores.templates import is_installed

router = APIRouter(tags=["upkeep"])


class Ready(BaseModel):
    """What the service needs, and whether it is there."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    ready: bool
    """Whether calls can be answered."""
    opensearch: bool
    """Whether OpenSearch answers."""
    redis: bool
    """Whether Redis answers."""
    templates: bool
    """Whether the index templates are those of this version: `enricher install` puts them."""


class AuditedCall(BaseModel):
    """One call of the API."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)

    at: datetime
    """When it was answered."""
    request_id: str = Field(examples=["1f6c9d0e5b8a4c7d9e2f3a4b5c6d7e8f"])
    """What the answer was marked with."""
    key_id: str | None = Field(examples=["a1b2c3d4"])
    """Id of the API key, or `oidc:` and a subject; absent where nobody was let in."""
    client: str | None = Field(examples=["127.0.0.1"])
    """Address of the caller."""
    method: str = Field(examples=["GET"])
    """HTTP method."""
    route: str | None = Field(examples=["/v1/sessions/{session_id}"])
    """The route, without what was asked for."""
    status: int = Field(examples=[200])
    """HTTP status."""
    duration_ms: int = Field(examples=[38])
    """How long it took."""


class Audit(BaseModel):
    """What was done through the API, newest first."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    calls: list[AuditedCall]
    """The calls."""


@router.get(
    "/livez",
    operation_id="live",
    summary="Whether the service runs",
    response_class=PlainTextResponse,
)
def live() -> str:
    """Answer, without asking any server."""
    return "alive"


@router.get(
    "/readyz",
    operation_id="ready",
    summary="Whether the service can answer",
    responses={503: {"model": Ready, "description": "Something that is needed is not there."}},
)
def ready(services: Services, response: Response) -> Ready:
    """Ask the servers; 503 where one does not answer or the templates are of another version."""
    patient = services.probe
    # Within each look also the client is made, which may find that it cannot be.
    opensearch = _holds(lambda: patient.opensearch.ping())  # noqa: PLW0108
    templates = opensearch and _holds(
        lambda: is_installed(
            patient.opensearch, services.settings.opensearch.period, services.enrichers
        )
    )
    answers = _holds(lambda: patient.redis.ping())  # noqa: PLW0108
    found = Ready(
        ready=opensearch and templates and answers,
        opensearch=opensearch,
        redis=answers,
        templates=templates,
    )
    if not found.ready:
        response.status_code = 503
    return found


def _holds(look: Callable[[], object]) -> bool:
    """Ask; a server that is away, refuses or is misconfigured is not ready, whatever it says."""
    try:
        with translated():
            return bool(look())
    except (EnricherError, redis.RedisError):
        return False


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="What the service counts, for Prometheus",
    response_class=PlainTextResponse,
    dependencies=[Depends(needs_admin)],
    responses=documented(401, 403, 429),
)
def metrics() -> Response:
    """Give the metrics of this process."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_PLAIN_0_0_4)


@router.get(
    "/v1/audit",
    operation_id="listAudit",
    summary="What was done through the API",
    dependencies=[Depends(needs_admin)],
    responses=documented(401, 403, 422, 429, 503),
)
def list_audit(query: Annotated[AuditQuery, Query()], services: Services) -> Audit:
    """Give the newest calls; a call is there about a second after it was answered."""
    found = services.audit_log.newest(query.most, start=query.start, end=query.end)
    return Audit(calls=[AuditedCall.model_validate(one) for one in found])
