"""A schedule: what a seed says about workers, records and faults, run to its end, and what must hold then."""

from __future__ import annotations

import functools
import gc
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import orjson
from faust.types import TP

import streams.driver
from models.events import TOPIC_OF_TYPE
from models.facts import DEPARTMENT, EVENT_ID, pack
from scoring.context import create_context
from streams.changelog import ChunkRecord, decode
from streams.intake import partition_of
from streams.partition import PartitionState
from streams.topics import CHANGELOG
from tests.simulation.broker import batch_of
from tests.simulation.world import EPOCH, TOPICS, World, _ruleset, _workdays, install
from tests.support.builder import History, department_code
from tests.support.faust_fakes import facts_of_events

KINDS = ("crash", "crash", "crash", "pause", "pause", "stop", "cut", "slow", "fail", "block", "block", "join", "rebalance", "rebalance")
UPSETS = ("rebalance",) * 12 + ("crash", "pause", "join", "cut", "block", "stop")
CALM_SECONDS = 60.0  # after the last fault, until which everything must be consumed
MAX_STEPS = 2_000_000


@dataclass(frozen=True)
class Append:
    """A record that is appended to an input."""

    at: float
    tp: TP
    batch: bytes
    gap: int
    fact: bytes | None  # what must be found in the changelog; None of a record that is no event


@dataclass
class Plan:
    """What a seed says."""

    seed: int
    partitions: int
    workers: int
    static: bool
    rounds: bool
    chunk: int
    queued_chunks: int
    appends: int
    latency: float
    drags: tuple[float, ...]
    slow_seconds: float
    fetch_batches: int
    starts: dict[TP, int] = field(default_factory=dict)
    records: list[Append] = field(default_factory=list)
    boots: list[float] = field(default_factory=list)
    faults: list[tuple[float, int, str, float]] = field(default_factory=list)  # at, worker, what, a number
    upsets: int = 0  # faults that come soon after a rebalance
    calm_at: float = 0.0
    max_steps: int = MAX_STEPS


@functools.cache
def pool(partitions: int) -> tuple[tuple[str, int, bytes, bytes, bytes], ...]:
    """Events to draw from: topic, right partition, key, value, fact."""
    found: list[dict[str, Any]] = []
    for number in range(10_001, 10_009):
        code = department_code(number)
        history = History(code).add("department.registered", "2020-09-01")
        for item in ("I1", "I2"):
            history.add("item.published", "2020-09-01", item=item)
        for serial in range(1, 9):
            history.case(f"S{serial}", f"I{1 + serial % 2}", issued="2020-09-02", accepted="2020-09-03", completed="2020-09-08")
        found += [event for event in history.events if TOPIC_OF_TYPE[event["type"]] in TOPICS]
    return tuple(
        (
            TOPIC_OF_TYPE[event["type"]],
            partition_of(event["department"], partitions),
            event["department"].encode(),
            orjson.dumps(event),
            pack(fact),
        )
        for event, fact in zip(found, facts_of_events(found), strict=True)
    )


def plan_of(seed: int) -> Plan:
    """What a seed says. Most schedules have a few faults, some none, some many."""
    chance = random.Random(f"{seed} plan")
    plan = Plan(
        seed,
        partitions=chance.choice((1, 2, 2, 3)),
        workers=chance.choice((1, 2, 2, 3)),
        static=chance.random() < 0.3,
        rounds=chance.random() < 0.1,
        chunk=chance.randint(2, 5),
        queued_chunks=chance.choice((1, 2, 8)),
        appends=chance.choice((1, 2, 16)),
        latency=chance.choice((0.002, 0.01, 0.05, 0.2)),
        drags=chance.choice(((0.0,), (0.0, 0.05), (0.02, 0.2), (0.5,))),
        slow_seconds=chance.choice((0.5, 2.0, 9.0)),
        fetch_batches=chance.choice((1, 3, 50)),
    )
    plan.calm_at = chance.choice((2.5, 4.0, 7.0))
    if chance.random() < 0.3:
        plan.starts = {TP(topic, number): chance.choice((0, 3, 40)) for topic in TOPICS for number in range(plan.partitions)}
    _draw_records(plan, chance)
    late = chance.random() < 0.5
    plan.boots = [0.0, *(chance.uniform(0.0, plan.calm_at if late else 1.0) for _ in range(plan.workers - 1))]
    for _ in range(chance.choice((0, 1, 2, 3, 6))):
        what = chance.choice(KINDS)
        number = {"pause": chance.uniform(0.5, 6.0), "block": chance.uniform(0.01, 3.0), "slow": chance.uniform(0.2, 3.0)}.get(
            what, chance.random()
        )
        plan.faults.append((chance.uniform(0.0, plan.calm_at), chance.randint(1, plan.workers), what, number))
    plan.upsets = chance.choice((0, 2, 5, 8))
    return plan


