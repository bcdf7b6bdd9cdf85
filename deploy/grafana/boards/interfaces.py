"""Board 5, 接口与库表: what is down, what fails often, which tables are late."""

from boards.shared import INTERFACE, INTERFACES, interface_course, interfaces_down, interfaces_down_table
from kit.frame import Board, Row, freshness
from kit.looks import FEW_ARE_GOOD, NONE_IS_GOOD, TIME_LEFT
from kit.panels import NAME, Column, Line, Lines, Number, Table, instant_column
from kit.queries import SELECTED, count, latest, named, total

from models.text import Text

MOST = 50
FAILURES = latest("interface_failures", SELECTED)
DUE = latest("table_next_due_timestamp_seconds", SELECTED)
LATE = f"{latest('table_overdue', SELECTED)} == 1"
COUNT = Text("次数", "Failures")
UPDATED, NEXT = Text("上次更新", "Last update"), Text("下次应更新", "Next due")
TABLE = Column(title=Text("库表", "Table"), label="table")
LEFT = Text("剩余", "Left")
NONE = Text("无", "none")


NUMBERS = [
    freshness(),
    interfaces_down(5),
    Number(
        title=Text("涉及部门", "Departments affected"),
        description=Text("有接口故障的部门。", "Departments with an interface that is down."),
        width=5,
        query=count(f"count by(department) ({INTERFACES} == 0)"),
        steps=FEW_ARE_GOOD,
    ),
    Number(
        title=Text("当期故障次数", "Failures in the period"),
        description=Text(
            "本考核期开始的计划外故障；部门超过 500 个时只计现在故障的接口。",
            "Unplanned failures that began in the current period; of more than 500 departments only of interfaces now down.",
        ),
        width=5,
        query=total("interface_failures"),
        steps=FEW_ARE_GOOD,
    ),
    Number(
        title=Text("逾期库表", "Tables late"),
        description=Text("过了应更新时间而没有更新的库表。", "Tables whose due time passed without an update."),
        width=5,
        query=count(LATE),
        steps=NONE_IS_GOOD,
    ),
]

OFTEN = Table(
    title=Text("故障最多的接口", "Interfaces that failed most"),
    description=Text(f"本考核期故障次数最多的至多 {MOST} 个。", f"By the number of failures in the current period, at most {MOST}."),
    width=12,
    nothing=NONE,
    columns=[NAME, INTERFACE, Column(title=COUNT, query=named(f"topk({MOST}, {FAILURES} > 0)"), steps=FEW_ARE_GOOD, width=90)],
    sort=COUNT,
)

LATE_TABLES = Table(
    title=Text("逾期库表名单", "Tables that are late"),
    description=Text(
        "最久没有更新的在前；“上次更新”为空的从未更新过。",
        "The longest without an update first; those without one never had any.",
    ),
    width=14,
    nothing=NONE,
    columns=[
        NAME,
        TABLE,
        instant_column(UPDATED, named(f"{latest('table_last_update_timestamp_seconds', SELECTED)} and on(department, table) ({LATE})")),
        instant_column(NEXT, named(f"{DUE} and on(department, table) ({LATE})")),
    ],
    sort=UPDATED,
    descending=False,
)

SOON = Table(
    title=Text("即将到期的库表", "Tables due next"),
    description=Text(
        f"最先到期的至多 {MOST} 个；部门超过 500 个时只有逾期的库表。",
        f"Those due first, at most {MOST}; of more than 500 departments only tables that are late are exported.",
    ),
    width=10,
    nothing=NONE,
    columns=[
        NAME,
        TABLE,
        Column(title=LEFT, query=named(f"bottomk({MOST}, {DUE} - time())"), unit="s", decimals=1, steps=TIME_LEFT, width=110),
    ],
    sort=LEFT,
    descending=False,
)

COURSE = Lines(
    title=Text("故障与逾期的变化", "Failures and late tables over time"),
    description=Text("同时故障的接口数、逾期的库表数。", "Interfaces down and tables late at the same time."),
    width=12,
    lines=[
        Line(query=count(f"{INTERFACES} == 0"), legend=Text("故障接口", "interfaces down")),
        Line(query=count(LATE), legend=Text("逾期库表", "tables late")),
    ],
)

BOARD = Board(
    number=5,
    name="interfaces",
    title=Text("接口与库表", "Interfaces and tables"),
    description=Text("数据共享接口的故障和共享库表的更新。", "Failures of shared interfaces, and updates of shared tables."),
    rows=[
        Row(4, NUMBERS),
        Row(10, [interfaces_down_table(12), OFTEN]),
        Row(9, [interface_course(12), COURSE]),
        Row(10, [LATE_TABLES, SOON]),
    ],
)
