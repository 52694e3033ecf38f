"""What is read in one go stays short enough for it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.conventions.source import functions, named, source_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conventions.source import Function

LONGEST_MODULE = 400
LONGEST_FUNCTION = 40
MOST_PARAMETERS = 6
BANNED_WORDS = {"utils", "helpers", "common", "manager", "handler"}
FILES = source_files("enricher", "tools", "benchmarks")
PACKAGE = source_files("enricher")

every_file = pytest.mark.parametrize("path", FILES, ids=named)
every_module = pytest.mark.parametrize("path", PACKAGE, ids=named)


@every_file
def test_module_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE


@every_file
def test_functions_are_short(path: Path) -> None:
    assert {f.name: n for f in functions(path) if (n := _length(f, path)) > LONGEST_FUNCTION} == {}


@every_module
def test_functions_take_few_parameters(path: Path) -> None:
    # Typer's commands declare their options as parameters.
    if path.parent.name == "cli":
        return
    assert {f.name: n for f in functions(path) if (n := _parameters(f)) > MOST_PARAMETERS} == {}


@every_file
def test_file_is_named_for_what_it_holds(path: Path) -> None:
    assert BANNED_WORDS.isdisjoint(path.stem.split("_"))


def _length(function: Function, path: Path) -> int:
    """Count the lines of code in a body: comments, docstring and signature cost nothing."""
    body = function.body
    if ast.get_docstring(function, clean=False) is not None:
        body = body[1:]
    if not body:
        return 0
    lines = path.read_text().splitlines()[body[0].lineno - 1 : body[-1].end_lineno]
    return len([line for line in lines if line.strip() and not line.lstrip().startswith("#")])


def _parameters(function: Function) -> int:
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in names if name not in {"self", "cls"}])
