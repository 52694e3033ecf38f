"""What the evidence holds on one role session, looked up once for all rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from enricher.cloudtrail.times import format_time
from enricher.identity import keys
from enricher.identity.evidence import issuances
from enricher.identity.hops import first_session
from enricher.identity.model import Confidence, Kind
from enricher.identity.origins import issued_workload, resolved
from enricher.identity.sessions import session_id_of

if TYPE_CHECKING:
    from datetime import datetime

    from enricher.cloudtrail.caller import Caller
    from enricher.identity.evidence import Issue
    from enricher.identity.facts import Issuance
    from enricher.identity.model import Lineage
    from enricher.identity.walk import Path, Walk


def foreseen(caller: Caller) -> list[str]:
    """Name evidence keys that resolving a caller asks for, as far as the caller alone tells.

    Who loads them beforehand is spared a round; what is missing here is loaded when it is asked
    for.
    """
    found = session_keys(caller)
    if caller.access_key_id:
        known_by = keys.long_term if caller.has_long_term_key else keys.issued
        found.append(known_by(caller.access_key_id))
    return found


def session_keys(caller: Caller) -> list[str]:
    """Name the keys under which the beginning of a session is found: the likeliest goes first."""
    if not (caller.account_id and caller.principal_id and caller.created_at):
        return []
    by_id = [
        keys.session(caller.account_id, caller.principal_id, second)
        for second in keys.around(caller.created_at)
    ]
    if caller.arn is None:
        return by_id
    # Where the issuing record names no id, the second itself and the ARN must do.
    return [
        by_id[0],
        keys.session(caller.account_id, caller.arn, caller.created_at),
        *by_id[1:],
    ]


class RoleSession:
    """What the evidence holds on one role session, looked up once and asked by every rule."""

    def __init__(self, walk: Walk, caller: Caller, at: datetime, path: Path) -> None:
        self.walk = walk
        self.caller = caller
        self.at = at
        self.path = path
        self.session_id = session_id_of(caller, at)
        facts = walk.evidence.facts
        key_id = caller.access_key_id
        self.of_key = issuances(facts(keys.issued(key_id))) if key_id else []
        self.session_keys = session_keys(caller)
        self.skewed = False
        self.of_second: list[Issuance] = []
        for key in self.session_keys:
            self.of_second = issuances(facts(key))
            if self.of_second:
                self.skewed = not key.endswith(format_time(caller.created_at or at))
                break

    def behind(self, issue: Issue) -> Lineage:
        """Say who is behind an issuance: its workload, its caller, or a caller out of sight."""
        fact = issue.fact
        principal = issued_workload(fact)
        if principal is not None:
            if principal.account_id is None and principal.kind is not Kind.AWS_SERVICE:
                principal = replace(principal, account_id=self.caller.account_id)
            return first_session(resolved(principal, "L1", Confidence.EXACT))
        if fact.caller.type == "AWSAccount":
            origin = self.walk.external(
                fact.caller, fact.at, fact.shared_event_id, issue.switched_from
            )
            waiting = {keys.shared(fact.shared_event_id)} if fact.shared_event_id else set()
            if fact.caller.principal_id:
                waiting.add(keys.name(fact.caller.principal_id.partition(":")[0]))
            lineage = first_session(origin, complete=False)
            return replace(lineage, waiting=frozenset(waiting), chain_seen=False)
        return self.walk.lineage(fact.caller, fact.at, self.path)
