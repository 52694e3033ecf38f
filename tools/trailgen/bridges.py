"""Scenes that lead from one way of reaching AWS to another: brokers, agents, certificates, apps.

References:
    - identity.md §1.6 (GetSigninToken), §1.9 (agents), §1.12 (Roles Anywhere, Cognito).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tools.trailgen import clients, federation, signin, workloads
from tools.trailgen.identities import Stamps, role_session, with_key
from tools.trailgen.issuance import Assume, Issued, assume_role, credentials, issued_session
from tools.trailgen.organization import GLOBAL_REGION, PARTITION
from tools.trailgen.records import Call, Client, record, service_client
from tools.trailgen.session import LONGEST, Session
from tools.trailgen.times import HOUR
from tools.trailgen.truth import Hop, Origin, Truth

if TYPE_CHECKING:
    from tools.trailgen.director import Director
    from tools.trailgen.organization import Role
    from tools.trailgen.records import Json
    from tools.trailgen.signin import Browser
    from tools.trailgen.stage import Stage

_AGENT = Client("203.0.113.60", "agent-client/1.0")
_TOOL_SERVER = "aws-mcp.amazonaws.com"
_COGNITO_SESSION = "CognitoIdentityCredentials"


def sign_in_token(director: Director, at: int) -> None:
    """A broker assumes a role, and exchanges its credentials for a console session."""
    stage = director.stage
    user = director.person()
    role = director.role()
    wish = Assume(role=role, name=director.session_name(at, user.name))
    broker = assume_role(stage, director.key(user), wish, at)
    last = director.work(broker, broker.created_at or at)
    session = _bridged(stage, broker, role, director.browser(user.ip), last + 5)
    director.work(session, session.created_at or last)


def _bridged(stage: Stage, broker: Session, role: Role, browser: Browser, at: int) -> Session:
    """Ask for a sign-in token, and sign in with it some seconds later."""
    key = stage.key("ASIA", broker.account.tag)
    call = signin.sign_in_call(
        "GetSigninToken", {"MobileVersion": "No", "MFAUsed": "No"}, GLOBAL_REGION
    )
    response = {**(call.response or {}), "credentials": credentials(stage, key, at + HOUR)}
    client = Client(broker.client.ip, "python-requests/2.32.5")
    token_id = stage.call(broker, replace(call, response=response), at, client)
    at = stage.begin(f"{role.id}:{broker.name}", at + 4)
    identity = role_session(role, broker.name, at)
    login_call = signin.sign_in_call(
        "ConsoleLogin",
        {"LoginTo": "https://console.aws.amazon.com/", "MobileVersion": "No", "MFAUsed": "No"},
        GLOBAL_REGION,
    )
    client = Client(browser.ip, browser.agent)
    place = replace(stage.place(at, GLOBAL_REGION, role.account.id), request_id=None)
    issued = Issued(None, at, at + LONGEST, place.event_id, client)
    session = issued_session(broker, role.account, identity, issued)
    session = replace(
        session,
        access="console",
        browser=browser.agent,
        depends_on=(*session.depends_on, (token_id,)),
    )
    written = record(login_call, client, with_key(identity, key), place)
    stage.put(at, written, session.truth(at, "console"))
    return session


def agent(director: Director, at: int) -> None:
    """A person in the console lets an agent call AWS through AWS's tool server."""
    subject = director.colleague()
    stage = director.stage
    home = federation.identity_center(
        stage, subject, director.permission_set(), at, director.browser(subject.ip)
    )
    last = director.work(home, home.created_at or at)
    minted = f"arn:{PARTITION}:signin:{home.region}:{home.account.id}:session/{stage.ids.uuid()}"
    request = {"resource": f"https://aws-mcp.{home.region}.api.aws/mcp"}
    additional = {"signInSessionArn": minted, "success": "true"}
    grant = Call("signin", "CreateOAuth2Token", request, additional=additional, read_only=False)
    place = stage.place(last + 5, home.region, home.account.id)
    stage.put(last + 5, record(grant, _AGENT, home.unsigned(), place), home.truth(last + 5, None))
    context = {**home.identity["sessionContext"], "signInSessionArn": minted}
    handed = {**home.identity, "sessionContext": context}
    for step in range(1 + director.rng.randrange(2)):
        _tool_call(stage, home, handed, last + 10 + 7 * step)


