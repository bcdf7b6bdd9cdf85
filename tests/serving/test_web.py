"""The server itself: where it may listen, that it starts and stops in time."""

from __future__ import annotations

import asyncio
import time
import urllib.request

import pytest

from models.settings import Settings, SettingsError, load_settings
from streams.serving.web import check_address, run
from tests.serving.conftest import StandingClock


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.9.9.9:80", "[::1]:80", "localhost:80"])
def test_loopback_is_allowed(address: str) -> None:
    assert check_address(load_settings(web_address=address))


@pytest.mark.parametrize("address", ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "example.org:80", "localhost.example.org:80"])
def test_other_addresses_are_refused_unless_something_stands_before_them(address: str) -> None:
    with pytest.raises(SettingsError, match="reverse proxy"):
        check_address(load_settings(web_address=address))
    assert check_address(load_settings(web_address=address, trusted_proxy=True))


async def test_it_answers_until_it_is_told_to_stop(settings: Settings, clock: StandingClock) -> None:
    stop, urls = asyncio.Event(), asyncio.Queue[str]()
    serving = asyncio.create_task(run(settings, stop, clock=clock, on_start=urls.put_nowait))
    url = await asyncio.wait_for(urls.get(), 10)

    def get(path: str) -> tuple[int, bytes]:
        with urllib.request.urlopen(url + path, timeout=5) as answer:
            return answer.status, answer.read()

    assert await asyncio.to_thread(get, "healthz") == (200, b'{"status":"ok"}')
    assert (await asyncio.to_thread(get, "metrics"))[0] == 200
    started = time.monotonic()
    stop.set()
    await asyncio.wait_for(serving, 5)
    assert time.monotonic() - started < 2


async def test_it_stops_in_time_with_a_connection_kept_open(settings: Settings) -> None:
    stop, urls = asyncio.Event(), asyncio.Queue[str]()
    serving = asyncio.create_task(run(settings, stop, on_start=urls.put_nowait))
    host, port = (await asyncio.wait_for(urls.get(), 10)).removeprefix("http://").rstrip("/").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"}")
    started = time.monotonic()
    stop.set()
    await asyncio.wait_for(serving, 5)
    assert time.monotonic() - started < 2
    writer.close()


async def test_a_taken_port_is_told(settings: Settings) -> None:
    stop, urls = asyncio.Event(), asyncio.Queue[str]()
    serving = asyncio.create_task(run(settings, stop, on_start=urls.put_nowait))
    address = (await asyncio.wait_for(urls.get(), 10)).removeprefix("http://").rstrip("/")
    with pytest.raises(SettingsError, match=f"ONESTOP_WEB_ADDRESS: {address} cannot be listened on"):
        await run(settings.model_copy(update={"web_address": address}), stop)
    stop.set()
    await serving


async def test_it_starts_without_redis() -> None:
    settings = load_settings(redis_url="redis://127.0.0.1:1/0", web_address="127.0.0.1:0")
    stop, urls = asyncio.Event(), asyncio.Queue[str]()
    serving = asyncio.create_task(run(settings, stop, on_start=urls.put_nowait))
    url = await asyncio.wait_for(urls.get(), 10)
    assert (await asyncio.to_thread(lambda: urllib.request.urlopen(f"{url}healthz", timeout=5).status)) == 200
    stop.set()
    await serving
