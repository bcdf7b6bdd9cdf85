"""Scenarios of the driver's rules: what each rule is there for, on whichever driver is handed in.

Faust's and aiokafka's classes are the real ones; see `faust_fakes`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from yarl import URL

from tests.support.faust_fakes import CASES, CHANGELOG, SERIALS, Bench, bench_of, create_app, offsets_of, settled

C, C1, S, LOG = TP(CASES, 0), TP(CASES, 1), TP(SERIALS, 0), TP(CHANGELOG, 0)

Scenario = Callable[[ModuleType], Awaitable[None]]


# --- rule 1: a fetch and a seek exclude each other


async def the_seek_that_ends_a_recovery_waits_for_a_fetch(driver: ModuleType) -> None:
    async with bench_of(driver, C, LOG) as bench:
        bench.broker.append(C, *range(10))
        await bench.own()
        bench.thread.before_fetch.close()
        fetch = bench.in_background(bench.fetch())
        await settled()  # the fetch is on its way
        seek = bench.in_background(bench.end_recovery())
        await settled()  # the seek has been made, were it not for the lock
        bench.thread.before_fetch.open()
        await fetch
        await seek
        await bench.consume()
        assert bench.broker.committed == {C: 10}
        assert not bench.lost()


async def a_seek_of_recovery_waits_for_a_fetch_of_the_changelog(driver: ModuleType) -> None:
    async with bench_of(driver, C, LOG) as bench:
        bench.broker.append(LOG, *range(10))
        await bench.assign()
        await bench.begin_recovery()
        assert offsets_of(await bench.fetch()) == [*range(10)]
        bench.broker.append(LOG, *range(10, 20))
        bench.thread.before_fetch.close()
        fetch = bench.in_background(bench.fetch())
        await settled()
        await bench.revoke()
        await bench.assign()
        bench.consumer.flow_active = True  # as when a recovery that was overtaken resumes the flow once more
        seek = bench.in_background(bench.consumer.seek_wait({LOG: 0}))
        await settled()
        bench.thread.before_fetch.open()
        await fetch
        await seek
        bench.consumer.resume_partitions({LOG})
        bench.consumer.resume_flow()
        assert offsets_of(await bench.fetch()) == [*range(20)], "recovery misses what the fetch took after the seek"


async def a_fetch_that_waits_for_the_flow_does_not_lock_recovery_out(driver: ModuleType) -> None:
    async with bench_of(driver, C, LOG) as bench:
        bench.broker.append(C, *range(3))
        await bench.own()
        await bench.revoke()
        fetch = bench.in_background(bench.fetch())
        await settled()
        assert not fetch.done(), "Faust's loop turns without a pause while the flow is stopped"
        await bench.assign()
        recovery = bench.in_background(bench.begin_recovery())
        await settled()
        assert recovery.done(), "recovery cannot seek, and only recovery resumes the flow"
        await fetch
        await bench.end_recovery()
        await bench.consume()
        assert bench.broker.committed == {C: 3}


async def a_fetch_that_waited_for_a_seek_does_not_lock_recovery_out(driver: ModuleType) -> None:
    async with bench_of(driver, C, LOG) as bench:
        await bench.own()
        bench.thread.before_seek.close()
        seek = bench.in_background(bench.consumer.perform_seek())
        await settled()
        fetch = bench.in_background(bench.fetch())
        await settled()  # it waits for the lock
        await bench.revoke()
        bench.thread.before_seek.open()
        await seek
        await settled()  # now it has the lock, and the flow is stopped
        await bench.assign()
        recovery = bench.in_background(bench.begin_recovery())
        await settled()
        assert recovery.done(), "recovery cannot seek, and only recovery resumes the flow"
        await fetch


async def a_consumer_that_stops_fetches_and_delivers_nothing(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(3))
        await bench.own()
        bench.thread.after_fetch.close()
        fetch = bench.in_background(bench.fetch())
        await settled()
        bench.consumer._stopped.set()
        bench.thread.after_fetch.open()
        assert await fetch == []
        assert await bench.fetch() == []
        assert len(bench.thread.fetches) == 1


# --- rule 2: inputs flow only between the seek that ends a recovery and the next revocation


async def inputs_do_not_flow_while_changelogs_are_read(driver: ModuleType) -> None:
    async with bench_of(driver, C, LOG) as bench:
        bench.broker.append(C, *range(3))
        bench.broker.append(LOG, *range(3))
        await bench.assign()
        await bench.begin_recovery()
        bench.consumer.resume_partitions(bench.inputs)  # recovery does this before it seeks
        assert {message.tp for message in await bench.fetch()} == {LOG}
        assert bench.position(C) == 0


async def inputs_do_not_flow_before_the_seek_although_recovery_resumes_the_flow(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(3))
        await bench.assign()
        bench.consumer.resume_flow()  # recovery found nothing to be read
        bench.consumer.resume_partitions(bench.inputs)
        assert await bench.fetch() == []
        assert bench.position(C) == 0
        await bench.consumer.perform_seek()
        assert await bench.fetch() == [], "nor before the flow is resumed after the seek"
        bench.consumer.resume_flow()
        assert offsets_of(await bench.fetch()) == [0, 1, 2]


async def inputs_do_not_flow_after_a_revocation(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(3))
        await bench.own()
        await bench.revoke()
        bench.kafka._subscription._subscription._reassignment_in_progress = False  # else aiokafka itself holds the fetch
        bench.consumer.resume_partitions(bench.inputs)  # a recovery that ends late
        bench.consumer.resume_flow()
        assert await bench.fetch() == []
        assert bench.position(C) == 0


async def inputs_do_not_flow_after_an_assignment_whose_predecessor_sought_late(driver: ModuleType) -> None:
    async with bench_of(driver, C, LOG) as bench:
        bench.broker.append(C, *range(3))
        await bench.own()
        await bench.revoke()
        await bench.consumer.perform_seek()  # of the recovery that was overtaken by the rebalance
        await bench.assign()
        await bench.begin_recovery()
        bench.consumer.resume_partitions(bench.inputs)
        assert {message.tp for message in await bench.fetch()} <= {LOG}
        assert bench.position(C) == 0


async def inputs_are_known_while_faust_rebuilds_its_topics(driver: ModuleType) -> None:
    async with bench_of(driver, C, LOG) as bench:
        bench.broker.append(C, *range(3))
        await bench.assign()
        bench.app.topics._acking_topics.clear()
        await bench.begin_recovery()
        bench.consumer.resume_partitions(bench.inputs)
        assert await bench.fetch() == []
        assert bench.position(C) == 0


async def nothing_is_owned_that_does_not_flow(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        await bench.assign()
        await bench.consumer.perform_seek()
        assert bench.consumer.positions() == {}
        assert bench.consumer.flowing() == set()
        bench.consumer.resume_flow()
        assert bench.consumer.positions() == {C: 0}
        assert bench.consumer.flowing() == {C.partition}
        await bench.revoke()
        assert bench.consumer.positions() == {}
        assert bench.consumer.flowing() == set()


# --- rule 3: the seek is explicit, to the log's start where nothing is committed


async def what_was_not_committed_is_read_again_from_the_start_of_the_log(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(5))
        await bench.own()
        assert offsets_of(await bench.fetch()) == [*range(5)]  # and never finished
        await bench.end_recovery()
        bench.broker.append(C, 5, 6)
        await bench.consume()
        assert bench.broker.committed == {C: 7}
        assert not bench.lost()


async def what_was_committed_as_nothing_is_read_from_the_start_of_the_log(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(5))
        bench.broker.committed[C] = 0
        await bench.own()
        await bench.fetch()
        await bench.end_recovery()
        await bench.consume()
        assert bench.broker.committed == {C: 5}
        assert not bench.lost()


async def a_log_whose_start_was_cut_off_is_read_from_its_start(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.starts[C] = 100
        bench.broker.append(C, *range(100, 105))
        await bench.own()
        assert bench.consumer.positions() == {C: 100}
        await bench.fetch()
        await bench.end_recovery()
        assert bench.consumer.positions() == {C: 100}
        [message] = await bench.fetch()
        assert bench.consumer.interval_of(message) == driver.Interval(100, 105)


async def what_is_committed_is_not_read_again(driver: ModuleType) -> None:
    async with bench_of(driver, C, C1) as bench:
        bench.broker.append(C, *range(5))
        bench.broker.append(C1, *range(5))
        bench.broker.committed[C] = 3
        await bench.own()
        assert {(m.tp, r.offset) for m in await bench.fetch() for r in m.value} == {(C, 3), (C, 4), *((C1, n) for n in range(5))}
        assert bench.consumer.positions() == {C: 3, C1: 0}


# --- rule 4: a paused partition stays paused; a fetch gets a copy of the active set, never an empty one


async def a_paused_partition_stays_paused_when_its_buffer_drops(driver: ModuleType) -> None:
    async with bench_of(driver, C, C1) as bench:
        bench.broker.append(C, *range(3))
        bench.broker.append(C1, *range(3))
        await bench.own()
        bench.consumer.on_buffer_full(C)
        bench.consumer.pause_partitions({C})
        bench.consumer.on_buffer_drop(C)
        assert {message.tp for message in await bench.fetch()} == {C1}
        assert bench.position(C) == 0
        bench.consumer.resume_partitions({C})
        assert offsets_of(await bench.fetch()) == [0, 1, 2]


async def a_partition_whose_buffer_was_full_flows_again(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(3))
        await bench.own()
        bench.consumer.on_buffer_full(C)
        assert await bench.fetch() == []
        bench.consumer.on_buffer_drop(C)
        assert offsets_of(await bench.fetch()) == [0, 1, 2]


async def a_partition_whose_buffer_was_full_before_a_rebalance_is_not_fetched_in_the_next_recovery(driver: ModuleType) -> None:
    async with bench_of(driver, C, C1, LOG) as bench:
        await bench.own(C, LOG)
        bench.consumer.on_buffer_full(C)
        await bench.revoke()
        await bench.assign(C1, LOG)
        await bench.begin_recovery()
        bench.consumer.on_buffer_drop(C)  # its queue is emptied by the rebalance
        await bench.end_recovery()
        await bench.fetch()
        assert bench.thread.fetches[-1] <= {C1}


async def a_fetch_on_its_way_keeps_its_partitions(driver: ModuleType) -> None:
    async with bench_of(driver, C, LOG) as bench:
        bench.broker.append(LOG, 0)
        await bench.own()
        bench.thread.before_fetch.close()
        fetch = bench.in_background(bench.fetch())
        await settled()
        bench.consumer.pause_partitions({C})  # Faust empties the very set that it has handed out
        bench.thread.before_fetch.open()
        assert await fetch == []
        assert bench.position(LOG) == 0, "aiokafka took the emptied set for every partition"


async def a_fetch_never_asks_for_no_partitions(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(3))
        await bench.assign()
        bench.consumer.resume_partitions({C})
        bench.consumer.resume_flow()
        naps = []
        bench.consumer.sleep = lambda seconds: _noted(naps, seconds)
        assert await bench.fetch() == []
        assert naps, "Faust's loop turns without a pause while nothing can be fetched"
        assert set() not in bench.thread.fetches
        assert bench.position(C) == 0, "aiokafka took no partitions for every partition"


async def _noted(naps: list[float], seconds: float) -> None:
    naps.append(seconds)


# --- rule 5: a fetched record is delivered or sought again, never dropped


async def what_a_fetch_brings_to_a_stopped_flow_is_sought_again(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(7))
        await bench.own()
        bench.thread.after_fetch.close()
        fetch = bench.in_background(bench.fetch())
        await settled()
        assert bench.position(C) == 7
        await bench.revoke()
        bench.thread.after_fetch.open()
        assert await fetch == []
        await bench.own()
        await bench.consume()
        assert bench.broker.committed == {C: 7}
        assert not bench.lost()


async def what_was_not_delivered_when_the_flow_stopped_is_sought_again(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(15))
        await bench.own()
        fetching = bench.fetching()
        _, first = await anext(fetching)
        bench.finish(first)
        bench.consumer.stop_flow()
        assert [message async for _, message in fetching] == []
        await bench.rebalance()
        await bench.consume()
        assert bench.broker.committed == {C: 15}
        assert not bench.lost()


async def what_a_seek_follows_is_sought_again_in_the_same_assignment(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(15))
        bench.broker.committed[C] = 2
        bench.durable[C] |= {0, 1}
        await bench.own()
        fetching = bench.fetching()
        _, first = await anext(fetching)
        bench.finish(first)
        await bench.commit()
        bench.consumer.stop_flow()
        assert [message async for _, message in fetching] == []
        await bench.end_recovery()
        assert bench.position(C) == 7
        await bench.consume()
        assert bench.broker.committed == {C: 15}
        assert not bench.lost()


async def _suspends_a_delivery(driver: ModuleType, over: Callable[[Bench], Awaitable[None]]) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(15))
        await bench.own()
        fetching = bench.fetching()
        await anext(fetching)  # the conductor waits for room
        await over(bench)  # and the flow is resumed before it goes on
        async for _, message in fetching:
            bench.finish(message)
        await bench.commit()
        assert not bench.lost()
        await bench.consume()
        assert bench.broker.committed == {C: 15}
        assert not bench.lost()


async def a_delivery_suspended_over_a_rebalance_does_not_go_on(driver: ModuleType) -> None:
    await _suspends_a_delivery(driver, Bench.rebalance)


async def a_delivery_suspended_over_a_seek_does_not_go_on(driver: ModuleType) -> None:
    await _suspends_a_delivery(driver, Bench.end_recovery)


async def what_was_fetched_of_a_partition_whose_buffer_fills_up_is_delivered(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(15))
        await bench.own()
        found = []
        async for _, message in bench.fetching():
            found.append(message)
            bench.consumer.on_buffer_full(C)
            bench.consumer._buffered_partitions.clear()  # as `pause_partitions` leaves it
        assert offsets_of(found) == [*range(15)]


async def what_was_read_before_a_seek_back_is_delivered_again(driver: ModuleType) -> None:
    """Faust's own loop, which skips what lies before the offset that it wrote down last."""
    async with bench_of(driver, C, LOG) as bench:
        bench.broker.append(LOG, *range(10))
        await bench.assign()
        await bench.begin_recovery()
        drain = bench.in_background(bench.consumer._drain_messages(SimpleNamespace(_stopped=asyncio.Event())))
        await settled(20)
        bench.on_message.close()
        bench.broker.append(LOG, 10)
        await _until(lambda: bench.on_message.waiting)  # the message of offset 10 is being handed on
        await bench.revoke()
        await bench.assign()
        await bench.consumer.seek_wait({LOG: 0})
        bench.received.clear()
        bench.on_message.open()  # now Faust writes down that it has read offset 10
        await settled()
        bench.consumer.resume_partitions({LOG})
        bench.consumer.resume_flow()
        await settled()
        assert offsets_of(bench.received) == [*range(11)]
        assert not drain.done()


