"""What holds of facts: they survive the wire, and say the same whatever the order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import given, settings

from enricher.cloudtrail.record import Record
from enricher.identity.evidence import EvidenceInMemory
from enricher.identity.extract import facts_of
from enricher.identity.facts import decode_fact, encode_fact
from tests.property.answers import readable
from tests.property.strategies import damaged, damages, seeds, stories

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enricher.identity.facts import Keyed
    from tests.property.strategies import Damage, Json, Story


def stated(records: Iterable[Json]) -> list[Keyed]:
    """Give all facts that records state."""
    return [keyed for record in records for keyed in facts_of(Record(record))]


@settings(max_examples=40)
@given(story=stories())
def test_facts_survive_the_wire(story: Story) -> None:
    for key, fact in stated(story.trail.records):
        again = decode_fact(encode_fact(fact))
        assert again == fact
        assert (again.fact_id, again.rank) == (fact.fact_id, fact.rank)
        assert encode_fact(again) == encode_fact(fact)
        assert "/" in key


@settings(max_examples=40)
@given(story=stories(events=25), damage=damages())
def test_facts_of_damaged_records_survive_the_wire(story: Story, damage: list[Damage]) -> None:
    for _, fact in stated(readable(damaged(story.trail.records, damage))):
        assert decode_fact(encode_fact(fact)) == fact


@settings(max_examples=40)
@given(story=stories(), seed=seeds)
def test_evidence_is_the_same_in_any_order_of_publishing(story: Story, *, seed: int) -> None:
    published = stated(story.trail.records)
    shuffled = [*published, *published[::3]]
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - same seed, same order
    at_once, one_by_one = EvidenceInMemory(published), EvidenceInMemory()
    for keyed in shuffled:
        one_by_one.facts(keyed.key)
        one_by_one.publish([keyed])
    for key, _ in published:
        assert one_by_one.facts(key) == at_once.facts(key)
