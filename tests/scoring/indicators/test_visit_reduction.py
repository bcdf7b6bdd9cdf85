"""7 减跑动成效: points = max(0, 10 - 2*fails) over the acceptance numbers of the period's first sample.

Record: fails / distinct acceptance numbers selected.
"""

from functools import partial
from typing import Any

import pytest

from tests.support.builder import OCTOBER, History, assert_score

expect = partial(assert_score, indicator="visit_reduction")
SIX = ("A1", "A2", "A3", "A4", "A5", "A6")


def sampled(*selected: str, **fields: str) -> History:
    return History().add("sample.drawn", "2020-09-25", selected=selected, **fields)


def inspected(h: History, failed: int, achieved: int, at: str = "2020-09-28") -> History:
    """A1, A2, ...: first those that failed."""
    for number in range(1, failed + achieved + 1):
        h.add("inspection.recorded", at, acceptance_no=f"A{number}", achieved=number > failed)
    return h


def no_sample(h: History, **more: Any) -> None:
    expect(h, nm=("0", "0"), points=10, exact="10", status="vacuous", **more)


@pytest.mark.parametrize(("fails", "points"), [(0, 10), (1, 8), (2, 6), (4, 2), (5, 0), (6, 0)])
def test_two_points_a_fail_down_to_nought(fails: int, points: int) -> None:
    h = inspected(sampled(*SIX), failed=fails, achieved=6 - fails)  # 10 - 2*6 < 0 -> 0
    expect(h, nm=(str(fails), "6"), points=points, exact=str(points))


def test_a_small_sample_is_not_scaled() -> None:
    expect(inspected(sampled("A1", "A2"), failed=1, achieved=1), nm=("1", "2"), points=8, exact="8")


def test_not_yet_inspected_costs_nothing_and_is_provisional() -> None:
    h = inspected(sampled(*SIX), failed=1, achieved=4)
    expect(h, nm=("1", "6"), points=8, exact="8", reasons=["inspections_outstanding"])


def test_reasons_of_an_open_month() -> None:
    h = inspected(sampled(*SIX), failed=1, achieved=4)
    reasons = ["period_open", "inspections_outstanding"]
    expect(h, nm=("1", "6"), points=8, exact="8", as_of="2020-09-30", reasons=reasons)


@pytest.mark.parametrize("policy", [("full", "vacuous", "10"), ("zero", "vacuous", "0"), ("na", "no_data", "0")])
@pytest.mark.parametrize("drawn", [False, True])
def test_no_sample_or_an_empty_one_is_no_workload(drawn: bool, policy: tuple[str, str, str]) -> None:
    name, status, points = policy
    h = sampled() if drawn else History().items(1)
    expect(h, nm=("0", "0"), points=float(points), exact=points, status=status, zero_denominator=name)


def test_inspections_without_a_sample_count_nothing() -> None:
    no_sample(inspected(History(), failed=3, achieved=0))


@pytest.mark.parametrize(("selected", "count"), [(("A1", "A1"), "1"), (("A1", "A2", "A1"), "2")])
def test_a_number_selected_twice_is_one(selected: tuple[str, ...], count: str) -> None:
    h = inspected(sampled(*selected), failed=1, achieved=1)
    expect(h, nm=("1", count), points=8, exact="8")


@pytest.mark.parametrize("at", ["2020-08-15", "2020-09-25", "2020-11-20"])
def test_the_sample_belongs_to_the_period_it_names_and_inspections_to_the_sample(at: str) -> None:
    h = History().add("department.registered", "2020-08-01").add("sample.drawn", at, selected=("A1",))
    h.add("inspection.recorded", at, achieved=False)
    expect(h, nm=("1", "1"), points=8, exact="8")
    no_sample(h, period=OCTOBER)
    no_sample(h, period="2020-08")


def test_an_inspection_dated_before_the_draw_counts() -> None:
    expect(inspected(sampled("A1"), failed=1, achieved=0, at="2020-09-24"), nm=("1", "1"), points=8, exact="8")


def test_inspections_know_no_cut_off_but_t() -> None:
    h = inspected(sampled("A1"), failed=1, achieved=0, at="2020-11-20T12:00:00")
    expect(h, nm=("0", "1"), points=10, exact="10", as_of="2020-11-20T11:59:59", reasons=["inspections_outstanding"])
    expect(h, nm=("1", "1"), points=8, exact="8", as_of="2020-11-20T12:00:00")


@pytest.mark.parametrize(("second_at", "fails"), [("2020-09-29", "1"), ("2020-09-27", "0")])
def test_the_first_inspection_of_a_number_holds(second_at: str, fails: str) -> None:
    h = inspected(sampled("A1"), failed=1, achieved=0).add("inspection.recorded", second_at, achieved=True)
    points = {"1": "8", "0": "10"}[fails]
    expect(h, nm=(fails, "1"), points=float(points), exact=points)