async def _until(condition: Callable[[], Any], turns: int = 5_000) -> None:
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come to that")


# --- rule 6: intervals, and commits of their contiguous frontier


async def intervals_tile_also_over_gaps_in_the_log(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, 0, 1, 2, 3, 4, 7, 8, 9, 20, 21, 40)  # what transactions and compaction leave
        bench.broker.starts[C] = 0
        await bench.own()
        messages = await bench.fetch()
        bench.broker.append(C, 50)
        messages += await bench.fetch()
        intervals = [bench.consumer.interval_of(message) for message in messages]
        assert [(interval.begin, interval.end) for interval in intervals] == [(0, 5), (5, 22), (22, 41), (41, 51)]
        bench.finish(*messages)
        assert await bench.commit() == {C: 51}


async def the_first_interval_begins_where_was_sought(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, 0, 1, 2, 9)
        bench.broker.committed[C] = 3
        await bench.own()
        [message] = await bench.fetch()
        assert bench.consumer.interval_of(message) == driver.Interval(3, 10)
        bench.finish(message)
        assert await bench.commit() == {C: 10}


async def a_chunk_that_is_not_finished_holds_back_those_after_it(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(15))
        await bench.own()
        first, second, third = await bench.fetch()
        bench.finish(third)
        bench.finish(second)
        await bench.commit()
        assert bench.broker.committed.get(C, 0) == 0
        assert not bench.lost()
        assert bench.consumer.positions() == {C: 0}
        bench.finish(first)
        assert bench.consumer.positions() == {C: 15}
        assert await bench.commit() == {C: 15}


