"""Several workers of the production classes in one process: an application each, on one broker, one loop, one clock.

Of the worker everything runs but the network, the metrics' server, and the threads: `create_app`, the driver, Faust's application with
its agents, conductor, tables, recovery and consumer thread (a lane of the loop), the pipeline, the watchdog, and, where the schedule
says so, the publishing rounds. A process that ends is started again, as whoever supervises workers does.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import random
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import aiokafka.client
import faust
import faust.utils.terminal
import mode.services
import mode.threads
import mode.timers
import mode.utils.logging
import mode.utils.queues
from faust.types import TP

import streams.app
import streams.fatal
import streams.pipeline
import streams.worker
from models.rulesets import default_ruleset
from models.settings import Settings
from scoring.workdays import published_workdays
from streams.app import Composition, create_app
from streams.changelog import ChunkRecord, Parts, decode
from streams.chunks import chunk_scheduler
from streams.driver import ConsumerThread
from streams.intervals import Intervals
from streams.metrics import WorkerMetrics
from streams.topics import CHANGELOG, OUTPUT_TOPICS
from tests.simulation.broker import Broker, records_of
from tests.simulation.loop import LANE, SimLoop

TOPICS = ("catalogue", "serials", "cases")  # of the input topics; the others would cost time and find nothing more
EPOCH = 1_600_560_000_000_000  # 20 September 2020, µs: all events of the pool lie before it, in its month
SESSION_SECONDS = 2.0  # a fifth of the real one, and so are the other times of which it matters which is longer
REQUEST_SECONDS = 8.0
WATCH_SECONDS, STALLED_SECONDS = 1.0, 12.0
STOP_SECONDS = 10.0  # after SIGTERM, until SIGKILL


class EndedError(BaseException):
    """What comes after `os._exit`: nothing; it unwinds the step that called it, of a process that is dead already."""


# --- what is replaced below the production classes, once for this operating system process

world_now: World  # the simulation that runs


class _Ordered(dict[Any, None]):
    """A set in the order of its additions: one of objects is in the order of their addresses."""

    def add(self, item: Any) -> None:
        self[item] = None

    def discard(self, item: Any) -> None:
        self.pop(item, None)

    def pop(self, *item: Any) -> Any:
        return super().pop(*item) if item else self.popitem()[0]


def _virtual_time() -> float:
    return world_now.loop.now


@functools.cache
def install() -> None:
    """Virtual clocks, orders that do not depend on addresses, the broker's connections, the end of a process."""
    logging.disable(logging.CRITICAL)
    clock = SimpleNamespace(
        monotonic=_virtual_time, perf_counter=_virtual_time, thread_time=_virtual_time, time=_virtual_time, time_ns=time.time_ns,
        sleep=time.sleep,
    )  # fmt: skip
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("aiokafka", "faust", "mode", "streams") and module is not None:
            for attribute in ("monotonic", "perf_counter"):
                if getattr(module, attribute, None) is getattr(time, attribute):
                    setattr(module, attribute, _virtual_time)
            if getattr(module, "time", None) is time:
                module.time = clock  # type: ignore[attr-defined]
    for function in (mode.services.Service.itertimer, mode.timers.Timer.__init__):
        function.__kwdefaults__["clock"] = _virtual_time
    _order(mode.services.Service, "_futures")
    _order(mode.utils.queues.FlowControlQueue, "_pending_pressure_drop_callbacks")
    mode.utils.queues.WeakSet = _Ordered
    mode.threads.ServiceThread._keepalive2 = _nothing
    faust.App._create_directories = lambda _: None  # nothing is written to disk
    aiokafka.client.create_conn = _connect
    mode.utils.logging.CompositeLogger.log = _no_log  # formatting what nobody reads costs a tenth of the time
    faust.utils.terminal.logtable = _no_log
    streams.fatal.os = SimpleNamespace(_exit=_exit, execvp=_start_over)
    streams.fatal.log = SimpleNamespace(critical=_critical)
    streams.fatal.logging = SimpleNamespace(shutdown=lambda: None)
    streams.app.INPUT_TOPICS = streams.pipeline.INPUT_TOPICS = TOPICS
    streams.app.SESSION_SECONDS = streams.pipeline.SESSION_SECONDS = SESSION_SECONDS
    streams.worker.WATCH_SECONDS, streams.worker.STALLED_SECONDS = WATCH_SECONDS, STALLED_SECONDS


