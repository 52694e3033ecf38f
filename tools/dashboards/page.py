"""The page about the dashboards: what each panel answers, and what it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.dashboards.definitions import (
    TIME,
    Bars,
    By,
    Donut,
    Drawing,
    Events,
    Matrix,
    Numbers,
    OverTime,
    Table,
)
from tools.dashboards.objects import DENIED_CODES, panel_query, stated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.dashboards.definitions import AnyPanel, Dashboard, House, Metric, Search

_BEGINNING = """\
# Dashboards

<!-- Written by `make dashboards` from the definitions in dashboards/; a test keeps it fresh. -->

Saved objects for OpenSearch Dashboards 3: index patterns, dashboards, and searches for Discover.
[How to install and to read them](how-to/dashboards.md). Each panel is listed with the query that
narrows it and the [fields](reference/fields.md) that it counts by; without a query it takes all
events. The queries are Lucene's: to ask one in Discover, switch its search bar from *DQL* to
*Lucene*.

Links in tables and in Discover: an event id, a session, an access key, an origin and an address
lead to a search in Discover, the id of a root session to the dashboard of that session; principals
and events that prove an origin lead to the investigation page.
"""


def page(house: House) -> str:
    """Write the page."""
    lines = [_BEGINNING]
    for dashboard in house.dashboards:
        lines += _dashboard(dashboard, {search.id: search for search in house.searches})
    lines += ["## Saved searches", ""]
    for search in house.searches:
        lines += _search(search)
    lines += _patterns(house)
    return "\n".join(lines).rstrip("\n") + "\n"


def _dashboard(dashboard: Dashboard, searches: dict[str, Search]) -> Iterator[str]:
    yield from (f"## {dashboard.title[:1].upper()}{dashboard.title[1:]}", "")
    yield from (f"**{dashboard.question}** It opens with the last {dashboard.days} days.", "")
    for row in dashboard.rows:
        for panel in row.panels:
            yield from _panel(panel, dashboard, searches)


def _panel(panel: AnyPanel, dashboard: Dashboard, searches: dict[str, Search]) -> Iterator[str]:
    yield from (f"### {panel.title}", "")
    index = searches[panel.search].index if isinstance(panel, Events) else panel.index
    of = "" if index == "events" else f" Of the index pattern `{index}`."
    yield from (f"{panel.says} {_shows(panel, searches)}{of}", "")
    query = "" if isinstance(panel, Events) else panel_query(panel, dashboard)
    counts = panel.counts if isinstance(panel, (Numbers, OverTime)) else []
    asked = [query, *(f"{one.label}: {one.query}" for one in counts)]
    yield from _fenced([one for one in asked if one])


def _shows(panel: AnyPanel, searches: dict[str, Search]) -> str:
    match panel:
        case Numbers():
            of = ", ".join(_metric(metric) for metric in panel.metrics)
            return (
                f"Shows how many {of or 'events'} fit each query."
                if panel.counts
                else f"Shows {of}."
            )
        case OverTime():
            by = f", by `{panel.by.field}`" if panel.by else ""
            return f"Bars over time: {_metric(panel.metric)}{by}."
        case Bars():
            split = f", split by `{panel.split.field}`" if panel.split else ""
            return f"Bars: {_metric(panel.metric)}, by `{panel.by.field}`{split}."
        case Donut():
            return f"Shares: {_metric(panel.metric)}, by `{panel.by.field}`."
        case Matrix():
            across = panel.columns
            columns = f"`{across.field}`" if isinstance(across, By) else TIME
            return f"Heat map: `{panel.rows.field}` by {columns}."
        case Table():
            by = ", ".join(f"`{one.field}`" for one in panel.by)
            of = ", ".join(_metric(metric) for metric in panel.metrics)
            return f"Table: {by}; {of}."
        case Drawing():
            return "A drawing (Vega-Lite), which follows the filters."
        case Events():
            return f"The saved search *{searches[panel.search].title}*."


def _metric(metric: Metric) -> str:
    of = f" ({metric.of} of `{metric.field}`)" if metric.field else ""
    return f"{metric.label}{of}"


def _search(search: Search) -> Iterator[str]:
    yield from (f"### {search.title.removeprefix('CloudTrail: ')}", "", search.says, "")
    if DENIED_CODES in search.query:
        codes = stated(DENIED_CODES).split(" OR ")
        yield from _fenced([search.query.replace(DENIED_CODES, f"{codes[0]} OR {codes[1]} OR …")])
        yield from (f"The {len(codes)} codes: {', '.join(f'`{code}`' for code in codes)}.", "")
    elif search.query:
        yield from _fenced([search.query])
    yield from (f"Columns: {', '.join(f'`{column}`' for column in search.columns)}.", "")


def _patterns(house: House) -> Iterator[str]:
    yield from ("## Index patterns", "", "| id | indices | time |", "| --- | --- | --- |")
    for name, pattern in house.shared.index_patterns.items():
        time = f"`{pattern.time_field}`" if pattern.time_field else ""
        yield f"| `enricher-{name}` | `{pattern.title}` | {time} |"


def _fenced(lines: list[str]) -> Iterator[str]:
    if lines:
        yield from ("```text", *lines, "```", "")
