"""What holds of a trail that is all there: right answers, in any order, with their proof."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.answers import enrich, instant, readable, session_id
from tests.property.strategies import damaged, damages, delivered, seeds, stories

if TYPE_CHECKING:
    from tests.property.strategies import Damage, Story

SECOND = timedelta(seconds=1)
STRENGTH = ("none", "weak", "moderate", "strong", "exact")


@settings(max_examples=60)
@given(story=stories())
def test_origins_are_the_truth(story: Story) -> None:
    trail = story.trail
    for document, enriched in enrich(trail.records).items():
        truth, origin = trail.truth[document], enriched["origin"]
        assert origin["status"] == truth.status
        assert truth.agrees(origin), (origin, truth.origin)
        assert origin.get("id") == truth.origin.id
        assert truth.origin.arn in {None, origin.get("arn")}
        assert truth.origin.account_id in {None, origin.get("account_id")}
        assert truth.origin.identity_provider in {None, origin.get("identity_provider")}


@settings(max_examples=60)
@given(story=stories())
def test_chains_sessions_and_access_are_the_truth(story: Story) -> None:
    trail = story.trail
    for document, enriched in enrich(trail.records).items():
        truth, session = trail.truth[document], enriched["session"]
        issuances = [hop.event_id for hop in truth.chain]
        assert [hop["event_id"] for hop in enriched["chain"]] == issuances
        assert enriched["chain_depth"] == len(issuances)
        if truth.session is not None:
            assert session["id"] == session_id(truth.session)
        if truth.root_session is not None:
            assert session["root_id"] == session_id(truth.root_session)
        if truth.access_mode is not None:
            assert enriched["access"]["mode"] == truth.access_mode
            assert enriched["access"]["console"] is (truth.access_mode == "console")


@settings(max_examples=40)
@given(story=stories(), seed=seeds, window_closed=st.booleans())
def test_no_order_no_split_and_no_repetition_shows(
    story: Story, *, seed: int, window_closed: bool
) -> None:
    trail = story.trail
    expected = enrich(trail.records, window_closed=window_closed)
    rng = random.Random(seed)  # noqa: S311 - same seed, same order
    again = enrich(delivered(trail, rng), window_closed=window_closed)
    assert again == expected


@settings(max_examples=80)
@given(story=stories(events=25), damage=damages(), seed=seeds)
def test_no_order_shows_in_damaged_records(
    story: Story, damage: list[Damage], *, seed: int
) -> None:
    trail = story.trail
    records = readable(damaged(trail.records, damage))
    expected = enrich(records)
    random.Random(seed).shuffle(records)  # noqa: S311 - same seed, same order
    assert enrich(records) == expected


@settings(max_examples=30)
@given(story=stories(events=40))
def test_session_is_known_from_the_record_alone(story: Story) -> None:
    trail = story.trail
    together = enrich(trail.records)
    for record in trail.records:
        ((document, alone),) = enrich([record]).items()
        session = together[document]["session"]
        for name in ("id", "credential_id", "issued_id", "name", "started_at"):
            assert alone["session"].get(name) == session.get(name)


@settings(max_examples=60)
@given(story=stories())
def test_chains_are_proven_and_go_forward_in_time(story: Story) -> None:
    trail = story.trail
    acted = {record["eventID"]: instant(record["eventTime"]) for record in trail.records}
    at = dict(zip(trail.truth, acted.values(), strict=True))
    for document, enriched in enrich(trail.records).items():
        origin, chain = enriched["origin"], enriched["chain"]
        assert acted.keys() >= set(origin.get("evidence", ()))
        assert acted.keys() >= {hop["event_id"] for hop in chain}
        assert origin.get("evidence") or origin["status"] not in {"resolved", "external"}
        credentials = {
            (hop["account_id"], hop.get("access_key_id"), hop["arn"], hop["at"]) for hop in chain
        }
        assert len(credentials) == len(chain)
        times = [*(instant(hop["at"]) for hop in chain), at[document]]
        assert all(one <= other + SECOND for one, other in pairwise(times))


@settings(max_examples=40)
@given(story=stories())
def test_chain_is_as_sure_as_its_weakest_hop(story: Story) -> None:
    trail = story.trail
    for enriched in enrich(trail.records).values():
        origin, hops = enriched["origin"], enriched["chain"]
        if not hops:
            continue
        weakest = min(STRENGTH.index(hop["confidence"]) for hop in hops)
        if origin["kind"] == "idc_user":  # stamped on the records, be the hops what they may
            assert STRENGTH.index(origin["confidence"]) >= weakest
        elif origin["status"] == "resolved":
            assert STRENGTH.index(origin["confidence"]) == weakest
        else:
            assert STRENGTH.index(origin["confidence"]) <= weakest
