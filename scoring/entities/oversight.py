"""Oversight: complaints, code defects, samples with their inspections, guide checks and test cases (indicators 4, 7, 14, 15)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from msgspec import field

from models.facts import AT, EVENT_ID, Fact
from scoring.entities.base import FAR_FUTURE, Contribution, Entity
from scoring.local_time import parse_period
from scoring.workdays import Deadline

if TYPE_CHECKING:
    from scoring.department import Department

TEST_WORKDAYS = 3
VISIT_REDUCTION = "visit_reduction"


class Complaint(Entity):
    """投诉: upheld for the period it names, whenever that was; a reversal removes it, whenever that was."""

    kind = "complaint"
    components = frozenset({"complaints"})
    upheld: Fact | None = None
    reversed: bool = False

    def contributions(self, department: Department) -> list[Contribution]:
        """Zeroes indicator 4."""
        if self.upheld is None or self.reversed:
            return []
        return [("complaints", parse_period(self.upheld[5]), self.id, 1)]

    def describe(self, department: Department, cutoff: int = FAR_FUTURE) -> dict[str, Any]:
        """When it was upheld, and the case that it is about."""
        return {} if self.upheld is None else {"upheld_at": self.upheld[AT], "serial": self.upheld[6]}

    def sources(self, department: Department, part: str = "") -> Iterable[Fact | None]:
        """What upheld it."""
        return (self.upheld,)


class Defect(Entity):
    """A defect of the organisation or region code: counts in the period of its confirmation unless cleared by its cut-off."""

    kind = "defect"
    components = frozenset({"defects"})
    confirmed: Fact | None = None
    cleared: Fact | None = None

    def contributions(self, department: Department) -> list[Contribution]:
        """Zeroes indicator 4."""
        if self.confirmed is None or self.id in department.withdrawn:
            return []
        time = department.context.time
        period = time.period_of(self.confirmed[AT])
        if self.cleared is not None and self.cleared[AT] < time.end_of(period):
            return []
        return [("defects", period, self.id, 1)]

    def describe(self, department: Department, cutoff: int = FAR_FUTURE) -> dict[str, Any]:
        """When it was confirmed and cleared, and the case that it is about."""
        if self.confirmed is None:
            return {}
        found: dict[str, Any] = {"confirmed_at": self.confirmed[AT], "serial": self.confirmed[5]}
        return found if self.cleared is None else {**found, "cleared_at": self.cleared[AT]}

    def sources(self, department: Department, part: str = "") -> Iterable[Fact | None]:
        """Its confirmation, and its end."""
        return self.confirmed, self.cleared


class Sample(Entity):
    """A drawn sample with the inspections under its id; only the first of its period and indicator holds."""

    kind = "sample"
    components = frozenset({"sampled", "uninspected", "not_achieved"})
    by_sub = True
    drawn: Fact | None = None
    inspections: dict[str, Fact] = field(default_factory=dict)

    @property
    def slot(self) -> tuple[str, str] | None:
        """The indicator and the period that it was drawn for."""
        return None if self.drawn is None else (self.drawn[5], self.drawn[6])

    def holds(self, department: Department) -> bool:
        """Whether it is the first `sample.drawn` of its period and indicator."""
        return self is department.first_sample(self.slot)

    def contributions(self, department: Department) -> list[Contribution]:
        """Flow for indicator 7: drawn numbers, failed ones, and those not inspected yet."""
        if self.drawn is None or self.drawn[5] != VISIT_REDUCTION or not self.holds(department):
            return []
        period = parse_period(self.drawn[6])
        out: list[Contribution] = []
        for number in dict.fromkeys(self.drawn[7]):
            out.append(("sampled", period, number, 1))
            inspection = self.inspections.get(number)
            if inspection is None:
                out.append(("uninspected", period, number, 1))
            elif not inspection[6] and f"{self.id}/{number}" not in department.withdrawn:
                out.append(("not_achieved", period, number, 1))
        return out

    def describe(self, department: Department, cutoff: int = FAR_FUTURE) -> dict[str, Any]:
        """When it was drawn."""
        return {} if self.drawn is None else {"drawn_at": self.drawn[AT], "tail": self.drawn[8]}

    def sources(self, department: Department, part: str = "") -> Iterable[Fact | None]:
        """Its draw, and the inspection of one acceptance number or of all."""
        return self.drawn, *([self.inspections.get(part)] if part else self.inspections.values())


class GuideCheck(Entity):
    """指南检查: its errors count in the period it names, whenever the check was."""

    kind = "check"
    components = frozenset({"guide_errors"})
    checked: Fact | None = None

    def contributions(self, department: Department) -> list[Contribution]:
        """Flow for indicator 14."""
        if self.checked is None or not self.checked[7] or self.id in department.withdrawn:
            return []
        return [("guide_errors", parse_period(self.checked[6]), "", self.checked[7])]

    def describe(self, department: Department, cutoff: int = FAR_FUTURE) -> dict[str, Any]:
        """The item checked and what was noted."""
        if self.checked is None:
            return {}
        return {"checked_at": self.checked[AT], "item": self.checked[5], "errors": self.checked[7], "notes": self.checked[8]}

    def sources(self, department: Department, part: str = "") -> Iterable[Fact | None]:
        """The check."""
        return (self.checked,)


class Test(Entity):
    """测试办件: passes when disposed of and its case's ingestion passed, both before the deadline; fails when that is past."""

    __test__ = False  # not a test of pytest's
    kind = "test"
    components = frozenset({"tests", "tests_failed", "test_calendar"})
    raised: Fact | None = None
    disposed: Fact | None = None

    def deadline(self, department: Department) -> tuple[int, Deadline]:
        """The end of the 3rd workday after the day raised, as an instant and as a day."""
        assert self.raised is not None  # callers look first
        context = department.context
        deadline = context.workdays.after(context.time.day_of(self.raised[AT]), TEST_WORKDAYS)
        return context.time.end_of_day(deadline.day), deadline

    def _counts(self, department: Department) -> bool:
        if self.raised is None or self.id in department.withdrawn:
            return False
        case = department.cases.get(self.raised[5])
        return case is None or case.voided is None

    def passed_before(self, deadline: int, department: Department) -> bool:
        """Whether both halves happened before the deadline."""
        assert self.raised is not None
        case = department.cases.get(self.raised[5])
        return (
            self.disposed is not None
            and self.disposed[AT] < deadline
            and case is not None
            and case.passed is not None
            and case.passed.at < deadline
        )

    def contributions(self, department: Department) -> list[Contribution]:
        """Flow for indicator 15, in the period raised."""
        if self.raised is None or not self._counts(department):
            return []
        period = department.context.time.period_of(self.raised[AT])
        instant, deadline = self.deadline(department)
        out: list[Contribution] = [("tests", period, "", 1)]
        if instant <= department.context.now and not self.passed_before(instant, department):
            out.append(("tests_failed", period, "", 1))
        if deadline.provisional:
            out.append(("test_calendar", period, "", 1))
        return out

    def next_change(self, department: Department) -> int | None:
        """Its deadline, while that is ahead."""
        if self.raised is None or not self._counts(department):
            return None
        instant, _ = self.deadline(department)
        return instant if instant > department.context.now else None

    def describe(self, department: Department, cutoff: int = FAR_FUTURE) -> dict[str, Any]:
        """Its stations, and its deadline."""
        if self.raised is None:
            return {}
        found: dict[str, Any] = {"raised_at": self.raised[AT], "serial": self.raised[5], "deadline_at": self.deadline(department)[0]}
        if self.disposed is not None:
            found["disposed_at"] = self.disposed[AT]
        case = department.cases.get(self.raised[5])
        if case is not None and case.passed is not None:
            found["passed_at"] = case.passed.at
        return found

    def sources(self, department: Department, part: str = "") -> Iterable[Fact | None]:
        """Its stations, and the ingestion of its case."""
        case = None if self.raised is None else department.cases.get(self.raised[5])
        passed = None if case is None else case.passed
        return self.raised, self.disposed, None if passed is None else passed.envelope(department.code)


def first_of(samples: list[Sample]) -> Sample | None:
    """The sample whose draw comes first in the order of (`occurred_at`, `event_id`)."""
    drawn = [(sample.drawn[AT], sample.drawn[EVENT_ID], sample) for sample in samples if sample.drawn is not None]
    return min(drawn, key=lambda entry: entry[:2])[2] if drawn else None
