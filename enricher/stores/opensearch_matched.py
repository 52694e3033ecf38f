"""What the events said to alert rules: OpenSearch's answers, read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from enricher.alerts.alert import Content, OriginShown, SessionShown
from enricher.alerts.ports import Bucket, Fault, FirstEvent
from enricher.cloudtrail.times import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from enricher.alerts.ports import Grouping

WINDOW = "window"
# An event is told of by what it is sorted by: its time, and its event id where it has one. So
# nothing of it needs to be fetched.
OLDEST = [{"eventTime": "asc"}, {"eventID": "asc"}]
NEWEST = [{"eventTime": "desc"}, {"eventID": "desc"}]
TERMS = {
    "accounts": "recipientAccountId",
    "regions": "awsRegion",
    "actions": "eventName",
    "targets": "enriched.target.arns",
    "sources": "sourceIPAddress",
    "origins": "enriched.origin.id",
}


def is_one_unnamed(answer: Mapping[str, Any] | Fault) -> bool:
    """Say whether events were told of by fields alone, and one has no event id (rulings 20)."""
    if isinstance(answer, Fault):
        return False
    found = answer.get("aggregations", {})
    buckets = [
        *found.get("parts", {}).get("buckets", ()),
        *found.get("groups", {}).get("buckets", ()),
    ]
    return any(
        "_id" not in hit and not hit["sort"][1]
        for bucket in buckets
        for name in ("first", "newest")
        for hit in bucket.get(name, {}).get("hits", {}).get("hits", ())
    )


def bucket_of(bucket: Mapping[str, Any], question: Grouping) -> Bucket:
    """Read one group."""
    key = bucket["key"]
    first = bucket["first"]["hits"]["hits"][0] if question.shown else None
    dated = question.dated and not question.shown
    return Bucket(
        values=tuple(_spelled(key[str(number)]) for number in range(len(question.by))),
        start=instant_of(key[WINDOW]) if question.window is not None else None,
        count=bucket["doc_count"],
        first=None if first is None else _first_event(first, question.shown),
        first_at=instant_of(bucket["first_at"]["value"]) if dated else None,
    )


def _first_event(hit: Mapping[str, Any], shown: Sequence[str]) -> FirstEvent:
    fields = hit.get("fields", {})
    return FirstEvent(
        id=_event_id_of(hit),
        at=instant_of(hit["sort"][0]),
        values=tuple(_spelled(fields[name][0]) if fields.get(name) else None for name in shown),
    )


def _spelled(value: object) -> str | None:
    """Spell a value as a term query takes it."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def contents_of(answer: Mapping[str, Any], parts: int) -> list[Content | None]:
    """Read what is to be said of each part; None of one without events."""
    if "aggregations" not in answer:  # there is no index yet
        return [None] * parts
    return [_content(one) for one in answer["aggregations"]["parts"]["buckets"]]


def _content(part: Mapping[str, Any]) -> Content | None:
    if not part["doc_count"]:
        return None
    first, newest = (part[name]["hits"]["hits"] for name in ("first", "newest"))
    enriched = first[0]["_source"].get("enriched", {})
    origin = enriched.get("origin") or {}
    values: dict[str, Any] = {name: tuple(sorted(_keys(part[name]))) for name in TERMS}
    return Content(
        first_at=format_time(instant_of(first[0]["sort"][0])),
        last_at=format_time(instant_of(newest[0]["sort"][0])),
        count=part["doc_count"],
        event_ids=tuple(_event_id_of(hit) for hit in newest),
        origin=OriginShown(**{name: origin.get(name) for name in OriginShown.__struct_fields__}),
        session=SessionShown(root_id=(enriched.get("session") or {}).get("root_id")),
        **values,
    )


def _keys(terms: Mapping[str, Any]) -> list[str]:
    return [bucket["key"] for bucket in terms["buckets"]]


def _event_id_of(hit: Mapping[str, Any]) -> str:
    """Give an event's id; that of its document where the record has none (rulings 20)."""
    return str(hit["sort"][1] or hit["_id"])


def instant_of(value: float) -> datetime:
    """Read an instant, in milliseconds since 1970."""
    return datetime.fromtimestamp(value / 1000, tz=UTC)
