"""A worker whose clock tells what a file says, for closings: python -m tests.support.clocked_worker.

`TEST_CLOCK` names a file with an instant in microseconds and when it was written (both by `set_clock`); the clock runs on from there.
`TEST_SLOW`, in seconds, makes its agents slow. That the clock jumps is what such a test wants; `TEST_JUMP`, in seconds, is from where on
the worker minds as it does in production.
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import streams.clock
from streams.cli.main import run
from streams.clock import SystemClock
from streams.pipeline import Pipeline

_process = Pipeline.process


def set_clock(path: Path, instant: int) -> None:
    """Let the clocks that read the file tell an instant from now on."""
    aside = path.with_suffix(".new")
    aside.write_text(f"{instant} {time.time_ns() // 1_000}")
    aside.replace(path)


def read_clock(path: Path) -> int:
    """What the clocks that read the file tell."""
    instant, written = map(int, path.read_text().split())
    return instant + time.time_ns() // 1_000 - written


def _now(_: SystemClock) -> int:
    return read_clock(Path(os.environ["TEST_CLOCK"]))


async def _slowly(self: Pipeline, topic: str, message: Any) -> None:
    await asyncio.sleep(float(os.environ["TEST_SLOW"]))
    await _process(self, topic, message)


if __name__ == "__main__":
    SystemClock.now = _now  # type: ignore[method-assign]
    streams.clock.JUMP_SECONDS = float(os.environ.get("TEST_JUMP", "inf"))  # type: ignore[assignment]
    if os.environ.get("TEST_SLOW"):
        Pipeline.process = _slowly  # type: ignore[method-assign]
    sys.exit(run(["worker"]))
