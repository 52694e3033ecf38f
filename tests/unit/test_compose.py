"""docker-compose.yml: what it asks of us exists, and it opens nothing that it should not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from enricher.cli.main import cli
from enricher.settings import ApiSettings, setting_names

REPOSITORY = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
TAGGED = re.compile(r"[a-z0-9./-]+:[0-9][0-9A-Za-z.-]*(@sha256:[0-9a-f]{64})?")
REQUIRED = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}")

# Those that do their work once and end, which others wait for.
ONCE = {
    name
    for service in SERVICES.values()
    for name, wanted in service.get("depends_on", {}).items()
    if wanted["condition"] == "service_completed_successfully"
}

every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def test_there_are_services() -> None:
    assert {"opensearch", "dashboards", "valkey", "worker", "api"} <= SERVICES.keys() - ONCE


@every_service
def test_its_command_exists(service: dict[str, Any]) -> None:
    command = service.get("command", [])
    if command[:1] != ["enricher"]:
        return
    found: Any = typer.main.get_command(cli)
    for word in command[1:]:
        if word.startswith("-"):
            break
        assert word in getattr(found, "commands", {}), command
        found = found.commands[word]


@every_service
def test_its_settings_exist(service: dict[str, Any]) -> None:
    ours = {name for name in service.get("environment", {}) if name.startswith("ENRICHER_")}
    assert ours - set(setting_names()) == set()


@every_service
def test_its_image_is_pinned(service: dict[str, Any]) -> None:
    if "build" in service:
        return
    assert TAGGED.fullmatch(service["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_it_says_when_it_is_healthy_or_done(name: str) -> None:
    if name not in ONCE:
        assert SERVICES[name]["healthcheck"]["test"]


def test_templates_and_dashboards_are_there_before_a_worker_is() -> None:
    """Whoever waits for the worker finds all of it in place."""
    assert {"install", "install-dashboards"} <= _reached(SERVICES["worker"]) & ONCE
    assert SERVICES["install-dashboards"]["command"] == ["enricher", "dashboards", "install"]


def test_the_api_waits_for_templates_and_keeps_its_keys() -> None:
    """Its keys are in a volume that the image lets its user write to."""
    api = SERVICES["api"]
    assert "install" in _reached(api) & ONCE
    folder = api["environment"]["ENRICHER_API__KEYS_FILE"].rpartition("/")[0]
    (volume,) = [one for one in api["volumes"] if one.endswith(f":{folder}")]
    assert volume.partition(":")[0] in COMPOSE["volumes"]
    assert re.search(rf"install --directory --owner enricher .*{folder}", DOCKERFILE)
    port = api["ports"][0].rpartition(":")[2]
    assert f":{port}/readyz" in api["healthcheck"]["test"][-1]
    assert int(port) == ApiSettings().port


def _reached(service: dict[str, Any]) -> set[str]:
    direct = set(service.get("depends_on", {}))
    return direct.union(*(_reached(SERVICES[name]) for name in direct))


@every_service
def test_it_is_reached_from_this_machine_only(service: dict[str, Any]) -> None:
    assert [port for port in service.get("ports", []) if not port.startswith("127.0.0.1:")] == []


@every_service
def test_it_has_no_password_of_its_own(service: dict[str, Any]) -> None:
    environment = service.get("environment", {})
    passwords = [value for name, value in environment.items() if "PASSWORD" in name]
    assert [value for value in passwords if not REQUIRED.fullmatch(value)] == []


@every_service
def test_it_waits_for_services_that_exist(service: dict[str, Any]) -> None:
    assert service.get("depends_on", {}).keys() <= SERVICES.keys()


def test_the_image_is_built_from_all_that_the_wheel_packs() -> None:
    copies = re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    copied = {name for line in copies for name in line.split()}
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*wheel["packages"], *wheel["force-include"], PYPROJECT["project"]["readme"]} <= copied
    assert [name for name in copied if not (REPOSITORY / name).exists()] == []
