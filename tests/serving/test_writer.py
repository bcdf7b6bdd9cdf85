"""The compare-and-write step: whatever the order, the greatest stays; rows, indexes and offsets in one step."""

from __future__ import annotations

import asyncio
import uuid

import orjson
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from models.instants import DAY, parse_instant
from models.records import Record
from models.settings import Settings, load_settings
from streams.embedded import EmbeddedRedis
from streams.serving.connection import connect_async
from streams.serving.layout import Layout, layout_of, record_of, stamped
from streams.serving.rows import MalformedRecordError, Row, row_of
from streams.serving.writer import Writer
from tests.serving.records import (
    BEFORE,
    HOUR,
    NOW,
    PERIOD,
    SECOND,
    A,
    B,
    adjustment,
    alert,
    audit,
    beat,
    message,
    rows,
    score,
    text,
    total,
    write,
)


@pytest.fixture
def client(settings: Settings) -> redis.Redis:
    return redis.Redis.from_url(settings.redis_url, protocol=2)


# Records that meet under a few keys, of versions and times that tie often.
stamps = st.fixed_dictionaries({"version": st.integers(0, 3), "as_of": st.integers(0, 3).map(lambda n: text(NOW + n * SECOND))})
some_records = st.one_of(
    st.builds(lambda d, s, n: score(department=d, numerator=str(n), **s), st.sampled_from([A, B]), stamps, st.integers(0, 9)),
    st.builds(lambda d, s, r: total(department=d, reasons=r, **s), st.sampled_from([A, B]), stamps, st.sampled_from([[], ["period_open"]])),
    st.builds(lambda n, t: beat(n, NOW + t * SECOND), st.integers(0, 1), st.integers(0, 3)),
    st.builds(
        lambda n, s, state, due: alert(n, state=state, id=f"case_overdue|{n}|", due=NOW + due * HOUR, **s),
        st.sampled_from(["S1", "S2"]), stamps, st.sampled_from(["firing", "resolved"]), st.integers(0, 2),
    ),
)  # fmt: skip


def stamp_of(record: Record) -> tuple[int, int]:
    return getattr(record, "version", 0), parse_instant(record.as_of)  # type: ignore[attr-defined]


async def held_after(url: str, chunks: list[list[Record | bytes]]) -> tuple[dict[str, dict[bytes, bytes]], dict[str, set[bytes]], Layout]:
    """The hashes and indexes of a fresh read model after chunks; bytes are keys of tombstones in `scores`."""
    settings = load_settings(redis_url=url, topic_prefix=f"h{uuid.uuid4().hex}-")
    layout = layout_of(settings)
    client = connect_async(settings)
    writer = Writer(client, layout)
    for chunk in chunks:
        batch = [row_of(layout, "scores", r, None) if isinstance(r, bytes) else rows(layout, r)[0] for r in chunk]
        await writer.apply(batch, {}, {})
    hashes = {name: await client.hgetall(name) for name in (layout.scores(PERIOD), layout.status, layout.alerts, layout.firing)}  # type: ignore[misc]
    sets: dict[str, set[bytes]] = {}
    for key in (layout.firing_of("case_overdue"), layout.firing_of("case_overdue", A)):
        sets[key] = set(await client.zrange(key, 0, -1))
    await client.aclose()
    return hashes, sets, layout


def split(items: list[Record | bytes], sizes: list[int]) -> list[list[Record | bytes]]:
    chunks, begin = [], 0
    for size in sizes:
        chunks.append(items[begin : begin + size])
        begin += size
    return [*chunks, items[begin:]]


@given(st.lists(some_records, max_size=12), st.randoms(use_true_random=False), st.lists(st.integers(1, 5), max_size=4))
def test_in_any_order_and_with_repeats_the_greatest_stays(redis_server: EmbeddedRedis, records: list[Record], random, sizes) -> None:
    shuffled = records + random.choices(records, k=len(records)) if records else []
    random.shuffle(shuffled)
    hashes, _, layout = asyncio.run(held_after(redis_server.url, split(list(shuffled), sizes)))
    greatest: dict[tuple[str, str], tuple[int, int]] = {}
    for record in records:
        [row] = rows(layout, record)
        key = (row.key, row.field)
        greatest[key] = max(greatest.get(key, (-1, -1)), stamp_of(record))
    held = {(name, field.decode()): value for name, fields in hashes.items() if name != layout.firing for field, value in fields.items()}
    assert {key: value[:42] for key, value in held.items()} == {key: stamped(*stamp, b"") for key, stamp in greatest.items()}
    possible = {(rows(layout, record)[0].key, rows(layout, record)[0].value) for record in records}
    assert {(name, value) for (name, _), value in held.items()} <= possible


