"""Which facts a record states (identity.md §1).

A failed call never issues anything, and a record from a host that is not AWS's states nothing
(rulings 14).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.arn import parse_arn, session_arn
from enricher.cloudtrail.record import Record, mapping, text
from enricher.cloudtrail.times import day_of, parse_time
from enricher.identity import keys
from enricher.identity.facts import Issuance, KeyCreation, Keyed, Mark, Naming, Sighting, Stamp
from enricher.identity.signer import signer
from enricher.identity.workloads import ROLES_ANYWHERE, issued_to, permission_set_of, session_tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from enricher.cloudtrail.caller import Caller

_Extractor = Callable[[Record], Iterable[Keyed]]

# A copy of an event says who called only where it names the caller in full (identity.md §1.3).
_REDUCED_TYPES = frozenset({"", "AWSAccount", "AWSService", "Unknown"})


def facts_of(record: Record) -> Sequence[Keyed]:
    """Give every fact that a record states, each under each key where it is looked up."""
    if record.foreign_source:
        return ()
    of_caller = _caller_facts(record.caller, day_of(record.at))
    extractor = _EXTRACTORS.get((record.service, record.event_name))
    if record.event_type == "awsmcpevent":
        extractor = _tool_call
    found: list[Keyed] = []
    if record.shared_event_id or record.caller.user_id or record.vpc_endpoint:
        found.extend(_record_facts(record))
    if extractor is not None and not record.failed:
        found.extend(extractor(record))
    return (*of_caller, *found) if found else of_caller


# --- what any record says of its caller -----------------------------------------------------


@lru_cache(maxsize=65_536)
def _caller_facts(caller: Caller, day: str) -> tuple[Keyed, ...]:
    """Give what every record of this caller on this day states: names, and keys in use."""
    found: list[Keyed] = []
    at = parse_time(day)
    named = _named_principal(caller)
    if named is not None and at is not None:
        unique_id, arn = named
        found.append(Keyed(keys.name(unique_id), Naming(arn=arn, at=at)))
    if (
        caller.type == "IAMUser"
        and caller.has_long_term_key
        and caller.account_id
        and caller.principal_id
        and caller.access_key_id
        and at is not None
    ):
        key = keys.used(caller.account_id, caller.principal_id, at)
        found.append(Keyed(key, Mark(value=caller.access_key_id)))
    return tuple(found)


def _record_facts(record: Record) -> Iterator[Keyed]:
    """Give what a record states beside its caller's name, whatever it is about."""
    caller = record.caller
    if record.shared_event_id and caller.type not in _REDUCED_TYPES:
        yield Keyed(keys.shared(record.shared_event_id), _sighting(record))
    if caller.user_id and caller.account_id and caller.principal_id and caller.created_at:
        stamp = Stamp(
            event_id=record.event_id,
            at=record.at,
            user_id=caller.user_id,
            identity_store=caller.identity_store,
        )
        key = keys.on_behalf(caller.account_id, caller.principal_id, caller.created_at)
        yield Keyed(key, stamp)
    endpoint = record.vpc_endpoint
    if endpoint and _owned_by_aws(record):
        yield Keyed(keys.endpoint(endpoint), Mark(value="aws"))


def _named_principal(caller: Caller) -> tuple[str, str] | None:
    if caller.type == "IAMUser" and caller.principal_id and caller.arn:
        return (caller.principal_id, caller.arn)
    if caller.type != "AssumedRole":
        return None
    if caller.issuer_principal_id and caller.issuer_arn:
        return (caller.issuer_principal_id, caller.issuer_arn)
    return None


def _owned_by_aws(record: Record) -> bool:
    """AWS's own endpoints carry calls of services, or are stamped so (identity.md §5.2, §8.1)."""
    return record.vpc_endpoint_account == "AWS Internal" or record.source_ip.endswith(
        (".amazonaws.com", ".amazonaws.com.cn")
    )


def _sighting(record: Record) -> Sighting:
    return Sighting(
        event_name=record.event_name,
        event_id=record.event_id,
        at=record.at,
        caller=signer(record),
    )


# --- records that issue credentials ---------------------------------------------------------


