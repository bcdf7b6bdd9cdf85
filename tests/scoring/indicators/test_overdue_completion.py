"""16 按时办结率: 1 a case completed in the period after its due time; at most 10. Record: overdue / completed.

Due at `due_at`, else at the end of the last of `promised_days` workdays from the day after acceptance, plus those suspended.

September 2020 begins on a Tuesday; 27 September (Sunday) and 10 October (Saturday) are workdays, 1-8 October are not.
"""

from functools import partial
from typing import Any

import pytest

from tests.support.builder import OCTOBER, SEPTEMBER, History, assert_score

expect = partial(assert_score, indicator="overdue_completion")


def case(accepted: str, promised: int, completed: str, **fields: str) -> History:
    h = History().add("item.published", "2020-08-20", promised_days=promised)
    return h.case("S1", accepted=accepted, completed=completed, **fields)


def in_time(h: History, **more: Any) -> None:
    expect(h, nm=("0", "1"), points=0, exact="0", **more)


def overdue(h: History, **more: Any) -> None:
    expect(h, nm=("1", "1"), points=1, exact="1", **more)


def nothing(h: History, **more: Any) -> None:
    expect(h, nm=("0", "0"), points=0, exact="0", **more)


def suspended(accepted: str, promised: int, completed: str, *spans: tuple[str, str | None]) -> History:
    h = case(accepted, promised, completed)
    for start, end in spans:
        h.add("case.suspended", start)
        if end:
            h.add("case.resumed", end)
    return h


# --- counting


@pytest.mark.parametrize(
    ("late", "completed", "reasons"), [(0, 3, []), (3, 5, []), (10, 12, []), (11, 12, ["capped"]), (12, 12, ["capped"])]
)
def test_one_point_a_case_up_to_ten(late: int, completed: int, reasons: list[str]) -> None:
    h = History()
    for number in range(completed):
        due_at = "2020-09-09" if number < late else "2020-09-11"
        h.case(f"S{number}", accepted="2020-09-01", due_at=due_at, completed="2020-09-10")
    points = min(late, 10)
    expect(h, nm=(str(late), str(completed)), points=points, exact=str(points), reasons=reasons)


@pytest.mark.parametrize(
    ("completed", "period"),
    [
        ("2020-09-01T00:00:00", SEPTEMBER),
        ("2020-08-31T16:00:00Z", SEPTEMBER),
        ("2020-09-30T23:59:59.999999", SEPTEMBER),
        ("2020-10-01T00:00:00", OCTOBER),
        ("2020-09-30T16:00:00Z", OCTOBER),
    ],
)
def test_a_case_counts_in_the_month_of_its_completion(completed: str, period: str) -> None:
    h = case("2020-08-21", 1, completed)  # due on 24 August
    overdue(h, period=period)
    nothing(h, period=OCTOBER if period == SEPTEMBER else SEPTEMBER)


def test_an_open_overdue_case_costs_nothing_until_completed() -> None:
    h = case("2020-09-01", 1, "2020-11-20")
    nothing(h, period=SEPTEMBER)
    nothing(h, period="2020-11", as_of="2020-11-19", reasons=["period_open"])
    overdue(h, period="2020-11", as_of="2020-11-20", reasons=["period_open"])


@pytest.mark.parametrize("outcome", ["granted", "refused", "withdrawn"])
def test_every_outcome_counts(outcome: str) -> None:
    overdue(case("2020-09-01", 1, "2020-09-10", outcome=outcome))


@pytest.mark.parametrize("policy", ["full", "zero", "na"])
def test_a_deduction_is_always_scored(policy: str) -> None:
    nothing(History().items(1), status="scored", zero_denominator=policy)
    nothing(History().add("department.registered", "2020-08-20"), status="scored", zero_denominator=policy)


# --- due_at


@pytest.mark.parametrize(
    ("completed", "late"),
    [
        ("2020-09-10T18:00:00", False),  # equal is in time
        ("2020-09-10T10:00:00Z", False),  # the same instant
        ("2020-09-10T18:00:00.000001", True),
        ("2020-09-10T20:00:00", True),  # later the same day is not
    ],
)
def test_due_at_is_an_instant(completed: str, late: bool) -> None:
    (overdue if late else in_time)(case("2020-09-01", 30, completed, due_at="2020-09-10T18:00:00"))


