"""11 共享审批及时性: Y = N/M; points = 5*Y.

M: other departments' requests whose due time lies in the period, due or handled as of T; N: of those, handled in time.
Due at `due_at`, else at the end of the 10th workday after the day raised.

September 2020 begins on a Tuesday; 27 September (Sunday) and 10 October (Saturday) are workdays, 1-8 October are not.
"""

from functools import partial
from typing import Any

import pytest

from tests.support.builder import D1, D2, D3, OCTOBER, SEPTEMBER, History, assert_score

expect = partial(assert_score, indicator="sharing_timeliness")


def request(raised: str, handled: str | None = None, due_at: str | None = None) -> History:
    h = History().add("department.registered", "2020-08-01").add("request.raised", raised, due_at=due_at)
    return h.add("request.handled", handled) if handled else h


def in_time(h: History, period: str = SEPTEMBER, **more: Any) -> None:
    expect(h, nm=("1", "1"), points=5, exact="5", period=period, **more)


def missed(h: History, period: str = SEPTEMBER, **more: Any) -> None:
    expect(h, nm=("0", "1"), points=0, exact="0", period=period, **more)


def nowhere(h: History, period: str = SEPTEMBER, **more: Any) -> None:
    expect(h, nm=("0", "0"), points=5, exact="5", status="vacuous", period=period, **more)


def test_share_of_requests_handled_in_time() -> None:
    h = History()
    for number, handled in enumerate(["2020-09-09", "2020-09-10", "2020-09-11"]):
        h.add("request.raised", "2020-09-01", request=f"R{number}", due_at="2020-09-10T18:00:00")
        h.add("request.handled", handled, request=f"R{number}")
    expect(h, nm=("2", "3"), points=3.33, exact="10/3")  # 5 * 2/3


# --- due_at is an instant


@pytest.mark.parametrize(
    ("handled", "ok"),
    [
        ("2020-09-10T18:00:00", True),  # equal is in time
        ("2020-09-10T10:00:00Z", True),  # the same instant
        ("2020-09-10T18:00:00.000001", False),
        ("2020-09-10T23:00:00", False),  # later the same day
    ],
)
def test_due_at_is_an_instant(handled: str, ok: bool) -> None:
    (in_time if ok else missed)(request("2020-09-01", handled, due_at="2020-09-10T18:00:00"))


@pytest.mark.parametrize(
    ("due_at", "period"),
    [
        ("2020-09-01T00:00:00", SEPTEMBER),
        ("2020-09-30T23:59:59.999999", SEPTEMBER),
        ("2020-10-01T00:00:00", OCTOBER),
        ("2020-09-30T16:00:00Z", OCTOBER),
        ("2020-08-31T16:00:00Z", SEPTEMBER),
    ],
)
def test_a_request_belongs_to_the_month_of_its_due_time(due_at: str, period: str) -> None:
    h = request("2020-08-10", "2020-08-12", due_at=due_at)
    in_time(h, period)
    nowhere(h, OCTOBER if period == SEPTEMBER else SEPTEMBER)
    nowhere(h, "2020-08")


@pytest.mark.parametrize(("as_of", "due"), [("2020-09-10T17:59:59.999999", False), ("2020-09-10T18:00:00", True)])
def test_unhandled_it_counts_as_soon_as_it_is_due(as_of: str, due: bool) -> None:
    h = request("2020-09-01", due_at="2020-09-10T18:00:00")
    (missed if due else nowhere)(h, as_of=as_of, reasons=["period_open"])


def test_handled_it_counts_at_once() -> None:
    h = request("2020-09-01", "2020-09-02T12:00:00", due_at="2020-09-10T18:00:00")
    nowhere(h, as_of="2020-09-02T11:59:59", reasons=["period_open"])
    in_time(h, as_of="2020-09-02T12:00:00", reasons=["period_open"])


