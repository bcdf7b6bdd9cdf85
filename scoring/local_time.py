"""Periods and local days: instants to calendar months and dates of the configured time zone, and back.

A period is an integer, months since 1999-01; a day is an integer, days since 1999-01-01. Both are looked up in tables of
boundaries, so that a rule of daylight saving costs nothing and midnight on the 1st belongs to the new month exactly.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from models.instants import to_instant

# An offset of +14:00 takes the first instants of 2000 into 1999.
FIRST_YEAR = 1999
# Events are dated 2000-2099; 10,000 promised workdays reach about forty years on.
LAST_YEAR = 2149
FIRST_DAY = date(FIRST_YEAR, 1, 1)
DAYS = (date(LAST_YEAR + 1, 1, 1) - FIRST_DAY).days


class LocalTime:
    """The calendar of one time zone."""

    def __init__(self, timezone: str) -> None:
        """Raises `zoneinfo.ZoneInfoNotFoundError` for a zone that does not exist."""
        self.zone = ZoneInfo(timezone)
        self._days = [self._midnight(FIRST_DAY + timedelta(days=day)) for day in range(DAYS + 1)]
        months = [date(year, month, 1) for year in range(FIRST_YEAR, LAST_YEAR + 1) for month in range(1, 13)]
        self._months = [self._days[(month - FIRST_DAY).days] for month in months]

    def _midnight(self, day: date) -> int:
        return to_instant(datetime(day.year, day.month, day.day, tzinfo=self.zone))

    def period_of(self, instant: int) -> int:
        """The period that an instant belongs to; 00:00 on the 1st belongs to the new month."""
        return bisect_right(self._months, instant) - 1

    def periods_of(self, instants: Iterable[int]) -> list[int]:
        """The period of each instant. Of many that lie near each other a third of the time."""
        periods: list[int] = []
        start = end = period = 0
        for instant in instants:
            if not start <= instant < end:
                period = self.period_of(instant)
                start, end = self._months[period], self._months[period + 1]
            periods.append(period)
        return periods

    def start_of(self, period: int) -> int:
        """The first instant of a period."""
        return self._months[period]

    def end_of(self, period: int) -> int:
        """The first instant after a period: the cut-off is strictly before it."""
        return self._months[period + 1]

    def day_of(self, instant: int) -> int:
        """The local day of an instant."""
        return bisect_right(self._days, instant) - 1

    def end_of_day(self, day: int) -> int:
        """The first instant after a local day."""
        return self._days[day + 1]

    def last_day_of(self, period: int) -> int:
        """The last local day of a period."""
        return self.day_of(self._months[period + 1]) - 1


@lru_cache(maxsize=8)
def local_time(timezone: str) -> LocalTime:
    """The tables of a time zone, built once (some 0.2 s)."""
    return LocalTime(timezone)


def period_label(period: int) -> str:
    """`YYYY-MM` of a period.

    >>> period_label(0), period_label(263)
    ('1999-01', '2020-12')
    """
    return f"{FIRST_YEAR + period // 12:04d}-{period % 12 + 1:02d}"


def parse_period(label: str) -> int:
    """The period of a `YYYY-MM`.

    >>> parse_period("2020-12")
    263
    """
    return (int(label[:4]) - FIRST_YEAR) * 12 + int(label[5:7]) - 1


def day_number(day: date) -> int:
    """The number of a date."""
    return (day - FIRST_DAY).days


def date_of(day: int) -> date:
    """The date of a day's number."""
    return FIRST_DAY + timedelta(days=day)
