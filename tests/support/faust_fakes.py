"""Faust and aiokafka without a network: the real consumer class chain over an aiokafka fetcher whose broker is a dictionary.

Real are Faust's `Consumer` down to its thread's methods, and aiokafka's subscription state, positions, `FetchResult`,
`fetched_records`, `seek` and `seek_to_committed`. Made up are the broker, the fetch requests, and the thread: its calls run in the
test's loop, one after another, and can be held by the test where a race is to be decided. Nothing here waits for time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import faust
import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.consumer.subscription_state import SubscriptionState
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP
from pydantic import TypeAdapter
from yarl import URL

from models.events import Envelope, Event
from models.facts import Fact, to_fact
from models.instants import parse_instant
from models.rulesets import default_ruleset
from models.settings import Settings
from scoring.workdays import published_workdays
from streams.app import Composition
from streams.chunks import Chunk, chunk_scheduler
from streams.metrics import WorkerMetrics
from tests.support.builder import when

CASES, SERIALS = "cases", "serials"
CHANGELOG = "facts-changelog"
INPUTS = frozenset({CASES, SERIALS})
_EVENTS: TypeAdapter[list[Envelope]] = TypeAdapter(list[Event])
PLENTY = 200  # turns of the loop after which nothing moves that is not held


@dataclass(slots=True)
class Record:
    """A record as aiokafka hands it out."""

    topic: str
    partition: int
    offset: int
    value: bytes | None = b"{}"
    key: bytes | None = None
    timestamp: int = 1_600_000_000_000
    timestamp_type: int = 1
    headers: tuple[tuple[str, bytes], ...] = ()
    checksum: None = None
    serialized_key_size: int = -1


async def settled(turns: int = PLENTY) -> None:
    """Let everything run that can."""
    for _ in range(turns):
        await asyncio.sleep(0)


@dataclass
class FakeBroker:
    """Logs and committed offsets."""

    logs: defaultdict[TP, list[Record]] = field(default_factory=lambda: defaultdict(list))
    starts: dict[TP, int] = field(default_factory=dict)  # where a log begins, unless at its first record or 0
    committed: dict[TP, int] = field(default_factory=dict)

    def append(self, tp: TP, *offsets: int, values: Sequence[bytes] | None = None) -> None:
        """Append records at some offsets."""
        for place, offset in enumerate(offsets):
            value = b"{}" if values is None else values[place]
            self.logs[tp].append(Record(tp.topic, tp.partition, offset, value))

    def start(self, tp: TP) -> int:
        """The first offset there is."""
        return self.starts.get(tp, 0)

    def end(self, tp: TP) -> int:
        """The offset that the next record would have."""
        return self.logs[tp][-1].offset + 1 if self.logs[tp] else self.start(tp)

    def offsets(self, tp: TP, begin: int, end: int) -> list[int]:
        """The offsets of the records in [begin, end)."""
        return [record.offset for record in self.logs[tp] if begin <= record.offset < end]


class _PartitionRecords:
    """What a fetch brought of a partition, as `FetchResult` reads it."""

    def __init__(self, records: Iterable[Record], position: int) -> None:
        self._records = iter(list(records))
        self.next_fetch_offset = position

    def __iter__(self) -> _PartitionRecords:
        return self

    def __next__(self) -> Record:
        record = next(self._records)
        self.next_fetch_offset = record.offset + 1
        return record


class FakeFetcher(Fetcher):  # type: ignore[misc]  # aiokafka's fetcher, but for the requests
    """Fetches are answered at once from the broker's logs."""

    def __init__(self, broker: FakeBroker, subscriptions: SubscriptionState) -> None:
        self.broker = broker
        self._subscriptions = subscriptions
        self._loop = asyncio.get_running_loop()
        self._records = OrderedDict()
        self._wait_consume_future = None
        self._fetch_waiters: set[Any] = set()
        self._closed = False

    async def fetched_records(self, partitions: Any, timeout: float = 0, max_records: int | None = None) -> Any:
        self.prefetch()
        found = await super().fetched_records(partitions, timeout, max_records)
        if not found:  # what it held was of another assignment or position: it has been dropped, and is fetched anew
            self.prefetch()
            found = await super().fetched_records(partitions, timeout, max_records)
        return found

    def prefetch(self) -> None:
        """What the background task does: find positions (`_update_fetch_positions`), fetch every partition that is not buffered."""
        subscription = self._subscriptions.subscription
        if subscription.assignment is None:
            return
        for tp in sorted(subscription.assignment.tps):
            state = subscription.assignment.state_value(tp)
            if not state.has_valid_position:
                state.reset_to(self.broker.committed.get(tp, self.broker.start(tp)))
            records = [record for record in self.broker.logs[tp] if record.offset >= state.position]
            if records and tp not in self._records:
                fetched = _PartitionRecords(records, state.position)
                self._records[tp] = FetchResult(tp, assignment=subscription.assignment, partition_records=fetched, backoff=0)


