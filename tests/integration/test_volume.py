"""Much of it: late evidence for ten thousand events, hundreds of files, one very large file."""

from __future__ import annotations

import gzip
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psutil

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time
from tests.integration.faults import archived_logs, check
from tests.integration.servers import EVENTS, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.integration.servers import Servers

BEGINNING = datetime(2026, 3, 2, 8, tzinfo=UTC)
ACCOUNT = "111122223333"
LATE = 10_000
STRANGERS = 500
KEY = "ASIAEXAMPLELATE00001"
SESSION = "AROAEXAMPLELATE000001:work"
FILES = 500
LARGE = 50_000


def record(number: int, **fields: object) -> dict[str, Any]:
    """Give a call of a user who signs with a long-term key."""
    return {
        "eventVersion": "1.08",
        "eventID": f"stranger-{number}",
        "eventTime": format_time(BEGINNING + timedelta(seconds=number)),
        "eventName": "DescribeInstances",
        "eventSource": "ec2.amazonaws.com",
        "eventType": "AwsApiCall",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2.15.0",
        "readOnly": True,
        "recipientAccountId": ACCOUNT,
        "requestParameters": {"filterSet": {}, "instancesSet": {"items": [{"instanceId": "i-1"}]}},
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLESTRANGER01",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/stranger",
            "accountId": ACCOUNT,
            "accessKeyId": "AKIAEXAMPLESTRANGER1",
            "userName": "stranger",
        },
        **fields,
    }


def late(number: int) -> dict[str, Any]:
    """Give a call with a credential whose issuance has not been seen."""
    role = f"arn:aws:iam::{ACCOUNT}:role/Late"
    return record(
        number,
        eventID=f"late-{number}",
        userIdentity={
            "type": "AssumedRole",
            "principalId": SESSION,
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Late/work",
            "accountId": ACCOUNT,
            "accessKeyId": KEY,
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": SESSION.partition(":")[0],
                    "arn": role,
                    "accountId": ACCOUNT,
                    "userName": "Late",
                },
                "attributes": {"creationDate": "2026-03-02T07:59:59Z", "mfaAuthenticated": "false"},
            },
        },
    )


ISSUED = record(
    0,
    eventID="issued",
    eventTime="2026-03-02T07:59:59Z",
    eventName="AssumeRole",
    eventSource="sts.amazonaws.com",
    requestParameters={
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/Late",
        "roleSessionName": "work",
    },
    responseElements={
        "credentials": {"accessKeyId": KEY, "expiration": "Mar 2, 2026, 11:59:59 PM"},
        "assumedRoleUser": {
            "assumedRoleId": SESSION,
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Late/work",
        },
    },
)


def write(path: Path, records: Iterable[dict[str, Any]]) -> Path:
    path.write_bytes(gzip.compress(codec.dumps({"Records": list(records)}), compresslevel=1))
    return path


def count(servers: Servers, **terms: object) -> int:
    """Count events of which these fields of ``enriched`` say this."""
    servers.opensearch.indices.refresh(index=EVENTS)
    clauses = [{"term": {f"enriched.{name}": value}} for name, value in terms.items()]
    query = {"query": {"bool": {"filter": clauses}}}
    found: int = servers.opensearch.count(index=EVENTS, body=query)["count"]
    return found


def test_late_evidence_reaches_all_that_wait_and_nobody_else(
    servers: Servers, tmp_path: Path, say: Callable[[str], None]
) -> None:
    servers.start_worker()
    write(tmp_path / "late.json.gz", map(late, range(LATE)))
    write(tmp_path / "strangers.json.gz", map(record, range(STRANGERS)))
    servers.run("ingest", "--wait", tmp_path)
    assert count(servers, state="pending", revision=1) == LATE
    issued = write(tmp_path / "issued.json.gz", [ISSUED])

    began = time.monotonic()
    servers.run("ingest", "--no-wait", issued)
    until(lambda: not count(servers, state="pending"), "all are final")
    say(f"{LATE:,} events were final {time.monotonic() - began:.1f} s after their evidence")

    servers.settle()
    assert count(servers, revision=2, state="final") == LATE
    assert count(servers, revision=1) == STRANGERS + 1
    origins = {
        (source["enriched"]["origin"]["name"], tuple(source["enriched"]["origin"]["evidence"]))
        for document_id, source in servers.sources()
        if document_id.startswith("late-")
    }
    assert origins == {("stranger", ("issued",))}


def test_the_memory_of_a_worker_stays_flat(
    servers: Servers, tmp_path: Path, say: Callable[[str], None]
) -> None:
    for number in range(FILES):
        first = number * 40
        write(tmp_path / f"{number}.json.gz", map(record, range(first, first + 40)))
    worker = servers.start_worker(ENRICHER_WORKER__CONCURRENCY="1")
    servers.run("ingest", "--no-wait", tmp_path)
    seen: dict[int, float] = {}

    def done() -> bool:
        ended = servers.files("ingested")
        seen[ended] = memory(worker.pid)
        return ended == FILES

    until(done, "all files are in")
    servers.settle()
    seen[FILES] = memory(worker.pid)
    say(f"MiB after so many files: { {ended: round(mib) for ended, mib in seen.items()} }")
    warm = next(mib for ended, mib in seen.items() if ended >= FILES // 5)
    assert seen[FILES] < 1.3 * warm


def test_a_very_large_file_is_not_held(
    servers: Servers, tmp_path: Path, say: Callable[[str], None]
) -> None:
    worker = servers.start_worker(
        ENRICHER_WORKER__CONCURRENCY="1", ENRICHER_WORKER__TIME_LIMIT="PT5M"
    )
    small = write(tmp_path / "small.json.gz", map(record, range(5_000)))
    large = write(tmp_path / "large.json.gz", (record(n) for n in range(5_000, 5_000 + LARGE)))

    one_batch = peak(servers, worker.pid, small)
    ten_batches = peak(servers, worker.pid, large)

    say(f"at most {one_batch:.0f} MiB for 5,000 records, {ten_batches:.0f} for {LARGE:,}")
    assert count(servers) == LARGE + 5_000
    assert ten_batches < 1.5 * one_batch


def peak(servers: Servers, pid: int, path: Path) -> float:
    """Ingest a file; give the most memory that a worker's process held meanwhile, MiB."""
    highest = 0.0

    def done() -> bool:
        nonlocal highest
        highest = max(highest, memory(pid))
        return servers.is_idle()

    servers.run("ingest", "--no-wait", path)
    until(done, "the file is in")
    return highest


def memory(pid: int) -> float:
    """Give the memory of a worker's one child, MiB."""
    (child,) = psutil.Process(pid).children()
    held: int = child.memory_info().rss
    return held / 2**20


def test_a_listing_that_is_read_for_its_evidence_first_is_written_once(
    servers: Servers, tmp_path: Path, say: Callable[[str], None]
) -> None:
    """Its folders are those of accounts, and what explains an event is often in a later one."""
    logs = archived_logs(servers, tmp_path)
    rewritten: dict[str, int] = {}
    for option in ("--no-evidence-first", "--evidence-first"):
        servers.empty()
        servers.start_worker()
        servers.run("ingest", "--wait", option, logs.folder)
        again = {"query": {"range": {"enriched.revision": {"gt": 1}}}}
        rewritten[option] = servers.opensearch.count(index=EVENTS, body=again)["count"]
        check(servers, logs.expected)
    late, ahead = rewritten.values()
    say(f"of {len(logs.expected):,} events {late:,} are written again, evidence first {ahead:,}")
    assert late > 1_000
    assert ahead < late / 20
