"""What first-seen rules have seen, in ``cloudtrail-baseline``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from enricher.alerts.ports import Seen
from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time, parse_time
from enricher.stores.opensearch_client import (
    mget,
    put,
    translated,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from opensearchpy import OpenSearch

BASELINE = "cloudtrail-baseline"
_IN_ORDER = ({"first_at": "asc"}, {"id": "asc"})
_TERMS = 10_000  # of one query
_PAGE = 1_000
_CONFLICTS = 5
# Two writers in any order leave the earlier event: what is smaller was first.
_EARLIER = """
if (params.first_at.compareTo(ctx._source.first_at) < 0
    || (params.first_at == ctx._source.first_at
        && params.event_id.compareTo(ctx._source.event_id) < 0)) {
  ctx._source.putAll(params);
} else {
  ctx.op = 'none';
}
"""


class OpenSearchBaseline:
    """Combinations and beginnings; every write is acknowledged before it returns."""

    def __init__(self, client: OpenSearch) -> None:
        self._client = client

    def beginnings(self, scopes: Sequence[str]) -> dict[str, datetime]:
        """Give the time of the first event that scopes have seen, as last written."""
        if not scopes:
            return {}
        hits = mget(self._client, [{"_index": BASELINE, "_id": one} for one in scopes])
        times = {hit["_id"]: parse_time(hit["_source"]["first_at"]) for hit in hits}
        return {scope: at for scope, at in times.items() if at is not None}

    def begin(self, beginnings: Mapping[str, datetime]) -> None:
        """Keep when scopes' first events were."""
        entries = [
            {"id": scope, "first_at": format_time(at), "event_id": ""}
            for scope, at in beginnings.items()
        ]
        self._put([_upsert(entry) for entry in entries])

    def note(self, entries: Iterable[Seen]) -> None:
        """Keep combinations; the earlier first event stays."""
        self._put([_upsert(msgspec.to_builtins(entry)) for entry in entries])

    def replace(self, entries: Sequence[Seen]) -> None:
        """Keep combinations as they are now."""
        self._put([_index(msgspec.to_builtins(entry)) for entry in entries])

    def known(self, ids: Sequence[str]) -> dict[str, Seen]:
        """Give what is kept under these ids, as last written."""
        if not ids:
            return {}
        hits = mget(self._client, [{"_index": BASELINE, "_id": one} for one in ids])
        return {hit["_id"]: _seen(hit) for hit in hits}

    def of_keys(self, scopes: Sequence[str], digests: Sequence[str]) -> list[Seen]:
        """Give the combinations of scopes whose first event belongs to one of these alerts."""
        if not scopes or not digests:
            return []
        return self._search(_both({"terms": {"scope": [*scopes]}}, {"terms": {"key": [*digests]}}))

    def naming(self, event_ids: Sequence[str]) -> list[Seen]:
        """Give the combinations whose first event is one of these."""
        return [
            entry
            for start in range(0, len(event_ids), _TERMS)
            for entry in self._search({"terms": {"event_id": [*event_ids[start : start + _TERMS]]}})
        ]

    def between(self, scope: str, start: datetime, end: datetime) -> list[Seen]:
        """Give the combinations first seen from start to end."""
        span = {"gte": format_time(start), "lt": format_time(end)}
        return self._search(_both({"term": {"scope": scope}}, {"range": {"first_at": span}}))

    def _search(self, query: Mapping[str, Any]) -> list[Seen]:
        with translated():
            self._client.indices.refresh(index=BASELINE)
        pages = walk(self._client, BASELINE, query, _IN_ORDER, size=_PAGE)
        return [_seen(hit) for hits in pages for hit in hits]

    def _put(self, entries: Sequence[bytes]) -> None:
        for start in range(0, len(entries), _PAGE):
            part = b"".join(entries[start : start + _PAGE])
            put(self._client, part, "what first-seen rules have seen")


def _index(entry: Mapping[str, Any]) -> bytes:
    action = {"index": {"_index": BASELINE, "_id": entry["id"]}}
    return codec.dumps(action) + b"\n" + codec.dumps(entry) + b"\n"


def _upsert(entry: Mapping[str, Any]) -> bytes:
    action = {"_index": BASELINE, "_id": entry["id"], "retry_on_conflict": _CONFLICTS}
    script = {"lang": "painless", "source": _EARLIER, "params": entry}
    body = {"script": script, "upsert": entry}
    return codec.dumps({"update": action}) + b"\n" + codec.dumps(body) + b"\n"


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {"bool": {"filter": [one, other]}}


def _seen(hit: Mapping[str, Any]) -> Seen:
    return msgspec.convert(hit["_source"], Seen)
