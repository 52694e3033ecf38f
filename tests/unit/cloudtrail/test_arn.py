"""ARNs of every partition, roles and their sessions."""

from __future__ import annotations

import pytest

from enricher.cloudtrail.arn import Arn, parse_arn, partition_of_region, role_name, session_arn


def test_an_arn_has_six_parts() -> None:
    parsed = parse_arn("arn:aws:iam::111122223333:role/team/Deploy")
    assert parsed == Arn("aws", "iam", "", "111122223333", "role/team/Deploy")
    assert parsed.resource_type == "role"
    assert parsed.name == "Deploy"


def test_a_resource_may_hold_colons() -> None:
    parsed = parse_arn("arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/f:*")
    assert parsed is not None
    assert parsed.region == "eu-west-1"
    assert parsed.resource == "log-group:/aws/lambda/f:*"


def test_a_resource_without_a_path_is_its_own_type_and_name() -> None:
    parsed = parse_arn("arn:aws:iam::111122223333:root")
    assert parsed is not None
    assert (parsed.resource_type, parsed.name) == ("root", "root")


@pytest.mark.parametrize("text", [None, "", "arn:aws:iam", "arn:aws:iam::111122223333", "nonsense"])
def test_what_is_no_arn_is_none(text: str | None) -> None:
    assert parse_arn(text) is None
    assert role_name(text) is None


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("arn:aws:iam::111122223333:role/Deploy", "Deploy"),
        ("arn:aws:iam::111122223333:role/team/a/Deploy", "Deploy"),
        ("arn:aws:sts::111122223333:assumed-role/Deploy/alice", "Deploy"),
        ("arn:aws:sts::111122223333:assumed-role", None),
        ("arn:aws:iam::111122223333:user/alice", None),
        ("arn:aws:iam::111122223333:root", None),
    ],
)
def test_a_role_and_its_session_bear_the_same_role_name(arn: str, name: str | None) -> None:
    assert role_name(arn) == name


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b"])
def test_a_session_arn_keeps_the_partition_and_loses_the_path(partition: str) -> None:
    role = f"arn:{partition}:iam::111122223333:role/team/Deploy"
    session = f"arn:{partition}:sts::111122223333:assumed-role/Deploy/alice"
    assert session_arn(role, "alice") == session


@pytest.mark.parametrize("arn", ["nonsense", "arn:aws:iam::111122223333:user/alice"])
def test_only_a_role_has_sessions(arn: str) -> None:
    assert session_arn(arn, "alice") is None


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-west-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-east-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eusc-de-east-1", "aws-eusc"),
        ("", "aws"),
        (None, "aws"),
    ],
)
def test_a_region_tells_its_partition(region: str | None, partition: str) -> None:
    assert partition_of_region(region) == partition
