"""``enricher api-keys``: who may ask the API."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from enricher.bootstrap import container
from enricher.cli.shown import err, out, plain, text
from enricher.cloudtrail.times import format_time
from enricher.stores.api_keys import Scope

app = typer.Typer(no_args_is_help=True, help="Say who may ask the API, and what for.")


@app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What it is for, e.g. the playbook's name.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it may do; may be repeated. No scope includes another."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3_650, help="After how many days it ends; never.")
    ] = None,
) -> None:
    """Make a key and print it, this once: only its hash is kept.

    read: everything that is asked. respond: containment. admin: metrics and the audit.
    """
    lifetime = timedelta(days=days) if days else None
    kept, key = container().api_keys.create(name, scope or [Scope.READ], lifetime)
    err.print(
        text(f"key {kept.id} ({', '.join(sorted(kept.scopes))}): keep it, it is not shown again")
    )
    sys.stdout.write(f"{key}\n")


@app.command("list")
def list_keys() -> None:
    """List the keys, without what opens anything."""
    now = datetime.now(tz=UTC)
    table = Table("id", "name", "scopes", "created", "state", box=None, pad_edge=False)
    for key in container().api_keys.every():
        state = "valid" if key.valid(now) else "revoked" if key.revoked_at else "ended"
        if key.valid(now) and key.expires_at:
            state = f"until {format_time(key.expires_at)}"
        table.add_row(
            text(key.id),
            text(key.name),
            text(", ".join(sorted(key.scopes))),
            text(format_time(key.created_at)),
            text(state),
        )
    out.print(table)


@app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
) -> None:
    """Let a key open nothing from now on; a service that runs sees it with its next call."""
    if container().api_keys.revoke(key_id) is None:
        err.print(text(f"enricher: there is no key {plain(key_id)}", style="red"))
        raise typer.Exit(1)
    out.print(text(f"key {key_id} is revoked"))