async def partitions_are_committed_apart(driver: ModuleType) -> None:
    async with bench_of(driver, C, C1, S) as bench:
        for tp in (C, C1, S):
            bench.broker.append(tp, *range(5))
        await bench.own()
        messages = {message.tp: message for message in await bench.fetch()}
        bench.finish(messages[C1], messages[S])
        await bench.consumer.commit({SERIALS})
        assert C1 not in bench.broker.committed
        await bench.commit()
        assert {tp: offset for tp, offset in bench.broker.committed.items() if offset} == {C1: 5, S: 5}
        assert not bench.lost()


async def a_chunk_finished_in_an_epoch_that_is_over_says_nothing(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(10))
        await bench.own()
        first, second = await bench.fetch()
        await bench.rebalance()
        assert bench.consumer.interval_of(first) is None
        bench.finish(first, second)
        await bench.commit()
        assert bench.broker.committed.get(C, 0) == 0, "whoever owns the partition now may not have read its facts"
        again = await bench.fetch()
        assert offsets_of(again) == [*range(10)]
        assert None not in map(bench.consumer.interval_of, again)
        bench.finish(*again)
        assert await bench.commit() == {C: 10}


async def a_chunk_finished_during_a_rebalance_says_nothing(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(5))
        await bench.own()
        [message] = await bench.fetch()
        await bench.revoke()
        bench.finish(message)
        await bench.commit()
        assert bench.broker.committed.get(C, 0) == 0


