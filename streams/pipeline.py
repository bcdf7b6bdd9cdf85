"""The pipeline that the agents share: chunk → facts → durable → finished, and the rounds that publish scores, status and alerts."""

import asyncio
import logging
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP

from models.events import INPUT_TOPICS
from models.instants import SECOND, format_instant
from models.records import AdjustmentRecord, AlertRecord, TopicControl
from models.settings import Settings
from scoring.scores import parse_record
from streams.balance import Balance
from streams.changelog import AlertsRecord, encode_alerts, encode_chunk, encode_frozen
from streams.clock import Clock
from streams.closing import Closer
from streams.control import CONTROL, Gatekeeper, control_key
from streams.driver import Consumer
from streams.fatal import end_process, start_over
from streams.intake import ARRIVAL_HEADER, Intake, take_chunk
from streams.metrics import WorkerMetrics
from streams.partition import PartitionState
from streams.publisher import Message, Publisher
from streams.snapshots import SnapshotError, tail_checksum
from streams.tables import FactStore
from streams.topics import CHANGELOG

# A member that is silent for so long is forgotten by the group.
SESSION_SECONDS = 10.0
# Chunks that are on their way to the broker, their bytes in memory until they are there. At a thousand events a second a fetch brings some
# twenty, and with 16 the last of them waited for the first.
APPENDS_IN_FLIGHT = 64
ROUND_SECONDS = 0.05
# Under lag a round is made at most this often: scores of a backlog are overtaken as soon as they are published. Nor do rounds take more
# than a tenth of the time: with 3,000 departments one takes several seconds, and every five seconds they took two fifths.
ROUND_SECONDS_CATCHING_UP = 5.0
ROUND_SHARE_CATCHING_UP = 0.1
OFFSETS_SECONDS = 1.0
QUARANTINED_BYTES = 1024 * 1024
# Publishing holds the loop for about as long, and so may each of the agents in one turn of it.
HOLD_SECONDS = 0.002
# Entities settled at once: some 10 ms.
SETTLE_SLICE = 500
SNAPSHOT_LOOK_SECONDS = 1.0
RECOVERY_TOLD_SECONDS = 5.0

log = logging.getLogger(__name__)
Append = tuple[bytes, "asyncio.Future[Any]"]  # a changelog value, and its place in the changelog once it has one


def pause_catching_up(used: float) -> float:
    """Seconds after a round, which used so many of the processor, until the next one of a worker that is catching up."""
    return max(ROUND_SECONDS_CATCHING_UP, used / ROUND_SHARE_CATCHING_UP - used)


class _Gate:
    """Lets the chunks of a partition in, or waits until none of them is unfinished and keeps the others out."""

    def __init__(self) -> None:
        self._inside = 0
        self._idle = asyncio.Event()
        self._open = asyncio.Event()
        self._idle.set()
        self._open.set()

    async def enter(self) -> None:
        while not self._open.is_set():
            await self._open.wait()
        self._inside += 1
        self._idle.clear()

    def leave(self) -> None:
        self._inside -= 1
        if not self._inside:
            self._idle.set()

    @asynccontextmanager
    async def inside(self) -> AsyncIterator[None]:
        await self.enter()
        try:
            yield
        finally:
            self.leave()

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        self._open.clear()
        try:
            await self._idle.wait()
            yield
        finally:
            self._open.set()