class FakeKafkaConsumer:
    """As much of an `AIOKafkaConsumer` as Faust's thread uses."""

    seek = AIOKafkaConsumer.seek
    seek_to_committed = AIOKafkaConsumer.seek_to_committed
    assignment = AIOKafkaConsumer.assignment
    _closed = False
    _max_poll_records = 5_000

    def __init__(self, broker: FakeBroker, topics: Iterable[str]) -> None:
        self.broker = broker
        self._subscription = SubscriptionState()
        self._subscription.subscribe(set(topics))
        self._fetcher = FakeFetcher(broker, self._subscription)
        self.commits: list[dict[TP, int]] = []

    async def committed(self, tp: Any) -> int | None:
        return self.broker.committed.get(TP(*tp))

    async def commit(self, offsets: dict[Any, Any]) -> None:
        held = {TP(*tp): offset.offset for tp, offset in offsets.items()}
        self.commits.append(held)
        self.broker.committed.update(held)

    async def position(self, tp: Any) -> int:
        return self.position_now(tp)

    def position_now(self, tp: Any) -> int:
        self._fetcher.prefetch()
        return int(self._subscription._assigned_state(tp).position)

    async def beginning_offsets(self, partitions: Iterable[Any]) -> dict[Any, int]:
        return {tp: self.broker.start(TP(*tp)) for tp in partitions}

    async def end_offsets(self, partitions: Iterable[Any]) -> dict[Any, int]:
        return {tp: self.broker.end(TP(*tp)) for tp in partitions}

    def highwater(self, tp: Any) -> int:
        return self.broker.end(TP(*tp))


