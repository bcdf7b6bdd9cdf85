"""`python -m tests.simulation --schedules 2000 --seed 1`: run schedules until one fails; `--replay SEED` shows what one does."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter

from tests.simulation.batches import HASH_SEED, outcomes


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=2_000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="the first one's; each has the next")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many run at once")
    parser.add_argument("--replay", type=int, metavar="SEED", help="run this one schedule and print its trace")
    parser.add_argument("--mutant", metavar="RULE", help="with a driver that lacks a rule: its id in tests/support/driver_rules.py")
    parser.add_argument("--digests", action="store_true", help="print the digest of each trace")
    arguments = parser.parse_args()
    driver = _driver(arguments.mutant)
    if arguments.replay is not None:
        return _replay(arguments.replay, driver)
    return _many(arguments, driver)


def _driver(mutant: str | None) -> object:
    import streams.driver

    if mutant is None:
        return streams.driver
    from tests.support.driver_rules import RULES, driver_without

    found = [rule for rule in RULES if rule.id == mutant]
    if not found:
        raise SystemExit(f"no rule has the id {mutant!r}; there are:\n" + "\n".join(rule.id for rule in RULES))
    return driver_without(found[0])


def _replay(seed: int, driver: object) -> int:
    from tests.simulation.schedule import run

    outcome = run(seed, driver, keep_trace=True)  # type: ignore[arg-type]
    print(*outcome.trace, sep="\n")
    print(f"digest {outcome.digest}")
    return _ended(bool(outcome.faults))


def _many(arguments: argparse.Namespace, driver: object) -> int:
    seeds = range(arguments.seed, arguments.seed + arguments.schedules)
    failed: list[int] = []
    ends: Counter[str] = Counter()
    done, began, seconds = 0, time.monotonic(), 0.0
    digests = {}
    for outcome in outcomes(seeds, driver, arguments.processes, stop=True):
        done += 1
        seconds += outcome.seconds
        ends.update(outcome.ends)
        digests[outcome.seed] = outcome.digest
        if outcome.faults:
            failed.append(outcome.seed)
        if sys.stderr.isatty() and done % 10 == 0:
            rate = done / (time.monotonic() - began)
            left = (len(seeds) - done) / rate
            print(f"\r{done} of {len(seeds)} schedules, {rate:.0f} a second, {left:.0f} s left ", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if arguments.digests:
        for seed, digest in sorted(digests.items()):
            print(seed, digest)
    print(
        f"{done} schedules, {seconds:.0f} s of their time, in {time.monotonic() - began:.0f} s; {sum(ends.values())} processes ended themselves"
    )
    if not failed:
        return 0
    seed = min(failed)
    print(f"schedule {seed} failed; `python -m tests.simulation --replay {seed}` shows it again:")
    if os.fork() == 0:  # a schedule leaves much behind
        _replay(seed, driver)
        sys.stdout.flush()
        os._exit(0)
    os.wait()
    return 1


def _ended(failed: bool) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(failed))  # without waiting for what the schedule has left behind to be collected


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        # The order of sets of texts is part of what a seed says.
        os.execve(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": HASH_SEED})
    sys.exit(main())
