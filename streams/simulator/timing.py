"""When a case is accepted and completed. Instants are microseconds; days are ordinals."""

from random import Random
from typing import NamedTuple

from streams.simulator.clock import HOUR, MINUTE, SECOND
from streams.simulator.days import Day, Days
from streams.simulator.items import Item
from streams.simulator.rhythm import between, office_time
from streams.simulator.workdays import workdays_after

_OPENS, _LAST_TAKEN = 9 * HOUR, 16 * HOUR + 30 * MINUTE
_SUSPENDED = 0.07
_STUCK = 0.1


class Course(NamedTuple):
    """How a commitment case goes on: a break in it, and its end unless it is stuck."""

    suspended: int | None
    resumed: int | None
    completed: int | None


class Timing:
    """Draws the times of a department's cases. `late` is the share of commitment cases that are completed late."""

    def __init__(self, rng: Random, days: Days) -> None:
        self._rng, self._days = rng, days
        self.late = 0.0

    def acceptance(self, day: Day, at: int, item: Item, online: bool) -> tuple[int, int]:
        """Day and instant at which a case submitted at `at` is accepted."""
        rng = self._rng
        if not online:
            return day.number, at + between(rng, MINUTE, 12 * MINUTE)
        if item.instant and item.depth == 4:
            return day.number, at + between(rng, 3 * SECOND, 10 * SECOND)
        since = at - day.start
        if day.workday and since < _LAST_TAKEN:
            return day.number, max(at, day.start + _OPENS) + between(rng, 5 * MINUTE, 80 * MINUTE)
        number = workdays_after(day.number, 1)
        return number, self._days.start(number) + _OPENS + between(rng, 0, 3 * HOUR)

    def on_the_spot(self, accepted: int, item: Item, online: bool) -> int:
        """When an instant case is completed, on the day of its acceptance."""
        if online and item.depth == 4:
            return accepted + between(self._rng, 5 * SECOND, 20 * SECOND)
        return accepted + between(self._rng, 3 * MINUTE, 40 * MINUTE)

    def course(self, number: int, accepted: int, promised: int, may_suspend: bool) -> Course:
        """What happens to a commitment case accepted on a day, with so many promised days (at least 1)."""
        rng = self._rng
        late = rng.random() < self.late
        taken = self._late(promised) if late else int(promised * (0.2 + 0.8 * rng.random() ** 1.5) + 0.4)
        if late and rng.random() < _STUCK:
            return Course(None, None, None)
        if may_suspend and taken > 1 and rng.random() < _SUSPENDED:
            return self._interrupted(number, taken)
        return Course(None, None, self._end(number, accepted, taken))

    def office(self, number: int) -> int:
        """An instant in the office hours of a day."""
        return self._days.start(number) + office_time(self._rng)

    def _late(self, promised: int) -> int:
        return promised + 1 + int(self._rng.expovariate(0.35))

    def _end(self, number: int, accepted: int, taken: int) -> int:
        if taken == 0:
            return accepted + between(self._rng, 20 * MINUTE, 3 * HOUR)
        return self.office(workdays_after(number, taken))

    def _interrupted(self, number: int, taken: int) -> Course:
        begun, length = self._rng.randint(1, taken - 1), self._rng.randint(1, 5)
        suspended, resumed = workdays_after(number, begun), workdays_after(number, begun + length)
        end = workdays_after(number, taken + length)
        return Course(self.office(suspended), self.office(resumed), self.office(end))
