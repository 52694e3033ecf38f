"""What a digest file says, and whether its signature holds."""

from __future__ import annotations

import base64
import gzip
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from enricher.cloudtrail import codec
from enricher.cloudtrail.digest import (
    DigestFault,
    GapReason,
    PublicKey,
    S3Object,
    link_fault,
    parse_digest,
    signature_fault,
    signing_span,
)
from tests.digests import BUCKET, HOUR, NOON, Delivery, Signer

if TYPE_CHECKING:
    from enricher.cloudtrail.digest import DigestFile


def delivered(signer: Signer | None = None) -> tuple[DigestFile, str]:
    trail = Delivery(signer=signer or Signer())
    trail.hours(2)
    return parsed(trail, trail.digests[-1]), trail.metadata[trail.digests[-1]]["signature"]


def parsed(trail: Delivery, key: str) -> DigestFile:
    digest = parse_digest(gzip.decompress(trail.objects[key]))
    assert digest is not None
    return digest


def fault_of(digest: DigestFile, signature: str, *keys: PublicKey) -> DigestFault | None:
    return signature_fault(digest, [signature], keys, signing_span(digest))


def test_a_digest_file_is_read() -> None:
    trail = Delivery()
    trail.hours(2, logs=3)
    first, second = (parsed(trail, key) for key in trail.digests)
    assert (first.start_at, first.end_at) == (NOON - HOUR, NOON)
    assert first.previous is None
    assert first.signed_text().endswith(b"\nnull")
    assert second.place == S3Object(BUCKET, trail.digests[1])
    assert second.previous is not None
    assert (second.previous.place, second.previous.sha256) == (first.place, first.sha256)
    assert [log.place.key for log in second.logs] == trail.logs()[3:]
    assert link_fault(second, first) is None


def test_a_signature_holds_by_the_key_it_was_made_with() -> None:
    digest, signature = delivered()
    assert fault_of(digest, signature, Signer().public()) is None
    assert fault_of(digest, signature, Signer(1).public(), Signer().public()) is None


def test_a_key_is_read_in_both_forms() -> None:
    digest, signature = delivered()
    entry = Signer().printed()
    for form in (PublicFormat.PKCS1, PublicFormat.SubjectPublicKeyInfo):
        value = base64.b64encode(Signer().der(form)).decode()
        key = PublicKey.parse({**entry, "Value": value})
        assert key.valid_from == Signer().valid_from
        assert key.valid_until == Signer().valid_until
        assert fault_of(digest, signature, key) is None


def test_what_is_no_rsa_key_fits_nothing() -> None:
    digest, signature = delivered()
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    other = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for der in (other, b"", b"no key"):
        value = base64.b64encode(der).decode()
        key = PublicKey.parse({**Signer().printed(), "Value": value})
        assert fault_of(digest, signature, key) is DigestFault.INVALID_SIGNATURE


@pytest.mark.parametrize(
    "change",
    [
        {"Value": "not base64!"},
        {"Value": None},
        {"Fingerprint": None},
        {"ValidityStartTime": "yesterday"},
        {"ValidityEndTime": None},
    ],
)
def test_a_key_that_cannot_be_read_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its message is the caller's
        PublicKey.parse({**Signer().printed(), **change})


def test_every_reason_why_a_signature_does_not_hold() -> None:
    digest, signature = delivered()
    key, namesake = Signer().public(), Signer(1, Signer().name).public()
    assert fault_of(digest, signature) is DigestFault.KEY_NOT_FOUND
    assert fault_of(digest, signature, Signer(1).public()) is DigestFault.KEY_NOT_FOUND
    assert fault_of(digest, signature, namesake) is DigestFault.INVALID_SIGNATURE
    assert fault_of(digest, signature[:-2] + "00", key) is DigestFault.INVALID_SIGNATURE
    assert fault_of(digest, "no hex", key) is DigestFault.INVALID_SIGNATURE
    span = signing_span(digest)
    assert signature_fault(digest, [], [key], span) is DigestFault.NO_SIGNATURE
    assert signature_fault(digest, ["00", signature], [key], span) is None


