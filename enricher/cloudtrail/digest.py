"""Digest files: what they say, who signed them, how each follows the one before.

An hour of log files of one region has one digest file, which names each with its hash, is signed
by CloudTrail and names the digest file before it. What a digest file says is worth nothing before
``signature_fault`` found none.

References:
    - CloudTrail User Guide, "CloudTrail digest file structure" and "Custom implementations of
      CloudTrail log file integrity validation".
    - identity.md §8.4: the steps, numbered, as the official command takes them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from enricher.cloudtrail.codec import JsonObject

ALGORITHM = "SHA256withRSA"
HASH_ALGORITHM = "SHA-256"
# A digest file is signed when it is delivered, which may be that long after the time it covers.
LATEST_DELIVERY = timedelta(hours=2)
_BACKFILL_SKEW = timedelta(hours=1)
_NO_SIGNATURE_BEFORE = "null"  # what is signed where there is no digest file before
_TEXTS = ("digestPublicKeyFingerprint", "digestS3Bucket", "digestS3Object", "digestEndTime")


class DigestFault(StrEnum):
    """Why a digest file proves nothing."""

    INVALID_FORMAT = "invalid-format"
    INVALID_SIGNATURE = "invalid-signature"
    KEY_NOT_FOUND = "key-not-found"
    KEY_NOT_VALID_THEN = "key-not-valid-then"
    MISSING = "missing"
    MOVED = "moved"
    NO_SIGNATURE = "no-signature"
    UNKNOWN_ALGORITHM = "unknown-algorithm"
    UNREADABLE = "unreadable"


class GapReason(StrEnum):
    """Why nothing is proven of a time between digest files."""

    CONTINUES_ELSEWHERE = "continues-elsewhere"
    DIFFERS = "previous-digest-differs"
    INVALID = "digest-invalid"
    MISSING = "digest-missing"
    STOPPED = "logging-or-validation-stopped"


@dataclass(frozen=True, slots=True)
class S3Object:
    """Where something was delivered to."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestedLog:
    """One log file as a digest file names it.

    Attributes:
        sha256: Of the gunzipped content, lower-case hex; so a file compressed anew still fits.
    """

    place: S3Object
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousDigest:
    """The digest file before, as the one after it names it.

    Attributes:
        sha256: Of its gunzipped content, as written.
    """

    place: S3Object
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestFile:
    """What a digest file says.

    Attributes:
        start_at: Log files delivered from then on, UTC; it goes by delivery, not by event.
        end_at: Log files delivered before then, UTC.
        end_text: The same as written: that is what is signed.
        place: Where it says it was delivered to.
        fingerprint: Names the public key.
        previous: None where logging or validation was (re)started.
        previous_signature: The signature of the digest file before, hex; None where none is.
        sha256: Of its own gunzipped content.
    """

    start_at: datetime
    end_at: datetime
    end_text: str
    place: S3Object
    fingerprint: str
    algorithm: str
    previous: PreviousDigest | None
    previous_signature: str | None
    logs: tuple[DigestedLog, ...]
    sha256: str

    def signed_text(self) -> bytes:
        """Give what CloudTrail signed: time, place, content and the signature before."""
        lines = (
            self.end_text,
            f"{self.place.bucket}/{self.place.key}",
            self.sha256,
            self.previous_signature or _NO_SIGNATURE_BEFORE,
        )
        return "\n".join(lines).encode()


