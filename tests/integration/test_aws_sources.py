"""S3 and SQS over HTTP, spoken by moto's server, up to the documents in OpenSearch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from uuid import uuid4

import boto3
import pytest
import redis
from opensearchpy import OpenSearch

from enricher.cloudtrail import codec
from enricher.errors import ConfigurationError, LogFileError, UnavailableError
from enricher.pipeline.discover import (
    Checkpoint,
    Discovered,
    DiscoverServices,
    Selection,
    queue_listed,
)
from enricher.pipeline.documents import VOLATILE
from enricher.pipeline.intake import Intake
from enricher.pipeline.watch import WatchServices, watch
from enricher.stores.aws import AwsAccess
from enricher.stores.checkpoints import MemoryCheckpoints, RedisCheckpoints
from enricher.stores.memory import MemoryEventIndex, MemoryTaskQueue, SystemClock
from enricher.stores.s3 import S3LogFiles
from enricher.stores.sqs import SqsMessages
from enricher.stores.task_queue import ENRICH_QUEUE, INGEST_QUEUE, NOTED
from tests.integration.aws_house import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

    from enricher.pipeline.discover import Checkpoints
    from enricher.stack import Endpoints

SAMPLES = Path(__file__).parents[2] / "samples" / "AWSLogs"
REGION: Literal["eu-west-1"] = "eu-west-1"
ACCOUNTS = ("111122223333", "444455556666")
REGIONS = ("eu-west-1", "us-east-1")
_PATIENCE_SECONDS = 120
_OF_THE_WINDOW = VOLATILE | {"state", "waiting_for"}

pytestmark = pytest.mark.usefixtures("aws_credentials")


@pytest.fixture
def access(endpoint: str) -> AwsAccess:
    return AwsAccess(endpoint_url=endpoint, region=REGION, max_attempts=2)


@pytest.fixture
def s3(endpoint: str) -> Iterator[S3Client]:
    client = boto3.client("s3", endpoint_url=endpoint, region_name=REGION)
    yield client
    client.close()


@pytest.fixture
def sqs(endpoint: str) -> Iterator[SQSClient]:
    client = boto3.client("sqs", endpoint_url=endpoint, region_name=REGION)
    yield client
    client.close()


@pytest.fixture
def sns(endpoint: str) -> Iterator[Any]:
    client: Any = boto3.session.Session().client(
        "sns",
        endpoint_url=endpoint,
        region_name=REGION,
    )
    yield client
    client.close()


def new_bucket(s3: S3Client) -> str:
    name = f"trail-{uuid4().hex}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


@pytest.fixture
def bucket(s3: S3Client) -> str:
    return new_bucket(s3)


@pytest.fixture
def queue_url(sqs: SQSClient) -> str:
    name = f"queue-{uuid4().hex}"
    return sqs.create_queue(QueueName=name)["QueueUrl"]


def key_of(account: str, region: str, at: datetime, number: int = 0, *, prefix: str = "") -> str:
    return (
        f"{prefix}AWSLogs/{account}/CloudTrail/{region}/{at:%Y/%m/%d}/"
        f"{account}_CloudTrail_{region}_{at:%Y%m%dT%H%MZ}_{number:016d}.json.gz"
    )


# --- reading ------------------------------------------------------------------------------------


def test_an_object_is_read_in_pieces(access: AwsAccess, s3: S3Client, bucket: str) -> None:
    content = os.urandom((1 << 20) + 7)
    s3.put_object(Bucket=bucket, Key="a b+c/ü.json.gz", Body=content)
    pieces = list(S3LogFiles(access).read(f"s3://{bucket}/a b+c/ü.json.gz"))
    assert [len(piece) for piece in pieces] == [1 << 20, 7]
    assert b"".join(pieces) == content


def test_a_version_is_read_even_when_the_object_is_gone(
    access: AwsAccess, s3: S3Client, bucket: str
) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k.json", Body=b"first")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k.json", Body=b"second")
    source = S3LogFiles(access, requester_pays=True)
    assert b"".join(source.read(f"s3://{bucket}/k.json")) == b"second"
    marker = s3.delete_object(Bucket=bucket, Key="k.json")["VersionId"]
    assert b"".join(source.read(f"s3://{bucket}/k.json?versionId={first}")) == b"first"
    for gone in (f"s3://{bucket}/k.json", f"s3://{bucket}/k.json?versionId={marker}"):
        with pytest.raises(LogFileError, match="file-missing"):
            list(source.read(gone))


def test_what_is_missing_is_said(access: AwsAccess, bucket: str) -> None:
    source = S3LogFiles(access)
    for location in (f"s3://{bucket}/missing.json", "s3://no-such-bucket-here/a.json"):
        with pytest.raises(LogFileError, match="file-missing"):
            list(source.read(location))
    with pytest.raises(LogFileError, match="location-invalid"):
        list(source.read("s3://Not A Bucket/a.json"))


def test_a_server_that_is_away_may_be_asked_again() -> None:
    nowhere = AwsAccess(endpoint_url="http://127.0.0.1:9", region=REGION, max_attempts=1)
    with pytest.raises(UnavailableError, match="EndpointConnectionError"):
        list(S3LogFiles(nowhere).read("s3://bucket/a.json"))


# --- listing ------------------------------------------------------------------------------------


class Many(NamedTuple):
    """A bucket, and the log files in it."""

    bucket: str
    keys: list[str]


@pytest.fixture(scope="module")
def many(endpoint: str) -> Many:
    """Put more keys than one page holds under two accounts and regions, and things beside them."""
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name=REGION)
    bucket = new_bucket(s3)
    first = datetime(2026, 2, 27, 22, tzinfo=UTC)
    keys = [
        key_of(account, region, first + timedelta(minutes=5 * number), prefix="my/o/")
        for account in ACCOUNTS
        for region in REGIONS
        for number in range(1_030 if (account, region) == (ACCOUNTS[0], REGIONS[0]) else 30)
    ]
    for key in (*keys, *BESIDE):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    s3.close()
    return Many(bucket, keys)


BESIDE = (
    f"my/o/AWSLogs/{ACCOUNTS[0]}/CloudTrail-Digest/eu-west-1/2026/02/27/d.json.gz",
    f"my/o/AWSLogs/{ACCOUNTS[0]}/CloudTrail-Insight/eu-west-1/2026/02/27/i.json.gz",
    f"my/o/AWSLogs/{ACCOUNTS[0]}/Config/eu-west-1/c.json.gz",
    f"my/o/AWSLogs/{ACCOUNTS[1]}/CloudTrail/us-east-1/2026/02/27/x_CloudTrail-Digest_x.json.gz",
    f"my/o/AWSLogs/{ACCOUNTS[1]}/CloudTrail/us-east-1/2026/02/27/",
    "my/o/AWSLogs/notes/n.json",
    "my/readme.txt",
)


def found_in(  # noqa: PLR0913 - a listing's parts
    access: AwsAccess,
    location: str,
    wanted: Selection | None = None,
    *,
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
    page_keys: int = 1_000,
) -> tuple[list[str], Discovered]:
    queue, found = MemoryTaskQueue(), Discovered()
    services = DiscoverServices(
        listing=S3LogFiles(access, page_keys=page_keys),
        checkpoints=checkpoints or MemoryCheckpoints(),
        intake=Intake(ledger=MemoryEventIndex(), queue=queue, clock=SystemClock()),
        clock=SystemClock(),
    )
    queue_listed(location, wanted or Selection(), "run", services, found, resume=resume)
    return [location.partition("/my/")[2] for location, _ in queue.locations], found


def below_my(keys: Sequence[str]) -> list[str]:
    return [key.removeprefix("my/") for key in keys]


def test_a_trail_is_listed_from_wherever_one_begins(access: AwsAccess, many: Many) -> None:
    bucket, everything = many.bucket, below_my(many.keys)
    found = Discovered()
    for prefix in ("", "my", "my/", "my/o/AWSLogs", "my/o/AWSLogs/"):
        queued, found = found_in(access, f"s3://{bucket}/{prefix}")
        assert queued == everything
        assert len(queued) == found.queued
    assert found.skipped == {
        "digest-folder": 1,
        "insight-folder": 1,
        "other-service-folder": 1,
        "digest-file": 1,
        "empty-folder": 1,
        "other-folder": 1,
    }
    account = f"my/o/AWSLogs/{ACCOUNTS[1]}/"
    region = f"{account}CloudTrail/us-east-1/"
    for prefix in (account, account[:-3], region, f"{region}2026/02/27", f"{region}2026/02/"):
        queued, _ = found_in(access, f"s3://{bucket}/{prefix}")
        assert queued == [key for key in everything if f"my/{key}".startswith(prefix)]
    (one,), _ = found_in(access, f"s3://{bucket}/{many.keys[7]}")
    assert one == everything[7]
    assert found_in(access, f"s3://{bucket}/nothing/here")[0] == []
    digest, found = found_in(access, f"s3://{bucket}/{BESIDE[0].rpartition('/')[0]}")
    assert (digest, found.skipped) == ([], {"digest-folder": 1})


def test_a_selection_is_listed_alone(access: AwsAccess, many: Many) -> None:
    where = f"s3://{many.bucket}"
    wanted = Selection(accounts=frozenset({ACCOUNTS[0]}), regions=frozenset({REGIONS[1]}))
    queued, found = found_in(access, where, wanted)
    assert queued == below_my([k for k in many.keys if f"{ACCOUNTS[0]}/CloudTrail/us-east" in k])
    assert found.skipped["account-not-selected"] == 1
    assert found.skipped["region-not-selected"] == 1
    queued, found = found_in(access, where, Selection(since=date(2026, 2, 28)))
    assert queued == below_my([k for k in many.keys if "/2026/02/27/" not in k])
    assert found.skipped["before-since"] == 0  # they are not even listed


def test_an_organization_is_listed(access: AwsAccess, s3: S3Client, bucket: str) -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    own = key_of(ACCOUNTS[0], REGIONS[0], at, prefix="my/")
    members = [
        own.replace("AWSLogs/", "AWSLogs/o-12e6ca41d6/").replace(ACCOUNTS[0], account)
        for account in ACCOUNTS
    ]
    loose = "my/export/2026/trail.json"
    for key in (own, *members, loose):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    queued, _ = found_in(access, f"s3://{bucket}/")
    assert sorted(queued) == sorted(below_my([own, *members, loose]))
    queued, _ = found_in(access, f"s3://{bucket}/my/AWSLogs/o-12e6ca41d6")
    assert queued == below_my(members)


class Breaking(MemoryCheckpoints):
    """Checkpoints that break off a listing when so many were saved."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def save(self, scope: str, checkpoint: Checkpoint) -> None:
        super().save(scope, checkpoint)
        self.left -= 1
        if self.left == 0:
            raise UnavailableError("broken off")


