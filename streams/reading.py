"""Reading topics to their present ends with kafka-python, for commands and for what a worker looks at before it starts."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError

from models.settings import Settings
from streams.kafka_clients import client_arguments
from streams.topics import admin

FETCH_BYTES = 4 * 1024 * 1024
# What is asked of a broker after a fetch waits for its answer, and here nobody waits for what is not there yet.
FETCH_WAIT_MS = 5
CHUNK_RECORDS = 5_000
STALL_SECONDS = 30


def consumer_for(settings: Settings) -> KafkaConsumer:
    """A consumer without a group.

    Raises:
        kafka.errors.KafkaError: the broker cannot be reached.
    """
    return KafkaConsumer(
        **client_arguments(settings),
        enable_auto_commit=False,
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        max_poll_records=CHUNK_RECORDS,
        bootstrap_timeout_ms=5_000,
    )


class LogReader:
    """Reads partitions one at a time, each on from where it was read to before, or from its start."""

    def __init__(self, settings: Settings) -> None:
        """Raises kafka.errors.KafkaError when the broker cannot be reached."""
        self._settings = settings
        self._consumer = consumer_for(settings)
        self._positions: dict[TopicPartition, int] = {}

    def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic; none where it is missing."""
        return sorted(self._consumer.partitions_for_topic(self._settings.topic(topic)) or ())

    def remaining(self, places: Iterable[tuple[str, int]]) -> int:
        """How many records there are to read in partitions, each a topic and a number."""
        asked = [TopicPartition(self._settings.topic(topic), number) for topic, number in places]
        ends, starts = self._consumer.end_offsets(asked), self._consumer.beginning_offsets(asked)
        return sum(max(0, ends[place] - self._positions.get(place, starts[place])) for place in asked)

    def end(self, topic: str, partition: int) -> int:
        """The end offset of a partition."""
        return self.ends([(topic, partition)])[topic, partition]

    def ends(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The end offsets of partitions, each a topic and a number."""
        asked = {TopicPartition(self._settings.topic(topic), number): (topic, number) for topic, number in places}
        return {asked[place]: int(end) for place, end in self._consumer.end_offsets(list(asked)).items()}

    def rewind(self, topic: str, partition: int) -> None:
        """Read a partition from its start again."""
        self._positions.pop(TopicPartition(self._settings.topic(topic), partition), None)

    def read(self, topic: str, partition: int, begin: int | None = None, end: int | None = None) -> Iterator[list[Any]]:
        """The records up to an end offset, by default that of now, in chunks.

        Raises:
            kafka.errors.KafkaError: the broker cannot be reached, or has sent nothing for half a minute.
        """
        place = TopicPartition(self._settings.topic(topic), partition)
        # Asked before the assignment: after it they would wait for what is being fetched.
        end = self.end(topic, partition) if end is None else end
        begin = self._begin(place) if begin is None else begin
        self._consumer.assign([place])
        self._consumer.seek(place, begin)
        started, heard, more = time.time() * 1_000, time.monotonic(), False
        while self._consumer.position(place) < end or more:
            more = False
            for records in self._consumer.poll(timeout_ms=500).values():
                heard = time.monotonic()
                # The embedded broker tells end offsets that are too low: beyond them is read on while what comes is from before.
                more = self._consumer.position(place) > end and records[-1].timestamp < started
                yield records
            if time.monotonic() - heard > STALL_SECONDS:
                raise KafkaTimeoutError(f"nothing came of {place.topic}-{partition} for {STALL_SECONDS} s")
        self._positions[place] = self._consumer.position(place)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def _begin(self, place: TopicPartition) -> int:
        if place not in self._positions:
            self._positions[place] = self._consumer.beginning_offsets([place])[place]
        return self._positions[place]


def _may_look(settings: Settings, topic: str) -> None:
    # A list of topics leaves out those that this user may not see: they would be taken for empty.
    with admin(settings) as client:
        if any(found["error_code"] == TopicAuthorizationFailedError.errno for found in client.describe_topics([topic])):
            raise TopicAuthorizationFailedError(topic)


def read_topic(settings: Settings, name: str) -> Iterator[Any]:
    """The records of a topic up to the end offsets of now, partition by partition.

    Raises:
        kafka.errors.KafkaError: the broker cannot be reached, or does not let this user read the topic.
    """
    reader = LogReader(settings)
    try:
        partitions = reader.partitions(name)
        if not partitions:
            _may_look(settings, settings.topic(name))
        for partition in partitions:
            for records in reader.read(name, partition):
                yield from records
    finally:
        reader.close()
