"""Board 2, 部门: everything of one department."""

from boards.overview import DEDUCTED, FULL, MOST_DEDUCTED, NO_SCORES, POINTS
from boards.shared import DUE_IN_24H, DUE_IN_72H, INTERFACE, INTERFACES, OVERDUE, due_cases, overdue_cases
from kit.frame import Board, Row, freshness
from kit.links import DEPARTMENT_PAGE, DUE_PAGE, INDICATOR_BOARD, INDICATOR_PAGE, OVERDUE_PAGE, page
from kit.looks import FEW_ARE_GOOD, INDICATOR_NAMES, LATE, NONE_IS_GOOD, PLAIN, REASON_NAMES, UP, less_is_better, more_is_better
from kit.panels import Column, Line, Lines, Number, Table, instant_column
from kit.queries import IN_PERIOD, SELECTED, kept, latest, total

from models.text import Text

PAGE = page(DEPARTMENT_PAGE.title, "/departments/${department}")
KEPT = Text("得分率", "Share kept")
INDICATOR = Column(title=Text("指标", "Indicator"), label="indicator", states=INDICATOR_NAMES, links=[INDICATOR_BOARD, INDICATOR_PAGE])
DUE = Text("下次应更新", "Next due")


def _input(component: str) -> str:
    return latest("indicator_input", IN_PERIOD, SELECTED, f'component="{component}"')


NUMBERS = [
    freshness(),
    Number(
        title=Text("总分", "Total"),
        description=Text("基础分减扣分。点开是部门页面。", "Base points less deductions. Leads to the department's page."),
        width=4,
        nothing=NO_SCORES,
        query=POINTS,
        steps=more_is_better(FULL),
        decimals=2,
        links=[PAGE],
    ),
    Number(
        title=Text("名次", "Rank"),
        description=Text("全部部门中的名次；同分同名次。", "Among all departments; equal totals share a rank."),
        width=4,
        nothing=NO_SCORES,
        query=latest("department_rank", IN_PERIOD, SELECTED),
        steps=PLAIN,
    ),
    Number(
        title=Text("扣分", "Deducted"),
        description=Text("指标 14–16 扣去的分。", "Points deducted by indicators 14–16."),
        width=4,
        nothing=NO_SCORES,
        query=DEDUCTED,
        steps=less_is_better(MOST_DEDUCTED),
        decimals=2,
    ),
    overdue_cases(4, page(OVERDUE_PAGE.title, "/cases?state=overdue&department=${department}")),
    due_cases(4, page(DUE_PAGE.title, "/cases?state=due_soon&department=${department}")),
]

INDICATORS = Table(
    title=Text("16 项指标", "The 16 indicators"),
    description=Text(
        "得分率：得分占满分的比例，扣分项为未扣的比例；低于 60% 红，85% 起绿。点指标看其页面。",
        "Share kept: points of the full points, of deductions the part not deducted; red below 60 %, green from 85 %.",
    ),
    width=24,
    nothing=NO_SCORES,
    columns=[
        INDICATOR,
        Column(title=Text("得分", "Points"), query=latest("indicator_points", IN_PERIOD, SELECTED), decimals=2),
        Column(title=Text("扣分", "Deducted"), query=latest("deduction_points", IN_PERIOD, SELECTED), decimals=2),
        Column(title=KEPT, query=kept(), unit="percentunit", decimals=1, steps=more_is_better(1), background=True),
        Column(title=Text("比率", "Ratio"), query=latest("indicator_ratio", IN_PERIOD, SELECTED), unit="percentunit", decimals=2),
        Column(title=Text("分子", "Numerator"), query=_input("numerator"), decimals=None),
        Column(title=Text("分母", "Denominator"), query=_input("denominator"), decimals=None),
    ],
    sort=KEPT,
    descending=False,
)

FORCED = Table(
    title=Text("按规则直接定分", "Set by a rule"),
    description=Text(
        "被规则记 0 分的指标及原因；无业务量的按满分或 0 分计。",
        "Indicators that a rule sets to 0, with the reason; those without workload are set to full or to 0.",
    ),
    width=8,
    nothing=Text("无", "none"),
    columns=[INDICATOR, Column(title=Text("原因", "Reason"), label="reason", states=REASON_NAMES)],
    rows=latest("indicator_override", IN_PERIOD, SELECTED),
    sort=INDICATOR.title,
    descending=False,
)

