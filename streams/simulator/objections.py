"""Objections to data and licences (异议): flagged, appealed against, repaired, passed at the re-check."""

from streams.simulator.agenda import Agenda
from streams.simulator.clock import DAY, HOUR
from streams.simulator.days import Day
from streams.simulator.department import Department
from streams.simulator.rhythm import between, office_time, poisson
from streams.simulator.sources import QUALITY

_DATA_A_DAY = 0.3
_APPEALED = 0.08
_UPHELD = 0.5
_REASONS = ("数据与源系统一致", "标准口径理解不同", "证照已换发", None)


class Objections:
    """The objections raised against one department."""

    def __init__(self, department: Department) -> None:
        self._department = department

    def day(self, agenda: Agenda, day: Day) -> None:
        """Objections to shared data that are flagged on a day; those to licences follow the licences."""
        if not day.workday:
            return
        rng = self._department.rng
        for _ in range(poisson(rng, _DATA_A_DAY * self._department.size**0.5)):
            ref = f"KB{self._department.prefix}/{rng.randrange(10**8):08d}"
            self.flag(agenda, day, day.start + office_time(rng), "data", ref)

    def flag(self, agenda: Agenda, day: Day, at: int, subject: str, ref: str) -> None:
        """An objection is flagged at an instant (microseconds), and what becomes of it."""
        if at < agenda.settled:
            return
        objection = self._department.name_of("YY", day)
        fields = {"objection": objection, "subject": subject, "ref": ref}
        agenda.add(at, self._department.code, "objection.flagged", QUALITY, fields)
        if self._department.rng.random() < _APPEALED and self._appeal(agenda, at, objection):
            return
        self._repair(agenda, at, objection)

    def _appeal(self, agenda: Agenda, at: int, objection: str) -> bool:
        """The department objects to the objection; whether it is right."""
        rng, code = self._department.rng, self._department.code
        fields = {"objection": objection, "reason": rng.choice(_REASONS)}
        at += between(rng, 3 * HOUR, 2 * DAY)
        agenda.add(at, code, "objection.appealed", QUALITY, fields)
        upheld = rng.random() < _UPHELD
        at += between(rng, DAY, 4 * DAY)
        agenda.add(at, code, "objection.appeal_decided", QUALITY, {"objection": objection, "upheld": upheld})
        return upheld

    def _repair(self, agenda: Agenda, at: int, objection: str) -> None:
        """Repaired soon by a good department; else late, without success or never."""
        rng, quality = self._department.rng, self._department.quality
        slowest = int((1 + 5 * (1 - quality.level)) * DAY)
        repaired, passes = at + between(rng, 2 * HOUR, slowest), True
        if rng.random() >= quality.repaired:
            fate = rng.random()
            if fate < 0.4:
                return
            repaired = at + between(rng, 10 * DAY, 40 * DAY)
            passes = fate >= 0.6
        self._add(agenda, repaired, "objection.repaired", objection)
        if passes:
            self._add(agenda, repaired + between(rng, HOUR, DAY), "objection.passed", objection)

    def _add(self, agenda: Agenda, at: int, kind: str, objection: str) -> None:
        agenda.add(at, self._department.code, kind, QUALITY, {"objection": objection})
