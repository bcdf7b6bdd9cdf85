"""Board 6, 数据质量: what arrived that could not be used, arrived twice, late, or not at all."""

from boards.overview import POINTS
from kit.frame import Board, Row, freshness
from kit.looks import BAD, FEW_ARE_GOOD, GOOD, NONE_IS_GOOD, NOTICE, WARN
from kit.panels import NAME, Column, Line, Lines, Number, Table, by_label, instant_column
from kit.queries import SELECTED, grown, latest, named, rate

from models.text import Text

OLDEST_SHOWN = 20
DAY = 86_400
TOPIC = Column(title=Text("主题", "Topic"), label="topic")
CONSUMED = Text("读入", "Consumed")
UPDATED = Text("最近记录", "Newest record")
RECORDS = Text("记录", "Records")
NONE = Text("无", "none")


def _in_24h(title: Text, description: Text, metric: str) -> Number:
    return Number(title=title, description=description, width=5, query=grown(metric), steps=FEW_ARE_GOOD)


def _by_topic(title: Text, metric: str, *, bad: bool = False) -> Column:
    return Column(title=title, query=grown(metric, "topic", "$__range"), steps=FEW_ARE_GOOD if bad else ())


NUMBERS = [
    freshness(),
    _in_24h(
        Text("24 小时内隔离", "Quarantined in 24 h"),
        Text("无法使用而被隔离的记录；用 onestop quarantine list 查看。", "Records that could not be used. See `onestop quarantine list`."),
        "quarantined_events_total",
    ),
    _in_24h(
        Text("24 小时内重复", "Duplicates in 24 h"),
        Text("编号已收过的事件，不再计分。", "Events whose id was taken in before; they do not count again."),
        "duplicate_events_total",
    ),
    _in_24h(
        Text("24 小时内跨期迟到", "Late in 24 h"),
        Text("发生在较早考核期的事件；未关闭的考核期仍计入。", "Events of an earlier period than they arrived in."),
        "late_events_total",
    ),
    _in_24h(
        Text("24 小时内多余字段", "Unknown fields in 24 h"),
        Text("约定以外的字段，已忽略。", "Fields that the contract does not know, ignored."),
        "unknown_fields_total",
    ),
]

TOPICS = Table(
    title=Text("各主题的记录", "Records by topic"),
    description=Text("所选时间内。", "Within the time range."),
    width=14,
    columns=[
        TOPIC,
        _by_topic(CONSUMED, "events_consumed_total"),
        _by_topic(Text("重复", "Duplicates"), "duplicate_events_total"),
        _by_topic(Text("迟到", "Late"), "late_events_total"),
        _by_topic(Text("转送", "Rerouted"), "rerouted_events_total", bad=True),
        _by_topic(Text("多余字段", "Unknown fields"), "unknown_fields_total", bad=True),
        _by_topic(Text("隔离", "Quarantined"), "quarantined_events_total", bad=True),
    ],
    sort=CONSUMED,
)

REASONS = Table(
    title=Text("隔离的原因", "Reasons of quarantine"),
    description=Text("所选时间内，按主题和原因。", "Within the time range, by topic and reason."),
    width=10,
    nothing=NONE,
    columns=[
        TOPIC,
        Column(title=Text("原因", "Reason"), label="reason"),
        Column(title=RECORDS, query=f"{grown('quarantined_events_total', 'topic, reason', '$__range')} > 0", steps=FEW_ARE_GOOD),
    ],
    sort=RECORDS,
)

QUARANTINE_COURSE = Lines(
    title=Text("隔离速率", "Rate of quarantine"),
    description=Text("每秒隔离的记录，按原因。", "Records a second, by reason."),
    width=12,
    lines=[by_label(rate("quarantined_events_total", "reason"), "reason")],
    unit="cps",
)

OTHER_COURSE = Lines(
    title=Text("重复、迟到与转送速率", "Rate of duplicates, late and rerouted events"),
    description=Text(
        "每秒的记录，全部主题。转送：键不是部门代码，送到了别的分区。",
        "Records a second, all topics. Rerouted: the key was not the department's code.",
    ),
    width=12,
    lines=[
        Line(query=rate("duplicate_events_total"), legend=Text("重复", "duplicates")),
        Line(query=rate("late_events_total"), legend=Text("迟到", "late")),
        Line(query=rate("rerouted_events_total"), legend=Text("转送", "rerouted")),
    ],
    unit="cps",
)

