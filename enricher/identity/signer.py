"""The caller of a record as the walk sees it: with what the rest of the record adds.

Sign-ins begin the session that they name; federated callers are named by the request and the
response, not by ``userIdentity`` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from enricher.cloudtrail.arn import parse_arn
from enricher.cloudtrail.record import text

if TYPE_CHECKING:
    from enricher.cloudtrail.caller import Caller
    from enricher.cloudtrail.record import Record

SWITCHES = frozenset({"SwitchRole", "RenewRole"})
SESSION_STARTS = SWITCHES | {"ConsoleLogin"}
_SIGN_IN_TYPES = ("awsconsolesignin",)


def signer(record: Record) -> Caller:
    """Give the caller, completed from the record.

    - ConsoleLogin, SwitchRole, RenewRole that succeeded: the session is the one that they begin,
      so its creation time is ``eventTime`` (identity.md §3).
    - SAML and web identity callers: provider, subject and account from the request and the
      response (identity.md §1.8, rulings, table of ids).
    """
    caller = record.caller
    if caller.type == "SAMLUser":
        return _saml(record, caller)
    if caller.type == "WebIdentityUser":
        return _web_identity(record, caller)
    if switches_console(record):
        return replace(caller, from_console=True)
    if starts_session(record):
        # The key that signed, if any, belongs to the session before.
        return replace(caller, created_at=record.at, access_key_id=None)
    return caller


def starts_session(record: Record) -> bool:
    """Whether the record is a console sign-in or switch that succeeded, in the target account."""
    return (
        record.event_name in SESSION_STARTS
        and record.event_type.startswith(_SIGN_IN_TYPES)
        and not record.failed
        and record.response.get(record.event_name) == "Success"
        and not text(record.extra.get("SwitchTo"))
    )


def switches_console(record: Record) -> bool:
    """Whether it is the source account's copy of the AssumeRole behind a console switch.

    AWS itself calls with the console session's credential (rulings 19; identity.md §1.5).
    """
    return (
        record.service == "sts"
        and record.event_name == "AssumeRole"
        and record.caller.invoked_by == "AWS Internal"
        and record.caller.type != "AWSService"
        and not record.failed
    )


def _saml(record: Record, caller: Caller) -> Caller:
    """A SAML subject; transient subjects change at each sign-in, so they lend no name."""
    provider = text(record.request.get("principalArn"))
    role = text(record.request.get("roleArn"))
    parsed = parse_arn(provider) or parse_arn(role)
    subject = text(record.response.get("subject")) or caller.user_name
    if subject is None and caller.principal_id:
        subject = caller.principal_id.partition(":")[2] or caller.principal_id
    transient = record.response.get("subjectType") == "transient"
    stated = text(record.response.get("sourceIdentity")) or text(
        record.request.get("sourceIdentity")
    )
    session = text(record.request.get("roleSessionName"))
    return replace(
        caller,
        principal_id=subject,
        user_name=((stated or session) if transient else None) or subject,
        identity_provider=provider or caller.identity_provider,
        account_id=caller.account_id or (parsed.account_id if parsed else record.recipient),
        partition=parsed.partition if parsed else caller.partition,
        issuer_arn=role,
    )


def _web_identity(record: Record, caller: Caller) -> Caller:
    """An OIDC subject: ``sub`` at an issuer; Cognito's issuer is told apart by the pool."""
    role = parse_arn(text(record.request.get("roleArn")))
    subject = (
        text(record.response.get("subjectFromWebIdentityToken"))
        or caller.user_name
        or _subject_of(caller)
    )
    issuer = caller.identity_provider or text(record.response.get("provider"))
    if issuer is not None and ":oidc-provider/" in issuer:
        issuer = issuer.partition(":oidc-provider/")[2]
    if issuer == "cognito-identity.amazonaws.com":
        pool = text(record.response.get("audience"))
        return replace(
            caller,
            principal_id=subject,
            user_name=subject,
            federated_provider=issuer,
            identity_provider=pool or issuer,
            account_id=role.account_id if role else record.recipient,
        )
    return replace(
        caller,
        principal_id=subject,
        user_name=subject,
        identity_provider=issuer,
        account_id=role.account_id if role else record.recipient,
    )


def _subject_of(caller: Caller) -> str | None:
    """Strip ``<provider>:`` off the principal id; the rest still holds the audience."""
    principal, provider = caller.principal_id, caller.identity_provider
    if principal and provider and principal.startswith(f"{provider}:"):
        return principal[len(provider) + 1 :]
    return principal
