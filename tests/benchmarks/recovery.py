"""What a restart costs: the state of many open cases read back from the changelog's values, and from a snapshot; and what writing one costs.

Run: python -m tests.benchmarks.recovery [--cases N]. No broker takes part: the values are held in memory. Nothing is asserted.
"""

import argparse
import asyncio
import gc
import resource
import tempfile
import time
from itertools import islice
from pathlib import Path

from models.facts import pack, to_fact
from models.rulesets import default_ruleset
from models.settings import Settings
from models.wire import parse_chunk
from scoring.context import create_context
from streams.changelog import ChunkRecord, decode, encode_chunk
from streams.partition import PartitionState
from streams.snapshots import Snapshots, tail_checksum
from tests.benchmarks.offline import AS_OF, case_lines, machine

CHUNK = 1_000
EVENTS_A_CASE = 3


def changelog(cases: int) -> list[bytes]:
    """The changelog values of so many open cases."""
    values: list[bytes] = []
    lines = case_lines(cases)
    begin = 0
    while chunk := list(islice(lines, CHUNK)):
        record = ChunkRecord("cases", 0, begin, begin + len(chunk), consumed=len(chunk))
        for event in parse_chunk(chunk):
            fact = to_fact(event)  # type: ignore[arg-type]
            record.add(fact, 1_600_000_000_000, pack(fact))
        values += encode_chunk(record)
        begin += len(chunk)
    return values


def new_state() -> PartitionState:
    """A state as a worker makes one."""
    return PartitionState(0, create_context(default_ruleset(), AS_OF), {})


async def write(snapshots: Snapshots, state: PartitionState) -> None:
    """Write a snapshot, and print how long the worker is held up by it and how long the writer takes."""
    started = time.perf_counter()
    child = snapshots.begin(state)
    held_up = time.perf_counter() - started
    await snapshots.end(child)
    size = snapshots.path(0).stat().st_size
    print(
        f"snapshot written              {time.perf_counter() - started:8.2f} s, {size / 1e6:.0f} MB; the worker held up for {held_up * 1e3:.1f} ms"
    )


def run(cases: int) -> None:
    """Measure and print."""
    print(machine())
    values = changelog(cases)
    facts = cases * EVENTS_A_CASE
    print(f"{cases} open cases, {facts} facts, {len(values)} changelog records of {sum(map(len, values)) / 1e6:.0f} MB")
    gc.freeze()
    gc.set_threshold(200_000, 20, 1_000)
    state = new_state()
    started = time.perf_counter()
    for offset, value in enumerate(values):
        state.apply(decode(value))
        state.note_read(offset, tail_checksum(value))
    folded = time.perf_counter() - started
    state.city.settle()
    whole = time.perf_counter() - started
    print(f"from the changelog            {whole:8.2f} s ({facts / whole:,.0f} facts/s; without settling {facts / folded:,.0f})")
    with tempfile.TemporaryDirectory() as directory:
        snapshots = Snapshots(Settings(data_dir=Path(directory)), "changelog")
        asyncio.run(write(snapshots, state))
        del state
        gc.collect()
        again = new_state()
        started = time.perf_counter()
        header = snapshots.header(0)
        assert header is not None
        verified = time.perf_counter() - started
        snapshots.load(again)
        loaded = time.perf_counter() - started
        again.city.settle()
        print(
            f"from the snapshot             {time.perf_counter() - started:8.2f} s "
            f"(verified after {verified:.2f}, loaded after {loaded:.2f}, settled last)"
        )
    print(f"peak memory                   {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:8.2f} GB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    run(parser.parse_args().cases)
