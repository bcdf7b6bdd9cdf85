"""Properties that hold for every history: incremental = batch = oracle, counters = entities, as-of, order, evidence, ranks.

`HYPOTHESIS_PROFILE=thorough` tries many more histories. The oracle is `tests/support/reference.py`, written from the
specification alone.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from models.events import Envelope, Event
from models.facts import Fact, to_fact
from models.instants import to_instant
from models.rulesets import Ruleset, default_ruleset
from scoring.batch import fold_facts
from scoring.city import City
from scoring.comparing import both_sides, compare
from scoring.context import create_context
from scoring.department import STOCK, Department
from scoring.evidence import evidence
from scoring.indicators import BY_ID, INDICATORS
from scoring.live import LiveCity
from scoring.local_time import parse_period, period_label
from scoring.scores import ranks, score_city, score_indicator
from scoring.view import View, scored_periods
from tests.support.builder import AS_OF, D1, History, instant
from tests.support.histories import histories, instants
from tests.support.reference import reference_scores

EVENTS: TypeAdapter[list[Envelope]] = TypeAdapter(list[Event])
RULES = default_ruleset()
Records = dict[tuple[str, str, str], dict[str, Any]]
for_every_indicator = pytest.mark.parametrize("indicator", BY_ID)

# In records, what changes with every fact, with time, or with other departments.
AS_IT_COMES = ("version", "as_of", "rank", "ranked")
# Every prefix is scored three times.
SHORT = 12
CORRECTIONS = (
    "serial.voided", "case.voided", "licence.voided", "request.withdrawn", "complaint.reversed", "finding.withdrawn",
    "objection.appeal_decided", "item.retired", "interface.retired", "table.retired",
)  # fmt: skip


def facts_of(events: Sequence[dict[str, Any]]) -> list[Fact]:
    return list(map(to_fact, EVENTS.validate_python(list(events))))


def by_key(records: Sequence[dict[str, Any]]) -> Records:
    keyed = {(r["department"], r["period"], r["indicator"]): {k: v for k, v in r.items() if k != "ruleset"} for r in records}
    assert len(keyed) == len(records), "two records for one key"
    return keyed


def scores_of(city: City) -> Records:
    return by_key([record.model_dump(exclude_none=True) for record in score_city(city)])


def batch(facts: Sequence[Fact], as_of: datetime, ruleset: Ruleset = RULES, timezone: str = "Asia/Shanghai") -> City:
    return fold_facts(facts, to_instant(as_of), ruleset, timezone=timezone)


def recount(department: Department) -> dict[str, dict[int, dict[str, int]]]:
    """The counters that the entities amount to, from nothing."""
    sums: Counter[tuple[str, int, str]] = Counter()
    for entity in department.entities():
        for component, period, sub, amount in entity.contributions(department):
            sums[component, period, sub] += amount
    counters: dict[str, dict[int, dict[str, int]]] = {}
    for (component, period, sub), amount in sums.items():
        if amount:
            counters.setdefault(component, {}).setdefault(period, {})[sub] = amount
    return counters


def without_conflicts(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of events under one id only those that say what the first says."""
    first: dict[str, dict[str, Any]] = {}
    return [event for event in events if first.setdefault(event["event_id"], event) == event]


