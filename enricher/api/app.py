"""Puts the application together."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import Route

import enricher
from enricher.api import (
    activity,
    alerts,
    containment,
    enrichment,
    investigate,
    lineage,
    metrics,
    problems,
    rules,
    triage,
    upkeep,
)
from enricher.api.gate import Gate, Guard
from enricher.api.limits import RateLimit
from enricher.api.oidc import TokenVerifier
from enricher.api.signin import SignIns
from enricher.bootstrap import Container
from enricher.settings import ApiSettings

_ROUTERS = tuple(
    module.router
    for module in (
        lineage,
        activity,
        triage,
        containment,
        alerts,
        rules,
        enrichment,
        upkeep,
        investigate,
    )
)
_DOCUMENT = "/openapi.json"
_DESCRIPTION = (
    "Who was really behind each AWS CloudTrail event, what else they did, and what to do about it. "
    "Values that are quoted from records are text as it stands there: escape them where they are "
    "shown."
)


metrics.begin_at_zero(
    [
        _DOCUMENT,
        *(route.path for one in _ROUTERS for route in one.routes if isinstance(route, Route)),
    ]
)


def create_app(services: Container) -> FastAPI:
    """Make the application; nothing is asked of any server yet."""
    # No pages of FastAPI's own: they load scripts from elsewhere.
    app = FastAPI(
        title="The enricher",
        version=enricher.__version__,
        description=_DESCRIPTION,
        openapi_url=_DOCUMENT,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.services = services
    for router in _ROUTERS:
        app.include_router(router)
    problems.install(app)
    guard = app.state.guard = _guard(services)
    app.state.sign_ins = SignIns(services.api_keys, services.settings.api.sign_in_lifetime)
    app.add_middleware(Gate, guard=guard)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign] # FastAPI's own way
    return app


def _guard(services: Container) -> Guard:
    settings = services.settings.api
    return Guard(
        keys=services.api_keys,
        tokens=_verifier(settings),
        rate=RateLimit(settings.rate, settings.burst),
        strangers=RateLimit(settings.rate, settings.burst),
        audit=services.audit_log,
        request_bytes=int(settings.request_bytes),
    )


def _verifier(settings: ApiSettings) -> TokenVerifier | None:
    if not (settings.oidc_issuer and settings.oidc_audience and settings.oidc_jwks_url):
        return None
    return TokenVerifier(
        settings.oidc_issuer,
        settings.oidc_audience,
        settings.oidc_jwks_url,
        settings.oidc_scope_claim,
    )


def _document(app: FastAPI) -> dict[str, Any]:
    """Write the OpenAPI document, with the problems that every call may be answered with."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            separate_input_output_schemas=False,
        )
        schema = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = found["components"]["schemas"]
        schemas |= schema.pop("$defs", {})
        schemas["Problem"] = schema
        app.openapi_schema = found
    return app.openapi_schema
