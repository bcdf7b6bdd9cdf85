"""The tables: recovery reads whole and in order, or the process ends; what it reads amounts to what was live."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from models.facts import Fact
from models.instants import to_instant
from scoring.live import Tally
from scoring.scores import score_city
from streams import tables
from streams.app import create_app
from streams.changelog import (
    AlertsRecord,
    ChunkRecord,
    FrozenRecord,
    encode_alerts,
    encode_chunk,
    encode_frozen,
)
from streams.chunks import Chunk
from streams.partition import PartitionState
from streams.tables import FACTS, FactStore
from tests.support.builder import D1, D2, History
from tests.support.desk import take
from tests.support.faust_fakes import Record, compose, facts_of_events
from tests.support.histories import histories, instants

NOW = "2020-11-30"
PARTITION = 2


class Ended(BaseException):
    """The process has ended. Not an exception that anything may swallow."""


@pytest.fixture(autouse=True)
def _ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(reason: str) -> None:
        raise Ended(reason)

    monkeypatch.setattr(tables, "end_process", end)


class Changelog:
    """A changelog partition: values appended by anyone, and read by a store as recovery reads them."""

    def __init__(self, topic: str, number: int = PARTITION) -> None:
        self.tp = TP(topic, number)
        self.records: list[Record] = []

    def append(self, *values: bytes) -> None:
        for value in values:
            self.records.append(Record(*self.tp, len(self.records), value))

    def append_facts(self, *facts: Fact, topic: str = "cases", begin: int = 0, end: int = 1) -> None:
        self.append(*encode_chunk(ChunkRecord(topic, self.tp.partition, begin, end, list(facts), [1_600_000_000_000] * len(facts))))

    def events(self, begin: int = 0, end: int | None = None, size: int = 1_000) -> list[Any]:
        """Faust's events for the records in [begin, end), in chunks of some size."""
        held = self.records[begin:end]
        return [_event(Chunk(self.tp, held[place : place + size], 0)) for place in range(0, len(held), size)]


def _event(chunk: Chunk) -> Any:
    tp = TP(chunk.topic, chunk.partition)
    return SimpleNamespace(value=chunk.value, message=SimpleNamespace(topic=tp.topic, partition=tp.partition, tp=tp))


def created(now: int | str = NOW) -> tuple[Any, FactStore, Changelog]:
    app, pipeline = create_app(compose(now))
    return app, pipeline.store, Changelog(app.tables[FACTS].changelog_topic_name)


def read(store: FactStore, events: list[Any]) -> PartitionState:
    store.apply_changelog_batch(events, None, None)
    state: PartitionState = store.data[PARTITION]
    state.city.settle()
    return state


def facts(count: int = 4, department: str = D1) -> list[Fact]:
    history = History(department).items(1)
    for number in range(count - 1):
        history.case(f"S{number}", accepted="2020-09-03")
    return facts_of_events(history.events)


# --- reading whole and in order, or ending


def test_records_are_folded_in_and_the_place_is_noted() -> None:
    _, store, log = created()
    for place, fact in enumerate(facts()):
        log.append_facts(fact, begin=place, end=place + 1)
    state = read(store, log.events(size=3))
    assert state.recovered_to == 4
    assert state.city.departments[D1].version == 4
    assert list(state.intervals["cases"]) == [(0, 4)]


def test_a_hole_in_the_changelog_ends_the_process() -> None:
    _, store, log = created()
    for fact in facts():
        log.append_facts(fact)
    read(store, log.events(0, 2))
    with pytest.raises(Ended, match=r"recovery cannot go on: ValueError: changelog records 2 to 2 of TP\(.*partition=2\) are missing"):
        store.apply_changelog_batch(log.events(3), None, None)


def test_a_hole_within_a_chunk_ends_the_process() -> None:
    _, store, log = created()
    for fact in facts():
        log.append_facts(fact)
    del log.records[2]
    with pytest.raises(Ended, match="records 2 to 2 of"):
        store.apply_changelog_batch(log.events(), None, None)


def test_a_hole_at_the_beginning_ends_the_process() -> None:
    _, store, log = created()
    for fact in facts():
        log.append_facts(fact)
    with pytest.raises(Ended):
        store.apply_changelog_batch(log.events(2), None, None)


def test_records_below_what_was_recovered_are_skipped() -> None:
    _, store, log = created()
    first, second, third, fourth = facts()
    log.append_facts(first)
    log.append_facts(second)
    state = read(store, log.events())
    log.records[1] = Record(*log.tp, 1, b"is not even looked at")
    log.append_facts(third)
    log.append_facts(fourth)
    assert read(store, log.events(1)) is state  # Faust seeks to the last one recovered, not to the one after it
    assert (state.recovered_to, state.city.departments[D1].version) == (4, 4)