@st.composite
def as_told(draw: st.DrawFn, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events in another order, some of them more than once."""
    again = draw(st.lists(st.sampled_from(events), max_size=8)) if events else []
    return draw(st.permutations([*events, *again]))


# --- incremental = batch = oracle, at every prefix


@for_every_indicator
@given(data=st.data())
def test_after_every_fact_a_city_is_the_fold_of_what_it_was_told(indicator: str, data: st.DataObject) -> None:
    events = data.draw(as_told(data.draw(histories(SHORT, indicator))), label="events")
    as_of = data.draw(instants(events), label="as of")
    facts = facts_of(events)
    city = City(create_context(RULES, to_instant(as_of)))
    for count, fact in enumerate(facts, start=1):
        city.take_all([fact])
        found = scores_of(city)
        assert found == scores_of(batch(facts[:count], as_of))
        assert found == by_key(reference_scores(events[:count], as_of))


POLICIES = st.fixed_dictionaries({
    "zero_denominator": st.sampled_from(["full", "zero", "na"]),
    "floor_total": st.booleans(),
    "aggregation": st.sampled_from(["cohort", "flow"]),
    "objection_carry_in": st.booleans(),
    "sharing_workdays": st.sampled_from([0, 1, 9, 10, 11, 250]),
    "grace_workdays": st.sampled_from([0, 1, 5, 250]),
})  # fmt: skip


@for_every_indicator
@given(data=st.data(), policies=POLICIES)
def test_every_policy_does_what_the_oracle_does(indicator: str, data: st.DataObject, policies: dict[str, Any]) -> None:
    events = data.draw(histories(40, indicator), label="events")
    as_of = data.draw(instants(events), label="as of")
    city = batch(facts_of(events), as_of, RULES.with_policies(**policies))
    assert scores_of(city) == by_key(reference_scores(events, as_of, policies=policies))


# --- a ruleset that takes effect from a period on

CHANGES = st.sampled_from(["2020-09", "2020-10", "2026-12"])


def chained(before: dict[str, Any], after: dict[str, Any], since: str) -> Ruleset:
    return RULES.with_policies(**after).following(RULES.with_policies(**before), since)


@for_every_indicator
@given(data=st.data(), before=POLICIES, after=POLICIES, since=CHANGES)
def test_a_chain_does_what_the_oracle_does_after_every_fact(
    indicator: str, data: st.DataObject, before: dict[str, Any], after: dict[str, Any], since: str
) -> None:
    events = data.draw(as_told(data.draw(histories(SHORT, indicator))), label="events")
    as_of = data.draw(instants(events), label="as of")
    ruleset, facts = chained(before, after, since), facts_of(events)
    city = City(create_context(ruleset, to_instant(as_of)))
    for count, fact in enumerate(facts, start=1):
        city.take_all([fact])
        found = scores_of(city)
        assert found == scores_of(batch(facts[:count], as_of, ruleset))
        assert found == by_key(reference_scores(events[:count], as_of, policies=before, later=(since, after)))
    for department in city.departments.values():
        assert department.counters == recount(department)


# Counted by what is said of a period alone, or of it and earlier ones: the others may straddle.
STRADDLING = {"case_aggregation", "sharing_timeliness", "total"}


@for_every_indicator
@given(data=st.data(), before=POLICIES, after=POLICIES, since=CHANGES)
def test_each_period_is_scored_as_under_its_own_ruleset_alone(
    indicator: str, data: st.DataObject, before: dict[str, Any], after: dict[str, Any], since: str
) -> None:
    events = data.draw(histories(40, indicator), label="events")
    as_of = data.draw(instants(events), label="as of")
    facts = facts_of(events)
    found = score_city(batch(facts, as_of, chained(before, after, since)))
    ruleset = {False: RULES.with_policies(**before), True: RULES.with_policies(**after).following(RULES, since)}
    alone = {is_new: scores_of(batch(facts, as_of, held.alone())) for is_new, held in ruleset.items()}
    for record in found:
        is_new = record.period >= since
        assert record.ruleset == create_context(ruleset[is_new].alone(), 0).identity
        if record.indicator not in STRADDLING:
            key = (record.department, record.period, record.indicator)
            own = by_key([record.model_dump(exclude_none=True)])[key]
            assert own == alone[is_new][key]


@for_every_indicator
@given(data=st.data(), before=POLICIES, after=POLICIES)
def test_what_another_ruleset_would_give_is_what_it_gives(
    indicator: str, data: st.DataObject, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Counted anew from the entities as from the facts; and compared, the differences add up."""
    events = data.draw(histories(40, indicator), label="events")
    as_of = data.draw(instants(events), label="as of")
    facts = facts_of(events)
    rulesets = [RULES.with_policies(**policies) for policies in (before, after)]
    alone = [batch(facts, as_of, ruleset) for ruleset in rulesets]
    city = batch(facts, as_of, rulesets[0])
    first, second = both_sides(city, create_context(rulesets[1], to_instant(as_of)))
    found = compare(first, second)
    for side, expected in zip(("before", "after"), alone, strict=True):
        assert by_key([getattr(change, side).model_dump(exclude_none=True) for change in found]) == scores_of(expected)
    for department in city.departments.values():
        assert department.counters == recount(department)
    for change in found:
        assert Fraction(change.before.points_exact) + change.difference == Fraction(change.after.points_exact)
        assert change.differs or change.before.points == change.after.points
    if before == after:
        assert not any(change.differs for change in found)


@given(data=st.data(), before=POLICIES, after=POLICIES, since=CHANGES)
def test_no_case_counts_twice_as_ingested(data: st.DataObject, before: dict[str, Any], after: dict[str, Any], since: str) -> None:
    events = data.draw(histories(40, "case_aggregation"), label="events")
    city = batch(facts_of(events), data.draw(instants(events), label="as of"), chained(before, after, since))
    for department in city.departments.values():
        for case in department.cases.values():
            assert [component for component, *_ in case.contributions(department)].count("ingested") <= 1


@pytest.mark.parametrize("timezone", ["Europe/Berlin", "America/St_Johns", "Pacific/Apia", "UTC"])
@given(data=st.data())
def test_periods_and_workdays_are_those_of_the_time_zone(timezone: str, data: st.DataObject) -> None:
    events = data.draw(histories(40), label="events")
    as_of = data.draw(instants(events), label="as of")
    city = batch(facts_of(events), as_of, timezone=timezone)
    assert scores_of(city) == by_key(reference_scores(events, as_of, tz=timezone))


# --- counters = the entities' contributions


@for_every_indicator
@given(data=st.data())
def test_counters_are_what_the_entities_contribute(indicator: str, data: st.DataObject) -> None:
    events = data.draw(as_told(data.draw(histories(30, indicator))), label="events")
    city = City(create_context(RULES, to_instant(data.draw(instants(events), label="as of"))))
    facts = facts_of(events)
    while facts:  # settled now and then: the counters must not depend on it
        size = data.draw(st.integers(1, 7))
        city.take_all(facts[:size])
        facts = facts[size:]
        for department in city.departments.values():
            assert department.counters == recount(department)


@for_every_indicator
@given(data=st.data())
def test_what_is_corrected_leaves_nothing_behind(indicator: str, data: st.DataObject) -> None:
    """Corrections taken in last, one by one: the counters end as those of a city that knew of them first."""
    events = without_conflicts(data.draw(histories(30, indicator), label="events"))
    corrections = [event for event in events if event["type"] in CORRECTIONS]
    assume(corrections)
    as_of = data.draw(instants(events), label="as of")
    last = batch(facts_of([event for event in events if event not in corrections]), as_of)
    for correction in facts_of(corrections):
        last.take_all([correction])
    first = batch(facts_of([*corrections, *events]), as_of)
    assert {code: d.counters for code, d in last.departments.items()} == {code: d.counters for code, d in first.departments.items()}
    for department in last.departments.values():
        for periods in department.counters.values():
            assert periods
            for cell in periods.values():
                assert cell
                assert all(cell.values())


def test_everything_taken_back_leaves_empty_counters() -> None:
    h = History()
    h.case("S1", issued="2020-09-01", accepted="2020-09-02", passed="2020-09-03", completed="2020-09-04")
    for kind in ("licence.generated", "licence.dispatched", "objection.flagged", "objection.repaired", "objection.passed"):
        h.add(kind, "2020-09-05")
    for kind in ("request.raised", "request.handled", "complaint.upheld", "defect.confirmed", "guide.checked", "sample.drawn"):
        h.add(kind, "2020-09-06")
    h.add("test.raised", "2020-09-07", serial="S2").add("inspection.recorded", "2020-09-07", achieved=False)
    counted = {"sampled": {parse_period("2020-09"): {"A1": 1}}}  # a sample stays drawn
    for kind in ("case.voided", "objection.appeal_decided", "request.withdrawn", "complaint.reversed"):
        h.add(kind, "2020-09-08")
    for ref in ("X1", "G1", "Q1", "P1/A1"):
        h.add("finding.withdrawn", "2020-09-09", ref=ref)
    city = batch([], instant(AS_OF))
    for fact in facts_of(h.events):
        assert not city.departments or city.departments[D1].counters != counted
        city.take_all([fact])
    assert city.departments[D1].counters == counted


def test_the_components_that_last_are_those_that_indicators_read_as_stock() -> None:
    read = {name: component.is_stock for indicator in INDICATORS for name, component in indicator.components.items()}
    assert {name for name, is_stock in read.items() if is_stock} == STOCK


# --- as of T


@for_every_indicator
@given(data=st.data())
def test_the_score_at_t_is_that_of_the_history_cut_at_t(indicator: str, data: st.DataObject) -> None:
    events = without_conflicts(data.draw(histories(40, indicator), label="events"))
    as_of = data.draw(instants(events), label="as of")
    cut = [event for event in events if instant(event["occurred_at"]) <= as_of]
    assert scores_of(batch(facts_of(events), as_of)) == scores_of(batch(facts_of(cut), as_of))


@for_every_indicator
@given(data=st.data())
def test_a_clock_that_runs_ends_where_one_that_stands_begins(indicator: str, data: st.DataObject) -> None:
    """Facts arrive while the clock moves on and the counters are settled in slices; at the end all is as if it had stood still."""
    events = data.draw(histories(30, indicator), label="events")
    moments = sorted(data.draw(st.lists(instants(events).map(to_instant), min_size=2, max_size=5), label="moments"))
    city = LiveCity(create_context(RULES, moments[0]))
    facts = facts_of(events)
    for place, now in enumerate(moments):
        city.advance(now)
        for fact in facts[place :: len(moments)]:
            city.take(fact)
            city.settle_some(data.draw(st.integers(0, 2)))
    city.settle()
    arrived = [fact for place in range(len(moments)) for fact in facts[place :: len(moments)]]
    assert scores_of(city) == scores_of(fold_facts(arrived, moments[-1], RULES))
    for department in city.departments.values():
        assert department.counters == recount(department)


@for_every_indicator
@given(data=st.data())
def test_what_changes_is_said_to_have_changed(indicator: str, data: st.DataObject) -> None:
    """By a fact, and by time alone: only what is named is looked at again by the worker."""
    events = data.draw(histories(SHORT, indicator), label="events")
    moments = sorted(data.draw(st.lists(instants(events).map(to_instant), min_size=2, max_size=4), label="moments"))
    city = LiveCity(create_context(RULES, moments[0]))
    facts = facts_of(events)
    steps = [(now, fact) for place, now in enumerate(moments) for fact in [None, *facts[place :: len(moments)]]]
    before: Records = {}
    for now, fact in steps:
        city.advance(now)
        if fact is not None:
            city.take(fact)
        city.settle()
        after = {key: {k: v for k, v in record.items() if k not in AS_IT_COMES} for key, record in scores_of(city).items()}
        named = set()
        for code in city.changed:
            changes = city.departments[code].take_changes()
            named |= {(code, period_label(period)) for period in scored_periods(city.departments[code]) if changes.concern(period)}
        city.changed.clear()
        assert {key[:2] for key in before if before[key] != after[key]} <= named
        before = after


# --- order


@for_every_indicator
@given(data=st.data())
def test_order_and_repeats_change_nothing(indicator: str, data: st.DataObject) -> None:
    events = without_conflicts(data.draw(histories(40, indicator), label="events"))
    as_of = data.draw(instants(events), label="as of")
    told = data.draw(as_told(events), label="told")
    assert scores_of(batch(facts_of(told), as_of)) == scores_of(batch(facts_of(events), as_of))


# --- evidence


@for_every_indicator
@given(data=st.data(), policies=POLICIES)
def test_evidence_adds_up_to_the_score(indicator: str, data: st.DataObject, policies: dict[str, Any]) -> None:
    events = data.draw(histories(40, indicator), label="events")
    city = batch(facts_of(events), data.draw(instants(events), label="as of"), RULES.with_policies(**policies))
    held = BY_ID[indicator]
    for department in city.departments.values():
        for period in scored_periods(department):
            view = View(department, period)
            record, _ = score_indicator(held, view)
            entries = evidence(held, view)
            assert str(sum((entry.numerator for entry in entries), Fraction(0))) == record.numerator
            assert str(sum((entry.denominator for entry in entries), Fraction(0))) == record.denominator
            if held.reads_catalogue and not view.has_catalogue:
                assert entries == []
            keys = [(entry.kind, entry.id) for entry in entries]
            assert len(set(keys)) == len(keys), "one thing is listed twice"


# --- ranks


@given(st.lists(st.fractions(-5, 5, max_denominator=3)))
def test_a_rank_is_one_more_than_the_number_of_those_with_more(points: list[Fraction]) -> None:
    assert ranks(points) == [1 + sum(rival > own for rival in points) for own in points]
