"""Closing on Apache Kafka with a clock that is set: what is frozen, adjusted and reopened is what `scoring.periods` says of the same log.

Arrivals are those of the header that a record keeps when it is sent on, so that a test decides them; the worker's clock reads a file.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer
from pydantic import TypeAdapter

from models.events import TOPIC_OF_TYPE, Envelope, Event
from models.facts import to_fact
from models.instants import parse_instant
from models.rulesets import default_ruleset
from scoring.batch import fold_facts
from scoring.context import create_context
from scoring.local_time import period_label
from scoring.periods import Arrived, adjustments, closings, frozen
from scoring.scores import score_city
from streams.changelog import FrozenRecord, decode
from streams.intake import ARRIVAL_HEADER, partition_of
from streams.topics import CHANGELOG
from tests.support.builder import D1, D2, D3, History, when
from tests.support.clocked_worker import read_clock, set_clock
from tests.support.live import MADE, System, differences, until

EVENTS: TypeAdapter[list[Envelope]] = TypeAdapter(list[Event])
WORKER = [sys.executable, "-m", "tests.support.clocked_worker"]
# August 2020 ends on a Monday: its grace time ends with Monday, 7 September.
BEFORE, AFTER, NEXT_DAY = "2020-09-07T23:59:00", "2020-09-08T00:00:03", "2020-09-08T11:00:00"
IN_TIME, LATE = "2020-09-02T10:00:00", "2020-09-08T10:00:00"


def instant(text: str) -> int:
    return parse_instant(when(text))


@dataclass
class Timeline:
    """A system, its clock, and everything that was sent to it with its arrival."""

    system: System
    log: list[Arrived] = field(default_factory=list)

    @property
    def clock(self) -> Path:
        return self.system.directory / "clock"

    def set(self, text: str) -> None:
        set_clock(self.clock, instant(text))

    def start(self, name: str, **settings: str) -> None:
        self.system.start(name, WORKER, TEST_CLOCK=str(self.clock), **settings)

    def send(self, arrival: str, *histories: History) -> None:
        """Send events that arrived at a time; those of `*` to every partition, as the commands do."""
        producer = KafkaProducer(bootstrap_servers=self.system.broker)
        arrived = instant(arrival)
        headers = [(ARRIVAL_HEADER, str(arrived // 1_000).encode())]
        events = [event for history in histories for event in history.events]
        for event in events:
            every = event["department"] == "*"
            places = range(self.system.partitions) if every else [partition_of(event["department"], self.system.partitions)]
            for partition in places:
                topic = self.system.prefix + TOPIC_OF_TYPE[event["type"]]
                producer.send(topic, orjson.dumps(event), key=event["department"].encode(), partition=partition, headers=headers)
        producer.flush()
        producer.close()
        self.log += [(arrived, fact) for fact in map(to_fact, EVENTS.validate_python(events))]

    def expected(self) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
        """As of the clock: every score record by key, and of each key the last adjustment's `would_be`."""
        context = create_context(default_ruleset(), read_clock(self.clock))
        scores = {
            _key(r): orjson.loads(r.to_json()) for r in score_city(fold_facts((f for _, f in self.log), context.now, default_ruleset()))
        }
        late = {}
        for closing in closings(self.log, context):
            scores.update({_key(r): orjson.loads(r.to_json()) for r in frozen(closing, self.log, context)})
            for adjustment in adjustments(closing, self.log, context):
                late[_key(adjustment)] = dict(adjustment.would_be)
        return scores, late

    def closed(self) -> set[tuple[str, str]]:
        context = create_context(default_ruleset(), read_clock(self.clock))
        return {(closing.department, period_label(closing.period)) for closing in closings(self.log, context)}

    def frozen_records(self) -> dict[tuple[str, str], FrozenRecord]:
        records = map(decode, (record.value for record in self.system.read(CHANGELOG)))
        return {(record.department, record.period): record for record in records if isinstance(record, FrozenRecord)}

    def adjusted(self) -> dict[str, dict[str, Any]]:
        found = {}
        for record in self.system.read("adjustments"):
            adjustment = orjson.loads(record.value)
            found[record.key.decode()] = adjustment["would_be"]
        return found

    def assert_exact(self) -> None:
        """Everything consumed; closed records as frozen, with the time of their closing, open ones those of the whole set; adjustments."""
        until(lambda: not self.system.holes(), "the intervals tile the inputs", logs=self.system.logs)
        until(lambda: self.frozen_records().keys() >= self.closed(), "what is closed is frozen", logs=self.system.logs)
        last: list[Any] = []

        def wrong() -> list[str]:
            scores, late = self.expected()
            live = self.system.scores()
            found = differences(live, scores)
            found += [
                f"{key}: as of {live[key]['as_of']}, not {record['as_of']}"
                for key, record in scores.items()
                if key in live
                and tuple(key.split("|")[:2]) in self.closed()
                and parse_instant(live[key]["as_of"]) != parse_instant(record["as_of"])
            ]
            found += [f"adjustment of {difference}" for difference in differences(_content(self.adjusted()), _content(late))]
            last[:] = found
            return found

        try:
            until(lambda: not wrong(), "live is what the log says", 90)
        except AssertionError:
            raise AssertionError("\n".join([*last[:12], self.system.logs()])) from None


def _key(record: Any) -> str:
    return f"{record.department}|{record.period}|{record.indicator}"


