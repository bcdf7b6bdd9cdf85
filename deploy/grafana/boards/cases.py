"""Board 4, 办件与超期: what is open, what is late, what will be."""

from boards.overview import LATE
from boards.shared import DUE_IN_24H, DUE_IN_72H, OLDEST, OVERDUE, due_cases, overdue_cases
from kit.frame import Board, Row, freshness
from kit.links import DUE_PAGE, OVERDUE_PAGE
from kit.looks import FEW_ARE_GOOD, NONE_IS_GOOD, PLAIN, more_is_better
from kit.panels import NAME, Column, Line, Lines, Number, Table, by_label, instant_column
from kit.queries import IN_PERIOD, LINES, ROWS, SELECTED, first, latest, named, total, worst_over_time

from models.text import Text

OPEN = latest("cases_open", SELECTED)
ON_TIME, CLOSED_LATE = (latest("cases_closed", IN_PERIOD, SELECTED, f'outcome="{outcome}"') for outcome in ("on_time", "overdue"))
# Overdue cases first; among as many of them, open ones.
ORDER = f"1e6 * {OVERDUE} + on(department) {OPEN}"


def _first(query: str) -> str:
    return named(first(query, ORDER))


NUMBERS = [
    freshness(),
    Number(
        title=Text("在办", "Open"),
        description=Text("已受理而未办结的办件。", "Cases accepted and not completed."),
        width=4,
        query=total("cases_open"),
        steps=PLAIN,
    ),
    overdue_cases(4),
    due_cases(4),
    Number(
        title=Text("待审批共享申请", "Open requests"),
        description=Text("已提出而未审批的数据共享申请。", "Requests for data raised and not handled."),
        width=4,
        query=total("requests_open"),
        steps=PLAIN,
    ),
    Number(
        title=Text("超期共享申请", "Overdue requests"),
        description=Text("已过时限而未审批的数据共享申请。", "Requests for data that are past their due time and not handled."),
        width=4,
        query=total("requests_overdue"),
        steps=NONE_IS_GOOD,
    ),
]

DEPARTMENTS = Table(
    title=Text("各部门的办件", "Cases by department"),
    description=Text(
        f"受理与办结属于所选考核期，其余为现在。点数字看名单。部门超过 {ROWS} 个时列超期最多的 {ROWS} 个。",
        "Received and closed are of the period, the rest is as of now. A number leads to the list. "
        f"Of more than {ROWS} departments the {ROWS} with the most overdue cases.",
    ),
    width=24,
    columns=[
        NAME,
        Column(title=Text("受理", "Received"), query=_first(latest("cases_received", IN_PERIOD, SELECTED))),
        Column(title=Text("按时办结", "Closed on time"), query=_first(ON_TIME)),
        Column(title=Text("超期办结", "Closed late"), query=_first(CLOSED_LATE), steps=FEW_ARE_GOOD),
        Column(
            title=Text("按时率", "On time"),
            query=_first(f"{ON_TIME} / on(department) ({ON_TIME} + on(department) {CLOSED_LATE} > 0)"),
            unit="percentunit",
            decimals=1,
            steps=more_is_better(1),
        ),
        Column(title=Text("在办", "Open"), query=_first(OPEN)),
        Column(title=LATE, query=_first(OVERDUE), steps=NONE_IS_GOOD, background=True, links=[OVERDUE_PAGE]),
        Column(title=Text("24 小时内", "In 24 h"), query=_first(DUE_IN_24H), steps=FEW_ARE_GOOD, links=[DUE_PAGE]),
        Column(title=Text("72 小时内", "In 72 h"), query=_first(DUE_IN_72H)),
        instant_column(Text("最早的时限", "Oldest deadline"), _first(OLDEST)),
        Column(
            title=Text("申请 24 小时内", "Requests in 24 h"),
            query=_first(latest("requests_due_soon", SELECTED, 'within="24h"')),
            steps=FEW_ARE_GOOD,
        ),
        Column(title=Text("超期申请", "Overdue requests"), query=_first(latest("requests_overdue", SELECTED)), steps=NONE_IS_GOOD),
    ],
    sort=LATE,
)

ALL_COURSE = Lines(
    title=Text("办件变化", "Cases over time"),
    description=Text("所选部门合计。", "Of the departments selected together."),
    width=12,
    lines=[
        Line(query=f"sum({OPEN})", legend=Text("在办", "open")),
        Line(query=f"sum({DUE_IN_72H})", legend=Text("72 小时内到期", "due in 72 h")),
        Line(query=f"sum({DUE_IN_24H})", legend=Text("24 小时内到期", "due in 24 h")),
        Line(query=f"sum({OVERDUE})", legend=Text("超期", "overdue")),
    ],
)

WORST_COURSE = Lines(
    title=Text("超期最多的部门", "Departments with the most overdue cases"),
    description=Text(f"现在超期最多的至多 {LINES} 个部门。", f"Those with the most overdue cases now, at most {LINES}."),
    width=12,
    nothing=Text("没有超期", "none overdue"),
    lines=[by_label(worst_over_time("cases_overdue"))],
)

PERIOD_COURSE = Lines(
    title=Text("当期受理与办结", "Received and closed in the period"),
    description=Text("所选考核期内累计，所选部门合计；作废的办件会减去。", "Counted up within the period; a voided case is taken off."),
    width=12,
    lines=[
        Line(query=f"sum({latest('cases_received', IN_PERIOD, SELECTED)})", legend=Text("受理", "received")),
        Line(query=f"sum({ON_TIME})", legend=Text("按时办结", "closed on time")),
        Line(query=f"sum({CLOSED_LATE})", legend=Text("超期办结", "closed late")),
    ],
)

REQUESTS = Lines(
    title=Text("共享申请超期最多的部门", "Departments with the most overdue requests"),
    description=Text(f"现在超期申请最多的至多 {LINES} 个部门。", f"Those with the most overdue requests now, at most {LINES}."),
    width=12,
    nothing=Text("没有超期", "none overdue"),
    lines=[by_label(worst_over_time("requests_overdue"))],
)

BOARD = Board(
    number=4,
    name="cases",
    title=Text("办件与超期", "Cases and deadlines"),
    description=Text("在办、超期和将到期的办件与共享申请。", "Cases and requests that are open, overdue and due soon."),
    by_period=True,
    rows=[
        Row(4, NUMBERS),
        Row(12, [DEPARTMENTS]),
        Row(8, [ALL_COURSE, WORST_COURSE]),
        Row(8, [PERIOD_COURSE, REQUESTS]),
    ],
)