async def a_chunk_finished_between_assignment_and_seek_says_nothing(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(5))
        await bench.own()
        [message] = await bench.fetch()
        await bench.revoke()
        await bench.assign()
        bench.finish(message)
        await bench.commit()
        assert bench.broker.committed.get(C, 0) == 0
        await bench.begin_recovery()
        await bench.end_recovery()
        assert bench.consumer.positions() == {C: 0}


async def what_was_finished_before_a_rebalance_does_not_count_after_it(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(10))
        await bench.own()
        _, second = await bench.fetch()
        bench.finish(second)
        await bench.rebalance()
        again, _ = await bench.fetch()
        bench.finish(again)
        await bench.commit()
        assert bench.broker.committed == {C: 5}


async def what_was_delivered_before_a_seek_is_no_beginning_after_it(driver: ModuleType) -> None:
    async with bench_of(driver, C, C1) as bench:
        for tp in (C, C1):
            bench.broker.append(tp, *range(5))
        await bench.own()
        await bench.fetch()
        await bench.rebalance(C1)  # and meanwhile another worker has C
        bench.broker.append(C, *range(5, 10))
        await bench.rebalance()
        intervals = {message.tp: bench.consumer.interval_of(message) for message in await bench.fetch() if message.offset == 4}
        assert {tp: (interval.begin, interval.end) for tp, interval in intervals.items()} == {C: (0, 5), C1: (0, 5)}