def test_suspension_does_not_move_due_at() -> None:
    h = case("2020-09-01", 30, "2020-09-11", due_at="2020-09-10")
    overdue(h.add("case.suspended", "2020-09-02").add("case.resumed", "2020-09-09"))


def test_a_due_at_of_null_is_none() -> None:
    h = case("2020-09-01", 1, "2020-09-02", due_at="2020-09-01T13:00:00")
    overdue(h)
    h.events[1]["due_at"] = None
    in_time(h)


# --- promised_days


@pytest.mark.parametrize(
    ("accepted", "promised", "last_day"),
    [
        ("2020-09-01", 5, "2020-09-08"),  # 2 3 4, 7 8
        ("2020-09-01T00:00:00", 1, "2020-09-02"),
        ("2020-09-01T23:59:59.999999", 1, "2020-09-02"),
        ("2020-09-01T16:00:00Z", 1, "2020-09-03"),  # accepted on the 2nd, 00:00 in Beijing
        ("2020-09-04", 1, "2020-09-07"),  # Friday -> Monday
        ("2020-09-05", 1, "2020-09-07"),  # accepted on a Saturday
        ("2020-09-25", 1, "2020-09-27"),  # Friday -> the working Sunday
        ("2020-09-25", 2, "2020-09-28"),
        ("2020-09-27", 1, "2020-09-28"),  # accepted on the working Sunday
        ("2020-09-28", 3, "2020-10-09"),  # 29, 30, 9 October
        ("2020-09-30", 2, "2020-10-10"),  # 9, Saturday 10 October
        ("2020-09-30", 3, "2020-10-12"),  # 9, Saturday 10, Monday 12 October
        ("2020-09-01", 0, "2020-09-01"),  # 0 days: the acceptance day
        ("2020-09-05", 0, "2020-09-05"),  # also when it is no workday
    ],
)
def test_the_due_day(accepted: str, promised: int, last_day: str) -> None:
    period = last_day[:7]
    in_time(case(accepted, promised, f"{last_day}T23:59:59.999999"), period=period)  # finishing on the due day
    overdue(case(accepted, promised, f"{last_day}T16:00:00Z"), period=period)  # 00:00 of the next day


def test_due_on_the_last_day_of_september_completed_at_the_first_instant_of_october() -> None:
    h = case("2020-09-29", 1, "2020-10-01T00:00:00")
    nothing(h, period=SEPTEMBER)
    overdue(h, period=OCTOBER)


# Accepted on 1 September; with 1 promised day due on the 2nd, with 9 on the 14th; completed on the 10th.


@pytest.mark.parametrize(
    ("published", "late"),
    [
        ("2020-09-01T11:59:59", True),  # the new version, 1 day, holds at acceptance
        ("2020-09-01T12:00:00", True),  # at the acceptance is at or before it
        ("2020-09-01T04:00:00Z", True),
        ("2020-09-01T12:00:00.000001", False),  # accepted under the old one, 9 days
    ],
)
def test_promised_days_are_those_of_the_last_version_at_or_before_acceptance(published: str, late: bool) -> None:
    h = case("2020-09-01T12:00:00", 9, "2020-09-10").add("item.published", published, promised_days=1)
    (overdue if late else in_time)(h)


@pytest.mark.parametrize(("nine_id", "one_id", "late"), [("a", "b", True), ("b", "a", False)])
def test_of_two_versions_of_one_instant_the_greatest_event_id_holds(nine_id: str, one_id: str, late: bool) -> None:
    h = History().add("item.published", "2020-08-20", promised_days=9, event_id=nine_id)
    h.add("item.published", "2020-08-20", promised_days=1, event_id=one_id)
    (overdue if late else in_time)(h.case("S1", accepted="2020-09-01", completed="2020-09-10"))


@pytest.mark.parametrize("retired", ["2020-08-25", "2020-09-01", "2020-09-05"])
def test_retirement_is_disregarded(retired: str) -> None:
    overdue(case("2020-09-01", 1, "2020-09-10").add("item.retired", retired))


