"""The API as a process of its own, over real servers that a real worker has filled."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import redis
from opensearchpy import OpenSearch

from enricher.client import ApiClient
from enricher.cloudtrail import codec
from tests.integration.conftest import free_port
from tests.integration.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from enricher.stack import Endpoints

Json = dict[str, Any]

SAMPLES = Path(__file__).parents[2] / "samples" / "AWSLogs"
SCOPES = ("read", "respond", "admin")
ALL_TIME = {"start": "2000-01-01T00:00:00Z"}
MADE_USER = "00000000-0000-4000-8000-000000000001"
WAS_DENIED = "00000000-0000-4000-8000-000000000002"
RULES = f"""
title: A user is made
id: {MADE_USER}
status: test
logsource: {{product: aws, service: cloudtrail}}
detection: {{sel: {{eventName: CreateUser}}, condition: sel}}
level: high
---
title: A call is denied
id: {WAS_DENIED}
status: test
logsource: {{product: aws, service: cloudtrail}}
detection: {{sel: {{enriched.outcome.status: denied}}, condition: sel}}
level: low
"""
_OF_OUR_OWN = "/6"  # a database of Redis that no other test's worker serves
_PATIENCE_SECONDS = 300


@dataclass
class ApiHouse:
    """The command on real servers, and the API that it serves.

    Attributes:
        keys: An API key for each scope, and one for all of them.
    """

    environment: dict[str, str]
    opensearch: OpenSearch
    redis: redis.Redis
    folder: Path
    url: str = ""
    keys: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str | Path, **environment: str) -> str:
        """Run the command to its end; give what it printed."""
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "enricher.cli", *map(str, arguments)],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            check=True,
            timeout=_PATIENCE_SECONDS,
        ).stdout.decode()

    def ingest(self, *places: Path) -> None:
        """Ingest log files with a worker, and wait for nothing more."""
        self.run("ingest", "--wait", *places)
        time.sleep(1)  # a window of nothing is over in the second after the last write
        self.run("reconcile", ENRICHER_PIPELINE__WINDOW="PT0S")
        self.opensearch.indices.refresh(index="cloudtrail-*")

    def judge(self, rules: str) -> None:
        """Install these rules, and judge every event by them."""
        path = self.folder / "rules.yml"
        path.write_text(rules)
        self.run("rules", "install", path)
        self.run("alerts", "evaluate")
        self.opensearch.indices.refresh(index="cloudtrail-alerts-*")

    def events(self) -> list[Json]:
        """Give every event, as the index has it."""
        body = {"size": 10_000, "sort": ["eventTime"]}
        hits = self.opensearch.search(index="cloudtrail-events-*", body=body)["hits"]["hits"]
        return [{**hit["_source"], "_id": hit["_id"]} for hit in hits]

    def write_log_file(self, records: Sequence[Mapping[str, Any]], name: str) -> Path:
        """Write records as CloudTrail delivers them."""
        path = self.folder / f"111122223333_CloudTrail_us-east-1_20260302T0800Z_{name}.json.gz"
        path.write_bytes(gzip.compress(codec.dumps({"Records": list(records)})))
        return path

    def ask(
        self,
        method: str,
        path: str,
        *,
        key: str | None = "all",
        **more: Any,  # noqa: ANN401 - httpx's own
    ) -> httpx.Response:
        """Call the API with the key of that name, None for no key."""
        headers = {"X-API-Key": self.keys.get(key, key)} if key is not None else {}
        headers |= more.pop("headers", {})
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **more)

    def get(self, path: str, **parameters: object) -> Json:
        """Ask for JSON that must be there."""
        answer = self.ask("GET", path, params=parameters)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def post(self, path: str, body: object) -> Json:
        """Send JSON, and give what must be there."""
        answer = self.ask("POST", path, json=body)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def client(self) -> ApiClient:
        """Give the client of the API."""
        return ApiClient(self.url, self.keys["all"])

    @contextmanager
    def serving(self, **environment: str) -> Iterator[str]:
        """Serve the API as a process, and give its address once it is ready."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        log = self.folder / f"api-{port}.log"
        with log.open("wb") as written:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "enricher.cli", "api", "--port", str(port)],
                env={**self.environment, **environment},
                stdout=written,
                stderr=subprocess.STDOUT,
            )
        try:
            until(lambda: process.poll() is not None or _answers(url), "the API answers")
            assert process.poll() is None, log.read_text(errors="replace")
            yield url
        finally:
            process.terminate()
            process.wait(_PATIENCE_SECONDS)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def open_house(endpoints: Endpoints, folder: Path) -> Iterator[ApiHouse]:
    """Give empty servers, installed, with the API over them."""
    redis_url = re.sub(r"/\d+$", _OF_OUR_OWN, endpoints.redis_url)
    environment = {
        **os.environ,  # noqa: TID251 - the command inherits what runs the tests
        "ENRICHER_OPENSEARCH__URL": endpoints.opensearch_url,
        "ENRICHER_REDIS__URL": redis_url,
        "ENRICHER_API__KEYS_FILE": str(folder / "keys.json"),
        "ENRICHER_API__RATE": "10000",
        "ENRICHER_API__BURST": "10000",
        "COLUMNS": "400",
    }
    with (
        closing(OpenSearch(endpoints.opensearch_url, timeout=60)) as client,
        closing(redis.Redis.from_url(redis_url)) as broker,
    ):
        client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
        broker.flushdb()
        house = ApiHouse(environment, client, broker, folder)
        house.run("install")
        wanted = {scope: [scope] for scope in SCOPES} | {"all": list(SCOPES)}
        for name, scopes in wanted.items():
            flags = [flag for scope in scopes for flag in ("--scope", scope)]
            house.keys[name] = house.run("api-keys", "create", name, *flags).strip()
        try:
            with house.serving() as house.url:
                yield house
        finally:
            client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})


def records_of(events: Sequence[Json]) -> list[Json]:
    """Give the records of events, as CloudTrail wrote them."""
    return [
        {name: value for name, value in one.items() if name not in {"enriched", "_id", "raw"}}
        for one in events
        if "raw" not in one and one["eventTime"].startswith("2026")
    ]
