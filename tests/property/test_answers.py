"""What holds of the answers for any record: no enricher raises, each value fits its field."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings

from enricher.cloudtrail import codec
from enricher.cloudtrail.record import Record
from enricher.enrichers.fields import is_word
from enricher.enrichers.interface import Context
from enricher.enrichers.oracle import enrich_all
from enricher.enrichers.registry import built_in
from enricher.identity.evidence import EvidenceInMemory
from enricher.identity.extract import facts_of
from enricher.identity.resolve import Resolver
from tests.property.strategies import damaged, damages, json_records, known_calls, stories

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.property.strategies import Damage, Json, Story

ENRICHERS = built_in()
DECLARED = {field.name: field.mapping for enricher in ENRICHERS for field in enricher.fields}
OURS = {name.partition(".")[0] for name in DECLARED} & {"outcome", "target", "action", "source"}


def check(raw: Json) -> None:
    """Ask every enricher; unlike the registry, let it raise."""
    before = codec.dumps(raw)
    record = Record(raw)
    facts = facts_of(record)
    resolver = Resolver(EvidenceInMemory(facts))
    context = Context(record=record, facts=facts, resolver=resolver, window_closed=True)
    for enricher in ENRICHERS:
        contribution = enricher.enrich(context)
        assert codec.loads(codec.dumps(contribution.fields)) == contribution.fields
        for top in OURS & contribution.fields.keys():
            for name, value in leaves(contribution.fields[top], top):
                assert fits(value, DECLARED[name]), (name, value)
    assert codec.dumps(raw) == before


def leaves(value: object, name: str) -> Iterator[tuple[str, Any]]:
    """Give every value below a field, with the field's name."""
    if isinstance(value, dict):
        for member, below in value.items():
            yield from leaves(below, f"{name}.{member}")
    elif isinstance(value, list):
        assert value, f"{name} is an empty list"
        for item in value:
            yield from leaves(item, name)
    else:
        yield name, value


def fits(value: object, mapping: Mapping[str, Any]) -> bool:
    """Say whether the index takes and finds a value."""
    if mapping["type"] == "boolean":
        return isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if mapping["type"] == "ip":
        return str(ipaddress.ip_address(value)) == value and "%" not in value
    if "meta" in mapping and not is_word(value):
        return False
    return 0 < len(value) <= int(mapping["ignore_above"])


@settings(max_examples=300)
@given(raw=known_calls())
def test_no_known_call_makes_an_enricher_raise(raw: Json) -> None:
    check(raw)


@settings(max_examples=150)
@given(raw=json_records())
def test_no_record_makes_an_enricher_raise(raw: Json) -> None:
    check({**raw, "eventTime": "2026-03-02T06:00:00Z"})


@settings(max_examples=40)
@given(story=stories(events=15), damage=damages(most=20))
def test_no_damage_makes_an_enricher_raise(story: Story, damage: list[Damage]) -> None:
    for raw in damaged(story.trail.records, damage):
        check({**raw, "eventTime": "2026-03-02T06:00:00Z"})


@settings(max_examples=60)
@given(raw=known_calls())
def test_every_answer_says_outcome_and_action_and_nothing_failed(raw: Json) -> None:
    (event,) = enrich_all([raw])
    assert event.enriched["outcome"]["status"] in {"success", "denied", "failed"}
    assert event.enriched["action"]["sensitive"] in {True, False}
    assert not [note for note in event.enriched.get("notes", ()) if ":" in note]


@settings(max_examples=150)
@given(raw=known_calls())
def test_what_is_read_is_declared(raw: Json) -> None:
    facts = facts_of(Record(raw))
    resolver = Resolver(EvidenceInMemory(facts))
    for enricher in ENRICHERS:
        kept = {name: raw[name] for name in (*enricher.reads, "eventTime") if name in raw}
        answers = [
            enricher.enrich(
                Context(
                    # Without an event id the document's is made of the whole record (rulings 20).
                    record=Record(given, document_id="document"),
                    facts=facts,
                    resolver=resolver,
                    window_closed=True,
                )
            )
            for given in (raw, kept)
        ]
        assert answers[0] == answers[1], enricher.name
