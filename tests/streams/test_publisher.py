"""The publisher: what is told when, and what is not told twice. What the scores are is tested elsewhere."""

from __future__ import annotations

import math
from typing import Any

from models.instants import DAY, SECOND, parse_instant
from models.records import AlertRecord
from models.rulesets import default_ruleset
from scoring.context import create_context
from scoring.local_time import parse_period
from scoring.periods import frozen
from scoring.scores import score_department, score_period
from streams.changelog import AlertsRecord, FrozenRecord
from streams.partition import PartitionState
from streams.publisher import HEARTBEAT_EVERY, REFRESH_AFTER, REFRESH_BY, SCORES_EVERY, Publisher
from tests.support.builder import D1, D2, D3, History
from tests.support.desk import DUE_SOON, OVERDUE, Desk, More, case_due, city, recovered

AUGUST, SEPTEMBER, OCTOBER = "2020-08", "2020-09", "2020-10"


def keys_of(*periods: str, department: str = D1) -> set[str]:
    records = {record.indicator for record in score_department(Desk("2020-09-01", city()).state.city.departments[D1])}
    assert len(records) == 17
    return {f"{department}|{period}|{name}" for period in periods for name in records}


# --- scores


def test_a_new_publisher_publishes_every_open_score() -> None:
    desk = Desk("2020-09-10", city(), History(D2).items(1, "2020-09-01"))
    assert set(desk.scores()) == keys_of(AUGUST, SEPTEMBER) | keys_of(SEPTEMBER, department=D2)
    assert desk.scores() == {}
    desk.publisher = Publisher(desk.state)
    assert set(desk.scores()) == keys_of(AUGUST, SEPTEMBER) | keys_of(SEPTEMBER, department=D2)


def test_records_are_those_of_the_scores() -> None:
    desk = Desk("2020-09-10", city())
    found = desk.scores()
    expected = score_department(desk.state.city.departments[D1])
    assert found == {f"{D1}|{record.period}|{record.indicator}": record for record in expected}


def test_only_scores_that_changed_are_published() -> None:
    desk = Desk("2020-09-10", city(), History(D2).items(1, "2020-09-01"))
    desk.scores()
    desk.take(More().case("S1", completed="2020-09-03"))
    changed = desk.scores()
    assert f"{D1}|{SEPTEMBER}|overdue_completion" in changed
    assert f"{D1}|{SEPTEMBER}|online_depth" not in changed
    assert not {key for key in changed if AUGUST in key or D2 in key}
    assert desk.scores() == {}


def test_a_copy_publishes_nothing() -> None:
    desk = Desk("2020-09-10", city())
    desk.scores()
    desk.take(city())
    assert desk.scores() == {}
    assert desk.later(2 * REFRESH_AFTER).scores() == {}


def test_scores_of_a_department_come_at_most_twenty_times_a_second() -> None:
    desk = Desk("2020-09-15", city())
    list(desk.publisher.scores(100.0))
    assert desk.publisher.due_at() == math.inf
    desk.take(More().add("serial.issued", "2020-09-05", serial="S5"))
    desk.take(More(D2).add("serial.issued", "2020-09-05", serial="S6"))
    desk.state.city.settle()
    told = [key for messages in desk.publisher.scores(100.0 + SCORES_EVERY / 2) for _, key, _ in messages]
    assert {key.partition("|")[0] for key in told} == {D2}
    assert desk.publisher.due_at() == 100.0 + SCORES_EVERY
    told = [key for messages in desk.publisher.scores(desk.publisher.due_at()) for _, key, _ in messages]
    assert {key.partition("|")[0] for key in told} == {D1}


def test_a_fact_that_changes_no_score_publishes_none_at_once() -> None:
    desk = Desk("2020-09-10", city())
    desk.later(SECOND).scores()
    desk.take(More().add("department.registered", "2020-09-05", name="市公安局"))
    assert desk.scores() == {}


