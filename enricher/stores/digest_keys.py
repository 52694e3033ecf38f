"""CloudTrail's public keys, and signatures that were saved beside a copy: from files, from AWS."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.cloudtrail.digest import PublicKey
from enricher.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from enricher.cloudtrail.digest import Span


class FilePublicKeys:
    """Keys of a file: what ``aws cloudtrail list-public-keys`` prints.

    They are believed, so the file must come from somewhere that can be.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ConfigurationError: If it cannot be read, or holds no keys.
        """
        found = _json(path)
        entries = found.get("PublicKeyList") if isinstance(found, dict) else None
        try:
            self._keys = [PublicKey.parse(entry) for entry in entries or ()]
        except ValueError as err:
            raise ConfigurationError(f"{path} holds a public key that cannot be read") from err
        if not self._keys:
            raise ConfigurationError(
                f"{path} holds no public keys; save what `aws cloudtrail list-public-keys "
                "--start-time … --end-time …` prints for the region"
            )

    def in_use(self, region: str, signed: Span) -> Sequence[PublicKey]:
        """Give all of them."""
        del region, signed  # the file says neither
        return self._keys


def read_signatures(path: Path) -> dict[str, dict[str, str]]:
    """Read the metadata of digest files from a file: one object, by object key.

    Returns:
        By object key: ``signature``, ``signature-algorithm`` and, for a backfill digest file,
        ``backfill-generation-timestamp``.

    Raises:
        ConfigurationError: If it cannot be read, or is no such object.
    """
    found = _json(path)
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path} is no JSON object of signatures by object key")
    entries: dict[str, dict[str, str]] = {}
    for key, metadata in found.items():
        if not isinstance(metadata, dict) or not isinstance(metadata.get("signature"), str):
            raise ConfigurationError(f"{path} names no `signature` under some object key")
        entries[key] = {name: str(value) for name, value in metadata.items()}
    return entries


def _json(path: Path) -> Any:  # noqa: ANN401 - any JSON value may be in a file
    try:
        return codec.loads(path.read_bytes())
    except OSError as err:
        raise ConfigurationError(f"{path} cannot be read: {type(err).__name__}") from err
    except codec.JSONDecodeError as err:
        raise ConfigurationError(f"{path} is not JSON") from err


def months(span: Span) -> list[tuple[datetime, datetime]]:
    """Give the calendar months that a span touches, each with the beginning of the next."""
    found = []
    year, month = span.start.year, span.start.month
    while (year, month) <= (span.end.year, span.end.month):
        following = (year + month // 12, month % 12 + 1)
        found.append((datetime(year, month, 1, tzinfo=UTC), datetime(*following, 1, tzinfo=UTC)))
        year, month = following
    return found
