"""Terminal origins: callers who are themselves the start of a chain (identity.md §2.4).

Rule L0 (self-evident), L5c and L5d (Identity Center), L6 (stamped workloads). What identifies
each kind is fixed by the table in rulings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.cloudtrail.arn import parse_arn
from enricher.identity.model import Confidence, Kind, Origin, Principal, Status
from enricher.identity.workloads import linked_service, permission_set, permission_set_of

if TYPE_CHECKING:
    from enricher.cloudtrail.caller import Caller
    from enricher.identity.facts import Issuance
    from enricher.identity.model import Missing

_MACHINE_ISSUERS = ("token.actions.githubusercontent.com", "gitlab.com", "oidc.eks.")


def resolved(
    principal: Principal, rule: str, confidence: Confidence, evidence: tuple[str, ...] = ()
) -> Origin:
    """Make a resolved origin."""
    return Origin(
        status=Status.RESOLVED,
        principal=principal,
        rule=rule,
        confidence=confidence,
        evidence=evidence,
    )


def unknown(
    principal: Principal,
    reason: str,
    *,
    missing: Missing | None = None,
    acting_as: str | None = None,
) -> Origin:
    """Make an origin that is not known, and say why."""
    return Origin(
        status=Status.UNKNOWN,
        principal=principal,
        rule="L0",
        confidence=Confidence.NONE,
        reason=reason,
        missing=missing,
        acting_as=acting_as,
    )


def iam_user(caller: Caller, *, human: bool | None) -> Principal:
    """Name an IAM user; the chain ends with the user, whoever made the key (identity.md §1.13)."""
    parsed = parse_arn(caller.arn)
    return Principal(
        kind=Kind.IAM_USER,
        id=caller.principal_id,
        arn=caller.arn,
        name=caller.user_name or (parsed.name if parsed else None),
        account_id=caller.account_id,
        human=human,
    )


def root_user(account_id: str | None, partition: str) -> Principal:
    """Name an account's root."""
    return Principal(
        kind=Kind.ROOT,
        id=account_id,
        arn=root_arn(account_id, partition),
        name=f"root@{account_id}",
        account_id=account_id,
        human=True,
    )


def root_arn(account_id: str | None, partition: str) -> str | None:
    """Give the ARN of an account's root."""
    return f"arn:{partition}:iam::{account_id}:root" if account_id else None


def federating_user(caller: Caller, *, human: bool | None) -> Principal:
    """Name the user behind GetFederationToken: the session's issuer (identity.md §1.7)."""
    if caller.issuer_type == "Root":
        return root_user(caller.issuer_account_id or caller.account_id, caller.partition)
    parsed = parse_arn(caller.issuer_arn)
    return Principal(
        kind=Kind.IAM_USER,
        id=caller.issuer_principal_id,
        arn=caller.issuer_arn,
        name=caller.issuer_name or (parsed.name if parsed else None),
        account_id=caller.issuer_account_id or caller.account_id,
        human=human,
    )


def saml_subject(caller: Caller) -> Principal:
    """Name a SAML subject; Identity Center's own assertions name one of its users."""
    permissions = permission_set_of(caller.role_name)
    if permissions is not None:
        return Principal(
            kind=Kind.IDC_USER,
            name=caller.user_name or caller.principal_id,
            account_id=caller.account_id,
            human=True,
        )
    provider = parse_arn(caller.identity_provider)
    return Principal(
        kind=Kind.SAML_SUBJECT,
        id=caller.principal_id,
        name=caller.user_name or caller.principal_id,
        account_id=provider.account_id if provider else caller.account_id,
        identity_provider=caller.identity_provider,
        human=True,
    )