def test_after_a_fact_everything_is_published_again_at_the_version_then() -> None:
    """So a record of a worker that woke up late cannot stay."""
    assert REFRESH_AFTER <= 60 * SECOND
    desk = Desk("2020-09-10", city())
    first = desk.scores()
    desk.take(More().add("department.registered", "2020-09-05", name="市公安局"))
    desk.scores()
    assert desk.later(REFRESH_AFTER - 1).scores() == {}
    desk.take(More().add("department.registered", "2020-09-06", name="市交通局"))
    again = desk.later(1).scores()
    assert set(again) == set(first) == keys_of(AUGUST, SEPTEMBER)
    version = desk.state.city.departments[D1].version
    assert {record.version for record in again.values()} == {version}
    assert all(
        (record.version, parse_instant(record.as_of)) > (first[key].version, parse_instant(first[key].as_of))
        for key, record in again.items()
    )
    assert desk.later(10 * REFRESH_AFTER).scores() == {}, "and not again without a new fact"


def test_under_a_stream_of_facts_everything_is_published_once_in_a_while() -> None:
    desk = Desk("2020-09-10", city())
    desk.scores()
    whole = []
    for second in range(65):
        desk.later(SECOND)
        desk.take(More().add("department.registered", "2020-09-05", name=f"{second}"))
        if len(desk.scores()) == len(keys_of(AUGUST, SEPTEMBER)):
            whole.append(second)
    assert whole == [19, 39, 59]


def test_departments_take_turns_at_being_published_again() -> None:
    """All of them in one round, with all their periods, held every other score up."""
    assert REFRESH_AFTER < REFRESH_BY < 60 * SECOND
    departments = [D1, D2, D3]
    desk = Desk("2020-09-10", *(History(code).items(1, "2020-09-01") for code in departments))
    assert len(desk.scores()) == 3 * 17

    def more() -> list[str]:
        desk.take(*(More(code).add("department.registered", "2020-09-05", name=f"{desk.now}") for code in departments))
        return sorted({key.partition("|")[0] for key in desk.scores()})

    desk.later(REFRESH_AFTER)
    assert [more() for _ in range(4)] == [[D1], [D2], [D3], []]
    desk.later(REFRESH_BY)
    assert more() == departments, "but none waits for its turn for longer"


def test_a_department_seen_for_the_first_time_is_published_at_once() -> None:
    desk = Desk("2020-09-10", city())
    desk.scores()
    desk.take(History(D2).items(1, "2020-09-01"))
    assert set(desk.scores()) == keys_of(SEPTEMBER, department=D2)


def test_a_new_month_is_published_at_midnight_with_no_event_arriving() -> None:
    desk = Desk("2020-09-30T23:59:59", city())
    desk.scores()
    desk.later(SECOND - 1)
    assert desk.scores() == {}
    assert set(desk.later(1).scores()) >= keys_of(OCTOBER)
    assert desk.scores() == {}
    assert desk.later(DAY).scores() == {}


def test_a_deadline_that_passes_changes_its_score_with_no_event_arriving() -> None:
    due = "2020-09-09T12:00:00"
    desk = Desk("2020-09-09T11:59:59", History().add("request.raised", "2020-09-01", due_at=due))
    assert desk.scores()[f"{D1}|{SEPTEMBER}|sharing_timeliness"].status == "vacuous"
    [(key, record)] = [item for item in desk.at(due).scores().items() if "sharing" in item[0] and "timel" in item[0]]
    assert (key, record.numerator, record.denominator) == (f"{D1}|{SEPTEMBER}|sharing_timeliness", "0", "1")


def test_a_fact_dated_ahead_is_published_when_its_time_has_come() -> None:
    desk = Desk("2020-09-10", city())
    desk.scores()
    desk.take(More().add("department.docking_changed", "2020-09-20"))
    assert desk.scores() == {}
    assert desk.later(2 * REFRESH_AFTER).scores() == {}
    assert f"{D1}|{SEPTEMBER}|case_aggregation" in desk.at("2020-09-20").scores()


def test_the_end_of_the_grace_time_is_published_unless_the_period_is_to_be_frozen() -> None:
    desk = Desk("2020-10-14T23:59:59", city())  # a second before the grace time of September ends
    assert desk.scores()[f"{D1}|{SEPTEMBER}|total"].provisional
    found = desk.later(SECOND).scores()
    assert f"{D1}|{SEPTEMBER}|total" not in found  # what had arrived by now is to be frozen
    late = Desk("2020-10-15T00:00:00", city())  # loaded after it: nothing closes by itself, and the time alone says no more "open"
    assert not late.scores()[f"{D1}|{SEPTEMBER}|total"].provisional


# --- closed periods


