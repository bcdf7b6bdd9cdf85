"""What an event costs a worker once periods are closed: most of them are, in the life of a worker, and every further fact may adjust them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from models.instants import DAY, MILLISECOND, SECOND, parse_instant
from scoring.local_time import local_time, parse_period, period_label
from scoring.periods import records_at_closing
from streams.changelog import FrozenRecord
from streams.simulator import Event, dump, simulate_months
from streams.worker import spare_the_collector
from tests.benchmarks import compare, markdown
from tests.benchmarks.stages import Chunk, Pipeline, Stages, chunked

DEPARTMENTS = 60
LAST = "2026-10"
# By then the month before is closed by itself.
CLOSED_ON = 12 * DAY
WINDOWS = 3
Figures = dict[str, Any]


def arriving(events: Iterable[Event]) -> Iterator[Chunk]:
    """Chunks of events that arrive a second after they occurred."""
    return chunked(
        (event["type"], event["department"], dump(event), (parse_instant(event["occurred_at"]) + SECOND) // MILLISECOND) for event in events
    )


def close(pipeline: Pipeline) -> int:
    """Freeze what is closed by now; how many periods of departments that is."""
    closed = 0
    for state in pipeline.states.values():
        state.look_at_closings()
        for closing in [*state.pending_closings.values()]:
            records = [record.to_json() for record in records_at_closing(state.city, closing.department, closing.period)]
            label = period_label(closing.period)
            state.freeze(closing, FrozenRecord(state.number, closing.department, label, closing.id, closing.at, records, 0, closing.at))
            closed += 1
    return closed


def of_months(months: int, volume: float, closed: bool) -> Figures:
    """µs an event of the rest of a month, after so many that are closed or, as after loading them, are not."""
    time = local_time("Asia/Shanghai")
    last = parse_period(LAST)
    end, closed_at = time.end_of(last), time.start_of(last) + CLOSED_ON
    before: list[Event] = []
    after: list[Event] = []
    for event in simulate_months(DEPARTMENTS, period_label(last - months), LAST, seed=1, volume=volume):
        (before if parse_instant(event["occurred_at"]) < closed_at else after).append(event)
    pipeline = Pipeline(end)
    for chunk in arriving(before):
        pipeline.fold(chunk)
    pipeline.settle()
    before.clear()
    periods = close(pipeline) if closed else 0
    spare_the_collector()
    size = len(after) // WINDOWS
    runs = []
    for window in range(WINDOWS):
        found = list(arriving(after[window * size : (window + 1) * size]))
        pipeline.stages = Stages()
        for chunk in found:
            pipeline.fold(chunk)
        pipeline.settle()
        runs.append(pipeline.stages.of(size))
    return {"months": months, "periods": periods, "events": size, "runs": runs}


def measure(quick: bool, say: Callable[[str], None]) -> Figures:
    """Each city in a process of its own: what one leaves in memory is not found by the next."""
    found = []
    for months in (1, 2) if quick else (1, 12, 24):
        for closed in (False, True):
            say(f"{months} months, {'closed' if closed else 'open'}")
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                found.append(pool.submit(of_months, months, 0.02 if quick else 1.0, closed).result())
    return {"departments": DEPARTMENTS, "runs": found}


def table(figures: Figures) -> str:
    """A row for each number of months, open and closed."""
    by_months: defaultdict[int, list[Figures]] = defaultdict(list)
    for run in figures["runs"]:
        by_months[run["months"]].append(run)
    rows = []
    for months, (still_open, closed) in by_months.items():
        totals = [[sum(run.values()) for run in runs["runs"]] for runs in (still_open, closed)]
        least = min(closed["runs"], key=lambda run: sum(run.values()))
        rows.append([
            months, closed["periods"], f"{min(totals[0]):.1f}", compare.spread(totals[0], 1), f"{min(totals[1]):.1f}",
            compare.spread(totals[1], 1), f"{least['fold']:.1f} + {least['settle']:.1f}",
        ])  # fmt: skip
    titles = [
        "months before", "closed periods of departments", "none closed, least", "of all", "all closed, CPU µs an event, least", "of all",
        "of it fold + settle",
    ]  # fmt: skip
    events = WINDOWS * figures["runs"][0]["events"]
    return (
        f"{figures['departments']} departments; some {events:,} events of the last 19 days of a month, in {WINDOWS} parts, without fetching, "
        "sending and scores.\n\n" + markdown.table(titles, rows)
    )
