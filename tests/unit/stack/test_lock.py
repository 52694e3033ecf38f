"""The lock file: what it says of the server, and what is refused."""

from __future__ import annotations

import pytest

from enricher.stack.errors import StackError
from enricher.stack.lock import LOCK_FILE, LockedArtifact, load_lock, parse_lock

SHA256 = "0" * 64


def test_the_lock_of_this_package_names_the_server_and_its_modules() -> None:
    lock = load_lock()
    assert lock.opensearch == "3.4.0"
    assert "org.opensearch:opensearch:3.4.0" in {artifact.coordinates for artifact in lock.lib}
    assert {module.name for module in lock.modules} == {
        "aggs-matrix-stats",
        "geo",
        "ingest-common",
        "lang-expression",
        "lang-mustache",
        "lang-painless",
        "mapper-extras",
        "parent-join",
        "reindex",
        "transport-netty4",
    }


def test_every_module_extends_modules_that_are_there() -> None:
    lock = load_lock()
    names = {module.name for module in lock.modules}
    assert {other for module in lock.modules for other in module.extends} <= names


def test_no_module_brings_a_jar_that_the_server_has() -> None:
    lock = load_lock()
    lib = {artifact.file_name for artifact in lock.lib}
    assert [a.file_name for m in lock.modules for a in m.artifacts if a.file_name in lib] == []


def test_the_security_plugin_is_left_out_unless_asked_for() -> None:
    lock = load_lock()
    extra = set(lock.artifacts(security=True)) - set(lock.artifacts())
    assert {artifact.coordinates for artifact in extra} == {
        "org.opensearch.plugin:opensearch-security:zip:3.4.0.0",
        "org.apache.commons:commons-collections4:4.4",
    }


@pytest.mark.parametrize(
    ("coordinates", "file_name"),
    [
        ("org.yaml:snakeyaml:2.1", "snakeyaml-2.1.jar"),
        ("io.netty:netty-buffer:4.2.7.Final", "netty-buffer-4.2.7.Final.jar"),
        ("group:plugin:zip:3.4.0.0", "plugin-3.4.0.0.zip"),
    ],
)
def test_a_file_is_named_after_its_coordinates(coordinates: str, file_name: str) -> None:
    assert LockedArtifact(coordinates, SHA256, 1).file_name == file_name


def test_the_digest_follows_the_content() -> None:
    lock = load_lock()
    other = parse_lock(LOCK_FILE.read_bytes().replace(b'"extends": []', b'"extends": ["geo"]', 1))
    assert lock.digest() == load_lock().digest()
    assert lock.digest() != other.digest()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"opensearch": "3.4.0"}',
        b'{"opensearch": 3, "lib": [], "modules": [], "security": null}',
    ],
)
def test_what_is_no_lock_is_refused(content: bytes) -> None:
    with pytest.raises(StackError, match="cannot be read"):
        parse_lock(content)


@pytest.mark.parametrize(
    ("coordinates", "sha256"), [("only:two", SHA256), ("group:artifact:1", "abc")]
)
def test_an_entry_that_cannot_be_checked_is_refused(coordinates: str, sha256: str) -> None:
    with pytest.raises(StackError, match="not "):
        LockedArtifact(coordinates, sha256, 1)
