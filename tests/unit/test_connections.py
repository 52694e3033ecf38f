"""How servers are reached: settings that agree, secrets that stay so, requests that are signed."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import ssl
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from enricher.bootstrap import Container
from enricher.errors import ConfigurationError, UnavailableError
from enricher.settings import StackSettings, load_settings
from enricher.stack import StackSettings as StackParameters
from enricher.stack.credentials import NODE, Credentials
from enricher.stack.issuing import issue
from enricher.stores.connections import (
    Access,
    broker_tls,
    broker_url,
    make_opensearch,
    make_redis,
    tls_fault,
)
from enricher.stores.opensearch import OpenSearchEventIndex
from enricher.stores.task_queue import make_celery

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "p@ss:w/rd #1"  # noqa: S105 - of nothing
KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let neither the machine's settings nor its AWS credentials say anything."""
    for name in list(os.environ):  # noqa: TID251 - how tests are run is no setting
        if name.startswith(("ENRICHER_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


def _container(monkeypatch: pytest.MonkeyPatch, **settings: str | Path) -> Container:
    for name, value in settings.items():
        monkeypatch.setenv(f"ENRICHER_{name}", str(value))
    return Container(load_settings({f"ENRICHER_{name}": "" for name in settings}))


# --- settings that agree, or not ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"OPENSEARCH__PASSWORD": "x", "OPENSEARCH__PASSWORD_FILE": "{file}"},
            "two ways to say one thing",
        ),
        ({"OPENSEARCH__USERNAME": "x"}, "a username without password"),
        ({"REDIS__USERNAME": "x"}, "a username without password"),
        ({"OPENSEARCH__CLIENT_KEY": "{file}"}, "without its client_certificate"),
        ({"OPENSEARCH__PASSWORD_FILE": "/nowhere/x"}, "does not point to a file"),
        ({"REDIS__CA_FILE": "/nowhere/x"}, "does not point to a file"),
        ({"OPENSEARCH__URL": "https://u:secret@h"}, "shown to people"),
        ({"REDIS__URL": "redis://:secret@h"}, "shown to people"),
        (
            {"OPENSEARCH__URL": "http://h", "OPENSEARCH__CA_FILE": "{file}"},
            "need a url of https://",
        ),
        (
            {"REDIS__URL": "redis://h", "REDIS__CLIENT_CERTIFICATE": "{file}"},
            "need a url of rediss://",
        ),
        (
            {
                "OPENSEARCH__URL": "https://h",
                "OPENSEARCH__SIGNING": "es",
                "OPENSEARCH__USERNAME": "x",
                "OPENSEARCH__PASSWORD": "secret",
            },
            "signing=es asks as the AWS identity",
        ),
        (
            {
                "OPENSEARCH__URL": "https://h",
                "OPENSEARCH__SIGNING": "aoss",
                "OPENSEARCH__CLIENT_CERTIFICATE": "{file}",
            },
            "signing=aoss asks as the AWS identity",
        ),
        ({"OPENSEARCH__SIGNING": "es"}, "needs a url of https://"),
        ({"OPENSEARCH__URL": "http://h", "OPENSEARCH__SIGNING": "es"}, "needs a url of https://"),
        ({"OPENSEARCH__URL": "https://h", "OPENSEARCH__SIGNING": "s3"}, "'es' or 'aoss'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    settings: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("content")
    with pytest.raises(ConfigurationError, match=said) as caught:
        _container(monkeypatch, **{k: v.format(file=file) for k, v in settings.items()})
    assert "secret" not in str(caught.value)


def test_the_stack_is_where_its_own_command_puts_it() -> None:
    assert StackSettings().data_dir == StackParameters.default().data_dir


# --- secrets --------------------------------------------------------------------------------------


def test_a_password_is_read_from_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    container = _container(
        monkeypatch,
        OPENSEARCH__URL="https://h",
        OPENSEARCH__USERNAME="u",
        OPENSEARCH__PASSWORD_FILE=tmp_path / "secret",
        REDIS__URL="redis://h",
        REDIS__PASSWORD_FILE=tmp_path / "secret",
    )
    assert container.opensearch_access.password == PASSWORD
    assert container.redis_access.password == PASSWORD
    assert container.redis_access.username is None
    for shown in (repr(container.opensearch_access), repr(container), str(container.settings)):
        assert PASSWORD not in shown


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_file_that_holds_no_password_is_refused(
    content: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(content)
    container = _container(
        monkeypatch,
        OPENSEARCH__URL="https://h",
        REDIS__URL="redis://h",
        REDIS__PASSWORD_FILE=tmp_path / "secret",
    )
    with pytest.raises(ConfigurationError, match="secret"):
        _ = container.redis_access


@pytest.mark.parametrize("username", [None, "wörker"])
def test_celery_gets_the_password_and_shows_it_nowhere(username: str | None) -> None:
    access = Access(url="redis://h:6379/3", username=username, password=PASSWORD)
    url = broker_url(access)
    with make_celery(url, time_limit=timedelta(minutes=1)) as app, app.connection() as connection:
        assert connection.password == PASSWORD
        assert (connection.userid or None) == username
        assert connection.virtual_host == "3"
        told = (app, connection.as_uri(), connection, app.bugreport(), app.conf.humanize())
        shown = " ".join(map(repr, told))
    assert "redis://" in shown
    assert PASSWORD not in shown
    assert url.partition("@")[0].rpartition(":")[2] not in shown


def test_a_server_without_a_password_keeps_its_address() -> None:
    access = Access(url="redis://h:6379/3")
    assert broker_url(access) == access.url
    assert broker_tls(access) is None


# --- certificates ---------------------------------------------------------------------------------


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    made = Credentials.of(tmp_path / "made")
    issue(made)
    return made


def test_a_file_that_holds_no_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    access = Access(url="https://h", ca_file=tmp_path / "ca.pem")
    with pytest.raises(ConfigurationError, match=r"ca\.pem holds no certificates"):
        make_opensearch(access, timeout=timedelta(seconds=1))
    with pytest.raises(ConfigurationError, match=r"ca\.pem holds no certificates"):
        broker_tls(Access(url="rediss://h", ca_file=tmp_path / "ca.pem"))


def test_a_key_of_another_certificate_is_refused(credentials: Credentials) -> None:
    access = Access(
        url="rediss://h",
        client_certificate=credentials.certificate("admin"),
        client_key=credentials.key(NODE),
    )
    with pytest.raises(ConfigurationError, match=r"admin\.pem and its key cannot be used"):
        make_redis(access)


def test_a_broken_connection_is_no_fault_of_certificates() -> None:
    broken = ssl.SSLEOFError(8, "EOF occurred in violation of protocol")
    assert tls_fault(broken, "Redis") is None
    wrapped = OSError("outer", broken)
    assert tls_fault(wrapped, "Redis") is None
    assert tls_fault(ConnectionRefusedError(), "Redis") is None


# --- requests signed for AWS ----------------------------------------------------------------------


@dataclass
class Received:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Cluster:
    """A server that answers every request, and remembers it."""

    url: str
    requests: list[Received] = field(default_factory=list)


@pytest.fixture
def cluster(credentials: Credentials) -> Iterator[Cluster]:
    """A cluster on loopback with TLS, for AWS is not here."""
    with _serving(credentials) as cluster:
        yield cluster


@contextmanager
def _serving(credentials: Credentials) -> Iterator[Cluster]:
    cluster = Cluster("")

    class Answering(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            cluster.requests.append(Received(self.command, self.path, headers, body))
            answer = b'{"hits": {"hits": []}}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the server's own names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(credentials.certificate(NODE), credentials.key(NODE))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cluster.url = f"https://127.0.0.1:{server.server_address[1]}"
        try:
            yield cluster
        finally:
            server.shutdown()


def _signed_by(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, credentials: Credentials, service: str
) -> OpenSearchEventIndex:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")
    return _container(
        monkeypatch,
        OPENSEARCH__URL=cluster.url,
        OPENSEARCH__CA_FILE=credentials.authority,
        OPENSEARCH__SIGNING=service,
        REDIS__URL="redis://h",
        AWS__REGION="eu-west-1",
    ).index


AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/(?P<day>\d{8})/(?P<region>[\w-]+)/(?P<service>\w+)"
    r"/aws4_request, SignedHeaders=(?P<headers>[\w;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


def _signature(request: Received, found: re.Match[str]) -> str:
    """Sign what arrived, as AWS's guide to Signature Version 4 says, without its libraries."""
    path, _, query = request.path.partition("?")
    names = found["headers"].split(";")
    canonical = "\n".join(
        [
            request.method,
            quote(path, safe="/~"),  # once more than on the way, for every service but S3
            "&".join(sorted(query.split("&"))) if query else "",
            *(f"{name}:{request.headers[name]}" for name in names),
            "",
            found["headers"],
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    scope = f"{found['day']}/{found['region']}/{found['service']}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{scope}\n{digest}"
    key = b"AWS4" + SECRET.encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


@pytest.mark.enable_socket
@pytest.mark.parametrize("service", ["es", "aoss"])
def test_requests_are_signed_for_their_service(
    service: str, monkeypatch: pytest.MonkeyPatch, cluster: Cluster, credentials: Credentials
) -> None:
    index = _signed_by(monkeypatch, cluster, credentials, service)
    with closing(index._client):
        found = index._client.search(
            index="cloudtrail-events-*",
            body={"query": {"term": {"eventID": "an event: ü"}}},
            params={"ignore_unavailable": "true"},
        )
        assert found["hits"]["hits"] == []
    (request,) = cluster.requests
    found = AUTHORIZATION.fullmatch(request.headers["authorization"])
    assert found is not None
    assert (found["key"], found["region"], found["service"]) == (KEY_ID, "eu-west-1", service)
    assert {"host", "x-amz-date", "x-amz-security-token"} <= set(found["headers"].split(";"))
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(request.body).hexdigest()
    assert found["signature"] == _signature(request, found)


@pytest.mark.enable_socket
def test_serverless_is_read_and_never_written(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, credentials: Credentials
) -> None:
    index = _signed_by(monkeypatch, cluster, credentials, "aoss")
    with closing(index._client):
        with pytest.raises(ConfigurationError, match="Serverless can only be read"):
            index.save_files([{"location": "file:///x"}])
        with pytest.raises(ConfigurationError, match="Serverless can only be read"):
            index.states()  # a count of what is written by now needs a refresh
        assert cluster.requests == []
        assert index._client.count(index="cloudtrail-*", body={}) == {"hits": {"hits": []}}


def test_signing_without_credentials_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "OPENSEARCH__URL": "https://h",
        "OPENSEARCH__SIGNING": "es",
        "REDIS__URL": "redis://h",
        "AWS__REGION": "eu-west-1",
    }
    with pytest.raises(ConfigurationError, match="no AWS credentials"):
        _ = _container(monkeypatch, **settings).opensearch


def test_signing_without_a_region_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    settings = {
        "OPENSEARCH__URL": "https://h",
        "OPENSEARCH__SIGNING": "es",
        "REDIS__URL": "redis://h",
    }
    with pytest.raises(ConfigurationError, match="ENRICHER_AWS__REGION"):
        _ = _container(monkeypatch, **settings).opensearch


@pytest.mark.enable_socket
def test_a_cluster_of_an_unknown_authority_is_no_outage(cluster: Cluster) -> None:
    client = make_opensearch(Access(url=cluster.url), timeout=timedelta(seconds=10))
    with closing(client), pytest.raises(ConfigurationError, match="TLS with OpenSearch fails"):
        OpenSearchEventIndex(client, bulk_bytes=1).states()


@pytest.mark.enable_socket
def test_a_cluster_without_tls_is_no_outage() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        access = Access(url=f"https://127.0.0.1:{server.server_address[1]}")
        client = make_opensearch(access, timeout=timedelta(seconds=10))
        with closing(client), pytest.raises(ConfigurationError, match="speaks no TLS there"):
            OpenSearchEventIndex(client, bulk_bytes=1).states()
        server.shutdown()


@pytest.mark.enable_socket
def test_a_cluster_that_is_away_is_an_outage() -> None:
    client = make_opensearch(Access(url="https://127.0.0.1:1"), timeout=timedelta(seconds=1))
    with closing(client), pytest.raises(UnavailableError):
        OpenSearchEventIndex(client, bulk_bytes=1).states()


@pytest.mark.enable_socket
def test_redis_that_is_away_is_no_error_yet() -> None:
    make_redis(Access(url="redis://127.0.0.1:1/0")).close()
