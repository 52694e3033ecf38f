"""What is kept of containment, over memory and over OpenSearch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from enricher.cloudtrail.times import parse_time
from enricher.pipeline.documents import Period
from enricher.response.containment import plan
from enricher.response.containmentports import (
    Noted,
    Progress,
    StepResult,
    StepState,
    StepStatus,
)
from enricher.response.exposure import (
    Exposure,
    OriginSeen,
    RoleSeen,
    Subject,
    SubjectKind,
)
from enricher.response.plans import Action
from enricher.stores import templates
from enricher.stores.memory_containment import MemoryContainment
from enricher.stores.opensearch_containment import OpenSearchContainment
from enricher.stores.opensearch_ledger import AUDIT

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from enricher.response.containmentports import (
        Records,
    )
    from enricher.response.plans import Plan

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
STEP = "revoke-sessions/111122223333/role/Admin"


@pytest.fixture(params=["memory", "opensearch"])
def records(request: pytest.FixtureRequest) -> Records:
    """Each adapter, empty."""
    if request.param == "memory":
        return MemoryContainment()
    client = request.getfixturevalue("client")
    client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
    templates.install(client, Period.MONTH)
    return OpenSearchContainment(client)


def some_plan(made_at: datetime = AT) -> Plan:
    origin = {"status": "resolved", "kind": "iam_user", "arn": "arn:aws:iam::111122223333:user/a"}
    role = RoleSeen(arn="arn:aws:iam::111122223333:role/Admin", other_names=("<b>\u202e",))
    exposure = Exposure(origin=OriginSeen.of(origin), roles=(role,))
    return plan(Subject(SubjectKind.ORIGIN, "AIDA"), exposure, made_at)


def state(progress: Progress = Progress.APPLYING, **more: Any) -> StepState:  # noqa: ANN401
    return StepState(step_id=STEP, progress=progress, at="2026-03-02T08:00:00Z", **more)


def test_a_plan_comes_back_as_it_was(records: Records) -> None:
    made = some_plan()
    assert records.plan(made.id) is None
    records.keep(made, "one", AT)
    records.keep(made, "two", AT)
    assert records.plan(made.id) == made


def test_plans_are_listed_newest_first(records: Records) -> None:
    older, newer = some_plan(), some_plan(AT + timedelta(hours=1))
    for actor, made in (("one", older), ("two", newer), ("three", older)):
        records.keep(made, actor, parse_time(made.made_at) or AT)
    if isinstance(records, OpenSearchContainment):
        records._client.indices.refresh(index=AUDIT)
    found = records.newest(10)
    assert [(one.id, one.actor) for one in found] == [(newer.id, "two"), (older.id, "one")]
    assert (found[1].at, found[1].subject) == (AT, {"kind": "origin", "id": "AIDA"})
    assert records.newest(1) == found[:1]


def test_states_are_read_at_once(records: Records) -> None:
    made = some_plan()
    assert records.states(made) == {}
    begun = state(before={"status": "Active"}, policy={"Version": "2012-10-17"})
    assert records.begin(made.id, begun) == begun
    assert records.states(made) == {STEP: begun}
    ended = msgspec.structs.replace(begun, progress=Progress.APPLIED)
    records.finish(made.id, ended)
    assert records.states(made) == {STEP: ended}


@pytest.mark.parametrize("progress", [Progress.APPLYING, Progress.APPLIED])
def test_what_began_first_is_kept(records: Records, progress: Progress) -> None:
    """What was there before the first write is what undo goes by, not what a second finds."""
    first = state(before={"status": "Active"})
    records.begin("p", first)
    records.finish("p", msgspec.structs.replace(first, progress=progress))
    kept = records.begin("p", state(before={"status": "Inactive"}))
    assert kept == msgspec.structs.replace(first, progress=progress)


@pytest.mark.parametrize("progress", [Progress.UNDONE, Progress.REFUSED])
def test_what_ended_begins_anew(records: Records, progress: Progress) -> None:
    records.begin("p", state())
    records.finish("p", state(progress))
    again = state(before={"status": "Active"})
    assert records.begin("p", again) == again


def test_states_of_two_plans_are_apart(records: Records) -> None:
    records.begin("other", state(Progress.APPLIED))
    assert records.states(some_plan()) == {}


def noted(status: StepStatus, second: int = 0) -> Noted:
    result = StepResult(
        step_id=STEP,
        action=Action.REVOKE_SESSIONS,
        target="arn:aws:iam::111122223333:role/Admin",
        account_id="111122223333",
        status=status,
        holds=status is StepStatus.APPLIED,
        reason=None if status is StepStatus.APPLIED else "iam:PutRolePolicy AccessDenied",
        policy={"Version": "2012-10-17"},
    )
    return Noted(
        what="containment-apply",
        plan_id="p",
        actor="key:7",
        at=AT.replace(second=second),
        dry_run=False,
        result=result,
    )


def test_the_audit_can_be_searched(client: OpenSearch) -> None:
    client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
    templates.install(client, Period.MONTH)
    records = OpenSearchContainment(client)
    made = some_plan()
    records.keep(made, "key:7", AT)
    records.note([noted(StepStatus.FAILED), noted(StepStatus.APPLIED, 9)])
    records.note([noted(StepStatus.FAILED)])  # repeated: the same attempt
    client.indices.refresh(index=AUDIT)

    def found(**terms: object) -> list[dict[str, Any]]:
        query = {"bool": {"filter": [{"term": {name: value}} for name, value in terms.items()]}}
        body = {"query": query, "sort": ["at"]}
        hits = client.search(index=AUDIT, body=body)["hits"]["hits"]
        return [hit["_source"] for hit in hits]

    tried = found(what="containment-apply", account_id="111122223333", actor="key:7")
    assert [(one["status"], one["holds"]) for one in tried] == [
        ("failed", False),
        ("applied", True),
    ]
    assert tried[0]["reason"] == "iam:PutRolePolicy AccessDenied"
    (kept,) = found(what="containment-plan", plan_id=made.id)
    assert kept["plan"] == made.document()
    (of_subject,) = found(**{"subject.id": "AIDA"})
    assert of_subject == kept


def test_a_plan_that_was_changed_in_the_index_is_none(client: OpenSearch) -> None:
    """Nobody approved what it says now."""
    client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
    templates.install(client, Period.MONTH)
    records = OpenSearchContainment(client)
    made = some_plan()
    records.keep(made, "key:7", AT)
    client.indices.refresh(index=AUDIT)
    script = {"source": "ctx._source.plan.steps[0].target = 'arn:aws:iam::1:role/Other'"}
    client.update_by_query(
        index=AUDIT,
        body={"query": {"term": {"plan_id": made.id}}, "script": script},
        params={"refresh": "true"},
    )
    assert records.plan(made.id) is None
