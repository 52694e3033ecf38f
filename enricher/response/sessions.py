"""Sessions: everything done in one sign-in or one assumed role, and the tree that they form."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from enricher.cloudtrail.times import parse_time
from enricher.response.cursors import decoded, encoded
from enricher.response.errors import NotIndexedError
from enricher.response.events import USE, WHO, event, part, use, who
from enricher.response.models import Answer, Event, Use, Who
from enricher.response.ports import Group, Selection
from enricher.response.selecting import CREDENTIAL, ISSUED, KEY, ROOT, SESSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from enricher.response.ports import Bucket, EventReading

_MOST_SESSIONS = 500
_MOST_ISSUED = 100
_DEEPEST = 50


class Session(Who):
    """One session, with how it was used."""

    session_id: str
    """Its id."""
    root_id: str | None = None
    """The session at the origin."""
    parent_id: str | None = None
    """The session that began it."""
    kind: str | None = None
    """What kind of session."""
    name: str | None = None
    """The role session's name: a claim of whoever began it."""
    principal_arn: str | None = None
    """Whose session."""
    started_at: datetime | None = None
    """When it began."""
    mfa: bool | None = None
    """Whether a second factor was in the context when it began."""
    access_keys: tuple[str, ...] = ()
    """Access key ids that were used in it: one console session uses many."""
    credentials: int = 0
    """How many credentials were used in it; of very many, not all are counted."""
    use: Use
    """How much, when and from where."""
    issued: tuple[str, ...] = ()
    """Sessions that it began."""


class Node(Answer):
    """A session in the tree of all that one origin's session led to."""

    session_id: str
    """Its id."""
    session: Session | None
    """What is known of it; absent where it was begun and nothing done in it was indexed."""
    depth: int
    """How many sessions are above it: the root has none."""
    children: tuple[str, ...]
    """Ids of the sessions that it began, in order of time."""


class SessionTree(Answer):
    """A root session and all that it led to."""

    root_id: str
    """The session at the origin, as far as it is known."""
    asked_id: str
    """The session that was asked for."""
    nodes: tuple[Node, ...]
    """Its sessions, each before its children; the root first."""
    account_ids: tuple[str, ...]
    """The accounts that got events of it."""
    complete: bool
    """Whether all of its sessions are given."""


class EventsPage(Answer):
    """Events in order of time."""

    events: tuple[Event, ...]
    """The events."""
    next: str | None
    """What to ask the next page with; absent where this one is the last."""


class Sessions(NamedTuple):
    """The sessions of some events.

    Attributes:
        sessions: Those of the most events first.
        events: How many events there are, those of no session included.
        complete: Whether all sessions are given, and everything was counted.
    """

    sessions: tuple[Session, ...]
    events: int
    complete: bool


_WITHIN = {
    **USE,
    "access_keys": Group(by=KEY, size=50),
    "credentials": Group(by=CREDENTIAL, size=200),
    "issued": Group(by=ISSUED, size=_MOST_ISSUED),
}


def sessions(selection: Selection, most: int, reading: EventReading) -> Sessions:
    """Give the sessions of some events."""
    by = Group(by=SESSION, size=most, span=True, sample=(*WHO, "userIdentity.arn"), within=_WITHIN)
    tally = reading.tally(selection, {"sessions": by})
    found = tally.groups["sessions"]
    return Sessions(
        tuple(_session(one) for one in found.buckets),
        tally.total,
        tally.complete and not found.other,
    )


def session(session_id: str, reading: EventReading) -> Session:
    """Say what is known of a session.

    Raises:
        NotIndexedError: If nothing that was done in it is in the index.
    """
    found = sessions(Selection().where(SESSION, session_id), 1, reading).sessions
    if not found:
        raise NotIndexedError("no such session: nothing that was done in it is indexed")
    return found[0]


def tree(session_id: str, reading: EventReading) -> SessionTree:
    """Give the root of a session and everything that it led to.

    Raises:
        NotIndexedError: If nothing that was done in it is in the index.
    """
    return tree_of(session(session_id, reading).root_id or session_id, session_id, reading)


def tree_of(root_id: str, asked_id: str, reading: EventReading) -> SessionTree:
    """Give everything that a root session led to."""
    found = sessions(Selection().where(ROOT, root_id), _MOST_SESSIONS, reading)
    accounts = {account for one in found.sessions for account in one.use.account_ids}
    return SessionTree(
        root_id=root_id,
        asked_id=asked_id,
        nodes=tuple(grown(root_id, found.sessions)),
        account_ids=tuple(sorted(accounts)),
        complete=found.complete,
    )


def grown(root_id: str, found: Sequence[Session]) -> Iterator[Node]:
    """Put sessions into a tree, each before its children.

    A session whose parent is not among them hangs at the root: it belongs to it, and by what way
    was not seen. None comes twice, whatever they say of their parents.
    """
    known = {one.session_id: one for one in found}
    children: dict[str, list[str]] = {}
    for one in sorted(found, key=_began):
        if one.session_id != root_id:
            parent = one.parent_id if one.parent_id in known else root_id
            children.setdefault(parent or root_id, []).append(one.session_id)
        begun = [id_ for id_ in one.issued if id_ not in known and id_ != one.session_id]
        children.setdefault(one.session_id, []).extend(begun)
    seen: set[str] = set()
    yield from _below(root_id, 0, known, children, seen)
    for one in found:  # what hangs in a circle is not reached from the root
        yield from _below(one.session_id, 1, known, children, seen)


def _below(
    session_id: str,
    depth: int,
    known: Mapping[str, Session],
    children: Mapping[str, Sequence[str]],
    seen: set[str],
) -> Iterator[Node]:
    if session_id in seen or depth > _DEEPEST:
        return
    seen.add(session_id)
    below = [one for one in dict.fromkeys(children.get(session_id, ())) if one not in seen]
    yield Node(
        session_id=session_id,
        session=known.get(session_id),
        depth=depth,
        children=tuple(below),
    )
    for one in below:
        yield from _below(one, depth + 1, known, children, seen)


def _began(one: Session) -> tuple[str, str]:
    at = one.started_at or one.use.first
    return (at.isoformat() if at else "", one.session_id)


def _session(bucket: Bucket) -> Session:
    sample = bucket.sample or {}
    found, behind = part(sample, "enriched", "session"), who(sample)
    return Session(
        **{name: getattr(behind, name) for name in Who.model_fields},
        session_id=bucket.value,
        root_id=found.get("root_id"),
        parent_id=found.get("parent_id"),
        kind=found.get("kind"),
        name=found.get("name"),
        principal_arn=found.get("principal_arn") or part(sample, "userIdentity").get("arn"),
        started_at=parse_time(found.get("started_at")),
        mfa=found.get("mfa"),
        access_keys=tuple(bucket.values("access_keys")),
        credentials=len(bucket.within["credentials"].buckets),
        use=use(bucket),
        issued=tuple(bucket.values("issued")),
    )


def events_page(
    selection: Selection, size: int, cursor: str | None, reading: EventReading
) -> EventsPage:
    """Give one page of events.

    Raises:
        QuestionError: If the cursor is not what an earlier page said.
    """
    found = reading.page(selection, size=size, after=decoded(cursor) if cursor else None)
    return EventsPage(
        events=tuple(event(one) for one in found.events),
        next=encoded(found.after) if found.after else None,
    )
