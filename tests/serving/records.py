"""Records for the tests of the read model, and writing them as a projector would."""

from __future__ import annotations

from typing import Any

from models.instants import format_instant, parse_instant
from models.records import (
    AdjustmentRecord,
    AlertRecord,
    AuditRecord,
    DepartmentStatus,
    DueSoon,
    Heartbeat,
    InterfaceStatus,
    Record,
    ScoreRecord,
    TableStatus,
    TotalRecord,
)
from scoring.indicators import BY_ID, INDICATORS
from scoring.local_time import local_time
from scoring.scores import AnyRecord
from streams.serving.layout import Layout
from streams.serving.rows import Row, row_of
from streams.serving.writer import Writer

A, B, C = "11439900MB0WCABG3U", "11439900MBBCD28M9B", "11439900MBCEU9EF55"
NOW = parse_instant("2020-11-10T12:00:00+08:00")
PERIOD, BEFORE = "2020-11", "2020-10"
SECOND = 1_000_000
HOUR = 3_600 * SECOND


def text(instant: int) -> str:
    return format_instant(instant, local_time("Asia/Shanghai").zone)


def score(indicator: str = "instant_items", department: str = A, period: str = PERIOD, **changes: Any) -> ScoreRecord:
    found = BY_ID[indicator]
    values = {
        "department": department, "period": period, "indicator": indicator, "number": found.number, "status": "scored",
        "numerator": "3", "denominator": "4", "points": 3.75, "points_exact": "15/4", "max_points": found.max_points,
        "provisional": True, "reasons": ["period_open"], "as_of": text(NOW), "ruleset": "default@0", "version": 1, **changes,
    }  # fmt: skip
    return ScoreRecord(**values)


def total(department: str = A, period: str = PERIOD, points: str = "85/2", **changes: Any) -> TotalRecord:
    shown = round(eval(points), 2)
    values = {
        "department": department, "period": period, "base_points": shown, "deductions": 0, "points": shown, "points_exact": points,
        "scored_max": 100, "provisional": True, "reasons": ["period_open"], "as_of": text(NOW), "ruleset": "default@0", "version": 1,
        **changes,
    }  # fmt: skip
    return TotalRecord(**values)


def scores(department: str = A, period: str = PERIOD, points: str = "85/2", **changes: Any) -> list[AnyRecord]:
    """The 17 records of a department and period."""
    return [*(score(i.id, department, period, **changes) for i in INDICATORS), total(department, period, points, **changes)]


def status(department: str = A, name: str = "市公安局", **changes: Any) -> DepartmentStatus:
    values = {
        "department": department, "name": name, "cases_open": 7, "cases_overdue": 2, "cases_due_soon": DueSoon(within_24h=1, within_72h=3),
        "oldest_overdue_due_at": text(NOW - 48 * HOUR), "requests_open": 4, "requests_overdue": 1, "requests_due_soon": DueSoon(within_24h=2, within_72h=3), "cases_received": {PERIOD: 12},
        "cases_closed": {PERIOD: {"on_time": 5, "overdue": 1}}, "last_event_at": text(NOW - HOUR), "version": 1, "as_of": text(NOW),
        **changes,
    }  # fmt: skip
    return DepartmentStatus(**values)


def interface(name: str = "JK1", department: str = A, *, up: bool = True, **changes: Any) -> InterfaceStatus:
    values = {
        "department": department, "interface": name, "up": up, "since": text(NOW - HOUR), "failure": None if up else "F1",
        "failures_in_period": 0 if up else 1, "version": 1, "as_of": text(NOW), **changes,
    }  # fmt: skip
    return InterfaceStatus(**values)


def table(name: str = "KB1", department: str = A, *, overdue: bool = False, **changes: Any) -> TableStatus:
    values = {
        "department": department, "table": name, "last_update_at": text(NOW - HOUR), "next_due_at": text(NOW + HOUR),
        "overdue": overdue, "version": 1, "as_of": text(NOW), **changes,
    }  # fmt: skip
    return TableStatus(**values)


def beat(partition: int, at: int = NOW, **changes: Any) -> Heartbeat:
    return Heartbeat(**{"partition": partition, "as_of": text(at), "lag": 0, "catching_up": False, "worker": "w1", **changes})


def alert(serial: str = "S1", kind: str = "case_overdue", department: str = A, due: int | None = NOW - HOUR, **changes: Any) -> AlertRecord:
    thing = f"{department}|case|{serial}"
    due_at = None if due is None else text(due)
    values = {
        "id": f"{kind}|{thing}|{due_at or ''}", "kind": kind, "state": "firing", "department": department, "thing": thing,
        "due_at": due_at, "since": text(NOW - HOUR), "details": {"serial": serial, "item": "I1", "acceptance_no": f"N{serial}"},
        "as_of": text(NOW), "version": 1, **changes,
    }  # fmt: skip
    return AlertRecord(**values)


def adjustment(
    event: str = "E1", indicator: str = "instant_items", department: str = A, period: str = BEFORE, **changes: Any
) -> AdjustmentRecord:
    held = total(department, period) if indicator == "total" else score(indicator, department, period)
    values = {
        "department": department, "period": period, "indicator": indicator, "event_id": event, "arrived_at": text(NOW),
        "frozen": held.model_dump(), "would_be": held.model_dump(), **changes,
    }  # fmt: skip
    return AdjustmentRecord(**values)


def audit(name: str = "1", at: int = NOW, **changes: Any) -> AuditRecord:
    values = {
        "id": name, "action": "period.closed", "by": "wang.li", "at": text(at), "through": "command", "period": BEFORE, "subject": BEFORE,
        **changes,
    }  # fmt: skip
    return AuditRecord(**values)


def message(record: Record) -> tuple[str, bytes, bytes]:
    """Topic, key and value of a record, as a worker publishes it."""
    if isinstance(record, ScoreRecord | TotalRecord):
        topic, key = "scores", f"{record.department}|{record.period}|{record.indicator}"
    elif isinstance(record, AlertRecord):
        topic, key = "alerts", record.thing
    elif isinstance(record, AdjustmentRecord):
        topic, key = "adjustments", f"{record.department}|{record.period}|{record.indicator}"
    elif isinstance(record, AuditRecord):
        topic, key = "audit", record.id
    elif isinstance(record, Heartbeat):
        topic, key = "status", f"partition|{record.partition}"
    elif isinstance(record, InterfaceStatus):
        topic, key = "status", f"{record.department}|interface|{record.interface}"
    elif isinstance(record, TableStatus):
        topic, key = "status", f"{record.department}|table|{record.table}"
    else:
        topic, key = "status", record.department
    return topic, key.encode(), record.to_json()


def rows(layout: Layout, *records: Record) -> list[Row]:
    return [row_of(layout, *message(record)) for record in records]


async def write(writer: Writer, layout: Layout, *records: Record) -> list[tuple[int, bytes]]:
    """Write records whatever the offsets; those older than the held ones are returned."""
    applied = await writer.apply(rows(layout, *records), {}, {})
    assert not applied.wiped
    return list(applied.stale)