def closing_of(desk: Desk, period: str = AUGUST) -> tuple[Any, FrozenRecord]:
    desk.state.look_at_closings()
    closing = desk.state.pending_closings[D1, period]
    records = frozen(closing, desk.log, desk.state.city.context)
    return closing, FrozenRecord(
        3, D1, period, closing.id, closing.at, [record.to_json() for record in records], records[0].version, closing.at
    )


def test_a_period_that_is_to_be_frozen_is_not_published_and_a_frozen_one_as_it_is() -> None:
    desk = Desk("2020-09-01", city(), More().add("department.docking_changed", "2020-08-20"))
    desk.scores()
    desk.at("2020-09-08T00:00:00")
    closing, record = closing_of(desk)
    desk.take(More().add("guide.checked", "2020-08-25", period=AUGUST, errors=2))
    assert not {key for key in desk.scores() if AUGUST in key}
    desk.state.freeze(closing, record)
    desk.take(More().add("department.registered", "2020-09-05")).later(REFRESH_AFTER)
    found = {key: told for key, told in desk.scores().items() if AUGUST in key}
    assert [told.to_json() for told in found.values()] == record.records
    assert not found[f"{D1}|{AUGUST}|total"].provisional
    desk.take(More().add("guide.checked", "2020-08-26", period=AUGUST, errors=2, check="G2"))
    assert not {key for key in desk.scores() if AUGUST in key}, "late facts do not move it"


def test_a_reopened_period_is_published_whole_at_the_present_version() -> None:
    desk = Desk("2020-09-01", city(), More().add("department.docking_changed", "2020-08-20"))
    desk.scores()
    closing, record = closing_of(desk.at("2020-09-08T00:00:00"))
    desk.state.freeze(closing, record)
    desk.take(More().add("guide.checked", "2020-08-25", period=AUGUST, errors=2)).later(REFRESH_AFTER)
    desk.scores()
    desk.later(SECOND).take(More(department="*").add("period.reopened", "2020-09-08", period=AUGUST))
    found = {key: told for key, told in desk.later(SECOND).scores().items() if AUGUST in key}
    assert len(found) == 17, "also what is as it was frozen"
    assert {told.version for told in found.values()} == {desk.state.city.departments[D1].version}
    assert desk.later(SECOND).scores() == {}


def test_a_recovered_worker_publishes_a_closed_period_as_frozen() -> None:
    desk = Desk("2020-09-01", city(), More().add("department.docking_changed", "2020-08-20"))
    closing, record = closing_of(desk.at("2020-09-08T00:00:00"))
    desk.state.freeze(closing, record)
    desk.take(More().add("guide.checked", "2020-08-25", period=AUGUST, errors=2))
    other = Desk("", state=recovered(desk, record), caught_up=False)
    found = {key: told for key, told in other.scores().items() if AUGUST in key}
    assert [told.to_json() for told in found.values()] == record.records


def test_a_recovered_worker_adjusts_by_what_it_finds_in_the_backlog() -> None:
    desk = Desk("2020-09-01", city(), More().add("department.docking_changed", "2020-08-20"))
    closing, record = closing_of(desk.at("2020-09-08T00:00:00"))
    desk.state.freeze(closing, record)
    other = Desk("", state=recovered(desk, record), caught_up=False)
    other.take(More().add("guide.checked", "2020-08-25", period=AUGUST, errors=2), arrival="2020-09-08T00:00:01")
    assert {entry.indicator for entry in other.state.take_adjustments()} == {"guide_accuracy", "total"}


# --- alerts


def test_an_alert_is_announced_once_and_resolved_once() -> None:
    desk = Desk("2020-09-10T11:59:59", case_due())
    assert desk.round() == ([], [])
    assert desk.later(SECOND).round() == ([DUE_SOON], [])
    assert desk.round() == ([], [])
    assert desk.at("2020-09-11T12:00:00").round() == ([], [])
    assert desk.later(1).round() == ([OVERDUE], [DUE_SOON])
    assert desk.later(DAY).round() == ([], [])
    desk.take(More().case("S1", completed="2020-09-12"))
    assert desk.round() == ([], [OVERDUE])
    assert desk.later(DAY).round() == ([], [])
    assert desk.state.announced == {}


