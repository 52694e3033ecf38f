"""From a record to what OpenSearch takes: whole, secret-free, never refused for its shape.

The mapping (``mappings/``) is strict on some fields: a keyword takes no object, an object no
string, a ``flat_object`` no bare value and no leaf beyond Lucene's longest term. A record that
breaks such a rule is indexed with that value wrapped or shortened, keeps itself verbatim under
``raw``, and says so in its notes (design §4). ``sessionToken`` is a secret and is redacted.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from enricher.cloudtrail import codec
from enricher.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enricher.cloudtrail.codec import JsonObject
    from enricher.cloudtrail.reading import InputLimits

LONGEST_TERM_BYTES = 32_766  # Lucene's limit for one term, in UTF-8
REDACTED = "REDACTED"
_SHORTENED_CHARS = 1_000  # enough to find it by; ``raw`` keeps the whole
_LONGEST_NAME_CHARS = 1_000
_LONGEST_PATH_BYTES = 24_000
_RESERVED = frozenset({"@timestamp", "enriched", "raw"})
_FLAT = frozenset(
    {
        "additionalEventData",
        "addendum",
        "edgeDeviceDetails",
        "eventContext",
        "insightDetails",
        "requestParameters",
        "responseElements",
        "serviceEventDetails",
    }
)
_OBJECTS = frozenset({"tlsDetails", "userIdentity"})
_KEYWORDS = frozenset(
    {
        "apiVersion",
        "awsRegion",
        "errorCode",
        "errorMessage",
        "eventCategory",
        "eventID",
        "eventName",
        "eventSource",
        "eventType",
        "eventVersion",
        "recipientAccountId",
        "requestID",
        "sessionCredentialFromConsole",
        "sharedEventID",
        "sourceIPAddress",
        "userAgent",
        "vpcEndpointAccountId",
        "vpcEndpointId",
    }
)
_BOOLEANS = frozenset({"managementEvent", "readOnly"})
_TOKEN_NAME = "sessiontoken"  # in lower case  # noqa: S105 - the name of a field
_TOKEN_MARK = _TOKEN_NAME.encode()
_OPENERS = b"{["
_LOWER = bytes(range(256)).lower()  # each byte in lower case, for ``translate``


class Indexable(NamedTuple):
    """A record ready to be indexed: its JSON, and what had to be changed."""

    body: bytes
    notes: tuple[str, ...]


def indexable(raw: JsonObject, limits: InputLimits) -> Indexable:
    """Give the JSON to index for a record.

    Raises:
        RecordError: ``record-too-large`` or ``record-too-deep``.
    """
    try:
        body = codec.dumps(raw)
    except (TypeError, ValueError) as err:  # nesting beyond the codec, text that is no Unicode
        raise RecordError("not-serializable") from err
    if len(body) > limits.record_bytes:
        raise RecordError("record-too-large")
    # Both questions in one pass. Without its openers, a text may seem to name a token that it does
    # not name: then nothing is redacted.
    folded = body.translate(_LOWER, _OPENERS)
    if len(body) - len(folded) > limits.depth and _depth(raw) > limits.depth:
        raise RecordError("record-too-deep")
    if _TOKEN_MARK in folded:
        raw = redacted(raw)
        body = codec.dumps(raw)
    notes: set[str] = set()
    shaped = _shaped(raw, notes, oversize=len(body) > LONGEST_TERM_BYTES)
    if shaped is not raw:
        shaped["raw"] = raw
        body = codec.dumps(shaped)
    return Indexable(body, tuple(sorted(notes)))


def _depth(value: object) -> int:
    """Measure nesting without recursion."""
    deepest, stack = 0, [(value, 1)]
    while stack:
        current, depth = stack.pop()
        deepest = max(deepest, depth)
        if isinstance(current, dict):
            stack.extend((v, depth + 1) for v in current.values() if isinstance(v, (dict, list)))
        elif isinstance(current, list):
            stack.extend((v, depth + 1) for v in current if isinstance(v, (dict, list)))
    return deepest


def redacted(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Give a copy without session tokens, however deep they lie."""
    if isinstance(value, dict):
        return {
            name: REDACTED if name.lower() == _TOKEN_NAME and member else redacted(member)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [redacted(item) for item in value]
    return value


def _shaped(raw: JsonObject, notes: set[str], *, oversize: bool) -> JsonObject:
    """Give the record as the mapping takes it; the very same object where it already fits."""
    changed: JsonObject = {}
    dropped: set[str] = set()
    for name in raw if oversize else _doubtful(tuple(raw), tuple(map(type, raw.values()))):
        if not _is_taken(name):
            dropped.add(name)
            notes.add("reshaped_value")
            continue
        value = raw[name]
        fitting = _fit(name, value, notes, oversize=oversize)
        if fitting is not value:
            changed[name] = fitting
    if not changed and not dropped:
        return raw
    return {k: changed.get(k, v) for k, v in raw.items() if k not in dropped}


@lru_cache(maxsize=1_024)  # records of one kind of call have the same fields, mostly
def _doubtful(names: tuple[str, ...], kinds: tuple[type, ...]) -> tuple[str, ...]:
    """Give the fields that may not fit, by what kind of value they have; size is another matter."""
    return tuple(
        name for name, kind in zip(names, kinds, strict=True) if not _surely_fits(name, kind)
    )


def _surely_fits(name: str, kind: type) -> bool:
    if not _is_taken(name):
        return False
    if kind is type(None):
        return True
    if name in _KEYWORDS:
        return kind not in (dict, list)
    if name in _FLAT:
        return kind is dict
    if name in _BOOLEANS:
        return kind is bool
    return name not in _OBJECTS and name != "resources"


def _is_taken(name: str) -> bool:
    """Whether a field may have this name; one with an underscore in front is OpenSearch's own."""
    return _is_plain(name) and name not in _RESERVED and not name.startswith("_")


def _fit(name: str, value: Any, notes: set[str], *, oversize: bool) -> Any:  # noqa: ANN401
    if value is None:
        return value
    if name in _KEYWORDS:
        return _keyword(value, notes)
    if name in _FLAT:
        return _flat(name, value, notes, oversize=oversize)
    if name in _OBJECTS:
        repeated = isinstance(value, dict) and _is_known_to_fit(codec.dumps(value))
        return value if repeated else _object(value, notes)
    if name in _BOOLEANS and not isinstance(value, bool) and value not in ("true", "false", ""):
        notes.add("reshaped_value")
        return None
    if name == "resources":
        return _resources(value, notes)
    return value


def _keyword(value: Any, notes: set[str]) -> Any:  # noqa: ANN401
    if isinstance(value, (dict, list)):
        notes.add("reshaped_value")
        return codec.dumps(value).decode()
    return value


def _object(value: Any, notes: set[str]) -> Any:  # noqa: ANN401
    """Fit an object whose leaves are keywords, one level of objects deep and deeper."""
    if not isinstance(value, dict):
        notes.add("reshaped_value")
        return {"value": codec.dumps(value).decode()}
    return _fit_members(value, _INNER_OBJECTS, notes)


# Objects within the typed objects, and those within them; leaves are keywords or dates.
_INNER_OBJECTS: Mapping[str, Any] = {
    "sessionContext": {
        "attributes": {},
        "sessionIssuer": {},
        "webIdFederationData": {"attributes": None},  # not indexed: takes anything
    },
    "onBehalfOf": {},
    "inScopeOf": {},
    "invokedByDelegate": {},
}


def _fit_members(value: JsonObject, objects: Mapping[str, Any], notes: set[str]) -> JsonObject:
    if _all_fit(value, objects):
        return value
    fitted: JsonObject = {}
    for name, member in value.items():
        if not _is_plain(name):
            notes.add("reshaped_value")
            continue
        fitted[name] = member
        if member is None or objects.get(name, "") is None:
            continue
        if name not in objects:
            fitted[name] = _keyword(member, notes)
        elif isinstance(member, dict):
            fitted[name] = _fit_members(member, objects[name], notes)
        else:
            notes.add("reshaped_value")
            fitted[name] = {"value": codec.dumps(member).decode()}
    unchanged = len(fitted) == len(value) and all(fitted[n] is value[n] for n in value)
    return value if unchanged else fitted


@lru_cache(maxsize=4_096)  # the records of one credential repeat their userIdentity word for word
def _is_known_to_fit(spelled: bytes) -> bool:
    return _all_fit(codec.loads(spelled), _INNER_OBJECTS)


def _all_fit(value: JsonObject, objects: Mapping[str, Any]) -> bool:
    """Tell the common case, in which nothing is to be changed, without building anything."""
    for name, member in value.items():
        if not _is_plain(name):
            return False
        if isinstance(member, dict):
            inner = objects.get(name)
            if inner is None or not _all_fit(member, inner):
                return False
        elif isinstance(member, list) or (name in objects and member is not None):
            return False
    return True


@lru_cache(maxsize=4_096)
def _is_plain(name: str) -> bool:
    """Whether OpenSearch takes a name as one level of a path."""
    return bool(name.strip()) and "." not in name


def _resources(value: Any, notes: set[str]) -> Any:  # noqa: ANN401
    items = value if isinstance(value, list) else [value]
    fitting = [_object(item, notes) for item in items]
    same = isinstance(value, list) and all(a is b for a, b in zip(items, fitting, strict=True))
    if not isinstance(value, list):
        notes.add("reshaped_value")
    return value if same else fitting


def _flat(name: str, value: Any, notes: set[str], *, oversize: bool) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        notes.add("reshaped_value")
        value = {"value": value}
    # The field's name stands twice before the path within it.
    return _short_leaves(value, 2 * len(name) + 1, notes) if oversize else value


def _short_leaves(value: Any, path_bytes: int, notes: set[str]) -> Any:  # noqa: ANN401
    """Shorten what would be longer than a term; OpenSearch makes a term of path and value."""
    if isinstance(value, dict):
        shorter = {
            key: _short_leaves(member, path_bytes + 1 + len(key.encode()), notes)
            for name, member in value.items()
            for key in (_short_name(name, notes),)
        }
        unchanged = shorter.keys() == value.keys() and all(shorter[n] is value[n] for n in value)
        return value if unchanged else shorter
    if isinstance(value, list):
        items = [_short_leaves(item, path_bytes, notes) for item in value]
        return value if all(a is b for a, b in zip(value, items, strict=True)) else items
    if path_bytes > _LONGEST_PATH_BYTES:
        notes.add("oversize_value")
        return None
    if isinstance(value, str) and path_bytes + 1 + len(value.encode()) > LONGEST_TERM_BYTES:
        notes.add("oversize_value")
        return value[:_SHORTENED_CHARS]
    return value


def _short_name(name: str, notes: set[str]) -> str:
    if len(name) <= _LONGEST_NAME_CHARS:
        return name
    notes.add("oversize_value")
    return name[:_LONGEST_NAME_CHARS]
