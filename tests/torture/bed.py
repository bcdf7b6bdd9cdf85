"""The bed on which the system lies: brokers, proxies, Redis, workers and projector, what is done to them, and whether all is right."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import urllib.request
import uuid
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from redis import RedisError

from models.settings import load_settings
from streams.embedded import HOST, EmbeddedRedis, free_ports
from streams.fatal import EXIT_CODE
from streams.serving.read_model import open_read_model
from streams.topics import APP
from tests.support.kafka import KafkaCluster, kafka_jars
from tests.support.live import System
from tests.support.proxy import Proxies
from tests.torture import compare, worker
from tests.torture.ledger import Ledger
from tests.torture.traffic import Traffic

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from typing_extensions import Self

    from tests.torture.schedule import Step

TICK_SECONDS = 0.2
PROGRESS_SECONDS = 240.0
RIGHT_SECONDS = 120.0
TERM_SECONDS = 45.0
RESTART_SECONDS = 1.0
COMMITS_EVERY = 5.0
SHOWN = 15
PROXIED = (2, 3)  # the slots of workers that come through the proxies


class Teller:
    """Says what happens, with the time since the start; every few seconds also that it goes on."""

    def __init__(self) -> None:
        self._started = self._told_at = time.monotonic()
        self._line = ""
        self._every = 2.0 if sys.stdout.isatty() else 15.0

    def __call__(self, text: str) -> None:
        self._clear()
        sys.stdout.write(f"{time.monotonic() - self._started:7.1f}  {text}\n")
        sys.stdout.flush()

    def progress(self, bed: Bed, doing: str) -> None:
        """A line every few seconds; on a terminal in place of the one before."""
        if time.monotonic() - self._told_at < self._every:
            return
        self._told_at = time.monotonic()
        counts, ledger = bed.counts, bed.ledger
        text = (
            f"{doing}; {ledger.records} records, {len(ledger.facts)} facts; {counts.kills} kills, {counts.stops} stops, "
            f"{counts.pauses} pauses, {counts.broker_kills} broker kills, {counts.own_ends} own ends"
        )
        if sys.stdout.isatty():
            self._clear()
            sys.stdout.write(text)
            sys.stdout.flush()
            self._line = text
        else:
            self(text)

    def _clear(self) -> None:
        sys.stdout.write("\r" + " " * len(self._line) + "\r" if self._line else "")
        self._line = ""


class WrongError(AssertionError):
    """Something is lost, double or wrong, or the system has come to rest without being done."""


@dataclass(slots=True)
class Options:
    """What a run is made of."""

    seed: int = 1
    brokers: int = 1
    workers: int = 4
    partitions: int = 6
    standby: int = 0
    rate: float = 400.0
    planned: int = 30_000
    slow_seconds: float = 0.0
    early_finish: bool = False  # a fault put in, to see that it is found
    directory: Path = field(default_factory=Path)


@dataclass(slots=True)
class Counts:
    """What was done, and what was found."""

    kills: int = 0
    stops: int = 0
    pauses: int = 0
    joins: int = 0
    own_ends: int = 0
    slow_stops: int = 0
    odd_ends: int = 0
    broker_kills: int = 0
    redis_kills: int = 0
    projector_kills: int = 0
    cuts: int = 0
    starts: int = 0
    checks: int = 0
    records: int = 0
    facts: int = 0
    lost: int = 0
    double: int = 0
    wrong: int = 0

    def add(self, other: Counts) -> None:
        """Add the counts of another run."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())


def redis_binary() -> Path | None:
    """The machine's own redis-server, not the one in the wheel."""
    scripts = Path(sys.prefix) / "bin"
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != scripts)
    found = shutil.which("redis-server", path=path)
    return None if found is None else Path(found)


