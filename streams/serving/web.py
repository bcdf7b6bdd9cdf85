"""`onestop web`: exporter, API and pages in one process. It holds no state; any number of them may run."""

import asyncio
import contextlib
import logging
import socket
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder
from redis import RedisError
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.settings import Settings, SettingsError, host_and_port, is_loopback, share_of
from streams.clock import Clock
from streams.serving import api, api_live, api_records, bridge, forms, pages, pages_live, problems, report_page, stream
from streams.serving.access import STATIC, Access
from streams.serving.exporter import ScoreboardCollector, Shard, create_registry
from streams.serving.limits import Limits
from streams.serving.pages import login
from streams.serving.read_model import ReadModel, open_read_model
from streams.serving.robots import no_messages, open_robots
from streams.serving.users import UsersFile
from streams.serving.workers import Workers

log = logging.getLogger(__name__)
FRESH_SECONDS = 60
STOP_SECONDS = 1
BACKLOG = 1_024
SECURITY_HEADERS = {
    # Everything comes from here: no scripts, styles or pictures of others, and none inside the pages.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
# What is about departments stays in no cache; what comes with the program is asked for anew, and seldom sent.
CACHED, NOT_CACHED = (b"cache-control", b"no-cache"), (b"cache-control", b"no-store")


class SecurityHeaders:
    """Adds the headers to every answer that has none of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                held = {name for name, _ in message["headers"]}
                ours = [*self._headers, CACHED if scope["path"].startswith(STATIC) else NOT_CACHED]
                message["headers"] = [*message["headers"], *(header for header in ours if header[0] not in held)]
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def create_app(settings: Settings, model: ReadModel, workers: Workers | None = None) -> FastAPI:
    """The application over a read model, and the workers to ask.

    Raises:
        SettingsError: the users file cannot be used; a robot's address is none, or stands without ONESTOP_ALERT_TOKEN.
    """
    users = None if settings.users_file is None else UsersFile(settings.users_file)
    app = FastAPI(
        title="onestop",
        version=installed_version("onestop"),
        summary="Scores of one-stop government services, from the read model",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(Limits, settings=settings, page=pages.error_page),
            Middleware(Access, settings=settings, users=users, page=pages.error_page, now=model.now),
            Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=1),
        ],
    )
    app.state.settings = settings
    app.state.model = model
    app.state.users = users
    app.state.changes = stream.Changes(settings)
    app.state.failures = login.failures()
    app.state.templates = pages.Templates()
    app.state.workers = workers or Workers(settings)
    messages = no_messages()
    app.state.collector = ScoreboardCollector(model, messages, Shard(*share_of(settings.metrics_shard)))
    app.state.robots = open_robots(settings, messages)
    problems.install(app, settings, pages.error_page)
    app.add_api_route("/healthz", healthz, include_in_schema=False)
    app.add_api_route("/readyz", readyz, include_in_schema=False)
    app.add_api_route("/metrics", metrics, include_in_schema=False)
    app.add_api_route("/alerts/{robot}", bridge.receive, methods=["POST"], include_in_schema=False)
    app.include_router(api.router)
    app.include_router(api_records.router)
    app.include_router(stream.router)
    app.include_router(api_live.router)
    app.include_router(pages.router)
    app.include_router(pages_live.router)
    app.include_router(report_page.router)
    forms.install(app, settings)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """FastAPI describes the model of every answer as application/json too; problems are sent as problem+json only."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        schema = described()
        for operations in schema["paths"].values():
            for operation in operations.values():
                for answer in operation["responses"].values():
                    content = answer.get("content", {})
                    if problems.MEDIA_TYPE in content and "application/json" in content:
                        content[problems.MEDIA_TYPE] = content.pop("application/json")
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


async def healthz() -> JSONResponse:
    """Whether the process answers."""
    return JSONResponse({"status": "ok"})


def readyz(request: Request, model: api.Model) -> Response:
    """Whether Redis answers and the read model is fresher than 60 s."""
    try:
        fresh = model.freshness()
    except RedisError as error:
        return problems.problem_response(
            request, HTTPStatus.SERVICE_UNAVAILABLE, problems.redis_sentence(request.app.state.settings, error)
        )
    if fresh.last_update is None:
        missing = ", ".join(map(str, fresh.missing))
        detail = f"no heartbeat of partitions {missing} in the read model yet; look at worker and projector, and at ONESTOP_PARTITIONS"
    elif fresh.age is not None and fresh.age > FRESH_SECONDS:
        detail = f"the oldest heartbeat is {fresh.age:.0f} s old, more than {FRESH_SECONDS} s; look at worker and projector"
    else:
        return JSONResponse({"status": "ready", "last_update": model.text(fresh.last_update), "catching_up": list(fresh.catching_up)})
    return problems.problem_response(request, HTTPStatus.SERVICE_UNAVAILABLE, detail)


def metrics(request: Request) -> Response:
    """The scoreboard for Prometheus: as text, or as OpenMetrics for who takes nothing else. Compressed here, off the event loop."""
    collector: ScoreboardCollector = request.app.state.collector
    accept = request.headers.get("accept", "")
    if not accept or "text/plain" in accept or "*/*" in accept:
        pieces, headers = collector.pieces(), {"content-type": CONTENT_TYPE_PLAIN_0_0_4}
    else:
        encode, media_type = choose_encoder(accept)
        pieces, headers = iter([encode(create_registry(collector))]), {"content-type": media_type}
    if "gzip" in request.headers.get("accept-encoding", ""):
        pieces, headers = _compressed(pieces), {**headers, "content-encoding": "gzip", "vary": "Accept-Encoding"}
    return StreamingResponse(pieces, headers=headers)


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)  # 16: as gzip
    yield from filter(None, map(packer.compress, pieces))
    yield packer.flush()


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it, and says when it answers."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def check_address(settings: Settings) -> tuple[str, int]:
    """Host and port to listen on.

    Raises:
        SettingsError: outside loopback, and nothing says who may come: neither a users file nor that a trusted proxy stands before it.
    """
    host, port = host_and_port(settings.web_address)
    if not settings.trusted_proxy and settings.users_file is None and not is_loopback(host):
        raise SettingsError(
            f"ONESTOP_WEB_ADDRESS: {settings.web_address} can be reached from other machines, and everyone there could read everything: "
            "say who may with ONESTOP_USERS_FILE, or listen on 127.0.0.1 and put a reverse proxy that logs people in before it; where one "
            "stands before it already, or the port is published on loopback only, say so with ONESTOP_TRUSTED_PROXY=true"
        )
    if not settings.trusted_proxy and not is_loopback(host):
        log.warning("%s is not on loopback: put a proxy with TLS before it, or tokens cross the network in the clear", settings.web_address)
    return host, port


