"""Board 1, 总览大屏: how fresh, how well, what is late, what is broken."""

from boards.shared import (
    DUE_IN_24H,
    DUE_IN_72H,
    OLDEST,
    OVERDUE,
    due_cases,
    interface_course,
    interfaces_down,
    interfaces_down_table,
    overdue_cases,
)
from kit.frame import Board, Row, freshness
from kit.links import DEPARTMENT_PAGE, DUE_PAGE, OVERDUE_PAGE, board, page
from kit.looks import FEW_ARE_GOOD, NONE_IS_GOOD, less_is_better, more_is_better
from kit.panels import NAME, Column, Number, Table, instant_column
from kit.queries import IN_PERIOD, ROWS, SELECTED, first, grown, latest, named, points_of

from models.text import Text
from scoring.indicators import INDICATORS
from scoring.indicators.base import Indicator

FULL = 100
MOST_DEDUCTED = 40
POINTS = latest("department_points", IN_PERIOD, SELECTED)
DEDUCTED = f"sum by(department) ({latest('deduction_points', IN_PERIOD, SELECTED)})"
RANK, TOTAL, LATE = Text("名次", "Rank"), Text("总分", "Total"), Text("超期", "Overdue")
TOTAL_COLUMN = Column(title=TOTAL, query=named(POINTS), decimals=2, width=110, steps=more_is_better(FULL), background=True)
NO_SCORES = Text("没有得分", "no scores")

NUMBERS = [
    freshness(),
    Number(
        title=Text("平均分", "Mean score"),
        description=Text("所选部门总分的平均。", "Mean of the totals of the departments selected."),
        width=4,
        nothing=NO_SCORES,
        query=f"avg({POINTS})",
        steps=more_is_better(FULL),
        decimals=2,
    ),
    Number(
        title=Text("最低分", "Lowest score"),
        description=Text("总分最低的部门。", "The department with the lowest total."),
        width=4,
        nothing=NO_SCORES,
        query=named(f"bottomk(1, {POINTS})"),
        steps=more_is_better(FULL),
        decimals=2,
        legend="{{name}}",
        links=[page(DEPARTMENT_PAGE.title, "/departments/${__field.labels.department}")],
    ),
    overdue_cases(3),
    due_cases(3),
    interfaces_down(3),
    Number(
        title=Text("24 小时内隔离", "Quarantined in 24 h"),
        description=Text(
            "24 小时内无法使用而被隔离的记录，全部部门。用 onestop quarantine list 查看。",
            "Records put into quarantine within 24 hours, of all departments. See `onestop quarantine list`.",
        ),
        width=3,
        query=grown("quarantined_events_total"),
        steps=FEW_ARE_GOOD,
    ),
]

RANKING = Table(
    title=Text("排名", "Ranking"),
    description=Text(
        "所选考核期的总分、基础分和扣分；同分同名次。点部门名看明细。",
        "Total, base and deductions of the period; equal totals share a rank. A name leads to the department.",
    ),
    width=12,
    nothing=NO_SCORES,
    columns=[
        Column(title=RANK, query=named(latest("department_rank", IN_PERIOD, SELECTED)), width=70),
        NAME,
        TOTAL_COLUMN,
        Column(title=Text("基础分", "Base"), query=named(latest("department_base_points", IN_PERIOD, SELECTED)), decimals=2, width=110),
        Column(title=Text("扣分", "Deducted"), query=named(DEDUCTED), decimals=2, width=110, steps=less_is_better(MOST_DEDUCTED)),
    ],
    sort=RANK,
    descending=False,
)


def _late(query: str) -> str:
    return named(f"{query} and on(department) ({OVERDUE} + on(department) {DUE_IN_72H} > 0)")


LATE_CASES = Table(
    title=Text("超期与将到期办件", "Overdue and due soon"),
    description=Text(
        "只列有超期或 72 小时内到期办件的部门。点数字看名单。",
        "Only departments with cases overdue or due within 72 hours. A number leads to the list.",
    ),
    width=12,
    nothing=Text("无", "none"),
    columns=[
        NAME,
        Column(title=LATE, query=_late(OVERDUE), width=90, steps=NONE_IS_GOOD, background=True, links=[OVERDUE_PAGE]),
        Column(title=Text("24 小时内", "In 24 h"), query=_late(DUE_IN_24H), width=100, steps=FEW_ARE_GOOD, links=[DUE_PAGE]),
        Column(title=Text("72 小时内", "In 72 h"), query=_late(DUE_IN_72H), width=100),
        instant_column(Text("最早的时限", "Oldest deadline"), _late(OLDEST)),
    ],
    sort=LATE,
)


def _lowest(query: str) -> str:
    return named(first(query, f"-1 * {POINTS}"))


def _cell(indicator: Indicator) -> Column:
    sign = Text("扣 ", "− ") if indicator.deduction else Text("", "")
    title, parameter = indicator.title, f"var-indicator={indicator.id}"
    return Column(
        title=Text(f"{indicator.number} {sign.zh}{title.zh}", f"{indicator.number} {sign.en}{title.en}"),
        query=_lowest(points_of(indicator)),
        decimals=2,
        width=92,
        steps=less_is_better(indicator.max_points) if indicator.deduction else more_is_better(indicator.max_points),
        background=True,
        links=[
            page(Text("指标页面", "Indicator's page"), f"/indicators/{indicator.id}"),
            board(Text("指标看板", "Indicator's board"), "indicator", parameter),
        ],
    )


HEAT = Table(
    title=Text("部门 × 16 项指标", "Departments × 16 indicators"),
    description=Text(
        f"1–13 为得分：低于满分 60% 红，85% 起绿。14–16 为扣分：0 绿，扣满红。部门超过 {ROWS} 个时列总分最低的 {ROWS} 个。",
        "1–13 are points: red below 60 % of the weight, green from 85 %. 14–16 are points deducted: green at 0, red at the cap. "
        f"Of more than {ROWS} departments the {ROWS} with the lowest totals.",
    ),
    width=24,
    nothing=Text("无数据", "no data"),
    columns=[
        NAME,
        Column(title=TOTAL, query=_lowest(POINTS), decimals=2, width=80, steps=more_is_better(FULL), background=True),
        *map(_cell, INDICATORS),
    ],
    sort=TOTAL,
)

BOARD = Board(
    number=1,
    name="overview",
    title=Text("总览大屏", "Overview"),
    description=Text("政务服务“一网通办”考核：实时得分、超期与接口。", "One-stop services: live scores, late cases and interfaces."),
    by_period=True,
    rows=[
        Row(4, NUMBERS),
        Row(12, [RANKING, LATE_CASES]),
        Row(14, [HEAT]),
        Row(9, [interfaces_down_table(12), interface_course(12)]),
    ],
)
