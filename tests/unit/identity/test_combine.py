"""Which finding wins where several fit, and what becomes of the others."""

from __future__ import annotations

from itertools import pairwise, permutations

from msgspec.structs import replace

from enricher.identity.combine import Finding, best
from enricher.identity.model import (
    Candidate,
    Confidence,
    Hop,
    Kind,
    Lineage,
    Origin,
    Principal,
    Status,
)
from tests.unit.identity.stories import HOME, NOON, at

EXACT, STRONG, MODERATE = Confidence.EXACT, Confidence.STRONG, Confidence.MODERATE
NOBODY = Principal(kind=Kind.UNKNOWN_ISSUER, id="AROAADMIN:session")
ALICE = Principal(kind=Kind.IAM_USER, id="AIDAALICE", account_id=HOME)
BOB = Principal(kind=Kind.IAM_USER, id="AIDABOB", account_id=HOME)


def lineage(who: Principal, *evidence: str, **members: object) -> Lineage:
    """Make a lineage of somebody who is resolved, with hops where there is evidence for them."""
    origin = Origin(
        status=Status.RESOLVED, principal=who, rule="L0", confidence=EXACT, evidence=evidence
    )
    known: dict[str, object] = {
        "origin": origin,
        "session_id": "session",
        "parent_id": f"parent-{who.id}",
        "root_id": f"root-{who.id}",
        "root_complete": True,
    }
    return Lineage(**{**known, **members})  # type: ignore[arg-type] # any of its fields


def hop(event_id: str) -> Hop:
    return Hop(
        via="AssumeRole",
        arn=f"arn:aws:sts::{HOME}:assumed-role/Admin/session",
        account_id=HOME,
        principal_id="AROAADMIN:session",
        access_key_id="ASIAADMIN",
        event_id=event_id,
        at=at(NOON),
        rule="L1",
        confidence=EXACT,
        evidence=(event_id,),
    )


def combined(*findings: Finding) -> Lineage:
    """Combine findings, and see that their order does not matter."""
    found = {best(order, NOBODY) for order in permutations(findings)}
    assert len(found) == 1
    answer = found.pop()
    assert answer is not None
    return answer


def unknown(reason: str = "issuer-not-seen") -> Lineage:
    origin = Origin(
        status=Status.UNKNOWN,
        principal=NOBODY,
        rule="L0",
        confidence=Confidence.NONE,
        reason=reason,
    )
    return Lineage(origin=origin)


def test_nothing_found_is_nothing() -> None:
    assert best([], NOBODY) is None


def test_a_single_finding_is_the_answer() -> None:
    one = lineage(ALICE, "a", notes=frozenset({"after_expiry"}))
    assert combined(Finding("L4", STRONG, one)) == one


def test_the_strongest_grade_wins() -> None:
    strong = Finding("L4", STRONG, lineage(ALICE, "a"))
    moderate = Finding("L5", MODERATE, lineage(BOB, "b"))
    assert combined(strong, moderate) == strong.lineage


def test_within_a_grade_the_order_of_the_rules_decides() -> None:
    in_order = ("L1", "L1b", "L3", "L5c", "L5", "L5b", "L5d", "L4", "L6", "L7")
    for first, second in pairwise(in_order):
        one = Finding(first, STRONG, lineage(ALICE, "a", root_id="one"))
        other = Finding(second, STRONG, lineage(ALICE, "b", root_id="other"))
        assert combined(one, other).root_id == "one"


def test_two_strong_rules_that_disagree_are_a_conflict() -> None:
    one = Finding(
        "L1", EXACT, lineage(ALICE, "a", notes=frozenset({"key_reused"}), hops=(hop("a"),))
    )
    other = Finding("L4", STRONG, lineage(BOB, "b", waiting=frozenset({"issued/ASIA"})))
    found = combined(one, other)
    assert found.origin == Origin(
        status=Status.CONFLICT,
        principal=NOBODY,
        rule="L1",
        confidence=Confidence.NONE,
        reason="rules-disagree",
        candidates=(
            Candidate(principal=ALICE, rule="L1", confidence=EXACT, evidence=("a",)),
            Candidate(principal=BOB, rule="L4", confidence=STRONG, evidence=("b",)),
        ),
        evidence=("a", "b"),
    )
    assert found.hops == (hop("a"),)
    assert (found.session_id, found.parent_id, found.root_id) == ("session", None, "session")
    assert not found.root_complete
    assert found.notes == {"key_reused"}
    assert found.waiting == {"issued/ASIA"}


