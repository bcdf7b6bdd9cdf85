"""Workdays and local time: 调休, override files, years not published yet, other zones, and the ends of the calendar."""

from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.instants import to_instant
from models.rulesets import default_ruleset
from scoring.batch import fold_facts
from scoring.local_time import DAYS, date_of, day_number, local_time, parse_period, period_label
from scoring.scores import score_city
from scoring.workdays import Deadline, Workdays, override_of, published_workdays
from tests.scoring.test_properties import facts_of
from tests.support.builder import D1, FIELDS, History, when

OVERRIDE = {"year": 2020, "notice": "n", "holidays": ["2020-09-01"], "workdays": ["2020-09-05"]}
UNPUBLISHED = max(day.year for day in chinese_calendar.constants.holidays) + 1


def is_workday(text: str, workdays: Workdays | None = None) -> bool:
    return (workdays or published_workdays()).is_workday(day_number(date.fromisoformat(text)))


def after(text: str, count: int, workdays: Workdays | None = None) -> tuple[str, bool]:
    reached = (workdays or published_workdays()).after(day_number(date.fromisoformat(text)), count)
    return date_of(reached.day).isoformat(), reached.provisional


# --- workdays


@pytest.mark.parametrize(
    ("day", "overridden", "until"),
    [
        ("2020-09-01", (), f"{UNPUBLISHED}-01-01"),
        (f"{UNPUBLISHED - 1}-12-31", (), f"{UNPUBLISHED}-01-01"),
        (f"{UNPUBLISHED - 1}-12-31", (UNPUBLISHED,), f"{UNPUBLISHED + 1}-01-01"),
        # A year beyond a gap does not count: deadlines lead through the gap.
        ("2020-09-01", (UNPUBLISHED + 1,), f"{UNPUBLISHED}-01-01"),
        (f"{UNPUBLISHED}-03-02", (), f"{UNPUBLISHED}-03-02"),
    ],
)
def test_until_when_holidays_are_published(day: str, overridden: tuple[int, ...], until: str) -> None:
    workdays = Workdays([override_of({"year": year, "holidays": [], "workdays": []}) for year in overridden])
    assert date_of(workdays.published_until(day_number(date.fromisoformat(day)))).isoformat() == until


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2020-09-25", True), ("2020-09-26", False), ("2020-09-27", True), ("2020-09-30", True), ("2020-10-01", False), ("2020-10-08", False),
        ("2020-10-09", True), ("2020-10-10", True), ("2020-10-11", False), ("2020-02-29", False), ("2024-02-29", True), ("2020-01-31", False),
    ],
)  # fmt: skip
def test_make_up_workdays_and_holidays_of_the_library(day: str, expected: bool) -> None:
    assert is_workday(day) == expected


def test_every_published_day_is_that_of_the_library() -> None:
    days = [date(2019, 12, 1) + timedelta(days=n) for n in range(800)]
    assert [is_workday(day.isoformat()) for day in days] == [chinese_calendar.is_workday(day) for day in days]


@pytest.mark.parametrize(
    ("day", "count", "reached"),
    [
        ("2020-09-25", 0, "2020-09-25"), ("2020-09-26", 0, "2020-09-26"), ("2020-09-26", -1, "2020-09-26"),
        ("2020-09-25", 1, "2020-09-27"), ("2020-09-26", 1, "2020-09-27"), ("2020-09-30", 1, "2020-10-09"), ("2020-10-01", 1, "2020-10-09"),
        ("2020-09-30", 2, "2020-10-10"), ("2020-09-30", 3, "2020-10-12"), ("2020-08-17", 10, "2020-08-31"), ("2024-02-28", 1, "2024-02-29"),
        ("2023-12-29", 1, "2024-01-02"),
    ],
)  # fmt: skip
def test_the_count_th_workday_after_a_day(day: str, count: int, reached: str) -> None:
    assert after(day, count) == (reached, False)


@given(st.dates(date(2019, 1, 1), date(UNPUBLISHED + 1, 12, 31)), st.integers(0, 60), st.integers(0, 90))
def test_counting_on_is_counting_day_by_day(day: date, count: int, span: int) -> None:
    workdays, first = published_workdays(), day_number(day)
    reached, left, provisional = first, count, False
    while left:
        reached += 1
        left -= workdays.is_workday(reached)
        provisional = provisional or not workdays.covers(date_of(reached).year)
    assert (workdays.after(first, count).day, workdays.after(first, count).provisional) == (reached, provisional)
    assert workdays.between(first, first + span) == sum(workdays.is_workday(first + n) for n in range(span))
    assert workdays.between(first + span, first) == 0
    assert workdays.unpublished(first, first + span) == any(not workdays.covers(date_of(first + n).year) for n in range(span))


