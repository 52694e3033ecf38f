"""The identity enricher: origin, chain, session, credential, access and the state of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.enrichers.interface import Contribution
from enricher.identity.event import resolve_record

if TYPE_CHECKING:
    from enricher.enrichers.interface import Context


class IdentityEnricher:
    """Says who was behind the record; the heart of the project as a plug-in."""

    name = "identity"
    version = 1

    def enrich(self, context: Context) -> Contribution:
        """Resolve the record's caller."""
        answer = resolve_record(
            context.record,
            context.facts,
            context.resolver,
            window_closed=context.window_closed,
        )
        return Contribution(fields=answer.fields, notes=answer.notes)
