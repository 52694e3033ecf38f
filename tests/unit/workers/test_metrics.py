"""Reports become numbers: of files, of records, of events, of tasks."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from enricher.pipeline.ledger import FileReport, FileStatus
from enricher.pipeline.reenrich import EnrichReport
from enricher.pipeline.upkeep import UpkeepReport
from enricher.stores.task_queue import (
    ENRICH_FILE_TASK,
    ENRICH_TASK,
    INGEST_TASK,
    PUBLISH_TASK,
    RECONCILE_TASK,
)
from enricher.workers import metrics
from enricher.workers.account import asked, line_of

if TYPE_CHECKING:
    from enricher.workers.metrics import Report

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def report(**fields: Any) -> FileReport:  # noqa: ANN401 - any field
    """Give the report of a file, finished 90 seconds after its newest event."""
    one = FileReport(location="/a.json", run_id="run", started_at=NOW, **fields)
    one.newest_event_at = NOW - timedelta(seconds=90)
    one.entry(NOW)
    return one


def added(*reports: Report) -> dict[str, float]:
    """Say by how much each sample grew."""
    before = _samples()
    metrics.count_reports(reports)
    return {
        name: value - before[name] for name, value in _samples().items() if value - before[name]
    }


def _samples() -> Counter[str]:
    """Give every sample by its name and its labels' values, without buckets."""
    return Counter(
        {
            ".".join((sample.name, *sample.labels.values())): sample.value
            for family in metrics.REGISTRY.collect()
            for sample in family.samples
            if not sample.name.endswith(("_bucket", "_created"))
        }
    )


def test_a_file_adds_its_records_by_what_became_of_them() -> None:
    one = report(records=9, indexed=4, duplicate=3, quarantined=2, pending=1, size_bytes=100)
    assert added(one, one) == {
        "enricher_files_total.ingested": 2,
        "enricher_file_bytes_total": 200,
        "enricher_records_total.indexed": 8,
        "enricher_records_total.duplicate": 6,
        "enricher_records_total.quarantined": 4,
        "enricher_delivery_delay_seconds_count": 2,
        "enricher_delivery_delay_seconds_sum": 180,
    }


def test_a_file_in_which_nothing_is_new_has_no_delay() -> None:
    assert added(report(records=3, duplicate=3)) == {
        "enricher_files_total.ingested": 1,
        "enricher_records_total.duplicate": 3,
    }


def test_an_event_that_claims_to_lie_ahead_takes_nothing_back() -> None:
    one = report(records=1, indexed=1)
    one.newest_event_at = NOW + timedelta(days=400_000)
    assert one.delivery_delay == timedelta()
    assert "enricher_delivery_delay_seconds_sum" not in added(one)


@pytest.mark.parametrize("status", [FileStatus.FAILED, FileStatus.SKIPPED])
def test_a_file_that_did_not_go_in_is_counted_so(status: FileStatus) -> None:
    assert added(report(status=status)) == {f"enricher_files_total.{status}": 1}


def test_events_that_changed_are_counted_not_those_that_were_seen() -> None:
    assert added(EnrichReport(seen=9, changed=2)) == {"enricher_reenriched_events_total": 2}


def test_upkeep_is_counted_by_what_was_found() -> None:
    assert added(UpkeepReport(raw=1, awaited=2, closed=3)) == {
        "enricher_reconciled_events_total.raw": 1,
        "enricher_reconciled_events_total.awaited": 2,
        "enricher_reconciled_events_total.closed": 3,
    }


def test_a_task_of_others_makes_no_label() -> None:
    before = _samples()
    metrics.count_task("celery.backend_cleanup", "done", 1)
    assert _samples() == before
    metrics.count_task(INGEST_TASK, "retried", 1)
    assert _samples() - before == {
        f"enricher_tasks_total.{INGEST_TASK}.retried": 1,
        f"enricher_task_seconds_count.{INGEST_TASK}": 1,
        f"enricher_task_seconds_sum.{INGEST_TASK}": 1,
    }


def test_every_series_exists_before_anything_happened() -> None:
    for status in metrics.STATUSES:
        assert (
            metrics.REGISTRY.get_sample_value("enricher_files_total", {"status": status})
            is not None
        )
    for outcome in metrics.OUTCOMES:
        labels = {"task": RECONCILE_TASK, "outcome": outcome}
        assert metrics.REGISTRY.get_sample_value("enricher_tasks_total", labels) is not None


@pytest.mark.parametrize(
    ("result", "count"),
    [(EnrichReport(), 1), ([report(), report()], 2), ([], 0), (None, 0), (ValueError("x"), 0)],
)
def test_reports_are_found_in_what_a_task_returns(result: object, count: int) -> None:
    assert len(metrics.reports_in(result)) == count


# --- the line -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "arguments", "line"),
    [
        (INGEST_TASK, ["/a", "run"], {"location": "/a", "run_id": "run"}),
        (INGEST_TASK, [["/a"], "run"], {"location": "/a", "run_id": "run"}),
        (INGEST_TASK, [["/a", "/b"], "run"], {"files": 2, "run_id": "run"}),
        (PUBLISH_TASK, [["/a", "/b"]], {"files": 2}),
        (ENRICH_FILE_TASK, ["/a"], {"location": "/a"}),
        (ENRICH_TASK, [["key-a", "key-b"]], {"keys": 2}),
        (RECONCILE_TASK, [], {}),
        ("another", ["/a"], {}),
    ],
)
def test_a_line_says_what_was_asked_and_no_key(
    task: str, arguments: list[Any], line: dict[str, Any]
) -> None:
    assert asked(task, arguments) == line


def test_the_line_of_one_file_says_what_became_of_it() -> None:
    one = report(records=2, quarantined=2, status=FileStatus.FAILED, reason="gzip-truncated")
    assert line_of([one]) == {
        "location": "/a.json",
        "status": "failed",
        "reason": "gzip-truncated",
        "records": 2,
        "indexed": 0,
        "duplicate": 0,
        "quarantined": 2,
        "pending": 0,
    }


def test_the_line_of_several_files_sums_them() -> None:
    files = [report(records=2, indexed=2, pending=1), report(status=FileStatus.FAILED), report()]
    assert line_of(files) == {
        "ingested_files": 2,
        "failed_files": 1,
        "records": 2,
        "indexed": 2,
        "duplicate": 0,
        "quarantined": 0,
        "pending": 1,
    }


def test_the_line_of_enrichment_says_seen_and_changed() -> None:
    assert line_of([EnrichReport(seen=3, changed=1)]) == {"seen": 3, "changed": 1}
    assert line_of([UpkeepReport(raw=1, awaited=0, closed=2)]) == {
        "raw": 1,
        "awaited": 0,
        "closed": 2,
    }
