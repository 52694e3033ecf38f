"""Lengths of time, as people read them."""

from __future__ import annotations

import pytest

from enricher.cli.status import span


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, ""),
        (0, "0 s"),
        (0.6, "1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3_600, "1 h"),
        (3_601, "1 h"),
        (12_000, "3 h 20 min"),
        (86_400 * 3 + 3_600, "3 d 1 h"),
        (-90, "-1 min 30 s"),
    ],
)
def test_a_span_is_spelt_in_its_two_largest_units(seconds: float | None, shown: str) -> None:
    assert span(seconds) == shown
