"""Evidence keys: under which words a fact can be found, and waited for (design §5)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from enricher.cloudtrail.times import SECOND, day_of, format_time

if TYPE_CHECKING:
    from datetime import datetime


def issued(access_key_id: str) -> str:
    """Issuances of a key id; a list, for key ids recur (identity.md §2.3)."""
    return f"issued/{access_key_id}"


def session(account_id: str, principal_id: str, began_at: datetime) -> str:
    """What began a session of that principal in that second."""
    return f"session/{account_id}/{principal_id}/{format_time(began_at)}"


def began(account_id: str, principal_id: str, day: datetime) -> str:
    """What began for that principal on that UTC day, for those who know no creation time."""
    return f"began/{account_id}/{principal_id}/{day_of(day)}"


def shared(shared_event_id: str) -> str:
    """The caller of an event that was copied into several accounts."""
    return f"shared/{shared_event_id}"


def request(request_id: str) -> str:
    """The agent's tool call behind a request, and copies of it without a shared id."""
    return f"request/{request_id}"


def sign_in(session_arn: str) -> str:
    """The sign-in or grant that minted that sign-in session."""
    return f"signin/{session_arn}"


def on_behalf(account_id: str, principal_id: str, began_at: datetime) -> str:
    """The Identity Center user stamped on a record of that session."""
    return f"onbehalf/{account_id}/{principal_id}/{format_time(began_at)}"


def portal(account_id: str, permission_set: str, at: datetime) -> str:
    """Who asked Identity Center for that permission set in that account in that second."""
    return f"idc/{account_id}/{permission_set}/{format_time(at)}"


def oauth(account_id: str, principal_id: str, began_at: datetime) -> str:
    """A token grant (``aws login``) made by that session."""
    return f"oauth/{account_id}/{principal_id}/{format_time(began_at)}"


def long_term(access_key_id: str) -> str:
    """Who created a long-term key."""
    return f"longterm/{access_key_id}"


def name(unique_id: str) -> str:
    """The ARNs seen for a unique id (AIDA…, AROA…)."""
    return f"name/{unique_id}"


def used(account_id: str, principal_id: str, at: datetime) -> str:
    """The long-term keys that a user used on a UTC day."""
    return f"used/{account_id}/{principal_id}/{day_of(at)}"


def endpoint(vpc_endpoint_id: str) -> str:
    """AWS itself owns that VPC endpoint."""
    return f"endpoint/{vpc_endpoint_id}"


def around(at: datetime) -> tuple[datetime, datetime, datetime]:
    """Give the second itself, then its neighbours: the skew that rulings 6 allow."""
    return at, at - SECOND, at + SECOND


def days_back(at: datetime, span: timedelta) -> tuple[datetime, ...]:
    """Give an instant on each UTC day from ``at`` back over ``span``, newest first."""
    first = (at - span).date()
    days = (at.date() - first).days
    return tuple(at - timedelta(days=n) for n in range(days + 1))
