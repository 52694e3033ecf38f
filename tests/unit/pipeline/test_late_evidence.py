"""Whatever the order, split and repetition of deliveries: the same documents in the end."""

from __future__ import annotations

import random
from functools import cache

import pytest

from tests.unit.pipeline.deliveries import (
    SEEDS,
    Deliveries,
    differences,
    sample_files,
    shuffled,
    trail_files,
    trail_records,
)


@cache
def samples() -> dict[str, bytes]:
    """Give the samples, read once."""
    return sample_files()


def deliver(files: dict[str, bytes], rng: random.Random, *, at_ingest: bool = True) -> Deliveries:
    """Deliver all files in any order, in batches of any size, and work in between now and then."""
    deliveries = Deliveries(
        files=files, batch_records=rng.choice([1, 3, 5_000]), enrich_at_ingest=at_ingest
    )
    for location in shuffled(files, rng):
        deliveries.ingest(location)
        if rng.random() < 0.3:
            deliveries.drain(rng, most=rng.randrange(4))
    deliveries.drain(rng)
    return deliveries


@pytest.mark.parametrize("seed", range(4))
def test_samples_in_any_order_end_in_the_same_documents(seed: int) -> None:
    found = deliver(samples(), random.Random(seed))  # noqa: S311 - same seed, same order
    assert differences(found.answers(), found.explained()) == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_log_files_in_any_order_end_in_the_same_documents(seed: int) -> None:
    for order in range(3):
        rng = random.Random(f"{seed} {order}")  # noqa: S311 - same seed, same order
        found = deliver(trail_files(seed), rng)
        assert differences(found.answers(), found.explained()) == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_single_records_in_any_order_end_in_the_same_documents(seed: int) -> None:
    for order in range(3):
        rng = random.Random(f"{seed} {order}")  # noqa: S311 - same seed, same order
        found = deliver(trail_records(seed), rng)
        assert differences(found.answers(), found.explained()) == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_written_raw_first_and_enriched_later_they_end_in_the_same_documents(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - same seed, same order
    for files in (trail_files(seed), trail_records(seed)):
        found = deliver(files, rng, at_ingest=False)
        assert differences(found.answers(), found.explained()) == {}


def test_samples_written_raw_first_end_in_the_same_documents() -> None:
    raw_first = Deliveries(files=samples(), enrich_at_ingest=False)
    for location in samples():
        raw_first.ingest(location)
    assert {one["enriched"]["state"] for one in raw_first.documents().values()} == {"pending"}
    raw_first.drain()
    at_once = Deliveries(files=samples())
    at_once.ingest_all()
    assert differences(raw_first.answers(), at_once.answers()) == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_repeated_deliveries_end_in_the_same_documents(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - same seed, same order
    files = trail_files(seed)
    found = deliver(files, rng)
    before = found.documents()
    for location in shuffled(files, rng):
        report = found.ingest(location, "run-2")
        assert (report.indexed, report.quarantined) == (0, 0)
        found.drain(rng)
    assert found.documents() == before


def test_every_event_says_which_file_delivered_it_first() -> None:
    found = deliver(trail_files(0), random.Random(0))  # noqa: S311 - same seed, same order
    delivered_by = {one["enriched"]["file"] for one in found.documents().values()}
    assert delivered_by == set(trail_files(0))


def test_work_that_is_done_twice_changes_nothing() -> None:
    found = Deliveries(files=samples())
    for location in samples():
        found.ingest(location)
    work = [list(keys) for keys in found.queue.keys]
    found.drain()
    before = dict(found.index.events)
    found.queue.keys = work
    found.drain()
    assert found.index.events == before
