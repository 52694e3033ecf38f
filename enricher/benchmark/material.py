"""What is measured with: anybody's log files, repeated under fresh ids as often as needed.

A repetition under the ids of the one before would be duplicates to the index and contradictions
to the evidence. So every id that CloudTrail makes unique is made anew, the same one the same way
wherever it stands: what belongs together stays together.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from enricher.cloudtrail import codec
from enricher.cloudtrail.indexable import indexable
from enricher.cloudtrail.reading import InputLimits, inflate, parse_log_file
from enricher.cloudtrail.record import Record
from enricher.enrichers.oracle import enrich_all
from enricher.errors import ConfigurationError, LogFileError, RecordError
from enricher.pipeline.documents import new_document
from enricher.stores.directory import DirectoryLogFiles, find_log_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from enricher.cloudtrail.codec import JsonObject
    from enricher.enrichers.interface import Enricher

_LIMITS = InputLimits()
_IDS = re.compile(  # ids of events, requests and sign-ins; unique ids of keys and principals
    rb"\b(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    rb"|(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{8,32})\b"
)
_KEPT = 4  # characters that say what kind of id it is
_TO_KEY_LETTERS = bytes.maketrans(b"0123456789abcdef", b"ABCDEFGH23456723")


@dataclass(frozen=True, slots=True)
class LogFile:
    """One log file, not compressed, and how many records it holds."""

    content: bytes
    records: int


@dataclass(frozen=True)
class Material:
    """Log files in the order of their events."""

    files: tuple[LogFile, ...]

    @cached_property
    def count(self) -> int:
        """How many records there are."""
        return sum(file.records for file in self.files)

    def fresh(self, salt: str) -> Material:
        """Give the same files under other ids; the same salt gives the same ids."""
        return Material(tuple(LogFile(_fresh(f.content, salt), f.records) for f in self.files))

    def first(self, records: int) -> Material:
        """Give the first files, with so many records or a file more; all, if they have fewer."""
        before = accumulate((file.records for file in self.files), initial=0)
        return Material(
            tuple(one for one, count in zip(self.files, before, strict=False) if count < records)
        )

    def rest(self, records: int) -> Material:
        """Give the files that ``first`` leaves."""
        return Material(self.files[len(self.first(records).files) :])

    def records(self) -> Iterator[JsonObject]:
        """Parse every record, in order."""
        for file in self.files:
            for _, raw in parse_log_file(file.content, _LIMITS).records:
                yield raw

    def write(self, directory: Path) -> list[Path]:
        """Write the files as CloudTrail does, gzip; give their paths, in order."""
        directory.mkdir(parents=True, exist_ok=True)
        paths = []
        for number, file in enumerate(self.files):
            path = directory / f"{number:06}.json.gz"
            path.write_bytes(gzip.compress(file.content, compresslevel=6, mtime=0))
            paths.append(path)
        return paths


def read_material(paths: Sequence[Path], events: int) -> Material:
    """Read log files, and repeat them under fresh ids until there are so many records.

    Left out is what costs nothing of what is measured: records that the pipeline would refuse, and
    those that are there twice, or would be when they are repeated, for their ids are no UUIDs.

    Raises:
        ConfigurationError: If there is no record to be found.
    """
    seen: set[str] = set()
    once = [file for path in paths for file in _files_below(path, seen)]
    once.sort(key=lambda dated: dated[0])
    files = tuple(file for _, file in once)
    if not files:
        raise ConfigurationError("no log file with records there; name log files or folders")
    return repeated(Material(files), events)


def repeated(material: Material, events: int) -> Material:
    """Repeat files under fresh ids until there are so many records, or one file more."""
    files: list[LogFile] = []
    count = repetition = 0
    while count < events:
        again = material.fresh(f"repetition {repetition}") if repetition else material
        for file in again.files:
            if count >= events:
                break
            files.append(file)
            count += file.records
        repetition += 1
    return Material(tuple(files))


def log_file(records: Sequence[JsonObject]) -> LogFile:
    """Make a log file of records, as CloudTrail spells it."""
    return LogFile(codec.dumps({"Records": records}), len(records))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Documents that are ready to be sent: as plain as can be, and as the pipeline ends with them.

    Attributes:
        raw: ``_id`` and JSON of each record, without its secrets.
        final: ``_id`` and JSON of each document, enriched with all evidence there is.
        pending: How many documents still wait when all evidence is in.
    """

    raw: list[tuple[str, bytes]]
    final: list[tuple[str, bytes]]
    pending: int


def prepare(material: Material, enrichers: Sequence[Enricher], now: datetime) -> Prepared:
    """Make the documents beforehand, so that sending them costs nothing else."""
    raw: dict[str, bytes] = {}
    records = list(material.records())
    for one in records:
        raw.setdefault(Record(one).document_id, indexable(one, _LIMITS).body)
    final = []
    pending = 0
    for event in enrich_all(records, window_closed=False, enrichers=enrichers):
        document = new_document(
            document_id=event.document_id,
            index="",
            body=raw[event.document_id],
            enriched=event.enriched,
            file="benchmark",
            at=now,
        )
        final.append((document.id, document.body))
        pending += event.enriched["state"] == "pending"
    return Prepared(raw=list(raw.items()), final=final, pending=pending)


def _files_below(path: Path, seen: set[str]) -> Iterator[tuple[datetime, LogFile]]:
    """Give log files with the time of their first record, without records that become nothing."""
    source = DirectoryLogFiles()
    for location in find_log_files([path]).logs:
        try:
            content = b"".join(inflate(source.read(location), limit=_LIMITS.inflated_bytes))
            parsed = parse_log_file(content, _LIMITS).records
        except LogFileError:
            continue
        taken = [(record, raw) for _, raw in parsed if (record := _taken(raw, seen)) is not None]
        if taken:
            yield taken[0][0].at, log_file([raw for _, raw in taken])


def _taken(raw: JsonObject, seen: set[str]) -> Record | None:
    try:
        record = Record(raw)
        indexable(raw, _LIMITS)
    except RecordError:
        return None
    if record.document_id in seen or not _IDS.fullmatch(str(raw.get("eventID")).encode()):
        return None
    seen.add(record.document_id)
    return record


def _fresh(content: bytes, salt: str) -> bytes:
    key = salt.encode()

    def anew(found: re.Match[bytes]) -> bytes:
        old = found[0]
        made = hashlib.blake2b(old, key=key[:64], digest_size=16).hexdigest().encode()
        if b"-" in old:
            return b"-".join((made[:8], made[8:12], made[12:16], made[16:20], made[20:]))
        return old[:_KEPT] + made.translate(_TO_KEY_LETTERS)[: len(old) - _KEPT]

    return _IDS.sub(anew, content)
