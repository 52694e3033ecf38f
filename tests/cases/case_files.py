"""Reads case files: records in, what must come out (format: README.md beside this file)."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

Record = Mapping[str, Any]
Expectations = Mapping[str, Mapping[str, Any]]

PAIRS = (
    "root_session_of",
    "parent_session_of",
    "issued_session_of",
    "continues_session_of",
)
GROUPS = ("same_session", "different_session", "same_credential", "different_credential")
KEYS = frozenset(
    {
        "what",
        "anchors",
        "records",
        "events",
        "expect_open",
        "evidence_of",
        "never",
        "documents",
        "base",
        "rows",
        *PAIRS,
        *GROUPS,
    }
)
FIELD = re.compile(r"enriched(\.[a-z_]+)+")
ROW_KEYS = frozenset({"given", "each", "enriched", "never"})


class CaseError(ValueError):
    """A case file contradicts its format or its own records."""


class _Loader(yaml.SafeLoader):
    """YAML as the safe loader reads it, except that times stay text, as in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One scenario.

    Attributes:
        events: Expected fields by document id, with the window closed.
        open_events: The same with the window open.
        pairs: For each relation, document id to document id.
        groups: For each relation, the document ids that share a value (or must not).
        evidence: Event ids that must be among an origin's evidence.
        never: Wrong values by document id and field.
        documents: How many documents must come out, where the case says so.
    """

    name: str
    what: str
    records: tuple[Record, ...]
    events: Expectations
    open_events: Expectations
    pairs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    groups: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    evidence: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    never: Mapping[str, Mapping[str, tuple[Any, ...]]] = field(default_factory=dict)
    documents: int | None = None


def document_id(record: Record) -> str:
    """Say which document a record becomes (rulings 20), independently of the code under test."""
    event_id = record.get("eventID") or record.get("eventId")
    if not event_id:
        return hashlib.sha256(orjson.dumps(record, option=orjson.OPT_SORT_KEYS)).hexdigest()
    recipient = record.get("recipientAccountId")
    return f"{event_id}:{recipient}" if recipient else str(event_id)


def case_names(folder: Path) -> list[str]:
    """List the cases of a folder, in order of name."""
    return sorted(path.stem for path in folder.glob("*.yml"))


def orphans(folder: Path) -> list[str]:
    """Name the records without a case, and the cases with no records or with two sets of them."""
    found = []
    names = set(case_names(folder))
    packed = {path.name.removesuffix(".json.gz") for path in folder.glob("*.json.gz")}
    found += [f"{name}.json.gz" for name in sorted(packed - names)]
    for name in sorted(names):
        content = _read(folder / f"{name}.yml")
        inline = "records" in content or "rows" in content
        if inline == (name in packed):
            found.append(f"{name}.yml")
    return found


def load_case(folder: Path, name: str) -> Case:
    """Read one case and check that it speaks of its own records only.

    Raises:
        CaseError: the file breaks its format.
    """
    content = _read(folder / f"{name}.yml")
    if unknown := sorted(set(content) - KEYS):
        raise CaseError(f"{name}: unknown keys {unknown}")
    if "rows" in content:
        content = _spread(name, content)
    records = tuple(content["records"]) if "records" in content else _packed(folder, name)
    keys = _document_keys(name, records)

    def known(key: str) -> str:
        if key not in keys:
            raise CaseError(f"{name}: no single record for {key}")
        return keys[key]

    case = Case(
        name=name,
        what=content["what"],
        records=records,
        events=_by_document(content.get("events", {}), known),
        open_events=_by_document(content.get("expect_open", {}), known),
        pairs={
            relation: {known(a): known(b) for a, b in content.get(relation, {}).items()}
            for relation in PAIRS
        },
        groups={
            relation: tuple(tuple(map(known, group)) for group in content.get(relation, ()))
            for relation in GROUPS
        },
        evidence={
            known(key): tuple(known(wanted).partition(":")[0] for wanted in wanted_ids)
            for key, wanted_ids in content.get("evidence_of", {}).items()
        },
        never={
            document: {path: tuple(values) for path, values in fields.items()}
            for document, fields in _by_document(content.get("never", {}), known).items()
        },
        documents=content.get("documents"),
    )
    _check(case)
    return case


def value_at(enriched: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - any JSON value
    """Follow a dotted path that begins with ``enriched``; None where a part of it is absent."""
    value: Any = {"enriched": enriched}
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def contains(actual: object, wanted: object) -> bool:
    """Test a string for a part, a list for a member, anything else for a part of its JSON."""
    if isinstance(actual, str):
        return str(wanted) in actual
    if isinstance(actual, list) and not any(isinstance(item, dict | list) for item in actual):
        return wanted in actual
    return actual is not None and str(wanted) in orjson.dumps(actual).decode()


def mismatches(enriched: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    """Say field by field where an event is not what the case expects."""
    for path, wanted in expected.items():
        if path.endswith("_contains"):
            actual = value_at(enriched, path.removesuffix("_contains"))
            parts = wanted if isinstance(wanted, list) else [wanted]
            good = all(contains(actual, part) for part in parts)
        elif path.endswith("_one_of"):
            actual = value_at(enriched, path.removesuffix("_one_of"))
            good = actual in wanted
        else:
            actual = value_at(enriched, path)
            good = actual == wanted
        if not good:
            yield f"{path}: expected {wanted!r}, got {actual!r}"


def forbidden(enriched: Mapping[str, Any], never: Mapping[str, tuple[Any, ...]]) -> Iterator[str]:
    """Say which of the wrong answers an event gives."""
    for path, wrong in never.items():
        part = path.endswith("_contains")
        actual = value_at(enriched, path.removesuffix("_contains"))
        for value in wrong:
            if contains(actual, value) if part else actual == value:
                yield f"{path}: must never be {value!r}"


def _read(path: Path) -> dict[str, Any]:
    content = yaml.load(path.read_text("utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader
    if not isinstance(content, dict) or "what" not in content:
        raise CaseError(f"{path.name}: not a case")
    return content


def _spread(name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a table's rows into records and expectations; each record gets an id of its own."""
    records: list[Record] = list(content.get("records", ()))
    events: dict[str, Any] = dict(content.get("events", {}))
    never: dict[str, Any] = dict(content.get("never", {}))
    for row in content["rows"]:
        if unknown := sorted(set(row) - ROW_KEYS):
            raise CaseError(f"{name}: unknown keys of a row {unknown}")
        for varied in _variants(row.get("each", {})):
            event_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{len(records)}"))
            records.append({"eventID": event_id, **content["base"], **row["given"], **varied})
            events[event_id] = {f"enriched.{path}": v for path, v in row["enriched"].items()}
            if "never" in row:
                never[event_id] = {f"enriched.{path}": v for path, v in row["never"].items()}
    kept = {key: value for key, value in content.items() if key not in {"base", "rows"}}
    return {**kept, "records": records, "events": events, "never": never}


