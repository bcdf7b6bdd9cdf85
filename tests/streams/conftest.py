"""Servers for the tests, one of each a session; tests keep apart by `unique_prefix`."""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streams.embedded import EmbeddedBroker, EmbeddedRedis
from tests.support.kafka import KafkaCluster, kafka_jars, missing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One running node of Apache Kafka: `kafka.address`."""
    with KafkaCluster(jars=kafka_jars()) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """The machine's own redis-server, not the one in the wheel: `redis_server.url`."""
    scripts = Path(sys.prefix) / "bin"  # where the wheel puts its redis-server
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != scripts)
    binary = shutil.which("redis-server", path=path)
    if binary is None:
        missing("redis-server is not on PATH: the tests on a real Redis are skipped")
    with EmbeddedRedis(binary=Path(binary)) as server:
        yield server


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """The broker of `onestop up`: `embedded_broker.address`."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture
def unique_prefix() -> str:
    """Begins the names of a test's topics and groups, so that tests share servers but nothing on them."""
    return f"t{uuid.uuid4().hex[:8]}-"
