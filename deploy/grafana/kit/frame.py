"""The frame that all boards share: variables, links, language, time zone, and the grid."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as dashboard_models
from kit.looks import FRESH, INDICATOR_NAMES
from kit.panels import DATASOURCE, Number, Panel
from kit.queries import LAST_UPDATE

from models.text import Language, Text

GRID = 24
Variable = dashboard.DatasourceVariable | dashboard.QueryVariable | dashboard.CustomVariable | dashboard.ConstantVariable

# A department that nobody has registered has no name; it is chosen by its code.
NAMES = (
    'max by(department, name) (govscore_department_info{name!=""})'
    ' or on(department) label_replace(max by(department) (govscore_department_info), "name", "$1", "department", "(.*)")'
)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side, together as wide as the grid."""

    height: int
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board: its place in the list, its name in addresses, its texts and rows, and which variables it shows."""

    number: int
    name: str
    title: Text
    description: Text
    rows: Sequence[Row]
    by_period: bool = False
    by_department: bool = True
    one_department: bool = False
    by_indicator: bool = False

    def build(self, language: Language, program: str) -> dashboard.Dashboard:
        """The board in a language; `program` is where the program's own pages are.

        Raises:
            ValueError: the panels of a row are not as wide as the grid.
        """
        found = _frame(self, language)
        for variable in _variables(self, language, program):
            found = found.with_variable(variable)
        number, top = 0, 0
        for row in self.rows:
            if sum(panel.width for panel in row.panels) != GRID:
                raise ValueError(f"{self.name}: a row's panels are together not {GRID} wide: {[p.title.en for p in row.panels]}")
            left = 0
            for panel in row.panels:
                number += 1
                place = dashboard_models.GridPos(x=left, y=top, w=panel.width, h=row.height)
                found = found.with_panel(panel.build(number, place, language))
                left += panel.width
            top += row.height
        return found


def freshness(width: int = 4) -> Number:
    """The first panel of every board: whether to believe the others."""
    return Number(
        title=Text("数据时效", "Freshness"),
        description=Text(
            "最旧的分区心跳距今的秒数。超过 60 秒，其余各格可能已过时；超过 120 秒告警。",
            "Seconds since the oldest heartbeat of a partition. Beyond 60 the rest may be out of date; beyond 120 an alert fires.",
        ),
        width=width,
        nothing=Text("没有心跳", "no heartbeat"),
        query=f"time() - {LAST_UPDATE}",
        steps=FRESH,
        unit="s",
    )


def _frame(board: Board, language: Language) -> dashboard.Dashboard:
    others, scoreboard = Text("其他看板", "Other boards"), Text("记分板网页", "Live scoreboard")
    return (
        dashboard.Dashboard(f"{board.number} {board.title.in_(language)}")
        .uid(f"onestop-{board.name}-{language}")
        .description(board.description.in_(language))
        .tags(["onestop", f"onestop-{language}"])
        .timezone("Asia/Shanghai")
        .readonly()
        .refresh("30s")
        .time("now-6h", "now")
        .tooltip(dashboard_models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink(others.in_(language))
            .type(dashboard_models.DashboardLinkType.DASHBOARDS)
            .tags([f"onestop-{language}"])
            .as_dropdown(True)
            .keep_time(True)
            .include_vars(True)
        )
        .link(
            dashboard.DashboardLink(scoreboard.in_(language))
            .type(dashboard_models.DashboardLinkType.LINK)
            .url("${program}/")
            .target_blank(True)
        )
    )


def _shown(shown: bool) -> dashboard_models.VariableHide:
    # A variable that a board does not read is hidden, not absent: links from board to board keep what was chosen.
    return dashboard_models.VariableHide.DONT_HIDE if shown else dashboard_models.VariableHide.HIDE_VARIABLE


def _variables(board: Board, language: Language, program: str) -> list[Variable]:
    refresh = dashboard_models.VariableRefresh.ON_TIME_RANGE_CHANGED
    department = (
        dashboard.QueryVariable("department")
        .label(Text("部门", "Department").in_(language))
        .datasource(DATASOURCE)
        .query({"query": f"query_result({NAMES})", "refId": "department"})
        # Chosen by name, told to Prometheus by code.
        .regex('/department="(?<value>[^"]+)",\\s*name="(?<text>[^"]*)"/')
        .refresh(refresh)
        .sort(dashboard_models.VariableSort.ALPHABETICAL_ASC)
        .hide(_shown(board.by_department))
    )
    if not board.one_department:
        # All is not the list of all codes: with 3,000 departments it would be longer than a query may be.
        department = department.multi(True).include_all(True).all_value(".*")
    found: list[Variable] = [
        dashboard.DatasourceVariable("datasource").label(Text("数据源", "Data source").in_(language)).type("prometheus"),
        dashboard.QueryVariable("period")
        .label(Text("考核期", "Period").in_(language))
        .datasource(DATASOURCE)
        .query({"query": "label_values(govscore_period_info, period)", "refId": "period"})
        .refresh(refresh)
        # The first one is chosen when none is: the newest.
        .sort(dashboard_models.VariableSort.ALPHABETICAL_DESC)
        .hide(_shown(board.by_period)),
        department,
    ]
    if board.by_indicator:
        options = ", ".join(f"{text.in_(language)} : {name}" for name, (text, _) in INDICATOR_NAMES.items())
        found.append(dashboard.CustomVariable("indicator").label(Text("指标", "Indicator").in_(language)).values(options))
    return [*found, dashboard.ConstantVariable("program").value(program)]
