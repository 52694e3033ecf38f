"""Events, quarantine and ledger in OpenSearch."""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import (
    AuthenticationException,
    AuthorizationException,
    ConnectionTimeout,
    NotFoundError,
    TransportError,
)
from opensearchpy.exceptions import (
    ConnectionError as ClientConnectionError,
)

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time
from enricher.errors import ConfigurationError, UnavailableError
from enricher.pipeline.dependence import Between, Exists, OneOf, conditions
from enricher.pipeline.documents import EVENTS_PREFIX
from enricher.pipeline.ports import (
    StoredEvent,
    WriteResult,
    Written,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opensearchpy import OpenSearch

    from enricher.pipeline.dependence import Condition
    from enricher.pipeline.ports import (
        Document,
        QuarantineEntry,
    )

FILES = "cloudtrail-files"
QUARANTINE = "cloudtrail-quarantine"
EVENTS = f"{EVENTS_PREFIX}*"

_ISSUED_KEY = "responseElements.credentials.accessKeyId"
_CREATED, _CONFLICT, _TOO_MANY, _SERVER_ERROR = 201, 409, 429, 500
_OVERLOADED = frozenset({429, 502, 503, 504})
_TRIES = 6
_FIRST_PAUSE_SECONDS = 0.25
_PAGE = 1_000
_KEYS_PER_QUERY = 100  # keeps the number of clauses well below the cluster's limit
_PROOFS_PER_QUERY = 10_000


class OpenSearchEventIndex:
    """The event index over one client; every write is acknowledged before it returns."""

    def __init__(self, client: OpenSearch, *, bulk_bytes: int) -> None:
        self._client = client
        self._bulk_bytes = bulk_bytes

    # --- events -------------------------------------------------------------------------------

    def create(self, documents: Sequence[Document]) -> list[WriteResult]:
        """Write documents that are not there yet, in bulk requests of bounded size."""
        results: list[WriteResult | None] = [None] * len(documents)
        open_ones = list(range(len(documents)))
        for attempt in range(_TRIES):
            _pause_before(attempt)
            still_open: list[int] = []
            for part in self._parts(documents, open_ones):
                items = self._bulk(_create_lines(documents[number] for number in part))
                for number, item in zip(part, items, strict=True):
                    results[number] = _result(item["create"])
                    if results[number] is None:
                        still_open.append(number)
            open_ones = still_open
            if not open_ones:
                return [result for result in results if result is not None]
        raise UnavailableError("OpenSearch is overloaded: it kept refusing documents with 429")

    def _parts(self, documents: Sequence[Document], numbers: Sequence[int]) -> Iterator[list[int]]:
        part: list[int] = []
        size = 0
        for number in numbers:
            length = len(documents[number].body)
            if part and size + length > self._bulk_bytes:
                yield part
                part, size = [], 0
            part.append(number)
            size += length
        if part:
            yield part

    def _bulk(self, lines: bytes) -> list[dict[str, Any]]:
        with _translated():
            answer = self._client.bulk(body=lines)
        items: list[dict[str, Any]] = answer["items"]
        return items

    def depending_on(self, keys: Sequence[str], event_ids: Sequence[str]) -> Iterator[StoredEvent]:
        """Find the events whose answer may change, among all that is written by now."""
        with _translated():
            self._client.indices.refresh(
                index=EVENTS, params={"ignore_unavailable": "true", "allow_no_indices": "true"}
            )
        seen: set[str] = set()
        steps = range(0, max(len(keys), 1), _KEYS_PER_QUERY)
        proofs = [
            event_ids[start : start + _PROOFS_PER_QUERY]
            for start in range(0, len(event_ids), _PROOFS_PER_QUERY)
        ] or [()]
        queries = [_any_of(keys[s : s + _KEYS_PER_QUERY], ()) for s in steps]
        queries += [_any_of((), part) for part in proofs if part]
        for query in queries:
            for event in self.scan(query):
                if event.id not in seen:
                    seen.add(event.id)
                    yield event

    def scan(self, query: Mapping[str, Any]) -> Iterator[StoredEvent]:
        """Give every event that a query matches, from one point in time."""
        with _translated():
            opened = self._client.create_pit(
                index=EVENTS,
                params={
                    "keep_alive": "5m",
                    "ignore_unavailable": "true",
                    "allow_partial_pit_creation": "false",
                },
            )
        pit = opened["pit_id"]
        try:
            after: list[Any] | None = None
            while True:
                hits = self._page(query, pit, after)
                yield from (_stored(hit) for hit in hits)
                if len(hits) < _PAGE:
                    return
                after = hits[-1]["sort"]
        finally:
            with _translated():
                self._client.delete_pit(body={"pit_id": [pit]})

    def _page(
        self, query: Mapping[str, Any], pit: str, after: list[Any] | None
    ) -> list[dict[str, Any]]:
        body: dict[str, Any] = {
            "size": _PAGE,
            "query": query,
            "pit": {"id": pit, "keep_alive": "5m"},
            "sort": [{"eventTime": "asc"}, {"_id": "asc"}],
            "seq_no_primary_term": True,
            "track_total_hits": False,
        }
        if after is not None:
            body["search_after"] = after
        with _translated():
            answer = self._client.search(body=body)
        hits: list[dict[str, Any]] = answer["hits"]["hits"]
        return hits

    def rewrite(self, events: Sequence[StoredEvent]) -> list[bool]:
        """Write events again where nobody else did since they were read."""
        written: list[bool] = []
        for start in range(0, len(events), _PAGE):
            part = events[start : start + _PAGE]
            for attempt in range(_TRIES):
                _pause_before(attempt)
                items = [item["index"] for item in self._bulk(_rewrite_lines(part))]
                if not any(item["status"] in _OVERLOADED for item in items):
                    break
            else:
                raise UnavailableError("OpenSearch is overloaded: it kept refusing rewrites")
            for item in items:
                if item["status"] not in (200, _CREATED, _CONFLICT):
                    raise ConfigurationError(
                        "OpenSearch refuses an enrichment: "
                        f"{item['error']['type']}; run `enricher install` to update the mapping"
                    )
                written.append(item["status"] != _CONFLICT)
        return written

    def find(self, term: str) -> list[StoredEvent]:
        """Find events by event id or document id, else by the access key that signed them."""
        fields = ("eventID", "_id", "userIdentity.accessKeyId", _ISSUED_KEY)
        should = [{"term": {name: term}} for name in fields]
        body = {
            "size": 100,
            "query": {"bool": {"should": should, "minimum_should_match": 1}},
            "sort": [{"eventTime": "asc"}],
            "seq_no_primary_term": True,
        }
        with _translated():
            answer = self._client.search(
                index=EVENTS, body=body, params={"ignore_unavailable": "true"}
            )
        return [_stored(hit) for hit in answer["hits"]["hits"]]

    def summarize(self, locations: Sequence[str]) -> dict[str, dict[str, int]]:
        """Count the events that these log files delivered, by origin status, rule and state."""
        counts: dict[str, dict[str, int]] = {"status": {}, "rule": {}, "state": {}, "kind": {}}
        for start in range(0, len(locations), _PROOFS_PER_QUERY):
            part = locations[start : start + _PROOFS_PER_QUERY]
            body = {
                "size": 0,
                "query": {"terms": {"enriched.file": list(part)}},
                "aggs": {
                    "status": {"terms": {"field": "enriched.origin.status", "size": 20}},
                    "rule": {"terms": {"field": "enriched.origin.rule", "size": 50}},
                    "state": {"terms": {"field": "enriched.state", "size": 10}},
                    "kind": {"terms": {"field": "enriched.origin.kind", "size": 50}},
                },
            }
            with _translated():
                self._client.indices.refresh(index=EVENTS, params={"ignore_unavailable": "true"})
                answer = self._client.search(
                    index=EVENTS, body=body, params={"ignore_unavailable": "true"}
                )
            for name, found in counts.items():
                for bucket in answer.get("aggregations", {}).get(name, {}).get("buckets", ()):
                    found[bucket["key"]] = found.get(bucket["key"], 0) + bucket["doc_count"]
        return counts

    # --- quarantine and ledger ------------------------------------------------------------------

    def quarantine(self, entries: Sequence[QuarantineEntry]) -> None:
        """Keep what was refused; a repeated entry replaces itself."""
        lines = bytearray()
        for entry in entries:
            fields = {k: v for k, v in asdict(entry).items() if v is not None}
            fields["at"] = format_time(entry.at)
            lines += codec.dumps({"index": {"_index": QUARANTINE, "_id": entry.id}}) + b"\n"
            lines += codec.dumps(fields) + b"\n"
        for attempt in range(_TRIES):
            _pause_before(attempt)
            items = [item["index"] for item in self._bulk(bytes(lines))]
            if all(item["status"] < 300 for item in items):  # noqa: PLR2004 - HTTP's success
                return
        raise UnavailableError("OpenSearch does not take what is to be quarantined")

    def quarantine_entries(
        self, filters: Mapping[str, str], most: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Give entries that match, newest first, and how many there are in all."""
        query = {"bool": {"filter": [{"term": {k: v}} for k, v in filters.items()]}}
        return self._quarantine_search({"size": most, "query": query, "sort": [{"at": "desc"}]})

    def quarantine_by_id(self, beginning: str) -> list[dict[str, Any]]:
        """Give the entries whose id begins so; ids are long, people type their beginning."""
        query = {"prefix": {"id": beginning}}
        return self._quarantine_search({"size": 10, "query": query})[0]

    def _quarantine_search(self, body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
        with _translated():
            self._client.indices.refresh(index=QUARANTINE)
            hits = self._client.search(index=QUARANTINE, body=body)["hits"]
        return [hit["_source"] for hit in hits["hits"]], hits["total"]["value"]

    def save_file(self, location: str, entry: Mapping[str, Any]) -> None:
        """Write the ledger's entry of a log file, whole."""
        fields = {name: value for name, value in entry.items() if value is not None}
        with _translated():
            self._client.index(index=FILES, id=ledger_id(location), body=fields)

    def file(self, location: str) -> dict[str, Any] | None:
        """Give the ledger's entry of a log file."""
        try:
            with _translated():
                answer = self._client.get(index=FILES, id=ledger_id(location))
        except NotFoundError:
            return None
        found: dict[str, Any] = answer["_source"]
        return found

    def files_of_run(self, run_id: str) -> list[dict[str, Any]]:
        """Give the ledger's entries of one run, without waiting for a refresh interval."""
        body = {"size": 10_000, "query": {"term": {"run_id": run_id}}, "sort": ["location"]}
        found: list[dict[str, Any]] = []
        with _translated():
            self._client.indices.refresh(index=FILES)
            while True:
                hits = self._client.search(index=FILES, body=body)["hits"]["hits"]
                found += [hit["_source"] for hit in hits]
                if len(hits) < body["size"]:  # type: ignore[operator] # an int by construction
                    return found
                body["search_after"] = hits[-1]["sort"]


def ledger_id(location: str) -> str:
    """Give the id of a log file's entry: locations can be longer than an ``_id`` may be."""
    return codec.digest(location)


def _create_lines(documents: Iterator[Document] | Sequence[Document]) -> bytes:
    lines = bytearray()
    for document in documents:
        action = {"create": {"_index": document.index, "_id": document.id}}
        lines += codec.dumps(action) + b"\n" + document.body + b"\n"
    return bytes(lines)


def _rewrite_lines(events: Sequence[StoredEvent]) -> bytes:
    lines = bytearray()
    for event in events:
        action = {
            "_index": event.index,
            "_id": event.id,
            "if_seq_no": event.seq_no,
            "if_primary_term": event.primary_term,
        }
        lines += codec.dumps({"index": action}) + b"\n" + codec.dumps(event.source) + b"\n"
    return bytes(lines)


def _result(item: Mapping[str, Any]) -> WriteResult | None:
    """Read one bulk item; None where the document must be sent again."""
    status = item["status"]
    if status == _CREATED:
        return WriteResult(Written.CREATED)
    if status == _CONFLICT:
        return WriteResult(Written.DUPLICATE)
    if status in _OVERLOADED or status >= _SERVER_ERROR:
        return None
    error = item.get("error", {})
    cause = error.get("caused_by") or error
    if error.get("type") in ("index_closed_exception", "cluster_block_exception"):
        raise UnavailableError(f"OpenSearch cannot write now: {error['type']}")
    if error.get("type") == "index_not_found_exception":
        raise ConfigurationError("an events index is missing; run `enricher install`")
    return WriteResult(Written.REFUSED, cause.get("type", "refused"), _where(error))


def _where(error: Mapping[str, Any]) -> str | None:
    """Say where the document broke the mapping; the server's text can quote values, so cut it."""
    reason = str(error.get("reason", ""))
    field = reason.partition("field [")[2].partition("]")[0]
    return f"field {field}" if field else None


def _stored(hit: Mapping[str, Any]) -> StoredEvent:
    return StoredEvent(
        id=hit["_id"],
        index=hit["_index"],
        source=hit["_source"],
        seq_no=hit["_seq_no"],
        primary_term=hit["_primary_term"],
    )


def _any_of(keys: Sequence[str], event_ids: Sequence[str]) -> dict[str, Any]:
    should = [
        {"bool": {"filter": [_clause(condition) for condition in conjunction]}}
        for conjunction in conditions(keys, event_ids)
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


def _pause_before(attempt: int) -> None:
    """Back off before a repetition: doubled each time, with jitter so that workers spread."""
    if attempt:
        longest = _FIRST_PAUSE_SECONDS * 2**attempt
        time.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - no secret


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the client raises into our own errors; NotFoundError is an answer, let it pass."""
    try:
        yield
    except (ClientConnectionError, ConnectionTimeout) as err:
        raise UnavailableError(f"OpenSearch does not answer: {type(err).__name__}") from err
    except (AuthenticationException, AuthorizationException) as err:
        raise ConfigurationError(
            "OpenSearch refuses these credentials: set ENRICHER_OPENSEARCH__USERNAME and "
            "ENRICHER_OPENSEARCH__PASSWORD"
        ) from err
    except NotFoundError:
        raise
    except TransportError as err:
        if err.status_code in _OVERLOADED:
            raise UnavailableError(f"OpenSearch is overloaded: {err.status_code}") from err
        raise
