"""CloudTrail documents in OpenSearch that another pipeline wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import NotFoundError, RequestError

from enricher.cloudtrail import codec
from enricher.cloudtrail.profiles import ENRICHED
from enricher.cloudtrail.times import format_time
from enricher.errors import ConfigurationError, UnavailableError
from enricher.pipeline.foreign import Page, Revision
from enricher.stores.opensearch import stored
from enricher.stores.opensearch_client import (
    CONFLICT,
    OK,
    SERVER_ERROR,
    bulk,
    mget,
    parts,
    translated,
    walk,
)
from enricher.stores.patience import OVERLOADED, TRIES, pause_before

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opensearchpy import OpenSearch

    from enricher.pipeline.foreign import Span
    from enricher.pipeline.ports import StoredEvent

_NOT_FOUND = 404
# A partial document would be merged into the enrichment that is there, and leave what the new one
# no longer says. Compiled once: the answer is a parameter.
_REPLACE = f"ctx._source.{ENRICHED} = params.{ENRICHED}"


class OpenSearchForeignIndex:
    """The indices of a pattern; what they are called does not matter."""

    def __init__(
        self, client: OpenSearch, pattern: str, wanted: Mapping[str, Any], *, bulk_bytes: int
    ) -> None:
        self._client = client
        self._pattern = pattern
        self._wanted = wanted
        self._bulk_bytes = bulk_bytes

    def mappings(self) -> dict[str, dict[str, Any]]:
        """Give the mapping of every index that the pattern names; none where it names none."""
        try:
            with translated():
                answer = self._client.indices.get_mapping(index=self._pattern)
        except NotFoundError:
            return {}
        return {index: found["mappings"] for index, found in answer.items()}

    def sample(self, event_name: str, names: Sequence[str], most: int) -> list[dict[str, Any]]:
        """Give some documents, with those of these event names among them if there are any."""
        # Keyword, text with a keyword beside it, text alone: nobody knows how others map a name.
        named = [
            {"terms": {event_name: list(names)}},
            {"terms": {f"{event_name}.keyword": list(names)}},
            {"match": {event_name: " ".join(names)}},
        ]
        queries: tuple[dict[str, Any], ...] = (
            {"bool": {"should": named, "minimum_should_match": 1}},
            {"match_all": {}},
        )
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for query in queries:
            body = {"size": most, "query": query}
            with translated():
                hits = self._client.search(index=self._pattern, body=body)["hits"]["hits"]
            found.update({(hit["_index"], hit["_id"]): hit["_source"] for hit in hits})
        return list(found.values())

    def prepare(self) -> None:
        """Add the fields of ``enriched`` to every index's mapping."""
        body = {"properties": {ENRICHED: self._wanted}}
        for index in self.mappings():
            try:
                with translated():
                    self._client.indices.put_mapping(index=index, body=body)
            except RequestError as err:
                raise ConfigurationError(
                    f"{index} does not take the fields of `{ENRICHED}`: {_why(err)}"
                ) from err

    def count(self, span: Span) -> int:
        """Count the documents of a span."""
        with translated():
            answer = self._client.count(index=self._pattern, body={"query": _within(span)})
        counted: int = answer["count"]
        return counted

    def pages(self, span: Span, after: list[Any] | None, size: int) -> Iterator[Page]:
        """Give the documents of a span in order of time and id; those without a time last."""
        sort = ({span.field: "asc"}, {"_id": "asc"})
        query = _within(span)
        more = {} if after is None else {"search_after": after}
        steps = walk(self._client, self._pattern, query, sort, size=size, **more)
        try:
            for hits in steps:
                yield Page([stored(hit) for hit in hits], hits[-1]["sort"])
        except NotFoundError as err:  # the node that held the point in time was restarted
            raise UnavailableError("OpenSearch lost its place; run it again to go on") from err

    def read_again(self, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        """Give those of these documents that are still there, as they are now."""
        wanted = [{"_index": event.index, "_id": event.id} for event in events]
        return [stored(found) for found in mget(self._client, wanted)]

    def rewrite(self, events: Sequence[StoredEvent]) -> list[Revision]:
        """Replace ``enriched`` of documents, and nothing else, where nobody wrote meanwhile."""
        revisions: list[Revision | None] = [None] * len(events)
        open_ones = list(range(len(events)))
        for attempt in range(TRIES):
            pause_before(attempt)
            lines = [_replace_lines(events[number]) for number in open_ones]
            for part in parts(lines, self._bulk_bytes):
                items = bulk(self._client, b"".join(lines[place] for place in part))
                for place, item in zip(part, items, strict=True):
                    revisions[open_ones[place]] = _revision(item["update"])
            open_ones = [number for number in open_ones if revisions[number] is None]
            if not open_ones:
                return [revision for revision in revisions if revision is not None]
        raise UnavailableError("OpenSearch is overloaded: it kept refusing enrichments with 429")


def _within(span: Span) -> dict[str, Any]:
    bounds = {"gte": span.since, "lt": span.until}
    told = {name: format_time(at) for name, at in bounds.items() if at is not None}
    return {"range": {span.field: told}} if told else {"match_all": {}}


def _replace_lines(event: StoredEvent) -> bytes:
    action = {
        "_index": event.index,
        "_id": event.id,
        "if_seq_no": event.seq_no,
        "if_primary_term": event.primary_term,
    }
    script = {"source": _REPLACE, "params": {ENRICHED: event.source[ENRICHED]}}
    return codec.dumps({"update": action}) + b"\n" + codec.dumps({"script": script}) + b"\n"


def _revision(item: Mapping[str, Any]) -> Revision | None:
    """Read one bulk item; None where the document must be sent again."""
    status = item["status"]
    if status == OK:
        return Revision.WRITTEN
    if status == CONFLICT:
        return Revision.CONTESTED
    if status == _NOT_FOUND:
        return Revision.GONE
    if status in OVERLOADED or status >= SERVER_ERROR:
        return None
    raise ConfigurationError(
        f"{item['_index']} does not take an enrichment: {item['error']['type']}; is it blocked "
        "for writing, or are inline scripts switched off (script.allowed_types)?"
    )


def _why(err: RequestError) -> str:
    """Say why a mapping is refused; it speaks of fields, never of values."""
    info = err.info if isinstance(err.info, dict) else {}
    reason = info.get("error", {}).get("reason", err.error)
    if "total fields" in str(reason):
        return f"{reason}; raise its index.mapping.total_fields.limit by 200"
    return f"{reason}; reindex it without that field"
