"""2 即办程度: Y = instant items / active items; Y < 5 % -> 0, < 7 % -> 2, < 10 % -> 4, from 10 % on -> 5."""

from functools import partial

import pytest

from tests.support.builder import OCTOBER, History, assert_score

expect = partial(assert_score, indicator="instant_items")


def catalogue(instant: int, others: int) -> History:
    h = History()
    for number in range(instant):
        h.add("item.published", "2020-08-20", item=f"N{number}", case_type="instant")
    for number in range(others):
        h.add("item.published", "2020-08-20", item=f"C{number}", case_type="commitment")
    return h


@pytest.mark.parametrize(
    ("instant", "active", "points"),
    [
        (0, 20, 0),
        (1, 21, 0),  # 4.76 %
        (14, 300, 0),  # 4.67 %
        (49, 1000, 0),  # 4.9 %
        (1, 20, 2),  # 5 % exactly
        (15, 300, 2),  # 5 % exactly
        (6, 86, 2),  # 6.98 %
        (7, 100, 4),  # 7 % exactly
        (21, 300, 4),  # 7 % exactly
        (9, 91, 4),  # 9.89 %
        (1, 10, 5),  # 10 % exactly
        (30, 300, 5),  # 10 % exactly
        (3, 3, 5),
    ],
)
def test_steps(instant: int, active: int, points: int) -> None:
    h = catalogue(instant, active - instant)
    expect(h, nm=(str(instant), str(active)), points=points, exact=str(points))


def test_both_categories_count() -> None:
    h = History()
    h.add("item.published", "2020-08-20", item="I1", category="public_service", case_type="instant")
    h.add("item.published", "2020-08-20", item="I2", category="on_application", case_type="instant")
    h.add("item.published", "2020-08-20", item="I3", category="public_service", case_type="commitment")
    expect(h, nm=("2", "3"), points=5, exact="5")


def test_the_mark_decides_not_the_promised_days() -> None:
    h = History().add("item.published", "2020-08-20", case_type="commitment", promised_days=0)
    expect(h, nm=("0", "1"), points=0, exact="0")


def test_a_retired_item_leaves_both_sides() -> None:
    h = catalogue(1, 20)  # 1/21: 0 points
    h.add("item.retired", "2020-09-30T23:59:59.999999", item="C0")  # 1/20: 2 points
    h.add("item.retired", "2020-10-01T00:00:00", item="N0")  # 0/19, in October only
    expect(h, nm=("1", "20"), points=2, exact="2")
    expect(h, nm=("0", "19"), points=0, exact="0", period=OCTOBER)


def test_the_last_version_by_the_cut_off_holds() -> None:
    h = catalogue(0, 10).add("item.published", "2020-09-30T23:59:59", item="C0", case_type="instant")
    h.add("item.published", "2020-10-01T00:00:00", item="C0", case_type="commitment")
    expect(h, nm=("1", "10"), points=5, exact="5")
    expect(h, nm=("0", "10"), points=0, exact="0", period=OCTOBER)


def test_an_item_published_again_is_still_one_item() -> None:
    h = catalogue(1, 9).add("item.published", "2020-09-02", item="N0", case_type="instant", name="另一名称")
    expect(h, nm=("1", "10"), points=5, exact="5")


def test_without_a_catalogue_there_is_no_data() -> None:
    h = History().add("department.registered", "2020-09-02").add("item.published", "2020-10-01T00:00:00")
    expect(h, nm=("0", "0"), points=0, exact="0", status="no_data")
    expect(h, nm=("0", "1"), points=0, exact="0", period=OCTOBER)


@pytest.mark.parametrize(("policy", "status", "points"), [("full", "vacuous", "5"), ("zero", "vacuous", "0"), ("na", "no_data", "0")])
def test_all_items_retired_is_no_workload(policy: str, status: str, points: str) -> None:
    h = catalogue(1, 0).add("item.retired", "2020-09-10", item="N0")
    expect(h, nm=("0", "0"), points=float(points), exact=points, status=status, zero_denominator=policy)


def test_while_the_month_runs_the_score_is_provisional() -> None:
    h = catalogue(1, 20).add("item.retired", "2020-09-15", item="C0")
    expect(h, nm=("1", "21"), points=0, exact="0", as_of="2020-09-15T11:59:59", reasons=["period_open"])
    expect(h, nm=("1", "20"), points=2, exact="2", as_of="2020-09-15T12:00:00", reasons=["period_open"])