def test_a_listing_that_broke_off_goes_on(access: AwsAccess, s3: S3Client, many: Many) -> None:
    where, checkpoints = f"s3://{many.bucket}", Breaking(after=4)
    with pytest.raises(UnavailableError, match="broken off"):
        found_in(access, where, checkpoints=checkpoints, page_keys=100)
    rest, _ = found_in(access, where, checkpoints=checkpoints, resume=True, page_keys=100)
    assert rest == below_my(many.keys)[400:]
    assert found_in(access, where, checkpoints=checkpoints, resume=True)[0] == []
    later = key_of(ACCOUNTS[0], REGIONS[0], datetime(2026, 3, 9, tzinfo=UTC), prefix="my/o/")
    s3.put_object(Bucket=many.bucket, Key=later, Body=b"")
    queued, _ = found_in(access, where, checkpoints=checkpoints, resume=True)
    assert queued == below_my([later])
    assert len(found_in(access, where, checkpoints=checkpoints)[0]) == len(many.keys) + 1
    s3.delete_object(Bucket=many.bucket, Key=later)


def test_a_bucket_that_is_missing_cannot_be_listed(access: AwsAccess) -> None:
    with pytest.raises(LogFileError, match="file-missing"):
        found_in(access, "s3://no-such-bucket-here/a")


