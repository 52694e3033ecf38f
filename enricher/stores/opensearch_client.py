"""How every adapter of OpenSearch talks to it: bulk requests, back-off, our own errors."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from opensearchpy.exceptions import (
    AuthenticationException,
    AuthorizationException,
    ConnectionTimeout,
    NotFoundError,
    RequestError,
    TransportError,
)
from opensearchpy.exceptions import ConnectionError as ClientConnectionError

from enricher.errors import ConfigurationError, UnavailableError
from enricher.stores.connections import tls_fault
from enricher.stores.patience import OVERLOADED, TRIES, nobody, pause_before

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opensearchpy import OpenSearch

OK, CREATED, MISSING, CONFLICT, SERVER_ERROR = 200, 201, 404, 409, 500
# Somebody lifts the block or opens the index, and then the same request succeeds.
BLOCKED = frozenset({"cluster_block_exception", "index_closed_exception"})
_BULK_ANSWER = (
    "items.*._index,items.*.status,items.*.error,items.*.get"  # all that anybody of ours looks at
)
# Sorts last what is equal otherwise: total within one point in time, and meaningless beyond it.
AS_STORED: Mapping[str, str] = {"_shard_doc": "asc"}
# In its place where a cluster is older than 3.3. To sort by it, a node holds every id in memory.
_BY_ID: Mapping[str, str] = {"_id": "asc"}
_PIT_KEPT = "5m"  # longer than anything that is done with one page
_Answer = TypeVar("_Answer")
_NOT_ALLOWED = "security_exception"
# e.g. "no permissions for [indices:admin/delete] and User [name=…, backend_roles=[], …]"
_ACTIONS = re.compile(r"no permissions for \[([\w:/*\[\], ]+?)\] and User")


def bulk(client: OpenSearch, lines: bytes) -> list[dict[str, Any]]:
    """Send one bulk request; give its items in order, whatever became of each.

    Raises:
        ConfigurationError: If the role of who asks does not allow it. That is said for each item
            apart, but no document is at fault.
    """
    with translated():
        answer = client.bulk(body=lines, params={"filter_path": _BULK_ANSWER})
    items: list[dict[str, Any]] = answer["items"]
    for item in items:
        error = next(iter(item.values())).get("error", {})
        if error.get("type") == _NOT_ALLOWED:
            raise ConfigurationError(_refusal(error))
    return items


def mget(client: OpenSearch, wanted: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Look documents up by index and id; give those that are there.

    Raises:
        ConfigurationError: If the role of who asks does not allow it; as in a bulk request, that
            is said for each document apart.
        UnavailableError: If it cannot be told now whether a document is there.
    """
    with translated():
        answer = client.mget(body={"docs": wanted})
    for one in answer["docs"]:
        error = one.get("error", {})
        if error.get("type") == _NOT_ALLOWED:
            raise ConfigurationError(_refusal(error))
        if error and error["type"] != "index_not_found_exception":
            raise UnavailableError(f"OpenSearch cannot read now: {error['type']}")
    return [one for one in answer["docs"] if one.get("found")]


def put(
    client: OpenSearch,
    lines: bytes,
    what: str,
    on_repetition: Callable[[], None] = nobody,
) -> None:
    """Write entries that replace themselves, all of them, with pauses while the cluster cannot.

    Args:
        client: The client.
        lines: The body of one bulk request.
        what: What is written, for the error.
        on_repetition: Called before each repetition.

    Raises:
        UnavailableError: If it does not take them all.
    """
    for attempt in range(TRIES):
        pause_before(attempt, on_repetition)
        items = [one for item in bulk(client, lines) for one in item.values()]
        for item in items:
            check_not_blocked(item)
        if all(item["status"] in (OK, CREATED) for item in items):
            return
    raise UnavailableError(f"OpenSearch does not take {what}")


def parts(entries: Sequence[bytes], limit: int) -> Iterator[list[int]]:
    """Cut entries into requests of bounded size; an entry beyond the bound goes alone.

    Args:
        entries: What is to be sent.
        limit: Bytes of one request; a node refuses requests beyond 100 MB by default.

    Yields:
        The numbers of the entries of each request, in order.
    """
    part: list[int] = []
    size = 0
    for number, entry in enumerate(entries):
        if part and size + len(entry) > limit:
            yield part
            part, size = [], 0
        part.append(number)
        size += len(entry)
    if part:
        yield part


