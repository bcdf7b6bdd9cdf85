"""Apache Kafka for the tests: its jars, fetched once with Maven, and clusters of one or three nodes."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from streams.embedded import EmbeddedError, KafkaProcess, free_ports, kafka_nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

POM = Path(__file__).parent.parent / "kafka" / "pom.xml"
KAFKA_VERSION = "4.1.0"
FETCH_SECONDS = 600
START_SECONDS = 120


def missing(sentence: str) -> NoReturn:
    """Skip for want of a tool; fail where everything is required (`ONESTOP_REQUIRE_ALL=1`, as in CI)."""
    if os.environ.get("ONESTOP_REQUIRE_ALL") == "1":
        pytest.fail(f"{sentence} (ONESTOP_REQUIRE_ALL=1 requires them)", pytrace=False)
    pytest.skip(sentence)


def kafka_jars() -> Path:
    """The directory of Apache Kafka's jars: `ONESTOP_KAFKA_JARS`, or a cache; fetched when it holds none."""
    if shutil.which("java") is None:
        missing("Java (JRE 17 or later) is not on PATH: the tests on Apache Kafka are skipped")
    named = os.environ.get("ONESTOP_KAFKA_JARS")
    jars = Path(named) if named else Path.home() / ".cache" / "onestop" / f"kafka-{KAFKA_VERSION}"
    if not any(jars.glob("kafka_2.1*.jar")):
        _fetch(jars)
    return jars


def _fetch(jars: Path) -> None:
    """Copy the jars beside their place and rename: whoever looks sees all of them or none."""
    maven = shutil.which("mvn")
    if maven is None:
        missing(f"Maven (mvn) is not on PATH and {jars} is empty: the tests on Apache Kafka are skipped")
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix=f"{jars.name}-") as scratch:
        copy = Path(scratch) / "jars"
        options = [f"-DoutputDirectory={copy}", f"-Dkafka.version={KAFKA_VERSION}"]
        command = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
        if done.returncode:
            tail = "\n".join(done.stdout.splitlines()[-5:])
            missing(f"Maven could not fetch Apache Kafka {KAFKA_VERSION}: its tests are skipped.\n{tail}")
        if jars.is_dir() and not any(jars.iterdir()):
            jars.rmdir()
        if not jars.exists():
            copy.rename(jars)


@dataclass(kw_only=True)
class KafkaCluster:
    """Nodes 1…n, each of which can be stopped, killed and started again: `cluster.brokers[0].kill()`."""

    jars: Path
    nodes: int = 1
    properties: Mapping[str, str] = field(default_factory=dict)
    heap: str = "768m"
    brokers: list[KafkaProcess] = field(init=False)

    def __post_init__(self) -> None:
        ports = free_ports(2 * self.nodes)
        voters = {node: ports.pop() for node in range(1, self.nodes + 1)}
        self.brokers = [
            KafkaProcess(
                jars=self.jars,
                node_id=node,
                port=ports.pop(),
                controller_port=controller_port,
                voters=voters,
                properties=self.properties,
                heap=self.heap,
            )
            for node, controller_port in voters.items()
        ]

    @property
    def address(self) -> str:
        """The bootstrap servers."""
        return ",".join(broker.address for broker in self.brokers)

    def start(self) -> Self:
        try:
            for broker in self.brokers:
                broker.start(wait=False)
            self.wait_ready()
        except BaseException:
            self.close()
            raise
        return self

    def wait_ready(self) -> None:
        """Until every running node knows all running nodes to be alive."""
        running = [broker for broker in self.brokers if broker.running]
        expected = {broker.node_id for broker in running}
        deadline = time.monotonic() + START_SECONDS
        for broker in running:
            broker.wait_ready()
            while not expected <= kafka_nodes(broker.port):
                if time.monotonic() > deadline:
                    raise EmbeddedError(f"Node {broker.node_id} did not see nodes {expected} within {START_SECONDS} s.")
                time.sleep(0.1)

    def close(self) -> None:
        for broker in self.brokers:
            broker.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()