def test_an_item_published_only_after_acceptance_gives_no_due_time() -> None:
    h = History().add("item.published", "2020-09-01T12:00:01", promised_days=1)
    in_time(h.case("S1", accepted="2020-09-01T12:00:00", completed="2020-09-10"))


def test_an_item_never_published_gives_no_due_time() -> None:
    h = History().add("item.published", "2020-08-20", item="I1", promised_days=1)
    in_time(h.case("S1", "unknown", accepted="2020-09-01", completed="2020-09-10"))


def test_a_case_never_accepted_is_never_overdue() -> None:
    in_time(History().add("item.published", "2020-08-20", promised_days=0).case("S1", completed="2020-09-10"))


def test_the_item_is_the_one_named_at_acceptance() -> None:
    h = History().add("item.published", "2020-08-20", item="I1", promised_days=1)
    h.add("item.published", "2020-08-20", item="I9", promised_days=9)
    h.case("S1", "I9", issued="2020-09-01").case("S1", "I1", accepted="2020-09-01").case("S1", "I9", completed="2020-09-10")
    overdue(h)


def test_accepted_may_be_dated_after_completed_also_in_the_next_month() -> None:
    in_time(case("2020-09-10", 0, "2020-09-09"))
    in_time(case("2020-10-10", 0, "2020-09-09"))
    overdue(case("2020-10-10", 0, "2020-09-09T18:00:00", due_at="2020-09-09"))


# --- suspension


@pytest.mark.parametrize(
    ("spans", "last_day"),
    [
        # accepted on Tuesday the 1st, 5 days promised: due on Tuesday the 8th
        ([], "2020-09-08"),
        ([("2020-09-03T10:00:00", "2020-09-07T15:00:00")], "2020-09-10"),  # Thu 3, Fri 4: 2 days
        ([("2020-09-03T00:00:00", "2020-09-04T00:00:00")], "2020-09-09"),  # 3
        ([("2020-09-03T09:00:00", "2020-09-03T17:00:00")], "2020-09-08"),  # the same day: none
        ([("2020-09-03T23:59:59", "2020-09-04T00:00:00")], "2020-09-09"),  # one second, one local date: 3
        ([("2020-09-02T16:00:00Z", "2020-09-03T16:00:00Z")], "2020-09-09"),  # in Beijing from the 3rd to the 4th: 3
        ([("2020-09-05", "2020-09-07")], "2020-09-08"),  # Saturday, Sunday: none
        ([("2020-09-02", "2020-09-03"), ("2020-09-03", "2020-09-04")], "2020-09-10"),  # 2; 3
        ([("2020-09-02", "2020-09-03"), ("2020-09-07", "2020-09-09")], "2020-09-11"),  # 2; 7, 8
        ([("2020-09-01T13:00:00", "2020-09-02")], "2020-09-09"),  # the acceptance day itself: 1
        ([("2020-08-28", "2020-09-01")], "2020-09-10"),  # before acceptance: Fri 28, Mon 31 August
        ([("2020-09-08", "2020-09-10")], "2020-09-10"),  # on the due day and after it: 8, 9
    ],
)
def test_workdays_suspended_are_added(spans: list[tuple[str, str]], last_day: str) -> None:
    in_time(suspended("2020-09-01", 5, f"{last_day}T23:59:59.999999", *spans))
    overdue(suspended("2020-09-01", 5, f"{last_day}T16:00:00Z", *spans))


@pytest.mark.parametrize(
    ("accepted", "promised", "span", "last_day"),
    [
        # accepted on Friday the 25th, 1 day promised: due on Sunday the 27th, a workday
        ("2020-09-25", 1, ("2020-09-26", "2020-09-27"), "2020-09-27"),  # Saturday: none
        ("2020-09-25", 1, ("2020-09-27", "2020-09-28"), "2020-09-28"),  # the working Sunday: 1 day
        # accepted on Monday the 28th, 3 days promised: due on 9 October
        ("2020-09-28", 3, ("2020-10-01", "2020-10-09"), "2020-10-09"),  # holidays: none
        ("2020-09-28", 3, ("2020-09-30", "2020-10-09"), "2020-10-10"),  # 30 September
        ("2020-09-28", 3, ("2020-10-09", "2020-10-11"), "2020-10-12"),  # 9, Saturday 10 October
    ],
)
def test_only_workdays_are_added(accepted: str, promised: int, span: tuple[str, str], last_day: str) -> None:
    period = last_day[:7]
    in_time(suspended(accepted, promised, f"{last_day}T23:59:59.999999", span), period=period)
    overdue(suspended(accepted, promised, f"{last_day}T16:00:00Z", span), period=period)


