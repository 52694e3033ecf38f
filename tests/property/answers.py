"""What came out, and how it is compared with the truth."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.record import Record
from enricher.enrichers.fields import STORED
from enricher.enrichers.interface import Context
from enricher.enrichers.oracle import enrich_all
from enricher.errors import RecordError
from enricher.identity.evidence import EvidenceInMemory
from enricher.identity.extract import facts_of
from enricher.identity.resolve import Resolver
from enricher.identity.sessions import group_id, synthetic_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from enricher.enrichers.fields import Field
    from tests.property.strategies import Json
    from tools.trailgen.trail import Trail
    from tools.trailgen.truth import Origin, SessionKey

_DATE = "2026-03-02"


def enrich(records: Iterable[Json], *, window_closed: bool = True) -> dict[str, dict[str, Any]]:
    """Enrich records and give the enrichment by document id."""
    events = enrich_all(records, window_closed=window_closed)
    return {event.document_id: event.enriched for event in events}


def readable(records: Iterable[Json]) -> list[Json]:
    """Leave out records that are refused, and all but the first that claim one event id.

    Which of several records is the one that an id belongs to, nobody can tell.
    """
    found: dict[str, Json] = {}
    for record in records:
        try:
            found.setdefault(Record(record).event_id, record)
        except RecordError:
            continue
    return list(found.values())


def contexts(records: Iterable[Json]) -> Iterator[Context]:
    """Give what enrichers may look at, for each record, with the evidence of all."""
    read = [Record(raw) for raw in records]
    stated = [facts_of(record) for record in read]
    resolver = Resolver(EvidenceInMemory(keyed for facts in stated for keyed in facts))
    for record, facts in zip(read, stated, strict=True):
        yield Context(record=record, facts=facts, resolver=resolver, window_closed=True)


def leaves(value: Any, declared: Mapping[str, Field], path: str = "") -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Give the names of the fields that an enrichment holds; what is stored as JSON is one."""
    field = declared.get(path)
    if field is not None and field.mapping == STORED:
        yield path
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, declared, path)
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from leaves(member, declared, f"{path}.{name}" if path else name)
    else:
        yield path


def instant(text: str) -> datetime:
    """Read a time as CloudTrail writes it."""
    return datetime.fromisoformat(text)


def session_id(key: SessionKey) -> str:
    """Spell the id of a session that the truth names."""
    partition, account_id, principal_id, since = key
    began_at = datetime.fromisoformat(since).replace(tzinfo=UTC)
    if len(since) == len(_DATE):
        return synthetic_id(account_id, principal_id, began_at)
    return group_id(partition, account_id, principal_id, began_at)


def holders(trail: Trail) -> Mapping[str, set[Origin]]:
    """Say of each unique id who really was behind it, somewhere in the trail."""
    found: dict[str, set[Origin]] = defaultdict(set)
    for record, truth in zip(trail.records, trail.truth.values(), strict=True):
        identity = record["userIdentity"]
        for known in (identity.get("principalId"), identity.get("arn")):
            if known:
                found[known].add(truth.origin)
    return found
