"""The saved objects are fresh, and of a shape that OpenSearch Dashboards 3 takes and shows.

What it checks itself at import is little: a dashboard that refers to a panel that is not there
imports well and shows a broken panel; a panel without a version leaves the whole page blank.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from enricher.cloudtrail import codec
from enricher.enrichers.denials import DENIED, denied_codes, group_of
from enricher.stores.dashboards_client import load_saved_objects
from tests.conventions.source import REPOSITORY
from tests.dashboards_api import LAST_KNOWN
from tools.dashboards import DEFINITIONS, NDJSON, PAGE
from tools.dashboards.definitions import load
from tools.dashboards.objects import MIGRATIONS, ndjson, saved_objects
from tools.dashboards.page import page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Json = dict[str, Any]

SAVED: list[Json] = [codec.loads(line) for line in load_saved_objects().splitlines()]
KNOWN = {(one["type"], one["id"]) for one in SAVED}
PATTERNS = {one["id"]: one["attributes"] for one in SAVED if one["type"] == "index-pattern"}
VISUALIZATIONS = [one for one in SAVED if one["type"] == "visualization"]
SEARCHES = [one for one in SAVED if one["type"] == "search"]
DASHBOARDS = [one for one in SAVED if one["type"] == "dashboard"]
HOUSE = load(DEFINITIONS)

# attributes of each type: those that there must be, and those that there may be.
ATTRIBUTES = {
    "index-pattern": ({"title", "fields", "fieldFormatMap"}, {"timeFieldName"}),
    "visualization": (
        {"title", "description", "version", "visState", "uiStateJSON", "kibanaSavedObjectMeta"},
        set(),
    ),
    "search": (
        {"title", "description", "hits", "version", "columns", "sort", "kibanaSavedObjectMeta"},
        set(),
    ),
    "dashboard": (
        {
            *("title", "description", "hits", "version", "panelsJSON", "optionsJSON"),
            *("timeRestore", "timeFrom", "timeTo", "refreshInterval", "kibanaSavedObjectMeta"),
        },
        set(),
    ),
}
TYPES = {
    *("metric", "histogram", "horizontal_bar", "pie", "heatmap", "table"),
    *("markdown", "input_control_vis", "vega"),
}
METRICS = {"count", "cardinality", "min", "max", "sum", "avg", "top_hits"}
OF_NUMBERS = {"sum": {"number"}, "avg": {"number"}, "min": {"number", "date"}}
FORMATS = {"url", "color", "date", "boolean", "static_lookup", "bytes", "duration"}
ROW = {"metric": 6, "histogram": 11, "heatmap": 12, "table": 11, "vega": 14, "search": 14}
MOST_VALUES = 100
NAMED = re.compile(r"(?<![\w.])(?:_exists_:)?([@A-Za-z_][\w.]*)(?=:)|_exists_:([\w.]+)")
QUOTED = re.compile(r'"[^"]*"')
ADDRESS_FIELD = re.compile(r"(?:%20|')([\w.]+):%22\{\{value\}\}%22")


def _id(saved: Json) -> str:
    key: str = saved["id"]
    return key


every_object = pytest.mark.parametrize("saved", SAVED, ids=_id)
every_visualization = pytest.mark.parametrize("saved", VISUALIZATIONS, ids=_id)
every_dashboard = pytest.mark.parametrize("saved", DASHBOARDS, ids=_id)


def _texts(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Give every attribute that is JSON in a string."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _texts(child, key)
    elif isinstance(value, str) and (name.endswith("JSON") or name in {"visState", "fields"}):
        yield name, value


def _source(saved: Json) -> Json:
    meta = saved["attributes"]["kibanaSavedObjectMeta"]
    source: Json = codec.loads(meta["searchSourceJSON"])
    return source


def _state(saved: Json) -> Json:
    state: Json = codec.loads(saved["attributes"]["visState"])
    return state


def _fields(pattern: Json) -> dict[str, Json]:
    return {field["name"]: field for field in codec.loads(pattern["fields"])}


def _pattern(saved: Json) -> Json:
    found = [to["id"] for to in saved["references"] if to["type"] == "index-pattern"]
    pattern: Json = PATTERNS[found[0]]
    return pattern


def _is_there(name: str, fields: dict[str, Json]) -> bool:
    """Say whether a field can be asked for: itself, or as a part of a flat object."""
    root = fields.get(name.partition(".")[0])
    return name in fields or bool(root and root["esTypes"] == ["flat_object"])


# --- the files ----------------------------------------------------------------------------------


def test_saved_objects_are_fresh() -> None:
    assert NDJSON.read_bytes() == ndjson(saved_objects(HOUSE)), "run `make dashboards`"


def test_their_page_is_fresh() -> None:
    assert PAGE.read_text() == page(HOUSE), "run `make dashboards`"


def test_definitions_are_checked(tmp_path: Path) -> None:
    for path in DEFINITIONS.glob("*.yml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / "activity.yml").read_text()
    (tmp_path / "activity.yml").write_text(text.replace("question:", "asks:"))
    with pytest.raises(ValidationError, match="asks"):
        load(tmp_path)


def test_lines_are_canonical() -> None:
    lines = NDJSON.read_bytes().splitlines()
    assert [codec.canonical(codec.loads(line)) for line in lines] == lines
    keys = [(one["type"], one["id"]) for one in SAVED]
    assert keys == sorted(keys)


def test_the_wheel_packs_them() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text()
    assert 'dashboards = "enricher/_assets/dashboards"' in text


# --- saved objects ------------------------------------------------------------------------------


@every_object
def test_it_has_what_its_type_has_and_nothing_else(saved: Json) -> None:
    assert saved.keys() == {"type", "id", "attributes", "references", "migrationVersion"}
    assert re.fullmatch(r"enricher-[a-z0-9-]+", saved["id"])
    must, may = ATTRIBUTES[saved["type"]]
    assert must <= saved["attributes"].keys() <= must | may
    assert saved["attributes"]["title"]
    for name, text in _texts(saved["attributes"]):
        assert isinstance(codec.loads(text), (dict, list)), name


@every_object
def test_its_version_is_the_last_that_dashboards_knows(saved: Json) -> None:
    kind = saved["type"]
    assert saved["migrationVersion"] == {kind: MIGRATIONS[kind]}
    assert tuple(map(int, MIGRATIONS[kind].split("."))) == LAST_KNOWN[kind]


def test_ids_and_titles_are_unique() -> None:
    assert len(KNOWN) == len(SAVED)
    titles = Counter((one["type"], one["attributes"]["title"]) for one in SAVED)
    assert [title for title, count in titles.items() if count > 1] == []


@every_object
def test_its_references_lead_somewhere_and_are_all_used(saved: Json) -> None:
    assert [to for to in saved["references"] if (to["type"], to["id"]) not in KNOWN] == []
    texts = [text for _, text in _texts(saved["attributes"])]
    used = re.findall(
        r'"(?:indexRefName|panelRefName|indexPatternRefName)":"([^"]+)"', "".join(texts)
    )
    assert sorted(used) == sorted(to["name"] for to in saved["references"])


@every_object
def test_its_query_is_in_lucene_and_asks_for_fields_that_are_there(saved: Json) -> None:
    if saved["type"] == "index-pattern":
        return
    query = _source(saved)["query"]
    assert query["language"] == "lucene"
    if query["query"]:
        assert _unknown(query["query"], _fields(_pattern(saved))) == []


def _unknown(query: str, fields: dict[str, Json]) -> list[str]:
    assert not query.startswith("NOT "), "inside brackets it would find nothing"
    assert query.count("(") == query.count(")")
    names = {one or other for one, other in NAMED.findall(QUOTED.sub('""', query))}
    assert names, query
    return sorted(name for name in names if name != "_exists_" and not _is_there(name, fields))


# --- index patterns -----------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_formats_and_time_are_of_fields_that_are_there(pattern: Json) -> None:
    fields = _fields(pattern)
    formats = codec.loads(pattern["fieldFormatMap"])
    assert formats.keys() <= fields.keys()
    for name, one in formats.items():
        assert one["id"] in FORMATS
        if one["id"] == "color":
            assert fields[name]["type"] == "string"
        if one["id"] == "static_lookup" and fields[name]["type"] == "boolean":
            keys = {entry["key"] for entry in one["params"]["lookupEntries"]}
            assert keys == {"true", "false", "1", "0"}  # documents and buckets say it otherwise
    time = pattern.get("timeFieldName")
    assert time is None or fields[time]["type"] == "date"


def test_what_is_shipped_needs_no_refresh_by_a_browser() -> None:
    for pattern in PATTERNS.values():
        for field in _fields(pattern).values():
            assert {"searchable", "aggregatable", "readFromDocValues"} <= field.keys()


def test_links_ask_for_fields_that_are_there() -> None:
    events = _fields(PATTERNS["enricher-events"])
    for pattern in PATTERNS.values():
        for name, one in codec.loads(pattern["fieldFormatMap"]).items():
            if one["id"] != "url":
                continue
            address = one["params"]["urlTemplate"]
            assert not set(address) & {'"', " "}, name
            if address.startswith("http"):
                continue
            assert set(ADDRESS_FIELD.findall(address)) <= events.keys()
            opened = re.search(r"#/view/([a-z-]+)|indexPattern:([a-z-]+)", address)
            assert opened
            wanted = ("dashboard", opened[1]) if opened[1] else ("index-pattern", opened[2])
            assert wanted in KNOWN


@pytest.mark.parametrize(
    "field",
    [
        "eventID",
        "enriched.session.id",
        "userIdentity.accessKeyId",
        "enriched.origin.name",
        "enriched.origin.arn",
    ],
)
def test_what_people_pivot_on_leads_to_discover(field: str) -> None:
    formats = codec.loads(PATTERNS["enricher-events"]["fieldFormatMap"])
    assert formats[field]["params"]["urlTemplate"].startswith("../app/data-explorer/discover#?")


# --- visualizations -----------------------------------------------------------------------------


@every_visualization
def test_it_is_of_a_type_that_dashboards_has(saved: Json) -> None:
    state = _state(saved)
    assert state["type"] in TYPES
    assert state["title"] == saved["attributes"]["title"]
    assert len({one["id"] for one in state["aggs"]}) == len(state["aggs"])


@every_visualization
def test_it_aggregates_fields_that_can_be(saved: Json) -> None:
    if not _state(saved)["aggs"]:
        return
    fields = _fields(_pattern(saved))
    metrics = {one["id"] for one in _state(saved)["aggs"] if one["type"] in METRICS}
    for one in _state(saved)["aggs"]:
        params = one["params"]
        if one["type"] == "filters":
            for entry in params["filters"]:
                assert entry["input"]["language"] == "lucene"
                assert _unknown(entry["input"]["query"], fields) == []
            continue
        assert params.get("customLabel") or one["type"] == "date_histogram"
        if one["type"] == "count":
            continue
        field = fields[params["field"]]
        assert field["aggregatable"]
        assert field["type"] in OF_NUMBERS.get(one["type"], {field["type"]})
        if one["type"] == "terms":
            assert params["orderBy"] in metrics
            assert 0 < params["size"] <= MOST_VALUES
            # Of other types, what is absent cannot be shown beside what is there.
            assert "missingBucket" not in params or field["type"] == "string"
        if one["type"] == "date_histogram":
            assert params["interval"] == "auto"


@every_visualization
def test_a_drawing_follows_the_filters_and_asks_for_fields_that_are_there(saved: Json) -> None:
    state = _state(saved)
    if state["type"] != "vega":
        return
    spec = codec.loads(state["params"]["spec"])
    assert spec["$schema"] == "https://vega.github.io/schema/vega-lite/v6.json"
    url = spec["data"]["url"]
    assert url["%context%"] is True
    (pattern,) = [one for one in PATTERNS.values() if one["title"] == url["index"]]
    assert url["%timefield%"] == pattern["timeFieldName"]
    fields = _fields(pattern)
    names = re.findall(r'"field":\s*"([^"]+)"', codec.dumps(url["body"]).decode())
    assert names
    assert [name for name in names if not fields[name]["aggregatable"]] == []


def test_drawings_have_the_colors_of_the_charts() -> None:
    """Outcome and class are colored in a drawing as everywhere."""
    fields = ("enriched.outcome.status", "enriched.action.class")
    shared = [HOUSE.shared.colors[field] for field in fields]
    scales = [
        scale
        for saved in VISUALIZATIONS
        if _state(saved)["type"] == "vega"
        for scale in _scales(codec.loads(_state(saved)["params"]["spec"]))
    ]
    assert scales
    for scale in scales:
        colors = dict(zip(scale["domain"], scale["range"], strict=True))
        assert any(one.items() <= colors.items() for one in shared)


def _scales(value: object) -> Iterator[Json]:
    """Give every scale that lists its values with a color each."""
    if isinstance(value, dict):
        if {"domain", "range"} <= value.keys():
            yield value
        for child in value.values():
            yield from _scales(child)


def test_one_color_means_one_thing() -> None:
    """Where a field's values are colored, they have the colors that its field format has."""
    for saved in VISUALIZATIONS:
        colors = codec.loads(saved["attributes"]["uiStateJSON"]).get("vis", {}).get("colors", {})
        for one in _state(saved)["aggs"]:
            shared = HOUSE.shared.colors.get(one["params"].get("field", ""))
            if (
                shared
                and one["schema"] in {"group", "segment"}
                and _state(saved)["type"] != "heatmap"
            ):
                assert not colors or colors == shared


