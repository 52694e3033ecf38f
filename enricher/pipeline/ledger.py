"""The ledger: what became of each log file, in numbers that add up (design §6)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.logfile import parse_path
from enricher.cloudtrail.times import format_time

if TYPE_CHECKING:
    from datetime import datetime

    from enricher.pipeline.ports import LogFileStat


class FileStatus(StrEnum):
    """What became of a log file."""

    QUEUED = "queued"
    INGESTED = "ingested"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(slots=True)
class FileReport:
    """What became of one log file; the ledger's entry.

    ``records = indexed + duplicate + quarantined``, checked before it is written.
    """

    location: str
    run_id: str
    started_at: datetime
    status: FileStatus = FileStatus.INGESTED
    reason: str | None = None
    attempts: int = 1
    size_bytes: int = 0
    sha256: str | None = None
    records: int = 0
    indexed: int = 0
    duplicate: int = 0
    quarantined: int = 0
    pending: int = 0
    oldest_event_at: datetime | None = None
    newest_event_at: datetime | None = None
    refusals: Counter[str] = field(default_factory=Counter)

    def entry(self, finished_at: datetime) -> dict[str, Any]:
        """Give the ledger's entry.

        Raises:
            AssertionError: If the numbers do not add up: that would be a loss, or a bug.
        """
        if self.records != self.indexed + self.duplicate + self.quarantined:
            raise AssertionError("the ledger does not add up")
        duration = finished_at - self.started_at
        return {
            **_named(self.location),
            "run_id": self.run_id,
            "status": self.status.value,
            "reason": self.reason,
            "attempts": self.attempts,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "records": self.records,
            "indexed": self.indexed,
            "duplicate": self.duplicate,
            "quarantined": self.quarantined,
            "pending": self.pending,
            # A list, so that a later entry replaces it: objects would be merged.
            "refusals": [
                {"reason": reason, "count": count}
                for reason, count in sorted(self.refusals.items())
            ],
            "oldest_event_at": _time(self.oldest_event_at),
            "newest_event_at": _time(self.newest_event_at),
            "started_at": format_time(self.started_at),
            "finished_at": format_time(finished_at),
            "duration_ms": int(duration.total_seconds() * 1000),
        }


def queued_entry(file: LogFileStat, run_id: str, at: datetime) -> dict[str, Any]:
    """Give the ledger's entry of a file that is about to be queued."""
    known = {"size_bytes": file.size_bytes, "etag": file.etag}
    return {
        **_named(file.location),
        **{name: value for name, value in known.items() if value is not None},
        "run_id": run_id,
        "status": FileStatus.QUEUED.value,
        "reason": None,
        "queued_at": format_time(at),
    }


def _named(location: str) -> dict[str, Any]:
    """What the location alone tells."""
    name = parse_path(location)
    return {
        "location": location,
        "organization_id": name.organization_id,
        "account_id": name.account_id,
        "region": name.region,
        "delivered_at": _time(name.delivered_at),
    }


def failed_entry(location: str, run_id: str, reason: str, at: datetime) -> dict[str, Any]:
    """Give the ledger's entry of a file whose task broke off; nothing of it is claimed."""
    report = FileReport(location=location, run_id=run_id, started_at=at)
    report.status, report.reason = FileStatus.FAILED, reason
    return report.entry(at)


def _time(at: datetime | None) -> str | None:
    return format_time(at) if at else None
