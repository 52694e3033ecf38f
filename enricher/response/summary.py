"""What was done, grouped by API call, in two tables: what only read, and everything else.

After Eliav Levy, "CloudTrail Logging Internals" (fwd:cloudsec 2021): thousands of events become
tens of rows, each with a sample of what tells most. Samples of reads are their filters, samples of
everything else are their parameters; a denied call has no parameters, and its message names the
target instead.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field

from enricher.cloudtrail import codec
from enricher.response.events import part, text
from enricher.response.models import Answer
from enricher.response.ports import Group, Match, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.response.ports import Bucket, EventReading, Selection

READ = "read"
_LONGEST_SAMPLE = 2_000  # characters; a policy document may be longer, a table cell should not
_SERVICES, _CALLS = 100, 250


class Call(Answer):
    """One kind of API call, and how often it was made with what result."""

    service: str = Field(examples=["iam.amazonaws.com"])
    """`eventSource`."""
    name: str = Field(examples=["CreateUser"])
    """`eventName`."""
    action: str = Field(examples=["change"])
    """Its class; empty where it is not known yet."""
    sensitive: bool
    """Whether some of it read secrets or data, or shared something."""
    calls: int = Field(examples=[3])
    """How often it was made."""
    success: int = Field(examples=[2])
    """How often it succeeded."""
    failed: int = Field(examples=[1])
    """How often it did not, denied calls included."""
    denied: int = Field(examples=[1])
    """How often a policy refused it."""
    sample_resources: str | None
    """`resources` of one of them, as JSON."""
    denied_target: str | None
    """What one denied call was about, as its message says."""
    sample_parameters: str | None
    """`requestParameters` of one of them, as JSON; of calls that only read, see the filter."""
    sample_filter: str | None
    """`filterSet` or the like of one call that only read, as JSON."""
    sample_error: str | None
    """Error code and message of one that failed."""
    first: datetime | None
    """The first."""
    last: datetime | None
    """The last."""
    regions: tuple[str, ...]
    """In which regions, most first."""
    account_ids: tuple[str, ...]
    """In which accounts, most first."""


class Summary(Answer):
    """What was done, in two tables; rows of the most calls first within their service."""

    events: int = Field(examples=[1204])
    """How many events it is about."""
    not_read_only: tuple[Call, ...]
    """Calls that changed something, handed out credentials, signed in, or are not known."""
    read_only: tuple[Call, ...]
    """Calls that only read."""
    events_omitted: int
    """Events of kinds beyond those that are given."""
    complete: bool
    """Whether all events were counted."""


_DENIED = ("enriched.outcome.denied_resource", "enriched.outcome.denied_action")
_SAMPLES = {
    "resources": Sample(Match("resources.ARN"), ("resources",)),
    "denied": Sample(Match("enriched.outcome.denied_resource"), _DENIED),
    "parameters": Sample(Match("requestParameters"), ("requestParameters",)),
    "error": Sample(Match("errorCode"), ("errorCode", "errorMessage")),
}
_BY_CALL = Group(
    by="eventName",
    size=_CALLS,
    missing="",
    span=True,
    samples=_SAMPLES,
    within={
        "outcomes": Group(by="enriched.outcome.status"),
        "sensitive": Group(by="enriched.action.sensitive", size=2),
        "regions": Group(by="awsRegion", size=20),
        "account_ids": Group(by="recipientAccountId", size=20),
    },
)
_BY_ACTION = Group(
    by="enriched.action.class",
    missing="",
    within={
        "services": Group(by="eventSource", size=_SERVICES, missing="", within={"calls": _BY_CALL})
    },
)


def summarize(selection: Selection, reading: EventReading) -> Summary:
    """Summarize events by API call.

    An event that is not enriched yet counts as not read-only: shown rather than overlooked.
    """
    tally = reading.tally(selection, {"actions": _BY_ACTION})
    actions = tally.groups["actions"]
    services = [one.within["services"] for one in actions.buckets]
    calls = [service.within["calls"] for one in services for service in one.buckets]
    omitted = [actions.other, *(one.other for one in services), *(one.other for one in calls)]
    reads: list[Call] = []
    others: list[Call] = []
    for bucket in actions.buckets:
        (reads if bucket.value == READ else others).extend(_calls(bucket))
    return Summary(
        events=tally.total,
        not_read_only=tuple(sorted(others, key=_order)),
        read_only=tuple(sorted(reads, key=_order)),
        events_omitted=sum(omitted),
        complete=tally.complete,
    )


def _order(call: Call) -> tuple[str, int, str, str]:
    return (call.service, -call.calls, call.name, call.action)


def _calls(action: Bucket) -> Iterator[Call]:
    for service in action.within["services"].buckets:
        for bucket in service.within["calls"].buckets:
            yield _call(action.value, service.value, bucket)


def _call(action: str, service: str, bucket: Bucket) -> Call:
    outcomes = bucket.counts("outcomes")
    success, denied = outcomes.get("success", 0), outcomes.get("denied", 0)
    samples = bucket.samples
    parameters = samples.get("parameters", {}).get("requestParameters")
    return Call(
        service=service,
        name=bucket.value,
        action=action,
        sensitive="true" in bucket.values("sensitive"),
        calls=bucket.count,
        success=success,
        failed=denied + outcomes.get("failed", 0),
        denied=denied,
        sample_resources=_json(samples.get("resources", {}).get("resources")),
        denied_target=text(
            part(samples.get("denied"), "enriched", "outcome").get("denied_resource")
        ),
        sample_parameters=None if action == READ else _json(parameters),
        sample_filter=_json(_filter(parameters)) if action == READ else None,
        sample_error=_error(samples.get("error", {})),
        first=bucket.first,
        last=bucket.last,
        regions=tuple(bucket.values("regions")),
        account_ids=tuple(bucket.values("account_ids")),
    )


def _filter(parameters: object) -> object:
    """Give what a read asked for: its filters where it has some, else all that it said."""
    return part(parameters).get("filterSet") or parameters


def _json(value: object) -> str | None:
    return _cut(codec.dumps(value).decode()) if value else None


def _error(sample: object) -> str | None:
    said = [text(part(sample).get(name)) for name in ("errorCode", "errorMessage")]
    return _cut(": ".join(one for one in said if one)) or None


def _cut(sample: str) -> str:
    return sample if len(sample) <= _LONGEST_SAMPLE else f"{sample[:_LONGEST_SAMPLE]}…"
