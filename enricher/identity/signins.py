"""Facts of sign-ins, grants and portal calls (identity.md §1.4 to §1.6, §1.9, §1.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.cloudtrail.record import Record, text
from enricher.identity import keys
from enricher.identity.facts import Keyed
from enricher.identity.statements import issuance, published, sighting
from enricher.identity.workloads import permission_set_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.cloudtrail.record import Record


def console_anchor(record: Record) -> Iterator[Keyed]:
    """ConsoleLogin, SwitchRole, RenewRole (identity.md §1.4, §1.5)."""
    caller = record.caller
    if text(record.extra.get("SwitchTo")) or record.response.get(record.event_name) != "Success":
        return  # the source account's SwitchRole anchors nothing (rulings 17)
    used = text(record.extra.get("MFAUsed"))
    anchor = issuance(
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
    yield from published(anchor)
    signed_in_at = caller.created_at
    if signed_in_at and signed_in_at != record.at and caller.account_id and caller.principal_id:
        # The console goes on with the session that signed in, under that session's own time.
        key = keys.session(caller.account_id, caller.principal_id, signed_in_at)
        yield Keyed(key, anchor)
    minted = text(record.extra.get("signInSessionArn"))
    if minted:
        yield Keyed(keys.sign_in(minted), sighting(record))


def sign_in_token(record: Record) -> Iterator[Keyed]:
    """GetSigninToken: a program asks for a console session (identity.md §1.6)."""
    caller = record.caller
    if caller.account_id and caller.principal_id:
        yield Keyed(
            keys.began(caller.account_id, caller.principal_id, record.at),
            issuance(
                record,
                account_id=caller.account_id,
                principal_id=caller.principal_id,
                arn=caller.arn,
            ),
        )


def oauth_grant(record: Record) -> Iterator[Keyed]:
    """``aws login`` and agents: a grant by a console session (identity.md §1.9)."""
    caller = record.caller
    if caller.account_id and caller.principal_id and caller.created_at:
        key = keys.oauth(caller.account_id, caller.principal_id, caller.created_at)
        yield Keyed(key, sighting(record))
    minted = text(record.extra.get("signInSessionArn"))
    if minted:
        yield Keyed(keys.sign_in(minted), sighting(record))


def portal_call(record: Record) -> Iterator[Keyed]:
    """Identity Center's GetRoleCredentials and Federate (identity.md §1.10)."""
    details = {**record.request, **record.service_details}
    account_id = text(details.get("account_id")) or text(details.get("accountId"))
    role = text(details.get("role_name")) or text(details.get("roleName"))
    if account_id and role:
        permission_set = permission_set_of(role) or role
        yield Keyed(keys.portal(account_id, permission_set, record.at), sighting(record))
