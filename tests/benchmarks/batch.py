"""A year of a city at once: `onestop score` from a file, and `onestop recount` from Apache Kafka, as processes and with all cores.

All of the year that is recounted has been published and taken in by one worker before; only the recount is measured, the broker's CPU not in
it. Whatever the commands start is in their figures. No terminal is attached, so their progress bars are not drawn.
"""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, TopicPartition

from models.events import TOPIC_OF_TYPE
from models.identifiers import EVERY_DEPARTMENT
from models.settings import Settings
from streams import topics
from streams.embedded import EmbeddedRedis, free_ports
from streams.intake import partition_of
from streams.kafka_clients import client_arguments
from streams.serving.connection import connect
from streams.serving.layout import layout_of
from tests.benchmarks import compare, markdown
from tests.support.kafka import KAFKA_VERSION, KafkaCluster, kafka_jars
from tests.support.live import ONESTOP, System, until

DEPARTMENTS = 60
MONTHS = 12
# Of the year: what is to be recounted in less than a minute on two cores. The worker that takes them in before needs some 5 GB (of 2,000,000: 1.3 GB).
RECOUNTED = 8_000_000
BATCH_BYTES = 256 * 1024
LOOK_SECONDS = 0.2
# A department's scores are published once more within so long of its last event.
QUIET_SECONDS = 15.0
Figures = dict[str, Any]


def timed(arguments: list[str], output: Path, environment: dict[str, str]) -> Figures:
    """Run a command to its end: what it and all that it started used."""
    began, peak = time.monotonic(), 0
    with output.open("wb") as file, subprocess.Popen([*ONESTOP, *arguments], env=environment, stdout=file) as process:
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, sum(map(resident, family(process.pid))))
            time.sleep(LOOK_SECONDS)
        seconds, process.returncode = time.monotonic() - began, os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 1), arguments  # 1: a recount has found a difference
    return {
        "seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime, "largest_bytes": usage.ru_maxrss * 1024, "peak_bytes": peak,
    }  # fmt: skip


def family(pid: int) -> list[int]:
    """A process and all that it started, as far as they are there."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(each for child in children for each in family(int(child)))]


def resident(pid: int) -> int:
    """Resident bytes of a process; 0 when it has just ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


async def publish(settings: Settings, lines: Iterable[bytes]) -> int:
    """Publish events; how many records they are. By batches, with aiokafka: event by event kafka-python would take longer than all the rest."""
    producer = AIOKafkaProducer(**client_arguments(settings), acks="all", max_batch_size=BATCH_BYTES)
    await producer.start()
    filling: dict[tuple[str, int], Any] = {}
    sent: list[asyncio.Future[Any]] = []
    records = 0
    for line in lines:
        event = orjson.loads(line)
        record = {"key": event["department"].encode(), "value": line.rstrip(), "timestamp": None}
        topic, every = settings.topic(TOPIC_OF_TYPE[event["type"]]), event["department"] == EVERY_DEPARTMENT
        for number in range(settings.partitions) if every else [partition_of(event["department"], settings.partitions)]:
            records += 1
            batch = filling.get((topic, number))
            if batch is None or batch.append(**record) is None:
                if batch is not None:
                    sent.append(await producer.send_batch(batch, topic, partition=number))
                batch = filling[topic, number] = producer.create_batch()
                batch.append(**record)
    sent += [await producer.send_batch(batch, topic, partition=number) for (topic, number), batch in filling.items()]
    await asyncio.gather(*sent)
    await producer.stop()
    return records