def web_identity(caller: Caller) -> Principal:
    """Name an OIDC subject or a Cognito identity (identity.md §1.8, §1.12)."""
    if caller.federated_provider == "cognito-identity.amazonaws.com":
        return Principal(
            kind=Kind.COGNITO_IDENTITY,
            id=caller.principal_id,
            name=caller.principal_id,
            account_id=caller.account_id,
            identity_provider=caller.identity_provider,
        )
    return oidc_subject(caller.principal_id, caller.identity_provider, caller.account_id)


def oidc_subject(subject: str | None, issuer: str | None, account_id: str | None) -> Principal:
    """Name an OIDC subject; build pipelines and pods are known to be machines."""
    machine = (issuer or "").startswith(_MACHINE_ISSUERS) or (subject or "").startswith(
        "system:serviceaccount:"
    )
    return Principal(
        kind=Kind.OIDC_SUBJECT,
        id=subject,
        name=subject,
        account_id=account_id,
        identity_provider=issuer,
        human=False if machine else None,
    )


def idc_user(caller: Caller, *, name: str | None = None) -> Principal:
    """Name an Identity Center user; the user id is rename-proof, the name is not (§1.10)."""
    return Principal(
        kind=Kind.IDC_USER,
        id=caller.user_id,
        name=name,
        account_id=caller.account_id,
        identity_provider=caller.identity_store,
        human=True,
    )


def aws_service(service: str) -> Principal:
    """Name an AWS service by its principal."""
    return Principal(kind=Kind.AWS_SERVICE, id=service, name=service, human=False)


def linked_role_service(caller: Caller) -> Principal | None:
    """Name the only service that can assume this role: it is service-linked.

    References:
        - IAM User Guide, "Service-linked roles": only the linked service can assume the role.
    """
    service = linked_service(caller.issuer_arn)
    return aws_service(service) if service else None


def issued_workload(issuance: Issuance) -> Principal | None:
    """Name what an AWS service obtained credentials for, or the service itself (rulings 12)."""
    if issuance.service is None or issuance.workload_kind is None:
        return None
    kind = Kind(issuance.workload_kind)
    if kind is Kind.AWS_SERVICE:
        return aws_service(issuance.workload_id or issuance.service)
    return Principal(
        kind=kind,
        id=issuance.workload_id,
        name=issuance.workload_name,
        account_id=issuance.account_id,
        identity_provider=issuance.workload_provider,
        human=None if kind is Kind.COGNITO_IDENTITY else False,
    )


def external_principal(caller: Caller, arn: str | None) -> Principal | None:
    """Name the caller of a copy that gives only a unique id and an account (rulings 5)."""
    principal = caller.principal_id
    if principal is None:
        return None
    parsed = parse_arn(arn)
    if principal.startswith("AIDA"):
        return Principal(
            kind=Kind.EXTERNAL_IAM_USER,
            id=principal,
            arn=arn,
            name=parsed.name if parsed else None,
            account_id=caller.account_id,
        )
    if ":" in principal:
        return Principal(
            kind=Kind.EXTERNAL_ROLE_SESSION,
            id=principal,
            arn=arn,
            name=caller.session_name,
            account_id=caller.account_id,
        )
    return None


def nobody(caller: Caller) -> Principal:
    """Name the last credential known, where its issuer is not: no guess at who is behind it."""
    role = caller.role_name
    session = caller.session_name
    label = f"{role}/{session}" if role and session else role or caller.user_name or session
    return Principal(
        kind=Kind.UNKNOWN_ISSUER,
        id=caller.principal_id,
        arn=caller.arn,
        name=label,
        account_id=caller.account_id,
    )


def is_anonymous(caller: Caller) -> bool:
    """Whether nobody signed the call (identity.md §4.1, anonymous S3)."""
    marks = {"anonymous", "anonymous_principal"}
    return (caller.account_id or "").lower() in marks or (
        caller.principal_id or ""
    ).lower() in marks


def is_idc_session(caller: Caller) -> bool:
    """Whether the session is of a role that only Identity Center can assume (rulings 8)."""
    return caller.type == "AssumedRole" and permission_set(caller) is not None