async def partitions_lost_are_no_longer_told_of(driver: ModuleType) -> None:
    async with bench_of(driver, C, C1) as bench:
        await bench.own()
        await bench.rebalance(C1)
        assert bench.consumer.positions() == {C1: 0}


async def what_faust_acknowledges_is_not_committed(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(10))
        await bench.own()
        for message in await bench.fetch():
            message.incref()
            message.ack(bench.consumer)
            assert message.acked
            bench.consumer._acked[C].append(message.offset)  # and as Faust's Cython iterator does it
            bench.consumer._acked_index[C].add(message.offset)
        assert bench.consumer._acked[C]
        await bench.commit()
        assert bench.broker.committed.get(C, 0) == 0
        assert not bench.lost()
        assert not bench.consumer._acked, "and it is not kept for ever"
        assert not bench.consumer._acked_index


async def the_frontier_is_committed_without_any_acknowledgement(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(5))
        await bench.own()
        bench.finish(*await bench.fetch())
        assert not bench.consumer._acked
        assert await bench.commit() == {C: 5}


async def gaps_cost_nothing(driver: ModuleType) -> None:
    """Faust puts every missing offset into an interval tree, and later into a list."""
    async with bench_of(driver, C) as bench:
        await bench.consumer._add_gap(C, 1, 1_000_000)
        assert not bench.consumer._gap[C]


