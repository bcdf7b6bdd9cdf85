"""Closing periods: once everything that had arrived by a closing is durable, the records are computed from the log and frozen.

They are computed from the changelog, not from the state: the state already holds what arrived after the closing, and a worker that lags or
recovers would freeze something else. So the frozen records are a function of the log, whoever computes them and when.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.facts import DEPARTMENT
from models.instants import MILLISECOND, SECOND
from models.records import AdjustmentRecord
from models.settings import Settings
from scoring.context import Context
from scoring.local_time import period_label
from scoring.periods import Arrived, Closing, adjustments, frozen
from streams.changelog import FrozenRecord, facts_of
from streams.kafka_clients import client_arguments
from streams.partition import PartitionState
from streams.topics import CHANGELOG

# The broker's clock stamps arrivals and ours says when a closing has come: they may differ by so much.
CLOCK_MARGIN = 2 * SECOND


class Closer:
    """Freezes the closings of partitions that are owned. Offsets are by topic, of one partition."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._barriers: dict[tuple[int, str, str], dict[str, int]] = {}

    def ready(self, state: PartitionState, positions: dict[str, int], ends: dict[str, int], now: int) -> list[Closing]:
        """The closings of which everything that had arrived is finished.

        End offsets read after the closing bound what had arrived by it; it is ready when the positions have reached them.
        """
        state.look_at_closings()
        found = []
        for (code, _), closing in state.pending_closings.items():
            if now < closing.at + CLOCK_MARGIN:
                continue
            barrier = self._barriers.setdefault((state.number, code, closing.id), ends)
            if all(positions.get(topic, 0) >= end for topic, end in barrier.items()):
                found.append(closing)
                self._barriers.pop((state.number, code, closing.id))
        return found

    async def freeze(self, state: PartitionState, closings: list[Closing]) -> list[tuple[FrozenRecord, list[AdjustmentRecord]]]:
        """The frozen records of closings of a partition, from its changelog, and what in it came too late and adjusts them."""
        departments = {closing.department for closing in closings}
        log = await read_log(self._settings, state.number, departments)
        context = state.city.context.as_of(state.city.context.now)
        return [await asyncio.to_thread(_frozen, state.number, closing, log[closing.department], context) for closing in closings]


async def read_log(settings: Settings, partition: int, departments: set[str]) -> dict[str, list[Arrived]]:
    """Everything that the changelog of a partition holds of some departments, in its order.

    Raises:
        aiokafka.errors.KafkaError: the broker cannot be reached.
    """
    place = TopicPartition(settings.topic(CHANGELOG), partition)
    consumer = AIOKafkaConsumer(**client_arguments(settings), enable_auto_commit=False, max_partition_fetch_bytes=4 * 1024 * 1024)
    await consumer.start()
    log: defaultdict[str, list[Arrived]] = defaultdict(list)
    try:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        # Not `seek_to_beginning`: it races with the reset to the end that follows an assignment, and then nothing is read.
        consumer.seek(place, (await consumer.beginning_offsets([place]))[place])
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                _collect(records, departments, log.__getitem__)
                await asyncio.sleep(0)
    finally:
        await consumer.stop()
    return log


def _collect(records: list[Any], departments: set[str], log_of: Callable[[str], list[Arrived]]) -> None:
    for arrival, fact in facts_of(record.value for record in records):
        if fact[DEPARTMENT] in departments:
            log_of(fact[DEPARTMENT]).append((arrival * MILLISECOND, fact))


def _frozen(partition: int, closing: Closing, log: list[Arrived], context: Context) -> tuple[FrozenRecord, list[AdjustmentRecord]]:
    records = frozen(closing, log, context)
    version = records[0].version if records else 0
    record = FrozenRecord(
        partition, closing.department, period_label(closing.period), closing.id, closing.at,
        [record.to_json() for record in records], version, closing.at,
    )  # fmt: skip
    return record, adjustments(closing, log, context)