def test_a_conflict_keeps_the_root_that_both_agree_on() -> None:
    one = Finding("L1", EXACT, lineage(ALICE, "a", root_id="root"))
    other = Finding("L4", STRONG, lineage(BOB, "b", root_id="root"))
    assert combined(one, other).root_id == "root"


def test_what_is_not_resolved_is_no_side_of_a_conflict() -> None:
    known = Finding("L1", EXACT, lineage(ALICE, "a"))
    assert combined(known, Finding("L4", STRONG, unknown())).origin.principal == ALICE
    lost = Finding("L1", EXACT, unknown("depth-limit"))
    assert combined(lost, Finding("L4", STRONG, lineage(ALICE, "a"))).origin.reason == "depth-limit"


def test_two_of_one_rule_that_disagree_are_ambiguous() -> None:
    one = lineage(ALICE, "a", hops=(hop("x"), hop("a")))
    other = lineage(BOB, "b", notes=frozenset({"after_expiry"}))
    found = combined(Finding("L4", STRONG, other), Finding("L4", STRONG, one))
    assert found.origin == Origin(
        status=Status.AMBIGUOUS,
        principal=NOBODY,
        rule="L4",
        confidence=Confidence.NONE,
        reason="several-issuers",
        candidates=(
            Candidate(principal=ALICE, rule="L4", confidence=STRONG, evidence=("a",)),
            Candidate(principal=BOB, rule="L4", confidence=STRONG, evidence=("b",)),
        ),
        evidence=("a", "b"),
    )
    assert found.hops == (hop("a"),)
    assert (found.parent_id, found.root_id, found.root_complete) == (None, "session", False)
    assert found.notes == {"shared_second", "after_expiry"}


def test_an_answer_and_no_answer_by_one_rule_are_ambiguous() -> None:
    found = combined(Finding("L4", STRONG, lineage(ALICE, "a")), Finding("L4", STRONG, unknown()))
    assert found.origin.status is Status.AMBIGUOUS
    assert [candidate.principal for candidate in found.origin.candidates] == [ALICE, NOBODY]
    assert [candidate.confidence for candidate in found.origin.candidates] == [
        STRONG,
        Confidence.NONE,
    ]


def test_candidates_are_five_at_most_each_of_them_once() -> None:
    people = [replace(ALICE, id=f"AIDA{number}") for number in (5, 3, 1, 4, 2, 6, 1)]
    found = best(
        [Finding("L4", STRONG, lineage(who, str(n))) for n, who in enumerate(people)], NOBODY
    )
    assert found is not None
    assert [c.principal.id for c in found.origin.candidates] == [f"AIDA{n}" for n in range(1, 6)]


def test_the_candidates_of_an_ambiguous_link_are_those_behind_it() -> None:
    doubt = combined(
        Finding("L4", STRONG, lineage(ALICE, "a")), Finding("L4", STRONG, lineage(BOB, "b"))
    )
    carol = replace(ALICE, id="AIDACAROL")
    found = combined(Finding("L4", STRONG, doubt), Finding("L4", STRONG, lineage(carol, "c")))
    assert [c.principal for c in found.origin.candidates] == [ALICE, BOB, carol]


def test_the_same_person_by_two_ways_is_known_but_the_session_between_is_not() -> None:
    one = lineage(ALICE, "a", waiting=frozenset({"x"}), notes=frozenset({"key_reused"}))
    other = lineage(ALICE, "b", parent_id="other", root_id="other", waiting=frozenset({"y"}))
    found = combined(Finding("L4", STRONG, one), Finding("L4", STRONG, other))
    assert found.origin.principal == ALICE
    assert found.origin.evidence == ("a", "b")
    assert (found.parent_id, found.root_id, found.root_complete) == (None, "session", False)
    assert found.notes == {"shared_second", "key_reused"}
    assert found.waiting == {"x", "y"}