def recount(file: Path, most: int, directory: Path, say: Callable[[str], None]) -> Figures:
    """Have a worker and a projector take in what is published, end them, and recount it."""
    with ExitStack() as stack:
        cluster = stack.enter_context(KafkaCluster(jars=kafka_jars()))
        redis = stack.enter_context(EmbeddedRedis())
        system = System(cluster.address, "bench-", directory, compare.PARTITIONS, {**compare.AS_DELIVERED, "ONESTOP_REDIS_URL": redis.url})
        stack.callback(system.close)
        system.run("topics", "create")
        settings = system.settings
        say(f"publishing {most:,} events")
        began = time.monotonic()
        with file.open("rb") as lines:
            records = asyncio.run(publish(settings, islice(lines, most)))
        publishing = time.monotonic() - began
        say(f"published in {publishing:.0f} s; a worker takes them in")
        bench = compare.Bench(system, stack.enter_context(topics.admin(settings)), records)
        [port] = free_ports(1)
        system.start("worker", "worker", ONESTOP_WORKER_ADDRESS=f"127.0.0.1:{port}")
        system.start("projector", "projector")
        begun, group = lambda: compare.consumed(compare.metrics(port)), settings.topic(topics.APP)
        taken = bench.watch(["worker"], begun, group, records, QUIET_SECONDS)
        client = stack.enter_context(closing(connect(settings)))
        consumer = stack.enter_context(closing(KafkaConsumer(**client_arguments(settings))))
        places = [TopicPartition(settings.topic("scores"), number) for number in range(compare.PARTITIONS)]

        def projected() -> bool:
            held = client.hgetall(layout_of(settings).offsets)
            return all(int(held.get(b"scores|%d" % place.partition, 0)) >= end for place, end in consumer.end_offsets(places).items())

        until(projected, "the projector to have written all scores")
        system.close()
        say("recounting")
        run = timed(["recount", "--json"], directory / "recount.json", system.environment)
        found = orjson.loads((directory / "recount.json").read_bytes())
        told = {name: found[name] for name in ("records", "mismatches", "not_compared")}
        return {**run, "events": found["events"], "publishing_seconds": publishing, "worker": taken, **told}


def measure(quick: bool, say: Callable[[str], None]) -> Figures:
    """Simulate the year once, score it, recount it."""
    volume, recounted = ("0.05", 100_000) if quick else ("3.6", RECOUNTED)
    with tempfile.TemporaryDirectory() as held:
        directory = Path(held)
        file = directory / "year.jsonl"
        environment = System("127.0.0.1:9", "bench-", directory).environment
        first, last = compare.last_months(MONTHS)
        say("simulating a year")
        arguments = ["simulate", "--departments", str(DEPARTMENTS), "--months", f"{first}..{last}", "--volume", volume]
        simulated = timed(arguments, file, environment)
        with file.open("rb") as lines:
            events = sum(1 for _ in lines)
        say(f"scoring {events:,} events")
        as_of = datetime.now(timezone.utc).isoformat()
        scored = timed(["score", str(file), "--as-of", as_of, "--json"], directory / "scores.jsonl", environment)
        scored["records"] = (directory / "scores.jsonl").read_bytes().count(b"\n")
        say(f"scored in {scored['seconds']:.1f} s")
        recounting = recount(file, recounted, directory, say)
        return {
            "departments": DEPARTMENTS, "months": MONTHS, "events": events, "bytes": file.stat().st_size, "cores": os.cpu_count(),
            "simulate": simulated, "score": {**scored, "events": events}, "recount": recounting,
        }  # fmt: skip


def table(figures: Figures) -> str:
    """The commands beside each other."""
    rows = []
    for name in ("simulate", "score", "recount"):
        run = figures[name]
        events = run.get("events", figures["events"])
        rows.append([
            f"`onestop {name}`", f"{events:,}", f"{run['seconds']:.1f}", f"{run['cpu_seconds']:.1f}", f"{run['cpu_seconds'] / run['seconds']:.2f}",
            f"{run['cpu_seconds'] / events * 1e6:.1f}", f"{events / run['seconds']:,.0f}", f"{run['largest_bytes'] / 1e6:,.0f}",
            f"{run['peak_bytes'] / 1e6:,.0f}",
        ])  # fmt: skip
    titles = ["command", "events", "s", "CPU s", "cores used", "CPU µs an event", "events/s", "largest process, MB", "all processes, MB"]
    recounted, worker = figures["recount"], figures["recount"]["worker"]
    return (
        f"{figures['departments']} departments, {figures['months']} months, a file of {figures['bytes'] / 1e6:,.0f} MB; {figures['cores']} cores; "
        f"starting the program is in the time. What is resident in all processes together was asked for {1 / LOOK_SECONDS:.0f} times a second.\n\n"
        f"{markdown.table(titles, rows)}\n"
        f"`score` printed {figures['score']['records']:,} scores. `recount` read from Apache Kafka {KAFKA_VERSION}, "
        f"one node on the same machine, {compare.PARTITIONS} partitions, and compared {recounted['records']:,} scores: "
        f"{recounted['mismatches']} different, {recounted['not_compared']} not compared. Worker and projector had ended. Before, publishing had "
        f"taken {recounted['publishing_seconds']:.0f} s ({recounted['events'] / recounted['publishing_seconds']:,.0f} events/s), and one worker "
        f"{worker['seconds']:.0f} s to take everything in ({worker['records'] / worker['seconds']:,.0f} events/s).\n"
    )
