"""Schedules in batches, each in a process forked for it: what schedules leave behind goes with it, and two cores are two cores.

The order of sets of texts differs from process to process unless `PYTHONHASHSEED` says otherwise, and Faust and aiokafka go through
many: so the simulation runs only with the one given here.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

import streams.driver
from tests.simulation.schedule import Outcome, run

HASH_SEED = "0"
BATCH = 20


def outcomes(
    seeds: Iterable[int], driver: Any = streams.driver, processes: int = 1, *, stop: bool = False, batch: int = BATCH
) -> Iterator[Outcome]:
    """Run schedules in batches, several at once; as they end. `stop`: begin no more after one that failed."""
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        raise RuntimeError(f"the simulation needs PYTHONHASHSEED={HASH_SEED}")
    left = iter(seeds)
    failed = False
    with selectors.DefaultSelector() as selector:
        running = 0
        while True:
            while running < processes and not failed and (some := list(islice(left, batch))):
                pid, pipe = _fork(some, driver)
                selector.register(pipe, selectors.EVENT_READ, pid)
                running += 1
            if not running:
                return
            for key, _ in selector.select():
                pipe: Any = key.fileobj
                line = pipe.readline()
                if line:
                    outcome = Outcome(
                        **{name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(line).items()}
                    )
                    failed = failed or (stop and bool(outcome.faults))
                    yield outcome
                else:
                    selector.unregister(pipe)
                    pipe.close()
                    running -= 1
                    if os.waitpid(key.data, 0)[1]:
                        raise RuntimeError("a batch of schedules ended with an error; its traceback is above")


def _fork(seeds: list[int], driver: Any) -> tuple[int, Any]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            for seed in seeds:
                os.write(writing, json.dumps(asdict(run(seed, driver))).encode() + b"\n")
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    return pid, os.fdopen(reading, "rb", buffering=0)


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m tests.simulation`, for tests."""
    line = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, **environment})
