"""Documents of other pipelines, enriched in place on a real node by the real command."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import redis
from opensearchpy import OpenSearch

from enricher.cloudtrail import codec
from enricher.cloudtrail.profiles import PROFILES, rebuild
from enricher.pipeline.documents import VOLATILE
from tests.integration import foreign_shapes as shapes
from tools.trailgen.generate import generate
from tools.trailgen.plan import small_plan
from tools.trailgen.trail import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from enricher.stack import Endpoints

Json = dict[str, Any]

INDEX = "others-cloudtrail-1"
PATIENCE_SECONDS = 120
# These speak of how our own index had to store a record.
OF_OUR_SHAPE = {"oversize_value", "reshaped_value"}


class Ground:
    """The servers, and the command on them."""

    def __init__(self, endpoints: Endpoints, client: OpenSearch) -> None:
        self.client = client
        self.environment = {
            **os.environ,  # noqa: TID251 - the command inherits what runs the tests
            "ENRICHER_OPENSEARCH__URL": endpoints.opensearch_url,
            "ENRICHER_REDIS__URL": endpoints.redis_url,
            "COLUMNS": "400",
        }

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "enricher.cli", *map(str, arguments)]

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            self.command(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    def backfill(self, profile: str, *more: str) -> subprocess.CompletedProcess[str]:
        return self.run("backfill", "--index", INDEX, "--profile", profile, *more)

    def load(self, mapping: Json, documents: list[Json]) -> None:
        """Write documents as another pipeline would."""
        self.client.indices.create(index=INDEX, body=mapping)
        lines = []
        for number, document in enumerate(documents):
            lines.append(codec.dumps({"create": {"_index": INDEX, "_id": f"theirs-{number}"}}))
            lines.append(codec.dumps(document))
        answer = self.client.bulk(body=b"\n".join(lines) + b"\n", params={"refresh": "true"})
        assert not answer["errors"], [i for i in answer["items"] if "error" in i["create"]][:1]

    def documents(self) -> list[Json]:
        """Give every document as a hit, in the order that it was written in."""
        self.client.indices.refresh(index=INDEX)
        body = {"size": 10_000, "seq_no_primary_term": True, "version": True}
        hits: list[Json] = self.client.search(index=INDEX, body=body)["hits"]["hits"]
        assert len(hits) < 10_000
        return sorted(hits, key=lambda hit: int(hit["_id"].removeprefix("theirs-")))


@pytest.fixture
def ground(stack_endpoints: Endpoints) -> Iterator[Ground]:
    """Empty servers."""
    with closing(redis.Redis.from_url(stack_endpoints.redis_url)) as broker:
        broker.flushall()
    with closing(OpenSearch(stack_endpoints.opensearch_url, timeout=60)) as client:
        emptied = {"ignore_unavailable": "true"}
        client.indices.delete(index="cloudtrail-*,others-*", params=emptied)
        yield Ground(stack_endpoints, client)
        client.indices.delete(index="cloudtrail-*,others-*", params=emptied)


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated trail."""
    root = tmp_path_factory.mktemp("trail")
    write(generate(23, small_plan()), root)
    return root / "AWSLogs"


@pytest.fixture(scope="module")
def records(trail: Path) -> list[Json]:
    """Its records, each once, those without an id left out: others cannot tell them apart."""
    found: dict[tuple[str, str], Json] = {}
    for path in sorted(trail.rglob("*.json.gz")):
        for record in codec.loads(gzip.decompress(path.read_bytes())).get("Records", ()):
            if record.get("eventID"):
                key = (record["eventID"], record.get("recipientAccountId", ""))
                found.setdefault(key, record)
    return list(found.values())


def answer(enriched: Json) -> Json:
    """Give an answer as it is compared."""
    compared = {name: value for name, value in enriched.items() if name not in VOLATILE}
    notes = [note for note in compared.pop("notes", ()) if note not in OF_OUR_SHAPE]
    return {**compared, **({"notes": notes} if notes else {})}


def offline(ground: Ground, path: Path) -> dict[tuple[str, str], Json]:
    """Give the offline answers by event id and recipient."""
    lines = ground.run("explain", path).stdout.splitlines()
    events = [codec.loads(line) for line in lines]
    return {
        (event["eventID"], event.get("recipientAccountId", "")): answer(event["enriched"])
        for event in events
        if "eventID" in event
    }


