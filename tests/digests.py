"""A trail of our own with digest files, signed by keys of our own."""

from __future__ import annotations

import base64
import gzip
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from enricher.cloudtrail import codec
from enricher.cloudtrail.digest import PublicKey
from enricher.cloudtrail.times import format_time

ACCOUNT, REGION, TRAIL = "111122223333", "eu-west-1", "my_trail"
BUCKET = "trail-bucket"
HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 2, 12, 36, 49, tzinfo=UTC)


@cache
def _private_key(number: int) -> rsa.RSAPrivateKey:
    del number  # each number has a key of its own
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True)
class Signer:
    """A key that signs digest files in some time."""

    number: int = 0
    fingerprint: str = ""
    valid_from: datetime = NOON - timedelta(days=30)
    valid_until: datetime = NOON + timedelta(days=30)

    @property
    def name(self) -> str:
        return self.fingerprint or hashlib.md5(b"%d" % self.number).hexdigest()  # noqa: S324 - a name

    def sign(self, text: str) -> str:
        return _private_key(self.number).sign(text.encode(), PKCS1v15(), SHA256()).hex()

    def der(self, kind: PublicFormat = PublicFormat.PKCS1) -> bytes:
        return _private_key(self.number).public_key().public_bytes(Encoding.DER, kind)

    def public(self) -> PublicKey:
        return PublicKey(
            fingerprint=self.name,
            der=self.der(),
            valid_from=self.valid_from,
            valid_until=self.valid_until,
        )

    def printed(self) -> dict[str, Any]:
        """Give it as the AWS CLI prints it."""
        return {
            "Value": base64.b64encode(self.der()).decode(),
            "Fingerprint": self.name,
            "ValidityStartTime": format_time(self.valid_from),
            "ValidityEndTime": self.valid_until.timestamp(),
        }


@dataclass
class Delivery:
    """A bucket as a trail fills it: one digest file for each hour.

    Attributes:
        objects: Content by key, compressed.
        metadata: Of each object, by key.
        last: The body of the last digest file, its hash and its signature.
    """

    bucket: str = BUCKET
    prefix: str = ""
    trail: str = TRAIL
    signer: Signer = field(default_factory=Signer)
    objects: dict[str, bytes] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    last: tuple[dict[str, Any], str, str] | None = None
    digests: list[str] = field(default_factory=list)

    def folder(self, what: str, at: datetime) -> str:
        return f"{self.prefix}AWSLogs/{ACCOUNT}/{what}/{REGION}/{at:%Y/%m/%d}/"

    def log(self, at: datetime, records: list[dict[str, Any]] | None = None) -> str:
        """Deliver a log file; give its key."""
        content = codec.dumps({"Records": records or [{"eventID": f"{at}"}]})
        unique = hashlib.sha256(f"{self.trail}{at}".encode()).hexdigest()[:16]
        name = f"{ACCOUNT}_CloudTrail_{REGION}_{at:%Y%m%dT%H%MZ}_{unique}.json.gz"
        key = f"{self.folder('CloudTrail', at)}{name}"
        self.objects[key] = gzip.compress(content)
        return key

    def digest(
        self, end: datetime, logs: list[str], *, generated_at: datetime | None = None
    ) -> str:
        """Deliver a digest file that follows the last one; give its key."""
        backfill = "_backfill" if generated_at else ""
        name = (
            f"{ACCOUNT}_CloudTrail-Digest_{REGION}_{self.trail}_{REGION}_"
            f"{end:%Y%m%dT%H%M%SZ}{backfill}.json.gz"
        )
        key = f"{self.folder('CloudTrail-Digest', end)}{name}"
        body, sha256, signature = self.last or ({}, None, None)
        whole = {
            "awsAccountId": ACCOUNT,
            "digestStartTime": format_time(end - HOUR),
            "digestEndTime": format_time(end),
            "digestS3Bucket": self.bucket,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": self.signer.name,
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": None,
            "oldestEventTime": None,
            "previousDigestS3Bucket": body.get("digestS3Bucket"),
            "previousDigestS3Object": body.get("digestS3Object"),
            "previousDigestHashValue": sha256,
            "previousDigestHashAlgorithm": "SHA-256" if sha256 else None,
            "previousDigestSignature": signature,
            "logFiles": [self._named(log) for log in logs],
        }
        self._deliver(key, whole, generated_at)
        self.digests.append(key)
        return key

    def hours(self, count: int, first: datetime = NOON, logs: int = 1) -> None:
        """Deliver so many hours, the end of the first given."""
        for number in range(count):
            end = first + number * HOUR
            starts = [end - timedelta(minutes=40 - 10 * one) for one in range(logs)]
            self.digest(end, [self.log(at) for at in starts])

    def _named(self, log: str) -> dict[str, Any]:
        content = gzip.decompress(self.objects[log])
        return {
            "s3Bucket": self.bucket,
            "s3Object": log,
            "hashValue": hashlib.sha256(content).hexdigest(),
            "hashAlgorithm": "SHA-256",
            "newestEventTime": None,
            "oldestEventTime": None,
        }

    def _deliver(self, key: str, body: dict[str, Any], generated_at: datetime | None) -> None:
        content = codec.dumps(body)
        sha256 = hashlib.sha256(content).hexdigest()
        place = f"{body['digestS3Bucket']}/{body['digestS3Object']}"
        before = body["previousDigestSignature"] or "null"
        signature = self.signer.sign(f"{body['digestEndTime']}\n{place}\n{sha256}\n{before}")
        self.objects[key] = gzip.compress(content)
        self.metadata[key] = {"signature": signature, "signature-algorithm": "SHA256withRSA"}
        if generated_at is not None:
            self.metadata[key]["backfill-generation-timestamp"] = format_time(generated_at)
        self.last = (body, sha256, signature)

    # --- what others do to it ---------------------------------------------------------------

    def remove(self, key: str) -> None:
        del self.objects[key]
        self.metadata.pop(key, None)

    def rewrite(self, key: str, old: bytes, new: bytes) -> None:
        content = gzip.decompress(self.objects[key])
        assert old in content
        self.objects[key] = gzip.compress(content.replace(old, new))

    def move(self, key: str, to: str) -> None:
        self.objects[to] = self.objects.pop(key)
        self.metadata[to] = self.metadata.pop(key)

    def logs(self) -> list[str]:
        return sorted(key for key in self.objects if "/CloudTrail/" in key)
