"""People and pipelines that other identity providers vouch for.

References:
    - identity.md §1.8 (SAML and OIDC) and §1.10 (IAM Identity Center).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tools.trailgen import clients
from tools.trailgen.identities import (
    Stamps,
    identity_center_user,
    on_behalf_of,
    role_session,
    saml_user,
    web_identity_user,
)
from tools.trailgen.issuance import assumed, credentials, role_resource
from tools.trailgen.organization import PARTITION
from tools.trailgen.records import Call, Client, record
from tools.trailgen.session import LONGEST, Session
from tools.trailgen.signin import federated_login
from tools.trailgen.times import HOUR
from tools.trailgen.truth import Hop, Origin, Truth

if TYPE_CHECKING:
    from tools.trailgen.organization import Account, IdentityCenter, Role, Subject
    from tools.trailgen.records import Json
    from tools.trailgen.signin import Browser
    from tools.trailgen.stage import Stage

_QUALIFIER = "Zm9yIHNob3cgb25seSBub3QgcmVhbA="
_SAML_AUDIENCE = "https://signin.aws.amazon.com/saml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """A SAML sign-in.

    Attributes:
        role: Whom to become.
        subject: Who the identity provider says it is.
        transient: Whether the subject is a new one each time; then sourceIdentity has the name.
        browser: Where it leads to the console.
    """

    role: Role
    subject: Subject
    transient: bool = False
    browser: Browser | None = None


def saml(stage: Stage, assertion: Assertion, at: int) -> Session:
    """Sign in with SAML: programs use the issued key, the console draws its own."""
    role, person, browser = assertion.role, assertion.subject, assertion.browser
    at = stage.begin(f"{role.id}:{person.name}", at)
    account = role.account
    subject = f"_{stage.ids.hexadecimal(32)}" if assertion.transient else person.id
    source_identity = person.name if assertion.transient else None
    provider = f"arn:{PARTITION}:iam::{account.id}:saml-provider/ExampleIdp"
    key = stage.key("ASIA", account.tag)
    origin = Origin("saml_subject", subject, account.id, source_identity or subject, None, provider)
    agent = "AWS Signin, aws-internal/3 aws-sdk-java/1.12.797" if browser else clients.CLI
    client = Client(browser.ip if browser else person.ip, agent, tls=browser is None)
    event_id = _sts(
        stage,
        _saml_call(stage, assertion, (subject, provider), (at, key)),
        (client, saml_user(_QUALIFIER, subject), Truth(origin)),
        (account.regions[0], account, at),
    )
    session = _begun(role, person.name, at, Stamps(source_identity=source_identity))
    session = replace(
        session,
        origin=origin,
        client=Client(person.ip, clients.CLI),
        key=key,
        chain=(Hop(event_id, session.arn),),
        depends_on=((event_id,),),
        source_identity=source_identity,
    )
    if browser is None:
        return session
    session = _in_console(session, browser)
    federated_login(stage, session, {"SamlProviderArn": provider}, at)
    return session


def _saml_call(
    stage: Stage, assertion: Assertion, who: tuple[str, str], moment: tuple[int, str]
) -> Call:
    role, name = assertion.role, assertion.subject.name
    subject, provider = who
    at, key = moment
    request: Json = {
        "sAMLAssertionID": f"_{stage.ids.hexadecimal(32)}",
        "roleSessionName": name,
        "roleArn": role.arn,
        "principalArn": provider,
        "durationSeconds": HOUR,
    }
    response = _saml_response(subject, "transient" if assertion.transient else "persistent")
    response["credentials"] = credentials(stage, key, at + HOUR)
    response["assumedRoleUser"] = assumed(role, name)
    if assertion.transient:
        request["sourceIdentity"] = response["sourceIdentity"] = name
    return Call("sts", "AssumeRoleWithSAML", request, response, _saml_resources(role, provider))


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An OIDC token of a pipeline or a pod.

    Attributes:
        role: Whom to become.
        issuer: Host and path of the provider.
        subject: ``sub``.
        session_name: ``roleSessionName``.
        client: Where the calls come from.
        region: Where the work is.
    """

    role: Role
    issuer: str
    subject: str
    session_name: str
    client: Client
    region: str


def web_identity(stage: Stage, token: Token, at: int) -> Session:
    """Exchange an OIDC token for a role session."""
    role = token.role
    at = stage.begin(f"{role.id}:{token.session_name}", at)
    account, key = role.account, stage.key("ASIA", role.account.tag)
    provider = f"arn:{PARTITION}:iam::{account.id}:oidc-provider/{token.issuer}"
    audience = "sts.amazonaws.com"
    origin = Origin("oidc_subject", token.subject, account.id, token.subject, None, token.issuer)
    call = Call(
        "sts",
        "AssumeRoleWithWebIdentity",
        {
            "roleArn": role.arn,
            "roleSessionName": token.session_name,
            "durationSeconds": HOUR,
        },
        {
            "credentials": credentials(stage, key, at + HOUR),
            "subjectFromWebIdentityToken": token.subject,
            "assumedRoleUser": assumed(role, token.session_name),
            "provider": provider,
            "audience": audience,
        },
        (role_resource(role),),
    )
    caller = web_identity_user(provider, audience, token.subject)
    event_id = _sts(stage, call, (token.client, caller, Truth(origin)), (token.region, account, at))
    stamps = Stamps(web_identity=(provider, audience, token.subject))
    session = _begun(role, token.session_name, at, stamps)
    return replace(
        session,
        region=token.region,
        origin=origin,
        client=token.client,
        key=key,
        chain=(Hop(event_id, session.arn),),
        depends_on=((event_id,),),
    )


