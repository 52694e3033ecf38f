"""A finished trail: its records, its truth, and the log files that AWS would deliver.

References:
    - AWS CloudTrail User Guide, "CloudTrail log file name format" and "Getting and viewing your
      CloudTrail log files".
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from tools.trailgen.times import MINUTE, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.trailgen.records import Json
    from tools.trailgen.stage import Stage
    from tools.trailgen.truth import Truth

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_ROUNDING = 5 * MINUTE  # delivery times in file names
_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Delivering:
    """How records become log files.

    Attributes:
        organization_id: Leading folder of an organization's trail; None for single accounts.
        every: Seconds that one file covers.
        largest: Records in one file at most.
    """

    organization_id: str | None = None
    every: int = 5 * MINUTE
    largest: int = 5_000


@dataclass(frozen=True)
class Trail:
    """Records in event time order, and the truth by document id.

    Attributes:
        records: As CloudTrail writes them; they share parts, so treat them as frozen.
        times: Their event times, in seconds since the epoch.
        truth: What an enricher has to find out.
        account_ids: The organization's accounts, the management account first.
        delivering: How they become log files.
    """

    records: tuple[Json, ...]
    times: tuple[int, ...]
    truth: dict[str, Truth]
    account_ids: tuple[str, ...]
    delivering: Delivering

    @cached_property
    def _files(self) -> dict[str, list[Json]]:
        return dict(_log_files(self))

    def files(self) -> dict[str, list[Json]]:
        """Give the records by log file, each named by the path below the bucket's prefix."""
        return self._files


def document_id(written: Json) -> str:
    """Name the document that a record becomes."""
    return f"{written['eventID']}:{written['recipientAccountId']}"


def finish(stage: Stage, delivering: Delivering) -> Trail:
    """Put what was acted in order of time; what shares a second stays in order of acting."""
    acted = sorted(stage.acted, key=lambda act: act[0])
    return Trail(
        records=tuple(written for _, written, _ in acted),
        times=tuple(at for at, _, _ in acted),
        truth={document_id(written): truth for _, written, truth in acted},
        account_ids=tuple(account.id for account in stage.organization.accounts),
        delivering=delivering,
    )


def write(trail: Trail, directory: Path, *, with_truth: bool = True) -> None:
    """Write the log files and, beside ``AWSLogs``, ``truth.json``; same trail, same bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    for path, records in trail.files().items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = _ENCODER.encode({"Records": records})
        target.write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))
    if with_truth:
        (directory / "truth.json").write_text(truth_document(trail), encoding="utf-8")


def truth_document(trail: Trail) -> str:
    """Write the truth as JSON, one line for each document."""
    lines = (
        f"{_ENCODER.encode(name)}:{_ENCODER.encode(truth.document())}"
        for name, truth in trail.truth.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _log_files(trail: Trail) -> Iterator[tuple[str, list[Json]]]:
    delivering = trail.delivering
    slots: dict[tuple[str, str, int], list[Json]] = {}
    for at, written in zip(trail.times, trail.records, strict=True):
        slot = (
            written["recipientAccountId"],
            written["awsRegion"],
            at - at % delivering.every + delivering.every,
        )
        slots.setdefault(slot, []).append(written)
    for slot, records in slots.items():
        rest = iter(records)
        while part := list(islice(rest, delivering.largest)):
            yield _path(delivering, slot, part[0]["eventID"]), part


def _path(delivering: Delivering, slot: tuple[str, str, int], first_event_id: str) -> str:
    account_id, region, closed = slot
    draw = hashlib.sha256(f"{account_id}/{region}/{closed}/{first_event_id}".encode()).digest()
    late = (1 + draw[0] % 2) * _ROUNDING  # 5 to 15 minutes after the event
    delivered = stamp(closed + late)
    compact = delivered[:16].replace("-", "").replace(":", "") + "Z"
    unique = "".join(_ALPHANUMERIC[byte % len(_ALPHANUMERIC)] for byte in draw[1:17])
    organization = f"{delivering.organization_id}/" if delivering.organization_id else ""
    day = delivered[:10].replace("-", "/")
    name = f"{account_id}_CloudTrail_{region}_{compact}_{unique}.json.gz"
    return f"AWSLogs/{organization}{account_id}/CloudTrail/{region}/{day}/{name}"
