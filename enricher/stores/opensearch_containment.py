"""Containment in the audit index: plans, what was applied of them, and who did what.

Three kinds of entries, by ``what``: ``containment-plan`` (one for each plan, never changed),
``containment-state`` (one for each step that began; what undo goes by) and ``containment-apply`` or
``containment-undo`` (one for each attempt, dry runs too; never changed).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time, parse_time
from enricher.errors import UnavailableError
from enricher.response.containmentports import KeptPlan, StepState
from enricher.response.plans import plan_of
from enricher.stores.opensearch_client import (
    CONFLICT,
    CREATED,
    OK,
    bulk,
    check_not_blocked,
    mget,
    translated,
)
from enricher.stores.opensearch_ledger import AUDIT
from enricher.stores.patience import TRIES, pause_before

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from opensearchpy import OpenSearch

    from enricher.response.containmentports import Noted
    from enricher.response.plans import Plan

PLAN, STATE = "containment-plan", "containment-state"


class OpenSearchContainment:
    """Plans and what was applied of them; every write is acknowledged before it returns."""

    def __init__(self, client: OpenSearch) -> None:
        self._client = client

    def keep(self, plan: Plan, actor: str, at: datetime) -> None:
        """Keep a plan; the first to keep it stands as its actor."""
        entry = {
            "what": PLAN,
            "at": format_time(at),
            "actor": actor,
            "plan_id": plan.id,
            "subject": plan.subject,
            "plan": plan.document(),
        }
        self._write("create", _plan_id(plan.id), entry)

    def plan(self, plan_id: str) -> Plan | None:
        """Give a plan; None where there is none, or its content is not what its id says."""
        found = self._read([_plan_id(plan_id)])
        plan = plan_of(found[0]["_source"]["plan"]) if found else None
        return plan if plan is not None and plan.id == plan_id else None

    def newest(self, most: int) -> list[KeptPlan]:
        """Give the newest plans, newest first."""
        body = {
            "size": most,
            "query": {"term": {"what": PLAN}},
            "sort": [{"at": "desc"}],
            "_source": ["plan_id", "subject", "actor", "at"],
        }
        with translated():
            # Who made a plan expects it in the list.
            self._client.indices.refresh(index=AUDIT)
            answer = self._client.search(index=AUDIT, body=body)
        found = (hit["_source"] for hit in answer["hits"]["hits"])
        return [kept for one in found if (kept := _kept(one))]

    def states(self, plan: Plan) -> dict[str, StepState]:
        """Give what was done of a plan, by step id."""
        found = self._read([_state_id(plan.id, step.id) for step in plan.steps])
        states = (_state(hit) for hit in found)
        return {state.step_id: state for state in states}

    def begin(self, plan_id: str, state: StepState) -> StepState:
        """Note that a step begins; give what is kept: where it had begun already, that."""
        document_id = _state_id(plan_id, state.step_id)
        for _ in range(TRIES):
            if self._write("create", document_id, _entry(plan_id, state)):
                return state
            (hit,) = self._read([document_id])
            kept = _state(hit)
            if kept.is_active:
                return kept
            seen = {"if_seq_no": hit["_seq_no"], "if_primary_term": hit["_primary_term"]}
            if self._write("index", document_id, _entry(plan_id, state), seen):
                return state
        raise UnavailableError("others keep changing this step of the plan: try again")

    def finish(self, plan_id: str, state: StepState) -> None:
        """Note how a step ended."""
        self._write("index", _state_id(plan_id, state.step_id), _entry(plan_id, state))

    def note(self, entries: Sequence[Noted]) -> None:
        """Add to the audit; the same attempt twice is one."""
        for entry in entries:
            result = entry.result
            document = {
                "what": entry.what,
                "at": format_time(entry.at),
                "actor": entry.actor,
                "plan_id": entry.plan_id,
                "dry_run": entry.dry_run,
                "step_id": result.step_id,
                "action": result.action.value,
                "target": result.target,
                "account_id": result.account_id,
                "status": result.status.value,
                "holds": result.holds,
                "reason": result.reason,
                "state": msgspec.to_builtins(result),
            }
            kept = {name: value for name, value in document.items() if value is not None}
            self._write("create", codec.digest([kept, entry.at.isoformat()]), kept)

    def _write(
        self,
        verb: str,
        document_id: str,
        entry: Mapping[str, Any],
        seen: Mapping[str, int] | None = None,
    ) -> bool:
        """Write one document; False where somebody else was faster."""
        action = {verb: {"_index": AUDIT, "_id": document_id, **(seen or {})}}
        lines = codec.dumps(action) + b"\n" + codec.dumps(entry) + b"\n"
        for attempt in range(TRIES):
            pause_before(attempt)
            (item,) = (one for answer in bulk(self._client, lines) for one in answer.values())
            check_not_blocked(item)
            if item["status"] in (OK, CREATED):
                return True
            if item["status"] == CONFLICT:
                return False
        raise UnavailableError("OpenSearch does not take what is to be kept for the record")

    def _read(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Read documents by id: as last written, refreshed or not."""
        return mget(self._client, [{"_index": AUDIT, "_id": one} for one in ids]) if ids else []


def _plan_id(plan_id: str) -> str:
    return codec.digest([PLAN, plan_id])


def _state_id(plan_id: str, step_id: str) -> str:
    return codec.digest([STATE, plan_id, step_id])


def _entry(plan_id: str, state: StepState) -> dict[str, Any]:
    return {
        "what": STATE,
        "at": state.at,
        "plan_id": plan_id,
        "step_id": state.step_id,
        "status": state.progress.value,
        "state": msgspec.to_builtins(state),
    }


def _kept(source: Mapping[str, Any]) -> KeptPlan | None:
    at = parse_time(source["at"])
    if at is None:
        return None
    return KeptPlan(id=source["plan_id"], subject=source["subject"], actor=source["actor"], at=at)


def _state(hit: Mapping[str, Any]) -> StepState:
    return msgspec.convert(hit["_source"]["state"], StepState)
