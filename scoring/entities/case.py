"""办件: a serial and its case are one thing; with its dispatched licences, and its due time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from models.facts import AT, CODE, CODE_OF_TYPE, EVENT_ID, Fact
from scoring.entities.base import FAR_FUTURE, Contribution, Entity
from scoring.entities.stations import Accepted, Completed, Dispatched, Generated, Issued, LicenceVoided, Passed, Station, Voided, precedes

if TYPE_CHECKING:
    from scoring.department import Department

_SUSPENDED = CODE_OF_TYPE["case.suspended"]


class Due(Struct, frozen=True, gc=False):
    """When a case has to be completed: at `instant` at the latest if it is `inclusive` (an explicit due_at), else before it."""

    instant: int
    inclusive: bool
    provisional: bool

    def missed_by(self, completed_at: int) -> bool:
        """Whether a completion at that instant is late."""
        return completed_at > self.instant or (completed_at == self.instant and not self.inclusive)


class Case(Entity):
    """Stations keep the earliest fact; `passed` is the first ingestion that passed, a failed one before or after it says nothing."""

    kind = "case"
    shares_contributions = True
    components = frozenset({"issued", "ingested", "received", "completed", "granted", "licensed", "overdue", "case_calendar", "dispatched"})
    issued: Issued | None = None
    accepted: Accepted | None = None
    completed: Completed | None = None
    passed: Passed | None = None
    voided: Voided | None = None
    pauses: list[Fact] | None = None
    licences: list[str] | None = None
    dispatches: dict[str, Dispatched] | None = None
    tests: list[str] | None = None

    @property
    def counts(self) -> bool:
        """Neither voided nor a test case: test cases count only in indicator 15, voided ones nowhere."""
        return self.voided is None and not (self.issued is not None and self.issued.is_test)

    @property
    def is_open(self) -> bool:
        """Accepted and not completed."""
        return self.accepted is not None and self.completed is None and self.counts

    @property
    def is_suspended(self) -> bool:
        """Whether it stands still: of its pauses the last is a suspension."""
        return self.pauses is not None and self.pauses[-1][CODE] == _SUSPENDED

    def contributions(self, department: Department) -> list[Contribution]:
        """Flow for indicators 4, 6, 8, 9 and 16, each in the period of the instant that the indicator names."""
        if not self.counts:
            return []
        time, rules = department.context.time, department.context.rules
        out: list[Contribution] = []
        passed = self.passed
        if self.issued is not None:
            period = time.period_of(self.issued.at)
            out.append(("issued", period, self.issued.item, 1))
            if passed is not None and passed.at < time.end_of(period) and rules[period].policies.aggregation == "cohort":
                out.append(("ingested", period, "", 1))
                passed = None  # counted: in no other period again, whatever that one's policy
        if passed is not None:
            period = time.period_of(passed.at)
            if rules[period].policies.aggregation == "flow":
                out.append(("ingested", period, "", 1))
        if self.accepted is not None:
            out.append(("received", time.period_of(self.accepted.at), "", 1))
        if self.completed is not None:
            self._add_completion(self.completed, department, out)
        if self.dispatches is not None:
            self._add_dispatches(self.dispatches, department, out)
        return out

    def _add_dispatches(self, dispatches: dict[str, Dispatched], department: Department, out: list[Contribution]) -> None:
        for licence, dispatch in dispatches.items():
            if not department.licence_voided(licence):
                out.append(("dispatched", department.context.time.period_of(dispatch.at), "", 1))

    def _add_completion(self, completed: Completed, department: Department, out: list[Contribution]) -> None:
        period = department.context.time.period_of(completed.at)
        item = completed.item
        out.append(("completed", period, item, 1))
        if completed.outcome == "granted":
            out.append(("granted", period, item, 1))
            if self.licences is not None and self._generated_before(department.context.time.end_of(period), department):
                out.append(("licensed", period, item, 1))
        due = self.due(department)
        if due is not None:
            if due.missed_by(completed.at):
                out.append(("overdue", period, "", 1))
            if due.provisional:
                out.append(("case_calendar", period, "", 1))

    def _generated_before(self, end: int, department: Department) -> bool:
        licences = (department.licences[licence] for licence in self.licences or ())
        return any(licence.generated is not None and licence.generated.at < end and licence.voided is None for licence in licences)

    def due(self, department: Department) -> Due | None:
        """When the case is due (indicator 16); None without an acceptance, or without an item published by then."""
        accepted = self.accepted
        if accepted is None:
            return None
        if accepted.due_at is not None:
            return Due(accepted.due_at, inclusive=True, provisional=False)
        version = department.items[accepted.item].published.by(accepted.at)
        if version is None:
            return None
        time, workdays = department.context.time, department.context.workdays
        promised: int = version[9]
        provisional = False
        if self.pauses is not None:
            promised, provisional = self._with_suspension(promised, department)
        deadline = workdays.after(time.day_of(accepted.at), promised)
        return Due(time.end_of_day(deadline.day), inclusive=False, provisional=deadline.provisional or provisional)

    def _with_suspension(self, days: int, department: Department) -> tuple[int, bool]:
        """Add the workdays suspended: suspended and resumed pair up in order, repeats ignored, and the completion ends the last."""
        time, workdays = department.context.time, department.context.workdays
        end = self.completed.at if self.completed is not None else department.context.now
        provisional = False
        for start, stop in self.suspensions():
            first, last = time.day_of(start), time.day_of(min(stop, end))
            days += workdays.between(first, last)
            provisional = provisional or workdays.unpublished(first, last)
        return days, provisional

    def suspensions(self) -> list[tuple[int, int]]:
        """Pairs of suspended and resumed instants; far in the future where not resumed."""
        pairs: list[tuple[int, int]] = []
        start: int | None = None
        for pause in self.pauses or ():
            if pause[CODE] == _SUSPENDED:
                start = pause[AT] if start is None else start
            elif start is not None:
                pairs.append((start, pause[AT]))
                start = None
        if start is not None:
            pairs.append((start, FAR_FUTURE))
        return pairs

    def pause(self, fact: Fact) -> None:
        """Take in a suspension or a resumption."""
        pauses = self.pauses or []
        if fact not in pauses:
            self.pauses = sorted([*pauses, fact], key=lambda pause: (pause[AT], pause[EVENT_ID]))

    def dispatch(self, licence: str, fact: Fact) -> None:
        """Take in the dispatch of a licence: of a pair of serial and licence the earliest."""
        if self.dispatches is None:
            self.dispatches = {}
        if precedes(fact, self.dispatches.get(licence)):
            self.dispatches[licence] = Dispatched(fact[AT], fact[EVENT_ID])

    def describe(self, department: Department, cutoff: int = FAR_FUTURE) -> dict[str, Any]:
        """Its stations, and when it was due."""
        stations = {"issued_at": self.issued, "accepted_at": self.accepted, "completed_at": self.completed, "passed_at": self.passed}
        found: dict[str, Any] = {name: station.at for name, station in stations.items() if station is not None}
        if self.accepted is not None:
            found["acceptance_no"] = self.accepted.acceptance_no
        named = self.completed or self.accepted or self.issued
        if named is not None:
            found["item"] = named.item
        due = self.due(department)
        if due is not None:
            found["due_at"] = due.instant
        for licence in self.licences or ():
            generated = department.licences[licence].generated
            if generated is not None and department.licences[licence].voided is None:
                found["licence_generated_at"] = min(found.get("licence_generated_at", generated.at), generated.at)
        if self.dispatches:
            found["dispatched"] = sorted(licence for licence in self.dispatches if not department.licence_voided(licence))
        return found

    def sources(self, department: Department, part: str = "") -> Iterable[Fact | None]:
        """Its stations, pauses and dispatches, and what is known of its licences."""
        stations: list[Station | None] = [self.issued, self.accepted, self.completed, self.passed, self.voided]
        stations += (self.dispatches or {}).values()
        for licence in self.licences or ():
            stations += (department.licences[licence].generated, department.licences[licence].voided)
        return chain((station.envelope(department.code) for station in stations if station is not None), self.pauses or ())


class Licence(Struct, eq=False, gc=False, array_like=True):
    """电子证照: belongs to the serial of its first generation; voided, it counts nowhere. Counted through its cases."""

    generated: Generated | None = None
    voided: LicenceVoided | None = None
    dispatched_to: list[str] | None = None
