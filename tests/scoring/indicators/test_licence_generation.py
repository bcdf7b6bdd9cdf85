"""9 电子证照实时生成率: Y = N/M; points = 10*Y.

M: granted cases completed in the period whose item yields a licence; N: of those, with a licence by the cut-off.
"""

from functools import partial
from typing import Any

import pytest

from tests.support.builder import D2, OCTOBER, SEPTEMBER, History, assert_score

expect = partial(assert_score, indicator="licence_generation")


def granted(*serials: str, completed: str = "2020-09-10") -> History:
    h = History().add("item.published", "2020-08-20", yields_licence=True)
    for serial in serials:
        h.case(serial, issued="2020-09-03", accepted="2020-09-03", completed=completed)
    return h


def with_licence(h: History, **more: Any) -> None:
    expect(h, nm=("1", "1"), points=10, exact="10", **more)


def without_licence(h: History, **more: Any) -> None:
    expect(h, nm=("0", "1"), points=0, exact="0", **more)


def no_workload(h: History, **more: Any) -> None:
    expect(h, nm=("0", "0"), points=10, exact="10", status="vacuous", **more)


def test_share_of_granted_cases_with_a_licence() -> None:
    h = granted("S1", "S2", "S3").add("licence.generated", "2020-09-10", licence="L1", serial="S1")
    h.add("licence.generated", "2020-09-11", licence="L2", serial="S2")
    expect(h, nm=("2", "3"), points=6.67, exact="20/3")  # 10 * 2/3


def test_several_licences_of_a_case_count_once() -> None:
    h = granted("S1", "S2")
    for licence in ("L1", "L2", "L3"):
        h.add("licence.generated", "2020-09-10", licence=licence, serial="S1")
    expect(h, nm=("1", "2"), points=5, exact="5")


@pytest.mark.parametrize("outcome", ["refused", "withdrawn"])
def test_only_granted_cases_count(outcome: str) -> None:
    h = granted().case("S1", completed="2020-09-10", outcome=outcome)
    no_workload(h.add("licence.generated", "2020-09-10"))


def test_only_items_that_yield_a_licence_count() -> None:
    h = granted("S1").add("item.published", "2020-08-20", item="I2", yields_licence=False)
    without_licence(h.case("S2", "I2", completed="2020-09-10"))


@pytest.mark.parametrize(
    ("generated", "counts"),
    [
        ("2020-08-25", True),  # before the completion
        ("2020-09-30T23:59:59.999999", True),
        ("2020-09-30T15:59:59Z", True),
        ("2020-10-01T00:00:00", False),
        ("2020-09-30T16:00:00Z", False),
    ],
)
def test_generated_counts_only_by_the_cut_off(generated: str, counts: bool) -> None:
    h = granted("S1").add("licence.generated", generated)
    (with_licence if counts else without_licence)(h)
    no_workload(h, period=OCTOBER)


@pytest.mark.parametrize(
    ("completed", "period"),
    [
        ("2020-09-01T00:00:00", SEPTEMBER),
        ("2020-09-30T23:59:59.999999", SEPTEMBER),
        ("2020-10-01T00:00:00", OCTOBER),
        ("2020-08-31T16:00:00Z", SEPTEMBER),
        ("2020-09-30T16:00:00Z", OCTOBER),
    ],
)
def test_a_case_belongs_to_the_month_of_its_completion(completed: str, period: str) -> None:
    h = granted("S1", completed=completed).add("licence.generated", "2020-08-25")
    with_licence(h, period=period)
    no_workload(h, period=OCTOBER if period == SEPTEMBER else SEPTEMBER)


def test_the_first_completion_holds_with_its_outcome() -> None:
    h = granted().case("S1", completed="2020-09-11", outcome="granted")
    no_workload(h.case("S1", completed="2020-09-10", outcome="refused"))


@pytest.mark.parametrize(("granted_id", "refused_id"), [("a", "b"), ("b", "a")])
def test_of_two_completions_of_one_instant_the_smallest_event_id_holds(granted_id: str, refused_id: str) -> None:
    h = granted().add("case.completed", "2020-09-10", outcome="granted", event_id=granted_id)
    h.add("case.completed", "2020-09-10", outcome="refused", event_id=refused_id)
    (without_licence if granted_id == "a" else no_workload)(h)


@pytest.mark.parametrize("at", ["2020-08-25", "2020-09-20", "2020-11-20"])
def test_a_voided_licence_is_none_whenever_voided(at: str) -> None:
    h = granted("S1").add("licence.generated", "2020-09-10", licence="L1").add("licence.voided", at, licence="L1")
    without_licence(h)
    with_licence(h.add("licence.generated", "2020-09-12", licence="L2"))  # another licence of the case stands