def _listen(host: str, port: int, settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"ONESTOP_WEB_ADDRESS: {settings.web_address} cannot be listened on ({error.strerror}); choose another"
        ) from None
    listener.listen(BACKLOG)
    return listener


@asynccontextmanager
async def _open(settings: Settings, clock: Clock | None) -> AsyncIterator[tuple[ReadModel, Workers]]:
    model, workers = open_read_model(settings, clock), Workers(settings)
    try:
        yield model, workers
    finally:
        model.close()
        workers.close()


async def run(
    settings: Settings, stop: asyncio.Event, *, clock: Clock | None = None, on_start: Callable[[str], None] = lambda url: None
) -> None:
    """Serve until `stop` is set; answers under way have a second to end.

    Args:
        settings: where to listen, and where Redis is.
        stop: set to end it.
        clock: another clock.
        on_start: told the URL once it answers.

    Raises:
        SettingsError: it cannot listen there, or must not; or a robot's settings are wrong.
    """
    host, port = check_address(settings)
    async with _open(settings, clock) as (model, workers):
        app = create_app(settings, model, workers)
        listener = _listen(host, port, settings)
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}/"
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )

        def started() -> None:
            log.info("serving on %s", url)
            on_start(url)

        server = _Server(config, started)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            for robot in app.state.robots.values():
                await robot.close()  # before the server stops: who waits for a delivery is told that there is none
            await app.state.changes.close()
            server.should_exit = True
            await serving
            listener.close()
