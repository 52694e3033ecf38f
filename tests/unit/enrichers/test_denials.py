"""Messages are hostile: what is read of them is bounded, and nothing in them repeats the work."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from enricher.enrichers import conditions, denials
from enricher.enrichers.denials import LONGEST_MESSAGE, LONGEST_RESOURCE, read_denial, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

parser: Any = import_module("re._parser")  # no type stubs: it is how ``re`` reads patterns
sre: Any = import_module("re._constants")
REFUSED = "User: x is not authorized to perform: s3:GetObject on resource: "
PATTERNS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in (denials, conditions)
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern)
}
MOST_STEPS = 2_048 + 128  # what one attempt at one place of the text may cost


def _cost(items: Any) -> int:  # noqa: ANN401 - the parser's own types
    """Bound the characters that a pattern takes from one place on, all its choices together."""
    total = 0
    for kind, argument in items:
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            _, most, inner = argument
            assert most != sre.MAXREPEAT, "an unbounded repetition"
            total += int(most) * _cost(inner)
        elif kind is sre.SUBPATTERN:
            total += _cost(argument[3])
        elif kind is sre.BRANCH:
            total += sum(_cost(branch) for branch in argument[1])
        else:
            total += 1
    return total


def _repeats(items: Any, *, within: bool = False) -> Iterator[bool]:  # noqa: ANN401
    """Say of each repetition of many whether it lies within another."""
    for kind, argument in items:
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            many = argument[1] > 1
            if many:
                yield within
            yield from _repeats(argument[2], within=within or many)
        elif kind is sre.SUBPATTERN:
            yield from _repeats(argument[3], within=within)
        elif kind is sre.BRANCH:
            for branch in argument[1]:
                yield from _repeats(branch, within=within)


@pytest.mark.parametrize("name", PATTERNS)
def test_no_pattern_can_take_more_than_linear_time(name: str) -> None:
    parsed = parser.parse(PATTERNS[name].pattern, PATTERNS[name].flags)
    assert _cost(parsed) <= MOST_STEPS
    assert not any(_repeats(parsed)), "a repetition within a repetition"


@pytest.mark.parametrize("length", [LONGEST_MESSAGE, LONGEST_MESSAGE * 4])
def test_long_resources_and_long_messages_are_cut(length: int) -> None:
    read = read_denial(REFUSED + "x" * length)
    assert read.resource == "x" * LONGEST_RESOURCE
    assert read_denial(" " * length + REFUSED + "x").action is None or length <= LONGEST_MESSAGE


def test_what_stands_behind_the_bound_is_not_read() -> None:
    assert read_denial("x" * LONGEST_MESSAGE + REFUSED + "y").action is None
    assert verdict("SomeException", "x" * LONGEST_MESSAGE + REFUSED) == "other"


def test_a_message_cut_within_its_blob_is_read() -> None:
    message = f"{REFUSED}* because no identity-based policy allows the s3:GetObject action."
    whole = f"{message} Encoded authorization failure message: {'A' * 2_000}"
    for end in range(len(message), len(whole), 97):
        read = read_denial(whole[:end])
        assert (read.action, read.resource, read.denied_by) == ("s3:GetObject", "*", "identity")


def test_the_first_action_counts() -> None:
    read = read_denial(
        f"{REFUSED}a because no identity-based policy allows the s3:PutObject action"
    )
    assert read.action == "s3:GetObject"
