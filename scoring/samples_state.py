"""How far samples are: what was drawn, what has been recorded of it, and what is outstanding."""

from models.facts import AT, field_of
from models.instants import format_instant
from models.records import SampledThing, SampleState
from scoring.department import Department
from scoring.entities.oversight import Sample
from scoring.indicators.guide_accuracy import GuideAccuracy
from scoring.indicators.online_experience import OnlineExperience
from scoring.indicators.visit_reduction import VisitReduction
from scoring.local_time import parse_period

SAMPLED = (VisitReduction.id, GuideAccuracy.id, OnlineExperience.id)


def sample_states(department: Department, period: str) -> list[SampleState]:
    """The samples of a department that hold for a period (`YYYY-MM`), by indicator, as of the context's now."""
    held = [department.first_sample((indicator, period)) for indicator in SAMPLED]
    return [_state(department, sample) for sample in held if sample is not None]


def _state(department: Department, sample: Sample) -> SampleState:
    fact = sample.drawn
    assert fact is not None  # the first of its slot is one that was drawn
    indicator, period, selected = (field_of(fact, name) for name in ("indicator", "period", "selected"))
    named = dict.fromkeys(selected)
    if indicator == VisitReduction.id:
        things = [_visited(department, sample, number) for number in named]
    elif indicator == GuideAccuracy.id:
        things = [_checked(department, period, item) for item in named]
    else:
        things = [_tested(department, period, item) for item in named]
    return SampleState(
        sample=sample.id, department=department.code, indicator=indicator, period=period,
        drawn_at=format_instant(fact[AT], department.context.time.zone), selected=list(selected), tail=field_of(fact, "tail"),
        things=things, outstanding=sum(thing.outstanding for thing in things),
    )  # fmt: skip


def _visited(department: Department, sample: Sample, number: str) -> SampledThing:
    inspection = sample.inspections.get(number)
    if inspection is None:
        return SampledThing(id=number, outstanding=True)
    withdrawn = f"{sample.id}/{number}" in department.withdrawn
    return SampledThing(id=number, outstanding=False, achieved=field_of(inspection, "achieved"), withdrawn=withdrawn)


def _checked(department: Department, period: str, item: str) -> SampledThing:
    """The checks of the item's guide for the period, whoever ordered them: they count in it (14)."""
    found = {
        check.id: field_of(check.checked, "errors")
        for check in department.checks.values()
        if check.checked is not None
        and (field_of(check.checked, "item"), field_of(check.checked, "period")) == (item, period)
        and check.id not in department.withdrawn
    }
    errors = sum(found.values()) if found else None
    return SampledThing(id=item, outstanding=not found, errors=errors, findings=sorted(found))


def _tested(department: Department, period: str, item: str) -> SampledThing:
    """The tests of the item raised in the period: they count in it (15)."""
    number = parse_period(period)
    found = {
        test.id: test.disposed is None
        for test in department.tests.values()
        if test.raised is not None
        and field_of(test.raised, "item") == item
        and department.context.time.period_of(test.raised[AT]) == number
        and test.id not in department.withdrawn
    }
    undisposed = [test for test, waits in sorted(found.items()) if waits]
    return SampledThing(id=item, outstanding=not found, findings=sorted(found), undisposed=undisposed)
