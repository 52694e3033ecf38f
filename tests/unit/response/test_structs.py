"""Structs within answers: read and written as they are, described field by field."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from pydantic import TypeAdapter, ValidationError

from enricher.response.containment import plan
from enricher.response.exposure import Exposure, OriginSeen, RoleSeen, Subject, SubjectKind
from enricher.response.plans import AlsoHits, AwsCall, Plan, Step, Undo, Verification, plan_of
from enricher.response.runs import PlanAnswer

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ANSWER: TypeAdapter[Plan] = TypeAdapter(PlanAnswer)


def some_plan() -> Plan:
    origin = OriginSeen.of({"status": "resolved", "kind": "iam_user", "confidence": "exact"})
    role = RoleSeen(arn="arn:aws:iam::111122223333:role/Admin", other_names=("a\u202eb",))
    return plan(Subject(SubjectKind.ORIGIN, "AIDA"), Exposure(origin=origin, roles=(role,)), AT)


def test_a_plan_goes_through_an_answer_unchanged() -> None:
    made = some_plan()
    written = ANSWER.dump_json(made)
    assert ANSWER.validate_json(written) == made
    assert ANSWER.validate_python(made) is made
    assert plan_of(msgspec.json.decode(written)) == made


def test_what_is_no_plan_is_refused() -> None:
    with pytest.raises(ValidationError):
        ANSWER.validate_json(b'{"id": "x", "steps": 7}')


@pytest.mark.parametrize("kind", [Plan, Step, AwsCall, Verification, Undo, AlsoHits])
def test_every_field_is_described(kind: type[msgspec.Struct]) -> None:
    """The docstring says what each is; what has a default may be left out."""
    schema = TypeAdapter(PlanAnswer).json_schema()
    shown = {**schema["$defs"], "Plan": schema}[kind.__name__]
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    assert set(shown["properties"]) == set(fields)
    assert all(one["description"] for one in shown["properties"].values())
    assert set(shown["required"]) == {name for name, one in fields.items() if one.required}
