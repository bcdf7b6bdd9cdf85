"""Which input topics are paused: a source that sends bad records must not send a day of them to quarantine.

A worker that sees more than the set share of a topic's last records go bad pauses the topic, for all workers, by a record in the topic
`control`; it stays paused over every restart until someone looked and says `onestop quarantine resume`. Pausing loses nothing: what is not
consumed waits in its topic.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from models.events import INPUT_TOPICS
from models.records import TopicControl
from models.settings import Settings
from streams.kafka_clients import client_arguments, kafka_fault
from streams.waiting import SaysOnce

log = logging.getLogger(__name__)
CONTROL = "control"
CLOCK_KEY = b"clock"  # of the records that workers ask the broker's time with
# The share is that of the last so many records of a topic, once so many were seen.
WINDOW_RECORDS = 1_000
LEAST_RECORDS = 200
RETRY_SECONDS = 2.0


def control_key(topic: str) -> bytes:
    """The key of a topic's control records."""
    return f"topic|{topic}".encode()


class _Window:
    """Of the last records of a topic, how many were bad."""

    __slots__ = ("_bad", "_chunks", "_seen")

    def __init__(self) -> None:
        self._chunks: deque[tuple[int, int]] = deque()
        self._seen = self._bad = 0

    def add(self, seen: int, bad: int) -> None:
        self._chunks.append((seen, bad))
        self._seen, self._bad = self._seen + seen, self._bad + bad
        while self._seen - self._chunks[0][0] >= WINDOW_RECORDS:
            first = self._chunks.popleft()
            self._seen, self._bad = self._seen - first[0], self._bad - first[1]

    @property
    def share(self) -> float:
        return self._bad / self._seen if self._seen >= LEAST_RECORDS else 0.0


class Gatekeeper:
    """Holds topics back: all of them until the control topic has been read, then those that are paused."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Names with prefix. The driver looks at it before every fetch; it is one set, changed in place.
        self.held: set[str] = {settings.topic(name) for name in INPUT_TOPICS}
        self._orders: dict[str, TopicControl] = {}
        self._windows: dict[str, _Window] = {}

    def apply(self, order: TopicControl) -> None:
        """Take in a control record; of a topic's the last holds."""
        if order.topic not in INPUT_TOPICS:
            return
        self._orders[order.topic] = order
        self._windows.pop(order.topic, None)

    def enforce(self) -> None:
        """Hold what is paused, and nothing else: the control topic has been read to its end."""
        for topic in INPUT_TOPICS:
            name = self._settings.topic(topic)
            paused = self.is_paused(topic)
            if paused and name not in self.held:
                log.error("topic %s is paused: %s; when it is mended: onestop quarantine resume %s", name, self._orders[topic].why, topic)
            (self.held.add if paused else self.held.discard)(name)

    def is_paused(self, topic: str) -> bool:
        """Whether a topic (without prefix) is paused."""
        order = self._orders.get(topic)
        return order is not None and order.state == "paused"

    def note(self, topic: str, partition: int, begin: int, consumed: int, bad: int) -> str | None:
        """Count a chunk; the reason to pause the topic when too much of it is bad.

        What lay in the topic when it was resumed passes, whatever share of it is bad: someone has looked.
        """
        order = self._orders.get(topic)
        if self.is_paused(topic) or (order is not None and begin < order.passing.get(str(partition), 0)):
            return None
        window = self._windows.setdefault(topic, _Window())
        window.add(consumed, bad)
        if window.share <= self._settings.quarantine_limit:
            return None
        limit = self._settings.quarantine_limit
        return f"{window.share:.0%} of its last records could not be used, more than ONESTOP_QUARANTINE_LIMIT={limit:g}"

    async def follow(self, should_stop: Callable[[], bool]) -> None:
        """Read the control topic from its start and on for ever."""
        waits_for = SaysOnce(log)
        while not should_stop():
            try:
                await self._follow(should_stop)
            except KafkaError as error:
                fault = kafka_fault(self._settings, error)[1]
                waits_for(f"topic {self._settings.topic(CONTROL)} cannot be read: {fault}; trying again every {RETRY_SECONDS:g} s")
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self, should_stop: Callable[[], bool]) -> None:
        topic = self._settings.topic(CONTROL)
        consumer = AIOKafkaConsumer(**client_arguments(self._settings), enable_auto_commit=False)
        await consumer.start()
        try:
            place = TopicPartition(topic, 0)  # all control records lie in one partition: they have one order
            consumer.assign([place])
            consumer.seek(place, (await consumer.beginning_offsets([place]))[place])
            end = (await consumer.end_offsets([place]))[place]
            while not should_stop():
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        if record.key != CLOCK_KEY:
                            self._take(record.value)
                if await consumer.position(place) >= end:
                    self.enforce()
        finally:
            await consumer.stop()

    def _take(self, value: bytes | None) -> None:
        try:
            self.apply(TopicControl.model_validate_json(value or b""))
        except ValidationError as error:
            log.warning("a record of %s is passed over: %s", self._settings.topic(CONTROL), error.errors()[0]["msg"])
