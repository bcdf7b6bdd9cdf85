"""The watch: open cases and requests against their deadlines, failed interfaces, late tables. For status, alerts and waking up.

Deadlines fire with no event arriving: every condition says when it may change next.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from models.facts import AT
from models.instants import DAY
from models.records import AlertKind
from scoring.entities.base import Entity
from scoring.entities.case import Case, Due
from scoring.entities.sharing import REQUESTER, Interface, Request, Table

if TYPE_CHECKING:
    from scoring.department import Department

SOON = DAY
LATER_SOON = 3 * DAY


class Level(IntEnum):
    """How near a deadline is: each includes those above it in the counts, but overdue."""

    NONE = 0
    WITHIN_72H = 1
    WITHIN_24H = 2
    OVERDUE = 3


class Alarm(Struct, frozen=True, gc=False):
    """Something to act on now. `thing` and `due_at` identify it together with the kind."""

    kind: AlertKind
    thing: str
    due_at: int | None
    since: int
    details: tuple[tuple[str, Any], ...]

    @property
    def key(self) -> tuple[str, str, int | None]:
        """What identifies it."""
        return (self.kind, self.thing, self.due_at)


class Condition(Struct, frozen=True, gc=False):
    """The state of a watched thing: its level, its alarm, and when either may change next."""

    level: Level
    due_at: int | None = None
    alarm: Alarm | None = None
    next_change: int | None = None


def condition_of(entity: Entity, department: Department) -> Condition | None:
    """The condition of a thing as of now; None when there is nothing to watch (closed, withdrawn, no deadline)."""
    if isinstance(entity, Case):
        return _case(entity, department)
    if isinstance(entity, Request):
        return _request(entity, department)
    if isinstance(entity, Interface):
        return _interface(entity, department)
    return _table(entity, department) if isinstance(entity, Table) else None


def _thing(entity: Entity, department: Department) -> str:
    # Ids are unique within a department and a kind only.
    return f"{department.code}|{entity.kind}|{entity.id}"


def _level(due: Due, now: int) -> tuple[Level, int | None]:
    if due.missed_by(now):
        return Level.OVERDUE, None
    late_from = due.instant + 1 if due.inclusive else due.instant
    if now >= due.instant - SOON:
        return Level.WITHIN_24H, late_from
    if now >= due.instant - LATER_SOON:
        return Level.WITHIN_72H, due.instant - SOON
    return Level.NONE, due.instant - LATER_SOON


def _deadline(entity: Case | Request, due: Due, department: Department, kinds: tuple[AlertKind, AlertKind]) -> Condition:
    level, change = _level(due, department.context.now)
    if level < Level.WITHIN_24H:
        return Condition(level, due.instant, None, change)
    overdue = level == Level.OVERDUE
    since = due.instant if overdue else due.instant - SOON
    return Condition(level, due.instant, Alarm(kinds[overdue], _thing(entity, department), due.instant, since, _details(entity)), change)


def _details(entity: Case | Request) -> tuple[tuple[str, Any], ...]:
    if isinstance(entity, Case):
        assert entity.accepted is not None
        return ("serial", entity.id), ("item", entity.accepted.item), ("acceptance_no", entity.accepted.acceptance_no)
    assert entity.raised is not None
    return ("request", entity.id), ("requester", entity.raised[REQUESTER])


def _case(case: Case, department: Department) -> Condition | None:
    if not case.is_open:
        return None
    due = case.due(department)
    if due is None:
        return Condition(Level.NONE)
    found = _deadline(case, due, department, ("case_due_soon", "case_overdue"))
    if case.is_suspended and not due.inclusive:
        # Suspended now: each workday moves the deadline on, so it is looked at again at midnight.
        time = department.context.time
        midnight = time.end_of_day(time.day_of(department.context.now))
        return replace(found, next_change=min(midnight, found.next_change or midnight))
    return found


def _request(request: Request, department: Department) -> Condition | None:
    if not request.counts or request.handled is not None or request.raised is None:
        return None
    due, _ = request.due(department)
    return _deadline(request, due, department, ("request_due_soon", "request_overdue"))


def open_failure(interface: Interface) -> tuple[str, int] | None:
    """The unplanned failure that is open and began first: its id and instant."""
    failures = [
        (failure.failed[AT], name)
        for name, failure in interface.failures.items()
        if failure.failed is not None and failure.unplanned and failure.recovered is None
    ]
    return (min(failures)[1], min(failures)[0]) if failures else None


def _interface(interface: Interface, department: Department) -> Condition | None:
    if not interface.active(interface.versions.by(department.context.now)):
        return None
    failure = open_failure(interface)
    if failure is None:
        return Condition(Level.NONE)
    name, since = failure
    details = (("interface", interface.id), ("failure", name))
    return Condition(Level.OVERDUE, since, Alarm("interface_failed", _thing(interface, department), since, since, details))


def _table(table: Table, department: Department) -> Condition | None:
    following = table.next_due(department)
    if following is None:
        return None
    due = table.missed_due(department)
    if due is None:
        return Condition(Level.NONE, following, None, following)
    alarm = Alarm("table_overdue", _thing(table, department), due, due, (("table", table.id),))
    return Condition(Level.OVERDUE, due, alarm, following)
