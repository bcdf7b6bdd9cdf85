"""A worker of which a file tells when its event loop was held, for how long, and how much of that it used of the processor.

Run by latency.py; everything else is `onestop worker`.
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import streams.worker
from streams.app import create_app as create_unwatched
from streams.cli.main import main

FILE = "LATENCY_HELD_FILE"
TICK_SECONDS = 0.002
NOTED_SECONDS = 0.01


async def watch() -> None:
    """Look at the clocks every 2 ms; a line for each time the loop was held: when, for how long by the clock, and in processor time."""
    with Path(os.environ[FILE]).open("a", buffering=1) as file:  # line by line: what was noted outlives a kill
        while True:
            at, used = time.monotonic(), time.thread_time()
            await asyncio.sleep(TICK_SECONDS)
            held = time.monotonic() - at - TICK_SECONDS
            if held > NOTED_SECONDS:
                file.write(f"{at} {held} {time.thread_time() - used}\n")


def create_app(composition: Any) -> Any:
    """The application, watched from its start on."""
    app, pipeline = create_unwatched(composition)
    app.at_start.append(watch)
    return app, pipeline


if __name__ == "__main__":
    streams.worker.create_app = create_app  # type: ignore[attr-defined]  # imported there
    main()
