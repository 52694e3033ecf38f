"""``enricher quarantine``: what was refused, and why."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from enricher.bootstrap import container
from enricher.cli.shown import err, out, plain, text

app = typer.Typer(no_args_is_help=True, help="Look at records and files that were refused.")


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