def _tool_call(stage: Stage, home: Session, handed: Json, at: int) -> None:
    """Write what an agent asked the tool server for, and the call that it led to."""
    call = Call("iam", "ListUsers", {})
    downstream = stage.place(at + 1, call.region(home.region), home.account.id)
    made = {
        "apiName": "iam:ListUsers",
        "requestId": downstream.request_id,
        "awsRegion": downstream.region,
    }
    tool = Call(
        "aws-mcp",
        "CallReadWriteTool",
        {"toolName": "call_aws"},
        additional={"downstreamRequests": [made]},
        read_only=False,
        event_type="AwsMcpEvent",
    )
    bare = {name: value for name, value in handed.items() if name != "accessKeyId"}
    place = stage.place(at, home.region, home.account.id)
    stage.put(at, record(tool, _AGENT, bare, place), home.truth(at, "programmatic"))
    signed = with_key(handed, stage.key("ASIA", home.account.tag))
    identity = {**signed, "invokedBy": _TOOL_SERVER}
    written = record(call, service_client(_TOOL_SERVER), identity, downstream)
    stage.put(at + 1, written, home.truth(at + 1, "service"))


def certificate(director: Director, at: int) -> None:
    """A server on premises signs in with its certificate, and may assume another role."""
    stage = director.stage
    role = director.role()
    region = director.region(role.account)
    serial = stage.ids.hexadecimal(40)
    name = f"CN=server-{director.rng.randrange(50)}"
    anchor = (
        f"arn:{PARTITION}:rolesanywhere:{region}:{role.account.id}:trust-anchor/{stage.ids.uuid()}"
    )
    client = Client("203.0.113.70", clients.KITS[2])
    delivery = workloads.Delivery(
        service="rolesanywhere.amazonaws.com",
        role=role,
        name=serial,
        origin=Origin("x509_subject", serial, role.account.id, name, None, anchor),
        lasts=HOUR,
        client=client,
        stamps=Stamps(source_identity=name),
    )
    session = workloads.deliver(stage, delivery, region, at)
    session = _by_certificate(stage, session, anchor, name)
    last = director.work(session, session.created_at or at, elsewhere=False)
    if director.chance(0.3):
        wish = Assume(role=director.role(), name=director.session_name(at))
        assumed = assume_role(stage, session, wish, last + 1)
        director.work(assumed, assumed.created_at or last)


def _by_certificate(stage: Stage, session: Session, anchor: str, name: str) -> Session:
    """Write the service's own record of the credentials: it names the trust anchor."""
    at, account = session.created_at or 0, session.account
    issuer = session.identity["sessionContext"]["sessionIssuer"]
    entry = {
        "assumedRoleUser": {"assumedRoleId": session.identity["principalId"], "arn": session.arn},
        "credentials": credentials(stage, str(session.key), session.ends_at),
        "roleArn": issuer["arn"],
        "sourceIdentity": name,
    }
    request = {"roleArn": issuer["arn"], "trustAnchorArn": anchor, "durationSeconds": HOUR}
    call = Call(
        "rolesanywhere", "CreateSession", request, {"credentialSet": [entry]}, read_only=False
    )
    service = "rolesanywhere.amazonaws.com"
    identity = {"type": "AWSService", "invokedBy": service, "accountId": account.id}
    place = stage.place(at, session.region, account.id)
    client = Client(session.client.ip, "CredHelper/1.7.2")
    event_id = stage.put(
        at, record(call, client, identity, place), workloads.service_truth(service)
    )
    ((sts_id,),) = session.depends_on
    return replace(
        session,
        chain=(Hop(event_id, session.arn),),
        depends_on=((sts_id, event_id),),
        source_identity=name,
    )


def app_user(director: Director, at: int) -> None:
    """Somebody uses an app that gets its credentials from Cognito; data events show whose."""
    stage = director.stage
    role = director.role()
    region = director.region(role.account)
    at = stage.begin(f"{role.id}:{_COGNITO_SESSION}", at)
    key = stage.key("ASIA", role.account.tag)
    identity_id = f"{region}:{stage.ids.uuid()}"
    response = {
        "identityId": identity_id,
        "credentials": credentials(stage, key, at + HOUR),
    }
    call = Call(
        "cognito-identity",
        "GetCredentialsForIdentity",
        {"identityId": identity_id},
        response,
        read_only=False,
        data=True,
    )
    client = Client("203.0.113.80", "aws-sdk-js/3.972.0 ua/2.1 os/Android lang/js")
    place = stage.place(at, region, role.account.id)
    unsigned = Truth(Origin("unknown_issuer", None), status="unknown")
    event_id = stage.put(at, record(call, client, {"type": "Unknown"}, place), unsigned)
    identity = role_session(role, _COGNITO_SESSION, at)
    session = Session(
        account=role.account,
        region=region,
        identity=identity,
        origin=Origin("cognito_identity", identity_id, role.account.id, identity_id),
        client=client,
        key=key,
        created_at=at,
        ends_at=at + HOUR,
        chain=(Hop(event_id, identity["arn"]),),
        depends_on=((event_id,),),
    )
    director.work(session, at, elsewhere=False)
