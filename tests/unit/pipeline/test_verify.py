"""Chains of digest files and the log files that they name: whole, tampered with, incomplete."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from enricher.cloudtrail.digest import DigestFault, GapReason
from enricher.cloudtrail.times import format_time
from enricher.errors import LogFileError, UnavailableError
from enricher.pipeline.digestreading import DigestReader
from enricher.pipeline.discover import Selection
from enricher.pipeline.findings import (
    ChainFinding,
    DigestFinding,
    FolderFinding,
    GapFinding,
    LogFinding,
    LogStatus,
)
from enricher.pipeline.verify import VerifyServices, verify
from enricher.stores.memory import MemoryLogFiles, MemoryPublicKeys, SystemClock
from tests.digests import BUCKET, HOUR, NOON, TRAIL, Delivery, Signer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from enricher.pipeline.findings import Finding

EVERYTHING = Selection()


@dataclass
class Found:
    """Findings, sorted by what they are about; locations without their bucket."""

    faults: dict[str, DigestFault] = field(default_factory=dict)
    logs: dict[str, LogStatus] = field(default_factory=dict)
    gaps: list[tuple[str | None, str, GapReason]] = field(default_factory=list)
    chains: list[ChainFinding] = field(default_factory=list)
    uncovered: int = 0
    failed: int = 0

    def add(self, finding: Finding) -> None:
        self.failed += finding.fails
        match finding:
            case DigestFinding(location=location, fault=fault):
                if fault is not None:
                    self.faults[location] = fault
            case LogFinding(location=location, status=status):
                self.logs[location] = status
            case GapFinding(since=since, until=until, reason=reason):
                self.gaps.append((time(since) if since else None, time(until), reason))
            case ChainFinding():
                self.chains.append(finding)
            case FolderFinding(uncovered=uncovered):
                self.uncovered += uncovered

    @property
    def bad_logs(self) -> dict[str, LogStatus]:
        return {one: status for one, status in self.logs.items() if status is not LogStatus.VALID}


def time(at: datetime) -> str:
    return format_time(at)[11:16]


def at(key: str, bucket: str = BUCKET) -> str:
    return f"s3://{bucket}/{key}"


def objects(*trails: Delivery, bucket: str | None = None) -> MemoryLogFiles:
    files: dict[str, bytes] = {}
    metadata: dict[str, Mapping[str, str]] = {}
    for trail in trails:
        where = bucket or trail.bucket
        files.update({at(key, where): content for key, content in trail.objects.items()})
        metadata.update({at(key, where): value for key, value in trail.metadata.items()})
    return MemoryLogFiles(files, metadata)


def services_for(source: MemoryLogFiles, *signers: Signer) -> VerifyServices:
    return VerifyServices(
        listing=source,
        reader=DigestReader(
            source=source,
            keys=MemoryPublicKeys(one.public() for one in signers or (Signer(),)),
            inflated_bytes=1 << 20,
        ),
        clock=SystemClock(),
    )


def verified(
    *trails: Delivery,
    signers: tuple[Signer, ...] = (),
    selection: Selection = EVERYTHING,
    location: str = at(""),
) -> Found:
    found = Found()
    for finding in verify(location, selection, services_for(objects(*trails), *signers)):
        found.add(finding)
    return found


@pytest.fixture
def trail() -> Delivery:
    """Deliver four hours, each with two log files."""
    delivery = Delivery()
    delivery.hours(4, logs=2)
    return delivery


def test_a_chain_that_is_whole_is_valid(trail: Delivery) -> None:
    found = verified(trail)
    assert (found.failed, found.uncovered, found.gaps) == (0, 0, [])
    assert found.logs == dict.fromkeys(map(at, trail.logs()), LogStatus.VALID)
    (chain,) = found.chains
    assert (chain.chain.trail, chain.digests, chain.invalid, chain.gaps) == (TRAIL, 4, 0, 0)
    assert (chain.since, chain.until) == (NOON - HOUR, NOON + 3 * HOUR)
    assert chain.logs == {"valid": 8}


def test_an_hour_without_log_files_is_valid() -> None:
    trail = Delivery()
    trail.digest(NOON, [])
    trail.digest(NOON + HOUR, [])
    found = verified(trail)
    assert (found.failed, found.logs, found.chains[0].logs) == (0, {}, {})


# --- log files ----------------------------------------------------------------------------------


def test_a_log_file_that_was_changed_is_told(trail: Delivery) -> None:
    changed, garbage, empty, truncated, again = trail.logs()[:5]
    trail.rewrite(changed, b"eventID", b"eventId")
    trail.objects[garbage] = b"\x1f\x8b no gzip"
    trail.objects[empty] = b""
    trail.objects[truncated] = trail.objects[truncated][:-9]
    trail.objects[again] = gzip.compress(gzip.decompress(trail.objects[again]), compresslevel=1)
    found = verified(trail)
    bad = (changed, garbage, empty, truncated)
    assert found.bad_logs == dict.fromkeys(map(at, bad), LogStatus.CHANGED)
    assert found.failed == 4
    assert found.chains[0].logs == {"valid": 4, "changed": 4}


def test_a_log_file_that_is_gone_is_told(trail: Delivery) -> None:
    gone = trail.logs()[3]
    trail.remove(gone)
    found = verified(trail)
    assert found.bad_logs == {at(gone): LogStatus.MISSING}
    assert found.failed == 1


class Forbidding(MemoryLogFiles):
    """Objects of which some may not be read."""

    reasons: dict[str, str] = {}  # noqa: RUF012 - set by each test

    def read(self, location: str) -> Iterator[bytes]:
        if location in self.reasons:
            raise LogFileError(self.reasons[location])
        return super().read(location)


def test_what_cannot_be_read_is_neither_valid_nor_changed(trail: Delivery) -> None:
    whole = objects(trail)
    source = Forbidding(whole._files, whole._metadata)
    log, digest = at(trail.logs()[0]), at(trail.digests[2])
    source.reasons = {log: "permission-denied", digest: "file-archived"}
    findings = [one for one in verify(at(""), EVERYTHING, services_for(source)) if one.fails]
    reasons = {one.location: one.reason for one in findings if not isinstance(one, GapFinding)}  # type: ignore[union-attr]
    assert reasons == {digest: "file-archived", log: "permission-denied"}
    gaps = [one.reason for one in findings if isinstance(one, GapFinding)]
    assert gaps == [GapReason.INVALID]


def test_a_server_that_is_away_ends_it(trail: Delivery) -> None:
    class Away(MemoryLogFiles):
        def read(self, location: str) -> Iterator[bytes]:
            if "/CloudTrail/" in location:
                raise UnavailableError("away")
            return super().read(location)

    whole = objects(trail)
    services = services_for(Away(whole._files, whole._metadata))
    with pytest.raises(UnavailableError):
        list(verify(at(""), EVERYTHING, services))


def test_a_log_file_that_no_digest_names_is_told_where_one_should(trail: Delivery) -> None:
    injected = trail.log(NOON + timedelta(minutes=31))
    for uncovered in (NOON - 2 * HOUR, NOON + 3 * HOUR + timedelta(minutes=5), NOON + 9 * HOUR):
        trail.log(uncovered)
    found = verified(trail)
    assert found.bad_logs == {at(injected): LogStatus.UNLISTED}
    assert (found.failed, found.uncovered) == (1, 3)


# --- digest files -------------------------------------------------------------------------------


def test_a_digest_file_that_was_changed_proves_nothing(trail: Delivery) -> None:
    key = trail.digests[1]
    trail.rewrite(key, b"/CloudTrail/", b"/CloudTrail/elsewhere")
    found = verified(trail)
    assert found.faults == {at(key): DigestFault.INVALID_SIGNATURE}
    assert found.gaps == [("12:36", "13:36", GapReason.INVALID)]
    assert len(found.logs) == 6
    assert found.uncovered == 2


def test_a_signature_is_known_from_the_digest_file_after(trail: Delivery) -> None:
    """Metadata that is lost or tampered with hides nothing, but for the newest digest file."""
    for key in trail.digests[:-1]:
        trail.metadata[key] = {}
    trail.metadata[trail.digests[0]] = {"signature": "00"}
    assert verified(trail).failed == 0
    trail.metadata[trail.digests[-1]] = {}
    found = verified(trail)
    assert found.faults == {at(trail.digests[-1]): DigestFault.NO_SIGNATURE}
    assert (found.gaps, found.failed, len(found.logs)) == ([], 1, 6)


def test_a_forged_digest_file_in_between_hides_nothing(trail: Delivery) -> None:
    """It claims another signature of the one before it."""
    for key in trail.digests[:-1]:
        trail.metadata[key] = {}
    forged = trail.digests[2].replace("T143649Z", "T143000Z")
    trail.objects[forged] = trail.objects[trail.digests[2]]
    name, signature = trail.digests[2].encode(), b'"previousDigestSignature":"'
    trail.rewrite(forged, b'"digestS3Object":"' + name, b'"digestS3Object":"' + forged.encode())
    trail.rewrite(forged, signature, signature + b"00")
    found = verified(trail)
    assert found.faults == {at(forged): DigestFault.NO_SIGNATURE}
    assert (found.gaps, len(found.logs)) == ([], 8)


def test_a_digest_file_that_is_none_is_told(trail: Delivery) -> None:
    first, second, third, last = trail.digests
    trail.objects[first] += b"trailing"
    trail.objects[second] = gzip.compress(b'{"Records":[]}')
    trail.objects[third] = trail.objects[third][:-9]
    found = verified(trail)
    assert found.faults == dict.fromkeys(
        map(at, (third, second, first)), DigestFault.INVALID_FORMAT
    )
    assert found.gaps == [(None, "14:36", GapReason.INVALID)]
    assert found.chains[0].digests == 4
    assert last


def test_a_hash_of_the_wrong_length_is_told_and_breaks_nothing(trail: Delivery) -> None:
    """It was seen in a published sample."""
    body, sha256, signature = trail.last or ({}, "", "")
    trail.last = (body, sha256[1:], signature)
    trail.digest(NOON + 4 * HOUR, [])
    found = verified(trail)
    assert found.gaps == [("15:36", "15:36", GapReason.DIFFERS)]
    assert found.faults == {}


@pytest.mark.parametrize("location", [at(""), at("AWSLogs/")])
def test_a_digest_file_that_is_missing_leaves_a_gap(trail: Delivery, location: str) -> None:
    trail.remove(trail.digests[1])
    found = verified(trail, location=location)
    assert found.faults == {at(trail.digests[1]): DigestFault.MISSING}
    assert found.gaps == [("12:36", "13:36", GapReason.MISSING)]
    assert (len(found.logs), found.uncovered) == (6, 2)


def test_a_gap_of_several_hours_is_one(trail: Delivery) -> None:
    for key in trail.digests[1:3]:
        trail.remove(key)
    found = verified(trail)
    assert found.faults == {at(trail.digests[2]): DigestFault.MISSING}
    assert found.gaps == [("12:36", "14:36", GapReason.MISSING)]


def test_what_is_missing_before_the_oldest_is_told(trail: Delivery) -> None:
    trail.remove(trail.digests[0])
    found = verified(trail)
    assert found.gaps == [(None, "12:36", GapReason.MISSING)]
    trail.remove(trail.digests[3])  # the newest: nothing names it yet
    assert verified(trail).gaps == found.gaps


def test_logging_that_was_stopped_leaves_a_gap(trail: Delivery) -> None:
    trail.last = None
    trail.hours(2, NOON + 8 * HOUR)
    found = verified(trail)
    assert found.faults == {}
    assert found.gaps == [("15:36", "19:36", GapReason.STOPPED)]


def test_backfill_digests_are_a_chain_of_their_own(trail: Delivery) -> None:
    made_at = NOON + timedelta(days=60)
    later = Signer(1, valid_from=made_at - HOUR, valid_until=made_at + HOUR)
    backfill = Delivery(signer=later)
    for hour in (-5, -4):
        log = backfill.log(NOON + hour * HOUR - timedelta(minutes=30))
        backfill.digest(NOON + hour * HOUR, [log], generated_at=made_at)
    found = verified(trail, backfill, signers=(Signer(), later))
    assert (found.failed, {one.chain.backfill for one in found.chains}) == (0, {False, True})
    backfill.metadata[backfill.digests[1]].pop("backfill-generation-timestamp")
    found = verified(trail, backfill, signers=(Signer(), later))
    assert found.faults == {at(backfill.digests[1]): DigestFault.KEY_NOT_VALID_THEN}


# --- keys ---------------------------------------------------------------------------------------


def test_keys_change_within_a_chain(trail: Delivery) -> None:
    old = Signer(valid_until=NOON + 4 * HOUR)
    new = Signer(1, valid_from=NOON + 3 * HOUR)
    trail.signer = new
    trail.hours(2, NOON + 4 * HOUR)
    assert verified(trail, signers=(old, new)).failed == 0
    found = verified(trail, signers=(new,))
    assert set(found.faults.values()) == {DigestFault.KEY_NOT_FOUND}
    assert found.gaps == [(None, "15:36", GapReason.INVALID)]
    assert len(found.logs) == 2


def test_a_key_that_was_given_up_signs_no_more(trail: Delivery) -> None:
    """Whoever has an old private key must not sign what is new."""
    old = Signer(valid_until=NOON + HOUR)
    found = verified(trail, signers=(old,))
    assert found.faults == dict.fromkeys(map(at, trail.digests[2:]), DigestFault.KEY_NOT_VALID_THEN)
    assert len(found.logs) == 4


def test_a_key_of_somebody_else_with_the_same_name_fits_nothing(trail: Delivery) -> None:
    found = verified(trail, signers=(Signer(1, Signer().name),))
    assert set(found.faults.values()) == {DigestFault.INVALID_SIGNATURE}
    assert (found.logs, found.chains[0].since) == ({}, None)


# --- places -------------------------------------------------------------------------------------


def test_a_digest_file_under_another_name_proves_nothing(trail: Delivery) -> None:
    key = trail.digests[1]
    trail.move(key, key.replace("T133649Z", "T133650Z"))
    found = verified(trail)
    assert found.faults == {
        at(key.replace("T133649Z", "T133650Z")): DigestFault.MOVED,
        at(key): DigestFault.MISSING,
    }
    assert found.gaps == [("12:36", "13:36", GapReason.MISSING)]


def test_a_copy_is_verified_as_one(trail: Delivery) -> None:
    source = objects(trail, bucket="evidence/case-7")
    services = services_for(source)
    moved = [one for one in verify("s3://evidence/", EVERYTHING, services) if one.fails]
    assert [one.fault for one in moved if isinstance(one, DigestFinding)] == [DigestFault.MOVED] * 4
    copied = replace(services, reader=replace(services.reader, copied=True))
    findings = list(verify("s3://evidence/", EVERYTHING, copied))
    assert not any(one.fails for one in findings)
    logs = [one.location for one in findings if isinstance(one, LogFinding)]
    assert sorted(logs) == [at(key, "evidence/case-7") for key in trail.logs()]


def test_a_copy_of_a_prefix_is_verified_as_one() -> None:
    trail = Delivery(prefix="my/org/")
    trail.hours(2)
    assert verified(trail).failed == 0
    for cut in ("my/", "my/org/AWSLogs/"):
        files = {f"/copy/{key.removeprefix(cut)}": one for key, one in trail.objects.items()}
        source = MemoryLogFiles(files)
        services = services_for(source)
        reader = replace(services.reader, beside=trail.metadata)
        findings = list(verify("/copy", EVERYTHING, replace(services, reader=reader)))
        assert not any(one.fails for one in findings)
        assert len([one for one in findings if isinstance(one, LogFinding)]) == 2


def test_a_chain_may_begin_in_another_bucket(trail: Delivery) -> None:
    old = trail.digests[-1]
    new = Delivery(bucket="new-bucket", prefix="p/", last=trail.last)
    new.hours(2, NOON + 4 * HOUR)
    found = verified(trail, new, location="s3://new-bucket/")
    assert (found.failed, found.chains[0].continues_at) == (0, at(old))
    trail.remove(old)
    found = verified(trail, new, location="s3://new-bucket/")
    assert found.gaps == [(None, "15:36", GapReason.MISSING)]


def test_a_chain_that_was_elsewhere_in_between_is_not_proven_here(trail: Delivery) -> None:
    other = Delivery(bucket="other-bucket", last=trail.last)
    other.hours(2, NOON + 4 * HOUR)
    trail.last = other.last
    trail.hours(1, NOON + 6 * HOUR)
    found = verified(trail, other)
    assert found.gaps == [("15:36", "17:36", GapReason.CONTINUES_ELSEWHERE)]
    assert found.chains[0].continues_at == at(other.digests[-1], "other-bucket")


def test_trails_in_one_folder_are_told_apart(trail: Delivery) -> None:
    other = Delivery(trail="my_trail_eu-west-1")
    other.hours(2, NOON + HOUR)
    found = verified(trail, other)
    assert found.failed == 0
    assert {one.chain.trail: one.digests for one in found.chains} == {TRAIL: 4, other.trail: 2}


# --- what was asked for -------------------------------------------------------------------------


def test_days_that_were_asked_for_are_verified_alone() -> None:
    trail = Delivery()
    trail.hours(60)
    second = Selection(since=date(2026, 3, 3), until=date(2026, 3, 3))
    found = verified(trail, selection=second)
    assert found.failed == 0
    assert (found.chains[0].digests, len(found.logs)) == (24, 24)
    for key in trail.digests[:12]:
        trail.remove(key)
    assert verified(trail, selection=second).failed == 0
    assert verified(trail, selection=Selection(until=date(2026, 3, 3))).gaps == [
        (None, "23:36", GapReason.MISSING)
    ]


def test_accounts_and_regions_that_were_asked_for_are_verified_alone(trail: Delivery) -> None:
    for other in (
        Selection(accounts=frozenset({"444455556666"})),
        Selection(regions=frozenset({"us-east-1"})),
    ):
        assert verified(trail, selection=other).chains == []


def test_files_that_are_no_digest_files_are_left_out(trail: Delivery) -> None:
    trail.objects[f"{trail.digests[0].rpartition('/')[0]}/notes.json"] = b"{}"
    assert verified(trail).failed == 0
