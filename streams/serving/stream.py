"""`GET /api/v1/stream`: what changes in the read model, as server-sent events.

One task of the process reads the stream of changes in Redis and hands each change to whoever listens. Nobody is waited for: a listener that
does not keep up is disconnected, and resumes from the last event it has.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header, Request
from redis import RedisError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from models.settings import Settings
from models.text import Text
from streams.serving.access import RefusedError, Visitor
from streams.serving.api import ERRORS, DepartmentQuery, get_model
from streams.serving.connection import connect_async
from streams.serving.layout import layout_of
from streams.serving.problems import problem

log = logging.getLogger(__name__)
MAX_LISTENERS = 500
MAX_WAITING = 2_000  # changes that may wait for a listener
MAX_REPLAYED = 2_000  # of those that a listener has missed; above, it is told to read everything anew
READ_AT_ONCE = 500
BLOCK_MS = 2_000  # below the time after which an answer of Redis is no longer waited for
RETRY_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
RECHECK_SECONDS = 5.0  # after which whoever has been removed hears no more
LAST_WORD_SECONDS = 0.5
EVENTS: Mapping[bytes, bytes] = {b"scores": b"score", b"alerts": b"alert", b"status": b"status"}
MEDIA_TYPE = "text/event-stream"
HEARTBEAT = b":\n\n"
RESYNC = b"event: resync\ndata: {}\n\n"
EVENT_ID = r"^\d{1,20}-\d{1,20}$"
BEGINNING = b"0-0"
router = APIRouter()


@dataclass(frozen=True, slots=True)
class Change:
    """A change as it is sent, and the department that it is about; None is for everyone."""

    department: str | None
    event: bytes


@dataclass(eq=False, slots=True)
class Listener:
    """Somebody who listens: the changes that wait for him, and whether it is over."""

    departments: frozenset[str] | None
    waiting: asyncio.Queue[Change] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, change: Change) -> None:
        """Hand over a change that is for him; who has too many already hears no more."""
        if not self.hears(change) or self.over.is_set():
            return
        try:
            self.waiting.put_nowait(change)
        except asyncio.QueueFull:
            log.info("A listener of /api/v1/stream did not keep up and is disconnected")
            self.over.set()

    def hears(self, change: Change) -> bool:
        """Whether a change is for him."""
        return self.departments is None or change.department is None or change.department in self.departments


class Changes:
    """Reads the stream of changes while anybody listens."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key = layout_of(settings).changes
        self._listeners: set[Listener] = set()
        self._client: Any = None  # the stubs of redis-py answer for both clients at once
        self._reading: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._last = BEGINNING

    async def listen(self, listener: Listener, after: str | None) -> bytes:
        """Begin to listen; what has happened since the event `after`, as it is sent.

        Raises:
            HTTPException: too many listen already (503).
            RedisError: the stream cannot be read.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                Text(
                    f"已有 {MAX_LISTENERS} 个连接在接收变化；请改为定时查询，稍后再试",
                    f"{MAX_LISTENERS} connections listen to changes already; ask from time to time instead, and try again later",
                ),
            )
        async with self._starting:
            if self._client is None:
                self._client = connect_async(self._settings)
            if self._reading is None or self._reading.done():
                self._last = _newest(await self._client.xrevrange(self._key, count=1))
                self._reading = asyncio.create_task(self._read(self._client))
            # What comes after `_last` waits for him: nothing else runs in between.
            self._listeners.add(listener)
        try:
            return b"" if after is None else await self._missed(listener, after.encode(), self._last)
        except BaseException:
            self.leave(listener)
            raise

    def leave(self, listener: Listener) -> None:
        """No longer listen."""
        self._listeners.discard(listener)

    async def close(self) -> None:
        """End all connections."""
        for listener in tuple(self._listeners):
            listener.over.set()
            self.leave(listener)
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def _missed(self, listener: Listener, after: bytes, until: bytes) -> bytes:
        oldest = await self._client.xrange(self._key, count=1)
        found = await self._client.xrange(self._key, b"(" + after, until, count=MAX_REPLAYED + 1) if _order(after) < _order(until) else []
        trimmed = not oldest or _order(oldest[0][0]) > _order(after)
        if after != until and (trimmed or len(found) > MAX_REPLAYED or _order(after) > _order(until)):
            return RESYNC
        return b"".join(change.event for change in _changes(found) if listener.hears(change))

    async def _read(self, client: Any) -> None:
        while self._listeners:
            try:
                if not await client.xread({self._key: self._last}, count=1, block=BLOCK_MS):
                    continue
                entries = await client.xrange(self._key, b"(" + self._last, count=READ_AT_ONCE)
            except RedisError as error:
                log.warning("The changes of the read model cannot be read (%s: %.120s); trying again", type(error).__name__, error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._last = entries[-1][0] if entries else self._last
            for change in _changes(entries):
                for listener in tuple(self._listeners):
                    listener.offer(change)


def _newest(entries: list[tuple[bytes, Any]]) -> bytes:
    return entries[0][0] if entries else BEGINNING


def _order(identifier: bytes) -> tuple[int, int]:
    milliseconds, _, number = identifier.partition(b"-")
    return int(milliseconds), int(number)


def _changes(entries: Iterable[tuple[bytes, Mapping[bytes, bytes]]]) -> Iterator[Change]:
    for identifier, held in entries:
        name, record = held[b"name"].decode(), held[b"record"]
        event = EVENTS.get(held[b"topic"])
        if event is not None:
            data = record.replace(b"\n", b" ") or orjson.dumps({"name": name, "gone": True})
            yield Change(_department(held[b"topic"], name), b"id: %s\nevent: %s\ndata: %s\n\n" % (identifier, event, data))


def _department(topic: bytes, name: str) -> str | None:
    """Of whom a change is, by the name that the read model has for it; heartbeats are of a partition."""
    first, _, rest = name.partition("|")
    if topic == b"alerts":  # kind|department|…
        return rest.partition("|")[0]
    return None if topic == b"status" and first == "partition" and rest else first


class EventStream(Response):
    """Sends what a listener hears until he goes, is no longer let in, does not keep up, or the server ends."""

    media_type = MEDIA_TYPE

    def __init__(self, changes: Changes, listener: Listener, missed: bytes, allowed: Callable[[], bool]) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})  # a proxy is not to collect it
        del self.headers["content-length"]
        self._changes = changes
        self._listener = listener
        self._missed = missed
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        tasks: list[asyncio.Task[Any]] = []
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            tasks = [asyncio.create_task(work) for work in (self._write(send), _gone(receive), self._listener.over.wait())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._changes.leave(self._listener)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(asyncio.TimeoutError, OSError):
            await asyncio.wait_for(send({"type": "http.response.body", "body": b"", "more_body": False}), LAST_WORD_SECONDS)

    async def _write(self, send: Send) -> None:
        checked = time.monotonic()
        body = HEARTBEAT + self._missed
        while True:
            await send({"type": "http.response.body", "body": body, "more_body": True})
            body = await self._next()
            if time.monotonic() - checked >= RECHECK_SECONDS:
                if not self._allowed():
                    return
                checked = time.monotonic()

    async def _next(self) -> bytes:
        waiting = self._listener.waiting
        try:
            found = [(await asyncio.wait_for(waiting.get(), HEARTBEAT_SECONDS)).event]
        except asyncio.TimeoutError:
            return HEARTBEAT
        while not waiting.empty():
            found.append(waiting.get_nowait().event)
        return b"".join(found)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@router.get(
    "/api/v1/stream",
    summary="What changes, as server-sent events",
    tags=["v1"],
    status_code=200,
    response_class=EventStream,
    responses={**ERRORS, 200: {"description": "events without end", "content": {MEDIA_TYPE: {}}}},
    dependencies=[Depends(get_model)],  # refuses departments that the user may not see
)
async def stream(
    request: Request,
    department: DepartmentQuery = None,
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", pattern=EVENT_ID, description="the last event that was received: what came since is sent first"),
    ] = None,
) -> Response:
    """Events `score`, `alert` and `status`, each with the record as data, or `{"name": …, "gone": true}` where it was deleted.

    Heartbeats of the partitions are `status` events for everyone. An event `resync` says that more was missed than is kept: read
    everything anew. A comment comes every 15 s while nothing else does.
    """
    changes: Changes = request.app.state.changes
    user = request.state.user
    seen = None if user.departments is None else frozenset(user.departments)
    listener = Listener(frozenset([department]) if department else seen)
    missed = await changes.listen(listener, last_event_id)
    return EventStream(changes, listener, missed, lambda: _same(request.state.let_in, user))


def _same(let_in: Callable[[], Visitor], user: object) -> bool:
    try:
        return let_in().user == user
    except RefusedError:
        return False
