"""Digest files on disk and in S3, CloudTrail's public keys over HTTP, the ledger and the events."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

import boto3
import pytest
import redis
from opensearchpy import OpenSearch

from enricher.cloudtrail import codec
from enricher.cloudtrail.digest import Span
from enricher.errors import ConfigurationError, LogFileError, UnavailableError
from enricher.pipeline.digestreading import DigestReader
from enricher.pipeline.discover import Selection
from enricher.pipeline.findings import ChainFinding, DigestFinding, GapFinding, LogFinding
from enricher.pipeline.verify import VerifyServices, verify
from enricher.stores.aws import AwsAccess
from enricher.stores.cloudtrail_keys import CloudTrailPublicKeys
from enricher.stores.digest_keys import FilePublicKeys, months, read_signatures
from enricher.stores.memory import SystemClock
from enricher.stores.s3 import S3LogFiles
from tests.digests import NOON, REGION, Delivery, Signer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from types_boto3_s3 import S3Client

    from enricher.pipeline.findings import Finding
    from enricher.stack import Endpoints

_PATIENCE_SECONDS = 180


def run(*arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command, without servers unless they are named."""
    inherited = {
        name: value
        for name, value in os.environ.items()  # noqa: TID251 - the command inherits what runs the tests
        if not name.startswith("ENRICHER_")
    }
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "enricher.cli", *map(str, arguments)],
        env={**inherited, "COLUMNS": "200", **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )


def verified(*arguments: object, **settings: str) -> tuple[int, list[dict[str, Any]]]:
    """Verify; give the exit code and the findings."""
    answer = run("verify", "--json", *arguments, **settings)
    return answer.returncode, [codec.loads(line) for line in answer.stdout.splitlines()]


def failing(findings: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(one["what"], one.get("fault")) for one in findings if one["fails"]]


# --- on disk ------------------------------------------------------------------------------------


@pytest.fixture
def none_here(tmp_path: Path) -> dict[str, str]:
    """Name a folder in which no servers of ours are."""
    return {"ENRICHER_STACK__DATA_DIR": str(tmp_path / "no-stack")}


def test_a_chain_by_others_is_accepted(trails: Path, none_here: dict[str, str]) -> None:
    chain = trails / "digest-chain"
    keys = ("--public-keys", chain / "public_keys.json")
    signed = (*keys, "--signatures", chain / "metadata.json")
    code, findings = verified(chain, *signed, **none_here)
    (sums,) = [one for one in findings if one["what"] == "chain"]
    assert (code, failing(findings)) == (0, [])
    assert (sums["digests"], sums["logs"], sums["gaps"]) == (4, {"valid": 55}, 0)
    assert (sums["since"], sums["until"]) == ("2023-07-10T09:50:00Z", "2023-07-10T13:50:00Z")
    (folder,) = [one for one in findings if one["what"] == "folder"]
    assert folder["uncovered"] == 0

    code, findings = verified(chain, *keys, **none_here)
    assert code == 1
    assert failing(findings) == [("digest-file", "no-signature")]
    assert len([one for one in findings if one["what"] == "log-file"]) == 55


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("--account", "111122223333", 2),
        ("--region", "eu-west-1", 2),
        ("--since", "2023-07-11", 2),
        ("--until", "2023-07-09", 2),
        ("--since", "2023-07-10", 0),
        ("--until", "2023-07-10", 0),
    ],
)
def test_what_is_not_asked_for_is_not_verified(
    trails: Path, none_here: dict[str, str], option: str, value: str, code: int
) -> None:
    chain = trails / "digest-chain"
    files = (
        *("--public-keys", chain / "public_keys.json"),
        *("--signatures", chain / "metadata.json"),
    )
    assert verified(chain, *files, option, value, **none_here)[0] == code


class OnDisk:
    """A trail of our own, written to a folder, with its keys and signatures beside it."""

    def __init__(self, folder: Path, trail: Delivery, *signers: Signer) -> None:
        self.folder, self.trail = folder, trail
        for key, content in trail.objects.items():
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        keys = [one.printed() for one in signers or (Signer(),)]
        self.keys = folder.parent / "keys.json"
        self.keys.write_bytes(codec.dumps({"PublicKeyList": keys}))
        self.signatures = folder.parent / "signatures.json"
        self.signatures.write_bytes(codec.dumps(trail.metadata))

    @property
    def arguments(self) -> tuple[object, ...]:
        keys, signatures = ("--public-keys", self.keys), ("--signatures", self.signatures)
        return (self.folder, *keys, *signatures)


