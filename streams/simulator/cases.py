"""Cases (办件): from the serial number to the completion, and into the provincial case store."""

from collections import deque
from dataclasses import dataclass

from streams.simulator.agenda import Agenda, Fields
from streams.simulator.catalogue import Catalogue
from streams.simulator.clock import DAY, HOUR, MINUTE, SECOND
from streams.simulator.days import Day
from streams.simulator.department import Department
from streams.simulator.identifiers import REGION
from streams.simulator.items import Item
from streams.simulator.licences import Licences
from streams.simulator.rhythm import between, busyness, office_time, online_time, poisson
from streams.simulator.setting import Setting
from streams.simulator.sources import CASE_STORE, SERIALS
from streams.simulator.timing import Course, Timing
from streams.simulator.visits import Visits
from streams.simulator.workdays import workdays_after

CASES_A_DAY = 29.0
"""New cases of a department of size 1 on an ordinary workday at volume 1."""
_WORKDAYS_A_MONTH = 21
_LATE_AT_MOST = 0.3
_ONLINE = 0.6
_ABANDONED = 0.012
_VOIDED = 0.003
_DUE_SAID = 0.08
_FAILED_FIRST = 0.05
_SUSPENSION_REASONS = ("材料补正", "专家评审", "现场勘验", None)
_VOID_REASONS = ("重复申报", "申请人撤回", "误操作", None)


@dataclass(slots=True)
class Case:
    """A case on its way. `accepted` is in microseconds, `accepted_on` the ordinal of its day."""

    day: Day
    item: Item
    serial: str
    online: bool
    accepted_on: int = 0
    accepted: int = 0

    def fields(self) -> Fields:
        """The fields that name the case and its item."""
        return {"serial": self.serial, "item": self.item.item}


