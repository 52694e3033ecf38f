"""The source files as the conventions see them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "enricher"
PURE_ROOMS = ("cloudtrail", "identity", "enrichers")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def source_files(*folders: str) -> list[Path]:
    """List the Python files of these folders of the repository."""
    return sorted(path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))


def named(path: Path) -> str:
    """Spell a path as people do here."""
    return path.relative_to(REPOSITORY).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """Parse a source file."""
    return ast.parse(path.read_text())


def functions(path: Path) -> list[Function]:
    """Give all functions and methods of a file."""
    return [node for node in ast.walk(parsed(path)) if isinstance(node, Function)]