def keys_of(records: list[Json]) -> list[tuple[str, str]]:
    return [(record["eventID"], record.get("recipientAccountId", "")) for record in records]


SHAPES = {
    "native": ("native", shapes.NATIVE_MAPPING, shapes.native),
    "siem": ("siem-on-opensearch", shapes.SIEM_MAPPING, shapes.siem),
    "ecs": ("ecs", shapes.ECS_MAPPING, shapes.ecs_with_original),
}


@pytest.mark.parametrize(("profile", "mapping", "shape"), SHAPES.values(), ids=list(SHAPES))
def test_documents_are_enriched_in_place_as_offline(  # noqa: PLR0913, PLR0917 - one case each
    ground: Ground,
    trail: Path,
    records: list[Json],
    profile: str,
    mapping: Json,
    shape: Callable[[Json], Json],
) -> None:
    """The answers are the offline ones, nothing else changes, and a second run writes nothing."""
    ground.load(mapping, [shape(record) for record in records])
    before = ground.documents()

    first = ground.backfill(profile)
    after = ground.documents()

    assert first.returncode == 0, first.stderr
    expected = offline(ground, trail)
    assert [answer(hit["_source"]["enriched"]) for hit in after] == [
        expected[key] for key in keys_of(records)
    ]
    untouched = [{n: v for n, v in h["_source"].items() if n != "enriched"} for h in after]
    assert untouched == [hit["_source"] for hit in before]
    assert codec.dumps(untouched) == codec.dumps([hit["_source"] for hit in before])

    second = ground.backfill(profile)

    assert second.returncode == 0, second.stderr
    assert f"{len(records):,} documents: 0 enriched, {len(records):,} as they were" in second.stdout
    assert [hit["_version"] for hit in ground.documents()] == [hit["_version"] for hit in after]


def test_what_ecs_dropped_is_missed_and_never_made_up(
    ground: Ground, trail: Path, records: list[Json], tmp_path: Path
) -> None:
    """Without event.original, answers are those of the records that can be put together again."""
    documents = [shapes.ecs(record) for record in records]
    ground.load(shapes.ECS_MAPPING, documents)

    done = ground.backfill("ecs")
    after = ground.documents()

    assert done.returncode == 0, done.stderr
    assert "documents without the record verbatim lack sharedEventID" in done.stderr
    assert all("rebuilt_record" in hit["_source"]["enriched"]["notes"] for hit in after)
    rebuilt = [rebuild(PROFILES["ecs"], document) for document in documents]
    poorer = tmp_path / "poorer.json"
    poorer.write_bytes(codec.dumps({"Records": [one.raw for one in rebuilt if one]}))
    expected = offline(ground, poorer)
    truth = offline(ground, trail)
    resolved = 0
    for hit, key in zip(after, keys_of(records), strict=True):
        found = answer(hit["_source"]["enriched"])
        found["notes"].remove("rebuilt_record")
        assert {**expected[key], "notes": expected[key].get("notes", [])} == found
        ours, true = found["origin"], truth[key]["origin"]
        if ours["status"] == true["status"] == "resolved" and "id" in ours and "id" in true:
            resolved += 1
            assert ours["id"] == true["id"], key
    assert resolved > len(records) / 2


def test_evidence_of_rewritten_records_never_stands_in_for_the_whole_ones(
    ground: Ground, trail: Path, records: list[Json]
) -> None:
    """Documents that lost fields come first; those that have all end as if alone."""
    ground.load(shapes.ECS_MAPPING, [shapes.ecs(record) for record in records])
    assert ground.backfill("ecs").returncode == 0
    ground.client.indices.delete(index=INDEX)
    ground.load(shapes.NATIVE_MAPPING, [shapes.native(record) for record in records])

    assert ground.backfill("native").returncode == 0

    expected = offline(ground, trail)
    assert [answer(hit["_source"]["enriched"]) for hit in ground.documents()] == [
        expected[key] for key in keys_of(records)
    ]


