"""12 数据共享有效性: Y = (N1 + N2) / (M1 + M2); points = 5*Y.

M1, M2: interfaces and tables registered and not retired at the cut-off.
N1: interfaces without an unplanned failure open in the period; N2: tables updated in every cycle due in the period.
"""

from functools import partial
from typing import Any

import pytest

from tests.support.builder import D2, OCTOBER, SEPTEMBER, History, assert_score

expect = partial(assert_score, indicator="sharing_validity")
AUGUST = "2020-08"


def interface() -> History:
    return History().add("interface.registered", "2020-08-01T09:00:00")


def failure(failed: str, recovered: str | None = None, planned: bool | None = None) -> History:
    h = interface().add("interface.failed", failed, planned=planned)
    return h.add("interface.recovered", recovered) if recovered else h


def table(*updates: str, cycle_days: int = 7, first_due_at: str = "2020-09-07T09:00:00") -> History:
    """Every week: due 7, 14, 21, 28 September, 09:00."""
    h = History().add("table.registered", "2020-08-01", cycle_days=cycle_days, first_due_at=first_due_at)
    for at in updates:
        h.add("table.updated", at)
    return h


def good(h: History, period: str = SEPTEMBER, **more: Any) -> None:
    expect(h, nm=("1", "1"), points=5, exact="5", period=period, **more)


def bad(h: History, period: str = SEPTEMBER, **more: Any) -> None:
    expect(h, nm=("0", "1"), points=0, exact="0", period=period, **more)


def no_workload(h: History, period: str = SEPTEMBER, **more: Any) -> None:
    expect(h, nm=("0", "0"), points=5, exact="5", status="vacuous", period=period, **more)


def test_interfaces_and_tables_are_counted_together() -> None:
    h = interface()  # never failed: good
    h.add("interface.registered", "2020-08-01", interface="IF2").add("interface.failed", "2020-09-10", interface="IF2")
    h.add("table.registered", "2020-08-01", table="T1", first_due_at="2020-10-07T09:00:00")  # nothing due: good
    h.add("table.registered", "2020-08-01", table="T2")  # due and never updated
    h.add("table.registered", "2020-08-01", table="T3")  # due and never updated
    expect(h, nm=("2", "5"), points=2, exact="2")  # 5 * (1 + 1) / (2 + 3)


# --- M


@pytest.mark.parametrize("thing", ["interface", "table"])
@pytest.mark.parametrize(
    ("at", "by_the_cut_off"),
    [
        ("2020-09-30T23:59:59.999999", True),
        ("2020-10-01T00:00:00", False),
        ("2020-09-30T16:00:00Z", False),
    ],
)
def test_registered_and_retired_are_read_at_the_cut_off(thing: str, at: str, by_the_cut_off: bool) -> None:
    later = {"first_due_at": "2020-12-07"} if thing == "table" else {}
    registered = History().add("department.registered", "2020-08-01").add(f"{thing}.registered", at, **later)
    (good if by_the_cut_off else no_workload)(registered)
    good(registered, OCTOBER)
    retired = History().add(f"{thing}.registered", "2020-08-01", **later).add(f"{thing}.retired", at)
    (no_workload if by_the_cut_off else good)(retired)
    no_workload(retired, OCTOBER)


@pytest.mark.parametrize("thing", ["interface", "table"])
def test_registering_again_makes_it_active_again(thing: str) -> None:
    later = {"first_due_at": "2020-12-07"} if thing == "table" else {}
    h = History().add(f"{thing}.registered", "2020-08-01", **later).add(f"{thing}.retired", "2020-09-03")
    no_workload(h)
    good(h.add(f"{thing}.registered", "2020-09-04", **later))


@pytest.mark.parametrize(("registered_id", "retired_id", "active"), [("a", "b", False), ("b", "a", True)])
def test_versions_of_one_instant_are_ordered_by_event_id(registered_id: str, retired_id: str, active: bool) -> None:
    h = History().add("interface.registered", "2020-09-03", event_id=registered_id)
    h.add("interface.retired", "2020-09-03", event_id=retired_id)
    (good if active else no_workload)(h)


def test_a_retired_interface_that_failed_is_out_of_it() -> None:
    no_workload(failure("2020-09-10", "2020-09-11").add("interface.retired", "2020-09-20"))


@pytest.mark.parametrize(("policy", "status", "points"), [("full", "vacuous", "5"), ("zero", "vacuous", "0"), ("na", "no_data", "0")])
def test_nothing_shared_is_no_workload(policy: str, status: str, points: str) -> None:
    h = History().items(1)
    expect(h, nm=("0", "0"), points=float(points), exact=points, status=status, zero_denominator=policy)


