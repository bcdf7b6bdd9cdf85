"""Whether the cost of an event stays what it is: with more workers, more departments, more open cases; and what a scrape of a large city takes.

Departments and cases are measured without a broker, over states that stay, as CPU time of one thread. Every city has about as many events,
whatever the number of its departments. What is registered when it opens is folded before: a large one would be little else.
"""

import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from models.instants import MILLISECOND
from streams import topics
from streams.clock import SystemClock
from streams.embedded import EmbeddedRedis, free_ports
from streams.pipeline import ROUND_SECONDS_CATCHING_UP, ROUND_SHARE_CATCHING_UP, pause_catching_up
from streams.serving.connection import connect
from streams.serving.layout import layout_of
from streams.serving.rows import row_of
from streams.simulator import City, dump
from streams.worker import spare_the_collector
from tests.benchmarks import compare, markdown
from tests.benchmarks.machine import cpu_seconds, peak_bytes
from tests.benchmarks.offline import AS_OF, case_lines
from tests.benchmarks.stages import PARTITIONS, Chunk, Pipeline, Stages, chunked
from tests.support.kafka import KAFKA_VERSION, KafkaCluster, kafka_jars
from tests.support.live import System, until

DAYS = 45
OPENING = timedelta(minutes=5)
# Departments times volume: so many cases have all of them together.
CASES = 80
# About what a worker that is catching up takes in between two of its rounds of scores.
ROUND_EVENTS = 300_000
# A scrape does not depend on how many cases a score is made of.
FEW_CASES = 0.01
ROUND = ("score", "publish")
SCRAPES = 20
Figures = dict[str, Any]


