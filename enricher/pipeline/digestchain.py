"""Follow one chain of digest files from its newest back to its oldest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from enricher.cloudtrail.digest import DigestFault, GapReason, link_fault
from enricher.cloudtrail.logfile import parse_path
from enricher.pipeline.findings import DigestFinding, GapFinding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from enricher.cloudtrail.logfile import DigestChainName
    from enricher.pipeline.digestreading import DigestReader, ReadDigest


@dataclass(slots=True, kw_only=True)
class ChainWalk:
    """One chain while it is followed.

    Only a valid digest file changes what is expected next. An invalid one in between is reported,
    and whether the chain is whole is seen at the next valid one.

    Attributes:
        locations: Its digest files, oldest first.
        since: The first day that was asked for; what lies before is not looked for.
        continues_at: Where the chain goes on outside of what was listed.
    """

    chain: DigestChainName
    locations: Sequence[str]
    reader: DigestReader
    since: date | None = None
    continues_at: str | None = None
    _newer: ReadDigest | None = None
    _broken: GapReason | None = None
    _claimed: dict[str, list[str]] = field(default_factory=dict)

    def steps(self) -> Iterator[ReadDigest | DigestFinding | GapFinding]:
        """Give valid digest files, newest first, and what is wrong before and between them."""
        listed = frozenset(self.locations)
        for location in reversed(self.locations):
            yield from self._look_elsewhere(listed)
            read = self._read(location)
            if read.fault is None:
                yield from self._link(read)
                yield read
                self._newer, self._broken = read, None
            else:
                yield DigestFinding(location=location, fault=read.fault, reason=read.reason)
                self._note_fault(read)
        if self._before_since():
            return
        yield from self._look_elsewhere(listed)
        if self._broken is GapReason.CONTINUES_ELSEWHERE:
            return  # the link is proven, and what lies before was not asked for
        if self._newer is not None and self._newer.before is not None:
            yield self._gap(None, self._broken or GapReason.MISSING)

    def _read(self, location: str) -> ReadDigest:
        claimed = self._claimed.pop(location, ())
        read = self.reader.read(location, self.chain.region, claimed)
        if read.before and read.digest and read.digest.previous_signature:
            # Worth trying even if this one proves nothing itself: a signature fits or it does not.
            self._claimed.setdefault(read.before, []).append(read.digest.previous_signature)
        return read

    def _note_fault(self, read: ReadDigest) -> None:
        if self._newer is not None and self._newer.before == read.location:
            missing = read.fault is DigestFault.MISSING
            self._broken = GapReason.MISSING if missing else GapReason.INVALID

    def _look_elsewhere(self, listed: frozenset[str]) -> Iterator[DigestFinding]:
        """Look for the digest file before, where it is not among those that were listed."""
        newer = self._newer
        if newer is None or newer.before is None or self._broken or newer.before in listed:
            return
        read = self._read(newer.before)
        if read.fault is not None:
            yield DigestFinding(location=read.location, fault=read.fault, reason=read.reason)
            self._note_fault(read)
        elif newer.digest and read.digest:
            self._broken = link_fault(newer.digest, read.digest) or GapReason.CONTINUES_ELSEWHERE
            if self._broken is GapReason.CONTINUES_ELSEWHERE:
                self.continues_at = read.location

    def _link(self, read: ReadDigest) -> Iterator[GapFinding]:
        if self._newer is None or self._newer.digest is None or read.digest is None:
            return
        fault = link_fault(self._newer.digest, read.digest)
        if fault is GapReason.MISSING:
            fault = self._broken or fault
        if fault is not None:
            yield self._gap(read, fault)

    def _gap(self, older: ReadDigest | None, reason: GapReason) -> GapFinding:
        assert self._newer is not None and self._newer.digest is not None  # noqa: S101, PT018
        return GapFinding(
            chain=self.chain,
            since=older.digest.end_at if older and older.digest else None,
            until=self._newer.digest.start_at,
            reason=reason,
        )

    def _before_since(self) -> bool:
        """Say whether the chain was followed to the first day that was asked for."""
        if self._newer is None or self._newer.before is None or self.since is None:
            return False
        ended_at = parse_path(self._newer.before).delivered_at
        return ended_at is not None and ended_at.date() < self.since
