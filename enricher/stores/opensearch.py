"""Events, quarantine and ledger in OpenSearch."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import RequestError

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time, parse_time
from enricher.errors import ConfigurationError, UnavailableError
from enricher.pipeline.dependence import Between, Exists, OneOf, conditions_of, conditions_told
from enricher.pipeline.documents import EVENTS_PREFIX
from enricher.pipeline.ports import (
    StoredEvent,
    WriteResult,
    Written,
)
from enricher.stores.opensearch_client import (
    AS_STORED,
    CONFLICT,
    CREATED,
    OK,
    SERVER_ERROR,
    bulk,
    check_not_blocked,
    mget,
    parts,
    translated,
    walk,
)
from enricher.stores.opensearch_ledger import OpenSearchLedger
from enricher.stores.patience import OVERLOADED, TRIES, pause_before

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from enricher.pipeline.dependence import Condition, Conjunction
    from enricher.pipeline.ports import (
        Document,
    )

EVENTS = f"{EVENTS_PREFIX}*"

_PAGE = 1_000
# An event that somebody rewrites at the same time is left to the next try, never overwritten.
_MARKING = {"conflicts": "proceed", "ignore_unavailable": "true", "allow_no_indices": "true"}
_IN_ORDER = ({"eventTime": "asc"}, AS_STORED)
_VALUES_PER_QUERY = 10_000
_CLAUSES_PER_QUERY = 500  # a cluster takes 1,024, and counts a span of time twice


class OpenSearchEventIndex(OpenSearchLedger):
    """The events, and what is written beside them, over one client."""

    def create(self, documents: Sequence[Document]) -> list[WriteResult]:
        """Write documents that are not there yet, in bulk requests of bounded size."""
        results: list[WriteResult | None] = [None] * len(documents)
        open_ones = list(range(len(documents)))
        for attempt in range(TRIES):
            pause_before(attempt, self.on_repetition)
            still_open: list[int] = []
            lines = [create_lines(documents[number]) for number in open_ones]
            for part in parts(lines, self._bulk_bytes):
                items = bulk(self._client, b"".join(lines[place] for place in part))
                for place, item in zip(part, items, strict=True):
                    number = open_ones[place]
                    results[number] = _result(item["create"])
                    if results[number] is None:
                        still_open.append(number)
            open_ones = still_open
            if not open_ones:
                return [result for result in results if result is not None]
        raise UnavailableError("OpenSearch is overloaded: it kept refusing documents with 429")

    def depending_on(self, keys: Sequence[str], event_ids: Sequence[str]) -> Iterator[StoredEvent]:
        """Find the events whose answer may change, among all that is written by now."""
        self._refresh()
        seen: set[str] = set()
        for query in _questions(keys, event_ids):
            for event in self.scan(query):
                if event.id not in seen:
                    seen.add(event.id)
                    yield event

    def pending(self, *, written_before: datetime | None = None) -> Iterator[StoredEvent]:
        """Find the events that wait for evidence."""
        clauses: list[dict[str, Any]] = [{"term": {"enriched.state": "pending"}}]
        if written_before is not None:
            clauses.append({"range": {"enriched.at": {"lt": format_time(written_before)}}})
        return self._scan_refreshed({"bool": {"filter": clauses}})

    def not_enriched(self) -> Iterator[StoredEvent]:
        """Find the events that were written raw and not enriched yet."""
        pending = {"term": {"enriched.state": "pending"}}
        absent = {"exists": {"field": "enriched.origin.status"}}
        return self._scan_refreshed({"bool": {"filter": [pending], "must_not": [absent]}})

    def of_file(self, location: str) -> Iterator[StoredEvent]:
        """Find the events that a log file delivered first."""
        return self._scan_refreshed({"term": {"enriched.file": location}})

    def stored(self, documents: Sequence[Document]) -> Iterator[StoredEvent]:
        """Give the events that are stored under the ids of these documents, as they are now."""
        for start in range(0, len(documents), _PAGE):
            wanted = [
                {"_index": document.index, "_id": document.id}
                for document in documents[start : start + _PAGE]
            ]
            yield from (stored(found) for found in mget(self._client, wanted))

    def every(self) -> Iterator[StoredEvent]:
        """Give every event there is."""
        return self._scan_refreshed({"match_all": {}})

    def matching(self, query: str) -> Iterator[StoredEvent]:
        """Find the events that a query matches, in OpenSearch's query string syntax.

        Raises:
            ConfigurationError: If that is no query.
        """
        found = self._scan_refreshed({"query_string": {"query": query, "lenient": True}})
        try:
            yield from found
        except RequestError as err:
            raise ConfigurationError("OpenSearch does not understand the query") from err

    def _scan_refreshed(self, query: Mapping[str, Any]) -> Iterator[StoredEvent]:
        self._refresh()
        return self.scan(query)

    def _refresh(self) -> None:
        with translated():
            self._client.indices.refresh(
                index=EVENTS, params={"ignore_unavailable": "true", "allow_no_indices": "true"}
            )

    def scan(self, query: Mapping[str, Any]) -> Iterator[StoredEvent]:
        """Give every event that a query matches, from one point in time."""
        for hits in walk(self._client, EVENTS, query, _IN_ORDER, size=_PAGE):
            yield from (stored(hit) for hit in hits)

    def rewrite(self, events: Sequence[StoredEvent]) -> list[bool]:
        """Write events again where nobody else did since they were read."""
        written: list[bool] = []
        lines = [_rewrite_lines(event) for event in events]
        for part in parts(lines, self._bulk_bytes):
            body = b"".join(lines[number] for number in part)
            for attempt in range(TRIES):
                pause_before(attempt, self.on_repetition)
                items = [item["index"] for item in bulk(self._client, body)]
                if not any(item["status"] in OVERLOADED for item in items):
                    break
            else:
                raise UnavailableError("OpenSearch is overloaded: it kept refusing rewrites")
            for item in items:
                check_not_blocked(item)
                if item["status"] not in (OK, CREATED, CONFLICT):
                    raise ConfigurationError(
                        "OpenSearch refuses an enrichment: "
                        f"{item['error']['type']}; run `enricher install` to update the mapping"
                    )
                written.append(item["status"] != CONFLICT)
        return written

    def mark_integrity(self, locations: Sequence[str], integrity: str) -> int:
        """Set ``enriched.integrity`` of the events that these log files delivered."""
        marked = 0
        for start in range(0, len(locations), _VALUES_PER_QUERY):
            some = list(locations[start : start + _VALUES_PER_QUERY])
            for attempt in range(TRIES):
                pause_before(attempt, self.on_repetition)
                self._refresh()
                answer = self._mark(some, integrity)
                marked += answer["updated"]
                if not answer["version_conflicts"]:
                    break
            else:
                raise UnavailableError("events are being rewritten by others; try again later")
        return marked

    def _mark(self, locations: list[str], integrity: str) -> dict[str, Any]:
        body = {
            "query": {
                "bool": {
                    "filter": [{"terms": {"enriched.file": locations}}],
                    "must_not": [{"term": {"enriched.integrity": integrity}}],
                }
            },
            "script": {
                "lang": "painless",
                "source": "ctx._source.enriched.integrity = params.integrity",
                "params": {"integrity": integrity},
            },
        }
        with translated():
            answer: dict[str, Any] = self._client.update_by_query(
                index=EVENTS, body=body, params=_MARKING
            )
        if answer["failures"]:
            raise UnavailableError("OpenSearch did not mark every event; try again later")
        return answer

    def waiting(self) -> tuple[int, datetime | None]:
        """Count the pending events, and say since when the oldest of them waits.

        Both as of the last refresh: this is asked often, and forces none.
        """
        body = {
            "size": 0,
            "track_total_hits": True,
            "query": {"term": {"enriched.state": "pending"}},
            "aggs": {"oldest": {"min": {"field": "enriched.at"}}},
        }
        with translated():
            answer = self._client.search(
                index=EVENTS, body=body, params={"ignore_unavailable": "true"}
            )
        oldest = answer.get("aggregations", {}).get("oldest", {}).get("value_as_string")
        return answer["hits"]["total"]["value"], parse_time(oldest)

    def states(self) -> dict[str, int]:
        """Count events by state."""
        body = {"size": 0, "aggs": {"state": {"terms": {"field": "enriched.state", "size": 10}}}}
        self._refresh()
        with translated():
            answer = self._client.search(
                index=EVENTS, body=body, params={"ignore_unavailable": "true"}
            )
        found = answer.get("aggregations", {}).get("state", {}).get("buckets", ())
        return {bucket["key"]: bucket["doc_count"] for bucket in found}

    def summarize(self, locations: Iterable[str]) -> dict[str, dict[str, int]]:
        """Count the events that these log files delivered, by origin status, rule and state."""
        counts: dict[str, dict[str, int]] = {"status": {}, "rule": {}, "state": {}, "kind": {}}
        source = iter(locations)
        while part := list(islice(source, _VALUES_PER_QUERY)):
            body = {
                "size": 0,
                "query": {"terms": {"enriched.file": part}},
                "aggs": {
                    "status": {"terms": {"field": "enriched.origin.status", "size": 20}},
                    "rule": {"terms": {"field": "enriched.origin.rule", "size": 50}},
                    "state": {"terms": {"field": "enriched.state", "size": 10}},
                    "kind": {"terms": {"field": "enriched.origin.kind", "size": 50}},
                },
            }
            with translated():
                self._client.indices.refresh(index=EVENTS, params={"ignore_unavailable": "true"})
                answer = self._client.search(
                    index=EVENTS, body=body, params={"ignore_unavailable": "true"}
                )
            for name, found in counts.items():
                for bucket in answer.get("aggregations", {}).get(name, {}).get("buckets", ()):
                    found[bucket["key"]] = found.get(bucket["key"], 0) + bucket["doc_count"]
        return counts


def create_lines(document: Document) -> bytes:
    """Spell one document as lines of a bulk request that creates it."""
    action = {"create": {"_index": document.index, "_id": document.id}}
    return b"".join((codec.dumps(action), b"\n", document.body, b"\n"))


def _rewrite_lines(event: StoredEvent) -> bytes:
    action = {
        "_index": event.index,
        "_id": event.id,
        "if_seq_no": event.seq_no,
        "if_primary_term": event.primary_term,
    }
    return b"".join((codec.dumps({"index": action}), b"\n", codec.dumps(event.source), b"\n"))


def _result(item: Mapping[str, Any]) -> WriteResult | None:
    """Read one bulk item; None where the document must be sent again."""
    status = item["status"]
    if status == CREATED:
        return WriteResult(Written.CREATED)
    if status == CONFLICT:
        return WriteResult(Written.DUPLICATE)
    if status in OVERLOADED or status >= SERVER_ERROR:
        return None
    error = item.get("error", {})
    cause = error.get("caused_by") or error
    check_not_blocked(item)
    if error.get("type") == "index_not_found_exception":
        raise ConfigurationError("an events index is missing; run `enricher install`")
    return WriteResult(Written.REFUSED, cause.get("type", "refused"), _where(error))


def _where(error: Mapping[str, Any]) -> str | None:
    """Say where the document broke the mapping; the server's text can quote values, so cut it."""
    reason = str(error.get("reason", ""))
    field = reason.partition("field [")[2].partition("]")[0]
    return f"field {field}" if field else None


