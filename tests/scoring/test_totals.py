"""Totals, ranks, first scored period, versions: what the 16 scores of a department add up to."""

from datetime import datetime
from typing import Any

import pytest

from tests.support.builder import AS_OF, D1, D2, D3, D4, OCTOBER, SEPTEMBER, History, Record, instant, score

INDICATORS = {
    "online_depth": (1, 5),
    "instant_items": (2, 5),
    "docking_depth": (3, 10),
    "case_aggregation": (4, 10),
    "time_reduction": (5, 10),
    "material_reduction": (6, 10),
    "visit_reduction": (7, 10),
    "step_reduction": (8, 10),
    "licence_generation": (9, 10),
    "licence_repair": (10, 5),
    "sharing_timeliness": (11, 5),
    "sharing_validity": (12, 5),
    "data_repair": (13, 5),
    "guide_accuracy": (14, 10),
    "online_experience": (15, 20),
    "overdue_completion": (16, 10),
}
TOTAL_FIELDS = ("base_points", "deductions", "points", "points_exact", "max_points", "scored_max")


def known(department: str = D1, at: str = "2020-09-02") -> History:
    """Nothing but a name: 1, 2, 3, 5, 6, 8, 9 no data, 4 not docked; 7, 10, 11, 12, 13 full without workload.

    10 + 5 + 5 + 5 + 5 = 30 points; scored are 10 (4) + 30 of the 100.
    """
    return History(department).add("department.registered", at)


def total(*histories: History, department: str = D1, period: str = SEPTEMBER, as_of: str = AS_OF, **more: Any) -> Record:
    events = [event for history in histories for event in history.events]
    return score(events, as_of, **more)[department, period, "total"]


def check(record: Record, *values: float | str) -> None:
    assert tuple(record[name] for name in TOTAL_FIELDS) == values


# --- the envelope


def test_sixteen_indicators_and_a_total_for_every_department_and_period() -> None:
    scores = score(known(D1).events + known(D2, "2020-10-05").events, AS_OF)
    names = {*INDICATORS, "total"}
    expected = {(D1, period, name) for period in (SEPTEMBER, OCTOBER, "2020-11") for name in names}
    assert scores.keys() == expected | {(D2, period, name) for period in (OCTOBER, "2020-11") for name in names}


def test_numbers_and_weights_are_those_of_the_original() -> None:
    scores = score(known().events, AS_OF)
    found = {name: scores[D1, SEPTEMBER, name] for name in INDICATORS}
    assert {name: (record["number"], record["max_points"]) for name, record in found.items()} == INDICATORS


@pytest.mark.parametrize("as_of", [AS_OF, "2020-10-20T00:00:00Z"])
def test_every_record_says_as_of_when_it_holds(as_of: str) -> None:
    for record in score(known().events, as_of).values():
        assert datetime.fromisoformat(record["as_of"].replace("Z", "+00:00")) == instant(as_of)


def test_every_record_names_one_ruleset_and_another_policy_is_another_ruleset() -> None:
    names = {record["ruleset"] for record in score(known().events, AS_OF).values()}
    other = {record["ruleset"] for record in score(known().events, AS_OF, zero_denominator="zero").values()}
    assert len(names) == len(other) == 1
    assert names != other


# --- total


def test_base_points_less_deductions() -> None:
    check(total(known()), 30, 0, 30, "30", 100, 40)
    # docked: 10 points for 4; 3 errors of 0.5
    h = known().add("department.docking_changed", "2020-09-02").add("guide.checked", "2020-09-15", errors=3)
    check(total(h), 40, 1.5, 38.5, "77/2", 100, 40)


def test_all_of_it() -> None:
    # one item with all that is wanted, no workload: 5 (1), 0 of 5 (2), 10 (3), 10 (4), 10 (5: 8/20), the rest full
    h = known().add("department.docking_changed", "2020-09-02").add("item.published", "2020-09-02", promised_days=8)
    check(total(h), 95, 0, 95, "95", 100, 100)


