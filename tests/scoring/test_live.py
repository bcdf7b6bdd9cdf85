"""A city whose clock runs, against one folded at once at each instant: scores, tallies and alarms, whatever the steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from models.events import Envelope, Event
from models.facts import Fact, to_fact
from models.instants import DAY, SECOND, parse_instant, to_instant
from models.rulesets import default_ruleset
from scoring.city import City
from scoring.context import create_context
from scoring.department import Department
from scoring.entities.base import Entity
from scoring.entities.case import Case
from scoring.entities.sharing import Request
from scoring.live import LiveCity, Tally
from scoring.local_time import period_label
from scoring.periods import content_of
from scoring.scores import PeriodScores, score_city, score_period, score_view
from scoring.view import View, scored_periods
from scoring.watch import Alarm, Condition, Level, condition_of
from tests.support.builder import D1, History, when
from tests.support.histories import histories, instants

EVENTS: TypeAdapter[list[Envelope]] = TypeAdapter(list[Event])


def instant(text: str) -> int:
    return parse_instant(when(text))


def facts_of(events: list[dict[str, Any]]) -> list[Fact]:
    return list(map(to_fact, EVENTS.validate_python(events)))


def live_at(now: int | str, *facts: Fact) -> LiveCity:
    city = LiveCity(create_context(default_ruleset(), instant(now) if isinstance(now, str) else now))
    city.take_all(facts)
    return city


def fresh(now: int, facts: list[Fact]) -> City:
    city = City(create_context(default_ruleset(), now))
    city.take_all(facts)
    return city


# --- recounts, written down anew


def watched(city: City) -> list[tuple[Department, Entity, Condition]]:
    found = []
    for department in city.departments.values():
        for entity in department.entities():
            condition = condition_of(entity, department)
            if condition is not None:
                found.append((department, entity, condition))
    return found


def recounted(city: City) -> dict[str, Tally]:
    tallies: dict[str, Tally] = {}
    for department, entity, condition in watched(city):
        tally = tallies.setdefault(department.code, Tally())
        if isinstance(entity, Case):
            tally.cases_open += 1
            tally.within_24h += condition.level == Level.WITHIN_24H
            tally.within_72h += condition.level in (Level.WITHIN_24H, Level.WITHIN_72H)
            if condition.level == Level.OVERDUE:
                assert condition.due_at is not None
                tally.overdue[entity] = condition.due_at
        elif isinstance(entity, Request):
            tally.requests_open += 1
            tally.requests_overdue += condition.level == Level.OVERDUE
            tally.requests_within_24h += condition.level == Level.WITHIN_24H
            tally.requests_within_72h += condition.level in (Level.WITHIN_24H, Level.WITHIN_72H)
    return {code: tally for code, tally in tallies.items() if tally != Tally()}


def alarms_of(city: City) -> dict[tuple[str, str, int | None], Alarm]:
    found = [condition.alarm for _, _, condition in watched(city) if condition.alarm is not None]
    assert len({alarm.key for alarm in found}) == len(found)
    return {alarm.key: alarm for alarm in found}


def comparable(tallies: dict[str, Tally]) -> dict[str, Tally]:
    """By names of entities: those of another fold are others. A department in which nothing is open may have a tally or none."""
    return {
        code: replace(tally, overdue={(entity.kind, entity.id): due for entity, due in tally.overdue.items()})  # type: ignore[misc]
        for code, tally in tallies.items()
        if tally != Tally()
    }


def assert_as_folded_at_once(live: LiveCity, facts: list[Fact]) -> None:
    once = fresh(live.context.now, facts)
    assert live.departments.keys() == once.departments.keys()
    assert score_city(live) == score_city(once)
    assert {code: department.counters for code, department in live.departments.items()} == {
        code: department.counters for code, department in once.departments.items()
    }
    assert {key: alarm for key, (alarm, _) in live.alarms.items()} == alarms_of(once) == alarms_of(live)
    assert all(department is live.departments[department.code] for _, department in live.alarms.values())
    assert comparable(live.tallies) == comparable(recounted(once)) == comparable(recounted(live))
    assert live.conditions == {entity: condition for _, entity, condition in watched(live)}


@st.composite
def walks(draw: st.DrawFn) -> tuple[list[Fact], list[int], list[int]]:
    """Facts, the nows to step through, and how many facts have been taken in by each."""
    events = draw(histories(max_size=40))
    nows = sorted({to_instant(draw(instants(events))) for _ in range(draw(st.integers(1, 8)))})
    if draw(st.booleans()):  # day by day
        nows = sorted({*nows, *(nows[0] + day * DAY for day in range(draw(st.integers(0, 12))))})
    facts = facts_of(events)
    taken = sorted(draw(st.lists(st.integers(0, len(facts)), min_size=len(nows), max_size=len(nows))))
    return facts, nows, taken


@given(walks())
def test_step_by_step_is_as_folded_at_once_at_each_instant(walk: tuple[list[Fact], list[int], list[int]]) -> None:
    facts, nows, taken = walk
    live = live_at(nows[0])
    before = 0
    for now, count in zip(nows, taken, strict=True):
        live.advance(now)
        for fact in facts[before:count]:
            live.take(fact)
        before = count
        live.settle()
        assert live.context.now == now
        assert_as_folded_at_once(live, facts[:count])


@given(walks(), st.integers(1, 3))
def test_settling_in_slices_and_late_comes_to_the_same(walk: tuple[list[Fact], list[int], list[int]], limit: int) -> None:
    """A backlog is settled in slices, facts are taken in and the clock goes on between them."""
    facts, nows, _ = walk
    live = live_at(nows[0])
    for place, fact in enumerate(facts):
        live.take(fact)
        if place % 3 == 0:
            live.settle_some(limit)
        live.advance(nows[min(place, len(nows) - 1)])
    live.advance(nows[-1])
    while not live.settle_some(limit):
        assert any(not department.is_settled for department in live.departments.values())
    assert all(department.is_settled for department in live.departments.values())
    assert_as_folded_at_once(live, facts)


@given(walks())
def test_what_a_step_changes_is_told_to_the_scorer(walk: tuple[list[Fact], list[int], list[int]]) -> None:
    """A department and period whose records differ after a step are among those said to have changed."""
    facts, nows, taken = walk
    live = live_at(nows[0])
    before: dict[tuple[str, str, str], Any] = {}
    scored: dict[tuple[str, int], PeriodScores] = {}
    count = 0
    for now, more in zip(nows, taken, strict=True):
        live.advance(now)
        for fact in facts[count:more]:
            live.take(fact)
        count = more
        live.settle()
        records = {
            (r.department, r.period, r.indicator): r.model_dump(exclude={"as_of", "version", "rank", "ranked"}) for r in score_city(live)
        }
        differing = {key[:2] for key in records.keys() | before.keys() if records.get(key) != before.get(key)}
        told = set()
        for code in live.changed:
            department = live.departments[code]
            periods = range(live.context.time.period_of(0), live.context.period + 1)
            changes = department.take_changes()
            told |= {(code, period_label(period)) for period in filter(changes.concern, periods)}
            for period in filter(changes.concern, scored_periods(department)):
                # Only what looked at something that changed is scored anew, and that is as if all were.
                changed, held = changes.of(period), scored.get((code, period))
                again = score_view(View(department, period)) if held is None or changed is None else held.again(changed)
                scored[code, period] = again
                assert list(map(content_of, again.records)) == list(map(content_of, score_period(department, period)))
        assert {pair for pair in differing if pair not in told} == set() or _first_seen(before, differing - told)
        live.changed.clear()
        before = records


def _first_seen(before: dict[tuple[str, str, str], Any], pairs: set[tuple[str, str]]) -> bool:
    """Whether these departments and periods had no records yet: the publisher publishes all of a department it did not know."""
    return all(key[:2] not in pairs for key in before)


# --- the clock


def overdue_case() -> list[Fact]:
    history = History().add("case.accepted", "2020-09-02", serial="S1", due_at="2020-09-10T12:00:00")
    return facts_of(history.add("request.raised", "2020-09-02", due_at="2020-09-10T12:00:00").events)


@pytest.mark.parametrize("back", [0, 1, SECOND, 400 * DAY])
def test_a_clock_that_is_set_back_changes_nothing(back: int) -> None:
    facts = overdue_case()
    live = live_at("2020-09-11", *facts)
    live.changed.clear()
    now = live.context.now
    alarms, scores = dict(live.alarms), score_city(live)
    live.advance(now - back)
    live.settle()
    assert live.context.now == now
    assert (live.alarms, score_city(live), live.changed) == (alarms, scores, set())
    # and facts that come meanwhile count as of the greatest now
    live.take(facts_of(History().add("case.completed", "2020-09-11", serial="S1", event_id="done").events)[0])
    live.settle()
    assert_as_folded_at_once(live, [*facts, *facts_of(History().add("case.completed", "2020-09-11", serial="S1", event_id="done").events)])


def test_a_deadline_that_may_be_met_to_its_very_instant() -> None:
    live = live_at("2020-09-10T11:59:59", *overdue_case())
    assert (live.tallies[D1].within_24h, live.tallies[D1].overdue, live.tallies[D1].requests_overdue) == (1, {}, 0)
    live.advance(instant("2020-09-10T12:00:00"))
    live.settle()
    assert (len(live.tallies[D1].overdue), live.tallies[D1].requests_overdue) == (0, 0)
    live.advance(instant("2020-09-10T12:00:00") + 1)
    live.settle()
    assert (len(live.tallies[D1].overdue), live.tallies[D1].requests_overdue, live.tallies[D1].within_24h) == (1, 1, 0)
    assert live.changed == {D1}


@pytest.mark.parametrize(
    ("before", "within_24h", "within_72h"),
    [(3 * DAY + 1, 0, 0), (3 * DAY, 0, 1), (DAY + 1, 0, 1), (DAY, 1, 1), (0, 1, 1), (-1, 0, 0)],
)
def test_levels_begin_at_their_instants_with_no_event_arriving(before: int, within_24h: int, within_72h: int) -> None:
    due = instant("2020-09-10T12:00:00")
    live = live_at(due - 10 * DAY, *overdue_case())
    live.advance(due - before)
    live.settle()
    tally = live.tallies[D1]
    assert (tally.within_24h, tally.within_72h, len(tally.overdue)) == (within_24h, within_72h, int(before < 0))


def suspended_case() -> list[Fact]:
    """Accepted on Wednesday 2 September, five workdays promised: due at the end of Wednesday 9 September; suspended on the 8th."""
    history = History().items(1).add("case.accepted", "2020-09-02", serial="S1").add("case.suspended", "2020-09-08", serial="S1")
    return facts_of(history.events)


def due_of(live: LiveCity) -> int | None:
    [condition] = [condition for entity, condition in live.conditions.items() if isinstance(entity, Case)]
    return condition.due_at


def test_the_due_time_of_a_suspended_case_moves_on_at_midnight() -> None:
    live = live_at("2020-09-08T13:00:00", *suspended_case())
    assert due_of(live) == instant("2020-09-10T00:00:00")
    seen = []
    for day in ("09", "10", "11", "12", "13", "14"):  # the 12th and 13th are a weekend
        live.advance(instant(f"2020-09-{day}T00:00:00") - 1)
        live.settle()
        before = due_of(live)
        live.changed.clear()
        live.advance(instant(f"2020-09-{day}T00:00:00"))
        live.settle()
        assert live.changed == {D1}
        seen.append((day, before, due_of(live)))
        assert_as_folded_at_once(live, suspended_case())
    ends = [instant(f"2020-09-{day}T00:00:00") for day in ("11", "12", "15", "16", "16", "16")]
    assert [after for _, _, after in seen] == ends, "a workday more for each that was suspended; none for the weekend"
    assert [before for _, before, _ in seen] == [instant("2020-09-10T00:00:00"), *ends[:-1]], "it moves at midnight and not before"


def test_a_resumed_case_is_due_for_good() -> None:
    facts = [*suspended_case(), *facts_of(History().add("case.resumed", "2020-09-09", serial="S1", event_id="resumed").events)]
    live = live_at("2020-09-08T13:00:00", *facts)
    live.advance(instant("2020-09-30"))
    live.settle()
    assert due_of(live) == instant("2020-09-11T00:00:00")
    assert len(live.tallies[D1].overdue) == 1
    assert_as_folded_at_once(live, facts)


def test_facts_dated_ahead_take_effect_when_they_occur() -> None:
    [ahead] = facts_of(History().add("case.accepted", "2020-09-20", due_at="2020-09-21").events)
    live = live_at("2020-09-10", ahead)
    assert (live.departments, live.tallies) == ({}, {})
    live.advance(instant("2020-09-20") - 1)
    assert live.departments == {}
    live.advance(instant("2020-09-20"))
    live.settle()
    assert live.tallies[D1].cases_open == 1
    assert live.take(ahead) == "duplicate"


def test_a_midnight_has_every_department_looked_at_again() -> None:
    live = live_at("2020-09-10T23:59:59", *overdue_case())
    live.changed.clear()
    live.advance(instant("2020-09-11T00:00:00") - 1)
    assert live.changed == set()
    live.advance(instant("2020-09-11T00:00:00"))
    assert live.changed == {D1}
    assert live.departments[D1].changes.of(live.context.period) is None


def test_a_leap_over_years_is_a_step_like_another() -> None:
    facts = [*overdue_case(), *facts_of(History().add("table.registered", "2020-09-02", event_id="t").events)]
    live = live_at("2020-09-03", *facts)
    live.advance(instant("2021-02-03"))
    live.settle()
    assert_as_folded_at_once(live, facts)


def test_settled_in_slices_nothing_is_settled_twice() -> None:
    history = History()
    for number in range(10):
        history.add("case.accepted", "2020-09-02", serial=f"S{number}", due_at="2020-09-10T12:00:00")
    live = LiveCity(create_context(default_ruleset(), instant("2020-09-03")))
    for fact in facts_of(history.events):
        live.take(fact)
    assert [live.settle_some(4), live.settle_some(4)] == [False, False]
    assert live.tallies[D1].cases_open == 8
    assert live.settle_some(4)
    assert live.tallies[D1].cases_open == 10
    assert live.settle_some(4)
    assert live.settle_department(D1) == 0
