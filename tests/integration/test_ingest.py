"""Log files through the real command, a real worker and real servers: nothing is lost."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from opensearchpy import OpenSearch

from enricher.cloudtrail import codec
from enricher.pipeline.documents import VOLATILE
from enricher.stores.task_queue import make_celery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.stack import Endpoints

Json = dict[str, Any]

SAMPLES = Path(__file__).parents[2] / "samples" / "AWSLogs"
PATIENCE_SECONDS = 300
WORKER_START_SECONDS = 60
OF_OUR_OWN = "/7"  # a database of Redis that no other test's worker serves
INFLATED_BYTES = 20_000_000
# What an open window says otherwise than a closed one.
OF_THE_WINDOW = VOLATILE | {"state", "waiting_for"}
# Made by hand: event ids repeat, so that which record is first depends on who is faster.
REPEATS_IDS = frozenset({"panther-analysis", "umccr"})
TRAILS = (
    *("cloud-snitch", "digest-chain", "eks-security-immersion-day", "hhieon-root-misuse"),
    *("invictus-ir", "mozilla-foxsec", "opensearch-catalog", "panther-analysis", "plaso"),
    *("trailscraper", "umccr"),
)


# --- the servers, the worker, the command -------------------------------------------------------


@dataclass(frozen=True)
class House:
    """The command on real servers, with what it wrote there."""

    environment: dict[str, str]
    client: OpenSearch
    redis: redis.Redis

    def run(self, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command; any exit code will do."""
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "enricher.cli", *map(str, arguments)],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    def empty(self) -> None:
        """Forget everything but the queues, which are empty and which the worker has open."""
        self.client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
        for name in self.redis.scan_iter("enricher:*"):
            self.redis.delete(name)

    def events(self) -> dict[tuple[str, str], Json]:
        """Give every event as a hit, by index and document id."""
        return {(hit["_index"], hit["_id"]): hit for hit in self._every("cloudtrail-events-*")}

    def ledger(self) -> dict[str, Json]:
        """Give every ledger entry by location, without what it says is not known."""
        entries = [hit["_source"] for hit in self._every(LEDGER)]
        return {
            entry["location"]: {name: value for name, value in entry.items() if value is not None}
            for entry in entries
        }

    def quarantine(self) -> list[Json]:
        """Give every quarantine entry."""
        return [hit["_source"] for hit in self._every(QUARANTINE)]

    def _every(self, index: str) -> list[Json]:
        self.client.indices.refresh(index=index)
        body = {"size": 10_000, "version": True, "seq_no_primary_term": True}
        hits: list[Json] = self.client.search(index=index, body=body)["hits"]["hits"]
        assert len(hits) < 10_000
        return hits


LEDGER = "cloudtrail-files"
QUARANTINE = "cloudtrail-quarantine"