def test_a_due_at_of_null_is_none() -> None:
    h = request("2020-09-01", "2020-09-15T23:59:59.999999")
    h.events[1]["due_at"] = None
    in_time(h)


# --- the end of the 10th workday after the day raised


@pytest.mark.parametrize(
    ("raised", "last_day"),
    [
        # 2 3 4, 7 8 9 10 11, 14 15
        ("2020-09-01T00:00:00", "2020-09-15"),
        ("2020-09-01T23:59:59.999999", "2020-09-15"),
        ("2020-08-31T16:00:00Z", "2020-09-15"),  # 1 September, 00:00 in Beijing
        # raised on a Saturday: 7 8 9 10 11, 14 15 16 17 18
        ("2020-09-05", "2020-09-18"),
        # 17 18, 21 22 23 24 25, Sunday 27, 28 29
        ("2020-09-16", "2020-09-29"),
        # 18, 21 22 23 24 25, Sunday 27, 28 29 30
        ("2020-09-17", "2020-09-30"),
    ],
)
def test_ten_workdays(raised: str, last_day: str) -> None:
    in_time(request(raised, f"{last_day}T23:59:59.999999"))
    late = request(raised, f"{last_day}T16:00:00Z")  # 00:00 of the next day: strictly before the end is in time
    missed(late)


@pytest.mark.parametrize(
    ("raised", "last_day"),
    [
        # 21 22 23 24 25, Sunday 27, 28 29 30, 9 October
        ("2020-09-18", "2020-10-09"),
        # 22 23 24 25, Sunday 27, 28 29 30, 9 October, Saturday 10 October
        ("2020-09-21", "2020-10-10"),
        # 23 24 25, Sunday 27, 28 29 30, 9 October, Saturday 10 October, 12 October
        ("2020-09-22", "2020-10-12"),
    ],
)
def test_ten_workdays_over_the_national_day(raised: str, last_day: str) -> None:
    h = request(raised, f"{last_day}T23:59:59")
    in_time(h, OCTOBER)
    nowhere(h, SEPTEMBER)
    missed(request(raised, f"{last_day}T16:00:00Z"), OCTOBER)


def test_the_end_of_30_september_is_due_in_september() -> None:
    h = request("2020-09-17", "2020-10-01T00:00:00")  # handled in the next month: late
    missed(h, SEPTEMBER)
    nowhere(h, OCTOBER)


@pytest.mark.parametrize(("as_of", "due"), [("2020-09-15T23:59:59.999999", False), ("2020-09-16T00:00:00", True)])
def test_unhandled_it_counts_from_the_end_of_the_day_on(as_of: str, due: bool) -> None:
    (missed if due else nowhere)(request("2020-09-01"), as_of=as_of, reasons=["period_open"])


def test_never_handled_counts_as_missed_in_its_month_only() -> None:
    h = request("2020-09-01")
    missed(h, SEPTEMBER)
    nowhere(h, OCTOBER)


@pytest.mark.parametrize(("days", "last_day"), [(1, "2020-09-02"), (4, "2020-09-07"), (10, "2020-09-15")])
def test_the_number_of_workdays_is_a_policy(days: int, last_day: str) -> None:
    in_time(request("2020-09-01", f"{last_day}T23:59:59"), sharing_workdays=days)
    missed(request("2020-09-01", f"{last_day}T16:00:00Z"), sharing_workdays=days)


def test_the_policy_does_not_move_due_at() -> None:
    in_time(request("2020-09-01", "2020-09-10", due_at="2020-09-10T18:00:00"), sharing_workdays=1)


# --- which requests


@pytest.mark.parametrize("outcome", ["granted", "refused"])
def test_a_refusal_is_handling_too(outcome: str) -> None:
    in_time(request("2020-09-01").add("request.handled", "2020-09-02", outcome=outcome))


