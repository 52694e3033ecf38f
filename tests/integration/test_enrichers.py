"""A plug-in that is installed, names from Organizations, and events that are enriched again."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import threading
import venv
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import redis
import urllib3

from enricher.cloudtrail import codec
from enricher.enrichers.fields import INTEGER, Field, keyword
from enricher.enrichers.interface import Contribution
from enricher.errors import SchemaMismatchError
from enricher.pipeline.documents import VOLATILE, Period
from enricher.stores import templates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opensearchpy import OpenSearch

    from enricher.enrichers.interface import Context
    from enricher.stack import Endpoints

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "docs" / "examples" / "enricher-example"
SAMPLES = REPOSITORY / "samples" / "AWSLogs"
OUTSIDE = "enriched.office_hours.outside"
PATIENCE_SECONDS = 180


def run(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command to its good end; give what it wrote."""
    done = subprocess.run(  # noqa: S603 - our own commands
        [str(part) for part in command],
        env=env,
        cwd=cwd,
        capture_output=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
    return done.stdout.decode()


def refused(env: dict[str, str], *arguments: str) -> str:
    """Run our command to its bad end; give what it said."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "enricher.cli", *arguments],
        env={**env, "COLUMNS": "500"},
        capture_output=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 1
    return done.stderr.decode()


@pytest.fixture(autouse=True)
def _emptied(client: OpenSearch) -> None:
    client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})


@pytest.fixture
def environment(stack_endpoints: Endpoints) -> dict[str, str]:
    """Point the command at the shared servers, emptied."""
    store = redis.Redis.from_url(stack_endpoints.redis_url)
    store.flushall()
    store.close()
    return {
        **os.environ,  # noqa: TID251 - the command inherits what runs the tests
        "ENRICHER_OPENSEARCH__URL": stack_endpoints.opensearch_url,
        "ENRICHER_REDIS__URL": stack_endpoints.redis_url,
    }


def ours(environment: dict[str, str], *arguments: str | Path) -> str:
    return run(sys.executable, "-m", "enricher.cli", *arguments, env=environment)


def indexed(client: OpenSearch) -> dict[str, dict[str, Any]]:
    client.indices.refresh(index="cloudtrail-events-*")
    answer = client.search(index="cloudtrail-events-*", body={"size": 10_000})
    return {hit["_id"]: hit["_source"]["enriched"] for hit in answer["hits"]["hits"]}


def enrichments(client: OpenSearch) -> dict[str, dict[str, Any]]:
    return {
        name: {k: v for k, v in enriched.items() if k not in VOLATILE}
        for name, enriched in indexed(client).items()
    }


# --- the example, installed as its page says ------------------------------------------------------


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the project and the example, each from its wheel; give its ``bin``.

    Other packages are those that run the tests: nothing is downloaded.
    """
    place = tmp_path_factory.mktemp("clean")
    wheels = place / "wheels"
    for source in (REPOSITORY, EXAMPLE):
        build = ("-m", "hatchling", "build", "--target", "wheel", "--directory", wheels)
        run(sys.executable, *build, cwd=source)
    venv.create(place / "venv", with_pip=True)
    scripts = place / "venv" / "bin"
    offline = ("--no-index", "--no-deps", "--find-links", wheels)
    run(scripts / "python", "-m", "pip", "install", *offline, "enricher", "enricher-example")
    packages = run(scripts / "python", "-c", "import site; print(*site.getsitepackages())")
    # What is listed in such a file is found after what is installed here. A checkout that is
    # installed for editing there has a file of its own kind, which is not read from here.
    Path(packages.strip(), "of-the-tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return scripts


def test_the_example_is_found_described_and_tested(clean: Path, tmp_path: Path) -> None:
    where = run(clean / "python", "-c", "import enricher; print(enricher.__file__)", cwd=tmp_path)
    assert str(clean.parent) in where, "the wheel is what is run"
    lines = run(clean / "enricher", "enrichers", "list", cwd=tmp_path).splitlines()
    (row,) = [line.split() for line in lines if line.startswith("office-hours")]
    assert " ".join(row) == "office-hours 1 yes enricher-example 1.0.0 enriched.office_hours"
    described = run(clean / "enricher", "enrichers", "describe", "office-hours", cwd=tmp_path)
    assert "reads: eventTime, enriched.origin" in described
    assert "enriched.office_hours.weekday" in described
    tests = EXAMPLE / "tests"
    run(clean / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", tests, cwd=tmp_path)


def test_the_example_explains(clean: Path, tmp_path: Path) -> None:
    def explained(env: dict[str, str]) -> list[dict[str, Any]]:
        lines = run(clean / "enricher", "explain", SAMPLES, env=env, cwd=tmp_path).splitlines()
        return [codec.loads(line)["enriched"] for line in lines if line.startswith("{")]

    env = dict(os.environ)  # noqa: TID251 - the command inherits what runs the tests
    found = explained(env)
    said = [one for one in found if "office_hours" in one]
    assert 0 < len(said) < len(found)
    assert all(one["origin"]["human"] is True for one in said)
    assert {one["enrichers"]["office-hours"] for one in found} == {1}
    without = explained({**env, "ENRICHER_ENRICHERS__DISABLED": "office-hours"})
    for one in found:
        one.pop("office_hours", None)
        del one["enrichers"]["office-hours"]
    assert without == found


def test_workers_with_the_example_write_what_it_says_and_it_can_be_taken_away_again(
    clean: Path, client: OpenSearch, environment: dict[str, str], tmp_path: Path
) -> None:
    def theirs(*arguments: str | Path, **more: str) -> str:
        env = {**environment, **more}
        return run(clean / "enricher", *arguments, env=env, cwd=tmp_path)

    theirs("ingest", "--wait", SAMPLES)
    written = enrichments(client)

    explained = [codec.loads(line) for line in theirs("explain", SAMPLES).splitlines()]
    expected = {
        f"{one['eventID']}:{one['recipientAccountId']}": one["enriched"].get("office_hours")
        for one in explained
    }
    assert {name: one.get("office_hours") for name, one in written.items()} == expected
    query = {"query": {"exists": {"field": OUTSIDE}}}
    said = sum(one is not None for one in expected.values())
    assert client.count(index="cloudtrail-events-*", body=query)["count"] == said > 0

    theirs("reenrich", "--all", ENRICHER_ENRICHERS__DISABLED="office-hours")
    for one in enrichments(client).values():
        assert "office_hours" not in one
        assert "office-hours" not in one["enrichers"]
    theirs("reenrich", "--all")
    assert enrichments(client) == written
    assert theirs("reenrich", "--all").endswith(" 0 changed.\n")


def test_installing_the_example_maps_its_fields_in_new_and_old_indices(
    clean: Path, client: OpenSearch, environment: dict[str, str], tmp_path: Path
) -> None:
    ours(environment, "install")
    client.indices.create(index="cloudtrail-events-2026.03")

    installed = run(clean / "enricher", "install", env=environment, cwd=tmp_path)

    assert "cloudtrail-enriched-office-hours" in installed
    old = client.indices.get_mapping(index="cloudtrail-events-2026.03")
    new = client.indices.simulate_index_template(name="cloudtrail-events-2031.01")
    for mappings in (old["cloudtrail-events-2026.03"]["mappings"], new["template"]["mappings"]):
        enriched = mappings["properties"]["enriched"]["properties"]
        assert enriched["office_hours"]["properties"] == {
            "outside": {"type": "boolean"},
            "weekday": {"type": "keyword", "ignore_above": 9},
        }
        assert enriched["origin"]["properties"]["status"]["type"] == "keyword"


# --- mappings that do not go together -------------------------------------------------------------


class Acme:
    """An enricher with one field."""

    name = "acme"
    version = 1
    reads = ()

    def __init__(self, *fields: Field) -> None:
        self.fields: Sequence[Field] = fields

    def enrich(self, context: Context) -> Contribution:  # noqa: ARG002 - the interface's
        """Say nothing."""
        return Contribution(fields={})


def test_a_field_that_changed_its_type_is_refused_with_its_name(client: OpenSearch) -> None:
    text = Acme(Field("acme.owner", keyword(64), "who", "alice"))
    number = Acme(Field("acme.owner", INTEGER, "who", 7))
    templates.install(client, Period.MONTH, [text])
    client.indices.create(index="cloudtrail-events-2026.03")
    templates.install(client, Period.MONTH, [text])
    with pytest.raises(SchemaMismatchError, match=r"enriched\.acme\.owner.*reindex first"):
        templates.install(client, Period.MONTH, [number])
    templates.install(client, Period.MONTH)


# --- names of accounts ----------------------------------------------------------------------------


@pytest.fixture
def environment_of_aws(endpoint: str, tmp_path: Path) -> dict[str, str]:
    """Point the command at a server that speaks Organizations, and at a file of names."""
    urllib3.request("POST", f"{endpoint}/moto-api/reset")
    return {
        **os.environ,  # noqa: TID251 - the command inherits what runs the tests
        "ENRICHER_AWS__ENDPOINT_URL": endpoint,
        "ENRICHER_AWS__REGION": "us-east-1",
        "ENRICHER_NAMES__ACCOUNTS_FILE": str(tmp_path / "accounts.json"),
    }


@pytest.fixture
def organization(environment_of_aws: dict[str, str]) -> dict[str, str]:
    """The accounts of an organization: more than AWS gives at once."""
    endpoint = environment_of_aws["ENRICHER_AWS__ENDPOINT_URL"]
    client = boto3.client("organizations", endpoint_url=endpoint, region_name="us-east-1")
    client.create_organization(FeatureSet="ALL")
    for number in range(45):
        client.create_account(Email=f"a{number}@example.com", AccountName=f"team-{number}")
    pages = client.get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": 10})
    accounts = {one["Id"]: one["Name"] for page in pages for one in page["Accounts"]}
    client.close()
    return accounts


def test_names_come_from_the_organization_and_stay_beside_it(
    environment_of_aws: dict[str, str], organization: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "accounts.json"
    known = {"999999999999": "a partner", next(iter(organization)): "an old name"}
    path.write_bytes(codec.dumps(known))

    said = ours(environment_of_aws, "accounts", "sync")

    assert len(organization) == 46
    assert "46 accounts in the organization; 46 names new or changed." in said
    assert codec.loads(path.read_bytes()) == {"999999999999": "a partner", **organization}
    assert "; 0 names new or changed" in ours(environment_of_aws, "accounts", "sync")
    assert "999999999999  a partner" in ours(environment_of_aws, "accounts", "list")


class Refuses(BaseHTTPRequestHandler):
    """Organizations as it answers who may not ask; moto lets everybody."""

    code = "AccessDeniedException"

    def do_POST(self) -> None:
        """Refuse."""
        body = codec.dumps({"__type": self.code, "Message": "You don't have permissions …"})
        self.send_response(400)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's own name
        """Keep quiet."""


@pytest.mark.parametrize("code", ["AccessDeniedException", "AWSOrganizationsNotInUseException"])
def test_who_may_not_ask_is_told_what_it_needs(
    environment_of_aws: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(Refuses, "code", code)
    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        said = refused(
            {**environment_of_aws, "ENRICHER_AWS__ENDPOINT_URL": endpoint}, "accounts", "sync"
        )
        server.shutdown()
    assert code in said
    assert "organizations:ListAccounts" in said
    assert not (tmp_path / "accounts.json").exists()


def test_accounts_that_got_a_name_bear_it_once_their_events_are_enriched_again(
    client: OpenSearch, environment: dict[str, str], tmp_path: Path
) -> None:
    ours(environment, "ingest", "--wait", SAMPLES)
    before = indexed(client)
    account = next(
        e["origin"]["account_id"]
        for e in before.values()
        if e["chain_depth"] and "account_id" in e["origin"]
    )
    path = tmp_path / "accounts.json"
    path.write_bytes(codec.dumps({account: "prod"}))
    named = {**environment, "ENRICHER_NAMES__ACCOUNTS_FILE": str(path)}
    query = f"enriched.origin.account_id:{account}"

    ours(named, "reenrich", "--query", query)

    after = indexed(client)
    theirs = {k for k, e in before.items() if e["origin"].get("account_id") == account}
    assert theirs
    for name, enriched in after.items():
        assert enriched["origin"].get("account_name") == ("prod" if name in theirs else None)
        assert enriched["revision"] == before[name]["revision"] + (name in theirs)
    lines = ours(named, "explain", SAMPLES).splitlines()
    texts = {
        f"{e['eventID']}:{e['recipientAccountId']}": e["enriched"]["chain_text"]
        for e in map(codec.loads, (line for line in lines if line.startswith("{")))
    }
    ours(named, "reenrich", "--all")
    assert {name: e["chain_text"] for name, e in indexed(client).items()} == texts
    assert any("@prod" in text for text in texts.values())
    assert "does not understand the query" in refused(named, "reenrich", "--query", "a:(b")
