"""An index for the time of one question: events that are to be searched, and kept nowhere."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from enricher.cloudtrail import codec
from enricher.errors import ConfigurationError
from enricher.stores.opensearch_client import CREATED, bulk, parts, translated
from enricher.stores.templates import EVENTS_TEMPLATE, joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opensearchpy import OpenSearch

    from enricher.stores.templates import Mappings

_PREFIX = "cloudtrail-test-"
_BULK_BYTES = 8 * 1024 * 1024


@contextmanager
def scratch_index(
    client: OpenSearch, mappings: Mappings, documents: Iterable[tuple[str, bytes]]
) -> Iterator[str]:
    """Index documents, by id, as events are; give the index, and delete it after the block.

    Raises:
        ConfigurationError: If a document does not fit the mapping.
    """
    name = _PREFIX + uuid4().hex
    with translated():
        client.indices.create(index=name, body=_body(mappings))
    try:
        _fill(client, name, documents)
        with translated():
            client.indices.refresh(index=name)
        yield name
    finally:
        with translated():
            client.indices.delete(index=name, params={"ignore_unavailable": "true"})


def _body(mappings: Mappings) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for part in mappings.templates[EVENTS_TEMPLATE]["composed_of"]:
        whole = joined(whole, mappings.components[part]["template"])
    return whole


def _fill(client: OpenSearch, name: str, documents: Iterable[tuple[str, bytes]]) -> None:
    lines = [
        codec.dumps({"create": {"_index": name, "_id": document_id}}) + b"\n" + body + b"\n"
        for document_id, body in documents
    ]
    for part in parts(lines, _BULK_BYTES):
        items = bulk(client, b"".join(lines[number] for number in part))
        refused = [one["create"] for one in items if one["create"]["status"] != CREATED]
        if refused:
            kind = refused[0].get("error", {}).get("type", "refused")
            raise ConfigurationError(f"{len(refused)} events do not fit the mapping: {kind}")
