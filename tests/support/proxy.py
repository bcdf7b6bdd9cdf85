"""A TCP proxy whose connections can be cut, held and slowed: a bad network between a process and its servers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.embedded import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Self

READ_BYTES = 64 * 1024
CONNECT_SECONDS = 5.0


@dataclass
class Proxies:
    """Proxies on loopback, each from a port of its own to a target port; what is done is done to all of them.

    They run in a thread, so that they go on while the test waits for something else.
    """

    routes: Sequence[tuple[int, int]]  # (port listened on, port connected to)
    accepted: int = 0
    _delay: float = 0.0
    _refusing: bool = False
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()
        if self._fault is not None:
            raise self._fault
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop.set)
        self._thread.join()

    def cut(self) -> None:
        """Reset every connection, and new ones at once, until `heal`."""
        self._call(self._cut)

    def hold(self) -> None:
        """Pass nothing on, and let nobody know, until `heal`: packets are lost, connections stay."""
        self._call(self._passing.clear)

    def slow(self, seconds: float) -> None:
        """Delay each piece of at most 64 KiB in either direction, until `heal`."""
        self._call(lambda: setattr(self, "_delay", seconds))

    def heal(self) -> None:
        """Pass everything on at once again."""
        self._call(self._heal)

    def _run(self, ready: threading.Event) -> None:
        self._fault: BaseException | None = None
        try:
            asyncio.run(self._serve(ready))
        except BaseException as fault:
            self._fault = fault
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stop, self._passing = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._passing.set()
        servers = [await asyncio.start_server(self._to(target), HOST, port) for port, target in self.routes]
        ready.set()
        await self._stop.wait()
        for server in servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        self._abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _to(self, target: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.accepted += 1
            if self._refusing:
                writer.transport.abort()
                return
            try:
                far_reader, far_writer = await asyncio.wait_for(asyncio.open_connection(HOST, target), CONNECT_SECONDS)
            except (OSError, asyncio.TimeoutError):
                writer.transport.abort()
                return
            both = {writer, far_writer}
            self._open |= both
            pumps = [asyncio.ensure_future(self._pump(*ends)) for ends in ((reader, far_writer), (far_reader, writer))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._open -= both
                for pump in pumps:
                    pump.cancel()
                for end in both:
                    end.transport.abort()

        return connected

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(READ_BYTES):
                await self._passing.wait()
                if self._delay:
                    await asyncio.sleep(self._delay)
                writer.write(data)
                await writer.drain()

    def _cut(self) -> None:
        self._refusing = True
        self._abort()

    def _heal(self) -> None:
        self._refusing, self._delay = False, 0.0
        self._passing.set()

    def _abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    def _call(self, what: Callable[[], object]) -> None:
        """Do it in the proxies' thread, and wait until it is done."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (what(), done.set()))
        done.wait()
