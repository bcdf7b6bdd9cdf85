"""Workdays: the State Council's holidays with make-up workdays (调休), an override file, and years not published yet.

Spec: `indicators.md`, Workdays. The calendar never fails: a year that neither the library nor an override covers is counted with
weekends and the fixed-date holidays, and what rests on it says so.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate

import chinese_calendar
from chinese_calendar import constants
from msgspec import Struct

from scoring.local_time import DAYS, FIRST_DAY, FIRST_YEAR, LAST_YEAR

_FIXED_HOLIDAYS = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})
_SATURDAY = 5
EXAMPLE = '{"year": 2027, "notice": "国办发明电〔2026〕N号", "holidays": ["2027-01-01"], "workdays": ["2027-01-03"]}'
_LIBRARY_YEARS = frozenset(day.year for day in constants.holidays)


@dataclass(frozen=True)
class YearOverride:
    """One year's holidays and make-up workdays as published, beating the library for that year."""

    year: int
    notice: str
    holidays: frozenset[date]
    workdays: frozenset[date]


class Deadline(Struct, frozen=True, gc=False):
    """A day reached by counting workdays; `provisional` when the counting met a year not published yet."""

    day: int
    provisional: bool


class Workdays:
    """Which days are workdays, with both directions of counting by looking up."""

    def __init__(self, overrides: Sequence[YearOverride] = ()) -> None:
        self._overrides = {override.year: override for override in overrides}
        days = [FIRST_DAY + timedelta(days=day) for day in range(DAYS)]
        flags = [self._is_workday(day) for day in days]
        self._workdays_before = [0, *accumulate(flags)]
        self._workdays = [n for n, works in enumerate(flags) if works]
        self._off = [n for n, (day, works) in enumerate(zip(days, flags, strict=True)) if not works and day.weekday() < _SATURDAY]
        self._made_up = [n for n, (day, works) in enumerate(zip(days, flags, strict=True)) if works and day.weekday() >= _SATURDAY]
        self._unpublished_before = [0, *accumulate(not self.covers(day.year) for day in days)]
        self.digest = hashlib.sha256(bytes(flags) + repr(sorted(self._covered_years())).encode()).hexdigest()

    def covers(self, year: int) -> bool:
        """Whether the year's holidays are published, by the library or an override."""
        return year in self._overrides or year in _LIBRARY_YEARS

    def _covered_years(self) -> set[int]:
        return {*self._overrides, *_LIBRARY_YEARS}

    def _is_workday(self, day: date) -> bool:
        override = self._overrides.get(day.year)
        if override:
            return day in override.workdays or (day.weekday() < _SATURDAY and day not in override.holidays)
        if day.year in _LIBRARY_YEARS:
            return bool(chinese_calendar.is_workday(day))
        return day.weekday() < _SATURDAY and (day.month, day.day) not in _FIXED_HOLIDAYS

    def is_workday(self, day: int) -> bool:
        """Whether a day (number) is a workday."""
        return self.between(day, day + 1) > 0

    def between(self, first: int, end: int) -> int:
        """The number of workdays d with first ≤ d < end; 0 when end ≤ first."""
        return max(0, self._workdays_before[end] - self._workdays_before[first])

    def unlike_the_week(self, first: int, end: int) -> tuple[list[int], list[int]]:
        """The days d with first ≤ d < end from Monday to Friday that are off, and the Saturdays and Sundays that are worked."""
        off, made_up = (held[bisect_left(held, first) : bisect_left(held, end)] for held in (self._off, self._made_up))
        return off, made_up

    def unpublished(self, first: int, end: int) -> bool:
        """Whether a day d with first ≤ d < end lies in a year not published yet."""
        return self._unpublished_before[max(first, end)] > self._unpublished_before[first]

    def published_until(self, day: int) -> int:
        """The first day from a day on that lies in a year not published yet."""
        return bisect_left(self._unpublished_before, self._unpublished_before[day] + 1) - 1

    def after(self, day: int, count: int) -> Deadline:
        """The count-th workday after a day; the day itself for 0.

        A count that leads past the tables (beyond 2149) ends on their last day.
        """
        if count <= 0:
            return Deadline(day, provisional=False)
        place = self._workdays_before[day + 1] + count - 1
        reached = self._workdays[place] if place < len(self._workdays) else DAYS - 1
        return Deadline(reached, self.unpublished(day + 1, reached + 1))


@lru_cache(maxsize=1)
def published_workdays() -> Workdays:
    """The calendar of the library alone."""
    return Workdays()


def override_of(content: object) -> YearOverride:
    """One entry `{year, notice, holidays[], workdays[]}` of an override file, already parsed.

    Raises:
        ValueError: a field is missing, not a date of that year, or both a holiday and a workday; the text gives an example.
    """
    if not isinstance(content, dict) or not isinstance(content.get("year"), int):
        raise ValueError(f"year is missing or not a number; for example {EXAMPLE}")
    year = content["year"]
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(f"year {year} is not one of {FIRST_YEAR} to {LAST_YEAR}; for example {EXAMPLE}")
    holidays, workdays = (_dates(content, field, year) for field in ("holidays", "workdays"))
    if both := holidays & workdays:
        raise ValueError(f"{year}: {min(both)} is listed as a holiday and as a workday")
    return YearOverride(year, str(content.get("notice", "")), holidays, workdays)


def _dates(content: dict[str, object], field: str, year: int) -> frozenset[date]:
    values = content.get(field)
    if not isinstance(values, list):
        raise ValueError(f"{year}: {field} should be a list of dates; for example {EXAMPLE}")
    try:
        days = frozenset(_date(value) for value in values)
    except ValueError as error:
        raise ValueError(f"{year}: {field}: {error}; for example {EXAMPLE}") from None
    if wrong := [day for day in days if day.year != year]:
        raise ValueError(f"{year}: {field}: {min(wrong)} is not in {year}")
    return days


def _date(value: object) -> date:
    text = str(value)
    if len(text) != len("2027-01-01") or not text.replace("-", "").isdigit():  # fromisoformat alone also reads 20270101 and 2027-W01-1
        raise ValueError(f"{text[:40]!r} is not a date such as 2027-01-01")
    return date.fromisoformat(text)
