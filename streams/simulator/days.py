"""The days of the city in its time zone."""

from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from streams.simulator.clock import micros, moment
from streams.simulator.workdays import is_workday


@dataclass(frozen=True, slots=True)
class Day:
    """A local day. `start` is its midnight in microseconds, `number` its ordinal, `stamp` is `YYMMDD`."""

    number: int
    start: int
    date: date
    period: str
    stamp: str
    workday: bool
    after_break: bool
    """A workday whose eve was none."""


class Days:
    """Local days and instants of one time zone."""

    def __init__(self, timezone: str) -> None:
        self.zone = ZoneInfo(timezone)
        self.start = lru_cache(maxsize=1024)(self._start)

    def _start(self, number: int) -> int:
        """Midnight that begins the day, in microseconds."""
        return micros(datetime.combine(date.fromordinal(number), time(), self.zone))

    def number(self, at: int) -> int:
        """The ordinal of the local day in which an instant (microseconds) lies."""
        return moment(at, self.zone).toordinal()

    def day(self, number: int) -> Day:
        """The local day with this ordinal."""
        on = date.fromordinal(number)
        work = is_workday(number)
        after_break = work and not is_workday(number - 1)
        return Day(number, self.start(number), on, f"{on:%Y-%m}", f"{on:%y%m%d}", work, after_break)