class Hold:
    """A place where calls wait until the test lets them go on."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self.waiting = 0

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    async def pass_through(self) -> None:
        self.waiting += 1
        await self._open.wait()
        self.waiting -= 1


class FakeThread(AIOKafkaConsumerThread):  # type: ignore[misc]
    """The consumer's thread, without one. A call takes a turn of the loop to get there and one to come back."""

    def __init__(self, consumer: Any, kafka: FakeKafkaConsumer) -> None:
        super().__init__(consumer, loop=consumer.loop, thread_loop=consumer.loop, beacon=consumer.beacon)
        self._consumer = kafka
        self.tp_last_committed_at = {}
        self.fetches: list[set[TP]] = []
        self.before_fetch = Hold()  # the request is on its way
        self.after_fetch = Hold()  # its records have been taken out of aiokafka, and are on their way back
        self.before_seek = Hold()  # of a seek to committed offsets

    def __post_init__(self) -> None:
        """No partitioner, no listener."""

    async def call_thread(self, fun: Any, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        result = await fun(*args, **kwargs)
        await asyncio.sleep(0)
        return result

    async def getmany(self, active_partitions: Any, timeout: float) -> Any:
        await self.before_fetch.pass_through()
        self.fetches.append(set(active_partitions))
        result = await super().getmany(active_partitions, 0)
        await self.after_fetch.pass_through()
        return result

    async def seek_to_committed(self) -> Any:
        await self.before_seek.pass_through()
        return await super().seek_to_committed()


def create_app(**settings: Any) -> Any:
    """A Faust application with the two input topics, on the driver, started by no one."""
    app = faust.App(
        "onestop",
        broker="onestop://127.0.0.1:9",
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        stream_wait_empty=False,
        ConsumerScheduler=chunk_scheduler(INPUTS | {CHANGELOG}, settings.pop("size", 5)),
        **settings,
    )
    app.input_topics = INPUTS
    app.held_topics = set()
    app.topics._acking_topics.update(INPUTS)  # the conductor does so when the agents have subscribed
    app._producer = SimpleNamespace(flush=_nothing)
    return app


async def _nothing() -> None:
    """Flushed."""


class Bench:
    """A consumer of the driver on a broker, and the steps of Faust's application and recovery around it.

    `finish` is what the pipeline does once the facts of a chunk are durable; `lost` is what a crash would lose now.
    """

    def __init__(self, driver: ModuleType, *partitions: TP, broker: FakeBroker | None = None, size: int = 5) -> None:
        self.driver = driver
        self.broker = broker or FakeBroker()
        self.partitions = set(partitions)
        self.app = create_app(size=size)
        self.kafka = FakeKafkaConsumer(self.broker, INPUTS | {CHANGELOG})
        bench = self

        class Consumer(driver.Consumer):  # type: ignore[misc,name-defined]
            def _new_consumer_thread(self) -> FakeThread:
                return FakeThread(self, bench.kafka)

        transport = driver.Transport([URL("onestop://127.0.0.1:9")], self.app)
        self.consumer = Consumer(transport, self._on_message, self._on_revoked, self._on_assigned)
        self.app._consumer = self.consumer
        self.thread: FakeThread = self.consumer._thread
        self.durable: defaultdict[TP, set[int]] = defaultdict(set)
        self.received: list[Any] = []
        self.assigned: list[set[TP]] = []
        self.on_message = Hold()

    # --- what Faust's application does (faust/app/base.py)

    async def _on_message(self, message: Any) -> None:
        self.received.append(message)
        await self.on_message.pass_through()

    async def _on_revoked(self, revoked: set[TP]) -> None:
        self.consumer.stop_flow()
        self.consumer.pause_partitions(self.consumer.assignment())

    async def _on_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self.assigned.append(set(assigned))
        self.consumer.pause_partitions(assigned)

    async def revoke(self) -> None:
        """The first half of a rebalance."""
        self.kafka._subscription.begin_reassignment()
        self.app.on_rebalance_start()
        await self.consumer.on_partitions_revoked(set(self.consumer.assignment()))

    async def assign(self, *partitions: TP) -> None:
        """The second half: the group gives us some partitions, by default all."""
        given = set(partitions) or self.partitions
        self.kafka._subscription.assign_from_subscribed(given)
        await self.consumer.on_partitions_assigned(given, 1)

    # --- what Faust's recovery does (faust/tables/recovery.py)

    @property
    def changelogs(self) -> set[TP]:
        return {tp for tp in self.consumer.assignment() if tp.topic == CHANGELOG}

    @property
    def inputs(self) -> set[TP]:
        return self.consumer.assignment() - self.changelogs

    async def begin_recovery(self) -> None:
        """Changelogs flow, from their beginnings."""
        await self.consumer.seek_wait(dict.fromkeys(self.changelogs, 0))
        self.consumer.resume_partitions(self.changelogs)
        self.consumer.resume_flow()

    async def end_recovery(self) -> None:
        """The seek, and inputs flow."""
        self.consumer.pause_partitions(self.changelogs)
        self.consumer.resume_partitions(self.inputs)
        await self.consumer.perform_seek()
        self.consumer.resume_flow()

    async def own(self, *partitions: TP) -> Bench:
        """Assigned, recovered, flowing."""
        await self.assign(*partitions)
        await self.begin_recovery()
        await self.end_recovery()
        return self

    async def rebalance(self, *partitions: TP) -> None:
        """A whole rebalance, with its recovery."""
        await self.revoke()
        await self.own(*partitions)

    # --- fetching and finishing

    async def fetch(self) -> list[Any]:
        """Everything that one fetch delivers."""
        return [message async for _, message in self.consumer.getmany(0)]

    def fetching(self) -> AsyncIterator[tuple[TP, Any]]:
        """A fetch to be gone through step by step."""
        return self.consumer.getmany(0)

    def in_background(self, what: Any) -> asyncio.Task[Any]:
        return asyncio.ensure_future(what)

    def finish(self, *messages: Any) -> None:
        """The facts of some chunks are durable."""
        for message in messages:
            self.durable[message.tp].update(record.offset for record in message.value)
            self.consumer.finish(message)

    async def commit(self) -> dict[TP, int]:
        """Commit what can be; all committed offsets."""
        await self.consumer.commit()
        return self.broker.committed

    async def consume(self) -> None:
        """Fetch, finish and commit until nothing comes any more."""
        while messages := await self.fetch():
            self.finish(*messages)
        await self.commit()

    # --- what must hold

    def lost(self) -> dict[TP, list[int]]:
        """Records below the committed offsets whose facts are durable nowhere."""
        found = {}
        for tp, committed in self.broker.committed.items():
            missing = [offset for offset in self.broker.offsets(tp, 0, committed) if offset not in self.durable[tp]]
            if missing:
                found[tp] = missing
        return found

    def position(self, tp: TP) -> int:
        """Where aiokafka would fetch next."""
        return self.kafka.position_now(tp)


def offsets_of(messages: Iterable[Any]) -> list[int]:
    """The offsets of the records in some chunks."""
    return [record.offset for message in messages for record in message.value]


def chunk(tp: TP, *records: Record) -> Chunk:
    held = list(records)
    return Chunk(tp, held, sum(len(record.value or b"") for record in held))


@contextlib.asynccontextmanager
async def bench_of(driver: ModuleType, *partitions: TP, **how: Any) -> AsyncIterator[Bench]:
    """A bench whose generators and tasks are ended with it."""
    before = asyncio.all_tasks()
    bench = Bench(driver, *partitions, **how)
    try:
        yield bench
    finally:
        for hold in (bench.thread.before_fetch, bench.thread.after_fetch, bench.thread.before_seek, bench.on_message):
            hold.open()
        mine = asyncio.all_tasks() - before
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)


