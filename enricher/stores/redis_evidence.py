"""Evidence in Redis or Valkey: a hash of facts for each key, a version, and who rests on it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import redis

from enricher.errors import UnavailableError
from enricher.identity.evidence import Loaded
from enricher.identity.facts import Naming, decode_fact, encode_fact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from enricher.identity.facts import Fact, Keyed

_VERSION = b"#"
_OURS = frozenset({_VERSION, b"@"})  # @: somebody rests on what is known
_FACT = "="  # before each fact's id, which comes from a record and could be anything
WIRE_FORMAT = 2  # facts written by another version are not read: evidence can be rebuilt
_PIPELINE_COMMANDS = 5_000
_KEYS_OF_A_SCRIPT = 500

# One fact under one key. Redis runs a script whole, so that "is it new" and "who rests on it" are
# one step, and so is noting that they are to be woken: KEYS = facts, waiting, unsent wake-ups;
# ARGV = field, rank, wire, seconds to keep, quiet, evidence key.
# Gives 1 where somebody rests on the key's former state, else 0.
_PUBLISH = """
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old then
  local cut = string.find(old, '\\n', 1, true)
  if ARGV[2] == '' or ARGV[2] >= string.sub(old, 1, cut - 1) then
    redis.call('EXPIRE', KEYS[1], ARGV[4])
    return 0
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. '\\n' .. ARGV[3])
local version = redis.call('HINCRBY', KEYS[1], '#', 1)
redis.call('EXPIRE', KEYS[1], ARGV[4])
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], '@', '')
elseif redis.call('HEXISTS', KEYS[1], '@') == 0 then
  return 0
end
if old and ARGV[5] ~= '' and redis.call('HLEN', KEYS[1]) == 3 then
  return 0
end
redis.call('HSET', KEYS[3], ARGV[6], version)
return 1
"""
# Somebody rests on keys: it is noted with what is known, or apart where nothing is:
# KEYS = facts and waiting of each key in turn; ARGV = seconds to keep. Gives the versions.
_REST = """
local versions = {}
for i = 1, #KEYS, 2 do
  local version = redis.call('HGET', KEYS[i], '#')
  if version then
    redis.call('HSET', KEYS[i], '@', '')
  else
    redis.call('SET', KEYS[i + 1], '', 'EX', ARGV[1])
  end
  versions[#versions + 1] = tonumber(version or 0)
end
return versions
"""
# Forget a wake-up that was sent, unless the key was woken anew: KEYS = unsent wake-ups;
# ARGV = evidence key, version that was sent.
_SENT = """
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
"""


class RedisEvidenceStore:
    """Facts, and the keys that somebody rests on, in Redis; every call is safe to repeat."""

    def __init__(
        self, client: redis.Redis, *, retention: timedelta, prefix: str = "enricher:"
    ) -> None:
        self._client = client
        self._seconds = int(retention.total_seconds())
        self._facts_prefix = f"{prefix}facts:{WIRE_FORMAT}:"
        self._waiting_prefix = f"{prefix}waiting:"
        self._unsent = f"{prefix}unsent"
        self._publish_script = client.register_script(_PUBLISH)
        self._sent_script = client.register_script(_SENT)
        self._rest_script = client.register_script(_REST)

    def publish(self, keyed: Iterable[Keyed]) -> set[str]:
        """Add facts; give the keys whose former state somebody rests on."""
        woken: set[str] = set()
        distinct: dict[tuple[str, str, str], Fact] = {}
        for key, fact in keyed:
            distinct.setdefault((key, fact.fact_id, fact.rank), fact)
        entries = [(key, fact) for (key, _, _), fact in distinct.items()]
        with _translated():
            for start in range(0, len(entries), _PIPELINE_COMMANDS):
                part = entries[start : start + _PIPELINE_COMMANDS]
                woken |= self._publish_part(part)
        return woken

    def _publish_part(self, part: Sequence[tuple[str, Fact]]) -> set[str]:
        pipeline = self._client.pipeline(transaction=False)
        for key, fact in part:
            self._publish_script(
                keys=[self._facts_prefix + key, self._waiting_prefix + key, self._unsent],
                args=[
                    _FACT + fact.fact_id,
                    fact.rank.replace("\n", ""),  # a line feed ends the rank in what is stored
                    encode_fact(fact),
                    self._seconds,
                    # An ARN seen earlier than before changes nothing where there is only one.
                    "quiet" if isinstance(fact, Naming) else "",
                    key,
                ],
                client=pipeline,
            )
        results = pipeline.execute()
        return {key for (key, _), woken in zip(part, results, strict=True) if woken}

    def unsent(self) -> dict[str, int]:
        """Give the keys that were woken and whose wake-up is not known to be sent."""
        with _translated():
            found: dict[bytes, bytes] = self._client.hgetall(self._unsent)  # type: ignore[assignment] # not awaited
        return {key.decode(): int(version) for key, version in found.items()}

    def sent(self, woken: Mapping[str, int]) -> None:
        """Note that these wake-ups were sent; one that was woken anew meanwhile stays unsent."""
        with _translated():
            pipeline = self._client.pipeline(transaction=False)
            for key, version in woken.items():
                self._sent_script(keys=[self._unsent], args=[key, version], client=pipeline)
            pipeline.execute()

    def read(self, keys: Sequence[str]) -> list[Loaded]:
        """Give what is known under each key, in order."""
        with _translated():
            pipeline = self._client.pipeline(transaction=False)
            for key in keys:
                pipeline.hgetall(self._facts_prefix + key)
            return [
                _loaded(key, fields) for key, fields in zip(keys, pipeline.execute(), strict=True)
            ]

    def rest_on(self, keys: Sequence[str]) -> list[int]:
        """Declare that somebody rests on these keys, for as long as evidence is kept."""
        with _translated():
            pipeline = self._client.pipeline(transaction=False)
            for start in range(0, len(keys), _KEYS_OF_A_SCRIPT):
                part = keys[start : start + _KEYS_OF_A_SCRIPT]
                names = [
                    prefix + key
                    for key in part
                    for prefix in (self._facts_prefix, self._waiting_prefix)
                ]
                self._rest_script(keys=names, args=[self._seconds], client=pipeline)
            return [version for versions in pipeline.execute() for version in versions]

    def versions(self, keys: Sequence[str]) -> list[int]:
        """Give each key's version."""
        with _translated():
            pipeline = self._client.pipeline(transaction=False)
            for key in keys:
                pipeline.hget(self._facts_prefix + key, _VERSION.decode())
            return [int(version or 0) for version in pipeline.execute()]


def _loaded(key: str, fields: dict[bytes, bytes]) -> Loaded:
    facts = tuple(
        decode_fact(wire.partition(b"\n")[2])
        for field, wire in fields.items()
        if field not in _OURS
    )
    return Loaded(key, int(fields.get(_VERSION, 0)), facts)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the client raises when the server is away into our own error."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError) as err:
        raise UnavailableError(f"Redis does not answer: {type(err).__name__}") from err
    except redis.OutOfMemoryError as err:
        raise UnavailableError("Redis is out of memory: raise maxmemory") from err