class Servers:
    """A cluster whose brokers also listen for clients that come through proxies, and a Redis."""

    def __init__(self, brokers: int) -> None:
        self.cluster = KafkaCluster(jars=kafka_jars(), nodes=brokers, heap="512m" if brokers > 1 else "768m")
        binary = redis_binary()
        self.redis = EmbeddedRedis() if binary is None else EmbeddedRedis(binary=binary)
        ports = free_ports(2 * brokers)
        behind, before = ports[:brokers], ports[brokers:]
        self.proxies = Proxies(list(zip(before, behind, strict=True)))
        self.proxied_address = ",".join(f"{HOST}:{port}" for port in before)
        for broker, own, advertised in zip(self.cluster.brokers, behind, before, strict=True):
            # Clients go to whatever address a broker advertises: for those that come by this listener, the proxy's.
            broker.properties = {
                "listeners": f"PLAINTEXT://{broker.address},CONTROLLER://{HOST}:{broker.controller_port},PROXIED://{HOST}:{own}",
                "advertised.listeners": f"PLAINTEXT://{broker.address},PROXIED://{HOST}:{advertised}",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT",
                "inter.broker.listener.name": "PLAINTEXT",
            }
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for server in (self.proxies, self.redis, self.cluster):
                stack.enter_context(server)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def restore(self) -> None:
        """Everything up."""
        self.proxies.heal()
        for broker in self.cluster.brokers:
            broker.start(wait=False)
        self.redis.start()
        self.cluster.wait_ready()


