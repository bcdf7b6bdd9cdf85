"""Lists of open cases and requests: with the due time, how it was computed, and the time left."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Literal, TypeVar

from models.explanations import CasePage, CaseState, DueBasis, OpenCase, OpenRequest, RequestPage, RequestState, Suspension
from models.facts import AT, DEPARTMENT, EVENT_ID
from models.instants import SECOND, format_instant, parse_instant
from scoring.context import Context
from scoring.department import Department
from scoring.entities.case import Case
from scoring.entities.sharing import Request
from scoring.entities.stations import Accepted
from scoring.live import LiveCity
from scoring.local_time import date_of
from scoring.watch import Condition, Level

_PROMISED_DAYS, _NAME, _REQUESTER, _REQUEST_DUE_AT = 9, 5, 5, 6
NO_DEADLINE = "~"  # after every instant in digits
Sort = Literal["due", "accepted", "department", "serial"]
Order = tuple[str, str, str]
T = TypeVar("T", Case, Request)
L = TypeVar("L", OpenCase, OpenRequest)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which things are asked for, in which order, and where to read on."""

    departments: Collection[str] | None = None  # only these; None for all
    item: str | None = None
    text: str | None = None  # part of a serial, an acceptance number or a request's id
    sort: Sort = "due"
    limit: int | None = None
    after: str | None = None

    def shows(self, department: str) -> bool:
        """Whether a department's are asked for."""
        return self.departments is None or department in self.departments


def order_text(order: Order) -> str:
    """Where a page ends. As JSON, for an id may hold anything."""
    return json.dumps(order)


def parse_order(text: str) -> Order:
    """Back again.

    Raises:
        ValueError: it is none.
    """
    match json.loads(text):
        case [str(first), str(second), str(third)]:
            return first, second, third
    raise ValueError(f"{text} is not where a page ends")


def merged_cases(pages: Sequence[CasePage], wanted: Filter) -> CasePage:
    """One page of the pages of several partitions."""

    def order(case: OpenCase) -> Order:
        due = None if case.due_at is None else parse_instant(case.due_at)
        return _order(wanted.sort, case.department, case.serial, parse_instant(case.accepted_at), due)

    items, cursor = _merged([(page.items, page.next_cursor) for page in pages], order, wanted.limit)
    return CasePage(as_of=_oldest(page.as_of for page in pages), total=sum(page.total for page in pages), items=items, next_cursor=cursor)


def merged_requests(pages: Sequence[RequestPage], wanted: Filter) -> RequestPage:
    """One page of the pages of several partitions."""

    def order(request: OpenRequest) -> Order:
        return _order(wanted.sort, request.department, request.request, parse_instant(request.raised_at), parse_instant(request.due_at))

    items, cursor = _merged([(page.items, page.next_cursor) for page in pages], order, wanted.limit)
    return RequestPage(
        as_of=_oldest(page.as_of for page in pages), total=sum(page.total for page in pages), items=items, next_cursor=cursor
    )


def _merged(pages: Sequence[tuple[list[L], str | None]], order: Callable[[L], Order], limit: int | None) -> tuple[list[L], str | None]:
    items = sorted((item for held, _ in pages for item in held), key=order)
    shown = items if limit is None else items[:limit]
    more = len(shown) < len(items) or any(cursor is not None for _, cursor in pages)
    return shown, order_text(order(shown[-1])) if more and shown else None


def _oldest(texts: Iterable[str]) -> str:
    return min(texts, key=parse_instant)


def _order(sort: Sort, department: str, name: str, began: int, due: int | None) -> Order:
    if sort == "serial":
        return name, department, ""
    instant = began if sort == "accepted" else due
    digits = NO_DEADLINE if instant is None else f"{instant:020d}"
    return (department, digits, name) if sort == "department" else (digits, department, name)


_OF_STATE: Mapping[str, Callable[[Condition], bool]] = {
    "open": lambda condition: True,
    "suspended": lambda condition: True,
    "due_soon": lambda condition: condition.level == Level.WITHIN_24H,
    "overdue": lambda condition: condition.level == Level.OVERDUE,
}


def open_cases(city: LiveCity, state: CaseState, wanted: Filter) -> CasePage:
    """Open cases of a partition, as far as it is settled: all, those due within 24 hours, overdue ones, suspended ones.

    Raises:
        ValueError: `after` is no cursor.
    """

    def fits(case: Case, accepted: Accepted) -> bool:
        return (
            wanted.shows(accepted.department)
            and (state != "suspended" or case.is_suspended)
            and wanted.item in (None, accepted.item)
            and (wanted.text is None or wanted.text in case.id or wanted.text in accepted.acceptance_no)
        )

    found = [
        (_order(wanted.sort, case.accepted.department, case.id, case.accepted.at, condition.due_at), case)
        for case, condition in city.conditions.items()
        if isinstance(case, Case) and case.accepted is not None and _OF_STATE[state](condition) and fits(case, case.accepted)
    ]
    shown, total, cursor = _page(found, wanted)
    return CasePage(
        as_of=_text(city.context, city.context.now),
        total=total,
        items=[_listed_case(case, city) for _, case in shown],
        next_cursor=cursor,
    )


