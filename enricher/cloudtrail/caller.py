"""Who signed a call: CloudTrail's ``userIdentity``, normalized.

References:
    - CloudTrail User Guide, "CloudTrail userIdentity element".
    - identity.md §0.2 (normalization), §0.3, §4 (types and members).
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from enricher.cloudtrail import codec
from enricher.cloudtrail.arn import parse_arn, partition_of_region, role_name
from enricher.cloudtrail.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_EMPTY: Mapping[str, Any] = {}


class Caller(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, cache_hash=True):
    """The identity on one record, empty values dropped.

    Attributes:
        type: ``userIdentity.type`` as AWS writes it; "" where the record has none.
        partition: ``aws``, ``aws-cn``, ``aws-us-gov`` …
        account_id: The account that the identity belongs to, not the one that got the record.
        principal_id: Unique id; for role sessions ``AROA…:session``.
        created_at: ``creationDate`` of the session, UTC, whole seconds; None for long-term keys.
        issuer_*: ``sessionContext.sessionIssuer``.
        scope_type: ``inScopeOf.issuerType``, e.g. ``AWS::Lambda::Function``.
        scope_arn: ``inScopeOf.credentialsIssuedTo`` (or ``sourceArn``).
        ec2_delivery: ``ec2RoleDelivery`` is stamped: the instance metadata service delivered it.
        user_id: ``onBehalfOf.userId``, an Identity Center user; ``identity_store`` makes it unique.
        from_console: The record carries ``sessionCredentialFromConsole``, or is a console record.
    """

    type: str = ""
    partition: str = "aws"
    account_id: str | None = None
    principal_id: str | None = None
    arn: str | None = None
    user_name: str | None = None
    access_key_id: str | None = None
    created_at: datetime | None = None
    mfa: bool | None = None
    issuer_type: str | None = None
    issuer_principal_id: str | None = None
    issuer_arn: str | None = None
    issuer_account_id: str | None = None
    issuer_name: str | None = None
    source_identity: str | None = None
    sign_in_session: str | None = None
    invoked_by: str | None = None
    delegate_account_id: str | None = None
    user_id: str | None = None
    identity_store: str | None = None
    scope_type: str | None = None
    scope_arn: str | None = None
    ec2_delivery: bool = False
    federated_provider: str | None = None
    federated_subject: str | None = None
    identity_provider: str | None = None
    from_console: bool = False

    @property
    def session_name(self) -> str | None:
        """The name that the caller of AssumeRole chose: a claim, never proof (identity.md §0.3)."""
        _, colon, name = (self.principal_id or "").rpartition(":")
        return name if colon else None

    @property
    def role_name(self) -> str | None:
        """The role behind a role session, without its path."""
        return role_name(self.issuer_arn) or role_name(self.arn) or self.issuer_name

    @property
    def has_long_term_key(self) -> bool:
        """An AKIA key and no creation time: only that is a long-term key (identity.md §5.1, P5)."""
        key = self.access_key_id
        return key is not None and key.startswith("AKIA") and self.created_at is None


def parse_caller(identity: object, *, region: object = None, from_console: bool = False) -> Caller:
    """Read ``userIdentity`` of a record; whatever is missing or misshapen stays None.

    Records of one credential repeat it word for word, so equal ones are read once and share one
    value.
    """
    try:
        spelled = codec.dumps(identity)
    except (TypeError, ValueError):
        return Caller(from_console=from_console)
    return _parse(
        spelled, partition_of_region(region if isinstance(region, str) else None), from_console
    )


@lru_cache(maxsize=16_384)
def _parse(spelled: bytes, partition: str, from_console: bool) -> Caller:  # noqa: FBT001
    identity = codec.loads(spelled)
    ui = identity if isinstance(identity, dict) else _EMPTY
    context = _object(ui, "sessionContext")
    attributes = _object(context, "attributes")
    issuer = _object(context, "sessionIssuer")
    scope = _object(ui, "inScopeOf")
    federation = _object(context, "webIdFederationData")
    behalf = _object(ui, "onBehalfOf")
    arn = _text(ui, "arn")
    parsed = parse_arn(arn) or parse_arn(_text(issuer, "arn"))
    return Caller(
        type=_text(ui, "type") or "",
        partition=parsed.partition if parsed else partition,
        account_id=_text(ui, "accountId") or (parsed.account_id if parsed else None) or None,
        principal_id=_text(ui, "principalId"),
        arn=arn,
        user_name=_text(ui, "userName"),
        access_key_id=_text(ui, "accessKeyId"),
        created_at=parse_time(attributes.get("creationDate")) if attributes else None,
        mfa=flag(attributes.get("mfaAuthenticated")) if attributes else None,
        issuer_type=_text(issuer, "type"),
        issuer_principal_id=_text(issuer, "principalId"),
        issuer_arn=_text(issuer, "arn"),
        issuer_account_id=_text(issuer, "accountId"),
        issuer_name=_text(issuer, "userName"),
        source_identity=_text(context, "sourceIdentity"),
        sign_in_session=_text(context, "signInSessionArn"),
        invoked_by=_text(ui, "invokedBy"),
        delegate_account_id=_text(_object(ui, "invokedByDelegate"), "accountId"),
        user_id=_text(behalf, "userId"),
        identity_store=_text(behalf, "identityStoreArn"),
        scope_type=_text(scope, "issuerType"),
        scope_arn=_text(scope, "credentialsIssuedTo") or _text(scope, "sourceArn"),
        ec2_delivery=_text(context, "ec2RoleDelivery") is not None,
        federated_provider=_text(federation, "federatedProvider"),
        federated_subject=_federated_subject(federation),
        identity_provider=_text(ui, "identityProvider"),
        from_console=from_console,
    )


def flag(value: object) -> bool | None:
    """Read a boolean that CloudTrail may write as text (identity.md §0.2, "Booleans")."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return None


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else _EMPTY


def _text(parent: Mapping[str, Any], name: str) -> str | None:
    value = parent.get(name)
    return value if isinstance(value, str) and value and value != HIDDEN else None


def _federated_subject(federation: Mapping[str, Any]) -> str | None:
    """Find ``…:sub`` among the attributes, e.g. ``token.actions.githubusercontent.com:sub``."""
    attributes = _object(federation, "attributes")
    subjects = [v for k, v in attributes.items() if k.endswith(":sub") and isinstance(v, str)]
    return subjects[0] if len(subjects) == 1 else None