COURSE = Lines(
    title=Text("分数变化", "Course of the points"),
    description=Text("所选考核期的总分、基础分和扣分。", "Total, base points and deductions of the period."),
    width=16,
    lines=[
        Line(query=POINTS, legend=Text("总分", "total")),
        Line(query=latest("department_base_points", IN_PERIOD, SELECTED), legend=Text("基础分", "base")),
        Line(query=DEDUCTED, legend=Text("扣分", "deducted")),
    ],
    unit="none",
    most=FULL,
)

OF_THE_PERIOD = [
    Number(
        title=title,
        description=description,
        width=6,
        query=query,
        steps=steps,
    )
    for title, description, query, steps in [
        (
            Text("当期受理", "Received"),
            Text("所选考核期受理的办件。", "Cases accepted in the period."),
            total("cases_received", IN_PERIOD),
            PLAIN,
        ),
        (
            Text("当期按时办结", "Closed on time"),
            Text("所选考核期按时办结的办件。", "Cases completed on time in the period."),
            total("cases_closed", IN_PERIOD, 'outcome="on_time"'),
            PLAIN,
        ),
        (
            Text("当期超期办结", "Closed late"),
            Text("所选考核期超期办结的办件，每件扣 1 分，至多 10 分。", "Completed late in the period: a point each, at most 10."),
            total("cases_closed", IN_PERIOD, 'outcome="overdue"'),
            FEW_ARE_GOOD,
        ),
        (
            Text("超期共享申请", "Overdue requests"),
            Text("已过时限而未审批的数据共享申请。", "Requests for data that are past their due time and not handled."),
            total("requests_overdue"),
            NONE_IS_GOOD,
        ),
    ]
]

CASES = Lines(
    title=Text("在办与超期", "Open and overdue"),
    description=Text("在办件、超期件和将到期件的变化。", "Open cases, overdue ones and those due soon over time."),
    width=8,
    lines=[
        Line(query=latest("cases_open", SELECTED), legend=Text("在办", "open")),
        Line(query=OVERDUE, legend=Text("超期", "overdue")),
        Line(query=DUE_IN_24H, legend=Text("24 小时内到期", "due in 24 h")),
        Line(query=DUE_IN_72H, legend=Text("72 小时内到期", "due in 72 h")),
    ],
)

INTERFACE_TABLE = Table(
    title=Text("共享接口", "Interfaces"),
    description=Text("部门超过 500 个时只有故障的接口。", "Of more than 500 departments only the interfaces that are down are exported."),
    width=8,
    nothing=Text("无", "none"),
    columns=[
        INTERFACE,
        Column(title=Text("状态", "State"), query=INTERFACES, states=UP, width=70),
        Column(title=Text("故障", "Failures"), query=latest("interface_failures", SELECTED), steps=FEW_ARE_GOOD, width=80),
        instant_column(Text("自", "Since"), latest("interface_last_change_timestamp_seconds", SELECTED)),
    ],
    sort=Text("故障", "Failures"),
)

TABLES = Table(
    title=Text("共享库表", "Tables"),
    description=Text("部门超过 500 个时只有逾期的库表。", "Of more than 500 departments only the tables that are late are exported."),
    width=8,
    nothing=Text("无", "none"),
    columns=[
        Column(title=Text("库表", "Table"), label="table"),
        instant_column(Text("上次更新", "Last update"), latest("table_last_update_timestamp_seconds", SELECTED)),
        instant_column(DUE, latest("table_next_due_timestamp_seconds", SELECTED)),
        Column(title=Text("状态", "State"), query=latest("table_overdue", SELECTED), states=LATE, width=70),
    ],
    sort=DUE,
    descending=False,
)

BOARD = Board(
    number=2,
    name="department",
    title=Text("部门", "Department"),
    description=Text("一个部门的得分、办件、接口和库表。", "One department: its points, cases, interfaces and tables."),
    by_period=True,
    one_department=True,
    rows=[
        Row(4, NUMBERS),
        Row(13, [INDICATORS]),
        Row(8, [FORCED, COURSE]),
        Row(4, OF_THE_PERIOD),
        Row(9, [CASES, INTERFACE_TABLE, TABLES]),
    ],
)
