"""Entities: the folds they share, stock as deltas, pauses, due times, and when time alone changes what they contribute."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.facts import CODE_OF_TYPE, Fact
from models.instants import DAY, to_instant
from models.rulesets import default_ruleset
from scoring.batch import fold_facts
from scoring.city import City
from scoring.department import Department
from scoring.entities.base import Versions, earliest, insert_once, stock
from scoring.entities.case import Case, Due
from scoring.indicators import BY_ID
from tests.scoring.test_properties import facts_of
from tests.support.builder import AS_OF, D1, History, instant
from tests.support.histories import histories, instants

FACTS = st.builds(lambda at, event_id, value: (0, D1, at, event_id, value), st.integers(0, 3), st.sampled_from("abcd"), st.integers(0, 9))


def distinct(facts: list[Fact]) -> list[Fact]:
    """One fact an event id, as the city hands them on."""
    return list({fact[3]: fact for fact in facts}.values())


def fold(history: History, as_of: str = AS_OF) -> Department:
    return fold_facts(facts_of(history.events), to_instant(instant(as_of)), default_ruleset()).departments[D1]


def at(text: str) -> int:
    return to_instant(instant(text))


# --- single facts and versions


@given(st.lists(FACTS, min_size=1).map(distinct))
def test_the_earliest_is_the_least_by_time_and_id(facts: list[Fact]) -> None:
    held = None
    for fact in facts:
        held = earliest(held, fact)
    assert held == min(facts, key=lambda fact: fact[2:4])


@given(st.lists(FACTS).map(distinct), st.integers(-1, 4))
def test_versions_are_in_order_and_the_last_by_an_instant_holds(facts: list[Fact], when: int) -> None:
    versions = Versions()
    for fact in [*facts, *facts]:
        versions.add(fact)
    ordered = sorted(facts, key=lambda fact: fact[2:4])
    assert versions.facts == ordered
    assert bool(versions) == bool(facts)
    assert versions.before(when) == next((fact for fact in reversed(ordered) if fact[2] < when), None)
    assert versions.by(when) == next((fact for fact in reversed(ordered) if fact[2] <= when), None)


@given(st.lists(st.integers(0, 9)))
def test_a_sorted_list_of_distinct_values(values: list[int]) -> None:
    held: list[int] = []
    for value in values:
        insert_once(held, value)
    assert held == sorted(set(values))


STATES = st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from("xy")), st.integers(1, 3), max_size=2)


@given(st.dictionaries(st.integers(0, 6), STATES))
def test_the_sum_of_the_changes_up_to_a_period_is_the_state_in_it(states: dict[int, dict[tuple[str, str], int]]) -> None:
    def state(period: int) -> dict[tuple[str, str], int]:
        return states[max(known for known in states if known <= period)]

    changes = stock([*states, *states], state)
    assert all(amount for _, _, _, amount in changes)
    for period in range(7):
        sums: dict[tuple[str, str], int] = {}
        for component, since, sub, amount in changes:
            if since <= period:
                sums[component, sub] = sums.get((component, sub), 0) + amount
        expected = state(period) if any(known <= period for known in states) else {}
        assert {key: amount for key, amount in sums.items() if amount} == expected


# --- pauses and due times


@given(st.permutations([("s", 1), ("s", 2), ("r", 3), ("r", 4), ("s", 5), ("r", 5), ("s", 7)]))
def test_suspended_and_resumed_pair_up_in_order(pauses: list[tuple[str, int]]) -> None:
    """`a` before `b` at one instant: the suspension of 5 is ended at 5, and the one of 7 by nothing."""
    case = Case("S1")
    for kind, when in [*pauses, *pauses]:
        name = "case.suspended" if kind == "s" else "case.resumed"
        case.pause((CODE_OF_TYPE[name], D1, when, {"s": "a", "r": "b"}[kind] + str(when), "S1", None))
    pairs = case.suspensions()
    assert pairs[:2] == [(1, 3), (5, 5)]
    assert pairs[2][0] == 7
    assert pairs[2][1] > 10**17


@pytest.mark.parametrize(
    ("due", "completed", "missed"),
    [(Due(5, True, False), 5, False), (Due(5, True, False), 6, True), (Due(5, False, False), 4, False), (Due(5, False, False), 5, True)],
)
def test_an_explicit_due_time_includes_its_instant(due: Due, completed: int, missed: bool) -> None:
    assert due.missed_by(completed) == missed


def test_a_version_dated_back_moves_the_due_time_of_cases_accepted_since() -> None:
    h = History().add("item.published", "2020-09-10", promised_days=1)
    h.case("S1", accepted="2020-09-07", completed="2020-09-15").case("S2", accepted="2020-09-11", completed="2020-09-15")
    city = City(fold(h).context)
    city.take_all(facts_of(h.events))
    department = city.departments[D1]
    assert sum(cell[""] for cell in department.counters["overdue"].values()) == 1  # S1 had no item yet
    dated_back = History().add("item.published", "2020-09-01", promised_days=3, event_id="late")
    city.take_all(facts_of(dated_back.events))
    assert sum(cell[""] for cell in department.counters["overdue"].values()) == 2


def test_the_next_due_time_of_a_table() -> None:
    h = History().add("table.registered", "2020-09-01", cycle_days=7, first_due_at="2020-09-07T09:00:00")
    table = fold(h, "2020-09-01T12:00:00").tables["T1"]
    for as_of, due in [
        ("2020-09-01T12:00:00", "2020-09-07T09:00:00"),
        ("2020-09-07T08:59:59.999999", "2020-09-07T09:00:00"),
        ("2020-09-07T09:00:00", "2020-09-14T09:00:00"),
        ("2020-10-01T00:00:00", "2020-10-05T09:00:00"),
    ]:
        assert table.next_due(fold(h, as_of)) == at(due)
    retired = fold(h.add("table.retired", "2020-10-02"))
    assert retired.tables["T1"].next_due(retired) is None


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(0, 40), st.integers(1, 9))
def test_an_update_in_the_cycle_is_one_after_its_beginning_and_not_after_its_end(updates: list[int], due: int, cycle: int) -> None:
    table = fold(History().add("table.registered", "2020-09-01")).tables["T1"]
    for update in updates:
        table.update(update)
    assert table.updated_in_cycle(due, cycle) == any(due - cycle < update <= due for update in updates)


# --- time alone


@pytest.mark.parametrize("indicator", BY_ID)
@given(data=st.data())
def test_nothing_changes_before_the_next_change(indicator: str, data: st.DataObject) -> None:
    events = data.draw(histories(30, indicator), label="events")
    now = to_instant(data.draw(instants(events), label="now"))
    later = data.draw(st.integers(1, 400 * DAY), label="later")
    for department in fold_facts(facts_of(events), now, default_ruleset()).departments.values():
        for entity in department.entities():
            department.context.now = now
            before, change = entity.contributions(department), entity.next_change(department)
            assert change is None or change > now
            department.context.now = now + later if change is None else min(now + later, change - 1)
            assert entity.contributions(department) == before
        department.context.now = now


@pytest.mark.parametrize(
    ("kind", "fields", "held", "identifier", "when"),
    [
        ("request.raised", {"due_at": "2020-09-10T12:00:00"}, "requests", "R1", "2020-09-10T12:00:00"),
        ("request.raised", {}, "requests", "R1", "2020-09-16T00:00:00"),
        ("test.raised", {}, "tests", "Q1", "2020-09-05T00:00:00"),
        ("table.registered", {}, "tables", "T1", "2020-09-07T09:00:00"),
    ],
)
def test_at_the_next_change_something_changes(kind: str, fields: dict[str, Any], held: str, identifier: str, when: str) -> None:
    h = History().add(kind, "2020-09-01", **fields)
    before, after = fold(h, "2020-09-01T12:00:00"), fold(h, when)
    entity = getattr(before, held)[identifier]
    assert entity.next_change(before) == at(when)
    assert entity.contributions(before) != getattr(after, held)[identifier].contributions(after)