def city(departments: int, volume: float, events: int | None, now: int) -> tuple[Iterator[Chunk], Iterator[Chunk]]:
    """A city up to yesterday: what it opens with, and so many events after, or all. To be read one after the other."""
    start = datetime.now(ZoneInfo("Asia/Shanghai")).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
    made = City(departments, seed=1, volume=volume)

    def between(begin: datetime, end: datetime, most: int | None) -> Iterator[Chunk]:
        events = islice(made.events(begin, end), most)
        return chunked((event["type"], event["department"], dump(event), now // MILLISECOND) for event in events)

    return between(start, start + OPENING, None), between(start + OPENING, start + timedelta(days=DAYS - 1), events)


def of_departments(departments: int, events: int, rounds: int) -> Figures:
    """µs an event by stage; of the rounds the one that took the least."""
    now = SystemClock().now()
    opening, found = map(list, city(departments, CASES / departments, events, now))
    values = [record.value for _, _, records in found for record in records]
    spare_the_collector()
    runs = []
    for _ in range(rounds):
        pipeline = Pipeline(now)
        for part in (opening, found):
            pipeline.stages = Stages()
            for chunk in part:
                pipeline.fold(chunk)
            pipeline.round()
        runs.append(pipeline.stages.of(len(values)))
    totals = [round(sum(used.values()), 3) for used in runs]
    cases = sum(b'"type":"case.' in value or b'"type":"serial.' in value or b'"type":"licence.' in value for value in values)
    return {
        "departments": departments, "events": len(values), "totals": totals, "stages": runs[totals.index(min(totals))],
        "bytes_an_event": round(sum(map(len, values)) / len(values)), "of_cases": cases / len(values),
    }  # fmt: skip


def of_cases(sizes: list[int], window: int, windows: int) -> list[Figures]:
    """µs an event of folding further cases into a partition that holds so many, without scores."""
    kinds = ("serial.issued", "case.accepted", "case.ingested")
    lines = case_lines(sizes[-1] + windows * window)
    pipeline = Pipeline(AS_OF)
    department = "11439900MBCEU9EF55"

    def fold(cases: int) -> float:
        # A chunk of each type, one after the other: the serials of cases are there before they are accepted.
        found = list(zip(*[iter(islice(lines, cases * len(kinds)))] * len(kinds), strict=True))
        pipeline.stages = Stages()
        lines_of_kinds = ((kind, department, each[place], AS_OF // MILLISECOND) for place, kind in enumerate(kinds) for each in found)
        for chunk in chunked(lines_of_kinds):
            pipeline.fold(chunk)
        pipeline.settle()
        return sum(pipeline.stages.used.values()) / (cases * len(kinds)) * 1e6

    spare_the_collector()
    held, found = 0, []
    for size in sizes:
        while held < size:
            fold(step := min(window, size - held))
            held += step
        found.append({"cases": size, "us": [round(fold(window), 3) for _ in range(windows)]})
        held += window * windows
    return found


def of_scrapes(departments: int) -> Figures:
    """How long `onestop web` takes to answer a scrape, scores of this and the last month in a Redis."""
    now = SystemClock().now()
    pipeline = Pipeline(now)
    spare_the_collector()
    for chunk in chain(*city(departments, FEW_CASES, None, now)):
        pipeline.fold(chunk)
    with ExitStack() as stack:
        redis = stack.enter_context(EmbeddedRedis())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        [port] = free_ports(1)
        own = {"ONESTOP_REDIS_URL": redis.url, "ONESTOP_WEB_ADDRESS": f"127.0.0.1:{port}"}
        system = System("127.0.0.1:9", "bench-", directory, PARTITIONS, own)
        stack.callback(system.close)
        layout = layout_of(system.settings)
        messages = pipeline.round() + pipeline.statuses(now)
        with closing(connect(system.settings)) as client, client.pipeline(transaction=False) as pipe:
            for topic, key, record in messages:
                if record is not None:  # a tombstone: nothing is there
                    row = row_of(layout, topic, key.encode(), record.to_json())
                    pipe.hset(row.key, row.field, row.value)
            pipe.execute()
        web = system.start("web", "web")

        def scrape() -> int:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
                    return len(answer.read())
            except OSError:  # it does not listen yet
                return 0

        size = until(scrape, "the exporter to answer")
        seconds, before = [], cpu_seconds(web.pid)
        for _ in range(SCRAPES):
            started = time.perf_counter()
            size = scrape()
            assert size, system.logs()
            seconds.append(round(time.perf_counter() - started, 4))
        return {
            "departments": departments, "seconds": seconds, "bytes": size, "peak_bytes": peak_bytes(web.pid),
            "cpu_seconds": (cpu_seconds(web.pid) - before) / SCRAPES,
        }  # fmt: skip


def of_workers(events: int, groups: list[int], say: Callable[[str], None]) -> Figures:
    """Groups of workers, each on the same backlog."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # Kafka waits so long for further members: none begins before the others have started, and no partition changes hands.
        cluster = stack.enter_context(KafkaCluster(jars=kafka_jars(), properties={"group.initial.rebalance.delay.ms": "10000"}))
        system = System(cluster.address, "bench-", directory, PARTITIONS, compare.AS_DELIVERED)
        stack.callback(system.close)
        system.run("topics", "create")
        say(f"publishing {events:,} events")
        bench = compare.Bench(
            system, stack.enter_context(topics.admin(system.settings)), compare.publish(system, compare.simulated(events))
        )
        runs = []
        for number in groups:
            run, held = bench.workers([f"worker-{number}-{each}" for each in range(number)], "worker")
            runs.append({**run, "workers": number, "consumed": [compare.consumed(series) for series in held]})
            say(f"{number} workers: {compare.cpu_us(run):.1f} µs CPU an event")
    broker = f"Apache Kafka {KAFKA_VERSION}, one node on the same machine, {PARTITIONS} partitions"
    return {"broker": broker, "events": events, "runs": runs}


def measure(quick: bool, say: Callable[[str], None]) -> Figures:
    """What is measured in process, each time in one of its own: what one leaves in memory is not found by the next. Then the workers."""
    events, departments, scraped = (20_000, [20, 60, 200], [60, 200]) if quick else (ROUND_EVENTS, [20, 200, 3_000], [60, 3_000])
    sizes, window = ([1_000, 5_000, 20_000], 1_000) if quick else ([10_000, 100_000, 1_000_000], 10_000)

    def alone(what: str, work: Callable[..., Any], *given: Any) -> Any:
        say(what)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(work, *given).result()

    rounds = 1 if quick else 3
    return {
        "departments": [alone(f"{number:,} departments", of_departments, number, events, rounds) for number in departments],
        "cases": alone(f"{sizes[-1]:,} cases", of_cases, sizes, window, rounds),
        "window": window * 3,
        "scrapes": [alone(f"scrapes of {number:,} departments", of_scrapes, number) for number in scraped],
        "workers": of_workers(20_000 if quick else 600_000, [1, 2, 4], say),
    }


def table(figures: Figures) -> str:
    """A table each."""
    workers = figures["workers"]
    one = compare.cpu_us(workers["runs"][0])
    groups = []
    for run in workers["runs"]:
        cpu, rate, memory = compare.cpu_us(run), run["records"] / run["seconds"], run["peak_bytes"] / 1e6
        measured = [f"{run['records']:,}", compare.spread(run["consumed"])]
        groups.append([run["workers"], f"{cpu:.1f}", f"{cpu / one - 1:+.0%}", f"{rate:,.0f}", f"{memory:,.0f}", *measured])
    cities = []
    for found in figures["departments"]:
        stages, events = found["stages"], found["events"]
        in_round = sum(stages[stage] for stage in ROUND)
        alone = min(found["totals"]) - in_round
        whole = alone * (1 + in_round * events / 1e6 / pause_catching_up(in_round * events / 1e6))
        cities.append([
            f"{found['departments']:,}", f"{whole:.1f}", f"{alone:.1f}", f"{in_round * events / 1e3:,.0f}", compare.spread(found["totals"], 1),
            f"{found['of_cases']:.0%}", found["bytes_an_event"],
        ])  # fmt: skip
    folds = [(f"{found['cases']:,}", f"{min(found['us']):.1f}", compare.spread(found["us"], 1)) for found in figures["cases"]]
    scrapes = []
    for found in figures["scrapes"]:
        times = [each * 1e3 for each in (median(found["seconds"]), max(found["seconds"]), found["cpu_seconds"])]
        sizes = [f"{found['bytes'] / 1e6:.1f}", f"{found['peak_bytes'] / 1e6:,.0f}"]
        scrapes.append([f"{found['departments']:,}", *(f"{each:,.0f}" for each in times), *sizes])
    shared = ["workers", "CPU µs an event", "against one", "events/s", "peak memory, MB", "events measured", "events of each worker"]
    titles = [
        "departments",
        "CPU µs an event",
        "without rounds",
        "a round, ms",
        "with one at the end, all runs",
        "of cases",
        "bytes an event",
    ]
    return (
        f"{workers['broker']}; {workers['events']:,} events. CPU time of the whole group from its first progress on, all its workers having "
        "started before, until everything is committed and the scores are published.\n\n"
        + markdown.table(shared, groups)
        + f"\n{figures['departments'][0]['events']:,} events after the city's opening, CPU time; cities of about as many cases, so in a large one "
        f"more of all events are of other kinds. After them one round of scores, of all departments. A worker that is catching up makes one "
        f"after {ROUND_SECONDS_CATCHING_UP:.0f} s, and later where they would take more than {ROUND_SHARE_CATCHING_UP:.0%} of the time; the "
        f"first figure is with as many of them.\n\n"
        + markdown.table(titles, cities)
        + f"\n{figures['window']:,} further events of open cases folded into one partition and settled, without scores:\n\n"
        + markdown.table(["cases held before", "CPU µs an event, least", "of all"], folds)
        + f"\n`GET /metrics` of `onestop web`, uncompressed, {SCRAPES} times, the read model in Redis on the same machine:\n\n"
        + markdown.table(["departments", "p50, ms", "worst, ms", "CPU ms of its process", "answer, MB", "its peak memory, MB"], scrapes)
    )
