"""The same events from the same topics of one Apache Kafka, side by side: a worker, one that only counts, a stock Faust agent, and aiokafka alone.

Three rounds, each of the four in turn. CPU time is that of the process, all threads, from its first progress on until everything it was
given is committed and its scores are published: asking the broker for that costs the process nothing. What a worker leaves behind is deleted after it, so that the next
one finds the input topics and nothing else.
"""

import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from signal import SIGTERM
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from models.events import INPUT_TOPICS
from models.settings import Settings
from streams import topics
from streams.embedded import free_ports
from streams.kafka_clients import client_arguments
from streams.sender import EventSender
from streams.simulator import Event, dump, simulate_months
from tests.benchmarks import markdown
from tests.benchmarks.machine import cpu_seconds, peak_bytes
from tests.support.kafka import KAFKA_VERSION, KafkaCluster, kafka_jars
from tests.support.live import System, until

TITLES = {
    "worker": "(a) one worker, everything on",
    "counting": "(b) the same worker, only counting",
    "stock": "(c) a stock Faust agent, counting the same",
    "bare": "(d) aiokafka and orjson alone",
}
PARTITIONS = 12
MONTHS = 5
TIMEOUT_SECONDS = 600
POLL_SECONDS = 0.2
# Longer than a worker with a backlog pauses between its rounds.
QUIET_SECONDS = 3.0
CONSUMED = "govscore_events_consumed_total"
STAGE = 'govscore_stage_seconds_total{stage="'
# The tests' systems never pause a topic.
AS_DELIVERED = {"ONESTOP_QUARANTINE_LIMIT": str(Settings.model_fields["quarantine_limit"].default)}
Run = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """The broker with the published events."""

    system: System
    admin: KafkaAdminClient
    records: int  # in the input topics; an event of every department is one in each partition

    def committed(self, group: str) -> int:
        """The input records that a group has committed."""
        try:
            places = self.admin.list_group_offsets({group: None}).get(group, {})
        except KafkaError:  # there is no such group yet
            return 0
        inputs = {self.system.prefix + topic for topic in INPUT_TOPICS}
        return sum(max(0, offset.offset) for place, offset in places.items() if place.topic in inputs)

    def watch(self, names: Sequence[str], begun: Callable[[], int], group: str, wanted: int, quiet: float = 0) -> Run:
        """What processes use from their first progress until so many records are committed, and for so long no more scores were published.

        The time ends with the last commit: thereafter a worker pauses before it publishes.
        """
        processes = [self.system.processes[name] for name in names]
        places = [TopicPartition(self.system.prefix + "scores", number) for number in range(PARTITIONS)]
        with closing(KafkaConsumer(**client_arguments(self.system.settings))) as consumer:

            def progress() -> tuple[int, int]:
                assert all(process.poll() is None for process in processes), self.system.logs()
                return self.committed(group), sum(consumer.end_offsets(places).values())

            def used() -> float:
                return sum(cpu_seconds(process.pid) for process in processes)

            first = until(lambda: progress() and begun(), f"the first records of {', '.join(names)}")
            began, before = time.monotonic(), used()
            held, committed_at, changed_at, cpu = progress(), began, began, before
            while held[0] < min(first + wanted, self.records) or time.monotonic() - changed_at < quiet:
                assert time.monotonic() - began < TIMEOUT_SECONDS, self.system.logs()
                time.sleep(POLL_SECONDS)
                found = progress()
                if found != held:
                    changed_at, cpu = time.monotonic(), used()
                    committed_at = committed_at if found[0] == held[0] else changed_at
                    held = found
        peak = sum(peak_bytes(process.pid) for process in processes)
        return {"records": held[0] - first, "seconds": committed_at - began, "cpu_seconds": cpu - before, "peak_bytes": peak}

    def worker(self, name: str, command: str | list[str]) -> Run:
        """Let a worker consume everything."""
        found, [held] = self.workers([name], command)
        used = {series.removeprefix(STAGE)[:-2]: value for series, value in held.items() if series.startswith(STAGE)}
        return {**found, "stages": {stage: round(seconds / self.records * 1e6, 3) for stage, seconds in used.items()}}

    def workers(self, names: Sequence[str], command: str | list[str]) -> tuple[Run, list[dict[str, float]]]:
        """Let a group of workers consume everything; what they used together once all had started, and each one's metrics at the end."""
        ports = free_ports(len(names))
        group = self.system.settings.topic(topics.APP)

        def begun() -> int:
            answers = [metrics(port) for port in ports]
            return sum(map(consumed, answers)) if all(answers) else 0

        with tempfile.TemporaryDirectory() as directory:
            for name, port in zip(names, ports, strict=True):
                own = {"ONESTOP_WORKER_ADDRESS": f"127.0.0.1:{port}", "ONESTOP_DATA_DIR": f"{directory}/{name}"}
                self.system.start(name, command, **own)
            found = self.watch(names, begun, group, self.records, QUIET_SECONDS)
            held = [metrics(port) for port in ports]
            for name in names:
                self.system.kill(name, SIGTERM)
        self._forget(group)
        return found, held

    def _forget(self, group: str) -> None:
        until(lambda: self.admin.delete_groups([group])[group] == "OK", f"group {group} to be deleted")
        names = {self.system.prefix + name for name in topics.CONFIGS.keys() - set(INPUT_TOPICS)}
        self.admin.delete_topics(list(names))
        until(lambda: not names & set(self.admin.list_topics()), "the topics to be deleted")
        self.system.run("topics", "create")

    def stock(self, name: str, wanted: int) -> Run:
        """Let a stock Faust application consume so many of the records: all of them would take it minutes."""
        group = f"{self.system.prefix}{name}"
        command = [sys.executable, "-m", "tests.benchmarks.stock_faust", "--datadir", str(self.system.directory / name)]
        self.system.start(name, [*command, "worker", "--loglevel", "info", "--without-web"], STOCK_APP=group)
        found = self.watch([name], lambda: self.committed(group), group, wanted)
        self.system.kill(name)
        return found

    def bare(self) -> Run:
        """Read everything with aiokafka."""
        command = [sys.executable, "-m", "tests.benchmarks.bare_consumer"]
        done = subprocess.run(command, env=self.system.environment, stdout=subprocess.PIPE, timeout=TIMEOUT_SECONDS, check=True)
        return dict(orjson.loads(done.stdout))