@pytest.mark.parametrize(
    ("accepted", "span", "last_day"),
    [
        ("2020-09-03T09:00:00", ("2020-09-03", "2020-09-04"), "2020-09-04"),  # 3: the 1st workday after it
        ("2020-09-03T09:00:00", ("2020-09-03", "2020-09-07"), "2020-09-07"),  # 3, 4: the 2nd
        ("2020-09-04T09:00:00", ("2020-09-04", "2020-09-05"), "2020-09-07"),  # Friday: the 1st is Monday
        ("2020-09-05T09:00:00", ("2020-09-04", "2020-09-05"), "2020-09-07"),  # accepted on Saturday, Friday suspended
        ("2020-09-03T09:00:00", ("2020-09-03T10:00:00", "2020-09-03T11:00:00"), "2020-09-03"),  # no workday: that day
    ],
)
def test_zero_days_and_suspended(accepted: str, span: tuple[str, str], last_day: str) -> None:
    in_time(suspended(accepted, 0, f"{last_day}T23:59:59.999999", span))
    overdue(suspended(accepted, 0, f"{last_day}T16:00:00Z", span))


def test_never_resumed_it_is_suspended_until_completion() -> None:
    # 3 4, 7 8 9: 5 workdays before the 10th; the 10th workday after 1 September is the 15th
    in_time(suspended("2020-09-01", 5, "2020-09-10", ("2020-09-03", None)))


def test_suspended_only_after_the_due_day_it_stays_overdue() -> None:
    # due on the 2nd; 7 8 9 are suspended: the 4th workday after the 1st is the 7th
    overdue(suspended("2020-09-01", 1, "2020-09-10", ("2020-09-07", None)))


def test_suspension_ends_with_completion_though_resumed_later() -> None:
    # due on the 2nd; suspended until completion on the 8th: 7; the 2nd workday after the 1st is the 3rd
    overdue(suspended("2020-09-01", 1, "2020-09-08", ("2020-09-07", "2020-09-30")))


def test_suspended_after_completion_adds_nothing() -> None:
    overdue(suspended("2020-09-01", 5, "2020-09-09T10:00:00", ("2020-09-09T11:00:00", "2020-09-11")))


@pytest.mark.parametrize(
    "steps",
    [
        # 3 and 4 are suspended: due on the 10th
        ["-03", "-04", "+07"],  # suspended again while suspended
        ["-03", "+07", "+09"],  # resumed again while running
        ["+02", "-03", "+07", "+08"],  # resumed before ever suspended
        ["-03", "-03", "+04", "+04", "-04", "+07"],
    ],
)
def test_repeats_are_ignored(steps: list[str]) -> None:
    for completed, verdict in (("2020-09-10T23:59:59.999999", in_time), ("2020-09-11T00:00:00", overdue)):
        h = case("2020-09-01", 5, completed)
        for number, step in enumerate(steps):
            what = "case.suspended" if step[0] == "-" else "case.resumed"
            h.add(what, f"2020-09-{step[1:]}T12:00:00", event_id=f"step {number}")
        verdict(h)


@pytest.mark.parametrize(("suspended_id", "resumed_id", "late"), [("a", "b", True), ("b", "a", False)])
def test_suspended_and_resumed_of_one_instant_pair_up_by_event_id(suspended_id: str, resumed_id: str, late: bool) -> None:
    # suspended first: for no time, due on the 8th; resumed first: ignored, then suspended until completion
    h = case("2020-09-01", 5, "2020-09-10").add("case.suspended", "2020-09-03", event_id=suspended_id)
    (overdue if late else in_time)(h.add("case.resumed", "2020-09-03", event_id=resumed_id))


# --- single facts, voids, tests


def test_the_first_acceptance_holds_with_its_due_at() -> None:
    h = case("2020-09-02", 1, "2020-09-10", due_at="2020-09-30")
    in_time(h)
    overdue(h.add("case.accepted", "2020-09-01"))  # without due_at: 1 day