def _content(records: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {key: {name: value for name, value in record.items() if name not in (*MADE, "version")} for key, record in records.items()}


@pytest.fixture
def timeline(kafka: Any, unique_prefix: str, tmp_path: Path) -> Iterator[Timeline]:
    held = Timeline(System(kafka.address, unique_prefix, tmp_path, partitions=2))
    held.system.run("topics", "create")
    yield held
    held.system.close()


def august(department: str) -> History:
    """Items, docking, cases and a complaint of August, some cases of September."""
    history = History(department).items(3, "2020-08-03").add("department.docking_changed", "2020-08-03")
    for number in range(6):
        history.case(f"S{number}", issued="2020-08-10", accepted="2020-08-11", completed="2020-08-14")
    for number in range(4):
        history.add("case.ingested", "2020-08-15", serial=f"S{number}")
    return history.case("T1", issued="2020-09-01", accepted="2020-09-01", passed="2020-09-02", completed="2020-09-02")


def late(department: str, mark: str = "late") -> History:
    """What comes after the closing: of August an ingestion and errors in a guide, and something of September."""
    history = History(department)
    history.add("case.ingested", "2020-08-16", serial="S4", event_id=f"{department}-{mark}-1")
    history.add("guide.checked", "2020-08-20", period="2020-08", check=mark, errors=3, event_id=f"{department}-{mark}-2")
    return history.add("serial.issued", "2020-09-07T10:00:00", serial=f"T-{mark}", event_id=f"{department}-{mark}-3")


def order(kind: str, at: str, department: str, period: str = "2020-08") -> History:
    return History(department).add(f"period.{kind}", at, period=period, event_id=f"{kind}-{department}-{at}")


def test_a_period_closes_by_itself_on_idle_input_and_late_facts_adjust(timeline: Timeline) -> None:
    timeline.set(BEFORE)
    timeline.send(IN_TIME, august(D1), august(D2))
    timeline.start("one")
    timeline.assert_exact()
    assert timeline.frozen_records() == {}
    timeline.set(AFTER)  # nothing arrives
    timeline.assert_exact()
    assert timeline.frozen_records().keys() == {(D1, "2020-08"), (D2, "2020-08")}
    before = timeline.frozen_records()
    timeline.set(NEXT_DAY)
    timeline.send(LATE, late(D1))
    timeline.assert_exact()
    assert timeline.frozen_records() == before
    assert {key.rpartition("|")[2] for key in timeline.adjusted()} >= {"case_aggregation", "guide_accuracy", "total"}


def test_closed_by_hand_for_one_and_for_all_and_reopened(timeline: Timeline) -> None:
    timeline.set("2020-09-03T12:00:00")
    timeline.send(IN_TIME, august(D1), august(D2), august(D3))
    timeline.start("one")
    timeline.send("2020-09-03T11:00:00", order("closed", "2020-09-03T11:00:00", D1))
    timeline.assert_exact()
    assert timeline.frozen_records().keys() == {(D1, "2020-08")}
    timeline.send("2020-09-03T11:30:00", late(D1), late(D2))
    timeline.assert_exact()
    timeline.set("2020-09-04T12:00:00")
    timeline.send("2020-09-04T11:00:00", order("closed", "2020-09-04T11:00:00", "*"))
    timeline.assert_exact()
    assert timeline.frozen_records().keys() == {(department, "2020-08") for department in (D1, D2, D3)}
    assert timeline.frozen_records()[D1, "2020-08"].closing == f"closed-{D1}-2020-09-03T11:00:00"
    timeline.send("2020-09-04T11:30:00", order("reopened", "2020-09-04T11:30:00", D1))
    until(lambda: not differences(timeline.system.scores(), timeline.expected()[0]), "reopened: the score of the whole set")
    timeline.set(AFTER)
    timeline.send("2020-09-07T12:00:00", late(D1, "after"))
    until(lambda: not timeline.system.holes(), "everything is consumed")
    assert (D1, "2020-08") not in timeline.closed()
    until(lambda: not differences(timeline.system.scores(), timeline.expected()[0]), "not closed again when the grace time ends")
    timeline.system.kill("one", signal.SIGKILL)
    timeline.start("two")
    until(lambda: not differences(timeline.system.scores(), timeline.expected()[0]), "nor by another worker")


def test_killed_just_before_and_just_after_a_closing(timeline: Timeline) -> None:
    timeline.set(BEFORE)
    timeline.send(IN_TIME, august(D1), august(D2))
    timeline.start("one")
    timeline.assert_exact()
    timeline.system.kill("one", signal.SIGKILL)
    timeline.set(AFTER)
    timeline.start("two")
    until(timeline.frozen_records, "the first frozen record", logs=timeline.system.logs)
    timeline.system.kill("two", signal.SIGKILL)
    timeline.set(NEXT_DAY)
    timeline.send(LATE, late(D1), late(D2))
    timeline.start("three")
    timeline.assert_exact()


def test_a_worker_that_lags_freezes_what_had_arrived_and_adjusts_by_the_rest(timeline: Timeline) -> None:
    timeline.set(NEXT_DAY)
    timeline.send(IN_TIME, august(D1), august(D2))
    timeline.send("2020-09-07T23:59:59.999", History(D1).add("case.ingested", "2020-08-16", serial="S5", event_id="just in time"))
    timeline.send(LATE, late(D1), late(D2))
    timeline.start("slow", TEST_SLOW="0.3")
    timeline.assert_exact()
    timeline.send("2020-09-08T10:30:00", late(D2, "later"))
    timeline.assert_exact()
