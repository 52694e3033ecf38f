"""The command ``enricher``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import enricher
from enricher.cli import (
    accounts,
    alerts,
    api,
    apikeys,
    backfill,
    bench,
    dashboards,
    enrichers,
    evidence,
    explain,
    files,
    ingest,
    install,
    quarantine,
    reenrich,
    rules,
    settings,
    stack,
    status,
    verify,
    watch,
    who,
    worker,
)
from enricher.cli.shown import err, text
from enricher.errors import EnricherError

cli = typer.Typer(
    name="enricher",
    help="Who was really behind each AWS CloudTrail event, written on the event in OpenSearch.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
cli.add_typer(stack.app, name="stack")
cli.add_typer(quarantine.app, name="quarantine")
cli.add_typer(dashboards.app, name="dashboards")
cli.add_typer(rules.app, name="rules")
cli.add_typer(alerts.app, name="alerts")
cli.command("ingest")(ingest.ingest)
cli.command("watch")(watch.watch_queue)
cli.command("verify")(verify.verify_files)
cli.command("backfill")(backfill.backfill_indices)
cli.command("bench")(bench.bench)
cli.command("who")(who.who)
cli.command("explain")(explain.explain_files)
cli.command("install")(install.install)
cli.add_typer(evidence.app, name="evidence")
cli.command("reenrich")(reenrich.reenrich)
cli.add_typer(enrichers.app, name="enrichers")
cli.add_typer(accounts.app, name="accounts")
cli.command("api")(api.serve_api)
cli.add_typer(apikeys.app, name="api-keys")
cli.command("reconcile")(evidence.reconcile)
cli.command("beat")(evidence.beat)
cli.command("files")(files.files)
cli.command("status")(status.show_status)
cli.command("worker")(worker.worker)
cli.command("settings")(settings.show_settings)


def _show_version(asked: bool) -> None:  # noqa: FBT001 - Typer's own callback shape
    if asked:
        typer.echo(enricher.__version__)
        raise typer.Exit


@cli.callback()
def _options(
    version: Annotated[  # noqa: FBT002 - Typer's flags
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Who was really behind each AWS CloudTrail event, written on the event in OpenSearch."""


def app() -> None:
    """Run the command; an error that we know is one line that says what to do."""
    try:
        cli()
    except EnricherError as error:
        err.print(text(f"enricher: {error}", style="red"))
        sys.exit(1)
