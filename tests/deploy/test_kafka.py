"""The compose file's Kafka settings, on Apache Kafka itself without Docker: it starts, and `onestop topics create` suits it."""

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.embedded import free_ports, kafka_nodes
from tests.deploy.servers import until
from tests.deploy.test_compose import SERVICES
from tests.deploy.tools import run
from tests.support.kafka import kafka_jars

START_SECONDS = 90
NO_PROPERTIES = {"KAFKA_HEAP_OPTS"}


def _properties(directory: Path, ports: dict[str, int]) -> str:
    """The image's rule: KAFKA_A_B=v becomes a.b=v. Hosts and ports are those of this machine."""
    lines = []
    for name, value in SERVICES["kafka"]["environment"].items():
        if name in NO_PROPERTIES:
            continue
        held = value.replace("/var/lib/kafka/data", str(directory / "data"))
        for inside, port in ports.items():
            held = held.replace(f"://:{inside}", f"://127.0.0.1:{port}").replace(f"kafka:{inside}", f"127.0.0.1:{port}")
            held = held.replace(f"127.0.0.1:{inside}", f"127.0.0.1:{port}")
        lines.append(f"{name.removeprefix('KAFKA_').replace('_', '.').lower()}={held}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    jars, tmp_path = kafka_jars(), tmp_path_factory.mktemp("kafka")
    ports = dict(zip(("19092", "9092", "9093"), free_ports(3), strict=True))
    config = tmp_path / "server.properties"
    config.write_text(_properties(tmp_path, ports), encoding="utf-8")
    java = ["java", "-Xmx512m", "-cp", f"{jars}/*"]
    cluster = base64.urlsafe_b64encode(b"onestop-compose!").decode().rstrip("=")
    done = run([*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", config], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([*java, "kafka.Kafka", str(config)], cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
        try:
            until(lambda: kafka_nodes(ports["19092"]) or process.poll() is not None, START_SECONDS)
            assert process.poll() is None, (tmp_path / "log").read_text()[-2_000:]
            yield ports
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.mark.parametrize("listener", ["19092", "9092"])
def test_topics_are_made_as_they_have_to_be(broker: dict[str, int], listener: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONESTOP_BROKER", f"127.0.0.1:{broker[listener]}")
    monkeypatch.setenv("ONESTOP_LANG", "zh")
    onestop = Path(sys.executable).with_name("onestop")
    done = run([onestop, "topics", "create"])
    assert done.returncode == 0, done.stdout + done.stderr
    # The broker knows of a topic a moment after the controller has made it.
    until(lambda: run([onestop, "topics", "check"]).returncode == 0)
