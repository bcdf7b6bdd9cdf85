"""8 减环节成效: Y = 1 - sum of Pi*Ni / sum of Pi*Mi, not below 0; Y >= 60 % -> 10, else 10*Y/0.6.

Pi: cases of item i completed in the period; Ni: its steps now; Mi: its steps at the end of 2019.
"""

from functools import partial
from typing import Any

import pytest

from tests.support.builder import OCTOBER, SEPTEMBER, History, assert_score

expect = partial(assert_score, indicator="step_reduction")


def one_case(steps: int, steps_2019: int | None, completed: str = "2020-09-10") -> History:
    h = History().add("item.published", "2020-08-20", steps=steps, steps_2019=steps_2019)
    return h.case("S1", issued="2020-09-03", accepted="2020-09-03", completed=completed)


def no_workload(h: History, **more: Any) -> None:
    expect(h, nm=("0", "0"), points=10, exact="10", status="vacuous", **more)


@pytest.mark.parametrize(
    ("steps", "steps_2019", "points", "exact"),
    [
        (0, 5, 10, "10"),  # Y = 100 %
        (3999, 10000, 10, "10"),  # 60.01 %
        (4, 10, 10, "10"),  # 60 % exactly
        (4001, 10000, 10, "5999/600"),  # 10 * 0.5999/0.6 = 9.9983
        (41, 100, 9.83, "59/6"),  # 10 * 0.59/0.6 = 9.8333
        (7, 10, 5, "5"),  # 10 * 0.3/0.6
        (10, 10, 0, "0"),
        (12, 10, 0, "0"),  # Y = -20 %, floor 0
    ],
)
def test_share_of_steps_saved(steps: int, steps_2019: int, points: float, exact: str) -> None:
    expect(one_case(steps, steps_2019), nm=(str(steps), str(steps_2019)), points=points, exact=exact)


def test_items_weigh_by_their_completed_cases() -> None:
    h = History().add("item.published", "2020-08-20", item="I1", steps=2, steps_2019=10)
    h.add("item.published", "2020-08-20", item="I2", steps=4, steps_2019=5)
    for serial in ("S1", "S2", "S3"):
        h.case(serial, "I1", completed="2020-09-10")
    h.case("S4", "I2", completed="2020-09-10").case("S5", "I2", completed="2020-09-10")
    # 3*2 + 2*4 = 14 of 3*10 + 2*5 = 40: Y = 65 % -> 10
    expect(h, nm=("14", "40"), points=10, exact="10")
    # two cases of I2 more: 22 of 50, Y = 56 %: 10 * 0.56/0.6 = 9.333
    h.case("S6", "I2", completed="2020-09-10").case("S7", "I2", completed="2020-09-10")
    expect(h, nm=("22", "50"), points=9.33, exact="28/3")


@pytest.mark.parametrize("outcome", ["granted", "refused", "withdrawn"])
def test_every_outcome_counts(outcome: str) -> None:
    h = History().add("item.published", "2020-08-20", steps=7, steps_2019=10)
    expect(h.case("S1", completed="2020-09-10", outcome=outcome), nm=("7", "10"), points=5, exact="5")


@pytest.mark.parametrize(
    ("completed", "period"),
    [
        ("2020-09-01T00:00:00", SEPTEMBER),
        ("2020-08-31T16:00:00Z", SEPTEMBER),
        ("2020-09-30T23:59:59.999999", SEPTEMBER),
        ("2020-10-01T00:00:00", OCTOBER),
        ("2020-09-30T16:00:00Z", OCTOBER),
    ],
)
def test_a_case_belongs_to_the_month_of_its_completion(completed: str, period: str) -> None:
    h = one_case(7, 10, completed)
    expect(h, nm=("7", "10"), points=5, exact="5", period=period)
    no_workload(h, period=OCTOBER if period == SEPTEMBER else SEPTEMBER)


def test_the_first_completion_holds_with_its_item() -> None:
    h = History().add("item.published", "2020-08-20", item="I1", steps=7, steps_2019=10)
    h.add("item.published", "2020-08-20", item="I2", steps=1, steps_2019=10)
    h.case("S1", "I2", completed="2020-10-05").case("S1", "I1", completed="2020-09-10")
    expect(h, nm=("7", "10"), points=5, exact="5")
    no_workload(h, period=OCTOBER)