@pytest.mark.parametrize("killed_in", ["publish", "write"])
def test_killed_midway_it_goes_on_where_it_was(
    ground: Ground, trail: Path, records: list[Json], killed_in: str
) -> None:
    ground.load(shapes.NATIVE_MAPPING, [shapes.native(record) for record in records])
    rate = max(len(records) // 15, 1)  # three pages in each pass, five seconds each
    arguments = ("backfill", "--index", INDEX, "--profile", "native", "--rate", str(rate))
    broker = redis.Redis.from_url(ground.environment["ENRICHER_REDIS__URL"])
    process = subprocess.Popen(  # noqa: S603 - our own command
        ground.command(*arguments),
        env=ground.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _reached(broker, killed_in):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)
        broker.close()
    halfway = sum("enriched" in hit["_source"] for hit in ground.documents())
    assert halfway < len(records)
    assert (halfway > 0) is (killed_in == "write")

    done = ground.backfill("native")

    assert done.returncode == 0, done.stderr
    assert f"gone on with an interrupted run, in its pass {killed_in}" in done.stdout
    expected = offline(ground, trail)
    after = ground.documents()
    assert [answer(hit["_source"]["enriched"]) for hit in after] == [
        expected[key] for key in keys_of(records)
    ]
    assert {hit["_source"]["enriched"]["revision"] for hit in after} == {1}


def _reached(broker: redis.Redis, step: str) -> bool:
    """Whether a page of this pass is done: that is when its place is kept."""
    kept = broker.hgetall("enricher:checkpoints")
    assert isinstance(kept, dict)
    return any(f'[\\"{step}\\",['.encode() in value for value in kept.values())


def test_rate_is_kept(ground: Ground, records: list[Json]) -> None:
    few = records[:60]
    ground.load(shapes.NATIVE_MAPPING, [shapes.native(record) for record in few])
    began = time.monotonic()

    assert ground.backfill("native", "--rate", "20").returncode == 0

    assert time.monotonic() - began >= 6  # two passes of 60 documents


def test_only_the_span_is_written(ground: Ground, records: list[Json]) -> None:
    ground.load(shapes.NATIVE_MAPPING, [shapes.native(record) for record in records])
    times = sorted(record["eventTime"] for record in records)
    since, until = times[len(times) // 3], times[2 * len(times) // 3]

    done = ground.backfill("native", "--since", since, "--until", until)

    assert done.returncode == 0, done.stderr
    for hit in ground.documents():
        within = since <= hit["_source"]["eventTime"] < until
        assert ("enriched" in hit["_source"]) is within


def test_dry_run_writes_nothing(ground: Ground, records: list[Json]) -> None:
    ground.load(shapes.SIEM_MAPPING, [shapes.siem(record) for record in records])
    before, mapping = ground.documents(), ground.client.indices.get_mapping(index=INDEX)

    done = ground.backfill("siem-on-opensearch", "--dry-run")

    assert done.returncode == 0, done.stderr
    assert f"{len(records):,} documents, {len(records):,} with a record" in done.stdout
    assert ground.documents() == before
    assert ground.client.indices.get_mapping(index=INDEX) == mapping
    with closing(redis.Redis.from_url(ground.environment["ENRICHER_REDIS__URL"])) as broker:
        assert broker.keys("*") == []


def test_late_evidence_is_settled_by_running_it_again(
    ground: Ground, trail: Path, records: list[Json]
) -> None:
    """Issuing events that arrive after the others change the answers of the next run."""
    issuing = [r for r in records if r["eventName"].startswith("AssumeRole")]
    others = [r for r in records if not r["eventName"].startswith("AssumeRole")]
    assert issuing
    ground.load(shapes.NATIVE_MAPPING, [shapes.native(record) for record in others])
    assert ground.backfill("native").returncode == 0
    early = [answer(hit["_source"]["enriched"]) for hit in ground.documents()]
    lines = []
    for number, record in enumerate(issuing, start=len(others)):
        lines.append(codec.dumps({"create": {"_index": INDEX, "_id": f"theirs-{number}"}}))
        lines.append(codec.dumps(shapes.native(record)))
    ground.client.bulk(body=b"\n".join(lines) + b"\n", params={"refresh": "true"})

    assert ground.backfill("native").returncode == 0

    late = [answer(hit["_source"]["enriched"]) for hit in ground.documents()]
    expected = offline(ground, trail)
    assert late == [expected[key] for key in keys_of([*others, *issuing])]
    assert late[: len(others)] != early
    ground.client.indices.refresh(index="cloudtrail-audit")
    assert ground.client.count(index="cloudtrail-audit")["count"] > 0


# --- what is refused ------------------------------------------------------------------------------


def without(*path: str) -> Callable[[Json], Json]:
    """Make a pipeline that drops a field."""

    def shape(record: Json) -> Json:
        document: Json = codec.loads(codec.dumps(shapes.native(record)))
        node: Any = document
        for name in path[:-1]:
            node = node.get(name) or {}
        node.pop(path[-1], None)
        return document

    return shape


def hashed(record: Json) -> Json:
    document: Json = codec.loads(codec.dumps(shapes.native(record)))
    if document.get("userIdentity", {}).get("accessKeyId"):
        document["userIdentity"]["accessKeyId"] = codec.digest(document["userIdentity"])
    return document


REFUSED = {
    "response dropped": (without("responseElements"), "responseElements.credentials.accessKeyId"),
    "identity dropped": (without("userIdentity"), "userIdentity.type"),
    "key dropped": (without("userIdentity", "accessKeyId"), "userIdentity.accessKeyId"),
    "key hashed": (hashed, "userIdentity.accessKeyId: let the pipeline write it as it is"),
    "id dropped": (without("eventID"), "eventID"),
    "time dropped": (without("eventTime"), "no document is a CloudTrail event"),
}


@pytest.mark.parametrize(("shape", "said"), REFUSED.values(), ids=list(REFUSED))
def test_documents_that_lack_what_linking_needs_are_refused(
    ground: Ground, records: list[Json], shape: Callable[[Json], Json], said: str
) -> None:
    ground.load(shapes.NATIVE_MAPPING, [shape(record) for record in records])
    before = ground.documents()

    refused = ground.backfill("native")

    assert refused.returncode == 2
    assert said in refused.stderr
    assert "nothing was written" in refused.stderr
    assert ground.documents() == before


MAPPINGS: dict[str, tuple[Json, str]] = {
    "enriched is a keyword": (
        {"mappings": {"properties": {"enriched": {"type": "keyword"}}}},
        "maps enriched otherwise",
    ),
    "one member is otherwise": (
        {
            "mappings": {
                "properties": {"enriched": {"properties": {"origin": {"type": "flat_object"}}}}
            }
        },
        "maps enriched.origin otherwise",
    ),
    "no source": ({"mappings": {"_source": {"enabled": False}}}, "keeps no _source"),
    "a part of the source": (
        {"mappings": {"_source": {"excludes": ["responseElements"]}}},
        "keeps only a part of _source",
    ),
    "no date": (
        {"mappings": {"properties": {"eventTime": {"type": "keyword"}}, "date_detection": False}},
        "a date in all these indices",
    ),
}


@pytest.mark.parametrize(("mapping", "said"), MAPPINGS.values(), ids=list(MAPPINGS))
def test_indices_that_cannot_be_enriched_in_place_are_refused(
    ground: Ground, mapping: Json, said: str
) -> None:
    dated = {"eventTime": {"type": "date"}}
    mapping["mappings"]["properties"] = {**dated, **mapping["mappings"].get("properties", {})}
    ground.client.indices.create(index=INDEX, body=mapping)

    refused = ground.backfill("native")

    assert refused.returncode == 2
    assert said in refused.stderr


def test_index_that_has_no_room_for_the_fields_is_refused(
    ground: Ground, records: list[Json]
) -> None:
    full = {**shapes.NATIVE_MAPPING, "settings": {"index.mapping.total_fields.limit": 20}}
    ground.load(full, [shapes.native(record) for record in records])

    refused = ground.backfill("native")

    assert refused.returncode == 1
    assert "raise its index.mapping.total_fields.limit" in refused.stderr
    assert not any("enriched" in hit["_source"] for hit in ground.documents())


def test_wrong_profile_is_told_the_right_one(ground: Ground, records: list[Json]) -> None:
    ground.load(shapes.ECS_MAPPING, [shapes.ecs(record) for record in records])

    refused = ground.backfill("native")

    assert refused.returncode == 2
    assert "try --profile ecs" in refused.stderr


def test_no_index_of_that_name_is_said(ground: Ground) -> None:
    refused = ground.backfill("native")

    assert refused.returncode == 2
    assert "no index of that name" in refused.stderr