def test_a_key_signs_only_in_its_time() -> None:
    digest, signature = delivered()
    end, day = digest.end_at, timedelta(days=1)

    def fault(valid_from: timedelta, valid_until: timedelta) -> DigestFault | None:
        signer = Signer(valid_from=end + valid_from, valid_until=end + valid_until)
        return fault_of(digest, signature, signer.public())

    assert fault(-day, timedelta(0)) is None
    assert fault(HOUR, day) is None  # it is signed when it is delivered, up to two hours later
    assert fault(-day, -HOUR) is DigestFault.KEY_NOT_VALID_THEN
    assert fault(3 * HOUR, day) is DigestFault.KEY_NOT_VALID_THEN


def test_an_algorithm_that_we_do_not_know_is_told_apart() -> None:
    trail = Delivery()
    trail.hours(1)
    key = trail.digests[0]
    trail.rewrite(key, b"SHA256withRSA", b"SHA512withRSA")
    fault = fault_of(parsed(trail, key), trail.metadata[key]["signature"], Signer().public())
    assert fault is DigestFault.UNKNOWN_ALGORITHM


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"digestEndTime":"2026-03-02T13', b'"digestEndTime":"2026-03-02T14'),
        (b'"digestS3Bucket":"trail-bucket"', b'"digestS3Bucket":"other-bucket"'),
        (b'"hashValue":"', b'"hashValue":"0'),
        (b'"previousDigestSignature":"', b'"previousDigestSignature":"0'),
        (b'"logFiles":[{', b'"logFiles":[ {'),
    ],
)
def test_no_byte_can_be_changed(old: bytes, new: bytes) -> None:
    trail = Delivery()
    trail.hours(2)
    key = trail.digests[1]
    trail.rewrite(key, old, new)
    fault = fault_of(parsed(trail, key), trail.metadata[key]["signature"], Signer().public())
    assert fault is DigestFault.INVALID_SIGNATURE


def test_links_say_what_is_wrong() -> None:
    trail = Delivery()
    trail.hours(3)
    first, second, third = (parsed(trail, key) for key in trail.digests)
    assert link_fault(third, first) is GapReason.MISSING
    assert link_fault(first, second) is GapReason.STOPPED
    trail.rewrite(trail.digests[1], b'"awsAccountId"', b'"awsaccountid"')
    assert link_fault(third, parsed(trail, trail.digests[1])) is GapReason.DIFFERS


REQUIRED = (
    *("digestPublicKeyFingerprint", "digestS3Bucket", "digestS3Object"),
    *("previousDigestSignature", "digestEndTime", "digestStartTime"),
)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_digest_file_without_what_it_needs_is_none(name: str) -> None:
    trail = Delivery()
    trail.hours(1)
    body = codec.loads(gzip.decompress(trail.objects[trail.digests[0]]))
    del body[name]
    assert parse_digest(codec.dumps(body)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"digestEndTime": "soon"},
        {"digestEndTime": 1772454000},
        {"digestS3Object": "AWSLogs/../../etc/passwd"},
        {"logFiles": [{"s3Bucket": "b", "s3Object": "k", "hashValue": "0"}]},
        {
            "logFiles": [
                {"s3Bucket": "b", "s3Object": "k", "hashValue": "0", "hashAlgorithm": "MD5"}
            ]
        },
        {"logFiles": ["k"]},
        {"logFiles": 7},
        {"previousDigestS3Object": 7},
    ],
)
def test_a_digest_file_of_another_shape_is_none(change: dict[str, object]) -> None:
    trail = Delivery()
    trail.hours(1)
    body = codec.loads(gzip.decompress(trail.objects[trail.digests[0]]))
    assert parse_digest(codec.dumps({**body, **change})) is None


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists).map(codec.dumps))
def test_whatever_comes_is_read_or_is_none(content: bytes) -> None:
    assert parse_digest(content) is None