@pytest.fixture(scope="module")
def house(stack_endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Real servers, and a real worker for all tests of this module."""
    redis_url = re.sub(r"/\d+$", OF_OUR_OWN, stack_endpoints.redis_url)
    environment = {
        **os.environ,  # noqa: TID251 - the command inherits what runs the tests
        "ENRICHER_OPENSEARCH__URL": stack_endpoints.opensearch_url,
        "ENRICHER_REDIS__URL": redis_url,
        "ENRICHER_INPUT__INFLATED_BYTES": str(INFLATED_BYTES),
        "COLUMNS": "400",
    }
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    with (
        closing(OpenSearch(stack_endpoints.opensearch_url, timeout=60)) as client,
        closing(redis.Redis.from_url(redis_url)) as broker,
        log.open("wb") as written,
    ):
        broker.flushdb()
        worker = subprocess.Popen(  # noqa: S603 - our own command
            [*_without_privileges(), sys.executable, "-m", "enricher.cli", "worker"],
            env=environment,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_for(worker, redis_url, log)
            yield House(environment, client, broker)
        finally:
            worker.terminate()
            worker.wait(PATIENCE_SECONDS)
            client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})


def _without_privileges() -> list[str]:
    """Take the right to read every file from root; others never have it."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return []
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def _wait_for(worker: subprocess.Popen[bytes], redis_url: str, log: Path) -> None:
    with make_celery(redis_url, time_limit=timedelta(minutes=1)) as app:
        for _ in range(WORKER_START_SECONDS):
            assert worker.poll() is None, log.read_text(errors="replace")
            if app.control.ping(timeout=1):
                return
    pytest.fail(f"the worker does not answer:\n{log.read_text(errors='replace')}")


def settled(enriched: Json) -> Json:
    """Give an enrichment as it is compared, without what a closed window changes."""
    kept = {name: value for name, value in enriched.items() if name not in OF_THE_WINDOW}
    session = {name: value for name, value in kept["session"].items() if name != "kind"}
    origin = {name: value for name, value in kept["origin"].items() if name != "missing"}
    return {**kept, "session": session, "origin": origin}


def by_record(documents: list[Json]) -> dict[bytes, Json]:
    """Give enrichments by the record that they stand on."""
    return {
        codec.canonical({k: v for k, v in one.items() if k != "enriched"}): settled(one["enriched"])
        for one in documents
    }


# --- an independent reading of the files --------------------------------------------------------


def records_in(path: Path) -> list[object]:
    """Read a log file in the plainest way there is; [] where it holds no CloudTrail."""
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    try:
        parsed = codec.loads(content)
    except codec.JSONDecodeError:
        return [codec.loads(line) for line in content.splitlines() if line.strip()]
    if isinstance(parsed, dict):
        parsed = parsed.get("Records", [parsed])
    return parsed if any(b"event" in codec.dumps(one) for one in parsed) else []


def log_files_below(folder: Path) -> dict[str, int]:
    """Count the records of every file that a trail's bucket could hold as a log file."""
    endings = (".json", ".json.gz", ".jsonl", ".ndjson")
    return {
        str(path.resolve()): len(records_in(path))
        for path in sorted(folder.rglob("*"))
        if path.name.endswith(endings) and "CloudTrail-Digest" not in str(path)
    }


# --- trails, ours and others' -------------------------------------------------------------------


@dataclass(frozen=True)
class Ingested:
    """A folder that was ingested twice, and what there was to see each time."""

    folder: Path
    first: subprocess.CompletedProcess[str]
    ledger: dict[str, Json]
    events: dict[tuple[str, str], Json]
    quarantine: list[Json]
    second: subprocess.CompletedProcess[str]
    second_ledger: dict[str, Json]
    second_events: dict[tuple[str, str], Json]
    explained: list[Json]


def ingest_twice(house: House, folder: Path) -> Ingested:
    """Ingest a folder, look, ingest it again, look again, and ask what it would have been."""
    house.empty()
    first = house.run("ingest", "--wait", folder)
    ledger, events, quarantine = house.ledger(), house.events(), house.quarantine()
    second = house.run("ingest", "--wait", folder)
    return Ingested(
        folder=folder,
        first=first,
        ledger=ledger,
        events=events,
        quarantine=quarantine,
        second=second,
        second_ledger=house.ledger(),
        second_events=house.events(),
        explained=[codec.loads(line) for line in house.run("explain", folder).stdout.splitlines()],
    )


@pytest.fixture(scope="module", params=["samples", *TRAILS])
def ingested(request: pytest.FixtureRequest, house: House) -> Ingested:
    """Each trail in turn."""
    if request.param == "samples":
        return ingest_twice(house, SAMPLES)
    folder = request.getfixturevalue("trails") / request.param
    if not folder.is_dir():
        pytest.skip(f"no {request.param} among the trails")
    return ingest_twice(house, folder)


def test_no_trail_is_forgotten(trails: Path) -> None:
    assert {path.name for path in trails.iterdir() if path.is_dir()} <= set(TRAILS)


def test_every_log_file_is_in_the_ledger(ingested: Ingested) -> None:
    assert set(ingested.ledger) == set(log_files_below(ingested.folder))


def test_the_numbers_of_every_file_add_up(ingested: Ingested) -> None:
    counts = log_files_below(ingested.folder)
    for location, entry in ingested.ledger.items():
        assert entry["records"] == counts[location], location
        assert entry["records"] == entry["indexed"] + entry["duplicate"] + entry["quarantined"]


def test_every_record_is_a_document_a_duplicate_or_in_quarantine(ingested: Ingested) -> None:
    sums: Counter[str] = Counter()
    for entry in ingested.ledger.values():
        sums.update({name: entry[name] for name in ("records", "indexed", "quarantined")})
    assert len(ingested.events) == sums["indexed"]
    assert (
        len([one for one in ingested.quarantine if one["what"] == "record"])
        == (sums["quarantined"])
    )
    assert sums["records"] >= sums["indexed"] > 0
    if ingested.folder.name not in REPEATS_IDS:
        assert len(ingested.events) == len(ingested.explained)


def test_only_what_has_no_time_as_cloudtrail_writes_it_is_refused(ingested: Ingested) -> None:
    """Some of what was made by hand has none; then its file may be refused for the most part."""
    refused = [one for one in ingested.quarantine if one["reason"] == "event-time-unreadable"]
    for one in refused:
        written = codec.loads(one["verbatim"]).get("eventTime")
        assert not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(written))
    others = Counter(one["reason"] for one in ingested.quarantine)
    files = {one["location"] for one in refused}
    assert set(others) <= {"event-time-unreadable", "most-of-the-file-refused"}
    assert {one["location"] for one in ingested.quarantine} == files
    assert ingested.first.returncode == (1 if refused else 0), ingested.first.stderr
    failed = {path for path, one in ingested.ledger.items() if one["status"] == "failed"}
    assert failed <= files