SILENT = Table(
    title=Text("最久没有新记录的部门", "Departments without news the longest"),
    description=Text(
        f"最新记录所属时刻最早的至多 {OLDEST_SHOWN} 个部门。", f"By the instant of the newest record, at most {OLDEST_SHOWN}."
    ),
    width=12,
    columns=[
        NAME,
        instant_column(UPDATED, named(f"bottomk({OLDEST_SHOWN}, {latest('department_last_update_timestamp_seconds', SELECTED)})")),
    ],
    sort=UPDATED,
    descending=False,
)

UNSCORED = Table(
    title=Text("没有得分的部门", "Departments without a score"),
    description=Text("已知而在所选考核期没有总分的部门：没有事项目录，或没有事件。", "Known, and without a total in the period."),
    width=12,
    nothing=NONE,
    columns=[NAME],
    rows=named(f"max by(department) (govscore_department_info{{{SELECTED}}}) unless on(department) {POINTS}"),
    sort=NAME.title,
    descending=False,
)

# What became of every record, and whether two ways of counting agree.
BALANCE = Table(
    title=Text("记录的去向", "What became of records"),
    description=Text("读入的每条记录：计入、重复、转送或隔离，按主题。", "Of every record consumed, by topic and outcome."),
    width=14,
    columns=[
        TOPIC,
        Column(title=Text("去向", "Outcome"), label="outcome"),
        Column(title=RECORDS, query="sum by(topic, outcome) (govscore_balance_records)"),
    ],
    sort=TOPIC.title,
    descending=False,
)

DIFFERENCE = Table(
    title=Text("账目差额", "Difference of the balance"),
    description=Text(
        "读入减去各去向之和，应为 0；不为 0 即有记录丢失或重计。", "Consumed less all outcomes: 0, or records were lost or counted twice."
    ),
    width=10,
    columns=[
        TOPIC,
        Column(
            title=Text("差额", "Difference"),
            query="abs(sum by(topic) (govscore_balance_difference_records))",
            steps=NONE_IS_GOOD,
        ),
    ],
    sort=Text("差额", "Difference"),
)

CHECKS = [
    Number(
        title=Text("暂停的主题", "Topics paused"),
        description=Text("隔离过多而暂停读取的主题。", "Topics that are not read on because too much of them went to quarantine."),
        width=6,
        query="sum(max by(topic) (govscore_topic_paused))",
        steps=NONE_IS_GOOD,
    ),
    Number(
        title=Text("节假日已公布至", "Holidays published for"),
        description=Text(
            "还有多久进入节假日安排未公布的日期；其后的期限是暂定的。",
            "Time left until days whose holidays are not published; deadlines beyond are provisional.",
        ),
        width=6,
        query="min(govscore_calendar_published_until_timestamp_seconds) - time()",
        steps=[(None, BAD), (7 * DAY, WARN), (31 * DAY, GOOD)],
        unit="s",
        decimals=1,
    ),
    Number(
        title=Text("复算不符", "Recount mismatches"),
        description=Text("从头复算与实时得分不一致的记录。", "Scores that a recount from the beginning finds different."),
        width=6,
        query=f"max({latest('recount_mismatches')})",
        steps=NONE_IS_GOOD,
    ),
    Number(
        title=Text("距上次复算", "Since the last recount"),
        description=Text("上次复算完成至今。", "Since the last recount was done."),
        width=6,
        query=f"time() - max({latest('recount_timestamp_seconds')})",
        steps=[(None, GOOD), (2 * DAY, NOTICE), (7 * DAY, WARN)],
        unit="s",
    ),
]

BOARD = Board(
    number=6,
    name="quality",
    title=Text("数据质量", "Data quality"),
    description=Text(
        "隔离、重复、迟到的记录，没有动静的部门，账目与复算。",
        "Quarantine, duplicates, late records, silent departments, balance and recount.",
    ),
    by_period=True,
    rows=[
        Row(4, NUMBERS),
        Row(9, [TOPICS, REASONS]),
        Row(8, [QUARANTINE_COURSE, OTHER_COURSE]),
        Row(9, [SILENT, UNSCORED]),
        Row(9, [BALANCE, DIFFERENCE]),
        Row(4, CHECKS),
    ],
)
