"""An alert as people and programs are shown it: the API, its client and what targets are told.

Everything that is quoted from records is text as it stands there, hostile or not: whoever shows it
escapes it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from enricher.alerts.alert import Status, What
from enricher.alerts.telling import Outcome, Telling, key_of

if TYPE_CHECKING:
    from enricher.alerts.alert import Alert

Json = dict[str, Any]
VERSION = "1"
MOST_VALUES = 20
MOST_CHARACTERS = 512
# What tells of one line of the history; the last such line is why somebody is told now.
_TELLING = {What.OPENED, What.UPGRADED, What.MOVED, What.REOPENED, What.UNSUPPRESSED}


class Shown(BaseModel):
    """Something that is shown; nothing can be put into it that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class AlertRule(Shown):
    """The rule that found it, as it was then."""

    id: str = Field(examples=["0c9d2ba5-9ef5-4a52-93d3-0b8b2b1f7a8e"])
    """Its id."""
    title: str = Field(examples=["Denied calls in many accounts by one origin"])
    """What it is about."""
    level: str = Field(examples=["high"])
    """`informational`, `low`, `medium`, `high` or `critical`."""
    tags: tuple[str, ...] = Field((), examples=[["attack.discovery", "attack.t1580"]])
    """ATT&CK tactics and techniques, as Sigma tags them."""
    version: str = Field(examples=["7f3c2d9a1b0e4f56"])
    """Which text of it."""
    next_steps: tuple[str, ...] = ()
    """What to do next."""


class AlertOrigin(Shown):
    """Who was behind the alert's first event: fields of `enriched.origin`."""

    status: str | None = Field(None, examples=["resolved"])
    """`resolved`, `ambiguous`, `conflict`, `external` or `unknown`."""
    kind: str | None = Field(None, examples=["iam_user"])
    """What it is."""
    id: str | None = Field(None, examples=["AIDACKCEVSQ6C2EXAMPLE"])
    """An id that stays."""
    arn: str | None = Field(None, examples=["arn:aws:iam::111122223333:user/alice"])
    """Its ARN."""
    name: str | None = Field(None, examples=["alice"])
    """Its name, as people say it."""
    account_id: str | None = Field(None, examples=["111122223333"])
    """Its account."""
    account_name: str | None = None
    """What its account is called."""
    identity_provider: str | None = None
    """Who vouches for it."""
    confidence: str | None = Field(None, examples=["strong"])
    """`exact`, `strong`, `moderate`, `weak` or `none`."""
    rule: str | None = Field(None, examples=["L4"])
    """The rule of evidence of the weakest hop."""
    human: bool | None = None
    """Whether it is a person, where that is known."""
    reason: str | None = None
    """Why there is no answer, or no better one."""


class AlertSession(Shown):
    """The session at the start of the chain."""

    root_id: str | None = None
    """`enriched.session.root_id` of the first event."""


class AlertGroup(Shown):
    """One field that the alert's events agree in."""

    field: str = Field(examples=["enriched.origin.id"])
    """Which."""
    value: str | None = Field(examples=["AIDACKCEVSQ6C2EXAMPLE"])
    """Its value; absent where the events have none."""


class AlertWindow(Shown):
    """The time that an alert is about."""

    start: datetime
    """From then on, inclusive."""
    end: datetime
    """Until then, exclusive."""


class AlertFirstSeen(Shown):
    """One combination of values that was not seen before."""

    values: tuple[AlertGroup, ...]
    """The combination."""
    at: datetime
    """When it was first seen."""
    event_id: str
    """In which event."""


class AlertSuppressed(Shown):
    """Why nobody is told of it."""

    id: str
    """Of the suppression."""
    reason: str
    """Why."""
    until: datetime
    """Until when."""


class AlertChange(Shown):
    """One line of an alert's history."""

    at: datetime
    """When."""
    what: What = Field(examples=["opened"])
    """What happened."""
    by: str = Field(examples=["enricher"])
    """Who did it: `enricher`, an API key's id, or a user of the command line."""
    before: Json | None = None
    """What it was, as far as it changed."""
    after: Json | None = None
    """What it is; `note` is what whoever did it said."""


class AlertTold(Shown):
    """How telling one target went."""

    revision: int
    """The notable revision that this is about."""
    outcome: Outcome
    """`trying`, `delivered` or `given-up`."""
    attempts: int
    """How often it was tried."""
    at: datetime
    """When it was tried last."""
    next_at: datetime | None = None
    """When it is tried again at the earliest."""
    reason: str | None = Field(None, examples=["answered-500"])
    """Why the last attempt failed."""


