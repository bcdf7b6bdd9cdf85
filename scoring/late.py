"""Which facts leave the past as it is, told without folding them: what comes after a closing is mostly of later periods.

A "no" costs time only: the records of the closed periods are then compared. A wrong "yes" would lose an adjustment.
"""

from collections.abc import Callable

from models.facts import AT, CODE, CODE_OF_TYPE, Fact
from scoring.department import Department
from scoring.entities.case import Case
from scoring.entities.stations import Station
from scoring.local_time import parse_period

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


@_on(
    "case.completed", "licence.dispatched", "objection.flagged", "defect.confirmed", "defect.cleared", "test.raised",
    "item.retired", "interface.registered", "interface.retired", "interface.failed", "interface.recovered",
    "table.registered", "table.retired", "table.updated",
)  # fmt: skip
def _from_its_own_period_on(department: Department, fact: Fact, instant: int) -> bool:
    """Whatever it changes lies in its own period and after it; an earlier fact in its place stays there."""
    return True


@_on("objection.repaired", "objection.passed", "request.handled")
def _ends_what_was_open(department: Department, fact: Fact, instant: int) -> bool:
    """Before it the thing stays as open, or as overdue, as it was."""
    return True


@_on("objection.appealed")
def _objection_appealed(department: Department, fact: Fact, instant: int) -> bool:
    """Changes nothing anywhere."""
    return True


@_on("item.published")
def _item_published(department: Department, fact: Fact, instant: int) -> bool:
    """Dated back it moves the deadlines of cases that were accepted since, and they may be completed before that."""
    item = department.items.get(fact[4])
    return item is None or item.last_acceptance < fact[AT]


def _not_before(instant: int, *stations: Station | None) -> bool:
    return all(station is None or station.at >= instant for station in stations)


def _not_raised_before(raised: Fact | None, instant: int) -> bool:
    return raised is None or bool(raised[AT] >= instant)


def _tested_from(case: Case, department: Department, instant: int) -> bool:
    return all(_not_raised_before(department.tests[test].raised, instant) for test in case.tests or ())


def _counts_from(case: Case | None, department: Department, instant: int) -> bool:
    """Whether all that a case may count for lies at the instant or after it."""
    return case is None or (
        _not_before(instant, case.issued, case.accepted, case.completed, case.passed, *(case.dispatches or {}).values())
        and _tested_from(case, department, instant)
    )


@_on("serial.issued", "serial.voided", "case.voided")
def _whole_case(department: Department, fact: Fact, instant: int) -> bool:
    """Makes all of its case count, or nothing of it, its tests included; an issue may take an ingestion into its own period."""
    return _counts_from(department.cases.get(fact[4]), department, instant)


@_on("case.accepted", "case.suspended", "case.resumed")
def _deadline_moved(department: Department, fact: Fact, instant: int) -> bool:
    """May make a completion late, in the period of the completion."""
    case = department.cases.get(fact[4])
    return case is None or _not_before(instant, case.completed)


@_on("case.ingested")
def _case_ingested(department: Department, fact: Fact, instant: int) -> bool:
    """Counts in its own period or in a later one, but a test of its case in the one in which that was raised."""
    case = department.cases.get(fact[4])
    return case is None or _tested_from(case, department, instant)


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
    return all(_counts_from(department.cases.get(serial), department, instant) for serial in serials)


@_on("test.disposed")
def _test_disposed(department: Department, fact: Fact, instant: int) -> bool:
    """Decides about a test in the period in which that was raised."""
    test = department.tests.get(fact[4])
    return test is None or _not_raised_before(test.raised, instant)


@_on("objection.appeal_decided")
def _objection_decided(department: Department, fact: Fact, instant: int) -> bool:
    """Upheld, it takes the objection from everywhere."""
    objection = department.objections.get(fact[4])
    return not fact[5] or objection is None or _not_raised_before(objection.flagged, instant)


def _due_from(raised: Fact | None, instant: int) -> bool:
    """Whether a request counts at the instant or after it: in the period of its due time, which may be given."""
    return raised is None or bool(raised[AT] >= instant and (raised[6] is None or raised[6] >= instant))


@_on("request.raised")
def _request_raised(department: Department, fact: Fact, instant: int) -> bool:
    """May take the place of one with another due time."""
    request = department.requests.get(fact[4])
    return _due_from(fact, instant) and (request is None or _due_from(request.raised, instant))


@_on("request.withdrawn")
def _request_withdrawn(department: Department, fact: Fact, instant: int) -> bool:
    """Takes the request from where it counts."""
    request = department.requests.get(fact[4])
    return request is None or _due_from(request.raised, instant)


def _names_from(fact: Fact | None, department: Department, instant: int) -> bool:
    """Whether the period that a check or a draw names begins at the instant or after it."""
    return fact is None or department.context.time.start_of(parse_period(fact[6])) >= instant


@_on("guide.checked")
def _guide_checked(department: Department, fact: Fact, instant: int) -> bool:
    """Counts in the period that it names."""
    check = department.checks.get(fact[4])
    return _names_from(fact, department, instant) and (check is None or _names_from(check.checked, department, instant))


@_on("sample.drawn")
def _sample_drawn(department: Department, fact: Fact, instant: int) -> bool:
    """Counts in the period that it names."""
    sample = department.samples.get(fact[4])
    return _names_from(fact, department, instant) and (sample is None or _names_from(sample.drawn, department, instant))


@_on("inspection.recorded")
def _inspection_recorded(department: Department, fact: Fact, instant: int) -> bool:
    """Counts in the period that its sample names."""
    sample = department.samples.get(fact[4])
    return sample is None or _names_from(sample.drawn, department, instant)
