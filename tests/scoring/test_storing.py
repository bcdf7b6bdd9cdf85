"""A city stored as rows and made again of them is the same city: now, at any later instant, and whatever facts follow."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from models.events import Envelope, Event
from models.facts import Fact, to_fact
from models.instants import DAY, to_instant
from models.rulesets import default_ruleset
from scoring import storing
from scoring.context import create_context
from scoring.department import Department
from scoring.live import LiveCity
from scoring.scores import score_city
from tests.support.builder import D1, History
from tests.support.histories import histories, instants

EVENTS: TypeAdapter[list[Envelope]] = TypeAdapter(list[Event])
# What follows from the rest, or is where something is looked up.
DERIVED = {"context", "counters", "changes", "watchers", "samples_of", "_touched", "_shared"}


def stored(city: LiveCity) -> list[tuple[str, bytes]]:
    """The rows as they come back from a file."""
    return [(name, msgspec.msgpack.encode(value)) for name, value in storing.rows_of(city)]


def read(rows: list[tuple[str, bytes]]) -> list[tuple[str, Any]]:
    """What they hold, wherever derived fields may be."""
    return [(name, msgspec.msgpack.decode(packed)) for name, packed in rows]


def restored(rows: list[tuple[str, bytes]], now: int) -> LiveCity:
    city = LiveCity(create_context(default_ruleset(), now))
    restorer = storing.Restorer(city)
    for name, packed in rows:
        restorer.add(name, packed)
    city.settle()
    return city


def told(city: LiveCity) -> dict[str, Any]:
    city.settle()
    return {
        "scores": score_city(city),
        "counters": {code: department.counters for code, department in city.departments.items()},
        "alarms": {key: alarm for key, (alarm, _) in city.alarms.items()},
        "open": {code: (tally.cases_open, tally.requests_open, len(tally.overdue)) for code, tally in city.tallies.items()},
        "periods": sorted(city.period_facts),
        "descriptions": {
            (code, entity.kind, entity.id): entity.describe(department)
            for code, department in city.departments.items()
            for entity in department.entities()
        },
    }


@given(histories(max_size=40), st.data())
def test_stored_at_any_prefix_and_gone_on_from(events: list[dict[str, Any]], data: st.DataObject) -> None:
    facts = list(map(to_fact, EVENTS.validate_python(events)))
    now = to_instant(data.draw(instants(events)))
    cut = data.draw(st.integers(0, len(facts)))
    later = now + data.draw(st.integers(0, 40)) * DAY
    city = LiveCity(create_context(default_ruleset(), now))
    for fact in facts[:cut]:
        city.take(fact)
    if data.draw(st.booleans()):
        city.settle()
    other = restored(stored(city), now)
    assert told(other) == told(city)
    assert read(stored(other)) == read(stored(city))
    assert other._digests == city._digests
    outcomes: list[list[str]] = [[], []]
    for held, found in zip((city, other), outcomes, strict=True):
        for fact in facts[cut:] + facts:  # every one of them comes twice, those before the cut once more
            found.append(held.take(fact))
        held.advance(later)
    assert outcomes[0] == outcomes[1], "an id that was taken in before the snapshot is known after it"
    assert told(other) == told(city)


def test_many_entities_are_stored_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "ROWS_AT_ONCE", 7)
    code = "11420500000100016Q"
    facts: list[Fact] = [(4, code, number, f"e{number}", f"S{number}", "I1", False) for number in range(20)]
    facts += [(*fact[:3], f"later-{fact[3]}", *fact[4:]) for fact in facts]
    city = LiveCity(create_context(default_ruleset(), 10**15))
    city.take_all(facts)
    rows = stored(city)
    assert [len(row[0]) for name, row in read(rows) if name == "cases"] == [7, 7, 6]
    assert [len(row) for name, row in read(rows) if name == "ids"] == [7, 7, 6], "of those that are no station of a case"
    assert told(restored(rows, 10**15)) == told(city)


def test_the_words_of_a_case_are_held_once() -> None:
    """Each by itself they were a third of the memory of a case, and half of it after a restart."""
    history = History(D1).items(1, "2020-08-01").case("S1", issued="2020-09-01", accepted="2020-09-02", completed="2020-09-05")
    history.add("case.suspended", "2020-09-03", serial="S1").add("licence.generated", "2020-09-05", licence="L1", serial="S1")
    events = history.add("licence.dispatched", "2020-09-06", licence="L1", serial="S1").events
    facts = list(map(to_fact, EVENTS.validate_json(json.dumps(events))))
    city = LiveCity(create_context(default_ruleset(), 10**17))
    city.take_all(facts)
    for held in (city, restored(stored(city), 10**17)):
        department = held.departments[D1]
        case = department.cases["S1"]
        issued, accepted, completed = case.issued, case.accepted, case.completed
        assert issued is not None and accepted is not None and completed is not None
        assert accepted.department is department.code
        assert issued.item is accepted.item is completed.item
        assert completed.outcome is sys.intern("granted")
        if held is city:  # pauses are stored whole: few cases have any
            assert case.pauses is not None and case.pauses[0][4] is case.id
        licence = department.licences["L1"]
        assert licence.generated is not None and licence.dispatched_to is not None
        assert licence.generated.serial is licence.dispatched_to[0] is case.id
        ids = {id(event_id) for event_id in held.event_ids()}
        assert {id(station.event_id) for station in (issued, accepted, completed)} <= ids


@pytest.mark.parametrize("kind", storing.HELD.values(), ids=lambda kind: kind.__name__)
def test_what_is_derived_comes_last(kind: type[Any]) -> None:
    """What reads a row gives fields that it lacks their defaults: only the last ones can be lacking."""
    fields = storing.stored_fields(kind)
    assert list(kind.__struct_fields__[: len(fields)]) == fields
    assert set(kind.__struct_fields__[len(fields) :]) <= storing.DERIVED


def test_everything_that_a_department_holds_is_stored_or_follows_from_it() -> None:
    held = vars(Department("x", create_context(default_ruleset(), 0)))
    assert set(held) == {*storing.stored_fields(storing.DepartmentRow), *storing.HELD, *DERIVED}
