"""The ledger: what is in the topics, read on and on; what was sent, what the changelog holds, and where they differ."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from models.events import INPUT_TOPICS
from models.facts import EVENT_ID, Fact, pack, to_fact
from models.instants import parse_instant
from models.rulesets import default_ruleset
from models.wire import Rejection, parse_chunk
from scoring.context import create_context
from streams.changelog import ChunkRecord, Parts, decode
from streams.intake import ARRIVAL_HEADER, partition_of
from streams.intervals import Intervals
from streams.partition import PartitionState
from streams.topics import CHANGELOG
from tests.torture.traffic import BAD_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator

READ = (*INPUT_TOPICS, CHANGELOG, "scores", "quarantine")
Place = tuple[str, int]  # topic, without prefix, and partition
READ_SECONDS = 240.0
STUCK_SECONDS = 10.0


@dataclass(slots=True)
class Sent:
    """A good event as it lies in an input topic for the first time."""

    fact: Fact
    arrival: int  # ms since the epoch; of copies the earliest
    place: str  # topic|partition|offset


@dataclass(slots=True)
class ScoreHistory:
    """The last records published under a key, and the one that holds."""

    held: dict[str, Any] | None = None
    last: list[str] = field(default_factory=list)


class Ledger:
    """Reads every topic from its start; `read_on` goes on from where it stood."""

    def __init__(self, broker: str, prefix: str, partitions: int, *, standby: bool = False) -> None:
        self._prefix, self._partitions = prefix, partitions
        self._next = dict.fromkeys((TopicPartition(prefix + topic, number) for topic in READ for number in range(partitions)), 0)
        self._broker = broker
        self._connect()
        self.sent: dict[str, Sent] = {}
        self.records = 0  # in the input topics, without those that workers sent on
        self.rerouted = 0
        self.bad: dict[str, str] = {}  # place → reason
        self.misplaced: dict[str, str] = {}  # of good events in a partition that is not theirs: place → event id
        self.contradictions: list[str] = []
        self.ends: dict[Place, int] = {}
        self.facts: Counter[str] = Counter()  # event id → how often in the changelog
        self.contents: dict[str, int] = {}  # event id → hash of the packed fact
        self.foreign: list[str] = []  # facts in a partition that is not their department's
        self.intervals: dict[Place, Intervals] = {}
        self.states: dict[int, PartitionState] = {}  # the fold of the changelog
        self.values: defaultdict[int, list[bytes]] | None = defaultdict(list) if standby else None  # of the changelog
        self.chunks = 0
        self.scores: dict[str, ScoreHistory] = {}
        self.quarantine: Counter[str] = Counter()
        self.reasons: dict[str, str] = {}
        self._parts = Parts()

    def _connect(self) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=self._broker.split(","), enable_auto_commit=False, group_id=None, max_partition_fetch_bytes=2_000_000,
            max_poll_records=5_000, auto_offset_reset="earliest", check_crcs=False,
        )  # fmt: skip
        self._consumer.assign(list(self._next))
        for place, offset in self._next.items():
            self._consumer.seek(place, offset)

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def poll(self, seconds: float = 0.0) -> int:
        """Take in what is there; how many records."""
        found = self._consumer.poll(timeout_ms=int(seconds * 1_000))
        for place, records in found.items():
            self._next[place] = records[-1].offset + 1
            topic = place.topic.removeprefix(self._prefix)
            if topic == CHANGELOG:
                for record in records:
                    self._take_changelog(place.partition, record.value)
            elif topic == "scores":
                self._take_scores(records)
            elif topic == "quarantine":
                for record in records:
                    key = record.key.decode()
                    self.quarantine[key] += 1
                    self.reasons[key] = dict(record.headers)["reason"].decode()
            else:
                self._take_inputs(topic, place.partition, records)
        return sum(map(len, found.values()))

    def read_on(self) -> None:
        """Read to the ends of now. To be called while the brokers are up."""
        limit = time.monotonic() + READ_SECONDS
        ends: dict[Any, int] = {}
        moved_at = time.monotonic()
        while not ends or any(self._next[place] < end for place, end in ends.items()):
            assert time.monotonic() < limit, "the topics could not be read to their ends"
            try:
                ends = ends or self._consumer.end_offsets(list(self._next), timeout_ms=int(STUCK_SECONDS * 1_000))
                if self.poll(0.2):
                    moved_at = time.monotonic()
            except KafkaError:
                moved_at = -STUCK_SECONDS
            if time.monotonic() - moved_at > STUCK_SECONDS:  # the client may hang for minutes once a broker has been away
                self._consumer.close()
                self._connect()
                moved_at = time.monotonic()

    def _take_inputs(self, topic: str, partition: int, records: list[Any]) -> None:
        events = parse_chunk([record.value for record in records])
        for record, event in zip(records, events, strict=True):
            headers = dict(record.headers)
            sent_on = ARRIVAL_HEADER in headers
            self.records += not sent_on
            self.rerouted += sent_on
            place = f"{topic}|{partition}|{record.offset}"
            if BAD_HEADER in headers:
                self.bad[place] = headers[BAD_HEADER].decode()
                continue
            if isinstance(event, Rejection):
                self.contradictions.append(f"{place} was sent as good and is {event.reason}: {event.detail}")
                continue
            if partition_of(event.department, self._partitions) != partition:
                self.misplaced[place] = event.event_id
            arrival = int(headers.get(ARRIVAL_HEADER, record.timestamp))
            held = self.sent.setdefault(event.event_id, Sent(to_fact(event), arrival, place))
            held.arrival = min(held.arrival, arrival)
        self.ends[topic, partition] = records[-1].offset + 1

    def _take_changelog(self, partition: int, value: bytes) -> None:
        record = decode(value)
        if self.values is not None:
            self.values[partition].append(value)
        state = self.states.get(partition)
        if state is None:
            state = self.states[partition] = _new_state(partition)
        state.apply(record)
        state.recovered_to += 1
        if not isinstance(record, ChunkRecord):
            return
        self.chunks += 1
        for fact in record.facts:
            self.facts[fact[EVENT_ID]] += 1
            if partition_of(fact[1], self._partitions) != partition:
                self.foreign.append(f"{fact[EVENT_ID]} in partition {partition}")
            self.contents[fact[EVENT_ID]] = hash(pack(fact))
        if self._parts.complete(record):
            self.intervals.setdefault((record.topic, record.partition), Intervals()).add(record.begin, record.end)

    def _take_scores(self, records: list[Any]) -> None:
        for record in records:
            history = self.scores.setdefault(record.key.decode(), ScoreHistory())
            if record.value is None:
                history.held = None
                continue
            found = orjson.loads(record.value)
            if history.held is None or _order(found) >= _order(history.held):
                history.held = found
            where = f"partition {record.partition} offset {record.offset}"
            history.last.append(f"{where}: version {found['version']} as of {found['as_of']}: {found['points_exact']} {found['reasons']}")
            del history.last[:-5]

    def state_at(self, partition: int, end: int) -> PartitionState | None:
        """The fold of the changelog up to an offset; None where the ledger was not told that there are standbys."""
        if self.values is None:
            return None
        state = _new_state(partition)
        for value in self.values[partition][:end]:
            state.apply(decode(value))
        return state

    def holes(self) -> Iterator[tuple[Place, int, int]]:
        """What the changelog's intervals leave out of the input partitions."""
        for place, end in sorted(self.ends.items()):
            for begin, last in self.intervals.get(place, Intervals()).holes(0, end):
                yield place, begin, last

    def tiled_to(self, place: Place) -> int:
        """The end of what is tiled without a hole from the start."""
        held = self.intervals.get(place)
        holes = [] if held is None else held.holes(0, held.end + 1)
        return holes[0][0] if holes else 0

    def lost(self) -> list[str]:
        """Ids of good events that the changelog does not have."""
        return sorted(self.sent.keys() - self.facts.keys())

    def invented(self) -> list[str]:
        """Ids of facts in the changelog that nobody sent."""
        return sorted(self.facts.keys() - self.sent.keys())

    def altered(self) -> list[str]:
        """Ids of facts that stand in the changelog with another content than was sent."""
        return sorted(name for name, held in self.sent.items() if self.contents.get(name, 0) not in (0, hash(pack(held.fact))))


def _new_state(partition: int) -> PartitionState:
    return PartitionState(partition, create_context(default_ruleset(), time.time_ns() // 1_000), {})


def _order(record: dict[str, Any]) -> tuple[int, int]:
    return record["version"], parse_instant(record["as_of"])
