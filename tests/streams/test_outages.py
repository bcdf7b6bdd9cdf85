"""Outages on real servers: Redis gone, empty or slow, Kafka gone or not there yet, disks full. Everything waits, goes on, and is exact at the end."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from aiokafka import AIOKafkaProducer

from models.instants import parse_instant
from streams.app import SESSION_SECONDS
from streams.embedded import EmbeddedRedis, free_ports
from streams.fatal import EXIT_CODE
from streams.serving.connection import ANSWER_SECONDS
from streams.simulator import dump, simulate_months
from tests.support.clocked_worker import set_clock
from tests.support.kafka import KafkaCluster, kafka_jars
from tests.support.live import ONESTOP, System, differences, expected_scores, until


@pytest.fixture(scope="module")
def city() -> list[bytes]:
    return [dump(event) for event in simulate_months(4, "2020-08", "2020-09", seed=8, volume=0.2)]


@pytest.fixture
def own_redis(redis_server: EmbeddedRedis) -> Iterator[EmbeddedRedis]:
    """A Redis that a test may kill."""
    with EmbeddedRedis(binary=redis_server.binary) as server:
        yield server


@pytest.fixture
def own_kafka() -> Iterator[KafkaCluster]:
    """A broker that a test may kill; not started, its address is known."""
    cluster = KafkaCluster(jars=kafka_jars())
    yield cluster
    cluster.close()


@contextmanager
def running(broker: str, prefix: str, directory: Path, server: EmbeddedRedis) -> Iterator[System]:
    [port] = free_ports(1)
    settings = {"ONESTOP_REDIS_URL": server.url, "ONESTOP_WEB_ADDRESS": f"127.0.0.1:{port}"}
    system = System(broker, prefix, directory, partitions=2, extra=settings)
    try:
        yield system
    finally:
        system.close()


def publish(system: System, lines: list[bytes], name: str) -> None:
    path = system.directory / name
    path.write_bytes(b"\n".join(lines) + b"\n")
    system.run("publish", str(path))


def get(system: System, path: str) -> tuple[int, Any]:
    """Status and body of an answer of the web server; (0, None) while it does not listen."""
    request = urllib.request.Request(f"http://{system.extra['ONESTOP_WEB_ADDRESS']}{path}", headers={"accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, None


def read_model(system: System) -> dict[str, dict[str, Any]]:
    """The scores that Redis holds; empty while it does not answer."""
    done = system.run("scores", "--json", expect=None)
    records = [orjson.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []
    return {f"{record['department']}|{record['period']}|{record['indicator']}": record for record in records}


def assert_exact(system: System, lines: list[bytes], what: str, *, in_redis: bool = True) -> None:
    """Nothing lost, nothing double: intervals, scores topic and, unless it is down, the read model. Whoever ended is started again."""

    def holds(condition: Callable[[], Any], sentence: str) -> None:
        def checked() -> Any:
            start_again(system)
            return condition()

        until(checked, f"{what}: {sentence}", logs=system.logs)

    holds(lambda: not system.holes(), "the intervals tile the inputs")
    expected = expected_scores(lines)
    holds(lambda: not differences(system.scores(), expected), "live scores are the offline ones")
    if in_redis:
        holds(lambda: not differences(read_model(system), expected), "the read model is the offline scores")


def start_again(system: System) -> None:
    """As a supervisor does: a process that ended itself is started again."""
    for name, process in list(system.processes.items()):
        if process.poll() is not None:
            assert process.returncode == EXIT_CODE, f"{name} ended with {process.returncode}\n{system.logs()}"
            system.start(name, process.args if isinstance(process.args, list) else [process.args])  # type: ignore[list-item]


def log_of(system: System, name: str) -> str:
    return (system.directory / f"{name}.log").read_text()


def start_all(system: System) -> None:
    for name in ("worker", "projector", "web"):
        system.start(name, name)


def test_redis_killed_empty_again_and_slow(
    kafka: Any, unique_prefix: str, tmp_path: Path, own_redis: EmbeddedRedis, city: list[bytes]
) -> None:
    third = len(city) // 3
    with running(kafka.address, unique_prefix, tmp_path, own_redis) as system:
        system.run("topics", "create")
        start_all(system)
        publish(system, city[:third], "first.jsonl")
        assert_exact(system, city[:third], "before")
        processes = {name: process.pid for name, process in system.processes.items()}

        own_redis.kill()
        publish(system, city[third : 2 * third], "second.jsonl")
        assert_exact(system, city[: 2 * third], "without Redis", in_redis=False)
        assert get(system, "/healthz")[0] == 200
        for path in ("/readyz", "/api/v1/periods", "/api/v1/status"):
            status, body = get(system, path)
            assert status == 503, path
            assert b"cannot be read" in body, path
        until(lambda: "cannot be reached" in log_of(system, "projector"), "the projector says what it waits for")

        own_redis.start()  # empty
        assert_exact(system, city[: 2 * third], "built up again")
        assert log_of(system, "projector").count("cannot be reached") == 1
        assert "answers again" in log_of(system, "projector")
        assert get(system, "/api/v1/periods")[0] == 200

        with redis.Redis.from_url(own_redis.url) as client:
            client.execute_command("CLIENT", "PAUSE", int(3 * ANSWER_SECONDS * 1_000), "ALL")
        publish(system, city[2 * third :], "third.jsonl")
        until(lambda: log_of(system, "projector").count("cannot be reached") == 2, "the projector no longer waits for the answer")
        assert_exact(system, city, "while Redis is slow", in_redis=False)
        assert_exact(system, city, "after Redis was slow")
        assert {name: process.pid for name, process in system.processes.items()} == processes, "none has ended"


def test_kafka_killed_for_longer_than_the_session_timeout(
    own_kafka: KafkaCluster, unique_prefix: str, tmp_path: Path, own_redis: EmbeddedRedis, city: list[bytes]
) -> None:
    half = len(city) // 2
    own_kafka.start()
    with running(own_kafka.address, unique_prefix, tmp_path, own_redis) as system:
        system.run("topics", "create")
        start_all(system)
        publish(system, city[:half], "first.jsonl")
        assert_exact(system, city[:half], "before")
        system.start("publisher", [*ONESTOP, "publish", "--speed", "200", _written(system, city[half:])])
        until(lambda: len(system.facts()) > half, "facts of the second half")

        own_kafka.brokers[0].kill()
        held = read_model(system)
        gone = time.monotonic()
        until(lambda: time.monotonic() - gone > 2 * SESSION_SECONDS, "longer than the session timeout", 600)
        until(lambda: "Kafka at" in log_of(system, "projector"), "the projector says what it waits for")
        # The last values, with their true time.
        assert read_model(system) == held
        status, body = get(system, "/api/v1/periods")
        assert status == 200
        assert body
        assert max(datetime.fromisoformat(record["as_of"]) for record in held.values()).timestamp() <= time.time() - 2 * SESSION_SECONDS

        own_kafka.brokers[0].start()
        system.kill("publisher")
        publish(system, city[half:], "second.jsonl")  # again as a whole: what had arrived is a copy
        assert_exact(system, city, "after Kafka was away")
        assert log_of(system, "projector").count("cannot be reached") == 1
        assert get(system, "/readyz")[0] == 200


def _written(system: System, lines: list[bytes]) -> str:
    path = system.directory / "slowly.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return str(path)


def test_kafka_not_there_at_the_start(
    own_kafka: KafkaCluster, unique_prefix: str, tmp_path: Path, own_redis: EmbeddedRedis, city: list[bytes]
) -> None:
    with running(own_kafka.address, unique_prefix, tmp_path, own_redis) as system:
        start_all(system)
        for name in ("worker", "projector"):
            until(lambda: f"Kafka at {own_kafka.address} cannot be reached" in log_of(system, name), f"{name} says what it waits for")  # noqa: B023
        own_kafka.start()
        for name in ("worker", "projector"):
            until(lambda: "onestop topics create" in log_of(system, name), f"{name} says what is missing")  # noqa: B023
        system.run("topics", "create")
        publish(system, city, "events.jsonl")
        assert_exact(system, city, "once Kafka is there")
        for name in ("worker", "projector"):
            assert log_of(system, name).count("cannot be reached") == 1


def test_nothing_can_be_written_to_any_file(kafka: Any, unique_prefix: str, tmp_path: Path, city: list[bytes]) -> None:
    # As on a full disk, that of the log too: what is written locally spares time, never data.
    system = System(kafka.address, unique_prefix, tmp_path, partitions=2)
    system.run("topics", "create")
    try:
        system.start("full", ["/bin/sh", "-c", 'ulimit -f 0; exec "$0" "$@"', *ONESTOP, "worker"])
        publish(system, city, "events.jsonl")
        until(lambda: not system.holes(), "everything is taken in")
        until(lambda: not differences(system.scores(), expected_scores(city)), "exact")
        assert system.processes["full"].poll() is None
        system.kill("full")
        # What it left behind hinders no one, and a worker with room is as exact.
        system.start("room")
        until(lambda: not differences(system.scores(), expected_scores(city)), "exact, by another worker")
    finally:
        system.close()


def test_a_data_directory_that_cannot_be_made_is_refused_in_one_sentence(kafka: Any, unique_prefix: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    system = System(kafka.address, unique_prefix, tmp_path, partitions=2)
    system.run("topics", "create")
    refused = system.run("worker", expect=1, ONESTOP_DATA_DIR=str(tmp_path / "file" / "data"))
    [line] = refused.stderr.decode().splitlines()
    assert "ONESTOP_DATA_DIR" in line
    assert "name a directory that can be written" in line


# --- a clock that is set


CLOCKED = [sys.executable, "-m", "tests.support.clocked_worker"]


@pytest.mark.parametrize("hours", [5, -5])
def test_a_clock_that_jumps_ends_the_worker_before_a_wrong_time_is_told(kafka: Any, unique_prefix: str, tmp_path: Path, hours: int) -> None:
    system = System(kafka.address, unique_prefix, tmp_path, partitions=2)
    clock = tmp_path / "clock"
    set_clock(clock, time.time_ns() // 1_000)
    department, now = "11439900MBCEU9EF55", datetime.now(tz=timezone.utc)
    common = {"department": department, "source": "test", "serial": "S1", "item": "I1"}
    due = now + timedelta(hours=2)  # overdue should the clock be five hours ahead
    lines = [
        orjson.dumps({**common, "event_id": "a", "type": "case.accepted", "occurred_at": now.isoformat(), "acceptance_no": "A1", "due_at": due.isoformat()}),
        orjson.dumps({**common, "event_id": "b", "type": "serial.issued", "occurred_at": now.isoformat()}),
    ]  # fmt: skip
    try:
        system.run("topics", "create")
        publish(system, lines, "first.jsonl")
        system.start("first", command=CLOCKED, TEST_CLOCK=str(clock), TEST_JUMP="60")
        until(lambda: not differences(system.scores(), expected_scores(lines)), "the scores are right")
        set_clock(clock, (time.time_ns() // 1_000) + hours * 3_600_000_000)
        until(lambda: system.processes["first"].poll() == EXIT_CODE, "the worker ends itself")
        assert f"was set {5 * 3600} s {'forward' if hours > 0 else 'back'}" in (tmp_path / "first.log").read_text()
        told = [orjson.loads(record.value) for topic in ("scores", "status", "alerts") for record in system.read(topic) if record.value]
        assert max(parse_instant(record["as_of"]) for record in told) <= time.time_ns() // 1_000 + 60_000_000
        assert not [record for record in told if record.get("kind") == "case_overdue"]
        del system.processes["first"]
        set_clock(clock, time.time_ns() // 1_000)
        system.start("second", command=CLOCKED, TEST_CLOCK=str(clock), TEST_JUMP="60")
        more = orjson.dumps({**common, "event_id": "c", "type": "serial.issued", "occurred_at": now.isoformat(), "serial": "S2"})
        publish(system, [more], "second.jsonl")
        until(lambda: not differences(system.scores(), expected_scores([*lines, more])), "and goes on")
        assert not system.holes()
    finally:
        system.close()


# --- a log that ends in no record


async def test_a_log_that_ends_in_the_marker_of_a_transaction_is_no_lag(kafka: Any, unique_prefix: str, tmp_path: Path) -> None:
    system = System(kafka.address, unique_prefix, tmp_path, partitions=1)
    department = "11439900MBCEU9EF55"
    late = orjson.dumps({
        "event_id": "a", "type": "case.accepted", "department": department, "occurred_at": "2020-09-01T10:00:00+08:00", "source": "test",
        "serial": "S1", "item": "I1", "acceptance_no": "A1", "due_at": "2020-09-03T12:00:00+08:00",
    })  # fmt: skip
    try:
        system.run("topics", "create")
        producer = AIOKafkaProducer(bootstrap_servers=kafka.address, transactional_id=unique_prefix)
        await producer.start()
        async with producer.transaction():
            await producer.send_and_wait(f"{unique_prefix}cases", late, key=department.encode(), partition=0)
        await producer.stop()
        system.start("worker")
        # An alert is told once everything that lay in the topics has been consumed: a marker is nothing that anyone could wait for.
        until(lambda: any(orjson.loads(record.value)["kind"] == "case_overdue" for record in system.read("alerts")), "the alert is told")
    finally:
        system.close()
