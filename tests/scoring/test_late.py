"""Facts that spare the past: none may change what counts before the instant, and those of every day must be told to spare it."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.facts import AT, DEPARTMENT, Fact
from models.instants import parse_instant
from models.rulesets import default_ruleset
from scoring.city import City
from scoring.context import create_context
from scoring.department import Counters
from scoring.late import spares
from tests.support.builder import D1, History
from tests.support.faust_fakes import facts_of_events
from tests.support.histories import histories

NOW = parse_instant("2028-01-01T00:00:00+08:00")  # after all that histories tell
SEPTEMBER = parse_instant("2020-09-01T00:00:00+08:00")


def before(counters: Counters, period: int) -> Counters:
    """What of counters lies before a period."""
    held = {component: {at: cell for at, cell in periods.items() if at < period} for component, periods in counters.items()}
    return deepcopy({component: periods for component, periods in held.items() if periods})


# Those that cases, licences and tests feed, which the rules are about.
INDICATORS = ("case_aggregation", "material_reduction", "licence_generation", "online_experience", "overdue_completion")


@pytest.mark.parametrize("indicator", INDICATORS)
@given(data=st.data(), aggregation=st.sampled_from(["cohort", "flow"]))
def test_facts_that_spare_the_past_leave_it_as_it_is(indicator: str, data: st.DataObject, aggregation: str) -> None:
    told = facts_of_events(data.draw(histories(indicator=indicator), label="events"))
    facts = data.draw(st.permutations(told), label="facts") if data.draw(st.booleans()) else told
    city = City(create_context(default_ruleset().with_policies(aggregation=aggregation), NOW))
    known = data.draw(st.integers(0, len(facts)), label="known")
    city.take_all(facts[:known])
    time = city.context.time
    for department in city.departments.values():
        own = [fact for fact in facts if fact[DEPARTMENT] == department.code]
        period = data.draw(st.sampled_from(sorted({time.period_of(fact[AT]) for fact in own})), label="first open period")
        held = before(department.counters, period)
        # All are told before any is folded: so the worker asks, too.
        city.take_all([fact for fact in own if spares(department, fact, time.start_of(period))])
        assert before(department.counters, period) == held


def facts(history: History) -> list[Fact]:
    return facts_of_events(history.events)


def august(**steps: str) -> History:
    """An item of two promised workdays, and a case of it."""
    return History().items(1, "2020-08-01", promised_days=2).case("S1", **steps)


# What may change August although it occurs in September: what is known, and the fact.
REACHES_BACK = {
    "an issue that makes a test case of one that counted": (
        august(accepted="2020-08-20"), ("serial.issued", {"is_test": True}),
    ),
    "an issue that makes a test case of one that was completed": (august(completed="2020-08-20"), ("serial.issued", {"is_test": True})),
    "an issue that makes a test case of one whose licence was dispatched": (
        History().add("licence.dispatched", "2020-08-20"), ("serial.issued", {"is_test": True}),
    ),
    "an issue in whose period an ingestion counts that counted in its own": (
        august(passed="2020-08-20"), ("serial.issued", {}),
    ),
    "a void of a case that counted": (august(issued="2020-08-20"), ("case.voided", {})),
    "a void of a serial that counted": (august(issued="2020-08-20"), ("serial.voided", {})),
    "a void of a case with a test": (History().add("test.raised", "2020-08-20"), ("case.voided", {})),
    "an ingestion of a case with a test": (History().add("test.raised", "2020-08-31", test="T1", serial="S1"), ("case.ingested", {})),
    "an acceptance after the completion": (
        august(completed="2020-08-20"), ("case.accepted", {"due_at": "2020-08-10"}),
    ),
    "a licence that another case has": (
        august(accepted="2020-08-02", completed="2020-08-20").add("licence.generated", "2020-08-20"),
        ("licence.generated", {"serial": "S2"}),
    ),
    "a void of a licence that counted": (
        august(accepted="2020-08-02", completed="2020-08-20").add("licence.generated", "2020-08-20"), ("licence.voided", {}),
    ),
    "a void of a licence that was dispatched": (History().add("licence.dispatched", "2020-08-20"), ("licence.voided", {})),
}  # fmt: skip


@pytest.mark.parametrize("name", REACHES_BACK)
def test_a_fact_that_may_reach_back_is_told(name: str) -> None:
    known, (type_, fields) = REACHES_BACK[name]
    city = City(create_context(default_ruleset(), NOW))
    city.take_all(facts(known))
    [fact] = facts(History().add(type_, "2020-09-02", event_id="late", **fields))
    assert not spares(city.departments[D1], fact, SEPTEMBER)


def test_facts_that_occurred_before_are_told() -> None:
    city = City(create_context(default_ruleset(), NOW))
    city.take_all(facts(History().items(1, "2020-08-01")))
    told = History().case("S1", issued="2020-08-31T23:59:59", accepted="2020-08-31T23:59:59", completed="2020-08-31T23:59:59")
    for fact in facts(told):
        assert not spares(city.departments[D1], fact, SEPTEMBER)


def test_what_cases_tell_every_day_spares_the_past() -> None:
    # Else a worker folds each event by itself as soon as a period is closed, which takes seven times as long (measured).
    city = City(create_context(default_ruleset(), NOW))
    city.take_all(facts(august(issued="2020-08-20", accepted="2020-08-20").case("S0", issued="2020-08-20", accepted="2020-08-20")))
    told = (
        History()
        .add("case.suspended", "2020-09-01").add("case.resumed", "2020-09-02")
        .add("case.ingested", "2020-09-02").add("case.completed", "2020-09-03")
        .add("licence.generated", "2020-09-03").add("licence.dispatched", "2020-09-03")
        .case("S2", issued="2020-09-02", accepted="2020-09-02", passed="2020-09-02", completed="2020-09-02")
        .add("serial.voided", "2020-09-04", serial="S2").add("case.voided", "2020-09-04", serial="S2")
    )  # fmt: skip
    for fact in facts(told):
        assert spares(city.departments[D1], fact, SEPTEMBER)
        city.take_all([fact])
