"""What enrichment writes is declared, mapped and documented, and nothing else is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from enricher.cli.main import cli
from enricher.cloudtrail import codec
from enricher.enrichers.fields import STORED, Declared, is_word
from enricher.enrichers.geo import Place
from enricher.enrichers.registry import ENVELOPE, built_in, check_ownership, enrich
from enricher.stores.templates import EVENTS_TEMPLATE, component_name, load_mappings
from tests.cases.case_files import case_names, load_case
from tests.conventions.source import REPOSITORY
from tests.property.answers import contexts, leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

DECLARED = {f"enriched.{field.name}": field for field in ENVELOPE} | {
    f"enriched.{field.name}": field for one in built_in() for field in one.fields
}
TOP = {name.removeprefix("enriched."): field for name, field in DECLARED.items()}
FIELDS_PAGE = REPOSITORY / "docs" / "reference" / "fields.md"


def _mapped() -> dict[str, dict[str, Any]]:
    """Give every mapped field of ``enriched`` that holds a value, with its mapping."""
    found: dict[str, dict[str, Any]] = {}
    for component in load_mappings().components.values():
        properties = component["template"]["mappings"]["properties"]
        if "enriched" in properties:
            found.update(_mapped_leaves(properties["enriched"], "enriched"))
    return found


def _mapped_leaves(mapping: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if "properties" not in mapping:
        yield path, mapping
        return
    for name, child in mapping["properties"].items():
        yield from _mapped_leaves(child, f"{path}.{name}")


def _written(value: object, path: str, mapped: dict[str, Any]) -> Iterator[str]:
    """Give the fields that a document holds; an object that is mapped as one is one."""
    if path in mapped or not isinstance(value, (dict, list)):
        yield path
    elif isinstance(value, list):
        for item in value:
            yield from _written(item, path, mapped)
    else:
        for name, child in value.items():
            yield from _written(child, f"{path}.{name}", mapped)


def _values(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Give every value of a document, with the field that it stands in."""
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _values(child, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from _values(item, path)
    else:
        yield path, value


def _documented() -> set[str]:
    return set(re.findall(r"^\| `(enriched\.[a-z_.]+)`", FIELDS_PAGE.read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def written() -> set[str]:
    """The fields of ``enriched`` that the samples' events hold."""
    answer = CliRunner().invoke(cli, ["explain", str(REPOSITORY / "samples" / "AWSLogs")])
    assert answer.exit_code == 0, answer.output
    mapped = _mapped()
    found: set[str] = set()
    for line in answer.stdout_bytes.splitlines():
        if line.startswith(b"{"):
            found.update(_written(codec.loads(line)["enriched"], "enriched", mapped))
    return found


def test_every_field_that_is_written_is_mapped(written: set[str]) -> None:
    assert len(written) > 20, "the samples hold most fields"
    assert written - _mapped().keys() == set()


def test_fields_that_are_mapped_are_the_fields_that_are_documented() -> None:
    assert _mapped().keys() == _documented()


def _cases() -> list[list[dict[str, Any]]]:
    """Give the records of every case."""
    folder = REPOSITORY / "tests" / "cases"
    return [[dict(raw) for raw in load_case(folder, n).records] for n in case_names(folder)]


def test_fields_of_words_hold_no_upper_case() -> None:
    """Alert rules ask for them as they are."""
    words = {name for name, mapping in _mapped().items() if "meta" in mapping}
    found = [
        (path, value)
        for records in _cases()
        for context in contexts(records)
        for path, value in _values(enrich(context, built_in()), "enriched")
        if path in words
    ]
    assert [(path, value) for path, value in found if not is_word(value)] == []
    # Another process writes how a log file was verified.
    assert words - {path for path, _ in found} == {"enriched.integrity"}


def test_every_field_that_an_enricher_declares_is_written_by_some_case() -> None:
    """What no case shows may as well not be there."""
    cases = _cases()
    account = {"userIdentity": {"type": "Root", "accountId": "111122223333"}}
    at_home = {"eventTime": "2026-03-02T08:00:00Z", "sourceIPAddress": "9.9.9.9", **account}
    enrichers = built_in({"111122223333": "prod"}, lambda _: Place("DE", "Berlin", 64_496, "Net"))
    found: set[str] = set()
    for records in [*cases, [at_home]]:
        for context in contexts(records):
            for context.window_closed in (True, False):
                answer = enrich(context, enrichers)
                found.update(f"enriched.{name}" for name in leaves(answer, TOP))
    of_enrichers = DECLARED.keys() - {f"enriched.{field.name}" for field in ENVELOPE}
    assert of_enrichers - found == set()


def test_fields_that_are_mapped_are_the_fields_that_are_declared() -> None:
    assert {name: field.mapping for name, field in DECLARED.items()} == _mapped()


def test_events_are_composed_of_every_enricher() -> None:
    mappings = load_mappings()
    composed = mappings.templates[EVENTS_TEMPLATE]["composed_of"]
    assert set(composed) == set(mappings.components)
    assert {component_name(one.name) for one in built_in()} < set(composed)


def test_no_two_enrichers_declare_the_same() -> None:
    check_ownership(built_in())


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_a_field_is_declared_in_full(name: str) -> None:
    field = DECLARED[name]
    assert field.meaning
    assert field.since
    assert "\n" not in f"{field.meaning}{field.shown}"
    assert "`" not in field.shown
    assert field.example not in (None, "", "TODO")


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_the_example_of_a_field_is_a_value_that_it_takes(name: str) -> None:
    field = DECLARED[name]
    nested: Any = field.example
    for part in reversed(field.name.split(".")):
        nested = {part: nested}
    assert field.mapping == STORED or Declared([field]).fault(nested) is None


def test_every_component_says_its_version() -> None:
    unversioned = [n for n, c in load_mappings().components.items() if "version" not in c["_meta"]]
    assert unversioned == []


def test_keywords_bound_what_they_index() -> None:
    """A longer value would be refused by Lucene, and the whole document with it."""
    unbound = [
        path
        for path, mapping in _mapped().items()
        if mapping.get("type") == "keyword" and "ignore_above" not in mapping
    ]
    assert unbound == []