def test_an_alert_says_what_it_is_about() -> None:
    desk = Desk("2020-09-12", case_due())
    desk.scores()
    [record] = desk.publisher.alerts()[0].values()
    assert record == AlertRecord(
        id=OVERDUE, kind="case_overdue", state="firing", department=D1, thing=f"{D1}|case|S1", due_at="2020-09-11T12:00:00+08:00",
        since="2020-09-11T12:00:00+08:00", details={"serial": "S1", "item": "I1", "acceptance_no": "A1"},
        as_of="2020-09-12T12:00:00+08:00", version=2,
    )  # fmt: skip


def test_every_kind_has_the_id_kind_thing_due() -> None:
    h = case_due("2020-09-10T12:00:00")
    h.add("case.accepted", "2020-09-02", serial="S2", due_at="2020-09-13T11:00:00", event_id="2")
    h.add("request.raised", "2020-09-02", request="R1", due_at="2020-09-10T12:00:00", event_id="3")
    h.add("request.raised", "2020-09-02", request="R2", due_at="2020-09-13T11:00:00", event_id="4")
    h.add("interface.registered", "2020-09-02", event_id="5").add("interface.failed", "2020-09-03", event_id="6")
    h.add("table.registered", "2020-09-02", event_id="7").items(1, "2020-08-01")
    desk = Desk("2020-09-12T12:00:00", h)
    on, _ = desk.round()
    assert {alert for alert in on if not alert.startswith("indicator_zeroed")} == {
        f"case_overdue|{D1}|case|S1|2020-09-10T12:00:00+08:00",
        f"case_due_soon|{D1}|case|S2|2020-09-13T11:00:00+08:00",
        f"request_overdue|{D1}|request|R1|2020-09-10T12:00:00+08:00",
        f"request_due_soon|{D1}|request|R2|2020-09-13T11:00:00+08:00",
        f"interface_failed|{D1}|interface|IF1|2020-09-03T12:00:00+08:00",
        f"table_overdue|{D1}|table|T1|2020-09-07T09:00:00+08:00",
    }
    assert not [alert for alert in on if alert.startswith("indicator_zeroed") and "2020-09-01T00:00:00" in alert]


def test_a_zeroed_indicator_is_an_alert_of_its_period() -> None:
    desk = Desk("2020-10-12", city())
    on, _ = desk.round()
    zeroed = [f"indicator_zeroed|{D1}|indicator|case_aggregation|2020-{month}-01T00:00:00+08:00" for month in ("09", "10")]
    assert [alert for alert in on if "case_aggregation" in alert] == zeroed, "August is history"
    assert desk.take(More().add("department.docking_changed", "2020-10-03")).round() == ([], zeroed[1:])
    assert desk.take(More().add("department.docking_changed", "2020-09-03")).round() == ([], zeroed[:1])


def test_things_of_one_id_in_two_departments_are_two() -> None:
    desk = Desk("2020-09-12", case_due(), History(D2).add("case.accepted", "2020-09-02", serial="S1", due_at="2020-09-11T12:00:00"))
    assert {OVERDUE, OVERDUE.replace(D1, D2)} <= set(desk.round()[0])


def test_alerts_are_held_while_the_partition_catches_up() -> None:
    """The completion of a case that looks overdue may still lie in the backlog."""
    desk = Desk("2020-09-12", case_due(), caught_up=False)
    assert desk.round() == ([], [])
    desk.take(More().case("S1", completed="2020-09-03"))
    desk.state.caught_up = True
    assert OVERDUE not in desk.round()[0]


def test_alerts_held_are_announced_once_caught_up() -> None:
    desk = Desk("2020-09-12", case_due(), caught_up=False)
    assert [desk.later(SECOND).round() for _ in range(3)] == [([], [])] * 3
    desk.state.caught_up = True
    assert OVERDUE in desk.round()[0]
    desk.state.caught_up = False
    desk.take(More().case("S1", completed="2020-09-12"))
    assert desk.round() == ([], []), "nothing is resolved either"
    desk.state.caught_up = True
    assert OVERDUE in desk.round()[1]


def test_what_was_announced_survives_a_recovery() -> None:
    desk = Desk("2020-09-12", case_due())
    on, _ = desk.round()
    announced = AlertsRecord(3, dict(desk.state.announced), [])
    other = Desk("", state=recovered(desk, announced))
    assert other.round() == ([], []), "not announced again"
    other.take(More().case("S1", completed="2020-09-12"))
    over = other.round()[1]
    assert over == [OVERDUE]
    assert on


