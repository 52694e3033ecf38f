"""Identity Center: whose session a reserved role's session is (rulings 8; identity.md §1.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from enricher.identity import keys
from enricher.identity.evidence import sightings
from enricher.identity.facts import Stamp
from enricher.identity.model import Confidence
from enricher.identity.workloads import permission_set

if TYPE_CHECKING:
    from enricher.cloudtrail.caller import Caller
    from enricher.identity.evidence import Evidence
    from enricher.identity.facts import Sighting


class PortalUser(NamedTuple):
    """An Identity Center user whom another record than the caller's own names."""

    user_id: str | None
    identity_store: str | None
    rule: str
    grade: Confidence
    event_id: str


def portal_user(evidence: Evidence, caller: Caller) -> PortalUser | None:
    """Find the user of an Identity Center session on its other records, else at the portal.

    L5c: ``onBehalfOf`` on another record of the session. L5b: the one who asked for this
    permission set, here, in this second; two who did leave it open.
    """
    for key in portal_keys(caller):
        facts = evidence.facts(key)
        stamps = [fact for fact in facts if isinstance(fact, Stamp)]
        if len(stamps) == 1:
            stamp = stamps[0]
            return PortalUser(
                stamp.user_id, stamp.identity_store, "L5c", Confidence.EXACT, stamp.event_id
            )
        calls = {(c.caller.user_id, c.caller.identity_store): c for c in sightings(facts)}
        if len(calls) == 1:
            ((user_id, store), call) = calls.popitem()
            return PortalUser(user_id, store, "L5b", Confidence.STRONG, call.event_id)
        if stamps or calls:
            return None
    return None


def portal_keys(caller: Caller) -> list[str]:
    """Give the keys that can name the user of an Identity Center session, strongest first."""
    permissions = permission_set(caller)
    if not (permissions and caller.account_id and caller.principal_id and caller.created_at):
        return []
    account_id, began_at = caller.account_id, caller.created_at
    return [
        keys.on_behalf(account_id, caller.principal_id, began_at),
        *(keys.portal(account_id, permissions, second) for second in keys.around(began_at)),
    ]


def portal_calls(evidence: Evidence, caller: Caller) -> list[Sighting]:
    """Find who asked Identity Center for this session's permission set in its second."""
    for key in portal_keys(caller)[1:]:
        found = sightings(evidence.facts(key))
        if found:
            return found
    return []
