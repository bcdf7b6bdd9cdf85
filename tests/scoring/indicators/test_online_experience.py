"""15 网办事项对接体验: 2 a failed test; with 0 < n <= 10 active items 20/n a failed test; at most 20.

A test passes when disposed of and its case's ingestion passed before the end of the 3rd workday after the day raised.
Record: failed tests / active items.

27 September 2020 (Sunday) and 10 October (Saturday) are workdays, 1-8 October are not.
"""

from functools import partial
from typing import Any

import pytest

from tests.support.builder import D2, OCTOBER, SEPTEMBER, History, assert_score

expect = partial(assert_score, indicator="online_experience")


def raised(at: str = "2020-09-15T10:00:00", disposed: str | None = None, passed: str | None = None) -> History:
    """One test in a department of 20 items; raised on 15 September it is due at the end of the 18th (16, 17, 18)."""
    h = History().items(20).add("test.raised", at)
    if disposed:
        h.add("test.disposed", disposed)
    if passed:
        h.add("case.ingested", passed)
    return h


def passes(h: History, *others: History, **more: Any) -> None:
    expect(h, *others, nm=("0", "20"), points=0, exact="0", **more)


def fails(h: History, *others: History, **more: Any) -> None:
    expect(h, *others, nm=("1", "20"), points=2, exact="2", **more)


@pytest.mark.parametrize(
    ("items", "failed", "points", "exact"),
    [
        (11, 3, 6, "6"),  # 3 * 2
        (10, 3, 6, "6"),  # 3 * 20/10
        (9, 1, 2.22, "20/9"),
        (8, 1, 2.5, "5/2"),
        (3, 2, 13.33, "40/3"),
        (1, 1, 20, "20"),
        (3, 3, 20, "20"),  # exactly the cap
        (11, 10, 20, "20"),  # exactly the cap
        (0, 3, 6, "6"),  # no active item: 2 a test
        (11, 0, 0, "0"),
    ],
)
def test_deduction(items: int, failed: int, points: float, exact: str) -> None:
    h = History().add("department.registered", "2020-08-01").items(items)
    for number in range(failed):
        h.add("test.raised", "2020-09-15", test=f"Q{number}", serial=f"S{number}")
    expect(h, nm=(str(failed), str(items)), points=points, exact=exact)


@pytest.mark.parametrize(("items", "failed"), [(11, 11), (3, 4), (0, 11)])  # 22, 26.7, 22
def test_cap(items: int, failed: int) -> None:
    h = History().add("department.registered", "2020-08-01").items(items)
    for number in range(failed):
        h.add("test.raised", "2020-09-15", test=f"Q{number}", serial=f"S{number}")
    expect(h, nm=(str(failed), str(items)), points=20, exact="20", reasons=["capped"])


def test_disposed_and_ingested_are_both_needed() -> None:
    passes(raised(disposed="2020-09-16", passed="2020-09-17"))  # `serial.issued` is not needed
    passes(raised(disposed="2020-09-17", passed="2020-09-16"))
    fails(raised(disposed="2020-09-16"))
    fails(raised(passed="2020-09-16"))
    fails(raised())  # its serial was never heard of: it fails like any other


LAST, END = "2020-09-18T23:59:59.999999", "2020-09-19T00:00:00"


@pytest.mark.parametrize(
    ("disposed", "passed", "ok"),
    [
        (LAST, LAST, True),
        (END, LAST, False),
        (LAST, END, False),
        ("2020-09-18T16:00:00Z", LAST, False),  # 00:00 in Beijing
        ("2020-09-14", "2020-09-14", True),  # dated before the test was raised
    ],
)
def test_before_the_end_of_the_third_workday(disposed: str, passed: str, ok: bool) -> None:
    (passes if ok else fails)(raised(disposed=disposed, passed=passed))


@pytest.mark.parametrize(
    ("at", "last_day"),
    [
        ("2020-09-15T00:00:00", "2020-09-18"),
        ("2020-09-15T23:59:59.999999", "2020-09-18"),
        ("2020-09-14T16:00:00Z", "2020-09-18"),  # 15 September, 00:00 in Beijing
        ("2020-09-17", "2020-09-22"),  # 18, 21, 22
        ("2020-09-24", "2020-09-28"),  # 25, Sunday 27, 28
        ("2020-09-26", "2020-09-29"),  # raised on a Saturday: Sunday 27, 28, 29
        ("2020-09-27", "2020-09-30"),  # raised on the working Sunday: 28, 29, 30
        ("2020-09-29", "2020-10-10"),  # 30, 9 October, Saturday 10 October
        ("2020-09-30T23:59:59.999999", "2020-10-12"),  # 9, Saturday 10, 12 October
    ],
)
def test_three_workdays_and_the_month_is_that_of_raising(at: str, last_day: str) -> None:
    last, end = f"{last_day}T23:59:59.999999", f"{last_day}T16:00:00Z"
    passes(raised(at, disposed=last, passed=last))
    for h in (raised(at, disposed=end, passed=last), raised(at, disposed=last, passed=end)):
        fails(h)
        passes(h, period=OCTOBER)


@pytest.mark.parametrize(
    ("at", "period"),
    [
        ("2020-09-01T00:00:00", SEPTEMBER),
        ("2020-08-31T16:00:00Z", SEPTEMBER),
        ("2020-10-01T00:00:00", OCTOBER),
        ("2020-09-30T16:00:00Z", OCTOBER),
    ],
)
def test_a_test_belongs_to_the_month_it_was_raised_in(at: str, period: str) -> None:
    fails(raised(at), period=period)
    passes(raised(at), period=OCTOBER if period == SEPTEMBER else SEPTEMBER)


