"""4 办件数据汇集: M = serials issued in the period, N = of those, ingested and passed by the cut-off; points = 10*N/M.

Zeroed by an upheld complaint, by a missing docking with the case store, by an uncleared code defect.
"""

from functools import partial
from typing import Any

import pytest

from tests.support.builder import AS_OF, D2, OCTOBER, SEPTEMBER, History, assert_score

expect = partial(assert_score, indicator="case_aggregation")


def docked() -> History:
    return History().add("department.docking_changed", "2020-08-20", docked=True)


def one_of_two() -> History:
    """1/2: 5 points."""
    return docked().case("S1", issued="2020-09-03", passed="2020-09-04").case("S2", issued="2020-09-03")


def full(h: History, **more: Any) -> None:
    expect(h, nm=("1", "1"), points=10, exact="10", **more)


def none(h: History, **more: Any) -> None:
    expect(h, nm=("0", "1"), points=0, exact="0", **more)


def no_workload(h: History, **more: Any) -> None:
    expect(h, nm=("0", "0"), points=10, exact="10", status="vacuous", **more)


def zeroed(h: History, *reasons: str, **more: Any) -> None:
    expect(h, nm=("1", "2"), points=0, exact="0", status="zeroed", reasons=reasons, **more)


# --- N and M


def test_share_of_the_serials_whose_ingestion_passed() -> None:
    h = docked().case("S1", issued="2020-09-03", passed="2020-09-04").case("S2", issued="2020-09-05")
    h.case("S3", issued="2020-09-05", passed="2020-09-05")
    expect(h, nm=("2", "3"), points=6.67, exact="20/3")  # 10 * 2/3


@pytest.mark.parametrize(
    ("issued", "period"),
    [
        ("2020-09-01T00:00:00", SEPTEMBER),
        ("2020-09-30T23:59:59.999999", SEPTEMBER),
        ("2020-10-01T00:00:00", OCTOBER),
        ("2020-08-31T16:00:00Z", SEPTEMBER),
        ("2020-09-30T16:00:00Z", OCTOBER),
    ],
)
def test_a_serial_belongs_to_the_month_of_its_issue(issued: str, period: str) -> None:
    none(docked().case("S1", issued=issued), period=period)
    no_workload(docked().case("S1", issued=issued), period=OCTOBER if period == SEPTEMBER else SEPTEMBER)


@pytest.mark.parametrize(
    ("passed", "counts"),
    [
        ("2020-08-30", True),  # before the issue, as told by the source
        ("2020-09-30T23:59:59.999999", True),
        ("2020-10-01T00:00:00", False),  # late: not in October either, its serial is September's
        ("2020-09-30T16:00:00Z", False),
    ],
)
def test_passed_counts_only_by_the_cut_off(passed: str, counts: bool) -> None:
    h = docked().case("S1", issued="2020-09-30T09:00:00", passed=passed)
    (full if counts else none)(h)
    no_workload(h, period=OCTOBER)


def test_a_failed_ingestion_followed_by_a_passed_one_is_passed() -> None:
    h = docked().case("S1", issued="2020-09-03").add("case.ingested", "2020-09-04", qc="failed")
    none(h)
    full(h.add("case.ingested", "2020-09-05", qc="passed"))


def test_a_later_failed_one_does_not_undo_it() -> None:
    h = docked().case("S1", issued="2020-09-03", passed="2020-09-04")
    full(h.add("case.ingested", "2020-09-05", qc="failed"))


def test_an_ingestion_without_a_serial_counts_nothing() -> None:
    no_workload(docked().case("S1", passed="2020-09-04"))


@pytest.mark.parametrize("void", ["serial.voided", "case.voided"])
@pytest.mark.parametrize("at", ["2020-08-01", "2020-09-20", "2020-11-20"])
def test_a_void_of_serial_or_case_reaches_back(void: str, at: str) -> None:
    h = one_of_two().add(void, at, serial="S2")
    full(h)


def test_a_void_after_t_is_not_read() -> None:
    h = one_of_two().add("serial.voided", "2020-11-20T12:00:00", serial="S2")
    expect(h, nm=("1", "2"), points=5, exact="5", as_of="2020-11-20T11:59:59")
    full(h, as_of="2020-11-20T12:00:00")


def test_a_void_of_another_department_is_no_void() -> None:
    other = History(D2).add("serial.voided", "2020-09-20", serial="S2")
    expect(one_of_two(), other, nm=("1", "2"), points=5, exact="5")


def test_test_cases_do_not_count() -> None:
    h = docked().add("serial.issued", "2020-09-03", serial="S1", is_test=True).case("S1", passed="2020-09-04")
    no_workload(h)


def test_a_case_named_in_a_test_is_no_test_case_by_that() -> None:
    none(docked().case("S1", issued="2020-09-03").add("test.raised", "2020-09-04", serial="S1"))


def test_the_first_issue_says_when_and_whether_it_is_a_test() -> None:
    h = docked().add("serial.issued", "2020-10-05", is_test=True).add("serial.issued", "2020-09-30", is_test=False)
    none(h)
    no_workload(h, period=OCTOBER)


