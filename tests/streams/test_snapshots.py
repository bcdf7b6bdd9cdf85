"""Snapshots: what is loaded is what was written, and whatever is wrong with one costs time and never data."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from faust.types import TP
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.settings import Settings
from scoring import storing
from streams import snapshots, tables
from streams.changelog import AlertsRecord, ChunkRecord, FrozenRecord, encode_alerts, encode_chunk, encode_frozen
from streams.partition import PartitionState
from streams.snapshots import SnapshotError, Snapshots, tail_checksum
from tests.streams.test_tables import PARTITION, Changelog, Ended, created, read, rebalance, told
from tests.support.builder import D1, History
from tests.support.faust_fakes import facts_of_events
from tests.support.histories import histories

TOPIC = "onestop-facts-changelog"
LEAST = [HealthCheck.function_scoped_fixture]


@pytest.fixture(autouse=True)
def _ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(reason: str) -> None:
        raise Ended(reason)

    monkeypatch.setattr(tables, "end_process", end)


def at(directory: Path, topic: str = TOPIC) -> Snapshots:
    return Snapshots(Settings(data_dir=directory), topic)


def some_facts(count: int = 5) -> list[Any]:
    history = History(D1)
    for number in range(count):
        history.add("serial.issued", f"2020-09-0{1 + number % 9}", serial=f"S{number}", item="I1")
    return facts_of_events(history.events)


def values(facts: list[Any]) -> list[bytes]:
    chunk = ChunkRecord("cases", PARTITION, 0, len(facts), facts, list(range(len(facts))), consumed=len(facts))
    return [
        *encode_chunk(chunk),
        encode_alerts(AlertsRecord(PARTITION, {"a": b"{}"}, [])),
        encode_frozen(FrozenRecord(PARTITION, D1, "2020-08", "c", 5, [b"{}"], 2, 3)),
    ]


def recovered(*held: bytes) -> tuple[Any, PartitionState, Changelog]:
    _, store, log = created()
    log.append(*held)
    return store, read(store, log.events()), log


async def write(held: Snapshots, state: PartitionState) -> bool:
    return await held.end(held.begin(state))


# --- writing and loading


async def test_what_is_loaded_is_what_was_written(tmp_path: Path) -> None:
    held = values(some_facts())
    _, state, _ = recovered(*held)
    assert await write(at(tmp_path), state)
    _, store, _ = created()
    again = PartitionState(PARTITION, store.new_context(), {})
    at(tmp_path).load(again)
    again.city.settle()
    assert told(again) == {**told(state), "counters table": dict(again.city._counters)}
    assert (again.recovered_to, again.last_checksum) == (3, tail_checksum(held[-1]))
    assert again.balance.rows() == state.balance.rows()
    assert at(tmp_path).header(PARTITION) == snapshots.Header(TOPIC, PARTITION, 3, tail_checksum(held[-1]))
    assert [path.name for path in sorted(at(tmp_path).path(PARTITION).parent.iterdir())] == ["lock", "snapshot"]


@settings(max_examples=30, suppress_health_check=LEAST)
@given(histories(max_size=30), st.data())
async def test_a_snapshot_at_any_record_and_the_changelog_after_it_are_the_whole(
    tmp_path: Path, events: list[dict[str, Any]], data: st.DataObject
) -> None:
    facts = facts_of_events(events)
    chunks = [
        value
        for begin in range(0, len(facts), 3)
        for value in encode_chunk(
            ChunkRecord("cases", PARTITION, begin, begin + len(facts[begin : begin + 3]), facts[begin : begin + 3], [7] * 3)
        )
    ]
    cut = data.draw(st.integers(1, len(chunks))) if chunks else 0
    if not cut:
        return
    _, state, _ = recovered(*chunks[:cut])
    header = snapshots.Header(TOPIC, PARTITION, state.recovered_to, state.last_checksum)
    path = at(tmp_path).path(PARTITION)
    path.parent.mkdir(parents=True, exist_ok=True)
    snapshots._write(path, header, state)

    _, whole, log = recovered(*chunks)
    app, store, _ = created()
    store.snapshots = at(tmp_path)
    await rebalance(app, [PARTITION])
    start = store.persisted_offset(log.tp) + 1
    assert start == cut - 1, "the last record of the snapshot is read again, and the snapshot loaded with it"
    found = read(store, log.events(begin=start))
    assert told(found) == {**told(whole), "counters table": dict(store.counters)}
    assert found.recovered_to == whole.recovered_to


async def test_of_a_partition_that_is_held_no_snapshot_is_used(tmp_path: Path) -> None:
    held = values(some_facts())
    _, old, _ = recovered(*held[:1])
    await write(at(tmp_path), old)
    app, store, log = created()
    store.snapshots = at(tmp_path)
    log.append(*held)
    read(store, log.events())
    await rebalance(app, [PARTITION])
    assert store.persisted_offset(log.tp) == 2


async def test_a_snapshot_waits_for_no_partition_that_is_not_owned(tmp_path: Path) -> None:
    _, state, log = recovered(*values(some_facts()))
    await write(at(tmp_path), state)
    app, store, _ = created()
    store.snapshots = at(tmp_path)
    await rebalance(app, [])
    assert store.persisted_offset(log.tp) == -1


# --- what is wrong with it


async def written(tmp_path: Path) -> Path:
    _, state, _ = recovered(*values(some_facts()))
    await write(at(tmp_path), state)
    return at(tmp_path).path(PARTITION)


async def test_one_that_is_not_there_is_no_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert at(tmp_path).header(PARTITION) is None
    assert not caplog.messages


@pytest.mark.parametrize("place", [0, 1, 20, 0.3, 0.7, -5, -1])
async def test_a_damaged_byte_anywhere_is_noticed(tmp_path: Path, place: float, caplog: pytest.LogCaptureFixture) -> None:
    path = await written(tmp_path)
    content = bytearray(path.read_bytes())
    content[int(place * len(content)) if isinstance(place, float) else place] ^= 0x40
    path.write_bytes(content)
    assert at(tmp_path).header(PARTITION) is None
    assert "its checksum is wrong; the changelog is read instead" in caplog.text


@pytest.mark.parametrize("size", [0, 3, 4, 50])
async def test_one_that_is_cut_off_is_noticed(tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture) -> None:
    path = await written(tmp_path)
    path.write_bytes(path.read_bytes()[:size])
    assert at(tmp_path).header(PARTITION) is None
    assert "is not used" in caplog.text


@pytest.mark.parametrize("what", ["MAGIC", "LAYOUT"])
async def test_one_of_another_version_is_not_used(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await written(tmp_path)
    monkeypatch.setattr(*((storing, what, "another") if what == "LAYOUT" else (snapshots, what, b"onestop-snapshot-3\n")))
    assert at(tmp_path).header(PARTITION) is None
    assert "it is of another version of the program" in caplog.text


async def test_one_of_another_topic_or_partition_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = await written(tmp_path)
    assert at(tmp_path, "another").header(PARTITION) is None
    other = at(tmp_path).path(PARTITION + 1)
    other.parent.mkdir()
    other.write_bytes(path.read_bytes())
    assert at(tmp_path).header(PARTITION + 1) is None
    assert "it is of onestop-facts-changelog-2" in caplog.text


async def test_one_whose_rows_make_no_sense_is_put_aside_and_ends_the_process(tmp_path: Path) -> None:
    path = await written(tmp_path)
    header = snapshots.Header(TOPIC, PARTITION, 3, 0)
    rows = [("header", (storing.LAYOUT, header)), ("department", ["x", 1, 1, 1, 1, [[]], [[]], []]), ("cases", [[["S1", "no fact"]], []])]
    pieces = [(name, msgspec.msgpack.encode(value)) for name, value in rows]
    packed = snapshots.MAGIC + b"".join(snapshots._HEAD.pack(name.encode(), len(piece)) + piece for name, piece in pieces)
    path.write_bytes(packed + snapshots.zlib.crc32(packed).to_bytes(4, "big"))
    app, store, log = created()
    store.snapshots = at(tmp_path)
    await rebalance(app, [PARTITION])
    with pytest.raises(Ended, match="the next start reads the changelog"):
        store.partition(PARTITION)
    assert not path.exists()
    assert path.with_suffix(".refused").exists()
    await rebalance(app, [])
    await rebalance(app, [PARTITION])
    assert store.persisted_offset(log.tp) == -1


@pytest.mark.parametrize(
    ("end", "value", "why"),
    [
        (2, b"", "the changelog ends at 2"),
        (9, b"another", "another record at offset 2"),
        (9, None, "another record at offset 2"),
    ],
)
async def test_one_of_a_changelog_that_was_made_anew_is_put_aside(
    tmp_path: Path, end: int, value: bytes | None, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = await written(tmp_path)
    at(tmp_path).check_against({PARTITION: end}, lambda number, offset: value)
    assert why in caplog.text
    assert not path.exists()


async def test_one_of_this_changelog_stays(tmp_path: Path) -> None:
    held = values(some_facts())
    path = await written(tmp_path)
    at(tmp_path).check_against({PARTITION: 3}, lambda number, offset: held[offset])
    assert path.exists()


# --- writers


async def test_a_writer_that_cannot_write_says_why_and_leaves_what_was_there(tmp_path: Path) -> None:
    path = await written(tmp_path)
    before = path.read_bytes()
    (path.parent / "snapshot.new").mkdir()  # in the way of its file
    _, state, _ = recovered(*values(some_facts(9)))
    with pytest.raises(SnapshotError, match="Is a directory"):
        await write(at(tmp_path), state)
    assert path.read_bytes() == before


async def test_of_two_writers_one_leaves_it_to_the_other(tmp_path: Path) -> None:
    path = await written(tmp_path)
    before = path.stat().st_ino
    lock = os.open(path.with_name("lock"), os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _, state, _ = recovered(*values(some_facts(9)))
        assert not await write(at(tmp_path), state)
        assert path.stat().st_ino == before
    finally:
        os.close(lock)
    assert await write(at(tmp_path), state)
    assert path.stat().st_ino != before


# --- how far the changelog has been applied


def test_what_is_appended_counts_once_nothing_is_missing_before_it() -> None:
    state = recovered(*values(some_facts()))[1]
    state.note_appended(4, 44)
    assert state.recovered_to == 3
    state.note_appended(3, 33)
    assert (state.recovered_to, state.last_checksum) == (5, 44)
    state.note_appended(1, 11)
    assert (state.recovered_to, state.last_checksum) == (5, 44)


def test_what_another_worker_appended_in_between_is_waited_for() -> None:
    store, state, log = recovered(*values(some_facts()))
    state.note_appended(4, 44)
    assert store.persisted_offset(log.tp) == 2, "record 3 is someone else's: it is to be read"
    log.append(encode_alerts(AlertsRecord(PARTITION, {"b": b"{}"}, [])))
    read(store, log.events(begin=3))
    assert (state.recovered_to, state.last_checksum) == (5, 44)
    assert store.persisted_offset(TP(log.tp.topic, PARTITION)) == 4


def test_alerts_whose_place_is_heard_of_late_are_not_noted_behind_what_came_after_them() -> None:
    announced, resolved = AlertsRecord(PARTITION, {"a": b"{}"}, []), AlertsRecord(PARTITION, {}, ["a"])
    _, state, _ = recovered(encode_alerts(announced), encode_alerts(resolved))
    state.note_own_alerts(announced, 0, 7)  # its acknowledgement reached a worker that had been paused
    assert state.announced == {}
    state.note_own_alerts(announced, 2, 7)
    assert (state.announced, state.recovered_to) == ({"a": b"{}"}, 3)
