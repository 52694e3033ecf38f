"""Bookkeeping in OpenSearch: the ledger of log files, the quarantine, the audit of changes."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import NotFoundError

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time, parse_time
from enricher.errors import ConfigurationError
from enricher.pipeline.ledger import FileStatus
from enricher.stores.opensearch_client import (
    parts,
    put,
    translated,
)
from enricher.stores.opensearch_digests import FILES, OpenSearchDigests, ledger_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from enricher.pipeline.ports import OriginChange, QuarantineEntry

QUARANTINE = "cloudtrail-quarantine"
AUDIT = "cloudtrail-audit"
_PAGE = 10_000
_GROUPS = 1_000
_MEDIAN, _P95 = "50.0", "95.0"
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


class OpenSearchLedger(OpenSearchDigests):
    """What is written beside the events; every write is acknowledged before it returns."""

    def audit(self, changes: Sequence[OriginChange]) -> None:
        """Keep what events said before."""
        self._put(
            (
                "index",
                {"_index": AUDIT, "_id": codec.digest([change.document_id, change.revision])},
                {**_parts_of(change), "what": "origin-changed", "at": format_time(change.at)},
            )
            for change in changes
        )

    def quarantine(self, entries: Sequence[QuarantineEntry]) -> None:
        """Keep what was refused; a repeated entry replaces itself."""
        self._put(
            (
                "index",
                {"_index": QUARANTINE, "_id": entry.id},
                {**_present(_parts_of(entry)), "at": format_time(entry.at)},
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
            body = b"".join(lines[number] for number in part)
            put(self._client, body, "what is to be kept for the record", self.on_repetition)

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

    def lag(self, delays_since: datetime) -> list[dict[str, Any]]:
        """Give files, records, the newest event and the delivery delay by account and region.

        Args:
            delays_since: Delays are those of the files that were finished from then on.

        Returns:
            One row each; ``delay_ms`` holds median and 95th percentile, None where no file was.
        """
        sources = [
            {name: {"terms": {"field": name, "missing_bucket": True}}}
            for name in ("account_id", "region")
        ]
        composite: dict[str, Any] = {"size": _GROUPS, "sources": sources}
        by = {"composite": composite, "aggs": _row_aggregations(delays_since)}
        rows: list[dict[str, Any]] = []
        while True:
            answer = self._aggregated(by)
            rows += [_row(bucket) for bucket in answer["buckets"]]
            if "after_key" not in answer:
                return rows
            composite["after"] = answer["after_key"]

    def rates(self, now: datetime, windows: Sequence[timedelta]) -> list[dict[str, Any]]:
        """Sum the ledger's entries that were finished within each of these times before now."""
        filters = {
            str(number): {"range": {"finished_at": {"gt": format_time(now - window)}}}
            for number, window in enumerate(windows)
        }
        sums = {name: {"sum": {"field": name}} for name in ("records", "indexed", "quarantined")}
        failed = {"failed": {"filter": {"term": {"status": "failed"}}}}
        by = {"filters": {"filters": filters}, "aggs": {**sums, **failed}}
        buckets = self._aggregated(by)["buckets"]
        return [
            {
                "window": window,
                "files": bucket["doc_count"],
                "failed_files": bucket["failed"]["doc_count"],
                **{name: int(bucket[name]["value"]) for name in sums},
            }
            for window, bucket in (
                (window, buckets[str(number)]) for number, window in enumerate(windows)
            )
        ]

    def _aggregated(self, aggregation: Mapping[str, Any]) -> dict[str, Any]:
        # What is only promised by a digest file has not come here.
        came = {"bool": {"must_not": [{"term": {"status": FileStatus.MISSING}}]}}
        body = {"size": 0, "query": came, "aggs": {"by": aggregation}}
        try:
            with translated():
                self._client.indices.refresh(index=FILES)
                answer = self._client.search(index=FILES, body=body)
        except NotFoundError as err:
            raise ConfigurationError("the ledger is missing; run `enricher install`") from err
        found: dict[str, Any] = answer["aggregations"]["by"]
        return found

    def newest_event(self, until: datetime) -> datetime | None:
        """Give the time of the newest event in the ledger that does not lie after an instant."""
        body = {
            "size": 0,
            "query": {"range": {"newest_event_at": {"lte": format_time(until)}}},
            "aggs": {"newest": {"max": {"field": "newest_event_at"}}},
        }
        with translated():
            answer = self._client.search(
                index=FILES, body=body, params={"ignore_unavailable": "true"}
            )
        newest = answer.get("aggregations", {}).get("newest", {}).get("value_as_string")
        return parse_time(newest)

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


def _row_aggregations(delays_since: datetime) -> dict[str, Any]:
    delay = {
        "percentiles": {"field": "delivery_delay_ms", "percents": [float(_MEDIAN), float(_P95)]}
    }
    return {
        "records": {"sum": {"field": "records"}},
        "newest": {"max": {"field": "newest_event_at"}},
        "recent": {
            "filter": {"range": {"finished_at": {"gt": format_time(delays_since)}}},
            "aggs": {"delay": delay},
        },
    }


def _row(bucket: Mapping[str, Any]) -> dict[str, Any]:
    delays = bucket["recent"]["delay"]["values"]
    return {
        "account_id": bucket["key"]["account_id"] or "",
        "region": bucket["key"]["region"] or "",
        "files": bucket["doc_count"],
        "records": int(bucket["records"]["value"]),
        "newest_event_at": bucket["newest"].get("value_as_string"),
        "delay_ms": {"median": delays[_MEDIAN], "p95": delays[_P95]},
    }


def _parts_of(entry: OriginChange | QuarantineEntry) -> dict[str, Any]:
    """Give an entry's fields, not copied any deeper: there may be tens of thousands."""
    return {part.name: getattr(entry, part.name) for part in fields(entry)}


def _present(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if value is not None}
