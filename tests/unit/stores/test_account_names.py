"""The file of account names: read whole or refused, replaced in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enricher.errors import ConfigurationError
from enricher.stores.account_names import read_account_names, write_account_names

if TYPE_CHECKING:
    from pathlib import Path

NAMES = {"444455556666": "data, Größe", "111122223333": "prod"}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    write_account_names(path, NAMES)
    assert read_account_names(path) == NAMES
    assert path.read_text().splitlines()[1] == '  "111122223333": "prod",'
    assert [entry.name for entry in tmp_path.iterdir()] == ["accounts.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"[]", "holds no object"),
        (b'{"1111": "prod"}', "'1111' is no account id of twelve digits"),
        (b'{"111122223333": 7}', "the name of 111122223333"),
        (b'{"111122223333": ""}', "the name of 111122223333"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "accounts.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        read_account_names(path)


def test_a_file_that_is_missing_is_named_with_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="`enricher accounts sync` writes it"):
        read_account_names(tmp_path / "none.json")


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none/accounts.json cannot be written"):
        write_account_names(tmp_path / "none" / "accounts.json", NAMES)