@pytest.mark.parametrize(("failed_id", "achieved_id", "fails"), [("a", "b", "1"), ("b", "a", "0")])
def test_of_two_inspections_of_one_instant_the_smallest_event_id_holds(failed_id: str, achieved_id: str, fails: str) -> None:
    h = sampled("A1").add("inspection.recorded", "2020-09-28", achieved=False, event_id=failed_id)
    h.add("inspection.recorded", "2020-09-28", achieved=True, event_id=achieved_id)
    points = {"1": "8", "0": "10"}[fails]
    expect(h, nm=(fails, "1"), points=float(points), exact=points)


def test_only_inspections_of_selected_numbers_under_the_samples_id_count() -> None:
    h = inspected(sampled("A1"), failed=0, achieved=1)
    h.add("inspection.recorded", "2020-09-28", acceptance_no="A2", achieved=False)  # not selected
    h.add("inspection.recorded", "2020-09-20", sample="P2", acceptance_no="A1", achieved=False)  # other sample
    expect(h, nm=("0", "1"), points=10, exact="10")


@pytest.mark.parametrize(("other_at", "holds"), [("2020-09-24", "P2"), ("2020-09-26", "P1")])
def test_the_first_sample_of_the_period_holds(other_at: str, holds: str) -> None:
    h = inspected(sampled("A1", "A2"), failed=1, achieved=1)  # P1: one fail of two
    h.add("sample.drawn", other_at, sample="P2", selected=("A1",))
    h.add("inspection.recorded", "2020-09-28", sample="P2", acceptance_no="A1", achieved=True)
    if holds == "P1":
        expect(h, nm=("1", "2"), points=8, exact="8")
    else:
        expect(h, nm=("0", "1"), points=10, exact="10")


@pytest.mark.parametrize(("one", "two", "count"), [("a", "b", "1"), ("b", "a", "2")])
def test_of_two_samples_of_one_instant_the_smallest_event_id_holds(one: str, two: str, count: str) -> None:
    h = sampled("A1", sample="P1", event_id=one)
    h.add("sample.drawn", "2020-09-25", sample="P2", selected=("A1", "A2"), event_id=two)
    expect(h, nm=("0", count), points=10, exact="10", reasons=["inspections_outstanding"])


def test_an_empty_first_sample_holds_too() -> None:
    h = inspected(sampled(sample="P0"), failed=2, achieved=0)
    no_sample(h.add("sample.drawn", "2020-09-26", sample="P1", selected=("A1", "A2")))


def test_a_sample_drawn_twice_under_one_id_is_its_first() -> None:
    h = inspected(sampled("A1"), failed=2, achieved=0)
    h.add("sample.drawn", "2020-09-26", selected=("A1", "A2"), period=OCTOBER)
    expect(h, nm=("1", "1"), points=8, exact="8")
    no_sample(h, period=OCTOBER)


@pytest.mark.parametrize("indicator", ["guide_accuracy", "online_experience"])
def test_samples_of_other_indicators_are_not_this_one(indicator: str) -> None:
    h = inspected(sampled("A1", "A2", indicator=indicator, sample="P0"), failed=2, achieved=0)
    h.add("sample.drawn", "2020-09-26", sample="P1", selected=("A1",))
    expect(h, nm=("1", "1"), points=8, exact="8")


@pytest.mark.parametrize("at", ["2020-09-01", "2020-09-29", "2020-11-20"])
def test_a_withdrawn_inspection_does_not_fail_whenever_withdrawn(at: str) -> None:
    h = inspected(sampled(*SIX), failed=2, achieved=4).add("finding.withdrawn", at, ref="P1/A1")
    expect(h, nm=("1", "6"), points=8, exact="8")  # A2; A1 stays in the count of the sample


def test_a_withdrawal_takes_every_inspection_of_that_name() -> None:
    h = inspected(sampled("A1"), failed=1, achieved=0).add("finding.withdrawn", "2020-09-29", ref="P1/A1")
    h.add("inspection.recorded", "2020-09-30", achieved=False)
    expect(h, nm=("0", "1"), points=10, exact="10")


@pytest.mark.parametrize("ref", ["P1", "A1", "P1/A2", "P2/A1"])
def test_a_withdrawal_of_another_name_does_nothing(ref: str) -> None:
    h = inspected(sampled("A1"), failed=1, achieved=0).add("finding.withdrawn", "2020-09-29", ref=ref)
    expect(h, nm=("1", "1"), points=8, exact="8")


@pytest.mark.parametrize("void", ["serial.voided", "case.voided"])
def test_it_is_not_joined_to_cases(void: str) -> None:
    h = inspected(sampled("A1"), failed=1, achieved=0)
    h.add("case.accepted", "2020-09-03", serial="S1", acceptance_no="A1").add(void, "2020-09-29", serial="S1")
    expect(h, nm=("1", "1"), points=8, exact="8")
