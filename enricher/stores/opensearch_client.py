"""How every adapter of OpenSearch talks to it: bulk requests, back-off, our own errors."""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import (
    AuthenticationException,
    AuthorizationException,
    ConnectionTimeout,
    NotFoundError,
    TransportError,
)
from opensearchpy.exceptions import ConnectionError as ClientConnectionError

from enricher.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opensearchpy import OpenSearch

OK, CREATED, MISSING, CONFLICT, SERVER_ERROR = 200, 201, 404, 409, 500
# Somebody lifts the block or opens the index, and then the same request succeeds.
BLOCKED = frozenset({"cluster_block_exception", "index_closed_exception"})
OVERLOADED = frozenset({429, 502, 503, 504})
TRIES = 6
_FIRST_PAUSE_SECONDS = 0.25


def bulk(client: OpenSearch, lines: bytes) -> list[dict[str, Any]]:
    """Send one bulk request; give its items in order, whatever became of each."""
    with translated():
        answer = client.bulk(body=lines)
    items: list[dict[str, Any]] = answer["items"]
    return items


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


def pause_before(attempt: int, on_repetition: Callable[[], None]) -> None:
    """Back off before a repetition: doubled each time, with jitter so that workers spread."""
    if attempt:
        on_repetition()
        longest = _FIRST_PAUSE_SECONDS * 2**attempt
        time.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - no secret


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the client raises into our own errors; NotFoundError is an answer, let it pass."""
    try:
        yield
    except (ClientConnectionError, ConnectionTimeout) as err:
        raise UnavailableError(f"OpenSearch does not answer: {type(err).__name__}") from err
    except AuthorizationException as err:
        if err.error in BLOCKED:
            raise UnavailableError(f"OpenSearch cannot write now: {err.error}") from err
        raise _refused() from err
    except AuthenticationException as err:
        raise _refused() from err
    except NotFoundError:
        raise
    except TransportError as err:
        if err.status_code in OVERLOADED:
            raise UnavailableError(f"OpenSearch is overloaded: {err.status_code}") from err
        raise


def _refused() -> ConfigurationError:
    return ConfigurationError(
        "OpenSearch refuses these credentials: set ENRICHER_OPENSEARCH__USERNAME and "
        "ENRICHER_OPENSEARCH__PASSWORD"
    )


def check_not_blocked(item: Mapping[str, Any]) -> None:
    """Look at one answer of a bulk request.

    Raises:
        UnavailableError: If nothing can be written now: a disk is full, an index is closed.
    """
    kind = item.get("error", {}).get("type")
    if kind in BLOCKED:
        raise UnavailableError(f"OpenSearch cannot write now: {kind}")
