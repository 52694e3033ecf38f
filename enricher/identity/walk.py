"""What the rules may ask of the walk: the evidence, and who stands behind a caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

    from enricher.cloudtrail.caller import Caller
    from enricher.identity.evidence import Evidence
    from enricher.identity.model import Lineage, Origin

# The credentials walked through already, each by all that identifies it.
Path: TypeAlias = tuple[tuple[object, ...], ...]


class Walk(Protocol):
    """The walk from a credential to its origin, as its single steps see it."""

    evidence: Evidence

    def lineage(self, caller: Caller, at: datetime, path: Path = ()) -> Lineage:
        """Say where a caller's credential came from."""
        ...

    def external(
        self, caller: Caller, at: datetime, shared_event_id: str | None, arn: str | None = None
    ) -> Origin:
        """Name a caller in an account whose trail is not at hand."""
        ...