def test_what_was_done_to_a_trail_is_shown_and_nothing_of_it_is_interpreted(
    tmp_path: Path, none_here: dict[str, str]
) -> None:
    trail = Delivery()
    trail.hours(4)
    changed, missing, *_ = trail.logs()
    trail.rewrite(changed, b"eventID", b"eventId")
    trail.remove(missing)
    trail.remove(trail.digests[2])
    disk = OnDisk(tmp_path / "\x1b[31m[bold]copy", trail)
    answer = run("verify", *disk.arguments, **none_here)
    assert answer.returncode == 1
    lines = answer.stdout.splitlines()
    gap = "from 2026-03-02T13:36:49Z to 2026-03-02T14:36:49Z"
    assert [line.partition("/")[0] for line in lines[:4]] == [
        "digest file missing: ",
        f"gap, digest-missing: 111122223333 eu-west-1 my_trail {gap}",
        "log file missing: ",
        "log file changed: ",
    ]
    assert "\x1b" not in answer.stdout
    assert "\\x1b[31m[bold]copy" in answer.stdout
    assert "3 of 4" in answer.stdout
    assert "log files of a time that no digest file covers: 1" in answer.stdout
    assert "Not kept in the ledger" in answer.stderr


def test_bad_usage_says_what_to_do(tmp_path: Path, none_here: dict[str, str]) -> None:
    bad = tmp_path / "bad.json"
    cases = [
        ((tmp_path / "nothing",), 2, "no such place"),
        ((tmp_path,), 2, "CloudTrail-Digest"),
        ((tmp_path, "--since", "x"), 2, "--since takes a date"),
        ((tmp_path, "--until", "x"), 2, "--until takes a date"),
        ((tmp_path, "--since", "2026-03-02", "--until", "2026-03-01"), 2, "before --since"),
        ((tmp_path, "--public-keys", bad), 1, "cannot be read"),
        ((tmp_path, "--ledger"), 1, "enricher stack up"),
    ]
    for arguments, code, said in cases:
        answer = run("verify", *arguments, **none_here)
        assert (answer.returncode, said in answer.stderr) == (code, True), answer.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "no public keys"),
        (b"{}", "no public keys"),
        (b'{"PublicKeyList":[{"Value":"x"}]}', "cannot be read"),
        (b'{"PublicKeyList":[7]}', "cannot be read"),
    ],
)
def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        FilePublicKeys(path)


@pytest.mark.parametrize("content", [b"[]", b'{"k":7}', b'{"k":{"signature":7}}'])
def test_a_file_that_holds_no_signatures_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "signatures.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        read_signatures(path)


# --- in S3 --------------------------------------------------------------------------------------


@pytest.fixture
def s3(endpoint: str) -> Iterator[S3Client]:
    client = boto3.client("s3", endpoint_url=endpoint, region_name=REGION)
    yield client
    client.close()


def upload(s3: S3Client, trail: Delivery) -> None:
    s3.create_bucket(
        Bucket=trail.bucket,
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
    )
    for key, content in trail.objects.items():
        metadata = trail.metadata.get(key, {})
        s3.put_object(Bucket=trail.bucket, Key=key, Body=content, Metadata=metadata)


