"""``enricher enrichers``: what writes the fields of an event, and what they mean."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer
from rich.table import Table

from enricher.bootstrap import container
from enricher.cli.shown import out, text
from enricher.enrichers.interface import Enricher
from enricher.enrichers.plugin import Guarded
from enricher.errors import ConfigurationError

app = typer.Typer(no_args_is_help=True, help="See what writes the fields of an event.")


@app.command("list")
def list_enrichers() -> None:
    """List the enrichers in the order in which they run, then those that do not run."""
    services = container()
    running = {one.name: one for one in services.enrichers}
    packages = {one.name: one.package for one in services.plug_ins}
    table = Table("name", "version", "runs", "from", "fields", box=None, pad_edge=False)
    for name, one in running.items():
        tops = ", ".join(f"enriched.{top}" for top in dict.fromkeys(f.top for f in one.fields))
        table.add_row(
            text(name), text(one.version), "yes", text(packages.get(name, "built in")), text(tops)
        )
    idle = [*(one.name for one in services.own_enrichers), *packages]
    for name in idle:
        if name not in running:
            table.add_row(text(name), "", "no", text(packages.get(name, "built in")), "")
    out.print(table)


@app.command("describe")
def describe(
    name: Annotated[str, typer.Argument(help="The enricher's name, as `list` shows it.")],
) -> None:
    """Say what an enricher reads, what it writes and what that means."""
    one = _find(name)
    out.print(text(f"{one.name}, version {one.version}", style="bold"))
    what = inspect.getdoc(_type(one))
    if what:
        out.print(text(what.splitlines()[0]))
    out.print(text(f"reads: {', '.join(one.reads) or 'nothing'}"))
    table = Table(box=None, pad_edge=False)
    table.add_column("field", no_wrap=True)
    for column in ("type", "what", "example", "since"):
        table.add_column(column, overflow="fold")
    for field in one.fields:
        table.add_row(
            text(f"enriched.{field.name}", style="cyan"),
            text(field.type),
            text(field.meaning),
            text(field.shown),
            text(field.since),
        )
    out.print(table)


def _find(name: str) -> Enricher:
    services = container()
    known: dict[str, Enricher] = {one.name: one for one in services.own_enrichers}
    known |= {one.name: one for one in services.enrichers}
    if name in known:
        return known[name]
    if name in {one.name for one in services.plug_ins}:
        raise ConfigurationError(
            f"the enricher {name} does not run, and is not loaded: take it out of "
            "ENRICHER_ENRICHERS__DISABLED, or name it in ENRICHER_ENRICHERS__ENABLED"
        )
    raise ConfigurationError(
        f"there is no enricher of that name; there are {', '.join(known)}. "
        "`enricher enrichers list` shows them"
    )


def _type(one: Enricher) -> type:
    """Give the class that its author wrote."""
    return one.written_by if isinstance(one, Guarded) else type(one)