def test_a_year_not_published_has_weekends_and_the_holidays_of_fixed_date() -> None:
    year = [date(UNPUBLISHED, 1, 1) + timedelta(days=n) for n in range(365)]
    fixed = {(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)}
    expected = [day.weekday() < 5 and (day.month, day.day) not in fixed for day in year]
    assert [is_workday(day.isoformat()) for day in year] == expected


def test_what_rests_on_a_year_not_published_says_so() -> None:
    last = f"{UNPUBLISHED - 1}-12-31"
    assert after(last, 0) == (last, False)
    assert after(f"{UNPUBLISHED - 1}-12-20", 3)[1] is False
    assert after(last, 1)[1] is True
    assert after(f"{UNPUBLISHED}-06-01", 1)[1] is True
    assert not published_workdays().unpublished(day_number(date(2020, 1, 1)), day_number(date(UNPUBLISHED, 1, 1)))


def test_an_override_beats_the_library_for_its_year_alone() -> None:
    workdays = Workdays([override_of(OVERRIDE)])
    assert not is_workday("2020-09-01", workdays)
    assert is_workday("2020-09-05", workdays)
    assert is_workday("2020-10-01", workdays), "of the library nothing is left in that year"
    assert not is_workday("2020-09-27", workdays)
    assert not is_workday("2019-10-01", workdays)
    assert is_workday("2019-10-12", workdays), "a make-up workday of the library"


def test_an_override_publishes_a_year() -> None:
    published = {"year": UNPUBLISHED, "notice": "n", "holidays": [f"{UNPUBLISHED}-01-04"], "workdays": [f"{UNPUBLISHED}-01-03"]}
    workdays = Workdays([override_of(published)])
    assert workdays.covers(UNPUBLISHED)
    assert not workdays.covers(UNPUBLISHED + 1)
    assert after(f"{UNPUBLISHED - 1}-12-31", 1, workdays)[1] is False
    gap = Workdays([override_of({"year": UNPUBLISHED + 1, "notice": "n", "holidays": [], "workdays": []})])
    assert after(f"{UNPUBLISHED}-12-31", 1, gap)[1] is False, "the day counted from is not counted"
    assert after(f"{UNPUBLISHED}-12-30", 1, gap)[1] is True


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([], "year is missing"),
        ({}, "year is missing"),
        ({**OVERRIDE, "year": "2020"}, "year is missing or not a number"),
        ({**OVERRIDE, "holidays": None}, "2020: holidays should be a list"),
        ({**OVERRIDE, "workdays": "2020-09-05"}, "2020: workdays should be a list"),
        ({**OVERRIDE, "holidays": ["2020-02-30"]}, "2020: holidays: "),
        ({**OVERRIDE, "holidays": ["1 Jan"]}, "2020: holidays: "),
        ({**OVERRIDE, "holidays": [20200901]}, "2020: holidays: "),
        ({**OVERRIDE, "holidays": ["2020-W36-2"]}, "2020: holidays: "),
        ({**OVERRIDE, "holidays": ["20200901"]}, "2020: holidays: "),
        ({**OVERRIDE, "holidays": [None]}, "2020: holidays: "),
        ({**OVERRIDE, "workdays": ["2021-09-05"]}, "2020: workdays: 2021-09-05 is not in 2020"),
        ({**OVERRIDE, "workdays": ["2020-09-01"]}, "2020: 2020-09-01 is listed as a holiday and as a workday"),
    ],
)
def test_a_wrong_override_is_named(content: object, named: str) -> None:
    with pytest.raises(ValueError) as raised:
        override_of(content)
    assert str(raised.value).startswith(named)


def test_counts_that_lead_past_the_tables_end_on_their_last_day() -> None:
    workdays = published_workdays()
    assert workdays.after(day_number(date(2099, 12, 31)), 10_000).day < DAYS - 1, "what the contract allows is reached"
    assert workdays.after(day_number(date(2120, 1, 1)), 10_000) == Deadline(DAYS - 1, provisional=True)
    assert date_of(local_time("UTC").day_of(local_time("UTC").end_of_day(DAYS - 1) - 1)) == date_of(DAYS - 1)


# --- local time

ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia", "UTC")
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(timezone.utc))


