"""Alert rules on a real node: what they find, again and again, in any order, after any fault."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sigma.backends.opensearch.opensearch import OpensearchLuceneBackend
from sigma.collection import SigmaCollection

from enricher.alerts import triage
from enricher.alerts.alert import Status, What, window_of
from enricher.alerts.catalogue import check, install
from enricher.alerts.evaluate import evaluate
from enricher.alerts.ports import Wanted
from enricher.bootstrap import Container
from enricher.cloudtrail import codec
from enricher.cloudtrail.times import parse_time
from enricher.errors import UnavailableError
from enricher.pipeline.ingest import ingest_log_files
from enricher.pipeline.reenrich import enrich_stored
from enricher.server_settings import OpenSearchSettings, RedisSettings
from enricher.settings import Settings
from enricher.stores import templates
from enricher.stores.directory import find_log_files
from enricher.stores.rule_files import read_rule_files
from tests.integration.servers import until
from tests.unit.identity.stories import assume_role, call, record, role, user

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from opensearchpy import OpenSearch

    from enricher.alerts.alert import Alert
    from enricher.alerts.rules import Rule
    from enricher.stack import Endpoints

Json = dict[str, Any]
EVENTS = "cloudtrail-events-*"
_OF_OUR_OWN = "/5"  # a database of Redis that no other test's worker serves
SAMPLE_TRAILS = ("invictus-ir", "opensearch-catalog", "cloud-snitch", "trailscraper")


def rule_text(number: int, selection: str, extension: str = "") -> str:
    return f"""
title: Rule {number}
id: 00000000-0000-4000-8000-{number:012}
status: test
logsource: {{product: aws, service: cloudtrail}}
detection: {{sel: {selection}, condition: sel}}
level: high
{extension}
"""


STOP = rule_text(1, "{eventName: stoplogging}")
BURST = f"""{rule_text(2, "{eventName: DescribeInstances}", "name: described")}
---
title: Rule 3
id: 00000000-0000-4000-8000-000000000003
status: test
correlation:
  type: event_count
  rules: [described]
  group-by: [enriched.origin.id]
  timespan: 10m
  condition: {{gte: 3}}
level: medium
"""
NEW = rule_text(
    4,
    "{eventName: DescribeInstances}",
    "enricher: {first_seen: {fields: [enriched.origin.id, awsRegion], learn: 1h}}",
)


@dataclass
class House:
    """The use cases in this process, over a real node and a real Valkey."""

    services: Container
    folder: Path
    files: int = 0

    @property
    def client(self) -> OpenSearch:
        return self.services.opensearch

    def empty(self) -> None:
        """Begin with no events, no rules and no alerts."""
        self.services.redis.flushdb()
        self.client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
        templates.install(self.client, self.services.settings.opensearch.period)

    def deliver(self, *records: Json) -> None:
        """Ingest one log file, then bring what depends on it up to date."""
        self.files += 1
        name = f"111122223333_CloudTrail_us-east-1_20260301T1200Z_{self.files}.json.gz"
        path = self.folder / name
        path.write_bytes(gzip.compress(codec.dumps({"Records": list(records)})))
        ingest_log_files([str(path)], "run", self.services.ingesting)
        enrich_stored(self.services.index.every, self.services.enriching)
        self.client.indices.refresh(index=EVENTS)

    def rules(self, *texts: str) -> None:
        """Install rules."""
        files = {str(number): text for number, text in enumerate(texts)}
        checked = check(files, self.services.event_fields)
        assert checked.refusals == []
        install(checked.rules, self.services.rules, datetime.now(tz=UTC))

    def alerts(self) -> list[Alert]:
        """Give all alerts."""
        self.services.alerts.refresh()
        return self.services.alerts.find(Wanted(), 10_000)


@pytest.fixture(scope="module")
def house(stack_endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The house, of this module alone."""
    redis_url = stack_endpoints.redis_url.removesuffix("/0") + _OF_OUR_OWN
    settings = Settings(
        opensearch=OpenSearchSettings(url=stack_endpoints.opensearch_url),
        redis=RedisSettings(url=redis_url),
    )
    house = House(Container(settings), tmp_path_factory.mktemp("alerts"))
    with closing(house.client):
        yield house


@pytest.fixture
def empty(house: House) -> House:
    """The house, emptied."""
    house.empty()
    return house