def test_a_hundred_points() -> None:
    # an item marked instant adds 5 (2) and is in neither sum of 5
    h = known().add("department.docking_changed", "2020-09-02").add("item.published", "2020-09-02", promised_days=8)
    h.add("item.published", "2020-09-02", item="I2", case_type="instant", promised_days=0)
    check(total(h), 100, 0, 100, "100", 100, 100)


def test_exact_points_are_added_not_the_rounded_ones() -> None:
    # 10, 11 and 13 at 1/3: 3 * 5/3 = 5, where 3 * 1.67 would be 5.01; with 10 (7) and 5 (12): 20
    h = known()
    for number in range(3):
        h.add("objection.flagged", "2020-09-03", objection=f"L{number}", subject="licence")
        h.add("objection.flagged", "2020-09-03", objection=f"D{number}", subject="data")
        h.add("request.raised", "2020-09-03", request=f"R{number}", due_at="2020-09-10")
    for name in ("L0", "D0"):
        h.add("objection.repaired", "2020-09-04", objection=name).add("objection.passed", "2020-09-05", objection=name)
    h.add("request.handled", "2020-09-05", request="R0")
    check(total(h), 20, 0, 20, "20", 100, 40)
    # one error in a guide of 3 items costs 10/3; the catalogue adds 5 + 0 + 10 + 0 (5: 20/20) + 10 + 10 + 10
    h.items(3, "2020-09-02", promised_days=20).add("guide.checked", "2020-09-15", errors=1)
    check(total(h), 65, 3.33, 61.67, "185/3", 100, 100)  # 65 - 10/3


def ruined(department: str = D1, guide_errors: int = 20) -> History:
    """30 points of base; 10 for the guide, 20 for 10 failed tests, 10 for 10 overdue cases."""
    h = known(department).add("guide.checked", "2020-09-15", errors=guide_errors)
    for number in range(10):
        h.add("test.raised", "2020-09-15", test=f"Q{number}", serial=f"T{number}")
        h.case(f"S{number}", accepted="2020-09-03", due_at="2020-09-04", completed="2020-09-07")
    return h


def test_floor_at_nought_is_a_policy() -> None:
    check(total(ruined()), 30, 40, 0, "0", 100, 40)
    check(total(ruined(), floor_total=True), 30, 40, 0, "0", 100, 40)
    check(total(ruined(), floor_total=False), 30, 40, -10, "-10", 100, 40)


def test_each_deduction_has_its_cap() -> None:
    # 21 errors are 10.5, capped at 10: 40 in all is the most
    check(total(ruined(guide_errors=21), floor_total=False), 30, 40, -10, "-10", 100, 40)


@pytest.mark.parametrize(
    ("policy", "base", "scored_max"),
    [
        ("full", 30, 40),
        ("zero", 0, 40),  # vacuous and 0 points, still scored
        ("na", 0, 10),  # no data: only 4, zeroed, is left
    ],
)
def test_scored_max_leaves_out_what_has_no_data(policy: str, base: int, scored_max: int) -> None:
    check(total(known(), zero_denominator=policy), base, 0, base, str(base), 100, scored_max)


def test_docked_without_serials_is_scored_under_every_policy() -> None:
    h = known().add("department.docking_changed", "2020-09-02")
    check(total(h, zero_denominator="na"), 10, 0, 10, "10", 100, 10)
    check(total(h, zero_denominator="zero"), 10, 0, 10, "10", 100, 40)


# --- provisional: until the end of the 5th workday after the period: 9, 10, 12, 13, 14 October 2020


@pytest.mark.parametrize(
    ("as_of", "grace_workdays", "is_open"),
    [
        ("2020-09-15", 5, True),
        ("2020-10-01T00:00:00", 5, True),
        ("2020-10-14T23:59:59.999999", 5, True),
        ("2020-10-14T15:59:59.999999Z", 5, True),
        ("2020-10-15T00:00:00", 5, False),
        ("2020-10-14T16:00:00Z", 5, False),
        ("2020-10-10T23:59:59.999999", 2, True),  # 9, Saturday 10 October
        ("2020-10-11T00:00:00", 2, False),
    ],
)
def test_an_open_period_is_provisional(as_of: str, grace_workdays: int, is_open: bool) -> None:
    scores = score(known().events, as_of, grace_workdays=grace_workdays)
    for name in INDICATORS:
        record = scores[D1, SEPTEMBER, name]
        assert record["provisional"] is is_open
        assert ("period_open" in record["reasons"]) is is_open
    assert scores[D1, SEPTEMBER, "total"]["provisional"] is is_open


