"""Reading a topic from its start to its present end, for commands."""

from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from models.settings import Settings

FETCH_BYTES = 4 * 1024 * 1024


def consumer_for(settings: Settings) -> KafkaConsumer:
    """A consumer without a group.

    Raises:
        kafka.errors.KafkaError: the broker cannot be reached.
    """
    return KafkaConsumer(
        bootstrap_servers=[address.strip() for address in settings.broker.split(",")],
        enable_auto_commit=False,
        max_partition_fetch_bytes=FETCH_BYTES,
        bootstrap_timeout_ms=5_000,
    )


def read_topic(settings: Settings, name: str) -> Iterator[Any]:
    """The records of a topic up to the end offsets of now.

    Raises:
        kafka.errors.KafkaError: the broker cannot be reached.
    """
    consumer = consumer_for(settings)
    try:
        topic = settings.topic(name)
        places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        if not places:
            return
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        consumer.seek_to_beginning(*places)
        while any(consumer.position(place) < ends[place] for place in places):
            for records in consumer.poll(timeout_ms=500).values():
                yield from records
    finally:
        consumer.close()