# --- rules by others ------------------------------------------------------------------------------


def by_rule(house: House, query: Json) -> set[str]:
    """Search plainly, as anybody can."""
    body = {"size": 10_000, "query": query, "_source": False, "track_total_hits": True}
    answer = house.client.search(index=EVENTS, body=body)
    assert answer["hits"]["total"]["value"] <= 10_000
    return {hit["_id"] for hit in answer["hits"]["hits"]}


def groups(house: House, rule: Rule) -> dict[tuple[str | None, ...], set[str]]:
    """Put what a plain search finds into groups by hand: event ids by origin, session and hour."""
    body = {"size": 10_000, "query": rule.query, "_source": ["eventID", "eventTime", "enriched"]}
    found: dict[tuple[str | None, ...], set[str]] = defaultdict(set)
    for hit in house.client.search(index=EVENTS, body=body)["hits"]["hits"]:
        source, enriched = hit["_source"], hit["_source"]["enriched"]
        at = parse_time(source["eventTime"])
        assert at is not None
        key = (
            enriched["origin"].get("id"),
            enriched.get("session", {}).get("root_id"),
            str(window_of(at, rule.window)),
        )
        found[key].add(source["eventID"])
    return found


def test_rules_by_others_find_what_a_plain_search_finds(
    house: House, trails: Path, sigma: Path
) -> None:
    """Document by document, and as another reader of Sigma has it."""
    house.empty()
    files = read_rule_files(sigma)
    checked = check(files, house.services.event_fields)
    assert len(checked.rules) == 55
    assert sorted(refusal.reason for refusal, _ in checked.refusals) == [
        "events have no field src_country",
        "events have no field status",
        "userIdentity.arn: two fields of one event cannot be compared",
    ]
    found = find_log_files([trails / name for name in SAMPLE_TRAILS])
    ingest_log_files(list(found.logs), "run", house.services.ingesting)
    house.client.indices.refresh(index=EVENTS)
    install(checked.rules, house.services.rules, datetime.now(tz=UTC))

    report = evaluate(house.services.evaluating)

    assert (report.rules, report.failed) == (55, 0)
    alerts: dict[str, list[Alert]] = defaultdict(list)
    for alert in house.alerts():
        alerts[alert.rule.id].append(alert)
    matched = 0
    differ: list[str] = []
    for rule, text, _ in checked.rules:
        by_hand = groups(house, rule)
        matched += bool(by_hand)
        got = {
            (*(one.value for one in alert.group), str(alert.stands_for.start)): alert
            for alert in alerts[rule.id]
        }
        assert got.keys() == by_hand.keys(), rule.title
        for key, alert in got.items():
            assert set(alert.event_ids) <= by_hand[key]
            assert len(alert.event_ids) == min(len(by_hand[key]), 100)
            assert alert.count == len(by_hand[key])
        (lucene,) = OpensearchLuceneBackend().convert(SigmaCollection.from_yaml(text))
        plain = by_rule(house, {"query_string": {"query": lucene, "analyze_wildcard": True}})
        ours = by_rule(house, rule.query)
        assert plain <= ours, rule.title
        if plain != ours:
            differ.append(rule.title)
    assert matched >= 12
    # It asks for MFAUsed NO, CloudTrail writes No: Sigma's text has no case, a query string has.
    assert differ == ["AWS Successful Console Login Without MFA"]
    assert evaluate(house.services.evaluating).written == 0


# --- late evidence --------------------------------------------------------------------------------

ALICE = user("alice")
HOLDER = role("Admin", "deploy", key="ASIAADMIN1", since="12:00:00")
BEGAN = assume_role("began", "12:00:00", ALICE, HOLDER)


def stop_logging(event_id: str, clock: str, by: Json = HOLDER) -> Json:
    return record(event_id, clock, "cloudtrail:StopLogging", by)


def test_an_alert_goes_with_its_event_to_the_origin_that_late_evidence_names(empty: House) -> None:
    empty.rules(STOP)
    empty.deliver(stop_logging("stop", "12:10:00"))
    evaluate(empty.services.evaluating)
    (before,) = empty.alerts()
    assert before.origin.name != "alice"
    triage.acknowledge(before.id, "me", empty.services.triaging)

    empty.deliver(BEGAN)
    report = evaluate(empty.services.evaluating)

    (after,) = empty.alerts()
    assert after.id == before.id
    assert after.key != before.key
    assert (after.origin.kind, after.origin.name) == ("iam_user", "alice")
    assert (after.count, after.event_ids, after.status) == (1, ("stop",), Status.ACKNOWLEDGED)
    told = [line.what for line in after.history]
    assert told == [What.OPENED, What.ACKNOWLEDGED, What.MOVED, What.UPGRADED]
    assert report.notable == [after.id]
    assert evaluate(empty.services.evaluating).written == 0


