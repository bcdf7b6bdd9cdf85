"""How long an event takes from its source into the scores topic, onto `/metrics` and onto the event stream, at 1,000 events a second.

Everything runs on one machine: Apache Kafka, Redis, a worker, the projector, `onestop web`, and whoever publishes and looks. Probes are
serials issued by departments of their own, one in each partition: each raises a count by one, so a record that counts k serials shows the
k-th probe. All times are those of one process and one clock. A probe belongs to the phase in which it was sent; it is waited for as long
as it takes.
"""

import asyncio
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from models.events import TOPIC_OF_TYPE
from models.settings import Settings
from streams.embedded import EmbeddedRedis, free_ports
from streams.intake import partition_of
from streams.kafka_clients import client_arguments
from streams.sender import EventSender
from streams.simulator import simulate_months
from tests.benchmarks import markdown
from tests.benchmarks.compare import last_months
from tests.benchmarks.explain import Loop, milliseconds, quantiles
from tests.benchmarks.machine import cpu_seconds
from tests.benchmarks.watched_worker import FILE
from tests.support.builder import History, department_code
from tests.support.kafka import KAFKA_VERSION, KafkaCluster, kafka_jars
from tests.support.live import System

PARTITIONS = 12
DEPARTMENTS = 40
RATE = 1_000
TICK_SECONDS = 0.01
EVENTS_A_TICK = round(RATE * TICK_SECONDS)
PROBE_SECONDS = 0.1
SCRAPE_SECONDS = 0.1
SHOWN_SECONDS = 120.0
GOAL_SECONDS = 0.05
INDICATOR = "case_aggregation"
PATHS = {"published": "scores topic", "metrics": "/metrics", "stream": "event stream"}
PHASES = {
    "steady": "steady",
    "joins": "a second worker joins",
    "leaves": "it leaves (SIGTERM)",
    "recovery": "the worker is killed (SIGKILL) and started again",
}
# The place of the time in an event that is still to be sent.
AT = b"@at@"


def simulate(path: Path, events: int) -> None:
    """Write the events to be published: a city's, told as if all of it happened while they are sent."""
    with path.open("wb") as file:
        for event in islice(simulate_months(DEPARTMENTS, *last_months(6), seed=1, volume=2), events):
            event.pop("due_at", None)  # by the city's own calendar it is over
            file.write(
                b"%s %s %s\n" % (event["type"].encode(), event["department"].encode(), orjson.dumps({**event, "occurred_at": AT.decode()}))
            )


