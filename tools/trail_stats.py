"""Writes the tables of how the events of real trails were resolved, and what else was said of them.

python -m tools.trail_stats DIRECTORY > docs/reference/real-trails.md

Each folder of DIRECTORY is one set of trails. Where event ids repeat between the files of a set
(made-up test records), each file is taken alone.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.cloudtrail.reading import InputLimits
from enricher.enrichers.registry import built_in
from enricher.pipeline.offline import Explained, explain
from enricher.stores.directory import DirectoryLogFiles, find_log_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ALONE = frozenset({"panther-analysis"})
_REPEATS = frozenset({"digest-chain"})  # the records of another set
_COUNTED = (
    ("outcome", "status"),
    ("outcome", "failure"),
    ("outcome", "denied_by"),
    ("target", "found_in"),
    ("action", "class"),
    ("action", "sensitive"),
    ("action", "tags"),
    ("source", "kind"),
    ("source", "spoofable"),
)
_MAIN = frozenset({"status", "found_in", "class", "kind"})  # whose absence is counted too
_HEAD = """# Real trails, resolved

How `enricher explain --stats` resolves public CloudTrail data, folder by folder, with the window
closed. `status` and `confidence` are those of `enriched.origin`, `rule` is the weakest hop's.
What is not resolved has its reason below each table: `issuer-not-seen` means that the record that
issued the credential is not in the data (`origin.missing` says whose trail and which second).
Records without a readable `eventTime` are refused and counted apart.

What the other enrichers say of the same events, all sets together, stands at the end.
"""
_ANSWERS = """## What else is said of the events

How many of all events above got an answer from each enricher, and which. A target is said to be
where the first of its names is written, or why there is none: a filter says where one searched,
not what one found, and of many calls that failed CloudTrail leaves the request out. `digest-chain`
is left out here, for it holds the records of `invictus-ir`.
"""


Said = tuple[str, str, str]  # enricher, field, value; ("", "", "") stands for the event itself


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    print(_HEAD)
    said: Counter[Said] = Counter()
    for folder in sorted(path for path in directory.iterdir() if path.is_dir()):
        reports = stats(folder, Counter() if folder.name in _REPEATS else said)
        if reports:
            print(section(folder.name, reports))
    print(answers(said), end="")


def stats(folder: Path, said: Counter[Said]) -> list[Explained]:
    """Explain a folder: all of it together, or each file alone; count what is said in ``said``."""
    logs = find_log_files([folder]).logs
    groups = [[log] for log in logs] if folder.name in _ALONE else [logs]
    reports = []
    for group in groups:
        report = Explained()
        for event in explain(group, DirectoryLogFiles(), InputLimits(), built_in(), report):
            said.update(_said(event.enriched, codec.loads(event.document)))
        reports.append(report)
    return reports


def _said(enriched: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[Said]:
    yield ("", "", "")
    for enricher, field in _COUNTED:
        value = enriched.get(enricher, {}).get(field)
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                yield (enricher, field, str(one).lower() if isinstance(one, bool) else str(one))
            elif field in _MAIN:
                why = f": {_why_none(enriched, record)}" if enricher == "target" else ""
                yield (enricher, field, f"none{why}")


def _why_none(enriched: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Say why an event has no target."""
    if enriched["action"].get("class") == "auth":
        return "a sign-in"
    if record.get("requestParameters"):
        return "filters and options only"
    if enriched["outcome"]["status"] != "success":
        return "failed, and its request is left out"
    return "nothing was named in the request"


def answers(said: Counter[Said]) -> str:
    """Give the table of what the enrichers beside identity say."""
    events = said["", "", ""]
    lines = [
        _ANSWERS,
        f"{events} events",
        "",
        "| enricher | field | value | events | share |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    for enricher, field in _COUNTED:
        rows = [(count, key[2]) for key, count in said.items() if key[:2] == (enricher, field)]
        lines += [
            f"| {enricher} | {field} | {value} | {count} | {count / events:.1%} |"
            for count, value in sorted(rows, key=lambda row: (-row[0], row[1]))
        ]
    return "\n".join(lines) + "\n"


def section(name: str, reports: list[Explained]) -> str:
    """Give one set's table and reasons."""
    origins: Counter[tuple[str, str, str, str]] = Counter()
    reasons: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for report in reports:
        origins.update(report.origins)
        reasons.update(report.reasons)
        refused.update(report.refused)
    records = sum(report.records for report in reports)
    duplicates = sum(report.duplicates for report in reports)
    lines = [
        f"## {name}",
        "",
        (
            f"{records} records, {sum(origins.values())} events, {duplicates} duplicates, "
            f"{sum(refused.values())} refused"
        ),
        "",
        "| events | status | kind | rule | confidence |",
        "| ---: | --- | --- | --- | --- |",
    ]
    rows = sorted(origins.items(), key=lambda item: (-item[1], item[0]))
    lines += [f"| {count} | {' | '.join(key)} |" for key, count in rows]
    lines.append("")
    lines += [f"- {count} events: {reason}" for reason, count in sorted(reasons.items())]
    lines += [f"- {count} records refused: {reason}" for reason, count in sorted(refused.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