async def changelogs_are_neither_kept_nor_committed(driver: ModuleType) -> None:
    async with bench_of(driver, C, LOG) as bench:
        bench.broker.append(LOG, *range(3))
        await bench.own()
        bench.consumer.resume_partitions({LOG})
        assert offsets_of(await bench.fetch()) == [0, 1, 2]
        assert not bench.consumer._delivered
        assert bench.consumer.positions() == {C: 0}
        assert LOG not in await bench.commit()


async def chunks_that_a_rebalance_drops_are_not_kept(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(5))
        await bench.own()
        await bench.fetch()  # lies in an agent's queue, which the rebalance empties
        await bench.rebalance()
        assert not bench.consumer._delivered


async def a_chunk_of_an_old_epoch_is_not_taken_for_one_that_has_its_place_in_memory_now(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(10))
        await bench.own()
        old, _ = await bench.fetch()
        await bench.rebalance()
        new, _ = await bench.fetch()
        bench.consumer._delivered[id(old)] = bench.consumer._delivered.pop(id(new))
        assert bench.consumer.interval_of(old) is None
        bench.finish(old)
        await bench.commit()
        assert bench.broker.committed.get(C, 0) == 0


async def what_is_revoked_while_it_is_sought_is_not_committed(driver: ModuleType) -> None:
    async with bench_of(driver, C, LOG) as bench:
        bench.broker.append(C, *range(5))
        await bench.assign()
        await bench.begin_recovery()
        ask = bench.consumer.earliest_offsets

        async def revoked_meanwhile(*partitions: TP) -> Any:
            await bench.revoke()
            return await ask(*partitions)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bench.consumer, "earliest_offsets", revoked_meanwhile)
            await bench.end_recovery()
        await bench.commit()
        assert C not in bench.broker.committed


async def a_chunk_is_finished_once_and_then_forgotten(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(5))
        await bench.own()
        [message] = await bench.fetch()
        bench.finish(message)
        assert not bench.consumer._delivered


# --- commits that were refused, topics that are held back, logs that end in no records


async def what_was_refused_is_committed_again(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(5))
        await bench.own()
        bench.finish(*await bench.fetch())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bench.thread, "commit", _refuse)
            await bench.commit()
        assert not bench.broker.committed.get(C)
        assert await bench.commit() == {C: 5}


async def _refuse(*_: Any) -> bool:
    return False


async def a_topic_that_is_held_back_is_not_fetched(driver: ModuleType) -> None:
    async with bench_of(driver, C, S) as bench:
        for tp in (C, S):
            bench.broker.append(tp, *range(5))
        bench.app.held_topics = {C.topic}
        await bench.own()
        assert {message.tp for message in await bench.fetch()} == {S}
        bench.app.held_topics.clear()
        assert {message.tp for message in await bench.fetch()} == {C}


