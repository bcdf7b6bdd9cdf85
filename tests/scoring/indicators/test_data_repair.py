"""13 数据质量修复情况: as 10 (licence_repair), over data objections: Y = N/M; points = 5*Y."""

from functools import partial
from typing import Any

import pytest

from tests.support.builder import OCTOBER, SEPTEMBER, History, assert_score

expect = partial(assert_score, indicator="data_repair")


def flagged(at: str, objection: str = "O1") -> History:
    h = History().add("department.registered", "2020-08-01")
    return h.add("objection.flagged", at, objection=objection, subject="data", ref="T1")


def resolved(h: History, period: str = SEPTEMBER, **more: Any) -> None:
    expect(h, nm=("1", "1"), points=5, exact="5", period=period, **more)


def unresolved(h: History, period: str = SEPTEMBER, **more: Any) -> None:
    expect(h, nm=("0", "1"), points=0, exact="0", period=period, **more)


def nowhere(h: History, period: str = SEPTEMBER, **more: Any) -> None:
    expect(h, nm=("0", "0"), points=5, exact="5", status="vacuous", period=period, **more)


def test_share_of_data_objections_resolved() -> None:
    h = flagged("2020-09-01", "O1").add("objection.repaired", "2020-09-02").add("objection.passed", "2020-09-03")
    for name in ("O2", "O3", "O4", "O5", "O6", "O7"):
        h.add("objection.flagged", "2020-09-05", objection=name, subject="data")
    expect(h, nm=("1", "7"), points=0.71, exact="5/7")  # 5 * 1/7 = 0.714


def test_licence_objections_are_another_indicator() -> None:
    h = flagged("2020-09-01", "O1").add("objection.flagged", "2020-09-02", objection="O2", subject="licence")
    unresolved(h.add("objection.repaired", "2020-09-03", objection="O2"))
    nowhere(History().add("objection.flagged", "2020-09-02", objection="O2", subject="licence"))


def test_repaired_without_passing_again_is_not_resolved() -> None:
    h = flagged("2020-09-01").add("objection.repaired", "2020-09-02")
    unresolved(h)
    resolved(h.add("objection.passed", "2020-09-30T23:59:59.999999"))


def test_passed_before_repaired_is_resolved_by_the_later() -> None:
    h = flagged("2020-09-01").add("objection.passed", "2020-09-02").add("objection.repaired", "2020-10-01T00:00:00")
    unresolved(h)
    resolved(h, OCTOBER)


def test_an_open_one_is_carried_until_resolved() -> None:
    h = flagged("2020-08-03").add("objection.repaired", "2020-10-09").add("objection.passed", "2020-10-10")
    unresolved(h, "2020-08")
    unresolved(h, SEPTEMBER)
    resolved(h, OCTOBER)
    nowhere(h, "2020-11", reasons=["period_open"])
    nowhere(h, SEPTEMBER, objection_carry_in=False)


def test_resolved_at_the_first_instant_counts_in_the_new_month() -> None:
    h = flagged("2020-08-03").add("objection.repaired", "2020-08-10").add("objection.passed", "2020-08-31T16:00:00Z")
    unresolved(h, "2020-08")
    resolved(h, SEPTEMBER)  # 2020-09-01T00:00:00 in Beijing
    nowhere(h, OCTOBER)


def test_resolved_before_the_month_and_flagged_in_it_counts_nowhere() -> None:
    h = flagged("2020-09-10").add("objection.repaired", "2020-08-10").add("objection.passed", "2020-08-11")
    nowhere(h, "2020-08")
    nowhere(h, SEPTEMBER)


@pytest.mark.parametrize("at", ["2020-08-02", "2020-11-20"])
def test_an_upheld_appeal_takes_it_out_everywhere(at: str) -> None:
    h = flagged("2020-08-03").add("objection.appeal_decided", at, upheld=True)
    nowhere(h, "2020-08")
    nowhere(h, SEPTEMBER)


def test_an_appeal_for_insufficient_reasons_changes_nothing() -> None:
    h = flagged("2020-09-03").add("objection.appealed", "2020-09-04")
    unresolved(h.add("objection.appeal_decided", "2020-09-05", upheld=False))


@pytest.mark.parametrize(("policy", "status", "points"), [("full", "vacuous", "5"), ("zero", "vacuous", "0"), ("na", "no_data", "0")])
def test_no_objection_is_no_workload(policy: str, status: str, points: str) -> None:
    h = History().items(1)
    expect(h, nm=("0", "0"), points=float(points), exact=points, status=status, zero_denominator=policy)


def test_while_the_month_runs_the_score_is_provisional() -> None:
    h = flagged("2020-09-15T12:00:00")
    nowhere(h, as_of="2020-09-15T11:59:59.999999", reasons=["period_open"])
    unresolved(h, as_of="2020-09-15T12:00:00", reasons=["period_open"])
