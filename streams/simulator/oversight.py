"""Rare things that cost a department a whole indicator: upheld complaints, and defects in what it sends."""

from collections.abc import Sequence
from random import Random

from streams.simulator.agenda import Agenda, Fields
from streams.simulator.bureau import Bureau
from streams.simulator.clock import DAY, HOUR
from streams.simulator.days import Day
from streams.simulator.findings import Findings
from streams.simulator.rhythm import between, office_time
from streams.simulator.sources import HOTLINE, OVERSIGHT
from streams.simulator.workdays import workday_from

_COMPLAINTS = 0.05
_DEFECTS = 0.05
_REVERSED_ONE_IN = 3
_LASTING_ONE_IN = 3


class Quota:
    """Shares out a mean number a month as whole numbers, so that rare things come about for every seed."""

    def __init__(self, mean: float) -> None:
        self._mean, self._credit = mean, 0.5

    def take(self) -> int:
        """How many this month."""
        whole = int(self._credit + self._mean)
        self._credit += self._mean - whole
        return whole


class Oversight:
    """Complaints and defects of the whole city; poorer departments meet them more often."""

    def __init__(self, bureaus: Sequence[Bureau], findings: Findings, rng: Random) -> None:
        self._bureaus, self._findings, self._rng = bureaus, findings, rng
        self._weights = [1.2 - bureau.department.quality.level for bureau in bureaus]
        self._complaints = Quota(len(bureaus) * _COMPLAINTS)
        self._defects = Quota(len(bureaus) * _DEFECTS)
        self._upheld = self._confirmed = 0
        self._period = ""

    def day(self, agenda: Agenda, day: Day) -> None:
        """On the first day of a month: everything that comes up in the month."""
        if day.period == self._period:
            return
        self._period = day.period
        for _ in range(self._complaints.take()):
            self._complain(agenda, day, self._pick())
        for _ in range(self._defects.take()):
            self._find(agenda, day, self._pick())

    def _pick(self) -> Bureau:
        return self._rng.choices(self._bureaus, self._weights)[0]

    def _moment(self, day: Day, first: int, last: int) -> int:
        """Office hours of a workday soon after the given days of the month."""
        number = workday_from(day.number - day.date.day + self._rng.randint(first, last))
        return day.start + (number - day.number) * DAY + office_time(self._rng)

    def _complain(self, agenda: Agenda, day: Day, bureau: Bureau) -> None:
        """A complaint is upheld, and one in three is reversed later. It names a serial when one is known."""
        at = self._moment(day, 10, 26)
        if at < agenda.settled:
            return
        self._upheld += 1
        complaint = bureau.department.name_of("TS", day)
        fields: Fields = {"complaint": complaint, "period": day.period}
        if bureau.cases.recent:
            fields["serial"] = bureau.cases.recent[0]
        agenda.add(at, bureau.department.code, "complaint.upheld", HOTLINE, fields)
        if self._upheld % _REVERSED_ONE_IN == 1:
            at += between(self._rng, DAY, 9 * DAY)
            agenda.add(at, bureau.department.code, "complaint.reversed", HOTLINE, {"complaint": complaint})

    def _find(self, agenda: Agenda, day: Day, bureau: Bureau) -> None:
        """A defect is confirmed and cleared within days, one in three only much later."""
        at = self._moment(day, 3, 17)
        if at < agenda.settled:
            return
        self._confirmed += 1
        code, defect = bureau.department.code, bureau.department.name_of("QX", day)
        agenda.add(at, code, "defect.confirmed", OVERSIGHT, {"defect": defect})
        lasting = self._confirmed % _LASTING_ONE_IN == 2
        cleared = at + (between(self._rng, 28 * DAY, 40 * DAY) if lasting else between(self._rng, HOUR, 8 * DAY))
        agenda.add(cleared, code, "defect.cleared", OVERSIGHT, {"defect": defect})
        self._findings.note(agenda, at, bureau.department, defect)
