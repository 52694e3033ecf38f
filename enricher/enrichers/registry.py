"""Which enrichers run, in which order, and how one that fails leaves the others alone."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from enricher.enrichers.action import ActionEnricher
from enricher.enrichers.fields import DATE, INTEGER, STORED, Field, is_checkable, keyword, word
from enricher.enrichers.geo import GeoEnricher, nowhere
from enricher.enrichers.identity import IdentityEnricher
from enricher.enrichers.interface import Contribution
from enricher.enrichers.outcome import OutcomeEnricher
from enricher.enrichers.plugin import Guarded
from enricher.enrichers.source import SourceEnricher
from enricher.enrichers.target import TargetEnricher
from enricher.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from enricher.enrichers.geo import Places
    from enricher.enrichers.interface import Context, Enricher, PlugIn

ENVELOPE_VERSION = 1
ENVELOPE: tuple[Field, ...] = (
    Field(
        "notes",
        keyword(256),
        "what was odd: values shortened, an enricher that failed, a key seen twice …",
        ["oversize_value"],
    ),
    Field("enrichers", STORED, "which enrichers wrote this, with their versions", {"identity": 1}),
    Field("at", DATE, "when this enrichment was written", "2026-03-02T08:00:04Z"),
    Field("revision", INTEGER, "how often it changed", 1),
    Field(
        "file",
        keyword(2048),
        "the log file that delivered the record first",
        "s3://trail/AWSLogs/…/file.json.gz",
    ),
    Field(
        "integrity",
        word(32),
        "`valid`: its log file is as CloudTrail signed it; `changed`: it is not; absent while no "
        "digest file said anything",
        "valid",
    ),
)
"""What the pipeline itself says of an event, beside the enrichers."""

REQUIRED = "identity"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_PATH = re.compile(r"[a-z][a-z0-9_]{0,63}(?:\.[a-z][a-z0-9_]{0,63}){0,4}")


def built_in(
    account_names: Mapping[str, str] | None = None, places: Places | None = None
) -> tuple[Enricher, ...]:
    """Give the enrichers of this project, in order.

    Args:
        account_names: Account id → name.
        places: What is known of addresses; None for nothing.
    """
    return (
        IdentityEnricher(account_names or {}),  # first: the others may say what the origin did
        OutcomeEnricher(),
        TargetEnricher(),
        ActionEnricher(),
        SourceEnricher(),
        GeoEnricher(places or nowhere),
    )


class Answers:
    """The ``enriched`` objects of some records while the enrichers are asked, one by one.

    One enricher is asked about all records before the next is: so its code and its tables stay at
    hand, which is a third faster than the other way about.
    """

    def __init__(self, contexts: Sequence[Context], notes: Iterable[Iterable[str]]) -> None:
        """Take the records, and for each what was noted before, e.g. ``oversize_value``."""
        self._contexts = contexts
        for context, noted in zip(contexts, notes, strict=True):
            context.enriched, context.notes = {}, set(noted)

    def ask(self, enricher: Enricher, about: Iterable[Context] | None = None) -> list[Context]:
        """Ask one enricher about every record, or some of them, and add what it says.

        It does not overwrite an earlier one's field.

        Returns:
            Those for which it asked for evidence that is not at hand yet. What it said of them
            counts for nothing: it is to be asked again.
        """
        lacking: list[Context] = []
        for context in self._contexts if about is None else about:
            evidence = context.resolver.evidence
            misses = evidence.misses
            try:
                said = enricher.enrich(context)
            except Exception as err:  # noqa: BLE001 - an enricher's fault must not cost the event
                # Notes are for everybody to see: the class says what broke, the text could hold
                # data.
                note = f"{enricher.name}: {type(err).__name__}"
                said = Contribution(fields={}, notes=frozenset((note,)))
            if evidence.misses != misses:
                lacking.append(context)
                continue
            context.enriched |= {**said.fields, **context.enriched}
            if said.notes:
                context.notes.update(said.notes)
        return lacking

    def end(self, enrichers: Iterable[Enricher]) -> list[dict[str, Any]]:
        """Give the ``enriched`` objects, without what the pipeline adds of itself."""
        versions = {enricher.name: enricher.version for enricher in enrichers}
        for context in self._contexts:
            if context.notes:
                context.enriched["notes"] = sorted(context.notes)
            context.enriched["enrichers"] = versions
        return [context.enriched for context in self._contexts]


def enrich(
    context: Context, enrichers: Sequence[Enricher], *, notes: Iterable[str] = ()
) -> dict[str, Any]:
    """Give the ``enriched`` object of one record, without what the pipeline adds of itself.

    Args:
        context: The record and the evidence.
        enrichers: The enrichers, in order.
        notes: What was found before.
    """
    answers = Answers([context], [notes])
    for enricher in enrichers:
        answers.ask(enricher)
    (enriched,) = answers.end(enrichers)
    return enriched


def assemble(
    names: Sequence[str], own: Sequence[Enricher], plug_ins: Sequence[PlugIn]
) -> tuple[Enricher, ...]:
    """Put the enrichers together that run, in order.

    Args:
        names: Those that run, in order, as ``chosen`` gave them.
        own: This project's own, also those that do not run: their fields stay theirs.
        plug_ins: Those of other packages that run.

    Raises:
        ConfigurationError: If what they declare does not go together.
    """
    guarded = [_guarded(plug_in) for plug_in in plug_ins]
    check_ownership([*own, *guarded])
    by_name: dict[str, Enricher] = {one.name: one for one in (*own, *guarded)}
    running = tuple(by_name[name] for name in names)
    for plug_in in guarded:
        _check_reads(plug_in, running[: names.index(plug_in.name)])
    return running


def chosen(available: Sequence[str], enabled: Sequence[str], disabled: Sequence[str]) -> list[str]:
    """Give the names of the enrichers that run, in order.

    Args:
        available: All that there are, in their own order.
        enabled: Those that run, in this order; empty for all. ``identity`` runs first in any
            case: an event's state is its answer.
        disabled: Those that do not run.

    Raises:
        ConfigurationError: If a name is unknown or stands twice, or ``identity`` is disabled.
    """
    unknown = sorted({*enabled, *disabled} - set(available))
    if unknown:
        raise ConfigurationError(
            f"there is no enricher {', '.join(unknown)}; there are {', '.join(available)}. "
            "Correct ENRICHER_ENRICHERS__ENABLED or ENRICHER_ENRICHERS__DISABLED"
        )
    for names, what in ((available, "among those installed"), (enabled, "in the settings")):
        twice = sorted({name for name in names if list(names).count(name) > 1})
        if twice:
            raise ConfigurationError(f"an enricher's name stands twice {what}: {', '.join(twice)}")
    if REQUIRED in disabled:
        raise ConfigurationError(
            f"the enricher {REQUIRED} cannot be disabled: an event's state is its answer"
        )
    wanted = [name for name in (enabled or available) if name not in {REQUIRED, *disabled}]
    return [REQUIRED, *wanted]


def _guarded(plug_in: PlugIn) -> Guarded:
    """Check what a plug-in declares of itself, and put it behind the guard."""
    name: object = getattr(plug_in, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"the enricher {type(plug_in).__name__} needs a name of lower-case letters, digits "
            "and dashes"
        )
    version: object = getattr(plug_in, "version", None)
    reads: object = getattr(plug_in, "reads", None)
    fields: object = getattr(plug_in, "fields", None)
    if (
        not isinstance(version, int)
        or not _is_sequence_of(str, reads)
        or not _is_sequence_of(Field, fields)
        or not callable(getattr(plug_in, "enrich", None))
    ):
        raise ConfigurationError(
            f"the enricher {name} declares too little: it needs a whole number as version, names "
            "of fields as reads, a Field for each that it writes as fields, and enrich"
        )
    _check_fields(name, plug_in.fields)
    return Guarded(plug_in)


def _is_sequence_of(kind: type, value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, kind) for item in value)


def _check_fields(name: str, fields: Sequence[Field]) -> None:
    for field in fields:
        if not _PATH.fullmatch(str(field.name)):
            raise ConfigurationError(
                f"the enricher {name} declares a field that is none: it needs a path of "
                "lower-case names such as `acme.owner`"
            )
        if not is_checkable(field):
            raise ConfigurationError(
                f"the enricher {name} maps {field.name} in a way that plug-ins may not: take one "
                "of enricher.enrichers.fields, a keyword with at most 8191 characters"
            )


def check_ownership(enrichers: Sequence[Enricher]) -> None:
    """Check that no two enrichers write the same.

    Raises:
        ConfigurationError: If they do, or one declares a field twice or beneath another field.
    """
    owners = {field.top: "the pipeline" for field in ENVELOPE}
    for enricher in enrichers:
        names = sorted(field.name for field in enricher.fields)
        for one, other in pairwise(names):
            if one == other or other.startswith(f"{one}."):
                raise ConfigurationError(
                    f"the enricher {enricher.name} declares enriched.{one} and enriched.{other}"
                )
        for top in dict.fromkeys(field.top for field in enricher.fields):
            if top in owners:
                raise ConfigurationError(
                    f"enriched.{top} belongs to {owners[top]}: the enricher {enricher.name} "
                    "cannot declare it too"
                )
            owners[top] = enricher.name


def _check_reads(enricher: Enricher, before: Sequence[Enricher]) -> None:
    there = {f"enriched.{field.top}" for earlier in before for field in earlier.fields}
    missing = [
        name for name in enricher.reads if name.startswith("enriched.") and name not in there
    ]
    if missing:
        raise ConfigurationError(
            f"the enricher {enricher.name} reads {', '.join(missing)}, which no enricher before "
            "it writes; ENRICHER_ENRICHERS__ENABLED sets the order"
        )
