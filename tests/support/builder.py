"""Histories for tests in the words of the wire contract, and the one place where they are scored.

Times may be short: `2020-09-03` is noon of that day in Beijing, `2020-09-03T09:00:00` is Beijing time.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from models.rulesets import default_ruleset
from scoring.batch import score_events

Event = dict[str, Any]
Record = dict[str, Any]

DIGITS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def department_code(number: int) -> str:
    """A valid 统一社会信用代码: GB 11714 check character within it, GB 32100-2015 check character at its end."""
    body = f"{number:08d}"
    inner = -sum(int(c) * w for c, w in zip(body, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)) % 11
    code = f"11420500{body}{'X' if inner == 10 else inner}"
    outer = -sum(DIGITS.index(c) * 3**place for place, c in enumerate(code)) % 31
    return code + DIGITS[outer]


D1, D2, D3, D4 = (department_code(number) for number in (10001, 10002, 10003, 10004))

# Every period that ends with October 2020 is over and closed by then.
AS_OF = "2020-11-30T12:00:00+08:00"
SEPTEMBER, OCTOBER = "2020-09", "2020-10"

# The contract's fields with the values that `add` takes when a test names none; None: optional, left out.
FIELDS: dict[str, dict[str, Any]] = {
    "department.registered": {"name": "市民政局"},
    "department.docking_changed": {"docked": True},
    "item.published": {
        "item": "I1",
        "name": "事项",
        "category": "on_application",
        "online_depth": 4,
        "case_type": "commitment",
        "promised_days": 5,
        "statutory_days": 20,
        "docking": ("serial", "auth", "case_store", "apply", "eform"),
        "max_visits": 1,
        "licence_materials": 1,
        "steps": 4,
        "steps_2019": 10,
        "yields_licence": True,
    },
    "item.retired": {"item": "I1"},
    "serial.issued": {"serial": "S1", "item": "I1", "is_test": None},
    "serial.voided": {"serial": "S1", "reason": None},
    "case.accepted": {"serial": "S1", "item": "I1", "acceptance_no": "A1", "due_at": None},
    "case.suspended": {"serial": "S1", "reason": None},
    "case.resumed": {"serial": "S1", "reason": None},
    "case.completed": {"serial": "S1", "item": "I1", "outcome": "granted"},
    "case.ingested": {"serial": "S1", "qc": "passed", "org_code": None, "region": None},
    "case.voided": {"serial": "S1", "reason": None},
    "licence.generated": {"licence": "L1", "serial": "S1"},
    "licence.dispatched": {"licence": "L1", "serial": "S1"},
    "licence.voided": {"licence": "L1"},
    "objection.flagged": {"objection": "O1", "subject": "licence", "ref": "L1"},
    "objection.repaired": {"objection": "O1"},
    "objection.passed": {"objection": "O1"},
    "objection.appealed": {"objection": "O1", "reason": None},
    "objection.appeal_decided": {"objection": "O1", "upheld": True},
    "request.raised": {"request": "R1", "requester": D2, "due_at": None},
    "request.handled": {"request": "R1", "outcome": "granted"},
    "request.withdrawn": {"request": "R1"},
    "interface.registered": {"interface": "IF1", "name": None},
    "interface.retired": {"interface": "IF1", "name": None},
    "interface.failed": {"interface": "IF1", "failure": "F1", "planned": None},
    "interface.recovered": {"interface": "IF1", "failure": "F1"},
    "table.registered": {"table": "T1", "name": None, "cycle_days": 7, "first_due_at": "2020-09-07T09:00:00"},
    "table.updated": {"table": "T1"},
    "table.retired": {"table": "T1"},
    "complaint.upheld": {"complaint": "C1", "period": SEPTEMBER, "serial": None},
    "complaint.reversed": {"complaint": "C1"},
    "defect.confirmed": {"defect": "X1", "serial": None},
    "defect.cleared": {"defect": "X1"},
    "sample.drawn": {
        "sample": "P1",
        "indicator": "visit_reduction",
        "period": SEPTEMBER,
        "selected": ("A1",),
        "tail": None,
    },
    "inspection.recorded": {"sample": "P1", "acceptance_no": "A1", "achieved": True},
    "guide.checked": {"check": "G1", "item": "I1", "period": SEPTEMBER, "errors": 1, "notes": None},
    "test.raised": {"test": "Q1", "serial": "S1", "item": "I1"},
    "test.disposed": {"test": "Q1", "outcome": "rejected"},
    "finding.withdrawn": {"ref": "X1"},
    "period.closed": {"period": SEPTEMBER},
    "period.reopened": {"period": SEPTEMBER},
}
TIMES = {"due_at", "first_due_at"}


def when(text: str) -> str:
    """RFC 3339 of a short time."""
    if "T" not in text:
        text += "T12:00:00"
    return text if re.search(r"(Z|[+-]\d\d:\d\d)$", text) else text + "+08:00"


def instant(text: str) -> datetime:
    return datetime.fromisoformat(when(text).replace("Z", "+00:00"))


class History:
    """What happened in one department: `events` in the order of telling, ids counted up."""

    def __init__(self, department: str = D1) -> None:
        self.department = department
        self.events: list[Event] = []

    def add(self, type_: str, at: str, **fields: Any) -> "History":
        """One event; `event_id` and `department` may be given, every field not named has its value in FIELDS."""
        event = {
            "event_id": fields.pop("event_id", f"{self.department}-{len(self.events) + 1:05d}"),
            "type": type_,
            "department": fields.pop("department", self.department),
            "occurred_at": when(at),
            "source": "test",
        }
        known = FIELDS[type_]
        if unknown := fields.keys() - known.keys():
            raise TypeError(f"{type_} has no field {sorted(unknown)}")
        for name, value in (known | fields).items():
            if value is None and name != "online_depth":
                continue
            if name in TIMES:
                event[name] = when(value)
            else:
                event[name] = list(value) if isinstance(value, tuple) else value
        self.events.append(event)
        return self

    def items(self, count: int, at: str = "2020-08-20", **fields: Any) -> "History":
        """Items I1, I2, ... all alike."""
        for number in range(1, count + 1):
            self.add("item.published", at, item=f"I{number}", **fields)
        return self

    def case(self, serial: str, item: str = "I1", *, outcome: str = "granted", due_at: str | None = None, **steps: str) -> "History":
        """A case by its steps: `issued`, `accepted` (with `due_at`), `passed`, `completed` = when."""
        for step, at in steps.items():
            if step == "issued":
                self.add("serial.issued", at, serial=serial, item=item)
            elif step == "accepted":
                self.add("case.accepted", at, serial=serial, item=item, acceptance_no=f"A-{serial}", due_at=due_at)
            elif step == "passed":
                self.add("case.ingested", at, serial=serial, qc="passed")
            elif step == "completed":
                self.add("case.completed", at, serial=serial, item=item, outcome=outcome)
            else:
                raise TypeError(f"a case has no step {step}")
        return self


def score(events: Iterable[Event], as_of: str, **policies: Any) -> dict[tuple[str, str, str], Record]:
    """The records of all departments by (department, period, indicator)."""
    records = score_events(list(events), instant(as_of), default_ruleset().with_policies(**policies))
    scores = {(record["department"], record["period"], record["indicator"]): record for record in records}
    assert len(scores) == len(records), "two records for one key"
    return scores


PROVISIONAL = {"calendar_provisional", "period_open", "inspections_outstanding"}


def assert_score(
    *histories: History,
    indicator: str,
    nm: tuple[str, str],
    points: float,
    exact: str,
    status: str = "scored",
    reasons: Iterable[str] = (),
    department: str = D1,
    period: str = SEPTEMBER,
    as_of: str = AS_OF,
    **policies: Any,
) -> None:
    """The record is as told (`nm`: numerator and denominator), also when every event comes twice and backwards."""
    expected = {
        "numerator": nm[0],
        "denominator": nm[1],
        "points": points,
        "points_exact": exact,
        "status": status,
        "reasons": list(reasons),
        "provisional": bool(PROVISIONAL & set(reasons)),
    }
    events = [event for history in histories for event in history.events]
    for told in (events, [*reversed(events), *events]):
        record = score(told, as_of, **policies)[department, period, indicator]
        assert {name: record[name] for name in expected} == expected
