"""The fields that an enricher declares: one model for mapping, reference page and checks."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from enricher.cloudtrail import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Mapped: TypeAlias = Mapping[str, Any]

_LONGEST_TERM_CHARS = 8_191  # Lucene's 32,766 bytes, where each character takes four
_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})?", re.ASCII
)


def keyword(longest: int) -> Mapped:
    """Map text that is searched whole; what has more characters is stored, not indexed."""
    return {"type": "keyword", "ignore_above": longest}


IN_LOWER_CASE: Mapped = {"spelling": "lower"}
"""What the mapping of a field of words says (``meta`` in OpenSearch)."""


def word(longest: int) -> Mapped:
    """Map words of a vocabulary of our own, all in lower case; behind a colon stands what is not.

    Who asks for one without regard to case can ask for it as it is, which costs a node a third
    less.
    """
    return {**keyword(longest), "meta": {**IN_LOWER_CASE}}


BOOLEAN: Mapped = {"type": "boolean"}
DATE: Mapped = {"type": "date"}
DOUBLE: Mapped = {"type": "double"}
INTEGER: Mapped = {"type": "integer"}
IP: Mapped = {"type": "ip"}
LONG: Mapped = {"type": "long"}
SHORT: Mapped = {"type": "short"}
STORED: Mapped = {"type": "object", "enabled": False}
"""Any JSON, kept and shown, not searched."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field that an enricher writes.

    Attributes:
        name: Its path below ``enriched``, e.g. ``origin.kind``. Any level may hold a list.
        mapping: Its mapping, as OpenSearch takes it.
        meaning: What it says, in Markdown, on one line.
        example: A value, as a document would hold it.
        since: The release that wrote it first.
    """

    name: str
    mapping: Mapped
    meaning: str
    example: Any
    since: str = "0.1"

    @property
    def top(self) -> str:
        """The top-level name below ``enriched`` that it lies under."""
        return self.name.partition(".")[0]

    @property
    def type(self) -> str:
        """Its type, as people say it."""
        return "JSON, not indexed" if self.mapping == STORED else str(self.mapping.get("type"))

    @property
    def shown(self) -> str:
        """Its example, as people read it."""
        return self.example if isinstance(self.example, str) else codec.dumps(self.example).decode()


def properties(fields: Iterable[Field]) -> dict[str, Any]:
    """Nest mappings by path; what nobody declared is stored below them, not indexed."""
    nested: dict[str, Any] = {}
    for field in fields:
        *parents, leaf = field.name.split(".")
        level = nested
        for parent in parents:
            level = level.setdefault(parent, {"dynamic": False, "properties": {}})["properties"]
        level[leaf] = dict(field.mapping)
    return nested


def component_template(what: str, version: int, fields: Iterable[Field]) -> dict[str, Any]:
    """Give the component template that maps these fields."""
    enriched = {"dynamic": False, "properties": properties(fields)}
    return {
        "_meta": {"version": version, "what": what},
        "template": {"mappings": {"properties": {"enriched": enriched}}},
    }


# --- whether a value fits: a document with one that does not would be refused, whole -----------


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def is_word(value: object) -> bool:
    """Whether a value is a word in lower case, up to a colon."""
    return isinstance(value, str) and (word := value.partition(":")[0]) == word.lower()


def _whole(bits: int) -> Callable[[object], bool]:
    bound = 1 << (bits - 1)
    return lambda value: (
        isinstance(value, int) and not isinstance(value, bool) and -bound <= value < bound
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_instant(value: object) -> bool:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return False
    try:
        # Python reads six digits of a second at most.
        datetime.fromisoformat(re.sub(r"\.\d+", "", value))
    except ValueError:
        return False
    return True


def _is_address(value: object) -> bool:
    if not isinstance(value, str) or "%" in value:
        return False
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


_FITS: Mapping[str, Callable[[object], bool]] = {
    "keyword": _is_text,
    "boolean": lambda value: isinstance(value, bool),
    "short": _whole(16),
    "integer": _whole(32),
    "long": _whole(64),
    "double": _is_number,
    "date": _is_instant,
    "ip": _is_address,
}


def is_checkable(field: Field) -> bool:
    """Whether every value that its mapping would refuse can be told beforehand."""
    extra = set(field.mapping) - {"type"}
    if field.mapping.get("type") != "keyword":
        return not extra and field.mapping.get("type") in _FITS
    longest = field.mapping.get("ignore_above")
    return (
        extra - {"meta"} == {"ignore_above"}
        and field.mapping.get("meta", IN_LOWER_CASE) == IN_LOWER_CASE
        and _whole(32)(longest)
        and 0 < int(longest or 0) <= _LONGEST_TERM_CHARS
    )


class Declared:
    """What an enricher may write: tells what a document would be refused for."""

    def __init__(self, fields: Iterable[Field]) -> None:
        """Take checkable fields."""
        self._fits = {
            field.name: is_word if "meta" in field.mapping else _FITS[field.mapping["type"]]
            for field in fields
        }
        self._parents = {
            name[:place] for name in self._fits for place, char in enumerate(name) if char == "."
        }
        self._parents.add("")

    def fault(self, fields: Mapping[str, Any]) -> str | None:
        """Find what does not fit, or was never declared.

        Args:
            fields: Fields of ``enriched``, as JSON.

        Returns:
            ``undeclared-field`` or ``value-of-another-type``; None where all fits.
        """
        return self._fault(fields, "")

    def _fault(self, value: Any, path: str) -> str | None:  # noqa: ANN401 - any JSON value
        items = value if isinstance(value, list) else [value]
        fits = self._fits.get(path)
        if fits is not None:
            fitting = all(item is None or fits(item) for item in items)
            return None if fitting else "value-of-another-type"
        if path not in self._parents or not all(isinstance(item, dict) for item in items):
            return "undeclared-field"
        for item in items:
            for name, member in item.items():
                # OpenSearch reads a dot as a level: no name may smuggle one in.
                if not name or "." in name:
                    return "undeclared-field"
                fault = self._fault(member, f"{path}.{name}" if path else name)
                if fault is not None:
                    return fault
        return None
