"""Alerts: what rules found, and what people do about it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query

from enricher.alerts import triage
from enricher.alerts.answers import AlertsPage, Comment
from enricher.alerts.errors import UnknownAlertError
from enricher.alerts.shown import AlertShown, shown
from enricher.api.access import needs_read, needs_respond
from enricher.api.gate import Caller
from enricher.api.parameters import AlertsQuery, Services
from enricher.api.problems import documented
from enricher.response.errors import QuestionError
from enricher.stores.memory import SystemClock

router = APIRouter(
    prefix="/v1/alerts", tags=["alerts"], responses=documented(401, 403, 404, 422, 429, 503)
)

AlertId = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{32}(-[0-9]{1,6})?$",
        description="An alert's id.",
        examples=["5f0e6d2c3b1a4c8d9e7f0a1b2c3d4e5f"],
    ),
]
Said = Annotated[
    Comment | None,
    Body(openapi_examples={"comment": {"value": {"comment": "asked alice: it was her"}}}),
]
Responder = Annotated[Caller, Depends(needs_respond)]


@router.get(
    "",
    operation_id="listAlerts",
    summary="Alerts, newest first",
    dependencies=[Depends(needs_read)],
)
def list_alerts(query: Annotated[AlertsQuery, Query()], services: Services) -> AlertsPage:
    """Give alerts, page by page; without those that are suppressed, unless they are asked for."""
    if query.after is not None and services.alerts.get(query.after) is None:
        raise QuestionError("after is not what an earlier page said: begin without it")
    wanted = query.wanted(SystemClock().now())
    found = services.alerts.find(wanted, query.size + 1, query.after)
    page = found[: query.size]
    return AlertsPage(
        alerts=tuple(shown(one) for one in page),
        next=page[-1].id if len(found) > len(page) else None,
    )


@router.get(
    "/{alert_id}",
    operation_id="getAlert",
    summary="One alert, with its history",
    dependencies=[Depends(needs_read)],
)
def get_alert(alert_id: AlertId, services: Services) -> AlertShown:
    """Give an alert, whole."""
    found = services.alerts.get(alert_id)
    if found is None:
        raise UnknownAlertError("there is no alert of this id")
    return shown(found.alert)


@router.post(
    "/{alert_id}/acknowledge",
    operation_id="acknowledgeAlert",
    summary="Say that somebody looks after an alert",
    responses=documented(400, 413),
)
def acknowledge(
    alert_id: AlertId, caller: Responder, services: Services, said: Said = None
) -> AlertShown:
    """Mark it, with who did it and what they said; twice is the same as once."""
    note = said.comment if said else None
    return shown(triage.acknowledge(alert_id, caller.id, services.triaging, note))


@router.post(
    "/{alert_id}/close",
    operation_id="closeAlert",
    summary="Say that nothing is left to do about an alert",
    responses=documented(400, 413),
)
def close(
    alert_id: AlertId, caller: Responder, services: Services, said: Said = None
) -> AlertShown:
    """Mark it, with who did it and what they said; new events open it again."""
    note = said.comment if said else None
    return shown(triage.close(alert_id, caller.id, services.triaging, note))
