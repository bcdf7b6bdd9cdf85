"""`onestop simulate`: a believable city as JSON lines."""

import re
import sys
import time
from collections.abc import Iterable
from typing import Annotated

import typer

from streams import topics
from streams.cli.broker import unreachable
from streams.cli.support import Exit, fail, progress, say, the_settings
from streams.sender import EventSender
from streams.simulator import Event, dump, simulate_months
from streams.simulator import chaos as with_chaos

PACE_SECONDS = 0.02
MAX_DEPARTMENTS = 3_000


def simulate(
    departments: Annotated[int, typer.Option("--departments", min=1, max=MAX_DEPARTMENTS, help="How many departments.")] = 20,
    months: Annotated[str, typer.Option("--months", help="First and last month.", metavar="A..B")] = "2020-08..2020-10",
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same bytes.")] = 1,
    volume: Annotated[float, typer.Option("--volume", min=0.01, max=100, help="Multiplies the number of cases.")] = 1.0,
    rate: Annotated[float | None, typer.Option("--rate", min=0.1, help="Publish straight into Kafka, so many events a second.")] = None,
    chaos: Annotated[bool, typer.Option("--chaos", help="Shuffle, repeat and delay; the set of events stays the same.")] = False,
) -> Exit:
    """Print a simulated city's events as JSON lines, or publish them with --rate.

    Example: onestop simulate --departments 20 --months 2020-08..2020-10 --seed 1 > city.jsonl
    """
    first, last = parse_months(months)
    events = simulate_months(departments, first, last, seed, volume)
    stream = with_chaos(events, seed) if chaos else events
    if rate is not None:
        return _publish(stream, rate)
    write = sys.stdout.buffer.write
    for event in stream:
        write(dump(event) + b"\n")
    return Exit.RIGHT


def _publish(events: Iterable[Event], rate: float) -> Exit:
    settings = the_settings()
    started, sent = time.monotonic(), 0
    try:
        sender = EventSender(settings)
        with progress(say("发布事件", "publishing events"), None) as advance:
            for sent, event in enumerate(events, start=1):
                sender.send(event["type"], event["department"], dump(event))
                advance(1)
                ahead = started + sent / rate - time.monotonic()
                if ahead > PACE_SECONDS:
                    time.sleep(ahead)
        sender.flush()
        sender.close()
    except topics.UNREACHABLE as error:
        fail(unreachable(settings, error), Exit.UNREACHABLE)
    sys.stderr.write(say(f"已发布 {sent} 个事件。\n", f"{sent} events published.\n"))
    return Exit.RIGHT


def parse_months(text: str) -> tuple[str, str]:
    """The two months of `A..B`, or of a single `A`."""
    month = r"20\d\d-(?:0[1-9]|1[0-2])"
    found = re.fullmatch(rf"({month})(?:\.\.({month}))?", text)
    if found is None or (found[2] or found[1]) < found[1]:
        fail(f"--months: {text!r} should be a first and a last month, for example 2020-08..2020-10")
    return found[1], found[2] or found[1]