def open_requests(city: LiveCity, state: RequestState, wanted: Filter) -> RequestPage:
    """Open requests of a partition in the same way.

    Raises:
        ValueError: `after` is no cursor.
    """
    found = [
        (_order(wanted.sort, request.raised[DEPARTMENT], request.id, request.raised[AT], condition.due_at), request)
        for request, condition in city.conditions.items()
        if isinstance(request, Request) and request.raised is not None and _OF_STATE[state](condition)
        and wanted.shows(request.raised[DEPARTMENT]) and (wanted.text is None or wanted.text in request.id)
    ]  # fmt: skip
    shown, total, cursor = _page(found, wanted)
    return RequestPage(
        as_of=_text(city.context, city.context.now),
        total=total,
        items=[_listed_request(request, city) for _, request in shown],
        next_cursor=cursor,
    )


def _page(found: list[tuple[Order, T]], wanted: Filter) -> tuple[list[tuple[Order, T]], int, str | None]:
    begin = None if wanted.after is None else parse_order(wanted.after)
    rest = [entry for entry in found if begin is None or entry[0] > begin]
    shown = nsmallest(len(rest) if wanted.limit is None else wanted.limit, rest, key=lambda entry: entry[0])
    return shown, len(found), order_text(shown[-1][0]) if len(shown) < len(rest) else None


def _state(condition: Condition) -> RequestState:
    if condition.level == Level.OVERDUE:
        return "overdue"
    return "due_soon" if condition.level == Level.WITHIN_24H else "open"


def _listed_case(case: Case, city: LiveCity) -> OpenCase:
    context, accepted, condition = city.context, case.accepted, city.conditions[case]
    assert accepted is not None  # only such are listed
    department = city.departments[accepted.department]
    item = department.items.get(accepted.item)
    version = None if item is None else item.published.by(context.now)
    due = condition.due_at
    return OpenCase(
        department=department.code,
        serial=case.id,
        item=accepted.item,
        item_name=None if version is None else version[_NAME],
        acceptance_no=accepted.acceptance_no,
        accepted_at=_text(context, accepted.at),
        state=_state(condition),
        suspended=case.is_suspended,
        due_at=None if due is None else _text(context, due),
        seconds_left=None if due is None else (due - context.now) // SECOND,
        due=None if due is None else due_basis(case, department),
    )


def _listed_request(request: Request, city: LiveCity) -> OpenRequest:
    context, raised, condition = city.context, request.raised, city.conditions[request]
    assert raised is not None
    assert condition.due_at is not None
    department = city.departments[raised[DEPARTMENT]]
    due, _ = request.due(department)
    given = raised[_REQUEST_DUE_AT] is not None
    policies = context.rules[context.time.period_of(raised[AT])].policies
    return OpenRequest(
        department=department.code,
        request=request.id,
        requester=raised[_REQUESTER],
        raised_at=_text(context, raised[AT]),
        state=_state(condition),
        due_at=_text(context, condition.due_at),
        seconds_left=(condition.due_at - context.now) // SECOND,
        due=DueBasis(given=True)
        if given
        else _counted(context, raised[AT], due.instant, days=policies.sharing_workdays, provisional=due.provisional),
    )


def due_basis(case: Case, department: Department) -> DueBasis | None:
    """How the due time of a case was computed (`indicators.md`, 16); None without one."""
    due, accepted, context = case.due(department), case.accepted, department.context
    if due is None or accepted is None:
        return None
    if due.inclusive:
        return DueBasis(given=True)
    version = department.items[accepted.item].published.by(accepted.at)
    assert version is not None  # there would be no due time
    end = case.completed.at if case.completed is not None else context.now
    suspensions = [
        Suspension(
            suspended_at=_text(context, start),
            resumed_at=_text(context, stop) if stop <= end else None,
            workdays=context.workdays.between(context.time.day_of(start), context.time.day_of(min(stop, end))),
        )
        for start, stop in case.suspensions()
    ]
    basis = _counted(context, accepted.at, due.instant, days=version[_PROMISED_DAYS], provisional=due.provisional)
    return basis.model_copy(update={"says": version[EVENT_ID], "suspensions": suspensions})


def _counted(context: Context, began: int, due: int, *, days: int, provisional: bool) -> DueBasis:
    """A deadline counted in workdays from the day after an instant."""
    first, last = context.time.day_of(began), context.time.day_of(due - 1)
    off, made_up = context.workdays.unlike_the_week(first + 1, last + 1)
    return DueBasis(
        given=False,
        days=days,
        counted_from=date_of(first).isoformat(),
        days_off=[date_of(day).isoformat() for day in off],
        made_up=[date_of(day).isoformat() for day in made_up],
        provisional=provisional,
    )


def _text(context: Context, instant: int) -> str:
    return format_instant(instant, context.time.zone)
