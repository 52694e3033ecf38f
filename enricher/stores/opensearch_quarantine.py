"""The quarantine in OpenSearch, as it is emptied again, and the ledger as it is corrected."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import ConflictError, NotFoundError

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import parse_time
from enricher.errors import UnavailableError
from enricher.pipeline.ports import QuarantineEntry
from enricher.stores.opensearch_client import bulk, translated, walk
from enricher.stores.opensearch_digests import FILES, ledger_id
from enricher.stores.opensearch_ledger import QUARANTINE
from enricher.stores.patience import OVERLOADED, TRIES, pause_before

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opensearchpy import OpenSearch

    from enricher.pipeline.retry import Choice

_PAGE = 50  # an entry may hold a record of megabytes
_KNOWN = frozenset(field.name for field in fields(QuarantineEntry))


class OpenSearchQuarantine:
    """Entries of one location come together, so that its ledger is corrected for many at once."""

    def __init__(self, client: OpenSearch) -> None:
        self._client = client

    def held(self, choice: Choice) -> Iterator[QuarantineEntry]:
        """Give entries as they are now, those of one location together."""
        self._refresh()
        order = ({"location": "asc"}, {"id": "asc"})
        for hits in walk(self._client, QUARANTINE, _chosen(choice), order, size=_PAGE):
            yield from (_entry(hit["_source"]) for hit in hits)

    def holds_file(self, location: str) -> bool:
        """Say whether a log file itself is in quarantine, not only records of it."""
        self._refresh()
        clauses = [{"term": {"location": location}}, {"term": {"what": "file"}}]
        with translated():
            answer = self._client.count(
                index=QUARANTINE, body={"query": {"bool": {"filter": clauses}}}
            )
        return bool(answer["count"])

    def release(self, ids: Sequence[str]) -> None:
        """Let entries go; those that are gone already do no harm."""
        if not ids:
            return
        lines = b"".join(
            codec.dumps({"delete": {"_index": QUARANTINE, "_id": id_}}) + b"\n" for id_ in ids
        )
        for attempt in range(TRIES):
            pause_before(attempt)
            items = [item["delete"] for item in bulk(self._client, lines)]
            if not any(item["status"] in OVERLOADED for item in items):
                return
        raise UnavailableError("OpenSearch is overloaded: it kept entries in quarantine")

    def correct(self, location: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Change a ledger entry as a whole, on what it says at that moment; none is no matter."""
        id_ = ledger_id(location)
        for attempt in range(TRIES):
            pause_before(attempt)
            try:
                with translated():
                    found = self._client.get(index=FILES, id=id_)
                    self._client.index(
                        index=FILES,
                        id=id_,
                        body=_without_nothing(change(found["_source"])),
                        params={
                            "if_seq_no": found["_seq_no"],
                            "if_primary_term": found["_primary_term"],
                        },
                    )
            except NotFoundError:
                return
            except ConflictError:
                continue
            return
        raise UnavailableError("the ledger is being rewritten by others; try again later")

    def _refresh(self) -> None:
        with translated():
            self._client.indices.refresh(index=QUARANTINE)


def _chosen(choice: Choice) -> dict[str, Any]:
    wanted = {"run_id": choice.run_id, "reason": choice.reason}
    clauses: list[dict[str, Any]] = [
        {"term": {name: value}} for name, value in wanted.items() if value is not None
    ]
    if choice.beginnings:
        begun = [{"prefix": {"id": beginning}} for beginning in choice.beginnings]
        clauses.append({"bool": {"should": begun, "minimum_should_match": 1}})
    return {"bool": {"filter": clauses}}


def _entry(source: Mapping[str, Any]) -> QuarantineEntry:
    known = {name: value for name, value in source.items() if name in _KNOWN}
    known["verbatim"] = known.get("verbatim")
    known["at"] = parse_time(source["at"])
    return QuarantineEntry(**known)


def _without_nothing(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if value is not None}