# --- searches and dashboards --------------------------------------------------------------------


@pytest.mark.parametrize("saved", SEARCHES, ids=_id)
def test_a_search_shows_columns_that_are_there(saved: Json) -> None:
    pattern = _pattern(saved)
    assert set(saved["attributes"]["columns"]) <= _fields(pattern).keys()
    ((field, order),) = saved["attributes"]["sort"]
    assert field == pattern["timeFieldName"]
    assert order in {"asc", "desc"}


@every_dashboard
def test_panels_fill_the_grid_and_do_not_overlap(saved: Json) -> None:
    taken: set[tuple[int, int]] = set()
    panels = codec.loads(saved["attributes"]["panelsJSON"])
    for panel in panels:
        grid = panel["gridData"]
        assert panel["version"]
        assert panel.get("title") or panel["embeddableConfig"]["hidePanelTitles"]
        assert panel["panelIndex"] == grid["i"]
        assert grid["x"] + grid["w"] <= 48
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken
        taken |= cells
    height = max(panel["gridData"]["y"] + panel["gridData"]["h"] for panel in panels)
    assert len(taken) == 48 * height, "there is a hole in it"


@every_dashboard
def test_panels_are_high_and_wide_enough_for_what_they_show(saved: Json) -> None:
    by_key = {(one["type"], one["id"]): one for one in SAVED}
    referred = {to["name"]: by_key[to["type"], to["id"]] for to in saved["references"]}
    for panel in codec.loads(saved["attributes"]["panelsJSON"]):
        shown = referred[panel["panelRefName"]]
        kind = "search" if shown["type"] == "search" else _state(shown)["type"]
        assert panel["gridData"]["h"] >= ROW.get(kind, 6), shown["id"]
        assert panel["gridData"]["w"] >= 12, shown["id"]


