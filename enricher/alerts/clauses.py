"""Parts of queries in OpenSearch's query DSL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

Query = dict[str, Any]


def exists(field: str) -> Query:
    """Give the query of events that have a field."""
    return {"exists": {"field": field}}


def any_of(queries: Iterable[Query]) -> Query:
    """Give the query of what any of these matches."""
    found = list(queries)
    return found[0] if len(found) == 1 else {"bool": {"should": found, "minimum_should_match": 1}}


def all_of(*queries: Query) -> Query:
    """Give the query of what all of these match."""
    return {"bool": {"filter": list(queries)}}


def same(field: str, value: str | None) -> Query:
    """Give the query of events whose field has exactly this value; None: that have none."""
    if value is None:
        return {"bool": {"must_not": [exists(field)]}}
    return {"term": {field: value}}


def one_of(field: str, values: Iterable[str | None]) -> Query:
    """Give the query of events whose field has one of these values; None: or has none."""
    distinct = dict.fromkeys(values)
    terms = {"terms": {field: [one for one in distinct if one is not None]}}
    return any_of([terms, same(field, None)]) if None in distinct else terms


def of_group(fields: Iterable[str], values: Iterable[str | None]) -> Iterator[Query]:
    """Give the queries, all of which an event of a group matches."""
    return map(same, fields, values)


def between(start: datetime, end: datetime, *, inclusive: bool = False) -> Query:
    """Give the query of events from start, inclusive, to end."""
    upper = "lte" if inclusive else "lt"
    return {"range": {"eventTime": {"gte": format_time(start), upper: format_time(end)}}}


def enriched_since(start: datetime) -> Query:
    """Give the query of events that were enriched from an instant on."""
    return {"range": {"enriched.at": {"gte": format_time(start)}}}


def of_events(event_ids: Sequence[str]) -> Query:
    """Give the query of these events; one without an event id goes by its document's."""
    ids = list(event_ids)
    return any_of([{"terms": {"eventID": ids}}, {"ids": {"values": ids}}])


def asked_for(query: Query, field: str) -> frozenset[str] | None:
    """Give values of a field, one of which every event has that a query matches; case-folded.

    None where the query does not tell.
    """
    value = query.get("term", {}).get(field)
    if value is not None:
        return frozenset({_folded(value["value"] if isinstance(value, dict) else value)})
    values = query.get("terms", {}).get(field)
    if values is not None:
        return frozenset(map(_folded, values))
    parts = query.get("bool", {})
    told = [asked_for(one, field) for one in parts.get("filter", ())]
    if parts.get("minimum_should_match"):
        told.append(_any_asked_for(parts.get("should", ()), field))
    return min((one for one in told if one is not None), key=len, default=None)


def _any_asked_for(queries: Iterable[Query], field: str) -> frozenset[str] | None:
    every = [asked_for(one, field) for one in queries]
    known = [one for one in every if one is not None]
    return frozenset().union(*known) if known and len(known) == len(every) else None


def _folded(value: object) -> str:
    return str(value).casefold()


def weight(query: Query) -> int:
    """Count what a cluster counts as clauses, a span twice; it refuses a query of too many."""
    if "range" in query:
        return 2
    groups = query.get("bool", {}).values()
    inner = [one for group in groups if isinstance(group, list) for one in group]
    return sum(map(weight, inner)) or 1
