"""``enricher ingest``: queue log files, and watch them being ingested."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from enricher.bootstrap import Container, container
from enricher.cli.shown import err, out, text
from enricher.cli.sources import Sources, queue_all, selection, show_skipped
from enricher.cli.workerprocess import local_worker
from enricher.stores import templates

_POLL = timedelta(milliseconds=300)
_QUIET_POLLS = 3  # the queue is empty that often in a row: nothing follows any more


def ingest(  # noqa: PLR0913, PLR0917 - Typer's options
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Log files, directories of them, s3://bucket/prefix, or - for standard input."
        ),
    ],
    since: Annotated[
        str | None, typer.Option(help="Only what was delivered from this day on, UTC: YYYY-MM-DD.")
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="Only this account's files; may be repeated.")
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option(help="Only this region's files; may be repeated.")
    ] = None,
    resume: Annotated[  # noqa: FBT002 - Typer's flags
        bool,
        typer.Option(
            "--resume/--no-resume", help="Go on in S3 where an earlier listing of it ended."
        ),
    ] = False,
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
    wanted = selection(since, account or (), region or ())
    services = container()
    templates.install(services.opensearch, services.settings.opensearch.period, services.enrichers)
    run_id = uuid4().hex
    found = queue_all(services, Sources.named(sources), wanted, run_id, resume=resume)
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
        entries = _watch(services, found.queued, run_id)
    show_summary(services, entries)
    if any(entry["quarantined"] or entry["status"] == "failed" for entry in entries):
        err.print(
            f"Something was quarantined. To look at it: enricher quarantine list --run {run_id}"
        )
        raise typer.Exit(1)


def _watch(services: Container, files: int, run_id: str) -> list[dict[str, Any]]:
    """Show progress until every file is in the ledger and no work is left that follows from it."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files  {task.fields[records]:,} records  {task.fields[rate]:,}/s"),
        TimeElapsedColumn(),
        console=err,
    ) as progress:
        bar = progress.add_task("ingesting", total=files, records=0, rate=0)
        started = time.monotonic()
        entries: list[dict[str, Any]] = []

        def seen() -> bool:
            nonlocal entries
            entries = services.index.files_of_run(run_id)
            records = sum(entry["records"] for entry in entries)
            elapsed = max(time.monotonic() - started, 0.001)
            progress.update(
                bar, completed=len(entries), records=records, rate=int(records / elapsed)
            )
            return len(entries) >= files

        _until(seen)
        progress.update(bar, description="enriching")
        quiet = 0

        def settled() -> bool:
            nonlocal quiet
            quiet = quiet + 1 if services.queue.depth() == 0 else 0
            return quiet >= _QUIET_POLLS

        _until(settled)
    return entries


def _until(done: Callable[[], bool]) -> None:
    while not done():
        time.sleep(_POLL.total_seconds())


def show_summary(services: Container, entries: list[dict[str, Any]]) -> None:
    """Print what became of the run: the ledger's sums, and how the origins were found."""
    sums: Counter[str] = Counter()
    for entry in entries:
        for name in ("records", "indexed", "duplicate", "quarantined"):
            sums[name] += entry[name]
        sums[entry["status"]] += 1
    table = Table(
        title="Ingested", box=None, pad_edge=False, show_header=False, title_justify="left"
    )
    table.add_row("log files", f"{len(entries):,}")
    for status, word in (("failed", "failed files"), ("skipped", "skipped files")):
        if sums[status]:
            table.add_row(word, f"{sums[status]:,}")
    for name, word in (
        ("records", "records"),
        ("indexed", "indexed"),
        ("duplicate", "duplicates"),
        ("quarantined", "quarantined"),
    ):
        table.add_row(word, f"{sums[name]:,}")
    counts = services.index.summarize([entry["location"] for entry in entries])
    for rule, count in sorted(counts["rule"].items()):
        table.add_row(text(f"origin by {rule}"), f"{count:,}")
    unresolved = sum(n for s, n in counts["status"].items() if s not in ("resolved", "external"))
    table.add_row("unresolved", f"{unresolved:,}")
    if counts["state"].get("pending"):
        table.add_row("waiting for evidence", f"{counts['state']['pending']:,}")
    out.print(table)
    refusals: Counter[str] = Counter()
    for entry in entries:
        refusals.update(entry.get("refusals", {}))
    for reason, count in refusals.most_common():
        out.print(text(f"  quarantined {count}: {reason}", style="yellow"))
