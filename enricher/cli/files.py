"""``enricher files``: what is in, and what failed."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from enricher.bootstrap import container
from enricher.cli.shown import err, out, text


def files(
    status: Annotated[
        str | None, typer.Option(help="Only these: queued, ingested, failed, skipped or missing.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
) -> None:
    """List log files with what became of them, the latest first.

    Those that are missing are named by a valid digest file and were never ingested; what digest
    files say is known once they are verified.
    """
    entries, total = container().index.ledger(status, most)
    counts = ("records", "indexed", "duplicate", "quarantined")
    table = Table("status", *counts, "digest", "where", box=None, pad_edge=False)
    for entry in entries:
        reason = entry.get("reason")
        table.add_row(
            text(f"{entry['status']}: {reason}" if reason else entry["status"]),
            *(f"{entry[name]:,}" if name in entry else "" for name in counts),
            text(entry.get("digest", {}).get("status", "")),
            text(entry["location"]),
        )
    out.print(table)
    err.print(f"{len(entries)} of {total}")