def test_what_ended_while_no_one_watched_is_resolved_by_the_successor() -> None:
    desk = Desk("2020-09-12", case_due())
    desk.round()
    announced = AlertsRecord(3, dict(desk.state.announced), [])
    desk.take(More().case("S1", completed="2020-09-12"))
    other = Desk("", state=recovered(desk, announced))
    other.scores()
    _, over = other.publisher.alerts()
    [record] = over
    assert (record.id, record.state, record.version) == (OVERDUE, "resolved", 3)
    assert record.details == {"serial": "S1", "item": "I1", "acceptance_no": "A1"}


def test_an_alert_of_a_department_that_is_gone_is_resolved() -> None:
    desk = Desk("2020-09-12", case_due())
    desk.round()
    state = PartitionState(3, create_context(default_ruleset(), desk.now), {})
    state.apply(AlertsRecord(3, {OVERDUE: desk.state.announced[OVERDUE]}, []))
    assert Desk("", state=state).round() == ([], [OVERDUE])


def test_a_moved_deadline_is_another_alert() -> None:
    desk = Desk("2020-09-12", case_due())
    desk.round()
    earlier = More().add("case.accepted", "2020-09-01", serial="S1", due_at="2020-09-10T12:00:00")
    assert desk.take(earlier).round() == ([OVERDUE.replace("09-11T", "09-10T")], [OVERDUE])


def test_a_closing_is_announced() -> None:
    desk = Desk("2020-09-01", city())
    desk.round()
    closing, record = closing_of(desk.at("2020-09-08T00:00:00"))
    assert not [alert for alert in desk.round()[0] if alert.startswith("period_closed")]
    desk.state.freeze(closing, record)
    assert desk.round()[0] == [f"period_closed|{D1}|period|{AUGUST}|2020-09-08T00:00:00+08:00"]
    assert desk.round() == ([], [])


def test_zeroed_indicators_of_history_are_resolved_by_time_alone() -> None:
    """Whether there was a rebalance must not decide what fires."""
    desk = Desk("2020-09-30", city())
    on, _ = desk.round()
    assert f"indicator_zeroed|{D1}|indicator|case_aggregation|2020-09-01T00:00:00+08:00" in on
    desk.at("2020-11-02").round()
    fresh = Desk("", state=desk.state)
    assert fresh.round() == ([], [])


# --- status


def test_the_status_of_a_department() -> None:
    h = case_due()
    h.add("case.accepted", "2020-09-02", serial="S2", due_at="2020-09-13T11:00:00", event_id="2")
    h.add("case.accepted", "2020-09-02", serial="S3", due_at="2020-09-15T11:00:00", event_id="3")
    h.add("case.accepted", "2020-08-02", serial="S4", due_at="2020-09-01T11:00:00", event_id="4").case("S4", completed="2020-08-30")
    h.add("case.accepted", "2020-08-02", serial="S5", due_at="2020-09-01T11:00:00", event_id="5").case("S5", completed="2020-09-02")
    h.add("request.raised", "2020-09-02", request="R1", due_at="2020-09-10T12:00:00", event_id="6")
    h.add("request.raised", "2020-09-02", request="R2", due_at="2020-10-10T12:00:00", event_id="7")
    h.add("request.raised", "2020-09-02", request="R3", due_at="2020-09-14T12:00:00", event_id="9")
    h.add("department.registered", "2020-08-01", event_id="8")
    desk = Desk("2020-09-12", h)
    desk.scores()
    [record] = desk.statuses().values()
    assert record.model_dump() == {
        "department": D1, "name": "市民政局", "cases_open": 3, "cases_overdue": 1, "cases_due_soon": {"24h": 1, "72h": 2},
        "oldest_overdue_due_at": "2020-09-11T12:00:00+08:00", "requests_open": 3, "requests_overdue": 1, "requests_due_soon": {"24h": 0, "72h": 1},
        "cases_received": {AUGUST: 2, SEPTEMBER: 3},
        "cases_closed": {AUGUST: {"on_time": 1, "overdue": 0}, SEPTEMBER: {"on_time": 0, "overdue": 1}},
        "closed_periods": [], "last_event_at": "2020-09-02T12:00:00+08:00", "version": 12, "as_of": "2020-09-12T12:00:00+08:00",
    }  # fmt: skip


