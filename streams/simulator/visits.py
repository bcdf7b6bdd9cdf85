"""The monthly sample of cases whose applicants should have come once at most (减跑动), and its inspection."""

from streams.simulator.agenda import Agenda, Fields
from streams.simulator.clock import HOUR
from streams.simulator.days import Day
from streams.simulator.department import Department
from streams.simulator.items import Item
from streams.simulator.rhythm import office_time
from streams.simulator.setting import Setting
from streams.simulator.sources import OVERSIGHT
from streams.simulator.workdays import workday_from, workdays_after

_SAMPLED = 6
_TAILS = 8
_DAY_OF_MONTH = 23
_UNINSPECTED = 0.02


class Visits:
    """The inspections of one department.

    Of the month's acceptance numbers only those with one of a few endings are remembered, one for each item, so that
    a busy department takes no more memory than a quiet one.
    """

    def __init__(self, department: Department, setting: Setting) -> None:
        self._department, self._rng = department, department.rng
        self._days, self._findings = setting.days, setting.findings
        self._period = ""
        self._drawn_on = 0
        self._seen: dict[str, dict[str, tuple[int, str]]] = {}

    def begin(self, day: Day) -> None:
        """Starts anew when a day is the first one of its month; comes before the day's cases."""
        if day.period != self._period:
            self._period = day.period
            self._drawn_on = workday_from(day.number - day.date.day + _DAY_OF_MONTH)
            self._seen = {f"{tail:02d}": {} for tail in self._rng.sample(range(100), _TAILS)}

    def note(self, item: Item, acceptance_no: str, at: int) -> None:
        """A case was or will be accepted at an instant (microseconds)."""
        seen = self._seen.get(acceptance_no[-2:])
        if seen is not None and not item.public_service and item.max_visits <= 1 and item.item not in seen:
            seen[item.item] = (at, acceptance_no)

    def day(self, agenda: Agenda, day: Day) -> None:
        """Draws the month's sample when its day has come."""
        at = day.start + 16 * HOUR
        if day.number == self._drawn_on and at >= agenda.settled:
            self._draw(agenda, day, at)

    def _draw(self, agenda: Agenda, day: Day, at: int) -> None:
        """Takes the ending that gives most items, the first one of equals."""
        known = {tail: sorted(case for case in seen.values() if case[0] < at) for tail, seen in self._seen.items()}
        tail = max(known, key=lambda tail: min(_SAMPLED, len(known[tail])))
        selected = [number for _, number in known[tail][:_SAMPLED]]
        sample = self._department.name_of("CJ", day)
        fields: Fields = {"sample": sample, "indicator": "visit_reduction", "period": day.period, "selected": selected}
        self._add(agenda, at, "sample.drawn", fields | {"tail": int(tail)})
        for acceptance_no in selected:
            self._inspect(agenda, day, sample, acceptance_no)

    def _inspect(self, agenda: Agenda, day: Day, sample: str, acceptance_no: str) -> None:
        rng = self._rng
        at = self._days.start(workdays_after(day.number, rng.randint(1, 4))) + office_time(rng)
        if rng.random() < _UNINSPECTED:
            return
        achieved = rng.random() >= self._department.quality.visit_failure
        fields = {"sample": sample, "acceptance_no": acceptance_no, "achieved": achieved}
        self._add(agenda, at, "inspection.recorded", fields)
        if not achieved:
            self._findings.note(agenda, at, self._department, f"{sample}/{acceptance_no}")

    def _add(self, agenda: Agenda, at: int, kind: str, fields: Fields) -> None:
        agenda.add(at, self._department.code, kind, OVERSIGHT, fields)