@pytest.mark.parametrize(
    "value", [b"", b"\xc1\xc1", encode_chunk(ChunkRecord("cases", 0, 0, 1))[0][:-1], b"\x95\x02\xa5chunk\x01\x02\x03", None]
)
def test_a_record_that_cannot_be_read_ends_the_process(value: Any) -> None:
    _, store, log = created()
    log.append(value)
    with pytest.raises(Ended, match="recovery cannot go on: ChangelogError: a changelog record"):
        store.apply_changelog_batch(log.events(), None, None)
    assert store.data[PARTITION].recovered_to == 0


def test_any_error_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    _, store, log = created()
    log.append_facts(*facts())
    for error in (KeyError("x"), MemoryError(), KeyboardInterrupt(), SystemExit(1)):

        def fail(*_: Any, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(PartitionState, "apply", fail)
        with pytest.raises(Ended, match=type(error).__name__):
            store.apply_changelog_batch(log.events(), None, None)


def test_a_record_of_another_topic_ends_the_process() -> None:
    _, store, _ = created()
    foreign = Changelog("onestop-other-changelog")
    foreign.append_facts(*facts())
    with pytest.raises(Ended, match="a record of onestop-other-changelog was handed to the changelog of facts"):
        store.apply_changelog_batch(foreign.events(), None, None)
    assert not store.data


async def test_a_record_of_a_partition_that_is_not_owned_is_not_folded() -> None:
    app, store, log = created()
    for fact in facts():
        log.append_facts(fact)
    await rebalance(app, [PARTITION + 1])
    late = log.events(2)  # fetched while the partition was ours
    try:
        store.apply_changelog_batch(late, None, None)
    except Ended:
        return
    await rebalance(app, [PARTITION])
    assert store.persisted_offset(log.tp) == -1, "recovery will go on after records that were never read"


def test_records_of_several_partitions_are_kept_apart() -> None:
    _, store, log = created()
    other = Changelog(log.tp.topic, 3)
    log.append_facts(*facts())
    other.append_facts(*facts(2, D2))
    store.apply_changelog_batch([*log.events(), *other.events()], None, None)
    assert {number: set(state.city.departments) for number, state in store.data.items()} == {2: {D1}, 3: {D2}}


# --- where to go on


def test_the_persisted_offset_is_that_of_the_state_held() -> None:
    app, store, log = created()
    table = app.tables[FACTS]
    assert table.persisted_offset(log.tp) == -1
    store.set_persisted_offset(log.tp, 99)
    assert table.persisted_offset(log.tp) == -1, "whatever Faust remembers"
    log.append_facts(*facts())
    log.append_facts(*facts())
    read(store, log.events())
    assert table.persisted_offset(log.tp) == 1
    assert table.persisted_offset(log.tp._replace(partition=3)) == -1
    store.data.clear()
    assert table.persisted_offset(log.tp) == -1


async def rebalance(app: Any, numbers: list[int], extra: set[TP] = frozenset()) -> None:
    topic = app.tables[FACTS].changelog_topic_name
    assigned = {TP(topic, number) for number in numbers} | extra
    await app.tables[FACTS].on_rebalance(assigned, set(), set(), 1)


async def test_what_is_owned_no_more_is_dropped_with_its_counters_and_read_whole_when_it_comes_back() -> None:
    app, store, log = created()
    other = Changelog(log.tp.topic, 3)
    log.append_facts(*facts())
    other.append_facts(*facts(3, D2))
    read(store, [*log.events(), *other.events()])
    store.data[3].city.settle()
    assert set(store.counters) == {D1, D2}
    kept = copy.deepcopy(store.counters[D2])

    # the input partition of the same number does not count: only the changelog says what is owned
    await rebalance(app, [3], {TP("cases", PARTITION)})

    assert set(store.data) == {3}
    assert dict(store.counters) == {D2: kept}
    assert store.persisted_offset(log.tp) == -1
    await rebalance(app, [2, 3])
    state = read(store, log.events())
    assert state.city.departments[D1].version == 4
    assert store.counters[D1] is state.city.departments[D1].counters
    assert store.counters[D2] == kept


async def test_what_stays_owned_is_kept() -> None:
    app, store, log = created()
    log.append_facts(*facts())
    state = read(store, log.events())
    await rebalance(app, [PARTITION])
    assert store.data[PARTITION] is state
    await rebalance(app, [])
    assert not store.data
    assert not store.counters


async def test_a_partition_without_any_record_has_a_state_after_recovery() -> None:
    app, store, log = created()
    await app.tables[FACTS].on_recovery_completed({log.tp}, set())
    assert store.data[PARTITION].recovered_to == 0
    assert store.partition(PARTITION) is store.data[PARTITION]


# --- chunks of facts, in whatever order and however often, amount to what was live


def told(state: PartitionState) -> dict[str, Any]:
    """Everything that a state amounts to, comparable between two of them."""
    city = state.city
    return {
        "scores": score_city(city),
        "counters": {code: department.counters for code, department in city.departments.items()},
        "alarms": {key: alarm for key, (alarm, _) in city.alarms.items()},
        "tallies": {
            code: replace(tally, overdue={(entity.kind, entity.id): due for entity, due in tally.overdue.items()})
            for code, tally in city.tallies.items()
            if tally != Tally()  # live one of zeros stays behind what was open; nothing tells it from none
        },
        "intervals": {topic: list(intervals) for topic, intervals in state.intervals.items()},
        "announced": state.announced,
        "frozen": state.frozen,
        "first arrivals": state.first_arrivals,
        "orders": sorted(state.orders),
        "counters table": dict(state.city._counters),
    }


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[dict[str, Any]], int, int]:
    events = draw(histories(max_size=40))
    return events, to_instant(draw(instants(events))), draw(st.integers(0, 2**32))


