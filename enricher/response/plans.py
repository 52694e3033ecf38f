"""A containment plan: what to do, where, what else it hits, how to see that it holds, how to undo.

A plan is a value. It says the exact calls, so that what somebody approved is what is done; its id
is a digest of all the rest of it.
"""

from __future__ import annotations

import re
import shlex
from enum import StrEnum
from typing import Any

import msgspec

from enricher.cloudtrail import codec

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ID_DIGITS = 32


class Action(StrEnum):
    """What a step does."""

    # What the responder role does through IAM.
    DENY_ALL = "deny-all"
    REVOKE_SESSIONS = "revoke-sessions"
    DEACTIVATE_KEY = "deactivate-key"
    DELETE_LOGIN_PROFILE = "delete-login-profile"
    DETACH_POLICY = "detach-policy"
    # What people do, elsewhere or with other rights.
    DENY_IDENTITY_CENTER_USER = "deny-identity-center-user"
    REMOVE_ASSIGNMENT = "remove-assignment"
    END_PORTAL_SESSIONS = "end-portal-sessions"
    DISABLE_AT_IDENTITY_PROVIDER = "disable-at-identity-provider"
    DENY_ROOT = "deny-root"
    SECURE_ROOT = "secure-root"
    DELETE_ROOT_CREDENTIALS = "delete-root-credentials"
    WAIT_FOR_ROOT_SESSION = "wait-for-root-session"
    QUARANTINE_INSTANCE = "quarantine-instance"
    DETACH_INSTANCE_PROFILE = "detach-instance-profile"
    STOP_FUNCTION = "stop-function"
    STOP_WORKLOAD = "stop-workload"
    REVOKE_CERTIFICATE = "revoke-certificate"
    DISABLE_COGNITO_USER = "disable-cognito-user"
    END_DELEGATION = "end-delegation"
    FIND_SERVICE_CALLER = "find-service-caller"
    ASK_OTHER_ACCOUNT = "ask-other-account"
    CLOSE_TRUST = "close-trust"
    FIND_ORIGIN = "find-origin"


class AwsCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call of an AWS API.

    Attributes:
        service: As boto3 and the AWS CLI name it, e.g. ``iam``.
        operation: As the API names it, e.g. ``PutRolePolicy``.
        parameters: As the API names them. A value in angle brackets is to be filled in by people.
        region: Where, for a service of regions; None for IAM and its like, or where it is not
            known.
    """

    service: str
    operation: str
    parameters: dict[str, Any] = {}
    region: str | None = None

    @property
    def command(self) -> str:
        """The same as a line of the AWS CLI, quoted for a shell."""
        words = ["aws", self.service, _kebab(self.operation)]
        if self.region:
            words += ["--region", self.region]
        for name, value in self.parameters.items():
            if isinstance(value, bool):
                words.append(f"--{'' if value else 'no-'}{_kebab(name)}")
                continue
            words.append(f"--{_kebab(name)}")
            words += _values(value)
        return " ".join(shlex.quote(word) for word in words)


def _values(value: object) -> list[str]:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return list(value)
    return [value if isinstance(value, str) else codec.dumps(value).decode()]


def _kebab(name: str) -> str:
    return _WORD.sub("-", name).lower()


class AlsoHits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who else is hit: the blast radius.

    Attributes:
        what: In words.
        origins: How many other origins used the same in the time that was looked at; None where
            nobody counted.
        names: Some of them.
    """

    what: str
    origins: int | None = None
    names: tuple[str, ...] = ()


class Verification(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to see that a step holds.

    Attributes:
        expect: What is so then, in words.
        calls: What to call to see it.
    """

    expect: str
    calls: tuple[AwsCall, ...] = ()


class Undo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to take a step back.

    Attributes:
        what: In words.
        calls: What to call; none where people do it.
        exact: Everything is as it was before; otherwise something cannot be restored.
    """

    what: str
    calls: tuple[AwsCall, ...] = ()
    exact: bool = True


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing to do.

    Attributes:
        id: Says action and target; the same in every plan.
        action: What it does.
        manual: People do it; nothing is called.
        optional: Done only where somebody asks for it by its id.
        target: ARN, or what stands for one.
        account_id: Where it is done; None where that is not one of AWS's accounts.
        calls: What is called, in this order; of a step of people, what they may call.
        policy: The policy document that the calls carry, for people to read.
        why: What it is for.
        evidence: Event ids that tie the target to the subject.
        confidence: How sure that tie is: exact, strong, moderate, weak or none.
        also_hits: Its blast radius.
        caveats: What it does not reach, and what to mind.
        verification: How to see that it holds.
        undo: How to take it back.
        references: Documents of AWS by title.
    """

    id: str
    action: Action
    target: str
    account_id: str | None
    why: str
    confidence: str
    also_hits: AlsoHits
    verification: Verification
    undo: Undo
    manual: bool = False
    optional: bool = False
    calls: tuple[AwsCall, ...] = ()
    policy: dict[str, Any] | None = None
    evidence: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What contains one origin or session, in order.

    Attributes:
        id: Digest of all the rest.
        subject: What is contained: ``kind`` (origin or session) and ``id``.
        made_at: When, as CloudTrail writes times; sessions issued before it are to end.
        origin: What is known of who it was, as on the event.
        steps: In this order: what issues credentials comes before what it issued.
        notes: What the plan does not do, and why.
    """

    id: str
    subject: dict[str, str]
    made_at: str
    origin: dict[str, Any]
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Give the JSON form."""
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return found


def in_region(step: Step, region: str | None) -> Step:
    """Give a step whose calls, and those that look and take back, are made in a region."""

    def there(calls: tuple[AwsCall, ...]) -> tuple[AwsCall, ...]:
        return tuple(msgspec.structs.replace(call, region=region) for call in calls)

    return msgspec.structs.replace(
        step,
        calls=there(step.calls),
        verification=msgspec.structs.replace(
            step.verification, calls=there(step.verification.calls)
        ),
        undo=msgspec.structs.replace(step.undo, calls=there(step.undo.calls)),
    )


def sealed(
    *,
    subject: dict[str, str],
    made_at: str,
    origin: dict[str, Any],
    steps: tuple[Step, ...],
    notes: tuple[str, ...],
) -> Plan:
    """Make a plan whose id is the digest of what it says."""
    plan = Plan(id="", subject=subject, made_at=made_at, origin=origin, steps=steps, notes=notes)
    return msgspec.structs.replace(plan, id=codec.digest(plan.document())[:_ID_DIGITS])


def plan_of(document: dict[str, Any]) -> Plan | None:
    """Read a plan's JSON form; None where it is not what its id says."""
    try:
        plan = msgspec.convert(document, Plan)
    except msgspec.ValidationError:
        return None
    rest = msgspec.structs.replace(plan, id="")
    return plan if codec.digest(rest.document())[:_ID_DIGITS] == plan.id else None
