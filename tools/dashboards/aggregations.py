"""The aggregations of a panel, as visualizations state them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tools.dashboards.definitions import (
    TIME,
    Bars,
    By,
    Count,
    Donut,
    Matrix,
    Metric,
    Numbers,
    OverTime,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


Aggregation = dict[str, Any]
Aggregated = Numbers | OverTime | Bars | Donut | Matrix | Table
Bucket = By | list[Count] | Literal["time"]
Schema = Literal["metric", "segment", "group", "bucket"]

_OF = {"unique": "cardinality", "latest": "top_hits"}


def aggregations_of(panel: Aggregated, time_field: str | None) -> list[Aggregation]:
    """Give the aggregations of a panel: metrics first, then buckets from the outside in.

    Args:
        panel: What it shows.
        time_field: The time field of its index pattern.

    Raises:
        ValueError: If it asks for time and its index pattern has none, or orders by a metric that
            it has not.
    """
    metrics = _metrics_of(panel)
    made = [_metric(str(number), one, time_field) for number, one in enumerate(metrics, 1)]
    for bucket, schema in _buckets_of(panel):
        key = str(len(made) + 1)
        if isinstance(bucket, By):
            made.append(_terms(key, schema, bucket, metrics))
        elif isinstance(bucket, list):
            made.append(_filters(key, schema, bucket))
        else:
            made.append(_time(key, schema, time_field))
    return made


def _metrics_of(panel: Aggregated) -> list[Metric]:
    if isinstance(panel, Numbers):
        return panel.metrics or [Metric(of="count", label="events")]
    return panel.metrics if isinstance(panel, Table) else [panel.metric]


def _buckets_of(panel: Aggregated) -> list[tuple[Bucket, Schema]]:
    """Give fields, queries or time, each with the part that it plays, from the outside in.

    What splits a chart goes around the time: then its values are those that come first in the
    whole range, not others in each interval.
    """
    found: list[tuple[Bucket | None, Schema]]
    match panel:
        case Numbers():
            found = [(panel.counts, "group")]
        case OverTime():
            found = [(panel.by or panel.counts, "group"), (TIME, "segment")]
        case Bars():
            found = [(panel.by, "segment"), (panel.split, "group")]
        case Donut():
            found = [(panel.by, "segment")]
        case Matrix():
            found = [(panel.rows, "group"), (panel.columns, "segment")]
        case Table():
            found = [(one, "bucket") for one in panel.by]
    return [(bucket, schema) for bucket, schema in found if bucket]


def _stated(key: str, kind: str, schema: Schema, params: dict[str, Any]) -> Aggregation:
    return {"id": key, "enabled": True, "type": kind, "schema": schema, "params": params}


def _metric(key: str, metric: Metric, time_field: str | None) -> Aggregation:
    params: dict[str, Any] = {"customLabel": metric.label}
    if metric.of != "count":
        params["field"] = metric.field
    if metric.of == "latest":
        params |= {"aggregate": "concat", "size": 1, "sortField": time_field, "sortOrder": "desc"}
    return _stated(key, _OF.get(metric.of, metric.of), "metric", params)


def _time(key: str, schema: Schema, time_field: str | None) -> Aggregation:
    if time_field is None:
        raise ValueError("a panel over time needs an index pattern with a time field")
    # Without a label of its own: then the axis says how much time a bar stands for.
    params = {"field": time_field, "interval": "auto", "min_doc_count": 1}
    return _stated(key, "date_histogram", schema, params)


def _filters(key: str, schema: Schema, counts: Sequence[Count]) -> Aggregation:
    inputs = [
        {"input": {"query": one.query, "language": "lucene"}, "label": one.label} for one in counts
    ]
    return _stated(key, "filters", schema, {"filters": inputs})


def _terms(key: str, schema: Schema, by: By, metrics: Sequence[Metric]) -> Aggregation:
    labels = [metric.label for metric in metrics]
    params: dict[str, Any] = {
        "field": by.field,
        "orderBy": str(labels.index(by.order) + 1 if by.order else 1),
        "order": by.direction,
        "size": by.size,
        "customLabel": by.label,
    }
    if by.missing is not None:
        params |= {"missingBucket": True, "missingBucketLabel": by.missing}
    return _stated(key, "terms", schema, params)
