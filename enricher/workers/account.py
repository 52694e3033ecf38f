"""What each task leaves behind: its numbers in the metrics, and one line in the log."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import structlog
from celery import signals, states
from celery.exceptions import TimeLimitExceeded

from enricher.alerts.deliver import DeliveryReport
from enricher.alerts.evaluate import EvaluationReport
from enricher.bootstrap import container
from enricher.pipeline.ledger import FileReport
from enricher.pipeline.reenrich import EnrichReport
from enricher.pipeline.upkeep import UpkeepReport
from enricher.stores.task_queue import (
    DELIVER_TASKS,
    ENRICH_FILE_TASK,
    ENRICH_TASK,
    INGEST_TASK,
    PUBLISH_TASK,
)
from enricher.workers import metrics
from enricher.workers.logs import OURS, described

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enricher.workers.metrics import Report

_LOG = structlog.get_logger(OURS)
_OUTCOMES = {states.SUCCESS: "done", states.RETRY: "retried"}
_COUNTS = ("records", "indexed", "duplicate", "quarantined", "pending")


def connect() -> None:
    """Account for every task that this process and its children run."""
    signals.worker_process_init.connect(_process_begins)
    signals.task_prerun.connect(_task_begins)
    signals.task_postrun.connect(_task_ends)
    signals.task_failure.connect(_task_broken_off)


def _process_begins(**_: object) -> None:
    container().index.on_repetition = metrics.OPENSEARCH_RETRIES.inc


def _task_begins(task_id: str, task: Any, **_: object) -> None:  # noqa: ANN401 - Celery's own
    """Bind the task to every line that is logged while it runs."""
    structlog.contextvars.bind_contextvars(task_id=task_id, task_name=task.name)
    task.request.begun = time.monotonic()
    metrics.TASKS_RUNNING.inc()
    if task.name in metrics.TASKS and task.request.delivery_info.get("redelivered"):
        metrics.TASKS_REDELIVERED.labels(task.name).inc()


def _task_ends(
    task: Any,  # noqa: ANN401 - Celery's own
    args: Sequence[Any],
    retval: object,
    state: str,
    **_: object,
) -> None:
    """Count what became of the task, write its line, and unbind it: nothing leaks into the next."""
    seconds = time.monotonic() - task.request.begun
    outcome = _OUTCOMES.get(state, "failed")
    reports = metrics.reports_in(retval)
    metrics.TASKS_RUNNING.dec()
    metrics.count_reports(reports)
    metrics.count_task(task.name, outcome, seconds)
    if len(reports) > 1:
        for report in reports:
            _LOG.debug("log_file_finished", **line_of([report]))
    error = getattr(retval, "exc", None) or retval  # a retry holds what made it one
    line = {
        "outcome": outcome,
        **asked(task.name, args),
        **line_of(reports),
        **(described(error) if isinstance(error, BaseException) else {}),
        "duration_ms": int(seconds * 1000),
        "attempts": task.request.retries + 1,
    }
    levels = {"done": _LOG.info, "retried": _LOG.warning}
    levels.get(outcome, _LOG.error)("task_finished", **line)
    structlog.contextvars.clear_contextvars()


def _task_broken_off(
    sender: Any,  # noqa: ANN401 - Celery's own
    task_id: str,
    args: Sequence[Any],
    exception: object,
    **_: object,
) -> None:
    """Account for a task whose process was ended for it: that process could not."""
    if not isinstance(exception, TimeLimitExceeded):
        return
    seconds = float(sender.app.conf.task_time_limit)
    metrics.count_task(sender.name, "failed", seconds)
    _LOG.error(
        "task_finished",
        task_id=task_id,
        task_name=sender.name,
        outcome="failed",
        **asked(sender.name, args),
        **described(exception),
        duration_ms=int(seconds * 1000),
        pid=os.getpid(),
    )


def asked(task: str, args: Sequence[Any]) -> dict[str, Any]:
    """Say what a task was asked for: where the files are, how many keys, never which.

    Evidence keys hold values of records.
    """
    match task, list(args):
        case (name, [[*locations], run_id]) if name == INGEST_TASK:
            return {**_where([str(one) for one in locations]), "run_id": run_id}
        case (name, [location, run_id]) if name == INGEST_TASK:
            return {"location": location, "run_id": run_id}
        case (name, [[*locations]]) if name == PUBLISH_TASK:
            return _where([str(one) for one in locations])
        case (name, [location]) if name == ENRICH_FILE_TASK:
            return {"location": location}
        case (name, [keys]) if name == ENRICH_TASK:
            return {"keys": len(keys)}
        case (name, [alert_id, target]) if name in DELIVER_TASKS.values():
            return {"alert_id": alert_id, "target": target}
    return {}


def _where(locations: Sequence[str]) -> dict[str, Any]:
    return {"location": locations[0]} if len(locations) == 1 else {"files": len(locations)}


def line_of(reports: Sequence[Report]) -> dict[str, Any]:
    """Give the counts of a task's line, summed over its reports."""
    sums: Counter[str] = Counter()
    for report in reports:
        match report:
            case FileReport():
                sums.update({name: getattr(report, name) for name in _COUNTS})
            case EnrichReport():
                sums.update(seen=report.seen, changed=report.changed)
            case UpkeepReport():
                sums.update(raw=report.raw, awaited=report.awaited, closed=report.closed)
            case DeliveryReport():
                return {"result": report.result.value, "reason": report.reason}
            case EvaluationReport():
                sums.update(rules=report.rules, failed=report.failed, alerts=report.written)
    files = [report for report in reports if isinstance(report, FileReport)]
    if len(files) == 1:
        return {"location": files[0].location, **_became(files[0]), **sums}
    statuses = Counter(report.status for report in files)
    return {**{f"{name}_files": count for name, count in statuses.items()}, **sums}


def _became(report: FileReport) -> dict[str, str]:
    reason = {"reason": report.reason} if report.reason else {}
    return {"status": report.status, **reason}
