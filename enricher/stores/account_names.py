"""The names of accounts: a JSON file, ``{"111122223333": "prod", …}``."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ACCOUNT_ID = re.compile(r"\d{12}", re.ASCII)
_LONGEST_NAME = 256
SETTING = "ENRICHER_NAMES__ACCOUNTS_FILE"


def read_account_names(path: Path) -> dict[str, str]:
    """Give account id → name.

    Raises:
        ConfigurationError: If the file cannot be read or holds something else; says what.
    """
    try:
        content: Any = codec.loads(path.read_bytes())
    except OSError as err:
        raise ConfigurationError(
            f"{SETTING}: {path} cannot be read: {err.strerror}; `enricher accounts sync` writes it"
        ) from err
    except codec.JSONDecodeError as err:
        raise ConfigurationError(f"{SETTING}: {path} is not JSON") from err
    if not isinstance(content, dict):
        raise ConfigurationError(f"{SETTING}: {path} holds no object of account ids and names")
    for account_id, name in content.items():
        if not _ACCOUNT_ID.fullmatch(account_id):
            raise ConfigurationError(
                f"{SETTING}: {path}: {account_id!r} is no account id of twelve digits"
            )
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
            raise ConfigurationError(
                f"{SETTING}: {path}: the name of {account_id} is no text of at most "
                f"{_LONGEST_NAME} characters"
            )
    return content


def write_account_names(path: Path, names: Mapping[str, str]) -> None:
    """Replace the file in one step: who reads meanwhile reads the old one or the new one.

    Raises:
        ConfigurationError: If the directory is missing or not to be written to.
    """
    body = codec.pretty(dict(sorted(names.items())))
    try:
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        place = Path(part)
        place.chmod(0o644)  # names are no secret; workers may be other users
        place.replace(path)
    except OSError as err:
        raise ConfigurationError(f"{SETTING}: {path} cannot be written: {err.strerror}") from err
