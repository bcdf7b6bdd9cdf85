"""Outages on real servers: Redis gone, empty or slow, Kafka gone or not there yet, disks full. Everything waits, goes on, and is exact at the end."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from streams.app import SESSION_SECONDS
from streams.embedded import EmbeddedRedis, free_ports
from streams.fatal import EXIT_CODE
from streams.serving.connection import ANSWER_SECONDS
from streams.simulator import dump, simulate_months
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

        until(checked, f"{what}: {sentence}\n{system.logs()}")

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
