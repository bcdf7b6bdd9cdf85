"""The kinds of panels that boards are declared with: one number, a table, lines, states over time."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import common as common_parts
from grafana_foundation_sdk.builders import dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    GridPos,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.dashboard import Threshold as Step
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from kit.links import DEPARTMENT_BOARD, DEPARTMENT_PAGE, Link
from kit.looks import PLAIN, States, Steps

from models.text import Language, Text

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DEPARTMENT = "department"  # the code: kept for links, not shown
NOTHING = Text("无", "none")
NO_DATA = Text("没有数据", "no data")
# A line has no more points than a wide screen can show, so that 3,000 departments stay within what a query may read.
POINTS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel(ABC):
    """A panel: its width of the grid's 24 columns, its texts, and what it says when there is nothing."""

    title: Text
    description: Text
    width: int
    nothing: Text = NO_DATA

    @abstractmethod
    def build(self, number: int, place: GridPos, language: Language) -> Any:
        """For the board, in a language."""

    def _dress(self, panel: Any, number: int, place: GridPos, language: Language, unit: str, steps: Steps) -> Any:
        """What panels of all kinds have."""
        levels = [Step(value, colour) for value, colour in steps]
        return (
            panel.id(number)
            .grid_pos(place)
            .title(self.title.in_(language))
            .description(self.description.in_(language))
            .datasource(DATASOURCE)
            .no_value(self.nothing.in_(language))
            .unit(unit)
            .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(levels))
            .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        )


def _query(expression: str, letter: str = "A", legend: str = "") -> prometheus.Dataquery:
    found = prometheus.Dataquery().expr(expression).ref_id(letter).datasource(DATASOURCE)
    return found.legend_format(legend) if legend else found


