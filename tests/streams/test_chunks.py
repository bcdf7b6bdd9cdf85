"""Chunks: records in the shape of one record, cut and handed through without a loss."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.chunks import CHUNK_BYTES, CHUNK_RECORDS, Chunk, ChunkSchema, chunk_scheduler
from tests.support.faust_fakes import CASES, CHANGELOG, SERIALS, Record

C0, C1, S0, LOG, OTHER = TP(CASES, 0), TP(CASES, 1), TP(SERIALS, 0), TP(CHANGELOG, 0), TP("other", 0)
CHUNKED = frozenset({CASES, SERIALS, CHANGELOG})


def records(tp: TP, *offsets: int) -> list[Record]:
    return [Record(tp.topic, tp.partition, offset, b" " * offset, timestamp=1_000 + offset) for offset in offsets]


def test_a_chunk_stands_for_its_records_at_the_offset_of_the_last() -> None:
    held = records(C1, 3, 4, 9)
    chunk = Chunk(C1, held, 16)
    assert (chunk.topic, chunk.partition) == C1
    assert (chunk.first_offset, chunk.offset) == (3, 9)
    assert (chunk.timestamp, chunk.timestamp_type) == (1_009, 1)
    assert chunk.value is held
    assert chunk.serialized_value_size == 16
    assert (chunk.key, chunk.headers, chunk.checksum) == (None, (), None)


@given(st.dictionaries(st.sampled_from([C0, C1, S0, LOG, OTHER]), st.integers(0, 12), max_size=5), st.integers(1, 5))
def test_everything_comes_once_and_of_each_partition_in_order(counts: dict[TP, int], size: int) -> None:
    fetched = {tp: records(tp, *range(count)) for tp, count in counts.items()}
    found: dict[TP, list[Record]] = {tp: [] for tp in fetched}
    for tp, item in chunk_scheduler(CHUNKED, size)().iterate(fetched):
        if tp.topic in CHUNKED:
            assert (item.topic, item.partition) == tp
            assert 0 < len(item.value) <= size
            assert item.serialized_value_size == sum(len(record.value) for record in item.value)
            found[tp] += item.value
        else:
            found[tp].append(item)
    assert found == fetched


def test_a_chunk_of_large_records_has_few() -> None:
    # A record of the changelog holds up to a thousand facts: a thousand such records folded at once held the event loop for seconds.
    sizes = [10, CHUNK_BYTES - 11, 1, CHUNK_BYTES + 1, 2, 3]
    fetched = [Record(CHANGELOG, 0, offset, b" " * size) for offset, size in enumerate(sizes)]
    found = [item.value for _, item in chunk_scheduler(CHUNKED)().iterate({LOG: fetched})]
    assert [[record.offset for record in held] for held in found] == [[0, 1, 2], [3], [4, 5]]


def test_other_topics_are_not_cut() -> None:
    [(tp, item)] = chunk_scheduler(CHUNKED)().iterate({OTHER: records(OTHER, 0)})
    assert (tp, type(item)) == (OTHER, Record)


def test_no_topic_waits_for_the_whole_of_another() -> None:
    fetched = {C0: records(C0, *range(9)), C1: records(C1, *range(3)), S0: records(S0, *range(3))}
    order = [tp for tp, _ in chunk_scheduler(CHUNKED, 3)().iterate(fetched)]
    assert order.index(S0) < 3
    assert order.index(C1) < 4


def test_a_chunk_is_a_thousand_records() -> None:
    [one, rest] = [item for _, item in chunk_scheduler(CHUNKED)().iterate({C0: records(C0, *range(CHUNK_RECORDS + 1))})]
    assert (len(one.value), len(rest.value), CHUNK_RECORDS) == (1_000, 1, 1_000)


def test_what_was_fetched_is_not_changed() -> None:
    fetched = {C0: records(C0, 0, 1)}
    list(chunk_scheduler(CHUNKED, 1)().iterate(fetched))
    assert fetched == {C0: records(C0, 0, 1)}


@pytest.mark.parametrize("value", [b"not json", b"", [Record(CASES, 0, 0, None)]])
def test_the_schema_hands_anything_through(value: Any) -> None:
    app = SimpleNamespace(create_event=lambda *given: given)
    message = SimpleNamespace(value=value)
    decode = ChunkSchema().compile(app, on_key_decode_error=None)
    assert asyncio.run(decode(message)) == (None, value, None, message)
    assert asyncio.run(decode(message, propagate=True)) == (None, value, None, message)
