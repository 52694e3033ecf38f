"""Session ids, from one record alone: stable under any order of delivery (identity.md §3)."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from enricher.cloudtrail.times import day_of, format_time

if TYPE_CHECKING:
    from datetime import datetime

    from enricher.cloudtrail.caller import Caller

NO_SESSION_TYPES = frozenset({"AWSAccount", "SAMLUser", "WebIdentityUser", "AWSService"})


@lru_cache(maxsize=65_536)
def _hash(*parts: str) -> str:
    """Hash an unambiguous spelling of the parts; 32 hex digits are plenty for sessions."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def group_id(partition: str, account_id: str, principal_id: str, began_at: datetime) -> str:
    """Identify one sign-in or one assumed role: everything done in it, whatever the key."""
    return _hash("g1", partition, account_id, principal_id, format_time(began_at))


def synthetic_id(account_id: str, access_key_id: str, at: datetime) -> str:
    """Identify the use of one key on one UTC day, where no session was ever begun."""
    return _hash("k1", account_id, access_key_id, day_of(at))


def event_session_id(document_id: str) -> str:
    """Identify a record that has neither key nor session: it stands alone."""
    return _hash("e1", document_id)


def credential_id(session_id: str, access_key_id: str) -> str:
    """Identify one key in one session; separates two issued in the same second."""
    return _hash("c1", session_id, access_key_id)


def session_id_of(caller: Caller, at: datetime) -> str | None:
    """Give the session of a caller, None where it has none or nothing identifies it.

    Args:
        caller: Who acted, sign-in records with the creation time that they themselves set.
        at: ``eventTime``: long-term keys get one session per UTC day.
    """
    if caller.type in NO_SESSION_TYPES or not caller.account_id:
        return None
    if caller.created_at is not None and caller.principal_id:
        return group_id(caller.partition, caller.account_id, caller.principal_id, caller.created_at)
    if caller.access_key_id:
        return synthetic_id(caller.account_id, caller.access_key_id, at)
    return None