class Cases:
    """The cases of one department. `recent` holds the serials of its latest cases."""

    def __init__(self, department: Department, setting: Setting, catalogue: Catalogue, licences: Licences, visits: Visits) -> None:
        self._department, self._rng, self._code = department, department.rng, department.code
        self._catalogue, self._licences, self._visits = catalogue, licences, visits
        self._days, self._text = setting.days, setting.text
        self._timing = Timing(department.rng, setting.days)
        self._mean = CASES_A_DAY * department.size * setting.volume
        self._pushed_at_once = self._rng.random() < department.quality.level + 0.5
        self.recent: deque[str] = deque(maxlen=32)

    def day(self, agenda: Agenda, day: Day) -> None:
        """All cases that begin on a day, each with all that becomes of it."""
        promised = self._mean * _WORKDAYS_A_MONTH * self._catalogue.commitment_share
        self._timing.late = min(_LATE_AT_MOST, self._department.quality.overdue / (promised + 1))
        for item in self._catalogue.draw(poisson(self._rng, self._mean * busyness(day))):
            self._begin(agenda, day, item)

    def _begin(self, agenda: Agenda, day: Day, item: Item) -> None:
        rng = self._rng
        online = not day.workday or (item.depth in (2, 3, 4) and rng.random() < _ONLINE)
        at = day.start + (online_time(rng) if online else office_time(rng))
        if at < agenda.settled:
            return
        case = Case(day, item, self._department.name_of("LS", day), online)
        self.recent.append(case.serial)
        self._issue(agenda, at, case)
        if rng.random() < _ABANDONED:
            self._abandon(agenda, at, case.serial)
        else:
            case.accepted_on, case.accepted = self._timing.acceptance(day, at, item, online)
            self._licences.fetch(agenda, (at + case.accepted) // 2, case.serial, item)
            self._go_on(agenda, case, self._accept(agenda, case))

    def _issue(self, agenda: Agenda, at: int, case: Case) -> None:
        fields = case.fields()
        if case.online:
            fields["is_test"] = False
        agenda.add(at, self._code, "serial.issued", SERIALS, fields)

    def _abandon(self, agenda: Agenda, at: int, serial: str) -> None:
        """The applicant does not go on; half of such serials are voided."""
        if self._rng.random() < 0.5:
            at += between(self._rng, HOUR, 3 * DAY)
            agenda.add(at, self._code, "serial.voided", SERIALS, self._with_reason(serial, _VOID_REASONS))

    def _accept(self, agenda: Agenda, case: Case) -> Course:
        """The case is accepted, and how it goes on; for some the department says when it is due."""
        fields = case.fields()
        fields["acceptance_no"] = acceptance_no = self._department.name_of("SL", case.day)
        said = not case.item.instant and self._rng.random() < _DUE_SAID
        if said:
            fields["due_at"] = self._text(self._due(case))
        agenda.add(case.accepted, self._code, "case.accepted", self._department.system, fields)
        self._visits.note(case.item, acceptance_no, case.accepted)
        if case.item.instant:
            return Course(None, None, self._timing.on_the_spot(case.accepted, case.item, case.online))
        return self._timing.course(case.accepted_on, case.accepted, case.item.promised_days, may_suspend=not said)

    def _due(self, case: Case) -> int:
        """18:00 on the last promised day."""
        return self._days.start(workdays_after(case.accepted_on, case.item.promised_days)) + 18 * HOUR

    def _go_on(self, agenda: Agenda, case: Case, course: Course) -> None:
        if course.suspended is not None and course.resumed is not None:
            self._interrupt(agenda, case.serial, course.suspended, course.resumed)
        if course.completed is not None:
            self._complete(agenda, case, course.completed)
        pushed = case.accepted if self._pushed_at_once else course.completed
        if pushed is not None:
            self._ingest(agenda, pushed, case.serial)
        if self._rng.random() < _VOIDED:
            voided = case.accepted + between(self._rng, HOUR, 6 * DAY)
            fields = self._with_reason(case.serial, _VOID_REASONS)
            agenda.add(voided, self._code, "case.voided", self._department.system, fields)

    def _interrupt(self, agenda: Agenda, serial: str, suspended: int, resumed: int) -> None:
        fields = self._with_reason(serial, _SUSPENSION_REASONS)
        agenda.add(suspended, self._code, "case.suspended", self._department.system, fields)
        agenda.add(resumed, self._code, "case.resumed", self._department.system, {"serial": serial})

    def _complete(self, agenda: Agenda, case: Case, at: int) -> None:
        chance = self._rng.random()
        fields = case.fields()
        fields["outcome"] = outcome = "granted" if chance < 0.94 else "refused" if chance < 0.97 else "withdrawn"
        agenda.add(at, self._code, "case.completed", self._department.system, fields)
        if case.item.yields_licence and outcome == "granted":
            self._licences.yield_for(agenda, case.day, at, case.serial)

    def _ingest(self, agenda: Agenda, at: int, serial: str) -> None:
        """The case goes to the case store: passed, failed and then passed, only failed, or never."""
        rng = self._rng
        at += between(rng, 20 * SECOND, 30 * MINUTE)
        good = rng.random() < self._department.quality.ingested
        if rng.random() < (_FAILED_FIRST if good else 0.5):
            agenda.add(at, self._code, "case.ingested", CASE_STORE, self._record(serial, "failed"))
            at += between(rng, HOUR, 20 * HOUR)
        if good:
            agenda.add(at, self._code, "case.ingested", CASE_STORE, self._record(serial, "passed"))

    def _record(self, serial: str, qc: str) -> Fields:
        if qc == "failed":
            return {"serial": serial, "qc": qc, "org_code": None, "region": REGION}
        return {"serial": serial, "qc": qc, "org_code": self._code[8:17], "region": REGION + "000000"}

    def _with_reason(self, serial: str, reasons: tuple[str | None, ...]) -> Fields:
        reason = self._rng.choice(reasons)
        return {"serial": serial, "reason": reason} if reason else {"serial": serial}