@given(lives())
def test_recovery_amounts_to_what_was_live(life: tuple[list[dict[str, Any]], int, int]) -> None:
    events, now, seed = life
    chance = random.Random(seed)
    _, store, log = created(now)
    live = store.partition(PARTITION)
    values: list[list[bytes]] = []
    place = 0
    waiting = facts_of_events(events)
    while waiting:
        size = chance.randint(1, 7)
        taken, waiting = waiting[:size], waiting[size:]
        record = ChunkRecord("cases", PARTITION, place, place + len(taken))
        for fact in taken:
            arrival = 1_600_000_000_000 + chance.randint(-(10**10), 10**10)
            if take(live, fact, arrival) != "conflict":  # a copy may have arrived before
                record.facts.append(fact)
                record.arrivals.append(arrival)
        place += len(taken)
        values.append(encode_chunk(record))
        live.note_interval(record)
        if chance.random() < 0.5:
            live.city.settle()
    live.city.settle()

    repeated = [value for value in values + chance.choices(values, k=len(values)) if value] if values else []
    chance.shuffle(repeated)
    _, other, log = created(now)
    for parts in repeated:
        log.append(*parts)
    if log.records:
        recovered = read(other, log.events(size=chance.randint(1, 5)))
        assert told(recovered) == told(live)
        assert dict(other.counters) == dict(store.counters)
        # and while it runs, it may read its own changelog again
        live.apply(tables.decode(log.records[0].value))
        live.city.settle()
        assert told(recovered) == told(live)


def test_a_split_chunk_is_consumed_once_all_its_parts_are_read_in_any_order() -> None:
    _, store, log = created()
    record = ChunkRecord("cases", PARTITION, 0, 4, facts(), [0] * 4, parts=3)
    parts = [
        replace(record, part=part, facts=record.facts[part : part + 2], arrivals=[0, 0][: len(record.facts[part : part + 2])])
        for part in (2, 0, 0, 1)
    ]
    for part in parts[:3]:
        log.append(*_part(part))
    state = read(store, log.events())
    assert list(state.intervals["cases"]) == []
    log.append(*_part(parts[3]))
    assert list(read(store, log.events(3)).intervals["cases"]) == [(0, 4)]
    assert state.city.departments[D1].version == 4


def _part(record: ChunkRecord) -> list[bytes]:
    from msgpack import packb

    head = (
        1,
        "chunk",
        record.topic,
        record.partition,
        record.begin,
        record.end,
        record.part,
        record.parts,
        0,
        0,
        0,
        0,
        0,
        0,
        record.arrivals,
    )
    return [packb((*head, record.facts))]


def test_alerts_and_frozen_records_come_back() -> None:
    _, store, log = created()
    frozen = FrozenRecord(PARTITION, D1, "2020-09", "auto|2020-09", 5, [b"{}"], 1, 5)
    log.append(
        encode_alerts(AlertsRecord(PARTITION, {"a": b"1", "b": b"2"}, [])),
        encode_frozen(frozen),
        encode_alerts(AlertsRecord(PARTITION, {"c": b"3"}, ["a", "unknown"])),
    )
    state = read(store, log.events())
    assert state.announced == {"b": b"2", "c": b"3"}
    assert state.frozen == {(D1, "2020-09"): frozen}


# --- nothing is written through a table


def test_counters_are_derived_and_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    app, store, log = created()
    monkeypatch.setattr(app, "_attachments", None)
    monkeypatch.setattr(type(app), "producer", property(lambda _: pytest.fail("a table wrote")))
    counters = tables.CountersTable(app, name="counters", partitions=4)
    counters[D1] = {"received": {5: {"": 1}}}
    del counters[D1]
    log.append_facts(*facts())
    read(store, log.events())
    assert set(store.counters) == {D1}


def test_only_the_facts_have_a_changelog_and_it_keeps_everything() -> None:
    app, _, _ = created()
    assert set(app.tables) == {FACTS}
    assert app.tables.changelog_topics == {"onestop-facts-changelog"}
    topic = app.tables[FACTS].changelog_topic
    assert (topic.compacting, topic.deleting, topic.retention) == (False, True, None)


def test_the_counters_of_a_worker_are_those_of_its_departments() -> None:
    _, store, log = created()
    log.append_facts(*facts())
    state = read(store, log.events())
    department = state.city.departments[D1]
    assert store.counters[D1] is department.counters
    assert department.counters["received"]