def test_status_is_told_when_it_changed_and_at_most_once_a_second() -> None:
    desk = Desk("2020-09-12", city())
    desk.scores()
    assert set(desk.statuses()) == {D1}
    desk.take(More().add("case.accepted", "2020-09-11", serial="S9"))
    desk.later(SECOND - 1).scores()
    assert desk.statuses() == {}
    desk.later(1).scores()
    assert desk.statuses()[D1].cases_open == 2
    desk.take(More().add("guide.checked", "2020-08-30"))
    desk.later(SECOND).scores()
    assert desk.statuses() == {}, "nothing that it says has changed, but for the version"


def test_after_a_fact_the_status_is_published_again_with_the_scores() -> None:
    """One that was lost on its way, or was told by a worker that woke up late, does not stay until the next event."""
    desk = Desk("2020-09-10", city())
    desk.later(SECOND).scores()
    desk.statuses()
    desk.take(More().add("department.registered", "2020-09-05"))
    desk.later(2 * SECOND).scores()
    desk.statuses()
    desk.later(REFRESH_BY).scores()
    assert D1 in desk.statuses()
    desk.later(REFRESH_BY).scores()
    assert desk.statuses() == {}, "and not again without a new fact"


def test_a_new_publisher_publishes_every_status() -> None:
    """After a rebalance that leaves a partition where it is: what the one before it still had to tell would never have been told."""
    desk = Desk("2020-09-10", city())
    desk.later(SECOND).scores()
    desk.publisher = Publisher(desk.state)
    desk.later(SECOND).scores()
    assert D1 in desk.statuses()


def test_status_follows_the_time_alone() -> None:
    desk = Desk("2020-09-10T12:00:00", case_due())
    desk.scores()
    assert desk.statuses()[D1].cases_due_soon.within_24h == 1
    desk.at("2020-09-11T12:00:00.000001").scores()
    found = desk.statuses()[D1]
    assert (found.cases_overdue, found.cases_due_soon.within_24h) == (1, 0)


def test_the_status_of_interfaces_and_tables() -> None:
    h = History().add("interface.registered", "2020-09-01", event_id="1").add("table.registered", "2020-09-01", event_id="2")
    desk = Desk("2020-09-05", h)
    desk.scores()
    found = desk.statuses()
    assert set(found) == {D1, f"{D1}|interface|IF1", f"{D1}|table|T1"}
    up = found[f"{D1}|interface|IF1"]
    assert (up.up, up.since, up.failure, up.failures_in_period) == (True, "2020-09-01T12:00:00+08:00", None, 0)
    table = found[f"{D1}|table|T1"]
    assert (table.last_update_at, table.next_due_at, table.overdue) == (None, "2020-09-07T09:00:00+08:00", False)

    desk.take(More().add("interface.failed", "2020-09-06", event_id="3"))
    desk.at("2020-09-07T09:00:00").scores()
    found = desk.statuses()
    down = found[f"{D1}|interface|IF1"]
    assert (down.up, down.since, down.failure, down.failures_in_period) == (False, "2020-09-06T12:00:00+08:00", "F1", 1)
    table = found[f"{D1}|table|T1"]
    assert (table.last_update_at, table.next_due_at, table.overdue) == (None, "2020-09-14T09:00:00+08:00", True)

    desk.take(More().add("interface.recovered", "2020-09-08", event_id="4").add("table.updated", "2020-09-08", event_id="5"))
    desk.at("2020-09-08").scores()
    found = desk.statuses()
    up = found[f"{D1}|interface|IF1"]
    assert (up.up, up.since, up.failures_in_period) == (True, "2020-09-08T12:00:00+08:00", 1)
    table = found[f"{D1}|table|T1"]
    assert (table.last_update_at, table.overdue) == ("2020-09-08T12:00:00+08:00", False)
    desk.at("2020-10-01T00:00:00").scores()
    assert desk.statuses()[f"{D1}|interface|IF1"].failures_in_period == 0


def test_a_planned_failure_is_not_one() -> None:
    h = History().add("interface.registered", "2020-09-01", event_id="1").add("interface.failed", "2020-09-03", planned=True, event_id="2")
    desk = Desk("2020-09-05", h)
    desk.scores()
    found = desk.statuses()[f"{D1}|interface|IF1"]
    assert (found.up, found.failures_in_period) == (True, 0)


