"""Reads the examples of alert rules: records that a rule must match, and that it must not.

The format is in README.md beside this file.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import itertools
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import yaml

from enricher.enrichers.oracle import enrich_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from enricher.enrichers.oracle import Event

HERE = Path(__file__).parent
EXAMPLES = HERE / "examples"
FIRES, SILENT = "fires", "silent"
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
_APART = timedelta(minutes=1)
_USUAL = {
    "eventVersion": "1.11",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "203.0.113.20",
    "userAgent": "aws-cli/2.27.0 md/awscrt#0.26.1 ua/2.1 os/linux#6.1 lang/python#3.13.2",
    "eventType": "AwsApiCall",
    "managementEvent": True,
    "eventCategory": "Management",
}
_SPELLED = {"request": "requestParameters", "response": "responseElements"}
_OWN_KEYS = frozenset({"by", "at", "call", "denied", "each", "add", *_SPELLED})
_OFFSET = re.compile(r"([+-])(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UNIQUE_ID = re.compile(r"\b(AIDA|AROA|AKIA|ASIA)([A-Z0-9]{12,})")
_ACCOUNT = re.compile(r"(?<![0-9a-zA-Z-])\d{12}(?![0-9a-zA-Z-])")
_INSTANCE = re.compile(r"\bi-[0-9a-f]{17}\b")

Json = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML as the safe loader reads it, except that times stay text, as in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class ExampleError(ValueError):
    """An example breaks the format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Records of one story, and what is laid over their enrichment.

    Attributes:
        rule: Name of the rule.
        fires: Whether the rule must raise an alert.
        added: Parts of ``enriched`` that need a database or a digest file, by event id.
    """

    rule: str
    fires: bool
    records: tuple[Json, ...]
    added: Mapping[str, Json]

    @property
    def event_ids(self) -> frozenset[str]:
        """The ids of its events, which no other example has."""
        return frozenset(record["eventID"] for record in self.records)

    def events(self) -> list[Event]:
        """Enrich the records as the service does, with all evidence at hand."""
        events = enrich_all(self.records)
        for event in events:
            event.enriched.update(copy.deepcopy(self.added.get(event.record["eventID"], {})))
        return events


def example_names() -> list[str]:
    """List the rules that have examples."""
    return sorted(path.stem for path in EXAMPLES.glob("*.yml"))


def load_examples(rule: str) -> list[Example]:
    """Read what a rule must match, and what it must not.

    Raises:
        ExampleError: If the file breaks the format.
    """
    content = _read(EXAMPLES / f"{rule}.yml")
    if set(content) != {FIRES, SILENT}:
        raise ExampleError(f"{rule}: an example has the keys {FIRES} and {SILENT}")
    return [_example(rule, kind, content[kind]) for kind in (FIRES, SILENT)]


def _example(rule: str, kind: str, written: list[Json]) -> Example:
    told = _beginnings(written) + list(written)
    records: list[Json] = []
    added: dict[str, Json] = {}
    minutes = itertools.count()
    for row in told:
        for one in _each(row):
            event_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{rule}/{kind}/{len(records)}"))
            at = _time(one.get("at"), next(minutes))
            record = _disguised(_record(rule, one, at), f"{rule}/{kind}")
            records.append(record | {"eventID": event_id})
            if "add" in one:
                added[event_id] = one["add"]
    return Example(rule=rule, fires=kind == FIRES, records=tuple(records), added=added)


def _beginnings(rows: list[Json]) -> list[Json]:
    """Give the records that began the sessions of those who act, the first sessions first."""
    found: list[Json] = []
    for name in dict.fromkeys(row["by"] for row in rows if "by" in row):
        begins = _principal(name).get("begins", [])
        for one in (*_beginnings(begins), *begins):
            if one not in found:
                found.append(one)
    return found


def _each(row: Json) -> Iterator[Json]:
    """Give one record for each combination of values of the fields that vary."""
    each = row.get("each", {})
    for values in itertools.product(*each.values()):
        one = copy.deepcopy(row)
        for path, value in zip(each, values, strict=True):
            *above, last = path.split("/")
            place = one
            for part in above:
                place = place.setdefault(part, {})
            place[last] = value
        yield one


def _record(rule: str, row: Json, at: datetime) -> Json:
    who = copy.deepcopy(_principal(row["by"])["record"]) if "by" in row else {}
    service, _, name = row["call"].partition(":")
    if not name:
        raise ExampleError(f"{rule}: call is service:Name")
    own = {_SPELLED.get(key, key): value for key, value in row.items() if key in _SPELLED}
    told = {key: value for key, value in row.items() if key not in _OWN_KEYS}
    record = _USUAL | {"eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ")} | who | own | told
    record |= {"eventSource": f"{service}.amazonaws.com", "eventName": name}
    record.setdefault("recipientAccountId", record["userIdentity"].get("accountId"))
    return record | _denial(record, row.get("denied"))


def _denial(record: Json, denied: str | None) -> Json:
    """Spell a refusal as AWS does, from ``action`` or ``action on resource``."""
    if denied is None:
        return {}
    action, _, resource = denied.partition(" on ")
    return {
        "errorCode": "AccessDenied",
        "errorMessage": f"User: {record['userIdentity'].get('arn')} is not authorized to perform: "
        f"{action}{f' on resource: {resource}' if resource else ''} "
        f"because no identity-based policy allows the {action} action",
        "requestParameters": None,
        "responseElements": None,
    }


def _time(text: str | None, minute: int) -> datetime:
    """Read a time: absolute, ``-20d`` from the day of the examples, or one minute after another."""
    if text is None:
        return NOW + minute * _APART
    if match := _OFFSET.fullmatch(text):
        span = timedelta(**{_UNITS[match[3]]: int(match[2])})
        return NOW + span if match[1] == "+" else NOW - span
    return datetime.fromisoformat(text)


def _disguised(record: Json, salt: str) -> Json:
    """Tell the story of accounts, ids and keys of its own, so that stories do not mix."""

    def digits(text: str, count: int) -> str:
        return str(int(_digest(text, salt), 16))[-count:].rjust(count, "0")

    text = orjson.dumps(record).decode()
    text = _UUID.sub(lambda found: str(uuid.uuid5(uuid.NAMESPACE_URL, salt + found[0])), text)
    text = _UNIQUE_ID.sub(lambda found: found[1] + _digest(found[2], salt)[:17].upper(), text)
    text = _ACCOUNT.sub(lambda found: "5" + digits(found[0], 11), text)
    text = _INSTANCE.sub(lambda found: f"i-{_digest(found[0], salt)[:17]}", text)
    disguised: Json = orjson.loads(text)
    return disguised


def _digest(value: str, salt: str) -> str:
    return hashlib.sha256(f"{salt}/{value}".encode()).hexdigest()


def _principal(name: str) -> Json:
    try:
        found: Json = _principals()[name]
    except KeyError as err:
        raise ExampleError(f"nobody is called {name} in principals.yml") from err
    return found


@functools.cache
def _principals() -> Json:
    return _read(HERE / "principals.yml")


def _read(path: Path) -> Json:
    content = yaml.load(path.read_text("utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader
    if not isinstance(content, dict):
        raise ExampleError(f"{path.name}: not a file of examples")
    return content
