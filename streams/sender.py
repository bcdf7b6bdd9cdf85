"""Publishing events with kafka-python, for commands and for what people record on pages."""

from kafka import KafkaProducer
from kafka.errors import KafkaError

from models.events import TOPIC_OF_TYPE
from models.identifiers import EVERY_DEPARTMENT
from models.settings import Settings
from streams.intake import partition_of
from streams.kafka_clients import client_arguments


class EventSender:
    """Publishes validated events, each to its topic under its department's key; of `*` to every partition."""

    def __init__(self, settings: Settings) -> None:
        """Raises kafka.errors.KafkaError when the broker cannot be reached."""
        self._settings = settings
        self._producer = KafkaProducer(
            **client_arguments(settings),
            acks="all",
            linger_ms=20,
            batch_size=256 * 1024,
            max_request_size=2 * 1024 * 1024,
            bootstrap_timeout_ms=5_000,
        )
        self._failed: list[BaseException] = []

    def send(self, kind: str, department: str, value: bytes) -> None:
        """Publish an event's bytes."""
        topic = self._settings.topic(TOPIC_OF_TYPE[kind])
        key = department.encode()
        every = department == EVERY_DEPARTMENT
        partitions = range(self._settings.partitions) if every else [partition_of(department, self._settings.partitions)]
        for partition in partitions:
            self._producer.send(topic, value=value, key=key, partition=partition).add_errback(self._failed.append)

    def put(
        self, topic: str, key: bytes, value: bytes | None, partition: int | None = None, headers: list[tuple[str, bytes]] | None = None
    ) -> None:
        """Write a record that is no event; where no partition is named, into that of the key."""
        sent = self._producer.send(self._settings.topic(topic), value=value, key=key, partition=partition, headers=headers)
        sent.add_errback(self._failed.append)

    def flush(self) -> None:
        """Wait until everything is acknowledged.

        Raises:
            kafka.errors.KafkaError: something could not be written.
        """
        self._producer.flush()
        if self._failed:
            raise KafkaError(f"{len(self._failed)} records could not be written: {self._failed[0]!r}") from self._failed[0]

    def close(self) -> None:
        """Close the producer."""
        self._producer.close()
