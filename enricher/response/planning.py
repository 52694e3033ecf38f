"""From whatever somebody names to a containment plan of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, Field, model_validator

from enricher.response.containment import plan
from enricher.response.errors import NotIndexedError, QuestionError
from enricher.response.exposing import expose
from enricher.response.exposure import Subject, SubjectKind
from enricher.response.models import Answer
from enricher.response.ports import Group, Selection
from enricher.response.selecting import (
    KEY,
    ORIGIN,
    SESSION,
    PrincipalName,
    as_utc,
    by_caller,
    by_origin,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Self

    from enricher.response.plans import Plan
    from enricher.response.ports import EventReading

_GROUPS = 20
_TWO = 2  # is it one, or more than one?


class Contained(Answer):
    """What is to be contained, by exactly one of its names."""

    origin_id: str | None = Field(
        None, min_length=1, max_length=1024, examples=["AIDACKCEVSQ6C2EXAMPLE"]
    )
    """An origin: `enriched.origin.id` of an event."""
    session_id: str | None = Field(
        None, pattern="^[0-9a-f]{32}$", examples=["0d5c8a1b2e3f40516273849506a7b8c9"]
    )
    """A session, and with it those above and below it: `enriched.session.id` of an event."""
    principal: PrincipalName | None = None
    """A principal: the one origin of that name, or the one that acted under it."""
    access_key_id: str | None = Field(
        None, min_length=1, max_length=128, examples=["ASIAIOSFODNN7EXAMPLE"]
    )
    """An access key: the one session that it was used in, or the one origin that used it."""
    group_arns: tuple[str, ...] = Field(
        (), max_length=_GROUPS, examples=[["arn:aws:iam::111122223333:group/ops"]]
    )
    """Groups to offer a denial for, where several of their members are in on it."""
    start: AwareDatetime | None = None
    """Only what was done from then on; by default all that is indexed."""
    end: AwareDatetime | None = None
    """Only what was done until then."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        named = (self.origin_id, self.session_id, self.principal, self.access_key_id)
        if len([one for one in named if one is not None]) != 1:
            raise ValueError(
                "name what is to be contained in one way: origin_id, session_id, principal or "
                "access_key_id"
            )
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """What making plans needs.

    Attributes:
        now: The present instant, aware UTC.
        own_accounts: Accounts that may have a responder role; None where nobody says.
        management_account: Of the organization, where that is known.
    """

    reading: EventReading
    now: Callable[[], datetime]
    own_accounts: frozenset[str] | None = None
    management_account: str | None = None

    def plan_of(self, wanted: Contained) -> Plan:
        """Make a plan for what somebody names; nothing is kept of it.

        Raises:
            NotIndexedError: If nothing of it is indexed.
            QuestionError: If it names several.
        """
        subject = subject_of(wanted, self.reading)
        return self.plan(subject, wanted.start, wanted.end, wanted.group_arns)

    def plan(
        self,
        subject: Subject,
        start: datetime | None = None,
        end: datetime | None = None,
        group_arns: tuple[str, ...] = (),
    ) -> Plan:
        """Make a plan for an origin or session; nothing is kept of it.

        Raises:
            NotIndexedError: If nothing that it did is indexed.
        """
        exposure = replace(
            expose(subject, start, end, self.reading),
            group_arns=group_arns,
            own_accounts=self.own_accounts,
            organization_management_account=self.management_account,
        )
        return plan(subject, exposure, as_utc(self.now()))


def subject_of(wanted: Contained, reading: EventReading) -> Subject:
    """Say which origin or session is meant.

    Raises:
        NotIndexedError: If nothing of it is indexed.
        QuestionError: If it names several.
    """
    if wanted.session_id:
        return Subject(SubjectKind.SESSION, wanted.session_id)
    if wanted.origin_id:
        return Subject(SubjectKind.ORIGIN, wanted.origin_id)
    if wanted.principal:
        return _of_principal(wanted.principal, reading)
    return _of_key(wanted.access_key_id or "", reading)


def _of_principal(name: PrincipalName, reading: EventReading) -> Subject:
    for selection in (by_origin(name), by_caller(name)):
        _, origins = _told_apart(selection, reading)
        if not origins:
            continue
        if len(origins) > 1:
            raise QuestionError(
                "several origins are behind that name: GET /v1/principals gives them, plan for "
                "one by its origin_id"
            )
        if not origins[0]:
            raise QuestionError(
                "that origin has no id of its own: plan for one of its sessions by its session_id"
            )
        return Subject(SubjectKind.ORIGIN, origins[0])
    raise NotIndexedError(
        "no such principal: names are compared exactly, and only what is indexed is known"
    )


def _of_key(access_key_id: str, reading: EventReading) -> Subject:
    sessions, origins = _told_apart(Selection().where(KEY, access_key_id), reading)
    if not sessions and not origins:
        raise NotIndexedError("nothing that was signed with this access key is indexed")
    if len(sessions) == 1 and sessions[0]:
        return Subject(SubjectKind.SESSION, sessions[0])
    if len(origins) == 1 and origins[0]:
        return Subject(SubjectKind.ORIGIN, origins[0])
    raise QuestionError(
        "several credentials were used under this key id: GET /v1/credentials gives them, plan "
        "for one by its session_id"
    )


def _told_apart(selection: Selection, reading: EventReading) -> tuple[list[str], list[str]]:
    """Give sessions and origins of some events, two at most; empty where an event has none."""
    groups = {name: Group(by=name, size=_TWO, missing="") for name in (SESSION, ORIGIN)}
    found = reading.tally(selection, groups).groups
    sessions, origins = ([one.value for one in found[name].buckets] for name in (SESSION, ORIGIN))
    return sessions, origins
