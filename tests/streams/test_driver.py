"""The driver's rules, each with what happens without it.

`RULES` (`tests/support/driver_rules.py`) says of each rule which edit of `streams/driver.py` undoes it, and which scenario (`driver_scenarios.py`
beside it) that loses. Every scenario runs twice: on
the driver, where its assertions must hold, and on the edited driver, where one of them must fail. So no rule can be dropped without
a failing test, and no test here can pass for the wrong reason.

Faust's and aiokafka's classes are the real ones; see `tests/support/faust_fakes.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher
from faust.transport.drivers import by_url

import streams.driver
from tests.support.driver_rules import RULES, SCENARIOS, Rule, driver_without
from tests.support.driver_scenarios import C1, LOG, C, S, Scenario
from tests.support.faust_fakes import bench_of


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_rule(scenario: Scenario) -> None:
    await scenario(streams.driver)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
async def test_without_the_rule_the_scenario_fails(rule: Rule) -> None:
    with pytest.raises(AssertionError):
        await rule.scenario(driver_without(rule))


def test_every_rule_of_the_module_is_in_the_table() -> None:
    assert streams.driver.__doc__ is not None
    told = {int(line[0]) for line in streams.driver.__doc__.splitlines() if line[:2] in {f"{n}." for n in range(1, 10)}}
    assert {rule.number for rule in RULES} == told


# --- what the rules rest on


async def test_aiokafka_takes_no_partitions_for_every_partition() -> None:
    async with bench_of(streams.driver, C) as bench:
        bench.broker.append(C, 0, 1)
        await bench.assign()
        fetcher: Fetcher = bench.kafka._fetcher
        assert {*await fetcher.fetched_records(set())} == {C}


async def test_aiokafka_keeps_how_long_a_fetch_waits_where_the_driver_sets_it() -> None:
    kafka = AIOKafkaConsumer(fetch_max_wait_ms=7)
    await kafka.stop()
    assert kafka._fetch_max_wait_ms == 7


async def test_faust_hears_of_rebalances() -> None:
    async with bench_of(streams.driver, C, C1) as bench:
        await bench.own()
        assert bench.consumer._get_active_partitions() == {C, C1}
        await bench.revoke()
        assert bench.consumer._get_active_partitions() == set()
        await bench.assign(C1)
        assert (bench.assigned, bench.consumer._paused_partitions) == ([{C, C1}, {C1}], {C1})


async def test_aiokafka_does_not_seek_where_nothing_is_committed() -> None:
    async with bench_of(streams.driver, C) as bench:
        bench.broker.append(C, 0, 1)
        await bench.assign()
        await bench.kafka._fetcher.fetched_records({C})
        assert await bench.kafka.seek_to_committed() == {C: None}
        assert bench.position(C) == 2


def test_brokers_named_onestop_have_this_driver() -> None:
    assert by_url("onestop://127.0.0.1:9") is streams.driver.Transport
    assert streams.driver.Transport.Consumer is streams.driver.Consumer


# --- and over any history of rebalances


@pytest.mark.parametrize("seed", range(12))
async def test_nothing_is_lost_whatever_happens_in_whatever_order(seed: int) -> None:
    """Random appends, fetches, finishes in any order, commits, rebalances, seeks: what is committed is durable, and all is read."""
    import random

    chance = random.Random(seed)
    async with bench_of(streams.driver, C, C1, S, LOG, size=3) as bench:
        await bench.own()
        ends = dict.fromkeys((C, C1, S), 0)
        open_chunks: list[Any] = []
        fetching: Any = None
        for _ in range(300):
            step = chance.choice(("append", "append", "fetch", "fetch", "fetch", "finish", "finish", "commit", "rebalance", "buffer"))
            if step == "append":
                tp = chance.choice((C, C1, S))
                offset = ends[tp] + chance.choice((0, 0, 0, 3))
                bench.broker.append(tp, offset)
                ends[tp] = offset + 1
            elif step == "fetch":  # or go on with the one there is: Faust's loop has one at a time
                fetching = fetching or bench.fetching()
                try:
                    open_chunks.append((await anext(fetching))[1])
                except StopAsyncIteration:
                    fetching = None
            elif step == "finish" and open_chunks:
                bench.finish(open_chunks.pop(chance.randrange(len(open_chunks))))
            elif step == "commit":
                await bench.commit()
            elif step == "buffer":
                tp = chance.choice((C, C1, S))
                bench.consumer.on_buffer_full(tp)
                bench.consumer.on_buffer_drop(tp)
            elif step == "rebalance" and chance.random() < 0.3:
                await bench.revoke()
                if open_chunks:
                    bench.finish(open_chunks.pop())
                await bench.commit()
                await bench.own()
            assert not bench.lost()
        await bench.rebalance()
        if fetching is not None:
            assert [message async for _, message in fetching] == []
        await bench.consume()
        assert {tp: offset for tp, offset in bench.broker.committed.items() if offset} == {tp: end for tp, end in ends.items() if end}
        assert not bench.lost()
