"""Board 1, 总览大屏: how fresh, how well, what is late, what is broken."""

from frame import board
from grafana_foundation_sdk.builders import common as common_parts
from grafana_foundation_sdk.builders import dashboard, prometheus, stat, statetimeline, table
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as dashboard_models
from parts import (
    BAD,
    DATASOURCE,
    FEW_ARE_GOOD,
    GOOD,
    IN_PERIOD,
    NONE_IS_GOOD,
    SELECTED,
    WARN,
    Column,
    Head,
    Language,
    Number,
    Place,
    latest,
    less_is_better,
    more_is_better,
    named,
    number_panel,
    table_panel,
    thresholds,
)

from models.text import Text
from scoring.indicators import INDICATORS

TITLE = Text("总览大屏", "Overview")
DESCRIPTION = Text("政务服务“一网通办”考核：实时得分、超期与接口。", "One-stop services: live scores, late cases and interfaces.")
DEPARTMENT = Text("部门", "Department")
TOTAL = Text("总分", "Total")
RANK = Text("名次", "Rank")
OVERDUE = Text("超期", "Overdue")
SINCE = Text("开始时间", "Since")
FULL = 100
TIMELINE_ROWS = 20

DEPARTMENT_PAGE = (Text("部门页面", "Department's page"), "/departments/${__data.fields.department}")
OVERDUE_PAGE = (Text("超期办件名单", "List of overdue cases"), "/cases?state=overdue&department=${__data.fields.department}")
DUE_PAGE = (Text("即将到期名单", "List of cases due soon"), "/cases?state=due_soon&department=${__data.fields.department}")

OVERDUE_CASES = latest("cases_overdue", SELECTED)
DUE_IN_24H = latest("cases_due_soon", SELECTED, 'within="24h"')
DUE_IN_72H = latest("cases_due_soon", SELECTED, 'within="72h"')
POINTS = latest("department_points", IN_PERIOD, SELECTED)
INTERFACES = latest("interface_up", SELECTED)
# 0 says that a partition has never been heard of: no age, but no data.
LAST_UPDATE = "govscore_scoreboard_last_update_timestamp_seconds > 0"
NAME_COLUMN = Column(DEPARTMENT, label="name", links=[DEPARTMENT_PAGE])


def overview(language: Language, program: str) -> dashboard.Dashboard:
    """The board, in a language; `program` is where the program's own pages are."""
    found = board("overview", TITLE, DESCRIPTION, language, program)
    for panel in (*_numbers(language), _ranking(language), _late(language), _heat(language), _failed(language), _timeline(language)):
        found = found.with_panel(panel)
    return found