def patiently(call: Callable[[], _Answer]) -> _Answer:
    """Make a call that is safe to repeat, again with pauses while the cluster is away.

    Raises:
        UnavailableError: If it stays away.
    """
    for attempt in range(TRIES - 1):
        pause_before(attempt)
        try:
            return call()
        except UnavailableError:
            continue
    pause_before(TRIES - 1)
    return call()


def walk(
    client: OpenSearch,
    index: str,
    query: Mapping[str, Any],
    sort: Sequence[Mapping[str, Any]],
    *,
    size: int,
    **more: object,
) -> Iterator[list[dict[str, Any]]]:
    """Give the hits of a query in pages, all from one point in time, none twice.

    A page is asked for again while the cluster is away, rather than broken off.

    Args:
        client: The client.
        index: A name or pattern; nothing is given where it names nothing.
        query: Which documents.
        sort: A total order, e.g. by time and ``AS_STORED``; with ``after``, one that lasts.
        size: Hits of a page.
        more: More of the request, e.g. ``search_after`` or ``_source``.
    """
    with translated():
        if not client.indices.exists(index=index, params={"allow_no_indices": "false"}):
            return  # there is no point in time of nothing
        opened = client.create_pit(
            index=index,
            params={
                "keep_alive": _PIT_KEPT,
                "ignore_unavailable": "true",
                "allow_partial_pit_creation": "false",
            },
        )
    body: dict[str, Any] = {
        "size": size,
        "query": query,
        "pit": {"id": opened["pit_id"], "keep_alive": _PIT_KEPT},
        "sort": list(sort),
        "seq_no_primary_term": True,
        "track_total_hits": False,
        **more,
    }
    try:
        while True:
            hits = patiently(lambda: _page_of_any_version(client, body))
            if hits:
                yield hits
            if len(hits) < size:
                return
            body["search_after"] = hits[-1]["sort"]
    finally:
        with translated():
            client.delete_pit(body={"pit_id": [opened["pit_id"]]})


def _page_of_any_version(client: OpenSearch, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Give a page; where the cluster does not know the order as stored, by id from here on."""
    try:
        return _page(client, body)
    except RequestError as err:
        if AS_STORED not in body["sort"] or "_shard_doc" not in str(err.info):
            raise
        body["sort"] = [_BY_ID if one == AS_STORED else one for one in body["sort"]]
        return _page(client, body)


def _page(client: OpenSearch, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    with translated():
        answer = client.search(body=body)
    hits: list[dict[str, Any]] = answer["hits"]["hits"]
    return hits


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the client raises into our own errors; NotFoundError is an answer, let it pass."""
    try:
        yield
    except (ClientConnectionError, ConnectionTimeout) as err:
        if fault := tls_fault(err, "OpenSearch"):
            raise ConfigurationError(fault) from err
        raise UnavailableError(f"OpenSearch does not answer: {type(err).__name__}") from err
    except AuthenticationException as err:
        raise ConfigurationError(
            "OpenSearch refuses these credentials: set ENRICHER_OPENSEARCH__USERNAME and "
            "ENRICHER_OPENSEARCH__PASSWORD or ENRICHER_OPENSEARCH__PASSWORD_FILE"
        ) from err
    except AuthorizationException as err:
        if err.error in BLOCKED:
            raise UnavailableError(f"OpenSearch cannot write now: {err.error}") from err
        raise ConfigurationError(_refusal(err.info)) from err
    except NotFoundError:
        raise
    except TransportError as err:
        if err.status_code in OVERLOADED:
            raise UnavailableError(f"OpenSearch is overloaded: {err.status_code}") from err
        raise


def _refusal(answer: object) -> str:
    # Some answers say it once, some for each shard. The action is ours, so it can be shown.
    found = _ACTIONS.search(str(answer))
    action = found[1] if found else "this"
    return (
        f"OpenSearch does not allow {action} to this user: map it to a role of "
        "`enricher install --security`"
    )


def check_not_blocked(item: Mapping[str, Any]) -> None:
    """Look at one answer of a bulk request.

    Raises:
        UnavailableError: If nothing can be written now: a disk is full, an index is closed.
    """
    kind = item.get("error", {}).get("type")
    if kind in BLOCKED:
        raise UnavailableError(f"OpenSearch cannot write now: {kind}")
