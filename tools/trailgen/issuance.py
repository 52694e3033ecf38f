"""Calls of AWS STS: one set of credentials makes another.

References:
    - AWS STS API Reference; IAM User Guide, "Logging IAM and AWS STS API calls with AWS
      CloudTrail".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tools.trailgen.denials import denied
from tools.trailgen.identities import (
    Stamps,
    aws_account,
    federated_user,
    iam_user,
    role_session,
    root,
)
from tools.trailgen.organization import PARTITION
from tools.trailgen.records import Call, record
from tools.trailgen.session import Session
from tools.trailgen.times import HOUR, MINUTE, display_stamp
from tools.trailgen.truth import Hop, Origin, Truth

if TYPE_CHECKING:
    from tools.trailgen.organization import Account, Role, User
    from tools.trailgen.records import Client, Json
    from tools.trailgen.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Assume:
    """The choices of one AssumeRole.

    Attributes:
        role: Whom to become.
        name: ``roleSessionName``.
        lasts: ``durationSeconds``.
        source_identity: Set by this call; later hops inherit it.
        key: A key id that has been issued before: ids recur.
        at_once: Whether another session of the same name may begin in the same second.
        client: Who uses the new session, when somebody else than the caller.
    """

    role: Role
    name: str
    lasts: int = HOUR
    source_identity: str | None = None
    key: str | None = None
    at_once: bool = False
    client: Client | None = None


def credentials(stage: Stage, key: str, expires_at: int) -> Json:
    """Write the credentials of a response."""
    return {
        "accessKeyId": key,
        "sessionToken": stage.ids.session_token(),
        "expiration": display_stamp(expires_at),
    }


def role_resource(role: Role) -> Json:
    """Write the role as the resource of an STS call."""
    return {"accountId": role.account.id, "type": "AWS::IAM::Role", "ARN": role.arn}


def assumed(role: Role, name: str) -> Json:
    """Write ``assumedRoleUser``."""
    return {"assumedRoleId": f"{role.id}:{name}", "arn": role.session_arn(name)}


def assume_role(stage: Stage, caller: Session, wish: Assume, at: int) -> Session:
    """Assume a role with API credentials; both accounts get a copy when there are two."""
    if not wish.at_once:
        at = stage.begin(f"{wish.role.id}:{wish.name}", at)
    key = wish.key or stage.key("ASIA", wish.role.account.tag)
    call = _assume_role_call(stage, caller, wish, (at, key))
    event_id = _copies(stage, caller, call, at, wish.role.account)
    source_identity = wish.source_identity or caller.source_identity
    return issued_session(
        caller,
        wish.role.account,
        role_session(wish.role, wish.name, at, Stamps(source_identity=source_identity)),
        Issued(key, at, at + wish.lasts, event_id, wish.client or caller.client, source_identity),
    )


def _assume_role_call(stage: Stage, caller: Session, wish: Assume, moment: tuple[int, str]) -> Call:
    at, key = moment
    role = wish.role
    request: Json = {
        "roleArn": role.arn,
        "roleSessionName": wish.name,
        "durationSeconds": wish.lasts,
    }
    response: Json = {
        "credentials": credentials(stage, key, at + wish.lasts),
        "assumedRoleUser": assumed(role, wish.name),
    }
    if wish.source_identity is not None:
        request["sourceIdentity"] = response["sourceIdentity"] = wish.source_identity
    additional: Json = {
        "RequestDetails": {"awsServingRegion": caller.region, "endpointType": "regional"}
    }
    if caller.identity["principalId"].startswith(f"{role.id}:"):
        additional["explicitTrustGrant"] = True
    return Call(
        "sts",
        "AssumeRole",
        request,
        response,
        (role_resource(role),),
        additional=additional,
    )


def _copies(stage: Stage, caller: Session, call: Call, at: int, target: Account) -> str:
    """Write the caller's copy, and the target's where it is another account's."""
    crosses = target.id != caller.account.id
    shared_id = stage.ids.uuid() if crosses else None
    place = stage.place(at, caller.region, caller.account.id, shared_id=shared_id)
    identity = caller.signed("sts", caller.region, stage.ids)
    stage.put(at, record(call, caller.client, identity, place), caller.truth(at, caller.access))
    if crosses:
        seen = replace(place, account_id=target.id, event_id=stage.ids.uuid())
        written = record(call, caller.client, aws_account(identity), seen)
        stage.put(at, written, outside_copy(caller, at, place.event_id))
    return place.event_id


def assume_from_outside(stage: Stage, partner: Session, wish: Assume, at: int) -> Session:
    """Assume a role from an account whose trail nobody collects: only the target's copy."""
    at = stage.begin(f"{wish.role.id}:{wish.name}", at)
    key = stage.key("ASIA", wish.role.account.tag)
    call = _assume_role_call(stage, partner, wish, (at, key))
    account = wish.role.account
    place = stage.place(at, partner.region, account.id, shared_id=stage.ids.uuid())
    identity = aws_account(partner.identity)
    truth = Truth(partner.origin, status="external")
    event_id = stage.put(at, record(call, partner.client, identity, place), truth)
    session = issued_session(
        partner,
        account,
        role_session(wish.role, wish.name, at),
        Issued(key, at, at + wish.lasts, event_id, partner.client),
    )
    return replace(session, root=None, status="external")


