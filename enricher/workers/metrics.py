"""What the workers count: every metric, and what a report or a task's end adds to it.

Labels come from closed sets, never from records: those hold whatever an attacker wrote. Accounts
and regions are in the ledger; ``enricher status`` shows it by both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from enricher.alerts.deliver import DeliveryReport, Kind, Result
from enricher.alerts.evaluate import EvaluationReport
from enricher.alerts.telling import Telling
from enricher.pipeline.ledger import FileReport
from enricher.pipeline.reenrich import EnrichReport
from enricher.pipeline.upkeep import UpkeepReport
from enricher.stores.task_queue import (
    DELIVER_TASKS,
    DISPATCH_TASK,
    ENRICH_FILE_TASK,
    ENRICH_TASK,
    EVALUATE_TASK,
    INGEST_TASK,
    PUBLISH_TASK,
    QUEUES,
    RECONCILE_TASK,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

Report = FileReport | EnrichReport | UpkeepReport | EvaluationReport | DeliveryReport

REGISTRY = CollectorRegistry()
TASKS = (
    *(INGEST_TASK, PUBLISH_TASK, ENRICH_TASK, ENRICH_FILE_TASK, RECONCILE_TASK),
    *(EVALUATE_TASK, DISPATCH_TASK),
    *DELIVER_TASKS.values(),
)
OUTCOMES = ("done", "retried", "failed")
STATUSES = ("ingested", "failed", "skipped")
RESULTS = ("indexed", "duplicate", "quarantined")
CHANGES = ("raw", "awaited", "closed")
NOTABLE, COUNTED = "notable", "counted"
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400

FILES = Counter(
    "enricher_files",
    "Log files that were dealt with, by what became of them.",
    ["status"],
    registry=REGISTRY,
)
FILE_BYTES = Counter(
    "enricher_file_bytes", "Bytes of log files that were read, as delivered.", registry=REGISTRY
)
RECORDS = Counter(
    "enricher_records",
    "Records of log files, by what became of them.",
    ["result"],
    registry=REGISTRY,
)
DELIVERY_DELAY = Histogram(
    "enricher_delivery_delay_seconds",
    "From the newest event of a log file to the end of its ingestion, where anything was new.",
    buckets=(
        *(1, 5, 15, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE),
        *(30 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, _DAY, 7 * _DAY),
    ),
    registry=REGISTRY,
)
REENRICHED = Counter(
    "enricher_reenriched_events",
    "Events that were written again because new evidence changed what they say.",
    registry=REGISTRY,
)
RECONCILED = Counter(
    "enricher_reconciled_events",
    "Events that the periodic search changed: raw ones enriched, evidence that had come unnoticed, "
    "waiting that was closed in vain.",
    ["what"],
    registry=REGISTRY,
)
ALERTS = Counter(
    "enricher_alerts",
    "Alerts that were written, by why: worth telling of (new, upgraded, open again), or counted "
    "up.",
    ["what"],
    registry=REGISTRY,
)
RULES_FAILED = Counter(
    "enricher_rule_failures",
    "Runs of alert rules that failed; `enricher rules list` says which and why.",
    registry=REGISTRY,
)
DELIVERIES = Counter(
    "enricher_alert_deliveries",
    "Attempts to tell a target of an alert, by what came of them; failed ones are made again.",
    ["kind", "result"],
    registry=REGISTRY,
)
TASKS_ENDED = Counter(
    "enricher_tasks",
    "Runs of tasks, by how they ended; a task that is retried runs again.",
    ["task", "outcome"],
    registry=REGISTRY,
)
TASKS_REDELIVERED = Counter(
    "enricher_tasks_redelivered",
    "Tasks begun again because a process died, or held them too long.",
    ["task"],
    registry=REGISTRY,
)
TASK_SECONDS = Histogram(
    "enricher_task_seconds",
    "How long a run of a task took.",
    ["task"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 1_800),
    registry=REGISTRY,
)
TASKS_RUNNING = Gauge(
    "enricher_tasks_running",
    "Tasks that this worker's processes run now.",
    multiprocess_mode="livesum",  # without those that died in the middle of one
    registry=REGISTRY,
)
OPENSEARCH_RETRIES = Counter(
    "enricher_opensearch_retries",
    "Bulk requests that were sent again because OpenSearch refused some of their documents.",
    registry=REGISTRY,
)


class AtScrape(NamedTuple):
    """A gauge that is asked of the servers whenever somebody scrapes."""

    name: str
    what: str
    label: str | None = None
    values: tuple[str, ...] = ()


SERVER_UP = AtScrape(
    "enricher_server_up",
    "Whether the server answered this scrape; what only it knows is left out where not.",
    "server",
    ("redis", "opensearch"),
)
QUEUE_TASKS = AtScrape(
    "enricher_queue_tasks",
    "Tasks that no worker has taken yet.",
    "queue",
    QUEUES,
)
IN_HAND = AtScrape(
    "enricher_tasks_in_hand", "Tasks that any worker has taken and not ended, or will retry."
)
NOTED_KEYS = AtScrape(
    "enricher_noted_keys",
    "Evidence keys whose events are to be resolved again, for which no task was sent yet.",
)
OLDEST_FILE = AtScrape(
    "enricher_oldest_queued_file_timestamp_seconds",
    "When the log file that waits longest was queued; absent where none waits.",
)
PENDING = AtScrape("enricher_pending_events", "Events that wait for evidence.")
OLDEST_PENDING = AtScrape(
    "enricher_oldest_pending_event_timestamp_seconds",
    "When the event that waits longest was written; absent where none waits.",
)
NEWEST_EVENT = AtScrape(
    "enricher_newest_event_timestamp_seconds",
    "eventTime of the newest event that is in, those that claim to lie ahead left out.",
)
UNTOLD = AtScrape(
    "enricher_alerts_untold",
    "Alerts of which a target is still to be told, or was given up.",
    "telling",
    (Telling.DUE.value, Telling.GIVEN_UP.value),
)
AT_SCRAPE = (
    UNTOLD,
    SERVER_UP,
    QUEUE_TASKS,
    IN_HAND,
    OLDEST_FILE,
    PENDING,
    OLDEST_PENDING,
    NEWEST_EVENT,
)


def _begin_at_zero() -> None:
    """Let every series exist from the start: a rate over one that appears later misses its rise."""
    by_label = (
        (FILES, STATUSES),
        (RECORDS, RESULTS),
        (RECONCILED, CHANGES),
        (ALERTS, (NOTABLE, COUNTED)),
    )
    for counter, values in by_label:
        for value in values:
            counter.labels(value)
    for kind in Kind:
        for result in Result:
            DELIVERIES.labels(kind.value, result.value)
    for task in TASKS:
        TASKS_REDELIVERED.labels(task)
        TASK_SECONDS.labels(task)
        for outcome in OUTCOMES:
            TASKS_ENDED.labels(task, outcome)


_begin_at_zero()


def reports_in(result: object) -> list[Report]:
    """Give the reports that a task returned: one, several, or none."""
    if isinstance(result, Report):
        return [result]
    if isinstance(result, list):
        return [one for one in result if isinstance(one, Report)]
    return []


def count_reports(reports: Iterable[Report]) -> None:
    """Add what became of files and events."""
    for report in reports:
        match report:
            case FileReport():
                _count_file(report)
            case EnrichReport():
                REENRICHED.inc(report.changed)
            case UpkeepReport():
                for what in CHANGES:
                    RECONCILED.labels(what).inc(getattr(report, what))
            case DeliveryReport():
                if report.kind is not None:  # the target is in the settings still
                    DELIVERIES.labels(report.kind, report.result.value).inc()
            case EvaluationReport():
                ALERTS.labels(NOTABLE).inc(len(report.notable))
                ALERTS.labels(COUNTED).inc(report.written - len(report.notable))
                RULES_FAILED.inc(report.failed)


def _count_file(report: FileReport) -> None:
    FILES.labels(report.status).inc()
    FILE_BYTES.inc(report.size_bytes)
    for result in RESULTS:
        RECORDS.labels(result).inc(getattr(report, result))
    if (delay := report.delivery_delay) is not None:
        DELIVERY_DELAY.observe(delay.total_seconds())


def count_task(task: str, outcome: str, seconds: float) -> None:
    """Add one run of a task; of a task that is not ours nothing is counted."""
    if task in TASKS:
        TASKS_ENDED.labels(task, outcome).inc()
        TASK_SECONDS.labels(task).observe(seconds)
