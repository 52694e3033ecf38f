"""Enrich, in place, CloudTrail documents that another pipeline wrote.

Two passes over the same documents: the first publishes their facts, the second resolves each and
writes ``enriched`` on it, so that the order of the documents does not matter. Safe to repeat: what
is as it should be is not written. Nobody waits for evidence of these documents; what comes late is
settled when the backfill is run again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from enricher.cloudtrail import codec
from enricher.cloudtrail.linkable import ISSUING, issues, shortfalls
from enricher.cloudtrail.profiles import PROFILES, rebuild
from enricher.cloudtrail.record import Record
from enricher.cloudtrail.times import format_time
from enricher.errors import RecordError, UnavailableError
from enricher.pipeline.batch import enrich_batch, publish, state
from enricher.pipeline.beside import EvidenceBeside
from enricher.pipeline.discover import Checkpoint
from enricher.pipeline.documents import comparable
from enricher.pipeline.foreign import Revision, Span, mapping_faults, time_field
from enricher.pipeline.reenrich import enrichment_of, origin_change, rewritten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from enricher.cloudtrail.linkable import Shortfall
    from enricher.cloudtrail.profiles import Profile
    from enricher.enrichers.interface import Enricher
    from enricher.pipeline.batch import Stated
    from enricher.pipeline.discover import Checkpoints
    from enricher.pipeline.foreign import ForeignIndex, Page
    from enricher.pipeline.ports import Clock, EventIndex, EvidenceStore, StoredEvent, TaskQueue

REBUILT = "rebuilt_record"  # the note on a document whose record is not whole
_SAMPLE = 500
_LARGEST_PAGE = 1_000
_SECONDS_OF_A_PAGE = 5  # where a rate is asked for: short enough to keep the pace even
_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillServices:
    """What a backfill needs.

    Attributes:
        foreign: The documents.
        wanted: The mapping of ``enriched``.
        index: The enricher's own index, where corrections of origins are noted.
        store: The evidence.
        beside: Evidence from records that are not whole.
        pause: Waits so many seconds.
        enrichers: Those that run, in order.
    """

    foreign: ForeignIndex
    wanted: Mapping[str, Any]
    index: EventIndex
    store: EvidenceStore
    beside: EvidenceStore
    queue: TaskQueue
    checkpoints: Checkpoints
    clock: Clock
    pause: Callable[[float], None]
    enrichers: Sequence[Enricher]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be enriched.

    Attributes:
        pattern: The indices' name, for the checkpoint.
        profile: How their documents are written.
        since, until: Of the event's time; until is excluded.
        rate: Documents a second at most, in each pass; 0 for no limit.
    """

    pattern: str
    profile: Profile
    since: datetime | None = None
    until: datetime | None = None
    rate: int = 0

    @property
    def scope(self) -> str:
        """What the checkpoint is kept under."""
        bounds = [format_time(at) if at else "" for at in (self.since, self.until)]
        return "/".join(("backfill", self.pattern, self.profile.name, *bounds))


# --- before anything is written -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether indices can be enriched.

    Attributes:
        span: What to read; None where there is a fault.
        documents: How many there are.
        faults: What forbids it, each with what to do.
        warnings: What makes the answers poorer.
    """

    span: Span | None
    documents: int
    faults: Sequence[str]
    warnings: Sequence[str]


def check(job: Job, services: BackfillServices) -> Readiness:
    """Look at the indices' mapping and at some documents; nothing is written."""
    mappings = services.foreign.mappings()
    faults = list(mapping_faults(mappings, services.wanted))
    field_name = time_field(mappings, job.profile.times)
    if mappings and field_name is None:
        names = " nor ".join(job.profile.times)
        faults.append(f"{names} is a date in all these indices: map one of them as date")
    if faults or field_name is None:
        return Readiness(span=None, documents=0, faults=faults, warnings=())
    span = Span(field=field_name, since=job.since, until=job.until)
    sample = services.foreign.sample(job.profile.event_name, ISSUING, _SAMPLE)
    faults, warnings = _judge(job.profile, sample)
    return Readiness(
        span=span, documents=services.foreign.count(span), faults=faults, warnings=warnings
    )


