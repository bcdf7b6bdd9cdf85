"""The state of a partition: intervals, alerts, closings and arrivals noted from changelog records. Facts: `test_tables.py`, `test_live.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.facts import AT, Fact, pack
from models.instants import SECOND, parse_instant
from models.rulesets import default_ruleset
from scoring.context import create_context
from scoring.local_time import parse_period, period_label
from scoring.periods import Arrived, Closing, adjustments, closings, frozen
from streams import partition
from streams.changelog import AlertsRecord, ChunkRecord, FrozenRecord
from streams.partition import PartitionState
from tests.support.builder import D1, D2, History, when
from tests.support.desk import take
from tests.support.faust_fakes import facts_of_events
from tests.support.histories import histories

CLOSES_AT = "2020-09-08T00:00:00"  # the end of the grace time of August 2020


def instant(text: str) -> int:
    return parse_instant(when(text))


def state_at(now: str) -> PartitionState:
    return PartitionState(0, create_context(default_ruleset(), instant(now)), {})


def chunk(*facts: tuple[Fact, str], **more: Any) -> ChunkRecord:
    return ChunkRecord("cases", 0, 0, len(facts), [fact for fact, _ in facts], [instant(arrival) // 1_000 for _, arrival in facts], **more)


def fact(type_: str, at: str, department: str = D1, **fields: Any) -> Fact:
    [found] = facts_of_events(History(department).add(type_, at, **fields).events)
    return found


# --- intervals


def test_a_chunk_is_an_interval_of_its_topic() -> None:
    state = state_at("2020-09-01")
    state.note_interval(ChunkRecord("cases", 0, 0, 5))
    state.note_interval(ChunkRecord("serials", 0, 2, 4))
    state.note_interval(ChunkRecord("cases", 0, 5, 9))
    state.note_interval(ChunkRecord("cases", 0, 0, 9))
    assert {topic: list(held) for topic, held in state.intervals.items()} == {"cases": [(0, 9)], "serials": [(2, 4)]}


@given(st.permutations([0, 1, 2, 3] * 2))
def test_a_chunk_in_parts_counts_once_all_are_there(order: list[int]) -> None:
    state = state_at("2020-09-01")
    seen = set()
    for part in order:
        was_whole = len(seen) == 4
        seen.add(part)
        state.note_interval(ChunkRecord("cases", 0, 0, 5, part=part, parts=4))
        if len(seen) < 4:
            assert list(state.intervals["cases"]) == []
        elif not was_whole:
            assert list(state.intervals["cases"]) == [(0, 5)]
    assert list(state.intervals["cases"]) == [(0, 5)]


# --- alerts


def test_alerts_are_noted_in_the_order_of_the_log() -> None:
    state = state_at("2020-09-01")
    state.apply(AlertsRecord(0, {"a": b"1", "b": b"1"}, []))
    state.apply(AlertsRecord(0, {"a": b"2"}, ["b", "never announced"]))
    assert state.announced == {"a": b"2"}
    state.apply(AlertsRecord(0, {"b": b"3"}, ["a"]))
    assert state.announced == {"b": b"3"}


# --- frozen records


def frozen_record(closed_at: int = 5, version: int = 1, as_of: int = 5, closing: str = "c") -> FrozenRecord:
    return FrozenRecord(0, D1, "2020-09", closing, closed_at, [b"{}"], version, as_of)


def test_own_alerts_count_in_the_order_of_the_log_also_when_their_place_is_known_before_what_lies_ahead_is_read() -> None:
    state = state_at("2020-09-20")
    state.recovered_to = 4
    alert = "case_overdue|x"
    state.note_own_alerts(AlertsRecord(0, {alert: b"{}"}, []), 5, 55)  # of a worker that was paused; 4 is its successor's
    assert (list(state.announced), state.recovered_to) == ([alert], 4)
    state.apply(AlertsRecord(0, {}, [alert]))
    state.note_read(4, 44)
    assert (list(state.announced), state.recovered_to, state.last_checksum) == ([alert], 6, 55)
    state.note_own_alerts(AlertsRecord(0, {}, [alert]), 6, 66)
    assert (list(state.announced), state.recovered_to) == ([], 7)
    assert state._appended == {}


@given(
    st.permutations(
        [
            frozen_record(),
            frozen_record(version=2, closing="c"),
            frozen_record(9, 1, closing="d"),
            frozen_record(9, 1, 6, closing="d"),
            frozen_record(3, 7),
        ]
    )
)
def test_of_two_closings_the_later_and_of_one_the_greater_holds_in_any_order(order: list[FrozenRecord]) -> None:
    state = state_at("2020-09-01")
    for record in order:
        state.apply(record)
    assert state.frozen == {(D1, "2020-09"): frozen_record(9, 1, 6, closing="d")}


# --- arrivals


def test_the_first_arrival_in_a_period_is_noted_by_department() -> None:
    state = state_at("2020-12-01")
    held = [
        (fact("serial.issued", "2020-08-10", serial="S1", event_id="1"), "2020-08-12"),
        (fact("serial.issued", "2020-08-20", serial="S2", event_id="2"), "2020-08-11"),
        (fact("serial.issued", "2020-09-01T00:00:00", serial="S3", event_id="3"), "2020-09-05"),
        (fact("serial.issued", "2020-08-31", D2, serial="S3", event_id="4"), "2020-11-05"),
    ]
    state.apply(chunk(*held))
    august, september = parse_period("2020-08"), parse_period("2020-09")
    expected = {(D1, august): instant("2020-08-11"), (D1, september): instant("2020-09-05"), (D2, august): instant("2020-11-05")}
    assert state.first_arrivals == expected
    live = state_at("2020-12-01")
    for one, arrival in reversed(held):
        assert take(live, one, instant(arrival) // 1_000) == "new"
    assert live.first_arrivals == expected


@pytest.mark.parametrize("live", [True, False], ids=["live", "recovered"])
def test_of_copies_the_earliest_arrival_counts(live: bool) -> None:
    state = state_at("2020-12-01")
    for one in (fact("serial.issued", "2020-08-10", event_id="1"), fact("period.closed", "2020-09-02", period="2020-08", event_id="2")):
        for arrival in ("2020-09-20", "2020-09-03"):
            if live:
                take(state, one, instant(arrival) // 1_000)
            else:
                state.apply(chunk((one, arrival)))
    assert state.first_arrivals == {(D1, parse_period("2020-08")): instant("2020-09-03")}
    assert [arrival for arrival, _ in state.orders] == [instant("2020-09-03")]


# --- closings


def august(*more: tuple[Fact, str]) -> list[tuple[Fact, str]]:
    return [
        (fact("item.published", "2020-08-01", event_id="1"), "2020-08-02"),
        (fact("case.accepted", "2020-08-03", event_id="2"), "2020-08-04"),
        *more,
    ]


def settled(now: str, *held: tuple[Fact, str]) -> PartitionState:
    state = state_at(now)
    state.apply(chunk(*held))
    state.city.settle()
    return state


def pending(state: PartitionState) -> dict[str, str]:
    state.look_at_closings()
    return {label: closing.id for (_, label), closing in state.pending_closings.items()}


def freeze(state: PartitionState, closing: Closing, *held: tuple[Fact, str]) -> FrozenRecord:
    return freeze_log(state, closing, [(instant(arrival), one) for one, arrival in held])


def freeze_log(state: PartitionState, closing: Closing, log: list[Arrived]) -> FrozenRecord:
    records = [record.to_json() for record in frozen(closing, log, state.city.context)]
    record = FrozenRecord(0, closing.department, period_label(closing.period), closing.id, closing.at, records, 2, closing.at)
    state.freeze(closing, record)
    return record


def test_a_period_closes_by_itself_when_its_grace_time_ends() -> None:
    state = settled("2020-09-07T23:59:59", *august())
    assert pending(state) == {}
    state.city.advance(instant(CLOSES_AT))
    assert pending(state) == {"2020-08": "auto|2020-08"}
    [closing] = state.pending_closings.values()
    freeze(state, closing, *august())
    assert pending(state) == {}
    assert set(state.closed) == {(D1, "2020-08")}
    assert closings([(instant(arrival), one) for one, arrival in august()], state.city.context) == [closing]


def test_a_fact_that_adds_an_earlier_period_lets_it_close_at_once() -> None:
    # Its first arrival lies before the end of the grace time (a backlog, or a record that was sent on): not only at the next midnight.
    state = settled("2020-09-20", (fact("serial.issued", "2020-09-10", event_id="later"), "2020-09-10"))
    assert pending(state) == {}
    take(state, fact("serial.issued", "2020-08-10", serial="S2", event_id="earlier"), instant("2020-09-01") // 1_000)
    assert pending(state) == {"2020-08": "auto|2020-08"}


def test_a_period_without_a_fact_closes_at_once_when_one_that_had_arrived_in_time_is_read() -> None:
    state = settled("2020-09-20", (fact("serial.issued", "2020-07-10", event_id="before"), "2020-09-15"))
    assert pending(state) == {}
    take(state, fact("serial.issued", "2020-08-10", serial="S2", event_id="of August"), instant("2020-09-01") // 1_000)
    assert pending(state) == {"2020-08": "auto|2020-08"}


def test_an_order_closes_and_another_reopens() -> None:
    state = settled(
        "2020-09-03T10:00:00",
        *august((fact("period.closed", "2020-09-03T09:00:00", period="2020-08", event_id="x"), "2020-09-03T09:00:00")),
    )
    assert pending(state) == {"2020-08": "x"}
    freeze(state, state.pending_closings[D1, "2020-08"], *august())
    assert set(state.closed) == {(D1, "2020-08")}
    state.city.changed.clear()
    take(
        state, fact("period.reopened", "2020-09-03T10:00:00", "*", period="2020-08", event_id="y"), instant("2020-09-03T10:00:00") // 1_000
    )
    assert pending(state) == {}
    assert state.closed == {}
    assert state.city.changed == {D1}, "its scores are those of the whole set again"
    state.city.advance(instant("2020-12-01"))
    assert "2020-08" not in pending(state)


def test_an_order_that_the_brokers_clock_puts_ahead_of_ours_closes_once_it_has_come() -> None:
    state = settled("2020-09-03T09:00:00", *august())
    pending(state)
    order = fact("period.closed", "2020-09-03T09:00:00", period="2020-08", event_id="x")
    take(state, order, instant("2020-09-03T09:00:00") // 1_000 + 500)  # half a second ahead
    assert pending(state) == {}
    state.city.advance(instant("2020-09-03T09:00:00") + SECOND)
    assert pending(state) == {"2020-08": "x"}


def test_late_facts_of_a_closed_period_become_adjustments_and_others_do_not() -> None:
    state = settled("2020-09-20", *august())
    pending(state)
    freeze(state, state.pending_closings[D1, "2020-08"], *august())
    state.look_at_closings()
    late = fact("guide.checked", "2020-08-20", period="2020-08", errors=3, event_id="late")
    assert take(state, late, instant("2020-09-19") // 1_000) == "new"
    assert take(state, late, instant("2020-09-19") // 1_000) == "duplicate"
    take(
        state,
        fact("guide.checked", "2020-09-18", period="2020-09", check="G2", errors=3, event_id="of september"),
        instant("2020-09-19") // 1_000,
    )
    take(state, fact("guide.checked", "2020-08-20", D2, period="2020-08", errors=3, event_id="of another"), instant("2020-09-19") // 1_000)
    found = state.take_adjustments()
    assert {(entry.event_id, entry.indicator) for entry in found} == {("late", "guide_accuracy"), ("late", "total")}
    assert state.take_adjustments() == []


def test_what_came_too_late_before_the_closing_was_frozen_becomes_adjustments() -> None:
    # A worker that lags takes late facts in before it freezes: those of the log are told with the closing, those on their way to it here.
    early = fact("guide.checked", "2020-08-20", period="2020-08", errors=3, event_id="in the log")
    state = settled("2020-09-20", *august((early, "2020-09-10")))
    pending(state)
    closing = state.pending_closings[D1, "2020-08"]
    log = [(instant(arrival), one) for one, arrival in august((early, "2020-09-10"))]
    told = adjustments(closing, log, state.city.context)
    assert {(entry.event_id, entry.indicator) for entry in told} == {("in the log", "guide_accuracy"), ("in the log", "total")}
    on_its_way = fact("guide.checked", "2020-08-21", period="2020-08", check="G2", errors=5, event_id="on its way")
    take(state, on_its_way, instant("2020-09-19") // 1_000)
    records = [record.to_json() for record in frozen(closing, log, state.city.context)]
    state.freeze(closing, FrozenRecord(0, D1, "2020-08", closing.id, closing.at, records, 2, closing.at), told)
    found = {entry.indicator: entry for entry in state.take_adjustments()}
    assert {entry.event_id for entry in found.values()} == {"on its way"}
    log.append((instant("2020-09-19"), on_its_way))
    assert found == {entry.indicator: entry for entry in adjustments(closing, log, state.city.context) if entry.event_id == "on its way"}


def test_a_fact_that_had_arrived_before_the_closing_adjusts_nothing() -> None:
    state = settled("2020-09-20", *august())
    pending(state)
    freeze(state, state.pending_closings[D1, "2020-08"], *august())
    state.look_at_closings()
    take(state, fact("guide.checked", "2020-08-20", period="2020-08", errors=3, event_id="early"), instant("2020-09-07") // 1_000)
    assert state.take_adjustments() == []


def test_a_frozen_record_of_the_log_closes_after_a_recovery() -> None:
    first = settled("2020-09-20", *august())
    pending(first)
    record = freeze(first, first.pending_closings[D1, "2020-08"], *august())
    for records in ([chunk(*august()), record], [record, chunk(*august())]):
        state = state_at("2020-09-20")
        for one in records:
            state.apply(one)
        state.city.settle()
        assert pending(state) == {}
        assert state.closed.keys() == first.closed.keys()
        assert state.frozen[D1, "2020-08"] == record
        # frozen for another closing, it is to be frozen again
        state.apply(replace(record, closing="another", closed_at=record.closed_at + 1))
        state._closed_as_of = None
        assert pending(state) == {"2020-08": "auto|2020-08"}


def closed_until(last: str, early: list[Fact]) -> PartitionState:
    """As of December, the periods until then closed with what had arrived in them."""
    state = state_at("2020-12-20")
    state.apply(ChunkRecord("cases", 0, 0, len(early), early, [one[AT] // 1_000 for one in early]))
    state.city.settle()
    state.look_at_closings()
    for (_, label), closing in [*state.pending_closings.items()]:
        if label <= last:
            freeze_log(state, closing, [(one[AT], one) for one in early])
    return state


@pytest.mark.parametrize("indicator", ["case_aggregation", "licence_generation", "online_experience", "overdue_completion", None])
@given(data=st.data())
def test_late_facts_adjust_alike_together_and_one_by_one(indicator: str | None, data: st.DataObject) -> None:
    # Most are told to spare what is closed and folded together; folded each by itself and compared, they adjust the same.
    told = [one for one in facts_of_events(data.draw(histories(indicator=indicator))) if one[AT] < instant("2020-12-01")]
    known = data.draw(st.integers(0, len(told)))
    last = data.draw(st.sampled_from(["2020-08", "2020-09", "2020-10"]))
    together, alone = closed_until(last, told[:known]), closed_until(last, told[:known])
    late, arrival = told[known:], instant("2020-12-19") // 1_000
    while late:
        size = data.draw(st.integers(1, len(late)))
        taken, late = late[:size], late[size:]
        outcomes = together.take_each(taken, [arrival] * size, [pack(one) for one in taken])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(partition, "spares", lambda *_: False)
            assert outcomes == [take(alone, one, arrival) for one in taken]
    assert together.take_adjustments() == alone.take_adjustments()
    for state in (together, alone):
        state.city.settle()
    assert together.city.departments.keys() == alone.city.departments.keys()
    for code, department in together.city.departments.items():
        assert department.counters == alone.city.departments[code].counters
    assert together.first_arrivals == alone.first_arrivals
