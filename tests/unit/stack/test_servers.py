"""How the servers are started: command lines, settings, the choice of Java."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml

from enricher.stack.distribution import Distribution
from enricher.stack.errors import StackError
from enricher.stack.lock import load_lock
from enricher.stack.opensearch import OpenSearch, java_program
from enricher.stack.settings import StackSettings
from enricher.stack.valkey import Valkey, server_binary

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> StackSettings:
    return StackSettings(tmp_path / "data: mine", tmp_path / "cache", heap=512 << 20)


@pytest.fixture
def opensearch(settings: StackSettings) -> OpenSearch:
    server = OpenSearch(settings, Distribution(load_lock(), settings.cache_dir))
    (server.directory / "config").mkdir(parents=True)
    return server


def _java(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").touch()
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return home


def test_opensearch_gets_the_heap_and_no_more(opensearch: OpenSearch) -> None:
    command = opensearch.command(9201)
    assert {"-Xms524288k", "-Xmx524288k", "-XX:MaxDirectMemorySize=262144k"} <= set(command)
    assert command[-1] == "org.opensearch.bootstrap.OpenSearch"


def test_opensearch_keeps_its_temporary_files_in_the_data_directory(
    opensearch: OpenSearch, settings: StackSettings
) -> None:
    assert f"-Djava.io.tmpdir={settings.data_dir}/opensearch/tmp" in opensearch.command(9200)


def test_opensearch_listens_on_loopback_only(
    opensearch: OpenSearch, settings: StackSettings
) -> None:
    opensearch.command(9201)
    written = settings.data_dir / "opensearch" / "config" / "opensearch.yml"
    assert yaml.safe_load(written.read_text()) == {
        "cluster.name": "enricher",
        "node.name": "enricher",
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": 9201,
        "transport.port": 0,
        "path.data": f"{settings.data_dir}/opensearch/data",
        "path.logs": f"{settings.data_dir}/opensearch/logs",
        "cluster.routing.allocation.disk.threshold_enabled": False,
    }


def test_valkey_listens_on_loopback_only_and_keeps_what_it_has(settings: StackSettings) -> None:
    program, *options = Valkey(settings).command(6380)
    assert program == str(server_binary())
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert given["--bind"] == "127.0.0.1"
    assert given["--port"] == "6380"
    assert given["--appendonly"] == "yes"
    assert given["--maxmemory-policy"] == "noeviction"


def test_the_packaged_java_is_used_unless_another_is_named() -> None:
    assert java_program(None).is_file()


@pytest.mark.parametrize("version", ["21", "21.0.4", "22-ea", "25.0.2"])
def test_a_new_java_is_used(tmp_path: Path, version: str) -> None:
    home = _java(tmp_path / "java", version)
    assert java_program(home) == home / "bin" / "java"


@pytest.mark.parametrize("version", ["17.0.15", "1.8.0_392", "", "none"])
def test_an_old_java_is_refused(tmp_path: Path, version: str) -> None:
    home = _java(tmp_path / "java", version)
    with pytest.raises(StackError, match="needs 21 or newer"):
        java_program(home)


def test_a_directory_without_java_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="not the directory of a Java installation"):
        java_program(tmp_path)


def test_a_heap_that_cannot_work_is_refused(settings: StackSettings) -> None:
    with pytest.raises(StackError, match="at least 256 MiB"):
        replace(settings, heap=1 << 20)


def test_the_default_settings_are_the_users_own() -> None:
    settings = StackSettings.default()
    assert settings.data_dir != settings.cache_dir
    assert (settings.heap, settings.opensearch_port, settings.redis_port) == (1 << 30, 9200, 6379)
