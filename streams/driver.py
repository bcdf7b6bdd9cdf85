"""The driver: a Faust transport that loses nothing at rebalances and commits only what is durable.

Stock Faust loses records at rebalances and stalls commits. Each rule here was learned from a loss on Apache Kafka (facts missing after
kills, pauses, or plain starts on a backlog); `tests/streams/test_driver.py` has a test for each that fails without it.

1. A fetch and a seek exclude each other: what a fetch brings back after a seek would be taken for what follows the seek.
2. Input partitions flow only between the seek that ends a recovery and the next revocation.
3. That seek is explicit, to the log's start where nothing is committed: aiokafka does not seek there.
4. A partition that recovery has paused stays paused when a buffer drops; a fetch gets a copy of the active set, never an empty one.
5. A fetched record is delivered or sought again, never dropped.
6. A chunk carries its own (epoch, begin, end); only the contiguous frontier of chunks finished in the present epoch is committed, and
   every seek begins a new epoch; a seek during which the epoch ends notes nothing. Faust's own acknowledgement is ignored: its Cython
   iterator acknowledges also when the agent raised.
7. A fetch comes back soon. While one waits at the broker nothing else is fetched there: Faust has it wait for 1.5 s, and after a rebalance
   partitions that had been read to their ends held those up that had not, again and again (a worker that joined was ready after 9.6 s, of
   which it worked for half; now after 5.1). It loses no fact, but nothing is scored meanwhile.
8. What finds room is delivered at once. Faust makes two tasks for each delivery, to wait for what is not waited for: three turns of the
   loop, each as long as whatever else is ready. At a thousand events a second nothing was fetched for 70 ms in between (p99).
"""

import asyncio
import heapq
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from faust.transport.drivers import aiokafka as faust_aiokafka
from faust.types import TP

from streams.records import as_decoded

POLL_SECONDS = 0.2
FETCH_WAIT_MS = 50


@dataclass(frozen=True, slots=True)
class Interval:
    """The offsets [begin, end) of an input partition that a chunk stands for."""

    begin: int
    end: int