class AlertFacts(Shown):
    """What is known of an alert."""

    id: str = Field(examples=["5f0e6d2c3b1a4c8d9e7f0a1b2c3d4e5f"])
    """Its id; it stays."""
    status: Status
    """`open`, `acknowledged` or `closed`."""
    severity: str = Field(examples=["high"])
    """How bad it is: the level of its rule."""
    rule: AlertRule
    """The rule that found it."""
    origin: AlertOrigin
    """Who was behind it, and how sure that is."""
    session: AlertSession
    """In which session."""
    group: tuple[AlertGroup, ...]
    """What its events agree in."""
    window: AlertWindow
    """The time that it is about."""
    first_at: datetime
    """Time of its first event."""
    last_at: datetime
    """Time of its last event."""
    count: int = Field(examples=[7])
    """How many events it has."""
    event_ids: tuple[str, ...]
    """The newest of them, newest first."""
    accounts: tuple[str, ...] = ()
    """In which accounts."""
    regions: tuple[str, ...] = ()
    """In which regions."""
    actions: tuple[str, ...] = Field((), examples=[["s3.amazonaws.com:GetObject"]])
    """What was called."""
    targets: tuple[str, ...] = ()
    """What was called upon."""
    sources: tuple[str, ...] = ()
    """From where."""
    origins: tuple[str, ...] = ()
    """Ids of everybody behind its events."""
    first_seen: tuple[AlertFirstSeen, ...] = ()
    """What was not seen before, where its rule is about that."""
    opened_at: datetime
    """When it was first written."""
    updated_at: datetime
    """When something last happened to it."""
    revision: int
    """Raised by everything that happens to it."""
    notable_revision: int
    """The last revision that is worth telling of."""
    suppressed: AlertSuppressed | None = None
    """Why nobody is told of it."""
    superseded_by: str | None = None
    """The alert that has its events by now."""


class AlertShown(AlertFacts):
    """An alert, whole."""

    history: tuple[AlertChange, ...]
    """What happened to it, oldest first."""
    telling: Telling
    """Whether a target is still to be told of it: `due`, `done` or `given-up`."""
    told: dict[str, AlertTold]
    """How that went, by name of the target."""


class Notice(Shown):
    """What a target is told of an alert."""

    version: str = Field(examples=["1"])
    """Of this form; a field that is added does not raise it."""
    key: str = Field(examples=["5f0e6d2c3b1a4c8d9e7f0a1b2c3d4e5f:1"])
    """The alert and its notable revision: what comes again with this key was sent before."""
    what: What = Field(examples=["opened"])
    """What happened to it: `opened`, `upgraded`, `moved`, `reopened` or `unsuppressed`."""
    before: Json | None = None
    """What it was, as far as that changed."""
    after: Json | None = None
    """What it is now."""
    shortened: bool
    """Whether texts or lists were shortened; the alert has them whole."""
    alert: AlertFacts
    """The alert: of each list, and of each text, as much as fits."""


def shown(alert: Alert) -> AlertShown:
    """Give an alert, whole."""
    return AlertShown.model_validate(_fields(alert.document(), AlertShown))


def facts(alert: Alert) -> AlertFacts:
    """Give what is known of an alert, without what became of it."""
    return AlertFacts.model_validate(_fields(alert.document(), AlertFacts))


def notice(alert: Alert) -> Notice:
    """Give what a target is told of an alert: bounded, whatever records hold."""
    last = next((one for one in reversed(alert.history) if one.what in _TELLING), None)
    whole = _fields(alert.document(), AlertFacts)
    fitting = short(whole)
    before = short(last.before) if last else None
    after = short(last.after) if last else None
    return Notice(
        version=VERSION,
        key=key_of(alert),
        what=last.what if last else What.OPENED,
        before=before,
        after=after,
        shortened=fitting != whole,
        alert=AlertFacts.model_validate(fitting),
    )


def short(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Shorten lists and texts of JSON to what fits into a message."""
    match value:
        case str() if len(value) > MOST_CHARACTERS:
            return value[: MOST_CHARACTERS - 1] + "…"
        case list() | tuple():
            return type(value)(short(one) for one in value[:MOST_VALUES])
        case dict():
            return {name: short(one) for name, one in value.items()}
        case _:
            return value


def _fields(document: Json, model: type[BaseModel]) -> Json:
    return {name: one for name, one in document.items() if name in model.model_fields}
