"""Rule files: of a folder, or those that come with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.assets import asset
from enricher.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

_ENDINGS = (".yml", ".yaml")
_MOST_BYTES = 1024 * 1024


def shipped_rules() -> Path:
    """Say where the rules are that come with the package."""
    return asset("rules")


def read_rule_files(path: Path) -> dict[str, str]:
    """Read a rule file, or all of a folder; by name, in order of names.

    Raises:
        ConfigurationError: If there is no such file or folder, none in it, or one is no text.
    """
    if not path.exists():
        raise ConfigurationError(f"{path}: there is no such file or folder of rules")
    found = [path] if path.is_file() else sorted(path.rglob("*"))
    files = [one for one in found if one.is_file() and one.suffix in _ENDINGS]
    if not files:
        raise ConfigurationError(f"{path} holds no rules: files that end in .yml")
    return {str(one): _text(one) for one in files}


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigurationError(f"{path} is larger than 1 MiB: that is no rule")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigurationError(f"{path} cannot be read as text") from err
