"""5 减时限成效: Y = 1 - N/M, N promised and M statutory days of the active on-application commitment items.

Y < 50 % -> 0, < 55 % -> 3, < 60 % -> 6, from 60 % on -> 10.
"""

from functools import partial

import pytest

from tests.support.builder import OCTOBER, History, assert_score

expect = partial(assert_score, indicator="time_reduction")


def catalogue(*days: tuple[int, int | None]) -> History:
    """Items by their promised and statutory days."""
    h = History()
    for number, (promised, statutory) in enumerate(days):
        h.add("item.published", "2020-08-20", item=f"I{number}", promised_days=promised, statutory_days=statutory)
    return h


@pytest.mark.parametrize(
    ("promised", "statutory", "points"),
    [
        (30, 20, 0),  # Y = -50 %
        (20, 20, 0),
        (5001, 10000, 0),  # 49.99 %
        (10, 20, 3),  # 50 % exactly
        (4501, 10000, 3),  # 54.99 %
        (9, 20, 6),  # 55 % exactly
        (4001, 10000, 6),  # 59.99 %
        (8, 20, 10),  # 60 % exactly
        (0, 20, 10),
    ],
)
def test_steps(promised: int, statutory: int, points: int) -> None:
    h = catalogue((promised, statutory))
    expect(h, nm=(str(promised), str(statutory)), points=points, exact=str(points))


def test_the_days_are_summed_not_the_shares() -> None:
    # 1/10 and 27/30: 28/40, Y = 30 % -> 0; the mean of 90 % and 10 % would have been 50 %
    expect(catalogue((1, 10), (27, 30)), nm=("28", "40"), points=0, exact="0")


@pytest.mark.parametrize(
    "fields",
    [
        {"category": "public_service"},
        {"case_type": "instant"},
        {"statutory_days": None},
    ],
)
def test_other_items_are_in_neither_sum(fields: dict[str, str | None]) -> None:
    h = catalogue((8, 20))
    h.add("item.published", "2020-08-20", item="other", **{"promised_days": 20, "statutory_days": 20} | fields)
    expect(h, nm=("8", "20"), points=10, exact="10")


def test_a_statutory_limit_of_null_is_none() -> None:
    h = catalogue((8, 20), (20, 20))
    h.events[-1]["statutory_days"] = None
    expect(h, nm=("8", "20"), points=10, exact="10")


def test_a_retired_item_leaves_both_sums() -> None:
    h = catalogue((8, 20), (20, 20))  # 28/40: Y = 30 %
    h.add("item.retired", "2020-09-30T23:59:59.999999", item="I1")
    h.add("item.retired", "2020-10-01T00:00:00", item="I0")
    expect(h, nm=("8", "20"), points=10, exact="10")
    expect(h, nm=("0", "0"), points=10, exact="10", status="vacuous", period=OCTOBER)


def test_the_last_version_by_the_cut_off_holds() -> None:
    h = catalogue((20, 20)).add("item.published", "2020-09-30T15:59:59Z", item="I0", promised_days=9, statutory_days=20)
    h.add("item.published", "2020-09-30T16:00:00Z", item="I0", promised_days=8, statutory_days=20)
    expect(h, nm=("9", "20"), points=6, exact="6")
    expect(h, nm=("8", "20"), points=10, exact="10", period=OCTOBER)


@pytest.mark.parametrize(("policy", "status", "points"), [("full", "vacuous", "10"), ("zero", "vacuous", "0"), ("na", "no_data", "0")])
def test_a_catalogue_without_such_items_is_no_workload(policy: str, status: str, points: str) -> None:
    h = catalogue((5, None)).add("item.published", "2020-08-20", item="I9", case_type="instant", promised_days=0)
    expect(h, nm=("0", "0"), points=float(points), exact=points, status=status, zero_denominator=policy)


def test_without_a_catalogue_there_is_no_data() -> None:
    h = History().add("department.registered", "2020-09-02").add("item.published", "2020-10-01T00:00:00")
    expect(h, nm=("0", "0"), points=0, exact="0", status="no_data")


def test_while_the_month_runs_the_score_is_provisional() -> None:
    h = catalogue((10, 20)).add("item.published", "2020-09-15", item="I0", promised_days=8, statutory_days=20)
    expect(h, nm=("10", "20"), points=3, exact="3", as_of="2020-09-15T11:59:59.999999", reasons=["period_open"])
    expect(h, nm=("8", "20"), points=10, exact="10", as_of="2020-09-15T12:00:00", reasons=["period_open"])
