"""What ``benchmarks.api`` asks: every call that reads, each for an event that was drawn."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from opensearchpy import OpenSearch

from enricher.stores.opensearch import EVENTS

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

Json = dict[str, Any]
Request = tuple[str, str, Json]
Asked = list[Json]

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_EVER = {"start": "2000-01-01T00:00:00Z"}


def drawn(url: str, rng: random.Random, count: int) -> Asked:
    """Draw events that have all that is asked for: a key, an origin, a session, an address."""
    wanted = (
        *("userIdentity.accessKeyId", "enriched.origin.id", "enriched.origin.name"),
        *("enriched.session.id", "enriched.source.ip"),
    )
    query = {"bool": {"filter": [{"exists": {"field": name}} for name in wanted]}}
    scored = {"function_score": {"query": query, "random_score": {"seed": rng.randrange(1 << 30)}}}
    client = OpenSearch(url, timeout=120)
    body = {"size": count, "query": scored}
    found = [hit["_source"] for hit in client.search(index=EVENTS, body=body)["hits"]["hits"]]
    client.close()
    return [found[number % len(found)] for number in range(count)]


def _span(event: Json, around: timedelta) -> Json:
    at = datetime.fromisoformat(event["eventTime"])
    return {"start": (at - around).isoformat(), "end": (at + around).isoformat()}


def _key(event: Json) -> str:
    return str(event["userIdentity"]["accessKeyId"])


def _session(event: Json, rest: str = "", **parameters: str) -> Request:
    path = f"/v1/sessions/{event['enriched']['session']['id']}{rest}"
    return "GET", path, {"params": parameters}


def _principal(event: Json) -> Json:
    """Name the origin, each time in another of its ways."""
    origin = event["enriched"]["origin"]
    ways = [name for name in ("id", "name", "arn") if name in origin]
    way = ways[int(event["eventID"][:4], 16) % len(ways)]
    return {way: origin[way]}


def _get(path: str, parameters: Json) -> Request:
    return "GET", path, {"params": parameters}


def _triage(question: Json) -> Request:
    return "POST", "/v1/triage", {"json": question}


def _finding(event: Json) -> Request:
    key = {"accessKeyId": _key(event), "principalId": event["userIdentity"].get("principalId")}
    seen = {"eventFirstSeen": event["eventTime"], "eventLastSeen": event["eventTime"]}
    body = {"id": "f", "resource": {"accessKeyDetails": key}, "service": seen}
    return "POST", "/v1/triage/guardduty", {"json": body}


def _record(event: Json) -> Json:
    return {name: value for name, value in event.items() if name != "enriched"}


QUESTIONS: dict[str, Callable[[Json], Request]] = {
    "getEvent": lambda one: _get(f"/v1/events/{one['eventID']}", {}),
    "getCredential": lambda one: _get(f"/v1/credentials/{_key(one)}", {}),
    "findPrincipals": lambda one: _get("/v1/principals", _principal(one)),
    "getSession": _session,
    "getSessionTree": lambda one: _session(one, "/tree"),
    "getSessionSummary": lambda one: _session(one, "/summary"),
    "getSessionSummary, Markdown": lambda one: _session(one, "/summary", format="markdown"),
    "getSummary of a key": lambda one: _get("/v1/summary", {"access_key_id": _key(one)}),
    "getSummary of a principal": lambda one: _get("/v1/summary", _principal(one)),
    "getSummary of an address, a day": lambda one: _get(
        "/v1/summary", {"ip": one["enriched"]["source"]["ip"], **_span(one, _DAY / 2)}
    ),
    "listSessionEvents": lambda one: _session(one, "/events", size="100"),
    "getSessionTimeline": lambda one: _session(one, "/timeline"),
    "triageGuardDuty": _finding,
    "triage of an event": lambda one: _triage({"event_id": one["eventID"]}),
    "triage of a key": lambda one: _triage({"access_key_id": _key(one)}),
    "triage of a principal": lambda one: _triage({"principal": _principal(one)}),
    "triage of a principal, an hour": lambda one: _triage(
        {"principal": _principal(one), **_span(one, 30 * _MINUTE)}
    ),
    "triage of an address, an hour": lambda one: _triage(
        {"ip": one["enriched"]["source"]["ip"], **_span(one, 30 * _MINUTE)}
    ),
    "listAccessDenied, a day": lambda one: _get("/v1/access-denied", _span(one, _DAY / 2)),
    "listOrigins, a day": lambda one: _get("/v1/origins", _span(one, _DAY / 2)),
    "getCoverage, a day": lambda one: _get("/v1/coverage", _span(one, _DAY / 2)),
    "listAccessDenied of all": lambda _: _get("/v1/access-denied", _EVER),
    "listOrigins of all": lambda _: _get("/v1/origins", _EVER),
    "getCoverage of all": lambda _: _get("/v1/coverage", _EVER),
    "enrich": lambda one: ("POST", "/v1/enrich", {"json": {"Records": [_record(one)]}}),
    "makePlan of a session": lambda one: (
        "POST",
        "/v1/containment/plans",
        {"json": {"session_id": one["enriched"]["session"]["id"]}},
    ),
    "makePlan of an origin": lambda one: (
        "POST",
        "/v1/containment/plans",
        {"json": {"origin_id": one["enriched"]["origin"]["id"]}},
    ),
    "listPlans": lambda _: _get("/v1/containment/plans", {}),
    "listAudit": lambda _: _get("/v1/audit", {}),
    "ready": lambda _: _get("/readyz", {}),
}
