"""Find the log files of a bucket page by page, queue them, and remember how far that went.

Nothing is held but one page: a bucket may have millions of log files.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from enricher.cloudtrail.logfile import FileKind, parse_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from enricher.pipeline.intake import Intake
    from enricher.pipeline.ports import Clock, LogFileStat

# A log file's name tells its delivery only roughly, and files of one time sort at random. Those
# named within this time before a listing may have appeared after it, and are listed again.
STILL_ARRIVING = timedelta(hours=1)
_FOLDERS = {
    "CloudTrail": FileKind.LOG,
    "CloudTrail-Digest": FileKind.DIGEST,
    "CloudTrail-Insight": FileKind.INSIGHT,
}
_ACCOUNT_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which log files are wanted; everything by default.

    Attributes:
        since: The first day of delivery, UTC. It holds all events from that day on, for none is
            delivered before it happens.
        until: The last day of delivery, UTC.
        accounts: Account ids; empty for all.
        regions: Region names; empty for all.
        kind: Log files; or digest files, to validate the log files by them.
    """

    since: date | None = None
    until: date | None = None
    accounts: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    kind: FileKind = FileKind.LOG

    def refusal(self, path: str) -> str | None:
        """Say why a log file is not wanted, by its path; None if it is."""
        name = parse_path(path)
        delivered_on = name.delivered_at.date() if name.delivered_at else None
        if self.accounts and name.account_id not in self.accounts:
            return "account-not-selected" if name.account_id else "account-unknown"
        if self.regions and name.region not in self.regions:
            return "region-not-selected" if name.region else "region-unknown"
        if self.since and (delivered_on is None or delivered_on < self.since):
            return "before-since" if delivered_on else "date-unknown"
        if self.until and (delivered_on is None or delivered_on > self.until):
            return "after-until" if delivered_on else "date-unknown"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far a listing of one region of one account was queued.

    Attributes:
        key: The last key that was queued.
        at: When it was listed, UTC.
        since: Where that listing began; None if at the very beginning.
    """

    key: str
    at: datetime
    since: date | None = None


class Checkpoints(Protocol):
    """How far each listing came. Losing one costs a listing, never a log file."""

    def load(self, scope: str) -> Checkpoint | None:
        """Give the checkpoint of what is listed as one: a region of an account of a bucket."""
        ...

    def save(self, scope: str, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint."""
        ...

    def forget(self, scope: str) -> None:
        """Drop the checkpoint: what it stood for is done to its end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPage:
    """One page of a listing.

    Attributes:
        logs: Log files.
        skipped: Why others are left out: key or folder → reason.
        scope: What the checkpoint is kept under; None where there is no order to resume in.
        last_key: The last key of the page.
    """

    logs: Sequence[LogFileStat]
    skipped: Mapping[str, str] = field(default_factory=dict)
    scope: str | None = None
    last_key: str | None = None


class LogFileListing(Protocol):
    """Lists log files below a prefix."""

    def list_log_files(
        self, location: str, selection: Selection, after: Callable[[str, str], str | None]
    ) -> Iterator[ListedPage]:
        """Give the log files page by page, each region of an account in order of its keys.

        Args:
            location: ``s3://bucket/prefix``.
            selection: Which are wanted.
            after: Gives the key to begin behind, of a scope and its region's folder.

        Raises:
            LogFileError: If there is no such bucket, or it may not be listed.
            UnavailableError: If the source does not answer.
        """
        ...


@dataclass(slots=True)
class Discovered:
    """What became of a discovery.

    Attributes:
        queued: How many log files.
        skipped: How many others, by reason.
        examples: One path for each reason.
    """

    queued: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def skip(self, path: str, reason: str) -> None:
        """Count something that is left out."""
        self.skipped[reason] += 1
        self.examples.setdefault(reason, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverServices:
    """What discovering needs."""

    listing: LogFileListing
    checkpoints: Checkpoints
    intake: Intake
    clock: Clock


def queue_listed(  # noqa: PLR0913 - what, which of it, where to, and how
    location: str,
    selection: Selection,
    run_id: str,
    services: DiscoverServices,
    discovered: Discovered,
    *,
    resume: bool,
) -> None:
    """Queue every log file below a prefix; safe to repeat, and to resume where it broke off.

    A page is queued before its checkpoint is saved, so that what breaks off between them is queued
    twice rather than not at all.

    Raises:
        LogFileError: If there is no such bucket, or it may not be listed.
        UnavailableError: If a server does not answer.
    """
    began_at = services.clock.now()
    places = _Places(services.checkpoints if resume else None, selection.since)
    for page in services.listing.list_log_files(location, selection, places.after):
        discovered.queued += services.intake.take(page.logs, run_id)
        for path, reason in page.skipped.items():
            discovered.skip(path, reason)
        if page.scope and page.last_key:
            services.checkpoints.save(
                page.scope,
                Checkpoint(key=page.last_key, at=began_at, since=places.covered[page.scope]),
            )


def listed(
    location: str, selection: Selection, services: DiscoverServices, *, resume: bool
) -> Iterator[LogFileStat]:
    """Give the log files that would be queued, and queue none.

    Raises:
        LogFileError: If there is no such bucket, or it may not be listed.
        UnavailableError: If a server does not answer.
    """
    places = _Places(services.checkpoints if resume else None, selection.since)
    for page in services.listing.list_log_files(location, selection, places.after):
        yield from page.logs


@dataclass(slots=True)
class _Places:
    """Where the listings of a prefix begin.

    Attributes:
        checkpoints: How far earlier listings came; None to begin anew.
        since: The first day that is wanted.
        covered: From which day on all is queued once each listing has ended, by scope.
    """

    checkpoints: Checkpoints | None
    since: date | None
    covered: dict[str, date | None] = field(default_factory=dict)

    def after(self, scope: str, folder: str) -> str | None:
        """Give the key to begin behind; None for the first."""
        self.covered[scope] = self.since
        checkpoint = None if self.checkpoints is None else self.checkpoints.load(scope)
        if checkpoint is None or not covers(checkpoint, self.since):
            return None
        self.covered[scope] = checkpoint.since
        return resume_after(checkpoint, folder)


def covers(checkpoint: Checkpoint, since: date | None) -> bool:
    """Say whether all that is wanted before the checkpoint was queued when it was saved."""
    return checkpoint.since is None or (since is not None and checkpoint.since <= since)


def resume_after(checkpoint: Checkpoint, folder: str) -> str:
    """Give the key behind which to go on.

    Args:
        checkpoint: Where the last listing ended.
        folder: The region's folder, ``…/CloudTrail/<region>/``.
    """
    account, _, region = folder.split("/")[-4:-1]
    arriving_at = checkpoint.at - STILL_ARRIVING
    name = f"{account}_CloudTrail_{region}_{arriving_at:%Y%m%dT%H%MZ}"
    arriving = f"{day_folder(folder, arriving_at)}{name}"
    return min(checkpoint.key, arriving)


def day_folder(folder: str, day: date) -> str:
    """Give the folder of a day in a region's folder; also the key to begin listing behind."""
    return f"{folder}{day:%Y/%m/%d}/"