class Pipeline:
    """What a worker does with chunks, and what it tells. One for a process; states are by partition."""

    def __init__(
        self, app: Any, store: FactStore, settings: Settings, clock: Clock, metrics: WorkerMetrics, gatekeeper: Gatekeeper
    ) -> None:
        self.app = app
        self.store = store
        self.settings = settings
        self.clock = clock
        self.metrics = metrics
        self.gatekeeper = gatekeeper
        self.finished_at: dict[int, float] = {}  # partition → monotonic time of the last finished chunk, for the watchdog
        self.lags: dict[TP, int] = {}
        self._publishers: dict[int, Publisher] = {}
        self._closer = Closer(settings)
        self._adjusting = asyncio.Lock()
        self._appending = asyncio.Semaphore(APPENDS_IN_FLIGHT)
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        # Of each partition the time of the last event taken in by topic, until its score is published.
        self._taken_in: defaultdict[int, dict[str, int]] = defaultdict(dict)
        self._telling: dict[int, bool] = {}  # partitions whose scores are being published; whether somebody asked for them meanwhile
        self._rested_at = 0.0  # monotonic time from which publishing has taken no more than half of the time
        self._alerting: dict[int, asyncio.Task[None]] = {}
        self._gates: defaultdict[int, _Gate] = defaultdict(_Gate)
        self._snapshot_at: dict[int, float] = {}  # partition → monotonic time of the last one
        self._recovery_told_at = 0.0

    @property
    def consumer(self) -> Consumer:
        """The driver's consumer."""
        return self.app.consumer  # type: ignore[no-any-return]

    @property
    def producer(self) -> Any:
        """The aiokafka producer under Faust's: batches are built and awaited by us."""
        return self.app.producer._ensure_producer()  # noqa: SLF001

    async def on_assigned(self, *_: Any, **__: Any) -> None:
        """A rebalance: what is to be caught up with is asked again, everything open is published again."""
        self.metrics.rebalances.inc()
        self.metrics.forget_partitions()
        self._publishers.clear()
        for state in self.store.data.values():
            state.targets, state.caught_up = None, False

    async def process(self, topic: str, message: Any) -> None:
        """Take in a chunk. It is finished, and so may be committed, once everything it brought is durable."""
        gate = self._gates[message.partition]
        await self._appending.acquire()
        await gate.enter()
        interval = self.consumer.interval_of(message)
        if interval is None:
            # Of an epoch that is over: read again after the seek, by whoever owns the partition now. Looked at after the waiting, or a
            # rebalance in between would make a state of a partition that is another worker's.
            gate.leave()
            self._appending.release()
            return
        self.must_have_changelogs([message.partition])
        started = time.perf_counter()
        state = self.store.partition(message.partition)
        state.city.advance(self.clock.now())
        intake = take_chunk(state, topic, interval.begin, interval.end, message.value, self.settings.partitions, self.metrics.stage)
        self._count(topic, intake)
        adjustments = state.take_adjustments()
        if adjustments:
            await self._adjust(state.number, adjustments)
        with self.metrics.stage("append"):
            values = encode_chunk(intake.record)
        # Until the chunk is durable its bytes are all that is needed. With all that dozens of chunks are made of held so long, the next
        # ones are made in memory that is in no cache: an event took a tenth more.
        intake.record.forget_facts()
        message.value.clear()
        task = asyncio.ensure_future(self._finish(state, topic, message, intake, values, started))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if intake.last_event_at:
            self._taken_in[state.number][topic] = intake.last_event_at
            await self._publish_at_once(state, message)

    def must_have_changelogs(self, partitions: Iterable[int]) -> None:
        """Start over where inputs are owned without their changelog; with no state everything would be new.

        A static member inherits the assignment of the one before it; had that one stopped while it was starting, before its changelogs
        were known, this one owns inputs alone.
        """
        without = sorted({partition for partition in partitions if not self.store.owns(partition)})
        if without:
            start_over(f"partition {', '.join(map(str, without))} was assigned without its changelog", SESSION_SECONDS * 1.5)

    async def _adjust(self, partition: int, adjustments: list[AdjustmentRecord]) -> None:
        """Publish adjustments, before the facts are appended: found among the facts again, a late fact would be a copy and adjust nothing.

        In the order in which they were found (the lock is fair, and is asked for with nothing awaited in between): the last of a score
        is what it would be now.
        """
        async with self._adjusting:
            sent = []
            for adjustment in adjustments:
                key = f"{adjustment.department}|{adjustment.period}|{adjustment.indicator}".encode()
                sent.append(await self._send("adjustments", key, adjustment.to_json(), partition))
            await asyncio.gather(*sent)

    async def _append(self, partition: int, value: bytes) -> "asyncio.Future[Any]":
        # A batch of its own: one record a chunk, straight to the partition of the chunk, and no linger.
        batch = self.producer.create_batch()
        batch.append(key=None, value=value, timestamp=None)
        batch.close()
        # One after the other: of several that wait for the partition aiokafka takes any, and has the others time out that were not taken
        # (seen under a backlog: the process ended).
        async with self._turns[partition]:
            return await self.producer.send_batch(batch, self.settings.topic(CHANGELOG), partition=partition)  # type: ignore[no-any-return]

    async def _finish(self, state: PartitionState, topic: str, message: Any, intake: Intake, values: list[bytes], started: float) -> None:
        try:
            # Not by the agent itself: while an append of the partition is on its way the next one waits, and with it waited the chunks of
            # all partitions (their p90 at a thousand events a second was 35 ms, and 8 once neither this nor a round held them up).
            appends = [(value, await self._append(state.number, value)) for value in values]
            others = [await self._quarantine(topic, state.number, record, rejection) for record, rejection in intake.quarantined]
            for record, partition, arrival, _ in intake.rerouted:
                headers = [(ARRIVAL_HEADER, str(arrival).encode())]
                others.append(await self._send(topic, record.key, record.value, partition, headers))
            order = self._order_to_pause(state, topic, intake)
            if order is not None:
                others.append(await self._send(CONTROL, control_key(topic), order.to_json(), 0))
            await asyncio.gather(*others)
            await self._note_appended(state, appends)
        except KafkaError as error:
            # Before `finish`: a chunk whose facts may not be durable must never be committed.
            end_process(f"what a chunk of {topic} brought could not be written to {self.settings.broker}: {error!r}")
        except Exception as error:  # noqa: BLE001
            end_process(f"finishing a chunk of {topic} failed: {type(error).__name__}: {error}")
        finally:
            self._appending.release()
            self._gates[state.number].leave()
        state.note_interval(intake.record)
        self.consumer.finish(message)
        self.finished_at[state.number] = time.monotonic()
        self.metrics.batch_seconds.labels(topic).observe(time.perf_counter() - started)

    async def _note_appended(self, state: PartitionState, appends: list[Append]) -> None:
        for value, append in appends:
            state.note_appended((await append).offset, tail_checksum(value))

    def _order_to_pause(self, state: PartitionState, topic: str, intake: Intake) -> TopicControl | None:
        """Hold a topic back of which too much is bad; the order that makes it known to all workers, now and after restarts."""
        record = intake.record
        why = self.gatekeeper.note(topic, record.partition, record.begin, record.consumed, record.quarantined)
        if why is None:
            return None
        at = format_instant(self.clock.now(), state.city.context.time.zone)
        order = TopicControl(topic=topic, state="paused", by=self.settings.worker_id, at=at, why=why)
        self.gatekeeper.apply(order)
        self.gatekeeper.enforce()
        return order

    async def _quarantine(self, topic: str, partition: int, record: Any, rejection: Any) -> "asyncio.Future[Any]":
        headers = {
            "reason": rejection.reason, "detail": rejection.detail[:1_000], "source": rejection.source or "", "topic": topic,
            "partition": str(partition), "offset": str(record.offset), "arrived_at": str(record.timestamp),
            "key": "" if record.key is None else record.key.decode(errors="replace")[:200],
            "size": str(len(record.value or b"")),
        }  # fmt: skip
        key = f"{topic}|{partition}|{record.offset}".encode()
        encoded = [(name, value.encode(errors="replace")) for name, value in headers.items()]
        # A record that was compressed may be larger than any request. Its beginning tells what it is; the whole stays in its topic.
        return await self._send("quarantine", key, (record.value or b"")[:QUARANTINED_BYTES], None, encoded)

    async def _send(
        self, topic: str, key: bytes | None, value: bytes | None, partition: int | None, headers: list[tuple[str, bytes]] | None = None
    ) -> "asyncio.Future[Any]":
        return await self.producer.send(  # type: ignore[no-any-return]
            self.settings.topic(topic), value, key=key, partition=partition, headers=headers or []
        )

    def _count(self, topic: str, intake: Intake) -> None:
        record, metrics = intake.record, self.metrics
        metrics.consumed.labels(topic).inc(record.consumed)
        for counter, number in (
            (metrics.duplicates, record.duplicates), (metrics.late, record.late), (metrics.rerouted, record.rerouted),
            (metrics.unknown_fields, intake.unknown_fields),
        ):  # fmt: skip
            if number:
                counter.labels(topic).inc(number)
        for _, rejection in intake.quarantined:
            metrics.quarantined.labels(topic, rejection.reason).inc()

    async def run_rounds(self) -> None:
        """Publish for ever: a round over the partitions that are owned and recovered, at most 20 times a second, less under lag."""
        asked_at = again_at = 0.0
        while not self.app.should_stop:
            started, used = time.monotonic(), self.metrics.publishing_seconds
            if started - asked_at >= OFFSETS_SECONDS and await self._look_at_offsets():
                asked_at = started
            self._note_recovery()
            owned = self.owned_states()
            # Whether it has caught up is looked at all the time: what comes after a backlog must not wait for the pause that one makes.
            caught_up = all(self._catches_up(state) for state in owned)
            if caught_up or started >= again_at:
                for state in owned:
                    await self._publish(state)
                again_at = time.monotonic() + pause_catching_up(self.metrics.publishing_seconds - used)
            # A round that costs much is followed by a pause as long: publishing never takes more than half of the loop.
            await asyncio.sleep(max(ROUND_SECONDS - (time.monotonic() - started), self.metrics.publishing_seconds - used))

    async def _publish_at_once(self, state: PartitionState, message: Any) -> None:
        """Publish the scores that a chunk has changed, unless it is of a backlog or publishing takes half of the time already.

        While they waited for the next round, which came every 50 to 150 ms at a thousand events a second, that was most of their p99.
        """
        now = time.monotonic()
        if not state.caught_up or self._rested_at > now + ROUND_SECONDS or self.consumer.interval_of(message) is None:
            return
        used = self.metrics.publishing_seconds
        await self._publish_scores(state, self._publisher_of(state))
        self._rested_at = max(self._rested_at, now) + 2 * (self.metrics.publishing_seconds - used)

    def owned_states(self) -> list[PartitionState]:
        """The states of partitions whose inputs flow here; those of a standby are another worker's to tell of."""
        owned = self.consumer.flowing()
        return [state for state in self.store.data.values() if state.number in owned]

    def _catches_up(self, state: PartitionState) -> bool:
        """Whether everything has been read that was there when the partition was assigned."""
        if state.targets is not None and not state.caught_up:
            positions = self.consumer.positions()
            # What a paused topic holds back is not waited for: everyone else's alerts would fall silent with it.
            paused = {self.settings.topic(topic) for topic in INPUT_TOPICS if self.gatekeeper.is_paused(topic)}
            reached = ((positions.get(TP(topic, state.number), 0), end) for topic, end in state.targets.items() if topic not in paused)
            state.caught_up = all(position >= end for position, end in reached)
        return state.caught_up

    async def _look_at_offsets(self) -> bool:
        """Lags; and for partitions new in this assignment the end offsets to reach before alerts are published. Whether it could look."""
        if any(self.lags.values()):
            await self.consumer.pass_over_gaps()
        positions = self.consumer.positions()
        if not positions or self.app.rebalancing:
            self.lags = {}
            return False
        try:
            ends = await self.consumer.highwaters(*positions)
        except Exception as error:  # noqa: BLE001  # asked again in a second; a broker that stays away is the watchdog's affair
            self.app.log.info("end offsets could not be read from %s: %r", self.settings.broker, error)
            return True
        positions = self.consumer.positions()
        self.lags = {tp: max(0, ends[tp] - position) for tp, position in positions.items() if tp in ends}
        self._show_balance()
        for number in {tp.partition for tp in positions}:
            state = self.store.data.get(number)
            if state is None:
                continue
            own = {tp.topic: tp for tp in positions if tp.partition == number}
            if state.targets is None and len(own) == len(INPUT_TOPICS):
                state.targets = {topic: ends[tp] for topic, tp in own.items()}
            if self._catches_up(state):
                await self._close_periods(
                    state, {topic: positions[tp] for topic, tp in own.items()}, {topic: ends[tp] for topic, tp in own.items()}
                )
            for topic, tp in own.items():
                name = topic.removeprefix(self.settings.topic_prefix)
                self.metrics.lag.labels(name, str(number)).set(self.lags.get(tp, 0))
                self.metrics.catching_up.labels(name, str(number)).set(not state.caught_up)
                self.metrics.heartbeat.labels(name, str(number)).set(self.clock.now() / SECOND)
        return True

    async def _close_periods(self, state: PartitionState, positions: dict[str, int], ends: dict[str, int]) -> None:
        ready = self._closer.ready(state, positions, ends, self.clock.now())
        if not ready:
            return
        for closing, (record, adjusted) in zip(ready, await self._closer.freeze(state, ready), strict=True):
            # Adjustments first: should this process end in between, the closing is found open again and tells all of them again.
            await self._adjust(state.number, adjusted)
            async with self._gates[state.number].inside():  # no snapshot of what is not durable
                state.freeze(closing, record, adjusted)
                await self._adjust(state.number, state.take_adjustments())
                value = encode_frozen(record)
                append = await self._append(state.number, value)
                await self._note_appended(state, [(value, append)])
            publisher = self._publishers.get(state.number)
            beyond = publisher is None or publisher.may_have_published_beyond(record.department, record.period, record.version)
            for value in record.records:
                key = f"{record.department}|{record.period}|{parse_record(value).indicator}".encode()
                if beyond:
                    # A record published since the closing may count facts that arrived after it: having the greater version it would
                    # beat the frozen one, so it is taken away first.
                    await self._send("scores", key, None, state.number)
                await self._send("scores", key, value, state.number)

    def _show_balance(self) -> None:
        balance = Balance()
        for state in self.owned_states():
            balance.merge(state.balance)
        for topic in INPUT_TOPICS:
            for outcome, count in balance.counts(topic).items():
                self.metrics.balance.labels(topic, outcome).set(count)
            self.metrics.balance_difference.labels(topic).set(balance.difference(topic))
            self.metrics.topic_paused.labels(topic).set(self.gatekeeper.is_paused(topic))

    def _note_recovery(self) -> None:
        recovery = self.app.tables.recovery
        remaining = max(0, recovery.active_remaining_total())
        self.metrics.recovery_in_progress.set(bool(recovery.in_recovery))
        self.metrics.recovery_remaining.set(remaining)
        if recovery.in_recovery and remaining and time.monotonic() - self._recovery_told_at >= RECOVERY_TOLD_SECONDS:
            self._recovery_told_at = time.monotonic()
            log.info("reading the state back: %d records of the changelog remain", remaining)

    async def run_snapshots(self) -> None:
        """Write snapshots for ever, one partition at a time."""
        while not self.app.should_stop and self.settings.snapshot_seconds:
            await asyncio.sleep(SNAPSHOT_LOOK_SECONDS)
            for state in self.owned_states():
                at = self._snapshot_at.setdefault(state.number, time.monotonic())
                due = time.monotonic() - at >= self.settings.snapshot_seconds and state.recovered_to > state.snapshot_offset
                if due and not self.app.rebalancing:
                    await self._snapshot(state)

    async def _snapshot(self, state: PartitionState) -> None:
        gate, snapshots = self._gates[state.number], self.store.snapshots
        async with gate.closed():
            if self.store.data.get(state.number) is not state:
                return  # lost while waiting
            child, state.snapshot_offset = snapshots.begin(state), state.recovered_to
        self._snapshot_at[state.number] = time.monotonic()
        try:
            if await snapshots.end(child):
                self.metrics.snapshot_at.labels(str(state.number)).set(self.clock.now() / SECOND)
        except SnapshotError as error:
            # Time at the next start, never data.
            self.metrics.snapshot_failures.inc()
            log.warning("the snapshot of partition %d could not be written into %s: %s", state.number, self.settings.data_dir, error)

    def _publisher_of(self, state: PartitionState) -> Publisher:
        publisher = self._publishers.get(state.number)
        if publisher is None or publisher.state is not state:
            publisher = self._publishers[state.number] = Publisher(state)
        return publisher

    async def _publish(self, state: PartitionState) -> None:
        publisher = self._publisher_of(state)
        now = self.clock.now()
        state.city.advance(now)
        await self._publish_scores(state, publisher)
        with self.metrics.stage("publish"):
            statuses = list(publisher.statuses())
        await self._publish_all(state.number, statuses)
        self._begin_alerts(state, publisher)
        lag = sum(lag for tp, lag in self.lags.items() if tp.partition == state.number)
        beat = publisher.heartbeat(lag, self.settings.worker_id, now)
        if beat is not None:
            await self._publish_all(state.number, [beat])
        await asyncio.sleep(0)

    async def _publish_scores(self, state: PartitionState, publisher: Publisher) -> None:
        """Publish the scores that changed, one caller at a time: no record may come behind one that counts more."""
        if state.number in self._telling:
            self._telling[state.number] = True
            return
        again = True
        while again:
            self._telling[state.number] = False
            try:
                await self._publish_changed(state, publisher)
            finally:
                again = self._telling.pop(state.number)

    async def _publish_changed(self, state: PartitionState, publisher: Publisher) -> None:
        while True:
            with self.metrics.stage("settle"):
                settled = state.city.settle_some(SETTLE_SLICE)
            if settled:
                break
            await asyncio.sleep(0)
        taken_in = self._taken_in.pop(state.number, {})
        used = self.metrics.publishing_seconds
        with self.metrics.stage("score"):
            lists = publisher.scores(time.monotonic())
        while True:
            with self.metrics.stage("score"):
                messages = next(lists, None)
            if messages is None or not self._may_tell(publisher):
                break
            await self._publish_all(state.number, messages)
            if self.metrics.publishing_seconds - used > HOLD_SECONDS:
                await asyncio.sleep(0)
                used = self.metrics.publishing_seconds
        waits = publisher.due_at() < math.inf
        for topic, event_at in taken_in.items():
            if waits:
                self._taken_in[state.number].setdefault(topic, event_at)  # its score may be among those that are still to come
            elif state.caught_up:
                self.metrics.end_to_end_seconds.labels(topic).observe(max(0, self.clock.now() - event_at) / SECOND)

    async def _publish_all(self, partition: int, messages: list[Message]) -> None:
        if not messages:
            return
        with self.metrics.stage("publish"):
            encoded = [(topic, key.encode(), None if record is None else record.to_json()) for topic, key, record in messages]
        for topic, key, value in encoded:
            await self._send(topic, key, value, partition)

    def _begin_alerts(self, state: PartitionState, publisher: Publisher) -> None:
        """Publish alerts in a task of its own, one for a partition at a time: they wait for the broker up to three times.

        While the rounds waited with them a score took seconds to be published, the partitions being visited one after the other (measured).
        """
        if state.number in self._alerting or not (self._may_tell(publisher) and publisher.alerts_are_due(time.monotonic())):
            return
        news, over = publisher.alerts()
        again = publisher.alerts_again(over)
        if not (news or over or again):
            return

        async def publish() -> None:
            try:
                await self._publish_alerts(state, publisher, news, over, again)
            except Exception as error:
                log.exception("publishing alerts failed")
                end_process(f"publishing alerts failed: {type(error).__name__}: {error}")
            finally:
                del self._alerting[state.number]

        self._alerting[state.number] = asyncio.ensure_future(publish())

    async def _publish_alerts(
        self, state: PartitionState, publisher: Publisher, news: dict[str, AlertRecord], over: list[AlertRecord], again: list[AlertRecord]
    ) -> None:
        # Noted in the changelog before they are out: a crash in between repeats an alert under its id. Out before they are noted, an alert
        # would be unknown to the successor, who could never resolve one that the backlog ends (seen: it fired for ever).
        if news:
            await self._note_alerts(state, AlertsRecord(state.number, {alert: record.to_json() for alert, record in news.items()}, []))
        if not self._may_tell(publisher):
            return  # the next owner announces again what was noted, or resolves it: not knowing of it, it would do neither
        await asyncio.gather(*[await self._send_alert(state.number, record) for record in (*news.values(), *again, *over)])
        # A resolution is noted once it is out: a crash in between repeats it.
        if over and self._may_tell(publisher):
            await self._note_alerts(state, AlertsRecord(state.number, {}, [alert.id for alert in over]))

    def _may_tell(self, publisher: Publisher) -> bool:
        """Whether no rebalance has begun since the publisher was made: what is told after one may come behind what the new owner tells."""
        return self._publishers.get(publisher.state.number) is publisher and not self.app.rebalancing

    async def _note_alerts(self, state: PartitionState, record: AlertsRecord) -> None:
        value = encode_alerts(record)
        append = await self._append(state.number, value)
        state.note_own_alerts(record, (await append).offset, tail_checksum(value))

    async def _send_alert(self, partition: int, record: AlertRecord) -> "asyncio.Future[Any]":
        return await self._send("alerts", record.thing.encode(), record.to_json(), partition)
