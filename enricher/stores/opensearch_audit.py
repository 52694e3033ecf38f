"""What was done through the API, in the audit index: who called what, never with what in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from enricher.cloudtrail.times import format_time, parse_time
from enricher.stores.opensearch_client import translated
from enricher.stores.opensearch_ledger import AUDIT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from opensearchpy import OpenSearch

API_CALL = "api-call"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One call of the API.

    Attributes:
        at: When it was answered, UTC.
        request_id: What the answer was marked with.
        key_id: Id of the API key, or the subject that an identity provider vouches for; None for a
            caller who was not let in.
        client: Address of the caller.
        route: The route's template, without what was asked for; None where there is none.
        status: HTTP status.
        duration_ms: How long it took, milliseconds.
    """

    at: datetime
    request_id: str
    key_id: str | None
    client: str | None
    method: str
    route: str | None
    status: int
    duration_ms: int


class OpenSearchAuditLog:
    """Calls of the API, in ``cloudtrail-audit``."""

    def __init__(self, client: OpenSearch) -> None:
        self._client = client

    def write(self, call: ApiCall) -> None:
        """Keep one call.

        Raises:
            UnavailableError: If it cannot be kept now.
        """
        fields = {name: value for name, value in asdict(call).items() if name != "at"}
        body = {"what": API_CALL, "at": format_time(call.at), "call": fields}
        with translated():
            self._client.index(index=AUDIT, id=uuid4().hex, body=body)

    def newest(
        self, most: int, *, start: datetime | None = None, end: datetime | None = None
    ) -> list[ApiCall]:
        """Give the newest calls, newest first."""
        span = {"gte": start, "lte": end}
        given = {name: format_time(at) for name, at in span.items() if at is not None}
        filters: list[Mapping[str, Any]] = [{"term": {"what": API_CALL}}]
        if given:
            filters.append({"range": {"at": given}})
        body = {"size": most, "query": {"bool": {"filter": filters}}, "sort": [{"at": "desc"}]}
        with translated():
            answer = self._client.search(index=AUDIT, body=body)
        return [call for hit in answer["hits"]["hits"] if (call := _call(hit["_source"]))]


def _call(source: Mapping[str, Any]) -> ApiCall | None:
    at = parse_time(source["at"])
    return None if at is None else ApiCall(at=at, **source["call"])
