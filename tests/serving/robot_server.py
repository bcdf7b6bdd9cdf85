"""A server that behaves like those of the group robots: checks key, format, size, signature and rate, and answers with errcodes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from typing_extensions import Self

WECOM_KEY, DINGTALK_TOKEN, DINGTALK_SECRET = "693axxx6-7aoc", "8f0a+b/c=", "SEC8f0e"
LIMITS = {"wecom": 4_096, "dingtalk": 20_000}


@dataclass
class RobotServer:
    """Both robots on loopback. `script` has answers to give before it behaves: a status, or an errcode in a 200."""

    rate: int = 20
    window: float = 60.0
    secret: str = DINGTALK_SECRET
    script: deque[Any] = field(default_factory=deque)
    accepted: dict[str, list[str]] = field(default_factory=lambda: {"wecom": [], "dingtalk": []})
    refused: list[int] = field(default_factory=list)
    port: int = 0
    _times: dict[str, deque[float]] = field(default_factory=lambda: {"wecom": deque(), "dingtalk": deque()})

    @property
    def wecom(self) -> str:
        return f"http://127.0.0.1:{self.port}/cgi-bin/webhook/send?key={WECOM_KEY}"

    @property
    def dingtalk(self) -> str:
        return f"http://127.0.0.1:{self.port}/robot/send?access_token=8f0a%2Bb/c%3D"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/cgi-bin/webhook/send", self._wecom)
        app.router.add_post("/robot/send", self._dingtalk)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _wecom(self, request: web.Request) -> web.Response:
        if request.query.get("key") != WECOM_KEY:
            return self._no(93_000, f"invalid webhook url, key {request.query.get('key')}")
        return await self._take("wecom", request, 45_009)

    async def _dingtalk(self, request: web.Request) -> web.Response:
        if request.query.get("access_token") != DINGTALK_TOKEN:
            return self._no(300_005, "token is not exist")
        if self.secret:
            timestamp = request.query.get("timestamp", "0")
            signed = hmac.new(self.secret.encode(), f"{timestamp}\n{self.secret}".encode(), hashlib.sha256).digest()
            late = abs(time.time() * 1_000 - int(timestamp)) > 3_600_000
            if late or request.query.get("sign") != base64.b64encode(signed).decode():
                return self._no(310_000, "sign not match")
        return await self._take("dingtalk", request, 130_101)

    async def _take(self, name: str, request: web.Request, too_often: int) -> web.Response:
        said = await request.json()
        assert said["msgtype"] == "markdown"
        text = said["markdown"]["content" if name == "wecom" else "text"]
        if self.script:
            answer = self.script.popleft()
            if isinstance(answer, str):
                return web.Response(text=answer)
            return web.Response(status=answer) if 100 <= answer < 600 else self._no(answer, "scripted")
        now = time.monotonic()
        times = self._times[name]
        while times and times[0] <= now - self.window:
            times.popleft()
        if len(times) >= self.rate:
            return self._no(too_often, "send too fast")
        times.append(now)
        if not text or len(text.encode()) > LIMITS[name]:
            return self._no(40_058, "markdown.content exceed max length")
        if name == "dingtalk" and not said["markdown"]["title"]:
            return self._no(400_105, "no title")
        self.accepted[name].append(text)
        return web.json_response({"errcode": 0, "errmsg": "ok"})

    def _no(self, code: int, why: str) -> web.Response:
        self.refused.append(code)
        return web.json_response({"errcode": code, "errmsg": why})
