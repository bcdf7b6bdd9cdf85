"""Mutated records, as many as are wanted: that none stops or misleads the intake, and what they cost.

Run: python -m tests.mutations [--records N] [--seed S] [--live N] [--broker ADDRESS]
In process; with --live also so many through a worker on Apache Kafka, started from its jars unless a broker is named.
"""

import argparse
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tests.benchmarks.machine import cpu_seconds
from tests.mutations.checks import Report, costs, in_process, send, verify
from tests.support.kafka import KafkaCluster, kafka_jars
from tests.support.live import System, until
from tests.support.mutations import Mutator

PARTITIONS = 4


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done) if done % 1_000 == 0 else None


def _say(report: Report, what: str, seconds: float) -> None:
    print(f"{what}: {report.records:,} records, {report.bad:,} bad, {report.records / seconds:,.0f} records/s, {len(report.faults)} faults")
    print("  " + ", ".join(f"{verdict} {number:,}" for verdict, number in report.verdicts.most_common()))
    for fault in report.faults[:20]:
        print(f"  fault: {fault}")


def _live(system: System, records: int, seed: int) -> Report:
    """One worker takes in good records, then as many mutated ones, then good ones again: what each part costs it."""
    system.run("topics", "create")
    process = system.start("worker")
    mutator = Mutator(seed, PARTITIONS)
    parts = (
        ("warm-up, good", (mutator.good() for _ in range(5_000)), 5_000),
        ("good", (mutator.good() for _ in range(records)), records),
        ("mutated", (mutator.mutated() for _ in range(records)), records),
    )
    for what, sent, total in parts:
        with _progress(f"sending {what}", total) as advance:
            used, started = cpu_seconds(process.pid), time.monotonic()
            send(system, sent, advance)
            until(lambda: not system.holes(), f"{what} records are finished", 900, logs=system.logs)
        cpu, seconds = cpu_seconds(process.pid) - used, time.monotonic() - started
        print(
            f"worker, {what}: {cpu / total * 1e6:.1f} µs CPU a record, publishing and waiting included; {total / seconds:,.0f} records/s sent and taken in"
        )
    report = verify(system)
    if process.poll() is not None:
        report.faults.append(f"the worker has ended with exit code {process.returncode}")
    return report


def main() -> int:
    """Print what was found; 1 when anything is not as it has to be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, help="mutated records in process")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--live", type=int, default=0, help="mutated records through a worker on Apache Kafka")
    parser.add_argument("--broker", help="with --live: a broker that runs, instead of starting one")
    given = parser.parse_args()
    faults = 0
    if given.records:
        started = time.monotonic()
        with _progress("mutated records", given.records) as advance:
            report = in_process(Mutator(given.seed, PARTITIONS), given.records, PARTITIONS, given.seed, advance)
        _say(report, "in process", time.monotonic() - started)
        print(
            f"  take_chunk alone: {report.records / report.seconds:,.0f} records/s, {report.seconds / report.records * 1e6:.1f} µs a record"
        )
        faults += len(report.faults)
        good, bad, kinds = costs(Mutator(given.seed + 1, 1), 20_000)
        print(f"  CPU of take_chunk: {good:.1f} µs a good record, {bad:.1f} µs a bad one; the dearest mutations:")
        for cost, name, size in kinds[:6]:
            print(f"    {name}: {cost:.1f} µs ({size:,} bytes)")
    if given.live:
        with ExitStack() as stack:
            broker = given.broker or stack.enter_context(KafkaCluster(jars=kafka_jars())).address
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            system = System(broker, f"m{uuid.uuid4().hex[:8]}-", directory, PARTITIONS)
            stack.callback(system.close)
            started = time.monotonic()
            report = _live(system, given.live, given.seed)
            _say(report, "live", time.monotonic() - started)
            faults += len(report.faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
