"""`onestop projector`: brings scores, status, alerts, adjustments and audit into the read model, and counts the quarantine.

It holds no state: how far it has read lies in Redis and is written together with the records, in one step. So a wiped Redis is rebuilt
from the topics, and several projectors may run: whoever finds other offsets than those he wrote has written nothing, and reads on from
there.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from redis import RedisError

from models.instants import DAY
from models.settings import Settings
from streams.clock import Clock, SystemClock
from streams.kafka_clients import client_arguments, kafka_fault
from streams.serving.connection import connect_async, redis_address
from streams.serving.layout import Place, layout_of, record_of
from streams.serving.rows import TOPICS, MalformedRecordError, Row, row_of
from streams.serving.writer import Applied, Writer

log = logging.getLogger(__name__)
T = TypeVar("T")
CHUNK_RECORDS = 2_000
POLL_MS = 200
# How often the offsets in Redis are compared with what was written, and the broker is asked when nothing comes.
LOOK_SECONDS = 1.0
PROBE_SECONDS = 5.0
TOPICS_SECONDS = 1.0
FIRST_RETRY_SECONDS = 0.2
LAST_RETRY_SECONDS = 10.0
REQUEST_MS = 10_000
CLOSE_SECONDS = 1.0
STOP_SECONDS = 1.8
LOGGED_MALFORMED = 10
AGAIN_HEADER = "onestop-again"
# Resolved alerts are forgotten after a while; no worker that woke up late still repeats them then.
FORGET_AFTER = 30 * DAY
FORGET_SECONDS = 3_600.0


@dataclass(slots=True)
class Counts:
    """What a projector has done."""

    records: int = 0
    malformed: int = 0
    appended_again: int = 0
    sought: int = 0
    forgotten: int = 0


@dataclass(slots=True)
class Outage:
    """Says once that something cannot be reached and once that it answers again; waits longer from try to try."""

    what: str
    doing: str
    _wait: float = 0.0

    async def wait(self, error: BaseException, sentence: str | None = None) -> None:
        """Wait before the next try."""
        if not self._wait:
            fault = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            log.warning("%s, while %s; trying again until it answers", sentence or f"{self.what} cannot be reached ({fault})", self.doing)
        self._wait = min(LAST_RETRY_SECONDS, self._wait * 2 or FIRST_RETRY_SECONDS)
        await asyncio.sleep(self._wait)

    def over(self) -> None:
        """It has answered."""
        if self._wait:
            log.info("%s answers again", self.what)
            self._wait = 0.0


class Projector:
    """Reads the topics from where Redis says, for ever."""

    def __init__(self, settings: Settings, writer: Writer, clock: Clock) -> None:
        self.counts = Counts()
        self._settings = settings
        self._client = client_arguments(settings)
        self._writer = writer
        self._clock = clock
        self._layout = layout_of(settings)
        self._names = {settings.topic(topic): topic for topic in TOPICS}
        self._kafka = Outage(f"Kafka at {settings.broker}", f"reading {', '.join(self._names)}")
        self._redis = Outage(f"Redis at {redis_address(settings)}", "writing the read model")
        self._assigned: list[TopicPartition] = []
        self._expected: dict[Place, int] = {}
        self._looked_at = self._heard_at = self._forgot_at = 0.0

    async def run(self) -> None:
        """Go on until cancelled, whatever happens."""
        while True:
            try:
                await self._session()
            except (KafkaError, OSError) as error:
                await self._kafka.wait(error, kafka_fault(self._settings, error)[1])
            except Exception:
                log.exception("the projector failed; it starts again from the offsets in Redis")
                await asyncio.sleep(FIRST_RETRY_SECONDS)

    async def _session(self) -> None:
        """One consumer, from its start to the loss of its broker."""
        self._assigned = await self._partitions()
        async with AsyncExitStack() as stack:
            consumer = AIOKafkaConsumer(
                **self._client,
                client_id="onestop-projector",
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                request_timeout_ms=REQUEST_MS,
            )
            stack.push_async_callback(_close, consumer.stop)
            await consumer.start()
            consumer.assign(self._assigned)
            self._kafka.over()
            self._heard_at = time.monotonic()
            await self._seek(consumer)
            while True:
                await self._step(consumer)

    async def _partitions(self) -> list[TopicPartition]:
        """All partitions of the topics, once these exist; asking for one by name could make it, with wrong partitions."""
        told = False
        async with AsyncExitStack() as stack:
            admin = AIOKafkaAdminClient(**self._client, request_timeout_ms=REQUEST_MS)
            stack.push_async_callback(_close, admin.close)
            await admin.start()
            while True:
                held = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
                missing = [name for name in self._names if not held.get(name)]
                if not missing:
                    return [TopicPartition(name, number) for name in self._names for number in range(held[name])]
                if not told:
                    log.warning(
                        "the topics %s are not on Kafka at %s yet, or its user may not see them: `onestop topics create` makes them, and "
                        "with --acls the rules; waiting for them",
                        ", ".join(missing), self._settings.broker,
                    )  # fmt: skip
                    told = True
                self._kafka.over()
                await asyncio.sleep(TOPICS_SECONDS)

    async def _step(self, consumer: Any) -> None:
        records = await consumer.getmany(timeout_ms=POLL_MS, max_records=CHUNK_RECORDS)
        now = time.monotonic()
        if records:
            self._heard_at = now
            await self._project(consumer, {tp: found for tp, found in records.items() if found})
        elif now - self._heard_at >= PROBE_SECONDS:
            # Nothing comes: is nothing there, or nobody? aiokafka itself would only go on trying.
            if not set(self._names) <= await consumer.topics():
                raise KafkaError("a topic is gone")
            self._heard_at = now
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            await self._look(consumer)

    async def _look(self, consumer: Any) -> None:
        """Whether Redis still holds what was written, also of partitions in which nothing comes any more; and tidy up now and then."""
        if await self._insist(self._writer.offsets) != self._expected:
            await self._seek(consumer)
        if self._looked_at - self._forgot_at >= FORGET_SECONDS:
            self._forgot_at = self._looked_at
            self.counts.forgotten += await self._insist(lambda: self._writer.forget_resolved(self._clock.now() - FORGET_AFTER))

    async def _seek(self, consumer: Any) -> None:
        """Read on from the offsets in Redis; from the beginning where there are none."""
        held = await self._insist(self._writer.offsets)
        lost = sum(held.get(place, 0) < offset for place, offset in self._expected.items())
        if lost:
            log.warning(
                "the read model in Redis at %s has lost %d partitions of what was written: building it up again from the topics",
                redis_address(self._settings), lost,
            )  # fmt: skip
        self._expected = held
        self.counts.sought += 1
        for partition in self._assigned:
            # Where the log begins later, aiokafka goes to its beginning.
            consumer.seek(partition, held.get(self._place(partition), 0))

    async def _project(self, consumer: Any, records: Mapping[TopicPartition, Sequence[Any]]) -> None:
        batch, origins = self._rows(records)
        offsets = {self._place(partition): found[-1].offset + 1 for partition, found in records.items()}
        expected = {place: self._expected.get(place) for place in offsets}
        applied = await self._insist(lambda: self._writer.apply(batch, offsets, expected))
        if applied.stale and not applied.wiped:
            await self._append_again(applied, batch, origins)
            applied = await self._insist(lambda: self._writer.apply(batch, offsets, expected, corrected=True))
        if applied.wiped:
            await self._seek(consumer)
        else:
            self._expected.update(offsets)
            self.counts.records += len(origins)

    def _rows(self, records: Mapping[TopicPartition, Sequence[Any]]) -> tuple[list[Row], list[Any]]:
        """The rows of a chunk, and the records that they come from."""
        batch, origins = [], []
        for partition, found in records.items():
            topic = self._names[partition.topic]
            for record in found:
                try:
                    again = any(name == AGAIN_HEADER for name, _ in record.headers)
                    batch.append(row_of(self._layout, topic, record.key, record.value, headers=record.headers, again=again))
                    origins.append(record)
                except MalformedRecordError as error:
                    self._leave_out(record, error)
        return batch, origins

    def _leave_out(self, record: Any, error: MalformedRecordError) -> None:
        self.counts.malformed += 1
        if self.counts.malformed <= LOGGED_MALFORMED:
            log.warning("a record is left out: %s partition %d offset %d: %s", record.topic, record.partition, record.offset, error)
        if self.counts.malformed == LOGGED_MALFORMED:
            log.warning("further records that are left out are only counted")

    async def _append_again(self, applied: Applied, batch: Sequence[Row], origins: Sequence[Any]) -> None:
        """Append the held records behind those that were older: compaction keeps the last offset, not the greatest version."""
        last = {(row.key, row.field): place for place, row in enumerate(batch)}
        held = [(origins[place], value) for place, value in applied.stale if last[batch[place].key, batch[place].field] == place]
        if not held:
            return
        producer = AIOKafkaProducer(**self._client, acks="all", request_timeout_ms=REQUEST_MS)
        try:
            await producer.start()
            sent = [
                await producer.send(
                    record.topic, record_of(value), key=record.key, partition=record.partition, headers=[(AGAIN_HEADER, b"1")]
                )
                for record, value in held
            ]
            await asyncio.gather(*sent)
        finally:
            await _close(producer.stop)
        self.counts.appended_again += len(held)
        log.info(
            "%d records older than the held ones came in (of a worker that woke up late?); the held ones are appended again", len(held)
        )

    async def _insist(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Try until Redis answers. What was written without the answer coming back is noticed by its offsets."""
        while True:
            try:
                answer = await operation()
            except (RedisError, OSError) as error:
                await self._redis.wait(error)
            else:
                self._redis.over()
                return answer

    def _place(self, partition: TopicPartition) -> Place:
        return self._names[partition.topic], partition.partition


