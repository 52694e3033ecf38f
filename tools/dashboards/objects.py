"""The saved objects: index patterns, searches, visualizations, dashboards, and their file.

Ids are made of the definitions' own, so that what links to them keeps working and an import
replaces what an earlier version put there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from enricher.cloudtrail import codec
from enricher.enrichers.denials import denied_codes
from tools.dashboards.definitions import Events, joined
from tools.dashboards.fields import fields_of
from tools.dashboards.formats import colored, dated, linked
from tools.dashboards.ids import object_id
from tools.dashboards.visualizations import controls, drawn, markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tools.dashboards.definitions import (
        AnyPanel,
        Dashboard,
        House,
        IndexPattern,
        Search,
        Shared,
    )
    from tools.dashboards.visualizations import Drawn

SavedObject = dict[str, Any]

# The last that OpenSearch Dashboards 3 knows; a later one is refused, an earlier one converted.
MIGRATIONS = {
    "dashboard": "7.9.3",
    "index-pattern": "7.6.0",
    "search": "7.9.3",
    "visualization": "7.10.0",
}
COLUMNS = 48
TEXT_HEIGHT = 6
FILTERS_HEIGHT = 7
FILTERS = "filters"
DENIED_CODES = "DENIED_CODES"  # in a query: all error codes that mean a denial
_PANEL_VERSION = "3.5.0"  # any; without one the whole dashboard stays blank
_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"


def ndjson(objects: Iterable[SavedObject]) -> bytes:
    """Write saved objects as the import API reads them: one a line, always in the same order."""
    ordered = sorted(objects, key=lambda one: (one["type"], one["id"]))
    return b"".join(codec.canonical(one) + b"\n" for one in ordered)


def saved_objects(house: House) -> Iterator[SavedObject]:
    """Make all saved objects."""
    for name, pattern in house.shared.index_patterns.items():
        yield _index_pattern(name, pattern, house.shared)
    for search in house.searches:
        yield _search(search, house.shared)
    for name, filters in house.shared.filters.items():
        yield _filters(name, controls(filters))
    for dashboard in house.dashboards:
        yield from _dashboard(dashboard, house.shared)


def stated(query: str) -> str:
    """Fill the list of codes into a query where it asks for it."""
    return query.replace(DENIED_CODES, " OR ".join(denied_codes()))


# --- index patterns and searches ----------------------------------------------------------------


def _index_pattern(name: str, pattern: IndexPattern, shared: Shared) -> SavedObject:
    fields = fields_of(pattern.template)
    known = {field["name"] for field in fields}
    formats = {
        **{field["name"]: dated() for field in fields if field["type"] == "date"},
        **pattern.formats,
        **{field: linked(shared.links[link]) for field, link in pattern.links.items()},
        **{field: colored(by) for field, by in shared.colors.items() if field in known},
    }
    attributes = {
        "title": pattern.title,
        "fields": _text(fields),
        "fieldFormatMap": _text(formats),
    }
    if pattern.time_field:
        attributes["timeFieldName"] = pattern.time_field
    return _saved("index-pattern", object_id(name), attributes, [])


def _search(search: Search, shared: Shared) -> SavedObject:
    order = shared.index_patterns[search.index].time_field
    attributes = {
        "title": search.title,
        "description": search.says,
        "hits": 0,
        "version": 1,
        "columns": search.columns,
        "sort": [[order, search.order]],
        "kibanaSavedObjectMeta": _source(search.query, indexed=True),
    }
    references = [_reference(_INDEX, "index-pattern", search.index)]
    return _saved("search", object_id("search", search.id), attributes, references)


# --- dashboards ---------------------------------------------------------------------------------


class _Cell(NamedTuple):
    """A saved object in a row, with the title that it has there; None for no title at all."""

    shown: dict[str, str]
    width: int
    title: str | None


class _Layout:
    """Puts panels on the grid, row by row, and keeps what they refer to."""

    def __init__(self) -> None:
        self.panels: list[dict[str, Any]] = []
        self.references: list[dict[str, str]] = []
        self._y = 0

    def row(self, height: int, cells: Sequence[_Cell]) -> None:
        """Put saved objects beside each other.

        Raises:
            ValueError: If they do not fill the row.
        """
        if sum(cell.width for cell in cells) != COLUMNS:
            raise ValueError(f"the row at {self._y} is not {COLUMNS} columns wide")
        x = 0
        for cell in cells:
            number = str(len(self.panels))
            grid = {"x": x, "y": self._y, "w": cell.width, "h": height, "i": number}
            # Without its own title a panel has that of its object, which says where it is from.
            titled = {"title": cell.title} if cell.title else {}
            panel = {
                "version": _PANEL_VERSION,
                "panelIndex": number,
                "gridData": grid,
                "embeddableConfig": {} if cell.title else {"hidePanelTitles": True},
                "panelRefName": f"panel_{number}",
            }
            self.panels.append(panel | titled)
            self.references.append({**cell.shown, "name": f"panel_{number}"})
            x += cell.width
        self._y += height


def _dashboard(dashboard: Dashboard, shared: Shared) -> Iterator[SavedObject]:
    layout = _Layout()
    header = object_id(dashboard.id, "text")
    title = f"CloudTrail: {dashboard.title}"
    yield _visualization(header, f"{title}: what it answers", markdown(dashboard.text), [])
    layout.row(TEXT_HEIGHT, [_Cell(_to("visualization", header), COLUMNS, None)])
    if dashboard.filters:
        filters = _to("visualization", object_id(FILTERS, dashboard.filters))
        layout.row(FILTERS_HEIGHT, [_Cell(filters, COLUMNS, "Filters")])
    for row in dashboard.rows:
        cells = []
        for panel, width in zip(row.panels, _widths(row.panels), strict=True):
            if isinstance(panel, Events):
                shown = _to("search", object_id("search", panel.search))
            else:
                made = _panel(panel, dashboard, shared, row.height)
                shown = _to("visualization", made["id"])
                yield made
            cells.append(_Cell(shown, width, panel.title))
        layout.row(row.height, cells)
    attributes = {
        "title": title,
        "description": dashboard.question,
        "hits": 0,
        "version": 1,
        "panelsJSON": _text(layout.panels),
        "optionsJSON": _text({"useMargins": True, "hidePanelTitles": False}),
        "timeRestore": True,
        "timeFrom": f"now-{dashboard.days}d",
        "timeTo": "now",
        "refreshInterval": {"pause": True, "value": 0},
        "kibanaSavedObjectMeta": _source("", indexed=False),
    }
    yield _saved("dashboard", object_id(dashboard.id), attributes, layout.references)


def _widths(panels: Sequence[AnyPanel]) -> list[int]:
    """Share the columns that no panel asks for."""
    left = COLUMNS - sum(panel.width or 0 for panel in panels)
    open_ones = sum(1 for panel in panels if panel.width is None)
    return [panel.width or left // open_ones for panel in panels]


def _panel(panel: AnyPanel, dashboard: Dashboard, shared: Shared, height: int) -> SavedObject:
    pattern = shared.index_patterns[panel.index]
    made = drawn(panel, pattern, shared.colors, height)
    query = panel_query(panel, dashboard)
    key = object_id(dashboard.id, panel.id)
    title = f"CloudTrail: {dashboard.title}: {panel.title}"
    if made.type == "vega":
        spec = _with_context(made.params["spec"], query)
        text = codec.pretty(spec).decode()
        return _visualization(key, title, made._replace(params={"spec": text}), [])
    references = [_reference(_INDEX, "index-pattern", panel.index)]
    return _visualization(key, title, made, references, query)


def panel_query(panel: AnyPanel, dashboard: Dashboard) -> str:
    """Give what a panel asks for: its own query and that of its dashboard."""
    own = dashboard.query if panel.index == "events" else ""
    return stated(joined(own, panel.query))


def _with_context(spec: dict[str, Any], query: str) -> dict[str, Any]:
    """Have a drawing follow the dashboard's filters; its own query goes into an aggregation.

    Where nothing fits them, it is empty; without the warnings of Vega, that it has no extent.
    """
    if query:
        raise ValueError("a drawing states its query in its own request")
    config = {"view": {"stroke": None}, "kibana": {"hideWarnings": True}}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "config": config,
        **spec,
    }


def _filters(index: str, made: Drawn) -> SavedObject:
    names = [control["indexPatternRefName"] for control in made.params["controls"]]
    references = [_reference(name, "index-pattern", index) for name in names]
    return _visualization(
        object_id(FILTERS, index), f"CloudTrail: filters of {index}", made, references
    )


# --- parts --------------------------------------------------------------------------------------


def _visualization(
    key: str,
    title: str,
    made: Drawn,
    references: list[dict[str, str]],
    query: str = "",
) -> SavedObject:
    state = {
        "title": title,
        "type": made.type,
        "aggs": made.aggregations,
        "params": made.params,
    }
    indexed = any(reference["name"] == _INDEX for reference in references)
    attributes = {
        "title": title,
        "description": "",
        "version": 1,
        "visState": _text(state),
        "uiStateJSON": _text({"vis": {"colors": made.colors}} if made.colors else {}),
        "kibanaSavedObjectMeta": _source(query, indexed=indexed),
    }
    return _saved("visualization", key, attributes, references)


def _source(query: str, *, indexed: bool) -> dict[str, str]:
    source: dict[str, Any] = {
        "query": {"query": stated(query), "language": "lucene"},
        "filter": [],
    }
    if indexed:
        source["indexRefName"] = _INDEX
    return {"searchSourceJSON": _text(source)}


def _saved(
    kind: str, key: str, attributes: dict[str, Any], references: list[dict[str, str]]
) -> SavedObject:
    return {
        "type": kind,
        "id": key,
        "attributes": attributes,
        "references": references,
        "migrationVersion": {kind: MIGRATIONS[kind]},
    }


def _reference(name: str, kind: str, key: str) -> dict[str, str]:
    return {"name": name, **_to(kind, object_id(key))}


def _to(kind: str, key: str) -> dict[str, str]:
    return {"type": kind, "id": key}


def _text(value: object) -> str:
    return codec.canonical(value).decode()