class KeyService(BaseHTTPRequestHandler):
    """CloudTrail's ``ListPublicKeys`` as AWS answers it, one key a page."""

    signers: ClassVar[list[Signer]] = []
    asked: ClassVar[list[dict[str, Any]]] = []
    refuse: ClassVar[str | None] = None

    def do_POST(self) -> None:
        request = codec.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["X-Amz-Target"].endswith(".ListPublicKeys")
        scope = self.headers["Authorization"].partition("Credential=")[2].split("/")
        type(self).asked.append({**request, "region": scope[2]})
        if self.refuse:
            self._answer(400, {"__type": self.refuse, "message": "no"})
            return
        start, end = request["StartTime"], request["EndTime"]
        found = [
            one
            for one in self.signers
            if one.valid_from.timestamp() <= end and start <= one.valid_until.timestamp()
        ]
        number = int(request.get("NextToken", 0))
        answer: dict[str, Any] = {"PublicKeyList": [entry(one) for one in found[number:][:1]]}
        if number + 1 < len(found):
            answer["NextToken"] = str(number + 1)
        self._answer(200, answer)

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = codec.dumps(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


def entry(signer: Signer) -> dict[str, Any]:
    return {
        "Value": base64.b64encode(signer.der()).decode(),
        "Fingerprint": signer.name,
        "ValidityStartTime": signer.valid_from.timestamp(),
        "ValidityEndTime": signer.valid_until.timestamp(),
    }


@pytest.fixture
def key_service(endpoint: str) -> Iterator[str]:
    """Give the address of a server that gives our own public keys as CloudTrail does."""
    del endpoint  # the credentials that it set
    KeyService.signers, KeyService.asked, KeyService.refuse = [Signer()], [], None
    server = ThreadingHTTPServer(("127.0.0.1", 0), KeyService)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def services(endpoint: str, key_service: str, *, page_keys: int = 1_000) -> VerifyServices:
    source = S3LogFiles(AwsAccess(endpoint_url=endpoint, region=REGION), page_keys=page_keys)
    keys = CloudTrailPublicKeys(AwsAccess(endpoint_url=key_service, max_attempts=1))
    reader = DigestReader(source=source, keys=keys, inflated_bytes=1 << 20)
    return VerifyServices(listing=source, reader=reader, clock=SystemClock())


def bad(findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one.fails]


def test_a_trail_in_s3_is_verified_with_keys_of_the_service(
    endpoint: str, s3: S3Client, key_service: str
) -> None:
    trail = Delivery(bucket=f"trail-{uuid4().hex}", prefix="my/")
    trail.hours(30, logs=2)
    upload(s3, trail)
    where, using = f"s3://{trail.bucket}/", services(endpoint, key_service, page_keys=7)
    findings = list(verify(where, Selection(), using))
    assert bad(findings) == []
    assert len([one for one in findings if isinstance(one, LogFinding)]) == 60
    assert [one["region"] for one in KeyService.asked] == [REGION], "asked once for the month"

    changed, missing = trail.logs()[10], trail.logs()[20]
    s3.put_object(Bucket=trail.bucket, Key=changed, Body=b"{}")
    s3.delete_object(Bucket=trail.bucket, Key=missing)
    s3.delete_object(Bucket=trail.bucket, Key=trail.digests[20])
    found = bad(list(verify(where, Selection(), using)))
    logs = {one.location: one.status for one in found if isinstance(one, LogFinding)}
    assert logs == {f"{where}{changed}": "changed", f"{where}{missing}": "missing"}
    assert [one.location for one in found if isinstance(one, DigestFinding)] == [
        f"{where}{trail.digests[20]}"
    ]
    assert len([one for one in found if isinstance(one, GapFinding)]) == 1

    second = Selection(since=date(2026, 3, 3), until=date(2026, 3, 3))
    (chain,) = [one for one in verify(where, second, using) if isinstance(one, ChainFinding)]
    assert (chain.digests, chain.invalid) == (18, 1)
    second = Selection(until=date(2026, 3, 2))
    (chain,) = [one for one in verify(where, second, using) if isinstance(one, ChainFinding)]
    assert (chain.digests, chain.invalid, chain.gaps) == (12, 0, 0)


def test_a_signature_is_read_from_the_objects_metadata(
    endpoint: str, s3: S3Client, key_service: str
) -> None:
    trail = Delivery(bucket=f"trail-{uuid4().hex}")
    trail.hours(1)
    upload(s3, trail)
    source = S3LogFiles(AwsAccess(endpoint_url=endpoint, region=REGION), requester_pays=True)
    location = f"s3://{trail.bucket}/{trail.digests[0]}"
    assert source.metadata(location) == trail.metadata[trail.digests[0]]
    with pytest.raises(LogFileError, match="file-missing"):
        source.metadata(f"{location}x")
    forged = {**trail.metadata[trail.digests[0]], "signature": "00" * 256}
    body = trail.objects[trail.digests[0]]
    s3.put_object(Bucket=trail.bucket, Key=trail.digests[0], Body=body, Metadata=forged)
    using = services(endpoint, key_service)
    (finding,) = bad(list(verify(f"s3://{trail.bucket}/", Selection(), using)))
    assert isinstance(finding, DigestFinding)
    assert finding.fault == "invalid-signature"


def test_a_bucket_that_is_missing_cannot_be_verified(endpoint: str, key_service: str) -> None:
    using = services(endpoint, key_service)
    with pytest.raises(LogFileError, match="file-missing"):
        list(verify("s3://no-such-bucket-here/", Selection(), using))


def test_keys_are_asked_for_page_by_page_and_once(key_service: str) -> None:
    old = Signer(1, valid_until=NOON - timedelta(days=1))
    KeyService.signers = [Signer(), Signer(2), old]
    keys = CloudTrailPublicKeys(AwsAccess(endpoint_url=key_service))
    span = Span(NOON, NOON + timedelta(hours=2))
    assert {key.fingerprint for key in keys.in_use("eu-west-1", span)} == {
        one.name for one in (Signer(), Signer(2), old)
    }
    assert len(keys.in_use("eu-west-1", span)) == 3
    assert [one.get("NextToken") for one in KeyService.asked] == [None, "1", "2"]
    keys.in_use("cn-north-1", Span(NOON - timedelta(days=3), NOON))
    assert [one["region"] for one in KeyService.asked[3:]] == ["cn-north-1"] * 6


def test_months_are_whole() -> None:
    december = datetime(2025, 12, 31, 23, tzinfo=UTC)
    found = months(Span(december, december + timedelta(hours=2)))
    assert [(start.month, end.month, end.year) for start, end in found] == [
        (12, 1, 2026),
        (1, 2, 2026),
    ]


def test_keys_that_are_refused_say_what_to_do(key_service: str) -> None:
    KeyService.refuse = "AccessDeniedException"
    keys = CloudTrailPublicKeys(AwsAccess(endpoint_url=key_service, max_attempts=1))
    with pytest.raises(ConfigurationError, match="--public-keys"):
        keys.in_use("eu-west-1", Span(NOON, NOON))
    KeyService.refuse = "ThrottlingException"
    with pytest.raises(UnavailableError):
        keys.in_use("eu-west-1", Span(NOON, NOON))


# --- the ledger and the events ------------------------------------------------------------------


@pytest.fixture
def servers(stack_endpoints: Endpoints) -> dict[str, str]:
    """Name the shared servers, emptied."""
    redis.Redis.from_url(stack_endpoints.redis_url).flushall()
    with closing(OpenSearch(stack_endpoints.opensearch_url)) as client:
        client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
    return {
        "ENRICHER_OPENSEARCH__URL": stack_endpoints.opensearch_url,
        "ENRICHER_REDIS__URL": stack_endpoints.redis_url,
    }


def records(number: int) -> list[dict[str, Any]]:
    return [
        {
            "eventVersion": "1.08",
            "eventID": f"00000000-0000-4000-8000-{number:06}{one:06}",
            "eventTime": "2026-03-02T12:00:00Z",
            "eventName": "ListBuckets",
            "eventSource": "s3.amazonaws.com",
            "awsRegion": REGION,
            "recipientAccountId": "111122223333",
            "userIdentity": {"type": "AWSService", "invokedBy": "config.amazonaws.com"},
        }
        for one in range(3)
    ]


def test_what_verifying_finds_is_kept_and_marked(servers: dict[str, str], tmp_path: Path) -> None:
    trail = Delivery()
    logs = [trail.log(NOON - timedelta(minutes=40 - 5 * n), records(n)) for n in range(5)]
    trail.digest(NOON, logs)
    valid, changed, promised, gone, _ = logs
    trail.rewrite(changed, b"ListBuckets", b"PutBuckets!")
    trail.remove(gone)
    disk = OnDisk(tmp_path / "copy", trail)
    here = disk.folder.resolve()
    kept_away = here / promised
    aside = kept_away.rename(tmp_path / "aside")
    assert run("ingest", "--wait", disk.folder, **servers).returncode == 0
    aside.rename(kept_away)

    code, findings = verified(*disk.arguments, **servers)

    assert code == 1
    assert len(findings) == 8
    with closing(OpenSearch(servers["ENRICHER_OPENSEARCH__URL"])) as client:
        client.indices.refresh(index="cloudtrail-*")
        hits = client.search(index="cloudtrail-events-*", body={"size": 100})["hits"]["hits"]
        entries = client.search(index="cloudtrail-files", body={"size": 100})["hits"]["hits"]
    said = {
        (hit["_source"]["enriched"]["file"], hit["_source"]["enriched"].get("integrity"))
        for hit in hits
    }
    assert said == {
        (str(here / valid), "valid"),
        (str(here / logs[4]), "valid"),
        (str(here / changed), "changed"),
    }
    assert len(hits) == 9
    ledger = {
        hit["_source"]["location"]: (hit["_source"]["status"], hit["_source"]["digest"]["status"])
        for hit in entries
    }
    assert ledger == {
        str(here / valid): ("ingested", "valid"),
        str(here / logs[4]): ("ingested", "valid"),
        str(here / changed): ("ingested", "changed"),
        str(here / promised): ("missing", "valid"),
        str(here / gone): ("missing", "missing"),
    }

    listed = run("files", "--status", "missing", **servers)
    assert (listed.returncode, "2 of 2" in listed.stderr) == (0, True)
    assert "missing: not-ingested" in listed.stdout
    assert "missing: not-delivered" in listed.stdout
    assert run("status", **servers).returncode == 0

    # Enriching again keeps what is known, and a second verification changes nothing.
    assert run("evidence", "rebuild", **servers).returncode == 0
    assert verified(*disk.arguments, **servers) == (code, findings)
    assert run("verify", "--no-ledger", *disk.arguments, **servers).returncode == 1
    with closing(OpenSearch(servers["ENRICHER_OPENSEARCH__URL"])) as client:
        client.indices.refresh(index="cloudtrail-*")
        query = {"query": {"exists": {"field": "enriched.integrity"}}}
        assert client.count(index="cloudtrail-events-*", body=query)["count"] == 9
