"""How far samples are: what is outstanding, and what has been recorded of each thing, as the indicators count it."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from models.events import Envelope
from models.events import Event as WireEvent
from models.facts import to_fact
from models.instants import to_instant
from models.records import SampledThing, SampleState
from models.rulesets import default_ruleset
from scoring.city import City
from scoring.context import create_context
from scoring.samples_state import sample_states
from tests.support.builder import D1, OCTOBER, SEPTEMBER, History, instant

EVENTS: TypeAdapter[list[Envelope]] = TypeAdapter(list[WireEvent])


def states(history: History, period: str = SEPTEMBER, as_of: str = "2020-10-20") -> list[SampleState]:
    """The same whatever the order in which the events come."""
    found = []
    for told in (history.events, [*reversed(history.events)]):
        city = City(create_context(default_ruleset(), to_instant(instant(as_of))))
        city.take_all(map(to_fact, EVENTS.validate_python(told)))
        found.append(sample_states(city.department(D1), period))
    assert found[0] == found[1]
    return found[0]


def things(history: History) -> list[SampledThing]:
    [state] = states(history)
    assert state.outstanding == sum(thing.outstanding for thing in state.things)
    return state.things


def test_inspections_and_what_was_withdrawn() -> None:
    h = History().add("sample.drawn", "2020-09-25", selected=("A1", "A2", "A3", "A1"), tail=7)
    h.add("inspection.recorded", "2020-10-01", acceptance_no="A1", achieved=True)
    h.add("inspection.recorded", "2020-10-02", acceptance_no="A1", achieved=False)  # the first holds
    h.add("inspection.recorded", "2020-10-02", acceptance_no="A2", achieved=False).add("finding.withdrawn", "2020-10-03", ref="P1/A2")
    h.add("inspection.recorded", "2020-10-01", sample="other", acceptance_no="A3", achieved=True)
    [state] = states(h)
    assert state == SampleState(
        sample="P1", department=D1, indicator="visit_reduction", period=SEPTEMBER, drawn_at="2020-09-25T12:00:00+08:00",
        selected=["A1", "A2", "A3", "A1"], tail=7, outstanding=1,
        things=[
            SampledThing(id="A1", outstanding=False, achieved=True, withdrawn=False),
            SampledThing(id="A2", outstanding=False, achieved=False, withdrawn=True), SampledThing(id="A3", outstanding=True),
        ],
    )  # fmt: skip


def test_guide_checks_of_the_item_for_the_period() -> None:
    h = History().add("sample.drawn", "2020-09-25", indicator="guide_accuracy", selected=("I1", "I2", "I3"))
    h.add("guide.checked", "2020-10-05", check="G1", item="I1", errors=2).add(
        "guide.checked", "2020-09-05", check="G2", item="I1", errors=0
    )
    h.add("guide.checked", "2020-09-26", check="G3", item="I2", period=OCTOBER).add("guide.checked", "2020-09-26", check="G4", item="I3")
    h.add("finding.withdrawn", "2020-09-27", ref="G4")
    assert things(h) == [
        SampledThing(id="I1", outstanding=False, errors=2, findings=["G1", "G2"]),
        SampledThing(id="I2", outstanding=True), SampledThing(id="I3", outstanding=True),
    ]  # fmt: skip


def test_tests_raised_in_the_period() -> None:
    h = History().add("sample.drawn", "2020-09-01", indicator="online_experience", selected=("I1", "I2", "I3"))
    h.add("test.raised", "2020-09-30T23:59:59", test="Q1", item="I1").add("test.raised", "2020-09-02", test="Q2", item="I1")
    h.add("test.disposed", "2020-10-01", test="Q1")
    h.add("test.raised", "2020-10-01T00:00:00", test="Q3", item="I2").add("test.raised", "2020-09-03", test="Q4", item="I3")
    h.add("finding.withdrawn", "2020-09-27", ref="Q4")
    assert things(h) == [
        SampledThing(id="I1", outstanding=False, findings=["Q1", "Q2"], undisposed=["Q2"]),
        SampledThing(id="I2", outstanding=True), SampledThing(id="I3", outstanding=True),
    ]  # fmt: skip


def test_by_indicator_and_only_those_that_hold() -> None:
    h = History().add("sample.drawn", "2020-09-25", sample="later", selected=("A9",)).add("sample.drawn", "2020-09-24", sample="first")
    h.add("sample.drawn", "2020-09-20", sample="items", indicator="online_experience", selected=("I1",))
    h.add("sample.drawn", "2020-10-25", sample="not yet", indicator="guide_accuracy", selected=("I1",))
    h.add("sample.drawn", "2020-09-20", sample="other month", period=OCTOBER)
    assert [state.sample for state in states(h)] == ["first", "items"]
    assert [state.sample for state in states(h, OCTOBER)] == ["other month"]
    assert states(h, "2020-08") == []


@pytest.mark.parametrize("indicator", ["online_depth", "step_reduction"])
def test_samples_of_other_indicators_are_none(indicator: str) -> None:
    assert states(History().add("sample.drawn", "2020-09-25", indicator=indicator)) == []