def _order(owner: type, attribute: str) -> None:
    made = owner.__init__

    @functools.wraps(made)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        setattr(self, attribute, _Ordered(dict.fromkeys(getattr(self, attribute))))

    owner.__init__ = init  # type: ignore[method-assign]


async def _nothing(*_: Any) -> None:
    """In place of what only keeps real threads awake."""


def _no_log(*_: Any, **__: Any) -> str:
    return ""


async def _connect(*args: Any, **kwargs: Any) -> Any:
    return await world_now.broker.connect(*args, **kwargs)


def _critical(text: str, reason: str, *_: Any) -> None:
    world_now.ends.append(reason)
    world_now.note(f"{world_now.present_process().name}: {reason}")


def _exit(_code: int) -> None:
    process = world_now.present_process()
    if not process.dead:
        process.die()
    raise EndedError


def _start_over(_file: str, _command: list[str]) -> None:
    process = world_now.present_process()
    process.worker.rests = SESSION_SECONDS * 1.5
    _exit(0)


@functools.cache
def _composition(worker: str | None, partitions: int) -> Composition:
    given: dict[str, Any] = {"partitions": partitions, "broker": "broker:9", "replication": 1}
    if worker is not None:
        given["worker_id"] = worker
    return Composition(Settings(**given), _ruleset(), _workdays(), _Clock(), _metrics())


_ruleset = functools.cache(default_ruleset)
_workdays = functools.cache(published_workdays)
_metrics = functools.cache(WorkerMetrics)


class _Clock:
    def now(self) -> int:
        return EPOCH + int(world_now.loop.now * 1_000_000)


@functools.cache
def _transport(driver: ModuleType) -> type[Any]:
    class Consumer(driver.Consumer):  # type: ignore[misc,name-defined]
        def _new_consumer_thread(self) -> _Thread:
            return _Thread(self, loop=self.loop, beacon=self.beacon, thread_loop=self.loop, Worker=_LaneWorker)

    return type("Transport", (driver.Transport,), {"Consumer": Consumer})


class _Thread(ConsumerThread):
    """Faust's consumer thread, in a lane of the loop instead of a thread of its own."""

    @mode.services.Service.task
    async def _thread_keepalive(self) -> None:
        """Nothing falls asleep here."""

    def on_crash(self, *_: Any, **__: Any) -> None:
        """It would print; the trace says it."""

    async def _gather_remaining_tasks(self) -> None:
        """They are all the loop's."""


class _LaneWorker:
    def __init__(self, service: Any) -> None:
        self.service = service

    def start(self) -> None:
        lane = world_now.present_process().thread
        lane.spawn(world_now.loop, self._serve())

    async def _serve(self) -> None:
        try:
            await self.service._serve()
        except Exception:
            self.service.set_shutdown()

    def stop(self) -> None:
        """There is no thread to join."""


# --- workers


