"""`performance.md` and its plot: what `python -m tests.benchmarks --write` measured, from `docs/performance.json`."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import models
from docpages.markdown import blocks

# The benchmarks show their own figures, and `tests` is no installed package.
sys.path.insert(0, str(Path(models.__file__).parents[1]))

from tests.benchmarks.compare import TITLES, cpu_us, spread
from tests.benchmarks.suite import NAMES, benchmark

DOCS = Path(__file__).parents[1]
PLOT = "performance.svg"
NOT_YET = "Not measured yet."
DECADES = 9  # from the least value on, at most
# In pixels.
LEFT, WIDE, RIGHT, TOP, ROW, BOTTOM = 310, 400, 150, 92, 40, 36
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip


def sections() -> dict[str, str]:
    """A section for each benchmark."""
    measured = _measured()
    return {name: _section(name, measured[name]) if name in measured else NOT_YET for name in NAMES}


def files() -> dict[str, str]:
    """The plot, once there is something to plot."""
    measured = _measured()
    return {PLOT: plot(measured["compare"])} if "compare" in measured else {}


def _measured() -> dict[str, Any]:
    return dict(orjson.loads((DOCS / "performance.json").read_bytes()))


def _section(name: str, entry: dict[str, Any]) -> str:
    shown = f"![CPU time an event of each]({PLOT})" if name == "compare" else ""
    return blocks([shown, benchmark(name).table(entry["figures"]), f"Measured {_when(entry)}."])


def _when(entry: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in entry["versions"].items())
    return f"on {entry['date']}: {entry['machine']}, load {entry['load']:.1f} before; {versions}"


@dataclass(frozen=True, slots=True)
class Bar:
    """One of the four: what it is, where it lies, the least and the greatest of its runs, and those in words."""

    title: str
    y: int
    least: float
    most: float
    text: str


class _Axis:
    """µs to pixels, on a logarithmic scale, for one of the four is far from the others; from a power of ten to a round number above all."""

    def __init__(self, values: list[float]) -> None:
        low = math.floor(math.log10(min(values)))
        steps = [step * 10.0**power for power in range(low, low + DECADES) for step in (1, 2, 5)]
        above = next(place for place, step in enumerate(steps) if place and step >= max(values))
        self._low, self._high = steps[0], steps[above]
        self.ticks = [(f"{step:g}", self.at(step)) for step in steps[: above + 1]]

    def at(self, value: float) -> float:
        """Where a value is, from the left."""
        return round(LEFT + WIDE * math.log(value / self._low) / math.log(self._high / self._low), 1)


def plot(entry: dict[str, Any]) -> str:
    """A bar up to the least run of each, and a line on to the greatest."""
    runs = {name: [cpu_us(run) for run in entry["figures"]["runs"][name]] for name in TITLES}
    axis = _Axis([value for values in runs.values() for value in values])
    bars = [
        Bar(title, TOP + ROW * place + ROW // 2, axis.at(min(runs[name])), axis.at(max(runs[name])), spread(runs[name], 1))
        for place, (name, title) in enumerate(TITLES.items())
    ]
    height = TOP + ROW * len(bars) + BOTTOM
    return _TEMPLATES.get_template("bars.svg").render(
        title="CPU time an event, µs, all threads", bars=bars, ticks=axis.ticks, left=LEFT, top=TOP, bottom=height - BOTTOM,
        width=LEFT + WIDE + RIGHT, height=height,
        subtitle=f"Bar: the least run; line: on to the greatest; logarithmic. {entry['machine']}, {entry['date']}.",
    )  # fmt: skip