def test_failures_and_updates_of_what_was_never_registered_count_nothing() -> None:
    no_workload(History().add("interface.failed", "2020-09-10").add("table.updated", "2020-09-10"))


# --- N1: failures


@pytest.mark.parametrize(
    ("failed", "recovered", "bad_in"),
    [
        ("2020-09-10T09:00:00", "2020-09-10T09:00:01", [SEPTEMBER]),
        ("2020-09-10", "2020-09-10", [SEPTEMBER]),  # of zero length
        ("2020-08-20", "2020-09-01T00:00:00", [AUGUST]),  # recovered at the first instant
        ("2020-08-20", "2020-08-31T16:00:00Z", [AUGUST]),  # the same instant
        ("2020-08-20", "2020-09-01T00:00:00.000001", [AUGUST, SEPTEMBER]),
        ("2020-08-20", "2020-10-20", [AUGUST, SEPTEMBER, OCTOBER]),
        ("2020-08-20", None, [AUGUST, SEPTEMBER, OCTOBER]),
        ("2020-09-01T00:00:00", "2020-09-01T00:00:01", [SEPTEMBER]),
        ("2020-09-30T23:59:59.999999", "2020-10-01T00:00:00", [SEPTEMBER]),
        ("2020-10-01T00:00:00", "2020-10-01T00:00:01", [OCTOBER]),
        ("2020-09-30T16:00:00Z", "2020-10-02", [OCTOBER]),
        # recovered dated before failed: failed by the cut-off, and not recovered by the month's first instant
        ("2020-09-10", "2020-09-09", [SEPTEMBER]),
        ("2020-09-10", "2020-08-20", []),
        ("2020-10-10", "2020-09-09", []),
    ],
)
def test_a_failure_counts_in_every_month_it_is_open_in(failed: str, recovered: str | None, bad_in: list[str]) -> None:
    h = failure(failed, recovered)
    for period in (AUGUST, SEPTEMBER, OCTOBER):
        (bad if period in bad_in else good)(h, period)


@pytest.mark.parametrize(("planned", "counts"), [(True, False), (False, True), (None, True)])
def test_planned_maintenance_is_no_failure(planned: bool | None, counts: bool) -> None:
    (bad if counts else good)(failure("2020-09-10", "2020-09-11", planned))


def test_two_failures_cost_the_interface_once() -> None:
    h = failure("2020-09-10", "2020-09-11").add("interface.failed", "2020-09-20", failure="F2")
    expect(h.add("interface.registered", "2020-09-01", interface="IF2"), nm=("1", "2"), points=2.5, exact="5/2")


def test_a_recovery_closes_the_failure_it_names() -> None:
    h = failure("2020-08-10").add("interface.failed", "2020-08-11", failure="F2")
    h.add("interface.recovered", "2020-08-12", failure="F2")
    bad(h)
    good(h.add("interface.recovered", "2020-08-13", failure="F1"))


def test_failures_of_one_name_are_told_apart_by_interface() -> None:
    h = failure("2020-08-10").add("interface.registered", "2020-08-01", interface="IF2")
    h.add("interface.recovered", "2020-08-11", interface="IF2", failure="F1")
    expect(h, nm=("1", "2"), points=2.5, exact="5/2")


def test_the_first_failed_and_the_first_recovered_hold() -> None:
    h = failure("2020-09-10", "2020-09-11", planned=True).add("interface.failed", "2020-09-12", planned=False)
    good(h)
    h = failure("2020-08-10", "2020-09-11")
    bad(h)
    good(h.add("interface.recovered", "2020-08-11"))


@pytest.mark.parametrize(("planned_id", "unplanned_id"), [("a", "b"), ("b", "a")])
def test_of_two_failed_of_one_instant_the_smallest_event_id_holds(planned_id: str, unplanned_id: str) -> None:
    h = interface().add("interface.failed", "2020-09-10", planned=True, event_id=planned_id)
    h.add("interface.failed", "2020-09-10", planned=False, event_id=unplanned_id)
    (good if planned_id == "a" else bad)(h)


def test_a_failure_counts_whether_the_interface_was_registered_then_or_not() -> None:
    h = History().add("interface.registered", "2020-09-20").add("interface.failed", "2020-09-10")
    bad(h.add("interface.recovered", "2020-09-11"))


def test_a_failure_in_another_department_is_its_own() -> None:
    other = History(D2).add("interface.failed", "2020-09-10")
    expect(interface(), other, nm=("1", "1"), points=5, exact="5")


@pytest.mark.parametrize(("as_of", "failed"), [("2020-09-15T11:59:59.999999", False), ("2020-09-15T12:00:00", True)])
def test_while_the_month_runs_only_what_has_failed_by_t_counts(as_of: str, failed: bool) -> None:
    h = failure("2020-09-15T12:00:00")
    (bad if failed else good)(h, as_of=as_of, reasons=["period_open"])


