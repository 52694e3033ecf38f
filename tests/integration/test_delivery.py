"""Alerts told by a real worker: to webhooks, SNS and EventBridge, and through crashes."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import redis
from moto.server import ThreadedMotoServer
from opensearchpy import OpenSearch

from enricher.alerts.alert import found_again, opened
from enricher.alerts.telling import Telling
from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time
from enricher.stores.opensearch_alerts import OpenSearchAlerts
from enricher.stores.task_queue import DISPATCH_TASK, EVALUATE_TASK, make_celery
from tests.integration.receiver import receiving
from tests.integration.servers import until
from tests.integration.test_alerts import STOP
from tests.unit.alerts.test_alert import KEY, RULE, content
from tests.unit.alerts.test_messages import schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from celery import Celery

    from enricher.alerts.alert import Alert
    from enricher.stack import Endpoints
    from tests.integration.receiver import Receiver

REDIS_DATABASE = "/12"  # that no other test's worker serves
REGION = "eu-west-1"
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


@dataclass
class House:
    """Servers, and the command on them."""

    environment: dict[str, str]
    opensearch: OpenSearch
    celery: Celery
    folder: Path
    receiver: Receiver
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def alerts(self) -> OpenSearchAlerts:
        return OpenSearchAlerts(self.opensearch)

    def alert(self, alert_id: str) -> Alert:
        self.alerts.refresh()
        stored = self.alerts.get(alert_id)
        assert stored is not None
        return stored.alert

    def open(self, alert_id: str) -> None:
        """Write a new alert."""
        one = opened(alert_id, KEY, RULE, content("e1", name="alice"), NOW)
        assert self.alerts.write([(one, None)]) == [True]

    def upgrade(self, alert_id: str, name: str) -> None:
        """Let late evidence say more of it."""
        self.alerts.refresh()
        stored = self.alerts.get(alert_id)
        assert stored is not None
        after = found_again(stored.alert, RULE, content("e1", name=name), NOW)
        assert self.alerts.write([(after, stored)]) == [True]

    def is_anything_due(self) -> bool:
        """Say whether any alert is still to be told."""
        self.alerts.refresh()
        return any(self.alerts.due(datetime.now(tz=UTC) + timedelta(days=1), 1))

    def dispatch(self) -> None:
        """Ask for what is due, as the scheduler does every few seconds."""
        self.celery.send_task(DISPATCH_TASK)

    def telling(self, alert_id: str) -> Telling:
        """Ask for what is due, and say how far it is."""
        self.dispatch()
        time.sleep(0.5)
        return self.alert(alert_id).telling

    def run(self, *arguments: str) -> str:
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "enricher.cli", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            check=True,
            timeout=60,
        ).stdout.decode()

    @contextmanager
    def working(self, targets: dict[str, Any], **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a worker that tells these targets."""
        environment = {
            **self.environment,
            "ENRICHER_DELIVERY__TARGETS": codec.dumps(targets).decode(),
            **more,
        }
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "enricher.cli", "worker", "--concurrency", "1"],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield worker
        finally:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)  # a session of its own
                worker.wait(60)


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[str]:
    """Give the address of a server that speaks SNS, EventBridge and SQS; any credentials do."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in AWS.items():
            patch.setenv(name, value)
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def house(stack_endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("delivery")
    (folder / "secret").write_text("a secret\n")
    redis_url = re.sub(r"/\d+$", REDIS_DATABASE, stack_endpoints.redis_url)
    environment = {
        **os.environ,  # noqa: TID251 - the command inherits what runs the tests
        "ENRICHER_OPENSEARCH__URL": stack_endpoints.opensearch_url,
        "ENRICHER_REDIS__URL": redis_url,
        "ENRICHER_DELIVERY__ATTEMPTS": "2",
        "ENRICHER_DELIVERY__BACKOFF": "PT1S",
        "ENRICHER_DELIVERY__LONGEST_BACKOFF": "PT1S",
        "ENRICHER_DELIVERY__TIMEOUT": "PT1S",
        "ENRICHER_WORKER__TIME_LIMIT": "PT15S",
    }
    with (
        closing(OpenSearch(stack_endpoints.opensearch_url, timeout=60)) as client,
        closing(redis.Redis.from_url(redis_url)) as broker,
        receiving(folder) as receiver,
    ):
        client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
        broker.flushdb()
        app = make_celery(redis_url, time_limit=timedelta(seconds=15))
        found = House(environment, client, app, folder, receiver)
        found.run("install")
        yield found
        client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})


def hook(house: House, path: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "kind": "webhook",
        "url": house.receiver.url + path,
        "secret_file": str(house.folder / "secret"),
        "allow": ["127.0.0.0/8"],
        "without_tls": True,
        **more,
    }


def test_targets_of_every_kind_are_told_in_every_form_and_again_where_they_fail(
    house: House, aws: str
) -> None:
    clients: dict[str, Any] = {
        name: boto3.session.Session().client(name, endpoint_url=aws, region_name=REGION)
        for name in ("sns", "sqs", "events")
    }
    queue = clients["sqs"].create_queue(QueueName="heard")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:123456789012:heard"
    topic = clients["sns"].create_topic(Name="alerts")["TopicArn"]
    clients["sns"].subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    clients["events"].put_rule(Name="all", EventPattern='{"source": ["enricher"]}')
    clients["events"].put_targets(Rule="all", Targets=[{"Id": "1", "Arn": arn}])
    targets = {
        "plain": hook(house, "/200"),
        "ocsf": hook(house, "/200?ocsf", format="ocsf"),
        "chat": hook(house, "/200?chat", format="slack"),
        "worse": hook(house, "/200?worse", level="critical"),
        "topic": {"kind": "sns", "topic_arn": topic, "endpoint_url": aws},
        "bus": {"kind": "eventbridge", "endpoint_url": aws, "region": REGION, "format": "ocsf"},
        "flaky": hook(house, "/flaky"),
        "broken": hook(house, "/500"),
        "inside": hook(house, "/200?inside", allow=[]),
        "gone": {
            "kind": "sns",
            "topic_arn": f"arn:aws:sns:{REGION}:123456789012:gone",
            "endpoint_url": aws,
        },
    }
    house.open("told")
    with house.working(targets):
        until(lambda: house.telling("told") is Telling.GIVEN_UP, "all are told or given up")
        _check_outcomes(house)
        house.upgrade("told", "bob")
        until(lambda: house.telling("told") is Telling.GIVEN_UP, "the news are told")
        assert "answered-500" in house.run("alerts", "deliveries")
        house.run("alerts", "resend", "told")
        assert house.alert("told").telling is Telling.DUE
        until(lambda: house.telling("told") is Telling.GIVEN_UP, "they are given up again")
    assert len(house.receiver.at("/500")) == 6
    _check_webhooks(house)
    found = clients["sqs"].receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    _check_aws([codec.loads(one["Body"]) for one in found])
    for client in clients.values():
        client.close()


def _check_outcomes(house: House) -> None:
    told = house.alert("told").told
    assert (told["flaky"].outcome, told["flaky"].attempts) == ("delivered", 2)
    given_up = {name: told[name].reason for name in told if told[name].outcome == "given-up"}
    assert given_up == {
        "broken": "answered-500",
        "inside": "address-refused",
        "gone": "aws-NotFound",
    }
    assert {told[name].attempts for name in given_up} == {2}
    assert "worse" not in told


def _check_webhooks(house: House) -> None:
    for path in ("/200", "/200?ocsf", "/200?chat"):
        keys = [one["headers"]["webhook-id"] for one in house.receiver.at(path)]
        assert keys == ["told:1", "told:2"]
    keys = [one["headers"]["webhook-id"] for one in house.receiver.at("/flaky")]
    assert keys == ["told:1", "told:1", "told:2"]
    first, second = (codec.loads(one["body"]) for one in house.receiver.at("/200"))
    assert (first["what"], first["alert"]["origin"]["name"]) == ("opened", "alice")
    news = (second["what"], second["before"], second["after"])
    assert news == ("upgraded", {"name": "alice"}, {"name": "bob"})
    finding = codec.loads(house.receiver.at("/200?ocsf")[0]["body"])
    assert list(schema("1.3.0").iter_errors(finding)) == []
    assert "`alice`" in codec.loads(house.receiver.at("/200?chat")[0]["body"])["text"]
    assert house.receiver.at("/200?worse") == house.receiver.at("/200?inside") == []


def _check_aws(bodies: list[dict[str, Any]]) -> None:
    told = [one for one in bodies if "TopicArn" in one]
    keys = {one["MessageAttributes"]["idempotency-key"]["Value"] for one in told}
    assert keys == {"told:1", "told:2"}
    assert codec.loads(told[0]["Message"])["alert"]["id"] == "told"
    put = [one for one in bodies if "detail-type" in one]
    assert {one["resources"][0] for one in put} == {"told:1", "told:2"}
    assert put[0]["detail"]["class_uid"] == 2004


def test_a_worker_that_is_killed_while_it_tells_loses_nothing(house: House) -> None:
    """Killed before the target's acknowledgment is noted: told again, with the same key."""
    house.open("killed")
    with house.working({"slow": hook(house, "/hangs")}, ENRICHER_DELIVERY__TIMEOUT="PT20S") as one:
        house.dispatch()
        until(lambda: bool(house.receiver.at("/hangs")), "the target is being told")
        os.killpg(one.pid, signal.SIGKILL)
        one.wait(30)
    assert house.alert("killed").telling is Telling.DUE
    # As if the attempt's time were over, which is what the next worker waits for.
    stored = house.alerts.get("killed")
    assert stored is not None
    past = stored.alert.document() | {"tell_at": "2026-01-01T00:00:00Z"}
    past["told"]["slow"]["next_at"] = "2026-01-01T00:00:00Z"
    house.opensearch.index(index=stored.index, id="killed", body=past, refresh=True)
    with house.working({"slow": hook(house, "/200?again")}):
        until(lambda: house.telling("killed") is Telling.DONE, "it is told after all")
    (heard,) = house.receiver.at("/200?again")
    assert heard["headers"]["webhook-id"] == house.receiver.at("/hangs")[0]["headers"]["webhook-id"]
    assert house.alert("killed").told["slow"].attempts == 2


def test_what_a_rule_finds_is_told_without_being_asked_for(house: House) -> None:
    """From an event to a message: nobody asks for what is due but the evaluation itself."""
    rule = house.folder / "rule.yml"
    rule.write_text(STOP)
    house.run("rules", "install", str(rule))
    event = {
        "eventID": "e-1",
        "eventName": "StopLogging",
        "eventTime": "2026-03-02T09:00:00Z",
        "enriched": {
            "at": format_time(datetime.now(tz=UTC)),
            "origin": {"status": "resolved", "id": "AIDA", "name": "alice <!channel>"},
        },
    }
    house.opensearch.index(index="cloudtrail-events-2026.03", id="e-1:1", body=event, refresh=True)
    with house.working({"soc": hook(house, "/200?rule", format="slack")}):
        house.celery.send_task(EVALUATE_TASK)
        until(lambda: bool(house.receiver.at("/200?rule")), "the alert is told")
        # Ended before that is noted, the next worker would tell it again: to its own targets.
        until(lambda: not house.is_anything_due(), "it is noted that it is told")
    (heard,) = house.receiver.at("/200?rule")
    assert "`alice &lt;!channel&gt;`" in codec.loads(heard["body"])["text"]