class Bed:
    """One system on the servers, under topics of its own."""

    def __init__(self, servers: Servers, options: Options, tell: Teller) -> None:
        self.servers, self.options, self.tell = servers, options, tell
        self.counts = Counts()
        self.prefix = f"t{uuid.uuid4().hex[:8]}-"
        self.directory = options.directory / self.prefix.rstrip("-")
        self.directory.mkdir(parents=True)
        extra = {
            "ONESTOP_REPLICATION": str(min(3, options.brokers)),
            "ONESTOP_REDIS_URL": servers.redis.url,
            worker.STANDBY: str(options.standby),
            "ONESTOP_SNAPSHOT_SECONDS": "5",  # restarts are from snapshots as often as not
        }
        if options.slow_seconds:
            extra[worker.SLOW_SECONDS] = str(options.slow_seconds)
        if options.early_finish:
            extra[worker.EARLY_FINISH_SECONDS] = str(3 * COMMITS_EVERY)  # to be seen whenever it is looked for
        self.system = System(servers.cluster.address, self.prefix, self.directory, options.partitions, extra)
        self.wanted: set[int] = set()
        self.paused: set[int] = set()
        self.ending: dict[int, float] = {}  # told to stop, and when to kill
        self.ended_at: dict[int, float] = {}
        self.projector_wanted = True
        self.broker_down = self.network_bad = False
        self.owed: list[str] = []
        self._commits_at = self._progress_at = 0.0
        self._chunks = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self.system.close)
            self.system.run("topics", "create")
            self.ledger = Ledger(self.system.broker, self.prefix, self.options.partitions, standby=bool(self.options.standby))
            stack.callback(self.ledger.close)
            options = self.options
            self.traffic = Traffic(self.system.broker, self.prefix, options.partitions, options.seed, options.rate, options.planned)
            stack.callback(self.traffic.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # --- doing ----------------------------------------------------------------------------------------------------------

    def do(self, step: Step) -> None:
        """Carry out a step of the schedule, where it is possible now."""
        with (self.directory / "actions.log").open("a") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {step}\n")
        getattr(self, "_" + step.action.replace("-", "_"))(step)

    def _start(self, step: Step) -> None:
        self.wanted.add(step.target)
        self.counts.joins += 1

    def _kill(self, step: Step) -> None:
        self.wanted.discard(step.target)
        if self._signal(step.target, signal.SIGKILL):
            self.counts.kills += 1

    def _stop(self, step: Step) -> None:
        self.wanted.discard(step.target)
        if self._signal(step.target, signal.SIGTERM):
            self.counts.stops += 1
            self.ending[step.target] = time.monotonic() + TERM_SECONDS

    def _pause(self, step: Step) -> None:
        if self._signal(step.target, signal.SIGSTOP):
            self.paused.add(step.target)
            self.counts.pauses += 1

    def _wake(self, step: Step) -> None:
        self.paused.discard(step.target)
        self._signal(step.target, signal.SIGCONT)

    def _broker_kill(self, step: Step) -> None:
        self.servers.cluster.brokers[step.target - 1].kill()
        self.broker_down = True
        self.counts.broker_kills += 1

    def _broker_start(self, step: Step) -> None:
        self.servers.cluster.brokers[step.target - 1].start(wait=False)

    def _redis_kill(self, _: Step) -> None:
        self.servers.redis.kill()
        self.counts.redis_kills += 1

    def _redis_start(self, _: Step) -> None:
        self.servers.redis.start()

    def _projector_kill(self, _: Step) -> None:
        self.projector_wanted = False
        if "projector" in self.system.processes:
            self.system.kill("projector")
            self.counts.projector_kills += 1

    def _projector_start(self, _: Step) -> None:
        self.projector_wanted = True

    def _cut(self, _: Step) -> None:
        self.servers.proxies.cut()
        self.network_bad = True
        self.counts.cuts += 1

    def _hold(self, _: Step) -> None:
        self.servers.proxies.hold()
        self.network_bad = True
        self.counts.cuts += 1

    def _slow(self, step: Step) -> None:
        self.servers.proxies.slow(step.amount)
        self.network_bad = True
        self.counts.cuts += 1

    def _heal(self, _: Step) -> None:
        self.servers.proxies.heal()
        self.network_bad = False

    def _signal(self, slot: int, number: signal.Signals) -> bool:
        process = self._process(slot)
        if process is None or slot in self.ending:
            return False
        process.send_signal(number)
        if number == signal.SIGKILL:
            process.wait()
            del self.system.processes[f"w{slot}"]
            self.paused.discard(slot)
        return True

    def _process(self, slot: int) -> subprocess.Popen[bytes] | None:
        process = self.system.processes.get(f"w{slot}")
        return None if process is None or process.poll() is not None else process

    # --- keeping it going ------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Start again what has ended and is wanted, as a supervisor does; read on; look at commits."""
        self._reap()
        for slot in sorted(self.wanted):
            if f"w{slot}" not in self.system.processes and time.monotonic() >= self.ended_at.get(slot, 0.0) + RESTART_SECONDS:
                self._start_worker(slot)
        projector = self.system.processes.get("projector")
        if projector is not None and projector.poll() is not None:
            self.counts.odd_ends += 1
            self.tell(f"the projector ended with {projector.returncode}")
            del self.system.processes["projector"]
            projector = None
        if projector is None and self.projector_wanted:
            self.system.start("projector", "projector")
        if self.broker_down:
            time.sleep(TICK_SECONDS)  # the reader would wait for the broker for long, and the next step for the reader
        elif self.ledger.poll(TICK_SECONDS) and self.ledger.chunks > self._chunks:
            self._chunks, self._progress_at = self.ledger.chunks, time.monotonic()
        if not self.broker_down and time.monotonic() - self._commits_at > COMMITS_EVERY:
            self._look_at_commits()

    def _start_worker(self, slot: int) -> None:
        settings = {worker.ADDRESS_FILE: str(self.directory / f"w{slot}.address")}
        Path(settings[worker.ADDRESS_FILE]).unlink(missing_ok=True)
        if slot % 2:
            settings["ONESTOP_WORKER_ID"] = f"w{slot}"  # static membership
        if slot in PROXIED:
            settings["ONESTOP_BROKER"] = self.servers.proxied_address
        self.system.start(f"w{slot}", [sys.executable, "-m", "tests.torture.worker"], **settings)

    def _reap(self) -> None:
        for slot, deadline in list(self.ending.items()):
            process = self._process(slot)
            if process is not None and time.monotonic() > deadline:
                self.counts.slow_stops += 1
                self.tell(f"w{slot} did not stop within {TERM_SECONDS:g} s of SIGTERM and is killed")
                process.kill()
                process.wait()
        for name, process in list(self.system.processes.items()):
            if not name.startswith("w") or process.poll() is None:
                continue
            slot = int(name[1:])
            told = self.ending.pop(slot, None) is not None
            del self.system.processes[name]
            self.paused.discard(slot)
            self.ended_at[slot] = time.monotonic()
            if told and process.returncode in (0, -signal.SIGTERM, -signal.SIGKILL):
                continue
            if process.returncode == EXIT_CODE:
                self.counts.own_ends += 1
                self.tell(f"{name} ended by itself: {self._last_words(name)}")
            else:
                self.counts.odd_ends += 1
                self.tell(f"{name} ended with {process.returncode}: {self._last_words(name)}")

    def _last_words(self, name: str) -> str:
        lines = (self.directory / f"{name}.log").read_text(errors="replace").splitlines()
        critical = [line for line in lines[-200:] if " CRITICAL " in line]
        return (critical or lines or ["nothing"])[-1][:400]

    def _look_at_commits(self) -> None:
        """No commit past an unfinished chunk: what is committed now must be tiled by what the changelog holds now."""
        self._commits_at = time.monotonic()
        try:
            committed = self.committed()
            self.ledger.read_on()
        except (KafkaError, AssertionError):
            return
        for place, offset in committed.items():
            tiled = self.ledger.tiled_to(place)
            if offset > tiled:
                self.owed.append(f"{place[0]}-{place[1]}: {offset} was committed while the changelog tiled to {tiled}")

    def committed(self) -> dict[tuple[str, int], int]:
        """The offsets committed by the group."""
        group = self.prefix + APP
        with self._admin() as admin:
            held = admin.list_group_offsets({group: None}).get(group, {})
        return {(place.topic.removeprefix(self.prefix), place.partition): found.offset for place, found in held.items() if found.offset > 0}

    def _admin(self) -> KafkaAdminClient:
        # A new one each time: one that is kept goes on asking a coordinator that has moved.
        return KafkaAdminClient(bootstrap_servers=self.system.broker.split(","), request_timeout_ms=10_000, bootstrap_timeout_ms=10_000)

    # --- waiting ---------------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Until all brokers are in sync and something more was taken in."""
        if self.broker_down:
            self.servers.cluster.wait_ready()
            self.wait(self._in_sync, "all brokers are in sync")
            self.broker_down = False
        before = self.ledger.chunks
        if self._able():  # else whoever could take something in comes back later in the schedule
            self.wait(lambda: self.ledger.chunks > before, "something is taken in")

    def _able(self) -> bool:
        """Whether some worker is wanted that neither sleeps nor is cut off."""
        return any(slot not in self.paused and not (self.network_bad and slot in PROXIED) for slot in self.wanted)

    def _in_sync(self) -> bool:
        try:
            with self._admin() as admin:
                topics = admin.describe_topics()
        except KafkaError:
            return False
        partitions = [part for topic in topics for part in topic["partitions"]]
        return bool(partitions) and all(len(part["isr_nodes"]) == len(part["replica_nodes"]) for part in partitions)

    def wait(self, condition: Callable[[], object], what: str, seconds: float = PROGRESS_SECONDS) -> None:
        """Go on until a condition holds.

        Raises:
            WrongError: it did not, and nothing was taken in for that long.
        """
        started = self._progress_at = time.monotonic()
        while not condition():
            self.tick()
            self.tell.progress(self, f"waits {time.monotonic() - started:.0f} s until {what}")
            if time.monotonic() - self._progress_at > seconds:
                raise WrongError(f"not within {seconds:g} s, with nothing taken in: {what}\n{self.system.logs()}")

    # --- looking ---------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Let everything come to rest, and compare everything.

        Raises:
            WrongError: something is lost, double or wrong.
        """
        self.counts.checks += 1
        self.servers.restore()
        self.network_bad = False
        for slot in list(self.paused):
            self.paused.discard(slot)
            self._signal(slot, signal.SIGCONT)
        self.wanted = set(range(1, self.options.workers + 1))
        self.projector_wanted = True
        self.traffic.pause()
        self.wait(self._in_sync, "all brokers are in sync")
        self.broker_down = False
        self.wait(self._tiled, "the intervals tile the inputs")
        self._look_at_commits()
        ledger = self.ledger
        self.counts.records, self.counts.facts = ledger.records, len(ledger.facts)
        self._complain("lost", ledger.lost(), lambda name: f"{name} of {ledger.sent[name].place}: {ledger.sent[name].fact}")
        self._complain("wrong", ledger.altered(), lambda name: f"{name} has another content in the changelog than was sent")
        self._complain("double", ledger.invented(), lambda name: f"{name} is in the changelog and was never sent")
        for what in (ledger.contradictions, ledger.foreign, self.owed):
            self._complain("wrong", what, str)
        if ledger.records < self.traffic.acknowledged:
            raise WrongError(f"{self.traffic.acknowledged} records were acknowledged, {ledger.records} are there")
        self._compare()
        self.tell(f"check {self.counts.checks}: right; {ledger.records} records, {len(ledger.facts)} facts in {ledger.chunks} chunks")
        self.traffic.resume()

    def _tiled(self) -> bool:
        before = self.ledger.rerouted
        self.ledger.read_on()
        return (
            not list(self.ledger.holes())
            and before == self.ledger.rerouted
            and not self.ledger.misplaced.values() - self.ledger.facts.keys()
        )

    def _complain(self, kind: str, found: list[str], text: Callable[[str], str]) -> None:
        if found:
            setattr(self.counts, kind, getattr(self.counts, kind) + len(found))
            lines = "\n".join(map(text, found[:SHOWN]))
            raise WrongError(f"{len(found)} {kind}:\n{lines}")

    def _compare(self) -> None:
        """Until nothing differs: records are refreshed within 10 s, ranks and alerts follow."""
        expected, expected_at = compare.expected_of(self.ledger), time.monotonic()
        end = time.monotonic() + RIGHT_SECONDS
        while True:
            found = self._faults(expected)
            if not found:
                return
            if time.monotonic() > end:
                break
            self.tell.progress(self, f"still differing: {', '.join(found)}")
            for _ in range(10):
                self.tick()
            if time.monotonic() - expected_at > 15:  # deadlines pass meanwhile
                expected, expected_at = compare.expected_of(self.ledger), time.monotonic()
        self._fail(expected, found)

    def _faults(self, expected: compare.Expected) -> dict[str, list[str]]:
        """All differences, by what they are of; nothing when all is right."""
        ledger = self.ledger
        ledger.read_on()
        found = {
            "scores topic": compare.differences(compare.scores_in_topic(ledger), expected.scores, compare.RANKS),
            "quarantine": [
                *(f"{place}: {reason} is not in quarantine" for place, reason in ledger.bad.items() if place not in ledger.quarantine),
                *(f"{place} is in quarantine and was good" for place in ledger.quarantine if place not in ledger.bad),
                *(
                    f"{place} is in quarantine for {held} and is {ledger.bad[place]}"
                    for place, held in ledger.reasons.items()
                    if held != ledger.bad.get(place, held)
                ),
            ],
            "commits": self._uncommitted(),
            "memory": compare.memory_faults(self._memories(), ledger),
        }
        settings = load_settings(redis_url=self.servers.redis.url, topic_prefix=self.prefix, partitions=self.options.partitions)
        model = open_read_model(settings)
        try:
            found |= {
                "read model": compare.differences(compare.scores_in(model), expected.scores),
                "alerts": compare.differences(compare.alerts_in(model), expected.alerts),
                "alerts looked through": compare.differences(compare.alerts_held(model), expected.alerts),
                "status": compare.differences(compare.status_in(model), expected.status),
                "heartbeats": compare.catching_up(model),
            }
        except RedisError as error:
            found["read model"] = [repr(error)]
        finally:
            model.close()
        return {name: faults for name, faults in found.items() if faults}

    def _uncommitted(self) -> list[str]:
        try:
            held = self.committed()
        except KafkaError as error:  # the coordinator has just moved
            return [repr(error)]
        ends = self.ledger.ends.items()
        return [f"{place[0]}-{place[1]}: committed {held.get(place, 0)} of {end}" for place, end in ends if held.get(place, 0) != end]

    def _memories(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for slot in sorted(self.wanted):
            address = self.directory / f"w{slot}.address"
            if self._process(slot) is not None and address.exists():
                try:
                    with urllib.request.urlopen(address.read_text(), timeout=30) as answer:
                        found[f"w{slot}"] = json.load(answer)
                except OSError as error:
                    self.tell(f"w{slot} does not show its memory: {error!r}")
        return found

    def _fail(self, expected: compare.Expected, found: dict[str, list[str]]) -> None:
        shown = compare.scores_in_topic(self.ledger)
        lines = [f"{name}: {len(faults)} differences\n  " + "\n  ".join(faults[:SHOWN]) for name, faults in found.items()]
        self.counts.wrong += sum(map(len, found.values()))
        self.counts.double += sum("should not be there" in fault for fault in found.get("alerts", []))
        first = compare.first_wrong(self.ledger, expected, shown)
        if first is not None:
            lines.append("The first wrong score:\n" + compare.explain(first, self.ledger, expected, shown))
        raise WrongError("\n".join(lines))
