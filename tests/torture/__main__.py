"""`python -m tests.torture --minutes 30 --seed 1`: the live system on Apache Kafka under faults, compared with what was sent."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from tests.torture.bed import Counts, Options, Servers, Teller
from tests.torture.run import run_schedule, run_start, starts_of
from tests.torture.schedule import make_schedule

EVENTS = 300_000


def main() -> int:
    """Run, and end with 0 when nothing was lost, double or wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="about how long; recoveries and checks come on top")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--partitions", type=int, default=6)
    parser.add_argument("--standby", type=int, choices=(0, 1), default=0)
    parser.add_argument("--kind", choices=("schedule", "starts"), default="schedule")
    parser.add_argument("--rate", type=float, help=f"events a second; such that about {EVENTS} are sent, at most 400")
    parser.add_argument("--backlog", type=int, default=25_000, help="events before a fresh start")
    parser.add_argument("--early-finish", action="store_true", help="put a fault into the workers, to see that it is found")
    parser.add_argument("--directory", type=Path, help="for logs; a temporary one, removed when all is right")
    parser.add_argument("--plan", action="store_true", help="print the schedule and end")
    asked = parser.parse_args()
    seconds = asked.minutes * 60
    steps = make_schedule(asked.seed, seconds, workers=asked.workers, brokers=asked.brokers)
    if asked.plan or asked.kind == "schedule":
        print("\n".join(map(str, steps)), flush=True)
    if asked.plan:
        return 0
    rate = asked.rate or min(400.0, EVENTS / seconds)
    directory = asked.directory or Path(tempfile.mkdtemp(prefix="onestop-torture-"))
    options = Options(
        seed=asked.seed, brokers=asked.brokers, workers=asked.workers, partitions=asked.partitions, standby=asked.standby, rate=rate,
        planned=int(2 * rate * seconds) if asked.kind == "schedule" else asked.backlog, early_finish=asked.early_finish,
        directory=directory,
    )  # fmt: skip
    tell, total = Teller(), Counts()
    try:
        with Servers(asked.brokers) as servers:
            tell(f"{asked.brokers} brokers at {servers.cluster.address}, Redis at {servers.redis.address}")
            if asked.kind == "schedule":
                total = run_schedule(servers, options, seconds, tell)
            else:
                end = time.monotonic() + seconds
                while time.monotonic() < end or not total.starts:
                    total.add(run_start(servers, starts_of(options, total.starts), asked.backlog, tell))
    except Exception as error:
        total.add(getattr(error, "counts", Counts()))
        result = f"WRONG ({type(error).__name__})"
    else:
        result = "right"
        if asked.directory is None:
            shutil.rmtree(directory, ignore_errors=True)
    print(f"{asked.kind} seed={asked.seed} brokers={asked.brokers} standby={asked.standby} {total} result={result}", flush=True)
    return 0 if result == "right" else 1


if __name__ == "__main__":
    raise SystemExit(main())