tombstones = st.sampled_from([f"{department}|{PERIOD}|{name}".encode() for department in (A, B) for name in ("instant_items", "total")])


@given(st.lists(some_records | tombstones, max_size=14), st.lists(st.integers(1, 5), max_size=4))
def test_indexes_always_say_what_the_records_say(redis_server: EmbeddedRedis, items: list[Record | bytes], sizes: list[int]) -> None:
    hashes, sets, layout = asyncio.run(held_after(redis_server.url, split(items, sizes)))
    records = {
        name: {f.decode(): orjson.loads(record_of(v)) for f, v in hashes[name].items()} for name in (layout.scores(PERIOD), layout.alerts)
    }
    firing = {f"{parse_instant(r['due_at']):020d}|{r['id']}".encode() for r in records[layout.alerts].values() if r["state"] == "firing"}
    assert sets[layout.firing_of("case_overdue")] == firing
    assert sets[layout.firing_of("case_overdue", A)] == firing
    assert {name.decode() for name in hashes[layout.firing]} == {f for f, r in records[layout.alerts].items() if r["state"] == "firing"}


async def test_older_records_come_back_with_what_is_held(writer: Writer, layout: Layout) -> None:
    newer, older = score(version=5, numerator="4"), score(version=4)
    assert await write(writer, layout, newer) == []
    [(place, held)] = await write(writer, layout, beat(0), older)
    assert place == 1
    assert record_of(held) == newer.to_json()


async def test_of_equal_versions_the_later_time_stays(writer: Writer, layout: Layout) -> None:
    assert await write(writer, layout, score(as_of=text(NOW + SECOND))) == []
    assert len(await write(writer, layout, score(as_of=text(NOW)))) == 1
    assert await write(writer, layout, score(as_of=text(NOW + SECOND), numerator="9")) == []


async def test_offsets_are_written_with_the_rows_and_checked_before(writer: Writer, layout: Layout) -> None:
    place = ("scores", 1)
    assert not (await writer.apply(rows(layout, score()), {place: 7}, {place: None})).wiped
    assert await writer.offsets() == {place: 7}
    assert (await writer.apply(rows(layout, score(version=2)), {place: 9}, {place: None})).wiped
    assert (await writer.apply(rows(layout, score(version=2)), {place: 9}, {place: 6})).wiped
    assert await writer.offsets() == {place: 7}
    assert not (await writer.apply(rows(layout, score(version=2)), {place: 9}, {place: 7})).wiped
    assert await writer.offsets() == {place: 9}


async def test_nothing_is_written_when_the_offsets_are_gone(writer: Writer, layout: Layout, client: redis.Redis) -> None:
    place = ("scores", 0)
    await writer.apply(rows(layout, score()), {place: 3}, {place: None})
    client.delete(layout.offsets, layout.scores(PERIOD))
    assert (await writer.apply(rows(layout, score(version=2)), {place: 4}, {place: 3})).wiped
    assert not client.exists(layout.scores(PERIOD))


async def test_offsets_wait_until_older_records_have_been_appended_again(writer: Writer, layout: Layout) -> None:
    place = ("scores", 0)
    await write(writer, layout, score(version=5))
    batch = rows(layout, score(version=4), total(version=4))
    assert (await writer.apply(batch, {place: 2}, {place: None})).stale
    assert await writer.offsets() == {}
    assert (await writer.apply(batch, {place: 2}, {place: None}, corrected=True)).stale
    assert await writer.offsets() == {place: 2}


async def test_a_record_appended_again_does_not_undo_what_began_anew(writer: Writer, layout: Layout) -> None:
    """A frozen record is published behind a tombstone, with a smaller version; what was appended again before came from before it."""
    await write(writer, layout, score(version=9))
    frozen = score(version=8, numerator="1")
    name, key, _ = message(frozen)
    await writer.apply([row_of(layout, name, key, None), *rows(layout, frozen)], {}, {})
    again = row_of(layout, *message(score(version=9)), again=True)
    [(_, held)] = (await writer.apply([again], {}, {})).stale
    assert record_of(held) == frozen.to_json()
    assert not (await writer.apply([row_of(layout, *message(frozen), again=True)], {}, {})).stale


async def test_the_script_is_loaded_again_after_a_restart(writer: Writer, layout: Layout, client: redis.Redis) -> None:
    await write(writer, layout, score())
    client.script_flush()
    assert await write(writer, layout, score(version=2)) == []


async def test_old_resolved_alerts_are_forgotten_and_no_others(writer: Writer, layout: Layout, client: redis.Redis) -> None:
    old = alert("S1", state="resolved", as_of=text(NOW - 40 * DAY))
    kept = [alert("S2", state="resolved"), alert("S3", as_of=text(NOW - 40 * DAY))]
    await write(writer, layout, old, *kept)
    assert await writer.forget_resolved(NOW - 30 * DAY) == 1
    assert {name.decode() for name in client.hkeys(layout.alerts)} == {record.id for record in kept}