def _variants(each: Mapping[str, Iterable[Any]]) -> list[dict[str, Any]]:
    """Give one set of members for each value; one without any where nothing varies."""
    names = list(each)
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*each.values())]


def _packed(folder: Path, name: str) -> tuple[Record, ...]:
    with gzip.open(folder / f"{name}.json.gz") as packed:
        return tuple(orjson.loads(packed.read())["Records"])


def _document_keys(name: str, records: Iterable[Record]) -> dict[str, str]:
    """Give what a case may call a document: its id, or its event id where only one has it."""
    keys: dict[str, str] = {}
    shared: set[str] = set()
    seen: dict[str, Record] = {}
    for record in records:
        document = document_id(record)
        if seen.setdefault(document, record) != record:
            raise CaseError(f"{name}: two different records are {document}")
        keys[document] = document
        event_id = str(record.get("eventID") or record.get("eventId") or document)
        if keys.setdefault(event_id, document) != document:
            shared.add(event_id)
    return {key: document for key, document in keys.items() if key not in shared}


def _by_document(
    content: Mapping[str, Mapping[str, Any]], known: Callable[[str], str]
) -> dict[str, dict[str, Any]]:
    return {known(key): dict(fields) for key, fields in content.items()}


def _check(case: Case) -> None:
    for expected in (*case.events.values(), *case.open_events.values(), *case.never.values()):
        for path in expected:
            if not FIELD.fullmatch(path):
                raise CaseError(f"{case.name}: {path} is not a field of enriched")
    for record in case.records:
        for path in ("eventTime", "eventSource", "eventName"):
            if not isinstance(record.get(path), str):
                raise CaseError(f"{case.name}: a record lacks {path}")
        for account in _accounts(record):
            if not isinstance(account, str):
                raise CaseError(f"{case.name}: account {account!r} is not quoted")


def _accounts(value: object) -> Iterator[object]:
    """Find every account id below a value; unquoted, YAML would make it a number."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            if key in {"accountId", "recipientAccountId", "account_id", "targetPrincipal"}:
                yield below
            else:
                yield from _accounts(below)
    elif isinstance(value, list):
        for item in value:
            yield from _accounts(item)
