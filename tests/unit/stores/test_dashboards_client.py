"""Installing dashboards: the request as the import API wants it, and what its answers mean."""

from __future__ import annotations

import os
import ssl
from base64 import b64encode
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from enricher.bootstrap import container
from enricher.cli.main import cli
from enricher.cloudtrail import codec
from enricher.errors import ConfigurationError, UnavailableError
from enricher.stack.credentials import NODE, Credentials
from enricher.stack.issuing import issue
from enricher.stores.connections import Access
from enricher.stores.dashboards_client import INVESTIGATE, Dashboards, load_saved_objects
from tests.dashboards_api import import_api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.dashboards_api import Seen

pytestmark = pytest.mark.enable_socket

PASSWORD = "pässword: 1"  # noqa: S105 - of nothing
OBJECTS = load_saved_objects()


@pytest.fixture
def api() -> Iterator[Seen]:
    """An OpenSearch Dashboards that has nothing yet."""
    with import_api() as seen:
        yield seen


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the machine's settings say nothing, and others' not stay."""
    for name in list(os.environ):  # noqa: TID251 - how tests are run is no setting
        if name.startswith("ENRICHER_"):
            monkeypatch.delenv(name)
    container.cache_clear()
    yield
    container.cache_clear()


def dashboards(url: str, **access: Any) -> Dashboards:  # noqa: ANN401 - as Access has them
    """Give the client of a server."""
    return Dashboards(access=Access(url=url, **access), timeout=timedelta(seconds=10))


def install(*arguments: str) -> Any:  # noqa: ANN401 - Typer's
    """Run the command."""
    return CliRunner().invoke(cli, ["dashboards", "install", *arguments])


def test_everything_is_installed(api: Seen) -> None:
    count = dashboards(api.url).install(OBJECTS)
    assert count == len(api.objects) == len(OBJECTS.splitlines()) > 50


def test_to_install_again_is_no_conflict(api: Seen) -> None:
    client = dashboards(api.url)
    assert client.install(OBJECTS) == client.install(OBJECTS)


def test_the_request_asks_in_the_tenant_and_as_the_user(api: Seen) -> None:
    dashboards(api.url, username="installer", password=PASSWORD).install(OBJECTS)
    (headers,) = api.headers
    assert headers["osd-xsrf"] == "true"
    assert headers["securitytenant"] == "global"
    assert (
        headers["authorization"] == f"Basic {b64encode(f'installer:{PASSWORD}'.encode()).decode()}"
    )


def test_a_base_path_is_kept(api: Seen) -> None:
    with pytest.raises(ConfigurationError, match="HTTP 404"):
        dashboards(f"{api.url}/base/").install(OBJECTS)


def test_a_missing_reference_is_named(api: Seen) -> None:
    lines = OBJECTS.splitlines(keepends=True)
    without = b"".join(line for line in lines if codec.loads(line)["id"] != "enricher-quarantine")
    with pytest.raises(
        ConfigurationError, match=r"missing_references index-pattern enricher-quarantine.*version 3"
    ):
        dashboards(api.url).install(without)
    assert api.objects == {}


def test_an_answer_of_200_is_no_success_by_itself(api: Seen) -> None:
    api.status, api.body = 200, codec.dumps({"successCount": 3, "success": False})
    with pytest.raises(ConfigurationError, match="it does not say why"):
        dashboards(api.url).install(OBJECTS)


def test_many_faults_are_not_all_told(api: Seen) -> None:
    error = {"type": "search", "id": "x", "error": {"type": "conflict"}}
    api.status, api.body = 200, codec.dumps({"success": False, "errors": [error] * 70})
    with pytest.raises(ConfigurationError, match="search x: conflict; and 65 more"):
        dashboards(api.url).install(OBJECTS)


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (401, b'{"message":"Unauthorized"}', ConfigurationError, "ENRICHER_DASHBOARDS__PASSWORD"),
        (403, b'{"message":"no"}', ConfigurationError, "ENRICHER_DASHBOARDS__USERNAME"),
        (302, b"", ConfigurationError, "another way to sign in"),
        (200, b"<html>", ConfigurationError, "no OpenSearch Dashboards"),
        (200, b"[]", ConfigurationError, "no OpenSearch Dashboards"),
        (429, b'{"message":"Data too large"}', UnavailableError, "busy"),
        (503, b"not ready yet", UnavailableError, "starting"),
        (422, b'{"message":"a more recent version"}', ConfigurationError, "a more recent version"),
    ],
)
def test_a_refusal_says_what_to_do(
    api: Seen, status: int, body: bytes, error: type[Exception], said: str
) -> None:
    api.status, api.body = status, body
    with pytest.raises(error, match=said):
        dashboards(api.url).install(OBJECTS)


def test_a_server_that_is_away_is_said() -> None:
    with pytest.raises(UnavailableError, match=r"does not answer at http://127\.0\.0\.1:9;"):
        dashboards("http://127.0.0.1:9").install(OBJECTS)


def test_tls_where_there_is_none_is_said(api: Seen) -> None:
    with pytest.raises(ConfigurationError, match="Dashboards speaks no TLS there"):
        dashboards(api.url.replace("http:", "https:")).install(OBJECTS)


def test_tls_needs_the_authority_that_signed(tmp_path: Path) -> None:
    credentials = Credentials.of(tmp_path / "made")
    issue(credentials)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(credentials.certificate(NODE), credentials.key(NODE))
    with import_api(context) as api:
        with pytest.raises(ConfigurationError, match="ENRICHER_DASHBOARDS__CA_FILE"):
            dashboards(api.url).install(OBJECTS)
        assert api.objects == {}
        assert dashboards(api.url, ca_file=credentials.authority).install(OBJECTS)
        assert dashboards(api.url, verify_certificates=False).install(OBJECTS)


# --- the command --------------------------------------------------------------------------------


def test_the_command_installs(api: Seen) -> None:
    answer = install("--url", api.url)
    assert answer.exit_code == 0, answer.output
    assert f"{len(api.objects)} saved objects installed" in answer.output


def test_the_command_takes_its_settings(
    api: Seen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    monkeypatch.setenv("ENRICHER_DASHBOARDS__URL", api.url)
    monkeypatch.setenv("ENRICHER_DASHBOARDS__USERNAME", "installer")
    monkeypatch.setenv("ENRICHER_DASHBOARDS__PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("ENRICHER_DASHBOARDS__TENANT", "security")
    assert install().exit_code == 0
    (headers,) = api.headers
    assert headers["securitytenant"] == "security"
    assert headers["authorization"].startswith("Basic ")


def test_links_lead_to_the_investigation_page_that_is_set(
    api: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert INVESTIGATE.encode() in OBJECTS
    monkeypatch.setenv(
        "ENRICHER_DASHBOARDS__INVESTIGATE_URL", "https://soc.example.org/investigate"
    )
    assert install("--url", api.url).exit_code == 0
    formats = api.objects["index-pattern", "enricher-events"]["attributes"]["fieldFormatMap"]
    link = codec.loads(formats)["enriched.session.principal_arn"]["params"]["urlTemplate"]
    assert link == "https://soc.example.org/investigate?q={{value}}"


@pytest.mark.parametrize("address", ['https://a"b', "https://a\\b", "ftp://a", "https://a b"])
def test_an_address_that_would_break_the_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("ENRICHER_DASHBOARDS__INVESTIGATE_URL", address)
    with pytest.raises(ConfigurationError, match="ENRICHER_DASHBOARDS__INVESTIGATE_URL"):
        container()


@pytest.mark.parametrize("address", ["example.org:5601", "https://a:b@example.org", "https://"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    answer = install("--url", address)
    assert isinstance(answer.exception, ConfigurationError)
    assert "begins with http:// or https://" in str(answer.exception)


def test_without_an_address_it_says_what_to_set() -> None:
    answer = install()
    assert isinstance(answer.exception, ConfigurationError)
    assert "ENRICHER_DASHBOARDS__URL" in str(answer.exception)


def test_the_file_to_import_by_hand_is_the_same(tmp_path: Path, api: Seen) -> None:
    path = tmp_path / "mine.ndjson"
    answer = CliRunner().invoke(cli, ["dashboards", "export-file", str(path)])
    assert answer.exit_code == 0, answer.output
    assert path.read_bytes() == OBJECTS
    assert dashboards(api.url).install(path.read_bytes()) == len(OBJECTS.splitlines())


def test_a_file_that_dashboards_would_refuse_is_not_written(tmp_path: Path) -> None:
    answer = CliRunner().invoke(cli, ["dashboards", "export-file", str(tmp_path / "mine.json")])
    assert isinstance(answer.exception, ConfigurationError)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    path = tmp_path / "no" / "mine.ndjson"
    answer = CliRunner().invoke(cli, ["dashboards", "export-file", str(path)])
    assert isinstance(answer.exception, ConfigurationError)
    assert "cannot be written" in str(answer.exception)
