"""Intake: what becomes of each record of a chunk. Pure but for the state it folds into; sending is the worker's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import compress
from operator import lt
from typing import Any

import orjson
from aiokafka.partitioner import murmur2

from models.facts import AT, CODE, DEPARTMENT, EVENT_ID, Fact, pack
from models.identifiers import EVERY_DEPARTMENT
from models.instants import MILLISECOND
from models.wire import TOPIC_OF_CODE, Rejection, misplaced, parse_facts
from streams.changelog import ChunkRecord
from streams.partition import PartitionState

ARRIVAL_HEADER = "onestop-arrival"
ARRIVAL_DIGITS = 13


@dataclass(slots=True)
class Intake:
    """The changelog record of a chunk, and the records that have to go elsewhere before it is finished."""

    record: ChunkRecord
    quarantined: list[tuple[Any, Rejection]] = field(default_factory=list)
    rerouted: list[tuple[Any, int, int, str]] = field(default_factory=list)  # record, right partition, arrival (ms), source
    unknown_fields: int = 0
    last_event_at: int = 0


@lru_cache(maxsize=65_536)
def home_of(department: str, partitions: int) -> tuple[bytes, int | None]:
    """The key of a department's records, and the partition they belong into; none for those that concern every department."""
    return department.encode(), None if department == EVERY_DEPARTMENT else partition_of(department, partitions)


@lru_cache(maxsize=65_536)
def partition_of(department: str, partitions: int) -> int:
    """The partition of a department: Kafka's default partitioner (murmur2 of the key)."""
    return int((murmur2(department.encode()) & 0x7FFFFFFF) % partitions)


def arrival_of(record: Any) -> int:
    """When a record first arrived, ms since the epoch: the broker's timestamp, or the header of one that was sent on.

    A header later than the timestamp is not believed: what is sent on has arrived before.
    """
    for name, value in record.headers:
        # Any producer may set it: what is no time must not end the worker, which would read it again after every start, and nothing
        # arrives first after it lies here.
        if name == ARRIVAL_HEADER and value and len(value) <= ARRIVAL_DIGITS and value.isdigit():
            return min(int(value), int(record.timestamp))
    return int(record.timestamp)


def take_chunk(
    state: PartitionState, topic: str, begin: int, end: int, records: Sequence[Any], partitions: int, timer: Callable[[str], Any]
) -> Intake:
    """Validate the records of a chunk and fold what is new into the state.

    Args:
        state: of the chunk's partition.
        topic: the input topic's name in the contract, without prefix.
        begin: the chunk's interval.
        end: the offset after it.
        records: as consumed, with key, value, offset, timestamp, headers.
        partitions: of every input topic.
        timer: a context manager for each stage, for the split of time.
    """
    intake = Intake(ChunkRecord(topic, state.number, begin, end, consumed=len(records)))

    def note_unknown(number: int) -> None:
        intake.unknown_fields += number

    with timer("validate"):
        parsed = parse_facts([record.value for record in records], note_unknown)
    with timer("fold"):
        own, facts = _own(state.number, topic, records, parsed, partitions, intake)
        _take(state, own, facts, intake)
    intake.quarantined.sort(key=lambda entry: entry[0].offset)
    intake.record.quarantined = len(intake.quarantined)
    for _, _, _, source in intake.rerouted:
        intake.record.sources[source] = intake.record.sources.get(source, 0) + 1
    return intake


def _own(
    number: int, topic: str, records: Sequence[Any], parsed: Sequence[Fact | Rejection], partitions: int, intake: Intake
) -> tuple[Sequence[Any], Sequence[Fact]]:
    """The records that are good and lie in their own topic and partition, and their facts."""
    facts = [fact for fact in parsed if not isinstance(fact, Rejection)]
    if len(facts) == len(records):
        # Nearly always all of them are, and a thousand records have only a few different places.
        keys, departments, codes = [record.key for record in records], [fact[DEPARTMENT] for fact in facts], [fact[CODE] for fact in facts]
        if all(_lies_right(*place, topic, number, partitions) for place in set(zip(keys, departments, codes, strict=True))):
            return records, facts
    own: list[Any] = []
    facts = []
    for record, fact in zip(records, parsed, strict=True):
        if isinstance(fact, Rejection):
            intake.quarantined.append((record, fact))
        elif _lies_right(record.key, fact[DEPARTMENT], fact[CODE], topic, number, partitions):
            own.append(record)
            facts.append(fact)
        elif (rejection := misplaced(fact, topic, record.key)) is not None:
            intake.quarantined.append((record, replace(rejection, source=_source_of(record))))
        else:
            # One department must live in one partition. A producer with another partitioner (librdkafka's default is one) puts it
            # elsewhere: such a record is sent on, never folded where it lies.
            intake.rerouted.append((record, partition_of(fact[DEPARTMENT], partitions), arrival_of(record), _source_of(record)))
    return own, facts


def _lies_right(key: bytes | None, department: str, code: int, topic: str, number: int, partitions: int) -> bool:
    own_key, home = home_of(department, partitions)
    return key == own_key and TOPIC_OF_CODE[code] == topic and home in {number, None}


def _take(state: PartitionState, records: Sequence[Any], facts: Sequence[Fact], intake: Intake) -> None:
    """Fold the facts of records, and note what became of each."""
    arrivals = [arrival_of(record) if record.headers else record.timestamp for record in records]
    packed = [pack(fact) for fact in facts]
    outcomes = state.take_each(facts, arrivals, packed)
    instants = [fact[AT] for fact in facts]
    periods_of = state.city.context.time.periods_of
    arrived_later = map(lt, periods_of(instants), periods_of([arrival * MILLISECOND for arrival in arrivals]))
    are_new = [outcome == "new" for outcome in outcomes]
    brought = intake.record
    brought.facts += compress(facts, are_new)
    brought.arrivals += compress(arrivals, are_new)
    brought.packed += compress(packed, are_new)
    brought.late = sum(compress(arrived_later, are_new))
    intake.last_event_at = max(compress(instants, are_new), default=0)
    for place, outcome in enumerate(outcomes):
        if outcome == "new":
            continue
        record, fact, arrival, content = records[place], facts[place], arrivals[place], packed[place]
        if outcome == "duplicate":
            brought.duplicates += 1
            if record.headers and arrival != record.timestamp:
                # A copy that was sent on may have arrived before the one taken in: of copies the earliest arrival counts.
                brought.copies += 1
                brought.add(fact, arrival, content)
        else:
            detail = f"{fact[EVENT_ID]} was taken in before with another content; the first one stands"
            intake.quarantined.append((record, Rejection("conflicting_event_id", detail, _source_of(record))))


def _source_of(record: Any) -> str:
    """The producer of a record that holds a good event; facts leave it out."""
    return str(orjson.loads(record.value)["source"])
