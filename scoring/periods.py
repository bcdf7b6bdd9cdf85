"""Periods: open, closed, frozen, adjusted: a function of the log, of facts and their arrivals, in whatever order they are read.

Spec: `indicators.md`, Closing. A closing takes effect at the arrival of `period.closed`, or at the end of the grace time; what had arrived
by then is frozen, what arrives later goes to adjustments. A reopened period is not closed automatically again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from models.facts import AT, CODE, CODE_OF_TYPE, DEPARTMENT, EVENT_ID, Fact
from models.identifiers import EVERY_DEPARTMENT
from models.instants import format_instant
from models.records import AdjustmentRecord
from scoring.city import PERIOD_CODES, City
from scoring.context import Context
from scoring.local_time import period_label
from scoring.scores import AnyRecord, score_view
from scoring.view import View, scored_periods

_CLOSED = CODE_OF_TYPE["period.closed"]
_PERIOD = 4
Arrived = tuple[int, Fact]  # arrival in microseconds, fact


@dataclass(frozen=True, slots=True)
class Closing:
    """A closing of a period of a department. `id`: the event id of `period.closed`, or `auto|period`."""

    department: str
    period: int
    id: str
    at: int
    automatic: bool

    def includes(self, arrival: int) -> bool:
        """Whether a fact had arrived when the closing took effect: before the end of the grace time, or not after the order to close."""
        return arrival < self.at if self.automatic else arrival <= self.at


def first_arrivals(facts: Iterable[Arrived]) -> list[Arrived]:
    """Each event once, with the earliest arrival of its copies, in the order of arrival."""
    held: dict[str, Arrived] = {}
    for arrival, fact in facts:
        known = held.get(fact[EVENT_ID])
        if known is None or arrival < known[0]:
            held[fact[EVENT_ID]] = (arrival, fact)
    return sorted(held.values(), key=lambda entry: (entry[0], entry[1][EVENT_ID]))


def current_closing(department: str, period: int, orders: Iterable[Arrived], first_arrival: int | None, context: Context) -> Closing | None:
    """The closing that holds as of the context's now; None while the period is open.

    Args:
        department: its code.
        period: the period.
        orders: the `period.*` facts with their arrivals, each event once.
        first_arrival: when the first fact of the department that occurred in the period arrived; None when none did.
        context: the calendar, the policies and now.
    """
    label = period_label(period)
    own = [
        (arrival, fact)
        for arrival, fact in orders
        if fact[_PERIOD] == label and fact[DEPARTMENT] in (department, EVERY_DEPARTMENT) and arrival <= context.now
    ]
    grace_end = context.closes_at(period)
    automatic = first_arrival is not None and first_arrival < grace_end <= context.now
    if automatic and not any(arrival < grace_end for arrival, _ in own):
        closing: Closing | None = Closing(department, period, f"auto|{label}", grace_end, automatic=True)
    else:
        closing = None
    for arrival, fact in sorted(own, key=lambda entry: (entry[0], entry[1][AT], entry[1][EVENT_ID])):
        if fact[CODE] != _CLOSED:
            closing = None
        elif closing is None:
            closing = Closing(department, period, fact[EVENT_ID], arrival, automatic=False)
    return closing


def closings(facts: Iterable[Arrived], context: Context) -> list[Closing]:
    """Every closing that holds as of the context's now, from a whole log."""
    log = first_arrivals(facts)
    orders = [entry for entry in log if entry[1][CODE] in PERIOD_CODES]
    arrived: dict[tuple[str, int], int] = {}
    departments: dict[str, int] = {}
    for arrival, fact in log:
        if fact[CODE] not in PERIOD_CODES and fact[AT] <= context.now:
            period = context.time.period_of(fact[AT])
            arrived.setdefault((fact[DEPARTMENT], period), arrival)
            departments[fact[DEPARTMENT]] = min(period, departments.get(fact[DEPARTMENT], period))
    found = []
    for department, first in sorted(departments.items()):
        for period in range(first, context.period + 1):
            closing = current_closing(department, period, orders, arrived.get((department, period)), context)
            if closing is not None:
                found.append(closing)
    return found


def city_at(closing: Closing, facts: Iterable[Arrived], context: Context) -> City:
    """The department as it stood when the closing took effect, settled."""
    city = City(context.as_of(closing.at))
    for arrival, fact in first_arrivals(facts):
        if closing.includes(arrival) and fact[DEPARTMENT] == closing.department:
            city.take(fact)
    city.settle()
    return city


def frozen(closing: Closing, facts: Iterable[Arrived], context: Context) -> list[AnyRecord]:
    """The 17 records as they stood when the closing took effect; empty when the department had no score then."""
    return _records(city_at(closing, facts, context), closing)


def adjustments(closing: Closing, facts: Iterable[Arrived], context: Context) -> list[AdjustmentRecord]:
    """What arrived after the closing and would change a frozen record: a record a fact and indicator, in the order of arrival."""
    log = [entry for entry in first_arrivals(facts) if entry[1][DEPARTMENT] == closing.department]
    held = {record.indicator: record for record in frozen(closing, log, context)}
    standing = dict(held)
    city = City(context.as_of(context.now))
    for arrival, fact in log:
        if closing.includes(arrival):
            city.take(fact)
    city.settle()
    department = city.department(closing.department)
    department.take_changes()
    found = []
    for arrival, fact in log:
        if closing.includes(arrival) or fact[CODE] in PERIOD_CODES or arrival > context.now:
            continue
        city.take(fact)
        city.settle()
        if not department.changes.concern(closing.period):
            continue  # most facts after a closing are of later periods
        department.take_changes()
        for record in _records(city, closing):
            before = standing.get(record.indicator)
            if before is None or content_of(record) != content_of(before):
                standing[record.indicator] = record
                found.append(adjustment(held.get(record.indicator), record, fact, arrival, context))
    return found


def adjustment(held: AnyRecord | None, would_be: AnyRecord, fact: Fact, arrival: int, context: Context) -> AdjustmentRecord:
    """The adjustment that a late fact makes of a frozen record."""
    return AdjustmentRecord(
        department=would_be.department,
        period=would_be.period,
        indicator=would_be.indicator,
        event_id=fact[EVENT_ID],
        arrived_at=format_instant(arrival, context.time.zone),
        frozen={} if held is None else held.model_dump(exclude_none=True),
        would_be=would_be.model_dump(exclude_none=True),
    )


def content_of(record: AnyRecord) -> dict[str, object]:
    """What a record says, without when and of how many facts it was made."""
    return record.model_dump(exclude={"as_of", "version"})


def records_at_closing(city: City, department: str, period: int) -> list[AnyRecord]:
    """The records of a department in a closed period: no longer provisional for being open."""
    held = city.departments.get(department)
    if held is None or period not in scored_periods(held):
        return []
    return score_view(View(held, period, closed=True)).records


def _records(city: City, closing: Closing) -> list[AnyRecord]:
    return records_at_closing(city, closing.department, closing.period)
