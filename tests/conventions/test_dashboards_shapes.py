"""Visualizations hold what the types of OpenSearch Dashboards 3.5 know, whole, and read well.

Dashboards checks none of this when it imports: what it does not know it ignores, what it lacks
shows as a broken panel, and what is too long is cut.

References:
    - OpenSearch Dashboards 3.5, ``src/plugins/vis_type_*/public``: defaults and schemas of each
      type; ``src/plugins/data/common/search/aggs``: parameters of each aggregation.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import pytest

from enricher.cloudtrail import codec
from enricher.stores.dashboards_client import load_saved_objects

Json = dict[str, Any]

SAVED: list[Json] = [codec.loads(line) for line in load_saved_objects().splitlines()]
VISUALIZATIONS = {one["id"]: one for one in SAVED if one["type"] == "visualization"}
PATTERNS = {one["id"]: one["attributes"] for one in SAVED if one["type"] == "index-pattern"}
STATES: dict[str, Json] = {
    key: codec.loads(one["attributes"]["visState"]) for key, one in VISUALIZATIONS.items()
}

NUMBER = {"count", "cardinality", "min", "max", "sum", "avg"}
METRICS = {*NUMBER, "top_hits"}
BUCKETS = {"terms", "date_histogram", "filters"}
ANY = 99
OF_FIELD = {"field", "customLabel"}
ORDERED = {*OF_FIELD, "orderBy", "order", "size"}
# Parameters of an aggregation: those that there must be, and those that there may be.
AGGREGATIONS = {
    "count": ({"customLabel"}, set()),
    **{name: (OF_FIELD, set()) for name in NUMBER - {"count"}},
    "top_hits": ({*OF_FIELD, "aggregate", "size", "sortField", "sortOrder"}, set()),
    "terms": (ORDERED, {"missingBucket", "missingBucketLabel"}),
    "date_histogram": ({"field", "interval", "min_doc_count"}, set()),
    "filters": ({"filters"}, set()),
}
CHART = {
    *("type", "grid", "categoryAxes", "valueAxes", "seriesParams", "labels", "thresholdLine"),
    *("addTooltip", "addLegend", "legendPosition", "times", "addTimeMarker"),
}
COLORED = {"colorSchema", "colorsRange", "invertColors", "percentageMode"}
METRIC = {*COLORED, "useRanges", "metricColorMode", "labels", "style"}
SERIES = {
    *("show", "type", "mode", "data", "valueAxis"),
    *("drawLinesBetweenPoints", "lineWidth", "showCircles"),
}
AXIS = {"id", "name", "type", "position", "show", "style", "scale", "labels", "title"}


class Kind(NamedTuple):
    """A type of visualization.

    Attributes:
        schemas: By name, how many aggregations it takes, from and to, and of which types.
        must: Its parameters that there must be here.
        may: Its parameters that have good defaults.
    """

    schemas: dict[str, tuple[int, int, set[str]]]
    must: set[str]
    may: set[str]


METRIC_SCHEMA = {"metric": (1, ANY, METRICS)}
CHART_SCHEMAS = {
    "metric": (1, ANY, NUMBER),
    "segment": (0, 1, BUCKETS),
    "group": (0, 3, BUCKETS),
}
KINDS = {
    "metric": Kind(
        {**METRIC_SCHEMA, "group": (0, 1, BUCKETS)}, {"metric"}, {"addTooltip", "addLegend", "type"}
    ),
    "histogram": Kind(CHART_SCHEMAS, {"seriesParams", "valueAxes"}, CHART),
    "horizontal_bar": Kind(CHART_SCHEMAS, {"seriesParams", "valueAxes"}, CHART),
    "pie": Kind(
        {"metric": (1, 1, NUMBER), "segment": (0, ANY, BUCKETS)},
        {"type", "isDonut", "addTooltip", "addLegend", "legendPosition", "labels"},
        set(),
    ),
    "heatmap": Kind(
        {
            "metric": (1, 1, METRICS),
            "segment": (0, 1, BUCKETS),
            "group": (0, 1, BUCKETS),
        },
        {"colorSchema", "setColorRange", "colorsRange"},
        {
            *("type", "addTooltip", "addLegend", "enableHover", "legendPosition", "times"),
            *("colorsNumber", "invertColors", "percentageMode", "valueAxes"),
        },
    ),
    "table": Kind(
        {**METRIC_SCHEMA, "bucket": (0, ANY, BUCKETS)},
        {
            *("perPage", "showPartialRows", "showMetricsAtAllLevels"),
            *("showTotal", "totalFunc", "percentageCol"),
        },
        set(),
    ),
    "markdown": Kind({}, {"markdown", "fontSize", "openLinksInNewTab"}, set()),
    "vega": Kind({}, {"spec"}, set()),
    "input_control_vis": Kind(
        {}, {"controls", "updateFiltersOnChange", "useTimeFilter", "pinFilters"}, set()
    ),
}
CONTROL = {"id", "fieldName", "parent", "label", "type", "options", "indexPatternRefName"}
LIST = {"type", "multiselect", "size", "order", "dynamicOptions"}
MOST_BARS = 100  # histogram:maxBars
MOST_BUCKETS = 10_000  # of 65,535 that a node allows by search.max_buckets
MOST_SERIES = 50  # visualization:heatmap:maxBuckets
COLUMN = 1408 / 48  # of a window of 1440 pixels
LETTER, NARROWEST, AROUND = 7.5, 90, 32  # of a number and the label below it, in pixels


def _of(kind: str) -> list[str]:
    return [key for key, state in STATES.items() if state["type"] == kind]


def _schema(key: str, name: str) -> list[Json]:
    return [one for one in STATES[key]["aggs"] if one["schema"] == name]


every_one = pytest.mark.parametrize("key", STATES)


@every_one
def test_it_has_what_its_type_knows_and_nothing_else(key: str) -> None:
    state = STATES[key]
    assert state.keys() == {"title", "type", "aggs", "params"}
    kind = KINDS[state["type"]]
    assert kind.must <= state["params"].keys() <= kind.must | kind.may
    counts = Counter(one["schema"] for one in state["aggs"])
    assert counts.keys() <= kind.schemas.keys()
    for name, (least, most, types) in kind.schemas.items():
        assert least <= counts[name] <= most
        assert {one["type"] for one in _schema(key, name)} <= types


@every_one
def test_its_aggregations_have_what_theirs_know_and_nothing_else(key: str) -> None:
    for number, one in enumerate(STATES[key]["aggs"], 1):
        assert one.keys() == {"id", "enabled", "type", "schema", "params"}
        assert (one["id"], one["enabled"]) == (str(number), True)
        must, may = AGGREGATIONS[one["type"]]
        assert must <= one["params"].keys() <= must | may
        for entry in one["params"].get("filters", ()):
            assert entry.keys() == {"input", "label"}
            assert entry["input"].keys() == {"query", "language"}


@every_one
def test_its_state_of_the_screen_is_colors_alone(key: str) -> None:
    """A table that is sorted by it filters by other rows than those that are clicked (3.5)."""
    state = codec.loads(VISUALIZATIONS[key]["attributes"]["uiStateJSON"])
    assert state == {} or state.keys() == {"vis"}
    assert state.get("vis", {"colors": {}}).keys() == {"colors"}


@every_one
def test_it_asks_for_few_buckets(key: str) -> None:
    buckets = [one for one in STATES[key]["aggs"] if one["type"] in BUCKETS]
    sizes = [
        one["params"].get("size") or len(one["params"].get("filters", ())) or MOST_BARS
        for one in buckets
    ]
    assert sum(prod(sizes[: depth + 1]) for depth in range(len(sizes))) <= MOST_BUCKETS


@pytest.mark.parametrize("key", [*_of("histogram"), *_of("horizontal_bar")])
def test_a_chart_has_its_series_and_axes_whole(key: str) -> None:
    """The merge with the defaults is shallow: what is given is given whole."""
    params = STATES[key]["params"]
    (series,), (axis,) = params["seriesParams"], params["valueAxes"]
    assert series.keys() == SERIES
    assert axis.keys() == AXIS
    (metric,) = _schema(key, "metric")
    assert series["data"] == {"id": metric["id"], "label": metric["params"]["customLabel"]}
    assert series["valueAxis"] == axis["id"]
    assert series["mode"] == "stacked"
    assert axis["title"]["text"] == metric["params"]["customLabel"]


@pytest.mark.parametrize("key", _of("heatmap"))
def test_a_heat_map_shows_little_beside_much(key: str) -> None:
    params = STATES[key]["params"]
    assert params["setColorRange"] is True
    steps = params["colorsRange"]
    assert all(one["to"] == other["from"] for one, other in pairwise(steps))
    assert (steps[0]["from"], steps[0]["to"]) == (0, 1)  # white: a single event has a color
    assert steps[-1]["to"] > 10_000_000
    (rows,) = _schema(key, "group")
    assert rows["params"]["size"] <= MOST_SERIES
    assert STATES[key]["aggs"].index(rows) == 1, "outside, or there may be too many of them"


@pytest.mark.parametrize("key", _of("metric"))
def test_a_number_has_its_parameters_whole(key: str) -> None:
    metric = STATES[key]["params"]["metric"]
    assert metric.keys() == METRIC
    assert metric["style"].keys() == {"bgFill", "bgColor", "labelColor", "subText", "fontSize"}
    assert metric["colorsRange"]


def _panels() -> list[tuple[str, Json]]:
    """Give every panel with the id of what it shows."""
    found = []
    for saved in SAVED:
        if saved["type"] == "dashboard":
            named = {to["name"]: to["id"] for to in saved["references"]}
            panels = codec.loads(saved["attributes"]["panelsJSON"])
            found += [(named[panel["panelRefName"]], panel) for panel in panels]
    return found


def test_panels_have_what_dashboards_know_and_nothing_else() -> None:
    must = {"version", "panelIndex", "gridData", "embeddableConfig", "panelRefName"}
    for _, panel in _panels():
        assert must <= panel.keys() <= must | {"title"}
        assert panel["gridData"].keys() == {"x", "y", "w", "h", "i"}


@pytest.mark.parametrize("key", _of("metric"))
def test_numbers_stand_in_one_line(key: str) -> None:
    """They wrap where they do not fit, and the second line is out of sight."""
    labels = [one["params"]["customLabel"] for one in _schema(key, "metric")]
    for bucket in _schema(key, "group"):
        entries = [entry["label"] for entry in bucket["params"]["filters"]]
        labels = [f"{entry} - {label}" for entry in entries for label in labels]
    needed = sum(max(len(label) * LETTER, NARROWEST) + AROUND for label in labels)
    (width,) = {panel["gridData"]["w"] for shown, panel in _panels() if shown == key}
    assert needed <= width * COLUMN - 16, labels


@pytest.mark.parametrize("key", _of("vega"))
def test_a_drawing_without_events_is_empty_and_says_nothing_else(key: str) -> None:
    spec = codec.loads(STATES[key]["params"]["spec"])
    assert spec["config"]["kibana"] == {"hideWarnings": True}
    assert "width" not in spec
    assert "height" not in spec
    # Without a limit a request would come back with ten; the node refuses more than 10,000.
    body = spec["data"]["url"]["body"]
    assert 0 <= body["size"] <= 1000


@pytest.mark.parametrize("key", _of("input_control_vis"))
def test_controls_are_whole(key: str) -> None:
    for control in STATES[key]["params"]["controls"]:
        assert control.keys() == CONTROL
        assert control["options"].keys() == LIST


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_times_are_short_and_sort_as_they_read(pattern: Json) -> None:
    formats = codec.loads(pattern["fieldFormatMap"])
    dates = {one["name"] for one in codec.loads(pattern["fields"]) if one["type"] == "date"}
    wanted = {"id": "date", "params": {"pattern": "YYYY-MM-DD HH:mm:ss"}}
    assert [name for name in dates if formats[name] != wanted] == []
