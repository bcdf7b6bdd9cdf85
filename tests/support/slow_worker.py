"""A worker whose agents are slow, for the fault that fast ones hide: python -m tests.support.slow_worker."""

import asyncio
import sys
from typing import Any

from streams.cli.main import run
from streams.pipeline import Pipeline

SLOW_SECONDS = 0.05

_process = Pipeline.process


async def slowly(self: Pipeline, topic: str, message: Any) -> None:
    """As `process`, after a while."""
    await asyncio.sleep(SLOW_SECONDS)
    await _process(self, topic, message)


if __name__ == "__main__":
    Pipeline.process = slowly  # type: ignore[method-assign]
    sys.exit(run(["worker"]))
