"""The ledger: what became of each log file, in numbers that add up (design §6)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.logfile import parse_path
from enricher.cloudtrail.times import format_time

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(slots=True)
class FileReport:
    """What became of one log file; the ledger's entry.

    ``records = indexed + duplicate + quarantined``, checked before it is written.

    Attributes:
        finished_at: When its entry was made; None until then.
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
    finished_at: datetime | None = None
    refusals: Counter[str] = field(default_factory=Counter)

    def entry(self, finished_at: datetime) -> dict[str, Any]:
        """Note the end, and give the ledger's entry.

        Raises:
            AssertionError: If the numbers do not add up: that would be a loss, or a bug.
        """
        if self.records != self.indexed + self.duplicate + self.quarantined:
            raise AssertionError("the ledger does not add up")
        self.finished_at = finished_at
        delay = self.delivery_delay
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
            "duration_ms": _milliseconds(duration),
            "delivery_delay_ms": None if delay is None else _milliseconds(delay),
        }

    @property
    def delivery_delay(self) -> timedelta | None:
        """How long after its newest event the file was in, at least zero.

        The file's older events waited longer. None where nothing of the file was new, for then
        its events had been delivered before, and until it is finished.
        """
        if not self.indexed or self.newest_event_at is None or self.finished_at is None:
            return None
        return max(self.finished_at - self.newest_event_at, timedelta())


def failed_entry(location: str, run_id: str, reason: str, at: datetime) -> dict[str, Any]:
    """Give the ledger's entry of a file whose task broke off; nothing of it is claimed."""
    report = FileReport(location=location, run_id=run_id, started_at=at)
    report.status, report.reason = "failed", reason
    return report.entry(at)


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)


def _time(at: datetime | None) -> str | None:
    return format_time(at) if at else None
