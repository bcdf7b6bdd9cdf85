"""14 指南发布准确性: 0.5 an error; with 0 < n <= 20 active items 10/n an error; at most 10.

Record: errors / active items.
"""

from functools import partial

import pytest

from tests.support.builder import OCTOBER, History, assert_score

expect = partial(assert_score, indicator="guide_accuracy")


def checked(items: int, *errors: int, at: str = "2020-09-15") -> History:
    """Guide checks G0, G1, ... with so many errors each."""
    h = History().add("department.registered", "2020-08-01").items(items)
    for number, count in enumerate(errors):
        h.add("guide.checked", at, check=f"G{number}", errors=count)
    return h


@pytest.mark.parametrize(
    ("items", "errors", "points", "exact"),
    [
        (21, 3, 1.5, "3/2"),  # 3 * 0.5
        (20, 3, 1.5, "3/2"),  # 3 * 10/20
        (19, 1, 0.53, "10/19"),
        (8, 1, 1.25, "5/4"),  # 10/8
        (3, 1, 3.33, "10/3"),
        (3, 2, 6.67, "20/3"),
        (3, 3, 10, "10"),  # exactly the cap
        (1, 1, 10, "10"),
        (21, 20, 10, "10"),  # exactly the cap
        (0, 3, 1.5, "3/2"),  # no active item: 0.5 an error
        (25, 0, 0, "0"),
    ],
)
def test_deduction(items: int, errors: int, points: float, exact: str) -> None:
    expect(checked(items, errors), nm=(str(errors), str(items)), points=points, exact=exact)


@pytest.mark.parametrize(
    ("items", "errors"),
    [(21, 21), (3, 4), (1, 2), (0, 21)],  # 10.5, 13.3, 20, 10.5
)
def test_cap(items: int, errors: int) -> None:
    expect(checked(items, errors), nm=(str(errors), str(items)), points=10, exact="10", reasons=["capped"])


def test_errors_of_all_checks_are_summed() -> None:
    expect(checked(4, 1, 0, 2), nm=("3", "4"), points=7.5, exact="15/2")  # 3 * 10/4


def test_checks_of_unknown_items_count() -> None:
    h = checked(4, 1).add("guide.checked", "2020-09-15", check="other", item="unknown", errors=1)
    expect(h, nm=("2", "4"), points=5, exact="5")


def test_nothing_checked_costs_nothing_and_is_scored() -> None:
    expect(checked(4), nm=("0", "4"), points=0, exact="0", status="scored")
    expect(checked(0), nm=("0", "0"), points=0, exact="0", status="scored")


@pytest.mark.parametrize("policy", ["full", "zero", "na"])
def test_without_items_a_deduction_is_still_scored(policy: str) -> None:
    expect(checked(0, 2), nm=("2", "0"), points=1, exact="1", status="scored", zero_denominator=policy)


@pytest.mark.parametrize("at", ["2020-08-15", "2020-09-15", "2020-10-15", "2020-11-20"])
def test_a_check_belongs_to_the_period_it_names_whenever_it_occurred(at: str) -> None:
    h = checked(4, 2, at=at)
    expect(h, nm=("2", "4"), points=5, exact="5")
    expect(h, nm=("0", "4"), points=0, exact="0", period="2020-08")
    expect(h, nm=("0", "4"), points=0, exact="0", period=OCTOBER)


def test_checks_know_no_cut_off_but_t() -> None:
    h = checked(4, 2, at="2020-11-20T12:00:00")
    expect(h, nm=("0", "4"), points=0, exact="0", as_of="2020-11-20T11:59:59.999999")
    expect(h, nm=("2", "4"), points=5, exact="5", as_of="2020-11-20T12:00:00")


def test_active_items_are_counted_at_the_cut_off() -> None:
    h = checked(5, 1).add("item.retired", "2020-09-30T23:59:59.999999", item="I5")
    h.add("item.retired", "2020-10-01T00:00:00", item="I4")
    expect(h, nm=("1", "4"), points=2.5, exact="5/2")  # 10/4
    h.add("guide.checked", "2020-10-15", check="october", period=OCTOBER, errors=1)
    expect(h, nm=("1", "3"), points=3.33, exact="10/3", period=OCTOBER)  # 10/3


def test_all_items_retired_is_no_active_item() -> None:
    h = checked(1, 1).add("item.retired", "2020-09-10", item="I1")
    expect(h, nm=("1", "0"), points=0.5, exact="1/2")


@pytest.mark.parametrize("at", ["2020-08-15", "2020-09-16", "2020-11-20"])
def test_a_withdrawn_check_counts_nothing_whenever_withdrawn(at: str) -> None:
    h = checked(4, 1, 2).add("finding.withdrawn", at, ref="G1")
    expect(h, nm=("1", "4"), points=2.5, exact="5/2")


def test_a_withdrawal_after_t_is_not_read() -> None:
    h = checked(4, 1).add("finding.withdrawn", "2020-11-20", ref="G0")
    expect(h, nm=("1", "4"), points=2.5, exact="5/2", as_of="2020-11-19")


def test_the_first_check_of_an_id_holds_with_period_and_errors() -> None:
    h = checked(4, 2, at="2020-09-15").add("guide.checked", "2020-09-14", check="G0", errors=1)
    h.add("guide.checked", "2020-10-14", check="G0", errors=4, period=OCTOBER)
    expect(h, nm=("1", "4"), points=2.5, exact="5/2")
    expect(h, nm=("0", "4"), points=0, exact="0", period=OCTOBER)


@pytest.mark.parametrize(("one_id", "three_id", "errors"), [("a", "b", "1"), ("b", "a", "3")])
def test_of_two_checks_of_one_instant_the_smallest_event_id_holds(one_id: str, three_id: str, errors: str) -> None:
    h = checked(10).add("guide.checked", "2020-09-15", errors=1, event_id=one_id)
    h.add("guide.checked", "2020-09-15", errors=3, event_id=three_id)
    expect(h, nm=(errors, "10"), points=float(errors), exact=errors)  # 10/10 an error


def test_both_categories_are_active_items() -> None:
    h = checked(2, 1).add("item.published", "2020-08-20", item="I9", category="public_service")
    expect(h, nm=("1", "3"), points=3.33, exact="10/3")


def test_a_sample_is_not_a_check() -> None:
    h = checked(4).add("sample.drawn", "2020-09-15", indicator="guide_accuracy", selected=("I1", "I2"))
    expect(h, nm=("0", "4"), points=0, exact="0")


def test_reasons_of_an_open_month() -> None:
    reasons = ["capped", "period_open"]
    expect(checked(2, 3), nm=("3", "2"), points=10, exact="10", as_of="2020-09-20", reasons=reasons)
