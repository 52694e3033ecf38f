"""What a batch loads before it asks, and what its answers rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enricher.cloudtrail.record import Record
from enricher.enrichers.identity import IdentityEnricher
from enricher.pipeline.batch import enrich_batch, enrich_new, look_once_more, state
from enricher.stores.memory import MemoryEvidenceStore, MemoryTaskQueue
from tests.unit.identity.stories import assume_role, call, role, user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enricher.enrichers.interface import Context, Contribution
    from enricher.identity.evidence import Loaded
    from enricher.identity.facts import Keyed
    from enricher.pipeline.batch import Stated

HOPS = 5


class CountingStore(MemoryEvidenceStore):
    """Remembers the keys of each reading."""

    def __init__(self) -> None:
        super().__init__()
        self.readings: list[list[str]] = []

    def read(self, keys: Sequence[str]) -> list[Loaded]:
        """Give what is known under each key."""
        self.readings.append([*keys])
        return super().read(keys)


class CountingEnricher(IdentityEnricher):
    """Counts how often it is asked."""

    asked = 0

    def enrich(self, context: Context) -> Contribution:
        """Resolve the record's caller."""
        self.asked += 1
        return super().enrich(context)


def chain() -> list[dict[str, object]]:
    """Tell how alice assumed one role after the other, and what the last one did."""
    by = user("alice", key="AKIAALICE")
    told = []
    for hop in range(HOPS):
        clock = f"12:0{hop}:00"
        holder = role(f"Role{hop}", "s", since=clock, key=f"ASIAHOP{hop}")
        told.append(assume_role(f"hop-{hop}", clock, by, holder))
        by = holder
    return [*told, call("last", "12:30:00", by)]


def test_a_chain_is_loaded_before_anybody_is_asked() -> None:
    batch = [state(Record(raw)) for raw in chain()]
    store, enricher = CountingStore(), CountingEnricher({})
    store.publish(keyed for one in batch for keyed in one.facts)
    (answer,), _ = enrich_batch(batch[-1:], store, [enricher])
    assert answer["origin"]["name"] == "alice"
    assert answer["chain_depth"] == HOPS
    assert enricher.asked == 1
    assert len(store.readings) == HOPS + 1
    keys = [key for reading in store.readings for key in reading]
    assert len(keys) == len(set(keys))


def test_a_cycle_of_callers_ends() -> None:
    first, second = (role(f"Role{n}", "s", since=f"12:0{n}:00", key=f"ASIA{n}") for n in (0, 1))
    batch = [
        state(Record(assume_role("a", "12:00:00", second, first))),
        state(Record(assume_role("b", "12:01:00", first, second))),
    ]
    store = MemoryEvidenceStore()
    store.publish(keyed for one in batch for keyed in one.facts)
    answers, _ = enrich_batch(batch, store, [IdentityEnricher({})])
    assert [answer["origin"]["status"] for answer in answers] == ["unknown", "unknown"]


def test_an_answer_rests_on_what_it_asked_for_alone() -> None:
    batch = [state(Record(raw)) for raw in chain()]
    store = CountingStore()
    store.publish(keyed for one in batch for keyed in one.facts)
    _, snapshot = enrich_batch(batch[-1:], store, [IdentityEnricher({})])
    loaded = {key for reading in store.readings for key in reading}
    # The second itself was found, so that nobody asked for the seconds beside it.
    assert f"session/{role('Role4', 's')['accountId']}/AROAROLE4:s/2026-03-01T12:04:01Z" in loaded
    assert {key for key in loaded if "12:04:01Z" in key}.isdisjoint(snapshot.versions())
    assert "issued/ASIAHOP4" in snapshot.versions()


class PublishingStore(MemoryEvidenceStore):
    """Publishes facts right after the first reading, as another worker may."""

    def __init__(self, late: Sequence[Keyed]) -> None:
        super().__init__()
        self.late = late

    def read(self, keys: Sequence[str]) -> list[Loaded]:
        """Give what is known under each key."""
        found = super().read(keys)
        self.publish(self.late)
        return found


def sessions(count: int) -> tuple[list[Stated], list[Stated]]:
    """Tell of so many role sessions: who issued them, and what they did."""
    holders = [role("Admin", f"s{n}", since="12:00:00", key=f"ASIA{n}") for n in range(count)]
    alice = user("alice", key="AKIAALICE")
    issued = [
        state(Record(assume_role(f"issue-{n}", "12:00:00", alice, holder)))
        for n, holder in enumerate(holders)
    ]
    return issued, [
        state(Record(call(f"call-{n}", "12:30:00", holder))) for n, holder in enumerate(holders)
    ]


@pytest.mark.parametrize(("count", "expected"), [(40, "final"), (1, "pending")])
def test_a_batch_is_resolved_anew_where_much_became_known_meanwhile(
    count: int, expected: str
) -> None:
    issued, done = sessions(count)
    store = PublishingStore([keyed for one in issued for keyed in one.facts])
    answers, snapshot = enrich_new(done, store, [IdentityEnricher({})])
    assert {answer["state"] for answer in answers} == {expected}
    # Who was not resolved anew is woken: what it rests on is seen to have changed.
    queue = MemoryTaskQueue()
    woken = look_once_more(snapshot, store, queue)
    assert (woken > 0) is (expected == "pending")