@every_dashboard
def test_it_begins_by_saying_what_it_answers(saved: Json) -> None:
    first = saved["references"][0]
    (shown,) = [one for one in VISUALIZATIONS if one["id"] == first["id"]]
    text = _state(shown)["params"]["markdown"]
    assert saved["attributes"]["description"].rstrip("?").split(",")[0] in text
    linked = re.findall(r"\(#/view/([a-z-]+)\)", text)
    assert {("dashboard", one) for one in linked} <= KNOWN


@every_dashboard
def test_filters_are_of_fields_that_all_panels_have(saved: Json) -> None:
    """A filter holds for all panels: one that lacks its field would be empty."""
    by_key = {(one["type"], one["id"]): one for one in SAVED}
    shown = [by_key[to["type"], to["id"]] for to in saved["references"]]
    patterns = {
        to["id"] for one in shown for to in one["references"] if to["type"] == "index-pattern"
    }
    filters = [one["id"] for one in shown if one["id"].startswith("enricher-filters-")]
    if saved["id"] == "enricher-pipeline":
        assert filters == []
        assert len(patterns) > 1
    else:
        (pattern,) = patterns
        assert filters == [pattern.replace("enricher-", "enricher-filters-")]


def test_filters_are_of_fields_that_can_be_chosen_from() -> None:
    for name, filters in HOUSE.shared.filters.items():
        fields = _fields(PATTERNS[f"enricher-{name}"])
        assert all(fields[control.field]["aggregatable"] for control in filters)


def test_every_visualization_is_on_a_dashboard() -> None:
    shown = {to["id"] for one in DASHBOARDS for to in one["references"]}
    assert [one["id"] for one in VISUALIZATIONS if one["id"] not in shown] == []


def test_the_codes_that_are_searched_for_mean_denials() -> None:
    assert {group_of(code) for code in denied_codes()} == {DENIED}
    (saved,) = [one for one in SEARCHES if one["id"] == "enricher-search-denied-by-code"]
    query = _source(saved)["query"]["query"]
    assert query == f"errorCode:({' OR '.join(denied_codes())})"