def now_text() -> str:
    """The time of an event that happens now."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def publish(settings: Settings, path: Path, over: Any, told: Any) -> None:
    """Publish evenly, every 10 ms ten events, until it is over; tell how many there were, and how late each ten."""
    sender = EventSender(settings)
    late: list[float] = []
    started = time.monotonic()
    with path.open("rb") as lines:
        for number in count():
            due = started + number * TICK_SECONDS
            time.sleep(max(0.0, due - time.monotonic()))
            some = list(islice(lines, EVENTS_A_TICK))
            if over.is_set() or not some:
                break
            late.append(time.monotonic() - due)
            at = now_text().encode()
            for line in some:
                kind, department, value = line.split(b" ", 2)
                sender.send(kind.decode(), department.decode(), value.replace(AT, at))
    sender.flush()
    sender.close()
    assert over.is_set(), "too few events were simulated"
    told.send({"rate": len(late) * EVENTS_A_TICK / (time.monotonic() - started), "late": late})


@dataclass
class Probes:
    """When the k-th probe of each department was sent, and when each path showed it."""

    departments: list[str]
    sent: dict[str, list[float]] = field(init=False)
    seen: dict[str, dict[str, list[float]]] = field(init=False)

    def __post_init__(self) -> None:
        self.sent = {code: [] for code in self.departments}
        self.seen = {path: {code: [] for code in self.departments} for path in PATHS}

    def show(self, path: str, code: str, counted: int) -> None:
        """A path shows so many serials of a department, now."""
        times = self.seen[path][code]
        times += [time.monotonic()] * (counted - len(times))

    def shown(self, sent: dict[str, int]) -> bool:
        """Whether every path shows so many of each department."""
        return all(len(seen[code]) >= number for seen in self.seen.values() for code, number in sent.items())

    def between(self, begin: float, end: float) -> dict[str, Any]:
        """How long those took that were sent in that time."""
        found = {}
        for path, seen in self.seen.items():
            took = [
                shown - sent
                for code, times in self.sent.items()
                for sent, shown in zip(times, seen[code], strict=False)
                if begin <= sent < end
            ]
            found[path] = {"probes": len(took), **quantiles(took)}
        return found


class Observer:
    """Sends probes, and looks for them on every path."""

    def __init__(self, settings: Settings) -> None:
        by_partition: dict[int, str] = {}
        for code in map(department_code, count(70_001)):
            by_partition.setdefault(partition_of(code, settings.partitions), code)
            if len(by_partition) == settings.partitions:
                break
        self.probes = Probes(list(by_partition.values()))
        self.loop = Loop()
        self.scrapes: list[float] = []
        self._settings = settings
        self._period = f"{datetime.now(ZoneInfo(settings.timezone)):%Y-%m}"

    async def send(self) -> None:
        """Register the departments, then send probes to one after another for ever."""
        async with AIOKafkaProducer(**client_arguments(self._settings), acks="all") as producer:

            async def send(event: dict[str, Any]) -> float:
                topic, code = self._settings.topic(TOPIC_OF_TYPE[event["type"]]), event["department"]
                at = time.monotonic()
                await producer.send(topic, orjson.dumps(event), key=code.encode(), partition=partition_of(code, self._settings.partitions))
                return at

            histories = {code: History(code).add("department.registered", now_text()) for code in self.probes.departments}
            for history in histories.values():
                for event in history.add("department.docking_changed", now_text()).items(1, now_text()).events:
                    await send(event)
            started = time.monotonic()
            for number in count():
                await asyncio.sleep(max(0.0, started + number * PROBE_SECONDS - time.monotonic()))
                code = self.probes.departments[number % len(histories)]
                event = histories[code].add("serial.issued", now_text(), serial=f"S{number}").events[-1]
                self.probes.sent[code].append(await send(event))

    async def read_scores(self) -> None:
        """Look into the topic."""
        wanted = {f"{code}|{self._period}|{INDICATOR}".encode(): code for code in self.probes.departments}
        async with AIOKafkaConsumer(**client_arguments(self._settings), group_id=None, auto_offset_reset="earliest") as consumer:
            consumer.assign([TopicPartition(self._settings.topic("scores"), number) for number in range(self._settings.partitions)])
            while True:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    for record in records:
                        if record.key in wanted:
                            self.probes.show("published", wanted[record.key], int(orjson.loads(record.value)["denominator"]))

    async def scrape(self, client: ClientSession) -> None:
        """Look at the metrics, 100 ms after they were last answered."""
        labels = rf'indicator="{INDICATOR}",period="{self._period}",component="denominator"'
        line = re.compile(rf'^govscore_indicator_input{{department="(\w+)",{labels}}} ([\d.]+)$'.encode(), re.MULTILINE)
        while True:
            asked = time.monotonic()
            async with client.get("/metrics") as answer:
                answer.raise_for_status()
                text = await answer.read()
            self.scrapes.append(time.monotonic() - asked)
            for code, counted in line.findall(text):
                if code.decode() in self.probes.sent:
                    self.probes.show("metrics", code.decode(), int(float(counted)))
            await asyncio.sleep(SCRAPE_SECONDS)

    async def listen(self, client: ClientSession, code: str) -> None:
        """Hear of a department what the event stream says."""
        async with client.get("/api/v1/stream", params={"department": code}) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                if line.startswith(b"data: ") and INDICATOR.encode() in line:
                    record = orjson.loads(line[len(b"data: ") :])
                    if record.get("indicator") == INDICATOR and record["period"] == self._period:
                        self.probes.show("stream", code, int(record["denominator"]))
        raise ConnectionError(f"the event stream of {code} has ended")


class Bench:
    """The system, while the observer's tasks go on."""

    def __init__(self, system: System, observer: Observer, tasks: list["asyncio.Task[None]"]) -> None:
        self.system, self.observer, self._tasks = system, observer, tasks

    def start(self, name: str) -> None:
        """Start a worker."""
        command = [sys.executable, "-m", "tests.benchmarks.watched_worker", "worker"]
        data = self.system.directory / f"{name}.data"
        self.system.start(name, command, ONESTOP_DATA_DIR=str(data), **{FILE: str(self.system.directory / "held")})

    def used(self) -> dict[str, float]:
        """Processor time of the processes."""
        return {name: cpu_seconds(process.pid) for name, process in self.system.processes.items()}

    async def sleep(self, seconds: float) -> None:
        """Wait, unless a task or a process ends."""
        for failed in (await asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED))[0]:
            raise AssertionError(self.system.logs()) from failed.exception()
        assert all(process.poll() is None for process in self.system.processes.values()), self.system.logs()

    async def rest(self) -> None:
        """Until every path shows what has been sent, twice: the first time a backlog may be behind it."""
        for _ in range(2):
            await self.sleep(1)
            deadline = time.monotonic() + SHOWN_SECONDS
            sent = {code: len(times) for code, times in self.observer.probes.sent.items()}
            while not self.observer.probes.shown(sent):
                assert time.monotonic() < deadline, f"probes are not shown within {SHOWN_SECONDS:g} s\n{self.system.logs()}"
                await self.sleep(0.2)

    async def disturb(self, name: str) -> None:
        """What a phase begins with."""
        if name == "steady":
            self.observer.loop.worst = 0.0
        elif name == "joins":
            await asyncio.to_thread(self.start, "second")
        elif name == "leaves":
            await asyncio.to_thread(self.system.kill, "second", signal.SIGTERM)
        else:
            await asyncio.to_thread(self.system.kill, "first")
            await asyncio.to_thread(self.start, "first")


