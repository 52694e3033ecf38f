"""What holds when records are missing: never a wrong answer, and what is proven stays proven."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.answers import enrich, holders, session_id
from tests.property.strategies import seeds, stories

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.property.strategies import Json, Story
    from tools.trailgen.trail import Trail
    from tools.trailgen.truth import Origin, Truth


@settings(max_examples=60)
@given(story=stories(), seed=seeds, share=st.floats(0, 1))
def test_lost_records_never_lead_to_a_wrong_answer(
    story: Story, *, seed: int, share: float
) -> None:
    trail = story.trail
    rng = random.Random(seed)  # noqa: S311 - same seed, same losses
    check(trail, [record for record in trail.records if rng.random() < share])


@settings(max_examples=40)
@given(story=stories(), seed=seeds)
def test_accounts_without_a_trail_never_lead_to_a_wrong_answer(story: Story, *, seed: int) -> None:
    trail = story.trail
    rng = random.Random(seed)  # noqa: S311 - same seed, same losses
    dark = set(rng.sample(trail.account_ids, rng.randint(1, len(trail.account_ids))))
    check(trail, [record for record in trail.records if record["recipientAccountId"] not in dark])


@settings(max_examples=40)
@given(story=stories(), data=st.data())
def test_a_kind_of_event_that_is_never_delivered_leads_to_no_wrong_answer(
    story: Story, data: st.DataObject
) -> None:
    trail = story.trail
    names = sorted({record["eventName"] for record in trail.records})
    left_out = data.draw(st.sampled_from(names))
    check(trail, [record for record in trail.records if record["eventName"] != left_out])


@settings(max_examples=30)
@given(story=stories(), cut=st.floats(0, 1))
def test_a_trail_that_begins_late_leads_to_no_wrong_answer(story: Story, cut: float) -> None:
    trail = story.trail
    check(trail, trail.records[int(cut * len(trail.records)) :])


def check(trail: Trail, records: Sequence[Json]) -> None:
    """Compare what comes out of some records with the truth about all of them."""
    present = {record["eventID"] for record in records}
    behind = holders(trail)
    for document, enriched in enrich(records).items():
        truth, origin = trail.truth[document], enriched["origin"]
        if truth.is_proven(present):
            assert origin["status"] == truth.status
            assert truth.agrees(origin), (origin, truth.origin)
        else:
            assert is_not_wrong(origin, truth, behind), (origin, truth.origin)
        check_chain(enriched["chain"], truth)
        assert present >= set(origin.get("evidence", ()))
        session = enriched["session"]
        if truth.session is not None:
            assert session["id"] == session_id(truth.session)
        if session.get("kind") == "fas_derived":
            continue  # known by the absence of a sign-in, which may be what was lost
        if truth.root_session is not None and session.get("root_complete"):
            assert session["root_id"] == session_id(truth.root_session)
        assert truth.access_mode in {None, enriched["access"]["mode"]} or (
            enriched["access"]["confidence"] in {"none", "weak"}
        )


def is_not_wrong(
    origin: Mapping[str, Any], truth: Truth, behind: Mapping[str, set[Origin]]
) -> bool:
    """Say whether an answer is right, or admits how little it knows."""
    match origin["status"]:
        case "resolved" if origin["kind"] == "asserted":
            return bool(origin["id"] == truth.source_identity)
        case "resolved":
            return truth.agrees(origin)
        case "external":  # goes on out of sight: what is seen of it must be of the chain
            seen = origin.get("id") or origin["arn"]
            return truth.origin in behind[seen]
        case status:
            return status in {"unknown", "ambiguous", "conflict"}


def check_chain(hops: Sequence[Mapping[str, Any]], truth: Truth) -> None:
    """Make sure that the hops seen are the last ones of the true chain."""
    seen = [hop["arn"] for hop in hops]
    assert seen == [hop.arn for hop in truth.chain][len(truth.chain) - len(seen) :]
