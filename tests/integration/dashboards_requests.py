"""What OpenSearch Dashboards asks OpenSearch for when it shows a saved object.

Written after the ``toDsl`` of its aggregations and its search source: the query in Lucene's
language and the time range as filters, buckets inside each other in the order of the visualization,
metrics in the innermost, and those that order a bucket beside it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]

_SAMPLE_SIZE = 500
_BAR_TARGET = 50  # histogram:barTarget
# What `auto` may come to, each from which time a bar on; its calcAutoIntervalNear.
_INTERVALS = (
    (timedelta(0), "5m"),
    (timedelta(minutes=9), "10m"),
    (timedelta(minutes=20), "30m"),
    (timedelta(minutes=45), "1h"),
    (timedelta(hours=2), "3h"),
    (timedelta(hours=6), "12h"),
    (timedelta(days=1), "1d"),
    (timedelta(weeks=1), "7d"),
    (timedelta(weeks=3), "30d"),
    (timedelta(days=365), "365d"),
    (timedelta.max, ""),
)
EVERYTHING = ("2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z")


def interval(times: Sequence[str]) -> str:
    """Give what the interval ``auto`` comes to in a time range of hours or more."""
    start, end = map(datetime.fromisoformat, times)
    target = (end - start) / _BAR_TARGET
    return next(one for (low, one), (high, _) in pairwise(_INTERVALS) if low <= target < high)


def source_of(saved: Json) -> Json:
    """Give the search source of a saved object."""
    meta = saved["attributes"]["kibanaSavedObjectMeta"]
    source: Json = codec.loads(meta["searchSourceJSON"])
    return source


def state_of(saved: Json) -> Json:
    """Give the state of a visualization."""
    state: Json = codec.loads(saved["attributes"]["visState"])
    return state


def histograms_of(saved: Json) -> list[Json]:
    """Give the aggregations over time of a visualization."""
    return [one for one in state_of(saved)["aggs"] if one["type"] == "date_histogram"]


def query_string(query: str) -> Json:
    """Give the clause for a query in Lucene's language."""
    if not query:
        return {"match_all": {}}
    return {"query_string": {"query": query, "analyze_wildcard": True, "time_zone": "UTC"}}


def narrowed(query: str, time_field: str | None, times: Sequence[str] = EVERYTHING) -> Json:
    """Give the whole query: what is asked for, within a time range."""
    clauses = [query_string(query)]
    if time_field:
        bounds = {"gte": times[0], "lte": times[1], "format": "strict_date_optional_time"}
        clauses.append({"range": {time_field: bounds}})
    return {"bool": {"must": [], "filter": clauses, "should": [], "must_not": []}}


def requested(saved: Json, time_field: str | None, times: Sequence[str] = EVERYTHING) -> Json:
    """Give the request of a visualization.

    Args:
        saved: The visualization.
        time_field: Of its index pattern.
        times: From and to.
    """
    aggregations = state_of(saved)["aggs"]
    query = source_of(saved)["query"]["query"]
    body: Json = {"size": 0, "query": narrowed(query, time_field, times), "track_total_hits": True}
    metrics = [one for one in aggregations if one["schema"] == "metric"]
    inner = {one["id"]: _dsl(one, times) for one in metrics if one["type"] != "count"}
    for bucket in reversed([one for one in aggregations if one["schema"] != "metric"]):
        made = _dsl(bucket, times)
        ordering = _ordering(bucket, metrics, times)
        if inner or ordering:
            made["aggs"] = {**inner, **ordering}
        inner = {bucket["id"]: made}
    return {**body, "aggs": inner} if inner else body


def _ordering(bucket: Json, metrics: Sequence[Json], times: Sequence[str]) -> Json:
    """Give the metric that a terms aggregation is ordered by, which must be beside its buckets."""
    chosen = [one for one in metrics if one["id"] == bucket["params"].get("orderBy")]
    return {one["id"]: _dsl(one, times) for one in chosen if one["type"] != "count"}


def _dsl(aggregation: Json, times: Sequence[str]) -> Json:
    params, kind = aggregation["params"], aggregation["type"]
    match kind:
        case "terms":
            return {"terms": _terms(params)}
        case "date_histogram":
            assert params["interval"] == "auto"
            fixed = {"fixed_interval": interval(times), "time_zone": "UTC", "min_doc_count": 1}
            return {"date_histogram": {"field": params["field"], **fixed}}
        case "filters":
            every = {one["label"]: query_string(one["input"]["query"]) for one in params["filters"]}
            return {"filters": {"filters": every}}
        case "top_hits":
            order = [{params["sortField"]: {"order": params["sortOrder"]}}]
            inner = {"size": params["size"], "sort": order, "docvalue_fields": [params["field"]]}
            return {"top_hits": inner}
        case "min" | "max" | "avg" | "sum" | "cardinality":
            return {kind: {"field": params["field"]}}
        case _:
            raise AssertionError(f"no panel is known to ask for {kind}")


def _terms(params: Json) -> Json:
    ordered_by = "_count" if params["orderBy"] == "1" else params["orderBy"]
    body = {
        "field": params["field"],
        "size": params["size"],
        "order": {ordered_by: params["order"]},
    }
    return {**body, "missing": "__missing__"} if params.get("missingBucket") else body


def searched(saved: Json, time_field: str, dates: Sequence[str], query: str | None = None) -> Json:
    """Give the request of a saved search, with the histogram above its table."""
    asked = source_of(saved)["query"]["query"] if query is None else query
    ((field, order),) = saved["attributes"]["sort"]
    bars = {"field": time_field, "fixed_interval": interval(EVERYTHING), "min_doc_count": 1}
    return {
        "size": _SAMPLE_SIZE,
        "query": narrowed(asked, time_field),
        "sort": [{field: {"order": order, "unmapped_type": "boolean"}}],
        "stored_fields": ["*"],
        "_source": {"excludes": []},
        "docvalue_fields": [{"field": name, "format": "date_time"} for name in dates],
        "aggs": {"2": {"date_histogram": bars}},
        "track_total_hits": True,
    }


def drawn(saved: Json, times: Sequence[str] = EVERYTHING) -> tuple[str, Json]:
    """Give index and request of a drawing, as its plug-in fills them in."""
    url = codec.loads(state_of(saved)["params"]["spec"])["data"]["url"]
    assert url["%context%"] is True
    body = {**url["body"], "query": narrowed("", url["%timefield%"], times)}
    return url["index"], {**body, "track_total_hits": True}


def bucket_count(answer: Json, aggregation: str) -> int:
    """Count the buckets of an answer that hold something."""
    buckets = answer["aggregations"][aggregation]["buckets"]
    each = buckets.values() if isinstance(buckets, dict) else buckets
    return sum(1 for bucket in each if bucket["doc_count"])
