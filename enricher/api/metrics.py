"""What the API counts; labels come from closed sets: routes as they are named, never values."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY = CollectorRegistry()
REFUSALS = ("unauthenticated", "forbidden", "limited")
OTHER_ROUTE = "none"

CALLS = Counter(
    "enricher_api_calls",
    "Calls of the API, by route as in its OpenAPI document and by the first digit of their status.",
    ["route", "status"],
    registry=REGISTRY,
)
CALL_SECONDS = Histogram(
    "enricher_api_call_seconds",
    "How long a call took until its answer was written.",
    ["route"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
REFUSED = Counter(
    "enricher_api_refused_calls",
    "Calls that were not let in: without a valid key, without its scope, or too many.",
    ["reason"],
    registry=REGISTRY,
)
NOT_AUDITED = Counter(
    "enricher_api_calls_not_audited",
    "Calls that could not be written into the audit index; the log has them.",
    registry=REGISTRY,
)


def begin_at_zero(routes: list[str]) -> None:
    """Let every series of these routes exist from the start."""
    for reason in REFUSALS:
        REFUSED.labels(reason)
    for route in (*routes, OTHER_ROUTE):
        CALL_SECONDS.labels(route)
        for status in ("2xx", "4xx", "5xx"):
            CALLS.labels(route, status)


def count_call(route: str | None, status: int, seconds: float) -> None:
    """Add one call."""
    named = route or OTHER_ROUTE
    CALLS.labels(named, f"{status // 100}xx").inc()
    CALL_SECONDS.labels(named).observe(seconds)
    if status in _REFUSING:
        REFUSED.labels(_REFUSING[status]).inc()


_REFUSING = {401: "unauthenticated", 403: "forbidden", 429: "limited"}