def outside_copy(caller: Session, at: int, full_copy_id: str, access: str | None = None) -> Truth:
    """Give the truth of the target account's copy: the caller, once the other copy is there."""
    return replace(
        caller.truth(at, access),
        session=None,
        root_session=None,
        depends_on=(*caller.depends_on, (full_copy_id,)),
    )


@dataclass(frozen=True, slots=True)
class Issued:
    """What an issuance gave: a key, its time, the record that proves it, and to whom."""

    key: str | None
    at: int
    ends_at: int
    event_id: str
    client: Client
    source_identity: str | None = None


def issued_session(caller: Session, account: Account, identity: Json, issued: Issued) -> Session:
    """Make the session that a caller's issuance began."""
    return Session(
        account=account,
        region=caller.region if caller.region in account.regions else account.regions[0],
        identity=identity,
        origin=caller.origin,
        client=issued.client,
        key=issued.key,
        created_at=issued.at,
        ends_at=issued.ends_at,
        root=caller.root_at(issued.at),
        chain=(*caller.chain, Hop(issued.event_id, identity["arn"])),
        depends_on=(*caller.depends_on, (issued.event_id,)),
        status=caller.status,
        source_identity=issued.source_identity,
    )


def refused_assume(stage: Stage, caller: Session, role: Role, at: int) -> str:
    """Be refused a role: only the caller's account hears of it, and nothing is issued."""
    call = Call("sts", "AssumeRole", resources=(role_resource(role),))
    return stage.call(caller, replace(denied(call, caller), resources=()), at)


def get_session_token(stage: Stage, user: User, caller: Session, at: int) -> Session:
    """Get temporary credentials for the same user, with a second factor where it has one."""
    at = stage.begin(user.id, at)
    key = stage.key("ASIA", user.account.tag)
    request: Json = {"durationSeconds": 12 * HOUR}
    if user.mfa:
        request["serialNumber"] = user.mfa_arn
    response = {"credentials": credentials(stage, key, at + 12 * HOUR)}
    call = Call("sts", "GetSessionToken", request, response, read_only=False)
    event_id = stage.call(caller, call, at)
    session = issued_session(
        caller,
        user.account,
        iam_user(user, at, mfa=user.mfa),
        Issued(key, at, at + 12 * HOUR, event_id, caller.client),
    )
    return _stamped(session, caller)


def get_federation_token(stage: Stage, user: User, caller: Session, at: int, name: str) -> Session:
    """Get credentials under a name of one's own choosing; the user stays stamped on them."""
    account = user.account
    principal_id = f"{account.id}:{name}"
    at = stage.begin(principal_id, at)
    key = stage.key("ASIA", account.tag)
    arn = f"arn:{PARTITION}:sts::{account.id}:federated-user/{name}"
    call = Call(
        "sts",
        "GetFederationToken",
        {"name": name, "durationSeconds": 12 * HOUR},
        {
            "credentials": credentials(stage, key, at + 12 * HOUR),
            "federatedUser": {"federatedUserId": principal_id, "arn": arn},
            "packedPolicySize": 6,
        },
        read_only=False,
    )
    event_id = stage.call(caller, call, at)
    session = issued_session(
        caller,
        account,
        federated_user(user, name, at),
        Issued(key, at, at + 12 * HOUR, event_id, caller.client),
    )
    return _stamped(session, caller)


def _stamped(session: Session, caller: Session) -> Session:
    """The user is stamped on every call: no issuance is needed to know the origin."""
    return replace(session, chain=caller.chain, depends_on=caller.depends_on)


def assume_root(stage: Stage, caller: Session, member: Account, at: int) -> Session:
    """Become root of a member account for one task."""
    at = stage.begin(member.id, at)
    key = stage.key("ASIA", member.tag)
    task = f"arn:{PARTITION}:iam::aws:policy/root-task/S3UnlockBucketPolicy"
    lasts = 15 * MINUTE
    call = Call(
        "sts",
        "AssumeRoot",
        {"targetPrincipal": member.id, "taskPolicyArn": {"arn": task}, "durationSeconds": lasts},
        {"credentials": credentials(stage, key, at + lasts)},
        read_only=False,
    )
    event_id = stage.call(caller, call, at)
    return issued_session(
        caller,
        member,
        root(member, at),
        Issued(key, at, at + lasts, event_id, caller.client, caller.source_identity),
    )


def user_origin(user: User) -> Origin:
    """Name an IAM user as an origin."""
    return Origin("iam_user", user.id, user.account.id, user.name, user.arn)


def session_of_key(user: User, client: Client) -> Session:
    """Hold a long-term key of an IAM user."""
    return Session(
        account=user.account,
        region=user.account.regions[0],
        identity=iam_user(user),
        origin=user_origin(user),
        client=client,
        key=user.key,
        ends_at=FOREVER,
    )


FOREVER = 1 << 40
