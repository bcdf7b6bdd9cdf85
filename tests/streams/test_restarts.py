"""Restarts on Apache Kafka: from a snapshot, from a damaged one, with none, on another log; and topics that are paused over them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer

from streams import topics
from streams.intake import partition_of
from streams.simulator import chaos, dump, simulate_months
from tests.streams.test_end_to_end import assert_exact, publish
from tests.support.live import System, until


@pytest.fixture(scope="module")
def city() -> list[bytes]:
    return [dump(event) for event in chaos(simulate_months(5, "2020-08", "2020-09", seed=8, volume=0.3), seed=8)]


@pytest.fixture
def system(kafka: Any, unique_prefix: str, tmp_path: Path) -> Iterator[System]:
    held = System(kafka.address, unique_prefix, tmp_path, extra={"ONESTOP_SNAPSHOT_SECONDS": "1", "ONESTOP_QUARANTINE_LIMIT": "0.2"})
    held.run("topics", "create")
    yield held
    held.close()


def log_of(system: System, name: str) -> str:
    return (system.directory / f"{name}.log").read_text()


def snapshots(system: System) -> dict[int, Path]:
    return {int(path.parent.name): path for path in (system.directory / "data").glob("*/*/snapshot")}


def with_snapshots(system: System, lines: list[bytes]) -> None:
    """Some lines taken in, a snapshot of each partition written, and the worker killed."""
    system.start("first")
    publish(system, lines, "first.jsonl")
    assert_exact(system, lines)
    held = {record.partition for record in system.chunks()}
    until(lambda: snapshots(system).keys() == held, "every partition that holds something has a snapshot")
    system.kill("first", signal.SIGKILL)


def test_a_restart_reads_its_snapshots_and_what_follows_them(system: System, city: list[bytes]) -> None:
    half = len(city) // 2
    with_snapshots(system, city[:half])
    publish(system, city[half:], "second.jsonl")
    loaded = len(snapshots(system))
    system.start("second")
    assert_exact(system, city)
    assert log_of(system, "second").count("snapshot of changelog offset") == loaded > 1
    system.kill("second", signal.SIGKILL)  # while snapshots of its own are being written, as like as not
    system.start("third")
    assert_exact(system, city)


def test_damaged_and_lost_snapshots_cost_time_and_no_data(system: System, city: list[bytes]) -> None:
    with_snapshots(system, city)
    damaged, lost = sorted(snapshots(system).items())[:2]
    content = bytearray(damaged[1].read_bytes())
    content[len(content) // 2] ^= 1
    damaged[1].write_bytes(content)
    lost[1].unlink()
    system.start("second")
    until(lambda: "its checksum is wrong; the changelog is read instead" in log_of(system, "second"), "the worker to look at its snapshots")
    before = sum(record.duplicates for record in system.chunks())
    publish(system, city[-1:], "again.jsonl")  # a copy: what it becomes shows that the state is there
    until(lambda: sum(record.duplicates for record in system.chunks()) == before + 1, "the copy to be known")
    assert_exact(system, city)
    assert log_of(system, "second").count("snapshot of changelog offset") == len({record.partition for record in system.chunks()}) - 2


def test_snapshots_of_a_log_that_was_made_anew_are_put_aside(system: System, city: list[bytes]) -> None:
    with_snapshots(system, city)
    names = [system.prefix + name for name in topics.CONFIGS]
    settings = topics.Settings(broker=system.broker, topic_prefix=system.prefix, partitions=system.partitions)
    with topics.admin(settings) as client:
        client.delete_topics(names)
        until(lambda: not set(names) & set(client.list_topics()), "the topics are deleted")
    other = city[: len(city) // 3]
    system.run("topics", "create")
    publish(system, other, "second.jsonl")
    system.start("second")
    assert_exact(system, other)
    assert "is put aside" in log_of(system, "second")
    assert "snapshot of changelog offset" not in log_of(system, "second")


def test_the_state_is_rebuilt_from_the_input_topics_alone(system: System, city: list[bytes]) -> None:
    """As docs/operations.md says: no worker running, changelog and committed offsets deleted, topics made, workers started."""
    half = len(city) // 2
    with_snapshots(system, city[:half])
    settings = topics.Settings(broker=system.broker, topic_prefix=system.prefix, partitions=system.partitions)
    group = settings.topic(topics.APP)

    def group_deleted() -> bool:  # only once its killed member is known to be gone
        return client.delete_groups([group])[group] == "OK"

    with topics.admin(settings) as client:
        client.delete_topics([settings.topic(topics.CHANGELOG)])
        until(group_deleted, "the group is deleted")
        until(lambda: settings.topic(topics.CHANGELOG) not in client.list_topics(), "the changelog is deleted")
    system.run("topics", "create")
    publish(system, city[half:], "second.jsonl")
    system.start("second")
    assert_exact(system, city)
    assert "snapshot of changelog offset" not in log_of(system, "second")


def test_a_disk_that_cannot_be_written_stops_nothing(system: System, city: list[bytes]) -> None:
    for number in range(system.partitions):  # a file where a directory has to be
        path = system.directory / "data" / system.prefix / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    system.start("first")
    publish(system, city)
    assert_exact(system, city)
    until(lambda: "could not be written into" in log_of(system, "first"), "the worker says so")
    assert system.processes["first"].poll() is None


def bad(number: int) -> bytes:
    return orjson.dumps({"event_id": f"bad-{number}", "type": "case.accepted", "source": "hall"})


def test_a_topic_of_which_too_much_is_bad_waits_until_someone_says_go_on(system: System, city: list[bytes]) -> None:
    quarantined = lambda: len({record.key for record in system.read("quarantine")})  # noqa: E731
    publish(system, city)
    system.start("first")
    assert_exact(system, city)
    producer = KafkaProducer(bootstrap_servers=system.broker)

    def send_bad(first: int, count: int) -> None:
        for number in range(first, first + count):
            producer.send(system.prefix + "cases", bad(number), partition=number % system.partitions)
        producer.flush()

    send_bad(0, 3_000)
    until(lambda: b"was paused by" in system.run("doctor", expect=None).stdout, "the topic is paused")
    send_bad(3_000, 3_000)
    # Neither it nor one that starts now goes on, while the other topics do.
    system.kill("first", signal.SIGKILL)
    system.start("second")
    department = orjson.loads(city[0])["department"]
    more = orjson.dumps({
        "event_id": "more", "type": "serial.issued", "department": department, "occurred_at": "2020-09-30T10:00:00+08:00",
        "source": "hall", "serial": "more", "item": "I1",
    })  # fmt: skip
    publish(system, [more], "more.jsonl")
    until(lambda: "more" in system.facts(), "another topic flows")
    assert 0 < quarantined() < 6_000
    told = system.run("doctor", expect=1).stdout.decode()
    assert "onestop quarantine resume cases" in told
    assert "of its last records could not be used, more than ONESTOP_QUARANTINE_LIMIT=0.2" in told

    system.run("quarantine", "resume", "cases", "--why", "looked at")
    until(lambda: quarantined() == 6_000, "everything that lay there passes")
    assert_exact(system, [*city, more])
    deep = system.run("doctor", "--deep", expect=None).stdout.decode()
    assert "was paused" not in deep
    assert "✗ balance" not in deep
    assert "✗ quarantined" not in deep
    assert "✗ intervals" not in deep
    assert f"6000 {'quarantined'}" in deep
    system.run("quarantine", "pause", "nonsense", "--why", "x", expect=2)


def test_doctor_names_the_source_that_uses_another_partitioner(system: System, city: list[bytes]) -> None:
    system.start("first")
    publish(system, city)
    department = orjson.loads(city[0])["department"]
    wrong = (partition_of(department, system.partitions) + 1) % system.partitions
    lines = [
        orjson.dumps({
            "event_id": f"w{number}", "type": "serial.issued", "department": department, "occurred_at": "2020-09-30T10:00:00+08:00",
            "source": "old hall", "serial": f"w{number}", "item": "I1",
        })
        for number in range(7)
    ]  # fmt: skip
    producer = KafkaProducer(bootstrap_servers=system.broker)
    for line in lines:
        producer.send(system.prefix + "serials", line, key=department.encode(), partition=wrong)
    producer.flush()
    assert_exact(system, [*city, *lines])
    told = system.run("doctor", "--deep", expect=1).stdout.decode()
    assert "✗ partitioner  7 records of old hall in serials lay in a wrong partition" in " ".join(told.split("\n"))
    assert "✗ balance" not in told