# --- the application itself, without a broker


class SetClock:
    """A clock that the test sets, in microseconds or by a text."""

    def __init__(self, now: int | str) -> None:
        self.set(now)

    def set(self, now: int | str) -> None:
        self._now = parse_instant(when(now)) if isinstance(now, str) else now

    def add(self, microseconds: int) -> None:
        self._now += microseconds

    def now(self) -> int:
        return self._now


def compose(now: int | str, **settings: Any) -> Composition:
    """What an application is made of, at an instant."""
    given = {"partitions": 4, "worker_id": "w1", "broker": "127.0.0.1:9", **settings}
    return Composition(Settings(**given), default_ruleset(), published_workdays(), SetClock(now), WorkerMetrics())


def facts_of_events(events: Iterable[dict[str, Any]]) -> list[Fact]:
    """The facts of events given as JSON objects."""
    return [to_fact(event) for event in _EVENTS.validate_python(list(events))]


def input_record(event: dict[str, Any], offset: int = 0, arrival: str | int | None = None, **more: Any) -> Record:
    """An event as a producer that does everything right sends it."""
    at = parse_instant(when(arrival)) // 1_000 if isinstance(arrival, str) else arrival
    given = {"key": str(event.get("department")).encode(), "value": orjson.dumps(event), **more}
    if at is not None:
        given["timestamp"] = at
    return Record("cases", given.pop("partition", 0), offset, **given)
