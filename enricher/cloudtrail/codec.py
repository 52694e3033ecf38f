"""JSON in and out, in one place: a fast codec whose output is stable."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

JsonObject = dict[str, Any]

JSONDecodeError = orjson.JSONDecodeError


def loads(text: bytes | str) -> Any:  # noqa: ANN401 - JSON is what it is until it is checked
    """Parse one JSON text.

    Raises:
        JSONDecodeError: If the text is not JSON, or nests deeper than 1,024.
    """
    return orjson.loads(text)


def dumps(value: object) -> bytes:
    """Serialize to compact JSON, keys in the order given."""
    return orjson.dumps(value)


def pretty(value: object) -> bytes:
    """Serialize for people: indented, keys in the order given, a line end at the end."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def canonical(value: object) -> bytes:
    """Serialize to canonical JSON: keys sorted, no spaces, UTF-8 (rulings 20)."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(value: object) -> str:
    """Give the SHA-256 of the canonical JSON, as lower-case hex."""
    return hashlib.sha256(canonical(value)).hexdigest()
