"""The Faust tables: `facts`, the truth, with a store of our own and an append-only changelog; `counters`, derived from it.

Two tables are never atomic together, so exactly one is the truth: counters live in a table whose writes send nothing, and are rebuilt
with the entities that they are sums of.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import faust
from faust.stores import memory
from faust.types import TP

from scoring.context import Context
from streams.changelog import decode
from streams.fatal import end_process
from streams.partition import PartitionState
from streams.snapshots import Header, SnapshotError, Snapshots, tail_checksum

log = logging.getLogger(__name__)
FACTS = "facts"


class FactStore(memory.Store):  # type: ignore[misc]  # Faust has no types
    """The partitions owned, by number. Recovery folds chunks of changelog records into them."""

    new_context: Callable[[], Context]
    counters: Any
    snapshots: Snapshots
    owned: set[int] | None = None  # the partitions of the present assignment; None before the first

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: dict[int, Header] = {}  # snapshots of partitions of which no state is held yet

    def owns(self, number: int) -> bool:
        """Whether the changelog of a partition is assigned."""
        return self.owned is None or number in self.owned

    def persisted_offset(self, tp: TP) -> int:
        """The last changelog offset folded into the state held; -1 where none is held, whatever Faust remembers.

        The answer comes from the state itself: a state that was dropped with its partition is read again from the start.
        """
        state = self.data.get(tp.partition)
        if state is not None:
            return int(state.recovered_to) - 1
        # The last record of a snapshot is read again: with it the snapshot is loaded, in the recovery and not in the rebalance, whose
        # member would be taken for dead after a session timeout.
        header = self._waiting.get(tp.partition)
        return -1 if header is None else header.offset - 2

    def partition(self, number: int) -> PartitionState:
        """The state of a partition, made if it is new."""
        state = self.data.get(number)
        if state is None:
            state = PartitionState(number, self.new_context(), self.counters)
            if self._waiting.pop(number, None) is not None:
                self._load(state)
            self.data[number] = state
        return state  # type: ignore[no-any-return]

    def _load(self, state: PartitionState) -> None:
        started = time.monotonic()
        try:
            self.snapshots.load(state)
        except SnapshotError as error:
            self.snapshots.refuse(state.number, str(error))
            end_process(f"the snapshot of partition {state.number} could not be loaded; the next start reads the changelog")
        log.info(
            "partition %d: snapshot of changelog offset %d loaded in %.1f s", state.number, state.recovered_to, time.monotonic() - started
        )

    def apply_changelog_batch(self, batch: Iterable[Any], to_key: Any, to_value: Any) -> None:
        """Fold chunks of changelog records.

        Recovery swallows every exception and never notices a hole ("Error in recovery" is only a warning), and it hands events of
        foreign partitions to a table: so the place and the offset of each record are checked here, and any error ends the process.
        """
        try:
            for event in batch:
                self._apply_chunk(event.message, event.value)
        except BaseException as error:  # noqa: BLE001
            end_process(f"recovery cannot go on: {type(error).__name__}: {error}")

    def _apply_chunk(self, message: Any, records: Iterable[Any]) -> None:
        if message.topic != self.table.changelog_topic_name:
            raise ValueError(f"a record of {message.topic} was handed to the changelog of {self.table.name}")
        if not self.owns(message.partition):
            return  # fetched while it was ours: half a state must not be held, it would be taken for a whole one later
        state = self.partition(message.partition)
        for record in records:
            if record.offset < state.recovered_to:
                continue
            if record.offset > state.recovered_to:  # the first included: the changelog never loses its beginning
                raise ValueError(f"changelog records {state.recovered_to} to {record.offset - 1} of {message.tp} are missing")
            state.apply(decode(record.value))
            state.note_read(record.offset, tail_checksum(record.value))

    async def on_rebalance(self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0) -> None:
        """Drop what is owned no more: read only what is owned, and read it whole when it comes back."""
        self.owned = {tp.partition for tp in assigned if tp.topic == self.table.changelog_topic_name}
        for number in [number for number in self.data if number not in self.owned]:
            for code in self.data.pop(number).city.departments:
                self.counters.pop(code, None)
        headers = {number: self.snapshots.header(number) for number in self.owned - self.data.keys()}
        self._waiting = {number: header for number, header in headers.items() if header is not None}

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """A partition without any changelog record has a state too."""
        for tp in active_tps:
            self.partition(tp.partition)


class FactsTable(faust.Table):  # type: ignore[misc]
    """Partition → state. Nothing is written through the table: chunks are appended to its changelog as a whole."""

    _changelog_compacting = False
    _changelog_deleting = True

    def _new_store(self) -> FactStore:
        return FactStore("memory://", self.app, self)

    @property
    def store(self) -> FactStore:
        """The store, typed."""
        return self.data  # type: ignore[no-any-return]


class CountersTable(faust.Table):  # type: ignore[misc]
    """Department → component → period → sub → amount: the rolling monthly counters, kept in step with the entities.

    It is not registered with the table manager: an ordinary table costs 35 µs a changed key, and its writes from timers or at recovery
    raise. Nothing is sent, nothing is recovered; dropped partitions take their departments along.
    """

    def on_key_set(self, key: Any, value: Any) -> None:
        """Derived: send nothing."""

    def on_key_del(self, key: Any) -> None:
        """Derived: send nothing."""
