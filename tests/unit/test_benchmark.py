"""The benchmark's own parts: material, figures, what it compares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from benchmarks.trails import trail
from enricher.benchmark.figures import Sample, Series, Spread
from enricher.benchmark.material import prepare, read_material, repeated
from enricher.cloudtrail import codec
from enricher.cloudtrail.record import Record
from enricher.enrichers.oracle import enrich_all
from enricher.enrichers.registry import built_in
from tools.trailgen.plan import small_plan

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 2, tzinfo=UTC)
KEPT = ("status", "kind", "rule", "confidence", "reason")


def test_fresh_ids_are_other_ids_and_give_the_same_answers() -> None:
    material = trail(small_plan(300))
    old, new = list(material.records()), list(material.fresh("other").records())
    ids = [{Record(one).document_id for one in records} for records in (old, new)]
    assert not ids[0] & ids[1]
    assert len(ids[0]) == len(ids[1])
    answers = [
        [{name: event.enriched["origin"].get(name) for name in KEPT} for event in enrich_all(some)]
        for some in (old, new)
    ]
    assert answers[0] == answers[1]


def test_material_is_repeated_until_there_is_enough_of_it() -> None:
    material = trail(small_plan(100))
    more = repeated(material, 3 * material.count)
    ids = {Record(one).document_id for one in more.records()}
    assert len(ids) == more.count >= 3 * material.count


def test_what_would_be_a_duplicate_is_no_material(tmp_path: Path) -> None:
    """Log files of others may hold a record twice, or one whose id no repetition makes anew."""
    material = trail(small_plan(100))
    for name in ("once", "twice"):
        material.write(tmp_path / name)
    by_hand = dict(next(material.records())) | {"eventID": "1111"}
    (tmp_path / "by-hand.json").write_bytes(codec.dumps({"Records": [by_hand]}))
    found = read_material([tmp_path], 3 * material.count)
    ids = {Record(one).document_id for one in found.records()}
    assert len(ids) == found.count >= 3 * material.count
    assert {Record(one).document_id for one in material.records()} < ids
    assert all("1111" not in one for one in ids)


@pytest.mark.parametrize("records", [0, 1, 50, 10_000])
def test_what_comes_first_and_the_rest_are_all_of_it(records: int) -> None:
    material = trail(small_plan(100))
    first, rest = material.first(records), material.rest(records)
    assert (*first.files, *rest.files) == material.files
    assert first.count >= min(records, material.count)
    without_the_last = first.count - sum(file.records for file in first.files[-1:])
    assert not records or without_the_last < records


def test_prepared_documents_are_the_oracles() -> None:
    material = trail(small_plan(200))
    records = list(material.records())
    prepared = prepare(material, built_in(), NOW)
    expected = {
        event.document_id: event.enriched for event in enrich_all(records, window_closed=False)
    }
    found = {_id: codec.loads(body)["enriched"] for _id, body in prepared.final}
    for enriched in found.values():
        for name in ("at", "file", "revision"):
            del enriched[name]
    assert found == expected
    assert prepared.pending == sum(e["state"] == "pending" for e in expected.values())
    assert [_id for _id, _ in prepared.raw] == [_id for _id, _ in prepared.final]


def test_measures_are_compared_repetition_by_repetition() -> None:
    series = Series()
    for seconds in (1.0, 2.0, 4.0):
        series.add("one", Sample(events=10, seconds=2 * seconds, cpu_seconds={"node": 4.0}))
        series.add(
            "other", Sample(events=10, seconds=seconds, cpu_seconds={"node": 1.0, "ours": 1.0})
        )
    assert series.rates_compared("one", "other") == Spread(median=0.5, least=0.5, most=0.5)
    assert series.cpu_compared("one", "other") == Spread(median=0.5, least=0.5, most=0.5)
    assert series.rate("other").median == pytest.approx(5.0)
