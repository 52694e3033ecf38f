"""Bookkeeping in OpenSearch: the ledger of log files, the quarantine, the audit of changes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import NotFoundError

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time
from enricher.errors import UnavailableError
from enricher.pipeline.ledger import FileStatus
from enricher.stores.opensearch_client import (
    CREATED,
    OK,
    TRIES,
    bulk,
    check_not_blocked,
    parts,
    pause_before,
    translated,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from opensearchpy import OpenSearch

    from enricher.pipeline.ports import OriginChange, QuarantineEntry

FILES = "cloudtrail-files"
QUARANTINE = "cloudtrail-quarantine"
AUDIT = "cloudtrail-audit"
_PAGE = 10_000
_CONFLICTS = 5  # with somebody who writes other fields of the same entry


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTotals:
    """What became of the log files of one run, so far.

    Attributes:
        by_status: Files by status.
    """

    files: int
    records: int
    indexed: int
    duplicate: int
    quarantined: int
    by_status: dict[str, int] = field(default_factory=dict)


class OpenSearchLedger:
    """What is written beside the events; every write is acknowledged before it returns."""

    def __init__(self, client: OpenSearch, *, bulk_bytes: int) -> None:
        self._client = client
        self._bulk_bytes = bulk_bytes

    def audit(self, changes: Sequence[OriginChange]) -> None:
        """Keep what events said before."""
        self._put(
            (
                "index",
                {"_index": AUDIT, "_id": codec.digest([change.document_id, change.revision])},
                {**asdict(change), "what": "origin-changed", "at": format_time(change.at)},
            )
            for change in changes
        )

    def quarantine(self, entries: Sequence[QuarantineEntry]) -> None:
        """Keep what was refused; a repeated entry replaces itself."""
        self._put(
            (
                "index",
                {"_index": QUARANTINE, "_id": entry.id},
                {**_present(asdict(entry)), "at": format_time(entry.at)},
            )
            for entry in entries
        )

    def _put(self, entries: Iterable[tuple[str, dict[str, Any], dict[str, Any]]]) -> None:
        """Write bookkeeping documents; a repeated one replaces itself."""
        lines = [
            codec.dumps({verb: action}) + b"\n" + codec.dumps(fields) + b"\n"
            for verb, action, fields in entries
        ]
        for part in parts(lines, self._bulk_bytes):
            self._put_part(b"".join(lines[number] for number in part))

    def _put_part(self, lines: bytes) -> None:
        for attempt in range(TRIES):
            pause_before(attempt)
            items = [one for item in bulk(self._client, lines) for one in item.values()]
            for item in items:
                check_not_blocked(item)
            if all(item["status"] in (OK, CREATED) for item in items):
                return
        raise UnavailableError("OpenSearch does not take what is to be kept for the record")

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
        with translated():
            self._client.indices.refresh(index=QUARANTINE)
            hits = self._client.search(index=QUARANTINE, body=body)["hits"]
        return [hit["_source"] for hit in hits["hits"]], hits["total"]["value"]

    def save_files(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Write ledger entries; fields that an entry does not name stay as they are."""
        self._put(
            (
                "update",
                {
                    "_index": FILES,
                    "_id": ledger_id(entry["location"]),
                    "retry_on_conflict": _CONFLICTS,
                },
                {"doc": entry, "doc_as_upsert": True},
            )
            for entry in entries
        )

    def file(self, location: str) -> dict[str, Any] | None:
        """Give the ledger's entry of a log file."""
        try:
            with translated():
                answer = self._client.get(index=FILES, id=ledger_id(location))
        except NotFoundError:
            return None
        found: dict[str, Any] = answer["_source"]
        return found

    def ledger(self, status: str | None, most: int) -> tuple[list[dict[str, Any]], int]:
        """Give the ledger's entries, the latest first, and how many there are in all."""
        query = {"term": {"status": status}} if status else {"match_all": {}}
        body = {"size": most, "query": query, "sort": [{"finished_at": "desc"}]}
        with translated():
            self._client.indices.refresh(index=FILES)
            hits = self._client.search(index=FILES, body=body)["hits"]
        return [hit["_source"] for hit in hits["hits"]], hits["total"]["value"]

    def lag(self) -> list[dict[str, Any]]:
        """Give files, records and the newest event by account and region."""
        sources = [
            {name: {"terms": {"field": name, "missing_bucket": True}}}
            for name in ("account_id", "region")
        ]
        aggregations = {
            "records": {"sum": {"field": "records"}},
            "newest": {"max": {"field": "newest_event_at"}},
        }
        composite = {"size": 1_000, "sources": sources}
        body = {"size": 0, "aggs": {"by": {"composite": composite, "aggs": aggregations}}}
        with translated():
            self._client.indices.refresh(index=FILES)
            answer = self._client.search(index=FILES, body=body)
        return [
            {
                "account_id": bucket["key"]["account_id"] or "",
                "region": bucket["key"]["region"] or "",
                "files": bucket["doc_count"],
                "records": int(bucket["records"]["value"]),
                "newest_event_at": bucket["newest"].get("value_as_string"),
            }
            for bucket in answer["aggregations"]["by"]["buckets"]
        ]

    def still_queued(self, before: datetime) -> Iterator[dict[str, Any]]:
        """Give the entries of files that were queued before this instant and have not ended."""
        clauses = [
            {"term": {"status": FileStatus.QUEUED.value}},
            {"range": {"queued_at": {"lt": format_time(before)}}},
        ]
        return self._entries({"bool": {"filter": clauses}})

    def locations_of_run(self, run_id: str) -> Iterator[str]:
        """Give where the log files of a run are."""
        return (entry["location"] for entry in self._entries({"term": {"run_id": run_id}}))

    def _entries(self, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        body: dict[str, Any] = {"size": _PAGE, "query": query, "sort": ["location"]}
        with translated():
            self._client.indices.refresh(index=FILES)
        while True:
            with translated():
                hits = self._client.search(index=FILES, body=body)["hits"]["hits"]
            yield from (hit["_source"] for hit in hits)
            if len(hits) < _PAGE:
                return
            body["search_after"] = hits[-1]["sort"]

    def run_totals(self, run_id: str) -> RunTotals:
        """Add up the entries of a run."""
        counts = ("records", "indexed", "duplicate", "quarantined")
        body = {
            "size": 0,
            "track_total_hits": True,
            "query": {"term": {"run_id": run_id}},
            "aggs": {
                "status": {"terms": {"field": "status"}},
                **{name: {"sum": {"field": name}} for name in counts},
            },
        }
        with translated():
            self._client.indices.refresh(index=FILES)
            answer = self._client.search(index=FILES, body=body)
        found = answer["aggregations"]
        return RunTotals(
            files=answer["hits"]["total"]["value"],
            by_status={one["key"]: one["doc_count"] for one in found["status"]["buckets"]},
            **{name: int(found[name]["value"]) for name in counts},
        )

    def quarantine_reasons(self, run_id: str) -> dict[str, int]:
        """Count what a run put in quarantine, by reason."""
        body = {
            "size": 0,
            "query": {"term": {"run_id": run_id}},
            "aggs": {"reason": {"terms": {"field": "reason", "size": 100}}},
        }
        with translated():
            self._client.indices.refresh(index=QUARANTINE)
            answer = self._client.search(index=QUARANTINE, body=body)
        buckets = answer["aggregations"]["reason"]["buckets"]
        return {bucket["key"]: bucket["doc_count"] for bucket in buckets}


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def ledger_id(location: str) -> str:
    """Give the id of a log file's entry: locations can be longer than an ``_id`` may be."""
    return codec.digest(location)