def test_checkpoints_are_kept_in_redis(stack_endpoints: Endpoints) -> None:
    client = redis.Redis.from_url(stack_endpoints.redis_url)
    checkpoints = RedisCheckpoints(client)
    at = datetime(2026, 3, 2, 8, 35, tzinfo=UTC)
    scope = f"s3://bucket-{uuid4().hex}/p"
    assert checkpoints.load(scope) is None
    for since in (None, date(2026, 3, 1)):
        checkpoint = Checkpoint(key="p/ü", at=at, since=since)
        checkpoints.save(scope, checkpoint)
        assert checkpoints.load(scope) == checkpoint
    for damaged in (b"{", b"[]", b'{"key":"k","at":1,"since":2}', b"{}"):
        client.hset("enricher:checkpoints", scope, damaged)
        assert checkpoints.load(scope) is None
    client.close()


# --- notifications ------------------------------------------------------------------------------


def watching(access: AwsAccess, url: str, visibility: int = 60) -> WatchServices:
    index = MemoryEventIndex()
    return WatchServices(
        messages=SqsMessages(url, access, visibility=timedelta(seconds=visibility)),
        quarantine=index,
        intake=Intake(ledger=index, queue=MemoryTaskQueue(), clock=SystemClock()),
        clock=SystemClock(),
        pause=time.sleep,
    )


