"""Facts of the calls that issue credentials (identity.md §1.1-§1.3, §1.7, §1.8, §1.11, §1.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.cloudtrail.arn import parse_arn, session_arn
from enricher.cloudtrail.record import Record, mapping, text
from enricher.identity.statements import issuance, published
from enricher.identity.workloads import ROLES_ANYWHERE, issued_to, session_tags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.cloudtrail.record import Record
    from enricher.identity.facts import Issuance, Keyed


def role_session(record: Record) -> Iterator[Keyed]:
    """AssumeRole, AssumeRoleWithSAML, AssumeRoleWithWebIdentity (identity.md §1.2, §1.3, §1.8)."""
    if not text(mapping(record.response.get("credentials")).get("accessKeyId")):
        return
    holder = mapping(record.response.get("assumedRoleUser"))
    arn, role_arn = text(holder.get("arn")), text(record.request.get("roleArn"))
    parsed = parse_arn(arn) or parse_arn(role_arn)
    account_id = parsed.account_id if parsed else record.recipient
    caller = record.caller
    service = caller.invoked_by if caller.type == "AWSService" else None
    session = text(record.request.get("roleSessionName")) or ""
    if arn is None and role_arn and session:
        arn = session_arn(role_arn, session)  # services' own records leave the holder out
    tags = session_tags(record.request)
    workload = issued_to(service, role_arn, session, account_id, tags) if service else None
    yield from published(
        issuance(
            record,
            account_id=account_id,
            principal_id=text(holder.get("assumedRoleId")),
            arn=arn,
            role_arn=role_arn,
            session_name=session or None,
            service=service,
            source_identity=text(record.request.get("sourceIdentity"))
            or text(record.response.get("sourceIdentity")),
            workload_kind=workload.kind.value if workload else None,
            workload_id=workload.id if workload else None,
            workload_name=workload.name if workload else None,
        )
    )


def session_token(record: Record) -> Iterator[Keyed]:
    """GetSessionToken: the same user or root, with a temporary key (identity.md §1.7)."""
    caller = record.caller
    yield from _keyed(
        issuance(
            record,
            account_id=caller.account_id,
            principal_id=caller.principal_id,
            arn=caller.arn,
            mfa=True if text(record.request.get("serialNumber")) else None,
        )
    )


def federation_token(record: Record) -> Iterator[Keyed]:
    """GetFederationToken (identity.md §1.7)."""
    user = mapping(record.response.get("federatedUser"))
    yield from _keyed(
        issuance(
            record,
            account_id=record.caller.account_id,
            principal_id=text(user.get("federatedUserId")),
            arn=text(user.get("arn")),
        )
    )


def root_session(record: Record) -> Iterator[Keyed]:
    """AssumeRoot: the issued session is the root of the target account (identity.md §1.11)."""
    target = text(record.request.get("targetPrincipal")) or ""
    parsed = parse_arn(target)
    account_id = parsed.account_id if parsed else target
    if account_id:
        yield from _keyed(
            issuance(
                record,
                account_id=account_id,
                principal_id=account_id,
                arn=f"arn:{record.caller.partition}:iam::{account_id}:root",
            )
        )


def _keyed(issuance: Issuance) -> Iterator[Keyed]:
    """Publish an issuance that means nothing without the key that it issued."""
    if issuance.access_key_id:
        yield from published(issuance)


def anywhere_session(record: Record) -> Iterator[Keyed]:
    """Roles Anywhere's CreateSession: names the trust anchor (identity.md §1.12, rulings 10)."""
    entries = record.response.get("credentialSet")
    for entry in entries if isinstance(entries, list) else ():
        issued = mapping(entry)
        holder = mapping(issued.get("assumedRoleUser"))
        principal_id = text(holder.get("assumedRoleId"))
        serial = principal_id.rpartition(":")[2].lower() if principal_id else None
        role_arn = text(record.request.get("roleArn")) or text(issued.get("roleArn"))
        parsed = parse_arn(text(holder.get("arn"))) or parse_arn(role_arn)
        yield from _keyed(
            issuance(
                record,
                credentials=issued.get("credentials"),
                account_id=parsed.account_id if parsed else record.recipient,
                principal_id=principal_id,
                arn=text(holder.get("arn")),
                role_arn=role_arn,
                service=ROLES_ANYWHERE,
                source_identity=text(issued.get("sourceIdentity")),
                workload_kind="x509_subject",
                workload_id=serial,
                workload_name=text(issued.get("sourceIdentity")) or serial,
                workload_provider=text(record.request.get("trustAnchorArn")),
            )
        )


def cognito_credentials(record: Record) -> Iterator[Keyed]:
    """GetCredentialsForIdentity: key and identity, but no role session's id (rulings 10)."""
    identity = text(record.response.get("identityId")) or text(record.request.get("identityId"))
    yield from _keyed(
        issuance(
            record,
            service="cognito-identity.amazonaws.com",
            workload_kind="cognito_identity",
            workload_id=identity,
            workload_name=identity,
        )
    )


def zonal_session(record: Record) -> Iterator[Keyed]:
    """S3 Express CreateSession: another key for the same principal (identity.md §1.1)."""
    caller = record.caller
    yield from _keyed(
        issuance(
            record, account_id=caller.account_id, principal_id=caller.principal_id, arn=caller.arn
        )
    )
