"""Explanations: they add up to the record, are read page by page, say what each thing costs, and name the events that it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.explanations import EvidenceRow, Explanation, Side
from models.instants import parse_instant
from scoring.city import City
from scoring.entities.base import Entity
from scoring.evidence import gather
from scoring.explaining import explain, explanation, parse_cursor
from scoring.indicators import BY_ID, INDICATORS
from scoring.indicators.base import Indicator
from scoring.local_time import parse_period
from scoring.scores import score_indicator
from scoring.view import View, scored_periods
from tests.scoring.test_properties import POLICIES, RULES, SHORT, as_told, batch, facts_of, for_every_indicator, without_conflicts
from tests.support.builder import AS_OF, D1, OCTOBER, SEPTEMBER, History, instant
from tests.support.histories import histories, instants

ZERO = Fraction(0)


def views(city: City) -> Iterator[View]:
    for department in city.departments.values():
        for period in scored_periods(department):
            yield View(department, period)


def explained(history: History, indicator: str, period: str = SEPTEMBER, as_of: str = AS_OF, **policies: Any) -> Explanation:
    city = batch(facts_of(history.events), instant(as_of), RULES.with_policies(**policies))
    return explain(BY_ID[indicator], View(city.departments[D1], parse_period(period)))


def total(rows: list[EvidenceRow], name: str) -> Fraction:
    return sum((Fraction(getattr(row, name)) for row in rows), ZERO)


def page(indicator: Indicator, view: View, **asked: Any) -> Explanation:
    record, _ = score_indicator(indicator, view)
    return explanation(indicator, view, record, gather(indicator, view), **asked)


def pages(indicator: Indicator, view: View, limit: int, side: Side | None) -> list[EvidenceRow]:
    rows: list[EvidenceRow] = []
    after = None
    while True:
        found = page(indicator, view, limit=limit, side=side, after=after)
        assert len(found.evidence) == limit or found.next_cursor is None
        rows += found.evidence
        if found.next_cursor is None:
            return rows
        after = parse_cursor(found.next_cursor)


# --- for every history


@for_every_indicator
@given(data=st.data(), policies=POLICIES)
def test_all_pages_add_up_to_the_record(indicator: str, data: st.DataObject, policies: dict[str, Any]) -> None:
    events = data.draw(histories(40, indicator), label="events")
    city = batch(facts_of(events), data.draw(instants(events), label="as of"), RULES.with_policies(**policies))
    limit = data.draw(st.integers(1, 4), label="limit")
    held = BY_ID[indicator]
    for view in views(city):
        whole = explain(held, view)
        assert whole.record == score_indicator(held, view)[0]
        assert (whole.next_cursor, whole.closing) == (None, None)
        assert total(whole.evidence, "numerator") == Fraction(whole.record.numerator)
        assert total(whole.evidence, "denominator") == Fraction(whole.record.denominator)
        sides: dict[Side, list[EvidenceRow]] = {side: [r for r in whole.evidence if r.counts == side] for side in ("against", "for")}
        assert whole.counted == {side: len(rows) for side, rows in sides.items()}
        assert whole.evidence == sides["against"] + sides["for"], "what counts against comes first"
        for rows in sides.values():
            assert [(row.kind, row.id) for row in rows] == sorted({(row.kind, row.id) for row in rows}), "each once, in order"
        assert pages(held, view, limit, None) == whole.evidence
        for side, rows in sides.items():
            assert pages(held, view, limit, side) == rows
            assert page(held, view, side=side).counted == whole.counted, "whatever is asked for"


@for_every_indicator
@given(data=st.data(), policies=POLICIES)
def test_a_thing_costs_what_there_were_more_if_it_counted_in_full(indicator: str, data: st.DataObject, policies: dict[str, Any]) -> None:
    events = data.draw(histories(40, indicator), label="events")
    city = batch(facts_of(events), data.draw(instants(events), label="as of"), RULES.with_policies(**policies))
    held = BY_ID[indicator]
    for view in views(city):
        found = explain(held, view)
        for place, row in enumerate(found.evidence):
            assert (row.reason is None) == (row.counts == "for")
            if row.counts == "for" or found.record.status != "scored" or row.numerator == row.denominator == "0":
                assert row.costs is None
                continue
            others = [*found.evidence[:place], *found.evidence[place + 1 :]]
            in_full = ZERO if held.lower_is_better else Fraction(row.denominator)
            numerator, denominator = total(others, "numerator") + in_full, Fraction(found.record.denominator)
            points = min(held.points_of(numerator, denominator, view), Fraction(held.max_points))
            gained = points - Fraction(found.record.points_exact)
            assert row.costs == str(-gained if held.deduction else gained)
            assert Fraction(row.costs) >= 0, "counting in full never takes points away"


@for_every_indicator
@given(data=st.data())
def test_events_are_those_of_the_history(indicator: str, data: st.DataObject) -> None:
    events = without_conflicts(data.draw(histories(40, indicator), label="events"))
    told = {event["event_id"]: event for event in events}
    city = batch(facts_of(events), data.draw(instants(events), label="as of"))
    for view in views(city):
        for row in explain(BY_ID[indicator], view).evidence:
            assert row.events, "everything comes of something"
            assert [event.at for event in row.events] == sorted((event.at for event in row.events), key=parse_instant)
            for source in row.events:
                event = told[source.event_id]
                assert (source.type, parse_instant(source.at)) == (event["type"], parse_instant(event["occurred_at"]))
                assert event["department"] == view.department.code


@for_every_indicator
@given(data=st.data())
def test_what_sets_a_score_to_0_is_a_row(indicator: str, data: st.DataObject) -> None:
    events = data.draw(histories(40, indicator), label="events")
    city = batch(facts_of(events), data.draw(instants(events), label="as of"))
    for view in views(city):
        found = explain(BY_ID[indicator], view)
        zeroing = {f"{row.kind}:{row.id}" for row in found.evidence if row.numerator == row.denominator == "0"}
        assert zeroing == {reason for reason in found.record.reasons if reason.startswith(("complaint:", "defect:"))}
        assert not zeroing or found.record.status == "zeroed"


@for_every_indicator
@given(data=st.data(), policies=POLICIES)
def test_the_formula_has_the_numbers_of_the_record(indicator: str, data: st.DataObject, policies: dict[str, Any]) -> None:
    events = data.draw(histories(40, indicator), label="events")
    city = batch(facts_of(events), data.draw(instants(events), label="as of"), RULES.with_policies(**policies))
    for view in views(city):
        found = explain(BY_ID[indicator], view)
        sums, _, points = found.with_numbers.rpartition("; ")
        shown = re.fullmatch(r"N = ([^,]+), M = ([^,]+)(?:, N/M = (\S+) ≈ .*%)?", sums)
        assert shown is not None
        for text, expected in zip(shown.groups(), (found.record.numerator, found.record.denominator), strict=False):
            *terms, last = text.split(" = ")
            assert last == expected
            for term in terms:
                products = [tuple(map(Fraction, product.split("·"))) for product in term.split(" + ")]
                assert sum(weight * amount for weight, amount in products) == Fraction(last)
        if shown[3]:
            assert Fraction(shown[3]) == Fraction(found.record.numerator) / Fraction(found.record.denominator)
        assert f" = {found.record.points_exact} ≈ " in points


@for_every_indicator
@given(data=st.data())
def test_a_kind_contributes_to_what_it_says(indicator: str, data: st.DataObject) -> None:
    """Kinds that say they contribute to nothing that an indicator reads are passed over."""
    events = data.draw(as_told(data.draw(histories(SHORT, indicator))), label="events")
    city = batch(facts_of(events), data.draw(instants(events), label="as of"))
    for department in city.departments.values():
        for entity in department.entities():
            assert {component for component, *_ in entity.contributions(department)} <= entity.components


def test_every_component_that_is_read_is_of_one_kind() -> None:
    said = [component for kind in Entity.__subclasses__() for component in kind.components]
    assert len(set(said)) == len(said)
    assert {component for indicator in INDICATORS for component in indicator.components} <= set(said)


# --- what they say


def test_zeroing_things_are_listed_first_and_cost_nothing_by_themselves() -> None:
    h = History().add("department.docking_changed", "2020-08-20")
    h.case("S1", issued="2020-09-01").case("S2", issued="2020-09-01", passed="2020-09-02")
    h.add("complaint.upheld", "2020-09-20", serial="S1").add("defect.confirmed", "2020-09-21")
    found = explained(h, "case_aggregation")
    assert [(row.kind, row.id, row.numerator, row.denominator, row.costs) for row in found.evidence] == [
        ("case", "S1", "0", "1", None), ("complaint", "C1", "0", "0", None), ("defect", "X1", "0", "0", None), ("case", "S2", "1", "1", None),
    ]  # fmt: skip
    assert [row.reason for row in found.evidence] == [
        BY_ID["case_aggregation"].lost.en, "sets the indicator to 0", "sets the indicator to 0", None,
    ]  # fmt: skip
    assert [event.type for event in found.evidence[1].events] == ["complaint.upheld"]


def test_what_changed_later_does_not_change_what_an_earlier_period_is_explained_by() -> None:
    h = History().add("item.published", "2020-08-20", name="before", online_depth=2)
    h.add("table.registered", "2020-08-20", cycle_days=7, first_due_at="2020-09-02T09:00:00").add("table.updated", "2020-09-01")
    h.add("interface.registered", "2020-08-20").add("interface.failed", "2020-09-05", failure="F1")
    before = {i: explained(h, i) for i in ("online_depth", "sharing_validity")}
    h.add("item.published", "2020-10-05", name="after", online_depth=4).add("item.retired", "2020-10-20")
    h.add("table.registered", "2020-10-05", cycle_days=30).add("table.updated", "2020-10-06")
    h.add("interface.failed", "2020-10-05", failure="F2").add("interface.recovered", "2020-10-06", failure="F2")
    for indicator, held in before.items():
        now = explained(h, indicator)
        assert [row.details for row in now.evidence] == [row.details for row in held.evidence]
    [item] = before["online_depth"].evidence
    assert (item.details["name"], item.details["online_depth"], item.details["published_at"]) == ("before", 2, "2020-08-20T12:00:00+08:00")
    interface, table = before["sharing_validity"].evidence
    assert interface.details == {"failures": [{"failure": "F1", "failed_at": "2020-09-05T12:00:00+08:00", "recovered_at": None}]}
    assert table.details == {
        "cycle_days": 7, "first_due_at": "2020-09-02T09:00:00+08:00", "updated_at": "2020-09-01T12:00:00+08:00",
    }  # fmt: skip
    _, october = explained(h, "sharing_validity", OCTOBER).evidence
    assert october.details["updated_at"] == "2020-10-06T12:00:00+08:00"


def test_sums_are_told_with_their_terms() -> None:
    h = History().items(3, online_depth=4).add("item.published", "2020-08-20", item="I9", online_depth=2)
    assert explained(h, "online_depth").with_numbers.startswith("N = 1·3 + 3/20·1 = 63/20, M = 4, N/M = 63/80 ≈ 78.7500%; points = ")


@pytest.mark.parametrize("cursor", ["", "x", "0|case"])
def test_what_is_no_cursor(cursor: str) -> None:
    with pytest.raises(ValueError, match="unpack"):
        parse_cursor(cursor)
