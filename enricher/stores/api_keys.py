"""API keys in a file: who may ask the API, and what for.

A file and not an index: workers write to every index of ours and readers see them, and neither
right is to become the right to contain an account. The file holds hashes alone. A key is 256 bits
of chance, so a plain SHA-256 of it cannot be searched backwards.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time, parse_time
from enricher.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import timedelta
    from pathlib import Path

PREFIX = "enr"
_ID_BYTES, _SECRET_BYTES = 4, 32
_OWNER_ONLY = 0o600
_PARTS = 3
_OF_NOBODY = "0" * 64


class Scope(StrEnum):
    """What a caller may do; none includes another."""

    READ = "read"
    RESPOND = "respond"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is kept.

    Attributes:
        id: Names it in lists and in the audit; no secret.
        name: What it is for, as people say it.
        sha256: Of the whole key.
        expires_at: When it ends, None for never.
        revoked_at: When it was revoked, None while it was not.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    sha256: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def valid(self, now: datetime) -> bool:
        """Say whether it opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class FileApiKeys:
    """The keys of one file, which is read again whenever it was written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[int, int, int], dict[str, ApiKey]] | None = None

    def create(
        self, name: str, scopes: Collection[Scope], lifetime: timedelta | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key.

        Returns:
            The key as it is kept, and the key itself, which is not kept.
        """
        now = _now()
        key_id = secrets.token_hex(_ID_BYTES)
        key = f"{PREFIX}_{key_id}_{secrets.token_hex(_SECRET_BYTES)}"
        kept = ApiKey(
            id=key_id,
            name=name,
            scopes=frozenset(scopes),
            sha256=_hash(key),
            created_at=now,
            expires_at=now + lifetime if lifetime else None,
        )
        with self._changing() as keys:
            keys[key_id] = kept
        return kept, key

    def revoke(self, key_id: str) -> ApiKey | None:
        """Let a key open nothing from now on; None where there is none of that id."""
        with self._changing() as keys:
            kept = keys.get(key_id)
            if kept is not None and kept.revoked_at is None:
                kept = keys[key_id] = replace(kept, revoked_at=_now())
        return kept

    def every(self) -> list[ApiKey]:
        """Give all keys, the oldest first."""
        return sorted(self._keys().values(), key=lambda key: (key.created_at, key.id))

    def find(self, key: str) -> ApiKey | None:
        """Give the key that this is, if it opens anything.

        It takes as long for a key that is not there as for one that is wrong.
        """
        parts = key.split("_")
        key_id = parts[1] if len(parts) == _PARTS else ""
        kept = self._keys().get(key_id)
        same = hmac.compare_digest(kept.sha256 if kept else _OF_NOBODY, _hash(key))
        return kept if kept and same and kept.valid(_now()) else None

    def valid(self, key_id: str) -> ApiKey | None:
        """Give the key of that id, if it opens anything still."""
        kept = self._keys().get(key_id)
        return kept if kept and kept.valid(_now()) else None

    def _keys(self) -> dict[str, ApiKey]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return {}
        except OSError as err:
            raise self._fault("cannot be read") from err
        version = (found.st_mtime_ns, found.st_ino, found.st_size)
        if self._read is None or self._read[0] != version:
            self._read = (version, self._load())
        return self._read[1]

    def _load(self) -> dict[str, ApiKey]:
        try:
            entries = codec.loads(self._path.read_bytes())["keys"]
            return {entry["id"]: _kept(entry) for entry in entries}
        except FileNotFoundError:
            return {}
        except OSError as err:
            raise self._fault("cannot be read") from err
        except (codec.JSONDecodeError, KeyError, TypeError, ValueError) as err:
            raise self._fault("does not hold API keys") from err

    @contextmanager
    def _changing(self) -> Iterator[dict[str, ApiKey]]:
        """Read the file, let the caller change what it says, and put the new one in its place."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside = self._path.with_name(f"{self._path.name}.lock")
            with beside.open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                keys = self._load()
                yield keys
                self._save(keys)
        except OSError as err:
            raise self._fault("cannot be written") from err

    def _save(self, keys: dict[str, ApiKey]) -> None:
        new = self._path.with_name(f"{self._path.name}.new")
        content = codec.pretty({"keys": [_entry(key) for key in keys.values()]})
        opened = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
        with os.fdopen(opened, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)

    def _fault(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"{self._path} {what}: set ENRICHER_API__KEYS_FILE")


def _now() -> datetime:
    return datetime.now(tz=UTC).replace(microsecond=0)  # as times are kept


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _entry(key: ApiKey) -> dict[str, Any]:
    times = {
        name: format_time(at)
        for name in ("created_at", "expires_at", "revoked_at")
        if (at := getattr(key, name)) is not None
    }
    return {
        **asdict(key),
        "scopes": sorted(key.scopes),
        "expires_at": None,
        "revoked_at": None,
    } | times


def _kept(entry: dict[str, Any]) -> ApiKey:
    created_at = parse_time(entry["created_at"])
    if created_at is None:
        raise ValueError("created_at")
    return ApiKey(
        id=entry["id"],
        name=entry["name"],
        scopes=frozenset(Scope(scope) for scope in entry["scopes"]),
        sha256=entry["sha256"],
        created_at=created_at,
        expires_at=_time(entry["expires_at"]),
        revoked_at=_time(entry["revoked_at"]),
    )


def _time(value: object) -> datetime | None:
    """Read a time that may be absent; one that is unreadable must not become "never"."""
    if value is None:
        return None
    at = parse_time(value)
    if at is None:
        raise ValueError("time")
    return at
