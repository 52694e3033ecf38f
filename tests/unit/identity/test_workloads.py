"""To which workload AWS issued credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enricher.cloudtrail.caller import parse_caller
from enricher.identity.model import Kind, Principal
from enricher.identity.workloads import (
    Workload,
    impersonates_instance,
    is_service_linked,
    issued_to,
    linked_service,
    permission_set_of,
    pod_id,
    service_label,
    session_tags,
    stamped_workload,
)
from tests.unit.identity.stories import HOME, role

if TYPE_CHECKING:
    from tests.unit.identity.stories import Json

ROLE = f"arn:aws:iam::{HOME}:role/Worker"
LINKED = f"arn:aws:iam::{HOME}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
LAMBDA = f"arn:aws:lambda:us-east-1:{HOME}:function:orders"
ORDERS = f"{HOME}:orders"
JOB = f"arn:aws:glue:us-east-1:{HOME}:job/nightly"
INSTANCE = f"arn:aws:ec2:us-east-1:{HOME}:instance/i-0abc"

# Services that run code of the customer; the session name is all that tells the workload.
CUSTOMER_CODE = (
    "airflow-env",
    "batch",
    "bedrock-agentcore",
    "build.apprunner",
    "codebuild",
    "credentials.iot",
    "ecs-tasks",
    "emr-serverless",
    "glue",
    "kinesisanalytics",
    "sagemaker",
    "ssm",
    "states",
    "tasks.apprunner",
)


@pytest.mark.parametrize(
    ("service", "session", "workload"),
    [
        ("ec2", "i-0abc", Workload(Kind.EC2_INSTANCE, "i-0abc", "i-0abc")),
        ("ec2", "other", Workload(Kind.AWS_SERVICE, "ec2.amazonaws.com", "ec2.amazonaws.com")),
        ("rds", "i-0abc", Workload(Kind.AWS_SERVICE, "rds.amazonaws.com", "rds.amazonaws.com")),
        ("lambda", "orders", Workload(Kind.LAMBDA_FUNCTION, f"{HOME}:orders", "orders")),
        (
            "lambda",
            "awslambda_744_20230710122532896",
            Workload(Kind.AWS_SERVICE, "lambda.amazonaws.com", "lambda.amazonaws.com"),
        ),
        ("rolesanywhere", "2A99", Workload(Kind.X509_SUBJECT, "2a99", "2a99")),
        ("pods.eks", "eks-main", Workload(Kind.WORKLOAD, "eks-main", "eks-main")),
        *((name, "job", Workload(Kind.WORKLOAD, "job", "job")) for name in CUSTOMER_CODE),
    ],
)
def test_a_service_hands_credentials_to(service: str, session: str, workload: Workload) -> None:
    assert issued_to(f"{service}.amazonaws.com", ROLE, session, HOME, {}) == workload


def test_a_pod_is_named_by_its_tags() -> None:
    tags = {
        "eks-cluster-arn": f"arn:aws:eks:us-east-1:{HOME}:cluster/main",
        "kubernetes-namespace": "shop",
        "kubernetes-service-account": "checkout",
        "kubernetes-pod-name": "checkout-1",
    }
    place = "main/shop/checkout/checkout-1"
    assert issued_to("pods.eks.amazonaws.com", ROLE, "eks-main", HOME, tags) == Workload(
        Kind.WORKLOAD, place, place
    )
    assert pod_id({**tags, "eks-cluster-name": "named"}) == "named/shop/checkout/checkout-1"
    assert pod_id({"kubernetes-pod-name": "checkout-1"}) == "///checkout-1"
    assert pod_id({"owner": "team"}) is None


def test_a_service_linked_role_is_the_services_own() -> None:
    assert issued_to("ec2.amazonaws.com", LINKED, "i-0abc", HOME, {}) == Workload(
        Kind.AWS_SERVICE, "ec2.amazonaws.com", "ec2.amazonaws.com"
    )
    assert linked_service(LINKED) == "config.amazonaws.com"
    assert is_service_linked(LINKED)


@pytest.mark.parametrize(
    "arn",
    [
        None,
        "no arn",
        ROLE,
        f"arn:aws:iam::{HOME}:role/aws-service-role/config.amazonaws.com",
        f"arn:aws:iam::{HOME}:user/aws-service-role/config.amazonaws.com/name",
        f"arn:aws:iam::{HOME}:role/service-role/config.amazonaws.com/name",
    ],
)
def test_other_roles_are_linked_to_no_service(arn: str | None) -> None:
    assert linked_service(arn) is None
    assert not is_service_linked(arn)


def test_a_service_has_one_label_in_every_partition() -> None:
    for host in ("pods.eks.amazonaws.com", "pods.eks.amazonaws.com.cn", "pods.eks"):
        assert service_label(host) == "pods.eks"


@pytest.mark.parametrize(
    ("request_", "tags"),
    [
        ({"tags": [{"key": "a", "value": "1"}, {"key": "b"}, {"value": "2"}, "c"]}, {"a": "1"}),
        ({"principalTags": {"a": "1", "b": 2}}, {"a": "1"}),
        ({"principalTags": {"a": "1"}, "tags": [{"key": "a", "value": "2"}]}, {"a": "2"}),
        ({"transitiveTags": {"a": "1"}}, {"a": "1"}),
        ({"tags": "a"}, {}),
        ({}, {}),
    ],
)
def test_session_tags_are_a_list_or_an_object(request_: Json, tags: dict[str, str]) -> None:
    assert session_tags(request_) == tags


def stamped(
    session: str, *, scope: Json | None = None, context: Json | None = None
) -> Principal | None:
    return stamped_workload(parse_caller(role("Worker", session, context=context, inScopeOf=scope)))


@pytest.mark.parametrize("member", ["credentialsIssuedTo", "sourceArn"])
@pytest.mark.parametrize(
    ("type_", "arn", "found"),
    [
        ("AWS::EC2::Instance", INSTANCE, Workload(Kind.EC2_INSTANCE, "i-0abc", "i-0abc")),
        ("AWS::Lambda::Function", LAMBDA, Workload(Kind.LAMBDA_FUNCTION, ORDERS, "orders")),
        ("AWS::Lambda::Function", f"{LAMBDA}:42", Workload(Kind.LAMBDA_FUNCTION, ORDERS, "orders")),
        ("AWS::Glue::Job", JOB, Workload(Kind.WORKLOAD, "nightly", "nightly")),
        ("AWS::Glue::Job", "nightly", Workload(Kind.WORKLOAD, "nightly", "nightly")),
    ],
)
def test_a_stamp_names_the_workload(member: str, type_: str, arn: str, found: Workload) -> None:
    assert stamped("any", scope={"issuerType": type_, member: arn}) == Principal(
        kind=found.kind, id=found.id, arn=arn, name=found.name, account_id=HOME, human=False
    )


def test_a_stamp_tells_the_account_where_the_caller_does_not() -> None:
    scope = {"issuerType": "AWS::Lambda::Function", "credentialsIssuedTo": LAMBDA}
    found = stamped_workload(parse_caller({"type": "AssumedRole", "inScopeOf": scope}))
    assert found is not None
    assert (found.id, found.account_id) == (f"{HOME}:orders", HOME)


@pytest.mark.parametrize(
    "scope",
    [{}, {"issuerType": "AWS::EC2::Instance"}, {"credentialsIssuedTo": INSTANCE}, None],
)
def test_half_a_stamp_names_nothing(scope: Json | None) -> None:
    assert stamped("i-0abc", scope=scope) is None


def test_delivery_to_an_instance_is_a_stamp_with_its_name() -> None:
    delivery = {"ec2RoleDelivery": "2.0"}
    assert stamped("i-0abc", context=delivery) == Principal(
        kind=Kind.EC2_INSTANCE, id="i-0abc", name="i-0abc", account_id=HOME, human=False
    )
    assert stamped("alice", context=delivery) is None


def test_a_session_may_bear_an_instances_name() -> None:
    assert impersonates_instance(parse_caller(role("Admin", "i-0abc")))
    assert not impersonates_instance(parse_caller(role("Admin", "i-0abc.example")))
    assert not impersonates_instance(parse_caller({"type": "IAMUser", "principalId": "AIDA"}))


@pytest.mark.parametrize(
    ("name", "permissions"),
    [
        ("AWSReservedSSO_Read_Only_0123456789abcdef", "Read_Only"),
        ("AWSReservedSSO_ReadOnly", "ReadOnly"),
        ("ReadOnly_0123456789abcdef", None),
        (None, None),
    ],
)
def test_a_reserved_role_bears_its_permission_set(
    name: str | None, permissions: str | None
) -> None:
    assert permission_set_of(name) == permissions
