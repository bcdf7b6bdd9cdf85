"""What one client may ask of the web server: so many requests, so long an address, so large a body."""

import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.settings import Settings
from models.text import Text
from streams.serving.problems import Page, answer, problem

MAX_URL_BYTES = 8 * 1024
MAX_BODY_BYTES = 1024 * 1024
# A page asks four times when it is opened and once in 5 s afterwards; an office may come from one address.
REQUESTS_A_SECOND = 50.0
BURST = 300.0
MAX_CLIENTS = 10_000


class Buckets:
    """A bucket of tokens for each client: a request takes one, and they come back with time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, rate: float = REQUESTS_A_SECOND, burst: float = BURST) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()  # by client: tokens, and since when; the last seen at the end

    def seconds_to_wait(self, client: str, take: float = 1) -> float:
        """Take a token, or only look (`take=0`); 0 when there was one, else how long until there is."""
        now = self._clock()
        tokens, since = self._held.pop(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        self._held[client] = (tokens - take if tokens >= 1 else tokens, now)
        if len(self._held) > MAX_CLIENTS:
            self._held.popitem(last=False)
        return wait


class Limits:
    """An ASGI middleware that refuses what is too much."""

    def __init__(self, app: ASGIApp, settings: Settings, page: Page, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._behind_proxy = settings.trusted_proxy
        self._page = page
        self._buckets = Buckets(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        wait = self._buckets.seconds_to_wait(client_of(request, behind_proxy=self._behind_proxy))
        length = request.headers.get("content-length", "0")
        if wait:
            response = answer(request, self._page, HTTPStatus.TOO_MANY_REQUESTS, _TOO_MANY)
            response.headers["retry-after"] = str(max(1, round(wait)))
        elif len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_URL_BYTES:
            response = answer(request, self._page, HTTPStatus.REQUEST_URI_TOO_LONG, _TOO_LONG)
        elif not length.isdigit() or int(length) > MAX_BODY_BYTES:
            response = answer(request, self._page, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE)
        else:
            await self._app(scope, _limited(receive), send)
            return
        await response(scope, receive, send)


def client_of(request: Request, *, behind_proxy: bool) -> str:
    """The address of who asks."""
    peer = request.client.host if request.client is not None else ""
    if not behind_proxy:
        return peer
    # The last address is what the proxy itself has seen; those before it anyone may have written.
    return request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()[:64] or peer


_TOO_MANY = Text("请求太多，请稍候再试", "too many requests; wait a moment")
_TOO_LONG = Text(f"地址至多 {MAX_URL_BYTES} 字节；请缩短", f"an address may have {MAX_URL_BYTES} bytes; ask for less")
_TOO_LARGE = Text(f"一次至多发送 {MAX_BODY_BYTES} 字节；请分次发送", f"a body may have {MAX_BODY_BYTES} bytes; send less at once")


def _limited(receive: Receive) -> Receive:
    """Bodies that do not say how long they are, too."""
    taken = 0

    async def receive_some() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            raise problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE)
        return message

    return receive_some