@pytest.mark.parametrize("handled", [None, "2020-09-02", "2020-10-09"])
@pytest.mark.parametrize("withdrawn", ["2020-08-25", "2020-09-03", "2020-11-20"])
def test_a_withdrawn_request_counts_nowhere(handled: str | None, withdrawn: str) -> None:
    nowhere(request("2020-09-01", handled).add("request.withdrawn", withdrawn))


def test_a_withdrawal_after_t_is_not_read() -> None:
    h = request("2020-09-01").add("request.withdrawn", "2020-11-20")
    missed(h, as_of="2020-11-19")


def test_own_requests_count_nowhere() -> None:
    h = request("2020-09-01").add("request.raised", "2020-09-01", request="own", requester=D1)
    missed(h)
    nowhere(History().add("request.raised", "2020-09-01", requester=D1).add("request.handled", "2020-09-02"))


def test_the_request_is_the_providers_not_the_requesters() -> None:
    asking = History(D2).add("department.registered", "2020-08-01")
    expect(request("2020-09-01"), asking, nm=("0", "0"), points=5, exact="5", status="vacuous", department=D2)


@pytest.mark.parametrize(("first_id", "second_id", "ok"), [("a", "b", True), ("b", "a", False)])
def test_of_two_requests_of_one_instant_the_smallest_event_id_holds(first_id: str, second_id: str, ok: bool) -> None:
    h = History().add("request.raised", "2020-09-01", due_at="2020-09-10", event_id=first_id)
    h.add("request.raised", "2020-09-01", due_at="2020-09-02", event_id=second_id)
    (in_time if ok else missed)(h.add("request.handled", "2020-09-05"))


def test_all_fields_come_from_the_first_raising() -> None:
    h = request("2020-09-02", "2020-09-05", due_at="2020-09-03")  # this one would be late
    in_time(h.add("request.raised", "2020-09-01", due_at=None, requester=D3))  # due 15 September
    nowhere(h.add("request.raised", "2020-08-31", requester=D1))  # its own, after all


def test_the_first_handling_holds() -> None:
    h = request("2020-09-01", "2020-09-20")
    missed(h)
    in_time(h.add("request.handled", "2020-09-15"))


def test_handled_dated_before_raised_is_in_time() -> None:
    in_time(request("2020-09-01", "2020-08-31"))


def test_raised_dated_after_due_it_belongs_to_the_month_of_its_due_time() -> None:
    h = request("2020-10-05", due_at="2020-09-10")
    missed(h, SEPTEMBER)
    nowhere(h, OCTOBER)


def test_handling_an_unknown_request_is_nothing() -> None:
    nowhere(History().add("request.handled", "2020-09-02").add("request.withdrawn", "2020-09-02", request="R2"))


@pytest.mark.parametrize(("policy", "status", "points"), [("full", "vacuous", "5"), ("zero", "vacuous", "0"), ("na", "no_data", "0")])
def test_no_request_is_no_workload(policy: str, status: str, points: str) -> None:
    h = History().items(1)
    expect(h, nm=("0", "0"), points=float(points), exact=points, status=status, zero_denominator=policy)


# --- a year whose holidays are not published: weekends and 1 January, 1-2 May, 1-3 October


def test_a_year_without_published_holidays_is_computed_and_provisional() -> None:
    # 1 October 2060 is a Friday. From Tuesday, 21 September: 22 23 24, 27 28 29 30, (1-3 are holidays) 4 5 6 October
    late = {"period": "2060-10", "as_of": "2060-12-15", "reasons": ["calendar_provisional"]}
    h = History().add("request.raised", "2060-09-21")
    missed(h, **late)
    missed(h.add("request.handled", "2060-10-07T00:00:00"), **late)
    in_time(h.add("request.handled", "2060-10-06T23:59:59.999999"), **late)


def test_with_due_at_no_calendar_is_needed() -> None:
    h = History().add("request.raised", "2060-09-21", due_at="2060-09-28").add("request.handled", "2060-09-28")
    in_time(h, "2060-09", as_of="2060-12-15")
