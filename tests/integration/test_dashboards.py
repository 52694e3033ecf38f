"""Every panel and search, asked on a real node: nothing fails, nothing is empty that should not be.

The node is filled by the real command and worker from the samples and the public trails.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from enricher.assets import asset
from enricher.cloudtrail import codec
from tests.integration import dashboards_requests as requests
from tests.integration.test_ingest import SAMPLES, TRAILS, house, log_file, record
from tools.dashboards import DEFINITIONS
from tools.dashboards.definitions import load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.test_ingest import House
    from tools.dashboards.definitions import Control

__all__ = ["house"]  # a fixture

Json = dict[str, Any]

SAVED: list[Json] = [
    codec.loads(line)
    for line in (asset("dashboards") / "enricher.ndjson").read_bytes().splitlines()
]
PATTERNS = {one["id"]: one["attributes"] for one in SAVED if one["type"] == "index-pattern"}
VISUALIZATIONS = [one for one in SAVED if one["type"] == "visualization"]
AGGREGATED = [one for one in VISUALIZATIONS if requests.state_of(one)["aggs"]]
OVER_TIME = [
    one
    for one in AGGREGATED
    if any(agg["params"].get("field") == "eventTime" for agg in requests.histograms_of(one))
]
COUNTED = [
    one
    for one in AGGREGATED
    if any(agg["type"] == "filters" for agg in requests.state_of(one)["aggs"])
]
DRAWINGS = [one for one in VISUALIZATIONS if requests.state_of(one)["type"] == "vega"]
SEARCHES = [one for one in SAVED if one["type"] == "search"]
HOUSE = load(DEFINITIONS)
EXAMPLES = {f"enricher-search-{one.id}": one.example for one in HOUSE.searches if one.example}

# One day of the samples, three months around the largest trail.
DAY = ("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z")
QUARTER = ("2023-05-01T00:00:00Z", "2023-07-30T00:00:00Z")
MOST_BARS = 100
# Nothing is queued any more when all is ingested; nothing here is refused for its mapping.
NEVER_HERE = {"queued", "detail"}


def _id(saved: Json) -> str:
    key: str = saved["id"]
    return key


def pattern_of(saved: Json) -> Json:
    """Give the index pattern that a saved object refers to."""
    (reference,) = [one for one in saved["references"] if one["type"] == "index-pattern"]
    pattern: Json = PATTERNS[reference["id"]]
    return pattern


# What neither the samples nor the trails hold.
BESIDE = (
    record(
        1,
        eventName="DetachUserPolicy",
        eventSource="iam.amazonaws.com",
        requestParameters={"userName": "bob", "policyArn": "arn:aws:iam::aws:policy/AWSDenyAll"},
    ),
    record(
        2,
        eventName="GetBucketAcl",
        errorCode="AccessDenied",
        sourceIPAddress="config.amazonaws.com",
        userIdentity={"type": "AWSService", "invokedBy": "config.amazonaws.com"},
    ),
)


# What is alerted of.
RULE = """
title: {title}
id: {id}
status: test
description: For the dashboards.
tags: [attack.persistence]
logsource: {{product: aws, service: cloudtrail}}
detection:
  selection: {{{field}: {value}}}
  condition: selection
