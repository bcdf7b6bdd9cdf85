"""Intake: what becomes of each record of a chunk. Pure but for the state it folds into; sending is the worker's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from aiokafka.partitioner import murmur2

from models.events import Envelope
from models.facts import AT, pack, to_fact
from models.identifiers import EVERY_DEPARTMENT
from models.instants import MILLISECOND
from models.wire import Rejection, misplaced, parse_chunk
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
        events = parse_chunk([record.value for record in records], note_unknown)
    with timer("fold"):
        for record, event in zip(records, events, strict=True):
            if isinstance(event, Rejection):
                intake.quarantined.append((record, event))
            else:
                _take_event(state, topic, record, event, partitions, intake)
    intake.record.quarantined = len(intake.quarantined)
    for _, _, _, source in intake.rerouted:
        intake.record.sources[source] = intake.record.sources.get(source, 0) + 1
    return intake


def _take_event(state: PartitionState, topic: str, record: Any, event: Envelope, partitions: int, intake: Intake) -> None:
    rejection = misplaced(event, topic, record.key)
    if rejection is not None:
        intake.quarantined.append((record, rejection))
        return
    code = event.department
    if code != EVERY_DEPARTMENT:
        # One department must live in one partition. A producer with another partitioner (librdkafka's default is one) puts it
        # elsewhere: such a record is sent on, never folded where it lies.
        right = partition_of(code, partitions)
        if right != state.number:
            intake.rerouted.append((record, right, arrival_of(record), event.source))
            return
    fact = to_fact(event)
    arrival = arrival_of(record) if record.headers else int(record.timestamp)
    packed = pack(fact)
    outcome = state.take(fact, arrival, packed)
    if outcome == "new":
        time = state.city.context.time
        late = time.period_of(fact[AT]) < time.period_of(arrival * MILLISECOND)
        intake.record.late += late
        intake.last_event_at = max(intake.last_event_at, fact[AT])
        intake.record.add(fact, arrival, packed)
    elif outcome == "duplicate":
        intake.record.duplicates += 1
        if record.headers and arrival != int(record.timestamp):
            # A copy that was sent on may have arrived before the one taken in: of copies the earliest arrival counts.
            intake.record.copies += 1
            intake.record.add(fact, arrival, packed)
    else:
        detail = f"{event.event_id} was taken in before with another content; the first one stands"
        intake.quarantined.append((record, Rejection("conflicting_event_id", detail, event.source)))
