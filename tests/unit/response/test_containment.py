"""Plans of containment: each kind of origin, each caveat, calls that AWS knows."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore import xform_name
from botocore.validate import ParamValidator

from enricher.identity.model import Confidence, Kind, Status
from enricher.response.containment import plan
from enricher.response.exposure import (
    AttachedPolicy,
    Exposure,
    HopSeen,
    KeySeen,
    OriginSeen,
    RoleSeen,
    Subject,
    SubjectKind,
    iam_principal,
)
from enricher.response.plans import Action, plan_of
from tests.policies import is_denied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.response.plans import AwsCall, Plan, Step

HOME, DATA = "111122223333", "444455556666"
AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ADMIN = f"arn:aws:iam::{HOME}:role/team/Admin"
ALICE = f"arn:aws:iam::{HOME}:user/people/alice"
KEY = "AKIAIOSFODNN7EXAMPLE"
CENTER_ROLE = (
    f"arn:aws:iam::{HOME}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef"
)


def origin(kind: Kind, **changes: Any) -> OriginSeen:  # noqa: ANN401 - fields of enriched.origin
    return OriginSeen.of(
        {
            "status": "resolved",
            "kind": kind.value,
            "id": "the-id",
            "account_id": HOME,
            "confidence": "exact",
            "evidence": ["e-0"],
            **changes,
        }
    )


def hop(role_arn: str = ADMIN, via: str = "AssumeRole", **changes: Any) -> HopSeen:  # noqa: ANN401
    role = iam_principal(role_arn)
    assert role is not None
    arn = f"arn:{role.partition}:sts::{role.account_id}:assumed-role/{role.name}/work"
    told = {
        "via": via,
        "arn": arn,
        "account_id": role.account_id,
        "event_id": "e-1",
        "confidence": "strong",
    }
    return HopSeen.of({**told, **changes})


def planned(exposure: Exposure) -> Plan:
    return plan(Subject(SubjectKind.ORIGIN, "the-id"), exposure, AT)


def ids(made: Plan, *, optional: bool = False) -> list[str]:
    return [step.id for step in made.steps if step.optional is optional]


def step_of(made: Plan, action: Action) -> Step:
    return next(step for step in made.steps if step.action is action)


def user(**changes: Any) -> Exposure:  # noqa: ANN401 - of the exposure
    whole: dict[str, Any] = {
        "origin": origin(Kind.IAM_USER, arn=ALICE, name="alice"),
        "chain": (hop(),),
        "roles": (RoleSeen(arn=ADMIN, other_origins=2, other_names=("bob", "carol")),),
        "keys": (KeySeen(id=KEY, user_arn=ALICE, evidence=("e-2",)),),
    }
    return Exposure(**{**whole, **changes})


# --- order, targets, evidence ---------------------------------------------------------------------


def test_a_user_is_cut_off_before_the_roles_that_were_assumed() -> None:
    deploy = f"arn:aws:iam::{DATA}:role/Deploy"
    made = planned(user(chain=(hop(), hop(deploy, event_id="e-9"))))
    assert ids(made) == [
        f"deny-all/{HOME}/user/alice",
        f"revoke-sessions/{HOME}/user/alice",
        f"deactivate-key/{HOME}/{KEY}",
        f"delete-login-profile/{HOME}/alice",
        f"revoke-sessions/{HOME}/role/Admin",
        f"revoke-sessions/{DATA}/role/Deploy",
    ]
    assert ids(made, optional=True) == [
        f"deny-all/{HOME}/role/Admin",
        f"deny-all/{DATA}/role/Deploy",
    ]
    deny, admin = made.steps[0], made.steps[4]
    assert (deny.target, deny.confidence, deny.evidence) == (ALICE, "exact", ("e-0",))
    assert (admin.target, admin.confidence, admin.evidence) == (ADMIN, "strong", ("e-1",))
    assert (admin.also_hits.origins, admin.also_hits.names) == (2, ("bob", "carol"))


def test_roles_below_the_chain_come_after_it() -> None:
    below = RoleSeen(arn=f"arn:aws:iam::{DATA}:role/Backup", evidence=("e-7",))
    made = planned(user(roles=(below,)))
    revoked = [one for one in ids(made) if one.startswith("revoke-sessions") and "role" in one]
    assert revoked == [f"revoke-sessions/{HOME}/role/Admin", f"revoke-sessions/{DATA}/role/Backup"]
    assert made.steps[-3].also_hits.origins is None
    assert "Nobody counted" in " ".join(made.steps[-3].caveats)


def test_a_key_made_for_somebody_else_is_deactivated_too() -> None:
    key = KeySeen(id=KEY, user_arn=f"arn:aws:iam::{DATA}:user/backup", created=True)
    step = step_of(planned(user(keys=(key,))), Action.DEACTIVATE_KEY)
    assert step.calls[0].parameters == {
        "UserName": "backup",
        "AccessKeyId": KEY,
        "Status": "Inactive",
    }
    assert step.why == "The subject made this key."
    assert step.confidence == "exact"


def test_policies_and_groups_are_offered() -> None:
    policy = "arn:aws:iam::aws:policy/AdministratorAccess"
    made = planned(
        user(
            attached=(AttachedPolicy(principal_arn=ADMIN, policy_arn=policy),),
            group_arns=(f"arn:aws:iam::{HOME}:group/ops",),
        )
    )
    assert ids(made, optional=True)[1:] == [
        f"deny-all/{HOME}/group/ops",
        f"detach-policy/{HOME}/role/Admin/{policy}",
    ]
    detach = step_of(made, Action.DETACH_POLICY)
    assert [call.operation for call in (*detach.calls, *detach.undo.calls)] == [
        "DetachRolePolicy",
        "AttachRolePolicy",
    ]


# --- caveats --------------------------------------------------------------------------------------


def test_tokens_that_outlive_the_key_are_said_and_denied() -> None:
    made = planned(user(chain=(hop(via="GetFederationToken", arn=None),)))
    assert "outlive" in " ".join(made.steps[0].caveats)
    assert any("GetFederationToken" in note for note in made.notes)
    for issued in ("2026-03-01T00:00:00Z", "2026-03-05T00:00:00Z"):
        assert is_denied([_policy(made.steps[0])], "s3:ListBucket", aws__TokenIssueTime=issued)


def test_identity_center_is_asked_where_its_roles_cannot_be_edited() -> None:
    center = origin(Kind.IDC_USER, id="u-1", name="alice@example.com")
    made = planned(Exposure(origin=center, chain=(hop(CENTER_ROLE),)))
    assert [step.action.value for step in made.steps] == [
        "deny-identity-center-user",
        "end-portal-sessions",
        "remove-assignment",
    ]
    assert all(step.manual for step in made.steps)
    assert "UnmodifiableEntity" in made.steps[2].caveats[0]
    policy = _policy(made.steps[0])
    assert is_denied([policy], "s3:ListBucket", identitystore__userId="u-1")
    assert not is_denied([policy], "s3:ListBucket", identitystore__userId="u-2")
    assert not is_denied([policy], "s3:ListBucket")


def test_an_identity_center_user_without_id_is_looked_up() -> None:
    center = origin(Kind.IDC_USER, id=None, name="alice@example.com")
    step = planned(Exposure(origin=center)).steps[0]
    assert step.calls[0].operation == "ListUsers"
    assert step.target.startswith("<")


def test_root_of_a_member_account() -> None:
    made = planned(Exposure(origin=origin(Kind.ROOT, id=HOME, arn=f"arn:aws:iam::{HOME}:root")))
    assert [step.action.value for step in made.steps] == [
        "delete-root-credentials",
        "deny-root",
        "secure-root",
    ]
    policy = _policy(made.steps[1])
    root = {"aws__PrincipalArn": f"arn:aws:iam::{HOME}:root"}
    assert is_denied([policy], "s3:ListBucket", **root)
    assert not is_denied([policy], "s3:ListBucket", aws__PrincipalArn=ADMIN)


def test_root_of_the_management_account_is_out_of_reach_of_policies() -> None:
    made = planned(
        Exposure(origin=origin(Kind.ROOT, id=HOME), organization_management_account=HOME)
    )
    assert [step.action.value for step in made.steps] == ["secure-root"]


def test_a_session_of_assume_root_ends_by_itself() -> None:
    root = HopSeen.of({"via": "AssumeRoot", "account_id": DATA, "event_id": "e-5"})
    made = planned(user(chain=(hop(), root)))
    step = step_of(made, Action.WAIT_FOR_ROOT_SESSION)
    assert step.target == f"arn:aws:iam::{DATA}:root"
    assert "15 minutes" in step.caveats[0]
    assert f"revoke-sessions/{HOME}/role/Admin" in ids(made)


def test_a_service_linked_role_cannot_be_edited() -> None:
    arn = f"arn:aws:iam::{HOME}:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX"
    made = planned(user(chain=(), roles=(RoleSeen(arn=arn),)))
    assert not any("AWSServiceRoleForX" in step.id for step in made.steps)
    assert any("service-linked" in note for note in made.notes)


def test_a_name_alone_makes_no_service_linked_role() -> None:
    """Whoever names a role so does not escape."""
    arn = f"arn:aws:iam::{HOME}:role/AWSServiceRoleForX"
    made = planned(user(chain=(hop(arn),), roles=(RoleSeen(arn=arn),)))
    assert f"revoke-sessions/{HOME}/role/AWSServiceRoleForX" in ids(made)
    made = planned(user(chain=(hop(arn),), roles=()))
    step = next(step for step in made.steps if "AWSServiceRoleForX" in step.id)
    assert any("UnmodifiableEntity" in caveat for caveat in step.caveats)


def test_a_role_of_another_account_is_its_owners() -> None:
    made = planned(user(own_accounts=frozenset({DATA})))
    assert {step.action.value for step in made.steps} == {"ask-other-account"}
    assert all(step.manual for step in made.steps)


@pytest.mark.parametrize(
    ("kind", "actions"),
    [
        (Kind.EC2_INSTANCE, ["quarantine-instance"]),
        (Kind.LAMBDA_FUNCTION, ["stop-function"]),
        (Kind.WORKLOAD, ["stop-workload"]),
        (Kind.SAML_SUBJECT, ["disable-at-identity-provider"]),
        (Kind.OIDC_SUBJECT, ["disable-at-identity-provider"]),
        (Kind.X509_SUBJECT, ["revoke-certificate"]),
        (Kind.COGNITO_IDENTITY, ["disable-cognito-user"]),
        (Kind.AWS_SERVICE, ["find-service-caller"]),
        (Kind.DELEGATED_PROVIDER, ["end-delegation"]),
        (Kind.EXTERNAL_IAM_USER, ["ask-other-account"]),
        (Kind.EXTERNAL_ROLE_SESSION, ["ask-other-account"]),
        (Kind.ASSERTED, ["find-origin"]),
        (Kind.ANONYMOUS, []),
        (Kind.UNKNOWN_ISSUER, []),
    ],
)
def test_people_contain_what_policies_do_not_reach(kind: Kind, actions: list[str]) -> None:
    made = planned(Exposure(origin=origin(kind), chain=(hop(),)))
    required = [step for step in made.steps if not step.optional]
    assert [step.action.value for step in required] == [*actions, "revoke-sessions"]
    assert all(step.manual for step in required[:-1])
    assert all(step.target and step.verification.expect and step.undo.what for step in made.steps)


@pytest.mark.parametrize("kind", [Kind.EC2_INSTANCE, Kind.LAMBDA_FUNCTION, Kind.WORKLOAD])
def test_new_credentials_keep_coming_to_a_workload(kind: Kind) -> None:
    made = planned(Exposure(origin=origin(kind), chain=(hop(),)))
    assert "keeps issuing credentials" in " ".join(made.steps[0].caveats)
    assert "gets new ones" in " ".join(step_of(made, Action.REVOKE_SESSIONS).caveats)


def test_a_workload_is_stopped_where_it_runs() -> None:
    seen = origin(Kind.EC2_INSTANCE, id="i-0123456789abcdef0")
    step = planned(Exposure(origin=seen, region="eu-west-1")).steps[0]
    assert step.calls[1].command == (
        "aws ec2 modify-instance-attribute --region eu-west-1 --instance-id i-0123456789abcdef0 "
        "--groups '<security group without rules>'"
    )


@pytest.mark.parametrize(
    "kind", [Kind.SAML_SUBJECT, Kind.OIDC_SUBJECT, Kind.X509_SUBJECT, Kind.EXTERNAL_IAM_USER]
)
def test_the_door_of_those_from_outside_can_be_closed(kind: Kind) -> None:
    made = planned(Exposure(origin=origin(kind), chain=(hop(),)))
    step = step_of(made, Action.CLOSE_TRUST)
    assert (step.target, step.optional, step.manual) == (
        f"arn:aws:iam::{HOME}:role/Admin",
        True,
        True,
    )


# --- never a guess --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.AMBIGUOUS, Status.CONFLICT, Status.UNKNOWN])
def test_nobody_is_cut_off_who_is_not_known(status: Status) -> None:
    seen = origin(Kind.IAM_USER, arn=ALICE, status=status.value, candidates=[{}, {}])
    made = planned(user(origin=seen, keys=()))
    assert ids(made) == [f"revoke-sessions/{HOME}/role/Admin"]
    assert any("origin" in note for note in made.notes)
    assert any("optional denial" in caveat for caveat in made.steps[0].caveats)


def test_confidence_is_carried_and_said() -> None:
    made = planned(user(origin=origin(Kind.IAM_USER, arn=ALICE, confidence="moderate")))
    assert made.steps[0].confidence == "moderate"
    assert [step.optional for step in made.steps[:5]] == [True, True, True, True, False]
    assert any("moderate confidence" in note for note in made.notes)
    assert made.origin["confidence"] == "moderate"


def test_a_user_without_arn_is_not_guessed() -> None:
    made = planned(user(origin=origin(Kind.IAM_USER, arn=None), keys=(), chain=(), roles=()))
    assert made.steps == ()
    assert any("list-users" in note for note in made.notes)


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:iam::{HOME}:role/$(reboot)",
        f"arn:aws:iam::{HOME}:role/a b",
        "arn:aws:iam::1234:role/Admin",
        f"arn:evil:iam::{HOME}:role/Admin",
        f"arn:aws:iam::{HOME}:role/\u202enimdA",
        f"arn:aws:iam::{HOME}:role/",
        f"arn:aws:s3::{HOME}:role/Admin",
        "",
    ],
)
def test_what_iam_could_not_have_written_is_not_called(arn: str) -> None:
    made = planned(user(chain=(), roles=(RoleSeen(arn=arn),)))
    assert not any(
        step.action is Action.REVOKE_SESSIONS and "role" in step.id for step in made.steps
    )
    assert any("nothing is planned" in note for note in made.notes)


def test_a_plan_says_by_its_id_what_it_is() -> None:
    made = planned(user())
    assert plan_of(made.document()) == made
    assert planned(user()) == made
    assert plan_of({**made.document(), "made_at": "2026-03-02T09:00:00Z"}) is None
    assert plan_of({"id": "x"}) is None
    later = plan(Subject(SubjectKind.ORIGIN, "the-id"), user(), AT.replace(hour=9))
    assert later.id != made.id
    assert [step.id for step in later.steps] == [step.id for step in made.steps]


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_other_partitions_keep_their_arns(partition: str) -> None:
    arn = f"arn:{partition}:iam::{HOME}:role/Admin"
    made = planned(user(chain=(hop(arn),), roles=()))
    assert step_of(made, Action.REVOKE_SESSIONS).target == ALICE
    assert made.steps[4].target == arn


# --- calls ----------------------------------------------------------------------------------------


def every_plan() -> Iterator[Plan]:
    chain = (hop(), hop(CENTER_ROLE), HopSeen.of({"via": "AssumeRoot", "account_id": DATA}))
    for kind in Kind:
        for seen in (origin(kind, arn=ALICE), origin(kind, id=None, arn=ALICE)):
            yield planned(
                user(
                    origin=seen,
                    chain=chain,
                    attached=(
                        AttachedPolicy(
                            principal_arn=ADMIN,
                            policy_arn="arn:aws:iam::aws:policy/PowerUserAccess",
                        ),
                    ),
                    group_arns=(f"arn:aws:iam::{HOME}:group/ops",),
                )
            )


def every_call() -> list[AwsCall]:
    found: dict[str, AwsCall] = {}
    for made in every_plan():
        for step in made.steps:
            for call in (*step.calls, *step.verification.calls, *step.undo.calls):
                found.setdefault(f"{call.service}:{call.operation}:{call.command}", call)
    return list(found.values())


def test_every_call_is_one_that_aws_knows_with_its_parameters() -> None:
    session = boto3.session.Session()
    for call in every_call():
        client = session.client(  # type: ignore[call-overload] # names of the plans
            call.service,
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",  # noqa: S106
        )
        operation = client.meta.service_model.operation_model(call.operation)
        shape = operation.input_shape
        report = ParamValidator().validate(dict(call.parameters), shape) if shape else None
        assert report is None or not report.has_errors(), (call, report.generate_report())
        words = shlex.split(call.command)
        assert words[:3] == [
            "aws",
            call.service,
            xform_name(call.operation, "-"),
        ]
        for name in call.parameters:
            assert f"--{xform_name(name, '-')}" in words


def test_every_step_says_how_to_see_and_undo_it() -> None:
    for made in every_plan():
        assert len({step.id for step in made.steps}) == len(made.steps)
        for step in made.steps:
            assert step.why
            assert step.verification.expect
            assert step.undo.what
            assert step.also_hits.what
            assert step.manual or (step.calls and step.undo.calls and step.verification.calls)
            assert step.references or step.manual


def _policy(step: Step) -> dict[str, Any]:
    assert step.policy is not None
    return step.policy


def test_a_confidence_that_is_none_of_ours_is_none() -> None:
    assert OriginSeen.of({"confidence": "certain"}).confidence is Confidence.NONE
