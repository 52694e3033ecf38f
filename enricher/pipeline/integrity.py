"""``enriched.integrity``: whether what was ingested is what CloudTrail delivered.

Digest files come an hour after the log files, so mostly an event is there before anybody can say.
Whoever comes second says it: ingesting a file looks what is known of it after it wrote its events;
verifying saves what it found before it marks the events.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from enricher.pipeline.ports import DigestStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from enricher.pipeline.ports import DigestedFile, DigestLedger, IngestedFile


class Integrity(StrEnum):
    """What ``enriched.integrity`` says; it is absent while no digest file said anything."""

    VALID = "valid"
    CHANGED = "changed"


def integrity_of(expected_sha256: str | None, sha256: str) -> Integrity | None:
    """Compare what was read with what a valid digest file names.

    Args:
        expected_sha256: The digest file's; None where none names the log file yet.
        sha256: Of the log file's gunzipped content: that is what digest files hash.
    """
    if expected_sha256 is None:
        return None
    return Integrity.VALID if sha256 == expected_sha256 else Integrity.CHANGED


def mark_integrity(read: Mapping[str, str], ledger: DigestLedger) -> None:
    """Say of log files that were just ingested what digest files said before.

    Args:
        read: Of each log file's gunzipped content the SHA-256, by location.
        ledger: Where digest files are noted. The events and entries of these files are in by now.
    """
    for location in read:
        ledger.adopt_digest(location)
    expected = ledger.digests_of(list(read))
    found = {one: integrity_of(expected.get(one), sha256) for one, sha256 in read.items()}
    _mark(found, ledger)


def keep(files: Sequence[DigestedFile], ledger: DigestLedger) -> None:
    """Save what valid digest files say, and mark the events of what was ingested before."""
    by_location = {file.location: file for file in files}
    ingested = ledger.save_digests(files)
    _mark({one.location: _of_ingested(one, by_location[one.of]) for one in ingested}, ledger)


def _mark(found: Mapping[str, Integrity | None], ledger: DigestLedger) -> None:
    for integrity in Integrity:
        locations = [location for location, word in found.items() if word is integrity]
        if locations:
            ledger.mark_integrity(locations, integrity)


def _of_ingested(ingested: IngestedFile, file: DigestedFile) -> Integrity | None:
    """Go by what was ingested; what is there now counts where that was not noted."""
    if ingested.content_sha256 is not None:
        return integrity_of(file.sha256, ingested.content_sha256)
    match file.status:
        case DigestStatus.VALID:
            return Integrity.VALID
        case DigestStatus.CHANGED:
            return Integrity.CHANGED
        case DigestStatus.MISSING | DigestStatus.UNREADABLE:
            return None
