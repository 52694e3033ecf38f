"""The ledger: what became of each log file, in numbers that add up (design §6)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.logfile import parse_path
from enricher.cloudtrail.times import format_time

if TYPE_CHECKING:
    from datetime import datetime

    from enricher.pipeline.ports import DigestedFile

# What a valid digest file names and nobody ingested.
NOT_INGESTED = "missing"


@dataclass(slots=True)
class FileReport:
    """What became of one log file; the ledger's entry.

    ``records = indexed + duplicate + quarantined``, checked before it is written.
    """

    location: str
    run_id: str
    started_at: datetime
    status: str = "ingested"
    reason: str | None = None
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
        name = parse_path(self.location)
        duration = finished_at - self.started_at
        return {
            "location": self.location,
            "run_id": self.run_id,
            "status": self.status,
            "reason": self.reason,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "records": self.records,
            "indexed": self.indexed,
            "duplicate": self.duplicate,
            "quarantined": self.quarantined,
            "pending": self.pending,
            "refusals": dict(self.refusals),
            "organization_id": name.organization_id,
            "account_id": name.account_id,
            "region": name.region,
            "delivered_at": _time(name.delivered_at),
            "oldest_event_at": _time(self.oldest_event_at),
            "newest_event_at": _time(self.newest_event_at),
            "started_at": format_time(self.started_at),
            "finished_at": format_time(finished_at),
            "duration_ms": int(duration.total_seconds() * 1000),
        }


def failed_entry(location: str, run_id: str, reason: str, at: datetime) -> dict[str, Any]:
    """Give the ledger's entry of a file whose task broke off; nothing of it is claimed."""
    report = FileReport(location=location, run_id=run_id, started_at=at)
    report.status, report.reason = "failed", reason
    return report.entry(at)


def promised_entry(file: DigestedFile) -> dict[str, Any]:
    """Give the entry of a log file that a digest file names and that was never ingested.

    Its reason says whether it is there to be ingested.
    """
    name = parse_path(file.location)
    entry = {
        "location": file.location,
        "status": NOT_INGESTED,
        "reason": "not-delivered" if file.status == "missing" else "not-ingested",
        "organization_id": name.organization_id,
        "account_id": name.account_id,
        "region": name.region,
        "delivered_at": _time(name.delivered_at),
    }
    return {field: value for field, value in entry.items() if value is not None}


def digest_entry(file: DigestedFile) -> dict[str, Any]:
    """Give what a ledger entry has under ``digest``."""
    return {
        "status": file.status.value,
        "file": file.digest,
        "sha256": file.sha256,
        "verified_at": format_time(file.verified_at),
    }


def _time(at: datetime | None) -> str | None:
    return format_time(at) if at else None