def _issuance(record: Record, **fields: Any) -> Issuance:  # noqa: ANN401 - the struct's own fields
    credentials = mapping(fields.pop("credentials", record.response.get("credentials")))
    fields.setdefault("caller", signer(record))
    fields.setdefault("access_key_id", text(credentials.get("accessKeyId")))
    return Issuance(
        event_name=record.event_name,
        event_id=record.event_id,
        at=record.at,
        expires_at=parse_time(credentials.get("expiration")),
        internal=record.internal and record.caller.type != "AWSService",
        shared_event_id=record.shared_event_id,
        request_id=record.request_id,
        **fields,
    )


def _published(issuance: Issuance) -> Iterator[Keyed]:
    """Publish an issuance under its key id, its session and, for people, its day."""
    if issuance.access_key_id:
        yield Keyed(keys.issued(issuance.access_key_id), issuance)
    holder = issuance.principal_id or issuance.arn
    if issuance.account_id and holder:
        yield Keyed(keys.session(issuance.account_id, holder, issuance.at), issuance)
        if issuance.service is None:
            yield Keyed(keys.began(issuance.account_id, holder, issuance.at), issuance)


def _role_session(record: Record) -> Iterator[Keyed]:
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
    yield from _published(
        _issuance(
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


def _session_token(record: Record) -> Iterator[Keyed]:
    """GetSessionToken: the same user or root, with a temporary key (identity.md §1.7)."""
    caller = record.caller
    yield from _keyed(
        _issuance(
            record,
            account_id=caller.account_id,
            principal_id=caller.principal_id,
            arn=caller.arn,
            mfa=True if text(record.request.get("serialNumber")) else None,
        )
    )


def _federation_token(record: Record) -> Iterator[Keyed]:
    """GetFederationToken (identity.md §1.7)."""
    user = mapping(record.response.get("federatedUser"))
    yield from _keyed(
        _issuance(
            record,
            account_id=record.caller.account_id,
            principal_id=text(user.get("federatedUserId")),
            arn=text(user.get("arn")),
        )
    )


def _root_session(record: Record) -> Iterator[Keyed]:
    """AssumeRoot: the issued session is the root of the target account (identity.md §1.11)."""
    target = text(record.request.get("targetPrincipal")) or ""
    parsed = parse_arn(target)
    account_id = parsed.account_id if parsed else target
    if account_id:
        yield from _keyed(
            _issuance(
                record,
                account_id=account_id,
                principal_id=account_id,
                arn=f"arn:{record.caller.partition}:iam::{account_id}:root",
            )
        )


def _keyed(issuance: Issuance) -> Iterator[Keyed]:
    """Publish an issuance that means nothing without the key that it issued."""
    if issuance.access_key_id:
        yield from _published(issuance)


def _anywhere_session(record: Record) -> Iterator[Keyed]:
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
            _issuance(
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


def _cognito_credentials(record: Record) -> Iterator[Keyed]:
    """GetCredentialsForIdentity: key and identity, but no role session's id (rulings 10)."""
    identity = text(record.response.get("identityId")) or text(record.request.get("identityId"))
    yield from _keyed(
        _issuance(
            record,
            service="cognito-identity.amazonaws.com",
            workload_kind="cognito_identity",
            workload_id=identity,
            workload_name=identity,
        )
    )


def _zonal_session(record: Record) -> Iterator[Keyed]:
    """S3 Express CreateSession: another key for the same principal (identity.md §1.1)."""
    caller = record.caller
    yield from _keyed(
        _issuance(
            record, account_id=caller.account_id, principal_id=caller.principal_id, arn=caller.arn
        )
    )


# --- records that begin or mark console sessions ----------------------------------------------


def _console_anchor(record: Record) -> Iterator[Keyed]:
    """ConsoleLogin, SwitchRole, RenewRole (identity.md §1.4, §1.5)."""
    caller = record.caller
    if text(record.extra.get("SwitchTo")) or record.response.get(record.event_name) != "Success":
        return  # the source account's SwitchRole anchors nothing (rulings 17)
    used = text(record.extra.get("MFAUsed"))
    yield from _published(
        _issuance(
            record,
            caller=caller,
            access_key_id=None,
            account_id=caller.account_id,
            principal_id=caller.principal_id,
            arn=caller.arn,
            switched_from=text(record.extra.get("SwitchFrom")),
            sign_in_session=text(record.extra.get("signInSessionArn")) or caller.sign_in_session,
            mfa=None if used is None else used == "Yes",
        )
    )
    minted = text(record.extra.get("signInSessionArn"))
    if minted:
        yield Keyed(keys.sign_in(minted), _sighting(record))


def _sign_in_token(record: Record) -> Iterator[Keyed]:
    """GetSigninToken: a program asks for a console session (identity.md §1.6)."""
    caller = record.caller
    if caller.account_id and caller.principal_id:
        yield Keyed(
            keys.began(caller.account_id, caller.principal_id, record.at),
            _issuance(
                record,
                account_id=caller.account_id,
                principal_id=caller.principal_id,
                arn=caller.arn,
            ),
        )


def _oauth_grant(record: Record) -> Iterator[Keyed]:
    """``aws login`` and agents: a grant by a console session (identity.md §1.9)."""
    caller = record.caller
    if caller.account_id and caller.principal_id and caller.created_at:
        key = keys.oauth(caller.account_id, caller.principal_id, caller.created_at)
        yield Keyed(key, _sighting(record))
    minted = text(record.extra.get("signInSessionArn"))
    if minted:
        yield Keyed(keys.sign_in(minted), _sighting(record))


def _portal_call(record: Record) -> Iterator[Keyed]:
    """Identity Center's GetRoleCredentials and Federate (identity.md §1.10)."""
    details = {**record.request, **record.service_details}
    account_id = text(details.get("account_id")) or text(details.get("accountId"))
    role = text(details.get("role_name")) or text(details.get("roleName"))
    if account_id and role:
        permission_set = permission_set_of(role) or role
        yield Keyed(keys.portal(account_id, permission_set, record.at), _sighting(record))


# --- records that name things -----------------------------------------------------------------


def _access_key(record: Record) -> Iterator[Keyed]:
    """CreateAccessKey: who made a long-term key (identity.md §1.13)."""
    key_id = text(mapping(record.response.get("accessKey")).get("accessKeyId"))
    if key_id:
        creation = KeyCreation(
            event_id=record.event_id, at=record.at, creator_arn=record.caller.arn
        )
        yield Keyed(keys.long_term(key_id), creation)


def _new_user(record: Record) -> Iterator[Keyed]:
    user = mapping(record.response.get("user"))
    yield from _naming(record, text(user.get("userId")), text(user.get("arn")))


def _new_role(record: Record) -> Iterator[Keyed]:
    role = mapping(record.response.get("role"))
    yield from _naming(record, text(role.get("roleId")), text(role.get("arn")))


def _naming(record: Record, unique_id: str | None, arn: str | None) -> Iterator[Keyed]:
    if unique_id and arn:
        yield Keyed(keys.name(unique_id), Naming(arn=arn, at=record.at))


def _tool_call(record: Record) -> Iterator[Keyed]:
    """AwsMcpEvent: the calls that an agent's tool made for the user (identity.md §1.9)."""
    requests = record.extra.get("downstreamRequests")
    for made in requests if isinstance(requests, list) else ():
        request_id = text(mapping(made).get("requestId"))
        if request_id:
            yield Keyed(keys.request(request_id), _sighting(record))


_EXTRACTORS: dict[tuple[str, str], _Extractor] = {
    ("sts", "AssumeRole"): _role_session,
    ("sts", "AssumeRoleWithSAML"): _role_session,
    ("sts", "AssumeRoleWithWebIdentity"): _role_session,
    ("sts", "AssumeRoot"): _root_session,
    ("sts", "GetSessionToken"): _session_token,
    ("sts", "GetFederationToken"): _federation_token,
    ("signin", "ConsoleLogin"): _console_anchor,
    ("signin", "SwitchRole"): _console_anchor,
    ("signin", "RenewRole"): _console_anchor,
    ("signin", "GetSigninToken"): _sign_in_token,
    ("signin", "AuthorizeOAuth2Access"): _oauth_grant,
    ("signin", "CreateOAuth2Token"): _oauth_grant,
    ("sso", "GetRoleCredentials"): _portal_call,
    ("sso", "Federate"): _portal_call,
    ("rolesanywhere", "CreateSession"): _anywhere_session,
    ("cognito-identity", "GetCredentialsForIdentity"): _cognito_credentials,
    ("s3express", "CreateSession"): _zonal_session,
    ("iam", "CreateAccessKey"): _access_key,
    ("iam", "CreateUser"): _new_user,
    ("iam", "CreateRole"): _new_role,
}
