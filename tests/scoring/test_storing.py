"""A city stored as rows and made again of them is the same city: now, at any later instant, and whatever facts follow."""

from __future__ import annotations

from typing import Any

import msgpack
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
from scoring.entities.case import Licence
from scoring.live import LiveCity
from scoring.scores import score_city
from tests.support.histories import histories, instants

EVENTS: TypeAdapter[list[Envelope]] = TypeAdapter(list[Event])
# What follows from the rest, or is where something is looked up.
DERIVED = {"code", "context", "counters", "changes", "watchers", "samples_of", "_touched", "_shared"}


def stored(city: LiveCity) -> list[Any]:
    """The rows as they come back from a file."""
    packer = msgpack.Packer(default=storing.plain)
    return [msgpack.unpackb(packer.pack(row), use_list=False, strict_map_key=False) for row in storing.rows_of(city)]


def restored(rows: list[Any], now: int) -> LiveCity:
    city = LiveCity(create_context(default_ruleset(), now))
    restorer = storing.Restorer(city)
    for row in rows:
        restorer.add(row)
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
    assert stored(other) == stored(city)
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
    city = LiveCity(create_context(default_ruleset(), 10**15))
    city.take_all(facts)
    rows = stored(city)
    assert [len(row[1]) for row in rows if row[0] in ("ids", "cases")] == [7, 7, 6, 7, 7, 6]
    assert told(restored(rows, 10**15)) == told(city)


@pytest.mark.parametrize("kind", storing.SHAPES, ids=lambda kind: kind.__name__)
def test_every_slot_of_every_entity_is_stored(kind: type[Any]) -> None:
    own = [name for name in kind.__struct_fields__ if name not in ("id", "settled")]
    assert list(storing.SHAPES[kind]) == own, "in the order in which they are made of what was read"


def test_everything_that_a_department_holds_is_stored_or_follows_from_it() -> None:
    held = vars(Department("x", create_context(default_ruleset(), 0)))
    assert set(held) == {*storing.DEPARTMENT_FIELDS, *storing.HELD, *DERIVED}
    assert {kind for kind in storing.HELD.values() if kind is not Licence} == set(storing.SHAPES) - {Licence}


def test_what_cannot_be_stored_is_refused() -> None:
    with pytest.raises(TypeError, match="a object cannot be stored"):
        storing.plain(object())
