"""Which facts a record states (identity.md §1).

A failed call never issues anything, and a record from a host that is not AWS's states nothing
(rulings 14).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from enricher.cloudtrail.record import Record, mapping, text
from enricher.cloudtrail.times import day_of, parse_time
from enricher.identity import issuing, keys, signins
from enricher.identity.facts import KeyCreation, Keyed, Mark, Naming, Stamp
from enricher.identity.statements import sighting

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


@lru_cache(maxsize=16_384)
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
        yield Keyed(keys.shared(record.shared_event_id), sighting(record))
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


# --- records that name things -----------------------------------------------------------------


def _access_key(record: Record) -> Iterator[Keyed]:
    """CreateAccessKey: who made a long-term key (identity.md §1.13)."""
    key_id = text(mapping(record.response.get("accessKey")).get("accessKeyId"))
    if key_id:
        creation = KeyCreation(
            event_id=record.event_id,
            at=record.at,
            recipient=record.recipient,
            creator_arn=record.caller.arn,
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
            yield Keyed(keys.request(request_id), sighting(record))


_EXTRACTORS: dict[tuple[str, str], _Extractor] = {
    ("sts", "AssumeRole"): issuing.role_session,
    ("sts", "AssumeRoleWithSAML"): issuing.role_session,
    ("sts", "AssumeRoleWithWebIdentity"): issuing.role_session,
    ("sts", "AssumeRoot"): issuing.root_session,
    ("sts", "GetSessionToken"): issuing.session_token,
    ("sts", "GetFederationToken"): issuing.federation_token,
    ("signin", "ConsoleLogin"): signins.console_anchor,
    ("signin", "SwitchRole"): signins.console_anchor,
    ("signin", "RenewRole"): signins.console_anchor,
    ("signin", "GetSigninToken"): signins.sign_in_token,
    ("signin", "AuthorizeOAuth2Access"): signins.oauth_grant,
    ("signin", "CreateOAuth2Token"): signins.oauth_grant,
    ("sso", "GetRoleCredentials"): signins.portal_call,
    ("sso", "Federate"): signins.portal_call,
    ("rolesanywhere", "CreateSession"): issuing.anywhere_session,
    ("cognito-identity", "GetCredentialsForIdentity"): issuing.cognito_credentials,
    ("s3express", "CreateSession"): issuing.zonal_session,
    ("iam", "CreateAccessKey"): _access_key,
    ("iam", "CreateUser"): _new_user,
    ("iam", "CreateRole"): _new_role,
}
