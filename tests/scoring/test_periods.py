"""Closing: what is frozen and adjusted is a function of the log, of facts and arrivals, whatever the order of reading."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from models.events import Envelope, Event
from models.facts import EVENT_ID, Fact, to_fact
from models.instants import parse_instant, to_instant
from models.rulesets import default_ruleset
from scoring.batch import fold_facts
from scoring.context import Context, create_context
from scoring.local_time import parse_period
from scoring.periods import Arrived, Closing, adjustments, closings, content_of, first_arrivals, frozen, records_at_closing
from tests.support.builder import D1, D2, History
from tests.support.histories import histories

EVENTS: TypeAdapter[list[Envelope]] = TypeAdapter(list[Event])
AUGUST = parse_period("2020-08")
# August 2020 ends on a Monday: the 5th workday after is Monday, 7 September.
GRACE_END = "2020-09-08T00:00:00+08:00"


def context(as_of: str) -> Context:
    return create_context(default_ruleset(), parse_instant(as_of))


def arrived(events: list[dict[str, Any]], *arrivals: str) -> list[Arrived]:
    facts = [to_fact(event) for event in EVENTS.validate_python(events)]
    return [(parse_instant(arrival), fact) for arrival, fact in zip(arrivals, facts, strict=True)]


def case(*arrivals: str) -> list[Arrived]:
    """A serial issued in August and its ingestion, with their arrivals."""
    history = History().add("serial.issued", "2020-08-20").add("case.ingested", "2020-08-21")
    return arrived(history.events, *arrivals)


def order(kind: str, occurred: str, arrival: str, department: str = "*", event_id: str = "order", period: str = "2020-08") -> Arrived:
    event = {
        "event_id": event_id, "type": kind, "department": department, "occurred_at": occurred, "source": "test", "period": period,
    }  # fmt: skip
    return arrived([event], arrival)[0]


def closing_of(log: list[Arrived], as_of: str, period: int = AUGUST) -> Closing | None:
    return next((closing for closing in closings(log, context(as_of)) if closing.period == period), None)


def test_open_until_the_end_of_the_grace_time() -> None:
    log = case("2020-08-20T10:00:00+08:00", "2020-08-21T10:00:00+08:00")
    assert closing_of(log, "2020-09-07T23:59:59.999999+08:00") is None
    closing = closing_of(log, GRACE_END)
    assert closing == Closing(D1, AUGUST, "auto|2020-08", parse_instant(GRACE_END), automatic=True)


def test_history_loaded_after_the_grace_time_stays_open_until_closed_by_hand() -> None:
    log = case("2020-09-08T00:00:00+08:00", "2020-09-09T10:00:00+08:00")
    assert closing_of(log, "2020-12-01T00:00:00+08:00") is None
    log.append(order("period.closed", "2020-12-02T00:00:00+08:00", "2020-12-02T00:00:01+08:00"))
    closing = closing_of(log, "2020-12-03T00:00:00+08:00")
    assert closing is not None
    assert (closing.id, closing.automatic) == ("order", False)


def test_a_fact_that_arrived_just_before_the_grace_time_ended_closes_automatically() -> None:
    log = case("2020-09-07T23:59:59.999+08:00", "2020-09-09T10:00:00+08:00")
    assert closing_of(log, GRACE_END) is not None


def test_closed_by_hand_before_the_grace_time_and_for_one_department_only() -> None:
    log = case("2020-08-20T10:00:00+08:00", "2020-08-21T10:00:00+08:00")
    log.append(order("period.closed", "2020-09-02T09:00:00+08:00", "2020-09-02T09:00:01+08:00", department=D1))
    other = History(D2).add("serial.issued", "2020-08-20")
    log += arrived(other.events, "2020-08-20T10:00:00+08:00")
    found = {c.department: c.id for c in closings(log, context("2020-09-03T00:00:00+08:00")) if c.period == AUGUST}
    assert found == {D1: "order"}
    # at the end of the grace time the other is closed too, the first keeps its closing
    found = {c.department: c.id for c in closings(log, context(GRACE_END)) if c.period == AUGUST}
    assert found == {D1: "order", D2: "auto|2020-08"}


def test_a_reopened_period_is_not_closed_automatically_again() -> None:
    log = case("2020-08-20T10:00:00+08:00", "2020-08-21T10:00:00+08:00")
    log.append(order("period.closed", "2020-09-02T09:00:00+08:00", "2020-09-02T09:00:00+08:00", event_id="close"))
    log.append(order("period.reopened", "2020-09-03T09:00:00+08:00", "2020-09-03T09:00:00+08:00", event_id="reopen"))
    assert closing_of(log, "2020-12-01T00:00:00+08:00") is None
    log.append(order("period.closed", "2020-10-02T09:00:00+08:00", "2020-10-02T09:00:00+08:00", event_id="again"))
    closing = closing_of(log, "2020-12-01T00:00:00+08:00")
    assert closing is not None
    assert closing.id == "again"


def test_frozen_is_what_had_arrived_and_the_rest_adjusts() -> None:
    # issued arrived in time, its ingestion two days after the closing: 0/1 is frozen, 1/1 would be
    history = (
        History().add("department.docking_changed", "2020-08-01").add("serial.issued", "2020-08-20").add("case.ingested", "2020-08-21")
    )
    log = arrived(history.events, "2020-08-01T10:00:00+08:00", "2020-08-20T10:00:00+08:00", "2020-09-10T10:00:00+08:00")
    closing = closing_of(log, "2020-09-20T00:00:00+08:00")
    assert closing is not None
    held = {record.indicator: record for record in frozen(closing, log, context("2020-09-20T00:00:00+08:00"))}
    aggregation = held["case_aggregation"].model_dump()
    assert (aggregation["numerator"], aggregation["denominator"], aggregation["points_exact"]) == ("0", "1", "0")
    assert (aggregation["provisional"], aggregation["reasons"]) == (False, [])
    assert aggregation["as_of"] == GRACE_END
    found = adjustments(closing, log, context("2020-09-20T00:00:00+08:00"))
    assert [(entry.indicator, entry.frozen["points_exact"], entry.would_be["points_exact"]) for entry in found][:1] == [
        ("case_aggregation", "0", "10")
    ]
    assert {entry.event_id for entry in found} == {history.events[2]["event_id"]}
    assert found[0].arrived_at == "2020-09-10T10:00:00+08:00"


def test_of_copies_the_earliest_arrival_counts() -> None:
    log = case("2020-08-20T10:00:00+08:00", "2020-09-10T10:00:00+08:00")
    log.append((parse_instant("2020-08-22T10:00:00+08:00"), log[1][1]))
    assert [arrival for arrival, _ in first_arrivals(log)] == [
        parse_instant("2020-08-20T10:00:00+08:00"), parse_instant("2020-08-22T10:00:00+08:00"),
    ]  # fmt: skip


@st.composite
def logs(draw: st.DrawFn) -> list[Arrived]:
    """A random history with random arrivals, some copies, and orders to close and reopen."""
    events = [event for event in draw(histories(max_size=30)) if not event["type"].startswith("period.")]
    facts: dict[str, Fact] = {}
    for fact in map(to_fact, EVENTS.validate_python(events)):
        facts.setdefault(fact[EVENT_ID], fact)
    start = to_instant(datetime.fromisoformat("2020-08-01T00:00:00+08:00"))
    day = 86_400_000_000
    # whole days: equal arrivals, and arrivals at the very end of the grace time, are what matters
    when = st.integers(0, 70).map(lambda days: start + days * day)
    log = [(draw(when), fact) for fact in facts.values()]
    log += [(draw(when), draw(st.sampled_from(list(facts.values())))) for _ in range(draw(st.integers(0, 3))) if facts]
    for number in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["period.closed", "period.reopened"]))
        log.append(order(kind, "2020-09-01T00:00:00+08:00", "2020-09-01T00:00:00+08:00", event_id=f"order{number}"))
        log[-1] = (draw(when), log[-1][1])
    return log


@given(logs(), st.randoms(use_true_random=False))
def test_frozen_and_adjustments_do_not_depend_on_the_order_of_reading(log: list[Arrived], rng: random.Random) -> None:
    now = context("2020-10-20T00:00:00+08:00")
    shuffled = [*log, *log[:3]]
    rng.shuffle(shuffled)
    assert closings(log, now) == closings(shuffled, now)
    for closing in closings(log, now)[:3]:
        assert frozen(closing, log, now) == frozen(closing, shuffled, now)
        assert adjustments(closing, log, now) == adjustments(closing, shuffled, now)


@given(logs())
def test_frozen_is_the_score_of_what_had_arrived_and_the_last_adjustment_that_of_the_whole(log: list[Arrived]) -> None:
    now = context("2020-10-20T00:00:00+08:00")
    for closing in closings(log, now)[:2]:
        held = {r.indicator: content_of(r) for r in frozen(closing, log, now)}
        in_time = [fact for arrival, fact in first_arrivals(log) if closing.includes(arrival)]
        city = fold_facts(in_time, closing.at, default_ruleset())
        assert held == {r.indicator: content_of(r) for r in records_at_closing(city, closing.department, closing.period)}
        last = {entry.indicator: entry.would_be for entry in adjustments(closing, log, now)}
        whole = fold_facts([fact for _, fact in first_arrivals(log)], now.now, default_ruleset())
        for record in records_at_closing(whole, closing.department, closing.period):
            would_be = last.get(record.indicator)
            if would_be is not None:
                assert would_be["points_exact"] == record.points_exact
