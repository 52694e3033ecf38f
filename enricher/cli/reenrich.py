"""``enricher reenrich``: enrich again what is indexed already."""

from __future__ import annotations

from typing import Annotated

import typer

from enricher.bootstrap import container
from enricher.cli.shown import err, out, text
from enricher.pipeline.reenrich import enrich_stored


def reenrich(
    everything: Annotated[  # noqa: FBT002 - Typer's flags
        bool, typer.Option("--all", help="Every event there is.")
    ] = False,
    query: Annotated[
        str | None,
        typer.Option(
            metavar="QUERY",
            help="Only events that match, in OpenSearch's query string syntax, "
            "e.g. 'enriched.origin.account_id:111122223333'.",
        ),
    ] = None,
) -> None:
    """Enrich events again: after an enricher changed, was added or removed, or names changed.

    Only events whose answer changed are written. Safe to repeat, and to run beside workers; they
    must run the same enrichers, with the same settings.
    """
    if everything == (query is not None):
        err.print("enricher: say which events: either --all or --query QUERY")
        raise typer.Exit(2)
    services = container()
    index = services.index
    report = enrich_stored(
        index.every if query is None else lambda: index.matching(query), services.enriching
    )
    out.print(text(f"{report.seen:,} events read, {report.changed:,} changed."))
