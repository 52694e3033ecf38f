"""The whole pipeline against a real Security plugin: as nobody more than each part needs to be."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil
import pytest
import redis
from opensearchpy.exceptions import AuthenticationException, AuthorizationException

from enricher.alerts.ports import Grouping
from enricher.errors import ConfigurationError
from enricher.pipeline.documents import Period
from enricher.pipeline.ports import Document
from enricher.stack import DownloadError, Stack, StackError, StackSettings
from enricher.stack.credentials import ADMIN, API, COMMANDS, INSTALLER, READER, USERS, WORKER
from enricher.stores import templates
from enricher.stores.connections import Access, broker_tls, broker_url, make_opensearch, make_redis
from enricher.stores.opensearch import OpenSearchEventIndex
from enricher.stores.opensearch_matching import OpenSearchMatching
from enricher.stores.task_queue import INGEST_QUEUE, CeleryTaskQueue, make_celery
from tests.conftest import IN_CI
from tests.integration.tls_front import tls_before

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opensearchpy import OpenSearch

    from enricher.pipeline.ports import StoredEvent
    from enricher.stack import Endpoints
    from enricher.stack.credentials import Credentials

SAMPLES = Path(__file__).parents[2] / "samples" / "AWSLogs"
SAMPLE_RECORDS = 304
HEAP_BYTES = 768 << 20
PATIENCE = timedelta(seconds=180)
WORKER_START_SECONDS = 60
EVENTS = "cloudtrail-events-2031.01"
EVENT = {"eventTime": "2031-01-01T00:00:00Z", "eventID": "e"}


@dataclass(frozen=True)
class House:
    """A secure stack, and commands on it as anybody."""

    endpoints: Endpoints
    credentials: Credentials
    data_dir: Path

    def access(self, user: str) -> Access:
        """Say how a user of OpenSearch gets in by password."""
        return Access(
            url=self.endpoints.opensearch_url,
            username=user,
            password=self.credentials.password_file(user).read_text(),
            ca_file=self.credentials.authority,
        )

    def valkey(self) -> Access:
        """Say how Valkey is got into."""
        return Access(
            url=self.endpoints.redis_url,
            username=COMMANDS,
            password=self.credentials.valkey_password_file.read_text(),
        )

    @contextmanager
    def client(self, user: str) -> Iterator[OpenSearch]:
        """Give a client of OpenSearch."""
        with closing(make_opensearch(self.access(user), timeout=timedelta(seconds=60))) as client:
            yield client

    def environment(self, user: str, **changed: str | Path | None) -> dict[str, str]:
        """Give the settings of a user who has servers of their own; None takes one away."""
        settings: dict[str, str | Path | None] = {
            "OPENSEARCH__URL": self.endpoints.opensearch_url,
            "OPENSEARCH__CA_FILE": self.credentials.authority,
            "OPENSEARCH__USERNAME": user,
            "OPENSEARCH__PASSWORD_FILE": self.credentials.password_file(user),
            "REDIS__URL": self.endpoints.redis_url,
            "REDIS__USERNAME": COMMANDS,
            "REDIS__PASSWORD_FILE": self.credentials.valkey_password_file,
            **changed,
        }
        inherited = dict(os.environ)  # noqa: TID251 - the command inherits what runs the tests
        ours = {f"ENRICHER_{name}": str(value) for name, value in settings.items() if value}
        return {**inherited, **ours, "COLUMNS": "400"}

    def secrets(self) -> set[str]:
        """Give everything that must not be seen anywhere."""
        files = self.credentials.directory.iterdir()
        return {
            line
            for file in files
            if file.suffix == ".password" or file.name.endswith("-key.pem")
            for line in file.read_text().splitlines()
            if "PRIVATE KEY" not in line
        }


def run(environment: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command; any exit code will do."""
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "enricher.cli", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE.total_seconds(),
    )


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> StackSettings:
    return replace(
        StackSettings.default(),
        data_dir=tmp_path_factory.mktemp("secure"),
        heap=HEAP_BYTES,
        opensearch_port=29_200,
        redis_port=26_379,
        secure=True,
    )


@pytest.fixture(scope="module")
def house(settings: StackSettings) -> Iterator[House]:
    """A secure stack, with the templates that an installer put there."""
    stack = Stack(settings)
    try:
        endpoints = stack.up()
    except DownloadError as err:
        if IN_CI:
            raise
        pytest.skip(f"the servers cannot be downloaded here: {err}")
    try:
        assert endpoints.credentials is not None
        house = House(endpoints, endpoints.credentials, settings.data_dir)
        installed = run(house.environment(INSTALLER), "install")
        assert installed.returncode == 0, installed.stderr
        yield house
    finally:
        stack.down()


