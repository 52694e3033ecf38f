"""The ledger of a file, corrected for refused records that were taken up again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from enricher.cloudtrail.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from enricher.pipeline.ports import QuarantineEntry

_MOSTLY_REFUSED = "most-of-the-file-refused"


class Taken(NamedTuple):
    """An entry whose record is indexed now.

    Attributes:
        at: The record's time.
        created: It is a new event, no duplicate.
        pending: The new event waits for evidence.
    """

    entry: QuarantineEntry
    at: datetime
    created: bool
    pending: bool


class Refused(NamedTuple):
    """An entry that was refused once more, and why now."""

    entry: QuarantineEntry
    reason: str
    detail: str | None = None


def corrected(
    ledger: Mapping[str, Any],
    *,
    taken: Sequence[Taken],
    refusals: Sequence[Refused],
    complete: bool,
) -> dict[str, Any]:
    """Give a file's ledger entry after some of its refused records were taken up again.

    Only entries that the ledger counts are moved: those of the run that wrote it. It notes which
    it was corrected for, until they have left the quarantine.

    Args:
        ledger: The entry as it is.
        taken: The records that are events or duplicates now.
        refusals: Those that were refused once more.
        complete: Nothing of the file is left but records in quarantine.

    Raises:
        AssertionError: If the numbers do not add up: that would be a loss, or a bug.
    """
    run_id = ledger["run_id"]
    counted = [one for one in taken if one.entry.run_id == run_id]
    created = sum(one.created for one in counted)
    entry = {
        **ledger,
        "indexed": ledger["indexed"] + created,
        "duplicate": ledger["duplicate"] + len(counted) - created,
        "quarantined": ledger["quarantined"] - len(counted),
        "pending": ledger.get("pending", 0) + sum(one.pending for one in counted),
        "refusals": _moved(
            ledger,
            [one.entry.reason for one in counted],
            [one for one in refusals if one.entry.run_id == run_id],
        ),
        "settled": {"run_id": run_id, "ids": [one.entry.id for one in counted]},
    }
    times = [format_time(one.at) for one in counted]
    for name, first in (("oldest_event_at", min), ("newest_event_at", max)):
        known = [at for at in (ledger.get(name), *times) if at]
        if known:
            entry[name] = first(known)
    if ledger.get("reason") == _MOSTLY_REFUSED and complete and entry["quarantined"] == 0:
        entry.update(status="ingested", reason=None)
    in_all = entry["indexed"] + entry["duplicate"] + entry["quarantined"]
    if entry["records"] != in_all or entry["quarantined"] < 0:
        raise AssertionError("the ledger does not add up")
    return entry


def settled(ledger: Mapping[str, Any]) -> frozenset[str]:
    """Give the entries that the ledger was corrected for last, and that may be held still.

    Whoever corrected it may have died before it let them go.
    """
    found = ledger.get("settled", {})
    return frozenset(found["ids"] if found and found["run_id"] == ledger.get("run_id") else ())


def _moved(
    ledger: Mapping[str, Any], gone: Iterable[str], refusals: Iterable[Refused]
) -> list[dict[str, Any]]:
    """Count refusals by reason anew; earlier versions wrote an object, we write a list."""
    found = ledger.get("refusals") or []
    counts = Counter(
        found if isinstance(found, dict) else {one["reason"]: one["count"] for one in found}
    )
    counts.subtract(gone)
    for one in refusals:
        counts.subtract([one.entry.reason])
        counts.update([one.reason])
    return [{"reason": reason, "count": n} for reason, n in sorted(counts.items()) if n > 0]
