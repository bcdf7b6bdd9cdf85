"""What a restart costs: the state of many open cases read back from the changelog's values, and from a snapshot; and what writing one costs.

No broker takes part: the values are held in memory.
"""

import asyncio
import gc
import resource
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from models.facts import pack, to_fact
from models.rulesets import default_ruleset
from models.settings import Settings
from models.wire import parse_chunk
from scoring.context import create_context
from streams.changelog import ChunkRecord, decode, encode_chunk
from streams.partition import PartitionState
from streams.snapshots import Snapshots, tail_checksum
from streams.worker import spare_the_collector
from tests.benchmarks import markdown
from tests.benchmarks.offline import AS_OF, case_lines

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


async def write(snapshots: Snapshots, state: PartitionState) -> dict[str, float]:
    """Write a snapshot: how long the worker is held up by it, how long the writer takes, and how large it is."""
    started = time.perf_counter()
    child = snapshots.begin(state)
    held_up = time.perf_counter() - started
    await snapshots.end(child)
    return {"written_s": time.perf_counter() - started, "held_up_s": held_up, "bytes": snapshots.path(0).stat().st_size}


def read_changelog(state: PartitionState, values: list[bytes]) -> dict[str, float]:
    """Fold the changelog's values into a new state."""
    started = time.perf_counter()
    for offset, value in enumerate(values):
        state.apply(decode(value))
        state.note_read(offset, tail_checksum(value))
    folded = time.perf_counter() - started
    state.city.settle()
    return {"folded_s": folded, "whole_s": time.perf_counter() - started}


def read_snapshot(state: PartitionState, snapshots: Snapshots) -> dict[str, float]:
    """Load the snapshot into a new state."""
    started = time.perf_counter()
    header = snapshots.header(0)
    assert header is not None
    verified = time.perf_counter() - started
    snapshots.load(state)
    loaded = time.perf_counter() - started
    state.city.settle()
    return {"verified_s": verified, "loaded_s": loaded, "whole_s": time.perf_counter() - started}


def measure(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Read one state back both ways."""
    cases = 100_000 if quick else 1_000_000
    say(f"making the changelog of {cases:,} cases")
    values = changelog(cases)
    spare_the_collector()
    state = new_state()
    say("reading the changelog")
    from_changelog = read_changelog(state, values)
    with tempfile.TemporaryDirectory() as directory:
        snapshots = Snapshots(Settings(data_dir=Path(directory)), "changelog")
        say("writing a snapshot and reading it")
        snapshot = asyncio.run(write(snapshots, state))
        del state
        gc.collect()
        from_snapshot = read_snapshot(new_state(), snapshots)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "cases": cases, "facts": cases * EVENTS_A_CASE, "records": len(values), "bytes": sum(map(len, values)),
        "from_changelog": from_changelog, "snapshot": snapshot, "from_snapshot": from_snapshot, "peak_bytes": peak,
    }  # fmt: skip


def table(figures: dict[str, Any]) -> str:
    """Both ways, and the snapshot's own cost."""
    facts, changelog_, snapshot = figures["facts"], figures["from_changelog"], figures["from_snapshot"]
    written = figures["snapshot"]
    rows = [
        ("from the changelog", f"{changelog_['whole_s']:.1f} s", f"{facts / changelog_['whole_s']:,.0f}"),
        ("— without settling what was folded", f"{changelog_['folded_s']:.1f} s", f"{facts / changelog_['folded_s']:,.0f}"),
        ("from a snapshot", f"{snapshot['whole_s']:.1f} s", f"{facts / snapshot['whole_s']:,.0f}"),
        ("— until it is verified", f"{snapshot['verified_s']:.1f} s", ""),
        ("— until it is loaded, before settling", f"{snapshot['loaded_s']:.1f} s", f"{facts / snapshot['loaded_s']:,.0f}"),
    ]
    return (
        f"{figures['cases']:,} open cases, {facts:,} facts, {figures['records']:,} changelog records of {figures['bytes'] / 1e6:.0f} MB; "
        f"wall-clock time.\n\n{markdown.table(['state read back', 'time', 'facts/s'], rows)}\n"
        f"Writing the snapshot of {written['bytes'] / 1e6:.0f} MB took another process {written['written_s']:.1f} s and held the worker up "
        f"for {written['held_up_s'] * 1e3:.0f} ms. Peak memory of all this, the changelog's values included: "
        f"{figures['peak_bytes'] / 1e9:.2f} GB.\n"
    )
