"""In the pure rooms everything public says what it is."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.conventions.source import PURE_ROOMS, Function, named, parsed, source_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = source_files(*(f"enricher/{room}" for room in PURE_ROOMS))


@pytest.mark.parametrize("path", FILES, ids=named)
def test_everything_public_has_a_docstring(path: Path) -> None:
    module = parsed(path)
    assert ast.get_docstring(module), "the module has none"
    assert [name for name, node in _public(module, "") if not ast.get_docstring(node)] == []


def _public(
    parent: ast.Module | ast.ClassDef, prefix: str
) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    for node in parent.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        yield f"{prefix}{node.name}", node
        if isinstance(node, ast.ClassDef):
            yield from _public(node, f"{node.name}.")