def test_the_total_is_provisional_when_one_of_the_scores_is() -> None:
    h = known().add("sample.drawn", "2020-09-25")  # not inspected
    assert total(h)["provisional"] is True
    assert total(h.add("inspection.recorded", "2020-09-28"))["provisional"] is False


# --- rank


def test_equal_totals_share_a_rank() -> None:
    best = known(D3).add("department.docking_changed", "2020-09-02")  # 40
    worst = known(D2).add("guide.checked", "2020-09-15")  # 30 - 0.5
    scores = score([event for h in (known(D1), worst, best, known(D4)) for event in h.events], AS_OF)
    ranks = {department: scores[department, SEPTEMBER, "total"]["rank"] for department in (D1, D2, D3, D4)}
    assert ranks == {D3: 1, D1: 2, D4: 2, D2: 4}
    assert {scores[department, SEPTEMBER, "total"]["ranked"] for department in ranks} == {4}


def test_ranks_follow_the_exact_total_not_the_shown_one() -> None:
    # 8: Y = 1/10000, 10 * Y/0.6 = 1/600 of a point, shown as 0.00
    histories = []
    for department, steps in ((D1, 10000), (D2, 9999)):
        h = known(department).add("item.published", "2020-09-02", steps=steps, steps_2019=10000, yields_licence=False)
        histories.append(h.case("S1", completed="2020-09-10"))
    first, second = (total(*histories, department=department) for department in (D2, D1))
    assert first["points"] == second["points"]
    assert (first["rank"], second["rank"]) == (1, 2)


def test_totals_at_the_floor_are_equal() -> None:
    worse = ruined(D1).add("complaint.upheld", "2020-09-20")
    also = ruined(D2).add("sample.drawn", "2020-09-20")  # one fail: 28 - 40
    also.add("inspection.recorded", "2020-09-21", achieved=False)
    assert [total(worse, also, department=department)["rank"] for department in (D1, D2)] == [1, 1]
    ranks = [total(worse, also, department=department, floor_total=False)["rank"] for department in (D1, D2)]
    assert ranks == [1, 2]


def test_no_data_is_still_ranked() -> None:
    docked = known(D2).add("department.docking_changed", "2020-09-02").add("item.published", "2020-09-02")
    record = total(known(D1), docked, department=D1)
    assert (record["rank"], record["ranked"]) == (2, 2)


def test_each_period_has_its_own_ranks() -> None:
    late = known(D2, "2020-10-05").add("department.docking_changed", "2020-10-05")  # October: 40
    september = total(known(D1), late, department=D1)
    october = total(known(D1), late, department=D1, period=OCTOBER)
    assert (september["rank"], september["ranked"]) == (1, 1)
    assert (october["rank"], october["ranked"]) == (2, 2)


# --- the first scored period


@pytest.mark.parametrize(
    ("at", "first"),
    [
        ("2020-09-30T23:59:59.999999", SEPTEMBER),
        ("2020-10-01T00:00:00", OCTOBER),
        ("2020-08-31T16:00:00Z", SEPTEMBER),
        ("2020-09-30T16:00:00Z", OCTOBER),
    ],
)
def test_a_department_is_scored_from_its_first_event_on_registered_or_not(at: str, first: str) -> None:
    h = History().add("table.updated", at).add("item.published", "2020-11-05")
    periods = {period for _, period, _ in score(h.events, AS_OF)}
    assert periods == {period for period in (SEPTEMBER, OCTOBER, "2020-11") if period >= first}


def test_the_period_a_fact_names_does_not_begin_the_scoring() -> None:
    h = History().add("complaint.upheld", "2020-10-05", period=SEPTEMBER)
    h.add("guide.checked", "2020-10-05", period="2020-08")
    assert min(period for _, period, _ in score(h.events, AS_OF)) == OCTOBER


