"""The stream of changes: who hears what, resuming, slow listeners, and ends."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi import FastAPI

from models.settings import Settings
from streams.serving import stream
from streams.serving.connection import connect_async
from streams.serving.layout import Layout
from streams.serving.read_model import ReadModel
from streams.serving.users import User, Users, write_users
from streams.serving.web import create_app, run
from streams.serving.writer import Writer
from streams.tokens import hash_of, new_token
from tests.serving.client import ask
from tests.serving.records import A, B, alert, beat, interface, score, status, total, write

SECONDS = 10
TOKENS = {name: new_token() for name in ("all", "of-a")}


@pytest.fixture
async def app(settings: Settings, model: ReadModel) -> AsyncIterator[FastAPI]:
    created = create_app(settings, model)
    yield created
    await created.state.changes.close()


class Hearing:
    """A connection to the stream, without a socket."""

    def __init__(self, app: FastAPI, query: str = "", headers: dict[str, str] | None = None, *, slow: bool = False) -> None:
        self.start: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.text = ""
        self.more = asyncio.Event()
        self.left = asyncio.Event()
        self.slow = slow
        self.ended = False
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/api/v1/stream",
            "raw_path": b"/api/v1/stream", "query_string": query.encode(), "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
            "headers": [(b"host", b"x"), (b"accept-encoding", b"gzip"), *((n.lower().encode(), v.encode()) for n, v in (headers or {}).items())],
        }  # fmt: skip
        self.task = asyncio.create_task(app(scope, self.receive, self.send))

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.start.set_result({"status": message["status"], "headers": dict(message["headers"])})
            return
        self.text += message["body"].decode()
        self.ended = not message.get("more_body")
        self.more.set()
        if self.slow and not self.ended:
            await asyncio.Event().wait()

    def events(self) -> list[tuple[str, Any]]:
        return [(kind, orjson.loads(data)) for kind, data in re.findall(r"^event: (\w+)\ndata: (.*)\n\n", self.text, re.MULTILINE)]

    def ids(self) -> list[str]:
        return re.findall(r"^id: (.+)$", self.text, re.MULTILINE)

    async def until(self, count: int) -> list[tuple[str, Any]]:
        async def enough() -> None:
            while len(self.events()) < count:
                await self.more.wait()
                self.more.clear()

        await asyncio.wait_for(enough(), SECONDS)
        return self.events()


@asynccontextmanager
async def hearing(app: FastAPI, query: str = "", headers: dict[str, str] | None = None, *, slow: bool = False) -> AsyncIterator[Hearing]:
    found = Hearing(app, query, headers, slow=slow)
    try:
        assert (await asyncio.wait_for(found.start, SECONDS))["status"] == 200
        yield found
    finally:
        found.left.set()
        await asyncio.wait_for(found.task, SECONDS)


async def test_what_is_written_is_heard_by_everyone_who_listens(app: FastAPI, writer: Writer, layout: Layout) -> None:
    await write(writer, layout, score(points=1))
    async with hearing(app) as one, hearing(app) as two:
        start = await one.start
        assert start["headers"][b"content-type"] == b"text/event-stream; charset=utf-8"
        assert b"content-encoding" not in start["headers"]
        assert start["headers"][b"x-accel-buffering"] == b"no"
        assert start["headers"][b"cache-control"] == b"no-store"
        await write(writer, layout, score(version=2), total(), alert("S1"), status(), interface(), beat(0))
        wanted = ["score", "score", "alert", "status", "status", "status"]
        for listener in (one, two):
            events = await listener.until(6)
            assert [kind for kind, _ in events] == wanted, "and nothing of before"
        assert events[0][1] == orjson.loads(score(version=2).to_json())
        assert events[5][1]["partition"] == 0
        assert len(app.state.changes._listeners) == 2
    assert app.state.changes._listeners == set()
    await asyncio.wait_for(app.state.changes._reading, SECONDS)  # nobody listens: nothing is read


async def test_a_deleted_record_is_said_to_be_gone(app: FastAPI, writer: Writer, layout: Layout) -> None:
    from streams.serving.rows import row_of

    await write(writer, layout, alert("S1", department=B))
    async with hearing(app, f"department={B}") as found:
        await writer.apply([row_of(layout, "alerts", alert("S1", department=B).id.encode(), None)], {}, {})
        assert await found.until(1) == [("alert", {"name": alert("S1", department=B).id, "gone": True})]


async def test_a_listener_hears_of_his_departments_only(
    settings: Settings, model: ReadModel, writer: Writer, layout: Layout, tmp_path: Path
) -> None:
    path = tmp_path / "users.yaml"
    users = [
        User(name="all", token_sha256=hash_of(TOKENS["all"])),
        User(name="of-a", token_sha256=hash_of(TOKENS["of-a"]), departments=(A,)),
    ]
    write_users(path, Users(users=users))
    app = create_app(settings.model_copy(update={"users_file": path}), model)
    bearers = {name: {"Authorization": f"Bearer {token}"} for name, token in TOKENS.items()}
    assert (await ask(app, "/api/v1/stream")).status == 401
    assert (await ask(app, f"/api/v1/stream?department={B}", headers=bearers["of-a"])).status == 403
    async with hearing(app, headers=bearers["of-a"]) as limited, hearing(app, f"department={B}", bearers["all"]) as asked:
        records = [
            record
            for code in (A, B)
            for record in (score(department=code), total(code), alert("S1", department=code), status(code), interface("J", code))
        ]
        await write(writer, layout, *records, beat(0))
        for found, code in ((limited, A), (asked, B)):
            events = await found.until(6)
            assert [event.get("department") for _, event in events] == [code] * 5 + [None]
    await app.state.changes.close()


async def test_it_resumes_after_the_last_event(app: FastAPI, writer: Writer, layout: Layout) -> None:
    async with hearing(app) as found:
        await write(writer, layout, *(alert(f"S{n}") for n in range(5)))
        await found.until(5)
        second = found.ids()[1]
    await write(writer, layout, alert("S5"), alert("S6", department=B))
    async with hearing(app, headers={"Last-Event-ID": second}) as resumed:
        await resumed.until(5)
        await write(writer, layout, alert("S7"))
        events = await resumed.until(6)
        assert [event["details"]["serial"] for _, event in events] == ["S2", "S3", "S4", "S5", "S6", "S7"]
        assert resumed.ids() == sorted(set(resumed.ids()))
    async with hearing(app, f"department={B}", {"Last-Event-ID": second}) as limited:
        assert [event["department"] for _, event in await limited.until(1)] == [B]
    assert (await ask(app, "/api/v1/stream", headers={"Last-Event-ID": "x"})).status == 422


async def test_who_has_missed_too_much_is_told_to_read_anew(
    app: FastAPI, settings: Settings, writer: Writer, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(writer, layout, *(alert(f"S{n}") for n in range(5)))
    async with hearing(app, headers={"Last-Event-ID": "1-0"}) as trimmed:
        assert await trimmed.until(1) == [("resync", {})]
    async with hearing(app, headers={"Last-Event-ID": "99999999999999-0"}) as of_another_redis:
        assert await of_another_redis.until(1) == [("resync", {})]
    client: Any = connect_async(settings)
    [(first, _)] = await client.xrange(layout.changes, count=1)
    await client.aclose()
    monkeypatch.setattr(stream, "MAX_REPLAYED", 3)
    async with hearing(app, headers={"Last-Event-ID": first.decode()}) as too_many:
        assert await too_many.until(1) == [("resync", {})]


async def test_who_does_not_keep_up_is_disconnected_and_the_others_hear_on(
    app: FastAPI, writer: Writer, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_WAITING", 10)
    async with hearing(app, slow=True) as slow, hearing(app) as quick:
        for n in range(40):
            await write(writer, layout, alert(f"S{n}"))
        await asyncio.wait_for(slow.task, SECONDS)
        assert len(slow.events()) < 40
        assert len(await quick.until(40)) == 40
        assert len(app.state.changes._listeners) == 1


async def test_only_so_many_may_listen(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_LISTENERS", 2)
    async with hearing(app), hearing(app):
        refused = await ask(app, "/api/v1/stream")
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        assert "2 connections listen to changes already" in refused.json["detail"]
    async with hearing(app):
        pass


async def test_a_comment_keeps_the_connection_and_who_is_removed_hears_no_more(
    settings: Settings, model: ReadModel, writer: Writer, layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(stream, "RECHECK_SECONDS", 0)
    path = tmp_path / "users.yaml"
    write_users(path, Users(users=[User(name="all", token_sha256=hash_of(TOKENS["all"]))]))
    app = create_app(settings.model_copy(update={"users_file": path}), model)
    async with hearing(app, headers={"Authorization": f"Bearer {TOKENS['all']}"}) as found:
        while found.text.count(":\n\n") < 3:
            await asyncio.wait_for(found.more.wait(), SECONDS)
            found.more.clear()
        write_users(path, Users(users=[]))
        await asyncio.wait_for(found.task, SECONDS)
        assert found.ended
    await app.state.changes.close()


async def test_it_goes_on_when_redis_was_away(
    app: FastAPI, settings: Settings, writer: Writer, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(stream, "BLOCK_MS", 50)
    async with hearing(app) as found:
        await write(writer, layout, alert("S1"))
        await found.until(1)
        client = app.state.changes._client
        failures = iter(range(3))
        xread = client.xread

        async def away(*arguments: Any, **named: Any) -> Any:
            if next(failures, None) is not None:
                raise stream.RedisError("away")
            return await xread(*arguments, **named)

        monkeypatch.setattr(client, "xread", away)
        await write(writer, layout, alert("S2"), alert("S3"))
        assert [event["details"]["serial"] for _, event in await found.until(3)] == ["S1", "S2", "S3"]


async def test_without_redis_it_says_so(model: ReadModel, settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}), model)
    refused = await ask(app, "/api/v1/stream")
    assert (refused.status, refused.headers["content-type"]) == (503, "application/problem+json")
    assert app.state.changes._listeners == set()
    await app.state.changes.close()


async def test_over_a_socket_it_is_sent_at_once_and_ends_with_the_server(settings: Settings, writer: Writer, layout: Layout) -> None:
    stop, urls = asyncio.Event(), asyncio.Queue[str]()
    serving = asyncio.create_task(run(settings, stop, on_start=urls.put_nowait))
    host, port = (await asyncio.wait_for(urls.get(), SECONDS)).removeprefix("http://").rstrip("/").split(":")
    reader, connection = await asyncio.open_connection(host, int(port))
    connection.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
    head = await asyncio.wait_for(reader.readuntil(b":\n\n"), SECONDS)
    assert b"content-encoding" not in head.lower()
    await write(writer, layout, alert("S1"))
    assert b"event: alert" in await asyncio.wait_for(reader.readuntil(b"\n\n"), SECONDS)
    started = time.monotonic()
    stop.set()
    assert (await asyncio.wait_for(reader.read(), SECONDS)).endswith(b"0\r\n\r\n"), "the answer is ended in order"
    await asyncio.wait_for(serving, SECONDS)
    assert time.monotonic() - started < 2
    connection.close()


def test_it_is_described(settings: Settings, model: ReadModel) -> None:
    described = create_app(settings, model).openapi()["paths"]["/api/v1/stream"]["get"]
    assert list(described["responses"]["200"]["content"]) == ["text/event-stream"]
    assert {parameter["name"] for parameter in described["parameters"]} == {"department", "Last-Event-ID"}
