"""Every rule says what it is, what to do, and is shown by a true and a false example."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from enricher.bootstrap import container
from enricher.cloudtrail import codec
from enricher.stores.rule_files import read_rule_files, shipped_rules
from tests.rules.example_files import example_names, load_examples
from tools.rulefigures import FIGURES, own_rules

if TYPE_CHECKING:
    from tests.rules.example_files import Example

Document = dict[str, Any]

FILES = {Path(name): text for name, text in read_rule_files(shipped_rules()).items()}
DOCUMENTS: dict[Path, list[Document]] = {
    path: list(yaml.safe_load_all(text)) for path, text in FILES.items()
}
ALERTING = {path: documents[-1] for path, documents in DOCUMENTS.items()}
LEVELS = {"informational", "low", "medium", "high", "critical"}
TECHNIQUE = re.compile(r"attack\.t\d{4}(\.\d{3})?")
TACTICS = {
    f"attack.{name}"
    for name in (
        "initial-access",
        "execution",
        "persistence",
        "privilege-escalation",
        "stealth",
        "defense-impairment",
        "credential-access",
        "discovery",
        "lateral-movement",
        "collection",
        "exfiltration",
        "impact",
    )
}
LONGEST_TITLE = 110

every_rule = pytest.mark.parametrize(
    "path", sorted(FILES), ids=[path.stem for path in sorted(FILES)]
)


def test_there_are_rules_and_all_can_be_expressed() -> None:
    """The parser knows each field and its type from the mapping of events."""
    checked = own_rules(container())
    assert checked.refusals == []
    assert len(checked.rules) == len(FILES)


@pytest.mark.parametrize("key", ["id", "name", "title"])
def test_ids_names_and_titles_are_unique(key: str) -> None:
    found = Counter(one[key] for documents in DOCUMENTS.values() for one in documents)
    assert [value for value, count in found.items() if count > 1] == []


@every_rule
def test_rule_is_whole(path: Path) -> None:
    rule = ALERTING[path]
    assert rule["name"] == path.stem
    assert len(rule["title"]) <= LONGEST_TITLE
    assert not rule["title"].endswith(".")
    assert rule["description"].endswith(".")
    assert rule["level"] in LEVELS
    assert rule["date"]
    assert rule["falsepositives"]
    assert rule["enricher"]["next_steps"]
    assert all(one.startswith("https://docs.aws.amazon.com/") for one in rule["references"])
    assert rule["references"]


@every_rule
def test_tags_name_a_technique_and_a_tactic(path: Path) -> None:
    tags = ALERTING[path]["tags"]
    assert [tag for tag in tags if TECHNIQUE.fullmatch(tag)]
    assert [tag for tag in tags if tag in TACTICS]
    assert [tag for tag in tags if not TECHNIQUE.fullmatch(tag) and tag not in TACTICS] == []


@every_rule
def test_conditions_use_what_is_selected(path: Path) -> None:
    """A selection that no condition names would be a filter that nobody applies."""
    for one in DOCUMENTS[path]:
        for name in one.get("detection", {}):
            condition = one["detection"]["condition"]
            if name == "condition":
                continue
            patterns = [word for word in re.findall(r"[\w*]+", condition) if "*" in word]
            matched = any(re.fullmatch(word.replace("*", ".*"), name) for word in patterns)
            assert matched or re.search(rf"\b{name}\b", condition), f"{name} is not used"


@every_rule
def test_rule_has_a_true_and_a_false_example(path: Path) -> None:
    examples = load_examples(path.stem)
    assert [example.fires for example in examples] == [True, False]
    assert all(example.records for example in examples)


@every_rule
def test_false_example_looks_like_the_true_one(path: Path) -> None:
    """Else it would be silent whatever the rule excludes."""
    true, false = load_examples(path.stem)
    assert true.records[-1]["eventName"] in {record["eventName"] for record in false.records}


def test_every_example_is_of_a_rule() -> None:
    assert example_names() == sorted(path.stem for path in FILES)


def test_examples_share_no_account_and_no_event() -> None:
    """Else one story could make another's alert."""
    examples = [one for name in example_names() for one in load_examples(name)]
    for what in (lambda one: one.event_ids, accounts_of):
        found = Counter(value for one in examples for value in what(one))
        assert [value for value, count in found.items() if count > 1] == []


def test_every_rule_was_measured() -> None:
    figures = codec.loads(FIGURES.read_bytes())
    assert isinstance(figures, dict)
    measured = figures["alerts"]
    assert isinstance(measured, dict)
    assert sorted(measured) == sorted(path.stem for path in FILES), "python -m tools.rulefigures"


def accounts_of(example: Example) -> set[str]:
    return {str(record.get("recipientAccountId")) for record in example.records}
