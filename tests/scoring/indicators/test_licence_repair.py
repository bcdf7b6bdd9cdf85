"""10 电子证照及时修复率: Y = N/M; points = 5*Y, over licence objections.

M: flagged by the cut-off and not resolved before the period began; N: of those, resolved by the cut-off.
Resolved: the later of repaired and passed, both needed.
"""

from functools import partial
from typing import Any

import pytest

from tests.support.builder import D2, OCTOBER, SEPTEMBER, History, assert_score

expect = partial(assert_score, indicator="licence_repair")


def objection(flagged: str, repaired: str | None = None, passed: str | None = None, name: str = "O1") -> History:
    h = History().add("department.registered", "2020-08-01")
    h.add("objection.flagged", flagged, objection=name, subject="licence")
    if repaired:
        h.add("objection.repaired", repaired, objection=name)
    if passed:
        h.add("objection.passed", passed, objection=name)
    return h


def resolved(h: History, period: str = SEPTEMBER, **more: Any) -> None:
    expect(h, nm=("1", "1"), points=5, exact="5", period=period, **more)


def unresolved(h: History, period: str = SEPTEMBER, **more: Any) -> None:
    expect(h, nm=("0", "1"), points=0, exact="0", period=period, **more)


def nowhere(h: History, period: str = SEPTEMBER, **more: Any) -> None:
    expect(h, nm=("0", "0"), points=5, exact="5", status="vacuous", period=period, **more)


def test_share_of_objections_resolved() -> None:
    h = objection("2020-09-03", "2020-09-04", "2020-09-05")
    h.add("objection.flagged", "2020-09-10", objection="O2").add("objection.flagged", "2020-09-11", objection="O3")
    expect(h, nm=("1", "3"), points=1.67, exact="5/3")  # 5 * 1/3


def test_repaired_and_passed_are_both_needed() -> None:
    unresolved(objection("2020-09-03", repaired="2020-09-04"))
    unresolved(objection("2020-09-03", passed="2020-09-04"))


@pytest.mark.parametrize(("repaired", "passed"), [("2020-09-04", "2020-09-05"), ("2020-09-05", "2020-09-04"), ("2020-08-04", "2020-09-04")])
def test_their_order_does_not_matter(repaired: str, passed: str) -> None:
    resolved(objection("2020-08-03", repaired, passed))


@pytest.mark.parametrize(
    ("later", "in_time"),
    [
        ("2020-09-30T23:59:59.999999", True),
        ("2020-10-01T00:00:00", False),
        ("2020-09-30T15:59:59Z", True),
        ("2020-09-30T16:00:00Z", False),
    ],
)
def test_resolved_by_the_cut_off_is_the_later_of_the_two(later: str, in_time: bool) -> None:
    for h in (objection("2020-09-03", "2020-09-04", later), objection("2020-09-03", later, "2020-09-04")):
        if in_time:
            resolved(h)
            nowhere(h, OCTOBER)  # resolved before October began
        else:
            unresolved(h)
            resolved(h, OCTOBER)


def test_what_is_not_resolved_is_carried_into_every_later_month() -> None:
    h = objection("2020-08-03")
    for period in ("2020-08", SEPTEMBER, OCTOBER):
        unresolved(h, period)


def test_resolved_at_the_first_instant_of_the_month_is_not_before_it() -> None:
    resolved(objection("2020-08-03", "2020-08-20", "2020-09-01T00:00:00"))
    nowhere(objection("2020-08-03", "2020-08-20", "2020-08-31T23:59:59.999999"))


@pytest.mark.parametrize(
    ("flagged", "period"),
    [
        ("2020-09-30T23:59:59.999999", SEPTEMBER),
        ("2020-10-01T00:00:00", OCTOBER),
        ("2020-09-30T16:00:00Z", OCTOBER),
    ],
)
def test_flagged_by_the_cut_off(flagged: str, period: str) -> None:
    h = objection(flagged)
    (unresolved if period == SEPTEMBER else nowhere)(h)
    unresolved(h, OCTOBER)


def test_resolved_before_the_month_counts_as_such_also_when_dated_before_the_flag() -> None:
    nowhere(objection("2020-09-10", "2020-08-05", "2020-08-06"))
    resolved(objection("2020-09-10", "2020-08-05", "2020-09-01T00:00:00"))  # also before the flag, in the month


