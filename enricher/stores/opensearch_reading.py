"""Reads events for responders: by value only, in bounded time, counted where they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import RequestError

from enricher.cloudtrail.times import format_time
from enricher.response.errors import QuestionError, TooSlowError
from enricher.response.ports import Bucket, Buckets, EventPage, FoundEvent, Tally
from enricher.stores.opensearch import EVENTS
from enricher.stores.opensearch_client import translated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from opensearchpy import OpenSearch

    from enricher.response.ports import AnyOf, Group, Match, Sample, Selection

_SAMPLE = "sample:"  # before the names of samples, so that they are no groups
_DISTINCT = "distinct:"
_EXACT = 3_000  # values that are counted exactly
_OF_NONE = {"ignore_unavailable": "true", "allow_no_indices": "true"}
# The cluster looks at the clock between segments and documents; then it is told to give up, and
# then it is waited for no longer.
_GRACE_SECONDS = 2


class OpenSearchEventReading:
    """The events of an index pattern, read with a limit on the time and size of each query.

    Args:
        client: The cluster.
        timeout: How long one query may take in the cluster.
        most_events: How many events of a shard one count looks at.
    """

    def __init__(self, client: OpenSearch, *, timeout: timedelta, most_events: int) -> None:
        self._client = client
        seconds = timeout.total_seconds()
        self._timeout = f"{int(seconds * 1000)}ms"
        self._params = {
            **_OF_NONE,
            "cancel_after_time_interval": f"{int((seconds + _GRACE_SECONDS / 2) * 1000)}ms",
            "request_timeout": seconds + _GRACE_SECONDS,
        }
        self._most_events = most_events

    def page(
        self,
        selection: Selection,
        *,
        size: int,
        after: Sequence[int | str | None] | None = None,
        newest_first: bool = False,
    ) -> EventPage:
        """Give events in order of time, whole."""
        order = "desc" if newest_first else "asc"
        body: dict[str, Any] = {
            "size": size,
            "query": _query(selection),
            # Sequence numbers tell events without an id apart. One that is rewritten meanwhile
            # gets a higher one: it may come twice, and never not at all.
            "sort": [{"eventTime": order}, {"eventID": order}, {"_seq_no": order}],
            "track_total_hits": False,
        }
        if after is not None:
            body["search_after"] = list(after)
        try:
            answer = self._search(body)
        except RequestError as err:
            if after is None:
                raise
            raise QuestionError("the cursor is of no page: begin without one") from err
        if answer["timed_out"]:
            raise TooSlowError("the index took too long: narrow the time range")
        hits = answer["hits"]["hits"]
        return EventPage(
            tuple(FoundEvent(hit["_id"], hit["_source"]) for hit in hits),
            tuple(hits[-1]["sort"]) if len(hits) == size else None,
        )

    def tally(self, selection: Selection, groups: Mapping[str, Group]) -> Tally:
        """Count events by group."""
        answer = self._search(
            {
                "size": 0,
                "query": _query(selection),
                "aggs": {name: _group(group) for name, group in groups.items()},
                "track_total_hits": True,
                "terminate_after": self._most_events,
            }
        )
        found = answer.get("aggregations", {})
        return Tally(
            total=answer["hits"]["total"]["value"],
            complete=not (answer["timed_out"] or answer.get("terminated_early", False)),
            groups={name: _buckets(found.get(name, {}), group) for name, group in groups.items()},
        )

    def _search(self, body: dict[str, Any]) -> dict[str, Any]:
        with translated():
            answer: dict[str, Any] = self._client.search(
                index=EVENTS, body={**body, "timeout": self._timeout}, params=self._params
            )
        if answer["_shards"]["failed"]:
            raise TooSlowError("the index answers in part only: try again")
        return answer


# --- questions --------------------------------------------------------------------------------


def _query(selection: Selection) -> dict[str, Any]:
    filters = [_any_of(group) for group in selection.every]
    span = {"gte": selection.start, "lte": selection.end}
    given = {name: format_time(at) for name, at in span.items() if at is not None}
    if given:
        filters.append({"range": {"eventTime": given}})
    return {"bool": {"filter": filters, "must_not": [_match(one) for one in selection.none]}}


def _any_of(group: AnyOf) -> dict[str, Any]:
    return {"bool": {"should": [_match(one) for one in group], "minimum_should_match": 1}}


def _match(match: Match) -> dict[str, Any]:
    if match.values:
        return {"terms": {match.field: list(match.values)}}
    return {"exists": {"field": match.field}}


def _group(group: Group) -> dict[str, Any]:
    terms: dict[str, Any] = {"field": group.by, "size": group.size}
    if group.missing is not None:
        terms["missing"] = group.missing
    within = {name: _group(child) for name, child in group.within.items()}
    if group.span:
        within["first"] = {"min": {"field": "eventTime"}}
        within["last"] = {"max": {"field": "eventTime"}}
    if group.sample:
        within["newest"] = _top(group.sample, "desc")
    for name, sample in group.samples.items():
        within[_SAMPLE + name] = _sample(sample)
    for name in group.distinct:
        within[_DISTINCT + name] = {
            "cardinality": {"field": name, "missing": "", "precision_threshold": _EXACT}
        }
    return {"terms": terms, "aggs": within} if within else {"terms": terms}


def _sample(sample: Sample) -> dict[str, Any]:
    return {"filter": _match(sample.having), "aggs": {"one": _top(sample.fields, "asc")}}


def _top(fields: Sequence[str], order: str) -> dict[str, Any]:
    return {
        "top_hits": {"size": 1, "_source": list(fields), "sort": [{"eventTime": {"order": order}}]}
    }


# --- answers ----------------------------------------------------------------------------------


def _buckets(found: Mapping[str, Any], group: Group) -> Buckets:
    # Most groups count, and nothing else: there are thousands of their buckets in an answer.
    counts_only = not (group.within or group.sample or group.samples or group.span)
    read = _counted if counts_only and not group.distinct else _bucket
    return Buckets(
        tuple([read(one, group) for one in found.get("buckets", ())]),
        found.get("sum_other_doc_count", 0),
    )


def _counted(found: Mapping[str, Any], _: Group) -> Bucket:
    return Bucket(value=_value(found), count=found["doc_count"])


def _bucket(found: Mapping[str, Any], group: Group) -> Bucket:
    samples = {name: _first(found[_SAMPLE + name]["one"]) for name in group.samples}
    return Bucket(
        value=_value(found),
        count=found["doc_count"],
        first=_time(found.get("first")),
        last=_time(found.get("last")),
        sample=_first(found["newest"]) if group.sample else None,
        samples={name: source for name, source in samples.items() if source is not None},
        within={name: _buckets(found[name], child) for name, child in group.within.items()},
        distinct={name: found[_DISTINCT + name]["value"] for name in group.distinct},
    )


def _value(found: Mapping[str, Any]) -> str:
    """Spell a bucket's value; numbers and booleans have their spelling beside them."""
    spelled = found.get("key_as_string")
    return str(found["key"] if spelled is None else spelled)


def _first(top: Mapping[str, Any]) -> Mapping[str, Any] | None:
    hits = top["hits"]["hits"]
    return hits[0]["_source"] if hits else None


def _time(metric: Mapping[str, Any] | None) -> datetime | None:
    if metric is None or metric.get("value") is None:
        return None
    return datetime.fromtimestamp(metric["value"] / 1000, tz=UTC)
