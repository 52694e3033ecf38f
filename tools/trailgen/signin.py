"""The console: signing in, switching role, and handing the session to a command line.

References:
    - AWS CloudTrail User Guide, "AWS Management Console sign-in events"; IAM User Guide, "Switch
      from a user to an IAM role (console)"; identity.md §1.4, §1.5 and §1.9.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tools.trailgen import clients
from tools.trailgen.identities import (
    Stamps,
    aws_account,
    iam_user,
    role_session,
    root,
    with_key,
    without_key,
)
from tools.trailgen.issuance import (
    Issued,
    assumed,
    credentials,
    issued_session,
    outside_copy,
    role_resource,
    user_origin,
)
from tools.trailgen.organization import GLOBAL_REGION
from tools.trailgen.records import AWS_INTERNAL, Call, Client, record
from tools.trailgen.session import LONGEST, Session
from tools.trailgen.times import HOUR
from tools.trailgen.truth import Origin, Truth

if TYPE_CHECKING:
    from tools.trailgen.organization import Account, Role, User
    from tools.trailgen.records import Json
    from tools.trailgen.stage import Stage

_CONSOLE = "https://console.aws.amazon.com/console/home"


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser somewhere."""

    ip: str
    agent: str = clients.BROWSERS[0]


def sign_in_call(name: str, additional: Json, region: str) -> Call:
    """Write a successful sign-in event: ``name`` repeats in the response."""
    return Call(
        "signin",
        name,
        response={name: "Success"},
        host=f"{region}.signin.aws.amazon.com",
        additional=additional,
        read_only=False,
        event_type="AwsConsoleSignIn",
        with_request_id=False,
    )


def console_login(stage: Stage, user: User, browser: Browser, at: int) -> Session:
    """Sign an IAM user in; with a second factor, a CheckMfa comes first."""
    if user.mfa:
        _check_mfa(stage, user, browser, at)
        at += 11
    at = stage.begin(user.id, at)
    session = Session(
        account=user.account,
        region=user.account.regions[0],
        identity=iam_user(user, at, mfa=user.mfa),
        origin=user_origin(user),
        client=Client(browser.ip, browser.agent),
        created_at=at,
        ends_at=at + LONGEST,
        access="console",
        browser=browser.agent,
    )
    additional = {"LoginTo": _CONSOLE, "MobileVersion": "No", "MFAUsed": "No"}
    if user.mfa:
        additional |= {"MFAIdentifier": user.mfa_arn, "MFAUsed": "Yes"}
    call = sign_in_call("ConsoleLogin", additional, GLOBAL_REGION)
    _sign_in_record(stage, session, call, at, without_key(iam_user(user)))
    return session


def root_login(stage: Stage, account: Account, browser: Browser, at: int) -> Session:
    """Sign the root user in."""
    at = stage.begin(account.id, at)
    identity = root(account, at)
    session = Session(
        account=account,
        region=account.regions[0],
        identity=identity,
        origin=Origin("root", account.id, account.id, arn=account.root_arn),
        client=Client(browser.ip, browser.agent),
        created_at=at,
        ends_at=at + LONGEST,
        access="console",
        browser=browser.agent,
    )
    bare = {name: value for name, value in identity.items() if name != "sessionContext"}
    additional = {"LoginTo": _CONSOLE, "MobileVersion": "No", "MFAUsed": "No"}
    call = sign_in_call("ConsoleLogin", additional, GLOBAL_REGION)
    login_id = _sign_in_record(stage, session, call, at, bare)
    return replace(session, depends_on=((login_id,),))  # without it, it may be an AssumeRoot


def failed_login(stage: Stage, user: User, browser: Browser, at: int, *, known: bool) -> str:
    """Fail to sign in: with a wrong password, or as somebody who does not exist."""
    identity: Json = {"type": "IAMUser", "accountId": user.account.id, "accessKeyId": ""}
    if known:
        identity |= {"principalId": user.id, "userName": user.name}
        message, origin = "Failed authentication", Origin("iam_user", user.id, user.account.id)
    else:
        identity["userName"] = "HIDDEN_DUE_TO_SECURITY_REASONS"
        message = "No username found in supplied account"
        origin = Origin("iam_user", None, user.account.id)
    call = sign_in_call(
        "ConsoleLogin", {"LoginTo": _CONSOLE, "MobileVersion": "No", "MFAUsed": "No"}, GLOBAL_REGION
    )
    call = replace(call, response={"ConsoleLogin": "Failure"}, error=("", message))
    place = replace(stage.place(at, GLOBAL_REGION, user.account.id), request_id=None)
    written = record(call, Client(browser.ip, browser.agent), identity, place)
    return stage.put(at, written, Truth(origin, access_mode="console", status="unknown"))


def switch_role(stage: Stage, source: Session, role: Role, at: int) -> Session:
    """Switch role in the console: an AssumeRole by AWS in both accounts, then SwitchRole.

    The key that the AssumeRole issues is never used: the console draws its own, and only the
    second of creation joins them.
    """
    return _switch(stage, source, role, at, "SwitchRole")


def renew_role(stage: Stage, source: Session, role: Role, at: int) -> Session:
    """Renew a switched role after an hour: the same principal, a new creation time."""
    return _switch(stage, source, role, at, "RenewRole")