async def run(system: System, web: str, quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Go through the phases."""
    observer = Observer(system.settings)
    async with ClientSession(web, timeout=ClientTimeout(total=None)) as client:
        await answers(client)
        looks = [observer.read_scores(), observer.scrape(client), *(observer.listen(client, code) for code in observer.probes.departments)]
        tasks = [asyncio.create_task(each) for each in (*looks, observer.send(), observer.loop.watch())]
        bench = Bench(system, observer, tasks)
        seconds = (30, 15) if quick else (60, 600)
        times, shares = {}, {}
        try:
            bench.start("first")
            await bench.rest()
            await bench.sleep(5 if quick else 30)  # what is new once: a city's registrations, imports, caches
            for name, title in PHASES.items():
                say(title)
                begin = time.monotonic()
                before = bench.used()
                await bench.disturb(name)
                await bench.sleep(seconds[name == "steady"])
                times[name] = begin, time.monotonic()
                if name == "steady":
                    shares = {process: (used - before[process]) / (time.monotonic() - begin) for process, used in bench.used().items()}
                await bench.rest()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    noted = [tuple(map(float, line.split())) for line in (system.directory / "held").read_text().splitlines()]
    phases = {}
    for name, (begin, end) in times.items():
        held = [(clock, used) for at, clock, used in noted if begin <= at < end]
        phases[name] = {
            **observer.probes.between(begin, end),
            "seconds": round(end - begin),
            "held": milliseconds(max((clock for clock, _ in held), default=0)),
            "held_cpu": milliseconds(max((used for _, used in held), default=0)),
            "held_long": sum(clock > GOAL_SECONDS for clock, _ in held),
        }
    return {"phases": phases, "shares": shares, "scrape": quantiles(observer.scrapes), "observer_held": milliseconds(observer.loop.worst)}


async def answers(client: ClientSession) -> None:
    """Wait until the web server listens."""
    for _ in range(300):
        with suppress(ClientError):
            async with client.get("/metrics"):
                return
        await asyncio.sleep(0.2)
    raise AssertionError("the web server does not answer")


def measure(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Start everything, publish, and go through the phases."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        say("simulating")
        simulate(directory / "events", RATE * (300 if quick else 1_300))
        cluster = stack.enter_context(KafkaCluster(jars=kafka_jars()))
        redis = stack.enter_context(EmbeddedRedis())
        [port] = free_ports(1)
        web = f"127.0.0.1:{port}"
        system = System(cluster.address, "latency-", directory, PARTITIONS, {"ONESTOP_REDIS_URL": redis.url, "ONESTOP_WEB_ADDRESS": web})
        stack.callback(system.close)
        system.run("topics", "create")
        system.start("projector", "projector")
        system.start("web", "web")
        context = get_context("spawn")
        over, (heard, told) = context.Event(), context.Pipe(duplex=False)
        publisher = context.Process(target=publish, args=(system.settings, directory / "events", over, told), daemon=True)
        publisher.start()
        try:
            found = asyncio.run(run(system, f"http://{web}", quick, say))
        finally:
            over.set()
        assert heard.poll(60), "the publisher does not say what it did"
        published = heard.recv()
    broker = f"Apache Kafka {KAFKA_VERSION}, one node on the same machine, {PARTITIONS} partitions"
    return {"broker": broker, **found, "rate": published["rate"], "late": quantiles(published["late"])}


def table(figures: dict[str, Any]) -> str:
    """By phase and path; then for how long the worker's loop was held."""
    times, held = [], []
    for name, title in PHASES.items():
        phase = figures["phases"][name]
        times += [
            [f"{title}: {shown}", *(f"{phase[path][what]:,.0f}" for what in ("probes", "p50", "p99", "worst"))]
            for path, shown in PATHS.items()
        ]
        held.append([title, phase["seconds"], f"{phase['held']:,.0f}", f"{phase['held_cpu']:,.0f}", phase["held_long"]])
    late, scrape, shares = figures["late"], figures["scrape"], figures["shares"]
    return (
        f"{figures['broker']}; {figures['rate']:,.0f} events a second. Milliseconds by the clock from sending until shown:\n\n"
        f"{markdown.table(['until shown', 'probes', 'p50', 'p99', 'worst'], times)}\n"
        "The event loops of the workers, held at most, in ms:\n\n"
        f"{markdown.table(['phase', 'seconds', 'by the clock', 'in processor time', f'times above {GOAL_SECONDS * 1e3:.0f} ms'], held)}\n"
        f"`/metrics` is asked {SCRAPE_SECONDS * 1e3:.0f} ms after its last answer, and answered within {scrape['p50']:,.0f} ms (p99 "
        f"{scrape['p99']:,.0f}): its times are no finer. Events were sent {late['p50']:,.0f} ms late (p99 {late['p99']:,.0f}, worst "
        f"{late['worst']:,.0f}); the loop that looks was held {figures['observer_held']:,.0f} ms at most. Of one core, while steady, the "
        f"worker used {shares['first']:.0%}, the projector {shares['projector']:.0%}, `onestop web` {shares['web']:.0%}.\n"
    )
