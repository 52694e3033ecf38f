"""From anything suspicious to everything about it, in one answer.

The credential, its origin and chain, the tree of sessions, what was done and refused there, what
else the same origin did, who else came from the same address, and what would contain it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, Field, IPvAnyAddress, model_validator

from enricher.response.denials import AccessDenied, access_denied
from enricher.response.errors import NotIndexedError
from enricher.response.exposure import Subject, SubjectKind
from enricher.response.guardduty import Finding
from enricher.response.lineage import CredentialLineage, credential_lineage
from enricher.response.models import Alert, Answer, Origin
from enricher.response.origins import ActiveOrigin, active_origins
from enricher.response.ports import Group, Selection
from enricher.response.runs import PlanAnswer
from enricher.response.selecting import (
    ADDRESS,
    KEY,
    ORIGIN,
    SESSION,
    PrincipalName,
    by_address,
    by_event,
    by_principal,
    shifted,
    within,
)
from enricher.response.sessions import Session, SessionTree, sessions, tree_of
from enricher.response.summary import Summary, summarize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from enricher.response.origins import Origins
    from enricher.response.planning import Planning
    from enricher.response.plans import Plan
    from enricher.response.ports import AlertReading, EventReading
    from enricher.response.sessions import Sessions

_SESSIONS, _ORIGINS, _ROOTS, _ADDRESSES, _ALERTS = 20, 20, 5, 20, 50
_AT_ONCE = 4
_AROUND = timedelta(days=1)  # before the first and after the last of what is asked for
_OF_A_FINDING = timedelta(hours=1)  # GuardDuty's times are of the finding, not of each event


class Question(Answer):
    """Something suspicious: by any of its names; with several, only what fits them all."""

    event_id: str | None = Field(
        None, max_length=1024, examples=["38d0221b-61e0-47d6-9c45-7eb2dc55125b"]
    )
    """CloudTrail's id of an event, or its id in the index."""
    access_key_id: str | None = Field(None, max_length=128, examples=["ASIAIOSFODNN7EXAMPLE"])
    """An access key id."""
    principal: PrincipalName | None = None
    """A principal, as origin or as caller."""
    session_id: str | None = Field(None, pattern="^[0-9a-f]{32}$")
    """A session: `enriched.session.id` of its events."""
    ip: IPvAnyAddress | None = Field(None, examples=["203.0.113.20"])
    """An address; it needs a start and an end."""
    start: AwareDatetime | None = None
    """Only events from then on, and from then on what else was done."""
    end: AwareDatetime | None = None
    """Only events until then, and until then what else was done."""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        names = (self.event_id, self.access_key_id, self.principal, self.session_id, self.ip)
        if not any(names):
            raise ValueError(
                "name an event_id, an access_key_id, a principal, a session_id or an ip"
            )
        if self.ip and not (self.start and self.end):
            raise ValueError("an address is shared and passed on: say from when to when")
        return self


class Triage(Answer):
    """Everything about something suspicious."""

    finding: Finding | None
    """The finding that was asked about."""
    origin: Origin | None
    """Who is behind all of it; absent where that is nobody known, or not one alone."""
    origins: tuple[ActiveOrigin, ...]
    """Everybody who is behind some of it, most events first."""
    credential: CredentialLineage | None
    """Every credential behind the access key that was asked for."""
    sessions: tuple[Session, ...]
    """The sessions it belongs to, each with its chain."""
    trees: tuple[SessionTree, ...]
    """All that the origin's session led to, for each root session."""
    summary: Summary
    """What was done in these sessions."""
    denials: AccessDenied
    """What was refused in these sessions."""
    window_start: datetime | None
    """From when on it is said what else happened."""
    window_end: datetime | None
    """Until when."""
    elsewhere: tuple[Session, ...]
    """What else the same origin did in that time, by session."""
    same_address: tuple[ActiveOrigin, ...]
    """Others who came from the same public addresses in that time; that proves nothing."""
    alerts: tuple[Alert, ...]
    """Alerts on the same origin in that time, newest first."""
    containment: PlanAnswer | None
    """What would contain the session, or the origin of several; nothing is kept of this plan.
    Absent where it is nobody's alone: make a plan for each origin or session."""
    complete: bool
    """Whether everything was counted and given."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What was asked for, found.

    Attributes:
        found: The sessions of the events that were asked for.
        involved: Everything that was done in them.
    """

    found: Sessions
    involved: Selection
    start: datetime | None
    end: datetime | None


