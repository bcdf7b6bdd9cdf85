"""Panels that more than one board has."""

from kit.links import ALL_DUE, ALL_OVERDUE, Link
from kit.looks import BAD, FEW_ARE_GOOD, GOOD, NONE_IS_GOOD, UP
from kit.panels import NAME, Column, Course, Number, Table, instant_column
from kit.queries import SELECTED, count, latest, named, total

from models.text import Text

OVERDUE = latest("cases_overdue", SELECTED)
DUE_IN_24H, DUE_IN_72H = (latest("cases_due_soon", SELECTED, f'within="{hours}"') for hours in ("24h", "72h"))
OLDEST = latest("cases_oldest_overdue_deadline_timestamp_seconds", SELECTED)
INTERFACES = latest("interface_up", SELECTED)
INTERFACE = Column(title=Text("接口", "Interface"), label="interface")
TIMELINE_ROWS = 20


def overdue_cases(width: int, link: Link = ALL_OVERDUE) -> Number:
    """Open cases past their due time."""
    return Number(
        title=Text("超期未办结", "Overdue"),
        description=Text("已过时限而未办结的办件。点开是名单。", "Open cases past their due time. Leads to their list."),
        width=width,
        query=total("cases_overdue"),
        steps=NONE_IS_GOOD,
        links=[link],
    )


def due_cases(width: int, link: Link = ALL_DUE) -> Number:
    """Open cases due within 24 hours."""
    return Number(
        title=Text("24 小时内到期", "Due in 24 h"),
        description=Text("24 小时内到期的在办件。点开是名单。", "Open cases that become due within 24 hours. Leads to their list."),
        width=width,
        query=total("cases_due_soon", 'within="24h"'),
        steps=FEW_ARE_GOOD,
        links=[link],
    )


def interfaces_down(width: int) -> Number:
    """Interfaces with an open failure."""
    return Number(
        title=Text("故障接口", "Interfaces down"),
        description=Text("现在报告故障的共享接口。", "Shared interfaces that report a failure now."),
        width=width,
        query=count(f"{INTERFACES} == 0"),
        steps=NONE_IS_GOOD,
    )


def interfaces_down_table(width: int) -> Table:
    """The same by name."""
    since = Text("开始时间", "Since")

    def of_those(metric: str) -> str:
        return f"{latest(metric, SELECTED)} and on(department, interface) {INTERFACES} == 0"

    return Table(
        title=Text("现在故障的接口", "Interfaces that are down"),
        description=Text("现在报告故障的接口，最近的在前。", "Interfaces that report a failure now, the latest first."),
        width=width,
        nothing=Text("无", "none"),
        columns=[
            NAME,
            INTERFACE,
            instant_column(since, named(of_those("interface_last_change_timestamp_seconds"))),
            Column(
                title=Text("当期故障次数", "Failures in the period"),
                query=named(of_those("interface_failures")),
                width=120,
                steps=FEW_ARE_GOOD,
            ),
        ],
        sort=since,
    )


def interface_course(width: int) -> Course:
    """Failures over time, of those alone that failed."""
    # Which interfaces are shown is settled at the end of the range, once: chosen anew at each step, rows would come and go.
    lowest = f"min without(instance, job) (min_over_time(govscore_interface_up{{{SELECTED}}}[$__range] @ end()))"
    return Course(
        title=Text("接口故障过程", "Course of interface failures"),
        description=Text(
            f"所选时间内出过故障的接口，至多 {TIMELINE_ROWS} 个。",
            f"Interfaces that failed within the time range, at most {TIMELINE_ROWS}.",
        ),
        width=width,
        nothing=Text("没有故障", "no failures"),
        query=named(f"{INTERFACES} and on(department, interface) topk({TIMELINE_ROWS}, 1 - {lowest} == 1)"),
        legend="{{name}} {{interface}}",
        states=UP,
        steps=[(None, BAD), (1, GOOD)],
    )
