"""Enrichers side by side: one that fails leaves the others alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from enricher.cloudtrail.record import Record
from enricher.enrichers.interface import Context, Contribution
from enricher.enrichers.registry import built_in, enrich
from enricher.identity.evidence import EvidenceInMemory
from enricher.identity.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "AKIAEXAMPLE000000001"  # noqa: S105 - an example


class Says:
    """An enricher that always says the same."""

    reads = ()
    fields = ()

    def __init__(
        self,
        name: str,
        version: int,
        fields: Mapping[str, Any],
        notes: frozenset[str] = frozenset(),
    ) -> None:
        self.name = name
        self.version = version
        self._contribution = Contribution(fields=dict(fields), notes=notes)

    def enrich(self, context: Context) -> Contribution:  # noqa: ARG002 - the interface's
        """Say it."""
        return self._contribution


class Fails:
    """An enricher that breaks, with a secret in what it says of it."""

    name = "broken"
    version = 3
    reads = ()
    fields = ()

    def __init__(self, error: type[Exception]) -> None:
        self._error = error

    def enrich(self, context: Context) -> Contribution:  # noqa: ARG002 - the interface's
        """Break."""
        raise self._error(SECRET)


@pytest.fixture
def context() -> Context:
    """A record without evidence."""
    record = Record({"eventTime": "2026-03-02T08:00:00Z", "eventID": "1"})
    return Context(
        record=record, facts=(), resolver=Resolver(EvidenceInMemory()), window_closed=True
    )


@pytest.mark.parametrize("error", [ValueError, KeyError, RecursionError, ZeroDivisionError])
def test_one_that_fails_leaves_its_class_name_and_the_others_run(
    context: Context, error: type[Exception]
) -> None:
    enrichers = (Says("one", 1, {"a": 1}), Fails(error), Says("two", 2, {"b": 2}))
    assert enrich(context, enrichers) == {
        "a": 1,
        "b": 2,
        "notes": [f"broken: {error.__name__}"],
        "enrichers": {"one": 1, "broken": 3, "two": 2},
    }


def test_what_broke_is_never_quoted(context: Context) -> None:
    assert SECRET not in str(enrich(context, (Fails(ValueError),)))


def test_a_later_enricher_does_not_overwrite_an_earlier_one(context: Context) -> None:
    enrichers = (Says("one", 1, {"a": 1}), Says("two", 1, {"a": 2, "b": 2}))
    assert enrich(context, enrichers) == {
        "a": 1,
        "b": 2,
        "enrichers": {"one": 1, "two": 1},
    }


def test_notes_are_joined_and_sorted(context: Context) -> None:
    enrichers = (
        Says("one", 1, {}, frozenset({"key_reused"})),
        Says("two", 1, {}, frozenset({"after_expiry", "key_reused"})),
    )
    answer = enrich(context, enrichers, notes=("oversize_value",))
    assert answer["notes"] == ["after_expiry", "key_reused", "oversize_value"]


def test_without_notes_there_are_none(context: Context) -> None:
    assert enrich(context, ()) == {"enrichers": {}}


def test_the_built_in_enrichers_have_names_of_their_own_and_identity_comes_first() -> None:
    names = [enricher.name for enricher in built_in()]
    assert names[0] == "identity"
    assert len(set(names)) == len(names)


def test_the_built_in_enrichers_answer_for_a_bare_record(context: Context) -> None:
    answer = enrich(context, built_in())
    assert answer["origin"]["reason"] == "no-principal"
    assert answer["state"] == "unresolved"
    assert answer["enrichers"] == {enricher.name: enricher.version for enricher in built_in()}
