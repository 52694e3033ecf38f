"""``userIdentity`` in each of its forms.

A template holds an empty ``accessKeyId``; ``with_key`` fills it, ``without_key`` drops it.

References:
    - AWS CloudTrail User Guide, "CloudTrail userIdentity element".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.trailgen.organization import PARTITION
from tools.trailgen.times import stamp

if TYPE_CHECKING:
    from tools.trailgen.organization import Account, IdentityCenter, Role, Subject, User
    from tools.trailgen.records import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """What AWS writes beside a session's name and time.

    Attributes:
        mfa: Whether a second factor was there when the session began.
        source_identity: Set once, then carried along the chain.
        delivery: Version of the instance metadata service that handed the credentials out.
        in_scope_of: Resource type and ARN that the credentials were issued to.
        web_identity: Provider, audience and subject of the token.
    """

    mfa: bool = False
    source_identity: str | None = None
    delivery: str | None = None
    in_scope_of: tuple[str, str] | None = None
    web_identity: tuple[str, str, str] | None = None


PLAIN = Stamps()


def with_key(template: Json, key: str) -> Json:
    """Sign with a key: the template stays as it is."""
    return {**template, "accessKeyId": key}


def without_key(template: Json) -> Json:
    """Leave the key out, as sign-in records do."""
    return {name: value for name, value in template.items() if name != "accessKeyId"}


def iam_user(user: User, created_at: int | None = None, *, mfa: bool = False) -> Json:
    """Write an IAM user; with a creation time it is a temporary credential."""
    identity: Json = {
        "type": "IAMUser",
        "principalId": user.id,
        "arn": user.arn,
        "accountId": user.account.id,
        "accessKeyId": "",
        "userName": user.name,
    }
    if created_at is not None:
        identity["sessionContext"] = {"attributes": _attributes(created_at, mfa=mfa)}
    return identity


def root(account: Account, created_at: int, *, mfa: bool = False) -> Json:
    """Write a root session."""
    return {
        "type": "Root",
        "principalId": account.id,
        "arn": account.root_arn,
        "accountId": account.id,
        "accessKeyId": "",
        "sessionContext": {"attributes": _attributes(created_at, mfa=mfa)},
    }


def role_session(role: Role, name: str, created_at: int, stamps: Stamps = PLAIN) -> Json:
    """Write a role session."""
    context: Json = {
        "sessionIssuer": {
            "type": "Role",
            "principalId": role.id,
            "arn": role.arn,
            "accountId": role.account.id,
            "userName": role.name,
        }
    }
    if stamps.web_identity is not None:
        provider, audience, subject = stamps.web_identity
        issuer = provider.partition("oidc-provider/")[2]
        context["webIdFederationData"] = {
            "federatedProvider": provider,
            "attributes": {f"{issuer}:aud": audience, f"{issuer}:sub": subject},
        }
    context["attributes"] = _attributes(created_at, mfa=stamps.mfa)
    if stamps.source_identity is not None:
        context["sourceIdentity"] = stamps.source_identity
    if stamps.delivery is not None:
        context["ec2RoleDelivery"] = stamps.delivery
    identity: Json = {
        "type": "AssumedRole",
        "principalId": f"{role.id}:{name}",
        "arn": role.session_arn(name),
        "accountId": role.account.id,
        "accessKeyId": "",
        "sessionContext": context,
    }
    if stamps.in_scope_of is not None:
        kind, arn = stamps.in_scope_of
        identity["inScopeOf"] = {"issuerType": kind, "credentialsIssuedTo": arn}
    return identity


def federated_user(user: User, name: str, created_at: int) -> Json:
    """Write a session that GetFederationToken gave."""
    account_id = user.account.id
    return {
        "type": "FederatedUser",
        "principalId": f"{account_id}:{name}",
        "arn": f"arn:{PARTITION}:sts::{account_id}:federated-user/{name}",
        "accountId": account_id,
        "accessKeyId": "",
        "sessionContext": {
            "sessionIssuer": {
                "type": "IAMUser",
                "principalId": user.id,
                "arn": user.arn,
                "accountId": account_id,
                "userName": user.name,
            },
            "attributes": _attributes(created_at, mfa=False),
        },
    }


def aws_service(principal: str) -> Json:
    """Write a service that calls as itself."""
    return {"type": "AWSService", "invokedBy": principal}


def aws_account(identity: Json) -> Json:
    """Reduce a caller to what the other account is shown of it."""
    return {
        "type": "AWSAccount",
        "principalId": identity["principalId"],
        "accountId": identity["accountId"],
    }


def saml_user(qualifier: str, subject: str) -> Json:
    """Write the caller of AssumeRoleWithSAML."""
    return {
        "type": "SAMLUser",
        "principalId": f"{qualifier}:{subject}",
        "userName": subject,
        "identityProvider": qualifier,
    }


def web_identity_user(provider_arn: str, audience: str, subject: str) -> Json:
    """Write the caller of AssumeRoleWithWebIdentity."""
    return {
        "type": "WebIdentityUser",
        "principalId": f"{provider_arn}:{audience}:{subject}",
        "userName": subject,
        "identityProvider": provider_arn,
    }


def identity_center_user(center: IdentityCenter, subject: Subject, credential_id: str) -> Json:
    """Write somebody at the access portal."""
    return {
        "type": "IdentityCenterUser",
        "accountId": center.account.id,
        "onBehalfOf": on_behalf_of(center, subject),
        "credentialId": credential_id,
    }


def on_behalf_of(center: IdentityCenter, subject: Subject) -> Json:
    """Name the Identity Center user behind a session."""
    return {"userId": subject.id, "identityStoreArn": center.store_arn}


def _attributes(created_at: int, *, mfa: bool) -> Json:
    return {"creationDate": stamp(created_at), "mfaAuthenticated": "true" if mfa else "false"}