def metrics(port: int) -> dict[str, float]:
    """A worker's metrics by series; none while it does not listen yet. Asked only until it has begun, for each answer costs it some ms."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return {}
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def consumed(series: dict[str, float]) -> int:
    """What a worker has consumed by its metrics."""
    return int(sum(value for name, value in series.items() if name.startswith(CONSUMED)))


def last_months(number: int) -> tuple[str, str]:
    """The first and the last of the months before this one: a worker's clock must not lie before its events."""
    last = datetime.now(ZoneInfo("Asia/Shanghai")).replace(day=1) - timedelta(days=1)
    year, month = divmod(last.year * 12 + last.month - number, 12)
    return f"{year}-{month + 1:02d}", f"{last:%Y-%m}"


def simulated(events: int) -> Iterator[Event]:
    """So many events of a city."""
    return islice(simulate_months(60, *last_months(MONTHS), seed=1, volume=2), events)


def publish(system: System, events: Iterable[Event]) -> int:
    """Publish events; how many records they are."""
    settings: Settings = system.settings
    sender = EventSender(settings)
    for event in events:
        sender.send(event["type"], event["department"], dump(event))
    sender.flush()
    sender.close()
    with closing(KafkaConsumer(**client_arguments(settings))) as consumer:
        places = [TopicPartition(settings.topic(topic), number) for topic in INPUT_TOPICS for number in range(settings.partitions)]
        return sum(consumer.end_offsets(places).values())


def measure(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Publish once, then each of the four in turn."""
    events, rounds, stock_records = (20_000, 1, 5_000) if quick else (600_000, 3, 40_000)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(KafkaCluster(jars=kafka_jars()))
        system = System(cluster.address, "bench-", directory, PARTITIONS, AS_DELIVERED)
        stack.callback(system.close)
        system.run("topics", "create")
        say(f"publishing {events:,} events")
        records = publish(system, simulated(events))
        admin = stack.enter_context(topics.admin(system.settings))
        bench = Bench(system, admin, records)
        runs: dict[str, list[Run]] = {name: [] for name in TITLES}
        for number in range(1, rounds + 1):
            for name, run in {
                "worker": lambda: bench.worker("worker", "worker"),
                "counting": lambda: bench.worker("counting", [sys.executable, "-m", "tests.benchmarks.counting_worker", "worker"]),
                "stock": lambda: bench.stock(f"stock-{number}", stock_records),  # noqa: B023
                "bare": bench.bare,
            }.items():
                runs[name].append(run())
                say(f"round {number}, {TITLES[name]}: {cpu_us(runs[name][-1]):.1f} µs CPU an event")
    broker = f"Apache Kafka {KAFKA_VERSION}, one node on the same machine, {len(INPUT_TOPICS)} topics of {PARTITIONS} partitions"
    return {"broker": broker, "events": events, "records": records, "runs": runs}


def cpu_us(run: Run) -> float:
    """CPU µs an event."""
    return float(run["cpu_seconds"] / run["records"] * 1e6)


def spread(values: list[float], digits: int = 0) -> str:
    """The least and the greatest."""
    least, most = (f"{value:,.{digits}f}" for value in (min(values), max(values)))
    return least if least == most else f"{least}–{most}"


def table(figures: dict[str, Any]) -> str:
    """The four beside each other, and the worker's time by stage."""
    rows = []
    for name, title in TITLES.items():
        runs = figures["runs"][name]
        cpu = [cpu_us(run) for run in runs]
        rate = [run["records"] / run["seconds"] for run in runs]
        rows.append([
            title, f"{min(cpu):.1f}", spread(cpu, 1), spread(rate), spread([run["peak_bytes"] / 1e6 for run in runs]),
            spread([run["records"] for run in runs]),
        ])  # fmt: skip
    titles = ["what consumes", "CPU µs an event, least", "of all runs", "events/s", "peak memory, MB", "events measured"]
    best = min(figures["runs"]["worker"], key=cpu_us)
    return (
        f"{figures['broker']}; {figures['events']:,} simulated events, {len(figures['runs']['worker'])} rounds.\n\n"
        f"{markdown.table(titles, rows)}\n"
        f"Of (a), the run of {cpu_us(best):.1f} µs: what its main thread counted by stage. Fetching, sending and Faust are not in it.\n\n"
        f"{markdown.stages(best['stages'])}"
    )
