"""The benchmarks by name. Each is a module here that measures, and shows what it measured."""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from typing import Any, Protocol, cast

import orjson

# In the order of docs/parts/performance.md, which has a place for each.
NAMES = ("compare", "stages", "closings", "latency", "scale", "batch", "offline", "recovery", "explain")


class Benchmark(Protocol):
    """What such a module has."""

    def measure(self, quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
        """Measure; the figures, which can be written as JSON. A quick one is small: it shows that it works, and nothing else."""

    def table(self, figures: dict[str, Any]) -> str:
        """The figures as Markdown."""


def benchmark(name: str) -> Benchmark:
    """The module of a benchmark, imported only when it is asked for."""
    return cast("Benchmark", import_module(f"tests.benchmarks.{name}"))


def measure(name: str, quick: bool) -> dict[str, Any]:
    """Measure in a process of its own: neither memory nor settings of the collector that the one before left are found there."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return orjson.loads(pool.submit(_measure, name, quick).result())


def _measure(name: str, quick: bool) -> bytes:
    def say(line: str) -> None:
        print(f"{name}: {line}", file=sys.stderr, flush=True)

    return orjson.dumps(benchmark(name).measure(quick, say))
