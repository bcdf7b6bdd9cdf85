"""What the boards are made of: queries without duplicates, thresholds in the right direction, tables and links."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from grafana_foundation_sdk.builders import common as common_parts
from grafana_foundation_sdk.builders import dashboard as dashboard_parts
from grafana_foundation_sdk.builders import prometheus, stat, table
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    GridPos,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from models.text import Text

Language = Literal["zh", "en"]
Steps = Sequence[tuple[float | None, str]]

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
SELECTED = 'department=~"$department"'
IN_PERIOD = 'period="$period"'
# Columns that every row of a table shares, or that say the same as the column's title.
SHARED_COLUMNS = "^(Time|period|indicator|within)$"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

NOTHING = Text("无", "none")
GOOD, NOTICE, WARN, BAD = "green", "yellow", "orange", "red"


# Queries


def latest(metric: str, *matchers: str) -> str:
    """A metric without the duplicates of a second exporter.

    >>> latest("cases_open", 'department="X"')
    'max without(instance, job) (govscore_cases_open{department="X"})'
    """
    return f"max without(instance, job) (govscore_{metric}{{{', '.join(matchers)}}})"


def named(query: str) -> str:
    """A query by department with the label `name`; a department without a known name keeps its code, and none is shown twice."""
    names = 'topk by(department) (1, max by(department, name) (govscore_department_info{name!=""}))'
    code = f'label_replace({query}, "name", "$1", "department", "(.*)")'
    return f"({query}) * on(department) group_left(name) {names} or on(department) {code}"


def instant(query: str, letter: str = "A") -> prometheus.Dataquery:
    """A query as of the end of the time range."""
    return prometheus.Dataquery().expr(query).ref_id(letter).instant().format(PromQueryFormat.TABLE).datasource(DATASOURCE)


# Thresholds: Grafana's own (red from 80 on) would paint a good score red, so that every panel states its steps.


def thresholds(steps: Steps) -> dashboard_parts.ThresholdsConfig:
    """Steps from below; the first one has no lower end."""
    return dashboard_parts.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(value, colour) for value, colour in steps])


def more_is_better(full: float) -> Steps:
    """For points of a weight: red below 60 %, green from 85 % on."""
    return [(None, BAD), (round(0.6 * full, 2), NOTICE), (round(0.85 * full, 2), GOOD)]


def less_is_better(cap: float) -> Steps:
    """For points deducted: green only at 0, red at the cap."""
    return [(None, GOOD), (0.01, NOTICE), (cap / 2, WARN), (cap, BAD)]


NONE_IS_GOOD: Steps = [(None, GOOD), (1, BAD)]
FEW_ARE_GOOD: Steps = [(None, GOOD), (1, WARN)]


# Links


def link(title: str, path: str) -> dict[str, Any]:
    """A link to a page of the program."""
    return {"title": title, "url": "${program}" + path, "targetBlank": True}


def panel_link(title: str, path: str) -> dashboard_parts.DashboardLink:
    """The same for a panel of numbers."""
    return dashboard_parts.DashboardLink(title).url("${program}" + path).target_blank(True)


# Panels


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: what it shows, and how. `query` is None for a label."""

    title: Text
    query: str | None = None
    label: str = ""
    unit: str = "none"
    decimals: int | None = 0
    width: int | None = None
    steps: Steps | None = None
    background: bool = False
    links: Sequence[tuple[Text, str]] = field(default_factory=tuple)

    def properties(self, language: Language) -> list[DynamicConfigValue]:
        """Overrides of this column alone."""
        found: dict[str, Any] = {"unit": self.unit} if self.query else {}
        if self.query and self.decimals is not None:
            found["decimals"] = self.decimals
        if self.width:
            found["custom.width"] = self.width
        if self.steps:
            found["thresholds"] = {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in self.steps]}
            found["color"] = {"mode": FieldColorModeId.THRESHOLDS}
            kind = {"type": "color-background", "mode": "basic"} if self.background else {"type": "color-text"}
            found["custom.cellOptions"] = kind
        if self.links:
            found["links"] = [link(title.in_(language), path) for title, path in self.links]
        return [DynamicConfigValue(name, value) for name, value in found.items()]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel lies on the grid of 24 columns."""

    x: int
    y: int
    w: int
    h: int

    @property
    def grid(self) -> GridPos:
        """For the panel."""
        return GridPos(x=self.x, y=self.y, w=self.w, h=self.h)


@dataclass(frozen=True, slots=True)
class Head:
    """A panel's number, place and texts."""

    number: int
    place: Place
    title: Text
    description: Text
    nothing: Text = NOTHING


