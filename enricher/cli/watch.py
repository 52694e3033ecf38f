"""``enricher watch``: queue log files as they are delivered to S3."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Annotated
from uuid import uuid4

import typer

from enricher.bootstrap import container
from enricher.cli.shown import err, out, text
from enricher.pipeline.watch import BatchReport, watch
from enricher.stack.interruption import Interruption
from enricher.stores import templates


def watch_queue(
    queue_url: Annotated[
        str, typer.Option(help="Address of the SQS queue that is told of new log files.")
    ],
    once: Annotated[  # noqa: FBT002 - Typer's flags
        bool, typer.Option("--once", help="End when no message is left.")
    ] = False,
    most: Annotated[int | None, typer.Option(min=1, help="End after so many messages.")] = None,
) -> None:
    """Queue every log file that S3, SNS, EventBridge or CloudTrail tells of, as it is delivered.

    Workers ingest them: `enricher worker`. Ends after the messages in hand when it is interrupted.
    """
    services = container()
    templates.ensure(services.opensearch, services.settings.opensearch.period, services.enrichers)
    watching = services.watching(queue_url)
    run_id = uuid4().hex
    totals: Counter[str] = Counter()
    with Interruption(once=True) as interruption:
        try:
            err.print(text(f"watching {watching.messages.name} as run {run_id}", style="dim"))
            for report in watch(
                watching, run_id, until_empty=once, most=most, undisturbed=interruption.held
            ):
                _show(report)
                _add(totals, report)
        except (KeyboardInterrupt, SystemExit):
            err.print("interrupted; what was in hand is done", style="dim")
    out.print(
        text(
            f"{totals['messages']} messages: {totals['queued']} log files queued, "
            f"{totals['ignored']} other things ignored, {totals['left']} messages left, "
            f"{totals['quarantined']} quarantined"
        )
    )
    sys.stdout.flush()


def _add(totals: Counter[str], report: BatchReport) -> None:
    totals["messages"] += report.received
    totals["queued"] += report.queued
    totals["ignored"] += report.ignored.total()
    totals["left"] += len(report.left)
    totals["quarantined"] += len(report.quarantined)


def _show(report: BatchReport) -> None:
    """Say what is out of the ordinary; ids and reasons only, never what a message holds."""
    if report.unavailable:
        err.print(text(f"{report.unavailable}; trying again", style="yellow"))
    for id_, reason in report.left.items():
        err.print(text(f"message {id_} not understood: {reason}; left in the queue", "yellow"))
    for id_, reason in report.quarantined.items():
        err.print(text(f"message {id_} not understood: {reason}; quarantined", "yellow"))
    if report.not_deleted:
        err.print(text(f"{report.not_deleted} messages not deleted; they come again", "yellow"))
    for reason, count in report.ignored.most_common():
        err.print(text(f"ignored {count}: {reason}", style="dim"))
