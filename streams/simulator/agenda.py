"""What is going to happen: pending events in one list a day, sorted when the day comes.

A pending event takes about half a kilobyte. Half of the cases end on the day they begin, so that in a city of 20
departments some five thousand events are pending, those of the day among them.
"""

from collections import defaultdict
from typing import Any

from streams.simulator.clock import DAY, MINUTE
from streams.simulator.sources import Source

Fields = dict[str, Any]
Step = tuple[int, int, str, str, Source, Fields]
"""Instant in microseconds, order of adding, department, type, source and the type's own fields."""


class Agenda:
    """Pending events of a city that begins at `origin` (microseconds); days here are those of UTC.

    Before `settled` nothing but the opening catalogue happens.
    """

    def __init__(self, origin: int) -> None:
        self.origin = origin
        self.settled = origin + 5 * MINUTE
        self._days: defaultdict[int, list[Step]] = defaultdict(list)
        self._count = 0

    def add(self, at: int, department: str, kind: str, source: Source, fields: Fields) -> None:
        """Something happens at an instant (microseconds), as exactly as its source can tell."""
        at -= at % source.resolution
        if at >= self.origin:
            self._count += 1
            self._days[at // DAY].append((at, self._count, department, kind, source, fields))

    def take(self, day: int) -> list[Step]:
        """Everything of a day (whole days since 1970 in UTC), in order; it is pending no more."""
        steps = self._days.pop(day, [])
        steps.sort()
        return steps
