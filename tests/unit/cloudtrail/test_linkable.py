"""What linking needs, and which records lack it."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from enricher.cloudtrail.linkable import issues, shortfalls

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

ISSUING: Json = {
    "eventID": "e1",
    "eventTime": "2026-03-02T10:00:00Z",
    "eventName": "AssumeRole",
    "eventSource": "sts.amazonaws.com",
    "userIdentity": {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLEEXAMPLE:ci",
        "accessKeyId": "ASIAEXAMPLEEXAMPLE",
        "sessionContext": {"attributes": {"creationDate": "2026-03-02T09:00:00Z"}},
    },
    "responseElements": {"credentials": {"accessKeyId": "ASIAEXAMPLEISSUED1"}},
}


def changed(change: Callable[[Json], object]) -> Json:
    record = deepcopy(ISSUING)
    change(record)
    return record


def test_a_whole_record_lacks_nothing() -> None:
    assert shortfalls([ISSUING]) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda r: r.pop("eventID"), "eventID"),
        (lambda r: r.pop("eventName"), "eventName"),
        (lambda r: r.pop("eventSource"), "eventSource"),
        (lambda r: r.pop("userIdentity"), "userIdentity.type"),
        (lambda r: r["userIdentity"].pop("principalId"), "userIdentity.principalId"),
        (lambda r: r["userIdentity"].pop("accessKeyId"), "userIdentity.accessKeyId"),
        (
            lambda r: r["userIdentity"].pop("sessionContext"),
            "userIdentity.sessionContext.attributes.creationDate",
        ),
        (lambda r: r.pop("responseElements"), "responseElements.credentials.accessKeyId"),
        (
            lambda r: r.update(responseElements="{credentials={accessKeyId=ASIA}}"),
            "responseElements.credentials.accessKeyId",
        ),
        (
            lambda r: r["userIdentity"].update(accessKeyId="ASIA************"),
            "userIdentity.accessKeyId",
        ),
        (lambda r: r["userIdentity"].update(principalId="9f86d08188"), "userIdentity.principalId"),
        (
            lambda r: r["responseElements"]["credentials"].update(accessKeyId="9f86d081884c7d65"),
            "responseElements.credentials.accessKeyId",
        ),
    ],
)
def test_what_is_dropped_hashed_or_masked_is_named(
    change: Callable[[Json], object], field: str
) -> None:
    (found,) = shortfalls([changed(change)])
    assert (found.field, found.lacking, found.of, found.everywhere) == (field, 1, 1, True)


def test_a_field_that_some_have_is_not_lacking_everywhere() -> None:
    without = changed(lambda record: record.pop("responseElements"))
    (found,) = shortfalls([ISSUING, without, ISSUING])
    assert (found.lacking, found.of, found.everywhere) == (1, 3, False)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(errorCode="AccessDenied"),
        lambda r: r.update(eventName="GetCallerIdentity"),
        lambda r: r.update(eventSource="sts.evil.example"),
    ],
    ids=["failed", "another call", "another host"],
)
def test_a_call_that_issues_nothing_owes_no_key(change: Callable[[Json], object]) -> None:
    record = changed(change)
    record.pop("responseElements")
    assert not issues(record)
    assert shortfalls([record]) == []


def test_a_service_acting_for_a_session_owes_no_key() -> None:
    record = changed(lambda r: r["userIdentity"].update(invokedBy="athena.amazonaws.com"))
    record["userIdentity"].pop("accessKeyId")
    assert shortfalls([record]) == []