def test_a_void_after_t_is_not_read() -> None:
    h = granted("S1").add("licence.generated", "2020-09-10").add("licence.voided", "2020-11-20")
    with_licence(h, as_of="2020-11-19")


@pytest.mark.parametrize(("for_s1", "for_s2"), [("2020-09-10", "2020-09-11"), ("2020-09-11", "2020-09-10")])
def test_a_licence_counts_for_the_serial_of_its_first_generation(for_s1: str, for_s2: str) -> None:
    h = granted("S1").case("S2", completed="2020-10-05")
    h.add("licence.generated", for_s1, licence="L1", serial="S1")
    h.add("licence.generated", for_s2, licence="L1", serial="S2")
    if for_s1 < for_s2:
        with_licence(h)
        without_licence(h, period=OCTOBER)
    else:
        without_licence(h)
        with_licence(h, period=OCTOBER)


@pytest.mark.parametrize(("id_1", "id_2"), [("a", "b"), ("b", "a")])
def test_of_two_generations_of_one_instant_the_smallest_event_id_holds(id_1: str, id_2: str) -> None:
    h = granted("S1").add("licence.generated", "2020-09-10", licence="L1", serial="S1", event_id=id_1)
    h.add("licence.generated", "2020-09-10", licence="L1", serial="S2", event_id=id_2)
    (with_licence if id_1 == "a" else without_licence)(h)


def test_a_licence_of_another_department_is_another_licence() -> None:
    other = History(D2).add("licence.generated", "2020-09-10", licence="L1", serial="S1")
    expect(granted("S1"), other, nm=("0", "1"), points=0, exact="0")
    other.add("licence.voided", "2020-09-10", licence="L1")
    own = granted("S1").add("licence.generated", "2020-09-10", licence="L1")
    expect(own, other, nm=("1", "1"), points=10, exact="10")


def test_the_item_is_the_one_named_at_completion() -> None:
    h = granted().add("item.published", "2020-08-20", item="I2", yields_licence=False)
    h.case("S1", "I1", issued="2020-09-03", accepted="2020-09-03").case("S1", "I2", completed="2020-09-10")
    no_workload(h)


def test_the_last_publication_by_the_cut_off_holds() -> None:
    h = granted("S1").add("item.published", "2020-09-30T23:59:59", yields_licence=False)
    no_workload(h.add("item.published", "2020-10-01T00:00:00", yields_licence=True))


def test_retiring_the_item_does_not_drop_its_workload() -> None:
    without_licence(granted("S1").add("item.retired", "2020-09-05"))


def test_a_case_whose_item_was_never_published_is_left_out() -> None:
    without_licence(granted("S1").case("S2", "unknown", completed="2020-09-10"))


@pytest.mark.parametrize("void", ["serial.voided", "case.voided"])
@pytest.mark.parametrize("at", ["2020-09-01", "2020-11-20"])
def test_a_void_reaches_back(void: str, at: str) -> None:
    h = granted("S1", "S2").add("licence.generated", "2020-09-10", serial="S1")
    with_licence(h.add(void, at, serial="S2"))


def test_test_cases_do_not_count() -> None:
    h = granted("S1").add("serial.issued", "2020-09-03", serial="S2", is_test=True)
    without_licence(h.case("S2", completed="2020-09-10"))


def test_a_completion_heard_of_without_issue_or_acceptance_counts() -> None:
    without_licence(granted().case("S1", completed="2020-09-10"))


@pytest.mark.parametrize(("policy", "status", "points"), [("full", "vacuous", "10"), ("zero", "vacuous", "0"), ("na", "no_data", "0")])
def test_nothing_granted_is_no_workload(policy: str, status: str, points: str) -> None:
    h = granted()
    expect(h, nm=("0", "0"), points=float(points), exact=points, status=status, zero_denominator=policy)


def test_without_a_catalogue_there_is_no_data() -> None:
    h = History().case("S1", completed="2020-09-10").add("licence.generated", "2020-09-10")
    expect(h, nm=("0", "0"), points=0, exact="0", status="no_data")


def test_while_the_month_runs_only_what_was_generated_by_t_counts() -> None:
    h = granted("S1").add("licence.generated", "2020-09-15T12:00:00")
    without_licence(h, as_of="2020-09-15T11:59:59.999999", reasons=["period_open"])
    with_licence(h, as_of="2020-09-15T12:00:00", reasons=["period_open"])