def _numbers(language: Language) -> list[stat.Panel]:
    fresh = Head(
        1, Place(0, 0, 4, 4), Text("数据时效", "Freshness"),
        Text("最旧的分区心跳距今的秒数。超过 60 秒，其余各格可能已过时；超过 120 秒告警。",
             "Seconds since the oldest heartbeat of a partition. Beyond 60 the rest may be out of date; beyond 120 an alert fires."),
        Text("没有心跳", "no heartbeat"),
    )  # fmt: skip
    mean = Head(
        2, Place(4, 0, 4, 4), Text("平均分", "Mean score"),
        Text("所选部门总分的平均。", "Mean of the totals of the departments selected."), Text("没有得分", "no scores"),
    )  # fmt: skip
    lowest = Head(
        3, Place(8, 0, 4, 4), Text("最低分", "Lowest score"),
        Text("总分最低的部门。", "The department with the lowest total."), Text("没有得分", "no scores"),
    )  # fmt: skip
    overdue = Head(
        4, Place(12, 0, 3, 4), Text("超期未办结", "Overdue"),
        Text("已过时限而未办结的办件。", "Open cases past their due time."), Text("没有数据", "no data"),
    )  # fmt: skip
    due = Head(
        5, Place(15, 0, 3, 4), Text("24 小时内到期", "Due in 24 h"),
        Text("24 小时内到期的在办件。", "Open cases that become due within 24 hours."), Text("没有数据", "no data"),
    )  # fmt: skip
    failed = Head(
        6, Place(18, 0, 3, 4), Text("故障接口", "Interfaces down"),
        Text("现在报告故障的共享接口。", "Shared interfaces that report a failure now."), Text("没有数据", "no data"),
    )  # fmt: skip
    quarantine = Head(
        7, Place(21, 0, 3, 4), Text("24 小时内隔离", "Quarantined in 24 h"),
        Text("24 小时内无法使用而被隔离的记录，全部部门。用 onestop quarantine list 查看。",
             "Records put into quarantine within 24 hours, of all departments. See `onestop quarantine list`."),
        Text("没有数据", "no data"),
    )  # fmt: skip
    # Nothing down is 0 only while an exporter says so; without one it is no data.
    down = f"count({INTERFACES} == 0) or 0 * max({LAST_UPDATE})"
    lowest_page = (DEPARTMENT_PAGE[0], "/departments/${__field.labels.department}")
    overdue_page = (OVERDUE_PAGE[0], "/cases?state=overdue")
    due_page = (DUE_PAGE[0], "/cases?state=due_soon")
    age = f"time() - max({LAST_UPDATE})"
    records = "round(sum(increase(govscore_quarantined_events_total[24h])))"
    return [
        number_panel(fresh, Number(age, [(None, GOOD), (60, WARN), (120, BAD)], unit="s"), language),
        number_panel(mean, Number(f"avg({POINTS})", more_is_better(FULL), decimals=2), language),
        number_panel(
            lowest,
            Number(named(f"bottomk(1, {POINTS})"), more_is_better(FULL), decimals=2, legend="{{name}}", links=[lowest_page]),
            language,
        ),
        number_panel(overdue, Number(f"sum({OVERDUE_CASES})", NONE_IS_GOOD, links=[overdue_page]), language),
        number_panel(due, Number(f"sum({DUE_IN_24H})", FEW_ARE_GOOD, links=[due_page]), language),
        number_panel(failed, Number(down, NONE_IS_GOOD), language),
        number_panel(quarantine, Number(records, FEW_ARE_GOOD), language),
    ]


def _ranking(language: Language) -> table.Panel:
    deductions = f"sum by(department) ({latest('deduction_points', IN_PERIOD, SELECTED)})"
    columns = [
        Column(RANK, query=named(latest("department_rank", IN_PERIOD, SELECTED)), width=70),
        NAME_COLUMN,
        Column(TOTAL, query=named(POINTS), decimals=2, width=110, steps=more_is_better(FULL), background=True),
        Column(Text("基础分", "Base"), query=named(latest("department_base_points", IN_PERIOD, SELECTED)), decimals=2, width=110),
        Column(Text("扣分", "Deducted"), query=named(deductions), decimals=2, width=110, steps=less_is_better(40)),
    ]
    head = Head(
        8, Place(0, 4, 12, 12), Text("排名", "Ranking"),
        Text("所选考核期的总分、基础分和扣分；同分同名次。点部门名看明细。",
             "Total, base and deductions of the period; equal totals share a rank. A name leads to the department's page."),
    )  # fmt: skip
    return table_panel(head, columns, (RANK, False), language)


def _late(language: Language) -> table.Panel:
    some = f"({OVERDUE_CASES} + on(department) {DUE_IN_72H} > 0)"
    oldest = f"1000 * {latest('cases_oldest_overdue_deadline_timestamp_seconds', SELECTED)}"

    def of_those(query: str) -> str:
        return named(f"{query} and on(department) {some}")

    columns = [
        NAME_COLUMN,
        Column(OVERDUE, query=of_those(OVERDUE_CASES), width=90, steps=NONE_IS_GOOD, background=True, links=[OVERDUE_PAGE]),
        Column(Text("24 小时内", "In 24 h"), query=of_those(DUE_IN_24H), width=100, steps=FEW_ARE_GOOD, links=[DUE_PAGE]),
        Column(Text("72 小时内", "In 72 h"), query=of_those(DUE_IN_72H), width=100, links=[DUE_PAGE]),
        Column(Text("最早的时限", "Oldest deadline"), query=of_those(oldest), unit="dateTimeAsIso", decimals=None, width=170),
    ]
    head = Head(
        9, Place(12, 4, 12, 12), Text("超期与将到期办件", "Overdue and due soon"),
        Text("只列有超期或 72 小时内到期办件的部门。点数字看名单。",
             "Only departments with cases overdue or due within 72 hours. A number leads to the list."),
    )  # fmt: skip
    return table_panel(head, columns, (OVERDUE, True), language)


