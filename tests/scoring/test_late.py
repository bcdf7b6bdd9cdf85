"""Facts that spare the past: none may change what counts before the instant, and those of every day must be told to spare it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.facts import AT, DEPARTMENT, Fact
from models.instants import parse_instant
from models.rulesets import default_ruleset
from scoring.city import City
from scoring.context import create_context
from scoring.department import Counters
from scoring.indicators import BY_ID
from scoring.late import spares
from tests.support.builder import D1, History
from tests.support.faust_fakes import facts_of_events
from tests.support.histories import histories

NOW = parse_instant("2028-01-01T00:00:00+08:00")  # after all that histories tell
SEPTEMBER = parse_instant("2020-09-01T00:00:00+08:00")


POLICIES = st.fixed_dictionaries({
    "aggregation": st.sampled_from(["cohort", "flow"]),
    "objection_carry_in": st.booleans(),
    "sharing_workdays": st.sampled_from([0, 1, 10]),
})  # fmt: skip


def before(counters: Counters, period: int) -> Counters:
    """What of counters lies before a period."""
    held = {component: {at: cell for at, cell in periods.items() if at < period} for component, periods in counters.items()}
    return deepcopy({component: periods for component, periods in held.items() if periods})


@pytest.mark.parametrize("indicator", [*BY_ID, None])
@given(data=st.data(), policies=POLICIES)
def test_facts_that_spare_the_past_leave_it_as_it_is(indicator: str | None, data: st.DataObject, policies: dict[str, Any]) -> None:
    told = facts_of_events(data.draw(histories(indicator=indicator), label="events"))
    facts = data.draw(st.permutations(told), label="facts") if data.draw(st.booleans()) else told
    city = City(create_context(default_ruleset().with_policies(**policies), NOW))
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
    "an ingestion of a case with a test": (History().add("test.raised", "2020-08-31"), ("case.ingested", {})),
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
    "a version dated back before an acceptance": (august(accepted="2020-09-10"), ("item.published", {"promised_days": 1})),
    "the disposal of a test": (History().add("test.raised", "2020-08-31"), ("test.disposed", {})),
    "an appeal upheld": (History().add("objection.flagged", "2020-08-20"), ("objection.appeal_decided", {"upheld": True})),
    "a request that was due before it was raised": (History(), ("request.raised", {"due_at": "2020-08-31"})),
    "a request that takes the place of one that was due": (
        History().add("request.raised", "2020-09-03", due_at="2020-08-31"), ("request.raised", {"due_at": "2020-09-20"}),
    ),
    "a request withdrawn": (History().add("request.raised", "2020-08-03", due_at="2020-08-31"), ("request.withdrawn", {})),
    "a check of the guides of August": (History(), ("guide.checked", {"period": "2020-08"})),
    "a check that takes the place of one of August": (
        History().add("guide.checked", "2020-09-03", period="2020-08"), ("guide.checked", {"period": "2020-09"}),
    ),
    "a sample of August": (History(), ("sample.drawn", {"period": "2020-08"})),
    "a sample that takes the place of one of August": (
        History().add("sample.drawn", "2020-09-03", period="2020-08"), ("sample.drawn", {"period": "2020-09"}),
    ),
    "an inspection of a sample of August": (History().add("sample.drawn", "2020-09-01", period="2020-08"), ("inspection.recorded", {})),
}  # fmt: skip


@pytest.mark.parametrize("name", REACHES_BACK)
def test_a_fact_that_may_reach_back_is_told(name: str) -> None:
    known, (type_, fields) = REACHES_BACK[name]
    city = City(create_context(default_ruleset(), NOW))
    city.take_all(facts(known.add("department.registered", "2020-08-01", event_id="registered")))
    [fact] = facts(History().add(type_, "2020-09-02", event_id="late", **fields))
    assert not spares(city.departments[D1], fact, SEPTEMBER)


def test_facts_that_occurred_before_are_told() -> None:
    city = City(create_context(default_ruleset(), NOW))
    city.take_all(facts(History().items(1, "2020-08-01")))
    told = History().case("S1", issued="2020-08-31T23:59:59", accepted="2020-08-31T23:59:59", completed="2020-08-31T23:59:59")
    for fact in facts(told):
        assert not spares(city.departments[D1], fact, SEPTEMBER)


def test_what_is_told_every_day_spares_the_past() -> None:
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
        .add("item.published", "2020-09-04").add("item.retired", "2020-09-04").add("licence.voided", "2020-09-05", licence="L2")
        .add("table.registered", "2020-09-04").add("table.updated", "2020-09-05").add("table.retired", "2020-09-06")
        .add("interface.registered", "2020-09-04").add("interface.retired", "2020-09-05")
        .add("interface.failed", "2020-09-04").add("interface.recovered", "2020-09-05")
        .add("request.raised", "2020-09-04").add("request.handled", "2020-09-05").add("request.withdrawn", "2020-09-06")
        .add("objection.flagged", "2020-09-04").add("objection.repaired", "2020-09-05").add("objection.passed", "2020-09-05")
        .add("objection.appealed", "2020-09-05").add("objection.appeal_decided", "2020-09-06")
        .add("defect.confirmed", "2020-09-04").add("defect.cleared", "2020-09-05")
        .add("test.raised", "2020-09-04", serial="S9").add("test.disposed", "2020-09-05")
        .add("serial.issued", "2020-09-04", serial="S9").add("case.ingested", "2020-09-05", serial="S9")
        .add("guide.checked", "2020-09-04", period="2020-09")
        .add("sample.drawn", "2020-09-04", period="2020-09").add("inspection.recorded", "2020-09-05")
    )  # fmt: skip
    for fact in facts(told):
        assert spares(city.departments[D1], fact, SEPTEMBER)
        city.take_all([fact])