def queued_by(services: WatchServices) -> set[str]:
    assert isinstance(services.intake.queue, MemoryTaskQueue)
    return {location for location, _ in services.intake.queue.locations}


def messages_left(sqs: SQSClient, url: str) -> int:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    visible = found["ApproximateNumberOfMessages"]
    return int(visible) + int(found["ApproximateNumberOfMessagesNotVisible"])


def subscribe(sns: Any, sqs: SQSClient, url: str, *, raw: bool) -> str:  # noqa: ANN401 - its types are not installed
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    topic: str = sns.create_topic(Name=f"topic-{uuid4().hex}")["TopicArn"]
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn["QueueArn"],
        Attributes={"RawMessageDelivery": "true" if raw else "false"},
    )
    return topic


def test_every_kind_of_notification_is_understood(
    access: AwsAccess,
    sqs: SQSClient,
    sns: Any,  # noqa: ANN401 - its types are not installed
    queue_url: str,
) -> None:
    def event(key: str) -> str:
        record = {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "b"}, "object": {"key": key}},
        }
        return codec.dumps({"Records": [record]}).decode()

    bridge = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "b"}, "object": {"key": "bridge+.json"}},
    }
    digest = "AWSLogs/111122223333/CloudTrail-Digest/a.json.gz"
    sent = [event("direct+key.json"), codec.dumps(bridge).decode()]
    sent += [codec.dumps({"Event": "s3:TestEvent"}).decode(), event(digest)]
    for body in sent:
        sqs.send_message(QueueUrl=queue_url, MessageBody=body)
    wrapping, raw = (subscribe(sns, sqs, queue_url, raw=raw) for raw in (False, True))
    sns.publish(TopicArn=wrapping, Message=event("wrapped.json"))
    sns.publish(TopicArn=raw, Message=event("raw.json"))
    own = codec.dumps({"s3Bucket": "b", "s3ObjectKey": ["1.json", "2.json"]}).decode()
    sns.publish(TopicArn=wrapping, Message=own)

    services = watching(access, queue_url)
    reports = list(watch(services, "run", until_empty=True))
    names = ("direct key", "bridge+", "wrapped", "raw", "1", "2")
    assert queued_by(services) == {f"s3://b/{name}.json" for name in names}
    ignored = sum((report.ignored for report in reports), start=type(reports[0].ignored)())
    assert ignored == {"test-event": 1, "digest-file": 1}
    assert messages_left(sqs, queue_url) == 0


def test_many_messages_are_deleted_in_batches(
    access: AwsAccess, sqs: SQSClient, queue_url: str
) -> None:
    for _ in range(23):
        sqs.send_message(QueueUrl=queue_url, MessageBody='{"Event":"s3:TestEvent"}')
    reports = list(watch(watching(access, queue_url), "run", until_empty=True))
    assert sum(report.received for report in reports) == 23
    assert sum(report.not_deleted for report in reports) == 0
    assert messages_left(sqs, queue_url) == 0