@pytest.mark.parametrize(("as_of", "failed"), [(LAST, False), (END, True)])
def test_it_fails_when_the_deadline_is_past(as_of: str, failed: bool) -> None:
    (fails if failed else passes)(raised(), as_of=as_of, reasons=["period_open"])


def test_a_deadline_in_the_next_month_fails_in_the_month_of_raising() -> None:
    h = raised("2020-09-30")  # due at the end of 12 October
    passes(h, as_of="2020-10-12T23:59:59", reasons=["period_open"])
    fails(h, as_of="2020-10-13T00:00:00", reasons=["period_open"])


@pytest.mark.parametrize(("passed", "ok"), [("2020-09-18", True), ("2020-09-19", False)])
def test_a_failed_ingestion_followed_by_a_passed_one_is_passed_from_then_on(passed: str, ok: bool) -> None:
    h = raised(disposed="2020-09-16", passed=passed).add("case.ingested", "2020-09-16", qc="failed")
    h.add("case.ingested", "2020-09-21", qc="failed")
    (passes if ok else fails)(h)


@pytest.mark.parametrize("is_test", [True, False])
def test_the_case_may_be_a_test_case_or_not(is_test: bool) -> None:
    fails(raised().add("serial.issued", "2020-09-15", is_test=is_test))
    passes(raised(disposed="2020-09-16", passed="2020-09-16").add("serial.issued", "2020-09-15", is_test=is_test))


@pytest.mark.parametrize("void", ["serial.voided", "case.voided"])
@pytest.mark.parametrize("at", ["2020-09-01", "2020-09-16", "2020-11-20"])
def test_of_a_voided_case_it_counts_nowhere(void: str, at: str) -> None:
    passes(raised().add(void, at))


def test_a_void_in_another_department_is_no_void() -> None:
    fails(raised(), History(D2).add("serial.voided", "2020-09-16"))


@pytest.mark.parametrize("at", ["2020-09-01", "2020-09-16", "2020-11-20"])
def test_a_withdrawn_test_counts_nowhere(at: str) -> None:
    passes(raised().add("finding.withdrawn", at, ref="Q1"))
    fails(raised().add("finding.withdrawn", at, ref="S1"))


def test_corrections_after_t_are_not_read() -> None:
    fails(raised().add("finding.withdrawn", "2020-11-20", ref="Q1").add("case.voided", "2020-11-20"), as_of="2020-11-19")


def test_a_withdrawal_takes_every_finding_of_that_name() -> None:
    h = raised().add("department.docking_changed", "2020-08-20").add("guide.checked", "2020-09-15", check="Q1", errors=2)
    h.add("defect.confirmed", "2020-09-15", defect="Q1").add("finding.withdrawn", "2020-09-16", ref="Q1")
    passes(h)
    assert_score(h, indicator="guide_accuracy", nm=("0", "20"), points=0, exact="0")
    assert_score(h, indicator="case_aggregation", nm=("0", "0"), points=10, exact="10", status="vacuous")


def test_the_first_raising_and_the_first_disposal_hold() -> None:
    # the first, on the 15th, is due at the end of the 18th
    fails(raised("2020-09-17", disposed="2020-09-21", passed="2020-09-16").add("test.raised", "2020-09-15"))
    passes(raised("2020-09-15", disposed="2020-09-21", passed="2020-09-16").add("test.disposed", "2020-09-18"))


def test_the_first_passed_ingestion_holds() -> None:
    passes(raised(disposed="2020-09-16", passed="2020-09-18").add("case.ingested", "2020-09-20", qc="passed"))


@pytest.mark.parametrize(("s1", "s2", "ok"), [("a", "b", True), ("b", "a", False)])
def test_of_two_raisings_of_one_instant_the_smallest_event_id_holds(s1: str, s2: str, ok: bool) -> None:
    h = History().items(20).add("test.raised", "2020-09-15", serial="S1", event_id=s1)
    h.add("test.raised", "2020-09-15", serial="S2", event_id=s2)
    (passes if ok else fails)(h.add("test.disposed", "2020-09-16").add("case.ingested", "2020-09-16", serial="S1"))


def test_two_tests_on_one_case_are_two() -> None:
    h = raised(passed="2020-09-16").add("test.raised", "2020-09-15", test="Q2").add("test.disposed", "2020-09-16", test="Q2")
    fails(h)  # Q1 was not disposed of


def test_active_items_are_counted_at_the_cut_off() -> None:
    h = History().items(6).add("test.raised", "2020-09-15").add("item.retired", "2020-09-30T23:59:59", item="I6")
    h.add("item.retired", "2020-10-01T00:00:00", item="I5")
    expect(h, nm=("1", "5"), points=4, exact="4")  # 20/5
    expect(h, nm=("0", "4"), points=0, exact="0", period=OCTOBER)


@pytest.mark.parametrize("policy", ["full", "zero", "na"])
def test_a_deduction_is_always_scored(policy: str) -> None:
    h = History().add("test.raised", "2020-09-15")
    expect(h, nm=("1", "0"), points=2, exact="2", status="scored", zero_denominator=policy)


def test_a_year_without_published_holidays_is_computed_and_provisional() -> None:
    # Wednesday, 29 September 2060: 30, (1-3 October are holidays) Monday 4, Tuesday 5 October
    late = {"period": "2060-09", "as_of": "2060-12-15", "reasons": ["calendar_provisional"]}
    for disposed, verdict in (("2060-10-05T23:59:59.999999", passes), ("2060-10-06T00:00:00", fails)):
        h = History().items(20, "2060-08-20").add("test.raised", "2060-09-29").add("test.disposed", disposed)
        verdict(h.add("case.ingested", "2060-10-05"), **late)
