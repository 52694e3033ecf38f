"""Evidence from records that are not whole, kept beside the evidence from those that are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.identity.evidence import Loaded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from enricher.identity.facts import Keyed
    from enricher.pipeline.ports import EvidenceStore


class EvidenceBeside:
    """Reads two stores as one; of one record's fact in both, the first store's counts.

    A fact of a record that a pipeline rewrote may say less than the record did. In one store the
    first to come would stay, and the order of delivery would matter; kept apart, it never stands
    in the way of the whole one.
    """

    def __init__(self, first: EvidenceStore, beside: EvidenceStore) -> None:
        self._first, self._beside = first, beside

    def publish(self, keyed: Iterable[Keyed]) -> set[str]:
        """Add facts of records that are not whole."""
        return self._beside.publish(keyed)

    def unsent(self) -> dict[str, int]:
        """Give the wake-ups that are not known to be sent, whichever store they are noted in."""
        return {**self._first.unsent(), **self._beside.unsent()}

    def sent(self, woken: Mapping[str, int]) -> None:
        """Note that these wake-ups were sent."""
        self._first.sent(woken)
        self._beside.sent(woken)

    def read(self, keys: Sequence[str]) -> list[Loaded]:
        """Give what either store knows under each key, in order."""
        both = zip(self._first.read(keys), self._beside.read(keys), strict=True)
        return [_together(first, beside) for first, beside in both]

    def rest_on(self, keys: Sequence[str]) -> list[int]:
        """Declare that somebody rests on what either store knows."""
        both = zip(self._first.rest_on(keys), self._beside.rest_on(keys), strict=True)
        return [first + beside for first, beside in both]

    def versions(self, keys: Sequence[str]) -> list[int]:
        """Give each key's version: it grows with a change in either store."""
        both = zip(self._first.versions(keys), self._beside.versions(keys), strict=True)
        return [first + beside for first, beside in both]


def _together(first: Loaded, beside: Loaded) -> Loaded:
    known = {fact.fact_id for fact in first.facts}
    more = tuple(fact for fact in beside.facts if fact.fact_id not in known)
    return Loaded(first.key, first.version + beside.version, (*first.facts, *more))
