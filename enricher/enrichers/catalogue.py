"""The catalogue of calls: what each does, as data (``catalogue.yml``), read once.

Looked up by service and name; what a call is by its catalogue entries alone is put together once.
Entries with a condition are kept apart, to be asked of each record.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml

from enricher.enrichers.conditions import CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from enricher.cloudtrail.record import Record

CLASSES = ("read", "change", "credential", "auth", "crypto", "data_use")
TAGS = frozenset(
    {
        "anti-forensics",
        "anti-forensics-possible",
        "containment",
        "containment-removed",
        "credentials",
        "data-access",
        "decrypted",
        "discovery",
        "persistence",
        "privilege-escalation",
        "privileged-task",
        "secrets",
        "sharing",
    }
)
_KEYS = frozenset({"service", "names", "class", "sensitive", "tags", "when", "if", "source"})
_LONGEST_VALUE = 1_024


class CatalogueError(ValueError):
    """The catalogue breaks its own format: a mistake in a release, found by its tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the catalogue.

    Attributes:
        names: Names of calls; a trailing ``*`` matches whatever follows.
        kind: The class, where it overrides ``readOnly`` and the verb.
        when: Request parameters and what each must be.
        condition: What must hold beside, if anything.
        sources: Keys of the sources that say so.
    """

    service: str
    names: tuple[str, ...]
    kind: str | None
    sensitive: bool
    tags: tuple[str, ...]
    when: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    condition: Callable[[Record], bool] | None
    sources: tuple[str, ...]

    @property
    def conditional(self) -> bool:
        """Whether the record must be asked."""
        return bool(self.when) or self.condition is not None

    def holds(self, record: Record) -> bool:
        """Whether the record is as the entry wants it."""
        request = record.request
        if not all(_is_one_of(_at(request, path), wanted) for path, wanted in self.when):
            return False
        return self.condition is None or self.condition(record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All entries, and what their sources are.

    Attributes:
        verbs: First word of a call's name → class.
    """

    sources: Mapping[str, str]
    verbs: Mapping[str, str]
    entries: tuple[Entry, ...]
    _by_service: Mapping[str, Sequence[Entry]]

    def of(self, service: str, name: str) -> tuple[Entry, ...]:
        """Give the entries of a call."""
        return tuple(
            entry
            for entry in self._by_service.get(service, ())
            if any(_fits(name, pattern) for pattern in entry.names)
        )


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Read the catalogue that comes with the package."""
    return read_catalogue(files("enricher.enrichers").joinpath("catalogue.yml").read_text("utf-8"))


def read_catalogue(content: str) -> Catalogue:
    """Read a catalogue.

    Raises:
        CatalogueError: If it breaks its format.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times as fast
    data = yaml.load(content, Loader=loader)  # noqa: S506 - both are safe loaders
    sources: dict[str, str] = data["sources"]
    entries = tuple(_entry(one, sources) for one in data["entries"])
    by_service: dict[str, list[Entry]] = {}
    for entry in entries:
        by_service.setdefault(entry.service, []).append(entry)
    verbs = {verb: kind for kind, verbs in data["verbs"].items() for verb in verbs}
    return Catalogue(sources=sources, verbs=verbs, entries=entries, _by_service=by_service)


def _entry(one: Mapping[str, Any], sources: Mapping[str, str]) -> Entry:
    where = f"{one.get('service')}: {one.get('names')}"
    if unknown := sorted(set(one) - _KEYS):
        raise CatalogueError(f"{where}: unknown keys {unknown}")
    if not one.get("names") or not set(one.get("source", ())) & sources.keys():
        raise CatalogueError(f"{where}: it needs names, and a source that is listed")
    if one.get("class", "read") not in CLASSES or not set(one.get("tags", ())) <= TAGS:
        raise CatalogueError(f"{where}: a class or tag that does not exist")
    if "if" in one and one["if"] not in CONDITIONS:
        raise CatalogueError(f"{where}: a condition that does not exist")
    return Entry(
        service=one["service"],
        names=tuple(one["names"]),
        kind=one.get("class"),
        sensitive=one.get("sensitive", False),
        tags=tuple(one.get("tags", ())),
        when=tuple(
            (tuple(path.split(".")), tuple(wanted) if isinstance(wanted, list) else (wanted,))
            for path, wanted in one.get("when", {}).items()
        ),
        condition=CONDITIONS[one["if"]] if "if" in one else None,
        sources=tuple(one["source"]),
    )


def _fits(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _at(request: Mapping[str, Any], path: Sequence[str]) -> object:
    value: Any = request
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _is_one_of(value: object, wanted: Sequence[str]) -> bool:
    """Compare as text, case aside: parameters are written as JSON or as text, by the service."""
    if not isinstance(value, (str, int)):
        return False
    said = str(value)[:_LONGEST_VALUE].lower()
    return any(
        one[1:].lower() in said if one.startswith("~") else one.lower() == said for one in wanted
    )
