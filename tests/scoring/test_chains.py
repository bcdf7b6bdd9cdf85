"""What straddles the period from which another ruleset is in force (`docs/policies.md`): each choice by an example."""

import hashlib
from typing import Any

import pytest
from pydantic import TypeAdapter

from models.events import Envelope, Event
from models.facts import to_fact
from models.instants import parse_instant
from models.rulesets import default_ruleset
from scoring.city import City
from scoring.context import create_context
from scoring.local_time import parse_period
from scoring.sampling import draw
from scoring.scores import score_city
from tests.support.builder import AS_OF, D1, OCTOBER, SEPTEMBER, History, when

EVENTS: TypeAdapter[list[Envelope]] = TypeAdapter(list[Event])


def city(history: History, before: dict[str, Any], after: dict[str, Any], as_of: str = AS_OF, **ruleset: str) -> City:
    """Under one ruleset up to September, and another from October on."""
    held = default_ruleset().with_policies(**after).model_copy(update=ruleset).following(default_ruleset().with_policies(**before), OCTOBER)
    found = City(create_context(held, parse_instant(when(as_of))))
    found.take_all(map(to_fact, EVENTS.validate_python(history.events)))
    return found


def sums(found: City, indicator: str) -> dict[str, str]:
    """N/M by period, where there is anything."""
    records = [record for record in score_city(found) if record.indicator == indicator]
    return {r.period: f"{r.numerator}/{r.denominator}" for r in records if r.denominator != "0" or r.numerator != "0"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("cohort", "cohort", {SEPTEMBER: "1/2", OCTOBER: "0/1"}),
        ("flow", "flow", {SEPTEMBER: "2/2", OCTOBER: "1/1"}),
        # S2 came late for September's cohort, and flows into October; S3, passed before it was issued, counts in no cohort
        ("cohort", "flow", {SEPTEMBER: "1/2", OCTOBER: "1/1"}),
        # S2 flows into no flow period; S3 counts once, with its cohort, and not in September as well
        ("flow", "cohort", {SEPTEMBER: "1/2", OCTOBER: "1/1"}),
    ],
)
def test_a_case_is_ingested_in_one_period_at_most(before: str, after: str, expected: dict[str, str]) -> None:
    h = History().add("department.docking_changed", "2020-08-20")
    h.case("S1", issued="2020-09-02", passed="2020-09-03").case("S2", issued="2020-09-29", passed="2020-10-02")
    h.case("S3", passed="2020-09-30", issued="2020-10-01")
    cohort = {SEPTEMBER: "1/2", OCTOBER: "1/1"}
    found = sums(city(h, {"aggregation": before}, {"aggregation": after}), "case_aggregation")
    assert found == (cohort if before == after == "cohort" else expected)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(True, False, {SEPTEMBER: "0/1"}), (False, True, {OCTOBER: "0/1", "2020-11": "1/1"})],
)
def test_an_objection_is_carried_into_the_periods_that_carry_in(before: bool, after: bool, expected: dict[str, str]) -> None:
    h = History().add("objection.flagged", "2020-08-05").add("objection.repaired", "2020-11-02").add("objection.passed", "2020-11-03")
    found = sums(city(h, {"objection_carry_in": before}, {"objection_carry_in": after}), "licence_repair")
    assert found == {"2020-08": "0/1", **expected}


def test_a_request_is_due_by_the_ruleset_of_the_period_it_was_raised_in() -> None:
    h = History().add("request.raised", "2020-09-29", request="R1").add("request.raised", "2020-10-09", request="R2")
    h.add("request.handled", "2020-10-12", request="R1").add("request.handled", "2020-10-12", request="R2")
    # both are due in October: R1 at the end of its first workday, R2 of its third
    assert sums(city(h, {"sharing_workdays": 1}, {"sharing_workdays": 3}), "sharing_timeliness") == {SEPTEMBER: "0/1", OCTOBER: "1/1"}


def test_a_period_closes_by_its_own_grace_time() -> None:
    context = city(History(), {"grace_workdays": 5}, {"grace_workdays": 0}).context
    assert context.closes_at(parse_period(SEPTEMBER)) == parse_instant("2020-10-15T00:00:00+08:00")
    assert context.closes_at(parse_period(OCTOBER)) == parse_instant("2020-11-01T00:00:00+08:00")


def test_totals_and_indicators_without_workload_follow_the_period() -> None:
    h = History().add("department.docking_changed", "2020-08-20", docked=False)
    h.add("guide.checked", "2020-10-05", errors=20, period=SEPTEMBER, check="G1").add(
        "guide.checked", "2020-11-05", errors=20, period=OCTOBER
    )
    found = city(h, {"floor_total": False, "zero_denominator": "zero"}, {"zero_denominator": "na"})
    records = {(r.period, r.indicator): r for r in score_city(found)}
    assert (records[SEPTEMBER, "total"].points, records[OCTOBER, "total"].points) == (-10, 0)
    assert [records[period, "sharing_timeliness"].status for period in (SEPTEMBER, OCTOBER)] == ["vacuous", "no_data"]
    assert records[SEPTEMBER, "total"].ruleset != records[OCTOBER, "total"].ruleset == records["2020-11", "total"].ruleset


def test_a_round_goes_on_and_what_is_left_in_it_follows_the_seed_of_the_period_drawn_for() -> None:
    def ordered(items: set[str], seed: str, round_: int) -> list[str]:
        def h(item: str) -> str:
            return hashlib.sha256(f"{seed}|{round_}|{D1}|online_experience|{item}".encode()).hexdigest()[:16]

        return sorted(items, key=h)

    items = {f"I{number}" for number in range(1, 16)}
    september = draw(
        city(History().items(15), {}, {}, "2020-09-20", seed="other").department(D1), parse_period(SEPTEMBER), "online_experience"
    )
    assert september.selected == ordered(items, "onestop", 1)[:10]
    h = History().items(15)
    h.add("sample.drawn", "2020-09-20", indicator="online_experience", period=SEPTEMBER, selected=tuple(september.selected))
    october = draw(city(h, {}, {}, "2020-10-20", seed="other").department(D1), parse_period(OCTOBER), "online_experience")
    left = ordered(items - set(september.selected), "other", 1)
    assert october.selected == left + ordered(items - set(left), "other", 2)[:5]


@pytest.mark.parametrize("policies", [("best", "first"), ("first", "best"), ("first", "first")])
def test_visits_are_drawn_by_the_policy_and_the_seed_of_the_period_drawn_for(policies: tuple[str, str]) -> None:
    """One case a month, and both months drawn in October: `best` finds its tail, `first` takes the first in the order of the seed."""
    h = History().items(1)
    for serial, at in (("S1-07", "2020-09-03"), ("S2-07", "2020-10-09")):
        h.case(serial, accepted=at)
    department = city(h, {"visit_tail": policies[0]}, {"visit_tail": policies[1]}, "2020-10-20", seed="other").department(D1)
    for period, policy, seed in ((SEPTEMBER, policies[0], "onestop"), (OCTOBER, policies[1], "other")):
        orders = {f"{n:02d}": hashlib.sha256(f"{seed}|{period}|{D1}|visit_reduction|{n:02d}".encode()).hexdigest()[:16] for n in range(100)}
        expected = 7 if policy == "best" else int(min(orders, key=lambda tail: orders[tail]))
        assert draw(department, parse_period(period), "visit_reduction").tail == expected
