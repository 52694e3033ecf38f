"""What holds of batches: evidence that is loaded when it is asked for answers as all of it does."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.cloudtrail.record import Record
from enricher.enrichers.interface import Context
from enricher.enrichers.registry import built_in, enrich
from enricher.identity.evidence import EvidenceInMemory, EvidenceSnapshot
from enricher.identity.extract import facts_of
from enricher.identity.resolve import Resolver
from enricher.pipeline.batch import enrich_batch, state
from enricher.stores.memory import MemoryEvidenceStore
from tests.property.strategies import seeds, stories

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enricher.pipeline.batch import Stated
    from tests.property.strategies import Story


@settings(max_examples=40)
@given(story=stories(), seed=seeds, window_closed=st.booleans())
def test_batches_of_any_size_answer_as_all_evidence_does(
    story: Story, *, seed: int, window_closed: bool
) -> None:
    batch = [state(Record(raw), window_closed=window_closed) for raw in story.trail.records]
    expected = with_all_evidence(batch)
    store = MemoryEvidenceStore()
    store.publish(keyed for one in batch for keyed in one.facts)
    rng = random.Random(seed)  # noqa: S311 - same seed, same order
    order = rng.sample(range(len(batch)), len(batch))
    while order:
        part = [order.pop() for _ in range(rng.randint(1, len(order)))]
        answers, _ = enrich_batch([batch[place] for place in part], store, built_in())
        assert answers == [expected[place] for place in part]


def with_all_evidence(batch: Sequence[Stated]) -> list[dict[str, Any]]:
    """Enrich records with all the evidence in memory."""
    resolver = Resolver(EvidenceInMemory(keyed for one in batch for keyed in one.facts))
    return [
        enrich(
            Context(
                record=one.record,
                facts=one.facts,
                resolver=resolver,
                window_closed=one.window_closed,
            ),
            built_in(),
        )
        for one in batch
    ]


@settings(max_examples=30)
@given(story=stories(events=40))
def test_a_batch_loads_no_more_than_it_asks_for(story: Story) -> None:
    records = [Record(raw) for raw in story.trail.records]
    store = MemoryEvidenceStore()
    store.publish(keyed for record in records for keyed in facts_of(record))
    _, snapshot = enrich_batch([state(records[-1])], store, built_in())
    versions = snapshot.versions()
    assert versions == {loaded.key: loaded.version for loaded in store.read(sorted(versions))}
    assert not snapshot.wanted


def test_a_snapshot_notes_what_it_was_asked_for_and_has_not_loaded() -> None:
    snapshot = EvidenceSnapshot()
    assert snapshot.facts("issued/ASIAEXAMPLE") == ()
    assert snapshot.wanted == {"issued/ASIAEXAMPLE"}
    snapshot.load(MemoryEvidenceStore().read(["issued/ASIAEXAMPLE"]))
    assert snapshot.facts("issued/ASIAEXAMPLE") == ()
    assert not snapshot.wanted
    assert snapshot.versions() == {"issued/ASIAEXAMPLE": 0}
