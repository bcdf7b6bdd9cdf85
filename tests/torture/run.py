"""Runs: a schedule of faults, or fresh starts on a backlog, until the time is over; and what came of it."""

from __future__ import annotations

import time
import traceback
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from tests.torture.bed import Bed, Counts, Options, Servers, Teller, WrongError
from tests.torture.schedule import make_schedule

if TYPE_CHECKING:
    from collections.abc import Callable

STANDING = ("recover", "check")  # steps while which the schedule's clock stands


def run_schedule(servers: Servers, options: Options, seconds: float, tell: Teller) -> Counts:
    """Faults in the middle of traffic; the counts, also of what is wrong.

    Raises:
        WrongError: something is lost, double or wrong.
    """
    steps = make_schedule(options.seed, seconds, workers=options.workers, brokers=options.brokers)
    with Bed(servers, options, tell) as bed:
        tell(f"logs in {bed.directory}")

        def act() -> None:
            bed.traffic.resume()
            stood = time.monotonic()  # the schedule's second 0; moved on while it stands
            for step in steps:
                while time.monotonic() - stood < step.second:
                    bed.tick()
                    tell.progress(bed, f"second {time.monotonic() - stood:.0f} of the schedule")
                if step.action in STANDING:
                    since = time.monotonic()
                    bed.recover() if step.action == "recover" else bed.check()
                    stood += time.monotonic() - since
                else:
                    bed.do(step)

        return _whole(bed, act, tell)


def run_start(servers: Servers, options: Options, backlog: int, tell: Teller) -> Counts:
    """A fresh group on a backlog: workers that join seconds apart before the first commit, with no fault at all.

    Raises:
        WrongError: something is lost, double or wrong.
    """
    rng = Random(f"start|{options.seed}")
    with Bed(servers, options, tell) as bed:

        def act() -> None:
            bed.counts.starts = 1
            bed.traffic.publish(backlog)
            for slot in range(1, options.workers + 1):
                bed.wanted.add(slot)
                until = time.monotonic() + rng.choice((0.0, 0.3, 1.0, 2.0, 4.0, 7.0)) * rng.uniform(0.5, 1.5)
                while time.monotonic() < until:
                    bed.tick()
            bed.check()

        return _whole(bed, act, tell)


def _whole(bed: Bed, act: Callable[[], None], tell: Teller) -> Counts:
    try:
        act()
        if bed.counts.odd_ends:
            raise WrongError(f"{bed.counts.odd_ends} processes ended as no process may: {bed.directory}")
    except Exception as error:
        report = str(error) if isinstance(error, WrongError) else traceback.format_exc()
        (bed.directory / "failure.txt").write_text(f"{bed.options}\n{bed.counts}\n{report}\n")
        tell(f"WRONG with seed {bed.options.seed}: {bed.counts}\n{report}\nLogs and {bed.directory}/failure.txt are kept.")
        error.counts = bed.counts  # type: ignore[attr-defined]
        raise
    return bed.counts


def starts_of(options: Options, number: int) -> Options:
    """The options of one of many starts: half of them with slow agents."""
    return replace(options, seed=options.seed * 1_000 + number, slow_seconds=0.05 if number % 2 else 0.0)