def identity_center(
    stage: Stage, subject: Subject, role: Role, at: int, browser: Browser | None = None
) -> Session:
    """Take a permission set from Identity Center, for a command line or for the console.

    The portal's record is in the account that owns Identity Center; the session starts in the
    same second by an AssumeRoleWithSAML whose key nobody uses.
    """
    center = stage.organization.identity_center
    at = stage.begin(f"idc:{role.id}", at)  # one at a time, so that the second tells who it was
    person = _center_origin(center, subject, role.account)
    portal_id = _portal(stage, subject, role, at, browser)
    seen = [portal_id]
    saml_id = _center_saml(stage, subject, role, at, Truth(person, depends_on=(seen,)))
    session = _begun(role, subject.name, at, Stamps())
    session = replace(
        session,
        origin=person,
        client=Client(subject.ip, clients.CLI),
        key=stage.key("ASIA", role.account.tag),
        ends_at=at + LONGEST,
        chain=(Hop(saml_id, session.arn),),
        depends_on=(seen,),
        behalf=(on_behalf_of(center, subject), seen),
    )
    if browser is None:
        return session
    session = _in_console(session, browser)
    federated_login(stage, session, {}, at)
    return session


def _portal(stage: Stage, subject: Subject, role: Role, at: int, browser: Browser | None) -> str:
    """Write what the access portal records; give the id of the record that names the role."""
    center = stage.organization.identity_center
    identity = identity_center_user(center, subject, stage.ids.base32(24))
    truth = Truth(_center_origin(center, subject, center.account))
    permission_set = role.name.split("_")[1]
    details = {"role_name": permission_set, "account_id": role.account.id}
    client = Client(subject.ip, f"{clients.CLI} md/command#sso.login")
    steps: tuple[tuple[str, Json | None, int], ...] = (("GetRoleCredentials", details, at),)
    if browser is not None:
        client = Client(browser.ip, browser.agent)
        steps = (("Authenticate", None, at - 4), ("Federate", details, at))
    event_id = ""
    for name, event_details, when in steps:
        call = Call(
            "sso",
            name,
            details=event_details,
            host=f"portal.sso.{center.region}.amazonaws.com",
            event_type="AwsServiceEvent",
        )
        mode = "programmatic" if browser is None else None
        place = stage.place(when, center.region, center.account.id)
        written = record(call, client, identity, place)
        event_id = stage.put(when, written, replace(truth, access_mode=mode))
    return event_id


def _center_saml(stage: Stage, subject: Subject, role: Role, at: int, truth: Truth) -> str:
    """Write the AssumeRoleWithSAML that Identity Center makes, from an address of AWS."""
    center = stage.organization.identity_center
    provider = center.provider_arn(role.account)
    request = {
        "sAMLAssertionID": f"_{stage.ids.uuid()}",
        "roleSessionName": subject.name,
        "roleArn": role.arn,
        "principalArn": provider,
        "durationSeconds": LONGEST,
    }
    response = _saml_response(subject.name, "persistent")
    key = stage.key("ASIA", role.account.tag)
    response["credentials"] = credentials(stage, key, at + LONGEST - 1)
    response["assumedRoleUser"] = assumed(role, subject.name)
    return _sts(
        stage,
        Call("sts", "AssumeRoleWithSAML", request, response, _saml_resources(role, provider)),
        (
            Client("203.0.113.200", "aws-sdk-java/2.46.14 md/internal ua/2.1"),
            saml_user(_QUALIFIER, subject.name),
            truth,
        ),
        (center.region, role.account, at),
    )


def _center_origin(center: IdentityCenter, subject: Subject, account: Account) -> Origin:
    return Origin("idc_user", subject.id, account.id, subject.name, None, center.store_arn)


def _begun(role: Role, name: str, at: int, stamps: Stamps) -> Session:
    """Begin a session by somebody who had none: it is the root of what follows."""
    return Session(
        account=role.account,
        region=role.account.regions[0],
        identity=role_session(role, name, at, stamps),
        origin=Origin("unknown_issuer", None),
        client=Client("", ""),
        created_at=at,
        ends_at=at + HOUR,
    )


def _in_console(session: Session, browser: Browser) -> Session:
    return replace(
        session,
        client=Client(browser.ip, browser.agent),
        key=None,
        access="console",
        browser=browser.agent,
        ends_at=(session.created_at or 0) + LONGEST,
    )


def _sts(
    stage: Stage,
    call: Call,
    caller: tuple[Client, Json, Truth],
    where: tuple[str, Account, int],
) -> str:
    client, identity, truth = caller
    region, account, at = where
    written = record(call, client, identity, stage.place(at, region, account.id))
    return stage.put(at, written, truth)


def _saml_response(subject: str, subject_type: str) -> Json:
    return {
        "subject": subject,
        "subjectType": subject_type,
        "issuer": "https://idp.example.com/saml",
        "nameQualifier": _QUALIFIER,
        "audience": _SAML_AUDIENCE,
    }


def _saml_resources(role: Role, provider: str) -> tuple[Json, ...]:
    saml_provider = {"accountId": role.account.id, "type": "AWS::IAM::SAMLProvider"}
    return (role_resource(role), {**saml_provider, "ARN": provider})