async def a_log_that_ends_in_no_records_is_read_to_its_end(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(5))
        await bench.own()
        [message] = await bench.fetch()
        bench.kafka._subscription.subscription.assignment.state_value(C).consumed_to(6)  # a marker at 5: aiokafka is past it
        await bench.consumer.pass_over_gaps()
        assert bench.consumer.positions() == {C: 0}, "nothing is passed over while something is unfinished"
        bench.finish(message)
        await bench.consumer.pass_over_gaps()
        assert bench.consumer.positions() == {C: 6}
        assert await bench.commit() == {C: 5}
        bench.broker.append(C, 6)
        [message] = await bench.fetch()
        assert bench.consumer.interval_of(message) == driver.Interval(5, 7), "the interval leaves no hole"


async def what_is_being_delivered_is_not_passed_over(driver: ModuleType) -> None:
    async with bench_of(driver, C) as bench:
        bench.broker.append(C, *range(10))
        await bench.own()
        fetching = bench.fetching()
        _, first = await anext(fetching)
        bench.finish(first)  # the second of the same fetch is still to be delivered, and aiokafka is past it
        await bench.consumer.pass_over_gaps()
        assert bench.consumer.positions() == {C: 5}
        await fetching.aclose()


# --- rule 7: a fetch comes back soon


async def _unheard(*_: Any) -> None:
    """Of a message or a rebalance nobody hears."""


async def a_fetch_that_finds_nothing_comes_back_soon(driver: ModuleType) -> None:
    transport = driver.Transport([URL("onestop://127.0.0.1:9")], create_app())
    consumer = driver.Consumer(transport, *[_unheard] * 3)
    consumer._thread.thread_loop.close()  # made for a thread that is never started
    kafka = consumer._thread._create_worker_consumer(transport)
    waits = kafka._fetch_max_wait_ms
    await kafka.stop()
    assert waits <= 100


# --- rule 8: what finds room is delivered at once


async def _fetch_into(bench: Bench, size: int) -> list[int]:
    """Fetch five records of C as five chunks into a queue of so many places; the offsets of those that Faust is left to deliver."""
    queue: asyncio.Queue[Any] = asyncio.Queue(size)
    bench.app.topics._tp_index[C] = [SimpleNamespace(queue=queue)]
    bench.consumer.callback = _put_into(queue, bench)
    bench.broker.append(C, *range(5))
    await bench.own()
    return [message.offset for message in await bench.fetch()]


def _put_into(queue: asyncio.Queue[Any], bench: Bench) -> Callable[[Any], Awaitable[None]]:
    async def deliver(message: Any) -> None:
        if not queue.full():  # Faust would wait
            queue.put_nowait(message)
            bench.received.append(message)

    return deliver


async def what_finds_room_is_delivered_at_once(driver: ModuleType) -> None:
    async with bench_of(driver, C, size=1) as bench:
        bench.app.flow_control.resume()
        assert await _fetch_into(bench, 5) == []
        assert [message.offset for message in bench.received] == [*range(5)]
        assert bench.consumer._read_offset[C] == 4
        bench.finish(*bench.received)
        assert await bench.commit() == {C: 5}


async def what_finds_no_room_is_left_to_faust_to_wait_with(driver: ModuleType) -> None:
    async with bench_of(driver, C, size=1) as bench:
        bench.app.flow_control.resume()
        assert await _fetch_into(bench, 3) == [3, 4]


async def what_may_not_flow_is_left_to_faust_to_wait_with(driver: ModuleType) -> None:
    async with bench_of(driver, C, size=1) as bench:
        assert await _fetch_into(bench, 5) == [*range(5)], "the flow is suspended as long as nobody has resumed it"


async def what_is_subscribed_anew_is_left_to_faust_to_wait_with(driver: ModuleType) -> None:
    async with bench_of(driver, C, size=1) as bench:
        bench.app.flow_control.resume()
        await bench.app.topics._tp_to_callback_lock.acquire()
        assert await _fetch_into(bench, 5) == [*range(5)]
