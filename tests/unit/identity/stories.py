"""Small records of invented people, roles and services, to tell one story in a few lines."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.record import Record
from enricher.enrichers.identity import IdentityEnricher
from enricher.enrichers.oracle import enrich_all
from enricher.identity.extract import facts_of

if TYPE_CHECKING:
    from enricher.identity.facts import Fact

Json = dict[str, Any]

HOME = "111111111111"
AWAY = "222222222222"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0"
CLI = "aws-cli/2.33.8 md/awscrt#0.29.2 ua/2.1 os/linux"
STORE = f"arn:aws:identitystore::{HOME}:identitystore/d-1111111111"
NOON = "12:00:00"


def instant(clock: str) -> str:
    """Spell a time of the day on which everything happens; whole instants stay."""
    return clock if "T" in clock else f"2026-03-01T{clock}Z"


def at(clock: str) -> datetime:
    """Give a time of that day as an instant."""
    return datetime.fromisoformat(instant(clock))


# --- who --------------------------------------------------------------------------------------


def user(name: str, key: str | None = None, since: str | None = None, **members: Any) -> Json:  # noqa: ANN401 - any member
    """Write an IAM user of the home account, with a temporary credential where ``since`` is given.

    A member that is None is left out.
    """
    identity: Json = {
        "type": "IAMUser",
        "principalId": f"AIDA{name.upper()}",
        "arn": f"arn:aws:iam::{HOME}:user/{name}",
        "accountId": HOME,
        "accessKeyId": key,
        "userName": name,
        "sessionContext": _context(since),
        **members,
    }
    return _present(identity)


def role(  # noqa: PLR0913 - the parts that name a role session
    name: str,
    session: str,
    since: str | None = NOON,
    *,
    key: str | None = None,
    account: str = HOME,
    context: Json | None = None,
    **members: Any,  # noqa: ANN401 - any member
) -> Json:
    """Write a role session; a member that is None is left out."""
    issuer = {
        "type": "Role",
        "principalId": f"AROA{name.upper()}",
        "arn": f"arn:aws:iam::{account}:role/{name}",
        "accountId": account,
        "userName": name,
    }
    identity: Json = {
        "type": "AssumedRole",
        "principalId": f"AROA{name.upper()}:{session}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
        "accountId": account,
        "accessKeyId": key,
        "sessionContext": {
            "sessionIssuer": issuer,
            **(_context(since) or {}),
            **(context or {}),
        },
        **members,
    }
    return _present(identity)


def root(key: str | None = None, since: str | None = None, account: str = HOME) -> Json:
    """Write an account's root."""
    return _present(
        {
            "type": "Root",
            "principalId": account,
            "arn": f"arn:aws:iam::{account}:root",
            "accountId": account,
            "accessKeyId": key,
            "sessionContext": _context(since),
        }
    )


def service(name: str) -> Json:
    """Write a service that acts as itself."""
    return {"type": "AWSService", "invokedBy": f"{name}.amazonaws.com"}


def portal_user(user_id: str = "user-1") -> Json:
    """Write somebody at Identity Center's access portal."""
    return {
        "type": "IdentityCenterUser",
        "accountId": HOME,
        "onBehalfOf": {"userId": user_id, "identityStoreArn": STORE},
        "credentialId": "credential",
    }


def seen_from_outside(identity: Json) -> Json:
    """Reduce a caller to what the other account's copy shows."""
    return {
        "type": "AWSAccount",
        "principalId": identity["principalId"],
        "accountId": identity["accountId"],
    }


def _context(since: str | None) -> Json | None:
    if since is None:
        return None
    return {"attributes": {"creationDate": instant(since), "mfaAuthenticated": "false"}}


def _present(members: Json) -> Json:
    return {name: value for name, value in members.items() if value is not None}


# --- what -------------------------------------------------------------------------------------


def record(
    event_id: str,
    clock: str,
    call: str,
    by: Json,
    **members: Any,  # noqa: ANN401 - any member
) -> Json:
    """Write one record of a call, e.g. ``ec2:RunInstances``."""
    host, _, name = call.partition(":")
    written: Json = {
        "eventVersion": "1.11",
        "eventTime": instant(clock),
        "eventSource": f"{host}.amazonaws.com",
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.10",
        "userAgent": CLI,
        "userIdentity": by,
        "requestParameters": None,
        "responseElements": None,
        "eventID": event_id,
        "eventType": "AwsApiCall",
        "recipientAccountId": by.get("accountId", HOME),
        **members,
    }
    return written


def call(event_id: str, clock: str, by: Json, **members: Any) -> Json:  # noqa: ANN401 - any member
    """Write one ordinary call."""
    return record(event_id, clock, "ec2:DescribeInstances", by, **members)


def assume_role(event_id: str, clock: str, by: Json, holder: Json, **members: Any) -> Json:  # noqa: ANN401 - any member
    """Write the AssumeRole that began a role session, with the key that the holder uses."""
    members = {
        "requestParameters": {
            "roleArn": holder["sessionContext"]["sessionIssuer"]["arn"],
            "roleSessionName": holder["principalId"].rpartition(":")[2],
        },
        "responseElements": {
            "credentials": {
                "accessKeyId": holder.get("accessKeyId", "ASIANOBODYUSES"),
                "expiration": "Mar 1, 2026, 11:00:00 PM",
            },
            "assumedRoleUser": {"assumedRoleId": holder["principalId"], "arn": holder["arn"]},
        },
        **members,
    }
    return record(event_id, clock, "sts:AssumeRole", by, **members)


def sign_in(event_id: str, clock: str, name: str, by: Json, **additional: Any) -> Json:  # noqa: ANN401 - any member
    """Write a sign-in, switch or renewal that succeeded."""
    return record(
        event_id,
        clock,
        f"signin:{name}",
        by,
        userAgent=BROWSER,
        eventType="AwsConsoleSignIn",
        responseElements={name: "Success"},
        additionalEventData=additional,
    )


# --- what comes out -----------------------------------------------------------------------------


def answer(*records: Json, window_closed: bool = True) -> Json:
    """Resolve records together; give the answer for the last one, and no other enricher's."""
    events = enrich_all(records, window_closed=window_closed, enrichers=(IdentityEnricher({}),))
    asked = Record(records[-1]).document_id
    found = next(event.enriched for event in events if event.document_id == asked)
    return {name: value for name, value in found.items() if name != "enrichers"}


def facts(written: Json) -> list[tuple[str, Fact]]:
    """Give the facts that a record states, by key."""
    return [(key, fact) for key, fact in facts_of(Record(written))]
