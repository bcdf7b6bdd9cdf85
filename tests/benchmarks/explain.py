"""Explanations over HTTP by a worker's server: how long one takes, and how long the event loop was held by it.

A department with 10,000 cases, and one with 100,000; while it is asked, a fact comes in every 10 ms.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from itertools import islice
from types import SimpleNamespace
from typing import Any

import orjson
from aiohttp import ClientSession, web

from models.facts import Fact, to_fact
from models.instants import MILLISECOND, to_instant
from models.rulesets import default_ruleset
from models.settings import Settings
from models.wire import Rejection, parse_chunk
from scoring.context import create_context
from streams.partition import PartitionState
from streams.queries import PREFIX, Queries
from streams.worker import spare_the_collector
from tests.benchmarks import markdown
from tests.support.builder import D1, History
from tests.support.desk import take

NOW = to_instant(datetime(2020, 9, 29, 4, tzinfo=timezone.utc))
FACT_SECONDS = 0.01
TICK_SECONDS = 0.001
EXPLAINED = ("case_aggregation", "licence_generation", "overdue_completion", "online_depth")


def events(cases: int) -> Iterator[dict[str, Any]]:
    """A month of cases from serial to licence, every tenth not ingested and every twentieth late."""
    yield from History(D1).items(50, "2020-08-20", promised_days=3).add("department.docking_changed", "2020-08-20").events
    for number in range(cases):
        history, serial, day = History(D1), f"LS{number:08d}", number % 20 + 1
        steps = {"issued": f"2020-09-{day:02d}", "accepted": f"2020-09-{day:02d}"}
        if number % 10:
            steps |= {"passed": f"2020-09-{day + 2:02d}"}
        if number % 5:
            steps |= {"completed": f"2020-09-{day + (8 if number % 20 == 1 else 1):02d}"}
        history.case(serial, f"I{number % 50 + 1}", **steps)
        if number % 3:
            history.add("licence.generated", f"2020-09-{day + 1:02d}", licence=serial, serial=serial)
        for place, event in enumerate(history.events):
            yield {**event, "event_id": f"{number}-{place}"}


def facts(found: Iterator[dict[str, Any]]) -> Iterator[Fact]:
    """The facts of events."""
    while some := list(islice(found, 2_000)):
        for event in parse_chunk(list(map(orjson.dumps, some))):
            assert not isinstance(event, Rejection)
            yield to_fact(event)


class Loop:
    """For how long the event loop was held at most: by the clock, and by what it used of the processor."""

    def __init__(self) -> None:
        self.worst = 0.0
        self.worst_cpu = 0.0

    async def watch(self) -> None:
        """Look at the clocks a thousand times a second."""
        while True:
            before, used = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK_SECONDS)
            self.worst = max(self.worst, time.perf_counter() - before - TICK_SECONDS)
            self.worst_cpu = max(self.worst_cpu, time.thread_time() - used)


async def feed(state: PartitionState) -> None:
    """A fact every 10 ms, settled as the rounds do."""
    for fact in facts(more()):
        take(state, fact, NOW // MILLISECOND)
        state.city.settle_some(500)
        await asyncio.sleep(FACT_SECONDS)


def more() -> Iterator[dict[str, Any]]:
    """Passed ingestions of cases that had none."""
    for number in range(0, 100_000, 10):
        [event] = History(D1).add("case.ingested", "2020-09-25", serial=f"LS{number:08d}").events
        yield {**event, "event_id": f"more-{number}"}


def quantiles(seconds: list[float]) -> dict[str, float]:
    """Of times in seconds, in ms."""
    ordered = sorted(seconds)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return {"p50": milliseconds(p50), "p99": milliseconds(p99), "worst": milliseconds(ordered[-1])}


def milliseconds(seconds: float) -> float:
    """Rounded: the clock has no more to say."""
    return round(seconds * 1e3, 1)


async def ask(client: ClientSession, what: str, url: str, asks: int, **asked: str) -> dict[str, Any]:
    """Ask some times: how long it took and held the loop, by the clock and in processor time."""
    loop, times, used = Loop(), [], []
    watching = asyncio.ensure_future(loop.watch())
    for _ in range(asks):
        started, cpu = time.perf_counter(), time.thread_time()
        async with client.get(url, params=asked) as answer:
            assert answer.status == 200, await answer.text()
            await answer.read()
        times.append(time.perf_counter() - started)
        used.append(time.thread_time() - cpu)
        await asyncio.sleep(TICK_SECONDS)
    watching.cancel()
    clock = {**quantiles(times), "held": milliseconds(loop.worst)}
    return {"asked": what, "asks": asks, "clock": clock, "processor": {**quantiles(used), "held": milliseconds(loop.worst_cpu)}}


async def department(cases: int, asks: int) -> dict[str, Any]:
    """Build a department, serve it and ask."""
    state = PartitionState(0, create_context(default_ruleset(), NOW), {})
    for fact in facts(events(cases)):
        take(state, fact, NOW // MILLISECOND)
    state.city.settle()
    spare_the_collector()
    pipeline: Any = SimpleNamespace(
        app=SimpleNamespace(rebalancing=False), owned_states=lambda: [state], store=SimpleNamespace(partition=lambda _: state)
    )
    server = web.Application()
    Queries(Settings(partitions=1), pipeline).add_routes(server)
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}{PREFIX}"
    feeding = asyncio.ensure_future(feed(state))
    async with ClientSession() as client:
        score = {"department": D1, "period": "2020-09"}
        found = [
            await ask(client, f"explain {indicator}", url + "explain", asks, **score, indicator=indicator, limit="100")
            for indicator in EXPLAINED
        ]
        full = {**score, "indicator": "case_aggregation", "limit": "500", "side": "for"}
        found.append(await ask(client, "explain case_aggregation, 500 rows", url + "explain", asks, **full))
        found.append(await ask(client, "open cases", url + "cases", asks, partitions="0", state="open", limit="100"))
        found.append(await ask(client, "counts of all indicators", url + "counts", max(1, asks // 5), **score))
    feeding.cancel()
    await runner.cleanup()
    return {"cases": cases, "answers": found}


def measure(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Ask a department of 10,000 cases, and one of 100,000."""
    found = []
    for cases, asks in ((1_000, 5),) if quick else ((10_000, 100), (100_000, 10)):
        say(f"asking a department of {cases:,} cases")
        found.append(asyncio.run(department(cases, asks)))
    return {"departments": found}


def table(figures: dict[str, Any]) -> str:
    """In processor time, which other work on the machine does not lengthen, and by the clock."""
    titles = ["asked, 100 rows", "times", "p50", "p99", "worst", "loop held", "by the clock: p50", "worst", "loop held"]
    parts = []
    for each in figures["departments"]:
        rows = [
            [answer["asked"], answer["asks"], *(f"{answer['processor'][name]:,.0f}" for name in ("p50", "p99", "worst", "held")),
             *(f"{answer['clock'][name]:,.0f}" for name in ("p50", "worst", "held"))]
            for answer in each["answers"]
        ]  # fmt: skip
        parts.append(
            f"A department with {each['cases']:,} cases; ms of processor time, and by the clock:\n\n{markdown.table(titles, rows)}"
        )
    return "\n".join(parts)
