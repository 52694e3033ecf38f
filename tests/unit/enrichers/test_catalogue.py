"""The catalogue is well formed, says where each entry is from, and refuses what is not."""

from __future__ import annotations

import pytest

from enricher.enrichers.catalogue import CLASSES, TAGS, CatalogueError, catalogue, read_catalogue
from enricher.enrichers.conditions import CONDITIONS

ENTRIES = catalogue().entries
HEAD = "sources: {here: a page}\nverbs: {read: [Get], change: [Put]}\nentries:\n"


def test_every_entry_says_where_it_is_from() -> None:
    sources = catalogue().sources
    assert [entry for entry in ENTRIES if not set(entry.sources) <= sources.keys()] == []
    assert [entry for entry in ENTRIES if not entry.sources] == []


def test_every_source_and_every_condition_is_used() -> None:
    used = {source for entry in ENTRIES for source in entry.sources}
    assert used == catalogue().sources.keys()
    assert {entry.condition for entry in ENTRIES if entry.condition} == set(CONDITIONS.values())


def test_every_tag_and_every_entry_says_something() -> None:
    assert {tag for entry in ENTRIES for tag in entry.tags} == TAGS
    assert [entry for entry in ENTRIES if not (entry.kind or entry.sensitive or entry.tags)] == []


def test_no_two_entries_of_a_call_give_it_two_classes() -> None:
    for entry in ENTRIES:
        for name in entry.names:
            found = catalogue().of(entry.service, name.rstrip("*"))
            assert len({one.kind for one in found if one.kind}) <= 1, (entry.service, name)


def test_no_name_stands_twice_for_the_same() -> None:
    seen: set[tuple[object, ...]] = set()
    for entry in ENTRIES:
        for name in entry.names:
            key = (entry.service, name, entry.kind, entry.tags, entry.when, entry.condition)
            assert key not in seen
            seen.add(key)


def test_a_verb_has_one_class() -> None:
    assert set(catalogue().verbs.values()) <= set(CLASSES)
    assert len(catalogue().verbs) > 80


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{service: s3, names: [X], source: [here], tag: [secrets]}", "unknown keys"),
        ("{service: s3, names: [X], tags: [secrets]}", "source"),
        ("{service: s3, names: [X], tags: [secrets], source: [there]}", "source"),
        ("{service: s3, names: [], tags: [secrets], source: [here]}", "names"),
        ("{service: s3, names: [X], tags: [secret], source: [here]}", "tag that does not"),
        ("{service: s3, names: [X], class: write, source: [here]}", "class or tag"),
        ("{service: s3, names: [X], if: often, source: [here]}", "condition"),
    ],
)
def test_what_breaks_the_format_is_refused(entry: str, words: str) -> None:
    with pytest.raises(CatalogueError, match=words):
        read_catalogue(f"{HEAD}  - {entry}\n")


def test_a_star_matches_what_follows_and_a_name_itself_only() -> None:
    read = read_catalogue(
        f"{HEAD}  - {{service: s3, names: [Get, 'Put*'], class: read, source: [here]}}\n"
    )
    assert [bool(read.of("s3", name)) for name in ("Get", "GetX", "Put", "PutX")] == [
        True,
        False,
        True,
        True,
    ]
    assert read.of("s4", "Get") == ()
