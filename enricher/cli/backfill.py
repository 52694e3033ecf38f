"""``enricher backfill``: enrich, in place, CloudTrail documents that another pipeline wrote."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from enricher.bootstrap import container
from enricher.cli.shown import err, out, text
from enricher.cloudtrail.profiles import PROFILES
from enricher.cloudtrail.times import parse_time
from enricher.pipeline.backfill import (
    BackfillReport,
    BackfillServices,
    Job,
    Readiness,
    Step,
    backfill,
    check,
    preview,
)
from enricher.stores import templates

_WORDS = {Step.PUBLISH: "reading evidence", Step.WRITE: "enriching"}


def backfill_indices(  # noqa: PLR0913, PLR0917 - Typer's options
    index: Annotated[
        str, typer.Option(help="The indices: a name, a pattern, an alias or a data stream.")
    ],
    profile: Annotated[
        str, typer.Option(help="How their documents are written: native, siem-on-opensearch, ecs.")
    ],
    since: Annotated[
        str | None, typer.Option(help="Only events from this time on, UTC: YYYY-MM-DD[Thh:mm:ssZ].")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only events before this time, UTC.")] = None,
    rate: Annotated[
        int, typer.Option(min=0, help="Documents a second at most, in each pass; 0: no limit.")
    ] = 0,
    resume: Annotated[  # noqa: FBT002 - Typer's flags
        bool,
        typer.Option("--resume/--no-resume", help="Go on where an interrupted run of this ended."),
    ] = True,
    dry_run: Annotated[  # noqa: FBT002 - Typer's flags
        bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")
    ] = False,
) -> None:
    """Enrich CloudTrail documents in place that another pipeline wrote.

    First all facts are read, then `enriched` is written on each document; no other field is
    touched. Safe to run again: only what changed is written, and evidence that came later counts.
    The exit code is 2 if the indices lack what linking needs; then nothing is written.
    """
    if profile not in PROFILES:
        raise typer.BadParameter(f"--profile is one of {', '.join(PROFILES)}")
    job = Job(
        pattern=index,
        profile=PROFILES[profile],
        since=_instant("--since", since),
        until=_instant("--until", until),
        rate=rate,
    )
    services = container().backfilling(index)
    ready = check(job, services)
    _show_readiness(ready)
    if ready.span is None or ready.faults:
        raise typer.Exit(2)
    if not dry_run:
        templates.install(container().opensearch, container().settings.opensearch.period)
        if not resume:
            services.checkpoints.forget(job.scope)
    report = _run(job, ready, services, dry_run=dry_run)
    _show(report, ready, dry_run=dry_run)


def _instant(option: str, value: str | None) -> datetime | None:
    at = parse_time(value)
    if value is not None and at is None:
        raise typer.BadParameter(f"{option} takes a time, e.g. 2026-03-02 or 2026-03-02T12:00:00Z")
    return at


def _show_readiness(ready: Readiness) -> None:
    for warning in ready.warnings:
        err.print(text(f"note: {warning}", style="yellow"))
    for fault in ready.faults:
        err.print(text(f"enricher: {fault}", style="red"))
    if ready.faults:
        err.print("nothing was written")


def _run(
    job: Job, ready: Readiness, services: BackfillServices, *, dry_run: bool
) -> BackfillReport:
    assert ready.span is not None  # noqa: S101 - the caller has asked
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("documents"),
        TimeElapsedColumn(),
        console=err,
    ) as progress:
        bars = {
            step: progress.add_task(word, total=ready.documents, start=False)
            for step, word in _WORDS.items()
            if step is Step.PUBLISH or not dry_run
        }

        def seen(step: Step, documents: int) -> None:
            progress.start_task(bars[step])
            progress.advance(bars[step], documents)

        return (preview if dry_run else backfill)(job, ready.span, services, seen)


def _show(report: BackfillReport, ready: Readiness, *, dry_run: bool) -> None:
    if dry_run:
        readable = report.read[Step.PUBLISH] - report.left_out.total()
        out.print(
            f"{ready.documents:,} documents, {readable:,} with a record that can be read, "
            f"{report.unchanged:,} of them enriched before; they state {report.facts:,} facts. "
            "Nothing was written."
        )
    else:
        if report.resumed:
            out.print(f"gone on with an interrupted run, in its pass {report.resumed.value}")
        out.print(
            f"{report.read[Step.WRITE]:,} documents: {report.written:,} enriched, "
            f"{report.unchanged:,} as they were, {report.left_out.total():,} left out"
        )
    if report.rebuilt:
        out.print(f"{report.rebuilt:,} without their record verbatim (note rebuilt_record)")
    if report.gone:
        out.print(f"{report.gone:,} deleted meanwhile")
    for reason, count in report.left_out.most_common():
        out.print(text(f"  left out {count:,}: {reason}", style="yellow"))
