"""Targets are bounded, each once, and the same however the JSON was ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enricher.enrichers.oracle import enrich_all
from enricher.enrichers.target import (
    CUT,
    LONGEST_ARN,
    LONGEST_NAME,
    MOST_ACCOUNTS,
    MOST_ARNS,
    MOST_NAMES,
    TargetEnricher,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


def answer(**members: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any member
    record = {"eventTime": "2026-03-01T12:00:00Z", "recipientAccountId": "111111111111", **members}
    return enrich_all([record], enrichers=(TargetEnricher(),))[0].enriched


def test_many_targets_are_cut_and_it_is_noted() -> None:
    arns = [f"arn:aws:sqs:us-east-1:{n:012}:queue" for n in range(MOST_ARNS + 1)]
    found = answer(requestParameters={"things": arns, "thingIds": [str(n) for n in range(9)]})
    assert len(found["target"]["arns"]) == MOST_ARNS
    assert len(found["target"]["account_ids"]) == MOST_ACCOUNTS
    assert found["target"]["names"] == ["queue"]
    assert found["notes"] == [CUT]
    names = [str(n) for n in range(MOST_NAMES + 1)]
    found = answer(requestParameters={"thingIds": names})
    assert found["target"]["names"] == names[:MOST_NAMES]
    assert found["notes"] == [CUT]


def test_the_order_of_members_does_not_matter() -> None:
    request = {"userName": "bob", "policyArn": "arn:aws:iam::aws:policy/X", "groupName": "g"}
    turned = dict(reversed(request.items()))
    one = answer(eventSource="iam.amazonaws.com", requestParameters=request)
    assert one == answer(eventSource="iam.amazonaws.com", requestParameters=turned)
    assert one["target"]["names"] == ["g", "X", "bob"]


def test_what_is_named_twice_stands_once() -> None:
    arn = "arn:aws:s3:::example-bucket"
    found = answer(resources=[{"ARN": arn}, {"ARN": arn}])
    assert found["target"]["arns"] == [arn]
    assert "notes" not in found


def test_what_no_index_takes_is_left_out() -> None:
    long_arn = "arn:aws:s3:::" + "x" * LONGEST_ARN
    request = {"thingName": "y" * (LONGEST_NAME + 1), "thingArn": long_arn}
    assert "target" not in answer(requestParameters=request)
    half = "arn:aws:s3:::" + "x" * (LONGEST_NAME + 1)
    assert answer(requestParameters={"thingArn": half})["target"]["arns"] == [half]


def test_deep_and_wide_requests_are_read_to_a_bound() -> None:
    deep: object = "arn:aws:s3:::deep"
    for _ in range(50):
        deep = [{"a": deep}]
    wide = {f"k{n:05}": {"a": "arn:aws:s3:::wide"} for n in range(5_000)}
    assert "target" not in answer(requestParameters={"x": deep})
    assert answer(requestParameters=wide)["target"]["arns"] == ["arn:aws:s3:::wide"]


def test_arns_without_an_account_lie_in_the_recipients() -> None:
    found = answer(requestParameters={"x": "arn:aws:s3:::b"}, recipientAccountId="222222222222")
    assert found["target"]["account_ids"] == ["222222222222"]
    found = answer(requestParameters={"x": "arn:aws:s3:::b"}, recipientAccountId="no account")
    assert "account_ids" not in found["target"]