def test_real_trails_are_never_refused(ingested: Ingested) -> None:
    if ingested.folder.name == "panther-analysis":
        pytest.skip("it is made by hand, and some of it has no time")
    assert ingested.quarantine == []
    assert {entry["status"] for entry in ingested.ledger.values()} <= {"ingested", "skipped"}


def test_to_ingest_again_changes_no_document(ingested: Ingested) -> None:
    assert ingested.second.returncode == ingested.first.returncode
    assert ingested.second_events == ingested.events
    for location, entry in ingested.second_ledger.items():
        assert entry["indexed"] == 0
        assert entry["quarantined"] == ingested.ledger[location]["quarantined"]
        assert entry["duplicate"] == entry["records"] - entry["quarantined"]


def test_the_index_holds_what_explain_says(ingested: Ingested) -> None:
    if ingested.folder.name in REPEATS_IDS:
        pytest.skip("its event ids repeat")
    found = by_record([hit["_source"] for hit in ingested.events.values()])
    assert found == by_record(ingested.explained)


def test_each_document_lives_in_the_index_of_its_month(ingested: Ingested) -> None:
    for hit in ingested.events.values():
        year, month = hit["_source"]["eventTime"].split("-")[:2]
        assert hit["_index"] == f"cloudtrail-events-{year}.{month}"


def test_the_summary_says_how_much_went_in(ingested: Ingested) -> None:
    output = ingested.first.stdout
    records = sum(entry["records"] for entry in ingested.ledger.values())
    assert re.search(rf"^log files +{len(ingested.ledger):,} *$", output, re.MULTILINE)
    assert re.search(rf"^records +{records:,} *$", output, re.MULTILINE)
    assert re.search(rf"^indexed +{len(ingested.events):,} *$", output, re.MULTILINE)


# --- bad inputs -----------------------------------------------------------------------------------


def record(number: int, **fields: object) -> Json:
    """Give a record that a user signed with a long-term key."""
    return {
        "eventID": f"event-{number}",
        "eventTime": f"2026-03-02T08:00:{number:02}Z",
        "eventName": "ListBuckets",
        "eventSource": "s3.amazonaws.com",
        "eventType": "AwsApiCall",
        "recipientAccountId": "111122223333",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLE000000001",
            "arn": "arn:aws:iam::111122223333:user/alice",
            "accountId": "111122223333",
            "accessKeyId": "AKIAEXAMPLE000000001",
            "userName": "alice",
        },
        **fields,
    }


def log_file(*records: object) -> bytes:
    """Give the bytes of a log file."""
    return gzip.compress(codec.dumps({"Records": records}))


def nested(depth: int) -> Json:
    """Give an object that is nested so deep."""
    value: Json = {}
    for _ in range(depth):
        value = {"a": value}
    return value


# Each file has a good record beside the bad one, where it can be read at all.
UNREADABLE = {
    "truncated.json.gz": (log_file(record(1))[:-9], "gzip-truncated"),
    "no-gzip.json.gz": (codec.dumps({"Records": [record(2)]}), "not-gzip"),
    "invalid.json": (codec.dumps({"Records": [record(3)]})[:-1], "json-invalid"),
    "no-list.json": (b'{"Records":{}}', "records-not-a-list"),
    "bomb.json.gz": (gzip.compress(bytes(INFLATED_BYTES + 1)), "inflated-size-exceeded"),
    "empty.json.gz": (b"", "file-empty"),
    "forbidden.json.gz": (log_file(record(4)), "permission-denied"),
}
REFUSED = {
    "no-object.json.gz": ("text", "not-an-object"),
    "time.json.gz": (record(11, eventTime="yesterday"), "event-time-unreadable"),
    "deep.json.gz": (record(12, requestParameters=nested(200)), "record-too-deep"),
    "large.json.gz": (record(13, errorMessage="x" * 2_100_000), "record-too-large"),
}
MENDED = {
    "leaf.json.gz": (record(21, requestParameters={"policy": "x" * 33_000}), "oversize_value"),
    "text.json.gz": (record(22, requestParameters="text"), "reshaped_value"),
    "boolean.json.gz": (record(23, readOnly="maybe"), "reshaped_value"),
    "name.json.gz": (record(24, **{"": 1, "@timestamp": 2, "a..b": 3}), "reshaped_value"),
}


