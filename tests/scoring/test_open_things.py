"""Open cases and requests: which are listed, in which order and on which page, and that the basis of a due time amounts to it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.explanations import CASE_STATES, REQUEST_STATES, CasePage, DueBasis, OpenCase, RequestPage
from models.facts import DEPARTMENT
from models.instants import DAY, parse_instant, to_instant
from scoring.live import LiveCity
from scoring.local_time import date_of
from scoring.open_things import Filter, Sort, merged_cases, merged_requests, open_cases, open_requests, order_text, parse_order
from tests.scoring.test_live import facts_of, live_at
from tests.support.builder import D1, D2, D3, History
from tests.support.histories import histories, instants
from tests.support.reference import calendar_says

SORTS: tuple[Sort, ...] = get_args(Sort)
NOW = "2020-10-20T12:00:00"


def listed(city: LiveCity, state: Any = "open", **wanted: Any) -> list[OpenCase]:
    page = open_cases(city, state, Filter(**wanted))
    assert page.total == len(page.items)
    return page.items


def one(history: History, now: str = NOW) -> OpenCase:
    [case] = listed(live_at(now, *facts_of(history.events)))
    return case


# --- for every history


def told(data: st.DataObject) -> list[LiveCity]:
    """A history in one to three partitions by department, as of some instant."""
    events = data.draw(
        histories(50, data.draw(st.sampled_from(["overdue_completion", "sharing_timeliness"]), label="about")), label="events"
    )
    now = to_instant(data.draw(instants(events), label="now"))
    partitions = data.draw(st.integers(1, 3), label="partitions")
    facts = facts_of(events)
    codes = sorted({fact[DEPARTMENT] for fact in facts})
    return [live_at(now, *(fact for fact in facts if codes.index(fact[DEPARTMENT]) % partitions == number)) for number in range(partitions)]


@given(data=st.data())
def test_cases_are_listed_by_their_states(data: st.DataObject) -> None:
    cities = told(data)
    for city in cities:
        now = city.context.now
        expected: dict[str, set[tuple[str, str]]] = {state: set() for state in CASE_STATES}
        for department in city.departments.values():
            for case in department.cases.values():
                if not case.is_open:
                    continue
                key, due = (department.code, case.id), case.due(department)
                overdue = due is not None and due.missed_by(now)
                expected["open"].add(key)
                expected["overdue"] |= {key} if overdue else set()
                expected["due_soon"] |= {key} if due is not None and not overdue and now >= due.instant - DAY else set()
                expected["suspended"] |= {key} if case.is_suspended else set()
        for state in CASE_STATES:
            found = listed(city, state)
            assert {(case.department, case.serial) for case in found} == expected[state]
            for case in found:
                assert case.suspended == ((case.department, case.serial) in expected["suspended"])
                assert (case.state == "open") == ((case.department, case.serial) not in expected["overdue"] | expected["due_soon"])
                if case.state != "open":
                    assert (case.department, case.serial) in expected[case.state]
                left = None if case.due_at is None else (parse_instant(case.due_at) - now) // 1_000_000
                assert case.seconds_left == left


@given(data=st.data())
def test_requests_are_listed_by_their_states(data: st.DataObject) -> None:
    cities = told(data)
    for city in cities:
        now = city.context.now
        expected: dict[str, set[tuple[str, str]]] = {state: set() for state in REQUEST_STATES}
        for department in city.departments.values():
            for request in department.requests.values():
                if not request.counts or request.handled is not None:
                    continue
                key, (due, _) = (department.code, request.id), request.due(department)
                expected["open"].add(key)
                if due.missed_by(now):
                    expected["overdue"].add(key)
                elif now >= due.instant - DAY:
                    expected["due_soon"].add(key)
        for state in REQUEST_STATES:
            page = open_requests(city, state, Filter())
            assert {(request.department, request.request) for request in page.items} == expected[state]
            for request in page.items:
                department = city.departments[request.department]
                due, _ = department.requests[request.request].due(department)
                assert parse_instant(request.due_at) == due.instant
                assert_amounts_to(request.due, request.due_at, city)


@given(data=st.data(), sort=st.sampled_from(SORTS), limit=st.integers(1, 3))
def test_merged_pages_are_the_whole_list(data: st.DataObject, sort: Sort, limit: int) -> None:
    cities = told(data)

    def cases(wanted: Filter) -> CasePage:
        return merged_cases([open_cases(city, "open", wanted) for city in cities], wanted)

    def requests(wanted: Filter) -> RequestPage:
        return merged_requests([open_requests(city, "open", wanted) for city in cities], wanted)

    for ask, key in ((cases, _case_key), (requests, _request_key)):
        whole = ask(Filter(sort=sort))
        assert whole.next_cursor is None
        assert whole.items == sorted(whole.items, key=lambda item: key(item, sort))
        items: list[Any] = []
        after = None
        while True:
            page = ask(Filter(sort=sort, limit=limit, after=after))
            assert page.total == whole.total == len(whole.items)
            assert len(page.items) == limit or page.next_cursor is None
            items += page.items
            if page.next_cursor is None:
                break
            after = page.next_cursor
        assert items == whole.items


def _key(sort: Sort, department: str, name: str, began: str, due: str | None) -> tuple[Any, ...]:
    due_key = (due is None, 0 if due is None else parse_instant(due))  # without a deadline: last
    return {
        "due": (due_key, department, name), "accepted": (parse_instant(began), department, name),
        "department": (department, due_key, name), "serial": (name, department),
    }[sort]  # fmt: skip


def _case_key(case: Any, sort: Sort) -> tuple[Any, ...]:
    return _key(sort, case.department, case.serial, case.accepted_at, case.due_at)


def _request_key(request: Any, sort: Sort) -> tuple[Any, ...]:
    return _key(sort, request.department, request.request, request.raised_at, request.due_at)


@given(data=st.data())
def test_what_is_asked_for_is_what_is_listed(data: st.DataObject) -> None:
    [city] = told(data)[:1]
    whole = listed(city)
    for case in whole:
        accepted = city.departments[case.department].cases[case.serial].accepted
        assert accepted is not None
        assert (case.item, case.acceptance_no) == (accepted.item, accepted.acceptance_no)
        assert listed(city, departments=(case.department,)) == [c for c in whole if c.department == case.department]
        assert listed(city, departments=()) == []
        assert listed(city, item=case.item) == [c for c in whole if c.item == case.item]
        for text in (case.serial, case.acceptance_no[1:]):
            assert listed(city, text=text) == [c for c in whole if text in c.serial or text in c.acceptance_no]


@given(data=st.data())
def test_the_basis_of_a_due_time_amounts_to_it(data: st.DataObject) -> None:
    for city in told(data):
        for case in listed(city):
            assert (case.due is None) == (case.due_at is None)
            if case.due is None or case.due_at is None:
                continue
            assert_amounts_to(case.due, case.due_at, city)
            if not case.due.given:
                item = city.departments[case.department].items[case.item]
                [version] = [fact for fact in item.published.facts if fact[3] == case.due.says]
                assert version[9] == case.due.days


def assert_amounts_to(basis: DueBasis, due_at: str, city: LiveCity) -> None:
    """Counted again from what is said: workdays, less holidays, with made-up days, and those suspended."""
    if basis.given:
        assert (basis.days, basis.counted_from, basis.suspensions, basis.days_off, basis.made_up) == (None, None, [], [], [])
        return
    assert basis.days is not None
    assert basis.counted_from is not None
    time = city.context.time
    first, last = date.fromisoformat(basis.counted_from), date_of(time.day_of(parse_instant(due_at) - 1))
    assert parse_instant(due_at) == time.end_of_day(time.day_of(parse_instant(due_at) - 1)), "the end of a day"
    days = [first + timedelta(days=n + 1) for n in range((last - first).days)]
    suspended = sum(suspension.workdays for suspension in basis.suspensions)
    weekdays = sum(day.weekday() < 5 for day in days)
    assert weekdays - len(basis.days_off) + len(basis.made_up) == basis.days + suspended
    assert basis.days_off == [str(day) for day in days if day.weekday() < 5 and not calendar_says(day)[0]]
    assert basis.made_up == [str(day) for day in days if day.weekday() >= 5 and calendar_says(day)[0]]
    if days:
        assert calendar_says(days[-1])[0], "the last one is a workday"
    if not all(calendar_says(day)[1] for day in days):
        assert basis.provisional


# --- what they say


def accepted(at: str, promised: int, *, due_at: str | None = None) -> History:
    return History().add("item.published", "2020-01-02", promised_days=promised).case("S1", accepted=at, due_at=due_at)


def test_counted_over_the_national_day() -> None:
    case = one(accepted("2020-09-28", 5), "2020-10-01")
    assert (case.due_at, case.item_name, case.state, case.suspended) == ("2020-10-13T00:00:00+08:00", "事项", "open", False)
    assert case.due == DueBasis(
        given=False, days=5, counted_from="2020-09-28", says=f"{D1}-00001", made_up=["2020-10-10"],
        days_off=["2020-10-01", "2020-10-02", "2020-10-05", "2020-10-06", "2020-10-07", "2020-10-08"],
    )  # fmt: skip


def test_counted_over_the_spring_festival() -> None:
    case = one(accepted("2021-02-05", 5), "2021-02-06")
    assert case.due_at == "2021-02-19T00:00:00+08:00"
    assert case.due is not None
    assert case.due.days_off == ["2021-02-11", "2021-02-12", "2021-02-15", "2021-02-16", "2021-02-17"]
    assert case.due.made_up == ["2021-02-07"]


def test_suspensions_move_it_by_workdays() -> None:
    h = accepted("2020-09-23", 3)
    for kind, at in (("suspended", "2020-09-24"), ("resumed", "2020-09-25"), ("suspended", "2020-09-30"), ("suspended", "2020-10-02")):
        h.add(f"case.{kind}", at)
    case = one(h, "2020-10-10T12:00:00")
    assert case.due is not None
    # Thursday, the 24th; then the 30th and the 9th of October: the 10th, a Saturday made up, is not over.
    assert [(s.suspended_at[:10], s.resumed_at and s.resumed_at[:10], s.workdays) for s in case.due.suspensions] == [
        ("2020-09-24", "2020-09-25", 1), ("2020-09-30", None, 2),
    ]  # fmt: skip
    assert (case.suspended, case.due_at, case.state) == (True, "2020-10-01T00:00:00+08:00", "overdue")
    assert [found.serial for found in listed(live_at("2020-10-10T12:00:00", *facts_of(h.events)), "suspended")] == ["S1"]
    h.add("case.resumed", "2020-10-10")
    again = one(h, "2020-10-20")
    assert again.due is not None
    assert (again.suspended, [s.workdays for s in again.due.suspensions]) == (False, [1, 2])


def test_a_due_time_that_the_event_gives() -> None:
    case = one(accepted("2020-10-12", 5, due_at="2020-10-21T12:00:00"))
    assert (case.due, case.state, case.seconds_left) == (DueBasis(given=True), "due_soon", 86_400)


def test_without_an_item_there_is_no_deadline() -> None:
    case = one(History().case("S1", "nowhere", accepted="2020-10-12"))
    assert (case.due_at, case.due, case.seconds_left, case.item_name, case.state) == (None, None, None, None, "open")


def test_into_a_year_that_is_not_published() -> None:
    far = History().add("item.published", "2020-01-02", promised_days=10).case("S1", accepted="2049-12-24")
    case = one(far, "2049-12-25")
    assert case.due is not None
    assert case.due.provisional


def test_the_name_is_that_of_now_and_the_promise_that_of_the_acceptance() -> None:
    h = accepted("2020-10-12", 5).add("item.published", "2020-10-14", promised_days=1, name="renamed")
    case = one(h)
    assert case.due is not None
    assert (case.item_name, case.due.days, case.due.says) == ("renamed", 5, f"{D1}-00001")


def test_a_request_is_due_after_the_workdays_of_the_policy() -> None:
    h = History().add("request.raised", "2020-09-28")
    [request] = open_requests(live_at(NOW, *facts_of(h.events)), "open", Filter()).items
    assert (request.requester, request.due.days, request.due.counted_from) == (D2, 10, "2020-09-28")
    assert request.due_at == "2020-10-20T00:00:00+08:00"
    assert request.state == "overdue"
    assert request.due.made_up == ["2020-10-10"]


def test_pages_of_ids_that_hold_anything() -> None:
    """An id with the sign that a cursor might be put together with (seen in review)."""
    h = History(D3)
    for serial in ("a|b", "a", 'a"', "a|", "~"):
        h.case(serial, accepted="2020-10-12")
    city = live_at(NOW, *facts_of(h.events))
    for sort in SORTS:
        found, after = [], None
        while True:
            page = open_cases(city, "open", Filter(sort=sort, limit=1, after=after))
            found += [case.serial for case in page.items]
            if (after := page.next_cursor) is None:
                break
        assert found == ["a", 'a"', "a|", "a|b", "~"]


@pytest.mark.parametrize("cursor", ["", "x", "[]", '["a", "b"]', '["a", "b", 3]', "{}", "null"])
def test_what_is_no_cursor(cursor: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting value|is not where a page ends"):
        parse_order(cursor)


def test_a_cursor_is_read_back() -> None:
    assert parse_order(order_text(("a|b", "", "办"))) == ("a|b", "", "办")


def test_due_soon_begins_a_day_before() -> None:
    h = accepted("2020-10-12", 5, due_at="2020-10-21T12:00:00")
    for hours, state in ((-25, "open"), (-24, "due_soon"), (0, "due_soon"), (1, "overdue")):
        city = live_at(parse_instant("2020-10-21T12:00:00+08:00") + hours * DAY // 24, *facts_of(h.events))
        assert [case.state for case in listed(city)] == [state]
