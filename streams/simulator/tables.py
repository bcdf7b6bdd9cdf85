"""Shared tables (库表) that a department keeps up to date, each in its own cycle."""

from collections.abc import Iterator
from dataclasses import dataclass

from streams.simulator.agenda import Agenda, Fields
from streams.simulator.catalogue import Opening
from streams.simulator.clock import DAY, HOUR, MINUTE
from streams.simulator.days import Day
from streams.simulator.department import Department
from streams.simulator.rhythm import between, office_time
from streams.simulator.setting import Setting
from streams.simulator.sources import EXCHANGE, TABLES

_MOST = 8
_CYCLES = (1, 7, 7, 10, 15, 30, 30)
_REPLACED_A_DAY = 0.01
_DAYS_A_MONTH = 30


@dataclass(slots=True)
class Table:
    """A table; `due` is its next due instant in microseconds."""

    table: str
    cycle_days: int
    due: int


class Tables:
    """The tables of one department."""

    def __init__(self, department: Department, setting: Setting) -> None:
        self._department, self._rng = department, department.rng
        self._text = setting.text
        self._active: list[Table] = []

    def opening(self, day: Day) -> Iterator[Opening]:
        """All tables as they are registered at the start, on the given day."""
        for _ in range(min(_MOST, 1 + round(self._department.size + self._rng.random() * 3))):
            yield "table.registered", EXCHANGE, self._register(day)

    def day(self, agenda: Agenda, day: Day) -> None:
        """The updates that belong to the due instants of a day, and now and then a new table for an old one."""
        for table in self._active:
            while table.due < day.start + DAY:
                self._update(agenda, table)
        if day.workday and len(self._active) > 1 and self._rng.random() < _REPLACED_A_DAY:
            self._replace(agenda, day)

    def _register(self, day: Day) -> Fields:
        """A new table, first due in the evening of a day within its first cycle."""
        rng, department = self._rng, self._department
        number = department.count("KB")
        cycle = rng.choice(_CYCLES)
        due = day.start + rng.randint(1, cycle) * DAY + 18 * HOUR + rng.randrange(10) * 30 * MINUTE
        table = Table(f"KB{department.prefix}{number:03d}", cycle, due)
        self._active.append(table)
        name = f"{department.trade.things[number % len(department.trade.things)]}信息表"
        fields = {"table": table.table, "name": name, "cycle_days": cycle}
        return fields | {"first_due_at": self._text(due)}

    def _update(self, agenda: Agenda, table: Table) -> None:
        """The update before the next due instant, or a late one after it."""
        rng = self._rng
        missed = rng.random() < self._department.quality.table_miss * table.cycle_days / _DAYS_A_MONTH
        span = table.cycle_days * DAY
        shift = between(rng, HOUR, span // 2) if missed else -between(rng, 10 * MINUTE, 8 * HOUR)
        agenda.add(table.due + shift, self._department.code, "table.updated", TABLES, {"table": table.table})
        table.due += span

    def _replace(self, agenda: Agenda, day: Day) -> None:
        at = day.start + office_time(self._rng)
        old = self._active.pop(self._rng.randrange(len(self._active)))
        agenda.add(at, self._department.code, "table.retired", EXCHANGE, {"table": old.table})
        agenda.add(at + MINUTE, self._department.code, "table.registered", EXCHANGE, self._register(day))
