"""3 一窗通办推进: Y = 0.1*N1/M + 0.5*N2/M + 1.0*N3/M, each active item at its deepest level; points = 10*Y.

Level 1: serial and auth; level 2: and case_store; level 3: and apply and eform.
"""

from functools import partial

import pytest

from tests.support.builder import OCTOBER, History, assert_score

expect = partial(assert_score, indicator="docking_depth")

LEVEL_1 = ("serial", "auth")
LEVEL_2 = ("serial", "auth", "case_store")
LEVEL_3 = ("serial", "auth", "case_store", "apply", "eform")


def catalogue(*dockings: tuple[str, ...]) -> History:
    h = History()
    for number, docking in enumerate(dockings):
        h.add("item.published", "2020-08-20", item=f"I{number}", docking=docking)
    return h


@pytest.mark.parametrize(
    ("docking", "weight", "points"),
    [
        ((), "0", 0),
        (("serial",), "0", 0),
        (("auth", "case_store", "apply", "eform"), "0", 0),  # without serial there is no level 1
        (("serial", "case_store", "apply", "eform"), "0", 0),  # nor without auth
        (LEVEL_1, "1/10", 1),
        (("auth", "serial"), "1/10", 1),
        (("serial", "auth", "apply", "eform"), "1/10", 1),  # without case_store no level 2, hence no level 3
        (LEVEL_2, "1/2", 5),
        (("serial", "auth", "case_store", "apply"), "1/2", 5),
        (("serial", "auth", "case_store", "eform"), "1/2", 5),
        (LEVEL_3, "1", 10),
        (tuple(reversed(LEVEL_3)), "1", 10),
    ],
)
def test_levels(docking: tuple[str, ...], weight: str, points: int) -> None:
    expect(catalogue(docking), nm=(weight, "1"), points=points, exact=str(points))


def test_each_item_counts_once_at_its_deepest_level() -> None:
    h = catalogue(LEVEL_1, LEVEL_2, LEVEL_3, ())
    expect(h, nm=("8/5", "4"), points=4, exact="4")  # (0.1 + 0.5 + 1.0) / 4 = 0.4


def test_points_are_exact_and_shown_rounded() -> None:
    h = catalogue(LEVEL_1, LEVEL_2, LEVEL_2)
    expect(h, nm=("11/10", "3"), points=3.67, exact="11/3")  # 10 * 1.1/3 = 3.6667


def test_both_categories_count() -> None:
    h = History().add("item.published", "2020-08-20", item="I1", category="public_service", docking=LEVEL_3)
    h.add("item.published", "2020-08-20", item="I2", category="on_application", docking=())
    expect(h, nm=("1", "2"), points=5, exact="5")


def test_an_update_is_the_whole_item_again() -> None:
    h = catalogue(LEVEL_3).add("item.published", "2020-09-05", item="I0", docking=("case_store",))
    expect(h, nm=("0", "1"), points=0, exact="0")


def test_the_last_version_by_the_cut_off_holds() -> None:
    h = catalogue(LEVEL_1).add("item.published", "2020-09-30T15:59:59Z", item="I0", docking=LEVEL_2)
    h.add("item.published", "2020-09-30T16:00:00Z", item="I0", docking=LEVEL_3)  # 1 October, 00:00 in Beijing
    expect(h, nm=("1/2", "1"), points=5, exact="5")
    expect(h, nm=("1", "1"), points=10, exact="10", period=OCTOBER)


def test_a_retired_item_leaves_both_sides() -> None:
    h = catalogue(LEVEL_3, LEVEL_1).add("item.retired", "2020-09-30T23:59:59.999999", item="I1")
    h.add("item.retired", "2020-10-01T00:00:00", item="I0")
    expect(h, nm=("1", "1"), points=10, exact="10")
    expect(h, nm=("0", "0"), points=10, exact="10", status="vacuous", period=OCTOBER)


@pytest.mark.parametrize(("policy", "status"), [("zero", "vacuous"), ("na", "no_data")])
def test_no_active_item_under_the_other_policies(policy: str, status: str) -> None:
    h = catalogue(LEVEL_3).add("item.retired", "2020-09-10", item="I0")
    expect(h, nm=("0", "0"), points=0, exact="0", status=status, zero_denominator=policy)


def test_without_a_catalogue_there_is_no_data() -> None:
    h = History().add("department.docking_changed", "2020-09-02", docked=True)
    expect(h, nm=("0", "0"), points=0, exact="0", status="no_data")


def test_docking_of_the_department_is_another_matter() -> None:
    h = catalogue(LEVEL_3).add("department.docking_changed", "2020-09-02", docked=False)
    expect(h, nm=("1", "1"), points=10, exact="10")


def test_while_the_month_runs_the_score_is_provisional() -> None:
    h = catalogue(LEVEL_1).add("item.published", "2020-09-15T12:00:00.000001", item="I0", docking=LEVEL_3)
    expect(h, nm=("1/10", "1"), points=1, exact="1", as_of="2020-09-15T12:00:00", reasons=["period_open"])
