"""Records as decoded: the same as aiokafka's own, with what the log has that is no record passed over."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord

from streams.records import as_decoded

PLACE = TopicPartition("cases", 3)
CONTROL = 0x20
COMMITTED = b"\0\0\0\1"  # the key of a marker that ends a transaction
ATTRIBUTES = 22  # where a batch holds them, in two bytes


def batch(base: int, values: list[bytes | None], control: bool = False) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=1 << 20
    )
    for place, value in enumerate(values):
        key = COMMITTED if control else b"key"
        assert builder.append(place, 1_000 + place, key, value, [("name", b"x")]) is not None
    built = bytearray(builder.build())
    built[:8] = base.to_bytes(8, "big")
    built[ATTRIBUTES] |= CONTROL if control else 0
    return bytes(built)


def fetched(log: bytes, begin: int = 0, asked: Any = as_decoded, crcs: bool = False, isolation: int = READ_UNCOMMITTED) -> PartitionRecords:
    return PartitionRecords(PLACE, MemoryRecords(log), [], begin, None, asked, crcs, isolation)


LOG = batch(10, [b"a", None, b"c"]) + batch(13, [b"marker"], control=True) + batch(14, [b"d"])


@pytest.mark.parametrize("begin", [10, 11, 13, 14])
def test_the_same_records_as_those_of_aiokafka(begin: int) -> None:
    ours, theirs = fetched(LOG, begin), fetched(LOG, begin, asked=None)
    found = [(one.offset, one.timestamp, one.key, one.value, tuple(one.headers)) for one in ours]
    assert found == [(one.offset, one.timestamp, one.key, one.value, one.headers) for one in theirs]
    assert [offset for offset, *_ in found] == [offset for offset in (10, 11, 12, 14) if offset >= begin]
    assert ours.next_fetch_offset == theirs.next_fetch_offset == 15


def test_whoever_takes_some_goes_on_behind_them() -> None:
    records = fetched(LOG, 10)
    taken = []
    for record in records:
        taken.append(record.offset)
        if len(taken) == 2:
            break
    assert records.next_fetch_offset == 12
    assert [record.offset for record in records] == [12, 14]


def test_a_log_that_ends_in_no_record_is_passed_over() -> None:
    records = fetched(batch(0, [b"a"]) + batch(1, [b"marker"], control=True))
    assert [record.offset for record in records] == [0]
    assert records.next_fetch_offset == 2


def test_damaged_records_are_told() -> None:
    damaged = bytearray(LOG)
    damaged[70] ^= 1
    with pytest.raises(CorruptRecordException, match="cases"):
        list(fetched(bytes(damaged), 10, crcs=True))


@pytest.mark.parametrize("other", [{"asked": None}, {"isolation": READ_COMMITTED}])
def test_other_consumers_are_served_as_ever(other: Any) -> None:
    """A consumer that reads what is committed has to leave out what was aborted, which aiokafka does."""
    found = list(fetched(LOG, 10, **other))
    assert {type(record) for record in found} == {ConsumerRecord}
    assert {(record.topic, record.partition) for record in found} == {PLACE}
