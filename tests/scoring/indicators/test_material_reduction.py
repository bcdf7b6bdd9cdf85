"""6 减材料成效: Y = min(1, N / sum of Li*Mi); points = 10*Y.

N: distinct (serial, licence) dispatched in the period; Li: serials of item i issued in it; Mi: its licence materials.
"""

from functools import partial
from typing import Any

import pytest

from tests.support.builder import D2, OCTOBER, SEPTEMBER, History, assert_score

expect = partial(assert_score, indicator="material_reduction")


def four_needed() -> History:
    """Two serials of an item with two licences among its materials: Li*Mi = 2*2 = 4."""
    h = History().add("item.published", "2020-08-20", item="I1", licence_materials=2)
    return h.case("S1", issued="2020-09-03").case("S2", issued="2020-09-04")


def dispatch(h: History, *pairs: str, at: str = "2020-09-05") -> History:
    """Pairs such as "S1 L1"."""
    for pair in pairs:
        serial, licence = pair.split()
        h.add("licence.dispatched", at, serial=serial, licence=licence)
    return h


def one_of_four(h: History, *others: History, **more: Any) -> None:
    expect(h, *others, nm=("1", "4"), points=2.5, exact="5/2", **more)


def none_of_four(h: History, *others: History, **more: Any) -> None:
    expect(h, *others, nm=("0", "4"), points=0, exact="0", **more)


@pytest.mark.parametrize(
    ("pairs", "n", "points", "exact"),
    [
        ([], "0", 0, "0"),
        (["S1 L1"], "1", 2.5, "5/2"),
        (["S1 L1", "S1 L1"], "1", 2.5, "5/2"),  # one pair, dispatched twice
        (["S1 L1", "S1 L2"], "2", 5, "5"),  # two licences for one serial
        (["S1 L1", "S2 L1"], "2", 5, "5"),  # one licence for two serials
        (["S1 L1", "S1 L2", "S2 L1", "S2 L2"], "4", 10, "10"),
        (["S1 L1", "S1 L2", "S1 L3", "S2 L1", "S2 L2"], "5", 10, "10"),  # Y = min(1, 5/4)
    ],
)
def test_pairs_over_materials(pairs: list[str], n: str, points: float, exact: str) -> None:
    expect(dispatch(four_needed(), *pairs), nm=(n, "4"), points=points, exact=exact)


def test_each_item_has_its_own_number_of_licences() -> None:
    h = History().add("item.published", "2020-08-20", item="I1", licence_materials=2)
    h.add("item.published", "2020-08-20", item="I2", licence_materials=3)
    h.add("item.published", "2020-08-20", item="I3", licence_materials=0)
    h.case("S1", "I1", issued="2020-09-03").case("S2", "I1", issued="2020-09-03").case("S3", "I2", issued="2020-09-03")
    h.case("S4", "I3", issued="2020-09-03").case("S5", "unknown", issued="2020-09-03")
    # 2*2 + 1*3 + 1*0, and an item never published adds 0: 10 * 2/7 = 2.857
    expect(dispatch(h, "S1 L1", "S3 L1"), nm=("2", "7"), points=2.86, exact="20/7")


@pytest.mark.parametrize(
    ("at", "counts_in"),
    [
        ("2020-08-31T23:59:59.999999", "2020-08"),
        ("2020-09-01T00:00:00", SEPTEMBER),
        ("2020-09-30T23:59:59.999999", SEPTEMBER),
        ("2020-09-30T15:59:59Z", SEPTEMBER),
        ("2020-09-30T16:00:00Z", OCTOBER),
        ("2020-10-01T00:00:00", OCTOBER),
    ],
)
def test_a_dispatch_belongs_to_the_month_it_occurred_in(at: str, counts_in: str) -> None:
    h = dispatch(four_needed(), "S1 L1", at=at)
    (one_of_four if counts_in == SEPTEMBER else none_of_four)(h)
    # October has no serials: no workload, though a licence went out
    expect(h, nm=("01"[counts_in == OCTOBER], "0"), points=10, exact="10", status="vacuous", period=OCTOBER)


def test_a_pair_counts_once_in_the_month_of_its_first_dispatch() -> None:
    h = dispatch(four_needed(), "S1 L1", at="2020-09-10")
    dispatch(h, "S1 L1", at="2020-08-31")
    none_of_four(h)


@pytest.mark.parametrize("issued", ["2020-08-31T23:59:59.999999", "2020-10-01T00:00:00"])
def test_serials_count_in_the_month_of_their_issue(issued: str) -> None:
    # S3 is issued in another month: its licence is in N, its materials are not in M
    one_of_four(dispatch(four_needed().case("S3", issued=issued), "S3 L1"))


