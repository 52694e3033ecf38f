"""A batch of records against the evidence in the store: load what is asked for, resolve, repeat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from enricher.cloudtrail.record import Record
from enricher.enrichers.interface import Context
from enricher.enrichers.registry import Answers
from enricher.identity.event import is_ordinary
from enricher.identity.evidence import EvidenceSnapshot, issuances
from enricher.identity.extract import facts_of
from enricher.identity.facts import Keyed
from enricher.identity.lookup import foreseen
from enricher.identity.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from enricher.cloudtrail.caller import Caller
    from enricher.enrichers.interface import Enricher
    from enricher.identity.evidence import Loaded
    from enricher.pipeline.ports import EvidenceStore, Wakeups

_KEYS_AT_ONCE = 2_000
_FEW_CHANGES = 10  # keys
_MOST_FORESEEN = 20_000  # callers of one batch; the rest is loaded when it is asked for


class Stated(Struct, frozen=True, kw_only=True):
    """A record with the facts that it states, and what was noted when it was read."""

    record: Record
    facts: Sequence[Keyed]
    notes: tuple[str, ...] = ()
    window_closed: bool = False


def state(record: Record, notes: tuple[str, ...] = (), *, window_closed: bool = False) -> Stated:
    """Read the facts of a record once."""
    return Stated(record=record, facts=facts_of(record), notes=notes, window_closed=window_closed)


def enrich_batch(
    batch: Sequence[Stated], store: EvidenceStore, enrichers: Sequence[Enricher]
) -> tuple[list[dict[str, Any]], EvidenceSnapshot]:
    """Enrich records together.

    What the credentials tell beforehand is loaded first. An enricher is asked about a record until
    the evidence has all that it asked for. One record of each credential goes before the others,
    which then find what was resolved for it.

    Returns:
        One ``enriched`` object for each record, in order, and the evidence that they rest on.
    """
    snapshot = EvidenceSnapshot()
    resolver = Resolver(snapshot)
    contexts = [
        Context(
            record=one.record,
            facts=one.facts,
            resolver=resolver,
            window_closed=one.window_closed,
        )
        for one in batch
    ]
    _foresee((one.record.caller for one in batch), snapshot, store)
    answers = Answers(contexts, [one.notes for one in batch])
    leading, others = _leading(contexts)
    for enricher in enrichers:
        # The few want nearly all that the others want too.
        _ask(answers, enricher, leading, snapshot, store)
        _ask(answers, enricher, others, snapshot, store)
    return answers.end(enrichers), snapshot


def _leading(contexts: Sequence[Context]) -> tuple[list[Context], list[Context]]:
    """Part the first record of each credential, and each that is answered apart, from others."""
    callers: set[Caller] = set()
    leading: list[Context] = []
    others: list[Context] = []
    for context in contexts:
        caller = context.record.caller
        apart = caller not in callers or not is_ordinary(context.record)
        callers.add(caller)
        (leading if apart else others).append(context)
    return leading, others


def _ask(
    answers: Answers,
    enricher: Enricher,
    about: Iterable[Context],
    snapshot: EvidenceSnapshot,
    store: EvidenceStore,
) -> None:
    """Ask about these records until nothing is missing; who lacked nothing is not asked again."""
    while lacking := answers.ask(enricher, about):
        _load(snapshot.wanted, snapshot, store)
        about = lacking


def _foresee(callers: Iterable[Caller], snapshot: EvidenceSnapshot, store: EvidenceStore) -> None:
    """Load what resolving these callers, and who issued to them, will surely ask for.

    Else each hop of a chain would be found by asking in vain, about every record that rests on it.
    """
    ahead = {*callers}
    seen: set[Caller] = set()
    while ahead and len(seen) < _MOST_FORESEEN:
        seen |= ahead
        keys = snapshot.lacking(key for caller in ahead for key in foreseen(caller))
        issued = (fact for one in _load(keys, snapshot, store) for fact in issuances(one.facts))
        ahead = {fact.caller for fact in issued} - seen


def _load(keys: Iterable[str], snapshot: EvidenceSnapshot, store: EvidenceStore) -> list[Loaded]:
    ordered = sorted(keys)
    loaded: list[Loaded] = []
    for start in range(0, len(ordered), _KEYS_AT_ONCE):
        loaded += store.read(ordered[start : start + _KEYS_AT_ONCE])
    snapshot.load(loaded)
    return loaded


def enrich_new(
    batch: Sequence[Stated], store: EvidenceStore, enrichers: Sequence[Enricher]
) -> tuple[list[dict[str, Any]], EvidenceSnapshot]:
    """Enrich records that are not written yet; once more where much became known meanwhile.

    Workers that take neighbouring files at the same time publish at the same time, too. To look
    again before a document is written costs far less than to write it again; where little
    changed, waking those whom it concerns costs less still.
    """
    answers, snapshot = enrich_batch(batch, store, enrichers)
    if len(_changed(snapshot, store.versions)) > _FEW_CHANGES:
        answers, snapshot = enrich_batch(batch, store, enrichers)
    return answers, snapshot


def look_once_more(snapshot: EvidenceSnapshot, store: EvidenceStore, queue: Wakeups) -> int:
    """After the documents are written: declare what they rest on, and see what came meanwhile.

    Whoever publishes a fact writes it and then looks who rests on its key; whoever rests on a key,
    known or not, declares it and then looks for changes. One of the two sees the other, so no
    wake-up is lost (design §5).

    Returns:
        How many keys changed since the batch read them; work for them is enqueued.
    """
    changed = _changed(snapshot, store.rest_on)
    if changed:
        queue.enrich_again(changed)
    return len(changed)


def _changed(
    snapshot: EvidenceSnapshot, versions_of: Callable[[Sequence[str]], list[int]]
) -> list[str]:
    """Give the keys that answers rest on and that have another version than they had."""
    read = snapshot.versions()
    keys = list(read)
    changed: list[str] = []
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        part = keys[start : start + _KEYS_AT_ONCE]
        changed += [
            key for key, now in zip(part, versions_of(part), strict=True) if now != read[key]
        ]
    return changed


def publish(batch: Iterable[Stated], store: EvidenceStore, queue: Wakeups) -> None:
    """Publish the facts of records, and wake who rests on their keys."""
    store.publish(keyed for one in batch for keyed in one.facts)
    send_wakeups(store, queue)


def send_wakeups(store: EvidenceStore, queue: Wakeups) -> None:
    """Send the wake-ups that are noted: our own, and those of a process that died before it could.

    Sending one twice costs work and changes nothing; forgetting one would leave a document wrong.
    """
    unsent = store.unsent()
    if unsent:
        queue.enrich_again(sorted(unsent))
        store.sent(unsent)