def _mappings(states: States, language: Language) -> list[ValueMapping]:
    return [
        ValueMap(
            options={
                value: ValueMappingResult(text=text.in_(language), color=colour, index=place)
                for place, (value, (text, colour)) in enumerate(states.items())
            }
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Panel):
    """One number on its colour; with a legend, whose it is as well."""

    query: str
    steps: Steps
    unit: str = "none"
    decimals: int = 0
    legend: str = ""
    links: Sequence[Link] = ()

    def build(self, number: int, place: GridPos, language: Language) -> stat.Panel:
        """For the board."""
        links = [dashboard.DashboardLink(link.title.in_(language)).url(link.url.in_(language)).target_blank(True) for link in self.links]
        return (
            self._dress(stat.Panel(), number, place, language, self.unit, self.steps)
            .with_target(_query(self.query, legend=self.legend).instant())
            .decimals(self.decimals)
            .color_mode(common.BigValueColorMode.BACKGROUND)
            .graph_mode(common.BigValueGraphMode.NONE)
            .text_mode(common.BigValueTextMode.VALUE_AND_NAME if self.legend else common.BigValueTextMode.VALUE)
            .reduce_options(common_parts.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
            .data_links(links)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: of a label, or of a query's values."""

    title: Text
    query: str = ""
    label: str = ""
    unit: str = "none"
    decimals: int | None = 0
    width: int | None = None
    steps: Steps = ()
    background: bool = False
    states: States = field(default_factory=dict)
    links: Sequence[Link] = ()

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
        if self.states:
            found["mappings"] = _mappings(self.states, language)
        if self.steps or any(colour for _, colour in self.states.values()):
            found["custom.cellOptions"] = {"type": "color-background", "mode": "basic"} if self.background else {"type": "color-text"}
        if self.links:
            found["links"] = [
                {"title": link.title.in_(language), "url": link.url.in_(language), "targetBlank": True} for link in self.links
            ]
        return [DynamicConfigValue(name, value) for name, value in found.items()]


NAME = Column(title=Text("部门", "Department"), label="name", links=[DEPARTMENT_PAGE, DEPARTMENT_BOARD])


def instant_column(title: Text, query: str) -> Column:
    """A column of instants, from seconds."""
    return Column(title=title, query=f"1000 * ({query})", unit="dateTimeAsIso", decimals=None, width=170)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Panel):
    """Rows of all queries, joined by the labels that are shown; the first column that is sorted by, is stated."""

    columns: Sequence[Column]
    sort: Text
    descending: bool = True
    rows: str = ""  # a query for the rows alone, where no column has one

    def build(self, number: int, place: GridPos, language: Language) -> table.Panel:
        """For the board."""
        panel = (
            self._dress(table.Panel(), number, place, language, "none", PLAIN)
            .cell_height(common.TableCellHeight.SM)
            .filterable(False)
            .sort_by([common_parts.TableSortByFieldState().display_name(self.sort.in_(language)).desc(self.descending)])
            .transformations(self._joined(language))
            .override_by_name(DEPARTMENT, [DynamicConfigValue("custom.hidden", True)])
        )
        for letter, query in zip(LETTERS, self._queries(), strict=False):
            panel = panel.with_target(_query(query, letter).instant().format(PromQueryFormat.TABLE))
        for column in self.columns:
            if properties := column.properties(language):
                panel = panel.override_by_name(column.title.in_(language), properties)
        return panel

    def _queries(self) -> list[str]:
        return [column.query for column in self.columns if column.query] or [self.rows]

    def _joined(self, language: Language) -> list[DataTransformerConfig]:
        """Labels that are not shown are left out: a period or an outcome would keep rows apart that belong together."""
        values = [column for column in self.columns if column.query]
        # A lone query's values have no letter.
        letters = [f"Value #{letter}" for letter in LETTERS] if len(values) > 1 else ["Value"]
        sources = {id(column): letter for column, letter in zip(values, letters, strict=False)}
        fields = [sources.get(id(column), column.label) for column in self.columns]
        order = {name: place for place, name in enumerate([*fields, DEPARTMENT])}
        titles = {name: column.title.in_(language) for name, column in zip(fields, self.columns, strict=True)}
        pattern = f"^({'|'.join(sorted(order))})$"
        return [
            DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"pattern": pattern}}),
            DataTransformerConfig(id_val="merge", options={}),
            DataTransformerConfig(id_val="organize", options={"indexByName": order, "renameByName": titles, "excludeByName": {}}),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A query over time, and what its lines are called: a text, or labels in braces."""

    query: str
    legend: Text


def by_label(query: str, label: str = "name") -> Line:
    """Lines that are called by a label's value."""
    return Line(query=query, legend=Text(f"{{{{{label}}}}}", f"{{{{{label}}}}}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines(Panel):
    """Lines over time."""

    lines: Sequence[Line]
    unit: str = "short"
    steps: Steps = field(default_factory=lambda: PLAIN)
    stacked: bool = False
    most: float | None = None
    points: int = POINTS
    names: States = field(default_factory=dict)  # what lines are called instead of a label's value

    def build(self, number: int, place: GridPos, language: Language) -> timeseries.Panel:
        """For the board."""
        panel = (
            self._dress(timeseries.Panel(), number, place, language, self.unit, self.steps)
            .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
            .min(0)
            .max_data_points(self.points)
            .fill_opacity(40 if self.stacked else 8)
            .show_points(common.VisibilityMode.NEVER)
            .tooltip(common_parts.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
            .legend(_legend())
        )
        if self.stacked:
            panel = panel.stacking(common_parts.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
        if self.most is not None:
            panel = panel.max(self.most)
        if len(self.steps) > 1:
            panel = panel.thresholds_style(common_parts.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED))
        for letter, line in zip(LETTERS, self.lines, strict=False):
            panel = panel.with_target(_query(line.query, letter, line.legend.in_(language)).range())
        for value, (text, _) in self.names.items():
            panel = panel.override_by_name(value, [DynamicConfigValue("displayName", text.in_(language))])
        return panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Course(Panel):
    """States over time, a row each."""

    query: str
    legend: str
    states: States
    steps: Steps

    def build(self, number: int, place: GridPos, language: Language) -> statetimeline.Panel:
        """For the board."""
        return (
            self._dress(statetimeline.Panel(), number, place, language, "none", self.steps)
            .with_target(_query(self.query, legend=self.legend).range())
            .max_data_points(POINTS)
            .mappings(_mappings(self.states, language))
            .merge_values(True)
            .show_value(common.VisibilityMode.NEVER)
            .row_height(0.8)
            .legend(_legend())
        )


def _legend() -> common_parts.VizLegendOptions:
    shown = common_parts.VizLegendOptions().show_legend(True)
    return shown.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM)