def test_the_item_is_the_one_named_at_the_issue() -> None:
    h = four_needed().add("item.published", "2020-08-20", item="I2", licence_materials=7)
    h.case("S1", "I2", accepted="2020-09-05", completed="2020-09-06")
    one_of_four(dispatch(h, "S1 L1"))


def test_the_last_publication_by_the_cut_off_holds() -> None:
    h = dispatch(four_needed(), "S1 L1").add("item.published", "2020-09-30T23:59:59", licence_materials=5)
    h.add("item.published", "2020-10-01T00:00:00", licence_materials=1)
    expect(h, nm=("1", "10"), points=1, exact="1")  # 2 serials * 5


def test_retiring_the_item_does_not_drop_its_workload() -> None:
    one_of_four(dispatch(four_needed().add("item.retired", "2020-09-20"), "S1 L1"))


@pytest.mark.parametrize("void", ["serial.voided", "case.voided"])
@pytest.mark.parametrize("at", ["2020-08-25", "2020-11-20"])
def test_a_void_removes_serial_and_dispatch(void: str, at: str) -> None:
    h = dispatch(four_needed(), "S1 L1", "S2 L1").add(void, at, serial="S2")
    expect(h, nm=("1", "2"), points=5, exact="5")  # one serial * 2


def test_test_cases_do_not_count() -> None:
    h = four_needed().add("serial.issued", "2020-09-03", serial="S3", is_test=True)
    one_of_four(dispatch(h, "S1 L1", "S3 L1", "S3 L2"))


@pytest.mark.parametrize("at", ["2020-08-25", "2020-11-20"])
def test_a_voided_licence_was_not_dispatched(at: str) -> None:
    h = dispatch(four_needed(), "S1 L1", "S1 L2", "S2 L2")
    one_of_four(h.add("licence.voided", at, licence="L2"))


def test_a_void_after_t_is_not_read() -> None:
    h = dispatch(four_needed(), "S1 L1").add("licence.voided", "2020-11-20", licence="L1")
    one_of_four(h, as_of="2020-11-19")
    none_of_four(h, as_of="2020-11-20")


def test_whoever_generated_the_licence_and_issued_the_serial() -> None:
    h = dispatch(four_needed(), "S9 L9")  # neither the serial nor the licence is known here
    other = History(D2).add("serial.issued", "2020-09-03", serial="S9", is_test=True)
    other.add("licence.generated", "2020-09-03", licence="L9", serial="S9")
    one_of_four(h)
    one_of_four(h, other)


@pytest.mark.parametrize(
    ("type_", "fields"),
    [
        ("licence.voided", {"licence": "L9"}),
        ("serial.voided", {"serial": "S9"}),
        ("case.voided", {"serial": "S9"}),
        ("serial.issued", {"serial": "S9", "item": "unknown", "is_test": True}),
    ],
)
def test_only_the_own_records_say_voided_or_test(type_: str, fields: dict[str, str]) -> None:
    one_of_four(dispatch(four_needed(), "S9 L9"), History(D2).add(type_, "2020-09-03", **fields))
    none_of_four(dispatch(four_needed(), "S9 L9").add(type_, "2020-09-03", **fields))


def test_a_dispatch_counts_for_the_department_that_sent_it() -> None:
    none_of_four(four_needed(), dispatch(History(D2), "S1 L1"))


@pytest.mark.parametrize(("policy", "status", "points"), [("full", "vacuous", "10"), ("zero", "vacuous", "0"), ("na", "no_data", "0")])
def test_no_serial_is_no_workload(policy: str, status: str, points: str) -> None:
    h = History().items(1)
    expect(h, nm=("0", "0"), points=float(points), exact=points, status=status, zero_denominator=policy)


def test_serials_of_items_without_licences_are_no_workload() -> None:
    h = History().add("item.published", "2020-08-20", licence_materials=0).case("S1", issued="2020-09-03")
    expect(h, nm=("0", "0"), points=10, exact="10", status="vacuous")


def test_without_a_catalogue_there_is_no_data_though_licences_went_out() -> None:
    h = dispatch(History().case("S1", issued="2020-09-03"), "S1 L1", "S1 L2")
    expect(h, nm=("0", "0"), points=0, exact="0", status="no_data")
    h.add("item.published", "2020-10-01T00:00:00")
    expect(h, nm=("0", "0"), points=0, exact="0", status="no_data")


def test_while_the_month_runs_the_score_is_provisional() -> None:
    h = dispatch(four_needed(), "S1 L1", at="2020-09-15T12:00:00")
    none_of_four(h, as_of="2020-09-15T11:59:59.999999", reasons=["period_open"])
    one_of_four(h, as_of="2020-09-15T12:00:00", reasons=["period_open"])
