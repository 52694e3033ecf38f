"""The pages of docs/reference say what the code does, and pages name only what exists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from enricher.settings import setting_names
from tests.conventions.source import REPOSITORY, named
from tools.reference import DIRECTORY, command_paths, written

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "docs").rglob("*.md"),
        REPOSITORY / "samples/README.md",
    ]
)
COMMAND = r"(?:\.venv/bin/)?enricher ((?:[a-z]+ ?)+)"
INLINE = re.compile(f"`{COMMAND}")
FENCED = re.compile(rf"^\s*(?:\$ )?{COMMAND}", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)\)")
SETTING = re.compile(r"\bENRICHER_[A-Z_]*[A-Z]\b")
METRIC = re.compile(r"\benricher_[a-z_]*_(?:bytes|seconds|total|running|tasks|events|hand|up)\b")
OF_THE_TESTS = "ENRICHER_TEST_"

every_page = pytest.mark.parametrize("page", PAGES, ids=named)


@pytest.mark.parametrize("path", sorted(written()), ids=named)
def test_generated_file_is_fresh(path: Path) -> None:
    assert path.read_text() == written()[path], "run `make docs`"


def test_every_setting_is_documented() -> None:
    page = (DIRECTORY / "settings.md").read_text()
    assert [name for name in setting_names() if f"`{name}`" not in page] == []


@every_page
def test_page_names_only_metrics_that_exist(page: Path) -> None:
    known = set(METRIC.findall((DIRECTORY / "metrics.md").read_text()))
    assert known
    assert set(METRIC.findall(page.read_text())) <= known


@every_page
def test_page_names_only_commands_that_exist(page: Path) -> None:
    paths = set(command_paths())
    groups = {path[0] for path in paths if len(path) > 1}
    unknown = []
    for words in _commands(page.read_text()):
        first, *rest = words.split()
        named_command = (first, rest[0]) if first in groups and rest else (first,)
        if named_command not in paths:
            unknown.append(" ".join(named_command))
    assert unknown == []


@every_page
def test_page_names_only_settings_that_exist(page: Path) -> None:
    known = set(setting_names())
    found = {
        name for name in SETTING.findall(page.read_text()) if not name.startswith(OF_THE_TESTS)
    }
    assert found - known == set()


@every_page
def test_page_links_to_what_exists(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def _commands(text: str) -> list[str]:
    """Find the commands that a page shows, by the words after ``enricher``."""
    fenced = [words for block in FENCE.findall(text) for words in FENCED.findall(block)]
    return [*fenced, *INLINE.findall(FENCE.sub("", text))]
