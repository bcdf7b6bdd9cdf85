"""Measures speed and memory, and asserts nothing.

Without `--write` the figures are only printed. With it they go into docs/performance.json, beside those of the benchmarks that were not
run, and docs/performance.md is written anew.
"""

import argparse
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson

from tests.benchmarks.machine import machine, versions
from tests.benchmarks.suite import NAMES, benchmark, measure

DOCS = Path(__file__).parents[2] / "docs"
FIGURES = DOCS / "performance.json"


def keep(name: str, entry: dict[str, Any]) -> None:
    """Put what was measured into the file, at once: an hour's figures are not lost with the next benchmark."""
    held = {**orjson.loads(FIGURES.read_bytes()), name: entry}
    ordered = {each: held[each] for each in NAMES if each in held}
    FIGURES.write_bytes(orjson.dumps(ordered, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def main() -> int:
    """Measure one after another; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; all of them where none is named")
    parser.add_argument("--quick", action="store_true", help="small: shows that it works, its figures mean nothing")
    parser.add_argument("--write", action="store_true", help="write docs/performance.json and docs/performance.md")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in NAMES]:
        parser.error(f"there is no benchmark {', '.join(unknown)}: choose from {', '.join(NAMES)}")
    if given.quick and given.write:
        parser.error("figures of a quick run mean nothing and are not written: leave out --quick or --write")
    print(f"{machine()}; {', '.join(' '.join(each) for each in versions().items())}", flush=True)
    for name in (each for each in NAMES if each in given.names or not given.names):
        # The load before tells whether the machine was left alone.
        about = {"date": f"{datetime.now(timezone.utc):%Y-%m-%d}", "machine": machine(), "load": os.getloadavg()[0], "versions": versions()}
        figures = measure(name, given.quick)
        print(f"\n## {name}\n\n{benchmark(name).table(figures)}", flush=True)
        if given.write:
            keep(name, {**about, "figures": figures})
    return subprocess.run([sys.executable, DOCS / "generate.py"], check=False).returncode if given.write else 0


if __name__ == "__main__":
    sys.exit(main())
