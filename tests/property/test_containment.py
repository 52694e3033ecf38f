"""Whatever the events say, a plan is one, its policies fit, and nothing unplanned is called."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time
from enricher.identity.model import Confidence, Kind, Status
from enricher.response import policies
from enricher.response.contain import written_at
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
)
from enricher.response.plans import Action, plan_of
from tests.policies import is_denied

if TYPE_CHECKING:
    from enricher.response.plans import AwsCall, Plan

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
hostile = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
accounts = st.sampled_from(["111122223333", "444455556666"]) | hostile
names = st.from_regex(r"[\w+=,.@-]{1,64}", fullmatch=True) | st.sampled_from(
    ["Admin", "AWSReservedSSO_A_0123456789abcdef", "AWSServiceRoleForX"]
)
paths = st.sampled_from(["", "team/", "aws-service-role/x.amazonaws.com/"])
partitions = st.sampled_from(["aws", "aws-cn", "aws-us-gov", "evil"])


def arns(kind: str) -> st.SearchStrategy[str]:
    built = st.builds(
        lambda partition, account, path, name: (
            f"arn:{partition}:iam::{account}:{kind}/{path}{name}"
        ),
        partitions,
        accounts,
        paths,
        names | hostile,
    )
    return built | hostile


events = st.lists(hostile, max_size=3).map(tuple)
confidences = st.sampled_from(Confidence)
origins = st.builds(
    lambda document, evidence: OriginSeen.of({**document, "evidence": list(evidence)}),
    st.fixed_dictionaries(
        {
            "status": st.sampled_from([one.value for one in Status]),
            "kind": st.sampled_from([one.value for one in Kind]),
            "confidence": st.sampled_from([one.word for one in Confidence]),
        },
        optional={
            "id": hostile,
            "arn": arns("user"),
            "name": hostile,
            "account_id": accounts,
        },
    ),
    events,
)
hops = st.builds(
    HopSeen,
    via=st.sampled_from(["AssumeRole", "AssumeRoot", "GetFederationToken"]) | hostile,
    arn=st.none() | arns("role"),
    account_id=st.none() | accounts,
    event_id=st.none() | hostile,
    confidence=confidences,
)
roles = st.builds(
    RoleSeen,
    arn=arns("role"),
    other_origins=st.none() | st.integers(0, 10_000),
    other_names=st.lists(hostile, max_size=30).map(tuple),
    evidence=events,
    confidence=st.none() | confidences,
)
keys = st.builds(
    KeySeen,
    id=st.from_regex(r"AKIA[A-Z0-9]{16}", fullmatch=True) | hostile,
    user_arn=arns("user"),
    created=st.booleans(),
    evidence=events,
)
attachments = st.builds(
    AttachedPolicy, principal_arn=arns("user") | arns("role"), policy_arn=arns("policy")
)
exposures = st.builds(
    Exposure,
    origin=origins,
    chain=st.lists(hops, max_size=4).map(tuple),
    roles=st.lists(roles, max_size=5).map(tuple),
    keys=st.lists(keys, max_size=4).map(tuple),
    attached=st.lists(attachments, max_size=3).map(tuple),
    group_arns=st.lists(arns("group"), max_size=2).map(tuple),
    own_accounts=st.none() | st.just(frozenset({"111122223333"})),
)


def planned(exposure: Exposure) -> Plan:
    return plan(Subject(SubjectKind.SESSION, "s"), exposure, AT)


@given(exposures, st.randoms(use_true_random=False))
def test_the_order_of_what_was_seen_does_not_matter(exposure: Exposure, random: object) -> None:
    shuffled = {}
    for name in ("roles", "keys", "attached", "group_arns"):
        items = list(getattr(exposure, name))
        random.shuffle(items)  # type: ignore[attr-defined] # Hypothesis gives a Random
        shuffled[name] = tuple(items)
    other = Exposure(
        origin=exposure.origin,
        chain=exposure.chain,
        own_accounts=exposure.own_accounts,
        roles=shuffled["roles"],
        keys=shuffled["keys"],
        attached=shuffled["attached"],
        group_arns=shuffled["group_arns"],
    )
    assert planned(other) == planned(exposure)


@given(exposures)
def test_a_plan_survives_being_kept(exposure: Exposure) -> None:
    made = planned(exposure)
    assert plan_of(codec.loads(codec.dumps(made.document()))) == made


@given(exposures)
def test_policies_are_json_that_denies_within_the_limits(exposure: Exposure) -> None:
    for step in planned(exposure).steps:
        for call in step.calls:
            text = call.parameters.get("PolicyDocument", call.parameters.get("Content"))
            if text is None or step.policy is None:
                continue
            assert codec.loads(text) == step.policy
            assert {one["Effect"] for one in step.policy["Statement"]} == {"Deny"}
            kind = step.target.split(":")[-1].split("/")[0]
            assert len(text) < policies.INLINE_LIMITS.get(kind, policies.SCP_LIMIT)


@given(exposures)
def test_a_user_has_room_for_all_policies_of_a_plan(exposure: Exposure) -> None:
    used: dict[str, int] = {}
    for step in planned(exposure).steps:
        for call in step.calls:
            if call.operation == "PutUserPolicy":
                size = len(call.parameters["PolicyDocument"])
                used[step.target] = used.get(step.target, 0) + size
    assert all(size <= policies.INLINE_LIMITS["user"] for size in used.values())


@given(exposures)
def test_what_is_called_is_spelt_as_iam_spells_it(exposure: Exposure) -> None:
    """Hostile values may be shown; they are never a parameter of a call that is made."""
    for step in planned(exposure).steps:
        assert len(shlex.split(" ; ".join(_commands(step.calls)))) >= len(step.calls)
        if step.manual:
            continue
        assert step.account_id is not None
        assert step.account_id.isascii()
        assert step.account_id.isdigit()
        for call in (*step.calls, *step.undo.calls, *step.verification.calls):
            assert all(str(value).isascii() for value in call.parameters.values())
            assert all(str(value).isprintable() for value in call.parameters.values())


def _commands(calls: tuple[AwsCall, ...]) -> list[str]:
    return [call.command for call in calls]


@given(exposures)
def test_nobody_is_cut_off_on_less_than_a_settled_origin(exposure: Exposure) -> None:
    if exposure.origin.status in (Status.RESOLVED, Status.EXTERNAL):
        return
    assert not [
        step
        for step in planned(exposure).steps
        if step.action in (Action.DENY_ALL, Action.DELETE_LOGIN_PROFILE) and not step.optional
    ]


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(-100_000, 100_000),
)
def test_sessions_end_that_were_issued_up_to_the_moment(now: datetime, seconds: int) -> None:
    exposure = Exposure(
        origin=OriginSeen.of({"kind": "saml_subject"}),
        roles=(RoleSeen(arn="arn:aws:iam::111122223333:role/Admin"),),
    )
    step = written_at(planned(exposure).steps[0], now)
    assert step.policy is not None
    assert codec.loads(step.calls[0].parameters["PolicyDocument"]) == step.policy
    issued = (now + timedelta(seconds=seconds)).replace(microsecond=0)
    denied = is_denied([step.policy], "s3:ListBucket", aws__TokenIssueTime=format_time(issued))
    assert denied is (issued <= now)