def test_a_department_of_which_nothing_has_occurred_yet_has_no_status() -> None:
    desk = Desk("2020-09-05")
    desk.state.city.department(D1)
    desk.state.city.changed.add(D1)
    assert desk.scores() == {}
    assert desk.statuses() == {}


# --- heartbeat


def test_a_heartbeat_every_ten_seconds_whatever_happens() -> None:
    desk = Desk("2020-09-05", caught_up=False)
    assert HEARTBEAT_EVERY == 10 * SECOND
    told = {second: beat for second in range(41) if (beat := desk.publisher.heartbeat(second, "w1", desk.now + second * SECOND))}
    assert list(told) == [0, 10, 20, 30, 40]
    topic, key, beat = told[10]
    assert (topic, key) == ("status", "partition|3")
    assert beat.model_dump() == {
        "partition": 3, "as_of": "2020-09-05T12:00:10+08:00", "lag": 10, "catching_up": True, "worker": "w1",
        "ruleset": desk.state.city.context.identity,
    }  # fmt: skip
    desk.state.caught_up = True
    later = desk.publisher.heartbeat(0, "w1", desk.now + 50 * SECOND)
    assert later is not None
    assert not later[2].catching_up


def test_a_heart_beats_on_when_the_clock_is_set_back() -> None:
    desk = Desk("2020-09-05")
    assert desk.publisher.heartbeat(0, "w1", desk.now)
    beats = [desk.publisher.heartbeat(0, "w1", desk.now - 3_600 * SECOND + second * SECOND) for second in range(30)]
    assert any(beats)


def test_score_period_is_what_is_published_of_an_open_period() -> None:
    desk = Desk("2020-09-05", city())
    desk.scores()
    department = desk.state.city.departments[D1]
    assert desk.publisher.records_of(department, parse_period(SEPTEMBER)) == score_period(department, parse_period(SEPTEMBER))


def test_what_was_retired_goes_from_the_boards() -> None:
    desk = Desk("2020-09-05", city(), More().add("interface.registered", "2020-08-01").add("table.registered", "2020-08-01"))
    told = {key: record for _, key, record in desk.publisher.statuses()} or {}
    desk.scores()
    told |= {key: record for _, key, record in desk.publisher.statuses()}
    assert told[f"{D1}|interface|IF1"] is not None
    desk.take(More().add("interface.retired", "2020-09-04").add("table.retired", "2020-09-04"))
    desk.later(2 * SECOND).scores()
    gone = {key: record for _, key, record in desk.publisher.statuses()}
    assert gone[f"{D1}|interface|IF1"] is None
    assert gone[f"{D1}|table|T1"] is None
    desk.later(2 * SECOND).scores()
    assert not {key for _, key, _ in desk.publisher.statuses()} & set(gone) - {D1}


def test_what_was_noted_by_a_worker_that_ended_before_it_was_out_is_told_again_once() -> None:
    desk = Desk("2020-09-12", case_due())
    desk.round()
    other = Desk("", state=recovered(desk, AlertsRecord(3, dict(desk.state.announced), [])))
    other.scores()
    [record] = other.publisher.alerts_again([])
    assert (record.id, record.state, record.as_of) == (OVERDUE, "firing", other.publisher._text(other.now))
    assert other.publisher.alerts_again([]) == []


def test_what_is_over_is_not_told_again() -> None:
    desk = Desk("2020-09-12", case_due())
    desk.round()
    announced = AlertsRecord(3, dict(desk.state.announced), [])
    desk.take(More().case("S1", completed="2020-09-12"))
    other = Desk("", state=recovered(desk, announced))
    other.scores()
    _, over = other.publisher.alerts()
    assert [record.id for record in over] == [OVERDUE]
    assert other.publisher.alerts_again(over) == []


def test_alarms_are_looked_at_twice_a_second_once_the_backlog_is_read() -> None:
    desk = Desk("2020-09-12", caught_up=False)
    assert not desk.publisher.alerts_are_due(10.0)
    desk.state.caught_up = True
    due = [at for at in (10.0, 10.25, 10.5, 10.75, 11.0) if desk.publisher.alerts_are_due(at)]
    assert due == [10.0, 10.5, 11.0]