def parse_digest(content: bytes) -> DigestFile | None:
    """Read a digest file's gunzipped content; None where it is no digest file."""
    try:
        body = codec.loads(content)
        return _digest_file(body, hashlib.sha256(content).hexdigest())
    except (codec.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def _digest_file(body: JsonObject, sha256: str) -> DigestFile:
    fingerprint, bucket, key, end_text = (_text(body, name) for name in _TEXTS)
    signature = body["previousDigestSignature"]
    return DigestFile(
        start_at=_time(body["digestStartTime"]),
        end_at=_time(end_text),
        end_text=end_text,
        place=_place(bucket, key),
        fingerprint=fingerprint,
        algorithm=body.get("digestSignatureAlgorithm", ALGORITHM),
        previous=_previous(body),
        previous_signature=None if signature is None else _text(body, "previousDigestSignature"),
        logs=tuple(_log(entry) for entry in body.get("logFiles") or ()),
        sha256=sha256,
    )


def _previous(body: JsonObject) -> PreviousDigest | None:
    if body.get("previousDigestS3Object") is None:
        return None
    place = _place(_text(body, "previousDigestS3Bucket"), _text(body, "previousDigestS3Object"))
    return PreviousDigest(place=place, sha256=_text(body, "previousDigestHashValue").lower())


def _log(entry: JsonObject) -> DigestedLog:
    if entry["hashAlgorithm"] != HASH_ALGORITHM:
        raise ValueError
    place = _place(_text(entry, "s3Bucket"), _text(entry, "s3Object"))
    return DigestedLog(place=place, sha256=_text(entry, "hashValue").lower())


def _place(bucket: str, key: str) -> S3Object:
    if ".." in key.split("/"):  # CloudTrail writes none, and a copy on disk must not be left
        raise ValueError
    return S3Object(bucket, key)


def _text(body: JsonObject, name: str) -> str:
    value = body[name]
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _time(value: object) -> datetime:
    at = parse_time(value) if isinstance(value, str) else None
    if at is None:
        raise ValueError
    return at


# --- public keys ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """One of CloudTrail's public keys; each region has its own, and their times overlap.

    Attributes:
        der: PKCS #1 ``RSAPublicKey`` as the service gives it; SubjectPublicKeyInfo is read too.
        valid_from: When its private half began to sign, UTC.
        valid_until: When that ended.
    """

    fingerprint: str
    der: bytes
    valid_from: datetime
    valid_until: datetime

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Self:
        """Read an entry of a ``PublicKeyList``: of the API, or of what the AWS CLI prints.

        Raises:
            ValueError: If it is none.
        """
        try:
            value = entry["Value"]
            return cls(
                fingerprint=_text(dict(entry), "Fingerprint"),
                der=value if isinstance(value, bytes) else base64.b64decode(value, validate=True),
                valid_from=_validity(entry["ValidityStartTime"]),
                valid_until=_validity(entry["ValidityEndTime"]),
            )
        except (KeyError, TypeError, binascii.Error) as err:
            raise ValueError from err

    def signed_between(self, span: Span) -> bool:
        """Say whether it was in use at some time of a span."""
        return self.valid_from <= span.end and span.start <= self.valid_until


@dataclass(frozen=True, slots=True)
class Span:
    """A time from start to end, both included."""

    start: datetime
    end: datetime


def _validity(value: object) -> datetime:
    at = value if isinstance(value, datetime) else parse_time(value)
    if at is None:
        raise ValueError
    return at


def signing_span(digest: DigestFile, generated_at: datetime | None = None) -> Span:
    """Give the time in which a digest file was signed.

    Args:
        digest: It covers the hour before.
        generated_at: When a backfill digest was made, by its metadata; None for others.
    """
    if generated_at is None:
        return Span(digest.end_at, digest.end_at + LATEST_DELIVERY)
    return Span(generated_at - _BACKFILL_SKEW, generated_at + _BACKFILL_SKEW)


# --- the checks -------------------------------------------------------------------------------


def signature_fault(
    digest: DigestFile, signatures: Iterable[str], keys: Iterable[PublicKey], signed: Span
) -> DigestFault | None:
    """Say why a digest file's signature does not hold; None if one does.

    Args:
        digest: What was signed.
        signatures: Those at hand, hex: from the object's metadata, and from the digest file after
            it. Where they come from proves nothing; that one fits the key does.
        keys: CloudTrail's public keys of the region.
        signed: When it was signed.
    """
    candidates = list(signatures)
    if digest.algorithm != ALGORITHM:
        return DigestFault.UNKNOWN_ALGORITHM
    if not candidates:
        return DigestFault.NO_SIGNATURE
    named = [key for key in keys if key.fingerprint == digest.fingerprint]
    if not named:
        return DigestFault.KEY_NOT_FOUND
    in_use = [key for key in named if key.signed_between(signed)]
    if not in_use:
        return DigestFault.KEY_NOT_VALID_THEN
    text = digest.signed_text()
    if any(_fits(key, signature, text) for key in in_use for signature in candidates):
        return None
    return DigestFault.INVALID_SIGNATURE


def _fits(key: PublicKey, signature: str, text: bytes) -> bool:
    try:
        public = load_der_public_key(key.der)
        if not isinstance(public, RSAPublicKey):
            return False
        public.verify(bytes.fromhex(signature), text, PKCS1v15(), SHA256())
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def link_fault(newer: DigestFile, older: DigestFile) -> GapReason | None:
    """Say what is wrong between two neighboring digest files that are both valid; None if nothing.

    Args:
        newer: It names the one before it.
        older: The nearest valid one before it that is there.
    """
    if newer.previous is None:
        return GapReason.STOPPED
    if newer.previous.place != older.place:
        return GapReason.MISSING
    return None if newer.previous.sha256 == older.sha256 else GapReason.DIFFERS
