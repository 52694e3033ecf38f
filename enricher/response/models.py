"""What answers are made of, as they are written in JSON: one shape for API, client and command.

Everything that is quoted from a record is text as it stands there, hostile or not: whoever shows it
escapes it. The fields of an origin and of a hop are those of ``docs/reference/fields.md``; a test
compares them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Json = dict[str, Any]


class Answer(BaseModel):
    """Something that is answered; nothing can be put into it that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Missing(Answer):
    """What would tell more: whose trail, around which second."""

    account_id: str | None = None
    """Whose trail would tell."""
    time: datetime | None = None
    """Around which time."""
    shared_event_id: str | None = None
    """Of which event the other copy is wanted."""


class Origin(Answer):
    """Who was at the start of the chain of credentials, how sure that is, and what proves it."""

    status: str = Field(examples=["resolved"])
    """`resolved`, `ambiguous`, `conflict`, `external` or `unknown`."""
    kind: str | None = Field(None, examples=["iam_user"])
    """What it is: `iam_user`, `saml_subject`, `ec2_instance`, `aws_service` …"""
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
    rule: str | None = Field(None, examples=["L4"])
    """The rule of the weakest hop."""
    confidence: str | None = Field(None, examples=["strong"])
    """`exact`, `strong`, `moderate`, `weak` or `none`."""
    reason: str | None = None
    """Why there is no answer, or no better one."""
    human: bool | None = None
    """Whether it is a person, where that is known."""
    acting_as: str | None = None
    """Whose rights were used, where that is no role."""
    via_service: str | None = None
    """The AWS service in between."""
    evidence: tuple[str, ...] = ()
    """Ids of the events that prove it."""
    candidates: tuple[Json, ...] = ()
    """Who else it could be; hints prove nothing."""
    missing: Missing | None = None
    """What would tell more."""


class Hop(Answer):
    """One session that was issued on the way from the origin to the acting credential."""

    via: str | None = Field(None, examples=["AssumeRole"])
    """The call that issued the credential."""
    arn: str | None = Field(None, examples=["arn:aws:sts::444455556666:assumed-role/Admin/alice"])
    """The session that it began."""
    account_id: str | None = None
    """That session's account."""
    access_key_id: str | None = None
    """The access key that it issued."""
    event_id: str | None = None
    """The event of that call."""
    at: datetime | None = None
    """When."""
    rule: str | None = None
    """The rule that joins this hop."""
    confidence: str | None = None
    """How sure that is."""


class Who(Answer):
    """An origin and the way from it."""

    state: str | None = Field(None, examples=["final"])
    """`final`; `pending`: evidence may still come; `unresolved`: waited in vain."""
    origin: Origin | None = None
    """Who it was; absent while the event is not enriched."""
    chain: tuple[Hop, ...] = ()
    """From the origin to the acting credential; uncertain hops say so."""
    chain_text: str | None = Field(None, examples=["alice → Admin@444455556666"])
    """The chain in one line."""


class Event(Answer):
    """One event, as short as a table row."""

    document_id: str
    """Its id in the index: it tells copies in several accounts apart."""
    event_id: str | None = None
    """CloudTrail's id of it."""
    time: datetime | None = None
    """When it happened."""
    service: str | None = Field(None, examples=["iam.amazonaws.com"])
    """`eventSource`."""
    name: str | None = Field(None, examples=["CreateUser"])
    """`eventName`."""
    region: str | None = None
    """`awsRegion`."""
    account_id: str | None = None
    """The account that got the record."""
    source_ip: str | None = None
    """`sourceIPAddress`: an address, or the name of a service."""
    user_agent: str | None = None
    """`userAgent`: a claim of the caller."""
    principal_arn: str | None = None
    """Who acted, as the record has it."""
    access_key_id: str | None = None
    """What signed the call."""
    error_code: str | None = None
    """`errorCode`."""
    error_message: str | None = None
    """`errorMessage`."""
    outcome: str | None = None
    """`success`, `denied` or `failed`."""
    action: str | None = None
    """Its class: `read`, `change`, `credential`, `auth`, `crypto`, `data_use`."""
    sensitive: bool | None = None
    """Whether it reads secrets or data, or shares something."""
    access: str | None = None
    """`console`, `programmatic`, `service` or `unknown`."""
    targets: tuple[str, ...] = ()
    """ARNs of what it was about, else names."""
    session_id: str | None = None
    """The session in which it was done."""
    credential_id: str | None = None
    """The credential that was used: key ids recur, this does not."""
    issued_session_id: str | None = None
    """The session that it began."""
    issued_access_key_id: str | None = None
    """The access key that it handed out."""


class Use(Answer):
    """How much something was used, when and from where."""

    events: int = Field(examples=[42])
    """How many events there are."""
    first: datetime | None = None
    """The first."""
    last: datetime | None = None
    """The last."""
    outcomes: dict[str, int] = Field(default_factory=dict, examples=[{"success": 40, "denied": 2}])
    """How they ended."""
    actions: dict[str, int] = Field(default_factory=dict)
    """What classes of action."""
    source_ips: tuple[str, ...] = ()
    """From where, most used first."""
    regions: tuple[str, ...] = ()
    """In which regions."""
    account_ids: tuple[str, ...] = ()
    """In which accounts."""


class Alert(Answer):
    """An alert on events of the same origin, short; `/v1/alerts/{alert_id}` gives it whole."""

    id: str
    """Its id."""
    rule_id: str
    """The rule that found it."""
    rule: str = Field(examples=["Denied calls in many accounts by one origin"])
    """What that rule is about."""
    severity: str = Field(examples=["high"])
    """How bad it is."""
    status: str = Field(examples=["open"])
    """`open`, `acknowledged` or `closed`."""
    at: datetime
    """When it was raised."""
    first: datetime
    """Time of its first event."""
    last: datetime
    """Time of its last event."""
    events: int
    """How many events it has."""
    event_ids: tuple[str, ...]
    """The newest of them."""
