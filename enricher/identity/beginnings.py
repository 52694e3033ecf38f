"""How a role session began: console, program or service (identity.md §5.1, P6 to P9).

A key match beats a time match (rulings 19).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.identity.model import UNKNOWN_ACCESS, Access, Confidence, Kind, Mode
from enricher.identity.origins import linked_role_service
from enricher.identity.portal import portal_calls
from enricher.identity.windows import fit_by_key
from enricher.identity.workloads import stamped_workload

if TYPE_CHECKING:
    from enricher.identity.facts import Issuance
    from enricher.identity.lookup import RoleSession

_WORKLOAD = Access(
    mode=Mode.PROGRAMMATIC, subtype="workload", confidence=Confidence.STRONG, codes=("P8",)
)
_SERVICE_ROLE = Access(
    mode=Mode.SERVICE, subtype="service_role", confidence=Confidence.STRONG, codes=("P8",)
)


def how_it_began(session: RoleSession) -> Access:
    """Say how the session began: P6 to P9 of identity.md §5.1; a key match beats a time match."""
    for fact in session.of_key:
        if fit_by_key(fact, session.caller, session.at):
            return _issued_access(fact)
    anchors = [f for f in session.of_second if f.access_key_id is None or f.internal]
    if anchors:
        return Access(
            mode=Mode.CONSOLE, subtype="direct", confidence=Confidence.STRONG, codes=("P6",)
        )
    portal = {call.event_name for call in portal_calls(session.walk.evidence, session.caller)}
    if portal == {"GetRoleCredentials"}:
        return Access(
            mode=Mode.PROGRAMMATIC, subtype="idc_cli", confidence=Confidence.STRONG, codes=("P9",)
        )
    if portal == {"Federate"}:
        return Access(
            mode=Mode.CONSOLE, subtype="direct", confidence=Confidence.STRONG, codes=("P9",)
        )
    workload = stamped_workload(session.caller)
    if workload is not None:
        return _WORKLOAD
    if linked_role_service(session.caller) is not None:
        return _SERVICE_ROLE
    for fact in session.of_second:
        if fact.service is not None or session.caller.invoked_by:
            return _issued_access(fact)
    return UNKNOWN_ACCESS


def _issued_access(fact: Issuance) -> Access:
    if fact.service is None:
        subtype = "sts"
        return Access(
            mode=Mode.PROGRAMMATIC, subtype=subtype, confidence=Confidence.STRONG, codes=("P7",)
        )
    if fact.workload_kind == Kind.AWS_SERVICE.value:
        return _SERVICE_ROLE
    return _WORKLOAD
