"""The pipeline of a worker by stage, in one process and without a broker: CPU time of simulated events in chunks, as a worker gets them.

The stages are those that the pipeline names. What parsing, validating and making facts cost by themselves is measured over the same values
once more, for one stage may do several of them.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import islice
from typing import Any

import orjson

from models.decoding import decode_facts
from models.events import TOPIC_OF_TYPE
from models.facts import pack, to_fact
from models.instants import MILLISECOND, to_instant
from models.rulesets import default_ruleset
from models.wire import Rejection, parse_chunk
from scoring.context import create_context
from streams.changelog import encode_chunk
from streams.chunks import CHUNK_RECORDS
from streams.intake import partition_of, take_chunk
from streams.partition import PartitionState
from streams.publisher import Message, Publisher
from streams.simulator import dump, simulate_months
from streams.worker import spare_the_collector
from tests.benchmarks import markdown

PARTITIONS = 12
NOW = to_instant(datetime(2026, 11, 24, tzinfo=timezone.utc))
# What a worker that is catching up takes in between two rounds, about.
ROUND_EVENTS = 200_000
Chunk = tuple[str, int, list["Consumed"]]  # topic, partition, records
Line = tuple[str, str, bytes, int]  # type, department, value, arrival in ms


@dataclass(slots=True)
class Consumed:
    """A record as it is consumed."""

    key: bytes
    value: bytes
    offset: int
    timestamp: int = NOW // MILLISECOND
    headers: Sequence[tuple[str, bytes]] = ()


class Stages:
    """CPU seconds of this thread by stage."""

    def __init__(self) -> None:
        self.used: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """As a worker's metrics count it."""
        start = time.thread_time()
        yield
        self.used[name] += time.thread_time() - start

    def of(self, events: int) -> dict[str, float]:
        """µs an event."""
        return {name: round(seconds / events * 1e6, 3) for name, seconds in self.used.items()}


class Pipeline:
    """What a worker does with chunks, but for fetching and sending."""

    def __init__(self, now: int) -> None:
        self.stages = Stages()
        self._context = create_context(default_ruleset(), now)
        self.states: dict[int, PartitionState] = {}
        self._publishers: dict[int, Publisher] = {}
        self._offsets: defaultdict[tuple[str, int], int] = defaultdict(int)

    def fold(self, chunk: Chunk) -> None:
        """Take a chunk in."""
        topic, number, records = chunk
        if number not in self.states:
            self.states[number] = PartitionState(number, self._context, {})
            self._publishers[number] = Publisher(self.states[number])
        begin = self._offsets[topic, number]
        self._offsets[topic, number] = end = begin + len(records)
        intake = take_chunk(self.states[number], topic, begin, end, records, PARTITIONS, self.stages.stage)
        assert not intake.quarantined
        with self.stages.stage("append"):
            encode_chunk(intake.record)

    def settle(self) -> None:
        """Bring the counters up to date."""
        for state in self.states.values():
            with self.stages.stage("settle"):
                state.city.settle()

    def round(self) -> list[Message]:
        """A round of scores; what it publishes."""
        self.settle()
        found: list[Message] = []
        for publisher in self._publishers.values():
            with self.stages.stage("score"):
                messages = [message for some in publisher.scores() for message in some]
            with self.stages.stage("publish"):
                for _, key, record in messages:
                    _ = key.encode(), None if record is None else record.to_json()
            found += messages
        return found

    def statuses(self, now: int) -> list[Message]:
        """What is published besides scores."""
        beats = [publisher.heartbeat(0, "bench", now) for publisher in self._publishers.values()]
        found = [message for publisher in self._publishers.values() for message in publisher.statuses()]
        return found + [beat for beat in beats if beat is not None]


def chunked(lines: Iterable[Line]) -> Iterator[Chunk]:
    """Chunks of partitions, in the order in which they are full."""
    filling: defaultdict[tuple[str, int], list[Consumed]] = defaultdict(list)
    for kind, department, value, arrival in lines:
        place = (TOPIC_OF_TYPE[kind], partition_of(department, PARTITIONS))
        filling[place].append(Consumed(department.encode(), value, 0, arrival))
        if len(filling[place]) == CHUNK_RECORDS:
            yield (*place, filling.pop(place))
    for place, records in filling.items():
        yield (*place, records)


def chunks(events: int) -> list[Chunk]:
    """Simulated events as chunks of their partitions."""
    found = islice(simulate_months(60, "2026-06", "2026-10", seed=1, volume=2), events)
    return list(chunked((event["type"], event["department"], dump(event), NOW // MILLISECOND) for event in found))


def consume(found: list[Chunk]) -> Stages:
    """What a worker does with chunks, but for fetching and sending."""
    pipeline, waiting = Pipeline(NOW), 0
    for chunk in found:
        pipeline.fold(chunk)
        waiting += len(chunk[2])
        if waiting >= ROUND_EVENTS:
            pipeline.round()
            waiting = 0
    pipeline.round()
    return pipeline.stages


def alone(found: list[Chunk]) -> Stages:
    """What some parts of the stages cost by themselves, over the same values."""
    stages = Stages()
    for _, _, records in found:
        values = [record.value for record in records]
        with stages.stage("orjson.loads"):
            for value in values:
                orjson.loads(value)
        with stages.stage("parse_chunk and to_fact: what is in doubt goes this way"):
            for event in parse_chunk(values):
                assert not isinstance(event, Rejection)
                to_fact(event)
        with stages.stage("decode_facts: the same for what is plainly good"):
            facts = decode_facts(values)
        with stages.stage("pack"):
            for fact in facts:
                assert fact is not None
                pack(fact)
    return stages


def measure(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Three times over, with new states; of each the one that took the least time."""
    events, rounds = (20_000, 1) if quick else (400_000, 3)
    say(f"simulating {events:,} events")
    found = chunks(events)
    spare_the_collector()
    whole, parts = [], []
    for number in range(1, rounds + 1):
        say(f"round {number}")
        whole.append(consume(found).of(events))
        parts.append(alone(found).of(events))
    totals = [round(sum(used.values()), 3) for used in whole]
    return {
        "events": events, "totals": totals, "stages": whole[totals.index(min(totals))],
        "alone": {name: min(used[name] for used in parts) for name in parts[0]},
    }  # fmt: skip


def table(figures: dict[str, Any]) -> str:
    """The stages, and the parts by themselves."""
    totals = figures["totals"]
    rows = [(name, f"{used:.2f}") for name, used in figures["alone"].items()]
    return (
        f"{figures['events']:,} simulated events, {len(totals)} rounds of {min(totals):.1f}–{max(totals):.1f} µs; that of the least:\n\n"
        f"{markdown.stages(figures['stages'])}\n"
        f"Parts by themselves over the same values, the least of the rounds:\n\n{markdown.table(['part', 'µs an event'], rows)}"
    )
