"""`onestop score` by stage on one core, and the memory of a case in a fold of a million cases.

Run: python -m tests.benchmarks.offline [--events N] [--cases N]. Figures are printed with the machine, nothing is asserted.
"""

import argparse
import gc
import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from itertools import islice
from typing import Any

import orjson

from models.facts import to_fact
from models.instants import to_instant
from models.rulesets import default_ruleset
from models.wire import parse_chunk
from scoring.city import City
from scoring.context import create_context
from scoring.scores import score_city
from streams.simulator import dump, simulate_months

CHUNK = 2_000
AS_OF = to_instant(datetime(2021, 3, 1, tzinfo=timezone.utc))


def machine() -> str:
    """The machine in a line."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


class Stages:
    """CPU time by stage, added up over chunks."""

    def __init__(self) -> None:
        self.used: dict[str, float] = {}

    def timed(self, stage: str, work: Callable[[], Any]) -> Any:
        """Do the work and count its time."""
        start = time.process_time()
        result = work()
        self.used[stage] = self.used.get(stage, 0.0) + time.process_time() - start
        return result

    def show(self, count: int) -> None:
        """Print the stages a line."""
        for stage, used in self.used.items():
            print(f"{stage:<28}{used / count * 1e6:8.2f} µs an event")
        total = sum(self.used.values())
        print(f"{'all of it':<28}{total / count * 1e6:8.2f} µs an event: {count / total:,.0f} events/s on one core")


def by_stage(events: int) -> None:
    """Split the time of scoring by stage, a chunk at a time as the program does it."""
    lines = [dump(event) for event in islice(simulate_months(20, "2020-08", "2020-12", seed=1, volume=4), events)]
    count = len(lines)
    print(f"{count} simulated events of {sum(map(len, lines)) / count:.0f} bytes")
    gc.collect()
    gc.disable()
    stages = Stages()
    city = City(create_context(default_ruleset(), AS_OF))
    for place in range(0, count, CHUNK):
        chunk = lines[place : place + CHUNK]
        events_of_chunk = stages.timed("parse and validate", lambda: parse_chunk(chunk))  # noqa: B023
        facts = stages.timed("to facts", lambda: list(map(to_fact, events_of_chunk)))  # noqa: B023
        stages.timed("index and fold", lambda: [city.take(fact) for fact in facts] and None)  # noqa: B023
    stages.timed("settle the counters", city.settle)
    stages.timed("score", lambda: score_city(city))
    stages.show(count)
    gc.enable()


def resident() -> int:
    """Resident bytes of this process."""
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def case_lines(cases: int) -> Iterator[bytes]:
    """Open cases as lines: issued, accepted, ingested."""
    department = "11439900MBCEU9EF55"
    for number in range(cases):
        day, second = number % 28 + 1, number % 60
        when = f"2020-09-{day:02d}T10:00:{second:02d}+08:00"
        common = {"department": department, "occurred_at": when, "source": "bench", "serial": f"LS{number:012d}"}
        for place, extra in enumerate(
            (
                {"type": "serial.issued", "item": f"I{number % 50}"},
                {"type": "case.accepted", "item": f"I{number % 50}", "acceptance_no": f"SL{number:012d}"},
                {"type": "case.ingested", "qc": "passed"},
            )
        ):
            yield orjson.dumps({"event_id": f"{number * 4 + place:032x}", **common, **extra})


def memory(cases: int) -> None:
    """Memory a case, its index of event ids included."""
    gc.collect()
    gc.disable()
    before = resident()
    city = City(create_context(default_ruleset(), AS_OF))
    lines = case_lines(cases)
    while chunk := list(islice(lines, CHUNK)):
        for event in parse_chunk(chunk):
            city.take(to_fact(event))  # type: ignore[arg-type]
    city.settle()
    print(f"{cases} open cases of three events: {(resident() - before) / cases:.0f} bytes a case")
    gc.enable()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--cases", type=int, default=1_000_000)
    arguments = parser.parse_args()
    print(machine())
    by_stage(arguments.events)
    # In a process of its own: memory freed by the first part would be used again and hide the growth.
    process = multiprocessing.get_context("spawn").Process(target=memory, args=(arguments.cases,))
    process.start()
    process.join()
