"""Accounts bear their names where a file of names says so; ids and evidence stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from enricher.cloudtrail.record import Record
from enricher.enrichers.interface import Context
from enricher.enrichers.registry import built_in, enrich
from enricher.identity.evidence import EvidenceInMemory
from enricher.identity.extract import facts_of
from enricher.identity.resolve import Resolver
from tests.unit.identity.stories import AWAY, HOME, assume_role, call, role, seen_from_outside, user

if TYPE_CHECKING:
    from collections.abc import Mapping

ALICE = user("alice", "ASIAALICE", "08:00:00")
ADMIN = role("Admin", "session", "12:00:00", key="ASIAADMIN")
DEPLOY = role("Deploy", "ci", "12:05:00", key="ASIADEPLOY", account=AWAY)
CHAIN = (
    assume_role("assume", "12:00:00", ALICE, ADMIN),
    assume_role("again", "12:05:00", ADMIN, DEPLOY),
    call("act", "12:06:00", DEPLOY),
)


def last(names: Mapping[str, str], *raws: dict[str, Any]) -> dict[str, Any]:
    """Enrich records together, with names; give what is said of the last one."""
    records = [Record(raw) for raw in raws]
    resolver = Resolver(EvidenceInMemory(keyed for one in records for keyed in facts_of(one)))
    answers = [
        enrich(
            Context(record=one, facts=facts_of(one), resolver=resolver, window_closed=True),
            built_in(names),
        )
        for one in records
    ]
    return answers[-1]


def test_origin_and_chain_bear_the_names_of_accounts() -> None:
    found = last({HOME: "prod", AWAY: "data"}, *CHAIN)
    assert found["origin"]["account_name"] == "prod"
    assert found["chain_text"] == "alice → Admin@prod → Deploy@data"


def test_an_account_without_name_keeps_its_id() -> None:
    found = last({AWAY: "data"}, *CHAIN)
    assert "account_name" not in found["origin"]
    assert found["chain_text"] == f"alice → Admin@{HOME} → Deploy@data"


def test_nothing_else_changes() -> None:
    named, bare = last({HOME: "prod", AWAY: "data"}, *CHAIN), last({}, *CHAIN)
    del named["origin"]["account_name"]
    assert {**named, "chain_text": bare["chain_text"]} == bare


@pytest.mark.parametrize("names", [{}, {HOME: "prod"}])
def test_a_unique_id_gets_the_name_that_it_was_seen_with(names: dict[str, str]) -> None:
    seen = call("seen", "09:00:00", ALICE)
    stranger = assume_role(
        "outside", "12:00:00", seen_from_outside(user("alice", "AKIAALICE")), DEPLOY
    )
    origin = last(names, seen, stranger)["origin"]
    assert (origin["kind"], origin["id"]) == ("external_iam_user", "AIDAALICE")
    assert origin["name"] == "alice"
    assert origin.get("account_name") == names.get(HOME)
