"""Records in, events out, nothing kept."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, ConfigDict, Field

from enricher.api.access import needs_read
from enricher.api.parameters import Services
from enricher.api.problems import documented
from enricher.cloudtrail import codec
from enricher.pipeline.ondemand import enrich_now
from enricher.response.errors import QuestionError

router = APIRouter(
    prefix="/v1",
    tags=["enrichment"],
    dependencies=[Depends(needs_read)],
    responses=documented(400, 401, 403, 413, 422, 429, 503),
)

Json = dict[str, Any]
RECORD: Json = {
    "eventVersion": "1.11",
    "userIdentity": {
        "type": "IAMUser",
        "principalId": "AIDACKCEVSQ6C2EXAMPLE",
        "arn": "arn:aws:iam::111122223333:user/alice",
        "accountId": "111122223333",
        "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "userName": "alice",
    },
    "eventTime": "2026-03-02T08:15:00Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "ListBuckets",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "203.0.113.7",
    "eventID": "5f0e6d2c-3b1a-4c8d-9e7f-0a1b2c3d4e5f",
    "recipientAccountId": "111122223333",
}


class EnrichedRecord(BaseModel):
    """One record as an event, or why it is none."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    position: int = Field(examples=[0])
    """Which record, counted from 0."""
    event: Json | None = Field(examples=[{**RECORD, "enriched": {"state": "final"}}])
    """The event as it would be indexed; session tokens are redacted."""
    refused: str | None = Field(examples=["event-time-unreadable"])
    """Why the record cannot be taken."""


class EnrichedRecords(BaseModel):
    """Records as events, in order."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    records: list[EnrichedRecord]
    """One for each record that was sent."""


@router.post("/enrich", operation_id="enrich", summary="Enrich records without indexing them")
def post_enrich(
    body: Annotated[
        Json | list[Json],
        Body(
            description='Records as CloudTrail writes them: `{"Records": […]}`, a list, or one '
            "EventBridge event.",
            openapi_examples={
                "log file": {"value": {"Records": [RECORD]}},
                "list": {"value": [RECORD]},
                "EventBridge": {
                    "value": {
                        "version": "0",
                        "detail-type": "AWS API Call via CloudTrail",
                        "source": "aws.s3",
                        "account": "111122223333",
                        "detail": RECORD,
                    }
                },
            },
        ),
    ],
    services: Services,
) -> EnrichedRecords:
    """Give records enriched with the evidence at hand; they may prove one another."""
    found = enrich_now(content_of(body), services.enriching_now)
    return EnrichedRecords(
        records=[
            EnrichedRecord(position=one.position, event=one.event, refused=one.refused)
            for one in found
        ]
    )


def content_of(body: Json | list[Json]) -> bytes:
    """Write records as a log file has them.

    Raises:
        QuestionError: If they hold what no JSON of CloudTrail holds.
    """
    try:
        return codec.dumps(body)
    except TypeError as err:
        raise QuestionError(
            "a record nests too deep, or holds a number or text that cannot be written"
        ) from err
