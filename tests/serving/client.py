"""Asks an ASGI application, without a socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


async def ask(
    app: Any,
    url: str,
    accept: str = "*/*",
    method: str = "GET",
    encoding: str = "identity",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    client: str = "127.0.0.1",
    **more: str,
) -> Answer:
    parts = urlsplit(url)
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http", "path": parts.path,
        "raw_path": parts.path.encode(), "query_string": parts.query.encode(), "root_path": "",
        "headers": [(b"host", b"localhost"), (b"accept", accept.encode()), (b"accept-encoding", encoding.encode()), *((n.lower().encode(), v.encode()) for n, v in ((headers or {}) | more).items())],
        "client": (client, 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    sent: list[Any] = []

    requests = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        if (request := next(requests, None)) is None:
            await asyncio.Event().wait()  # the client stays until it has its answer
            raise AssertionError
        return request

    async def send(message: Any) -> None:
        sent.append(message)

    try:
        await app(scope, receive, send)
    except Exception:  # raised again after the answer has been sent, for the server's log
        if not sent:
            raise
    start = sent[0]
    answered: dict[str, str] = {}
    for name, value in start["headers"]:
        held = answered.get(name.decode())
        answered[name.decode()] = value.decode() if held is None else f"{held}, {value.decode()}"
    return Answer(start["status"], answered, b"".join(part.get("body", b"") for part in sent[1:]))
