"""Containment over HTTP: moto's server with IAM enforcement, a responder role in each account."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from opensearchpy import OpenSearch

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time
from enricher.pipeline.documents import Period
from enricher.response import contain
from enricher.response.containment import plan
from enricher.response.containmentports import (
    NoAnswerError,
    RefusedError,
    StepStatus,
    UnknownStepError,
)
from enricher.response.exposure import (
    AttachedPolicy,
    RoleSeen,
    Subject,
    SubjectKind,
)
from enricher.stores import templates
from enricher.stores.aws import AwsAccess
from enricher.stores.aws_containment import AwsResponder, ResponderRole
from enricher.stores.memory_containment import MemoryContainment
from enricher.stores.opensearch_containment import OpenSearchContainment
from enricher.stores.opensearch_ledger import AUDIT
from tests.integration.aws_house import (
    ALLOW_ALL,
    APPLIED_AT,
    DATA,
    HOME,
    MADE_AT,
    REGION,
    RESPONDER,
)
from tests.policies import is_denied

if TYPE_CHECKING:
    from enricher.response.contain import ContainServices
    from enricher.response.containmentports import Report, StepState
    from enricher.response.plans import Step
    from enricher.stack import Endpoints
    from tests.integration.aws_house import Scene


def statuses(report: Report) -> list[tuple[str, str]]:
    return [(result.step_id, result.status.value) for result in report.results]


def test_what_was_issued_before_is_denied_until_it_is_undone(scene: Scene) -> None:
    before = scene.everything()
    made = scene.plan()
    assert [scene.may_act(keys) for keys in (scene.alice, scene.admin, scene.deploy)] == [True] * 3

    report = scene.apply(made)
    assert report.failed == []
    required = [step.id for step in made.steps if not step.optional]
    assert report.changed == required
    assert report.holding == required
    assert [scene.may_act(keys) for keys in (scene.alice, scene.admin, scene.deploy)] == [False] * 3
    assert scene.everything()["keys"] == {scene.key_id: "Inactive"}

    undone = scene.undo(made)
    left = [step.id for step in made.steps if step.action == "delete-login-profile"]
    assert undone.changed == [one for one in reversed(required) if one not in left]
    assert undone.holding == left  # its password is lost
    assert scene.everything() == before
    assert [scene.may_act(keys) for keys in (scene.alice, scene.admin, scene.deploy)] == [True] * 3


def test_sessions_issued_later_are_allowed_and_keys_are_no_sessions(scene: Scene) -> None:
    """Moto takes this condition for fulfilled, so the policies that it keeps are evaluated here."""
    scene.apply(scene.plan())
    for account_id, role in ((HOME, "Admin"), (DATA, "Deploy")):
        kept = scene.inline(account_id, "Role", role).values()

        def denied(seconds: int, kept: Any = kept) -> bool:  # noqa: ANN401 - policies
            issued = format_time(APPLIED_AT + timedelta(seconds=seconds))
            return is_denied(kept, "s3:GetObject", aws__TokenIssueTime=issued)

        # Until it is applied, not until the plan was made: twenty minutes lie between.
        assert [denied(seconds) for seconds in (-3600, -600, -1, 0)] == [True] * 4
        assert [denied(seconds) for seconds in (1, 60, 3600)] == [False] * 3
        assert not is_denied(kept, "s3:GetObject")
    of_user = scene.inline(HOME, "User", "alice").values()
    assert is_denied(of_user, "s3:GetObject")  # her key, and tokens of any time
    later = format_time(APPLIED_AT + timedelta(hours=1))
    assert is_denied(of_user, "sts:GetSessionToken", aws__TokenIssueTime=later)


def test_a_second_apply_changes_nothing(scene: Scene) -> None:
    made = scene.plan()
    first = scene.apply(made)
    there = scene.everything()
    scene.clock.at += timedelta(hours=2)
    second = scene.apply(made)
    assert second.changed == []
    assert second.holding == first.holding
    assert {result.status for result in second.results if result.holds} == {StepStatus.HOLDS}
    assert scene.everything() == there


def test_a_dry_run_only_looks(scene: Scene) -> None:
    before = scene.everything()
    made = scene.plan()
    report = scene.apply(made, dry_run=True)
    required = {step.id for step in made.steps if not step.optional}
    assert {one for one, status in statuses(report) if status == "would-apply"} == required
    assert (report.changed, report.holding) == ([], [])
    assert scene.everything() == before
    assert scene.records.kept == {}
    assert {entry.dry_run for entry in scene.records.noted} == {True}
    assert scene.may_act(scene.deploy)


def test_an_account_that_refuses_is_said_and_the_others_hold(scene: Scene) -> None:
    scene.aws.enforce(on=False)
    scene.aws.admin(DATA).delete_role_policy(RoleName=RESPONDER, PolicyName="own")
    scene.aws.enforce(on=True)
    made = scene.plan()
    report = scene.apply(made)
    (refused,) = [result for result in report.results if result.status is StepStatus.FAILED]
    assert refused.step_id == f"revoke-sessions/{DATA}/role/Deploy"
    assert refused.reason == "iam:GetRolePolicy AccessDenied"
    assert refused.step_id not in report.holding
    assert [scene.may_act(keys) for keys in (scene.alice, scene.admin, scene.deploy)] == [
        False,
        False,
        True,
    ]

    scene.aws.enforce(on=False)
    scene.aws.admin(DATA).put_role_policy(
        RoleName=RESPONDER, PolicyName="own", PolicyDocument=ALLOW_ALL
    )
    scene.aws.enforce(on=True)
    again = scene.apply(made)
    assert again.changed == [refused.step_id]
    assert not scene.may_act(scene.deploy)


def test_undo_leaves_what_others_did(scene: Scene) -> None:
    """A key that was inactive before stays so; a policy that somebody changed since stays too."""
    scene.aws.enforce(on=False)
    scene.aws.admin(HOME).update_access_key(
        UserName="alice", AccessKeyId=scene.key_id, Status="Inactive"
    )
    scene.aws.enforce(on=True)
    made = scene.plan()
    report = scene.apply(made)
    key_step = f"deactivate-key/{HOME}/{scene.key_id}"
    assert (key_step, "holds") in statuses(report)
    (policy,) = [one for one in scene.inline(HOME, "Role", "Admin") if one != "own"]
    scene.aws.enforce(on=False)
    scene.aws.admin(HOME).put_role_policy(
        RoleName="Admin", PolicyName=policy, PolicyDocument=ALLOW_ALL
    )
    scene.aws.enforce(on=True)

    undone = scene.undo(made)
    assert (key_step, "nothing-to-undo") in statuses(undone)
    admin_step = f"revoke-sessions/{HOME}/role/Admin"
    (changed,) = [result for result in undone.results if result.step_id == admin_step]
    assert (changed.status, changed.reason) == (StepStatus.FAILED, "changed-since")
    assert scene.everything()["keys"] == {scene.key_id: "Inactive"}
    assert scene.inline(HOME, "Role", "Admin")[policy]["Statement"][0]["Effect"] == "Allow"


def test_two_plans_do_not_undo_each_other(scene: Scene) -> None:
    first = scene.plan()
    later = MADE_AT + timedelta(minutes=1)
    second = plan(Subject(SubjectKind.SESSION, "s-1"), scene.exposure(), later)
    contain.keep(second, scene.records, actor="tests", at=later)
    scene.apply(first)
    scene.apply(second)
    scene.undo(first)
    assert [scene.may_act(keys) for keys in (scene.alice, scene.admin, scene.deploy)] == [False] * 3
    scene.undo(second)
    assert scene.may_act(scene.admin)


def test_a_process_that_dies_between_write_and_note_is_taken_over(scene: Scene) -> None:
    made = scene.plan()

    class Dying(MemoryContainment):
        def finish(self, plan_id: str, state: StepState) -> None:  # noqa: ARG002
            raise KeyboardInterrupt

    dying = Dying()
    dying.plans, dying.kept = scene.records.plans, scene.records.kept
    # ``begin`` of the twin writes by ``finish``: only the later call is to die.
    dying.begin = scene.records.begin  # type: ignore[method-assign] # the other's
    with pytest.raises(KeyboardInterrupt):
        contain.apply(made.id, replace(scene.services, records=dying), actor="tests", dry_run=False)
    assert not scene.may_act(scene.alice)
    assert [state.progress for state in scene.records.kept.values()] == ["applying"]

    scene.clock.at += timedelta(minutes=5)
    report = scene.apply(made)
    assert report.results[0].status is StepStatus.HOLDS
    assert report.results[0].by_plan
    assert scene.undo(made).failed == []
    assert scene.may_act(scene.alice)


def test_optional_steps_are_applied_when_they_are_asked_for(scene: Scene) -> None:
    scene.aws.enforce(on=False)
    iam = scene.aws.admin(HOME)
    policy_arn = iam.create_policy(PolicyName="Extra", PolicyDocument=ALLOW_ALL)["Policy"]["Arn"]
    iam.attach_user_policy(UserName="alice", PolicyArn=policy_arn)
    iam.create_group(GroupName="ops")
    scene.aws.enforce(on=True)
    exposure = replace(
        scene.exposure(),
        attached=(
            AttachedPolicy(principal_arn=f"arn:aws:iam::{HOME}:user/alice", policy_arn=policy_arn),
        ),
        group_arns=(f"arn:aws:iam::{HOME}:group/ops",),
    )
    made = scene.plan(exposure)
    optional = [step.id for step in made.steps if step.optional]
    assert [one.split("/")[0] for one in optional] == [
        "deny-all",
        "deny-all",
        "deny-all",
        "detach-policy",
    ]
    report = scene.apply(made, include=optional)
    assert report.failed == []
    assert set(optional) <= set(report.changed)
    scene.aws.enforce(on=False)
    assert iam.list_attached_user_policies(UserName="alice")["AttachedPolicies"] == []
    scene.aws.enforce(on=True)
    assert set(optional) <= set(scene.undo(made).changed)
    scene.aws.enforce(on=False)
    (attached,) = iam.list_attached_user_policies(UserName="alice")["AttachedPolicies"]
    assert attached["PolicyArn"] == policy_arn
    assert iam.list_group_policies(GroupName="ops")["PolicyNames"] == []


def test_a_step_that_is_not_in_the_plan_is_refused(scene: Scene) -> None:
    made = scene.plan()
    with pytest.raises(UnknownStepError):
        scene.apply(made, include=["deny-all/1/role/Other"])


def test_what_is_gone_is_said(scene: Scene) -> None:
    exposure = replace(scene.exposure(), roles=(RoleSeen(arn=f"arn:aws:iam::{HOME}:role/Deleted"),))
    report = scene.apply(scene.plan(exposure), dry_run=True)
    (failed,) = [result for result in report.results if result.status is StepStatus.FAILED]
    assert (failed.step_id, failed.reason) == (
        f"revoke-sessions/{HOME}/role/Deleted",
        "target-missing",
    )


def test_the_responder_does_not_cut_itself_off(scene: Scene) -> None:
    role = RoleSeen(arn=f"arn:aws:iam::{HOME}:role/{RESPONDER}")
    report = scene.apply(scene.plan(replace(scene.exposure(), roles=(role,))))
    (failed,) = [result for result in report.results if result.status is StepStatus.FAILED]
    assert failed.reason == "responder-itself"


def test_calls_that_contain_nothing_are_not_made(scene: Scene) -> None:
    """Whoever can write to the index cannot have the responder do what he likes."""
    made = scene.plan()
    step = made.steps[0]
    forged = [
        _with(step, policy=codec.loads(ALLOW_ALL), PolicyDocument=ALLOW_ALL),
        _with(step, PolicyDocument=ALLOW_ALL),
        _with(step, UserName="enricher"),
        _with(step, operation="AttachUserPolicy"),
        _with(step, service="ec2"),
    ]
    for one in forged:
        with pytest.raises(RefusedError, match="call-not-allowed"):
            scene.responder.apply(one)
    assert set(scene.inline(HOME, "User", "alice")) == {"own"}


def _with(step: Step, **changes: Any) -> Step:  # noqa: ANN401 - of a call
    import msgspec  # noqa: PLC0415

    (call,) = step.calls
    own = {name: changes.pop(name) for name in ("service", "operation") if name in changes}
    policy = changes.pop("policy", step.policy)
    other = msgspec.structs.replace(call, **own, parameters={**call.parameters, **changes})
    return msgspec.structs.replace(step, calls=(other,), policy=policy)


def test_a_server_that_is_away_is_no_refusal(scene: Scene) -> None:
    access = AwsAccess(endpoint_url="http://127.0.0.1:9", region=REGION, max_attempts=1)
    away = AwsResponder(access, ResponderRole(name=RESPONDER), scene.clock.now)
    with pytest.raises(NoAnswerError, match="sts:AssumeRole EndpointConnectionError"):
        away.look(scene.plan().steps[0])
    report = contain.apply(scene.plan().id, replace(scene.services, responder=away), actor="tests")
    assert report.holding == []
    assert len(report.failed) == len([s for s in scene.plan().steps if not s.optional])


def test_processes_share_what_was_applied(scene: Scene, stack_endpoints: Endpoints) -> None:
    """Planned, applied, applied again and undone by four processes that share OpenSearch alone."""
    with closing(OpenSearch(stack_endpoints.opensearch_url, max_retries=0, timeout=60)) as client:
        client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
        templates.install(client, Period.MONTH)
        made = plan(Subject(SubjectKind.ORIGIN, "AIDAALICE"), scene.exposure(), MADE_AT)
        contain.keep(made, OpenSearchContainment(client), actor="tests", at=MADE_AT)

        def services() -> ContainServices:
            return replace(scene.services, records=OpenSearchContainment(client))

        first = contain.apply(made.id, services(), actor="one", dry_run=False)
        assert first.failed == []
        assert not scene.may_act(scene.deploy)
        scene.clock.at += timedelta(minutes=5)
        second = contain.apply(made.id, services(), actor="two", dry_run=False)
        assert (second.changed, second.holding) == ([], first.holding)
        scene.clock.at += timedelta(minutes=5)
        undone = contain.undo(made.id, services(), actor="three")
        assert undone.failed == []
        assert scene.may_act(scene.deploy)

        client.indices.refresh(index=AUDIT)
        query = {"query": {"term": {"what": "containment-apply"}}, "size": 100}
        entries = [hit["_source"] for hit in client.search(index=AUDIT, body=query)["hits"]["hits"]]
        who = sorted((entry["actor"], entry["status"]) for entry in entries)
        assert who == [*[("one", "applied")] * 6, *[("two", "holds")] * 6]
