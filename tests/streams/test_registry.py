"""The registry of owners in Redis: told at once, renewed, expiring; a Redis that is away ends nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis

from models.settings import Settings, load_settings
from streams import registry
from streams.registry import EXPIRE_SECONDS, advertised, keep_registered
from streams.serving.layout import layout_of

HERE = "127.0.0.1:4711"


@contextlib.asynccontextmanager
async def registered(settings: Settings, owned: Callable[[], Any]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(keep_registered(settings, HERE, owned))
    try:
        yield
        assert not task.done(), "it goes on for ever"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.005)


@pytest.fixture
def settings(redis_server: Any, unique_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(registry, "LOOK_SECONDS", 0.01)
    return load_settings(redis_url=redis_server.url, topic_prefix=unique_prefix, partitions=4)


async def test_owned_partitions_are_told_at_once_and_expire(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "RENEW_LOOKS", 1_000_000)
    layout, owned = layout_of(settings), {0}
    with redis.Redis.from_url(settings.redis_url) as client:

        def owners() -> list[bytes | None]:
            return [client.get(layout.owner(number)) for number in range(3)]

        async with registered(settings, lambda: owned):
            await until(lambda: owners() == [HERE.encode(), None, None], "0 is told of")
            assert 0 < client.ttl(layout.owner(0)) <= EXPIRE_SECONDS
            owned.add(2)
            await until(lambda: owners()[2] is not None, "2 is told of without waiting for the next renewal")
            owned.remove(2)
            await asyncio.sleep(0.1)  # some looks, in which it is gone
            client.set(layout.owner(2), "another")
            owned.add(2)
            await until(lambda: owners()[2] == HERE.encode(), "2 has come back")


async def test_it_is_renewed(settings: Settings) -> None:
    layout = layout_of(settings)
    with redis.Redis.from_url(settings.redis_url) as client:
        async with registered(settings, lambda: [1]):
            await until(lambda: client.get(layout.owner(1)) is not None, "told")
            client.delete(layout.owner(1))
            await until(lambda: client.get(layout.owner(1)) is not None, "told again")


async def test_redis_that_is_away_ends_nothing_and_is_said_once(settings: Settings, unused: int, caplog: pytest.LogCaptureFixture) -> None:
    looks = 0

    def owned() -> list[int]:
        nonlocal looks
        looks += 1
        return [0]

    async with registered(settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{unused}/0"}), owned):
        await until(lambda: looks > 20, "it looks again and again")
    said = [record for record in caplog.records if record.name == "streams.registry"]
    assert [record.levelno for record in said] == [logging.WARNING]
    assert f"Redis at 127.0.0.1:{unused}/0 cannot be reached" in said[0].getMessage()
    assert "explanations cannot be asked for" in said[0].getMessage()


@pytest.fixture
def unused() -> int:
    """A port on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"worker_address": "127.0.0.1:0"}, "127.0.0.1:4711"),
        ({"worker_address": "[::1]:0"}, "[::1]:4711"),
        ({"worker_address": "0.0.0.0:4711"}, "machine:4711"),
        ({"worker_address": "[::]:4711"}, "machine:4711"),
        ({"worker_address": "0.0.0.0:4711", "worker_advertised": "worker-1.example:80"}, "worker-1.example:80"),
    ],
)
def test_where_a_worker_is_reached(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str) -> None:
    monkeypatch.setattr(registry.socket, "gethostname", lambda: "machine")
    assert advertised(Settings(**given), 4711) == expected  # type: ignore[arg-type]
