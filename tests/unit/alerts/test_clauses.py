"""What can be told of a query without asking it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enricher.alerts.clauses import all_of, any_of, asked_for, exists, same

if TYPE_CHECKING:
    from enricher.alerts.clauses import Query

STOP: Query = {"term": {"eventName": {"value": "StopLogging", "case_insensitive": True}}}
DELETE: Query = {"term": {"eventName": "DeleteTrail"}}
SOURCE = same("eventSource", "cloudtrail.amazonaws.com")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (STOP, {"stoplogging"}),
        (DELETE, {"deletetrail"}),
        ({"terms": {"eventName": ["A", "b"]}}, {"a", "b"}),
        (any_of([STOP]), {"stoplogging"}),
        (any_of([STOP, DELETE]), {"stoplogging", "deletetrail"}),
        (all_of(SOURCE, any_of([STOP, DELETE])), {"stoplogging", "deletetrail"}),
        (all_of(any_of([STOP, DELETE]), STOP), {"stoplogging"}),
        (all_of(all_of(SOURCE), all_of(STOP)), {"stoplogging"}),
        (same("eventName", "\u017ftop"), {"stop"}),  # Lucene takes a long s for an s too
    ],
)
def test_a_query_tells_which_values_it_asks_for(query: Query, names: set[str]) -> None:
    assert asked_for(query, "eventName") == frozenset(names)


@pytest.mark.parametrize(
    "query",
    [
        SOURCE,
        exists("eventName"),
        same("eventName", None),
        any_of([STOP, SOURCE]),
        any_of([]),
        all_of(),
        {"bool": {"must_not": [STOP]}},
        {"bool": {"should": [STOP], "filter": [SOURCE]}},  # none of the first has to match
        {"wildcard": {"eventName": {"value": "Stop*"}}},
        {"match_none": {}},
    ],
)
def test_what_a_query_does_not_tell_is_not_guessed(query: Query) -> None:
    assert asked_for(query, "eventName") is None