def _draw_records(plan: Plan, chance: random.Random) -> None:
    gaps = chance.random() < 0.3
    backlog = chance.choice((0.0, 0.5, 1.0))
    known = pool(plan.partitions)
    drawn = [chance.choice(known) for _ in range(chance.choice((15, 30, 60)))]  # some more than once: duplicates
    for topic, right, key, event, fact in drawn:
        draw = chance.random()
        partition, value, found = right, event, fact
        if draw < 0.04:
            value, found = b"no event", b""
        elif draw < 0.08:
            partition = chance.randrange(plan.partitions)  # of a producer with another partitioner
        at = 0.0 if chance.random() < backlog else chance.uniform(0.0, plan.calm_at)
        batch = batch_of(EPOCH // 1_000 + int(at * 1_000), key, value)
        gap = chance.randint(1, 4) if gaps and chance.random() < 0.2 else 0
        plan.records.append(Append(at, TP(topic, partition), batch, gap, found or None))
    plan.records.sort(key=lambda append: append.at)


@dataclass(frozen=True)
class Outcome:
    """How a schedule ended. `faults` is empty when everything held."""

    seed: int
    faults: tuple[str, ...]
    trace: tuple[str, ...]
    digest: str
    seconds: float  # of virtual time
    steps: int
    ends: tuple[str, ...]  # why processes ended themselves


class _Runner:
    def __init__(self, plan: Plan, driver: ModuleType, *, keep_trace: bool) -> None:
        self.plan = plan
        self.world = World(plan, driver, keep_trace=keep_trace)
        self.loop = self.world.loop
        self.upsets = plan.upsets
        self.chance = random.Random(f"{plan.seed} upsets")
        self.told = self.world.note
        self.world.note = self._note  # type: ignore[method-assign]

    def _note(self, text: str) -> None:
        self.told(text)
        if "group: generation" in text and self.upsets and self.loop.now < self.plan.calm_at:
            # In the middle of the recovery that follows.
            self.upsets -= 1
            what = self.chance.choice(UPSETS)
            number = self.chance.uniform(0.1, 5.0)
            worker = self.chance.randint(1, self.plan.workers)
            self.loop.at_base(self.chance.uniform(0.0, 0.6) * max(0.1, self.plan.latency * 10), self._strike, worker, what, number)

    def _strike(self, number: int, what: str, size: float) -> None:
        world = self.world
        worker = world.workers[number - 1]
        process = worker.process
        if what == "join":  # one that comes and goes: two rebalances
            if worker.wanted and len(world.workers) > 1 and process is not None:
                worker.wanted = False
                process.die()
                self.loop.at_base(2.0 * size, self._come_back, worker)
        elif what == "rebalance":
            world.broker.group.upset()
        elif process is None:
            pass
        elif what == "crash":
            self.loop.at_step(1 + int(size * 100) % 400, process.die)
        elif what == "pause":
            process.pause(size)
        elif what == "block":
            process.block(size)
        elif what == "stop":
            process.stop()
        elif what == "cut":
            process.cut()
        elif what == "slow":
            process.slow(size)
        elif what == "fail":
            process.fail_sends(0.5 + size)

    def _come_back(self, worker: Any) -> None:
        worker.wanted = True
        worker.start()

    def _append(self, record: Append) -> None:
        self.world.broker.append(record.tp, record.batch, record.gap)

    def run(self) -> Outcome:
        plan, world = self.plan, self.world
        for record in plan.records:
            if record.at == 0.0:
                self._append(record)
            else:
                self.loop.at_base(record.at, self._append, record)
        for worker, at in zip(world.workers, plan.boots, strict=True):
            self.loop.at_base(at, worker.start)
        for at, number, what, size in plan.faults:
            self.loop.at_base(at, self._strike, number, what, size)
        if not world.run(plan.calm_at + CALM_SECONDS, self._quiet):
            world.fault(f"not everything was consumed within {CALM_SECONDS:g} s after the last fault: {self._left()}")
        if not world.faults:
            for text in self._wrong():
                world.fault(text)
        outcome = Outcome(
            plan.seed, tuple(world.faults), tuple(world.trace), world.digest(), self.loop.now, self.loop.steps, tuple(world.ends)
        )
        world.loop.bury(*list(world.loop.lanes))
        return outcome

    def _left(self) -> list[str]:
        committed = self.world.broker.committed
        return [
            f"{tp.topic}-{tp.partition}: {committed.get(tp)} of {log.end}"
            for tp, log in self._inputs()
            if log.batches and committed.get(tp) != log.end
        ]

    def _inputs(self) -> Iterable[tuple[TP, Any]]:
        return [(tp, log) for tp, log in self.world.broker.logs.items() if tp.topic in TOPICS]

    def _quiet(self) -> bool:
        world = self.world
        if self.loop.now <= self.plan.calm_at or self._left():
            return False
        processes = list(world.processes())
        if len(processes) < len(world.workers) or any(
            process.main.paused or process.app is None or process.stopping for process in processes
        ):
            return False
        owned = [tp for process in processes for tp in self._owned(process)]
        if any(tp.partition not in process.pipeline.store.data for process in processes for tp in self._owned(process)):
            return False  # it is ended when that is noticed
        return sorted(owned) == sorted(tp for tp, _ in self._inputs())

    def _owned(self, process: Any) -> list[TP]:
        """What a process reads as a member of the present generation: one that was put out, and has not heard of it yet, owns nothing."""
        try:
            coordinator = process.app.consumer._thread._ensure_consumer()._coordinator
            if self.world.broker.group.fault(coordinator.member_id, coordinator.generation):
                return []
            return [] if process.app.rebalancing else list(process.app.consumer.positions())
        except Exception:  # not started yet
            return []

    def _wrong(self) -> Iterable[str]:
        """What does not hold at the end."""
        world = self.world
        for tp, log in self._inputs():
            for hole in world.intervals[tp].holes(log.start, log.end):
                yield f"{tp.topic}-{tp.partition}: {hole} is in no chunk"
        expected = {append.fact for append in self.plan.records if append.fact is not None}
        found: set[bytes] = set()
        decoded: dict[int, list[Any]] = {}
        for number in range(self.plan.partitions):
            decoded[number] = [decode(record.value) for record in world.broker.logs[TP(CHANGELOG, number)].records()]
            for record in decoded[number]:
                for fact in record.facts if isinstance(record, ChunkRecord) else ():
                    found.add(pack(fact))
                    if partition_of(fact[DEPARTMENT], self.plan.partitions) != number:
                        yield f"the fact {fact[EVENT_ID]} was folded into partition {number}, which is not its department's"
        if expected - found:
            yield f"{len(expected - found)} facts are lost"
        if found - expected:
            yield f"{len(found - expected)} facts come from nowhere"
        for process in world.processes():
            for number in sorted({tp.partition for tp in self._owned(process)}):
                yield from self._differences(process, number, decoded[number])

    def _differences(self, process: Any, number: int, records: Iterable[Any]) -> Iterable[str]:
        state = process.pipeline.store.data.get(number)
        if state is None:
            yield f"{process.name} owns partition {number} and has no state of it"
            return
        now = EPOCH + int(self.loop.now * 1_000_000)
        settings = process.pipeline.settings
        folded = PartitionState(number, create_context(_ruleset(), now, timezone=settings.timezone, workdays=_workdays()), {})
        for record in records:
            folded.apply(record)
        seen = [_summary(one, now) for one in (state, folded)]
        if seen[0] != seen[1]:
            parts = [name for name in seen[0] if seen[0][name] != seen[1][name]]
            yield f"{process.name} has another state of partition {number} than its changelog: {', '.join(parts)}"


def _summary(state: PartitionState, now: int) -> dict[str, Any]:
    city = state.city
    city.advance(now)
    city.settle()
    return {
        "facts": city._digests,
        "versions": {code: department.version for code, department in city.departments.items()},
        "counters": {code: department.counters for code, department in city.departments.items()},
        "intervals": {topic: list(intervals) for topic, intervals in state.intervals.items() if list(intervals)},
    }


def run(seed: int, driver: ModuleType = streams.driver, *, keep_trace: bool = False) -> Outcome:
    """Run the schedule of a seed, with a driver."""
    install()
    # What a dead process leaves behind must not be freed, and so run, in the middle. Nor is it afterwards: that takes as long as the
    # schedule itself, so schedules are run in batches by processes of the operating system's that end.
    gc.disable()
    return _Runner(plan_of(seed), driver, keep_trace=keep_trace).run()