level: {level}
"""
RULES = {
    "key.yml": RULE.format(
        title="Access key created",
        id="3c0b8b63-5f0c-4be0-9c41-6b7d6f0f2d01",
        field="eventName",
        value="CreateAccessKey",
        level="critical",
    ),
    "denied.yml": RULE.format(
        title="Call refused",
        id="3c0b8b63-5f0c-4be0-9c41-6b7d6f0f2d02",
        field="enriched.outcome.status",
        value="denied",
        level="high",
    ),
}


def alerted(house: House, *arguments: str | Path) -> None:
    """Run a command that must end well."""
    answer = house.run(*arguments)
    assert answer.returncode == 0, answer.stderr


@pytest.fixture(scope="module")
def filled(house: House, trails: Path, tmp_path_factory: pytest.TempPathFactory) -> House:
    """Samples and trails, ingested together, and a digest chain of which a log file is missing."""
    house.empty()
    beside = tmp_path_factory.mktemp("beside")
    (beside / "events.json.gz").write_bytes(log_file(*BESIDE))
    rules = tmp_path_factory.mktemp("rules")
    for name, text in RULES.items():
        (rules / name).write_text(text)
    alerted(house, "rules", "install", rules)
    chain = trails / "digest-chain"
    bucket = beside / "fixture-trail-bucket"
    shutil.copytree(chain / "s3" / "fixture-trail-bucket", bucket)
    min(path for path in bucket.rglob("*.json.gz") if "Digest" not in str(path)).unlink()
    others = [trails / name for name in TRAILS if name != chain.name]
    house.run("ingest", "--wait", SAMPLES, beside, *(path for path in others if path.is_dir()))
    house.run("ingest", "--wait", SAMPLES)  # once more: all of it is duplicate
    keys = ("--public-keys", chain / "public_keys.json")
    answer = house.run("verify", *keys, "--signatures", chain / "metadata.json", bucket)
    assert "missing" in answer.stdout, answer.stderr
    alerted(house, "alerts", "evaluate")
    told = ("--reason", "a test", "--until", "7d", "--account", BESIDE[1]["recipientAccountId"])
    alerted(house, "alerts", "suppress", *told)
    house.client.indices.refresh(index="cloudtrail-*")
    assert len(house.events()) > 4_000
    return house


def asked(house: House, index: str, body: Json) -> Json:
    """Ask, and see that every shard answers."""
    answer: Json = house.client.search(index=index, body=body)
    assert answer["_shards"]["failed"] == 0, answer["_shards"]
    assert not answer["timed_out"]
    return answer


def hits(answer: Json) -> int:
    """Count what was found."""
    found: int = answer["hits"]["total"]["value"]
    return found


# --- visualizations -----------------------------------------------------------------------------


@pytest.mark.parametrize("saved", AGGREGATED, ids=_id)
def test_a_panel_is_answered_and_shows_something(filled: House, saved: Json) -> None:
    pattern = pattern_of(saved)
    body = requests.requested(saved, pattern.get("timeFieldName"))
    answer = asked(filled, pattern["title"], body)
    assert hits(answer) > 0, "nothing fits its query"
    for key, aggregation in answer.get("aggregations", {}).items():
        if "buckets" in aggregation:
            assert requests.bucket_count(answer, key) > 0
        else:
            assert aggregation["value"] is not None


@pytest.mark.parametrize("times", [DAY, QUARTER], ids=["day", "quarter"])
@pytest.mark.parametrize("saved", OVER_TIME, ids=_id)
def test_a_panel_over_time_is_readable(filled: House, saved: Json, times: tuple[str, str]) -> None:
    pattern = pattern_of(saved)
    (histogram,) = requests.histograms_of(saved)
    body = requests.requested(saved, pattern["timeFieldName"], times)
    answer = asked(filled, pattern["title"], body)
    buckets = list(_histograms(answer.get("aggregations", {}), histogram["id"]))
    assert len({bucket["key"] for bucket in buckets}) <= MOST_BARS
    if hits(answer):
        assert sum(bucket["doc_count"] for bucket in buckets) > 0


def _histograms(aggregations: Json, key: str) -> Any:  # noqa: ANN401 - buckets, one by one
    for name, aggregation in aggregations.items():
        if not isinstance(aggregation, dict) or "buckets" not in aggregation:
            continue
        each = aggregation["buckets"]
        for bucket in each.values() if isinstance(each, dict) else each:
            if name == key:
                yield bucket
            else:
                yield from _histograms(bucket, key)


@pytest.mark.parametrize("saved", COUNTED, ids=_id)
def test_every_query_that_a_panel_counts_finds_something(filled: House, saved: Json) -> None:
    pattern = pattern_of(saved)
    body = requests.requested(saved, pattern.get("timeFieldName"))
    answer = asked(filled, pattern["title"], body)
    empty = {
        label
        for one in requests.state_of(saved)["aggs"]
        if one["type"] == "filters"
        for label, bucket in answer["aggregations"][one["id"]]["buckets"].items()
        if not bucket["doc_count"]
    }
    assert empty <= NEVER_HERE


@pytest.mark.parametrize("saved", DRAWINGS, ids=_id)
def test_a_drawing_is_answered_and_shows_something(filled: House, saved: Json) -> None:
    index, body = requests.drawn(saved)
    answer = asked(filled, index, body)
    assert hits(answer) > 0
    found = [requests.bucket_count(answer, key) for key in answer.get("aggregations", {})]
    assert all(found)
    assert found or answer["hits"]["hits"]


def test_denials_are_told_apart_without_rest(filled: House) -> None:
    """People, keys, panes and probes are all of the denials, and none is in two groups."""
    (saved,) = [one for one in AGGREGATED if one["id"] == "enricher-denied-of-whom"]
    answer = asked(filled, "cloudtrail-events-*", requests.requested(saved, "eventTime"))
    ((groups),) = answer["aggregations"].values()
    counts = [bucket["doc_count"] for bucket in groups["buckets"].values()]
    assert sum(counts) == hits(answer)


# --- searches, filters --------------------------------------------------------------------------


@pytest.mark.parametrize("saved", SEARCHES, ids=_id)
def test_a_search_finds_something_and_its_columns_hold_values(filled: House, saved: Json) -> None:
    pattern = pattern_of(saved)
    query = requests.source_of(saved)["query"]["query"]
    example = EXAMPLES.get(saved["id"])
    if example:
        most = {"size": 0, "aggs": {"most": {"terms": {"field": example.field, "size": 50}}}}
        found = asked(filled, pattern["title"], most)["aggregations"]["most"]["buckets"]
        values = " OR ".join(f'"{bucket["key"]}"' for bucket in found)
        query = query.replace(f'"{example.value}"', example.value)
        query = query.replace(example.value, f"({values})")
    dates = [one["name"] for one in codec.loads(pattern["fields"]) if one["type"] == "date"]
    body = requests.searched(saved, pattern["timeFieldName"], dates, query)
    answer = asked(filled, pattern["title"], body)
    assert hits(answer) > 0
    columns = set(saved["attributes"]["columns"])
    assert {name for name in columns if not _has(filled, pattern["title"], name)} <= NEVER_HERE


def _has(house: House, index: str, field: str) -> bool:
    """Say whether any document has a field."""
    body = {"size": 0, "terminate_after": 1, "query": {"exists": {"field": field}}}
    return hits(asked(house, index, body)) > 0


def test_denials_by_code_are_denials(filled: House) -> None:
    (saved,) = [one for one in SEARCHES if one["id"] == "enricher-search-denied-by-code"]
    query = requests.source_of(saved)["query"]["query"]
    body = {
        "size": 0,
        "query": requests.query_string(query),
        "aggs": {
            "status": {"terms": {"field": "enriched.outcome.status"}},
            "failure": {"terms": {"field": "enriched.outcome.failure"}},
        },
    }
    answer = asked(filled, "cloudtrail-events-*", body)["aggregations"]
    by_status = {one["key"]: one["doc_count"] for one in answer["status"]["buckets"]}
    by_failure = {one["key"]: one["doc_count"] for one in answer["failure"]["buckets"]}
    assert by_status["denied"] > 100
    # A refusal's code with a message that tells of the account's state is no denial.
    assert by_status.get("failed", 0) == by_failure.get("account", 0)


@pytest.mark.parametrize(
    ("index", "control"),
    [(index, one) for index, filters in HOUSE.shared.filters.items() for one in filters],
    ids=lambda one: one if isinstance(one, str) else one.field,
)
def test_a_filter_offers_values(filled: House, index: str, control: Control) -> None:
    terms = {"field": control.field, "size": 50, "order": {"_count": "desc"}}
    body = {"size": 0, "aggs": {"termsAgg": {"terms": terms}}}
    answer = asked(filled, PATTERNS[f"enricher-{index}"]["title"], body)
    least = 1 if control.field == "status" else 2  # all alerts here are open
    assert requests.bucket_count(answer, "termsAgg") >= least


# --- the fields that are shipped ----------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_fields_are_what_the_node_says_of_them(filled: House, pattern: Json) -> None:
    answer = filled.client.field_caps(
        index=pattern["title"], params={"fields": "*", "allow_no_indices": "true"}
    )
    shipped = {one["name"]: one for one in codec.loads(pattern["fields"])}
    found = {
        name: next(iter(kinds.items()))
        for name, kinds in answer["fields"].items()
        if not re.match(r"_", name) and "object" not in kinds and "nested" not in kinds
    }
    if not answer["indices"]:
        pytest.skip("no such index yet")
    ours = {name for name in shipped if not name.startswith("_")}
    assert ours == found.keys()
    for name, (kind, capability) in found.items():
        assert shipped[name]["esTypes"] == [kind], name
        assert shipped[name]["searchable"] == capability["searchable"], name
        # The node calls a flat_object aggregatable, and then fails to aggregate it.
        wanted = capability["aggregatable"] and kind != "flat_object"
        assert shipped[name]["aggregatable"] == wanted, name