def stored(hit: Mapping[str, Any]) -> StoredEvent:
    """Read a hit that was asked for with its sequence number."""
    return StoredEvent(
        id=hit["_id"],
        index=hit["_index"],
        source=hit["_source"],
        seq_no=hit["_seq_no"],
        primary_term=hit["_primary_term"],
    )


def _questions(keys: Sequence[str], event_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Ask for the dependents of keys and proofs, in few queries that find few events twice.

    To read an event is most of what it costs to look at it again; and most are told by several
    keys. What one field tells goes first, in one clause for all values; then come the keys that
    need clauses of their own, without what was found already. An event that is rewritten in
    between, so that it would have been found, is looked at again by whoever rewrote it (design §5).
    """
    length = max(len(keys), len(event_ids))
    for start in range(0, length, _VALUES_PER_QUERY):
        end = start + _VALUES_PER_QUERY
        told = _any_of(conditions_told(keys[start:end], event_ids[start:end]))
        yield told
        for part in _bounded(keys[start:end]):
            yield {"bool": {"filter": [_any_of(part)], "must_not": [told]}}


def _bounded(keys: Iterable[str]) -> Iterator[list[Conjunction]]:
    """Give as many keys' own conditions at once as one query can hold."""
    part: list[Conjunction] = []
    clauses = 0
    for conjunction in (one for key in keys for one in conditions_of(key)):
        if clauses + len(conjunction) > _CLAUSES_PER_QUERY:
            yield part
            part, clauses = [], 0
        part.append(conjunction)
        clauses += len(conjunction)
    if part:
        yield part


def _any_of(conjunctions: Iterable[Conjunction]) -> dict[str, Any]:
    should = [
        {"bool": {"filter": [_clause(condition) for condition in conjunction]}}
        for conjunction in conjunctions
    ]
    return {"bool": {"should": should, "minimum_should_match": 1}}


def _clause(condition: Condition) -> dict[str, Any]:
    match condition:
        case OneOf(field, values):
            return {"terms": {field: list(values)}}
        case Between(field, start, end):
            return {"range": {field: {"gte": format_time(start), "lte": format_time(end)}}}
        case Exists(field, present):
            exists = {"exists": {"field": field}}
            return exists if present else {"bool": {"must_not": [exists]}}