@dataclass(frozen=True)
class Refusals:
    """A folder of bad inputs that was ingested, and what there was to see."""

    folder: Path
    ingest: subprocess.CompletedProcess[str]
    ledger: dict[str, Json]
    events: dict[tuple[str, str], Json]
    quarantine: list[Json]
    listed: subprocess.CompletedProcess[str]
    shown: subprocess.CompletedProcess[str]

    def entry(self, name: str) -> Json:
        """Give the ledger's entry of a file."""
        return self.ledger[str(self.folder / name)]


@pytest.fixture(scope="module")
def refusals(house: House, tmp_path_factory: pytest.TempPathFactory) -> Refusals:
    """One file of each kind, ingested together."""
    folder = tmp_path_factory.mktemp("bad").resolve()
    for name, (content, _) in UNREADABLE.items():
        (folder / name).write_bytes(content)
    for number, (name, (bad, _)) in enumerate({**REFUSED, **MENDED}.items(), 30):
        (folder / name).write_bytes(log_file(record(number), bad))
    (folder / "forbidden.json.gz").chmod(0)
    (folder / "package.json").write_bytes(b'{"name":"package"}')
    (folder / "notes.txt").write_bytes(b"not a log file")
    house.empty()
    ingest = house.run("ingest", "--wait", folder)
    ledger, quarantine = house.ledger(), house.quarantine()
    (run_id,) = {entry["run_id"] for entry in ledger.values()}
    (too_deep,) = [one for one in quarantine if one["reason"] == "record-too-deep"]
    return Refusals(
        folder=folder,
        ingest=ingest,
        ledger=ledger,
        events=house.events(),
        quarantine=quarantine,
        listed=house.run("quarantine", "list", "--run", run_id),
        shown=house.run("quarantine", "show", too_deep["id"][:12]),
    )


@pytest.mark.parametrize(("name", "reason"), [(k, v[1]) for k, v in UNREADABLE.items()])
def test_a_file_that_cannot_be_read_says_why(refusals: Refusals, name: str, reason: str) -> None:
    if name == "forbidden.json.gz" and os.geteuid() == 0 and not _without_privileges():
        pytest.skip("root reads every file, and setpriv is not here to take that right away")
    entry = refusals.entry(name)
    assert (entry["status"], entry["reason"]) == ("failed", reason)
    assert (entry["records"], entry["indexed"], entry["quarantined"]) == (0, 0, 0)
    (kept,) = [one for one in refusals.quarantine if one["location"] == entry["location"]]
    assert (kept["what"], kept["reason"]) == ("file", reason)


@pytest.mark.parametrize(("name", "reason"), [(k, v[1]) for k, v in REFUSED.items()])
def test_a_record_that_cannot_be_taken_says_why_and_its_neighbour_is_in(
    refusals: Refusals, name: str, reason: str
) -> None:
    entry = refusals.entry(name)
    assert entry["status"] == "ingested"
    assert (entry["records"], entry["indexed"], entry["quarantined"]) == (2, 1, 1)
    assert entry["refusals"] == [{"reason": reason, "count": 1}]
    (kept,) = [one for one in refusals.quarantine if one["location"] == entry["location"]]
    assert (kept["what"], kept["reason"], kept["position"]) == ("record", reason, 1)
    assert codec.loads(kept["verbatim"]) == REFUSED[name][0]


@pytest.mark.parametrize(("name", "note"), [(k, v[1]) for k, v in MENDED.items()])
def test_a_record_of_odd_shape_is_indexed_and_says_so(
    refusals: Refusals, name: str, note: str
) -> None:
    entry = refusals.entry(name)
    assert (entry["records"], entry["indexed"], entry["quarantined"]) == (2, 2, 0)
    odd: Any = MENDED[name][0]
    index = "cloudtrail-events-2026.03"
    document = refusals.events[index, f"{odd['eventID']}:111122223333"]["_source"]
    assert document["raw"] == odd
    assert document["enriched"]["notes"] == [note]
    assert document["enriched"]["origin"]["name"] == "alice"


