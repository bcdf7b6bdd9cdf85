"""The same facts under two rulesets: which scores, totals and ranks would be others."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from models.facts import AT, CODE, CODE_OF_TYPE, DEPARTMENT, EVENT_ID
from models.identifiers import EVERY_DEPARTMENT
from models.records import TotalRecord
from scoring.city import City
from scoring.context import Context
from scoring.local_time import parse_period, period_label
from scoring.scores import AnyRecord, score_period, with_ranks
from scoring.view import View, scored_periods

_CLOSED = CODE_OF_TYPE["period.closed"]
_PERIOD = 4
Key = tuple[str, str, str]  # department, period, indicator


@dataclass(frozen=True, slots=True)
class Change:
    """A score, or a total, as it is before and after: under the one ruleset and under the other."""

    before: AnyRecord
    after: AnyRecord

    @property
    def difference(self) -> Fraction:
        """Exact points after less those before; of a deduction the points deducted."""
        return Fraction(self.after.points_exact) - Fraction(self.before.points_exact)

    @property
    def differs(self) -> bool:
        """Whether points or status differ. Other sums that give the same points do not count."""
        return self.before.status != self.after.status or bool(self.difference)

    @property
    def ranks(self) -> tuple[int | None, int | None]:
        """The ranks of a total before and after."""
        first, second = (record.rank if isinstance(record, TotalRecord) else None for record in (self.before, self.after))
        return first, second


def both_sides(city: City, other: Context, period: str | None = None) -> tuple[list[AnyRecord], list[AnyRecord]]:
    """The records of a settled city, and those of the same facts in another context as of the same instant, which the city is left in.

    What was folded depends on no ruleset: only what it amounts to is counted anew, and the facts are held once.
    """
    before = _records(city, period)
    city.context = other
    for department in city.departments.values():
        department.context = other
        department.counters.clear()
        for entity in department.entities():
            department.restored(entity)
    city.settle()
    return before, _records(city, period)


def _records(city: City, period: str | None) -> list[AnyRecord]:
    return [
        record
        for department in city.departments.values()
        for each in scored_periods(department)
        if period in (None, period_label(each))
        for record in score_period(department, each)
    ]


def compare(before: Iterable[AnyRecord], after: Iterable[AnyRecord]) -> list[Change]:
    """Every score before and after, by period, department and number, totals last; ranks are among all the departments given.

    Both sides are of the same departments and periods.
    """
    others: dict[Key, AnyRecord] = {(r.department, r.period, r.indicator): r for r in with_ranks(after)}
    found = [Change(record, others[record.department, record.period, record.indicator]) for record in with_ranks(before)]
    return sorted(found, key=lambda change: (change.before.period, change.before.department))


def closed_periods(city: City) -> set[tuple[str, str]]:
    """The departments and periods that are closed: by the last order that concerns them, else because the grace time is over."""
    orders: dict[tuple[str, str], bool] = {}
    for fact in sorted(city.period_facts, key=lambda fact: (fact[AT], fact[EVENT_ID])):
        codes = city.departments if fact[DEPARTMENT] == EVERY_DEPARTMENT else (fact[DEPARTMENT],)
        orders |= {(code, fact[_PERIOD]): fact[CODE] == _CLOSED for code in codes}
    return {
        (department.code, label)
        for department in city.departments.values()
        for label in map(period_label, scored_periods(department))
        if orders.get((department.code, label), not View(department, parse_period(label)).is_open)
    }
