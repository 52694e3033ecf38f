"""How far the listings of buckets came."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import redis

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time, parse_time
from enricher.errors import UnavailableError
from enricher.pipeline.discover import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHECKPOINTS = "enricher:checkpoints"


class RedisCheckpoints:
    """Checkpoints in one hash, beside the task queue: with it they are kept or lost."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def load(self, scope: str) -> Checkpoint | None:
        """Give the checkpoint of a scope; one that cannot be read is as good as none."""
        try:
            found = self._client.hget(_CHECKPOINTS, scope)
        except (redis.ConnectionError, redis.TimeoutError) as err:
            raise UnavailableError("Redis does not answer") from err
        return _read(found) if isinstance(found, bytes | str) else None

    def save(self, scope: str, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint of a scope."""
        fields = {
            "key": checkpoint.key,
            "at": format_time(checkpoint.at),
            "since": checkpoint.since.isoformat() if checkpoint.since else None,
        }
        try:
            self._client.hset(_CHECKPOINTS, scope, codec.dumps(fields))
        except (redis.ConnectionError, redis.TimeoutError) as err:
            raise UnavailableError("Redis does not answer") from err

    def forget(self, scope: str) -> None:
        """Drop the checkpoint of a scope."""
        try:
            self._client.hdel(_CHECKPOINTS, scope)
        except (redis.ConnectionError, redis.TimeoutError) as err:
            raise UnavailableError("Redis does not answer") from err


def _read(text: bytes | str) -> Checkpoint | None:
    try:
        fields: Mapping[str, str | None] = codec.loads(text)
        key, at, since = fields["key"], parse_time(fields["at"] or ""), fields["since"]
        day = date.fromisoformat(since) if since else None
    except (codec.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
    return Checkpoint(key=key, at=at, since=day) if key and at else None


class MemoryCheckpoints:
    """The twin: checkpoints in a dictionary."""

    def __init__(self) -> None:
        self.by_scope: dict[str, Checkpoint] = {}

    def load(self, scope: str) -> Checkpoint | None:
        """Give the checkpoint of a scope."""
        return self.by_scope.get(scope)

    def save(self, scope: str, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint of a scope."""
        self.by_scope[scope] = checkpoint

    def forget(self, scope: str) -> None:
        """Drop the checkpoint of a scope."""
        self.by_scope.pop(scope, None)
