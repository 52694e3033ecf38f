"""From anything suspicious to everything about it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends

from enricher.api.access import needs_read
from enricher.api.parameters import Related, Services
from enricher.api.problems import documented
from enricher.response import triage
from enricher.response.guardduty import parse_finding
from enricher.response.triage import Question, Triage

router = APIRouter(
    prefix="/v1/triage",
    tags=["triage"],
    dependencies=[Depends(needs_read)],
    responses=documented(400, 401, 403, 404, 413, 422, 429, 503),
)

_FINDING: dict[str, Any] = {
    "schemaVersion": "2.0",
    "accountId": "111122223333",
    "region": "us-east-1",
    "id": "bbedbdd944d7fa220a8f10fe73276617",
    "type": "Discovery:IAMUser/AnomalousBehavior",
    "severity": 8,
    "title": "User AssumedRole : admin is anomalously invoking APIs.",
    "resource": {
        "resourceType": "AccessKey",
        "accessKeyDetails": {
            "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
            "principalId": "AROACKCEVSQ6C2EXAMPLE:itadmin",
            "userType": "AssumedRole",
            "userName": "admin",
        },
    },
    "service": {
        "serviceName": "guardduty",
        "action": {
            "actionType": "AWS_API_CALL",
            "awsApiCallAction": {
                "api": "ListUsers",
                "serviceName": "iam.amazonaws.com",
                "callerType": "Remote IP",
                "remoteIpDetails": {"ipAddressV4": "203.0.113.7"},
            },
        },
        "eventFirstSeen": "2026-03-02T17:40:23Z",
        "eventLastSeen": "2026-03-02T17:58:35Z",
    },
}
_ENVELOPE: dict[str, Any] = {
    "version": "0",
    "detail-type": "GuardDuty Finding",
    "source": "aws.guardduty",
    "account": "111122223333",
    "detail": _FINDING,
}


@router.post("", operation_id="triage", summary="Everything about something suspicious")
def post_triage(
    question: Annotated[
        Question,
        Body(
            openapi_examples={
                "event": {"value": {"event_id": "38d0221b-61e0-47d6-9c45-7eb2dc55125b"}},
                "access key": {"value": {"access_key_id": "ASIAIOSFODNN7EXAMPLE"}},
                "principal": {"value": {"principal": {"name": "alice"}}},
                "address": {
                    "value": {
                        "ip": "203.0.113.7",
                        "start": "2026-03-02T00:00:00Z",
                        "end": "2026-03-03T00:00:00Z",
                    }
                },
            }
        ),
    ],
    services: Services,
    related: Related,
) -> Triage:
    """Give origin, chain, sessions, summary, denials, what else happened, and what contains it."""
    return triage.triage(question, services.planning, related)


@router.post(
    "/guardduty", operation_id="triageGuardDuty", summary="Everything about a GuardDuty finding"
)
def post_guardduty(
    finding: Annotated[
        dict[str, Any],
        Body(
            description="A finding as AWS writes it: bare, in EventBridge's envelope, or as "
            "GetFindings gives it.",
            openapi_examples={
                "finding": {"value": _FINDING},
                "EventBridge": {"value": _ENVELOPE},
            },
        ),
    ],
    services: Services,
    related: Related,
) -> Triage:
    """Give the same for the credential that a finding names.

    GuardDuty names one key; a console session uses many. All of the session is given.
    """
    return triage.triage_finding(parse_finding(finding), services.planning, related)
