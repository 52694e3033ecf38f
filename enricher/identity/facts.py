"""Facts: what one record says about credentials and sessions. Frozen, with a wire form.

A fact is stored under one or more evidence keys (``keys.py``), at most once per ``fact_id``: to
publish it twice changes nothing. Where many records state the same, the one of least ``rank``
stays, so that the order of publishing does not matter; an empty rank never gives way.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, TypeAlias

import msgspec

from enricher.cloudtrail.caller import Caller
from enricher.cloudtrail.times import format_time


class Provable(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A fact that one record proves.

    Attributes:
        event_id: That record.
        at: Its ``eventTime``.
        recipient: The account it was delivered to: with the event id it names one document.
    """

    event_id: str
    at: datetime
    recipient: str | None = None

    @property
    def fact_id(self) -> str:
        """What the fact is stored under, once, below its key."""
        return f"{self.event_id}:{self.recipient or ''}"

    @property
    def rank(self) -> str:
        """The least of several with one id stays; empty never gives way."""
        return ""


class Issuance(Provable, frozen=True, kw_only=True, tag="issuance"):
    """One successful call that began a session, with or without a key that we get to see.

    Attributes:
        event_name: ``AssumeRole``, ``ConsoleLogin``, ``SwitchRole`` … (identity.md §1.1).
        at: ``eventTime``; equals the session's ``creationDate``.
        caller: Who asked for it.
        principal_id: Whom it makes the holder; None where the record does not say.
        role_arn, session_name: What was asked for: names the holder where no id does.
        access_key_id: The issued key; None for sign-ins.
        internal: AWS's own console backend made the call: the key is never seen again (§1.5).
        service: The AWS service that obtained it for a workload or for itself.
        workload: What the service says of the workload: its stable id and its kind.
        switched_from: ``SwitchFrom`` of a console switch: ARN of who switched.
        source_identity: The value that this call set.
        shared_event_id, request_id: What copies of the call in other accounts share.
    """

    event_name: str
    caller: Caller
    account_id: str | None = None
    principal_id: str | None = None
    arn: str | None = None
    role_arn: str | None = None
    session_name: str | None = None
    access_key_id: str | None = None
    expires_at: datetime | None = None
    internal: bool = False
    service: str | None = None
    workload_kind: str | None = None
    workload_id: str | None = None
    workload_name: str | None = None
    workload_provider: str | None = None
    switched_from: str | None = None
    sign_in_session: str | None = None
    source_identity: str | None = None
    mfa: bool | None = None
    shared_event_id: str | None = None
    request_id: str | None = None


class Sighting(Provable, frozen=True, kw_only=True, tag="sighting"):
    """A record of that caller exists: a copy of a shared event, a grant, a tool call, a stamp."""

    event_name: str
    caller: Caller


class KeyCreation(Provable, frozen=True, kw_only=True, tag="key"):
    """Somebody created a long-term key."""

    creator_arn: str | None = None


class Naming(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag="naming"):
    """A unique id bore this ARN at this time; of several, the one that appeared last counts."""

    arn: str
    at: datetime

    @property
    def fact_id(self) -> str:
        """What the fact is stored under, once, below its key."""
        return self.arn

    @property
    def rank(self) -> str:
        """The least of several with one id stays; empty never gives way."""
        return format_time(self.at)


class Stamp(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag="stamp"):
    """AWS wrote an Identity Center user on a record of the session; the first record proves it."""

    event_id: str
    at: datetime
    user_id: str
    identity_store: str | None = None

    @property
    def fact_id(self) -> str:
        """What the fact is stored under, once, below its key."""
        return f"{self.user_id}@{self.identity_store}"

    @property
    def rank(self) -> str:
        """The least of several with one id stays; empty never gives way."""
        return f"{format_time(self.at)} {self.event_id}"


class Mark(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag="mark"):
    """A bare statement: a key was used on a day, an endpoint belongs to AWS."""

    value: str

    @property
    def fact_id(self) -> str:
        """What the fact is stored under, once, below its key."""
        return self.value

    @property
    def rank(self) -> str:
        """The least of several with one id stays; empty never gives way."""
        return ""


Fact: TypeAlias = Issuance | Sighting | Stamp | KeyCreation | Naming | Mark


class Keyed(NamedTuple):
    """A fact under the key where it is looked up."""

    key: str
    fact: Fact


_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Fact] = msgspec.json.Decoder(Fact)


def encode_fact(fact: Fact) -> bytes:
    """Give the wire form: JSON, with a type tag, defaults left out."""
    return _ENCODER.encode(fact)


def decode_fact(wire: bytes) -> Fact:
    """Read the wire form.

    Raises:
        msgspec.ValidationError: If it is not a fact of this version.
    """
    return _DECODER.decode(wire)


def supersedes(new: Fact, old: Fact) -> bool:
    """Whether a fact takes the place of one with the same id."""
    return bool(new.rank) and new.rank < old.rank
