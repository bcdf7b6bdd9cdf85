"""The frame that all boards share: variables, links, language, time zone."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as dashboard_models
from parts import DATASOURCE, Language

from models.text import Text

Variable = dashboard.DatasourceVariable | dashboard.QueryVariable | dashboard.ConstantVariable

# A department that nobody has registered has no name; it is chosen by its code.
NAMES = (
    'max by(department, name) (govscore_department_info{name!=""})'
    ' or on(department) label_replace(max by(department) (govscore_department_info), "name", "$1", "department", "(.*)")'
)


def board(name: str, title: Text, description: Text, language: Language, program: str) -> dashboard.Dashboard:
    """An empty board; `program` is where the program's own pages are."""
    found = (
        dashboard.Dashboard(title.in_(language))
        .uid(f"onestop-{name}-{language}")
        .description(description.in_(language))
        .tags(["onestop", f"onestop-{language}"])
        .timezone("Asia/Shanghai")
        .readonly()
        .refresh("30s")
        .time("now-6h", "now")
        .tooltip(dashboard_models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink(Text("其他看板", "Other boards").in_(language))
            .type(dashboard_models.DashboardLinkType.DASHBOARDS)
            .tags([f"onestop-{language}"])
            .as_dropdown(True)
            .keep_time(True)
            .include_vars(True)
        )
        .link(
            dashboard.DashboardLink(Text("记分板网页", "Live scoreboard").in_(language))
            .type(dashboard_models.DashboardLinkType.LINK)
            .url("${program}/")
            .target_blank(True)
        )
    )
    for variable in _variables(language, program):
        found = found.with_variable(variable)
    return found


def _variables(language: Language, program: str) -> tuple[Variable, ...]:
    refresh = dashboard_models.VariableRefresh.ON_TIME_RANGE_CHANGED
    return (
        dashboard.DatasourceVariable("datasource").label(Text("数据源", "Data source").in_(language)).type("prometheus"),
        dashboard.QueryVariable("period")
        .label(Text("考核期", "Period").in_(language))
        .datasource(DATASOURCE)
        .query({"query": "label_values(govscore_period_info, period)", "refId": "period"})
        .refresh(refresh)
        # The first one is chosen when none is: the newest.
        .sort(dashboard_models.VariableSort.ALPHABETICAL_DESC),
        dashboard.QueryVariable("department")
        .label(Text("部门", "Department").in_(language))
        .datasource(DATASOURCE)
        .query({"query": f"query_result({NAMES})", "refId": "department"})
        # Chosen by name, told to Prometheus by code.
        .regex('/department="(?<value>[^"]+)",\\s*name="(?<text>[^"]*)"/')
        .refresh(refresh)
        .sort(dashboard_models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        # Not the list of all codes: with 3,000 departments it would be longer than a query may be.
        .all_value(".*"),
        dashboard.ConstantVariable("program").value(program),
    )
