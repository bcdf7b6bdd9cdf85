"""The production worker, that shows its memory when asked, and if told so has slow agents or a standby: python -m tests.torture.worker."""

from __future__ import annotations

import asyncio
import heapq
import os
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

import streams.worker
from streams.cli.main import run
from streams.driver import Consumer
from streams.pipeline import Pipeline
from tests.torture.memory import memory_of

# The file into which the address of the memory is written.
ADDRESS_FILE = "TORTURE_ADDRESS_FILE"
STANDBY = "TORTURE_STANDBY"
SLOW_SECONDS = "TORTURE_SLOW_SECONDS"
# A fault put in, to see that it is found: chunks count as finished so many seconds before their facts are durable.
EARLY_FINISH_SECONDS = "TORTURE_EARLY_FINISH_SECONDS"

_create_app = streams.worker.create_app
_serve_metrics = streams.worker.serve_metrics
_process = Pipeline.process
_append = Pipeline._append
_interval_of = Consumer.interval_of
_pipelines: list[Pipeline] = []


def create_app(composition: Any) -> Any:
    """The application, with as many standbys as were asked for."""
    app, pipeline = _create_app(composition)
    app.conf.table_standby_replicas = int(os.environ.get(STANDBY, "0"))
    _pipelines.append(pipeline)
    return app, pipeline


async def serve_metrics(composition: Any, queries: Any) -> Any:
    """Serve the metrics, and the memory beside them."""

    async def memory(_: web.Request) -> web.Response:
        pipeline = _pipelines[0]
        states = pipeline.store.data
        owned = pipeline.consumer.flowing()
        return web.json_response({
            "owned": sorted(owned),
            "partitions": {str(number): memory_of(states[number]) for number in sorted(states) if number in owned},
            "standby": {str(number): memory_of(states[number]) for number in sorted(states) if number not in owned},
        })  # fmt: skip

    server = web.Application()
    server.router.add_get("/memory", memory)
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    path = Path(os.environ[ADDRESS_FILE])
    aside = path.with_suffix(".new")
    aside.write_text(f"http://127.0.0.1:{runner.addresses[0][1]}/memory")
    aside.rename(path)
    return await _serve_metrics(composition, queries)


async def slowly(self: Pipeline, topic: str, message: Any) -> None:
    """As `process`, after a while."""
    await asyncio.sleep(float(os.environ[SLOW_SECONDS]))
    await _process(self, topic, message)


def finished_at_once(self: Consumer, message: Any) -> Any:
    """As `interval_of`, but the chunk counts as finished from now on: the rule that a commit follows the facts is broken."""
    interval = _interval_of(self, message)
    if interval is not None:
        del self._delivered[id(message)]
        heapq.heappush(self._finished[message.tp], (interval.begin, interval.end))
    return interval


async def append_late(self: Pipeline, partition: int, value: bytes) -> Any:
    """As `_append`, after a while."""
    await asyncio.sleep(float(os.environ[EARLY_FINISH_SECONDS]))
    return await _append(self, partition, value)


if __name__ == "__main__":
    streams.worker.create_app = create_app
    streams.worker.serve_metrics = serve_metrics
    if SLOW_SECONDS in os.environ:
        Pipeline.process = slowly  # type: ignore[method-assign]
    if EARLY_FINISH_SECONDS in os.environ:
        Consumer.interval_of = finished_at_once  # type: ignore[method-assign]
        Pipeline._append = append_late  # type: ignore[method-assign]
    sys.exit(run(["worker"]))
