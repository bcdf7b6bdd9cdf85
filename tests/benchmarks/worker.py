"""A worker on Apache Kafka with everything on: events/s, CPU an event of all threads, time by stage; beside a stock Faust agent.

Run: python -m tests.benchmarks.worker [--events N] [--stock-events N] [--broker ADDRESS]
Starts Apache Kafka from its jars unless a broker is named. Figures are printed with machine and broker, nothing is asserted.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from models.settings import load_settings
from streams.sender import EventSender
from streams.simulator import dump, simulate_months
from tests.benchmarks.offline import machine
from tests.support.kafka import KafkaCluster, kafka_jars
from tests.support.live import System, until

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def publish(system: System, events: int) -> None:
    """Publish simulated events, without duplicates."""
    settings = load_settings(broker=system.broker, topic_prefix=system.prefix, partitions=system.partitions)
    sender = EventSender(settings)
    for event in islice(simulate_months(60, "2026-06", "2026-10", seed=1, volume=2), events):
        sender.send(event["type"], event["department"], dump(event))
    sender.flush()
    sender.close()


def metrics(port: int) -> dict[str, float]:
    """The worker's metrics by series."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def worker(system: System, events: int, port: int) -> None:
    """Let one worker consume what was published."""
    process = system.start("bench", ONESTOP_WORKER_ADDRESS=f"127.0.0.1:{port}")

    def consumed() -> float:
        try:
            return sum(value for name, value in metrics(port).items() if name.startswith("govscore_events_consumed_total"))
        except OSError:
            return 0

    until(lambda: consumed() > 0, "the first chunk")
    first, started, used = consumed(), time.monotonic(), cpu_seconds(process.pid)
    until(lambda: consumed() >= events, "everything consumed", 600)
    seconds, cpu = time.monotonic() - started, cpu_seconds(process.pid) - used
    count = events - first
    print(f"onestop worker: {count / seconds:,.0f} events/s, {cpu / count * 1e6:.1f} µs CPU an event, all threads")
    for name, value in metrics(port).items():
        if name.startswith("govscore_stage_seconds_total"):
            print(f"  {name.split('=')[1]:<14}{value / events * 1e6:8.2f} µs an event")
    system.kill("bench")


def stock(system: System, events: int) -> None:
    """Let a stock Faust application consume the same events for a while."""
    log = (system.directory / "stock.log").open("ab")
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.stock_faust",
        "--datadir",
        str(system.directory / "stock"),
        "worker",
        "-l",
        "info",
        "--without-web",
    ]
    process = subprocess.Popen(command, env=system.environment, stdout=log, stderr=log)
    from kafka import KafkaAdminClient

    def committed() -> int:
        with KafkaAdminClient(bootstrap_servers=system.broker) as admin:
            try:
                groups = admin.list_group_offsets({f"{system.prefix}stock": None})
            except Exception:
                return 0
            return sum(max(0, place.offset) for place in groups.get(f"{system.prefix}stock", {}).values())

    try:
        until(lambda: committed() > 0, "the stock agent's first commit")
        first, started, used = committed(), time.monotonic(), cpu_seconds(process.pid)
        until(lambda: committed() >= min(events, first + 30_000) or time.monotonic() > started + 40, "the stock agent", 120)
        count, seconds, cpu = committed() - first, time.monotonic() - started, cpu_seconds(process.pid) - used
        print(
            f"stock Faust agent: {count / seconds:,.0f} events/s, {cpu / max(1, count) * 1e6:.0f} µs CPU an event (parses and counts only)"
        )
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Run both on one broker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--broker")
    parser.add_argument("--port", type=int, default=19_111)
    arguments = parser.parse_args()
    print(machine())
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = arguments.broker
        if broker is None:
            broker = stack.enter_context(KafkaCluster(jars=kafka_jars())).address
            print("Apache Kafka 4.1.0, one broker, same machine")
        system = System(broker, f"bench{uuid.uuid4().hex[:6]}-", directory, partitions=12)
        stack.callback(system.close)
        system.run("topics", "create")
        publish(system, arguments.events)
        worker(system, arguments.events, arguments.port)
        stock(system, arguments.events)


if __name__ == "__main__":
    main()