def test_an_alert_whose_events_join_another_says_which(empty: House) -> None:
    """Two sessions seem to have two origins; both are alice's, and so is what they did."""
    other = role("Audit", "deploy", key="ASIAAUDIT1", since="12:05:00")
    extension = "enricher: {group_by: [enriched.origin.id]}"
    empty.rules(rule_text(1, "{eventName: StopLogging}", extension))
    empty.deliver(BEGAN, stop_logging("one", "12:10:00"), stop_logging("two", "12:11:00", other))
    evaluate(empty.services.evaluating)
    assert len(empty.alerts()) == 2

    empty.deliver(assume_role("began-2", "12:05:00", ALICE, other))
    evaluate(empty.services.evaluating)

    whole, left = sorted(empty.alerts(), key=lambda alert: alert.count, reverse=True)
    assert (whole.origin.name, whole.count) == ("alice", 2)
    assert (left.status, left.superseded_by, left.count) == (Status.CLOSED, whole.id, 0)
    assert left.history[-1].what is What.SUPERSEDED


# What differs with the time and order in which alerts are written.
_OF_THE_WAY = {
    *("id", "opened_at", "updated_at", "history", "revision", "notable_revision"),
    *("telling", "tell_at", "told"),
}


def compared(house: House) -> list[Json]:
    """Give the alerts with events, as any order of delivery has to end in them."""
    return sorted(
        (
            {name: value for name, value in alert.document().items() if name not in _OF_THE_WAY}
            for alert in house.alerts()
            if alert.count
        ),
        key=lambda one: str(one["key"]),
    )


def test_any_order_of_delivery_and_evaluation_ends_in_the_same_alerts(house: House) -> None:
    """Thresholds, first-seen rules and plain ones, with repeats and evidence that comes late."""
    bob = user("bob")
    deliveries = [
        [call("e1", "09:00:00", ALICE)],
        [call("e2", "10:55:00", ALICE), call("e3", "11:00:00", ALICE, awsRegion="eu-west-1")],
        [call("e4", "11:03:00", ALICE), call("e5", "11:04:00", bob)],
        [call("e6", "10:30:00", ALICE, awsRegion="eu-west-1")],
        [stop_logging("e7", "12:10:00"), call("e8", "12:11:00", HOLDER, awsRegion="eu-north-1")],
        [BEGAN],
    ]
    orders = [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0, 3), (4, 2, 5, 0, 2, 3, 1)]
    ends: list[list[Json]] = []
    for order in orders:
        house.empty()
        house.rules(STOP, BURST, NEW)
        for number in order:
            house.deliver(*deliveries[number])
            evaluate(house.services.evaluating)
        ends.append(compared(house))

    assert ends[1] == ends[0]
    assert ends[2] == ends[0]
    assert Counter(one["rule"]["title"] for one in ends[0]) == {
        "Rule 1": 1,
        "Rule 3": 1,  # e2, e3 and e4, over the turn of the hour
        "Rule 4": 3,  # alice in two regions, bob in one; what came first only taught
    }
    (burst,) = [one for one in ends[0] if one["rule"]["title"] == "Rule 3"]
    assert burst["event_ids"] == ("e4", "e3", "e2")


def test_a_threshold_may_count_the_events_of_everybody(empty: House) -> None:
    empty.rules(BURST.replace("  group-by: [enriched.origin.id]\n", ""))
    empty.deliver(call("e1", "10:55:00", ALICE), call("e2", "10:58:00", user("bob")))
    assert (evaluate(empty.services.evaluating).failed, empty.alerts()) == (0, [])
    empty.deliver(call("e3", "11:01:00", user("carol")))
    assert evaluate(empty.services.evaluating).failed == 0
    (alert,) = empty.alerts()
    assert (alert.group, alert.event_ids) == ((), ("e3", "e2", "e1"))