def test_the_item_is_the_one_named_at_completion() -> None:
    h = History().add("item.published", "2020-08-20", item="I1", steps=7, steps_2019=10)
    h.add("item.published", "2020-08-20", item="I2", steps=1, steps_2019=10)
    h.case("S1", "I2", issued="2020-09-03", accepted="2020-09-03").case("S1", "I1", completed="2020-09-10")
    expect(h, nm=("7", "10"), points=5, exact="5")


def test_an_item_without_a_2019_figure_is_left_out_of_both_sums() -> None:
    h = one_case(7, 10).add("item.published", "2020-08-20", item="I2", steps=9, steps_2019=None)
    expect(h.case("S2", "I2", completed="2020-09-10"), nm=("7", "10"), points=5, exact="5")


def test_a_2019_figure_of_null_is_none() -> None:
    h = one_case(7, 10).add("item.published", "2020-08-20", item="I2", steps=9, steps_2019=10)
    h.events[-1]["steps_2019"] = None
    expect(h.case("S2", "I2", completed="2020-09-10"), nm=("7", "10"), points=5, exact="5")


def test_an_item_never_published_is_left_out() -> None:
    h = one_case(7, 10).case("S2", "unknown", completed="2020-09-10")
    expect(h, nm=("7", "10"), points=5, exact="5")


def test_an_item_published_only_after_the_cut_off_is_left_out() -> None:
    h = one_case(7, 10).add("item.published", "2020-10-01T00:00:00", item="I2", steps=1, steps_2019=10)
    expect(h.case("S2", "I2", completed="2020-09-10"), nm=("7", "10"), points=5, exact="5")


def test_the_last_publication_by_the_cut_off_rules_all_cases_of_the_month() -> None:
    h = one_case(7, 10).add("item.published", "2020-09-30T23:59:59.999999", steps=10, steps_2019=20)
    h.add("item.published", "2020-10-01T00:00:00", steps=0, steps_2019=20)
    expect(h, nm=("10", "20"), points=8.33, exact="25/3")  # Y = 50 %: 10 * 0.5/0.6


def test_retiring_the_item_does_not_drop_its_workload() -> None:
    expect(one_case(7, 10).add("item.retired", "2020-09-05"), nm=("7", "10"), points=5, exact="5")


@pytest.mark.parametrize("void", ["serial.voided", "case.voided"])
@pytest.mark.parametrize("at", ["2020-09-01", "2020-11-20"])
def test_a_void_reaches_back(void: str, at: str) -> None:
    no_workload(one_case(7, 10).add(void, at, serial="S1"))


@pytest.mark.parametrize("issued", ["2020-09-03", "2020-10-05"])  # the issue knows no cut-off but T
def test_test_cases_do_not_count(issued: str) -> None:
    h = one_case(7, 10).add("serial.issued", issued, serial="S2", is_test=True)
    expect(h.case("S2", completed="2020-09-10"), nm=("7", "10"), points=5, exact="5")


@pytest.mark.parametrize(("policy", "status", "points"), [("full", "vacuous", "10"), ("zero", "vacuous", "0"), ("na", "no_data", "0")])
def test_nothing_completed_is_no_workload(policy: str, status: str, points: str) -> None:
    h = History().items(1)
    expect(h, nm=("0", "0"), points=float(points), exact=points, status=status, zero_denominator=policy)


def test_only_items_without_a_2019_figure_is_no_workload() -> None:
    no_workload(one_case(7, None))


def test_without_a_catalogue_there_is_no_data() -> None:
    h = History().case("S1", completed="2020-09-10")
    expect(h, nm=("0", "0"), points=0, exact="0", status="no_data")


def test_while_the_month_runs_the_score_is_provisional() -> None:
    h = one_case(7, 10, "2020-09-15T12:00:00")
    no_workload(h, as_of="2020-09-15T11:59:59.999999", reasons=["period_open"])
    expect(h, nm=("7", "10"), points=5, exact="5", as_of="2020-09-15T12:00:00", reasons=["period_open"])
