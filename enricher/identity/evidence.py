"""All facts at hand, by key; and the copies of one issuance merged into one (rule L2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from enricher.identity.facts import Issuance, Keyed, Sighting, supersedes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from enricher.identity.facts import Fact


class Evidence(Protocol):
    """Facts that can be looked up by key. Whoever resolves reads it and never writes it."""

    @property
    def misses(self) -> int:
        """How often a key was asked for whose facts are not at hand yet, but may come."""
        ...

    def facts(self, key: str) -> Sequence[Fact]:
        """Give all facts under a key, in the order of their ids; none where there are none."""
        ...


class EvidenceInMemory:
    """Evidence in a dictionary: for the offline command, for tests, and as a batch's snapshot.

    Attributes:
        misses: None, for all there is is at hand.
    """

    misses = 0

    def __init__(self, keyed: Iterable[Keyed] = ()) -> None:
        self._by_key: dict[str, dict[str, Fact]] = {}
        self._sorted: dict[str, tuple[Fact, ...]] = {}
        self.publish(keyed)

    def publish(self, keyed: Iterable[Keyed]) -> None:
        """Add facts; one that is known already changes nothing."""
        for key, fact in keyed:
            known = self._by_key.get(key)
            if known is None:
                known = self._by_key[key] = {}
            old = known.get(fact.fact_id)
            if old is fact:
                continue
            if old is None or supersedes(fact, old):
                known[fact.fact_id] = fact
                self._sorted.pop(key, None)

    def facts(self, key: str) -> Sequence[Fact]:
        """Give all facts under a key, in the order of their ids."""
        found = self._sorted.get(key)
        if found is None:
            known = self._by_key.get(key)
            if known is None:
                return ()
            found = tuple(known[fact_id] for fact_id in sorted(known))
            self._sorted[key] = found
        return found


class Loaded(NamedTuple):
    """What the store holds under one key.

    Attributes:
        version: Grows with each change under the key; 0 where nothing was ever published.
    """

    key: str
    version: int
    facts: Sequence[Fact]


class EvidenceSnapshot(EvidenceInMemory):
    """Evidence loaded for one batch, which notes what it was asked for and has not loaded.

    A resolver that meets a key that is not loaded goes on as if there were no fact; the use case
    loads what was ``wanted`` and resolves again, until nothing more is wanted. What was loaded
    and nobody asked for is nothing that an answer rests on.

    Attributes:
        wanted: Keys that were asked for and are not loaded.
        misses: How often such a key was asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self._loaded: dict[str, int] = {}
        self._asked: set[str] = set()
        self.wanted: set[str] = set()
        self.misses = 0

    def load(self, found: Iterable[Loaded]) -> None:
        """Take in what the store holds for keys, also that it holds nothing."""
        for key, version, facts in found:
            self._loaded[key] = version
            self.wanted.discard(key)
            self.publish(Keyed(key, fact) for fact in facts)

    def facts(self, key: str) -> Sequence[Fact]:
        """Give the facts loaded under a key, and note the key if it was not loaded."""
        self._asked.add(key)
        if key not in self._loaded:
            self.wanted.add(key)
            self.misses += 1
        return super().facts(key)

    def versions(self) -> dict[str, int]:
        """Give the version at which each key was loaded that was asked for."""
        return {key: version for key, version in self._loaded.items() if key in self._asked}

    def lacking(self, keys: Iterable[str]) -> set[str]:
        """Give those keys that are not loaded."""
        return {key for key in keys if key not in self._loaded}


@dataclass(frozen=True, slots=True)
class Issue:
    """One issuance with all its copies: the richest caller, and every event that proves it."""

    fact: Issuance
    evidence: tuple[str, ...]
    internal: bool
    switched_from: str | None

    @property
    def caller_in_full(self) -> bool:
        """Whether the caller's own account's copy is there (identity.md §1.3)."""
        return self.fact.caller.type not in ("AWSAccount", "")


def issuances(facts: Iterable[Fact]) -> list[Issuance]:
    """Pick the issuances among facts."""
    return [fact for fact in facts if isinstance(fact, Issuance)]


def sightings(facts: Iterable[Fact]) -> list[Sighting]:
    """Pick the sightings among facts."""
    return [fact for fact in facts if isinstance(fact, Sighting)]


def merge_copies(found: Iterable[Issuance]) -> list[Issue]:
    """Merge the copies of each issuance (rules L2, L2b of identity.md §2.2).

    Copies share ``sharedEventID``, or ``requestID`` and key; a service's own record of the
    credentials that it handed out is a copy of STS's record of the same key.
    """
    groups: list[list[Issuance]] = []
    for fact in found:
        matching = [group for group in groups if any(_same_call(fact, other) for other in group)]
        merged = [fact, *(other for group in matching for other in group)]
        groups = [group for group in groups if group not in matching]
        groups.append(merged)
    return sorted((_merged(group) for group in groups), key=lambda issue: issue.evidence)


def _same_call(one: Issuance, other: Issuance) -> bool:
    if one.event_id == other.event_id:
        return True
    if one.access_key_id != other.access_key_id:
        return False
    if one.shared_event_id and one.shared_event_id == other.shared_event_id:
        return True
    if one.request_id and one.request_id == other.request_id:
        return True
    if one.access_key_id is not None and _same_issue(one, other):
        return True
    return (
        one.service is not None
        and one.service == other.service
        and one.access_key_id is not None
        and one.event_name != other.event_name
    )


def _same_issue(one: Issuance, other: Issuance) -> bool:
    """Whether two records tell of one issuance: a corrected copy bears other ids (§8.2)."""
    return (
        one.at == other.at
        and one.principal_id == other.principal_id
        and one.event_name == other.event_name
        and one.caller == other.caller
    )


def _merged(group: list[Issuance]) -> Issue:
    ranked = sorted(group, key=lambda fact: (-_richness(fact), fact.event_id))
    return Issue(
        fact=ranked[0],
        evidence=tuple(sorted({fact.event_id for fact in group})),
        internal=any(fact.internal for fact in group),
        switched_from=next((f.switched_from for f in ranked if f.switched_from), None),
    )


def _richness(fact: Issuance) -> int:
    """Rank copies: the one that names the caller in full, then the one that knows more."""
    caller = fact.caller
    score = 0 if caller.type in ("AWSAccount", "") else 8
    score += 4 if caller.created_at or caller.access_key_id else 0
    score += 2 if fact.workload_provider else 0
    return score + (1 if fact.principal_id else 0)
