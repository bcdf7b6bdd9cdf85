"""Which facts leave the past as it is, told without folding them: what comes after a closing is mostly of later periods.

A "no" costs time only: the records of the closed periods are then compared. A wrong "yes" would lose an adjustment.
"""

from collections.abc import Callable

from models.facts import AT, CODE, CODE_OF_TYPE, Fact
from scoring.department import Department
from scoring.entities.case import Case
from scoring.entities.stations import Station

Rule = Callable[[Department, Fact, int], bool]
# By the code of the fact, which occurred at the instant or after it. Facts of other types: always no.
_RULES: dict[int, Rule] = {}


def spares(department: Department, fact: Fact, instant: int) -> bool:
    """Whether a fact changes no contribution in the periods before an instant, which is the start of a period.

    Holds as well once other facts that spare them have been folded before it.
    """
    rule = _RULES.get(fact[CODE])
    return rule is not None and fact[AT] >= instant and rule(department, fact, instant)


def _on(*types: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        for name in types:
            _RULES[CODE_OF_TYPE[name]] = function
        return function

    return register


def _not_before(instant: int, *stations: Station | None) -> bool:
    return all(station is None or station.at >= instant for station in stations)


def _counts_from(case: Case | None, instant: int) -> bool:
    """Whether all that a case may count for lies at the instant or after it."""
    return case is None or (
        case.tests is None
        and _not_before(instant, case.issued, case.accepted, case.completed, case.passed, *(case.dispatches or {}).values())
    )


@_on("serial.issued", "serial.voided", "case.voided")
def _whole_case(department: Department, fact: Fact, instant: int) -> bool:
    """Makes all of its case count, or nothing of it, its tests included; an issue may take an ingestion into its own period."""
    return _counts_from(department.cases.get(fact[4]), instant)


@_on("case.accepted", "case.suspended", "case.resumed")
def _deadline_moved(department: Department, fact: Fact, instant: int) -> bool:
    """May make a completion late, in the period of the completion."""
    case = department.cases.get(fact[4])
    return case is None or _not_before(instant, case.completed)


@_on("case.completed", "licence.dispatched")
def _counted_where_it_occurred(department: Department, fact: Fact, instant: int) -> bool:
    """Whatever it changes is in its own period, or in that of a later one which it takes the place of."""
    return True


@_on("case.ingested")
def _case_ingested(department: Department, fact: Fact, instant: int) -> bool:
    """Counts in its own period or in a later one, but a test of its case in the one in which that was raised."""
    case = department.cases.get(fact[4])
    return case is None or case.tests is None


@_on("licence.generated")
def _licence_generated(department: Department, fact: Fact, instant: int) -> bool:
    """Counts with a completion whose period ends after it; one that was generated before would be taken from its case."""
    licence = department.licences.get(fact[4])
    return licence is None or _not_before(instant, licence.generated)


@_on("licence.voided")
def _licence_voided(department: Department, fact: Fact, instant: int) -> bool:
    """Takes something from its cases alone."""
    licence = department.licences.get(fact[4])
    if licence is None:
        return True
    serials = [*(licence.dispatched_to or ()), *(() if licence.generated is None else (licence.generated.serial,))]
    return all(_counts_from(department.cases.get(serial), instant) for serial in serials)
