"""Bookkeeping in OpenSearch: the ledger of log files, the quarantine, the audit of changes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import NotFoundError

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time
from enricher.errors import UnavailableError
from enricher.stores.opensearch_client import (
    CREATED,
    OK,
    TRIES,
    bulk,
    parts,
    pause_before,
    translated,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opensearchpy import OpenSearch

    from enricher.pipeline.ports import OriginChange, QuarantineEntry

FILES = "cloudtrail-files"
QUARANTINE = "cloudtrail-quarantine"
AUDIT = "cloudtrail-audit"
_PAGE = 10_000


class OpenSearchLedger:
    """What is written beside the events; every write is acknowledged before it returns."""

    def __init__(self, client: OpenSearch, *, bulk_bytes: int) -> None:
        self._client = client
        self._bulk_bytes = bulk_bytes

    def audit(self, changes: Sequence[OriginChange]) -> None:
        """Keep what events said before."""
        self._put(
            (
                {"_index": AUDIT, "_id": codec.digest([change.document_id, change.revision])},
                {**asdict(change), "what": "origin-changed", "at": format_time(change.at)},
            )
            for change in changes
        )

    def quarantine(self, entries: Sequence[QuarantineEntry]) -> None:
        """Keep what was refused; a repeated entry replaces itself."""
        self._put(
            (
                {"_index": QUARANTINE, "_id": entry.id},
                {**_present(asdict(entry)), "at": format_time(entry.at)},
            )
            for entry in entries
        )

    def _put(self, entries: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        """Write bookkeeping documents whole; a repeated one replaces itself."""
        lines = [
            codec.dumps({"index": action}) + b"\n" + codec.dumps(fields) + b"\n"
            for action, fields in entries
        ]
        for part in parts(lines, self._bulk_bytes):
            self._put_part(b"".join(lines[number] for number in part))

    def _put_part(self, lines: bytes) -> None:
        for attempt in range(TRIES):
            pause_before(attempt)
            items = [item["index"] for item in bulk(self._client, lines)]
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

    def save_file(self, location: str, entry: Mapping[str, Any]) -> None:
        """Write the ledger's entry of a log file, whole."""
        fields = {name: value for name, value in entry.items() if value is not None}
        with translated():
            self._client.index(index=FILES, id=ledger_id(location), body=fields)

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

    def files_of_run(self, run_id: str) -> list[dict[str, Any]]:
        """Give the ledger's entries of one run, without waiting for a refresh interval."""
        body = {"size": 10_000, "query": {"term": {"run_id": run_id}}, "sort": ["location"]}
        found: list[dict[str, Any]] = []
        with translated():
            self._client.indices.refresh(index=FILES)
            while True:
                hits = self._client.search(index=FILES, body=body)["hits"]["hits"]
                found += [hit["_source"] for hit in hits]
                if len(hits) < body["size"]:  # type: ignore[operator] # an int by construction
                    return found
                body["search_after"] = hits[-1]["sort"]


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def ledger_id(location: str) -> str:
    """Give the id of a log file's entry: locations can be longer than an ``_id`` may be."""
    return codec.digest(location)
