"""``enricher quarantine``: what was refused, and why; and to take it up again."""

from __future__ import annotations

import time
from typing import Annotated
from uuid import uuid4

import typer
from rich.table import Table

from enricher.bootstrap import Container, container
from enricher.cli.shown import err, out, plain, text
from enricher.cli.workerprocess import local_worker
from enricher.pipeline.retry import Choice, Fate, RetryReport, retry, settle_files
from enricher.stores import templates

app = typer.Typer(
    no_args_is_help=True, help="Look at records and files that were refused; take them up again."
)
_POLL_SECONDS = 0.3
_QUIET_POLLS = 3  # the queue is empty that often in a row: nothing follows any more
_SAID = {
    Fate.INDEXED: "indexed",
    Fate.DUPLICATE: "duplicates of what is indexed",
    Fate.MENDED: "taken already, or now; out of quarantine",
    Fate.QUEUED: "log files queued; run this again when they are done",
    Fate.REFUSED: "refused again",
    Fate.TO_BE_SENT_AGAIN: "messages: only their sender can send them again",
}


@app.command("list")
def list_entries(
    run: Annotated[str | None, typer.Option(help="Only of this run.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only with this reason.")] = None,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
) -> None:
    """List what is in quarantine, newest first."""
    filters = {"run_id": run, "reason": reason}
    entries, total = container().index.quarantine_entries(
        {name: value for name, value in filters.items() if value}, most
    )
    table = Table("id", "what", "reason", "where", "event", box=None, pad_edge=False)
    for entry in entries:
        position = f" #{entry['position']}" if "position" in entry else ""
        table.add_row(
            text(entry["id"][:12]),
            text(entry["what"]),
            text(" ".join(filter(None, (entry["reason"], entry.get("detail"))))),
            text(f"{entry['location']}{position}"),
            text(entry.get("event_id", "")),
        )
    out.print(table)
    err.print(
        f"{len(entries)} of {total}; `enricher quarantine show ID` prints one, whole",
        soft_wrap=True,
    )


@app.command("show")
def show_entry(
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, or how it begins.")],
) -> None:
    """Print one entry with its reason and, where it is a record, the record as delivered."""
    entries = container().index.quarantine_by_id(entry_id)
    if not entries:
        err.print(text(f"enricher: nothing in quarantine under {plain(entry_id)}", style="red"))
        raise typer.Exit(1)
    for entry in entries:
        for name, value in entry.items():
            if name != "verbatim":
                out.print(text(f"{name}: {plain(value)}"))
        if entry.get("verbatim"):
            out.print(text(entry["verbatim"]), soft_wrap=True)


@app.command("retry")
def retry_entries(
    beginnings: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Their ids, or how they begin.")
    ] = None,
    run: Annotated[str | None, typer.Option(help="Only of this run.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only with this reason.")] = None,
    everything: Annotated[  # noqa: FBT002 - Typer's flags
        bool, typer.Option("--all", help="Everything that is in quarantine.")
    ] = False,
    wait: Annotated[  # noqa: FBT002 - Typer's flags
        bool, typer.Option("--wait/--no-wait", help="Watch until all that follows is done.")
    ] = True,
) -> None:
    """Take refused records and log files up again, once the cause is mended.

    What succeeds leaves the quarantine, and the ledger says so; what fails stays with its new
    reason. The exit code is 1 if something was refused again.
    """
    if everything == bool(beginnings or run or reason):
        raise typer.BadParameter("say which: ids, --run, --reason, or --all and none of these")
    services = container()
    templates.install(services.opensearch, services.settings.opensearch.period)
    choice = Choice(beginnings=tuple(beginnings or ()), run_id=run, reason=reason)
    run_id = uuid4().hex
    report = retry(choice, run_id, services.retrying)
    # A worker that runs may have done all of it by now; what became of its files is yet to be seen.
    if wait and (report.queued or services.queue.depth()):
        with local_worker(services):
            _watch(report, run_id, services)
    _show_report(report)
    if report.fates[Fate.REFUSED]:
        raise typer.Exit(1)


def _watch(report: RetryReport, run_id: str, services: Container) -> None:
    """Wait until log files are done, and events that rest on what was taken are enriched again."""
    quiet = 0
    while quiet < _QUIET_POLLS:
        done = settle_files(report, run_id, services.retrying) and services.queue.depth() == 0
        quiet = quiet + 1 if done else 0
        time.sleep(_POLL_SECONDS)


def _show_report(report: RetryReport) -> None:
    if not report.fates.total():
        out.print("nothing in quarantine is chosen by this")
    for fate, said in _SAID.items():
        if report.fates[fate]:
            out.print(f"{report.fates[fate]:,} {said}")
    for reason, count in report.reasons.most_common():
        out.print(text(f"  refused again {count:,}: {reason}", style="yellow"))
