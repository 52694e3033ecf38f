"""Alerts in ``cloudtrail-alerts-*``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enricher.alerts.alert import ALERTS_PREFIX, MOST_EVENT_IDS, alert_of, index_of
from enricher.alerts.ports import Stored
from enricher.alerts.telling import Telling
from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time
from enricher.errors import ConfigurationError, UnavailableError
from enricher.stores.opensearch_client import (
    CONFLICT,
    CREATED,
    OK,
    bulk,
    check_not_blocked,
    translated,
    walk,
)
from enricher.stores.patience import OVERLOADED, TRIES, pause_before

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from opensearchpy import OpenSearch

    from enricher.alerts.alert import Alert
    from enricher.alerts.ports import Changed, Wanted

ALERTS = f"{ALERTS_PREFIX}*"
_OF_NONE = {"ignore_unavailable": "true", "allow_no_indices": "true"}
_IN_ORDER = ({"opened_at": "asc"}, {"id": "asc"})
_NEWEST_FIRST = ({"window.start": "desc"}, {"id": "desc"})
_TERMS = 10_000  # of one query
_PAGE = 500
_BULK = 200


class OpenSearchAlerts:
    """Alerts; every write is acknowledged before it returns."""

    def __init__(self, client: OpenSearch) -> None:
        self._client = client

    def refresh(self) -> None:
        """Let searches find all that was written."""
        with translated():
            self._client.indices.refresh(index=ALERTS, params=_OF_NONE)

    def by_keys(self, digests: Sequence[str]) -> dict[str, Stored]:
        """Give the alerts that stand for these keys."""
        found: dict[str, Stored] = {}
        for part in _parts(digests):
            for one in self._search({"terms": {"key": part}}):
                found.setdefault(one.alert.key, one)
        return found

    def holding(self, events: Sequence[Changed]) -> list[Stored]:
        """Give the alerts that hold any of these events, or may."""
        if not events:
            return []
        first, last = min(one.at for one in events), max(one.at for one in events)
        more = [
            {"range": {"count": {"gt": MOST_EVENT_IDS}}},
            {"range": {"first_at": {"lte": format_time(last)}}},
            {"range": {"last_at": {"gte": format_time(first)}}},
        ]
        found = {one.alert.id: one for one in self._search({"bool": {"filter": more}})}
        for part in _parts([one.id for one in events]):
            found |= {one.alert.id: one for one in self._search({"terms": {"event_ids": part}})}
        return list(found.values())

    def naming(self, rule_id: str, event_ids: Sequence[str], besides: str) -> Stored | None:
        """Give an alert of a rule that lists any of these events."""
        query = {
            "bool": {
                "filter": [{"term": {"rule.id": rule_id}}, {"terms": {"event_ids": [*event_ids]}}],
                "must_not": [{"term": {"id": besides}}],
            }
        }
        return next(iter(self._search(query)), None)

    def get(self, alert_id: str) -> Stored | None:
        """Give one alert, as it was last written."""
        found = next(iter(self._search({"term": {"id": alert_id}})), None)
        if found is None:
            return None
        with translated():
            hit = self._client.get(index=found.index, id=alert_id)
        return _stored(hit)

    def taken(self, ids: Sequence[str]) -> set[str]:
        """Say which of these ids are an alert's."""
        return {
            hit["_id"]
            for part in _parts(ids)
            for hits in walk(
                self._client,
                ALERTS,
                {"ids": {"values": part}},
                _IN_ORDER,
                size=_PAGE,
                _source=False,
            )
            for hit in hits
        }

    def write(self, changes: Sequence[tuple[Alert, Stored | None]]) -> list[bool]:
        """Write alerts over what was read, or as new ones."""
        written: list[bool] = []
        for start in range(0, len(changes), _BULK):
            lines = b"".join(_lines(*one) for one in changes[start : start + _BULK])
            written += self._write(lines)
        return written

    def find(self, wanted: Wanted, most: int, after: str | None = None) -> list[Alert]:
        """Give alerts by window, newest first."""
        body: dict[str, Any] = {
            "size": most,
            "query": _query(wanted),
            "sort": list(_NEWEST_FIRST),
            "track_total_hits": False,
        }
        if after is not None:
            last = self.get(after)
            if last is None:
                return []
            body["search_after"] = [last.alert.window.start, last.alert.id]
        with translated():
            answer = self._client.search(index=ALERTS, body=body, params=_OF_NONE)
        return [alert_of(hit["_source"]) for hit in answer["hits"]["hits"]]

    def due(self, now: datetime, most: int) -> list[Stored]:
        """Give alerts that somebody is to be told of by now, the longest due first."""
        by_now = [
            {"term": {"telling": Telling.DUE.value}},
            {"range": {"tell_at": {"lte": format_time(now)}}},
        ]
        body = {
            "size": most,
            "query": {"bool": {"filter": by_now}},
            "sort": [{"tell_at": "asc"}, {"id": "asc"}],
            "seq_no_primary_term": True,
        }
        with translated():
            answer = self._client.search(index=ALERTS, body=body, params=_OF_NONE)
        return [_stored(hit) for hit in answer["hits"]["hits"]]

    def untold(self) -> dict[str, int]:
        """Count the alerts of which a target is to be told still, and those it was given up for."""
        kinds = (Telling.DUE.value, Telling.GIVEN_UP.value)
        body = {
            "size": 0,
            "query": {"terms": {"telling": kinds}},
            "aggs": {"by": {"terms": {"field": "telling"}}},
        }
        with translated():
            answer = self._client.search(index=ALERTS, body=body, params=_OF_NONE)
        found = answer.get("aggregations", {}).get("by", {}).get("buckets", ())
        counts = {bucket["key"]: int(bucket["doc_count"]) for bucket in found}
        return {kind: counts.get(kind, 0) for kind in kinds}

    def _search(self, query: Mapping[str, Any]) -> Iterable[Stored]:
        for hits in walk(self._client, ALERTS, query, _IN_ORDER, size=_PAGE):
            yield from (_stored(hit) for hit in hits)

    def _write(self, lines: bytes) -> list[bool]:
        for attempt in range(TRIES):
            pause_before(attempt)
            items = [one for item in bulk(self._client, lines) for one in item.values()]
            for item in items:
                check_not_blocked(item)
                _check_taken(item)
            if not any(item["status"] in OVERLOADED for item in items):
                return [item["status"] != CONFLICT for item in items]
        raise UnavailableError("OpenSearch is overloaded: it kept refusing alerts")


