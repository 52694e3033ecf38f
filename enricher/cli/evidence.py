"""``enricher evidence``, ``enricher reconcile``, ``enricher beat``: upkeep by hand and by clock."""

from __future__ import annotations

import typer

from enricher.bootstrap import container
from enricher.cli.shown import out
from enricher.pipeline.upkeep import rebuild_evidence
from enricher.pipeline.upkeep import reconcile as reconcile_events
from enricher.settings import LogFormat
from enricher.workers.logs import configure_logging
from enricher.workers.scheduler import StoppableBeat

app = typer.Typer(no_args_is_help=True, help="Look after the evidence store.")


@app.command("rebuild")
def rebuild() -> None:
    """Restore the evidence from the events in OpenSearch, and settle every event against it."""
    count = rebuild_evidence(container().enriching)
    out.print(f"Evidence rebuilt from {count:,} events.")
    _take_lost()


def reconcile() -> None:
    """Enrich what was forgotten, and stop waiting for evidence that is too late."""
    services = container()
    report = reconcile_events(services.enriching, services.settings.pipeline.window)
    out.print(
        f"{report.raw:,} raw events enriched, {report.awaited:,} brought up to date, "
        f"{report.closed:,} wait no longer."
    )
    _take_lost()


def _take_lost() -> None:
    lost = container().intake.take_lost()
    if lost:
        out.print(f"{lost:,} log files that the task queue had lost are queued again.")


def beat() -> None:
    """Run the scheduler that reconciles every few minutes; one is enough."""
    settings = container().settings
    configure_logging(json=settings.log_format is LogFormat.JSON, level=settings.log_level)
    StoppableBeat(container().celery, loglevel=settings.log_level).run()