def test_nor_does_closing_a_period() -> None:
    h = History().add("period.closed", "2020-09-05", period="2020-08").add("period.reopened", "2020-09-06")
    assert score(h.events, AS_OF) == {}
    h.add("serial.issued", "2020-10-05")
    assert min(period for _, period, _ in score(h.events, AS_OF)) == OCTOBER


def test_what_lies_after_t_is_not_there_yet() -> None:
    h = known(at="2020-09-02T12:00:00")
    assert score(h.events, "2020-09-02T11:59:59.999999") == {}
    assert {period for _, period, _ in score(h.events, "2020-09-02T12:00:00")} == {SEPTEMBER}


def test_the_new_month_is_scored_from_its_first_instant_on() -> None:
    h = known(at="2020-12-31")
    assert {period for _, period, _ in score(h.events, "2020-12-31T23:59:59.999999")} == {"2020-12"}
    assert {period for _, period, _ in score(h.events, "2020-12-31T16:00:00Z")} == {"2020-12", "2021-01"}


def test_who_asks_for_data_is_not_scored_by_that() -> None:
    h = History(D1).add("request.raised", "2020-09-03", requester=D2)
    assert {department for department, _, _ in score(h.events, AS_OF)} == {D1}


# --- version


def versions(*histories: History, as_of: str = AS_OF) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for (department, _, _), record in score([e for h in histories for e in h.events], as_of).items():
        found.setdefault(department, set()).add(record["version"])
    return found


def test_version_is_the_number_of_facts_of_the_department() -> None:
    h = known().add("serial.issued", "2020-09-03").add("serial.voided", "2020-10-03")
    assert versions(h, known(D2)) == {D1: {3}, D2: {1}}


def test_the_same_event_twice_is_one() -> None:
    h = known().add("serial.issued", "2020-09-03")
    assert versions(h, h) == {D1: {2}}


def test_two_events_that_say_the_same_are_two() -> None:
    assert versions(known().add("serial.issued", "2020-09-03").add("serial.issued", "2020-09-03")) == {D1: {3}}


@pytest.mark.parametrize("second_at", ["2020-09-02", "2020-12-25"])
def test_of_two_contents_of_one_id_the_first_taken_in_stands_also_when_it_lies_after_t(second_at: str) -> None:
    h = known().add("guide.checked", "2020-12-24", errors=3, event_id="same")
    h.add("guide.checked", second_at, errors=5, event_id="same")
    assert versions(h) == {D1: {1}}
    check(total(h), 30, 0, 30, "30", 100, 40)
    check(total(h, as_of="2020-12-24"), 30, 1.5, 28.5, "57/2", 100, 40)


def test_facts_after_t_are_not_in_the_version() -> None:
    h = known().add("serial.issued", "2020-09-03T12:00:00").add("serial.voided", "2020-09-04")
    assert versions(h, as_of="2020-09-03T11:59:59.999999") == {D1: {1}}
    assert versions(h, as_of="2020-09-03T12:00:00") == {D1: {2}}


def test_closing_and_reopening_are_not_in_the_version() -> None:
    assert versions(known().add("period.closed", "2020-10-15").add("period.reopened", "2020-10-16")) == {D1: {1}}


# --- offline scoring reads over period.*


@pytest.mark.parametrize("department", [D1, "*"])
@pytest.mark.parametrize("as_of", ["2020-10-05", AS_OF])
def test_closing_changes_nothing_offline(department: str, as_of: str) -> None:
    h = known().add("guide.checked", "2020-11-20")  # a late fact of September
    before = score(h.events, as_of)
    h.add("period.closed", "2020-10-02", period=SEPTEMBER, department=department)
    h.add("period.reopened", "2020-10-03", period=SEPTEMBER, department=department)
    h.add("period.closed", "2020-10-04", period=SEPTEMBER, department=department)
    assert score(h.events, as_of) == before


def test_a_late_fact_changes_a_period_past_its_grace_time() -> None:
    h = known()
    check(total(h), 30, 0, 30, "30", 100, 40)
    h.add("guide.checked", "2020-11-20", errors=3)
    check(total(h), 30, 1.5, 28.5, "57/2", 100, 40)