# --- N2: updates. Weekly, due at 09:00: cycles (31 August, 7], (7, 14], (14, 21], (21, 28 September]


def test_an_update_in_every_cycle() -> None:
    good(table("2020-09-04", "2020-09-10", "2020-09-18", "2020-09-27"))


@pytest.mark.parametrize("missing", range(4))
def test_one_cycle_missed_is_enough(missing: int) -> None:
    updates = ["2020-09-04", "2020-09-10", "2020-09-18", "2020-09-27"]
    del updates[missing]
    bad(table(*updates))


@pytest.mark.parametrize(
    ("first", "ok"),
    [
        ("2020-08-31T09:00:00", False),  # due - cycle itself is not in the cycle
        ("2020-08-31T09:00:00.000001", True),
        ("2020-09-07T09:00:00", True),  # the due instant is
        ("2020-09-07T01:00:00Z", True),
        ("2020-09-07T09:00:00.000001", False),  # late
    ],
)
def test_a_cycle_is_open_on_the_left_and_closed_on_the_right(first: str, ok: bool) -> None:
    (good if ok else bad)(table(first, "2020-09-10", "2020-09-18", "2020-09-27"))


def test_an_update_at_the_due_instant_does_not_serve_the_next_cycle_too() -> None:
    bad(table("2020-09-04", "2020-09-14T09:00:00", "2020-09-27"))  # none in (14, 21]


def test_two_updates_in_one_cycle_serve_one() -> None:
    bad(table("2020-09-04", "2020-09-05", "2020-09-18", "2020-09-27"))


@pytest.mark.parametrize(
    ("first_due_at", "due_in"),
    [
        ("2020-09-30T23:59:59.999999", SEPTEMBER),
        ("2020-10-01T00:00:00", OCTOBER),
        ("2020-09-30T16:00:00Z", OCTOBER),
    ],
)
def test_a_due_time_belongs_to_the_month_it_lies_in(first_due_at: str, due_in: str) -> None:
    h = table(first_due_at=first_due_at, cycle_days=365)
    (bad if due_in == SEPTEMBER else good)(h, SEPTEMBER)
    (bad if due_in == OCTOBER else good)(h, OCTOBER)


def test_nothing_is_due_before_first_due_at() -> None:
    h = table(first_due_at="2020-10-05T09:00:00")
    good(h)
    bad(h, OCTOBER)


def test_due_times_run_on_from_first_due_at() -> None:
    # every ten days of 24 h from 1 January 2020, which is day 0: 7 September is day 250, then 17 and 27 September
    tenth = {"cycle_days": 10, "first_due_at": "2020-01-01T00:00:00"}
    good(table("2020-08-28T00:00:00.000001", "2020-09-17T00:00:00", "2020-09-27T00:00:00", **tenth))
    bad(table("2020-08-28T00:00:00", "2020-09-17T00:00:00", "2020-09-27T00:00:00", **tenth))


def test_a_cycle_missed_in_august_is_augusts() -> None:
    h = table("2020-09-04", "2020-09-10", "2020-09-18", "2020-09-27", first_due_at="2020-08-31T09:00:00")
    good(h)
    bad(h, AUGUST)


@pytest.mark.parametrize(
    ("as_of", "ok"),
    [
        ("2020-09-14T08:59:59.999999", True),  # not yet due
        ("2020-09-14T09:00:00", False),  # due <= T has passed
    ],
)
def test_while_the_month_runs_due_times_pass_with_t(as_of: str, ok: bool) -> None:
    h = table("2020-09-04", "2020-09-14T09:00:00.000001")
    (good if ok else bad)(h, as_of=as_of, reasons=["period_open"])


def test_the_version_at_the_cut_off_rules_the_whole_month() -> None:
    h = table("2020-09-25")  # weekly: missed
    bad(h)
    monthly = {"cycle_days": 30, "first_due_at": "2020-09-28T09:00:00"}
    h.add("table.registered", "2020-10-01T00:00:00", **monthly)
    bad(h)  # too late for September
    good(h.add("table.registered", "2020-09-30T23:59:59.999999", **monthly))


def test_updates_before_registration_count() -> None:
    h = History().add("table.registered", "2020-09-20", first_due_at="2020-09-07T09:00:00")
    for at in ("2020-09-04", "2020-09-10", "2020-09-18", "2020-09-27"):
        h.add("table.updated", at)
    good(h)


def test_updates_of_another_table_do_not_help() -> None:
    h = table("2020-09-04", "2020-09-10", "2020-09-18")
    bad(h.add("table.updated", "2020-09-27", table="T2"))
    good(h.add("table.updated", "2020-09-27", table="T1"))
