"""The action enricher: what kind of call it was, and what a responder should know of it (§7, §8.5).

The class is what the catalogue says of the call, else ``readOnly``, else its verb. Tags are about
what was tried: a denied attempt is tagged as a successful one.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from enricher.cloudtrail.caller import flag
from enricher.enrichers.catalogue import catalogue
from enricher.enrichers.conditions import task_policy
from enricher.enrichers.fields import BOOLEAN, Field, word
from enricher.enrichers.interface import Contribution

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enricher.cloudtrail.record import Record
    from enricher.enrichers.catalogue import Entry
    from enricher.enrichers.interface import Context

_CATALOGUE = catalogue()  # at import: one that breaks its format starts nothing
_LONGEST_NAME = 128  # characters of a service's or call's name
_VERB = re.compile(r"(?:Batch)?([A-Z][a-z]{1,20})")
_SURE, _POSSIBLE = "anti-forensics", "anti-forensics-possible"

FIELDS = (
    Field(
        "action.class",
        word(16),
        "`read`, `change`, `credential` (hands out credentials), `auth` (signs in), `crypto`, "
        "`data_use` (has a model, function or query work on data)",
        "change",
    ),
    Field(
        "action.sensitive",
        BOOLEAN,
        "whether it reads secrets, credentials or data, asks who one is, or shares something",
        True,
    ),
    Field(
        "action.tags",
        word(96),
        "`anti-forensics` (`-possible`: if what it touches holds logs), `persistence`, "
        "`privilege-escalation`, `privileged-task` (with the task policy behind a colon), "
        "`data-access`, `secrets`, `decrypted`, `credentials`, `discovery`, `sharing`, "
        "`containment`, `containment-removed`",
        ["persistence"],
    ),
)


class ActionEnricher:
    """Says what kind of call it was."""

    name = "action"
    version = 1
    fields = FIELDS
    reads = ("eventName", "eventSource", "readOnly", "requestParameters")

    def enrich(self, context: Context) -> Contribution:
        """Say what the call does. What it gives may be shared: copy before you change it."""
        record = context.record
        read_only = record.raw.get("readOnly")
        known = _known(
            record.service[:_LONGEST_NAME],
            record.event_name[:_LONGEST_NAME],
            read_only if read_only is True or read_only is False else flag(read_only),
        )
        if not known.conditional:
            return known.contribution
        more = [entry for entry in known.conditional if entry.holds(record)]
        return _contribution(record, known, more) if more else known.contribution


class _Known(NamedTuple):
    """What is known of a call before its record is asked."""

    contribution: Contribution
    kind: str | None
    entries: tuple[Entry, ...]
    conditional: tuple[Entry, ...]


@lru_cache(maxsize=16_384)
def _known(service: str, name: str, read_only: bool | None) -> _Known:  # noqa: FBT001 - JSON's
    found = _CATALOGUE.of(service, name)
    entries = tuple(entry for entry in found if not entry.conditional)
    kind = _by_name(name) if read_only is None else ("read" if read_only else "change")
    return _Known(
        contribution=_said(kind, entries),
        kind=kind,
        entries=entries,
        conditional=tuple(entry for entry in found if entry.conditional),
    )


def _by_name(name: str) -> str | None:
    """Give the class by the verb; None where the verb says neither."""
    verb = _VERB.match(name)
    return _CATALOGUE.verbs.get(verb[1]) if verb else None


def _said(kind: str | None, entries: Iterable[Entry], extra: Iterable[str] = ()) -> Contribution:
    tags: set[str] = set(extra)
    sensitive = False
    for entry in entries:
        kind = entry.kind or kind
        sensitive = sensitive or entry.sensitive
        tags.update(entry.tags)
    if _SURE in tags:
        tags.discard(_POSSIBLE)
    action: dict[str, Any] = {"sensitive": sensitive}
    if kind:
        action["class"] = kind
    if tags:
        action["tags"] = sorted(tags)
    return Contribution(fields={"action": action})


def _contribution(record: Record, known: _Known, more: Iterable[Entry]) -> Contribution:
    """Put together what depends on the record; a task's policy is named behind its tag."""
    held = list(more)
    policy = None
    if any("privileged-task" in entry.tags for entry in held):
        policy = task_policy(record)
    extra = (f"privileged-task:{policy}",) if policy else ()
    return _said(known.kind, (*known.entries, *held), extra)