def test_what_is_no_cloudtrail_is_skipped(refusals: Refusals) -> None:
    entry = refusals.entry("package.json")
    assert (entry["status"], entry["reason"]) == ("skipped", "not-cloudtrail")
    assert str(refusals.folder / "notes.txt") not in refusals.ledger
    assert "skipped 1: not-json" in refusals.ingest.stderr


def test_all_files_are_dealt_with(refusals: Refusals) -> None:
    names = {*UNREADABLE, *REFUSED, *MENDED, "package.json"}
    assert set(refusals.ledger) == {str(refusals.folder / name) for name in names}
    assert len(refusals.events) == len(REFUSED) + 2 * len(MENDED)


def test_refusals_end_the_command_with_1_and_it_says_how_to_look_at_them(
    refusals: Refusals,
) -> None:
    (run_id,) = {entry["run_id"] for entry in refusals.ledger.values()}
    assert refusals.ingest.returncode == 1
    assert f"enricher quarantine list --run {run_id}" in refusals.ingest.stderr
    reasons = {reason for _, reason in (*UNREADABLE.values(), *REFUSED.values())}
    for reason in reasons:
        assert f"quarantined 1: {reason}" in refusals.ingest.stdout


def test_what_it_says_works(refusals: Refusals) -> None:
    assert refusals.listed.returncode == 0
    for name, (_, reason) in {**UNREADABLE, **REFUSED}.items():
        (line,) = [line for line in refusals.listed.stdout.splitlines() if f"/{name}" in line]
        assert reason in line
    assert refusals.shown.returncode == 0
    assert codec.dumps(REFUSED["deep.json.gz"][0]).decode() in refusals.shown.stdout


def test_the_advice_can_be_copied_from_a_narrow_terminal(house: House, tmp_path: Path) -> None:
    house.empty()
    (tmp_path / "empty.json").write_bytes(b"")
    answer = house.run("ingest", "--wait", tmp_path, COLUMNS="80")
    ((_, entry),) = house.ledger().items()
    assert f"enricher quarantine list --run {entry['run_id']}" in answer.stderr


def test_a_file_that_is_named_twice_is_ingested_once(house: House, tmp_path: Path) -> None:
    house.empty()
    path = tmp_path / "one.json.gz"
    path.write_bytes(log_file(record(1)))
    answer = house.run("ingest", "--wait", tmp_path, path, path)
    assert answer.returncode == 0, answer.stderr
    assert [entry["records"] for entry in house.ledger().values()] == [1]


def test_a_path_that_is_not_there_is_said(house: House, tmp_path: Path) -> None:
    answer = house.run("ingest", "--wait", tmp_path / "nowhere")
    assert answer.returncode == 2
    assert "no such file or directory" in answer.stderr


def test_a_folder_without_log_files_is_said(house: House, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"")
    answer = house.run("ingest", "--wait", tmp_path)
    assert answer.returncode == 2
    assert "no log files there" in answer.stderr


# --- who ------------------------------------------------------------------------------------------

# Escape sequences, markup of the library that prints, a control character that turns text around.
HOSTILE = "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link [bold]bold[/bold] [/] \u202eevil"
HARMLESS = (
    r"\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link [bold]bold[/bold] [/] \u202eevil"
)