@pytest.mark.parametrize(("early_id", "late_id", "late"), [("a", "b", True), ("b", "a", False)])
def test_of_two_acceptances_of_one_instant_the_smallest_event_id_holds(early_id: str, late_id: str, late: bool) -> None:
    h = History().add("case.accepted", "2020-09-01", due_at="2020-09-05", event_id=early_id)
    h.add("case.accepted", "2020-09-01", due_at="2020-09-25", event_id=late_id)
    (overdue if late else in_time)(h.add("case.completed", "2020-09-10"))


def test_the_first_completion_holds() -> None:
    h = case("2020-09-01", 5, "2020-10-20")
    overdue(h, period=OCTOBER)
    in_time(h.add("case.completed", "2020-09-08"))
    nothing(h, period=OCTOBER)


@pytest.mark.parametrize("void", ["serial.voided", "case.voided"])
@pytest.mark.parametrize("at", ["2020-08-25", "2020-11-20"])
def test_a_void_reaches_back(void: str, at: str) -> None:
    nothing(case("2020-09-01", 1, "2020-09-10").add(void, at))


def test_a_void_after_t_is_not_read() -> None:
    overdue(case("2020-09-01", 1, "2020-09-10").add("case.voided", "2020-11-20"), as_of="2020-11-19")


def test_test_cases_do_not_count() -> None:
    nothing(case("2020-09-01", 1, "2020-09-10").add("serial.issued", "2020-09-01", is_test=True))
    overdue(case("2020-09-01", 1, "2020-09-10").add("test.raised", "2020-09-01"))  # named in a test, still a case


# --- a year whose holidays are not published: weekends and 1 January, 1-2 May, 1-3 October


def test_a_year_without_published_holidays_is_computed_and_provisional() -> None:
    # Wednesday, 29 September 2060, 2 days: 30, (1-3 October are holidays) Monday 4 October
    late = {"period": "2060-10", "as_of": "2060-12-15", "reasons": ["calendar_provisional"]}
    for completed, verdict in (("2060-10-04T23:59:59.999999", in_time), ("2060-10-05T00:00:00", overdue)):
        h = History().add("item.published", "2060-08-20", promised_days=2)
        verdict(h.case("S1", accepted="2060-09-29", completed=completed), **late)


@pytest.mark.parametrize(
    ("accepted", "last_day"),
    [
        ("2062-04-28", "2062-05-03"),  # Friday; Monday 1 and Tuesday 2 May are holidays
        ("2061-04-29", "2061-05-03"),  # Friday; Saturday, Sunday 1 May, Monday 2 May a holiday
        ("2063-09-28", "2063-10-04"),  # Friday; Monday 1 to Wednesday 3 October are holidays
        ("2060-12-31", "2061-01-03"),  # Friday; 1 January is a Saturday
        ("2062-12-29", "2063-01-02"),  # Friday; Monday 1 January a holiday
    ],
)
def test_holidays_of_fixed_date(accepted: str, last_day: str) -> None:
    more = {"period": last_day[:7], "as_of": f"{last_day[:4]}-12-15", "reasons": ["calendar_provisional"]}
    for completed, verdict in ((f"{last_day}T23:59:59", in_time), (f"{last_day}T16:00:00Z", overdue)):
        h = History().add("item.published", accepted + "T00:00:00", promised_days=1)
        verdict(h.case("S1", accepted=accepted, completed=completed), **more)


def test_a_due_time_rests_on_every_year_it_was_counted_through() -> None:
    # 2003 has no published holidays, 2004 has: 30, 31 December 2003, (1 January) 2 January 2004
    h = History().add("item.published", "2003-12-29T00:00:00", promised_days=3)
    h.case("S1", accepted="2003-12-29", completed="2004-01-02T23:59:59")
    in_time(h, period="2004-01", as_of="2004-06-30", reasons=["calendar_provisional"])


def test_with_due_at_no_calendar_is_needed() -> None:
    h = History().case("S1", accepted="2060-09-29", due_at="2060-10-02", completed="2060-10-02T12:00:01")
    overdue(h, period="2060-10", as_of="2060-12-15")
