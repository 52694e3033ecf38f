"""Problems as RFC 9457 has them: what is wrong and what to do, never how it looks inside."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from enricher.alerts.errors import RuleError, UnknownAlertError, UnknownRuleError
from enricher.errors import ConfigurationError, LogFileError, UnavailableError
from enricher.response.containmentports import UnknownPlanError, UnknownStepError
from enricher.response.errors import NotIndexedError, QuestionError, TooSlowError

MEDIA_TYPE = "application/problem+json"
_LOG = structlog.get_logger("enricher.api")
_RETRY_SECONDS = 5
_MOST_FAULTS = 20


class Fault(BaseModel):
    """One part of a request that does not fit."""

    where: str = Field(examples=["query.size"])
    """Which part, without its value."""
    what: str = Field(examples=["Input should be less than or equal to 500"])
    """What is wrong with it."""


class Problem(BaseModel):
    """A request that was not answered, and why (RFC 9457)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str = Field(examples=["urn:enricher:problem:not-indexed"])
    """What kind of problem: stays the same from version to version."""
    title: str = Field(examples=["Not Found"])
    """The kind, for people."""
    status: int = Field(examples=[404])
    """The HTTP status."""
    detail: str = Field(
        examples=["no such event: is this its eventID, and has its log file been ingested?"]
    )
    """What is wrong this time, and what to do next."""
    request_id: str | None = Field(None, examples=["1f6c9d0e5b8a4c7d9e2f3a4b5c6d7e8f"])
    """Marks the request in the service's log and audit."""
    faults: list[Fault] | None = None
    """Which parts of the request do not fit."""


class ProblemError(HTTPException):
    """A problem that is found before or beside the use cases."""

    def __init__(
        self, status: int, kind: str, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, headers)
        self.kind = kind


# What each status says, wherever it comes from: for the OpenAPI document.
DOCUMENTED = {
    400: "The body is no JSON.",
    401: "No key or token, or none that is valid.",
    403: "The key or token does not allow this call.",
    404: "Nothing that is asked for is indexed.",
    409: "Containment is off in the settings of the service.",
    413: "The request is too large.",
    422: "The request does not fit.",
    429: "Too many calls; the header Retry-After says when to come again.",
    503: "OpenSearch or Redis does not answer in time; the same call may succeed later.",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe problems for the OpenAPI document."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": DOCUMENTED[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def answer(  # noqa: PLR0913 - a problem has that many parts
    request_id: str | None,
    status: int,
    kind: str,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    faults: list[Fault] | None = None,
) -> JSONResponse:
    """Write a problem."""
    problem = Problem(
        type=f"urn:enricher:problem:{kind}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=request_id,
        faults=faults,
    )
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, status, headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let every error of the application be answered as a problem."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    for error in _KNOWN:
        app.add_exception_handler(error, _known)
    app.add_exception_handler(ConfigurationError, _unexpected)
    app.add_exception_handler(Exception, _unexpected)


_KNOWN = (
    NotIndexedError,
    QuestionError,
    UnknownPlanError,
    UnknownStepError,
    UnknownAlertError,
    UnknownRuleError,
    RuleError,
    LogFileError,
    UnavailableError,
)
ANSWERED = (HTTPException, RequestValidationError, *_KNOWN, ConfigurationError)


def answered(request: Request, error: Exception) -> JSONResponse:
    """Answer one of these errors as a problem."""
    if isinstance(error, HTTPException):
        return _http(request, error)
    if isinstance(error, RequestValidationError):
        return _validation(request, error)
    if isinstance(error, ConfigurationError):
        return _unexpected(request, error)
    return _known(request, error)


def _id(request: Request) -> str | None:
    return getattr(request.state, "request_id", None)


def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return _unexpected(request, error)
    kind = error.kind if isinstance(error, ProblemError) else _slug(error.status_code)
    headers = dict(error.headers) if error.headers else None
    return answer(_id(request), error.status_code, kind, error.detail, headers=headers)


def _slug(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "-")


def _validation(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        return _unexpected(request, error)
    faults = [
        # Without the input: it would come back to whoever sent it, and into their log.
        Fault(where=".".join(_place(part) for part in fault["loc"]), what=_said(fault))
        for fault in error.errors()[:_MOST_FAULTS]
    ]
    detail = "the request does not fit; faults says which parts"
    return answer(_id(request), 422, "request-does-not-fit", detail, faults=faults)


def _place(part: object) -> str:
    """Name a part by what we call it; names that the caller made up are not repeated."""
    known = isinstance(part, int) or (isinstance(part, str) and part.isidentifier())
    return str(part) if known else "…"


def _said(fault: dict[str, Any]) -> str:
    return str(fault["msg"]).removeprefix("Value error, ")


def _known(request: Request, error: Exception) -> JSONResponse:
    match error:
        case NotIndexedError():
            return answer(_id(request), 404, "not-indexed", str(error))
        case QuestionError():
            return answer(_id(request), 422, "question-does-not-fit", str(error))
        case UnknownPlanError():
            return answer(_id(request), 404, "no-such-plan", str(error))
        case UnknownStepError():
            return answer(_id(request), 422, "no-such-step", str(error))
        case UnknownAlertError() | UnknownRuleError():
            kind = "no-such-alert" if isinstance(error, UnknownAlertError) else "no-such-rule"
            return answer(_id(request), 404, kind, str(error))
        case RuleError():
            detail = f"this rule cannot be asked: {error}"
            return answer(_id(request), 422, "rule-cannot-be-asked", detail)
        case LogFileError(reason=reason):
            detail = f"this is no CloudTrail that can be enriched: {reason}"
            return answer(_id(request), 422, "not-cloudtrail", detail)
        case TooSlowError():
            detail = f"{error}"
        case _:
            detail = "a server behind the API does not answer: try again"
    _LOG.warning("server_away", request_id=_id(request), error=str(error))
    headers = {"Retry-After": str(_RETRY_SECONDS)}
    return answer(_id(request), 503, "unavailable", detail, headers=headers)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    """Say nothing of what is inside; the log has it under the same request id."""
    _LOG.error("request_failed", request_id=_id(request), exc_info=error)
    detail = "something is wrong in the service; its log says more under this request id"
    return answer(_id(request), 500, "internal", detail)
