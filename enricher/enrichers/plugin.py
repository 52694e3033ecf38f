"""A plug-in behind a guard: it sees what it declared, and whatever it does costs no event."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.cloudtrail.indexable import redacted
from enricher.enrichers.fields import Declared
from enricher.enrichers.interface import Contribution, View

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from enricher.enrichers.interface import Context, Field, PlugIn

_MOST_BYTES = 65_536
_NOTE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ENRICHED = "enriched."


class Guarded:
    """A plug-in as an enricher.

    What it returns is checked, and copied through JSON: nothing that would make OpenSearch refuse
    the event gets through, and nothing that the plug-in keeps a hold of is written.
    """

    def __init__(self, plug_in: PlugIn) -> None:
        """Take what it declares once: later changes of it change nothing."""
        self._plug_in = plug_in
        self.written_by = type(plug_in)
        self.name = plug_in.name
        self.version = plug_in.version
        self.reads: Sequence[str] = tuple(plug_in.reads)
        self.fields: Sequence[Field] = tuple(plug_in.fields)
        self._of_record = [name for name in self.reads if not name.startswith(_ENRICHED)]
        self._of_enriched = [
            name.removeprefix(_ENRICHED) for name in self.reads if name.startswith(_ENRICHED)
        ]
        self._declared = Declared(self.fields)

    def enrich(self, context: Context) -> Contribution:
        """Ask the plug-in; where its answer cannot be used, give a note that says why.

        What the plug-in raises comes through, ``SystemExit`` and the like as a note too: to end
        the process is not for it to decide.
        """
        view = View(
            record=_some(context.record.raw, self._of_record),
            enriched=_some(context.enriched, self._of_enriched),
        )
        try:
            answer: object = self._plug_in.enrich(view)
        except KeyboardInterrupt:
            raise
        except BaseException as err:
            if isinstance(err, Exception):
                raise
            return self._refused(type(err).__name__)
        return self._checked(answer)

    def _checked(self, answer: object) -> Contribution:
        if not isinstance(answer, Contribution) or not isinstance(answer.fields, dict):
            return self._refused("no-contribution")
        try:
            body = codec.dumps(answer.fields)
        except (TypeError, ValueError):
            return self._refused("no-json")
        if len(body) > _MOST_BYTES:
            return self._refused("too-large")
        fields = codec.loads(body)
        fault = self._declared.fault(fields)
        if fault is not None:
            return self._refused(fault)
        notes: list[object] = list(answer.notes)
        if not all(isinstance(note, str) and _NOTE.fullmatch(note) for note in notes):
            return self._refused("note-is-no-slug")
        # Under its own name: the notes of the pipeline and of other enrichers are not its to write.
        return Contribution(fields=fields, notes=frozenset(f"{self.name}: {n}" for n in notes))

    def _refused(self, why: str) -> Contribution:
        return Contribution(fields={}, notes=frozenset((f"{self.name}: {why}",)))


def _some(source: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Copy some members of an object.

    Session tokens are redacted, as in the index: an event that is enriched again, from there, is
    to give the same answer.
    """
    found: dict[str, Any] = redacted({name: source[name] for name in names if name in source})
    return found