def test_an_event_without_an_event_id_is_named_by_its_document(empty: House) -> None:
    """Of several events too, some of which have one."""
    unnamed = call("e0", "12:10:00", ALICE, awsRegion="eu-west-1")
    del unnamed["eventID"]
    by_origin = "enricher: {group_by: [enriched.origin.id]}"
    empty.rules(rule_text(1, "{eventName: DescribeInstances}", by_origin), NEW)
    empty.deliver(call("e1", "09:00:00", ALICE), call("e2", "12:09:00", ALICE), unnamed)
    evaluate(empty.services.evaluating)
    hits = empty.client.search(index=EVENTS, body={"query": {"match_all": {}}})["hits"]["hits"]
    (document,) = [hit["_id"] for hit in hits if "eventID" not in hit["_source"]]
    found = {(one.rule.title, one.window.start[11:13]): one.event_ids for one in empty.alerts()}
    assert found == {
        ("Rule 1", "09"): ("e1",),
        ("Rule 1", "12"): (document, "e2"),
        ("Rule 4", "12"): (document,),
    }


# --- what is new ----------------------------------------------------------------------------------


def test_a_write_is_judged_however_long_it_took(empty: House) -> None:
    """It was stamped before runs that could not find it yet."""
    empty.rules(STOP)
    empty.deliver(stop_logging("quick", "12:10:00", ALICE))
    assert evaluate(empty.services.evaluating).written == 1
    (hit,) = empty.client.search(index=EVENTS)["hits"]["hits"]
    slow = {**hit["_source"], "eventID": "slow", "eventTime": "2026-03-01T15:00:00Z"}
    slow["enriched"] = {**slow["enriched"], "at": "2026-03-01T16:00:00Z"}
    empty.client.index(index=hit["_index"], id="slow", body=slow)
    assert evaluate(empty.services.evaluating).written == 1
    assert {alert.event_ids for alert in empty.alerts()} == {("quick",), ("slow",)}


def test_nothing_is_missed_on_several_shards(empty: House) -> None:
    """Each numbers its writes; some have more of them than others."""
    index = "cloudtrail-events-2026.03"
    empty.client.indices.create(index=index, body={"settings": {"number_of_shards": 3}})
    empty.rules(STOP)
    for number in range(12):
        event = stop_logging(f"e{number}", f"12:{number:02}:00", ALICE)
        empty.deliver(event)
        evaluate(empty.services.evaluating)
        assert sum(alert.count for alert in empty.alerts()) == number + 1
    progress = empty.services.progress.read()
    assert progress is not None
    assert sum(at + 1 for at in progress.marks.values()) >= 12
    assert len(progress.marks) == 3


def test_an_index_that_is_made_anew_is_new(empty: House) -> None:
    empty.rules(STOP)
    for clock in ("12:10:00", "15:10:00"):
        empty.client.indices.delete(index=EVENTS)
        empty.deliver(stop_logging(clock, clock, ALICE))
        assert evaluate(empty.services.evaluating).written >= 1
    assert ("15:10:00",) in {alert.event_ids for alert in empty.alerts()}


# --- faults ---------------------------------------------------------------------------------------


def test_a_run_that_dies_in_the_middle_is_repeated_whole(empty: House) -> None:
    empty.rules(STOP, rule_text(2, "{eventName: DescribeInstances}"))
    services = empty.services.evaluating
    empty.deliver(stop_logging("a", "12:10:00", ALICE), call("b", "12:11:00", ALICE))
    evaluate(services)
    cursor = services.progress.read()
    assert cursor is not None
    empty.deliver(stop_logging("c", "13:10:00", ALICE), call("d", "13:11:00", ALICE))

    with pytest.raises(UnavailableError):
        evaluate(replace(services, alerts=Dying(services.alerts)))
    died = services.progress.read()
    assert died is not None
    assert died.cursor == cursor.cursor
    evaluate(services)

    assert sorted(alert.event_ids for alert in empty.alerts()) == [("a",), ("b",), ("c",), ("d",)]


@dataclass
class Dying:
    """Alerts that are written, after which the connection is gone."""

    alerts: Any

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the real store's
        return getattr(self.alerts, name)

    def write(self, changes: Sequence[Any]) -> list[bool]:
        self.alerts.write(changes[:1])
        raise UnavailableError("gone")