def test_garbage_stays_until_it_came_too_often(
    access: AwsAccess, sqs: SQSClient, queue_url: str
) -> None:
    sqs.send_message(QueueUrl=queue_url, MessageBody="garbage")
    services = watching(access, queue_url, visibility=0)
    for _ in range(4):
        (report,) = watch(services, "run", most=1)
        assert list(report.left.values()) == ["not-json"]
    assert messages_left(sqs, queue_url) == 1
    (report,) = watch(services, "run", most=1)
    assert list(report.quarantined.values()) == ["not-json"]
    assert messages_left(sqs, queue_url) == 0
    assert isinstance(services.quarantine, MemoryEventIndex)
    (entry,) = services.quarantine.quarantine_entries.values()
    assert entry.verbatim == "garbage"


def test_messages_that_are_gone_already_are_said(
    access: AwsAccess, sqs: SQSClient, queue_url: str
) -> None:
    for _ in range(2):
        sqs.send_message(QueueUrl=queue_url, MessageBody="{}")
    queue = SqsMessages(queue_url, access)
    first, second = queue.receive(10, timedelta(seconds=1))
    queue.extend([first, second])
    damaged = type(first)(id=first.id, receipt="no such receipt", body="")
    assert queue.delete([damaged, second]) == [damaged]
    assert messages_left(sqs, queue_url) == 1


def test_a_queue_that_is_missing_is_a_wrong_setting(access: AwsAccess, queue_url: str) -> None:
    with pytest.raises(ConfigurationError, match="NonExistentQueue"):
        SqsMessages(f"{queue_url}x", access).receive(1, timedelta(0))


# --- from end to end ----------------------------------------------------------------------------


@pytest.fixture
def environment(endpoint: str, stack_endpoints: Endpoints, tmp_path: Path) -> dict[str, str]:
    """Point the command at the shared servers, emptied, and at moto's."""
    client = redis.Redis.from_url(stack_endpoints.redis_url)
    client.flushall()
    client.close()
    search = OpenSearch(stack_endpoints.opensearch_url)
    search.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
    search.close()
    return {
        **os.environ,  # noqa: TID251 - the command inherits what runs the tests
        **CREDENTIALS,
        "ENRICHER_OPENSEARCH__URL": stack_endpoints.opensearch_url,
        "ENRICHER_REDIS__URL": stack_endpoints.redis_url,
        "ENRICHER_STACK__DATA_DIR": str(tmp_path),
        "ENRICHER_AWS__ENDPOINT_URL": endpoint,
        "ENRICHER_AWS__REGION": REGION,
    }


def run(
    environment: dict[str, str], *arguments: str | Path, stdin: bytes = b"", code: int = 0
) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "enricher.cli", *map(str, arguments)],
        env=environment,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )
    assert done.returncode == code, done.stderr.decode()
    return done


@contextmanager
def worker(environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "enricher.cli", "worker", "--concurrency", "1"],
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(_PATIENCE_SECONDS)


def upload(s3: S3Client, bucket: str) -> int:
    files = sorted(SAMPLES.rglob("*.json.gz"))
    for path in files:
        key = f"trail/AWSLogs/{path.relative_to(SAMPLES).as_posix()}"
        s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    return len(files)


def indexed(environment: dict[str, str]) -> dict[str, dict[str, Any]]:
    client = OpenSearch(environment["ENRICHER_OPENSEARCH__URL"])
    client.indices.refresh(index="cloudtrail-*")
    answer = client.search(
        index="cloudtrail-events-*", body={"size": 10_000}, params={"ignore_unavailable": "true"}
    )
    client.close()
    return {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}


def settled(enriched: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in enriched.items() if name not in _OF_THE_WINDOW}