async def _close(close: Callable[[], Awaitable[None]]) -> None:
    """Close a client; one that cannot reach its server is not waited for.

    In a task of its own: aiokafka cancels its tasks and awaits them, and that cancellation, raised here, once ended the projector without
    a word as soon as its broker was gone.
    """
    closing = asyncio.ensure_future(close())
    closing.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen, and of no consequence
    if not (await asyncio.wait({closing}, timeout=CLOSE_SECONDS))[0]:
        closing.cancel()
        log.debug("a client did not close in time")


def _end_of(task: "asyncio.Task[None]") -> str:
    return "cancelled" if task.cancelled() else repr(task.exception())


async def run(settings: Settings, stop: asyncio.Event, *, clock: Clock | None = None) -> None:
    """Project until `stop` is set."""
    client = connect_async(settings)
    projector = Projector(settings, Writer(client, layout_of(settings)), clock or SystemClock())
    projecting = asyncio.create_task(projector.run())
    stopped = asyncio.create_task(stop.wait())
    try:
        while not stopped.done():
            await asyncio.wait({projecting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if projecting.done() and not stopped.done():
                # When its broker goes, aiokafka may cancel what waits for it: that is not a wish to end (seen: exit code 0 by itself).
                log.warning(
                    "the projector was interrupted from within (%s); it starts again from the offsets in Redis", _end_of(projecting)
                )
                await asyncio.sleep(FIRST_RETRY_SECONDS)
                projecting = asyncio.create_task(projector.run())
    finally:
        for task in (projecting, stopped):
            task.cancel()
        await asyncio.wait({projecting, stopped}, timeout=STOP_SECONDS)
        await client.aclose()
