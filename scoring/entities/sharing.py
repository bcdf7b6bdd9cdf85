"""Data sharing: requests of other departments, interfaces and tables (indicators 11 and 12)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from models.facts import AT, CODE, CODE_OF_TYPE, Fact
from models.instants import DAY
from scoring.entities.base import FAR_FUTURE, Contribution, Entity, State, Versions, insert_once, stock
from scoring.entities.case import Due

if TYPE_CHECKING:
    from scoring.department import Department

REQUESTER, _DUE_AT = 5, 6
_PLANNED = 6
_CYCLE_DAYS, _FIRST_DUE_AT = 6, 7
_INTERFACE_REGISTERED = CODE_OF_TYPE["interface.registered"]
_TABLE_REGISTERED = CODE_OF_TYPE["table.registered"]


class Request(Entity):
    """共享请求: counts in the period of its due time, once it is due or handled."""

    kind = "request"
    shares_contributions = True
    components = frozenset({"request_calendar", "requests_in_time", "requests_due"})
    raised: Fact | None = None
    handled: Fact | None = None
    withdrawn: bool = False

    @property
    def counts(self) -> bool:
        """Raised by another department and not withdrawn."""
        return self.raised is not None and not self.withdrawn and self.raised[REQUESTER] != self.raised[1]

    def due(self, department: Department) -> tuple[Due, int]:
        """When it is due, and the period that lies in: that of due_at, or of the day whose end is the due time."""
        assert self.raised is not None  # callers ask `counts` first
        time, context = department.context.time, department.context
        due_at: int | None = self.raised[_DUE_AT]
        if due_at is not None:
            return Due(due_at, inclusive=True, provisional=False), time.period_of(due_at)
        workdays = context.rules[time.period_of(self.raised[AT])].policies.sharing_workdays
        deadline = context.workdays.after(time.day_of(self.raised[AT]), workdays)
        end = time.end_of_day(deadline.day)
        return Due(end, inclusive=False, provisional=deadline.provisional), time.period_of(end - 1)

    def contributions(self, department: Department) -> list[Contribution]:
        """Flow for indicator 11."""
        if not self.counts:
            return []
        due, period = self.due(department)
        out: list[Contribution] = []
        if due.provisional:
            out.append(("request_calendar", period, "", 1))
        if self.handled is not None and not due.missed_by(self.handled[AT]):
            out.append(("requests_in_time", period, "", 1))
        if self.handled is not None or due.instant <= department.context.now:
            out.append(("requests_due", period, "", 1))
        return out

    def next_change(self, department: Department) -> int | None:
        """Its due time, while it is neither due nor handled."""
        if not self.counts or self.handled is not None:
            return None
        due, _ = self.due(department)
        return due.instant if due.instant > department.context.now else None

    def describe(self, department: Department, cutoff: int = FAR_FUTURE) -> dict[str, Any]:
        """Its stations, and when it was due."""
        found: dict[str, Any] = {}
        if self.raised is not None:
            found["raised_at"] = self.raised[AT]
            found["requester"] = self.raised[REQUESTER]
            found["due_at"] = self.due(department)[0].instant
        if self.handled is not None:
            found["handled_at"] = self.handled[AT]
        return found

    def sources(self, department: Department, part: str = "") -> Iterable[Fact | None]:
        """Its stations."""
        return self.raised, self.handled


class Failure(Struct, eq=False, gc=False, array_like=True):
    """A failure of an interface: failed and recovered, in whatever order the two arrive."""

    failed: Fact | None = None
    recovered: Fact | None = None

    @property
    def unplanned(self) -> bool:
        """It failed, and not as planned."""
        return self.failed is not None and not self.failed[_PLANNED]


class Interface(Entity):
    """接口: in a period's stock when registered and not retired at the cut-off; good without an unplanned failure in it."""

    kind = "interface"
    components = frozenset({"interfaces", "interfaces_failed"})
    versions: Versions = field(default_factory=Versions)
    failures: dict[str, Failure] = field(default_factory=dict)

    def active(self, version: Fact | None) -> bool:
        """Whether that version is a registration."""
        return version is not None and version[CODE] == _INTERFACE_REGISTERED

    def contributions(self, department: Department) -> list[Contribution]:
        """Stock for indicator 12: 1 as an interface, and 1 as a failed one where it failed."""
        if not self.versions:
            return []
        time = department.context.time
        failed, failing_from = self._failed_periods(department)
        breakpoints = [time.period_of(version[AT]) for version in self.versions.facts]
        breakpoints += [period + step for period in failed for step in (0, 1)]
        if failing_from is not None:
            breakpoints.append(failing_from)

        def state(period: int) -> State:
            if not self.active(self.versions.before(time.end_of(period))):
                return {}
            bad = period in failed or (failing_from is not None and period >= failing_from)
            return {("interfaces", ""): 1, ("interfaces_failed", ""): 1} if bad else {("interfaces", ""): 1}

        return stock(breakpoints, state)

    def _failed_periods(self, department: Department) -> tuple[set[int], int | None]:
        """The periods in which a recovered failure was open, and that from which one is open still.

        A failure counts in every period by whose cut-off it failed and at or before whose first instant it was not recovered,
        whatever the order of the two times.
        """
        time = department.context.time
        failed: set[int] = set()
        failing_from: int | None = None
        for failure in self.failures.values():
            if failure.failed is None or not failure.unplanned:
                continue
            first = time.period_of(failure.failed[AT])
            if failure.recovered is None:
                failing_from = first if failing_from is None else min(first, failing_from)
            else:
                failed.update(range(first, time.period_of(failure.recovered[AT] - 1) + 1))
        return failed, failing_from

    def describe(self, department: Department, cutoff: int = FAR_FUTURE) -> dict[str, Any]:
        """Its unplanned failures that began before the cut-off."""
        failures = [
            {
                "failure": name,
                "failed_at": failure.failed[AT],
                "recovered_at": None if failure.recovered is None else failure.recovered[AT],
            }
            for name, failure in sorted(self.failures.items())
            if failure.failed is not None and failure.unplanned and failure.failed[AT] < cutoff
        ]
        return {"failures": failures} if failures else {}

    def sources(self, department: Department, part: str = "") -> Iterable[Fact | None]:
        """Its versions, and its unplanned failures."""
        failures = (failure for failure in self.failures.values() if failure.unplanned)
        return chain(self.versions.facts, *((failure.failed, failure.recovered) for failure in failures))


