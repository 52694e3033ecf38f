"""The server's directory: what goes where, and that it is put together once."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from enricher.stack.distribution import Distribution
from enricher.stack.errors import DownloadError
from enricher.stack.lock import Lock, LockedModule, LockedPlugin
from tests.unit.stack.twins import MemorySource, ignore, locked

if TYPE_CHECKING:
    from pathlib import Path


def _zip(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


FILES = {
    "org.opensearch:server:1": b"server",
    "org.opensearch.plugin:painless:1": b"painless",
    "org.opensearch.plugin:extras:1": b"extras",
    "org.opensearch.plugin:guard:zip:1": _zip(
        {
            "guard.jar": "guard",
            "plugin-descriptor.properties": "name=guard\nextended.plugins=other;optional=true\n",
        }
    ),
    "group:beside:1": b"beside",
}
ARTIFACTS = {name: locked(name, content) for name, content in FILES.items()}
LOCK = Lock(
    opensearch="3.4.0",
    lib=(ARTIFACTS["org.opensearch:server:1"],),
    modules=(
        LockedModule(
            "painless", "Scripts", "a.B", (), (ARTIFACTS["org.opensearch.plugin:painless:1"],)
        ),
        LockedModule(
            "extras", "More", "c.D", ("painless",), (ARTIFACTS["org.opensearch.plugin:extras:1"],)
        ),
    ),
    security=LockedPlugin(
        "guard", ARTIFACTS["org.opensearch.plugin:guard:zip:1"], (ARTIFACTS["group:beside:1"],)
    ),
)


@pytest.fixture
def source() -> MemorySource:
    return MemorySource(dict(FILES))


def _content(home: Path) -> dict[str, str]:
    return {
        str(path.relative_to(home)): path.read_text()
        for path in sorted(home.rglob("*"))
        if path.is_file()
    }


def test_jars_and_descriptors_are_where_the_server_looks(
    tmp_path: Path, source: MemorySource
) -> None:
    home = Distribution(LOCK, tmp_path, source=source).prepare(ignore)
    assert (home / "plugins").is_dir()
    assert _content(home) == {
        "lib/server-1.jar": "server",
        "modules/extras/extras-1.jar": "extras",
        "modules/extras/plugin-descriptor.properties": (
            "name=extras\ndescription=More\nversion=3.4.0\nopensearch.version=3.4.0\n"
            "java.version=21\nclassname=c.D\nextended.plugins=painless\n"
            "has.native.controller=false\n"
        ),
        "modules/painless/painless-1.jar": "painless",
        "modules/painless/plugin-descriptor.properties": (
            "name=painless\ndescription=Scripts\nversion=3.4.0\nopensearch.version=3.4.0\n"
            "java.version=21\nclassname=a.B\nextended.plugins=\nhas.native.controller=false\n"
        ),
    }


def test_the_security_plugin_is_unpacked_and_extends_nothing(
    tmp_path: Path, source: MemorySource
) -> None:
    plain = Distribution(LOCK, tmp_path, source=source).prepare(ignore)
    home = Distribution(LOCK, tmp_path, source=source, security=True).prepare(ignore)
    assert home != plain
    assert _content(home / "plugins") == {
        "guard/beside-1.jar": "beside",
        "guard/guard.jar": "guard",
        "guard/plugin-descriptor.properties": "name=guard\nextended.plugins=\n",
    }


def test_a_second_time_nothing_is_asked_for(tmp_path: Path, source: MemorySource) -> None:
    first = Distribution(LOCK, tmp_path, source=source).prepare(ignore)
    assert len(source.asked) == 3
    reports: list[str] = []
    assert Distribution(LOCK, tmp_path, source=source).prepare(reports.append) == first
    assert len(source.asked) == 3
    assert reports == []


def test_what_arrived_before_a_failure_is_used_the_next_time(
    tmp_path: Path, source: MemorySource
) -> None:
    missing = source.files.pop("org.opensearch.plugin:extras:1")
    distribution = Distribution(LOCK, tmp_path, source=source)
    with pytest.raises((KeyError, DownloadError)):
        distribution.prepare(ignore)
    assert not distribution.home.exists()
    source.files["org.opensearch.plugin:extras:1"] = missing
    distribution.prepare(ignore)
    assert _content(distribution.home)["lib/server-1.jar"] == "server"
    assert source.asked.count("org.opensearch:server:1") <= 2


def test_the_remains_of_a_killed_assembly_are_removed(tmp_path: Path, source: MemorySource) -> None:
    (tmp_path / ".assemble-abandoned").mkdir()
    distribution = Distribution(LOCK, tmp_path, source=source)
    distribution.prepare(ignore)
    assert {path.name for path in tmp_path.iterdir()} == {
        ".lock",
        "artifacts",
        distribution.home.name,
    }
