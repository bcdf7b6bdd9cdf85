"""Test cases (测试办件): raised in mid-month for 10 items, to be disposed of within three workdays."""

from streams.simulator.agenda import Agenda, Fields
from streams.simulator.catalogue import Catalogue
from streams.simulator.clock import HOUR, MINUTE, SECOND
from streams.simulator.days import Day
from streams.simulator.deck import Deck
from streams.simulator.department import Department
from streams.simulator.rhythm import between, office_time
from streams.simulator.setting import Setting
from streams.simulator.sources import CASE_STORE, OVERSIGHT, SERIALS, TESTERS, Source
from streams.simulator.workdays import workday_from, workdays_after

_SAMPLED = 10
_DAY_OF_MONTH = 14
_ACCEPTED = 0.7


class Trials:
    """The test cases of one department."""

    def __init__(self, department: Department, catalogue: Catalogue, setting: Setting) -> None:
        self._department, self._rng = department, department.rng
        self._catalogue = catalogue
        self._days, self._findings = setting.days, setting.findings
        self._deck = Deck(department.rng, _SAMPLED)

    def day(self, agenda: Agenda, day: Day) -> None:
        """Draws the month's sample when its day has come, and raises a test for each item of it."""
        at = day.start + 9 * HOUR
        if day.number != workday_from(day.number - day.date.day + _DAY_OF_MONTH) or at < agenda.settled:
            return
        selected = self._deck.draw(self._catalogue.active)
        fields: Fields = {"sample": self._department.name_of("CJ", day), "indicator": "online_experience"}
        self._add(agenda, at, "sample.drawn", OVERSIGHT, fields | {"period": day.period, "selected": selected})
        for item in selected:
            at += between(self._rng, 2 * MINUTE, 6 * MINUTE)
            self._test(agenda, day, at, item)

    def _test(self, agenda: Agenda, day: Day, at: int, item: str) -> None:
        serial, test = self._department.name_of("LS", day), self._department.name_of("CS", day)
        case = {"serial": serial, "item": item}
        self._add(agenda, at, "serial.issued", SERIALS, case | {"is_test": True})
        self._add(agenda, at + 2 * SECOND, "test.raised", TESTERS, {"test": test} | case)
        if self._rng.random() < _ACCEPTED:
            number = self._department.name_of("SL", day)
            accepted = at + between(self._rng, 10 * MINUTE, 2 * HOUR)
            self._add(agenda, accepted, "case.accepted", self._department.system, case | {"acceptance_no": number})
        if self._rng.random() < self._department.quality.test_failure:
            self._fail(agenda, day, test, case)
        else:
            at = self._moment(day, self._rng.randint(1, 3))
            self._dispose(agenda, at, test, case)
            self._ingest(agenda, at, case)

    def _fail(self, agenda: Agenda, day: Day, test: str, case: Fields) -> None:
        """Not disposed of at all, too late, or without reaching the case store."""
        way = self._rng.random()
        if way < 0.4:
            at = self._moment(day, self._rng.randint(4, 8))
            self._dispose(agenda, at, test, case)
            self._ingest(agenda, at, case)
        elif way < 0.7:
            self._dispose(agenda, self._moment(day, 2), test, case)
        self._findings.note(agenda, self._moment(day, 4), self._department, test)

    def _moment(self, day: Day, after: int) -> int:
        return self._days.start(workdays_after(day.number, after)) + office_time(self._rng)

    def _dispose(self, agenda: Agenda, at: int, test: str, case: Fields) -> None:
        self._add(agenda, at, "case.completed", self._department.system, case | {"outcome": "refused"})
        self._add(agenda, at + 30 * SECOND, "test.disposed", TESTERS, {"test": test, "outcome": "已驳回"})

    def _ingest(self, agenda: Agenda, at: int, case: Fields) -> None:
        record = {"serial": case["serial"], "qc": "passed", "org_code": self._department.code[8:17]}
        self._add(agenda, at + between(self._rng, MINUTE, HOUR), "case.ingested", CASE_STORE, record)

    def _add(self, agenda: Agenda, at: int, kind: str, source: Source, fields: Fields) -> None:
        agenda.add(at, self._department.code, kind, source, fields)
