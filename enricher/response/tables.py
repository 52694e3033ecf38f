"""A summary as a table for people: CSV and Markdown, from which nothing that is quoted acts.

References:
    - OWASP, "CSV Injection": cells that begin with ``=``, ``+``, ``-``, ``@``, tab or carriage
      return are formulas; separators and quotes may begin a new cell within one.
    - CommonMark and GitHub Flavored Markdown, "Code spans" and "Tables": code is shown as it is,
      except that a bar ends a cell of a table.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from enricher.cloudtrail.plain import plain
from enricher.cloudtrail.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from enricher.response.summary import Call, Summary

COLUMNS = (
    *("service", "name", "action", "sensitive", "calls", "success", "failed", "denied"),
    *("sample_resources", "denied_target", "sample_parameters", "sample_filter", "sample_error"),
    *("first", "last", "regions", "account_ids"),
)
# Also in the full width of Asian scripts, which spreadsheets read alike.
_FORMULA = re.compile(r"""(^|[,;|"'])(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])""")
_BACKTICKS = re.compile("`+")


def as_csv(summary: Summary) -> str:
    """Write both tables as one, with a column that says which, as RFC 4180 has it."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    writer.writerow(("read_only", *COLUMNS))
    for read_only, calls in (("false", summary.not_read_only), ("true", summary.read_only)):
        for call in calls:
            writer.writerow([cell(value) for value in (read_only, *_values(call))])
    return written.getvalue()


def cell(value: str) -> str:
    """Spell a value so that no spreadsheet calculates it: an apostrophe goes before a formula.

    Also after what some spreadsheet may take for the end of a cell.
    """
    return _FORMULA.sub(r"\1\2'", plain(value))


def as_markdown(summary: Summary) -> str:
    """Write both tables with their headings."""
    lines = [f"# Summary of {summary.events:,} events", ""]
    for heading, calls in (
        ("Not read-only", summary.not_read_only),
        ("Read-only", summary.read_only),
    ):
        lines += [f"## {heading}", "", *_table(calls), ""]
    if summary.events_omitted or not summary.complete:
        lines += ["Not all events are in these tables: narrow the time range.", ""]
    return "\n".join(lines)


def _table(calls: Sequence[Call]) -> Iterator[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|{' --- |' * len(COLUMNS)}"
    for call in calls:
        yield f"| {' | '.join(code(value) for value in _values(call))} |"


def code(value: str) -> str:
    """Spell a value as a code span in a cell: no markup, link or tag of its own comes through."""
    if not value:
        return ""
    spelt = plain(value).replace("|", "\\x7c")  # renderers do not agree on how a bar is escaped
    longest = max((len(run) for run in _BACKTICKS.findall(spelt)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {spelt} {fence}"


def _values(call: Call) -> list[str]:
    return [_spelt(getattr(call, name)) for name in COLUMNS]


def _spelt(value: str | bool | int | datetime | tuple[str, ...] | None) -> str:  # noqa: FBT001 - a cell
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return " ".join(value)
    return str(value) if isinstance(value, (str, int)) else format_time(value)
