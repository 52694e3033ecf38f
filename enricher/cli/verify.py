"""``enricher verify``: validate digest files, and the log files that they name."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from enricher.bootstrap import Container, container
from enricher.cli.shown import err, out, plain, text
from enricher.cli.sources import Accounts, Regions, Since, selection
from enricher.cloudtrail import codec
from enricher.cloudtrail.digest import DigestFault
from enricher.cloudtrail.times import format_time
from enricher.errors import LogFileError
from enricher.pipeline.discover import Selection
from enricher.pipeline.findings import (
    ChainFinding,
    DigestFinding,
    Finding,
    FolderFinding,
    GapFinding,
    LogFinding,
    LogStatus,
)
from enricher.pipeline.ports import DigestLedger
from enricher.pipeline.verify import VerifyServices, verify
from enricher.stores import templates

_SPELLED = {
    ChainFinding: "chain",
    DigestFinding: "digest-file",
    FolderFinding: "folder",
    GapFinding: "gap",
    LogFinding: "log-file",
}
_HINTS = {
    DigestFault.NO_SIGNATURE: "Signatures are metadata of the objects in S3: a copy on disk has "
    "them only by --signatures FILE.",
    DigestFault.KEY_NOT_FOUND: "--public-keys FILE lacks a key: list those of the region and of "
    "the time of the digest files.",
    DigestFault.MOVED: "Digest files are not where they say they were delivered; for a copy of "
    "the bucket in S3 use --copied.",
}


def verify_files(  # noqa: PLR0913, PLR0917 - Typer's options
    locations: Annotated[
        list[str],
        typer.Argument(help="s3://bucket/prefix, or directories that are a copy of one."),
    ],
    public_keys: Annotated[
        Path | None,
        typer.Option(
            help="Public keys as `aws cloudtrail list-public-keys` prints them; without it "
            "CloudTrail is asked."
        ),
    ] = None,
    signatures: Annotated[
        Path | None,
        typer.Option(
            help="Metadata of the digest files of a copy: JSON, by object key an object with "
            "`signature`."
        ),
    ] = None,
    since: Since = None,
    until: Annotated[
        str | None, typer.Option(help="Only what was delivered up to this day, UTC: YYYY-MM-DD.")
    ] = None,
    account: Accounts = None,
    region: Regions = None,
    copied: Annotated[  # noqa: FBT002 - Typer's flags
        bool, typer.Option("--copied", help="The files in S3 were copied from another place.")
    ] = False,
    keep: Annotated[
        bool | None,
        typer.Option(
            "--ledger/--no-ledger",
            help="Keep what is found in the ledger and on the events; the default where there "
            "are servers.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[  # noqa: FBT002 - Typer's flags
        bool, typer.Option("--json", help="Print every finding as a JSON object on a line.")
    ] = False,
) -> None:
    """Validate digest files: signatures, the chain, and each log file that they name.

    The exit code is 0 if everything is valid, 1 if something is missing, changed, invalid or not
    proven, and 2 if there is nothing to verify.
    """
    wanted = selection(since, account, region, until)
    services = container()
    ledger = _ledger(services, keep=keep)
    report = _Report(as_json=as_json)
    with err.status("verifying") as status:
        for location in locations:
            verifying = services.verifying(
                location,
                public_keys=public_keys,
                signatures=signatures,
                copied=copied,
                ledger=ledger,
            )
            for finding in _findings(location, wanted, verifying):
                if finding.fails or as_json:
                    status.stop()  # its line would be in the way
                report.add(finding)
                if not as_json:
                    status.update(f"verifying: {report.logs:,} log files")
                    status.start()
    if not report.digests:
        err.print(text("enricher: no digest files there; look for CloudTrail-Digest/", style="red"))
        raise typer.Exit(2)
    report.show(kept=ledger is not None)
    if report.failed:
        raise typer.Exit(1)


def _ledger(services: Container, *, keep: bool | None) -> DigestLedger | None:
    if keep is None:
        keep = services.has_servers()
    if not keep:
        return None
    templates.install(services.opensearch, services.settings.opensearch.period)
    return services.index


def _findings(location: str, wanted: Selection, services: VerifyServices) -> Iterator[Finding]:
    try:
        yield from verify(location, wanted, services)
    except LogFileError as error:
        reason = "no such place" if error.reason == "file-missing" else error.reason
        err.print(text(f"enricher: {location}: {reason}", style="red"))
        raise typer.Exit(2) from error


@dataclass(slots=True)
class _Report:
    """What was found by now: shown at once where somebody must look at it, and summed up."""

    as_json: bool
    digests: int = 0
    logs: int = 0
    failed: int = 0
    unlisted: int = 0
    uncovered: int = 0
    chains: list[ChainFinding] = field(default_factory=list)
    faults: Counter[DigestFault] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        self.failed += finding.fails
        match finding:
            case DigestFinding():
                self.digests += 1
                if finding.fault is not None:
                    self.faults[finding.fault] += 1
            case LogFinding():
                self.logs += 1
                self.unlisted += finding.status is LogStatus.UNLISTED
            case ChainFinding():
                self.chains.append(finding)
            case FolderFinding():
                self.uncovered += finding.uncovered
            case GapFinding():
                pass
        if self.as_json:
            sys.stdout.buffer.write(codec.dumps(spelled(finding)) + b"\n")
        elif finding.fails:
            out.print(text(_line(finding)), soft_wrap=True)

    def show(self, *, kept: bool) -> None:
        if not self.as_json:
            out.print(_table(self.chains))
            if self.unlisted:
                out.print(
                    f"log files that no digest file names although one covers their time: "
                    f"{self.unlisted:,}; of a trail without validation, or not CloudTrail's"
                )
            if self.uncovered:
                out.print(f"log files of a time that no digest file covers: {self.uncovered:,}")
        for fault, hint in _HINTS.items():
            if self.faults[fault]:
                err.print(hint)
        if not kept:
            err.print("Not kept in the ledger.", style="dim")


def _line(finding: Finding) -> str:
    match finding:
        case DigestFinding(location=location, fault=fault, reason=reason):
            return f"digest file {_with(fault, reason)}: {plain(location)}"
        case LogFinding(location=location, status=status, reason=reason):
            return f"log file {_with(status, reason)}: {plain(location)}"
        case GapFinding(chain=chain, since=since, until=until, reason=gap):
            start = format_time(since) if since else "the beginning"
            where = f"{chain.account_id} {chain.region} {plain(chain.trail)}"
            return f"gap, {gap}: {where} from {start} to {format_time(until)}"
        case ChainFinding() | FolderFinding():
            raise AssertionError("sums do not fail by themselves")


def _with(what: str | None, reason: str | None) -> str:
    return f"{what} ({reason})" if reason else str(what)


def _table(chains: list[ChainFinding]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("account, region, trail", "proven", "digests", "gaps", "log files"):
        table.add_column(heading, overflow="fold")
    for one in chains:
        name = one.chain
        trail = f"{name.trail} (backfill)" if name.backfill else name.trail
        times = [format_time(at) for at in (one.since, one.until) if at]
        counts = [f"{one.logs[s]:,} {s}" for s in LogStatus if s in one.logs]
        # Two lines each: a terminal of 80 columns holds it.
        table.add_row(
            text(f"{name.account_id} {name.region}").append("\n").append(text(trail)),
            text("from ").append(times[0]).append("\nto   ").append(times[1]) if times else "none",
            f"{one.digests - one.invalid:,} of {one.digests:,}",
            f"{one.gaps:,}",
            text(", ".join(counts) or "none"),
        )
        if one.continues_at:
            err.print(text(f"The chain goes on elsewhere: {plain(one.continues_at)}"))
    return table


def spelled(finding: Finding) -> dict[str, Any]:
    """Give a finding as JSON has it; times as CloudTrail writes them."""
    values = {name: _spelled(value) for name, value in asdict(finding).items()}
    return {"what": _SPELLED[type(finding)], **values, "fails": finding.fails}


def _spelled(value: object) -> object:
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, str):  # names on disk are bytes, and need not be UTF-8
        return value.encode(errors="backslashreplace").decode()
    return value
