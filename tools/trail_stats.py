"""Writes the table of how the events of real trails were resolved.

python -m tools.trail_stats DIRECTORY > docs/reference/real-trails.md

Each folder of DIRECTORY is one set of trails. Where event ids repeat between the files of a set
(made-up test records), each file is taken alone.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from enricher.cloudtrail.reading import InputLimits
from enricher.enrichers.registry import built_in
from enricher.pipeline.offline import Explained, explain
from enricher.stores.directory import DirectoryLogFiles, find_log_files

_ALONE = frozenset({"panther-analysis"})
_HEAD = """# Real trails, resolved

How `enricher explain --stats` resolves public CloudTrail data, folder by folder, with the window
closed. `status` and `confidence` are those of `enriched.origin`, `rule` is the weakest hop's.
What is not resolved has its reason below each table: `issuer-not-seen` means that the record that
issued the credential is not in the data (`origin.missing` says whose trail and which second).
Records without a readable `eventTime` are refused and counted apart.
"""


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    print(_HEAD)
    for folder in sorted(path for path in directory.iterdir() if path.is_dir()):
        reports = stats(folder)
        if reports:
            print(section(folder.name, reports))


def stats(folder: Path) -> list[Explained]:
    """Explain a folder: all of it together, or each file alone."""
    logs = find_log_files([folder]).logs
    groups = [[log] for log in logs] if folder.name in _ALONE else [logs]
    reports = []
    for group in groups:
        report = Explained()
        for _ in explain(group, DirectoryLogFiles(), InputLimits(), built_in(), report):
            pass
        reports.append(report)
    return reports


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
