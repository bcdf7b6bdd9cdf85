"""Workdays: the State Council's calendar with make-up workdays where `chinese_calendar` knows the year.

Days are proleptic ordinals (`date.toordinal()`). Other years have weekends and the fixed-date holidays.
"""

from datetime import date, timedelta
from functools import cache, lru_cache
from importlib import import_module

_FIXED_HOLIDAYS = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})


def _plain(day: date) -> bool:
    return day.weekday() < 5 and (day.month, day.day) not in _FIXED_HOLIDAYS


def _official(day: date) -> bool:
    return bool(import_module("chinese_calendar").is_workday(day))


@cache
def _workdays_of(year: int) -> frozenset[int]:
    days = [date(year, 1, 1) + timedelta(days=n) for n in range(365)]
    days += [date(year, 12, 31)]
    try:
        return frozenset(day.toordinal() for day in days if _official(day))
    except (ImportError, NotImplementedError):
        return frozenset(day.toordinal() for day in days if _plain(day))


@lru_cache(maxsize=1024)
def is_workday(day: int) -> bool:
    """Whether this day is a workday."""
    return day in _workdays_of(date.fromordinal(day).year)


@lru_cache(maxsize=16_384)
def workdays_after(day: int, count: int) -> int:
    """The `count`-th workday after the day; the day itself for 0."""
    while count:
        day += 1
        count -= is_workday(day)
    return day


def workday_from(day: int) -> int:
    """The day itself when it is a workday, else the next one."""
    return workdays_after(day - 1, 1)


def workdays_between(first: int, last: int) -> int:
    """How many workdays d there are with first ≤ d < last."""
    return sum(is_workday(day) for day in range(first, last))
