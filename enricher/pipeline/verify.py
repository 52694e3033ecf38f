"""Validate digest files, and the log files that they name (identity.md §8.4).

Each chain of digest files (account, region, trail) is followed from its newest back to its oldest,
as each names the one before it. Of one region at a time, the names of its digest files and a short
hash of each log file's name are held in memory; of what log files hold, a piece for each reader.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import blake2b
from itertools import groupby
from typing import TYPE_CHECKING

from enricher.cloudtrail.digest import Span
from enricher.cloudtrail.logfile import FileKind, parse_digest_path, parse_path
from enricher.errors import LogFileError
from enricher.pipeline.digestchain import ChainWalk
from enricher.pipeline.digestreading import ReadDigest
from enricher.pipeline.findings import (
    ChainFinding,
    DigestFinding,
    FolderFinding,
    GapFinding,
    LogFinding,
    LogStatus,
)
from enricher.pipeline.integrity import keep
from enricher.pipeline.ports import DigestedFile, DigestStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from enricher.cloudtrail.digest import DigestFile
    from enricher.cloudtrail.logfile import DigestChainName
    from enricher.pipeline.digestreading import DigestReader
    from enricher.pipeline.discover import LogFileListing, Selection
    from enricher.pipeline.findings import Finding
    from enricher.pipeline.ports import Clock, DigestLedger

_DIGESTS, _LOGS = "/CloudTrail-Digest/", "/CloudTrail/"
# The time in a log file's name is that of its delivery, rounded to five minutes.
_NAMED_ABOUT = timedelta(minutes=15)
_KEPT_AT_ONCE = 500
_NAME_BYTES = 16  # a hash of that length is no other name's


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyServices:
    """What verifying needs.

    Attributes:
        listing: Lists digest files and log files.
        reader: Reads and checks them.
        ledger: Keeps what is found; None to keep nothing.
        readers: Log files that are read at the same time.
    """

    listing: LogFileListing
    reader: DigestReader
    clock: Clock
    ledger: DigestLedger | None = None
    readers: int = 8


def verify(location: str, selection: Selection, services: VerifyServices) -> Iterator[Finding]:
    """Validate the digest files below a location, and what they name.

    What is found is given while it is found, a chain's sums at its end. Safe to repeat.

    Raises:
        LogFileError: If there is no such location, or it may not be listed.
        UnavailableError: If a server does not answer; may be repeated.
        ConfigurationError: If the public keys are not to be had.
    """
    found = _listed(location, replace(selection, kind=FileKind.DIGEST), services)
    with ThreadPoolExecutor(services.readers, thread_name_prefix="verify") as pool:
        for folder, digests in groupby(found, key=_folder):
            region = _Region(folder, selection, services, pool)
            yield from region.findings(list(digests))


@dataclass(slots=True)
class _Region:
    """The digest files of one region of an account, and its log files."""

    folder: str
    selection: Selection
    services: VerifyServices
    pool: ThreadPoolExecutor
    names: set[bytes] = field(default_factory=set)
    covered: list[Span] = field(default_factory=list)
    to_keep: list[DigestedFile] = field(default_factory=list)

    def findings(self, digests: Sequence[str]) -> Iterator[Finding]:
        for chain, locations in _chains(digests).items():
            yield from self._chain(chain, locations)
        self._keep(at_least=1)
        if self.covered and _DIGESTS in self.folder:
            yield from self._unlisted()

    def _chain(self, chain: DigestChainName, locations: Sequence[str]) -> Iterator[Finding]:
        walk = ChainWalk(
            chain=chain,
            locations=locations,
            reader=self.services.reader,
            since=self.selection.since,
        )
        sums = ChainFinding(chain=chain)
        for step in walk.steps():
            if isinstance(step, ReadDigest):
                yield from self._valid(step, sums)
            else:
                sums.invalid += isinstance(step, DigestFinding)
                sums.digests += isinstance(step, DigestFinding)
                sums.gaps += isinstance(step, GapFinding)
                yield step
        sums.continues_at = walk.continues_at
        yield sums

    def _valid(self, read: ReadDigest, sums: ChainFinding) -> Iterator[Finding]:
        """Check what a valid digest file names."""
        digest = read.digest
        assert digest is not None, "it is valid"  # noqa: S101
        yield DigestFinding(location=read.location)
        sums.digests += 1
        sums.since = min(sums.since or digest.start_at, digest.start_at)
        sums.until = max(sums.until or digest.end_at, digest.end_at)
        if not sums.chain.backfill:
            self._cover(digest)
        reader = self.services.reader
        checked = self.pool.map(lambda log: reader.check(log, read), digest.logs)
        for log, finding in zip(digest.logs, checked, strict=True):
            self.names.add(_name(finding.location))
            status = finding.status.value
            sums.logs[status] = sums.logs.get(status, 0) + 1
            self.to_keep.append(
                DigestedFile(
                    location=finding.location,
                    sha256=log.sha256,
                    status=DigestStatus(finding.status),
                    digest=read.location,
                    verified_at=self.services.clock.now(),
                )
            )
            yield finding
        self._keep(at_least=_KEPT_AT_ONCE)

    def _cover(self, digest: DigestFile) -> None:
        """Add to the times that are covered; a chain is followed backwards."""
        last = self.covered[-1] if self.covered else None
        if last is not None and last.start == digest.end_at:
            self.covered[-1] = Span(digest.start_at, last.end)
        else:
            self.covered.append(Span(digest.start_at, digest.end_at))

    def _keep(self, *, at_least: int) -> None:
        if self.services.ledger is not None and len(self.to_keep) >= at_least:
            for start in range(0, len(self.to_keep), _KEPT_AT_ONCE):
                keep(self.to_keep[start : start + _KEPT_AT_ONCE], self.services.ledger)
        if len(self.to_keep) >= at_least:
            self.to_keep.clear()

    # --- the reverse: log files that are there, and in no digest file --------------------------

    def _unlisted(self) -> Iterator[Finding]:
        logs = _LOGS.join(self.folder.rsplit(_DIGESTS, 1))
        uncovered = 0
        try:
            for location in _listed(logs, self.selection, self.services):
                if _name(location) in self.names:
                    continue
                if self._is_covered(parse_path(location).delivered_at):
                    yield LogFinding(location=location, status=LogStatus.UNLISTED)
                else:
                    uncovered += 1
        except LogFileError as err:
            if err.reason != "file-missing":  # all were missing, and that was said
                raise
        yield FolderFinding(folder=logs, uncovered=uncovered)

    def _is_covered(self, at: datetime | None) -> bool:
        return at is not None and any(
            span.start + _NAMED_ABOUT <= at <= span.end - _NAMED_ABOUT for span in self.covered
        )


def _listed(location: str, selection: Selection, services: VerifyServices) -> Iterator[str]:
    for page in services.listing.list_log_files(location, selection, lambda _scope, _folder: None):
        yield from (log.location for log in page.logs)


def _folder(location: str) -> str:
    """Give the region's folder of a digest file, ending in a slash; else its directory."""
    above, digests, below = location.rpartition(_DIGESTS)
    if not digests:
        return f"{location.rpartition('/')[0]}/"
    return f"{above}{digests}{below.partition('/')[0]}/"


def _chains(digests: Sequence[str]) -> dict[DigestChainName, list[str]]:
    """Sort digest files by the chain they belong to, oldest first; others are none."""
    chains: dict[DigestChainName, list[str]] = {}
    for location in digests:
        chain = parse_digest_path(location)
        if chain is not None:
            chains.setdefault(chain, []).append(location)
    for locations in chains.values():
        locations.sort(key=lambda location: (str(parse_path(location).delivered_at), location))
    return chains


def _name(location: str) -> bytes:
    return blake2b(location.encode(errors="surrogateescape"), digest_size=_NAME_BYTES).digest()