async def test_of_what_has_happened_the_first_of_a_name_stays(writer: Writer, layout: Layout, client: redis.Redis) -> None:
    first = [adjustment("E|1"), adjustment("E|1", "total"), audit("1"), audit("2", NOW - SECOND)]
    assert await write(writer, layout, *first) == []
    assert await write(writer, layout, adjustment("E|1", arrived_at=text(NOW - SECOND)), audit("1", NOW - HOUR, by="somebody else")) == []
    held = client.hgetall(layout.adjustments(BEFORE))
    assert {name.decode(): record_of(value) for name, value in held.items()} == {
        f"{A}|{record.indicator}|E|1": record.to_json() for record in first[:2]
    }
    assert {name.decode(): record_of(value) for name, value in client.hgetall(layout.audit).items()} == {
        record.id: record.to_json() for record in first[2:]
    }
    assert client.zrange(layout.audit_order, 0, -1) == [b"%020d|2" % (NOW - SECOND), b"%020d|1" % NOW]


def changes_in(client: redis.Redis, layout: Layout) -> list[tuple[str, str, bytes]]:
    found = [entry for _, entry in client.xrange(layout.changes)]
    assert all(set(entry) == {b"topic", b"name", b"record"} for entry in found)
    return [(entry[b"topic"].decode(), entry[b"name"].decode(), entry[b"record"]) for entry in found]


async def test_what_was_really_written_is_in_the_stream_of_changes(writer: Writer, layout: Layout, client: redis.Redis) -> None:
    records = [score(version=3), total(version=3), beat(0), alert("S1")]
    await write(writer, layout, *records)
    name, key, _ = message(records[0])
    # Older, repeated, and no score: nothing of it is a change.
    await write(writer, layout, score(version=2), *records, adjustment(), audit())
    await writer.apply([row_of(layout, name, key, None), row_of(layout, name, key, None)], {}, {})
    assert changes_in(client, layout) == [
        ("scores", f"{A}|instant_items", records[0].to_json()), ("scores", f"{A}|total", records[1].to_json()),
        ("status", "partition|0", records[2].to_json()), ("alerts", records[3].id, records[3].to_json()),  # type: ignore[attr-defined]
        ("scores", f"{A}|instant_items", b""),
    ]  # fmt: skip


async def test_only_the_last_changes_are_kept(writer: Writer, layout: Layout, client: redis.Redis) -> None:
    for version in range(12):
        await write(writer, layout, *(alert(f"S{n}", version=version) for n in range(1_000)))
    assert 10_000 <= client.xlen(layout.changes) < 10_500
    assert orjson.loads(changes_in(client, layout)[-1][2])["version"] == 11


@pytest.mark.parametrize(
    ("topic", "key", "value", "says"),
    [
        ("scores", None, b"{}", "no key"),
        ("scores", b"\xff", b"{}", "UTF-8"),
        ("scores", b"a|b|c", b"[", "JSON"),
        ("scores", b"a|b|c", b'{"department": "a"}', "period"),
        ("scores", b"a|b", None, "department|period|indicator"),
        ("scores", b"k", score(version=-1).to_json(), "version"),
        ("scores", b"k", score(as_of="yesterday").to_json(), "yesterday"),
        ("status", b"a|other|b", b"{}", "no kind of status"),
        ("alerts", b"thing", alert(due=None, since="never").to_json(), "never"),
        ("adjustments", b"k", adjustment(arrived_at="late").to_json(), "late"),
        ("adjustments", b"k", None, "no value"),
        ("audit", b"1", b'{"id": "1", "action": "period.forgotten"}', "action"),
        ("audit", b"1", None, "no value"),
        ("quarantine", b"cases|0|1", b"{", "neither a reason nor a state"),
    ],
)
def test_what_cannot_be_kept_says_why(topic: str, key: bytes | None, value: bytes | None, says: str) -> None:
    with pytest.raises(MalformedRecordError, match=says.replace("|", r"\|")):
        row_of(Layout("x"), topic, key, value)


def test_interface_and_table_ids_may_contain_bars() -> None:
    from tests.serving.records import interface, table

    for record in (interface("a|b"), table("|")):
        row = row_of(Layout("x:"), *message(record))
        assert (row.key, row.field) == ("x:status", message(record)[1].decode())


def test_a_tombstone_deletes() -> None:
    assert row_of(Layout("x:"), "scores", b"d|2020-11|total", None) == Row("x:scores:2020-11", "d|total", None, "2020-11", "scores")
    assert row_of(Layout("x:"), "status", b"d|interface|i", None) == Row("x:status", "d|interface|i", None, topic="status")
