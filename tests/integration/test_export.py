"""Exported monitors on a real node: each is asked as its plug-in would ask it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sigma.collection import SigmaCollection

from enricher.alerts.catalogue import check
from enricher.alerts.exporting import BUCKETS, ExportFormat, NotExported, exported
from enricher.assets import asset
from enricher.bootstrap import Container
from enricher.cloudtrail import codec
from enricher.pipeline.ingest import ingest_log_files
from enricher.pipeline.reenrich import enrich_stored
from enricher.server_settings import OpenSearchSettings, RedisSettings
from enricher.settings import Settings
from enricher.stores.directory import find_log_files
from enricher.stores.rule_files import read_rule_files
from tests.integration.api_house import SAMPLES
from tests.integration.test_alerts import BURST, NEW, STOP, House, rule_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from enricher.alerts.rules import Rule
    from enricher.stack import Endpoints

Json = dict[str, Any]

_OF_OUR_OWN = "/13"  # a database of Redis that no other test's worker serves
LONG_AGO = "||-10000d"
FAR_MS = 1_000_000_000
OF_ALL = rule_text(5, "{eventSource|endswith: amazonaws.com}")
VALUES = f"""{rule_text(6, "{eventSource|endswith: amazonaws.com}", "name: all")}
---
title: Rule 7
id: 00000000-0000-4000-8000-000000000007
status: test
correlation:
  type: value_count
  rules: [all]
  group-by: [enriched.origin.id]
  timespan: 10m
  condition: {{gte: 3, field: recipientAccountId}}
level: medium
"""
CASED = rule_text(8, "{eventName|cased: StopLogging}")
TEMPLATE = rule_text(9, "{userAgent|contains: '{{secret}}'}")


@pytest.fixture(scope="module")
def house(stack_endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Events of the samples."""
    settings = Settings(
        opensearch=OpenSearchSettings(url=stack_endpoints.opensearch_url),
        redis=RedisSettings(url=stack_endpoints.redis_url.removesuffix("/0") + _OF_OUR_OWN),
    )
    found = House(Container(settings), tmp_path_factory.mktemp("export"))
    with closing(found.client):
        found.empty()
        locations = [str(path) for path in find_log_files([SAMPLES]).logs]
        ingest_log_files(locations, "run", found.services.ingesting)
        enrich_stored(found.services.index.every, found.services.enriching)
        found.client.indices.refresh(index="cloudtrail-*")
        yield found


def rules_of(house: House, files: dict[str, str]) -> list[tuple[Rule, str]]:
    checked = check(files, house.services.event_fields)
    return [(rule, source) for rule, source, _ in checked.rules]


def monitors(rules: list[tuple[Rule, str]]) -> list[Json]:
    found: list[Json] = []
    for rule, source in rules:
        made = exported(rule, source, ExportFormat.ALERTING_MONITORS)
        if not isinstance(made, NotExported):
            found += made
    return found


def asked(house: House, wanted: list[Json], *, ever: bool) -> list[Json]:
    """Ask what monitors ask, as their plug-in fills in the period: ever, or far in the future."""
    lines = b""
    ends_at = int(time.time() * 1000) + (0 if ever else FAR_MS)
    for one in wanted:
        search = one["inputs"][0]["search"]
        (trigger,) = one["triggers"]
        body = codec.loads(codec.dumps(search["query"]))
        if condition := trigger.get("bucket_level_trigger", {}).get("condition"):
            assert condition["parent_bucket_path"] == BUCKETS
            selector = {"buckets_path": condition["buckets_path"], "script": condition["script"]}
            inner = body["aggregations"][BUCKETS].setdefault("aggregations", {})
            inner["fires"] = {"bucket_selector": selector}
        text = codec.dumps({**body, "track_total_hits": True})
        text = text.replace(b"{{period_end}}", b"%d" % ends_at)
        assert b"{{" not in text
        if ever:
            start = text.index(b"||-")
            text = text[:start] + LONG_AGO.encode() + text[text.index(b'"', start) :]
        lines += codec.dumps({"index": search["indices"]}) + b"\n" + text + b"\n"
    found: list[Json] = house.client.msearch(body=lines)["responses"]
    return found


def buckets(answer: Json) -> Counter[str]:
    found = answer["aggregations"][BUCKETS]["buckets"]
    return Counter({"|".join(one["key"].values()): one["doc_count"] for one in found})


def faults(house: House, files: dict[str, str]) -> tuple[int, list[tuple[str, Json]]]:
    """Ask every monitor of these rules; give how many there are, and what could not be asked."""
    wanted = monitors(rules_of(house, files))
    assert len({one["name"] for one in wanted}) == len(wanted)
    answers = asked(house, wanted, ever=True)
    return len(wanted), [
        (one["name"], answer)
        for one, answer in zip(wanted, answers, strict=True)
        if "error" in answer or answer["_shards"]["failed"]
    ]