def _check_taken(item: Mapping[str, Any]) -> None:
    if item["status"] not in (OK, CREATED, CONFLICT) and item["status"] not in OVERLOADED:
        raise ConfigurationError(
            f"OpenSearch refuses an alert: {item['error']['type']}; run `enricher install` to "
            "update the mapping"
        )


def _lines(alert: Alert, before: Stored | None) -> bytes:
    if before is None:
        action: dict[str, Any] = {
            "create": {"_index": index_of(alert.stands_for.start), "_id": alert.id}
        }
    else:
        seen: dict[str, Any] = {"if_seq_no": before.seq_no, "if_primary_term": before.primary_term}
        action = {"index": {"_index": before.index, "_id": alert.id, **seen}}
    return codec.dumps(action) + b"\n" + codec.dumps(alert.document()) + b"\n"


def _stored(hit: Mapping[str, Any]) -> Stored:
    return Stored(
        alert=alert_of(hit["_source"]),
        index=hit["_index"],
        seq_no=hit["_seq_no"],
        primary_term=hit["_primary_term"],
    )


def _query(wanted: Wanted) -> dict[str, Any]:
    terms = {
        "status": wanted.status.value if wanted.status else None,
        "rule.id": wanted.rule_id,
        "origin.id": wanted.origin_id,
        "accounts": wanted.account_id,
        "telling": wanted.telling.value if wanted.telling else None,
    }
    filters: list[dict[str, Any]] = [
        {"term": {name: value}} for name, value in terms.items() if value is not None
    ]
    if wanted.levels:
        filters.append({"terms": {"severity": [*wanted.levels]}})
    if wanted.start is not None:
        filters.append({"range": {"last_at": {"gte": format_time(wanted.start)}}})
    if wanted.end is not None:
        filters.append({"range": {"first_at": {"lte": format_time(wanted.end)}}})
    silent: list[dict[str, Any]] = []
    if wanted.silent_at is not None:
        silent.append({"range": {"suppressed.until": {"gt": format_time(wanted.silent_at)}}})
    return {"bool": {"filter": filters, "must_not": silent}}


def _parts(values: Sequence[str]) -> list[list[str]]:
    distinct = list(dict.fromkeys(values))
    return [distinct[start : start + _TERMS] for start in range(0, len(distinct), _TERMS)]
