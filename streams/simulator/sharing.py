"""Requests of other departments for this one's data (共享申请)."""

from streams.simulator.agenda import Agenda, Fields
from streams.simulator.clock import DAY, HOUR
from streams.simulator.days import Day
from streams.simulator.department import Department
from streams.simulator.rhythm import between, office_time, poisson
from streams.simulator.setting import Setting
from streams.simulator.sources import EXCHANGE
from streams.simulator.workdays import workdays_after

_REQUESTS_A_DAY = 0.4
_OWN = 0.01
_DUE_SAID = 0.3
_WITHDRAWN = 0.05
_WORKDAYS_ALLOWED = 10


class Requests:
    """The sharing requests that one department has to handle."""

    def __init__(self, department: Department, setting: Setting) -> None:
        self._department, self._rng = department, department.rng
        self._days, self._text = setting.days, setting.text

    def day(self, agenda: Agenda, day: Day) -> None:
        """The requests raised on a workday, and what becomes of them."""
        if not day.workday:
            return
        for _ in range(poisson(self._rng, _REQUESTS_A_DAY * self._department.size**0.5)):
            at = day.start + office_time(self._rng)
            if at >= agenda.settled:
                self._raise(agenda, day, at)

    def _raise(self, agenda: Agenda, day: Day, at: int) -> None:
        rng, request = self._rng, self._department.name_of("GX", day)
        fields: Fields = {"request": request, "requester": self._requester()}
        due = self._due(day) if rng.random() < _DUE_SAID else None
        if due is not None:
            fields["due_at"] = self._text(due)
        self._add(agenda, at, "request.raised", fields)
        if rng.random() < _WITHDRAWN:
            self._add(agenda, at + between(rng, HOUR, 5 * DAY), "request.withdrawn", {"request": request})
        else:
            self._handle(agenda, day, at, request, due)

    def _requester(self) -> str:
        others = self._department.others
        if self._rng.random() < _OWN:
            return self._department.code
        return others[self._department.index - 1 - int(self._rng.random() * (len(others) - 1))]

    def _due(self, day: Day) -> int:
        return self._days.start(workdays_after(day.number, self._rng.randint(3, 12))) + 18 * HOUR

    def _handle(self, agenda: Agenda, day: Day, at: int, request: str, due: int | None) -> None:
        """In time as often as the department's quality says; else late or never."""
        rng = self._rng
        end = self._days.start(workdays_after(day.number, _WORKDAYS_ALLOWED)) + 18 * HOUR if due is None else due
        handled = at + between(rng, HOUR, max(2 * HOUR, end - at))
        if rng.random() >= self._department.quality.shared:
            if rng.random() < 0.4:
                return
            handled = end + between(rng, 7 * HOUR, 12 * DAY)
        outcome = "granted" if rng.random() < 0.9 else "refused"
        self._add(agenda, handled, "request.handled", {"request": request, "outcome": outcome})

    def _add(self, agenda: Agenda, at: int, kind: str, fields: Fields) -> None:
        agenda.add(at, self._department.code, kind, EXCHANGE, fields)
