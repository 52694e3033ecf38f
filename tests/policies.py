"""Decides requests by policies as IAM does, for the conditions that containment uses.

Moto's server enforces policies, but takes every condition it does not know for fulfilled, that on
``aws:TokenIssueTime`` among them; this evaluates it.

References:
    - IAM User Guide, "Policy evaluation logic": an explicit deny wins.
    - IAM User Guide, "IAM JSON policy elements: Condition operators": without a key in the request
      a condition is not fulfilled.
"""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ISSUED = "aws:TokenIssueTime"


def is_denied(policies: Iterable[Mapping[str, Any]], action: str, **keys: str) -> bool:
    """Say whether a request is denied by a statement; keys are written ``aws__TokenIssueTime``."""
    context = {name.replace("__", ":"): value for name, value in keys.items()}
    return any(
        statement["Effect"] == "Deny"
        and fnmatchcase(action, statement["Action"])
        and statement["Resource"] == "*"
        and _fulfilled(statement.get("Condition", {}), context)
        for policy in policies
        for statement in policy["Statement"]
    )


def _fulfilled(conditions: Mapping[str, Mapping[str, str]], context: Mapping[str, str]) -> bool:
    return all(
        key in context and _OPERATORS[operator](context[key], wanted)
        for operator, of in conditions.items()
        for key, wanted in of.items()
    )


def _earlier(value: str, wanted: str) -> bool:
    return datetime.fromisoformat(value) < datetime.fromisoformat(wanted)


def _equal(value: str, wanted: str) -> bool:
    return value == wanted


def _arn_like(value: str, wanted: str) -> bool:
    parts = zip(value.split(":", 5), wanted.split(":", 5), strict=True)
    return all(fnmatchcase(one, pattern) for one, pattern in parts)


_OPERATORS = {"DateLessThan": _earlier, "StringEquals": _equal, "ArnLike": _arn_like}