def test_two_ways_through_one_session_keep_it() -> None:
    one, other = lineage(ALICE, "a"), lineage(ALICE, "b")
    found = combined(Finding("L4", STRONG, one), Finding("L4", STRONG, other))
    assert (found.parent_id, found.root_id) == ("parent-AIDAALICE", "root-AIDAALICE")
    assert found.root_complete
    partly = replace(other, root_complete=False)
    assert combined(Finding("L4", STRONG, one), Finding("L4", STRONG, other)).root_complete
    assert not combined(Finding("L4", STRONG, partly), Finding("L4", STRONG, partly)).root_complete


def test_a_weaker_finding_that_agrees_adds_what_it_knows() -> None:
    stamped = Principal(kind=Kind.IDC_USER, name="alice@example.com", account_id=HOME)
    known = Principal(
        kind=Kind.IDC_USER,
        id="user-1",
        arn="arn:user",
        name="other",
        account_id="2",
        identity_provider="store",
        human=True,
    )
    answer = combined(
        Finding("L5c", EXACT, lineage(replace(stamped, id="user-1"), "a")),
        Finding("L5b", STRONG, lineage(known, "b")),
    ).origin
    assert answer.principal == Principal(
        kind=Kind.IDC_USER,
        id="user-1",
        arn="arn:user",
        name="alice@example.com",
        account_id=HOME,
        identity_provider="store",
        human=True,
    )
    assert (answer.evidence, answer.confidence) == (("a", "b"), EXACT)


def test_a_machine_that_is_known_to_be_one_stays_one() -> None:
    machine = replace(ALICE, human=False)
    found = combined(
        Finding("L6", EXACT, lineage(machine, "a")),
        Finding("L7", STRONG, lineage(replace(ALICE, human=True, name="x"), "b")),
    )
    assert found.origin.principal.human is False
    silent = combined(
        Finding("L6", EXACT, lineage(ALICE, "a")), Finding("L7", STRONG, lineage(machine, "b"))
    )
    assert silent.origin.principal.human is False


def test_a_weaker_finding_that_agrees_adds_the_hops_it_saw() -> None:
    stamped = lineage(ALICE, notes=frozenset({"key_reused"}), root_complete=False)
    walked = lineage(
        ALICE,
        "a",
        hops=(hop("a"),),
        parent_id="parent",
        root_id="root",
        chain_seen=True,
        waiting=frozenset({"x"}),
        notes=frozenset({"after_expiry"}),
    )
    found = combined(Finding("L6", EXACT, stamped), Finding("L4", STRONG, walked))
    assert found == replace(
        walked,
        origin=replace(walked.origin, evidence=("a",)),
        notes=frozenset({"key_reused", "after_expiry"}),
    )
    moderate = combined(Finding("L6", EXACT, stamped), Finding("L4", MODERATE, walked))
    assert moderate == stamped


def test_a_finding_that_has_hops_takes_no_others() -> None:
    one = lineage(ALICE, "a", hops=(hop("a"),))
    other = lineage(ALICE, "b", hops=(hop("b"),))
    assert combined(Finding("L1", EXACT, one), Finding("L4", STRONG, other)) == one


def test_a_weaker_finding_that_disagrees_adds_nothing_and_stops_nobody() -> None:
    one = lineage(ALICE, "a")
    rival = lineage(BOB, "b", hops=(hop("b"),))
    agreeing = lineage(replace(ALICE, name="alice"), "c")
    found = combined(
        Finding("L1", EXACT, one),
        Finding("L4", MODERATE, rival),
        Finding("L5", MODERATE, unknown()),
        Finding("L6", MODERATE, agreeing),
    )
    assert found.origin.principal == replace(ALICE, name="alice")
    assert found.origin.evidence == ("a", "c")
