"""Facts by key, and the copies of one issuance made one."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from enricher.cloudtrail.caller import Caller
from enricher.identity.evidence import (
    EvidenceInMemory,
    EvidenceSnapshot,
    Issue,
    Loaded,
    issuances,
    merge_copies,
    sightings,
)
from enricher.identity.facts import Issuance, Keyed, Mark, Naming, Sighting
from tests.unit.identity.stories import AWAY, HOME, NOON, at

if TYPE_CHECKING:
    from enricher.identity.facts import Fact

ALICE = Caller(type="IAMUser", principal_id="AIDAALICE", account_id=HOME)
OUTSIDE = Caller(type="AWSAccount", principal_id="AIDAALICE", account_id=HOME)


def fact(event_id: str, **members: object) -> Issuance:
    known: dict[str, object] = {
        "event_name": "AssumeRole",
        "event_id": event_id,
        "at": at(NOON),
        "caller": ALICE,
        "access_key_id": "ASIAADMIN",
    }
    return Issuance(**{**known, **members})  # type: ignore[arg-type] # the struct checks nothing


def merged(*facts: Issuance) -> list[Issue]:
    """Merge copies, and see that their order does not matter."""
    first, *others = [merge_copies(order) for order in permutations(facts)]
    assert all(other == first for other in others)
    return first


def test_facts_are_given_in_the_order_of_their_ids() -> None:
    evidence = EvidenceInMemory([Keyed("key", fact("b")), Keyed("other", fact("x"))])
    assert evidence.facts("key") == (fact("b"),)
    evidence.publish([Keyed("key", fact("c")), Keyed("key", fact("a"))])
    assert evidence.facts("key") == (fact("a"), fact("b"), fact("c"))
    assert evidence.facts("unknown") == ()


def test_the_same_fact_again_changes_nothing() -> None:
    one = fact("a")
    evidence = EvidenceInMemory([Keyed("key", one)])
    before = evidence.facts("key")
    evidence.publish([Keyed("key", one), Keyed("key", fact("a")), Keyed("key", fact("a", arn="x"))])
    assert evidence.facts("key") is before


def test_the_earliest_of_one_name_stays() -> None:
    late, early = Naming(arn="arn:a", at=at("13:00:00")), Naming(arn="arn:a", at=at(NOON))
    evidence = EvidenceInMemory([Keyed("key", late)])
    assert evidence.facts("key") == (late,)
    evidence.publish([Keyed("key", early), Keyed("key", late)])
    assert evidence.facts("key") == (early,)


def test_facts_are_told_apart_by_their_kind() -> None:
    seen = Sighting(event_name="AssumeRole", event_id="s", at=at(NOON), caller=ALICE)
    mixed: list[Fact] = [Mark(value="x"), fact("a"), seen]
    assert issuances(mixed) == [fact("a")]
    assert sightings(mixed) == [seen]


def test_a_snapshot_gives_what_was_loaded_and_wants_the_rest() -> None:
    snapshot = EvidenceSnapshot()
    assert snapshot.facts("key") == ()
    assert snapshot.facts("other") == ()
    snapshot.load([Loaded("key", 2, [fact("b"), fact("a")])])
    assert snapshot.wanted == {"other"}
    assert snapshot.facts("key") == (fact("a"), fact("b"))
    assert snapshot.versions() == {"key": 2}
    snapshot.load([Loaded("other", 0, [])])
    assert snapshot.facts("other") == ()
    assert (snapshot.wanted, snapshot.versions()) == (set(), {"key": 2, "other": 0})


@pytest.mark.parametrize(
    "members",
    [
        {"shared_event_id": "shared"},
        {"request_id": "request"},
        {"shared_event_id": "shared", "request_id": "request"},
    ],
)
def test_the_copies_of_one_call_are_one_issuance(members: dict[str, object]) -> None:
    full = fact("b", **members)
    reduced = fact("a", caller=OUTSIDE, internal=True, **members)
    assert merged(full, reduced) == [
        Issue(fact=full, evidence=("a", "b"), internal=True, switched_from=None)
    ]


def test_one_event_in_two_accounts_is_one_issuance() -> None:
    one = fact("a", recipient=HOME, principal_id="AROA:x")
    other = fact("a", recipient=AWAY, caller=OUTSIDE, access_key_id=None)
    assert merged(one, other) == [
        Issue(fact=one, evidence=("a",), internal=False, switched_from=None)
    ]


def test_copies_that_share_nothing_but_each_with_a_third_are_one() -> None:
    one = fact("a", shared_event_id="shared")
    two = fact("b", shared_event_id="shared", request_id="request")
    three = fact("c", request_id="request")
    (issue,) = merged(one, two, three)
    assert issue.evidence == ("a", "b", "c")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {}),
        ({"shared_event_id": ""}, {"shared_event_id": ""}),
        ({"request_id": "request"}, {"request_id": "other"}),
        (
            {"shared_event_id": "shared", "access_key_id": "ASIAONE"},
            {"shared_event_id": "shared", "access_key_id": "ASIATWO"},
        ),
        ({"service": "ec2.amazonaws.com"}, {"service": "ec2.amazonaws.com"}),
        (
            {"service": "a.amazonaws.com", "event_name": "CreateSession"},
            {"service": "b.amazonaws.com"},
        ),
        (
            {"service": "a", "event_name": "CreateSession", "access_key_id": None},
            {"service": "a", "access_key_id": None},
        ),
        ({"event_name": "CreateSession"}, {}),
    ],
)
def test_two_calls_are_two_issuances(one: dict[str, object], other: dict[str, object]) -> None:
    first, second = fact("a", at=at("11:59:59"), **one), fact("b", **other)
    assert [issue.evidence for issue in merged(first, second)] == [("a",), ("b",)]


def test_a_corrected_copy_bears_other_ids_and_is_the_same_issuance() -> None:
    first, corrected = fact("a", request_id="one"), fact("b", request_id="other")
    assert [issue.evidence for issue in merged(first, corrected)] == [("a", "b")]


@pytest.mark.parametrize(
    "members",
    [
        {"at": at("12:00:01")},
        {"principal_id": "AROA:other"},
        {"event_name": "AssumeRoleWithSAML"},
        {"caller": OUTSIDE},
        {"access_key_id": "ASIAOTHER"},
    ],
)
def test_what_differs_is_no_corrected_copy(members: dict[str, object]) -> None:
    assert len(merged(fact("a"), fact("b", **members))) == 2
    keyless = fact("c", access_key_id=None)
    assert len(merged(keyless, fact("d", access_key_id=None))) == 2


def test_a_services_own_record_is_a_copy_of_the_token_services() -> None:
    own = fact("b", event_name="CreateSession", service="anywhere", workload_provider="arn:anchor")
    of_sts = fact("a", service="anywhere", principal_id="AROA:serial")
    (issue,) = merged(own, of_sts)
    assert (issue.fact, issue.evidence) == (own, ("a", "b"))


def test_the_copy_that_names_the_caller_in_full_is_the_richest() -> None:
    shared: dict[str, object] = {"shared_event_id": "shared"}
    bare = fact("a", caller=OUTSIDE, principal_id="AROA:x", workload_provider="p", **shared)
    full = fact("b", **shared)
    assert merged(bare, full)[0].fact == full
    nobody = fact("a", caller=Caller(type=""), principal_id="AROA:x", **shared)
    assert merged(nobody, full)[0].fact == full


@pytest.mark.parametrize(
    "known",
    [
        {"caller": Caller(type="IAMUser", access_key_id="AKIA")},
        {"caller": Caller(type="IAMUser", created_at=at(NOON))},
        {"workload_provider": "arn:anchor"},
        {"principal_id": "AROA:x"},
    ],
)
def test_the_copy_that_knows_more_is_the_richest(known: dict[str, object]) -> None:
    shared: dict[str, object] = {"shared_event_id": "shared"}
    less = fact("a", caller=Caller(type="IAMUser"), **shared)
    more = fact("b", **{"caller": Caller(type="IAMUser"), **known}, **shared)
    assert merged(less, more)[0].fact == more


def test_a_credential_tells_more_than_a_provider_and_that_more_than_a_holder() -> None:
    shared: dict[str, object] = {"shared_event_id": "shared"}
    key = fact("c", caller=Caller(type="IAMUser", access_key_id="AKIA"), **shared)
    provider = fact("b", caller=Caller(type="IAMUser"), workload_provider="p", **shared)
    holder = fact("a", caller=Caller(type="IAMUser"), principal_id="AROA:x", **shared)
    assert merged(holder, provider)[0].fact == provider
    assert merged(holder, provider, key)[0].fact == key


def test_any_copy_may_say_where_a_switch_came_from() -> None:
    shared: dict[str, object] = {"shared_event_id": "shared"}
    (issue,) = merged(fact("a", **shared), fact("b", switched_from="arn:alice", **shared))
    assert issue.switched_from == "arn:alice"


@pytest.mark.parametrize(
    ("caller", "in_full"), [(ALICE, True), (OUTSIDE, False), (Caller(account_id=AWAY), False)]
)
def test_the_callers_own_copy_names_it_in_full(caller: Caller, *, in_full: bool) -> None:
    (issue,) = merged(fact("a", caller=caller))
    assert issue.caller_in_full is in_full
