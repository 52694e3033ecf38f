"""The fields that an enricher declares: one model for mapping, reference page and checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Mapped = Mapping[str, Any]


def keyword(longest: int) -> Mapped:
    """Map text that is searched whole; what has more characters is stored, not indexed."""
    return {"type": "keyword", "ignore_above": longest}


BOOLEAN: Mapped = {"type": "boolean"}
IP: Mapped = {"type": "ip"}


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
