"""API keys: made, found, revoked; only their hashes are kept."""

from __future__ import annotations

import stat
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from enricher.cloudtrail import codec
from enricher.errors import ConfigurationError
from enricher.stores.api_keys import FileApiKeys, Scope

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "below" / "keys.json"


def test_a_key_is_found_by_itself_alone(path: Path) -> None:
    keys = FileApiKeys(path)
    kept, key = keys.create("playbook", [Scope.READ])
    found = keys.find(key)
    assert found == kept
    assert found.scopes == {Scope.READ}
    for wrong in ("", key[:-1], f"{key}0", key.upper(), f"enr_{kept.id}_", "x_y_z", "\ud800"):
        assert keys.find(wrong) is None
    assert keys.find(f"enr_{kept.id}_{'0' * 64}") is None


def test_the_file_opens_nothing(path: Path) -> None:
    _, key = FileApiKeys(path).create("playbook", [Scope.READ])
    content = path.read_text()
    assert key not in content
    assert key.rpartition("_")[2] not in content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_revoked_key_opens_nothing_from_then_on(path: Path) -> None:
    serving, at_the_command = FileApiKeys(path), FileApiKeys(path)
    kept, key = at_the_command.create("playbook", [Scope.READ])
    assert serving.find(key) is not None
    revoked = at_the_command.revoke(kept.id)
    assert revoked is not None
    assert serving.find(key) is None
    assert at_the_command.revoke(kept.id) == revoked  # a second time changes nothing
    assert at_the_command.revoke("nobody") is None


def test_a_key_ends(path: Path) -> None:
    keys = FileApiKeys(path)
    _, key = keys.create("playbook", [Scope.READ], timedelta(seconds=-1))
    assert keys.find(key) is None
    _, other = keys.create("playbook", [Scope.READ], timedelta(days=1))
    assert keys.find(other) is not None


def test_keys_that_are_made_at_the_same_time_are_all_kept(path: Path) -> None:
    def make() -> None:
        FileApiKeys(path).create("one", [Scope.READ])

    threads = [threading.Thread(target=make) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(FileApiKeys(path).every()) == 8


def test_there_are_no_keys_where_there_is_no_file(path: Path) -> None:
    assert FileApiKeys(path).every() == []
    assert FileApiKeys(path).find("enr_x_y") is None


def entry(**changes: object) -> str:
    """Write a file with one key."""
    fields: dict[str, object] = {
        "id": "x",
        "name": "x",
        "scopes": [],
        "sha256": "",
        "expires_at": None,
    }
    times = {"created_at": "2026-03-02T08:15:00Z", "revoked_at": None}
    return codec.dumps({"keys": [{**fields, **times, **changes}]}).decode()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"keys": [{"id": "x"}]}',
        entry(scopes=["all"]),
        entry(expires_at="soon"),
        entry(created_at=None),
    ],
)
def test_a_file_that_is_not_understood_lets_nobody_in(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="ENRICHER_API__KEYS_FILE"):
        FileApiKeys(path).find("enr_x_y")