def test_every_query_of_every_monitor_can_be_asked(house: House) -> None:
    ours = read_rule_files(asset("rules")) if asset("rules").is_dir() else {}
    count, found = faults(house, {**ours, "burst": BURST, "values": VALUES, "stop": STOP})
    assert count >= 4
    assert found == []


def test_every_query_of_others_rules_can_be_asked(house: House, sigma: Path) -> None:
    count, found = faults(house, read_rule_files(sigma))
    assert count > 100
    assert found == []


def test_a_monitor_fires_for_each_origin_that_its_rule_matches(house: House) -> None:
    by_origin, without = monitors(rules_of(house, {"all": OF_ALL}))
    counted, rest = asked(house, [by_origin, without], ever=True)
    query = {"query": {"wildcard": {"eventSource": "*amazonaws.com"}}, "size": 10_000}
    hits = house.client.search(index="cloudtrail-events-*", body=query)["hits"]["hits"]
    arns = [hit["_source"]["enriched"]["origin"].get("arn") for hit in hits]
    expected = Counter(one for one in arns if one)
    assert buckets(counted) == expected
    assert len(expected) > 3
    assert rest["hits"]["total"]["value"] == arns.count(None) > 0
    counted, rest = asked(house, [by_origin, without], ever=False)
    assert (buckets(counted), rest["hits"]["total"]["value"]) == (Counter(), 0)


def test_a_threshold_fires_where_enough_happened(house: House) -> None:
    (monitor,) = monitors(rules_of(house, {"values": VALUES}))
    (answer,) = asked(house, [monitor], ever=True)
    hits = house.client.search(
        index="cloudtrail-events-*",
        body={"query": {"exists": {"field": "enriched.origin.id"}}, "size": 10_000},
    )["hits"]["hits"]
    accounts: dict[str, set[str]] = {}
    for hit in hits:
        source = hit["_source"]
        accounts.setdefault(source["enriched"]["origin"]["id"], set()).add(
            source["recipientAccountId"]
        )
    expected = {origin for origin, found in accounts.items() if len(found) >= 3}
    assert set(buckets(answer)) == expected
    assert 0 < len(expected) < len(accounts)


def test_what_cannot_be_exported_says_why(house: House) -> None:
    reasons: dict[tuple[str, ExportFormat], str] = {}
    texts = {"new": NEW, "burst": BURST, "cased": CASED, "template": TEMPLATE, "stop": STOP}
    for name, text in texts.items():
        for rule, source in rules_of(house, {name: text}):
            for form in ExportFormat:
                made = exported(rule, source, form)
                if isinstance(made, NotExported):
                    reasons[name, form] = made.reason
    monitors_, detectors = ExportFormat.ALERTING_MONITORS, ExportFormat.SECURITY_ANALYTICS
    assert set(reasons) == {
        ("new", monitors_),
        ("new", detectors),
        ("burst", detectors),
        ("cased", detectors),
        ("template", monitors_),
    }
    assert "state" in reasons["new", monitors_]
    assert "cased" in reasons["cased", detectors]


def test_detector_rules_are_sigma_still(house: House, sigma: Path) -> None:
    rules = rules_of(house, read_rule_files(sigma))
    found = [exported(rule, text, ExportFormat.SECURITY_ANALYTICS) for rule, text in rules]
    bodies = [one[0] for one in found if not isinstance(one, NotExported)]
    assert len(bodies) > 40
    for body, (rule, _) in zip(
        bodies,
        [one for one, made in zip(rules, found, strict=True) if isinstance(made, list)],
        strict=True,
    ):
        document = yaml.safe_load(body["rule"])
        assert {"title", "id", "level", "status", "description", "author"} <= document.keys()
        (again,) = check({"x": body["rule"]}, house.services.event_fields).rules
        assert again[0].query == rule.query
        assert not SigmaCollection.from_yaml(body["rule"]).errors


def test_the_command_writes_a_line_for_each_request(house: House) -> None:
    file = house.folder / "rules.yml"
    file.write_text(f"{STOP}\n---\n{NEW}")
    words = ("rules", "export", "--format", "alerting-monitors")
    answer = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "enricher.cli", *words, str(file)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = [codec.loads(line) for line in answer.stdout.splitlines()]
    kinds = [one["monitor_type"] for one in lines]
    assert kinds == ["bucket_level_monitor", "query_level_monitor"]
    assert "not exported: Rule 4" in answer.stderr
