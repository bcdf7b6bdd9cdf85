"""The traffic: events of simulated cities, out of order, twice, some in a wrong partition, and bad records of every reason among them."""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import datetime, timedelta, timezone
from random import Random
from typing import TYPE_CHECKING, Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from models.events import TOPIC_OF_TYPE
from models.facts import digest, to_fact
from models.wire import REASONS, Rejection, parse_record
from streams.intake import partition_of
from streams.simulator import City, chaos, dump

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.simulator import Event

DEPARTMENTS = 10
VOLUME = 2.0
EVENTS_A_DAY = 2_200  # of such a city (measured)
DAYS = (10, 75)
WRONG_PARTITION = 0.01
BAD = 0.006
OVERSIZED = 0.03  # of the bad ones: each is 300 KB
BAD_HEADER = "torture-bad"
REMEMBERED = 500


def endless_events(seed: int, planned: int) -> Iterator[Event]:
    """The events of one city after another, each until yesterday: nothing lies in the future, but deadlines do.

    Args:
        seed: of the cities.
        planned: about how many will be taken: so long ago the first one begins.
    """
    days = min(max(planned // EVENTS_A_DAY, DAYS[0]), DAYS[1])
    today = datetime.now(tz=timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        city = City(DEPARTMENTS, seed, volume=VOLUME)
        yield from chaos(city.events(today - timedelta(days=days), today), seed)
        seed += 1_000_003


class Traffic:
    """Publishes in a thread, at most so many events a second; patient when brokers are away."""

    def __init__(self, broker: str, prefix: str, partitions: int, seed: int, rate: float, planned: int) -> None:
        self.acknowledged = 0
        self.unknown = 0  # sent without an answer: there, or not
        self.sent = 0
        self._prefix, self._partitions, self._rate = prefix, partitions, rate
        self._events = endless_events(seed, planned)
        self._rng = Random(f"traffic|{seed}")
        self._recent: deque[Event] = deque(maxlen=REMEMBERED)
        self._departments: list[str] = []
        self._flowing, self._idle = threading.Event(), threading.Event()
        self._idle.set()
        self._stopped = False
        # Idempotent, all replicas in sync: what was acknowledged is there. What is there is read back in the end in any case.
        self._producer = KafkaProducer(
            bootstrap_servers=broker.split(","), acks="all", linger_ms=20, batch_size=128 * 1024, max_request_size=2 * 1024 * 1024,
            delivery_timeout_ms=600_000, max_block_ms=600_000,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def resume(self) -> None:
        """Let it flow."""
        self._flowing.set()

    def pause(self, seconds: float = 180.0) -> None:
        """Stop, and wait until everything sent is acknowledged or given up."""
        self._flowing.clear()
        assert self._idle.wait(seconds), "the producer did not come to rest"
        self._producer.flush(timeout=seconds)

    def publish(self, count: int) -> None:
        """Publish so many events at once, as fast as it goes."""
        for _ in range(count):
            self._publish(next(self._events))
        self._producer.flush(timeout=300)

    def close(self) -> None:
        """End the thread."""
        self._stopped = True
        self._flowing.set()
        self._thread.join(timeout=10)
        self._producer.close(timeout=5)

    def _run(self) -> None:
        while True:
            if not self._flowing.is_set():
                self._idle.set()
            self._flowing.wait()
            self._idle.clear()
            if self._stopped:
                return
            for _ in range(max(1, round(self._rate / 20))):
                self._publish(next(self._events))
            time.sleep(0.05)

    def _publish(self, event: Event) -> None:
        department = event["department"]
        if department not in self._departments:
            self._departments.append(department)
        right = partition_of(department, self._partitions)
        if self._rng.random() < BAD:
            self._publish_bad(event, right)
        if self._rng.random() < WRONG_PARTITION:
            right = (right + self._rng.randrange(1, self._partitions)) % self._partitions
            self._send(TOPIC_OF_TYPE[event["type"]], department, dump(event), right)
        else:
            sent = self._send(TOPIC_OF_TYPE[event["type"]], department, dump(event), right)
            if sent is not None:  # once it is there, a second content under its id is a conflict
                sent.add_callback(lambda _: self._recent.append(event))

    def _publish_bad(self, event: Event, partition: int) -> None:
        reason = self._rng.choice([reason for reason in REASONS if reason != "oversized" or self._rng.random() < OVERSIZED * len(REASONS)])
        topic, key, value = TOPIC_OF_TYPE[event["type"]], event["department"], None
        if reason == "conflicting_event_id":
            found = self._conflict()
            if found is None:
                return
            topic, key, value = found
            partition = partition_of(key, self._partitions)
        elif reason == "wrong_topic":
            topic = next(other for other in sorted(set(TOPIC_OF_TYPE.values())) if other != topic)
            value = dump(event)
        elif reason == "wrong_key":
            key, value = next((code for code in self._departments if code != key), "nobody"), dump(event)
        else:
            value = {
                "empty": None, "oversized": b"x" * 300_000, "not_json": b'{"event_id": "', "not_an_object": b"[]",
                "unknown_type": dump({**event, "type": "case.lost"}),
                "missing_field": dump({name: field for name, field in event.items() if name != "occurred_at"}),
                "malformed_field": dump({**event, "occurred_at": "yesterday"}),
            }[reason]  # fmt: skip
        self._send(topic, key, value, partition, reason)

    def _conflict(self) -> tuple[str, str, bytes] | None:
        """A record under an id that is there already, with another content."""
        if len(self._recent) < 2:
            return None
        first, other = self._rng.sample(list(self._recent), 2)
        value = dump({**first, "occurred_at": other["occurred_at"]})
        held, found = parse_record(dump(first)), parse_record(value)
        if isinstance(held, Rejection) or isinstance(found, Rejection) or digest(to_fact(held)) == digest(to_fact(found)):
            return None
        return TOPIC_OF_TYPE[first["type"]], first["department"], value

    def _send(self, topic: str, key: str, value: bytes | None, partition: int, bad: str = "") -> Any:
        headers = [(BAD_HEADER, bad.encode())] if bad else []
        while not self._stopped:
            try:
                future = self._producer.send(self._prefix + topic, value=value, key=key.encode(), partition=partition, headers=headers)
            except KafkaError:  # the brokers are away for longer than it waits
                time.sleep(1.0)
                continue
            self.sent += 1
            future.add_callback(self._acknowledged)
            future.add_errback(self._given_up)
            return future
        return None

    def _acknowledged(self, _: Any) -> None:
        self.acknowledged += 1

    def _given_up(self, _: BaseException) -> None:
        self.unknown += 1
