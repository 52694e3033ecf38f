"""Installed rules, suppressions, and how far evaluation came, in ``cloudtrail-rules``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from opensearchpy.exceptions import ConflictError, NotFoundError

from enricher.alerts.errors import LeaseLostError
from enricher.alerts.ports import Progress, StoredRule, Suppression
from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time, parse_time
from enricher.stores.opensearch_client import (
    mget,
    put,
    translated,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from opensearchpy import OpenSearch

RULES = "cloudtrail-rules"
_RULE, _SUPPRESSION, _PROGRESS = "rule", "suppression", "progress"
_PAGE = 500
_CONFLICTS = 5


class OpenSearchRules:
    """Rules and suppressions; every write is acknowledged before it returns."""

    def __init__(self, client: OpenSearch) -> None:
        self._client = client

    def rules(self) -> list[StoredRule]:
        """Give all rules, by title."""
        found = [_rule(hit) for hit in self._all(_RULE)]
        return sorted(found, key=lambda one: (one.title, one.id))

    def rule(self, rule_id: str) -> StoredRule | None:
        """Give one rule."""
        found = mget(self._client, [{"_index": RULES, "_id": f"{_RULE}:{rule_id}"}])
        return _rule(found[0]) if found else None

    def save(self, rules: Sequence[StoredRule]) -> None:
        """Write rules."""
        self._put([_index(_RULE, one) for one in rules])

    def note_errors(self, errors: Mapping[str, tuple[str | None, str | None]]) -> None:
        """Note how rules' runs ended."""
        self._put(
            [
                _lines(
                    {
                        "update": {
                            "_index": RULES,
                            "_id": f"{_RULE}:{rule_id}",
                            "retry_on_conflict": _CONFLICTS,
                        }
                    },
                    {"doc": {"error": reason, "failing_since": since}},
                )
                for rule_id, (reason, since) in errors.items()
            ]
        )

    def suppressions(self) -> list[Suppression]:
        """Give all suppressions, the newest first."""
        found = [msgspec.convert(hit["_source"], Suppression) for hit in self._all(_SUPPRESSION)]
        return sorted(found, key=lambda one: (one.at, one.id), reverse=True)

    def suppress(self, suppression: Suppression) -> None:
        """Keep a suppression; one of that id is replaced."""
        self._put([_index(_SUPPRESSION, suppression)])

    def _all(self, what: str) -> list[dict[str, Any]]:
        with translated():
            self._client.indices.refresh(index=RULES, params={"ignore_unavailable": "true"})
        query = {"term": {"what": what}}
        pages = walk(self._client, RULES, query, [{"id": "asc"}], size=_PAGE)
        return [hit for hits in pages for hit in hits]

    def _put(self, entries: Sequence[bytes]) -> None:
        if entries:
            put(self._client, b"".join(entries), "rules now")


class OpenSearchProgress:
    """The cursor, in a document that one process at a time may write.

    Each write names the version that it was read as, so that of two processes one wins, and one
    that was believed dead can no longer move the cursor.
    """

    def __init__(self, client: OpenSearch) -> None:
        self._client = client

    def claim(self, now: datetime, lease: timedelta) -> Progress | None:
        """Take the right to evaluate."""
        hit = self._get()
        if hit is None:
            progress = Progress(cursor=None, marks={}, token=(0, 0))
            return self._write(progress, now + lease, create=True)
        held = parse_time(hit["_source"].get("held_until"))
        if held is not None and held > now:
            return None
        return self._write(_progress(hit), now + lease)

    def keep(self, progress: Progress, now: datetime, lease: timedelta) -> Progress:
        """Hold it for longer."""
        return self._own(self._write(progress, now + lease))

    def finish(self, progress: Progress, cursor: datetime, marks: Mapping[str, int]) -> None:
        """Move the cursor and let go."""
        moved = Progress(cursor=cursor, marks=marks, token=progress.token)
        self._own(self._write(moved, None))

    def release(self, progress: Progress) -> None:
        """Let go and leave the cursor where it was."""
        self._own(self._write(progress, None))

    def read(self) -> Progress | None:
        """Look how far it came."""
        hit = self._get()
        return None if hit is None else _progress(hit)

    def _get(self) -> dict[str, Any] | None:
        found = mget(self._client, [{"_index": RULES, "_id": _PROGRESS}])
        return found[0] if found else None

    def _write(
        self, progress: Progress, held_until: datetime | None, *, create: bool = False
    ) -> Progress | None:
        times = {"cursor": progress.cursor, "held_until": held_until}
        body = {
            "what": _PROGRESS,
            "id": _PROGRESS,
            "marks": dict(progress.marks),
            **{name: None if at is None else format_time(at) for name, at in times.items()},
        }
        params: dict[str, Any] = {"op_type": "create"}
        if not create:
            params = {"if_seq_no": progress.token[0], "if_primary_term": progress.token[1]}
        try:
            with translated():
                answer = self._client.index(index=RULES, id=_PROGRESS, body=body, params=params)
        except (ConflictError, NotFoundError):
            return None
        token = (int(answer["_seq_no"]), int(answer["_primary_term"]))
        return Progress(cursor=progress.cursor, marks=progress.marks, token=token)

    @staticmethod
    def _own(progress: Progress | None) -> Progress:
        if progress is None:
            raise LeaseLostError("another process evaluates the rules by now")
        return progress


def _progress(hit: Mapping[str, Any]) -> Progress:
    source = hit["_source"]
    return Progress(
        cursor=parse_time(source.get("cursor")),
        marks=source.get("marks", {}),
        token=(hit["_seq_no"], hit["_primary_term"]),
    )


def _index(what: str, entry: StoredRule | Suppression) -> bytes:
    action = {"index": {"_index": RULES, "_id": f"{what}:{entry.id}"}}
    fields = msgspec.to_builtins(entry)
    # What is there to be kept, not searched, is an object: the mapping leaves those alone.
    if isinstance(entry, StoredRule):
        fields["source"] = {"text": entry.source}
    return _lines(action, {"what": what, **fields})


def _rule(hit: Mapping[str, Any]) -> StoredRule:
    source = hit["_source"]
    return msgspec.convert({**source, "source": source["source"]["text"]}, StoredRule)


def _lines(action: object, body: object) -> bytes:
    return codec.dumps(action) + b"\n" + codec.dumps(body) + b"\n"
