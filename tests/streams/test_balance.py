"""The balance of a topic, drawn from chunk records: whatever was consumed became something."""

from __future__ import annotations

from typing import Any

import pytest

from streams.balance import Balance
from streams.changelog import ChunkRecord, decode, encode_chunk

FACTS = [(0, "d", number, f"e{number}", "x") for number in range(6)]


def chunk(**counts: Any) -> ChunkRecord:
    return ChunkRecord("cases", 0, 0, 10, FACTS, [0] * len(FACTS), **counts)


def balance_of(*records: ChunkRecord) -> Balance:
    balance = Balance()
    for record in records:
        balance.add(record)
    return balance


def test_what_was_consumed_is_what_it_became() -> None:
    balance = balance_of(chunk(consumed=12, duplicates=3, copies=1, late=2, quarantined=1, sources={"hall": 2, "other": 1}))
    assert balance.counts("cases") == {"consumed": 12, "taken": 3, "duplicate": 3, "late": 2, "quarantined": 1, "rerouted": 3}
    assert balance.difference("cases") == 0
    assert balance.difference("serials") == 0


@pytest.mark.parametrize(("consumed", "off"), [(7, 1), (5, -1)])
def test_a_record_that_became_nothing_or_two_things_is_a_difference(consumed: int, off: int) -> None:
    assert balance_of(chunk(consumed=consumed)).difference("cases") == off


def test_a_chunk_read_twice_balances_twice() -> None:
    first, second = chunk(consumed=6), ChunkRecord("cases", 0, 0, 10, consumed=6, duplicates=6)
    assert balance_of(first, second).difference("cases") == 0


def test_of_a_split_chunk_the_first_part_speaks_for_all() -> None:
    facts = [(0, "d", number, f"e{number}", "x" * 400_000) for number in range(3)]
    whole = ChunkRecord("cases", 0, 0, 3, facts, [0] * 3, consumed=4, quarantined=1)
    parts = [decode(value) for value in encode_chunk(whole)]
    assert len(parts) == 3
    for some in (parts, parts[:1]):  # also while the others are still on their way
        assert balance_of(*some).difference("cases") == 0  # type: ignore[arg-type]
    assert balance_of(*parts).counts("cases")["taken"] == 3  # type: ignore[arg-type]


def test_topics_balance_apart_and_add_up() -> None:
    total = Balance()
    total.merge(balance_of(chunk(consumed=6)))
    total.merge(balance_of(chunk(consumed=6), ChunkRecord("serials", 0, 0, 1, consumed=1)))
    assert [total.difference(topic) for topic in ("cases", "serials")] == [0, 1]
    assert Balance.of_rows(total.rows()).rows() == total.rows()