@pytest.mark.parametrize(("test_id", "real_id"), [("a", "b"), ("b", "a")])
def test_of_two_issues_of_one_instant_the_smallest_event_id_holds(test_id: str, real_id: str) -> None:
    h = docked().add("serial.issued", "2020-09-03", is_test=True, event_id=test_id)
    h.add("serial.issued", "2020-09-03", is_test=False, event_id=real_id)
    (no_workload if test_id == "a" else none)(h)


def test_a_catalogue_is_not_needed() -> None:
    full(docked().case("S1", "unknown", issued="2020-09-03", passed="2020-09-03"))


def test_flow_counts_what_passed_in_the_month_capped_at_one() -> None:
    h = docked().case("S1", issued="2020-08-25", passed="2020-09-04").case("S2", issued="2020-08-26", passed="2020-09-04")
    h.case("S3", issued="2020-09-10", passed="2020-10-01T00:00:00")
    expect(h, nm=("2", "1"), points=10, exact="10", aggregation="flow")  # Y = 2/1, capped at 1
    expect(h, nm=("0", "1"), points=0, exact="0", aggregation="cohort")


def test_flow_counts_a_case_once_where_it_first_passed() -> None:
    h = docked().case("S1", issued="2020-09-01", passed="2020-09-30T23:59:59.999999").case("S2", issued="2020-10-01")
    h.add("case.ingested", "2020-10-05", serial="S1", qc="passed").add("case.ingested", "2020-10-05", serial="S2", qc="failed")
    full(h, aggregation="flow")
    none(h, aggregation="flow", period=OCTOBER)


@pytest.mark.parametrize("void", ["serial.voided", "case.voided"])
def test_flow_leaves_out_voided_and_test_cases_too(void: str) -> None:
    h = docked().case("S1", issued="2020-09-03")
    h.case("S2", issued="2020-08-25", passed="2020-09-04").add(void, "2020-09-05", serial="S2")
    h.add("serial.issued", "2020-08-25", serial="S3", is_test=True).case("S3", passed="2020-09-04")
    none(h, aggregation="flow")


def test_while_the_month_runs_only_what_passed_by_t_counts() -> None:
    h = docked().case("S1", issued="2020-09-03", passed="2020-09-20T12:00:00")
    none(h, as_of="2020-09-20T11:59:59.999999", reasons=["period_open"])
    full(h, as_of="2020-09-20T12:00:00", reasons=["period_open"])


# --- docked with the case store


def test_never_docked_is_not_docked() -> None:
    h = History().case("S1", issued="2020-09-03", passed="2020-09-04").case("S2", issued="2020-09-03")
    zeroed(h, "not_docked")


@pytest.mark.parametrize(("docked_at", "zero"), [("2020-09-30T23:59:59.999999", False), ("2020-10-01T00:00:00", True)])
def test_docking_is_read_at_the_cut_off(docked_at: str, zero: bool) -> None:
    h = History().case("S1", issued="2020-09-03", passed="2020-09-04").case("S2", issued="2020-09-03")
    h.add("department.docking_changed", docked_at, docked=True)
    if zero:
        zeroed(h, "not_docked")
    else:
        expect(h, nm=("1", "2"), points=5, exact="5")
    no_workload(h, period=OCTOBER)


def test_the_last_word_on_docking_holds() -> None:
    h = one_of_two().add("department.docking_changed", "2020-09-30", docked=False)
    zeroed(h.add("department.docking_changed", "2020-10-01T00:00:00", docked=True), "not_docked")


@pytest.mark.parametrize(("on", "off"), [("a", "b"), ("b", "a")])
def test_of_two_words_of_one_instant_the_greatest_event_id_holds(on: str, off: str) -> None:
    h = one_of_two().add("department.docking_changed", "2020-09-10", docked=True, event_id=on)
    h.add("department.docking_changed", "2020-09-10", docked=False, event_id=off)
    if on == "a":
        zeroed(h, "not_docked")
    else:
        expect(h, nm=("1", "2"), points=5, exact="5")


@pytest.mark.parametrize("policy", ["full", "zero", "na"])
def test_docked_without_serials_is_full_whatever_the_policy(policy: str) -> None:
    no_workload(docked(), zero_denominator=policy)


@pytest.mark.parametrize("policy", ["full", "zero", "na"])
def test_zeroing_wins_over_full(policy: str) -> None:
    h = History().add("department.registered", "2020-08-20")
    expect(h, nm=("0", "0"), points=0, exact="0", status="zeroed", reasons=["not_docked"], zero_denominator=policy)
    h = docked().add("complaint.upheld", "2020-09-20", complaint="C1", period=SEPTEMBER)
    expect(h, nm=("0", "0"), points=0, exact="0", status="zeroed", reasons=["complaint:C1"], zero_denominator=policy)


# --- complaints


@pytest.mark.parametrize("at", ["2020-08-25", "2020-09-20", "2020-11-20"])
def test_a_complaint_belongs_to_the_period_it_names_whenever_it_occurred(at: str) -> None:
    h = one_of_two().add("complaint.upheld", at, complaint="C1", period=SEPTEMBER)
    zeroed(h, "complaint:C1")
    no_workload(h, period=OCTOBER)


