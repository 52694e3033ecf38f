"""Which enrichers run, in which order, and how one that fails leaves the others alone."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from enricher.enrichers.action import ActionEnricher
from enricher.enrichers.identity import IdentityEnricher
from enricher.enrichers.outcome import OutcomeEnricher
from enricher.enrichers.source import SourceEnricher
from enricher.enrichers.target import TargetEnricher

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from enricher.enrichers.interface import Context, Enricher

BUILT_IN: tuple[Enricher, ...] = (
    IdentityEnricher(),  # first: the others may say what the origin did
    OutcomeEnricher(),
    TargetEnricher(),
    ActionEnricher(),
    SourceEnricher(),
)


def enrich(
    context: Context, *, notes: Iterable[str] = (), enrichers: Sequence[Enricher] = BUILT_IN
) -> dict[str, Any]:
    """Give the ``enriched`` object of a record, without what the pipeline adds of itself.

    Args:
        context: The record and the evidence.
        notes: What was found before, e.g. ``oversize_value``.
        enrichers: The enrichers, in order; a later one does not overwrite an earlier one's field.
    """
    enriched: dict[str, Any] = {}
    found = set(notes)
    for enricher in enrichers:
        try:
            contribution = enricher.enrich(context)
        except Exception as err:  # noqa: BLE001 - a plug-in's fault must not cost the event
            # Notes are for everybody to see: the class says what broke, the text could hold data.
            found.add(f"{enricher.name}: {type(err).__name__}")
            continue
        for name, value in contribution.fields.items():
            enriched.setdefault(name, value)
        if contribution.notes:
            found |= contribution.notes
    if found:
        enriched["notes"] = sorted(found)
    enriched["enrichers"] = _versions(tuple(enrichers))
    return enriched


@lru_cache(maxsize=8)
def _versions(enrichers: tuple[Enricher, ...]) -> dict[str, int]:
    """Spell who is asked, once for all records: nobody changes it."""
    return {enricher.name: enricher.version for enricher in enrichers}