def _switch(stage: Stage, source: Session, role: Role, at: int, name: str) -> Session:
    at = stage.begin(f"{role.id}:{source.name}", at)
    full_copy_id = _internal_assume(stage, source, role, at)
    place = replace(stage.place(at, source.region, role.account.id), request_id=None)
    session = issued_session(
        source,
        role.account,
        role_session(role, source.name, at, Stamps(mfa=_has_mfa(source))),
        Issued(
            None,
            at,
            min(at + HOUR if name == "RenewRole" else at + LONGEST, source.ends_at),
            place.event_id,
            source.client,
            source.source_identity,
        ),
    )
    session = replace(
        session,
        access="console",
        browser=source.browser,
        depends_on=(*session.depends_on, (full_copy_id,)),
    )
    additional = {"SwitchFrom": source.arn, "RedirectTo": _CONSOLE}
    identity = session.unsigned()
    del identity["sessionContext"]
    written = record(sign_in_call(name, additional, source.region), source.client, identity, place)
    stage.put(at, written, session.truth(at, "console"))
    return session


def _internal_assume(stage: Stage, source: Session, role: Role, at: int) -> str:
    """Write the AssumeRole that the console makes; give the id of the caller's copy."""
    crosses = role.account.id != source.account.id
    call = Call(
        "sts",
        "AssumeRole",
        {"roleArn": role.arn, "roleSessionName": source.name},
        {
            "credentials": credentials(stage, stage.key("ASIA", role.account.tag), at + HOUR),
            "assumedRoleUser": assumed(role, source.name),
        },
        (role_resource(role),),
    )
    shared_id = stage.ids.uuid() if crosses else None
    place = stage.place(at, GLOBAL_REGION, source.account.id, shared_id=shared_id)
    signed = source.signed("signin", GLOBAL_REGION, stage.ids)
    identity = {**signed, "invokedBy": "AWS Internal"}
    stage.put(at, record(call, AWS_INTERNAL, identity, place), source.truth(at, "console"))
    if crosses:
        seen = replace(place, account_id=role.account.id, event_id=stage.ids.uuid())
        written = record(call, AWS_INTERNAL, aws_account(identity), seen)
        stage.put(at, written, outside_copy(source, at, place.event_id, "console"))
    return place.event_id


def aws_login(stage: Stage, session: Session, at: int) -> Session:
    """Run ``aws login``: the browser grants, and a command line works on in the same session.

    Its key is new, but its creation time is the console session's.
    """
    request = {
        "client_id": "arn:aws:signin:::devtools/same-device",
        "redirect_uri": "http://127.0.0.1:49152/oauth/callback",
        "response_type": "code",
    }
    grants = (
        (Call("signin", "AuthorizeOAuth2Access", request, read_only=False), session.client, at),
        (
            Call("signin", "CreateOAuth2Token", {"client_id": request["client_id"]}),
            Client(session.client.ip, f"{clients.CLI} md/command#login"),
            at + 2,
        ),
    )
    for call, client, when in grants:
        place = stage.place(when, session.region, session.account.id)
        written = record(replace(call, read_only=False), client, session.unsigned(), place)
        stage.put(when, written, session.truth(when, None))
    key = stage.key("ASIA", session.account.tag)
    return session.held_by(Client(session.client.ip, clients.CLI), key)


def cloudshell(stage: Stage, session: Session, ip: str, at: int) -> Session:
    """Open a CloudShell: the console session's credentials go to a command line inside AWS."""
    environment = {"environmentId": stage.ids.uuid()}
    for step, name in enumerate(("CreateEnvironment", "CreateSession", "PutCredentials")):
        stage.call(session, Call("cloudshell", name, environment, read_only=False), at + step)
    return session.held_by(clients.cloudshell(ip), stage.key("ASIA", session.account.tag))


def _check_mfa(stage: Stage, user: User, browser: Browser, at: int) -> None:
    identity = {
        "type": "IAMUser",
        "principalId": user.id,
        "accountId": user.account.id,
        "accessKeyId": "",
        "userName": user.name,
    }
    call = sign_in_call("CheckMfa", {"MfaType": "Virtual MFA"}, GLOBAL_REGION)
    place = replace(stage.place(at, GLOBAL_REGION, user.account.id), request_id=None)
    written = record(call, Client(browser.ip, browser.agent), identity, place)
    origin = Origin("iam_user", user.id, user.account.id, user.name)
    stage.put(at, written, Truth(origin, access_mode="console"))


def _sign_in_record(stage: Stage, session: Session, call: Call, at: int, identity: Json) -> str:
    place = replace(stage.place(at, GLOBAL_REGION, session.account.id), request_id=None)
    written = record(call, session.client, identity, place)
    return stage.put(at, written, session.truth(at, "console"))


def federated_login(stage: Stage, session: Session, additional: Json, at: int) -> str:
    """Write the ConsoleLogin of a federated session, which carries key and creation time."""
    identity = with_key(session.identity, stage.key("ASIA", session.account.tag))
    values = {"LoginTo": _CONSOLE, "MobileVersion": "No", "MFAUsed": "No", **additional}
    return _sign_in_record(
        stage, session, sign_in_call("ConsoleLogin", values, GLOBAL_REGION), at, identity
    )


def _has_mfa(session: Session) -> bool:
    attributes = session.identity["sessionContext"]["attributes"]
    return bool(attributes["mfaAuthenticated"] == "true")