def test_a_complaint_upheld_after_t_is_not_read() -> None:
    h = one_of_two().add("complaint.upheld", "2020-11-20T12:00:00", complaint="C1", period=SEPTEMBER)
    expect(h, nm=("1", "2"), points=5, exact="5", as_of="2020-11-20T11:59:59.999999")
    zeroed(h, "complaint:C1", as_of="2020-11-20T12:00:00")


@pytest.mark.parametrize("at", ["2020-08-25", "2020-09-21", "2020-11-20"])
def test_a_reversal_reaches_back(at: str) -> None:
    h = one_of_two().add("complaint.upheld", "2020-09-20", complaint="C1").add("complaint.reversed", at, complaint="C1")
    expect(h, nm=("1", "2"), points=5, exact="5")


def test_a_reversal_after_t_is_not_read() -> None:
    h = one_of_two().add("complaint.upheld", "2020-09-20").add("complaint.reversed", "2020-11-20")
    zeroed(h, "complaint:C1", as_of="2020-11-19")


def test_another_complaint_reversed_does_not_help() -> None:
    h = one_of_two().add("complaint.upheld", "2020-09-20", complaint="C1").add("complaint.upheld", "2020-09-21", complaint="C2")
    zeroed(h.add("complaint.reversed", "2020-09-22", complaint="C1"), "complaint:C2")


def test_the_first_upheld_says_the_period() -> None:
    h = one_of_two().add("complaint.upheld", "2020-10-20", complaint="C1", period=OCTOBER)
    h.add("complaint.upheld", "2020-10-19", complaint="C1", period=SEPTEMBER)
    zeroed(h, "complaint:C1")
    no_workload(h, period=OCTOBER)


@pytest.mark.parametrize("spoilt", ["voided", "test"])
def test_the_serial_of_complaint_and_defect_is_information_only(spoilt: str) -> None:
    h = one_of_two().add("serial.issued", "2020-09-03", serial="S3", is_test=spoilt == "test")
    if spoilt == "voided":
        h.add("serial.voided", "2020-09-04", serial="S3")
    h.add("complaint.upheld", "2020-09-20", serial="S3").add("defect.confirmed", "2020-09-20", serial="S3")
    zeroed(h, "complaint:C1", "defect:X1")


# --- defects


@pytest.mark.parametrize(
    ("confirmed", "period"),
    [
        ("2020-09-01T00:00:00", SEPTEMBER),
        ("2020-09-30T23:59:59.999999", SEPTEMBER),
        ("2020-10-01T00:00:00", OCTOBER),
        ("2020-09-30T16:00:00Z", OCTOBER),
    ],
)
def test_a_defect_counts_only_in_the_month_of_its_confirmation(confirmed: str, period: str) -> None:
    h = docked().add("defect.confirmed", confirmed, defect="X1")
    for month in (SEPTEMBER, OCTOBER):
        if month == period:
            expect(h, nm=("0", "0"), points=0, exact="0", status="zeroed", reasons=["defect:X1"], period=month)
        else:
            no_workload(h, period=month)


@pytest.mark.parametrize(
    ("cleared", "zero"),
    [
        ("2020-08-25", False),  # dated before the confirmation: clears too
        ("2020-09-21", False),
        ("2020-09-30T23:59:59.999999", False),
        ("2020-10-01T00:00:00", True),  # late, and October never had it
    ],
)
def test_cleared_counts_only_by_the_cut_off(cleared: str, zero: bool) -> None:
    h = one_of_two().add("defect.confirmed", "2020-09-20").add("defect.cleared", cleared)
    if zero:
        zeroed(h, "defect:X1")
    else:
        expect(h, nm=("1", "2"), points=5, exact="5")
    no_workload(h, period=OCTOBER)


@pytest.mark.parametrize("at", ["2020-08-25", "2020-09-21", "2020-11-20"])
def test_a_withdrawn_defect_is_none_whenever_withdrawn(at: str) -> None:
    h = one_of_two().add("defect.confirmed", "2020-09-20", defect="X1").add("finding.withdrawn", at, ref="X1")
    expect(h, nm=("1", "2"), points=5, exact="5")


def test_a_second_confirmation_does_not_move_the_first() -> None:
    h = one_of_two().add("defect.confirmed", "2020-09-20").add("defect.confirmed", "2020-10-20")
    zeroed(h, "defect:X1")
    no_workload(h, period=OCTOBER)


def test_every_reason_is_named_in_order() -> None:
    h = one_of_two().add("department.docking_changed", "2020-09-10", docked=False)
    h.add("defect.confirmed", "2020-09-20", defect="X2").add("defect.confirmed", "2020-09-21", defect="X1")
    h.add("complaint.upheld", "2020-09-22", complaint="C2").add("complaint.upheld", "2020-09-23", complaint="C1")
    reasons = ["not_docked", "complaint:C1", "complaint:C2", "defect:X1", "defect:X2"]
    zeroed(h, *reasons, as_of=AS_OF)
    zeroed(h, *reasons, "period_open", as_of="2020-09-30T12:00:00")
