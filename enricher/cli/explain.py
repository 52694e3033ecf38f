"""``enricher explain``: enrich files in memory, without any server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from enricher.bootstrap import container
from enricher.cli.shown import err, out, plain, text
from enricher.pipeline.offline import Explained, explain
from enricher.stores.directory import DirectoryLogFiles, find_log_files


def explain_files(
    paths: Annotated[list[Path], typer.Argument(help="Log files, or directories of them.")],
    stats: Annotated[  # noqa: FBT002 - Typer's flags
        bool, typer.Option("--stats", help="Print a table of origins instead of the events.")
    ] = False,
) -> None:
    """Write every event, enriched, to standard output as one JSON object per line.

    All evidence comes from the files themselves. The exit code is 1 if a record or file was
    refused; standard error says how many and why.
    """
    services = container()
    limits = services.settings.input.limits()
    try:
        found = find_log_files(paths)
    except FileNotFoundError as error:
        err.print(text(f"enricher: no such file or directory: {error}", style="red"))
        raise typer.Exit(2) from error
    report = Explained(skipped=dict(found.skipped))
    for event in explain(found.logs, DirectoryLogFiles(), limits, services.enrichers, report):
        if not stats:
            sys.stdout.buffer.write(event.document + b"\n")
    sys.stdout.flush()
    if stats:
        _show_stats(report)
    _show_refused(report)
    if report.refused or report.failed:
        raise typer.Exit(1)


def _show_stats(report: Explained) -> None:
    table = Table("events", "status", "kind", "rule", "confidence", box=None, pad_edge=False)
    for (status, kind, rule, confidence), count in report.origins.most_common():
        table.add_row(str(count), text(status), text(kind), text(rule), text(confidence))
    out.print(table)
    distinct = sum(report.origins.values())
    out.print(
        f"\n{report.files} files, {report.records} records, {distinct} events, "
        f"{report.duplicates} duplicates"
    )
    for reason, count in report.reasons.most_common():
        out.print(text(f"  {count} not resolved: {reason}"))


def _show_refused(report: Explained) -> None:
    for reason, count in report.refused.most_common():
        err.print(text(f"refused: {count} records: {reason}", style="yellow"))
    for location, reason in report.failed.items():
        err.print(text(f"refused: {plain(location)}: {reason}", style="yellow"))
    if report.skipped:
        err.print(text(f"skipped: {len(report.skipped)} files that are no log files", style="dim"))
