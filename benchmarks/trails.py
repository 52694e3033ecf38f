"""Generated trails as material to measure with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.benchmark.material import Material, log_file
from tools.trailgen.generate import generate

if TYPE_CHECKING:
    from tools.trailgen.plan import Plan

_SEED = 7


def trail(plan: Plan, seed: int = _SEED) -> Material:
    """Make a trail by a plan, its files in the order of their first events."""
    files = generate(seed, plan).files().values()
    ordered = sorted(files, key=lambda records: str(records[0]["eventTime"]))
    return Material(tuple(log_file(records) for records in ordered))
