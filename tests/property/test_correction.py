"""What holds of a ledger entry however its refused records are taken up again."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.pipeline.correction import Refused, Taken, corrected, settled
from enricher.pipeline.ports import QuarantineEntry

RUN = "run-1"
AT = datetime(2026, 3, 2, tzinfo=UTC)
REASONS = ("record-too-large", "record-too-deep", "mapper_parsing_exception")
FATES = ("created", "duplicate", "refused", "left")


def held(number: int, reason: str, run_id: str) -> QuarantineEntry:
    return QuarantineEntry(
        id=f"entry-{number}",
        what="record",
        reason=reason,
        location="log",
        verbatim=None,
        at=AT,
        run_id=run_id,
    )


def ledger(reasons: list[str], indexed: int) -> dict[str, Any]:
    return {
        "run_id": RUN,
        "status": "ingested",
        "records": indexed + len(reasons),
        "indexed": indexed,
        "duplicate": 0,
        "quarantined": len(reasons),
        "refusals": dict(Counter(reasons)),
    }


@given(
    reasons=st.lists(st.sampled_from(REASONS), max_size=12),
    indexed=st.integers(0, 20),
    fates=st.lists(st.tuples(st.sampled_from(FATES), st.sampled_from(REASONS)), min_size=12),
    batch=st.integers(1, 5),
    late=st.integers(0, 3),
)
def test_numbers_add_up_whatever_becomes_of_each(
    reasons: list[str],
    indexed: int,
    fates: list[tuple[str, str]],
    batch: int,
    late: int,
) -> None:
    """Batch by batch, with entries of other runs among them, which the ledger never counted."""
    entry = ledger(reasons, indexed)
    entries = [held(number, reason, RUN) for number, reason in enumerate(reasons)]
    entries += [held(100 + number, REASONS[0], "run-0") for number in range(late)]
    chosen = list(zip(entries, [*fates, *[("created", REASONS[0])] * late], strict=False))
    for start in range(0, len(chosen), batch):
        part = chosen[start : start + batch]
        entry = corrected(
            entry,
            taken=[
                Taken(one, AT + timedelta(seconds=start), fate == "created", pending=False)
                for one, (fate, _) in part
                if fate in {"created", "duplicate"}
            ],
            refusals=[Refused(one, reason) for one, (fate, reason) in part if fate == "refused"],
            complete=True,
        )
    became = Counter(fate for _, (fate, _) in zip(reasons, fates, strict=False))
    assert entry["indexed"] == indexed + became["created"]
    assert entry["duplicate"] == became["duplicate"]
    assert entry["quarantined"] == became["refused"] + became["left"]
    assert sum(one["count"] for one in entry["refusals"]) == entry["quarantined"]


def test_what_it_was_corrected_for_is_noted_until_another_run() -> None:
    entry = corrected(
        ledger([REASONS[0]], 1),
        taken=[Taken(held(0, REASONS[0], RUN), AT, created=True, pending=True)],
        refusals=[],
        complete=True,
    )
    assert settled(entry) == {"entry-0"}
    assert settled({**entry, "run_id": "run-2"}) == frozenset()
    assert (entry["pending"], entry["newest_event_at"]) == (1, "2026-03-02T00:00:00Z")


def test_more_than_is_in_quarantine_cannot_leave_it() -> None:
    taken = [Taken(held(n, REASONS[0], RUN), AT, created=True, pending=False) for n in range(2)]
    with pytest.raises(AssertionError):
        corrected(ledger([REASONS[0]], 0), taken=taken, refusals=[], complete=True)
