"""Read one digest file and what it names, and check both against what was signed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from enricher.cloudtrail.digest import DigestFault, parse_digest, signature_fault, signing_span
from enricher.cloudtrail.reading import inflate
from enricher.cloudtrail.times import parse_time
from enricher.errors import LogFileError
from enricher.pipeline.digestplaces import places_of
from enricher.pipeline.findings import LogFinding, LogStatus
from enricher.pipeline.ports import LogFileSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from enricher.cloudtrail.digest import DigestedLog, DigestFile, PublicKey, Span
    from enricher.pipeline.digestplaces import Places

# What cannot be unpacked is not what was delivered; everything else may be our own trouble.
_NOT_AS_DELIVERED = frozenset({"gzip-invalid", "gzip-truncated", "file-empty"})


class DeliveredFiles(LogFileSource, Protocol):
    """Reads files as delivered, and what S3 keeps beside them."""

    def metadata(self, location: str) -> Mapping[str, str]:
        """Give an object's own metadata; nothing where the source keeps none.

        Raises:
            LogFileError: If it cannot be read.
            UnavailableError: If the source does not answer; may be repeated.
        """
        ...


class PublicKeys(Protocol):
    """CloudTrail's public keys."""

    def in_use(self, region: str, signed: Span) -> Sequence[PublicKey]:
        """Give the keys of a region that may have signed at some time of a span, and maybe others.

        Raises:
            ConfigurationError: If they are not to be had.
            UnavailableError: If the service does not answer; may be repeated.
        """
        ...


@dataclass(frozen=True, slots=True)
class ReadDigest:
    """A digest file that was read.

    Attributes:
        digest: What it says: worth nothing where there is a fault. None if it is no digest file.
        places: Where the files are that it names; None where it is not in its own place.
        reason: Why it could not be read, where that is the fault.
    """

    location: str
    fault: DigestFault | None
    digest: DigestFile | None = None
    places: Places | None = None
    reason: str | None = None

    @property
    def before(self) -> str | None:
        """Give the location of the digest file that it names as the one before it."""
        if self.digest is None or self.digest.previous is None or self.places is None:
            return None
        return self.places.location(self.digest.previous.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestReader:
    """Reads digest files and log files, and checks them.

    Attributes:
        inflated_bytes: Size of one file after gunzip at most.
        copied: Whether objects in S3 may be copies from another bucket.
        beside: Metadata of digest files that was saved elsewhere, by object key.
    """

    source: DeliveredFiles
    keys: PublicKeys
    inflated_bytes: int
    copied: bool = False
    beside: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def read(self, location: str, region: str, claimed: Sequence[str]) -> ReadDigest:
        """Read a digest file and check its signature and its place.

        Args:
            location: Where it is.
            region: Whose keys sign it.
            claimed: Signatures that digest files after it say it has.
        """
        try:
            content = b"".join(self._content(location))
            metadata = self.source.metadata(location)
        except LogFileError as err:
            unread = _reading_fault(err)
            reason = None if unread is DigestFault.MISSING else err.reason
            return ReadDigest(location, unread, reason=reason)
        digest = parse_digest(content)
        if digest is None:
            return ReadDigest(location, DigestFault.INVALID_FORMAT)
        places = places_of(location, digest.place, copied=self.copied)
        metadata = {**metadata, **self.beside.get(digest.place.key, {})}
        fault = self._signature_fault(digest, metadata, region, claimed)
        if fault is None and places is None:
            fault = DigestFault.MOVED
        return ReadDigest(location, fault, digest, places)

    def _signature_fault(
        self, digest: DigestFile, metadata: Mapping[str, str], region: str, claimed: Sequence[str]
    ) -> DigestFault | None:
        signatures = [given for given in (metadata.get("signature"), *claimed) if given]
        signed = signing_span(digest, parse_time(metadata.get("backfill-generation-timestamp")))
        keys = self.keys.in_use(region, signed) if signatures else ()
        return signature_fault(digest, signatures, keys, signed)

    def check(self, log: DigestedLog, digest: ReadDigest) -> LogFinding:
        """Read a log file and compare it with what a valid digest file says."""
        assert digest.places is not None, "a valid digest file is in its place"  # noqa: S101
        location = digest.places.location(log.place)
        content = hashlib.sha256()
        try:
            for piece in self._content(location):
                content.update(piece)
        except LogFileError as err:
            status = _status(err)
            reason = err.reason if status is LogStatus.UNREADABLE else None
            return LogFinding(
                location=location, status=status, digest=digest.location, reason=reason
            )
        same = content.hexdigest() == log.sha256
        status = LogStatus.VALID if same else LogStatus.CHANGED
        return LogFinding(location=location, status=status, digest=digest.location)

    def _content(self, location: str) -> Iterator[bytes]:
        return inflate(self.source.read(location), limit=self.inflated_bytes)


def _reading_fault(err: LogFileError) -> DigestFault:
    if err.reason in _NOT_AS_DELIVERED:
        return DigestFault.INVALID_FORMAT
    return DigestFault.MISSING if err.reason == "file-missing" else DigestFault.UNREADABLE


def _status(err: LogFileError) -> LogStatus:
    if err.reason in _NOT_AS_DELIVERED:
        return LogStatus.CHANGED
    return LogStatus.MISSING if err.reason == "file-missing" else LogStatus.UNREADABLE
