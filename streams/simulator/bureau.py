"""A department with all that goes on in it."""

from collections.abc import Iterator

from streams.simulator.agenda import Agenda
from streams.simulator.cases import Cases
from streams.simulator.catalogue import Catalogue, Opening
from streams.simulator.days import Day
from streams.simulator.department import Department
from streams.simulator.guides import Guides
from streams.simulator.interfaces import Interfaces
from streams.simulator.licences import Licences
from streams.simulator.objections import Objections
from streams.simulator.setting import Setting
from streams.simulator.sharing import Requests
from streams.simulator.tables import Tables
from streams.simulator.trials import Trials
from streams.simulator.visits import Visits


class Bureau:
    """One department of the city at work."""

    def __init__(self, department: Department, setting: Setting) -> None:
        self.department = department
        self._catalogue = Catalogue(department)
        self._visits = Visits(department, setting)
        self._objections = Objections(department)
        licences = Licences(department, self._objections)
        self.cases = Cases(department, setting, self._catalogue, licences, self._visits)
        self._requests = Requests(department, setting)
        self._interfaces = Interfaces(department)
        self._tables = Tables(department, setting)
        self._guides = Guides(department, self._catalogue, setting)
        self._trials = Trials(department, self._catalogue, setting)

    def opening(self, day: Day) -> Iterator[Opening]:
        """Everything that is known of the department when the city begins on the given day."""
        yield from self._catalogue.opening()
        yield from self._interfaces.opening()
        yield from self._tables.opening(day)

    def day(self, agenda: Agenda, day: Day) -> None:
        """Everything that begins on a day. Visits are drawn from the cases, so the cases come before."""
        self._visits.begin(day)
        self._catalogue.day(agenda, day)
        self.cases.day(agenda, day)
        self._visits.day(agenda, day)
        self._objections.day(agenda, day)
        self._requests.day(agenda, day)
        self._interfaces.day(agenda, day)
        self._tables.day(agenda, day)
        self._guides.day(agenda, day)
        self._trials.day(agenda, day)