def triage(question: Question, planning: Planning, alerts: AlertReading) -> Triage:
    """Answer everything about something suspicious.

    Raises:
        NotIndexedError: If nothing fits.
        QuestionError: If the time range ends before it begins.
    """
    return _answer([_selection(question)], question, None, planning, alerts)


def triage_finding(finding: Finding, planning: Planning, alerts: AlertReading) -> Triage:
    """Answer everything about a GuardDuty finding.

    Key ids recur: the credential is the one of that principal at that time. Where that is not
    indexed, the key alone is taken, then the principal at that time.

    Raises:
        NotIndexedError: If neither the key nor the principal is in the index.
    """
    return _answer(_wanted(finding), _about(finding), finding, planning, alerts)


def involved(asked: Question | Finding, reading: EventReading) -> Selection:
    """Give the events that an answer is about: everything in the sessions that were asked for.

    Raises:
        NotIndexedError: If nothing fits.
        QuestionError: If the time range ends before it begins.
    """
    if isinstance(asked, Finding):
        return _case(*_focus(_wanted(asked), reading), _about(asked), reading).involved
    return _case(*_focus([_selection(asked)], reading), asked, reading).involved


def _wanted(finding: Finding) -> list[Selection]:
    start = shifted(finding.first_seen, -_OF_A_FINDING) if finding.first_seen else None
    end = shifted(finding.last_seen, _OF_A_FINDING) if finding.last_seen else None
    key, principal = Selection(), Selection()
    if finding.access_key_id:
        key = key.where(KEY, finding.access_key_id)
    if finding.principal_id:
        principal = principal.where(_PRINCIPAL_ID, finding.principal_id)
    both = Selection(every=(*key.every, *principal.every))
    wanted = [within(both, start, end), both, key, within(principal, start, end)]
    return [one for one in wanted if one.every]


def _about(finding: Finding) -> Question:
    return Question(
        access_key_id=finding.access_key_id,
        principal=PrincipalName(id=finding.principal_id) if finding.principal_id else None,
    )


_PRINCIPAL_ID = "userIdentity.principalId"


def _selection(question: Question) -> Selection:
    parts = []
    if question.event_id:
        parts.append(by_event(question.event_id))
    if question.access_key_id:
        parts.append(Selection().where(KEY, question.access_key_id))
    if question.principal:
        parts.append(by_principal(question.principal))
    if question.session_id:
        parts.append(Selection().where(SESSION, question.session_id))
    if question.ip:
        parts.append(by_address(question.ip))
    every = tuple(group for one in parts for group in one.every)
    return within(Selection(every=every), question.start, question.end)


def _answer(
    wanted: Sequence[Selection],
    question: Question,
    finding: Finding | None,
    planning: Planning,
    alerts: AlertReading,
) -> Triage:
    reading = planning.reading
    focus, found = _focus(wanted, reading)
    # What does not wait for another; one after the other they would take three times as long.
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="triage") as pool:
        asked = pool.submit(active_origins, focus, _ORIGINS, reading)
        case = _case(focus, found, question, reading)
        origins = asked.result()
        only = _only(origins)
        plan = pool.submit(_containment, only, case, planning)
        whole = pool.submit(summarize, case.involved, reading)
        credential = pool.submit(_credential, question, reading)
        grown = pool.submit(lambda: tuple(_trees(case.found, reading)))
        elsewhere = pool.submit(_elsewhere, only, case, reading)
        same_address = pool.submit(_same_address, only, case, reading)
        denials = pool.submit(access_denied, case.involved, reading)
        related = pool.submit(_alerts, only, case, alerts)
    trees, summary = grown.result(), whole.result()
    return Triage(
        finding=finding,
        origin=only,
        origins=origins.origins,
        credential=credential.result(),
        sessions=case.found.sessions,
        trees=trees,
        summary=summary,
        denials=denials.result(),
        window_start=case.start,
        window_end=case.end,
        elsewhere=elsewhere.result(),
        same_address=same_address.result(),
        alerts=related.result(),
        containment=plan.result(),
        complete=all(
            (case.found.complete, origins.complete, summary.complete, *(t.complete for t in trees))
        ),
    )


