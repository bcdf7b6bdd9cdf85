"""`onestop score` by stage on one core, and the memory of a case in a fold of a million cases."""

import gc
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timezone
from functools import partial
from itertools import islice
from multiprocessing import get_context
from typing import Any

import orjson

from models.facts import to_fact
from models.instants import to_instant
from models.rulesets import default_ruleset
from models.wire import parse_chunk, parse_facts
from scoring.city import City
from scoring.context import create_context
from scoring.scores import score_city
from streams.simulator import dump, simulate_months
from tests.benchmarks import markdown

CHUNK = 2_000
AS_OF = to_instant(datetime(2021, 3, 1, tzinfo=timezone.utc))


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


def by_stage(events: int) -> dict[str, Any]:
    """The time of scoring by stage, a chunk at a time as the program does it."""
    lines = [dump(event) for event in islice(simulate_months(20, "2020-08", "2020-12", seed=1, volume=4), events)]
    count = len(lines)
    gc.collect()
    gc.disable()
    stages = Stages()
    city = City(create_context(default_ruleset(), AS_OF))
    for place in range(0, count, CHUNK):
        chunk = lines[place : place + CHUNK]
        facts = stages.timed("parse and validate", partial(parse_facts, chunk))
        stages.timed("index and fold", partial(city.take_each, facts))
    stages.timed("settle the counters", city.settle)
    stages.timed("score", lambda: score_city(city))
    gc.enable()
    used = {stage: round(seconds / count * 1e6, 3) for stage, seconds in stages.used.items()}
    return {"events": count, "bytes_an_event": round(sum(map(len, lines)) / count), "stages": used}


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


def memory(cases: int) -> int:
    """Bytes a case, its index of event ids included."""
    gc.collect()
    gc.disable()
    before = resident()
    city = City(create_context(default_ruleset(), AS_OF))
    lines = case_lines(cases)
    while chunk := list(islice(lines, CHUNK)):
        for event in parse_chunk(chunk):
            city.take(to_fact(event))  # type: ignore[arg-type]
    city.settle()
    return round((resident() - before) / cases)


def measure(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Score simulated events, then fold open cases."""
    events, cases = (20_000, 20_000) if quick else (400_000, 1_000_000)
    say(f"scoring {events:,} events")
    found = by_stage(events)
    say(f"folding {cases:,} cases")
    # In a process of its own: memory freed by the first part would be used again and hide the growth.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return {**found, "cases": cases, "bytes_a_case": pool.submit(memory, cases).result()}


def table(figures: dict[str, Any]) -> str:
    """The stages, and what they and the memory come to."""
    rate = 1e6 / sum(figures["stages"].values())
    return (
        f"{figures['events']:,} simulated events of {figures['bytes_an_event']} bytes, CPU time: {rate:,.0f} events/s on one core.\n\n"
        f"{markdown.stages(figures['stages'])}\n"
        f"An open case of three events in memory, its event ids included: {figures['bytes_a_case']:,} bytes, over {figures['cases']:,} cases.\n"
    )
