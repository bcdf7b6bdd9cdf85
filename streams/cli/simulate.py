"""`onestop simulate`: a believable city as JSON lines."""

import re
import sys
from typing import Annotated

import typer

from streams.cli.support import Exit, fail
from streams.simulator import chaos as with_chaos
from streams.simulator import dump, simulate_months

MAX_DEPARTMENTS = 3_000


def simulate(
    departments: Annotated[int, typer.Option("--departments", min=1, max=MAX_DEPARTMENTS, help="How many departments.")] = 20,
    months: Annotated[str, typer.Option("--months", help="First and last month.", metavar="A..B")] = "2020-08..2020-10",
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same bytes.")] = 1,
    volume: Annotated[float, typer.Option("--volume", min=0.01, max=100, help="Multiplies the number of cases.")] = 1.0,
    chaos: Annotated[bool, typer.Option("--chaos", help="Shuffle, repeat and delay; the set of events stays the same.")] = False,
) -> Exit:
    """Print a simulated city's events as JSON lines.

    Example: onestop simulate --departments 20 --months 2020-08..2020-10 --seed 1 > city.jsonl
    """
    first, last = parse_months(months)
    events = simulate_months(departments, first, last, seed, volume)
    write = sys.stdout.buffer.write
    for event in with_chaos(events, seed) if chaos else events:
        write(dump(event) + b"\n")
    return Exit.RIGHT


def parse_months(text: str) -> tuple[str, str]:
    """The two months of `A..B`, or of a single `A`."""
    month = r"20\d\d-(?:0[1-9]|1[0-2])"
    found = re.fullmatch(rf"({month})(?:\.\.({month}))?", text)
    if found is None or (found[2] or found[1]) < found[1]:
        fail(f"--months: {text!r} should be a first and a last month, for example 2020-08..2020-10")
    return found[1], found[2] or found[1]
