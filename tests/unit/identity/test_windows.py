"""When an issuance explains the use of a credential."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from enricher.cloudtrail.caller import Caller
from enricher.identity.facts import Issuance
from enricher.identity.model import Confidence
from enricher.identity.windows import Fit, TimeFit, fit_by_key, fit_by_second
from tests.unit.identity.stories import AWAY, HOME, at

if TYPE_CHECKING:
    from datetime import datetime

ISSUED_AT = at("12:00:00")
EXPIRES_AT = at("13:00:00")
EXACT = Fit("L1", Confidence.EXACT, after_expiry=False)
LATE = Fit("L1", Confidence.MODERATE, after_expiry=True)
LACKING = Fit("L1b", Confidence.STRONG, after_expiry=False)


def fact(**members: object) -> Issuance:
    known: dict[str, object] = {
        "event_name": "AssumeRole",
        "event_id": "assume",
        "at": ISSUED_AT,
        "caller": Caller(type="IAMUser"),
        "account_id": HOME,
        "principal_id": "AROAADMIN:alice",
        "access_key_id": "ASIAADMIN",
        "expires_at": EXPIRES_AT,
    }
    return Issuance(**{**known, **members})  # type: ignore[arg-type] # the struct checks nothing


def holder(**members: object) -> Caller:
    known: dict[str, object] = {
        "type": "AssumedRole",
        "account_id": HOME,
        "principal_id": "AROAADMIN:alice",
        "access_key_id": "ASIAADMIN",
        "created_at": ISSUED_AT,
    }
    return Caller(**{**known, **members})  # type: ignore[arg-type] # the struct checks nothing


@pytest.mark.parametrize(
    ("used_at", "fit"),
    [
        (at("11:59:58"), None),
        (at("11:59:59"), EXACT),
        (at("12:00:00"), EXACT),
        (at("13:05:00"), EXACT),
        (at("13:05:01"), LATE),
        (at("2026-03-05T00:00:00Z"), LATE),
    ],
)
def test_a_key_is_used_from_a_second_before_its_issue(used_at: datetime, fit: Fit | None) -> None:
    assert fit_by_key(fact(), holder(), used_at) == fit


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_creation_and_issue_may_be_a_second_apart(seconds: int) -> None:
    caller = holder(created_at=ISSUED_AT + timedelta(seconds=seconds))
    assert fit_by_key(fact(), caller, at("12:10:00")) == EXACT


@pytest.mark.parametrize("seconds", [-2, 2])
def test_creation_and_issue_further_apart_are_no_link(seconds: int) -> None:
    caller = holder(created_at=ISSUED_AT + timedelta(seconds=seconds))
    assert fit_by_key(fact(), caller, at("12:10:00")) is None


@pytest.mark.parametrize(
    "members",
    [
        {"principal_id": None},
        {"created_at": None},
        {"principal_id": None, "account_id": None},
    ],
)
def test_with_one_of_three_lacking_a_link_holds_in_its_window_only(
    members: dict[str, object],
) -> None:
    caller = holder(**members)
    assert fit_by_key(fact(), caller, at("13:05:00")) == LACKING
    assert fit_by_key(fact(), caller, at("13:05:01")) is None
    assert fit_by_key(fact(), caller, at("11:59:58")) is None


def test_without_an_expiry_a_link_holds() -> None:
    assert fit_by_key(fact(expires_at=None), holder(), at("23:00:00")) == EXACT


@pytest.mark.parametrize(
    "members", [{"principal_id": "AROAADMIN:bob"}, {"account_id": AWAY}, {"principal_id": "AROA"}]
)
def test_what_disagrees_is_no_link(members: dict[str, object]) -> None:
    assert fit_by_key(fact(), holder(**members), at("12:10:00")) is None


ASKED_FOR = {
    "principal_id": None,
    "role_arn": f"arn:aws:iam::{HOME}:role/Admin",
    "session_name": "alice",
}


def test_role_and_session_name_stand_for_the_holders_id() -> None:
    asked = fact(**ASKED_FOR)
    caller = holder(issuer_arn=f"arn:aws:iam::{HOME}:role/Admin")
    assert fit_by_key(asked, caller, at("12:10:00")) == EXACT
    other = holder(issuer_arn=f"arn:aws:iam::{HOME}:role/Other")
    assert fit_by_key(asked, other, at("12:10:00")) is None
    bob = holder(issuer_arn=f"arn:aws:iam::{HOME}:role/Admin", principal_id="AROAADMIN:bob")
    assert fit_by_key(asked, bob, at("12:10:00")) is None


@pytest.mark.parametrize(
    ("asked", "members"),
    [
        ({**ASKED_FOR, "role_arn": None}, {"issuer_arn": "arn:role"}),
        ({**ASKED_FOR, "session_name": None}, {"issuer_arn": "arn:role"}),
        (ASKED_FOR, {}),
        (ASKED_FOR, {"issuer_arn": "arn:role", "principal_id": "AROAADMIN"}),
    ],
)
def test_what_cannot_be_compared_is_lacking(
    asked: dict[str, object], members: dict[str, object]
) -> None:
    assert fit_by_key(fact(**asked), holder(**members), at("12:10:00")) == LACKING


def test_cognito_issues_to_its_own_sessions_only() -> None:
    issued = fact(workload_kind="cognito_identity", principal_id=None)
    own = holder(principal_id="AROAAPP:CognitoIdentityCredentials")
    assert fit_by_key(issued, own, at("12:10:00")) == LACKING
    assert fit_by_key(issued, holder(), at("12:10:00")) is None


def test_another_key_of_a_session_bears_the_sessions_time() -> None:
    asker = Caller(type="AssumedRole", created_at=ISSUED_AT)
    zonal = fact(event_name="CreateSession", at=at("12:30:00"), caller=asker)
    assert fit_by_key(zonal, holder(), at("12:31:00")) == EXACT
    other = fact(event_name="AssumeRole", at=at("12:30:00"), caller=asker)
    assert fit_by_key(other, holder(), at("12:31:00")) is None


@pytest.mark.parametrize(
    ("used_at", "skewed", "fit"),
    [
        (at("11:59:58"), False, None),
        (at("11:59:59"), False, TimeFit(Confidence.STRONG)),
        (at("12:00:00"), True, TimeFit(Confidence.MODERATE)),
        (at("2026-03-02T00:05:00Z"), False, TimeFit(Confidence.STRONG)),
        (at("2026-03-02T00:05:01Z"), False, TimeFit(Confidence.MODERATE, after_expiry=True)),
        (at("2026-03-03T00:00:00Z"), True, TimeFit(Confidence.MODERATE, after_expiry=True)),
        (at("2026-03-03T00:00:01Z"), False, None),
    ],
)
def test_a_console_session_lasts_twelve_hours_and_never_more_than_thirty_six(
    used_at: datetime, *, skewed: bool, fit: TimeFit | None
) -> None:
    assert fit_by_second(ISSUED_AT, used_at, skewed=skewed) == fit


def test_the_second_of_skew_is_not_taken_for_granted() -> None:
    assert fit_by_second(ISSUED_AT, ISSUED_AT) == TimeFit(Confidence.STRONG, after_expiry=False)