def enrichments(environment: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Give what the events say once their windows are closed, as they always are offline."""
    time.sleep(1)  # a window of nothing is over in the second after the last write
    run({**environment, "ENRICHER_PIPELINE__WINDOW": "PT0S"}, "reconcile")
    return {_id: settled(source["enriched"]) for _id, source in indexed(environment).items()}


def explained(environment: dict[str, str]) -> dict[str, dict[str, Any]]:
    lines = run(environment, "explain", SAMPLES).stdout.splitlines()
    events = [codec.loads(line) for line in lines]
    return {f"{e['eventID']}:{e['recipientAccountId']}": settled(e["enriched"]) for e in events}


def nothing_waits(environment: dict[str, str]) -> bool:
    client = redis.Redis.from_url(environment["ENRICHER_REDIS__URL"])
    waiting = [client.llen(INGEST_QUEUE), client.llen(ENRICH_QUEUE)]
    waiting += [client.hlen("unacked"), client.hlen(NOTED)]
    client.close()
    return not any(waiting)


def eventually(condition: Any) -> None:  # noqa: ANN401 - any callable that gives a truth
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_what_is_delivered_to_a_bucket_ends_as_explained(  # noqa: PLR0913, PLR0917 - fixtures
    s3: S3Client,
    sqs: SQSClient,
    bucket: str,
    queue_url: str,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": arn["QueueArn"], "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    files = upload(s3, bucket)
    expected = explained(environment)
    with worker(environment, tmp_path / "worker.log"):
        done = run(environment, "watch", "--queue-url", queue_url, "--once")
        assert f"{files} log files queued" in done.stdout.decode()
        eventually(lambda: len(indexed(environment)) == len(expected))
        eventually(lambda: nothing_waits(environment))
    assert enrichments(environment) == expected
    assert messages_left(sqs, queue_url) == 0
    files_named = {source["enriched"]["file"] for source in indexed(environment).values()}
    assert all(name.startswith(f"s3://{bucket}/trail/AWSLogs/") for name in files_named)


def test_a_prefix_and_a_stream_are_ingested(
    s3: S3Client, bucket: str, environment: dict[str, str], tmp_path: Path
) -> None:
    files = upload(s3, bucket)
    one = min(SAMPLES.rglob("*.json.gz"))
    expected = explained(environment)
    with worker(environment, tmp_path / "worker.log"):
        done = run(environment, "ingest", "--no-wait", "-", stdin=one.read_bytes())
        assert b"1 log files queued" in done.stdout
        eventually(lambda: indexed(environment))
        (spooled,) = {source["enriched"]["file"] for source in indexed(environment).values()}
        assert Path(spooled).parent == tmp_path / "spool"
        some = ("--account", "444455556666", "--region", "eu-west-1", "--since", "2026-03-02")
        done = run(environment, "ingest", "--no-wait", *some, f"s3://{bucket}/trail")
        assert b"8 log files queued" in done.stdout
        assert b"account-not-selected" in done.stderr
        done = run(environment, "ingest", "--wait", f"s3://{bucket}/trail")
        assert enrichments(environment) == expected
    assert f"{files}" in done.stdout.decode()
    resumed = run(environment, "ingest", "--resume", "--no-wait", f"s3://{bucket}", code=2)
    assert b"no log files there" in resumed.stderr


def test_what_cannot_be_taken_is_one_line(environment: dict[str, str]) -> None:
    missing = run(environment, "ingest", "s3://no-such-bucket-here/p", code=2)
    assert missing.stderr == b"enricher: s3://no-such-bucket-here/p: no such bucket\n"
    empty = run(environment, "ingest", "-", code=2)
    assert empty.stderr == b"enricher: standard input: file-empty\n"
    for option, value in (("--since", "March"), ("--account", "1"), ("--region", "Ireland")):
        assert run(environment, "ingest", option, value, "x", code=2).stderr


def test_a_watch_ends_when_it_is_told(environment: dict[str, str], queue_url: str) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "enricher.cli", "watch", "--queue-url", queue_url],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"watching queue-")
        process.send_signal(number)
        out, _ = process.communicate(timeout=_PATIENCE_SECONDS)
        assert process.returncode == 0
        assert out.startswith(b"0 messages")
