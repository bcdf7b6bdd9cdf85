"""A backup of Kafka's disk is brought back, as docs/operations.md says: to its last event, with everything that knows more put aside."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.settings import Settings
from streams.simulator import chaos, dump, simulate_months
from streams.snapshots import Snapshots
from streams.topics import CHANGELOG
from tests.streams.test_end_to_end import assert_exact, publish
from tests.support.kafka import KafkaCluster, kafka_jars
from tests.support.live import System, until


@pytest.fixture
def own_kafka() -> Iterator[KafkaCluster]:
    """A node that nobody else uses: it is stopped, and its disk taken back."""
    with KafkaCluster(jars=kafka_jars()) as cluster:
        yield cluster


def test_a_copy_of_the_disk_is_brought_back(own_kafka: KafkaCluster, unique_prefix: str, tmp_path: Path) -> None:
    city = [dump(event) for event in chaos(simulate_months(3, "2020-08", "2020-09", seed=8, volume=0.2), seed=8)]
    half = len(city) // 2
    broker = own_kafka.brokers[0]
    disk, copy = broker.directory / "data", tmp_path / "copy"
    system = System(own_kafka.address, unique_prefix, tmp_path, extra={"ONESTOP_SNAPSHOT_SECONDS": "1"})
    try:
        system.run("topics", "create")
        system.start("before")
        publish(system, city[:half], "first.jsonl")
        assert_exact(system, city[:half])
        copied = Counter(record.partition for record in system.read(CHANGELOG))
        system.kill("before", signal.SIGTERM)
        broker.stop()
        shutil.copytree(disk, copy)

        broker.start()
        system.start("after")
        publish(system, city[half:], "second.jsonl")
        assert_exact(system, city)
        settings = Settings(data_dir=tmp_path / "data", topic_prefix=unique_prefix)
        held = Snapshots(settings, settings.topic(CHANGELOG))
        until(lambda: any(h.offset > copied[number] for number, h in held.headers().items()), "a snapshot knows more than the copy")
        system.kill("after", signal.SIGTERM)
        broker.stop()

        shutil.rmtree(disk)
        shutil.copytree(copy, disk)
        broker.start()
        system.start("restored")
        assert_exact(system, city[:half])
        publish(system, city, "again.jsonl")  # sources send everything since well before the copy
        assert_exact(system, city)
        assert "is put aside" in (tmp_path / "restored.log").read_text()
        found = system.run("doctor", "--deep", expect=None).stdout.decode()
        assert "✓ intervals" in found
        assert "✓ balance" in found
        assert "✗ intervals" not in found
        assert "✗ balance" not in found
    finally:
        system.close()