@dataclass(frozen=True)
class Ingested:
    """What there was to see of the worker's user at work."""

    answer: subprocess.CompletedProcess[str]
    worker_log: str
    command_lines: str


@pytest.fixture(scope="module")
def ingested(house: House, tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    """The samples, ingested by a worker under the worker's role, as noisy as it can be."""
    environment = {**house.environment(WORKER), "ENRICHER_LOG_LEVEL": "DEBUG"}
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    with log.open("wb") as written:
        worker = subprocess.Popen(
            [sys.executable, "-m", "enricher.cli", "worker"],
            env=environment,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(worker, house, log)
        answer = run(environment, "ingest", SAMPLES, "--wait")
        processes = [worker.pid, *(one.pid for one in psutil.Process(worker.pid).children())]
        processes += [server.pid or 0 for server in Stack(_read_only(house)).status().servers]
        lines = [" ".join(psutil.Process(pid).cmdline()) for pid in processes]
    finally:
        worker.terminate()
        worker.wait(PATIENCE.total_seconds())
    return Ingested(answer, log.read_text(errors="replace"), "\n".join(lines))


def _wait_for(worker: subprocess.Popen[bytes], house: House, log: Path) -> None:
    with make_celery(broker_url(house.valkey()), time_limit=timedelta(minutes=1)) as app:
        for _ in range(WORKER_START_SECONDS):
            assert worker.poll() is None, log.read_text(errors="replace")
            if app.control.ping(timeout=1):
                return
    pytest.fail(f"the worker does not answer:\n{log.read_text(errors='replace')}")


def _read_only(house: House) -> StackSettings:
    return replace(StackSettings.default(), data_dir=house.data_dir)


# --- the pipeline ---------------------------------------------------------------------------------


def test_the_samples_are_ingested_under_the_workers_role(house: House, ingested: Ingested) -> None:
    assert ingested.answer.returncode == 0, ingested.answer.stderr
    assert "No worker was running" not in ingested.answer.stderr
    found = dict(re.findall(r"^(\w[\w ]*?)  +([\d,]+) *$", ingested.answer.stdout, re.MULTILINE))
    assert found["records"] == found["indexed"] == str(SAMPLE_RECORDS)
    assert found["quarantined"] == "0"
    with house.client(ADMIN) as client:
        query = {"term": {"enriched.origin.status": "resolved"}}
        resolved = client.count(index="cloudtrail-events-2026*", body={"query": query})
    assert resolved["count"] > SAMPLE_RECORDS * 0.9


@pytest.mark.usefixtures("ingested")
def test_upkeep_runs_under_the_workers_role(house: House) -> None:
    for command in (("status",), ("reconcile",), ("evidence", "rebuild"), ("quarantine", "list")):
        answer = run(house.environment(WORKER), *command)
        assert answer.returncode == 0, answer.stderr


def test_no_secret_is_in_a_log_or_on_a_command_line(house: House, ingested: Ingested) -> None:
    logs = [file.read_text() for file in house.data_dir.rglob("*.log")]
    seen = [*logs, ingested.worker_log, ingested.answer.stdout, ingested.answer.stderr]
    assert "task_finished" in ingested.worker_log
    assert f"redis://{COMMANDS}:**@" in ingested.worker_log, "Celery shows its address, masked"
    assert "valkey-server" in ingested.command_lines
    assert "enricher.cli" in ingested.command_lines
    assert len(house.secrets()) > 10
    for text in (*seen, ingested.command_lines):
        assert [secret for secret in house.secrets() if secret in text] == []


def test_no_secret_is_in_the_queue(house: House) -> None:
    access = replace(house.valkey(), url=re.sub(r"/\d+$", "/5", house.endpoints.redis_url))
    with (
        closing(make_redis(access)) as client,
        make_celery(broker_url(access), time_limit=timedelta(minutes=1)) as app,
    ):
        CeleryTaskQueue(app, client).ingest(["file:///somewhere"], "run")
        (queued,) = client.lrange(INGEST_QUEUE, 0, -1)
        client.delete(INGEST_QUEUE)
    assert b"enricher.ingest_log_file" in queued
    assert [secret for secret in house.secrets() if secret.encode() in queued] == []


@pytest.mark.usefixtures("ingested")
def test_an_older_installation_is_the_installers_to_change(house: House) -> None:
    name = "cloudtrail-raw"
    with house.client(ADMIN) as client:
        answer = client.cluster.get_component_template(name=name)
        body = answer["component_templates"][0]["component_template"]
        client.cluster.put_component_template(name=name, body={**body, "_meta": {"version": 0}})
    with (
        house.client(WORKER) as client,
        pytest.raises(ConfigurationError, match="does not allow cluster:admin/component_template"),
    ):
        templates.ensure(client, Period.MONTH)
    with house.client(INSTALLER) as client:
        templates.ensure(client, Period.MONTH)
    with house.client(WORKER) as client:
        templates.ensure(client, Period.MONTH)


# --- what each role may not -----------------------------------------------------------------------


def _write_event(client: OpenSearch) -> object:
    return client.index(index=EVENTS, id="1", body=EVENT, params={"op_type": "create"})


def _bulk_event(client: OpenSearch) -> object:
    event = Document(index=EVENTS, id="2", body=_EVENT)
    return OpenSearchEventIndex(client, bulk_bytes=1 << 20).create([event])


REFUSED: dict[str, tuple[str, Callable[[OpenSearch], object]]] = {
    "the worker deletes an index": (
        WORKER,
        lambda client: client.indices.delete(index="cloudtrail-files"),
    ),
    "the worker reads another index": (
        WORKER,
        lambda client: client.search(index="payroll", body={"size": 1}),
    ),
    "the worker deletes an event": (
        WORKER,
        lambda client: client.delete(index="cloudtrail-files", id="1"),
    ),
    "the worker changes a template": (
        WORKER,
        lambda client: client.indices.put_index_template(
            name="cloudtrail-events", body={"index_patterns": ["cloudtrail-events-*"]}
        ),
    ),
    "the worker reads who is who": (
        WORKER,
        lambda client: client.search(index=".opendistro_security", body={"size": 1}),
    ),
    "the worker makes itself a role": (WORKER, templates.install_roles),
    "the reader writes": (READER, _write_event),
    "the reader writes in bulk": (READER, _bulk_event),
    "the reader reads another index": (
        READER,
        lambda client: client.search(index="payroll", body={"size": 1}),
    ),
    "the API writes events": (API, _write_event),
    "the API writes events in bulk": (API, _bulk_event),
    "the API writes the ledger": (
        API,
        lambda client: client.index(index="cloudtrail-files", id="1", body={}),
    ),
    "the installer reads events": (
        INSTALLER,
        lambda client: client.search(index="cloudtrail-*", body={"size": 1}),
    ),
    "the installer writes": (INSTALLER, _write_event),
}


@pytest.fixture(scope="module")
def other_index(house: House) -> None:
    """Somebody else's index, which none of ours is to see."""
    with house.client(ADMIN) as client:
        client.index(index="payroll", id="1", body={"salary": 1}, params={"refresh": "true"})


@pytest.mark.usefixtures("ingested", "other_index")
@pytest.mark.parametrize("what", REFUSED)
def test_what_a_role_does_not_allow_is_refused(house: House, what: str) -> None:
    user, act = REFUSED[what]
    with (
        house.client(user) as client,
        pytest.raises((AuthorizationException, ConfigurationError)) as caught,
    ):
        act(client)
    answer = getattr(caught.value, "info", str(caught.value))
    assert "no permissions" in str(answer) or "does not allow" in str(answer)


@pytest.mark.usefixtures("ingested")
def test_the_reader_sees_the_events(house: House) -> None:
    with house.client(READER) as client:
        body = {"size": 1, "aggs": {"who": {"terms": {"field": "enriched.origin.name"}}}}
        answer = client.search(index="cloudtrail-events-*", body=body)
        assert answer["hits"]["total"]["value"] >= SAMPLE_RECORDS
        assert answer["aggregations"]["who"]["buckets"]
        assert client.field_caps(index="cloudtrail-*", params={"fields": "enriched.*"})["fields"]


@pytest.mark.usefixtures("ingested")
def test_the_api_reads_events_and_writes_down_what_was_done(house: House) -> None:
    with house.client(API) as client:
        index = OpenSearchEventIndex(client, bulk_bytes=1 << 20)
        assert next(iter(index.every()), None) is not None
        assert index.ledger(None, 10)[1] > 0
        for name in ("cloudtrail-audit", "cloudtrail-audit"):  # a second time replaces it
            client.index(index=name, id="1", body={"what": "contained"})


def test_nobody_gets_nothing(house: House) -> None:
    access = replace(house.access(WORKER), username=None, password=None)
    with (
        closing(make_opensearch(access, timeout=timedelta(seconds=60))) as client,
        pytest.raises(AuthenticationException),
    ):
        client.search(index="cloudtrail-*", body={"size": 1})


# --- the worker's role holds nothing that it does not need ----------------------------------------

PROBE = "probe"
ACTIONS = sorted(
    {
        action
        for part in (
            templates.load_roles()[WORKER],
            *templates.load_roles()[WORKER]["index_permissions"],
        )
        for action in (*part.get("cluster_permissions", ()), *part.get("allowed_actions", ()))
    }
)


@pytest.fixture(scope="module")
def probe(house: House) -> Iterator[Callable[[str | None], None]]:
    """Give a user with the worker's role but for one action."""
    password = house.credentials.password_file(ADMIN).read_text()
    with house.client(ADMIN) as client:
        client.security.create_user(username=PROBE, body={"password": password})
        client.security.create_role(role=PROBE, body=templates.load_roles()[WORKER])
        client.security.create_role_mapping(role=PROBE, body={"users": [PROBE]})

        def without(action: str | None) -> None:
            role = templates.load_roles()[WORKER]
            role["cluster_permissions"] = [a for a in role["cluster_permissions"] if a != action]
            for part in role["index_permissions"]:
                part["allowed_actions"] = [a for a in part["allowed_actions"] if a != action]
            role["index_permissions"] = [
                part for part in role["index_permissions"] if part["allowed_actions"]
            ]
            client.security.create_role(role=PROBE, body=role)
            client.indices.delete(index=EVENTS, params={"ignore_unavailable": "true"})

        yield without
        client.indices.delete(index=EVENTS, params={"ignore_unavailable": "true"})


_EVENT = b'{"eventTime":"2031-01-01T00:00:00Z","enriched":{"file":"file:///x"}}'


def _whole_work(house: House) -> None:
    """Do everything once that a worker does."""
    access = replace(house.access(ADMIN), username=PROBE)
    with closing(make_opensearch(access, timeout=timedelta(seconds=60))) as client:
        templates.ensure(client, Period.MONTH)
        index = OpenSearchEventIndex(client, bulk_bytes=1 << 20)
        event = Document(index=EVENTS, id="1", body=_EVENT)
        index.create([event])
        events: list[StoredEvent] = [one for one in index.every() if one.index == EVENTS]
        assert len(events) == 1
        assert index.rewrite(events) == [True]
        index.save_files([{"location": "file:///x", "status": "ingested"}])
        assert list(index.stored([event]))
        assert index.file("file:///x") is not None
        index.ledger(None, 1)
        assert index.mark_integrity(["file:///x"], "valid") == 1
        matching = OpenSearchMatching(client)
        news = matching.news({}, datetime(2026, 1, 1, tzinfo=UTC))
        question = Grouping(query=news.query, by=("enriched.origin.id",))
        assert len(matching.groups([question])) == 1


@pytest.mark.usefixtures("ingested")
def test_the_workers_role_is_enough(house: House, probe: Callable[[str | None], None]) -> None:
    probe(None)
    _whole_work(house)


@pytest.mark.usefixtures("ingested")
@pytest.mark.parametrize("action", ACTIONS)
def test_the_worker_needs_each_action_of_its_role(
    house: House, probe: Callable[[str | None], None], action: str
) -> None:
    probe(action)
    with pytest.raises(ConfigurationError, match="does not allow") as caught:
        _whole_work(house)
    if action != "indices:admin/get":  # asked with HEAD, whose answer says nothing
        assert action.partition("[")[0] in str(caught.value)


# --- getting in -----------------------------------------------------------------------------------


def test_a_wrong_password_is_said_at_once(house: House, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.password"
    wrong.write_text("wrong\n")
    for server, command in (("OPENSEARCH", "status"), ("REDIS", "status"), ("REDIS", "worker")):
        changed = {f"{server}__PASSWORD_FILE": wrong}
        answer = run(house.environment(WORKER, **changed), command)
        assert answer.returncode == 1
        assert "refuses these credentials" in answer.stderr
        assert f"ENRICHER_{server}__PASSWORD" in answer.stderr
        assert "Traceback" not in answer.stderr


def test_an_unknown_authority_is_said_at_once(house: House) -> None:
    for command in (("status",), ("install",), ("ingest", SAMPLES)):
        answer = run(house.environment(WORKER, OPENSEARCH__CA_FILE=None), *command)
        assert answer.returncode == 1
        assert "TLS with OpenSearch fails: unable to get local issuer" in answer.stderr
        assert "ENRICHER_OPENSEARCH__CA_FILE" in answer.stderr
        assert "Traceback" not in answer.stderr


def test_an_address_that_is_not_in_the_certificate_is_refused(house: House) -> None:
    inside = urlsplit(house.endpoints.opensearch_url).port
    assert inside is not None
    with tls_before(inside, house.credentials, host="127.0.0.2") as port:
        access = replace(house.access(WORKER), url=f"https://127.0.0.2:{port}")
        with (
            closing(make_opensearch(access, timeout=timedelta(seconds=60))) as client,
            pytest.raises(ConfigurationError, match="IP address mismatch"),
        ):
            OpenSearchEventIndex(client, bulk_bytes=1 << 20).states()


def test_a_client_certificate_is_enough(house: House) -> None:
    environment = house.environment(
        WORKER,
        OPENSEARCH__USERNAME=None,
        OPENSEARCH__PASSWORD_FILE=None,
        OPENSEARCH__CLIENT_CERTIFICATE=house.credentials.certificate(WORKER),
        OPENSEARCH__CLIENT_KEY=house.credentials.key(WORKER),
    )
    assert run(environment, "status").returncode == 0
    refused = run(environment, "install")
    assert "does not allow cluster:admin/component_template/put" in refused.stderr


def test_redis_is_reached_over_tls_with_a_client_certificate(house: House) -> None:
    inside = urlsplit(house.endpoints.redis_url).port
    assert inside is not None
    with tls_before(inside, house.credentials) as port:
        access = replace(
            house.valkey(),
            url=f"rediss://127.0.0.1:{port}/4",
            ca_file=house.credentials.authority,
            client_certificate=house.credentials.certificate(WORKER),
            client_key=house.credentials.key(WORKER),
        )
        with (
            closing(make_redis(access)) as client,
            make_celery(
                broker_url(access), time_limit=timedelta(minutes=1), tls=broker_tls(access)
            ) as app,
        ):
            CeleryTaskQueue(app, client).ingest(["file:///somewhere"], "run")
            assert client.llen(INGEST_QUEUE) == 1
            client.delete(INGEST_QUEUE)
        with pytest.raises(ConfigurationError, match="Redis fails: self-signed certificate"):
            make_redis(replace(access, ca_file=None))


def test_valkey_knows_one_user_only(house: House) -> None:
    with (
        closing(redis.Redis.from_url(house.endpoints.redis_url)) as nobody,
        pytest.raises(redis.AuthenticationError),
    ):
        nobody.ping()
    with closing(make_redis(house.valkey())) as client:
        for act in (client.flushall, client.config_get, client.acl_list):
            with pytest.raises(redis.exceptions.NoPermissionError):
                act()


def test_an_administrator_installs_the_roles(house: House) -> None:
    answer = run(house.environment(ADMIN), "install", "--security")
    assert answer.returncode == 0, answer.stderr
    assert {WORKER, API, READER, INSTALLER} <= set(answer.stdout.split())
    with house.client(ADMIN) as client:
        held: dict[str, Any] = client.security.get_role(role=WORKER)[WORKER]
    wanted = templates.load_roles()[WORKER]
    assert set(held["cluster_permissions"]) == set(wanted["cluster_permissions"])


# --- the secure stack itself ----------------------------------------------------------------------


def test_commands_find_their_way_into_the_stack(house: House) -> None:
    inherited = dict(os.environ)  # noqa: TID251 - the command inherits what runs the tests
    environment = {**inherited, "ENRICHER_STACK__DATA_DIR": str(house.data_dir), "COLUMNS": "400"}
    shown = ""
    for command in (("install",), ("status",), ("reconcile",), ("stack", "status")):
        answer = run(environment, *command)
        assert answer.returncode == 0, answer.stderr
        shown += answer.stdout + answer.stderr
    assert [secret for secret in house.secrets() if secret in shown] == []
    assert str(house.credentials.directory) in shown  # where they are may be known


def test_only_the_owner_can_read_what_opens_the_stack(house: House) -> None:
    assert stat.S_IMODE(house.credentials.directory.stat().st_mode) == 0o700
    config = house.data_dir / "opensearch" / "config"
    files = [
        *house.credentials.directory.iterdir(),
        *config.glob("*.pem"),
        *(config / "opensearch-security").iterdir(),
    ]
    assert len(files) > 3 * len(USERS)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_what_was_made_secure_stays_so(house: House, settings: StackSettings) -> None:
    again = Stack(replace(settings, secure=False))
    assert again.up() == house.endpoints
    assert house.endpoints.opensearch_url.startswith("https://")


def test_an_open_stack_is_not_made_secure(settings: StackSettings, tmp_path: Path) -> None:
    (tmp_path / "valkey").mkdir()
    with pytest.raises(StackError, match="made without --secure and stays so"):
        Stack(replace(settings, data_dir=tmp_path)).up()