# --- the layout of a bucket (identity.md §8.2) --------------------------------------------------


class Place(StrEnum):
    """What a folder is to a listing."""

    OUTSIDE = "outside"
    ABOVE_REGIONS = "above-regions"
    IN_REGION = "in-region"


class Folder(NamedTuple):
    """A folder as a listing takes it.

    Attributes:
        refusal: Why it is not entered; None if it is.
        region_folder: ``…/CloudTrail/<region>/``, for a folder that is this or lies in it.
    """

    place: Place
    refusal: str | None = None
    region_folder: str | None = None


def classify(folder: str, selection: Selection) -> Folder:
    """Tell where a folder stands in a trail's layout, and whether it is worth entering.

    Args:
        folder: A prefix that is empty or ends in a slash; nothing after the slash matters.
        selection: Which accounts and regions are wanted.

    References:
        - CloudTrail User Guide, "Finding your CloudTrail log files".
    """
    above, trail, below = _partition_trail(folder)
    if not trail:
        return Folder(Place.OUTSIDE)
    parts = below.split("/")[:-1]
    organization = parts[:1] if parts and parts[0].startswith("o-") else []
    account, what, region, *_ = [*parts[len(organization) :], "", "", ""]
    refusal = None
    if account and not _is_account(account):
        refusal = "other-folder"
    elif account and selection.accounts and account not in selection.accounts:
        refusal = "account-not-selected"
    elif what and _FOLDERS.get(what) is not selection.kind:
        refusal = f"{_FOLDERS[what].value}-folder" if what in _FOLDERS else "other-service-folder"
    elif region and selection.regions and region not in selection.regions:
        refusal = "region-not-selected"
    if refusal or not region:
        return Folder(Place.ABOVE_REGIONS, refusal)
    path = "/".join((*organization, account, what, region))
    return Folder(Place.IN_REGION, region_folder=f"{above}{trail}{path}/")


def _partition_trail(folder: str) -> tuple[str, str, str]:
    """Cut a folder around its ``AWSLogs/``, the first that is a whole name."""
    if folder.startswith("AWSLogs/"):
        return "", "AWSLogs/", folder.removeprefix("AWSLogs/")
    above, trail, below = folder.partition("/AWSLogs/")
    return above, trail, below


def _is_account(name: str) -> bool:
    return len(name) == _ACCOUNT_DIGITS and name.isascii() and name.isdigit()
