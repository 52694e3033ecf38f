"""Where ``enricher ingest`` takes log files from: paths, S3, standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from enricher.bootstrap import Container
from enricher.cli.shown import err, plain, text
from enricher.errors import LogFileError
from enricher.pipeline.discover import Discovered, Selection, listed, queue_listed
from enricher.pipeline.locations import SCHEME
from enricher.pipeline.ports import LogFileStat
from enricher.stores.directory import find_log_files
from enricher.stores.spool import spool

STDIN = "-"
_ACCOUNT = re.compile(r"\d{12}")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d")

# Options of every command that chooses log files; `selection` reads them.
Since = Annotated[
    str | None, typer.Option(help="Only what was delivered from this day on, UTC: YYYY-MM-DD.")
]
Accounts = Annotated[
    list[str] | None, typer.Option(help="Only this account's files; may be repeated.")
]
Regions = Annotated[
    list[str] | None, typer.Option(help="Only this region's files; may be repeated.")
]


@dataclass(slots=True)
class Sources:
    """What was named on the command line, by kind."""

    paths: list[Path] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    stdin: bool = False

    @classmethod
    def named(cls, names: Iterable[str]) -> Sources:
        """Tell what is meant by each name."""
        sources = cls()
        for name in names:
            if name == STDIN:
                sources.stdin = True
            elif name.startswith(SCHEME):
                sources.prefixes.append(name)
            else:
                sources.paths.append(Path(name))
        return sources


def selection(
    since: str | None,
    accounts: Iterable[str] | None,
    regions: Iterable[str] | None,
    until: str | None = None,
) -> Selection:
    """Read the options that say which log files are wanted.

    Raises:
        typer.BadParameter: If one is misspelt: it would match nothing, and nobody would notice.
    """
    first, last = _day("--since", since), _day("--until", until)
    if first and last and last < first:
        raise typer.BadParameter("--until is before --since")
    accounts, regions = accounts or (), regions or ()
    for account in accounts:
        if not _ACCOUNT.fullmatch(account):
            raise typer.BadParameter("--account takes an account id: 12 digits")
    for region in regions:
        if not _REGION.fullmatch(region):
            raise typer.BadParameter("--region takes a region's name, e.g. eu-west-1")
    return Selection(
        since=first, until=last, accounts=frozenset(accounts), regions=frozenset(regions)
    )


def _day(option: str, value: str | None) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError as error:
        raise typer.BadParameter(f"{option} takes a date, e.g. 2026-03-02") from error


def queue_all(  # noqa: PLR0913 - what, which of it, where to, and how
    services: Container,
    sources: Sources,
    wanted: Selection,
    run_id: str,
    *,
    resume: bool,
    evidence_first: bool,
) -> Discovered:
    """Queue every log file of the sources, for its evidence before if asked; give how many.

    Raises:
        typer.Exit: If a source is not there; nothing of paths is queued unless all are there.
    """
    discovered = Discovered()
    logs = _at_paths(sources, wanted, discovered)
    if sources.stdin:
        logs.append(LogFileStat(location=_spooled(services)))
    if evidence_first:
        services.intake.publish_ahead(chain(logs, _below(sources, wanted, services, resume=resume)))
    discovered.queued += services.intake.take(logs, run_id)
    for prefix in sources.prefixes:
        with _listing(prefix):
            queue_listed(prefix, wanted, run_id, services.discovering, discovered, resume=resume)
    return discovered


def _below(
    sources: Sources, wanted: Selection, services: Container, *, resume: bool
) -> Iterator[LogFileStat]:
    for prefix in sources.prefixes:
        with _listing(prefix):
            yield from listed(prefix, wanted, services.discovering, resume=resume)


@contextmanager
def _listing(prefix: str) -> Iterator[None]:
    """Say what is wrong with a prefix that cannot be listed."""
    try:
        yield
    except LogFileError as error:
        reason = "no such bucket" if error.reason == "file-missing" else error.reason
        err.print(text(f"enricher: {prefix}: {reason}", style="red"))
        raise typer.Exit(2) from error


def _at_paths(sources: Sources, wanted: Selection, discovered: Discovered) -> list[LogFileStat]:
    try:
        found = find_log_files(sources.paths)
    except FileNotFoundError as error:
        err.print(text(f"enricher: no such file or directory: {error}", style="red"))
        raise typer.Exit(2) from error
    for path, reason in found.skipped.items():
        discovered.skip(path, reason)
    logs: list[LogFileStat] = []
    for location, log in found.logs.items():
        refusal = wanted.refusal(location)
        if refusal:
            discovered.skip(location, refusal)
        else:
            logs.append(log)
    return logs


def _spooled(services: Container) -> str:
    chosen = services.settings
    try:
        return spool(
            sys.stdin.buffer,
            chosen.stack.data_dir / "spool",
            limit=int(chosen.input.inflated_bytes),
        )
    except LogFileError as error:
        err.print(text(f"enricher: standard input: {error.reason}", style="red"))
        raise typer.Exit(2) from error


def show_skipped(discovered: Discovered) -> None:
    """Say what is left out, and why."""
    for reason, count in discovered.skipped.most_common():
        example = plain(discovered.examples[reason])
        err.print(text(f"skipped {count}: {reason}, e.g. {example}", style="dim"))