def _focus(wanted: Sequence[Selection], reading: EventReading) -> tuple[Selection, Sessions]:
    """Give the first selection that anything fits, and the sessions of its events."""
    for focus in wanted:
        found = sessions(focus, _SESSIONS, reading)
        if found.events:
            return focus, found
    raise NotIndexedError(
        "nothing of that is indexed: have the log files of that account and time been ingested?"
    )


def _case(focus: Selection, found: Sessions, question: Question, reading: EventReading) -> _Case:
    ids = [one.session_id for one in found.sessions]
    involved = Selection().where(SESSION, *ids) if ids else focus
    if ids:  # whole, not only what was asked for
        whole = sessions(involved, len(ids), reading)
        found = found._replace(sessions=whole.sessions)
    uses = [one.use for one in found.sessions]
    first = [use.first for use in uses if use.first]
    last = [use.last for use in uses if use.last]
    return _Case(
        found,
        involved,
        question.start or (shifted(min(first), -_AROUND) if first else None),
        question.end or (shifted(max(last), _AROUND) if last else None),
    )


def _only(origins: Origins) -> Origin | None:
    """Give the origin of everything, if there is one alone."""
    if len(origins.origins) == 1 and not origins.events_without_origin:
        return origins.origins[0].origin
    return None


def _credential(question: Question, reading: EventReading) -> CredentialLineage | None:
    if question.access_key_id is None:
        return None
    try:
        return credential_lineage(question.access_key_id, reading)
    except NotIndexedError:  # a finding's key may be unknown while its principal is not
        return None


def _trees(found: Sessions, reading: EventReading) -> Iterator[SessionTree]:
    roots = {one.root_id or one.session_id: one.session_id for one in reversed(found.sessions)}
    for root_id, asked_id in list(roots.items())[:_ROOTS]:
        yield tree_of(root_id, asked_id, reading)


def _elsewhere(only: Origin | None, case: _Case, reading: EventReading) -> tuple[Session, ...]:
    if only is None or only.id is None:
        return ()
    same = within(Selection().where(ORIGIN, only.id), case.start, case.end)
    seen = [one.session_id for one in case.found.sessions]
    return sessions(same.without(SESSION, *seen) if seen else same, _SESSIONS, reading).sessions


def _containment(only: Origin | None, case: _Case, planning: Planning) -> Plan | None:
    """Plan for the one session that it is, or for the one origin of several."""
    if len(case.found.sessions) == 1:
        return planning.plan(Subject(SubjectKind.SESSION, case.found.sessions[0].session_id))
    if only is not None and only.id is not None:
        return planning.plan(Subject(SubjectKind.ORIGIN, only.id))
    return None


def _alerts(only: Origin | None, case: _Case, alerts: AlertReading) -> tuple[Alert, ...]:
    if only is None or only.id is None:
        return ()
    return alerts.of_origin(only.id, case.start, case.end, _ALERTS)


def _same_address(
    only: Origin | None, case: _Case, reading: EventReading
) -> tuple[ActiveOrigin, ...]:
    public = case.involved.where("enriched.source.kind", "public")
    by_address = {"addresses": Group(by=ADDRESS, size=_ADDRESSES)}
    found = reading.tally(public, by_address).groups["addresses"].buckets
    if not found:
        return ()
    there = Selection().where(ADDRESS, *(one.value for one in found))
    mine = [one.session_id for one in case.found.sessions]
    others = there.without(SESSION, *mine) if mine else there
    if only is not None and only.id is not None:
        others = others.without(ORIGIN, only.id)
    return active_origins(within(others, case.start, case.end), _ORIGINS, reading).origins
