"""Which fields events have, and of which type: what a rule can ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from enricher.enrichers.fields import IN_LOWER_CASE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FLAT_OBJECT = "flat_object"
NUMBERS = frozenset({"byte", "short", "integer", "long", "float", "double"})
_GROUPED = NUMBERS | {"keyword", "boolean", "ip"}


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of the events' mapping.

    Attributes:
        types: Type by name; of an alias, that of the field behind it.
        words: Those that hold words in lower case, and other text behind a colon only.
    """

    types: Mapping[str, str]
    words: frozenset[str] = frozenset()

    def type_of(self, name: str) -> str | None:
        """Give a field's type; None where nothing of that name is indexed.

        What lies below a ``flat_object`` is one, whatever it is called: its names are data.
        """
        if name in self.types:
            return self.types[name]
        parts = name.split(".")
        above = (".".join(parts[:count]) for count in range(1, len(parts)))
        return FLAT_OBJECT if any(self.types.get(one) == FLAT_OBJECT for one in above) else None

    def can_group(self, name: str) -> bool:
        """Say whether events can be grouped by a field; below a ``flat_object`` they cannot."""
        return self.type_of(name) in _GROUPED


def fields_of(mappings: Iterable[Mapping[str, Any]]) -> Fields:
    """Read the fields of mappings, each ``{"properties": …}``, that make up one index."""
    found: dict[str, str] = {}
    aliases: dict[str, str] = {}
    words: set[str] = set()
    for mapping in mappings:
        for name, leaf in _leaves(mapping.get("properties", {}), ""):
            if "path" in leaf:
                aliases[name] = leaf["path"]
                continue
            found[name] = leaf["type"]
            if leaf.get("meta") == IN_LOWER_CASE:
                words.add(name)
    types = {**found, **{name: found[path] for name, path in aliases.items()}}
    return Fields(types, frozenset(words))


def _leaves(properties: Mapping[str, Any], above: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, mapping in properties.items():
        whole = f"{above}{name}"
        if "properties" in mapping:
            yield from _leaves(mapping["properties"], f"{whole}.")
        elif mapping.get("enabled") is not False and mapping.get("index") is not False:
            yield whole, mapping
            for sub, inner in mapping.get("fields", {}).items():
                yield f"{whole}.{sub}", inner
