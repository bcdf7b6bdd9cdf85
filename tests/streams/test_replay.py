"""Whether all that has arrived is taken in, and replays of what had arrived before an instant; on fakes of Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import NotCoordinatorError

from models.events import INPUT_TOPICS
from models.facts import CODE_OF_TYPE, Fact
from models.rulesets import default_ruleset
from models.settings import load_settings
from scoring.context import create_context
from streams import replay
from streams.changelog import ChunkRecord, encode_chunk
from streams.replay import cities, not_taken_in
from tests.support.builder import D1, D2

Places = dict[tuple[str, int], int]


class FakeReader:
    """The changelog's values by partition, and the ends of the inputs each time that they are asked for."""

    def __init__(self, ends: list[Places], values: list[list[bytes]] | None = None) -> None:
        self._ends = iter(ends)
        self._values = values or [[]]

    def partitions(self, topic: str) -> list[int]:
        return list(range(len(self._values)))

    def ends(self, places: Any) -> Places:
        assert set(places) == {(topic, 0) for topic in INPUT_TOPICS}
        return next(self._ends)

    def read(self, topic: str, partition: int) -> Iterator[list[Any]]:
        yield [SimpleNamespace(value=value) for value in self._values[partition]]


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[Places | Exception]:
    """What is committed each time that it is asked; the last for ever."""
    held: list[Places | Exception] = []

    def committed(*_: Any) -> Places:
        found = held.pop(0) if len(held) > 1 else held[0]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(replay, "admin", lambda settings: nullcontext())
    monkeypatch.setattr(replay, "committed", committed)
    monkeypatch.setattr(replay, "POLL_SECONDS", 0.0)
    return held


def left(ends: list[Places], seconds: float) -> int:
    return not_taken_in(load_settings(), FakeReader(ends), seconds)  # type: ignore[arg-type]


CASES, SERIALS = ("cases", 0), ("serials", 0)


def test_waits_until_all_is_taken_in_and_looks_once_more(commits: list[Places | Exception]) -> None:
    # What lay in a wrong partition was sent on meanwhile: it lies beyond the first ends.
    commits += [NotCoordinatorError(), {}, {CASES: 4}, {CASES: 5, SERIALS: 1}, {CASES: 5, SERIALS: 1}, {CASES: 5, SERIALS: 2}]
    assert left([{CASES: 5, SERIALS: 1}, {CASES: 5, SERIALS: 2}], 60.0) == 0
    assert commits == [{CASES: 5, SERIALS: 2}]


def test_gives_up_and_says_how_many_are_left(commits: list[Places | Exception]) -> None:
    commits += [{CASES: 4, SERIALS: 9}]
    assert left([{CASES: 5, SERIALS: 3}], 0.0) == 1
    commits[:] = [{CASES: 5}, {CASES: 5}]
    assert left([{CASES: 5}, {CASES: 7}], 0.0) == 2


def test_a_coordinator_that_is_not_found_for_long_is_an_error(commits: list[Places | Exception]) -> None:
    commits += [NotCoordinatorError()]
    with pytest.raises(NotCoordinatorError):
        left([{CASES: 5}], -1.0)


def test_only_what_had_arrived() -> None:
    name = CODE_OF_TYPE["department.registered"]
    facts: list[Fact] = [(name, D1, 1_000_000, "a", "early"), (name, D1, 1_000_001, "b", "late"), (name, D2, 1_000_000, "c", "other")]
    values = [
        encode_chunk(ChunkRecord("catalogue", 0, 0, 2, facts[:2], [5, 6])),
        encode_chunk(ChunkRecord("catalogue", 1, 0, 1, facts[2:], [7])),
    ]
    context = create_context(default_ruleset(), 2_000_000)

    def names(arrived_before: int | None) -> list[list[str]]:
        reader: Any = FakeReader([], values)
        found = cities(reader, lambda: context, arrived_before=arrived_before)
        return [[department.name for department in city.departments.values()] for city in found]

    assert names(None) == [["late"], ["other"]]
    assert names(6_000) == [["early"], []]
    assert names(6_001) == [["late"], []]
