"""Board 8, 告警: what fires, as Prometheus has it."""

from kit.frame import Board, Row, freshness
from kit.looks import BAD, FEW_ARE_GOOD, FIRING, NONE_IS_GOOD, PLAIN, SEVERITY, SOME_IS_GOOD, Steps
from kit.panels import NAME, Column, Course, Line, Lines, Number, Table, by_label, instant_column
from kit.queries import SELECTED, named, rate

from models.text import Text

# The watchdog fires always and tells only that alerting works.
OTHERS = 'alertname!="GovscoreWatchdog"'
FIRING_NOW = f'ALERTS{{alertstate="firing", {OTHERS}, {SELECTED}}}'
SINCE = Text("开始时间", "Since")
COUNT = Text("告警数", "Alerts")
MOST = 20
ALERT = Column(title=Text("告警", "Alert"), label="alertname")
LEVEL = Column(title=Text("级别", "Severity"), label="severity", states=SEVERITY, width=80)
NO_ALERTS = Text("没有告警", "no alerts")


def _number(title: Text, description: Text, matcher: str, steps: Steps) -> Number:
    query = f"count(ALERTS{{{matcher}, {OTHERS}, {SELECTED}}}) or vector(0)"
    return Number(title=title, description=description, width=4, query=query, steps=steps)


NUMBERS = [
    freshness(),
    _number(
        Text("严重", "Critical"),
        Text("正在告警的严重告警：立即处置。", "Critical alerts that fire: act at once."),
        'alertstate="firing", severity="critical"',
        NONE_IS_GOOD,
    ),
    _number(
        Text("警告", "Warning"),
        Text("正在告警的警告：当日处置。", "Warnings that fire: act within the day."),
        'alertstate="firing", severity="warning"',
        FEW_ARE_GOOD,
    ),
    _number(
        Text("提示", "Info"),
        Text("正在告警的提示，不含链路自检。", "Notices that fire, without the watchdog."),
        'alertstate="firing", severity="info"',
        PLAIN,
    ),
    _number(
        Text("待定", "Pending"),
        Text("条件已满足，持续时间未到。", "The condition holds, not yet for long enough."),
        'alertstate="pending"',
        PLAIN,
    ),
    Number(
        title=Text("告警链路", "Alerting works"),
        description=Text("链路自检告警应一直触发；为 0 说明规则没有在评估。", "The watchdog fires always; at 0 no rules are evaluated."),
        width=4,
        query='count(ALERTS{alertstate="firing", alertname="GovscoreWatchdog"}) or vector(0)',
        steps=SOME_IS_GOOD,
    ),
]

NOW = Table(
    title=Text("正在告警", "Firing now"),
    description=Text(
        "最近的在前。处置办法见 deploy/runbooks/ 中同名的一页。",
        "The latest first. What to do is in the page of that name under deploy/runbooks/.",
    ),
    width=24,
    nothing=NO_ALERTS,
    columns=[
        LEVEL,
        ALERT,
        NAME,
        Column(title=Text("接口", "Interface"), label="interface"),
        Column(title=Text("库表", "Table"), label="table"),
        Column(title=Text("指标", "Indicator"), label="indicator"),
        Column(title=Text("主题", "Topic"), label="topic"),
        Column(title=Text("原因", "Reason"), label="reason"),
        Column(title=Text("进程", "Process"), label="instance"),
        instant_column(SINCE, named(f"ALERTS_FOR_STATE{{{OTHERS}, {SELECTED}}} and ignoring(alertstate) {FIRING_NOW}")),
    ],
    sort=SINCE,
)

COURSE = Course(
    title=Text("告警过程", "Course of alerts"),
    description=Text("所选时间内触发过的告警，按名称。", "Alerts that fired within the time range, by name."),
    width=12,
    nothing=NO_ALERTS,
    query=f"max by(alertname) ({FIRING_NOW})",
    legend="{{alertname}}",
    states=FIRING,
    steps=[(None, BAD)],
)

BY_LEVEL = Lines(
    title=Text("同时触发的告警", "Alerts firing at the same time"),
    description=Text("按级别。", "By severity."),
    width=12,
    nothing=NO_ALERTS,
    lines=[by_label(f"count by(severity) ({FIRING_NOW})", "severity")],
    stacked=True,
    names=SEVERITY,
)

BY_NAME = Table(
    title=Text("按告警统计", "By alert"),
    description=Text("正在触发的告警，按名称。", "Alerts that fire, by name."),
    width=12,
    nothing=NO_ALERTS,
    columns=[LEVEL, ALERT, Column(title=COUNT, query=f"count by(severity, alertname) ({FIRING_NOW})")],
    sort=COUNT,
)

BY_DEPARTMENT = Table(
    title=Text("告警最多的部门", "Departments with the most alerts"),
    description=Text(f"正在触发的部门告警，至多 {MOST} 个部门。", f"Alerts of departments that fire, at most {MOST} departments."),
    width=12,
    nothing=NO_ALERTS,
    columns=[
        NAME,
        Column(
            title=COUNT,
            query=named(f'topk({MOST}, count by(department) (ALERTS{{alertstate="firing", department!="", {SELECTED}}}))'),
            steps=FEW_ARE_GOOD,
        ),
    ],
    sort=COUNT,
)

ROBOTS = Lines(
    title=Text("群机器人消息", "Messages to group robots"),
    description=Text("每秒送往企业微信、钉钉的消息，按结果。", "Messages a second to WeCom and DingTalk, by outcome."),
    width=24,
    lines=[Line(query=rate("robot_messages_total", "robot, outcome"), legend=Text("{{robot}} {{outcome}}", "{{robot}} {{outcome}}"))],
    unit="cps",
)

BOARD = Board(
    number=8,
    name="alerts",
    title=Text("告警", "Alerts"),
    description=Text("Prometheus 中正在触发的告警及其过程。", "Alerts that fire, and how they came and went, from Prometheus."),
    rows=[Row(4, NUMBERS), Row(11, [NOW]), Row(9, [COURSE, BY_LEVEL]), Row(9, [BY_NAME, BY_DEPARTMENT]), Row(7, [ROBOTS])],
)