class Table(Entity):
    """库表: good in a period when every due time that passed in it had an update in its cycle."""

    kind = "table"
    components = frozenset({"tables", "tables_missed"})
    versions: Versions = field(default_factory=Versions)
    updates: list[int] = field(default_factory=list)

    def update(self, at: int) -> None:
        """Take in an update."""
        insert_once(self.updates, at)

    def active(self, version: Fact | None) -> bool:
        """Whether that version is a registration."""
        return version is not None and version[CODE] == _TABLE_REGISTERED

    def contributions(self, department: Department) -> list[Contribution]:
        """Stock for indicator 12, and a miss in each period with a due time passed without an update."""
        if not self.versions:
            return []
        time = department.context.time
        periods = [time.period_of(version[AT]) for version in self.versions.facts]

        def version_in(period: int) -> Fact | None:
            return self.versions.before(time.end_of(period))

        out = stock(periods, lambda period: {("tables", ""): 1} if self.active(version_in(period)) else {})
        for period in range(min(periods), department.context.period + 1):
            version = version_in(period)
            if version is not None and self.active(version) and self._missed(version, period, department):
                out.append(("tables_missed", period, "", 1))
        return out

    def _missed(self, version: Fact, period: int, department: Department) -> bool:
        time = department.context.time
        cycle, first_due = version[_CYCLE_DAYS] * DAY, version[_FIRST_DUE_AT]
        end = min(time.end_of(period) - 1, department.context.now)
        k = max(0, -((first_due - time.start_of(period)) // cycle))
        due = first_due + k * cycle
        while due <= end:
            if not self.updated_in_cycle(due, cycle):
                return True
            due += cycle
        return False

    def updated_in_cycle(self, due: int, cycle: int) -> bool:
        """Whether an update lies in (due - cycle, due]."""
        place = bisect_right(self.updates, due)
        return place > 0 and self.updates[place - 1] > due - cycle

    def next_due(self, department: Department) -> int | None:
        """The first due time after now under the last version; None when it is retired."""
        version = self.versions.by(department.context.now)
        if version is None or not self.active(version):
            return None
        cycle, first_due = version[_CYCLE_DAYS] * DAY, version[_FIRST_DUE_AT]
        passed = max(0, (department.context.now - first_due) // cycle + 1)
        return int(first_due + passed * cycle)

    def missed_due(self, department: Department) -> int | None:
        """The last due time, when it passed without an update in its cycle and none has come since."""
        version = self.versions.by(department.context.now)
        following = self.next_due(department)
        if version is None or following is None:
            return None
        cycle = version[_CYCLE_DAYS] * DAY
        due = following - cycle
        if due < version[_FIRST_DUE_AT] or self.updated_in_cycle(due, cycle):
            return None
        return None if self.updates and self.updates[-1] > due else due

    def next_change(self, department: Department) -> int | None:
        """Its next due time."""
        return self.next_due(department)

    def describe(self, department: Department, cutoff: int = FAR_FUTURE) -> dict[str, Any]:
        """Its cycle and last update by the cut-off."""
        version = self.versions.before(cutoff)
        if version is None or not self.active(version):
            return {}
        found = {"cycle_days": version[_CYCLE_DAYS], "first_due_at": version[_FIRST_DUE_AT]}
        place = bisect_left(self.updates, cutoff)
        return {**found, "updated_at": self.updates[place - 1]} if place else found

    def sources(self, department: Department, part: str = "") -> Iterable[Fact | None]:
        """Its versions; of its updates only the instants are kept."""
        return self.versions.facts
