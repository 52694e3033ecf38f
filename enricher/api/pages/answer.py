"""Puts together what the page shows of one question, from the answers that playbooks get too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from enricher.api.pages import wording
from enricher.api.pages.chain import pictures
from enricher.response.exposure import confidence_of
from enricher.response.guardduty import Finding
from enricher.response.lineage import EventLineage, event_lineage, proof_of
from enricher.response.plan_as_text import as_text
from enricher.response.sessions import events_page
from enricher.response.triage import involved, triage, triage_finding

if TYPE_CHECKING:
    from enricher.api.pages.chain import Picture
    from enricher.api.pages.wording import Verdict
    from enricher.response.asking import Asked
    from enricher.response.models import Event, Hop, Origin
    from enricher.response.planning import Planning
    from enricher.response.ports import AlertReading
    from enricher.response.sessions import Session
    from enricher.response.triage import Triage

_FIRST_EVENTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Investigation:
    """Everything on the page.

    Attributes:
        event: The event that was asked for, where it was one.
        origin: Who is behind it; of a question about one event, behind that event.
        chain: From that origin, to the event or in the session drawn.
        drawn: The session whose chain is drawn, where there are several.
        first_events: The first that were done in these sessions.
        plan: What contains it, line by line; empty where it is nobody's alone.
    """

    found: Triage
    event: EventLineage | None
    origin: Origin | None
    chain: tuple[Hop, ...]
    state: str | None
    verdict: Verdict
    drawn: Session | None
    pictures: tuple[Picture, ...]
    proof: tuple[Event, ...]
    proof_not_indexed: tuple[str, ...]
    first_events: tuple[Event, ...]
    plan: tuple[str, ...]


def investigate(asked: Asked, planning: Planning, alerts: AlertReading) -> Investigation:
    """Answer everything about what was asked for.

    Raises:
        NotIndexedError: If nothing of it is indexed.
        QuestionError: If the time range ends before it begins.
    """
    if isinstance(asked, Finding):
        found = triage_finding(asked, planning, alerts)
    else:
        found = triage(asked, planning, alerts)
    reading = planning.reading
    event_id = None if isinstance(asked, Finding) else asked.event_id
    event = event_lineage(event_id, reading) if event_id else None
    drawn = _drawn(found)
    told = event or drawn
    origin = event.origin if event else _origin(found)
    if event:
        proof, absent = event.proof, event.proof_not_indexed
    else:
        proof, absent = proof_of(origin, reading)
    first = events_page(involved(asked, reading), _FIRST_EVENTS, None, reading).events
    return Investigation(
        found=found,
        event=event,
        origin=origin,
        chain=told.chain if told else (),
        state=told.state if told else None,
        verdict=wording.verdict(
            origin, len(found.origins), len(found.sessions) if event is None else 1
        ),
        drawn=drawn if event is None and len(found.sessions) > 1 else None,
        pictures=pictures(
            told.origin if told else origin,
            told.chain if told else (),
            event.event if event else None,
        ),
        proof=proof,
        proof_not_indexed=absent,
        first_events=first,
        plan=tuple(as_text(found.containment).splitlines()) if found.containment else (),
    )


def _drawn(found: Triage) -> Session | None:
    """Choose the session that tells most: the longest chain, then the most events."""
    if not found.sessions:
        return None
    return max(found.sessions, key=lambda one: (len(one.chain), one.use.events))


def _origin(found: Triage) -> Origin | None:
    """Give the origin of everything: of several sessions, as the least sure of them has it.

    Of one session alone it is what that says, known or not.
    """
    if found.origin is None and (len(found.sessions) != 1 or len(found.origins) > 1):
        return None
    told = [one.origin for one in found.sessions if one.origin is not None]
    return min(told, key=lambda one: confidence_of(one.confidence), default=found.origin)
