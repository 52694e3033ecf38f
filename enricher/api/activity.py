"""What was done: summaries, events, timelines; denials, origins, coverage."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response, StreamingResponse

from enricher.api.access import needs_read
from enricher.api.parameters import (
    ActivityQuery,
    DeniedQuery,
    Format,
    FormatQuery,
    OriginsQuery,
    PageQuery,
    Reading,
    Services,
    SessionId,
    SummaryQuery,
)
from enricher.api.problems import documented
from enricher.response import denials, origins
from enricher.response.denials import AccessDenied
from enricher.response.origins import Coverage, Origins
from enricher.response.ports import Selection
from enricher.response.selecting import SESSION
from enricher.response.sessions import EventsPage, events_page
from enricher.response.sessions import session as one_session
from enricher.response.summary import Summary, summarize
from enricher.response.tables import as_csv, as_markdown
from enricher.response.timeline import timeline

router = APIRouter(
    prefix="/v1",
    tags=["activity"],
    dependencies=[Depends(needs_read)],
    responses=documented(401, 403, 404, 422, 429, 503),
)
_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
_SUMMARIES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Two tables of calls.",
        "content": {
            "text/csv": {
                **_TEXT,
                "example": '"read_only","service"\r\n"false","iam.amazonaws.com"',
            },
            "text/markdown": {**_TEXT, "example": "## Not read-only"},
        },
    }
}
_LINES = "application/x-ndjson"


@router.get(
    "/sessions/{session_id}/summary",
    operation_id="getSessionSummary",
    summary="What was done in a session, by API call",
    response_model=Summary,
    responses=_SUMMARIES,
)
def get_session_summary(
    session_id: SessionId, query: Annotated[FormatQuery, Query()], reading: Reading
) -> Response:
    """Give two tables: calls that only read, and all others.

    Each call with how often it was made and failed, and a sample of what tells most.
    """
    one_session(session_id, reading)  # or a mistyped id would look like a quiet session
    selection = Selection().where(SESSION, session_id)
    return _written(summarize(selection, reading), query.format, f"session-{session_id}")


@router.get(
    "/summary",
    operation_id="getSummary",
    summary="What was done with a key, by a principal or from an address, by API call",
    response_model=Summary,
    responses=_SUMMARIES,
)
def get_summary(query: Annotated[SummaryQuery, Query()], reading: Reading) -> Response:
    """Give the same two tables for an access key, a principal, or an address and a time range."""
    return _written(summarize(query.selection(), reading), query.format, "summary")


def _written(summary: Summary, how: Format, name: str) -> Response:
    if how is Format.CSV:
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        return Response(as_csv(summary), media_type="text/csv", headers=headers)
    if how is Format.MARKDOWN:
        return Response(as_markdown(summary), media_type="text/markdown")
    return Response(summary.model_dump_json(), media_type="application/json")


@router.get(
    "/sessions/{session_id}/events",
    operation_id="listSessionEvents",
    summary="The events of a session, page by page",
)
def list_session_events(
    session_id: SessionId,
    query: Annotated[PageQuery, Query()],
    reading: Reading,
    services: Services,
) -> EventsPage:
    """Give events in order of time; ask with `after` set to `next` until that is absent.

    No event is left out between pages. One that is enriched anew meanwhile may come twice.
    """
    size = min(query.size, services.settings.api.page_events)
    return events_page(Selection().where(SESSION, session_id), size, query.after, reading)


@router.get(
    "/sessions/{session_id}/timeline",
    operation_id="getSessionTimeline",
    summary="The events of a session, for Timesketch",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "One JSON object per line. The header Enricher-Events says how many "
            "events there are, Enricher-Lines how many are given at most.",
            "content": {_LINES: _TEXT},
        }
    },
)
def get_session_timeline(
    session_id: SessionId, reading: Reading, services: Services
) -> StreamingResponse:
    """Give events as Timesketch imports them, one JSON object per line."""
    one_session(session_id, reading)
    most = services.settings.api.timeline_events
    found = timeline(Selection().where(SESSION, session_id), most, reading)
    return StreamingResponse(
        found.lines,
        media_type=_LINES,
        headers={
            "Enricher-Events": str(found.total),
            "Enricher-Lines": str(found.given),
            "Content-Disposition": f'attachment; filename="session-{session_id}.jsonl"',
        },
    )


@router.get("/access-denied", operation_id="listAccessDenied", summary="Who was refused what")
def list_access_denied(query: Annotated[DeniedQuery, Query()], reading: Reading) -> AccessDenied:
    """Give calls that a policy refused, by who tried them; of the last day by default."""
    return denials.access_denied(query.selection(), reading)


@router.get("/origins", operation_id="listOrigins", summary="Who is active")
def list_origins(query: Annotated[OriginsQuery, Query()], reading: Reading) -> Origins:
    """Give the people, workloads and services behind the events; of the last day by default."""
    return origins.active_origins(query.selection(), query.most, reading)


@router.get("/coverage", operation_id="getCoverage", summary="How much is resolved")
def get_coverage(query: Annotated[ActivityQuery, Query()], reading: Reading) -> Coverage:
    """Give how much is resolved by account and method, and what would resolve the rest.

    Of the last day by default.
    """
    return origins.coverage(query.selection(), reading)
