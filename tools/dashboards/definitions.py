"""What the YAML files of ``dashboards/`` may say, checked as they are read.

``shared.yml`` holds what all dashboards share: index patterns, colors, filters. ``searches.yml``
holds the saved searches; each other file is one dashboard. Queries are Lucene's, as
``query_string`` takes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pathlib import Path

SHARED, SEARCHES = "shared.yml", "searches.yml"
TIME: Final = "time"  # in place of a field: the time field of the index pattern


class Definition(BaseModel):
    """A part of a file; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Metric(Definition):
    """A number: ``count``, or something of a field."""

    of: Literal["count", "min", "max", "sum", "avg", "unique", "latest"]
    field: str | None = None
    label: str


class Count(Definition):
    """How many fit a query."""

    label: str
    query: str
    color: str | None = None


class By(Definition):
    """The values of a field: those that come first.

    Attributes:
        missing: What is shown where the field is absent; without it such documents are left out.
        order: Label of the metric that says which come first; without it the first metric.
    """

    field: str
    label: str
    size: int = 10
    missing: str | None = None
    order: str | None = None
    direction: Literal["asc", "desc"] = "desc"


class Panel(Definition):
    """One panel of a dashboard.

    Attributes:
        id: Unique in its dashboard.
        says: What it answers, for the page.
        width: Columns of 48; without it the row's panels share what is left.
    """

    id: str
    title: str
    says: str
    width: int | None = None
    index: str = "events"
    query: str = ""


class Numbers(Panel):
    """A few numbers: metrics; or for each query how many fit it, or one metric of those."""

    kind: Literal["numbers"]
    metrics: list[Metric] = Field(default_factory=list)
    counts: list[Count] = Field(default_factory=list)


class OverTime(Panel):
    """Bars over time, split by a field or by queries."""

    kind: Literal["over_time"]
    metric: Metric = Metric(of="count", label="events")
    by: By | None = None
    counts: list[Count] = Field(default_factory=list)


class Bars(Panel):
    """Horizontal bars by a field, split by another where there is one."""

    kind: Literal["bars"]
    metric: Metric = Metric(of="count", label="events")
    by: By
    split: By | None = None


class Donut(Panel):
    """Shares of a field's values."""

    kind: Literal["donut"]
    metric: Metric = Metric(of="count", label="events")
    by: By


class Matrix(Panel):
    """How much there is of each pair: a field by another, or by time."""

    kind: Literal["matrix"]
    metric: Metric = Metric(of="count", label="events")
    rows: By
    columns: By | Literal["time"]


class Table(Panel):
    """A row for each combination of values; those of the first field are ordered."""

    kind: Literal["table"]
    by: list[By]
    metrics: list[Metric]


class Drawing(Panel):
    """A picture of its own, in Vega-Lite."""

    kind: Literal["vega"]
    time_field: str = "eventTime"
    spec: dict[str, Any]


class Events(Panel):
    """A saved search."""

    kind: Literal["search"]
    search: str


AnyPanel = Annotated[
    Numbers | OverTime | Bars | Donut | Matrix | Table | Drawing | Events,
    Field(discriminator="kind"),
]


class Row(Definition):
    """Panels beside each other, of one height."""

    height: int
    panels: list[AnyPanel]


class Dashboard(Definition):
    """One dashboard.

    Attributes:
        question: What it answers, in one sentence.
        text: The header, Markdown.
        query: What holds for all panels, beside their own queries.
        days: The time range that it opens with.
        filters: The index pattern whose shared filters are on it, if any: one whose fields all its
            panels have, for a filter holds for all of them.
    """

    id: str
    title: str
    question: str
    text: str
    query: str = ""
    days: int = 7
    filters: str | None = "events"
    rows: list[Row]


class Example(Definition):
    """A value that the reader is to replace by another one of the field."""

    value: str
    field: str


class Search(Definition):
    """A saved search.

    Attributes:
        example: Where the query names one value as an example.
    """

    id: str
    title: str
    says: str
    index: str = "events"
    query: str = ""
    columns: list[str]
    order: Literal["asc", "desc"] = "desc"
    example: Example | None = None


class Link(Definition):
    """Where a value leads; ``{{value}}`` stands for it.

    Attributes:
        query: What is asked there, in Dashboards' own language.
        index: The index pattern that Discover opens.
        dashboard: The dashboard to open in place of Discover.
        days: The time range to open with.
        address: Somewhere else altogether.
    """

    query: str = ""
    index: str = "events"
    dashboard: str | None = None
    days: int = 3650
    address: str | None = None


class IndexPattern(Definition):
    """Indices, as Dashboards knows them.

    Attributes:
        template: The index template whose mapping has the fields.
        links: The link of a field, by the field; a name of ``links``.
        formats: Other field formats, as Dashboards takes them.
    """

    title: str
    template: str
    time_field: str | None = None
    links: dict[str, str] = Field(default_factory=dict)
    formats: dict[str, dict[str, Any]] = Field(default_factory=dict)


class Control(Definition):
    """A list to choose values of a field from."""

    field: str
    label: str


class Shared(Definition):
    """What all dashboards share.

    Attributes:
        colors: The color of each value, by field.
        filters: By index pattern.
    """

    index_patterns: dict[str, IndexPattern]
    links: dict[str, Link]
    colors: dict[str, dict[str, str]]
    filters: dict[str, list[Control]]


class House(Definition):
    """All that is defined."""

    shared: Shared
    searches: list[Search]
    dashboards: list[Dashboard]


def load(folder: Path) -> House:
    """Read the definitions.

    Raises:
        pydantic.ValidationError: If a file says something that it may not.
    """
    others = sorted(set(folder.glob("*.yml")) - {folder / SHARED, folder / SEARCHES})
    return House.model_validate(
        {
            "shared": _read(folder / SHARED),
            "searches": _read(folder / SEARCHES),
            "dashboards": [_read(path) for path in others],
        }
    )


def _read(path: Path) -> Any:  # noqa: ANN401 - checked by the model
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def joined(*queries: str) -> str:
    """Join queries that must all hold."""
    held = [query for query in queries if query]
    return held[0] if len(held) == 1 else " AND ".join(f"({query})" for query in held)