@given(st.sampled_from(ZONES), MOMENTS)
def test_an_instant_lies_in_its_local_day_and_month(zone: str, moment: datetime) -> None:
    time, local, instant = local_time(zone), moment.astimezone(ZoneInfo(zone)), to_instant(moment)
    assert date_of(time.day_of(instant)) == local.date()
    period = time.period_of(instant)
    assert period_label(period) == f"{local:%Y-%m}"
    assert time.start_of(period) <= instant < time.end_of(period)
    assert time.end_of(period) == time.start_of(period + 1)
    assert date_of(time.last_day_of(period) + 1).day == 1


@pytest.mark.parametrize(
    ("zone", "first_instant"),
    [
        ("Europe/Berlin", "2020-03-31T22:00:00+00:00"),  # summer time since the 29th
        ("Europe/Berlin", "2020-10-31T23:00:00+00:00"),  # winter time since the 25th
        ("America/St_Johns", "2020-10-01T02:30:00+00:00"),
        ("Asia/Shanghai", "2020-08-31T16:00:00+00:00"),
    ],
)
def test_the_first_instant_of_a_month_belongs_to_it_and_the_microsecond_before_does_not(zone: str, first_instant: str) -> None:
    time, instant = local_time(zone), to_instant(datetime.fromisoformat(first_instant))
    period = time.period_of(instant)
    assert time.start_of(period) == instant
    assert time.period_of(instant - 1) == period - 1
    assert time.day_of(instant) == time.day_of(instant - 1) + 1


def test_days_are_as_long_as_they_are() -> None:
    berlin = local_time("Europe/Berlin")
    hours = {day: (berlin.end_of_day(n) - berlin.end_of_day(n - 1)) // 3_600_000_000 for day in ("2020-03-29", "2020-10-25", "2020-10-26")
             for n in [day_number(date.fromisoformat(day))]}  # fmt: skip
    assert hours == {"2020-03-29": 23, "2020-10-25": 25, "2020-10-26": 24}


@given(st.integers(0, 12 * 150))
def test_a_label_is_read_back(period: int) -> None:
    assert parse_period(period_label(period)) == period


# --- the ends of the calendar


def everything_at(moment: str) -> list[dict[str, Any]]:
    """One event of every type at one moment, in the periods of that moment's year, with deadlines as far as they go."""
    h = History()
    year = moment[:4]
    changes: dict[str, dict[str, Any]] = {
        "item.published": {"promised_days": 10_000, "statutory_days": 10_000},
        "request.raised": {"request": "R1"},
        "table.registered": {"cycle_days": 10_000, "first_due_at": moment},
        "complaint.upheld": {"period": f"{year}-01"},
        "guide.checked": {"period": f"{year}-12"},
        "sample.drawn": {"period": f"{year}-12"},
    }
    for kind in FIELDS:
        h.add(kind, moment, **changes.get(kind, {}))
    h.add("case.accepted", moment, serial="S2").add("case.suspended", moment, serial="S2").add("case.completed", moment, serial="S2")
    return h.events


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize(
    ("moment", "as_of"),
    [
        ("2000-01-01T00:00:00+14:00", "2000-01-01T00:00:00+14:00"),
        ("2000-01-01T00:00:00+14:00", "2000-03-01T00:00:00Z"),
        ("2099-12-31T23:59:59.999999-12:00", "2099-12-31T23:59:59.999999-12:00"),
        ("2099-12-31T23:59:59-12:00", "2100-01-31T00:00:00Z"),
    ],
)
def test_the_first_and_last_instants_of_the_contract_are_scored(zone: str, moment: str, as_of: str) -> None:
    city = fold_facts(
        facts_of(everything_at(moment)),
        to_instant(datetime.fromisoformat(when(as_of).replace("Z", "+00:00"))),
        default_ruleset(),
        timezone=zone,
    )
    records = score_city(city)
    local = datetime.fromisoformat(moment).astimezone(ZoneInfo(zone))
    assert records[0].period == f"{local:%Y-%m}"
    assert len(records) % 17 == 0
    for entity in city.departments[D1].entities():
        entity.describe(city.departments[D1])
        entity.next_change(city.departments[D1])


def test_a_case_suspended_for_a_century_is_due_on_the_last_day_of_the_tables() -> None:
    h = History().add("item.published", "2000-01-02", promised_days=10_000).add("case.suspended", "2000-01-02")
    h.case("S1", accepted="2099-11-30", completed="2099-12-30")
    department = fold_facts(facts_of(h.events), to_instant(datetime(2100, 1, 1, tzinfo=timezone.utc)), default_ruleset()).departments[D1]
    due = department.cases["S1"].due(department)
    assert due is not None
    assert (due.instant, due.provisional) == (local_time("Asia/Shanghai").end_of_day(DAYS - 1), True)