def _heat(language: Language) -> table.Panel:
    columns = [NAME_COLUMN, Column(TOTAL, query=named(POINTS), decimals=2, width=80, steps=more_is_better(FULL), background=True)]
    for indicator in INDICATORS:
        metric = "deduction_points" if indicator.deduction else "indicator_points"
        points = latest(metric, IN_PERIOD, SELECTED, f'indicator="{indicator.id}"')
        sign = Text("扣 ", "− ") if indicator.deduction else Text("", "")
        columns.append(
            Column(
                Text(f"{indicator.number} {sign.zh}{indicator.title.zh}", f"{indicator.number} {sign.en}{indicator.title.en}"),
                query=named(points),
                decimals=2,
                width=92,
                steps=less_is_better(indicator.max_points) if indicator.deduction else more_is_better(indicator.max_points),
                background=True,
                links=[(Text("指标页面", "Indicator's page"), f"/indicators/{indicator.id}")],
            )
        )
    head = Head(
        10, Place(0, 16, 24, 14), Text("部门 × 16 项指标", "Departments × 16 indicators"),
        Text("1–13 为得分：低于满分 60% 红，85% 起绿。14–16 为扣分：0 绿，扣满红。",
             "1–13 are points: red below 60 % of the weight, green from 85 %. 14–16 are points deducted: green at 0, red at the cap."),
        Text("无数据", "no data"),
    )  # fmt: skip
    return table_panel(head, columns, (TOTAL, True), language)


def _failed(language: Language) -> table.Panel:
    def of_those(metric: str) -> str:
        return f"{latest(metric, SELECTED)} and on(department, interface) {INTERFACES} == 0"

    changed = f"1000 * ({of_those('interface_last_change_timestamp_seconds')})"
    columns = [
        NAME_COLUMN,
        Column(Text("接口", "Interface"), label="interface"),
        Column(SINCE, query=named(changed), unit="dateTimeAsIso", decimals=None, width=170),
        Column(Text("当期故障次数", "Failures in the period"), query=named(of_those("interface_failures")), width=120, steps=FEW_ARE_GOOD),
    ]
    head = Head(
        11, Place(0, 30, 12, 9), Text("故障接口", "Interfaces down"),
        Text("现在报告故障的接口，最近的在前。", "Interfaces that report a failure now, the latest first."),
    )  # fmt: skip
    return table_panel(head, columns, (SINCE, True), language)


def _timeline(language: Language) -> statetimeline.Panel:
    # Which interfaces are shown is settled at the end of the range, once: chosen anew at each step, rows would come and go.
    lowest = f"min without(instance, job) (min_over_time(govscore_interface_up{{{SELECTED}}}[$__range] @ end()))"
    query = named(f"{INTERFACES} and on(department, interface) topk({TIMELINE_ROWS}, 1 - {lowest} == 1)")
    states = {"0": (Text("故障", "down"), BAD), "1": (Text("正常", "up"), GOOD)}
    mapped = {
        key: dashboard_models.ValueMappingResult(text=text.in_(language), color=colour, index=int(key))
        for key, (text, colour) in states.items()
    }
    target = prometheus.Dataquery().expr(query).ref_id("A").range().legend_format("{{name}} {{interface}}").datasource(DATASOURCE)
    return (
        statetimeline.Panel()
        .id(12)
        .grid_pos(Place(12, 30, 12, 9).grid)
        .title(Text("接口故障过程", "Course of interface failures").in_(language))
        .description(
            Text(
                f"所选时间内出过故障的接口，至多 {TIMELINE_ROWS} 个。",
                f"Interfaces that failed within the time range, at most {TIMELINE_ROWS}.",
            ).in_(language)
        )
        .datasource(DATASOURCE)
        .no_value(Text("没有故障", "no failures").in_(language))
        .with_target(target)
        .unit("none")
        .mappings([dashboard_models.ValueMap(options=mapped)])
        .thresholds(thresholds([(None, BAD), (1, GOOD)]))
        .color_scheme(dashboard.FieldColor().mode(dashboard_models.FieldColorModeId.THRESHOLDS))
        .merge_values(True)
        .show_value(common.VisibilityMode.NEVER)
        .row_height(0.8)
        .legend(
            common_parts.VizLegendOptions()
            .show_legend(True)
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
    )
