"""Electronic licences: those that a case draws on, and those that it yields."""

from collections import deque

from streams.simulator.agenda import Agenda
from streams.simulator.clock import DAY, HOUR, MINUTE, SECOND
from streams.simulator.days import Day
from streams.simulator.department import Department
from streams.simulator.items import Item
from streams.simulator.objections import Objections
from streams.simulator.rhythm import between
from streams.simulator.sources import DISPATCH, LICENCES

_OWN = 0.2
_LATE = 0.03
_TWO = 0.03
_VOIDED = 0.006
_OBJECTION = 0.025


class Licences:
    """The licences of one department's cases; remembers its latest ones, which later cases draw on."""

    def __init__(self, department: Department, objections: Objections) -> None:
        self._department = department
        self._objections = objections
        self._recent: deque[str] = deque(maxlen=32)

    def fetch(self, agenda: Agenda, at: int, serial: str, item: Item) -> None:
        """The licences among the materials of a case are fetched, as many as the department manages to."""
        department = self._department
        rng, share = department.rng, department.quality.dispatched
        for place in range(item.licence_materials):
            if rng.random() < share:
                fields = {"licence": self._known(place), "serial": serial}
                agenda.add(at + place * SECOND, department.code, "licence.dispatched", DISPATCH, fields)

    def yield_for(self, agenda: Agenda, day: Day, at: int, serial: str) -> None:
        """A granted case brings its licence, at once or late, sometimes two, sometimes none."""
        rng, quality = self._department.rng, self._department.quality
        if rng.random() >= quality.generated:
            return
        late = rng.random() < _LATE
        at += between(rng, DAY, 15 * DAY) if late else between(rng, 4 * SECOND, 10 * MINUTE)
        self._generate(agenda, day, at, serial)
        if rng.random() < _TWO:
            self._generate(agenda, day, at + 2 * SECOND, serial)

    def _known(self, place: int) -> str:
        rng = self._department.rng
        if place == 0 and self._recent and rng.random() < _OWN:
            return rng.choice(self._recent)
        return f"ZZ{int(rng.random() * 1e12):012d}"

    def _generate(self, agenda: Agenda, day: Day, at: int, serial: str) -> None:
        department = self._department
        rng, licence = department.rng, department.name_of("ZZ", day)
        agenda.add(at, department.code, "licence.generated", LICENCES, {"licence": licence, "serial": serial})
        self._recent.append(licence)
        chance = rng.random()
        if chance < _VOIDED:
            voided = at + between(rng, 2 * HOUR, 20 * DAY)
            agenda.add(voided, department.code, "licence.voided", LICENCES, {"licence": licence})
        elif chance < _VOIDED + _OBJECTION:
            self._objections.flag(agenda, day, at + between(rng, 2 * HOUR, 6 * DAY), "licence", licence)
