"""What somebody enters is recognized by its form."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from enricher.response.asking import recognized
from enricher.response.errors import QuestionError
from enricher.response.guardduty import Finding
from enricher.response.selecting import PrincipalName
from enricher.response.triage import Question

FROM, UNTIL = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
EVENT = "38d0221b-61e0-47d6-9c45-7eb2dc55125b"
FINDING = '{"resource": {"accessKeyDetails": {"accessKeyId": "ASIAIOSFODNN7EXAMPLE"}}}'


@pytest.mark.parametrize(
    ("entered", "first"),
    [
        (EVENT, Question(event_id=EVENT)),
        (f" {EVENT}:111122223333 ", Question(event_id=f"{EVENT}:111122223333")),
        ("ASIAIOSFODNN7EXAMPLE", Question(access_key_id="ASIAIOSFODNN7EXAMPLE")),
        ("AKIAIOSFODNN7EXAMPLE", Question(access_key_id="AKIAIOSFODNN7EXAMPLE")),
        ("0" * 32, Question(session_id="0" * 32)),
        ("alice", Question(principal=PrincipalName(name="alice"))),
        ("111122223333", Question(principal=PrincipalName(id="111122223333"))),
        (
            "AROACKCEVSQ6C2EXAMPLE:itadmin",
            Question(principal=PrincipalName(id="AROACKCEVSQ6C2EXAMPLE:itadmin")),
        ),
        (
            "arn:aws:iam::111122223333:user/alice",
            Question(principal=PrincipalName(arn="arn:aws:iam::111122223333:user/alice")),
        ),
    ],
)
def test_an_entry_is_what_it_has_the_form_of(entered: str, first: Question) -> None:
    assert recognized(entered)[0] == first


def test_a_bare_word_may_be_several_things() -> None:
    asked = recognized("i-0a1b2c3d", FROM, UNTIL)
    assert [one.principal for one in asked if isinstance(one, Question) and one.principal] == [
        PrincipalName(name="i-0a1b2c3d"),
        PrincipalName(id="i-0a1b2c3d"),
    ]
    assert all(isinstance(one, Question) and one.start == FROM for one in asked)


def test_a_finding_is_pasted_whole() -> None:
    for entered in (FINDING, f"[{FINDING}]", f'{{"source": "aws.guardduty", "detail": {FINDING}}}'):
        (asked,) = recognized(entered)
        assert isinstance(asked, Finding)
        assert asked.access_key_id == "ASIAIOSFODNN7EXAMPLE"


def test_an_address_needs_a_span() -> None:
    for entered in ("203.0.113.7", "2001:db8::7"):
        (asked,) = recognized(entered, FROM, UNTIL)
        assert isinstance(asked, Question)
        assert str(asked.ip) == entered
        with pytest.raises(QuestionError, match="from when to when"):
            recognized(entered, FROM)


@pytest.mark.parametrize(
    ("entered", "says"),
    [
        ("", "enter an event id"),
        (" \t", "enter an event id"),
        ('{"detail": ', "paste all of it"),
        ("{}", "no GuardDuty finding"),
        ("x" * 1_025, "longer than any id"),
    ],
)
def test_what_cannot_be_asked_is_told(entered: str, says: str) -> None:
    with pytest.raises(QuestionError, match=says):
        recognized(entered)
