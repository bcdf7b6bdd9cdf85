"""Data interfaces (数据接口) that a department provides: registered, failing, recovering, replaced."""

from collections.abc import Iterator

from streams.simulator.agenda import Agenda, Fields
from streams.simulator.catalogue import Opening
from streams.simulator.clock import DAY, HOUR, MINUTE
from streams.simulator.days import Day
from streams.simulator.department import Department
from streams.simulator.rhythm import between, office_time, online_time
from streams.simulator.sources import EXCHANGE, MONITOR, Source

_MOST = 12
_PLANNED_A_MONTH = 0.2
_REPLACED_A_DAY = 0.01
_DAYS_A_MONTH = 30
_LONG = 0.1


class Interfaces:
    """The interfaces of one department."""

    def __init__(self, department: Department) -> None:
        self._department, self._rng = department, department.rng
        count = min(_MOST, 1 + round(department.size * 2 + self._rng.random() * 3))
        self._active = [self._name() for _ in range(count)]

    def opening(self) -> Iterator[Opening]:
        """All interfaces as they are registered at the start."""
        for interface in self._active:
            yield "interface.registered", EXCHANGE, self._fields(interface)

    def day(self, agenda: Agenda, day: Day) -> None:
        """Failures and maintenance of a day, and now and then a new interface for an old one."""
        rng, count = self._rng, len(self._active)
        if rng.random() < count * self._department.quality.interface_failure / _DAYS_A_MONTH:
            self._fail(agenda, day.start + online_time(rng))
        if rng.random() < count * _PLANNED_A_MONTH / _DAYS_A_MONTH:
            self._maintain(agenda, day.start + between(rng, 0, 2 * HOUR))
        if day.workday and count > 1 and rng.random() < _REPLACED_A_DAY:
            self._replace(agenda, day.start + office_time(rng))

    def _name(self) -> str:
        return f"JK{self._department.prefix}{self._department.count('JK'):03d}"

    def _fields(self, interface: str) -> Fields:
        things = self._department.trade.things
        return {"interface": interface, "name": f"{things[int(interface[-3:]) % len(things)]}信息核验接口"}

    def _failure(self) -> Fields:
        failure = f"GZ{self._department.prefix}{self._department.count('GZ'):05d}"
        return {"interface": self._rng.choice(self._active), "failure": failure}

    def _fail(self, agenda: Agenda, at: int) -> None:
        """An unplanned failure, mostly of minutes or hours, sometimes of days."""
        failure = self._failure()
        said = {"planned": False} if self._rng.random() < 0.3 else {}
        self._add(agenda, at, "interface.failed", MONITOR, failure | said)
        long = self._rng.random() < _LONG
        at += between(self._rng, DAY, 12 * DAY) if long else between(self._rng, 4 * MINUTE, 9 * HOUR)
        self._add(agenda, at, "interface.recovered", MONITOR, failure)

    def _maintain(self, agenda: Agenda, at: int) -> None:
        failure = self._failure()
        self._add(agenda, at, "interface.failed", MONITOR, failure | {"planned": True})
        self._add(agenda, at + between(self._rng, HOUR, 4 * HOUR), "interface.recovered", MONITOR, failure)

    def _replace(self, agenda: Agenda, at: int) -> None:
        old = self._active.pop(self._rng.randrange(len(self._active)))
        self._active.append(self._name())
        self._add(agenda, at, "interface.retired", EXCHANGE, {"interface": old})
        self._add(agenda, at + MINUTE, "interface.registered", EXCHANGE, self._fields(self._active[-1]))

    def _add(self, agenda: Agenda, at: int, kind: str, source: Source, fields: Fields) -> None:
        agenda.add(at, self._department.code, kind, source, fields)
