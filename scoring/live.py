"""A city whose clock runs: facts dated ahead take effect, deadlines fire, alarms begin and end, with no event arriving."""

import heapq
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from itertools import count

from scoring.city import City
from scoring.context import Context
from scoring.department import Counters, Department
from scoring.entities.base import Entity
from scoring.entities.case import Case
from scoring.entities.sharing import Request
from scoring.watch import Alarm, Condition, Level, condition_of


@dataclass(slots=True)
class Tally:
    """What is open in a department, kept up to date as conditions change."""

    cases_open: int = 0
    requests_open: int = 0
    requests_overdue: int = 0
    requests_within_24h: int = 0
    requests_within_72h: int = 0
    within_24h: int = 0
    within_72h: int = 0
    overdue: dict[Entity, int] = field(default_factory=dict)  # overdue cases and their due instants


class LiveCity(City):
    """A city as of a moving now. `advance` moves it; `settle` afterwards brings counters and conditions up to date."""

    def __init__(self, context: Context, counters: MutableMapping[str, Counters] | None = None) -> None:
        super().__init__(context, counters)
        self.conditions: dict[Entity, Condition] = {}
        self.alarms: dict[tuple[str, str, int | None], tuple[Alarm, Department]] = {}
        self.tallies: dict[str, Tally] = {}
        # Departments with something new since the scorer last asked, and with a status to be told again.
        self.changed: set[str] = set()
        self._wakeups: list[tuple[int, int, str, Entity]] = []
        self._order = count()

    def advance(self, now: int) -> None:
        """Move now forward; a now that lies back changes nothing (the clock was set back: scores never run back).

        Whatever changes by time alone is touched, to be settled anew.
        """
        if now <= self.context.now:
            return
        while self._wakeups and self._wakeups[0][0] <= now:
            instant, _, code, entity = heapq.heappop(self._wakeups)
            if entity.woken_at == instant:
                entity.woken_at = None
                self.departments[code].touch(entity)
                self._unsettled.add(code)
        if self.context.time.day_of(now) != self.context.time.day_of(self.context.now):
            # Periods begin and close at midnights: every score is looked at again.
            self.changed.update(self.departments)
            for department in self.departments.values():
                department.changes.note_everything(0)
        self.context.now = now
        due = []
        while self._ahead and self._ahead[0][0] <= now:
            due.append(heapq.heappop(self._ahead)[2])
        self.take_new(due)

    def restored(self, department: Department) -> None:
        """Note that a department was made of what was stored: all of it is to be settled."""
        department.changes.note_everything(0)
        self._unsettled.add(department.code)

    def settle(self) -> None:
        """Bring counters, conditions and alarms of everything touched up to date."""
        while not self.settle_some(1 << 62):
            pass

    def settle_some(self, limit: int) -> bool:
        """Settle about so many entities; whether nothing is left. A backlog is worked through in slices that block no one for long."""
        while self._unsettled and limit > 0:
            code = next(iter(self._unsettled))
            limit -= max(1, self.settle_department(code, limit))
        return not self._unsettled

    def settle_department(self, code: str, limit: int | None = None) -> int:
        """Settle one department, or at most `limit` entities of it; how many."""
        department = self.department(code)
        settled = department.settle(limit)
        for entity in settled:
            self._review(entity, department)
        if code in self._unsettled:
            self.changed.add(code)
            if department.is_settled:
                self._unsettled.discard(code)
        return len(settled)

    def _review(self, entity: Entity, department: Department) -> None:
        held, found = self.conditions.get(entity), condition_of(entity, department)
        if found != held:
            self._change(entity, department, held, found)
        self._schedule(entity, department, found)

    def _change(self, entity: Entity, department: Department, held: Condition | None, found: Condition | None) -> None:
        tally = self.tallies.get(department.code)
        if tally is None:
            tally = self.tallies[department.code] = Tally()
        if held is not None:
            _count(tally, entity, held, -1)
            if held.alarm is not None:
                self.alarms.pop(held.alarm.key, None)
        if found is None:
            del self.conditions[entity]
            return
        self.conditions[entity] = found
        _count(tally, entity, found, 1)
        if found.alarm is not None:
            self.alarms[found.alarm.key] = (found.alarm, department)

    def _schedule(self, entity: Entity, department: Department, found: Condition | None) -> None:
        ahead = entity.next_change(department)
        if found is not None and found.next_change is not None and (ahead is None or found.next_change < ahead):
            ahead = found.next_change
        if ahead != entity.woken_at:
            entity.woken_at = ahead
            if ahead is not None:
                heapq.heappush(self._wakeups, (ahead, next(self._order), department.code, entity))


def _count(tally: Tally, entity: Entity, condition: Condition, sign: int) -> None:
    if isinstance(entity, Case):
        tally.cases_open += sign
        if condition.level:  # of most nothing is near
            tally.within_24h += sign * (condition.level == Level.WITHIN_24H)
            tally.within_72h += sign * (condition.level in (Level.WITHIN_24H, Level.WITHIN_72H))
            if condition.level == Level.OVERDUE and sign > 0 and condition.due_at is not None:
                tally.overdue[entity] = condition.due_at
            elif sign < 0:
                tally.overdue.pop(entity, None)
    elif isinstance(entity, Request):
        tally.requests_open += sign
        tally.requests_overdue += sign * (condition.level == Level.OVERDUE)
        tally.requests_within_24h += sign * (condition.level == Level.WITHIN_24H)
        tally.requests_within_72h += sign * (condition.level in (Level.WITHIN_24H, Level.WITHIN_72H))
