"""Findings of the oversight office, a few of which are withdrawn."""

from collections import Counter

from streams.simulator.agenda import Agenda
from streams.simulator.clock import DAY, HOUR
from streams.simulator.department import Department
from streams.simulator.rhythm import between
from streams.simulator.sources import OVERSIGHT

_ONE_IN, _FIRST = 12, 2


class Findings:
    """Counts the findings of each kind in the city: the second and every twelfth from there are withdrawn."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, agenda: Agenda, at: int, department: Department, ref: str) -> None:
        """Something was found at an instant (microseconds); days later it may turn out to be wrong.

        The first two letters of its name tell its kind.
        """
        kind = ref[:2]
        self._counts[kind] += 1
        if self._counts[kind] % _ONE_IN == _FIRST:
            at += between(department.rng, 2 * HOUR, 7 * DAY)
            agenda.add(at, department.code, "finding.withdrawn", OVERSIGHT, {"ref": ref})
