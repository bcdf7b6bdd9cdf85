"""The changelog's format: it must read back what it wrote, in this version and in every later one, and refuse what it cannot read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from models.events import Envelope, Event
from models.facts import Fact, digest, pack, to_fact
from streams.changelog import (
    FORMAT,
    SPLIT_BYTES,
    AlertsRecord,
    ChangelogError,
    ChunkRecord,
    FrozenRecord,
    decode,
    encode_alerts,
    encode_chunk,
    encode_frozen,
    facts_of,
)
from tests.support.histories import histories

GOLDEN = Path(__file__).parents[1] / "golden"
EVENTS: TypeAdapter[list[Envelope]] = TypeAdapter(list[Event])

ARRIVALS = st.integers(-(2**40), 2**43)
COUNTS = st.integers(0, 10_000)
FIELDS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20) | st.lists(st.text(max_size=5), max_size=4)
FACTS = st.builds(
    lambda code, department, at, event_id, own: (code, department, at, event_id, *own),
    *(
        st.integers(0, 60),
        st.text(max_size=18),
        st.integers(-(2**53), 2**53),
        st.text(min_size=1, max_size=128),
        st.lists(FIELDS, max_size=13),
    ),
)
TEXTS = st.text(max_size=30)


@st.composite
def chunks(draw: Any) -> ChunkRecord:
    facts = draw(st.lists(FACTS, max_size=6))
    arrivals = draw(st.lists(ARRIVALS, min_size=len(facts), max_size=len(facts)))
    begin = draw(st.integers(0, 2**48))
    return ChunkRecord(
        draw(TEXTS), draw(st.integers(0, 999)), begin, begin + draw(st.integers(0, 2**20)), facts, arrivals,
        *(draw(COUNTS) for _ in range(5)), draw(st.dictionaries(TEXTS, COUNTS, max_size=3)),
    )  # fmt: skip


def joined(parts: list[ChunkRecord]) -> ChunkRecord:
    """The chunk that some parts are of."""
    first = parts[0]
    assert [part.part for part in parts] == list(range(len(parts)))
    assert {part.parts for part in parts} == {len(parts)}
    assert {(part.topic, part.partition, part.begin, part.end) for part in parts} == {
        (first.topic, first.partition, first.begin, first.end)
    }
    return replace(
        first,
        facts=[fact for part in parts for fact in part.facts],
        arrivals=[arrival for part in parts for arrival in part.arrivals],
        **{name: sum(getattr(part, name) for part in parts) for name in ("consumed", "duplicates", "copies", "late", "quarantined")},
        sources={source: count for part in parts for source, count in part.sources.items()},
        part=0,
        parts=1,
    )


def decoded(values: list[bytes]) -> list[ChunkRecord]:
    records = [decode(value) for value in values]
    assert all(isinstance(record, ChunkRecord) for record in records)
    return records  # type: ignore[return-value]


# --- round trips


@given(chunks())
def test_a_chunk_comes_back(record: ChunkRecord) -> None:
    [value] = encode_chunk(record)
    assert decode(value) == record


@given(histories(max_size=30))
def test_the_facts_of_any_history_come_back_with_their_digests(events: list[dict[str, Any]]) -> None:
    facts = list(map(to_fact, EVENTS.validate_python(events)))
    record = ChunkRecord("cases", 3, 0, len(facts), facts, list(range(len(facts))))
    back = joined(decoded(encode_chunk(record)))
    assert back == record
    assert list(map(digest, back.facts)) == list(map(digest, facts)), "a copy would be taken for another content after a recovery"


@given(chunks())
def test_facts_packed_before_are_written_as_they_are(record: ChunkRecord) -> None:
    before = ChunkRecord(record.topic, record.partition, record.begin, record.end)
    for fact, arrival in zip(record.facts, record.arrivals, strict=True):
        before.add(fact, arrival, pack(fact))
    after = replace(record, consumed=0, duplicates=0, copies=0, late=0, quarantined=0, sources={})
    assert encode_chunk(before) == encode_chunk(after)


@given(st.integers(0, 999), st.dictionaries(TEXTS, st.binary(max_size=50), max_size=4), st.lists(TEXTS, max_size=4))
def test_alerts_come_back(partition: int, announced: dict[str, bytes], resolved: list[str]) -> None:
    record = AlertsRecord(partition, announced, resolved)
    assert decode(encode_alerts(record)) == record


@given(
    st.builds(
        FrozenRecord, st.integers(0, 999), TEXTS, TEXTS, TEXTS, ARRIVALS, st.lists(st.binary(max_size=50), max_size=17), COUNTS, ARRIVALS
    )
)
def test_frozen_records_come_back(record: FrozenRecord) -> None:
    assert decode(encode_frozen(record)) == record


def test_a_chunk_that_brought_nothing_is_a_record_too() -> None:
    record = ChunkRecord("cases", 0, 5, 9, consumed=4, duplicates=3, quarantined=1)
    assert [decode(value) for value in encode_chunk(record)] == [record]


def test_only_chunks_have_facts_to_replay() -> None:
    facts: list[Fact] = [(0, "d", 1, "a", "x"), (0, "d", 2, "b", "y")]
    values = [
        *encode_chunk(ChunkRecord("cases", 0, 0, 2, facts, [7, 5])),
        encode_alerts(AlertsRecord(0, {"a": b"{}"}, [])),
        encode_frozen(FrozenRecord(0, "d", "2020-09", "c", 1, [b"{}"], 2, 3)),
        *encode_chunk(ChunkRecord("cases", 0, 2, 3)),
    ]
    assert list(facts_of(iter(values))) == [(7, facts[0]), (5, facts[1])]


# --- splitting


def long_facts(*lengths: int) -> list[Fact]:
    return [(0, "d", number, f"e{number}", "x" * length) for number, length in enumerate(lengths)]


def test_a_chunk_of_more_than_512_kib_is_split() -> None:
    facts = long_facts(*[2_000] * 1_000)  # 2 MB
    record = ChunkRecord("cases", 1, 10, 1_010, facts, list(range(1_000)), 1_000, 5, 4, 3, 2, {"hall": 1})
    values = encode_chunk(record)
    assert SPLIT_BYTES == 512 * 1024
    assert len(values) == 4
    assert max(map(len, values)) < SPLIT_BYTES + 8_000
    parts = decoded(values)
    assert joined(parts) == record
    assert [(part.consumed, part.rerouted) for part in parts] == [(1_000, 1), (0, 0), (0, 0), (0, 0)], "counts are told once"
    assert parts[0].taken == 1_000, "of all parts: it is balanced without the others"


@given(st.lists(st.sampled_from([10, 100_000, 200_000, SPLIT_BYTES // 2, SPLIT_BYTES - 200, SPLIT_BYTES, SPLIT_BYTES + 9]), max_size=6))
def test_wherever_it_is_split_the_parts_are_the_whole(lengths: list[int]) -> None:
    facts = long_facts(*lengths)
    record = ChunkRecord("cases", 0, 0, len(facts), facts, [1_600_000_000_000 - place for place in range(len(facts))], len(facts))
    values = encode_chunk(record)
    assert joined(decoded(values)) == record
    packed = [sum(len(pack(fact)) for fact in part.facts) for part in decoded(values)]
    assert all(size <= SPLIT_BYTES or len(part.facts) == 1 for size, part in zip(packed, decoded(values), strict=True))


def test_no_value_reaches_what_a_broker_takes() -> None:
    # the greatest record of an input is 256 KiB, and a chunk holds a thousand of them
    values = encode_chunk(ChunkRecord("cases", 0, 0, 1_000, long_facts(*[262_144] * 20), [0] * 20))
    assert max(map(len, values)) < 1024 * 1024


# --- what cannot be read


@pytest.mark.parametrize("kind", ["chunk", "alerts", "frozen", "of which nothing is known yet"])
@pytest.mark.parametrize("version", [0, FORMAT + 1, 99, "1", True, None])
def test_another_format_is_refused_whatever_it_holds(kind: str, version: Any) -> None:
    with pytest.raises(ChangelogError) as refused:
        decode(msgpack.packb((version, kind, 1, 2, 3)))
    assert str(refused.value) == f"a changelog record has format {version}, this program reads (1, 2): start the newer version"


@pytest.mark.parametrize(
    "value",
    [b"", b"\xc1", b"{}", b"\x90", b"\x01", b"\xc0", b"\x91\x01", None, msgpack.packb({"format": 1}), msgpack.packb("1")],
    ids=repr,
)
def test_what_is_no_record_is_refused(value: Any) -> None:
    with pytest.raises(ChangelogError):
        decode(value)


@given(chunks(), st.data())
def test_a_record_that_is_cut_off_is_refused(record: ChunkRecord, data: st.DataObject) -> None:
    [value] = encode_chunk(record)
    with pytest.raises(ChangelogError, match="cannot be read"):
        decode(value[: data.draw(st.integers(0, len(value) - 1))])
    with pytest.raises(ChangelogError, match="cannot be read"):
        decode(value + b"\x00")


DAMAGED = [
    (FORMAT, "chunk"),
    (FORMAT, "chunk", "cases", 0, 0, 1),
    (FORMAT, "of which nothing is known yet", 1, 2, 3),
    (FORMAT, "alerts", 0),
    (FORMAT, "frozen", 0, "d"),
    (FORMAT, "frozen", *range(20)),
    (FORMAT, "chunk", "cases", 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, {}, 0, [0], 7),
    (FORMAT, "chunk", "cases", 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, {}, None, [0], [[1]]),
    (FORMAT, "chunk", "cases", 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 5, 0, [0], [[1]]),
    (1, "chunk", "cases", 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, [0], 7),
]


@pytest.mark.parametrize("fields", DAMAGED, ids=repr)
def test_a_record_with_wrong_fields_is_refused(fields: tuple[Any, ...]) -> None:
    with pytest.raises(ChangelogError):
        decode(msgpack.packb(fields))


@pytest.mark.parametrize("fields", DAMAGED, ids=repr)
def test_a_record_with_wrong_fields_is_not_passed_over(fields: tuple[Any, ...]) -> None:
    with pytest.raises((ChangelogError, ValueError, TypeError)):
        decode(msgpack.packb(fields))


def test_as_many_arrivals_as_facts() -> None:
    value = msgpack.packb((FORMAT, "chunk", "cases", 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, {}, 0, [0], []))
    with pytest.raises((ChangelogError, ValueError)):
        list(facts_of(iter([value])))


# --- what was written once is read for ever

D = "11420500000100016Q"
FACTS_OF_1: list[Fact] = [
    (0, D, 1_598_918_400_000_000, "e-1", "市民政局"),
    (
        2,
        D,
        1_598_918_400_000_001,
        "e-2",
        "I1",
        "事项",
        "on_application",
        None,
        "commitment",
        5,
        20,
        ["serial", "auth"],
        1,
        1,
        4,
        None,
        True,
    ),
    (6, D, 1_599_000_000_000_000, "\U00010400-3", "S1", "I1", "A1", 1_599_500_000_000_000),
    (4, D, -1, "e-4", "S1", "I1", False),
]
ARRIVALS_OF_1 = [1_600_000_000_000, 1_599_999_999_000, 1_600_000_000_001, 1_600_000_000_000]
OTHERS: list[ChunkRecord | AlertsRecord | FrozenRecord] = [
    ChunkRecord("serials", 0, 0, 1, consumed=1, quarantined=1),
    ChunkRecord("catalogue", 11, 5, 9, FACTS_OF_1[:1], [12], 4, part=1, parts=3),
    AlertsRecord(7, {f"case_overdue|{D}|case|S1|2020-09-10T00:00:00+08:00": b'{"id":"x"}'}, ["table_overdue|T1|", "证"]),
    FrozenRecord(7, D, "2020-09", "auto|2020-09", 1_602_172_800_000_000, [b'{"points":1.0}', b""], 4, 1_602_172_800_000_000),
]
# Format 1 said how many were sent on but not whose, and not which facts were copies: four more than were consumed can only be copies.
CHUNK_OF_1 = ChunkRecord("cases", 7, 1_000, 2_000, FACTS_OF_1, ARRIVALS_OF_1, 1_000, 996, 4, 2, 1, {"": 3})
CHUNK_OF_2 = ChunkRecord("cases", 7, 1_000, 2_000, FACTS_OF_1, ARRIVALS_OF_1, 1_000, 993, 1, 2, 1, {"hall": 2, "大厅": 1})


def golden(version: int) -> list[bytes]:
    return list(msgpack.unpackb((GOLDEN / f"changelog-{version}.bin").read_bytes()))


def encoded(record: ChunkRecord | AlertsRecord | FrozenRecord) -> bytes:
    if isinstance(record, AlertsRecord):
        return encode_alerts(record)
    if isinstance(record, FrozenRecord):
        return encode_frozen(record)
    [value] = encode_chunk(record)
    return value


@pytest.mark.parametrize(("version", "chunk"), [(1, CHUNK_OF_1), (2, CHUNK_OF_2)])
def test_every_format_is_read_for_ever(version: int, chunk: ChunkRecord) -> None:
    """A file is an array of the values as they were written when its format was new. It is never written again."""
    assert [decode(value) for value in golden(version)] == [chunk, *OTHERS]


def test_the_format_is_written_as_ever() -> None:
    """Should this fail, the bytes of a record changed: a version in the field may not read them. Raise FORMAT instead."""
    whole = [record for record in (CHUNK_OF_2, *OTHERS) if getattr(record, "parts", 1) == 1]
    assert [encoded(record) for record in whole] == [value for place, value in enumerate(golden(FORMAT)) if place != 2]