@pytest.fixture(scope="module")
def told(house: House, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Ask for events of a chain, for a key, for nothing known, and for hostile content."""
    session = {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE000000001:work",
        "arn": "arn:aws:sts::111122223333:assumed-role/Deploy/work",
        "accountId": "111122223333",
        "accessKeyId": "ASIAEXAMPLE000000001",
        "sessionContext": {"attributes": {"creationDate": "2026-03-02T08:00:01Z"}},
    }
    issued = {
        "credentials": {"accessKeyId": "ASIAEXAMPLE000000001"},
        "assumedRoleUser": {"assumedRoleId": session["principalId"], "arn": session["arn"]},
    }
    role = {"roleArn": "arn:aws:iam::111122223333:role/Deploy", "roleSessionName": "work"}
    sts = {"eventSource": "sts.amazonaws.com", "eventName": "AssumeRole"}
    hostile = {
        "type": "IAMUser",
        "principalId": "AIDAEXAMPLE000000002",
        "arn": f"arn:aws:iam::111122223333:user/{HOSTILE}",
        "accountId": "111122223333",
        "accessKeyId": "AKIAEXAMPLE000000002",
        "userName": HOSTILE,
    }
    folder = tmp_path_factory.mktemp("who")
    (folder / "a.json.gz").write_bytes(
        log_file(
            record(1, requestParameters=role, responseElements=issued, **sts),
            record(2, eventName="DeleteTrail", userIdentity=session),
            record(3, eventName="StopLogging", userIdentity=session, errorCode="AccessDenied"),
            record(4, eventName=HOSTILE, errorCode=HOSTILE, userIdentity=hostile),
            {**record(5, userIdentity=hostile), "eventID": HOSTILE},
        )
    )
    house.empty()
    assert house.run("ingest", "--wait", folder).returncode == 0
    return {
        "event": house.run("who", "event-2"),
        "document": house.run("who", "event-2:111122223333"),
        "key": house.run("who", "ASIAEXAMPLE000000001"),
        "nobody": house.run("who", "nobody"),
        "hostile": house.run("who", "event-4"),
        "hostile key": house.run("who", "AKIAEXAMPLE000000002"),
        "hostile in color": house.run("who", "event-4", FORCE_COLOR="1", TERM="xterm-256color"),
        "hostile term": house.run("who", HOSTILE),
        "hostile unknown": house.run("who", f"no {HOSTILE}"),
        "hostile explained": house.run("explain", folder),
    }


@pytest.mark.parametrize("asked", ["event", "document"])
def test_who_names_the_origin_the_chain_and_the_proof(told: dict[str, Any], asked: str) -> None:
    answer = told[asked]
    assert answer.returncode == 0, answer.stderr
    first, *rest = answer.stdout.splitlines()
    assert first.startswith("alice  iam_user  account 111122223333  resolved, exact (L1)")
    output = "\n".join(rest)
    assert "proof event-1" in output
    assert "AssumeRole → arn:aws:sts::111122223333:assumed-role/Deploy/work" in output
    assert "DeleteTrail" in output
    assert "StopLogging" not in output


def test_who_tells_everything_that_a_key_did(told: dict[str, Any]) -> None:
    answer = told["key"]
    assert answer.returncode == 0, answer.stderr
    assert "DeleteTrail" in answer.stdout
    assert "StopLogging" in answer.stdout
    assert "AccessDenied" in answer.stdout
    assert answer.stdout.count("alice  iam_user") >= 1


def test_who_says_that_nobody_is_known(told: dict[str, Any]) -> None:
    answer = told["nobody"]
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert "nothing is indexed under nobody" in answer.stderr


@pytest.mark.parametrize("asked", ["hostile", "hostile key", "hostile term"])
def test_hostile_content_is_shown_and_not_interpreted(told: dict[str, Any], asked: str) -> None:
    answer = told[asked]
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[0].startswith(f"{HARMLESS}  iam_user")
    assert not {"\x1b", "\x07", "\u202e"} & set(answer.stdout)


def test_in_color_hostile_content_is_not_interpreted_either(told: dict[str, Any]) -> None:
    answer = told["hostile in color"]
    assert answer.returncode == 0, answer.stderr
    assert "\x1b[" in answer.stdout  # our own colors
    assert HARMLESS in re.sub(r"\x1b\[[0-9;]*m", "", answer.stdout)
    assert not {"\x07", "\u202e"} & set(answer.stdout)
    assert "\x1b]8" not in answer.stdout


def test_a_hostile_question_is_shown_and_not_interpreted(told: dict[str, Any]) -> None:
    answer = told["hostile unknown"]
    assert answer.returncode == 1
    assert f"nothing is indexed under no {HARMLESS}" in answer.stderr
    assert not {"\x1b", "\x07", "\u202e"} & set(answer.stderr)


def test_explain_writes_json_that_no_terminal_interprets(told: dict[str, Any]) -> None:
    output = told["hostile explained"].stdout
    assert "\x1b" not in output
    assert [codec.loads(line)["eventID"] for line in output.splitlines()][-1] == HOSTILE


@pytest.mark.parametrize("term", ["", " "])
def test_who_without_a_name_is_no_accident(house: House, told: dict[str, Any], term: str) -> None:
    assert told["event"].returncode == 0
    answer = house.run("who", term)
    assert answer.returncode in (1, 2)
    assert "Traceback" not in answer.stderr