def _judge(profile: Profile, sample: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    rebuilt = [one for source in sample if (one := rebuild(profile, source)) is not None]
    if sample and not rebuilt:
        return [_not_of_this_shape(profile, sample)], []
    found = shortfalls([one.raw for one in rebuilt])
    faults = [f"every document lacks {_spelled(one)}" for one in found if one.everywhere]
    warnings = [
        f"{one.lacking} of {one.of} sampled documents lack {_spelled(one)}"
        for one in found
        if not one.everywhere
    ]
    if profile.lost and not all(one.whole for one in rebuilt):
        warnings.append(f"documents without the record verbatim lack {', '.join(profile.lost)}")
    if rebuilt and not any(issues(one.raw) for one in rebuilt):
        warnings.append(
            "no sampled document issues a credential: links can only rest on other evidence"
        )
    return faults, warnings


def _spelled(shortfall: Shortfall) -> str:
    return f"{shortfall.field}: {shortfall.remedy}"


def _not_of_this_shape(profile: Profile, sample: Sequence[Mapping[str, Any]]) -> str:
    fitting = [
        other.name
        for other in PROFILES.values()
        if any(rebuild(other, source) is not None for source in sample)
    ]
    advice = f"try --profile {' or '.join(fitting)}" if fitting else "no profile fits them"
    return f"no document is a CloudTrail event as {profile.name} writes it: {advice}"


# --- the passes -----------------------------------------------------------------------------------


class Step(StrEnum):
    """The two passes, in order."""

    PUBLISH = "publish"
    WRITE = "write"


@dataclass(slots=True)
class BackfillReport:
    """What became of the documents.

    Attributes:
        resumed: The pass that an earlier run had come to; None where this one began anew.
        read: How many each pass read, in this run.
        facts: How many facts they state.
        written, unchanged: How many got an enrichment, and had it already.
        rebuilt: How many have no whole record, among those two.
        gone: How many were deleted meanwhile.
        left_out: How many hold no record that can be read, by reason.
    """

    resumed: Step | None = None
    read: Counter[Step] = field(default_factory=Counter)
    facts: int = 0
    written: int = 0
    unchanged: int = 0
    rebuilt: int = 0
    gone: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


class _Readable(NamedTuple):
    event: StoredEvent
    stated: Stated
    whole: bool


def backfill(
    job: Job, span: Span, services: BackfillServices, seen: Callable[[Step, int], None]
) -> BackfillReport:
    """Publish the facts of all documents, then write on each who was behind it.

    An earlier run that was interrupted is gone on with. Every page is done before it is noted as
    done, so that what breaks off between them is done twice rather than not at all.

    Args:
        job: What is to be enriched.
        span: What ``check`` found.
        services: Where it is.
        seen: Called after each page, with how many documents it held.

    Raises:
        ConfigurationError: If an index does not take the fields, or may not be written.
        UnavailableError: If a server stays away; what was done is kept.
    """
    services.foreign.prepare()
    report = BackfillReport()
    began_at = services.clock.now()
    step, after = _resume(job, services)
    report.resumed = step if after is not None or step is Step.WRITE else None
    for current in list(Step)[list(Step).index(step) :]:
        for page in _paced(job, services, span, after):
            _PASSES[current](page, job.profile, services, report)
            report.read[current] += len(page.events)
            _save(job, services, (current, page.after), began_at)
            seen(current, len(page.events))
        after = None
        if current is Step.PUBLISH:
            _save(job, services, (Step.WRITE, None), began_at)
    services.checkpoints.forget(job.scope)
    return report


def preview(
    job: Job, span: Span, services: BackfillServices, seen: Callable[[Step, int], None]
) -> BackfillReport:
    """Read all documents as the first pass does, and write nothing, nowhere."""
    report = BackfillReport()
    for page in _paced(job, services, span, None):
        for one in _readable(page.events, job.profile, report.left_out):
            report.facts += len(one.stated.facts)
            report.rebuilt += not one.whole
            report.unchanged += bool(enrichment_of(one.event))
        report.read[Step.PUBLISH] += len(page.events)
        seen(Step.PUBLISH, len(page.events))
    return report


def _resume(job: Job, services: BackfillServices) -> tuple[Step, list[Any] | None]:
    checkpoint = services.checkpoints.load(job.scope)
    if checkpoint is None:
        return Step.PUBLISH, None
    step, after = codec.loads(checkpoint.key)
    return Step(step), after


def _save(
    job: Job,
    services: BackfillServices,
    reached: tuple[Step, list[Any] | None],
    at: datetime,
) -> None:
    checkpoint = Checkpoint(key=codec.dumps(reached).decode(), at=at)
    services.checkpoints.save(job.scope, checkpoint)


def _paced(
    job: Job, services: BackfillServices, span: Span, after: list[Any] | None
) -> Iterator[Page]:
    """Give pages no faster than is asked for."""
    size = min(_LARGEST_PAGE, job.rate * _SECONDS_OF_A_PAGE) if job.rate else _LARGEST_PAGE
    began_at = services.clock.now()
    documents = 0
    for page in services.foreign.pages(span, after, size):
        yield page
        documents += len(page.events)
        if job.rate:
            taken = (services.clock.now() - began_at).total_seconds()
            services.pause(max(0.0, documents / job.rate - taken))


def _readable(
    events: Sequence[StoredEvent], profile: Profile, left_out: Counter[str]
) -> Iterator[_Readable]:
    for event in events:
        rebuilt = rebuild(profile, event.source)
        if rebuilt is None:
            left_out["no-record"] += 1
            continue
        try:
            record = Record(rebuilt.raw)
        except RecordError as err:
            left_out[err.reason] += 1
            continue
        notes = () if rebuilt.whole else (REBUILT,)
        yield _Readable(event, state(record, notes, window_closed=True), rebuilt.whole)


def _publish_page(
    page: Page, profile: Profile, services: BackfillServices, report: BackfillReport
) -> None:
    readable = list(_readable(page.events, profile, Counter()))
    publish([one.stated for one in readable if one.whole], services.store, services.queue)
    services.beside.publish(
        keyed for one in readable if not one.whole for keyed in one.stated.facts
    )
    report.facts += sum(len(one.stated.facts) for one in readable)


def _write_page(
    page: Page, profile: Profile, services: BackfillServices, report: BackfillReport
) -> None:
    readable = list(_readable(page.events, profile, report.left_out))
    report.rebuilt += sum(not one.whole for one in readable)
    for _ in range(_ROUNDS):
        contested = _write(readable, services, report)
        if not contested:
            return
        readable = list(_readable(services.foreign.read_again(contested), profile, Counter()))
        report.gone += len(contested) - len(readable)
    raise UnavailableError("documents are being rewritten by others; run it again later")


def _write(
    readable: Sequence[_Readable], services: BackfillServices, report: BackfillReport
) -> list[StoredEvent]:
    """Resolve documents and write those that change; give those that others wrote meanwhile."""
    evidence = EvidenceBeside(services.store, services.beside)
    stated = [one.stated for one in readable]
    answers, _ = enrich_batch(stated, evidence, services.enrichers)
    now = services.clock.now()
    changed: list[tuple[StoredEvent, StoredEvent]] = [
        (one.event, rewritten(one.event, answer, format_time(now)))
        for one, answer in zip(readable, answers, strict=True)
        if comparable(enrichment_of(one.event)) != answer
    ]
    report.unchanged += len(readable) - len(changed)
    if not changed:
        return []
    changes = [change for old, new in changed if (change := origin_change(old, new, now))]
    if changes:
        services.index.audit(changes)
    contested: list[StoredEvent] = []
    revisions = services.foreign.rewrite([new for _, new in changed])
    for (old, _), revision in zip(changed, revisions, strict=True):
        report.written += revision is Revision.WRITTEN
        report.gone += revision is Revision.GONE
        if revision is Revision.CONTESTED:
            contested.append(old)
    return contested


_PASSES = {Step.PUBLISH: _publish_page, Step.WRITE: _write_page}
