"""``enricher ingest``: queue log files, and watch them being ingested."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated
from uuid import uuid4

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from enricher.bootstrap import Container, container
from enricher.cli.shown import err, out, text
from enricher.cli.sources import (
    Accounts,
    Regions,
    Since,
    Sources,
    queue_all,
    selection,
    show_skipped,
)
from enricher.cli.workerprocess import local_worker
from enricher.pipeline.ledger import FileStatus
from enricher.stores import templates
from enricher.stores.opensearch_ledger import RunTotals

_POLL = timedelta(milliseconds=300)
_QUIET_POLLS = 3  # the queue is empty that often in a row: nothing follows any more


def ingest(  # noqa: PLR0913, PLR0917 - Typer's options
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Log files, directories of them, s3://bucket/prefix, or - for standard input."
        ),
    ],
    since: Since = None,
    account: Accounts = None,
    region: Regions = None,
    resume: Annotated[  # noqa: FBT002 - Typer's flags
        bool,
        typer.Option(
            "--resume/--no-resume", help="Go on in S3 where an earlier listing of it ended."
        ),
    ] = False,
    evidence_first: Annotated[  # noqa: FBT002 - Typer's flags
        bool,
        typer.Option(
            help="Read all log files for evidence before any is ingested. They are read twice; but "
            "where they come in no order of time, as from an archive, events are written once."
        ),
    ] = True,
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait/--no-wait",
            help="Watch until everything is done; the default on a terminal.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Ingest CloudTrail log files into OpenSearch, enriched.

    Every log file is one task for the workers. Where none is running, one is started for the time
    of this command. The exit code is 1 if a record or a file was quarantined.
    """
    wanted = selection(since, account, region)
    services = container()
    templates.ensure(services.opensearch, services.settings.opensearch.period, services.enrichers)
    run_id = uuid4().hex
    found = queue_all(
        services,
        Sources.named(sources),
        wanted,
        run_id,
        resume=resume,
        evidence_first=evidence_first,
    )
    show_skipped(found)
    if not found.queued:
        err.print(text("enricher: no log files there", style="red"))
        raise typer.Exit(2)
    if wait is None:
        wait = sys.stdout.isatty()
    if not wait:
        out.print(f"{found.queued} log files queued as run {run_id}")
        return
    with local_worker(services):
        totals = _watch(services, run_id)
    show_summary(services, run_id, totals)
    if totals.quarantined or totals.by_status.get(FileStatus.FAILED):
        err.print(
            f"Something was quarantined. To look at it: enricher quarantine list --run {run_id}",
            soft_wrap=True,  # so that it can be copied from a narrow terminal
        )
        raise typer.Exit(1)


def _watch(services: Container, run_id: str) -> RunTotals:
    """Show progress until no file is queued any more and no work is left that follows from it."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files  {task.fields[records]:,} records  {task.fields[rate]:,}/s"),
        TimeElapsedColumn(),
        console=err,
    ) as progress:
        bar = progress.add_task("ingesting", records=0, rate=0)
        started = time.monotonic()
        quiet = 0

        def all_ended() -> bool:
            nonlocal quiet
            totals = services.index.run_totals(run_id)
            queued = totals.by_status.get(FileStatus.QUEUED, 0)
            elapsed = max(time.monotonic() - started, 0.001)
            progress.update(
                bar,
                total=totals.files,
                completed=totals.files - queued,
                records=totals.records,
                rate=int(totals.records / elapsed),
            )
            if queued:
                quiet = quiet + 1 if services.queue.depth() == 0 else 0
                if quiet >= _QUIET_POLLS:
                    services.intake.take_lost()  # the queue was lost, the ledger was not
            return not queued

        _until(all_ended)
        progress.update(bar, description="enriching")
        quiet = 0

        def settled() -> bool:
            nonlocal quiet
            quiet = quiet + 1 if services.queue.depth() == 0 else 0
            return quiet >= _QUIET_POLLS

        _until(settled)
    return services.index.run_totals(run_id)


def _until(done: Callable[[], bool]) -> None:
    while not done():
        time.sleep(_POLL.total_seconds())


def show_summary(services: Container, run_id: str, totals: RunTotals) -> None:
    """Print what became of the run: the ledger's sums, and how the origins were found."""
    table = Table(
        title="Ingested", box=None, pad_edge=False, show_header=False, title_justify="left"
    )
    table.add_row("log files", f"{totals.files:,}")
    for status in (FileStatus.FAILED, FileStatus.SKIPPED):
        if totals.by_status.get(status):
            table.add_row(f"{status} files", f"{totals.by_status[status]:,}")
    table.add_row("records", f"{totals.records:,}")
    table.add_row("indexed", f"{totals.indexed:,}")
    table.add_row("duplicates", f"{totals.duplicate:,}")
    table.add_row("quarantined", f"{totals.quarantined:,}")
    counts = services.index.summarize(services.index.locations_of_run(run_id))
    for rule, count in sorted(counts["rule"].items()):
        table.add_row(text(f"origin by {rule}"), f"{count:,}")
    unresolved = sum(n for s, n in counts["status"].items() if s not in ("resolved", "external"))
    table.add_row("unresolved", f"{unresolved:,}")
    if counts["state"].get("pending"):
        table.add_row("waiting for evidence", f"{counts['state']['pending']:,}")
    out.print(table)
    reasons = services.index.quarantine_reasons(run_id)
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
        out.print(text(f"  quarantined {count}: {reason}", style="yellow"))