class Process:
    """One life of a worker."""

    def __init__(self, world: World, worker: Worker) -> None:
        worker.lives += 1
        self.world, self.worker = world, worker
        self.name = f"{worker.name}.{worker.lives}"
        self.dead = False
        self.connections: dict[Any, None] = {}
        self.main, self.thread = world.loop.new_lane(f"{self.name}/main"), world.loop.new_lane(f"{self.name}/thread")
        self.main.process = self.thread.process = self
        self.main.drag, self.thread.drag = (world.loop.chance.choice(world.plan.drags) for _ in range(2))
        self.app: Any = None
        self.pipeline: Any = None
        self.stopping = False
        self.slow_until = self.failing_until = 0.0
        self.main.spawn(world.loop, self._run())

    async def _run(self) -> None:
        world = self.world
        self.app, self.pipeline = app, pipeline = create_app(_composition(self.worker.static_id, world.plan.partitions))
        pipeline.process = functools.partial(self._process, pipeline.process)
        transport = _transport(world.driver)
        app.transport = transport(app.conf.broker_consumer, app)
        app.producer_transport = transport(app.conf.broker_producer, app)
        app.conf.broker_request_timeout = REQUEST_SECONDS
        if world.plan.rounds:
            app.at_start.append(self._rounds)
        app.at_start.append(self._watch)
        pipeline.gatekeeper.enforce()  # nothing is paused; the control topic is another test's matter
        try:
            await app.start()
            await app._crashed.wait()
            world.note(f"{self.name}: crashed: {app._crash_reason!r}"[:300])
        except Exception as error:  # a worker that could not start starts again
            world.note(f"{self.name}: could not start: {error!r}"[:300])
        await self._stop()

    async def _process(self, process: Any, topic: str, message: Any) -> None:
        """A chunk may be taken in only with the whole state: what is a duplicate is known from it."""
        changelog = TP(CHANGELOG, message.partition)
        highwater = self.app.tables.recovery.active_highwaters.get(changelog)
        state = self.pipeline.store.data.get(message.partition)
        held = 0 if state is None else state.recovered_to
        taken_in = self.app.consumer.interval_of(message) is not None and self.pipeline.store.owns(message.partition)
        if taken_in and (highwater is None or held <= highwater):
            self.world.fault(
                f"{self.name} takes in {message.tp} {message.offset} having read only {held} records of its changelog, before {highwater}"
            )
        await process(topic, message)

    async def _rounds(self) -> None:
        try:
            await self.app.tables.wait_until_tables_registered()
            await self.pipeline.run_rounds()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            streams.fatal.end_process(f"publishing failed: {type(error).__name__}: {error}")

    async def _watch(self) -> None:
        await streams.worker.watch(self.app, self.pipeline)

    async def _stop(self) -> None:
        if not self.stopping:
            self.stopping = True
            self.world.loop.at_base(STOP_SECONDS, self.die)
            try:
                await self.app.stop()
            except Exception as error:
                self.world.note(f"{self.name}: stopping failed: {error!r}"[:300])
            self.die()

    def stop(self) -> None:
        """SIGTERM."""
        if not self.dead and self.app is not None:
            self.world.note(f"{self.name}: told to stop")
            self.main.spawn(self.world.loop, self._stop())

    def die(self) -> None:
        """SIGKILL, or the end."""
        if not self.dead:
            self.dead = True
            self.world.note(f"{self.name}: dead")
            self.world.loop.bury(self.main, self.thread)
            self.connections.clear()
            self.worker.ended(self)

    def pause(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after some time."""
        if not self.dead and not self.main.paused:
            self.world.note(f"{self.name}: paused for {seconds:.3f} s")
            self.main.paused = self.thread.paused = True
            self.world.loop.at_base(seconds, self._go_on)

    def _go_on(self) -> None:
        self.main.paused = self.thread.paused = False
        if not self.dead:
            self.world.note(f"{self.name}: goes on")

    def block(self, seconds: float) -> None:
        """Something long keeps the main thread busy; the consumer's thread goes on."""
        if not self.dead and not self.main.paused:
            self.main.paused = True
            self.world.loop.at_base(seconds, lambda: setattr(self.main, "paused", self.thread.paused))

    def cut(self) -> None:
        """Its connections break."""
        self.world.note(f"{self.name}: connections cut")
        for connection in list(self.connections):
            connection.cut()

    def slow(self, seconds: float) -> None:
        """The network is slow for some time."""
        self.slow_until = self.world.loop.now + seconds

    def fail_sends(self, seconds: float) -> None:
        """The broker refuses what it sends, now and then."""
        self.failing_until = self.world.loop.now + seconds


class Worker:
    """A place for a process, and who starts it again."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.name = f"w{number}"
        self.static_id = self.name if world.plan.static else None
        self.lives = 0
        self.rests = 0.0  # how long it waits before it is started again
        self.process: Process | None = None
        self.wanted = True

    def start(self) -> None:
        if self.wanted and self.process is None:
            self.process = Process(self.world, self)
            self.world.note(f"{self.process.name}: starts")

    def ended(self, _process: Process) -> None:
        self.process = None
        rests, self.rests = self.rests, 0.0
        self.world.loop.at_base(rests + self.world.loop.chance.uniform(0.0, 1.5), self.start)


class World:
    """See the module. `plan` is what the seed says; `faults` collects what is wrong."""

    def __init__(self, plan: Any, driver: ModuleType, *, keep_trace: bool = False) -> None:
        global world_now  # noqa: PLW0603  # the classes that are replaced have no other way to it
        install()
        world_now = self
        self.plan, self.driver = plan, driver
        self.keep_trace = keep_trace
        self.trace: list[str] = []
        self._digest = hashlib.blake2b(digest_size=16)
        self.faults: list[str] = []
        random.seed(plan.seed)  # aiokafka shuffles the partitions of a fetch
        self.loop = SimLoop(random.Random(f"{plan.seed} runs"))
        topics = {**dict.fromkeys(TOPICS, plan.partitions), **dict.fromkeys(OUTPUT_TOPICS, plan.partitions), CHANGELOG: plan.partitions}
        self.broker = Broker(self.loop, self, topics)
        for tp, start in plan.starts.items():
            log = self.broker.logs[tp]
            log.start = log.end = start
        streams.app.QUEUED_CHUNKS = plan.queued_chunks
        streams.app.chunk_scheduler = functools.partial(chunk_scheduler, size=plan.chunk)
        streams.pipeline.APPENDS_IN_FLIGHT = plan.appends
        self.intervals: dict[TP, Intervals] = {TP(topic, number): Intervals() for topic in TOPICS for number in range(plan.partitions)}
        self.parts = [Parts() for _ in range(plan.partitions)]
        self.ends: list[str] = []  # why processes ended themselves
        self.calm = False  # the faults are over
        self.workers = [Worker(self, number) for number in range(1, plan.workers + 1)]

    # --- what the broker asks

    def present_process(self) -> Process:
        """The process whose code is running."""
        process: Process = LANE.get().process
        return process

    def note(self, text: str) -> None:
        """A line of the trace."""
        line = f"{self.loop.now:10.5f} {self.loop.steps:7d} {text}"
        self._digest.update(line.encode())
        if self.keep_trace:
            self.trace.append(line)

    def digest(self) -> str:
        """Of the whole trace and of how many steps it took."""
        return f"{self._digest.hexdigest()}-{self.loop.steps}"

    def fault(self, text: str) -> None:
        """Something is wrong."""
        self.note(f"WRONG: {text}")
        self.faults.append(text)

    def latency(self, process: Process) -> float:
        chance = self.loop.chance
        if self.loop.now < process.slow_until:
            return chance.uniform(0.0, self.plan.slow_seconds)
        return chance.random() ** 2 * self.plan.latency

    async def connecting(self, process: Process) -> None:
        await asyncio.sleep(self.latency(process))

    def fetch_batches(self) -> int:
        return self.loop.chance.randint(1, self.plan.fetch_batches)

    def produce_error(self, process: Process, tp: TP) -> int:
        if self.loop.now < process.failing_until and self.loop.chance.random() < 0.3:
            error = self.loop.chance.choice((-1, 19))  # one that ends the process, and one that is tried again
            self.note(f"{process.name}: {tp.topic}-{tp.partition} refused with {error}")
            return error
        return 0

    def on_append(self, process: Process, tp: TP, base: int, batch: bytes) -> None:
        if tp.topic != CHANGELOG:
            return
        for record in records_of(batch):
            found = decode(record.value)
            if isinstance(found, ChunkRecord):
                self.note(f"{process.name}: chunk {found.topic}-{found.partition} [{found.begin}, {found.end}) at {base}")
                if self.parts[found.partition].complete(found):
                    self.intervals[TP(found.topic, found.partition)].add(found.begin, found.end)

    def frontier(self, tp: TP) -> int:
        """The offset before which everything is in the changelog."""
        start = self.broker.logs[tp].start
        return next((end for begin, end in self.intervals[tp] if begin <= start < end), start)

    def on_commit(self, process: Process, tp: TP, offset: int) -> None:
        self.note(f"{process.name}: commits {tp.topic}-{tp.partition} {offset}")
        durable = self.frontier(tp)
        if offset > durable:
            self.fault(f"{process.name} committed {tp.topic}-{tp.partition} {offset}, and the changelog has everything only to {durable}")

    # --- running

    def processes(self) -> Iterator[Process]:
        """Those that live."""
        for worker in self.workers:
            if worker.process is not None:
                yield worker.process

    def run(self, until: float, quiet: Callable[[], bool]) -> bool:
        """Run until it is quiet; whether it became so."""
        state = {"quiet": False}

        def look() -> None:
            state["quiet"] = quiet()
            if not state["quiet"]:
                self.loop.at_base(0.5, look)

        self.loop.at_base(0.5, look)
        return self.loop.run_until_true(lambda: state["quiet"], until, self.plan.max_steps)
