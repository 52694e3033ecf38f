"""What digest files say, kept in the ledger's entries of the log files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import ConflictError, NotFoundError

from enricher.cloudtrail import codec
from enricher.errors import ConfigurationError, UnavailableError
from enricher.pipeline.ledger import FileStatus, digest_entry, promised_entry
from enricher.pipeline.locations import SCHEME, without_version
from enricher.pipeline.ports import IngestedFile
from enricher.stores.opensearch_client import (
    CREATED,
    MISSING,
    OK,
    bulk,
    check_not_blocked,
    parts,
    translated,
)
from enricher.stores.patience import OVERLOADED, TRIES, nobody, pause_before

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opensearchpy import OpenSearch

    from enricher.pipeline.ports import DigestedFile

FILES = "cloudtrail-files"
_PAGE = 10_000
_OBJECTS_PER_QUERY = 100  # each is a clause of its own
_VERSION = "?versionId="


class OpenSearchDigests:
    """Partial updates of ledger entries: nothing but what digest files say is touched."""

    def __init__(self, client: OpenSearch, *, bulk_bytes: int) -> None:
        self._client = client
        self._bulk_bytes = bulk_bytes
        # Told of every repetition of a request; whoever counts them puts a function here.
        self.on_repetition: Callable[[], None] = nobody

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
            if entry.get("status") != FileStatus.MISSING:
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
                pause_before(attempt, self.on_repetition)
                items = [item["update"] for item in bulk(self._client, body)]
                if not any(item["status"] in OVERLOADED for item in items):
                    break
            else:
                raise UnavailableError("OpenSearch is overloaded: it kept refusing the ledger")
            for item in items:
                check_not_blocked(item)
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
                if entry["_source"].get("status") != FileStatus.MISSING:
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


def ledger_id(location: str) -> str:
    """Give the id of a log file's entry: locations can be longer than an ``_id`` may be."""
    return codec.digest(location)