def test_a_rule_that_fails_says_so_stops_no_other_and_catches_up(empty: House) -> None:
    broken = rule_text(7, "{eventName|re: 'BROKEN'}").replace("BROKEN", "a" * 2_000)
    empty.rules(STOP, broken)
    empty.deliver(stop_logging("stop", "12:10:00", ALICE))

    report = evaluate(empty.services.evaluating)

    assert (report.rules, report.failed, report.written) == (2, 1, 1)
    (fault,) = [one for one in empty.services.rules.rules() if one.error]
    assert fault.title == "Rule 7"
    assert fault.failing_since is not None
    later = replace(empty.services.evaluating, now=lambda: NEXT_DAY)
    assert evaluate(later).failed == 1
    empty.rules(rule_text(7, "{eventName|re: 'Stop.*'}"))
    assert evaluate(replace(later, now=lambda: NEXT_DAY + timedelta(minutes=1))).written == 1
    assert [one.error for one in empty.services.rules.rules()] == [None, None]


NEXT_DAY = datetime.now(tz=UTC) + timedelta(days=1)


def test_two_at_once_are_one(empty: House) -> None:
    empty.rules(STOP)
    empty.deliver(*(stop_logging(f"s{n}", f"12:{n:02}:00") for n in range(5)))
    services = empty.services.evaluating
    slow = replace(services, rules=Waiting(services.rules, threading.Event(), threading.Event()))
    reports: list[Any] = []
    first = threading.Thread(target=lambda: reports.append(evaluate(slow)))
    first.start()
    assert slow.rules.begun.wait(60)  # type: ignore[attr-defined] # our own

    assert not evaluate(services).ran
    slow.rules.go_on.set()  # type: ignore[attr-defined] # our own
    first.join(60)

    assert [report.written for report in reports] == [1]
    assert [alert.count for alert in empty.alerts()] == [5]


@dataclass
class Waiting:
    """Rules that are given when they are let."""

    stored: Any
    begun: threading.Event
    go_on: threading.Event

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the real store's
        return getattr(self.stored, name)

    def rules(self) -> Any:  # noqa: ANN401 - the real store's
        self.begun.set()
        assert self.go_on.wait(60)
        return self.stored.rules()


# --- a worker, a scheduler, the command -----------------------------------------------------------


def test_a_worker_judges_by_the_clock_and_the_command_shows_and_suppresses(
    empty: House, tmp_path: Path
) -> None:
    chosen = empty.services.settings
    environment = {
        **os.environ,  # noqa: TID251 - the command inherits what runs the tests
        "ENRICHER_OPENSEARCH__URL": str(chosen.opensearch.url),
        "ENRICHER_REDIS__URL": str(chosen.redis.url),
        "ENRICHER_ALERTS__INTERVAL": "PT1S",
    }

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "enricher.cli", *arguments]
        return subprocess.run(  # noqa: S603 - our own command
            command, env=environment, capture_output=True, check=True, timeout=120
        ).stdout.decode()

    rules = tmp_path / "stop.yml"
    rules.write_text(STOP)
    assert "1 rules installed" in run("rules", "install", str(rules))
    assert "1 as they were" in run("rules", "install", str(rules))
    processes = [
        subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "enricher.cli", name],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in ("worker", "beat")
    ]
    try:
        empty.deliver(stop_logging("stop", "12:10:00", ALICE))
        until(lambda: bool(empty.alerts()), "an alert is written")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)
    (alert,) = empty.alerts()
    assert alert.id in run("alerts", "list")

    said = run("alerts", "suppress", "--reason", "a drill", "--until", "7d", "--account", HOME)
    assert "1 alerts now" in said
    assert alert.id not in run("alerts", "list")
    assert '"reason": "a drill"' in run("alerts", "show", alert.id)
    assert "ended" in run("alerts", "unsuppress", said.partition(":")[0])
    assert alert.id in run("alerts", "list")
    run("alerts", "close", alert.id, "--note", "it was a drill")
    (closed,) = empty.alerts()
    assert closed.status is Status.CLOSED
    assert closed.history[-1].after == {"status": "closed", "note": "it was a drill"}
    assert "1 alerts of 1 rules" in run("rules", "backtest", "--since", "2026-01-01", str(rules))
    run("rules", "disable", alert.rule.id[:30])
    assert evaluate(empty.services.evaluating).rules == 0


HOME = str(ALICE["accountId"])