class ConsumerThread(faust_aiokafka.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust has no types
    """Makes the consumer under Faust's."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001  # rule 7; Faust has no setting for it
        consumer._value_deserializer = as_decoded  # noqa: SLF001  # what is read here becomes chunks, which know their partition
        return consumer


class Consumer(faust_aiokafka.Consumer):  # type: ignore[misc]  # Faust has no types
    """Chunks are intervals; see the rules of the module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._epoch = 0
        self._sought = False  # the seek that ends a recovery has been made in this assignment
        self._flowing = False  # and flow was resumed after it: inputs may be fetched
        self._position_lock = asyncio.Lock()
        self._next: dict[TP, int] = {}  # the end of the last chunk delivered
        self._frontier: dict[TP, int] = {}  # everything before it is finished
        self._finished: defaultdict[TP, list[tuple[int, int]]] = defaultdict(list)  # heaps of finished (begin, end)
        self._delivered: dict[int, tuple[Any, Interval]] = {}  # by identity of the message, which it keeps alive
        self._passed: dict[TP, int] = {}  # where the log goes on behind what are no records
        self._accepted: dict[TP, int] = {}  # what the broker has accepted as committed
        self._delivering = False
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def is_input(self, tp: TP) -> bool:
        """Whether a partition is of an input topic (not of a changelog)."""
        return tp.topic in self.app.input_topics  # not `acking_topics`: Faust empties that during a rebalance

    def _begin_epoch(self) -> None:
        self._epoch += 1
        self._sought = self._flowing = False
        for held in (self._next, self._frontier, self._finished, self._delivered, self._acked, self._acked_index):
            held.clear()  # `_delivered` too: chunks that Faust drops at a rebalance are never finished, and would stay with their records
        self._buffered_partitions.clear()
        self._passed.clear()
        self._accepted.clear()
        self._delivering = False

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Nothing delivered before counts after."""
        self._begin_epoch()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Inputs wait for the seek that ends the recovery."""
        self._begin_epoch()
        await super().on_partitions_assigned(assigned, generation_id)

    def on_buffer_drop(self, tp: TP) -> None:
        """Rule 4: Faust re-activates here a partition that recovery has paused meanwhile; its records then reach no one."""
        if tp in self._paused_partitions:
            self._buffered_partitions.discard(tp)
        else:
            super().on_buffer_drop(tp)

    def resume_flow(self) -> None:
        """Rule 2: recovery resumes flow for changelogs before it has sought the inputs."""
        super().resume_flow()
        self._flowing = self._sought

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # Faust's signature
        # Rule 4: the set is Faust's live one, and aiokafka reads one that was emptied meanwhile as "every partition".
        wanted = {tp for tp in active_partitions or () if self._flowing or not self.is_input(tp)}
        wanted -= {tp for tp in wanted if tp.topic in self.app.held_topics}
        if not wanted:
            await self.sleep(min(timeout, POLL_SECONDS))
            return {}
        return await super()._getmany(wanted, timeout)

    def _has_room(self, tp: TP) -> bool:
        topics = self.app.topics
        channels = topics._tp_index.get(tp)  # noqa: SLF001  # Faust's conductor keeps the queues of a partition to itself
        ready = channels and self.app.flow_control.is_active() and not topics._tp_to_callback_lock.locked()  # noqa: SLF001
        return bool(ready) and not any(channel.queue.full() for channel in channels)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Fetch, and deliver everything fetched unless a seek follows that reads it again."""
        if not self.flow_active:
            # Before the lock is taken: recovery seeks under it, and resumes the flow only afterwards.
            await self.wait(self.can_resume_flow)
        if self.should_stop:
            return
        async with self._position_lock:
            epoch = self._epoch
            if not self.flow_active:
                return
            records, _ = await self._wait_next_records(min(timeout, POLL_SECONDS))
            self._delivering = bool(records)
        if not records or self.should_stop:
            return
        for tp, record in self.scheduler.iterate(records):
            if not self.flow_active or epoch != self._epoch:
                return  # Rule 5: the flow stops only for a rebalance, whose recovery ends with a seek that reads these again
            # Faust drops what it thinks it has read; only the intervals say what has been read.
            self._read_offset[tp] = None
            message = self._to_message(tp, record)
            if self.is_input(tp):
                first = getattr(record, "first_offset", record.offset)
                begin = self._next.get(tp, first)  # not `first`: a gap in the log must not leave a gap in the intervals
                self._next[tp] = message.offset + 1
                self._frontier.setdefault(tp, begin)
                self._delivered[id(message)] = (message, Interval(begin, message.offset + 1))
            if self._has_room(tp):
                # Rule 8. Nothing is waited for in here, so no rebalance comes in between.
                await self.callback(message)
                self._read_offset[tp] = message.offset
            else:
                yield tp, message
        self._delivering = False

    def interval_of(self, message: Any) -> Interval | None:
        """The interval of a chunk delivered in the present epoch; None for one of an epoch that is over."""
        found = self._delivered.get(id(message))
        return found[1] if found is not None and found[0] is message else None

    def finish(self, message: Any) -> None:
        """Say that everything a chunk brought is durable; for one of an epoch that is over this says nothing."""
        interval = self.interval_of(message)
        if interval is not None:
            del self._delivered[id(message)]
            heapq.heappush(self._finished[message.tp], (interval.begin, interval.end))

    def flowing(self) -> set[int]:
        """The numbers of the input partitions that flow."""
        return {tp.partition for tp in self._frontier} if self._flowing else set()

    def positions(self) -> dict[TP, int]:
        """For each input partition that flows, the offset before which everything is finished."""
        for tp in list(self._frontier):
            self._advance(tp)
        return {tp: max(frontier, self._passed.get(tp, 0)) for tp, frontier in self._frontier.items()} if self._flowing else {}

    async def pass_over_gaps(self) -> None:
        """Where everything delivered is finished, what the log still has before the next fetch are no records: go past them.

        A log may end in the marker of a transaction, which is never delivered. Lag would stay for ever, and the watchdog would end the
        worker again and again.
        """
        async with self._position_lock:
            asked_in = self._epoch
            idle = [] if self._delivering or not self._flowing else [tp for tp in self._frontier if self._advance(tp) == self._next[tp]]
            for tp in idle:
                position = await self.position(tp)
                if asked_in != self._epoch:
                    return
                if position is not None and position > self._frontier[tp]:
                    self._passed[tp] = position

    def _advance(self, tp: TP) -> int:
        frontier = self._frontier[tp]
        finished = self._finished[tp]
        while finished and finished[0][0] <= frontier:
            frontier = max(frontier, heapq.heappop(finished)[1])
        self._frontier[tp] = frontier
        return frontier

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterable[TP]:
        # Rule 6: what Faust's iterator acknowledged is forgotten, what is finished is looked at.
        self._acked.clear()
        self._acked_index.clear()
        return [tp for tp in self._frontier if topics is None or tp in topics or tp.topic in topics]

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps are part of the interval that follows them."""

    def _new_offset(self, tp: TP) -> int | None:
        return self._advance(tp) if tp in self._frontier else None

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        done = bool(await super()._commit(offsets))
        if done:
            self._accepted.update(offsets)
        return done

    def _should_commit(self, tp: TP, offset: int) -> bool:
        # Faust takes an offset for committed also when the broker refused it, and would not try again before the frontier has moved.
        return self._accepted.get(tp) != offset

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Rule 1, for the seeks of recovery in changelogs."""
        async with self._position_lock:
            await super().seek_wait(partitions)

    async def perform_seek(self) -> None:
        """The seek that ends a recovery: every input partition to its committed offset, or to the start of its log."""
        async with self._position_lock:
            self._begin_epoch()
            epoch = self._epoch
            await super().perform_seek()
            inputs = [tp for tp in self.assignment() if self.is_input(tp)]
            uncommitted = [tp for tp in inputs if not self._read_offset.get(tp)]
            if uncommitted:
                start = await self.earliest_offsets(*uncommitted)
                await super().seek_wait({tp: start[tp] for tp in uncommitted})  # Rule 3
                for tp in uncommitted:
                    self._read_offset[tp] = start[tp]
            if epoch != self._epoch:
                # Revoked while this waited for the broker: noted all the same, the next commit went out for partitions of another member
                # and took their committed offsets back, where they stayed until something more came.
                return
            for tp in inputs:
                self._next[tp] = self._frontier[tp] = self._read_offset[tp]
            self._sought = True


class Transport(faust_aiokafka.Transport):  # type: ignore[misc]
    """The transport of `onestop://` brokers."""

    Consumer = Consumer
