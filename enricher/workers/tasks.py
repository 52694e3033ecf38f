"""The tasks: name, arguments, retry policy, nothing else. Each is safe to repeat.

What they return goes nowhere but into the account of the task (``enricher.workers.account``).
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from celery import Task, signals
from celery.exceptions import TimeLimitExceeded

from enricher.alerts.deliver import deliver, dispatch
from enricher.alerts.evaluate import evaluate
from enricher.bootstrap import container
from enricher.errors import UnavailableError
from enricher.pipeline.ingest import ingest_log_files, publish_ahead
from enricher.pipeline.ledger import failed_entry
from enricher.pipeline.reenrich import enrich_again, enrich_file
from enricher.pipeline.upkeep import reconcile
from enricher.stores.memory import SystemClock
from enricher.stores.task_queue import (
    DELIVER_TASKS,
    DISPATCH_TASK,
    ENRICH_FILE_TASK,
    ENRICH_TASK,
    EVALUATE_TASK,
    INGEST_TASK,
    PUBLISH_TASK,
    RECONCILE_TASK,
)
from enricher.workers.consumer import Gathering, outlive_lost_connections

if TYPE_CHECKING:
    from enricher.alerts.deliver import DeliveryReport, DispatchReport
    from enricher.alerts.evaluate import EvaluationReport
    from enricher.pipeline.ledger import FileReport
    from enricher.pipeline.reenrich import EnrichReport
    from enricher.pipeline.upkeep import UpkeepReport

_ALLOCATIONS = 100_000  # more than one batch leaves at any moment
outlive_lost_connections()
app = container().celery
app.steps["consumer"].add(Gathering)


@signals.worker_process_init.connect
def look_less_for_garbage(**_: object) -> None:
    """Keep the collector off what lives as long as the process, and off each batch's records.

    Records are trees, freed as soon as nobody holds them; to look for cycles among them costs a
    tenth of a worker's time and finds none.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 20, 20)


class IngestTask(Task):  # type: ignore[type-arg] # generic in the stubs only
    """Log files' task: what goes wrong unforeseen is said in the ledger, never only in a log."""

    def on_failure(
        self,
        exc: Exception,
        task_id: str,  # noqa: ARG002
        args: tuple[list[str], str],
        kwargs: object,  # noqa: ARG002
        einfo: object,  # noqa: ARG002
    ) -> None:
        """Mark the file failed; several are taken apart first, so that one does not cost others.

        A task that took too long has not failed: it is given back, and counted.
        """
        if isinstance(exc, TimeLimitExceeded):
            return
        locations, run_id = args
        if len(locations) > 1:
            for location in locations:
                container().queue.ingest([location], run_id)
            return
        reason = f"crashed: {type(exc).__name__}"
        entry = failed_entry(locations[0], run_id, reason, SystemClock().now())
        container().index.save_files([entry])


@app.task(
    name=INGEST_TASK,
    base=IngestTask,
    autoretry_for=(UnavailableError,),
    retry_backoff=2,  # seconds, doubled each time
    retry_backoff_max=300,  # seconds
    max_retries=None,  # a server that is away comes back; a file is never given up for it
)
def ingest_log_files_task(locations: list[str], run_id: str) -> list[FileReport]:
    """Ingest log files; documents that exist are settled, facts are sets."""
    return ingest_log_files(locations, run_id, container().ingesting)


# Acknowledged when it begins: a file that kills its worker is to be found out where it is ingested.
@app.task(name=PUBLISH_TASK, acks_late=False, autoretry_for=(UnavailableError,), max_retries=3)
def publish_ahead_task(locations: list[str]) -> None:
    """Publish what log files state, before they are ingested."""
    publish_ahead(locations, container().ingesting)


# What went wrong unforeseen is tried again too: these tasks are the only note of what changed.
@app.task(
    name=ENRICH_TASK,
    autoretry_for=(Exception,),
    retry_backoff=2,
    retry_backoff_max=300,
    max_retries=None,
)
def enrich_again_task(keys: list[str]) -> EnrichReport:
    """Resolve again what depends on these keys; what did not change is not written."""
    return enrich_again(keys, container().enriching)


@app.task(
    name=ENRICH_FILE_TASK,
    autoretry_for=(Exception,),
    retry_backoff=2,
    retry_backoff_max=300,
    max_retries=None,
)
def enrich_file_task(location: str) -> EnrichReport:
    """Enrich what was written raw of a log file."""
    return enrich_file(location, container().enriching)


@app.task(name=RECONCILE_TASK, autoretry_for=(UnavailableError,), max_retries=3)
def reconcile_task() -> UpkeepReport:
    """Find what was forgotten, and stop waiting for what is too late."""
    report = reconcile(container().enriching, container().settings.pipeline.window)
    container().intake.take_lost()
    return report


# Not tried again: what this run did not reach, the next one finds, a few seconds later.
@app.task(name=EVALUATE_TASK)
def evaluate_rules_task() -> EvaluationReport:
    """Judge what is new or changed by all alert rules, and have told what is worth it."""
    report = evaluate(container().evaluating)
    if report.notable:
        container().queue.dispatch()
    return report


@app.task(name=DISPATCH_TASK)
def dispatch_alerts_task() -> DispatchReport:
    """Ask for everything to be told that is due."""
    return dispatch(container().delivering)


def _deliver(alert_id: str, target: str) -> DeliveryReport:
    """Tell a target of an alert; what fails is due again later, and noted on the alert."""
    return deliver(alert_id, target, container().delivering)


for name in DELIVER_TASKS.values():
    app.task(name=name)(_deliver)
