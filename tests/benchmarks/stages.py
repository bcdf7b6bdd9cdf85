"""The pipeline of a worker by stage, in one process and without a broker: CPU time of simulated events in chunks, as a worker gets them.

The stages are those that the pipeline names. What parsing, validating and making facts cost by themselves is measured over the same values
once more, for one stage may do several of them.
"""

import gc
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import islice
from typing import Any

import orjson

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
from streams.publisher import Publisher
from streams.simulator import dump, simulate_months
from tests.benchmarks import markdown

PARTITIONS = 12
NOW = to_instant(datetime(2026, 11, 24, tzinfo=timezone.utc))
# A worker that is catching up makes a round every two seconds or so.
ROUND_EVENTS = 30_000
Chunk = tuple[str, int, list["Consumed"]]  # topic, partition, records


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


def chunks(events: int) -> Iterator[Chunk]:
    """Simulated events as chunks of their partitions, in the order in which the chunks are full."""
    offsets: defaultdict[tuple[str, int], int] = defaultdict(int)
    filling: defaultdict[tuple[str, int], list[Consumed]] = defaultdict(list)
    for event in islice(simulate_months(60, "2026-06", "2026-10", seed=1, volume=2), events):
        place = (TOPIC_OF_TYPE[event["type"]], partition_of(event["department"], PARTITIONS))
        filling[place].append(Consumed(event["department"].encode(), dump(event), offsets[place]))
        offsets[place] += 1
        if len(filling[place]) == CHUNK_RECORDS:
            yield (*place, filling.pop(place))
    for place, records in filling.items():
        yield (*place, records)


def consume(found: list[Chunk]) -> Stages:
    """What a worker does with chunks, but for fetching and sending."""
    stages, states, publishers, waiting = Stages(), {}, {}, 0

    def publish() -> None:
        for number, state in states.items():
            with stages.stage("settle"):
                state.city.settle()
            with stages.stage("score"):
                messages = [message for some in publishers[number].scores() for message in some]
            with stages.stage("publish"):
                for _, key, record in messages:
                    _ = key.encode(), None if record is None else record.to_json()

    for topic, number, records in found:
        if number not in states:
            states[number] = PartitionState(number, create_context(default_ruleset(), NOW), {})
            publishers[number] = Publisher(states[number])
        end = records[-1].offset + 1
        intake = take_chunk(states[number], topic, records[0].offset, end, records, PARTITIONS, stages.stage)
        assert not intake.quarantined
        with stages.stage("append"):
            encode_chunk(intake.record)
        waiting += len(records)
        if waiting >= ROUND_EVENTS:
            publish()
            waiting = 0
    publish()
    return stages


def alone(found: list[Chunk]) -> Stages:
    """What some parts of the stages cost by themselves, over the same values."""
    stages = Stages()
    for _, _, records in found:
        values = [record.value for record in records]
        with stages.stage("orjson.loads"):
            for value in values:
                orjson.loads(value)
        with stages.stage("parse_chunk: parsed and validated"):
            events = parse_chunk(values)
        good = [event for event in events if not isinstance(event, Rejection)]
        with stages.stage("to_fact"):
            facts = list(map(to_fact, good))
        with stages.stage("pack"):
            for fact in facts:
                pack(fact)
    return stages


def measure(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Three times over, with new states; of each the one that took the least time."""
    events, rounds = (20_000, 1) if quick else (200_000, 3)
    say(f"simulating {events:,} events")
    found = list(chunks(events))
    gc.collect()
    gc.freeze()  # as the worker does
    gc.set_threshold(200_000, 20, 1_000)
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
