"""Bookkeeping in OpenSearch: the ledger of log files, the quarantine, the audit of changes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import ConflictError, NotFoundError

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time
from enricher.errors import ConfigurationError, UnavailableError
from enricher.pipeline.ledger import NOT_INGESTED, digest_entry, promised_entry
from enricher.pipeline.locations import SCHEME, without_version
from enricher.pipeline.ports import IngestedFile
from enricher.stores.opensearch_client import (
    CREATED,
    MISSING,
    OK,
    OVERLOADED,
    TRIES,
    bulk,
    parts,
    pause_before,
    translated,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opensearchpy import OpenSearch

    from enricher.pipeline.ports import DigestedFile, OriginChange, QuarantineEntry

FILES = "cloudtrail-files"
QUARANTINE = "cloudtrail-quarantine"
AUDIT = "cloudtrail-audit"
_PAGE = 10_000
_OBJECTS_PER_QUERY = 100  # each is a clause of its own
_VERSION = "?versionId="


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

    # --- what digest files say ------------------------------------------------------------------

    def save_digests(self, files: Sequence[DigestedFile]) -> list[IngestedFile]:
        """Keep what valid digest files say, and nothing else of an entry."""
        versions = self._versions([file.location for file in files])
        lines: list[bytes] = []
        of: list[str] = []
        for file in files:
            told = versions.get(file.location, ())
            for location in (file.location, *told):
                # An object that was ingested by its version needs no entry of its own.
                new = None if told else promised_entry(file)
                lines.append(_digest_lines(location, file, new))
                of.append(file.location)
        ingested = []
        for object_location, entry in zip(of, self._update(lines), strict=True):
            if entry is None:
                continue
            if entry.get("status") != NOT_INGESTED:
                hashed = entry.get("content_sha256")
                ingested.append(IngestedFile(entry["location"], object_location, hashed))
            elif object_location in versions:
                self._drop_promise(object_location)
        return ingested

    def _versions(self, locations: Sequence[str]) -> dict[str, list[str]]:
        """Find what was ingested by its version, by the object's location."""
        objects = [location for location in locations if location.startswith(SCHEME)]
        found: dict[str, list[str]] = {}
        if objects:
            with translated():
                self._client.indices.refresh(index=FILES, params={"ignore_unavailable": "true"})
        for start in range(0, len(objects), _OBJECTS_PER_QUERY):
            some = objects[start : start + _OBJECTS_PER_QUERY]
            should = [{"prefix": {"location": f"{location}{_VERSION}"}} for location in some]
            body = {
                "size": _PAGE,
                "query": {"bool": {"should": should, "minimum_should_match": 1}},
                "_source": ["location"],
            }
            with translated():
                answer = self._client.search(
                    index=FILES, body=body, params={"ignore_unavailable": "true"}
                )
            for hit in answer["hits"]["hits"]:
                location = hit["_source"]["location"]
                found.setdefault(without_version(location), []).append(location)
        return found

    def _update(self, lines: Sequence[bytes]) -> list[dict[str, Any] | None]:
        """Send partial updates; give each entry as it is then, None where there is none."""
        entries: list[dict[str, Any] | None] = []
        for part in parts(lines, self._bulk_bytes):
            body = b"".join(lines[number] for number in part)
            for attempt in range(TRIES):
                pause_before(attempt)
                items = [item["update"] for item in bulk(self._client, body)]
                if not any(item["status"] in OVERLOADED for item in items):
                    break
            else:
                raise UnavailableError("OpenSearch is overloaded: it kept refusing the ledger")
            for item in items:
                if item["status"] not in (OK, CREATED, MISSING):
                    raise ConfigurationError(
                        f"OpenSearch refuses a ledger entry: {item['error']['type']}; "
                        "run `enricher install` to update the mapping"
                    )
                entries.append(item["get"]["_source"] if item["status"] != MISSING else None)
        return entries

    def digests_of(self, locations: Sequence[str]) -> dict[str, str]:
        """Give the hash that a valid digest file names, by location."""
        known = self._digests([*locations, *map(without_version, locations)])
        found = {one: known.get(one) or known.get(without_version(one)) for one in locations}
        return {location: digest["sha256"] for location, digest in found.items() if digest}

    def _digests(self, locations: Sequence[str]) -> dict[str, dict[str, Any]]:
        ids = {ledger_id(location): location for location in locations}
        if not ids:
            return {}
        try:
            with translated():
                answer = self._client.mget(
                    index=FILES, body={"ids": list(ids)}, params={"_source": "digest"}
                )
        except NotFoundError:
            return {}
        return {
            ids[one["_id"]]: one["_source"]["digest"]
            for one in answer["docs"]
            if one.get("found") and "digest" in one["_source"]
        }

    def adopt_digest(self, location: str) -> None:
        """Move what is known of an object to the entry of its version."""
        promised = without_version(location)
        if promised == location:
            return
        digest = self._digests([promised]).get(promised)
        if digest is None:
            return
        (adopted,) = self._update([_update_lines(location, {"doc": {"digest": digest}})])
        if adopted is not None:
            self._drop_promise(promised)

    def _drop_promise(self, location: str) -> None:
        """Delete the entry of a file that was only promised, and nobody else's."""
        try:
            with translated():
                entry = self._client.get(index=FILES, id=ledger_id(location))
                if entry["_source"].get("status") != NOT_INGESTED:
                    return
                self._client.delete(
                    index=FILES,
                    id=ledger_id(location),
                    params={
                        "if_seq_no": entry["_seq_no"],
                        "if_primary_term": entry["_primary_term"],
                    },
                )
        except (NotFoundError, ConflictError):
            return  # somebody else has just deleted it, or has ingested the file after all

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
        body = {
            "size": 0,
            # What is only promised by a digest file has not come here.
            "query": {"bool": {"must_not": [{"term": {"status": NOT_INGESTED}}]}},
            "aggs": {"by": {"composite": composite, "aggs": aggregations}},
        }
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


def _digest_lines(location: str, file: DigestedFile, new: Mapping[str, Any] | None) -> bytes:
    digest = digest_entry(file)
    update: dict[str, Any] = {"doc": {"digest": digest}}
    if new is not None:
        update["upsert"] = {**new, "digest": digest}
    return _update_lines(location, update)


def _update_lines(location: str, update: Mapping[str, Any]) -> bytes:
    action = {"_index": FILES, "_id": ledger_id(location), "retry_on_conflict": TRIES}
    return (
        codec.dumps({"update": action}) + b"\n" + codec.dumps({"_source": True, **update}) + b"\n"
    )


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def ledger_id(location: str) -> str:
    """Give the id of a log file's entry: locations can be longer than an ``_id`` may be."""
    return codec.digest(location)
