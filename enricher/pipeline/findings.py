"""What validating digest files finds, one thing at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from enricher.cloudtrail.digest import DigestFault, GapReason
    from enricher.cloudtrail.logfile import DigestChainName


class LogStatus(StrEnum):
    """What became of one log file."""

    VALID = "valid"
    CHANGED = "changed"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    UNLISTED = "unlisted"


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestFinding:
    """One digest file.

    Attributes:
        fault: Why it proves nothing; None where it is valid.
        reason: Why it could not be read, where that is the fault.
    """

    location: str
    fault: DigestFault | None = None
    reason: str | None = None

    @property
    def fails(self) -> bool:
        """Say whether somebody must look at it."""
        return self.fault is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFinding:
    """One log file.

    Attributes:
        digest: Location of the digest file that names it; None for one that none names.
        reason: Why it could not be read, where that is its status.
    """

    location: str
    status: LogStatus
    digest: str | None = None
    reason: str | None = None

    @property
    def fails(self) -> bool:
        """Say whether somebody must look at it."""
        return self.status is not LogStatus.VALID


@dataclass(frozen=True, slots=True, kw_only=True)
class GapFinding:
    """A time of which the chain proves nothing: log files of it may be gone or made up.

    Attributes:
        since: Its start, UTC; None where nothing is there from before it.
        until: Its end.
    """

    chain: DigestChainName
    since: datetime | None
    until: datetime
    reason: GapReason
    fails: bool = True


@dataclass(slots=True, kw_only=True)
class ChainFinding:
    """One chain of digest files, at its end.

    Attributes:
        since: From when on it proves what was delivered, but for its gaps; None if it does not.
        until: Until when.
        continues_at: Where the digest file before its first lies, when that is somewhere else.
        digests: Digest files, valid or not.
        logs: Log files by status.
    """

    chain: DigestChainName
    since: datetime | None = None
    until: datetime | None = None
    continues_at: str | None = None
    digests: int = 0
    invalid: int = 0
    gaps: int = 0
    logs: dict[str, int] = field(default_factory=dict)
    fails: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFinding:
    """The log files of a region that no digest file names, apart from those that it should.

    Attributes:
        uncovered: Delivered at a time that no valid digest file covers: before the first, after
            the last, or in a gap.
    """

    folder: str
    uncovered: int
    fails: bool = False


Finding = DigestFinding | LogFinding | GapFinding | ChainFinding | FolderFinding