def joined(columns: Sequence[Column], language: Language) -> list[DataTransformerConfig]:
    """Rows of all queries joined by the labels they share; columns in order, with titles."""
    queries = [column for column in columns if column.query]
    fields = {f"Value #{LETTERS[place]}": column for place, column in enumerate(queries)}
    sources = {id(column): name for name, column in fields.items()} | {id(column): column.label for column in columns if column.label}
    order = {sources[id(column)]: place for place, column in enumerate(columns)}
    renamed = {sources[id(column)]: column.title.in_(language) for column in columns}
    # The times of instant queries differ by nothing that matters, and would keep rows apart if they differed at all.
    return [
        DataTransformerConfig(id_val="filterFieldsByName", options={"exclude": {"pattern": SHARED_COLUMNS}}),
        DataTransformerConfig(id_val="merge", options={}),
        DataTransformerConfig(
            id_val="organize", options={"indexByName": {**order, "department": len(order)}, "renameByName": renamed, "excludeByName": {}}
        ),
    ]


def table_panel(head: Head, columns: Sequence[Column], sort: tuple[Text, bool], language: Language) -> table.Panel:
    """A table of departments: the name by label, a column a query; the code is kept for links, unseen."""
    title, descending = sort
    panel = (
        table.Panel()
        .id(head.number)
        .grid_pos(head.place.grid)
        .title(head.title.in_(language))
        .description(head.description.in_(language))
        .datasource(DATASOURCE)
        .no_value(head.nothing.in_(language))
        .unit("none")
        .thresholds(thresholds([(None, "text")]))
        .color_scheme(dashboard_parts.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .cell_height(common.TableCellHeight.SM)
        .filterable(False)
        .sort_by([common_parts.TableSortByFieldState().display_name(title.in_(language)).desc(descending)])
        .transformations(joined(columns, language))
        .override_by_name("department", [DynamicConfigValue("custom.hidden", True)])
    )
    for place, query in enumerate(column.query for column in columns if column.query):
        panel = panel.with_target(instant(query, LETTERS[place]))
    for column in columns:
        if properties := column.properties(language):
            panel = panel.override_by_name(column.title.in_(language), properties)
    return panel


@dataclass(frozen=True, slots=True)
class Number:
    """What a panel of one number shows."""

    query: str
    steps: Steps
    unit: str = "none"
    decimals: int = 0
    legend: str = ""
    links: Sequence[tuple[Text, str]] = field(default_factory=tuple)


def number_panel(head: Head, number: Number, language: Language) -> stat.Panel:
    """One number on its colour; with a legend, whose it is as well."""
    target = prometheus.Dataquery().expr(number.query).ref_id("A").instant().datasource(DATASOURCE)
    return (
        stat.Panel()
        .id(head.number)
        .grid_pos(head.place.grid)
        .title(head.title.in_(language))
        .description(head.description.in_(language))
        .datasource(DATASOURCE)
        .no_value(head.nothing.in_(language))
        .with_target(target.legend_format(number.legend) if number.legend else target)
        .unit(number.unit)
        .decimals(number.decimals)
        .thresholds(thresholds(number.steps))
        .color_scheme(dashboard_parts.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .color_mode(common.BigValueColorMode.BACKGROUND)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME if number.legend else common.BigValueTextMode.VALUE)
        .reduce_options(common_parts.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .data_links([panel_link(title.in_(language), path) for title, path in number.links])
    )
