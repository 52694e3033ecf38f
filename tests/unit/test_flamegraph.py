"""A flame graph adds stacks up, and what it shows is text."""

from __future__ import annotations

import pytest
import typer

from benchmarks.flamegraph import boxes, draw, read_stacks

STACKS = [
    "main (app.py:1);work (app.py:2);read (enricher/pipeline/ingest.py:7) 6",
    "main (app.py:1);work (app.py:3);read (enricher/pipeline/ingest.py:9) 2",
    "main (app.py:1);work (app.py:2) 1",
    "main (app.py:1);wait (app.py:4) 11",
]


def test_stacks_are_added_up_whatever_the_line() -> None:
    whole = read_stacks(STACKS, None)
    placed = {box.frame.name: (box.frame.samples, box.row) for box in boxes(whole)}
    assert placed == {
        "all": (20, 0),
        "main (app.py)": (20, 1),
        "wait (app.py)": (11, 2),
        "work (app.py)": (9, 2),
        "read (enricher/pipeline/ingest.py)": (8, 3),
    }


def test_boxes_lie_on_their_caller_and_not_on_each_other() -> None:
    placed = {box.frame.name.split()[0]: box for box in boxes(read_stacks(STACKS, None))}
    assert (placed["wait"].left, placed["wait"].width) == (0.0, 0.55)
    assert (placed["work"].left, placed["work"].width) == (0.55, 0.45)
    assert placed["read"].left == 0.55


def test_only_what_a_function_calls_is_drawn() -> None:
    whole = read_stacks(STACKS, "work")
    assert (whole.name, whole.samples) == ("work", 9)
    assert [box.frame.name for box in boxes(whole)] == [
        "work",
        "read (enricher/pipeline/ingest.py)",
    ]


def test_names_are_shown_and_never_markup() -> None:
    drawn = draw(read_stacks(["<script> (a&b.py:1) 1"], None), "a < b")
    assert "<script>" not in drawn
    assert "&lt;script&gt; (a&amp;b.py)" in drawn
    assert "a &lt; b" in drawn


@pytest.mark.parametrize("line", ["", "no number", "7"])
def test_what_is_no_stack_is_refused(line: str) -> None:
    with pytest.raises(typer.BadParameter, match="no collapsed stack"):
        read_stacks([line], None)


def test_a_function_that_nobody_called_is_said() -> None:
    with pytest.raises(typer.BadParameter, match="no stack goes through nothing"):
        read_stacks(STACKS, "nothing")
