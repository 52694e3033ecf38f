"""``enricher accounts``: what accounts are called."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.table import Table

from enricher.bootstrap import container
from enricher.cli.shown import err, out, text
from enricher.errors import ConfigurationError
from enricher.stores.account_names import SETTING, read_account_names, write_account_names

app = typer.Typer(no_args_is_help=True, help="Look after the names of accounts.")


@app.command("sync")
def sync() -> None:
    """Fetch the names of all accounts from AWS Organizations into the file of names.

    Names of accounts that the organization does not have stay as they are. Workers read the file
    when they start; `enricher reenrich --all` names the accounts on events that are there already.
    """
    from enricher.stores.organizations import organization_accounts  # noqa: PLC0415 - boto3 is slow

    path = _file()
    known = read_account_names(path) if path.exists() else {}
    found = organization_accounts(container().aws)
    names = {**known, **found}
    changed = sum(names[account_id] != known.get(account_id) for account_id in names)
    write_account_names(path, names)
    out.print(text(f"{len(found)} accounts in the organization; {changed} names new or changed."))
    out.print(text(f"Written to {path}."))
    if changed:
        err.print("Restart the workers, then `enricher reenrich --all` for events that are there.")


@app.command("list")
def list_accounts() -> None:
    """List the accounts that have a name."""
    table = Table("account", "name", box=None, pad_edge=False)
    for account_id, name in sorted(read_account_names(_file()).items()):
        table.add_row(text(account_id), text(name))
    out.print(table)


def _file() -> Path:
    path = container().settings.names.accounts_file
    if path is None:
        raise ConfigurationError(f"set {SETTING} to the file that holds the names of accounts")
    return path