@pytest.mark.parametrize(
    ("flagged", "counts"),
    [("2020-08-31T23:59:59.999999", False), ("2020-09-01T00:00:00", True), ("2020-09-30T23:59:59.999999", True)],
)
def test_without_carry_in_only_what_was_flagged_in_the_month_counts(flagged: str, counts: bool) -> None:
    h = objection(flagged)
    unresolved(h, objection_carry_in=True)
    (unresolved if counts else nowhere)(h, objection_carry_in=False)
    nowhere(h, OCTOBER, objection_carry_in=False)


@pytest.mark.parametrize("at", ["2020-08-01", "2020-09-20", "2020-11-20"])
def test_an_upheld_appeal_takes_it_out_everywhere(at: str) -> None:
    for h in (objection("2020-08-03"), objection("2020-08-03", "2020-10-04", "2020-10-05")):
        h.add("objection.appealed", "2020-08-04").add("objection.appeal_decided", at, upheld=True)
        for period in ("2020-08", SEPTEMBER, OCTOBER):
            nowhere(h, period)


def test_an_appeal_not_decided_or_rejected_changes_nothing() -> None:
    h = objection("2020-09-03").add("objection.appealed", "2020-09-04")
    unresolved(h)
    unresolved(h.add("objection.appeal_decided", "2020-09-05", upheld=False))


@pytest.mark.parametrize("rejected_at", ["2020-09-05", "2020-09-07"])
def test_any_upheld_decision_decides(rejected_at: str) -> None:
    h = objection("2020-09-03").add("objection.appeal_decided", rejected_at, upheld=False)
    nowhere(h.add("objection.appeal_decided", "2020-09-06", upheld=True))


def test_an_appeal_upheld_after_t_is_not_read() -> None:
    h = objection("2020-09-03").add("objection.appeal_decided", "2020-11-20", upheld=True)
    unresolved(h, as_of="2020-11-19")


def test_data_objections_are_another_indicator() -> None:
    nowhere(History().add("objection.flagged", "2020-09-03", subject="data"))


@pytest.mark.parametrize(("licence_id", "data_id"), [("a", "b"), ("b", "a")])
def test_the_first_flag_says_subject_and_time(licence_id: str, data_id: str) -> None:
    h = History().add("objection.flagged", "2020-09-03", subject="licence", event_id=licence_id)
    h.add("objection.flagged", "2020-09-03", subject="data", event_id=data_id)
    h.add("objection.flagged", "2020-09-04", subject="licence")
    (unresolved if licence_id == "a" else nowhere)(h)


def test_the_first_repair_and_the_first_pass_hold() -> None:
    h = objection("2020-08-03", "2020-08-04", "2020-08-05")  # resolved in August
    nowhere(h.add("objection.repaired", "2020-09-10").add("objection.passed", "2020-09-11"))


def test_a_repair_without_a_flag_is_nothing() -> None:
    nowhere(History().add("objection.repaired", "2020-09-04").add("objection.passed", "2020-09-05"))


def test_ref_is_not_looked_up() -> None:
    h = History().add("objection.flagged", "2020-09-03", ref="no such licence")
    unresolved(h.add("licence.voided", "2020-09-04", licence="no such licence"))


def test_objections_belong_to_their_department() -> None:
    other = History(D2).add("objection.repaired", "2020-09-04").add("objection.passed", "2020-09-05")
    other.add("objection.appeal_decided", "2020-09-05", upheld=True)
    expect(objection("2020-09-03"), other, nm=("0", "1"), points=0, exact="0")


@pytest.mark.parametrize(("policy", "status", "points"), [("full", "vacuous", "5"), ("zero", "vacuous", "0"), ("na", "no_data", "0")])
def test_no_objection_is_no_workload(policy: str, status: str, points: str) -> None:
    h = History().add("department.registered", "2020-08-20")
    expect(h, nm=("0", "0"), points=float(points), exact=points, status=status, zero_denominator=policy)


def test_while_the_month_runs_only_what_is_resolved_by_t_counts() -> None:
    h = objection("2020-09-03", "2020-09-04", "2020-09-15T12:00:00")
    unresolved(h, as_of="2020-09-15T11:59:59.999999", reasons=["period_open"])
    resolved(h, as_of="2020-09-15T12:00:00", reasons=["period_open"])
