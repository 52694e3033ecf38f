"""The values of an answer."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from enricher.identity.model import (
    Candidate,
    Confidence,
    Kind,
    Lineage,
    Missing,
    Origin,
    Principal,
    Status,
)
from tests.unit.identity.stories import AWAY, HOME, NOON, at

ALICE = Principal(kind=Kind.IDC_USER, id="user-1", identity_provider="store")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (ALICE, True),
        (replace(ALICE, name="alice", account_id=HOME, human=True), True),
        (replace(ALICE, identity_provider=None), True),
        (replace(ALICE, identity_provider="other"), False),
        (replace(ALICE, id="user-2"), False),
        (replace(ALICE, kind=Kind.SAML_SUBJECT), False),
    ],
)
def test_an_id_and_its_provider_make_a_principal(other: Principal, *, same: bool) -> None:
    assert ALICE.same_as(other) is same
    assert other.same_as(ALICE) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Principal(kind=Kind.IAM_USER, arn="a"), Principal(kind=Kind.IAM_USER, arn="a"), True),
        (
            Principal(kind=Kind.IAM_USER, arn="a"),
            Principal(kind=Kind.IAM_USER, arn="b", id="x"),
            False,
        ),
        (
            Principal(kind=Kind.IDC_USER, name="alice", account_id=HOME),
            replace(ALICE, name="alice", account_id=HOME),
            True,
        ),
        (
            Principal(kind=Kind.IDC_USER, name="bob", account_id=HOME),
            replace(ALICE, name="alice", account_id=HOME),
            False,
        ),
        (
            Principal(kind=Kind.IDC_USER, name="alice", account_id=AWAY),
            replace(ALICE, name="alice", account_id=HOME),
            False,
        ),
        (Principal(kind=Kind.IDC_USER, account_id=HOME), replace(ALICE, account_id=HOME), True),
    ],
)
def test_without_an_id_what_is_known_must_agree(
    one: Principal, other: Principal, *, same: bool
) -> None:
    assert one.same_as(other) is same
    assert other.same_as(one) is same


def test_absent_values_are_left_out_of_documents() -> None:
    assert ALICE.document() == {"kind": "idc_user", "id": "user-1", "identity_provider": "store"}
    assert replace(ALICE, human=False).document()["human"] is False
    assert Missing().document() == {}
    assert Missing(account_id=HOME, at=at(NOON), shared_event_id="shared").document() == {
        "account_id": HOME,
        "time": "2026-03-01T12:00:00Z",
        "shared_event_id": "shared",
    }


def test_a_candidate_says_why() -> None:
    candidate = Candidate(principal=ALICE, rule="L9", confidence=Confidence.WEAK)
    said = {**ALICE.document(), "rule": "L9", "confidence": "weak"}
    assert candidate.document() == said
    assert replace(candidate, evidence=("a",)).document() == {**said, "evidence": ["a"]}


@pytest.mark.parametrize(
    ("status", "settled"),
    [
        (Status.RESOLVED, True),
        (Status.EXTERNAL, True),
        (Status.AMBIGUOUS, False),
        (Status.CONFLICT, False),
        (Status.UNKNOWN, False),
    ],
)
def test_an_origin_is_settled_when_it_names_somebody(status: Status, *, settled: bool) -> None:
    origin = Origin(status=status, principal=ALICE, rule="L0", confidence=Confidence.EXACT)
    assert origin.settled is settled
    lineage = Lineage(origin=origin, session_id="own")
    assert lineage.confidence is Confidence.EXACT
    assert lineage.root_session == "own"
    assert replace(lineage, root_id="root").root_session == "root"
