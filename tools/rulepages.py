"""Writes docs/rules.md: what each of our own rules says, and how often it fires."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from enricher.cloudtrail import codec
from enricher.stores.rule_files import read_rule_files, shipped_rules
from tools.rulefigures import FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PER = 10_000
# In the order in which somebody reads who begins with the origin.
_FOLDERS = {
    "origin": "Who, for the first time, and by which chain",
    "session": "Sessions and credentials that are not where they belong",
    "denied": "Refusals",
    "root": "Root",
    "sign_in": "Signing in",
    "persistence": "Ways to come back",
    "evasion": "Against logs, detection and guardrails",
    "sensitive": "Secrets and data",
    "execution": "Into workloads and networks",
    "abuse": "Abuse of the account",
}
_WRITTEN_BY = (
    "<!-- Written by `make docs` from rules/ and tools/rulefigures.json; a test keeps it fresh. -->"
)
_INTRODUCTION = """\
Rules are Sigma files under `rules/`, on CloudTrail's own fields and on
[`enriched`](reference/fields.md) alike. `enricher rules install` installs them,
`enricher rules list` says how they do.

Each is shown by a true and a false example, which tests put through the real enrichment into a
real node (`tests/rules/`). *First seen* rules need to learn: nothing that comes within the span
that they name, after the first event of their kind, raises an alert. A threshold counts over the
fields that it groups by, whatever roles and accounts lie between.

The last column is how many alerts each raised per 10,000 events, measured over {events:,} public
ones, read in place by `python -m tools.rulefigures FOLDER`: mostly attack simulations, and single
events of many accounts and years, in which nearly everything is seen for the first time. In the
trail of one organization first-seen rules fire less. 0 means that this data holds nothing of the
kind, or too little: a first-seen rule learned from it, a threshold was not reached.
"""


class _Rule(NamedTuple):
    folder: str
    name: str
    body: dict[str, Any]


def rules_page() -> str:
    """Give the page.

    Raises:
        KeyError: If a rule was never measured: ``python -m tools.rulefigures``.
    """
    rules = [_rule(Path(path), text) for path, text in read_rule_files(shipped_rules()).items()]
    figures: Any = codec.loads(FIGURES.read_bytes())
    lines = [
        "# Alert rules",
        "",
        _WRITTEN_BY,
        "",
        _INTRODUCTION.format(events=figures["events"]),
        "| rule | level | alerts per 10,000 events |",
        "| --- | --- | ---: |",
    ]
    for folder in _FOLDERS:
        lines += [
            f"| [{one.body['title']}](#{one.name}) | {one.body['level']} | {_often(figures, one)} |"
            for one in _of(rules, folder)
        ]
    for folder, title in _FOLDERS.items():
        lines += ["", f"## {title}"]
        for one in _of(rules, folder):
            lines += _section(one)
    return "\n".join(lines) + "\n"


def _rule(path: Path, text: str) -> _Rule:
    *_, body = yaml.safe_load_all(text)
    return _Rule(path.parent.name, path.stem, body)


def _of(rules: Sequence[_Rule], folder: str) -> list[_Rule]:
    return [one for one in rules if one.folder == folder]


def _often(figures: dict[str, Any], rule: _Rule) -> str:
    alerts = figures["alerts"][rule.name]
    return f"{alerts * _PER / figures['events']:.1f}" if alerts else "0"


def _section(rule: _Rule) -> Iterator[str]:
    body = rule.body
    yield from ("", f'<a id="{rule.name}"></a>', "", f"### {body['title']}", "")
    yield from (body["description"].strip(), "")
    yield f"`{rule.folder}/{rule.name}.yml` · {body['level']} · {', '.join(_tags(body))}"
    yield from _when(body)
    yield from ("", "Next:", "")
    yield from (f"- {' '.join(step.split())}" for step in body["enricher"]["next_steps"])
    yield from ("", "False positives:", "")
    yield from (f"- {' '.join(one.split())}" for one in body["falsepositives"])


def _tags(body: dict[str, Any]) -> Iterator[str]:
    for tag in body["tags"]:
        name = tag.removeprefix("attack.")
        if name.startswith("t1"):
            place = name.upper().replace(".", "/")
            yield f"[{name.upper()}](https://attack.mitre.org/techniques/{place}/)"
        else:
            yield name.replace("-", " ")


def _when(body: dict[str, Any]) -> Iterator[str]:
    """Say what a first-seen or threshold rule counts."""
    first = body["enricher"].get("first_seen")
    if first:
        fields = ", ".join(f"`{one}`" for one in first["fields"])
        yield from ("", f"First seen: {fields}; learns for {first['learn']}.")
    correlation = body.get("correlation")
    if correlation:
        condition = correlation["condition"]
        counted = f"values of `{condition['field']}`" if "field" in condition else "events"
        by = ", ".join(f"`{one}`" for one in correlation["group-by"])
        yield ""
        yield f"Threshold: {condition['gte']} {counted} within {correlation['timespan']}, by {by}."
