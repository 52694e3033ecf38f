"""Panels as the ``visState`` of a visualization, and what goes with it.

The top level of ``params`` falls back to the defaults of a type; what is given below it replaces
the default whole, so it is given whole.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from tools.dashboards.aggregations import aggregations_of
from tools.dashboards.definitions import (
    Bars,
    Donut,
    Drawing,
    Events,
    Matrix,
    Numbers,
    OverTime,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.dashboards.aggregations import Aggregated
    from tools.dashboards.definitions import AnyPanel, Control, Count, IndexPattern

_METRIC = {
    "percentageMode": False,
    "useRanges": False,
    "colorSchema": "Green to Red",
    "metricColorMode": "None",
    "colorsRange": [{"from": 0, "to": 10_000}],
    "labels": {"show": True},
    "invertColors": False,
    "style": {
        "bgFill": "#000",
        "bgColor": False,
        "labelColor": False,
        "subText": "",
        "fontSize": 28,
    },
}
_STEPS = (0, 1, 3, 10, 30, 100, 1_000, 100_000_000)
_PARAMS: dict[str, dict[str, Any]] = {
    "metric": {"metric": _METRIC},
    "pie": {
        "type": "pie",
        "isDonut": True,
        "addTooltip": True,
        "addLegend": True,
        "legendPosition": "right",
        "labels": {"show": False, "values": True, "last_level": True, "truncate": 100},
    },
    # One busy origin would leave all others in the palest color: so each step is a multiple of the
    # one before, and a single event is seen. The first step, white, is for none.
    "heatmap": {
        "colorSchema": "Blues",
        "setColorRange": True,
        "colorsRange": [{"from": one, "to": other} for one, other in pairwise(_STEPS)],
    },
    "table": {
        "showPartialRows": False,
        "showMetricsAtAllLevels": False,
        "showTotal": False,
        "totalFunc": "sum",
        "percentageCol": "",
    },
}
# As seen in OpenSearch Dashboards 3.5, in pixels: a row of a table, some of which take two lines,
# and what is around the rows.
_ROW = 44
_AROUND_ROWS = 145
_TYPES: dict[type, str] = {
    Numbers: "metric",
    OverTime: "histogram",
    Bars: "horizontal_bar",
    Donut: "pie",
    Matrix: "heatmap",
    Table: "table",
}


class Drawn(NamedTuple):
    """What a visualization holds beside its title and query.

    Attributes:
        colors: The color of each value that is shown.
    """

    type: str
    aggregations: list[dict[str, Any]]
    params: dict[str, Any]
    colors: dict[str, str]


def drawn(
    panel: AnyPanel,
    pattern: IndexPattern,
    colors: Mapping[str, Mapping[str, str]],
    height: int,
) -> Drawn:
    """Draw a panel.

    Args:
        panel: One that is no saved search.
        pattern: Its index pattern.
        colors: The color of each value, by field.
        height: Of its row, in units of the grid.
    """
    if isinstance(panel, Events):
        raise TypeError("a saved search is drawn by Discover")
    if isinstance(panel, Drawing):
        return Drawn("vega", [], {"spec": panel.spec}, {})
    kind = _TYPES[type(panel)]
    params = dict(_PARAMS.get(kind, {}))
    if isinstance(panel, Table):
        params["perPage"] = rows_that_fit(height)
    if isinstance(panel, (OverTime, Bars)):
        params |= _stacked(panel.metric.label, upright=isinstance(panel, OverTime))
    made = aggregations_of(panel, pattern.time_field)
    return Drawn(kind, made, params, _colors_of(panel, colors))


def rows_that_fit(height: int) -> int:
    """Say how many rows a table shows at once, between its heading and its pages."""
    pixels = 28 * height - 8
    return (pixels - _AROUND_ROWS) // _ROW


def _stacked(label: str, *, upright: bool) -> dict[str, Any]:
    """Stack bars, and name their axis; horizontal ones stand beside each other by default."""
    series = {
        "show": True,
        "type": "histogram",
        "mode": "stacked",
        "data": {"label": label, "id": "1"},
        "valueAxis": "ValueAxis-1",
        "drawLinesBetweenPoints": True,
        "lineWidth": 2,
        "showCircles": True,
    }
    axis = {
        "id": "ValueAxis-1",
        "name": "LeftAxis-1",
        "type": "value",
        "position": "left" if upright else "bottom",
        "show": True,
        "style": {},
        "scale": {"type": "linear", "mode": "normal"},
        "labels": {"show": True, "rotate": 0, "filter": not upright, "truncate": 100},
        "title": {"text": label},
    }
    return {"seriesParams": [series], "valueAxes": [axis]}


def markdown(text: str) -> Drawn:
    """Draw a text."""
    params = {"markdown": text, "fontSize": 12, "openLinksInNewTab": False}
    return Drawn("markdown", [], params, {})


def controls(filters: Sequence[Control]) -> Drawn:
    """Draw the lists that filter all panels of a dashboard."""
    lists = [
        {
            "id": f"control{number}",
            "fieldName": control.field,
            "parent": "",
            "label": control.label,
            "type": "list",
            "options": {
                "type": "terms",
                "multiselect": True,
                "size": 50,
                "order": "desc",
                "dynamicOptions": True,
            },
            "indexPatternRefName": f"control_{number}_index_pattern",
        }
        for number, control in enumerate(filters)
    ]
    params = {
        "controls": lists,
        "updateFiltersOnChange": True,
        "useTimeFilter": True,
        "pinFilters": False,
    }
    return Drawn("input_control_vis", [], params, {})


def _colors_of(panel: Aggregated, colors: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Give the colors of what the legend of a panel names."""
    match panel:
        case OverTime():
            return {**_by(panel.by, colors), **_counted(panel.counts)}
        case Bars():
            return _by(panel.split, colors)
        case Donut():
            return _by(panel.by, colors)
        case _:
            return {}


def _by(by: Any, colors: Mapping[str, Mapping[str, str]]) -> dict[str, str]:  # noqa: ANN401 - By or none
    return dict(colors.get(by.field, {})) if by else {}


def _counted(counts: Sequence[Count]) -> dict[str, str]:
    return {one.label: one.color for one in counts if one.color}
