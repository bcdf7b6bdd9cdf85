"""`onestop worker`: waits for its cluster, runs the Faust application, and ends it when it has silently stopped working."""

import asyncio
import gc
import io
import logging
import time
from collections.abc import Awaitable
from typing import Any

from aiohttp import web
from aiokafka.errors import KafkaError
from prometheus_client.aiohttp import make_aiohttp_handler
from pydantic import SecretStr

from models.settings import Settings, host_and_port, is_loopback
from streams import topics
from streams.app import Composition, create_app
from streams.fatal import end_process, start_over
from streams.kafka_clients import kafka_fault
from streams.pipeline import Pipeline
from streams.queries import PREFIX as QUERIES
from streams.queries import Queries
from streams.registry import advertised, keep_registered
from streams.startup import check_snapshots, wait_for_clock
from streams.tokens import bears
from streams.waiting import SaysOnce

log = logging.getLogger(__name__)
WATCH_SECONDS = 5.0
STALLED_SECONDS = 60.0
RETRY_SECONDS = 2.0


class WorkerRefusedError(Exception):
    """The worker must not start: the topics are not what they have to be. Says what is wrong and the command that mends it."""


def wait_for_cluster(settings: Settings) -> None:
    """Wait until the broker answers and the topics are right; a sentence on each change of what is waited for.

    Raises:
        WorkerRefusedError: a topic has wrong partitions, retention or timestamps.
    """
    waits_for = SaysOnce(log)
    while True:
        try:
            with topics.admin(settings) as client:
                faults = topics.check(settings, client)
        except topics.UNREACHABLE as error:
            waits_for(f"{kafka_fault(settings, error)[1]}; trying again every {RETRY_SECONDS:g} s")
        else:
            wrong = [fault for fault in faults if fault.fault != "is missing"]
            if wrong:
                raise WorkerRefusedError("; ".join(map(str, wrong)))
            if not faults:
                return
            waits_for(f"{len(faults)} topics are missing on {settings.broker}: make them with `onestop topics create`; waiting for them")
        time.sleep(RETRY_SECONDS)


def _make_data_dir(settings: Settings) -> None:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        (settings.data_dir / (settings.topic_prefix or topics.APP)).mkdir(exist_ok=True)
    except OSError as error:
        raise WorkerRefusedError(f"ONESTOP_DATA_DIR={settings.data_dir}: {error.strerror}; name a directory that can be written") from None


def check_address(settings: Settings) -> None:
    """Whether the worker may serve its metrics where it is told to.

    Raises:
        WorkerRefusedError: outside loopback, with neither a token nor anything that stands before it.
    """
    host, _ = host_and_port(settings.worker_address)
    if not is_loopback(host) and settings.metrics_token is None and not settings.trusted_proxy:
        raise WorkerRefusedError(
            f"ONESTOP_WORKER_ADDRESS: {settings.worker_address} can be reached from other machines: set ONESTOP_METRICS_TOKEN_FILE, listen "
            "on 127.0.0.1, or, where the port is published in a closed network only, say so with ONESTOP_TRUSTED_PROXY=true"
        )


def _only_with_token(settings: Settings) -> Any:
    def check_token(request: web.Request, what: str, name: str, token: SecretStr) -> None:
        if not bears(request.headers.get("Authorization"), token):
            text = f"{what} need the bearer token that {name} holds\n"
            raise web.HTTPUnauthorized(text=text, headers={"WWW-Authenticate": 'Bearer realm="onestop"'})

    @web.middleware
    async def check(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.startswith(QUERIES):
            if settings.query_token is not None:
                check_token(request, "queries", "ONESTOP_QUERY_TOKEN", settings.query_token)
            elif not settings.trusted_proxy and not is_loopback(host_and_port(settings.worker_address)[0]):
                # They name cases: whoever scrapes metrics from outside has no business with them.
                raise web.HTTPForbidden(text="queries are answered here with ONESTOP_QUERY_TOKEN only, and none is set\n")
        elif settings.metrics_token is not None and request.path != "/healthz":
            check_token(request, "metrics", "ONESTOP_METRICS_TOKEN", settings.metrics_token)
        answer: web.StreamResponse = await handler(request)
        return answer

    return check


async def serve_metrics(composition: Composition, queries: Queries) -> tuple[web.AppRunner, int]:
    """Serve `/metrics`, `/healthz` and the queries on the worker's address; the runner and the port."""
    server = web.Application(middlewares=[_only_with_token(composition.settings)])
    queries.add_routes(server)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def without_banner(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"

    server.on_response_prepare.append(without_banner)
    server.router.add_get("/metrics", make_aiohttp_handler(composition.metrics.registry))
    server.router.add_get("/healthz", healthy)
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    host, port = host_and_port(composition.settings.worker_address)
    site = web.TCPSite(runner, host, port)
    await site.start()
    return runner, runner.addresses[0][1]


async def watch(app: Any, pipeline: Pipeline) -> None:
    """End the process when it is alive and does nothing.

    Faust can stop without dying: `wait_first` of its services answers `stopped` on a time-out, so a recovery step slower than the
    request timeout ends the recovery silently while heartbeats go on, and the partitions belong to a worker that reads nothing.
    """
    await app.tables.wait_until_tables_registered()
    lagging_since: dict[int, float] = {}
    idle_since: float | None = None
    while not app.should_stop:
        await asyncio.sleep(WATCH_SECONDS)
        recovery, now = app.tables.recovery, time.monotonic()
        if recovery.started and not recovery.should_stop and _tasks_alive(recovery) < sum(1 for _ in recovery._get_tasks()):  # noqa: SLF001
            end_process("the recovery task has returned while the worker goes on")
        lagging = {tp.partition for tp, lag in pipeline.lags.items() if lag and tp.topic not in app.held_topics}
        lagging_since = {partition: lagging_since.get(partition, now) for partition in lagging}
        for partition, since in lagging_since.items():
            if now - max(since, pipeline.finished_at.get(partition, 0.0)) > STALLED_SECONDS:
                end_process(f"partition {partition} has lag and finished no chunk for {STALLED_SECONDS:g} s")
        if not app.rebalancing:
            # While no record comes nobody else notices: no deadline of the partition would fire, and no heartbeat would be told.
            pipeline.must_have_changelogs(app.consumer.flowing())
        waiting = any(map(app.consumer.is_input, app.consumer.assignment())) and not app.consumer.flowing()
        if not waiting or recovery.in_recovery or app.rebalancing:
            idle_since = None
        else:
            idle_since = now if idle_since is None else idle_since
            if now - idle_since > STALLED_SECONDS:
                end_process(f"partitions are assigned and nothing is read from them for {STALLED_SECONDS:g} s")


def _tasks_alive(service: Any) -> int:
    # A task that is done is dropped from the futures: only their number tells.
    return sum(not task.done() for task in service._futures)  # noqa: SLF001


def _add_tasks(app: Any, pipeline: Pipeline, composition: Composition) -> None:
    """What runs beside the agents."""

    async def for_ever(work: Awaitable[None], what: str) -> None:
        # Faust swallows what a task raises; a worker that publishes nothing must not live on.
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("%s failed", what)
            end_process(f"{what} failed: {type(error).__name__}: {error}")

    async def rounds() -> None:
        await app.tables.wait_until_tables_registered()
        await for_ever(pipeline.run_rounds(), "publishing")

    async def control() -> None:
        await for_ever(pipeline.gatekeeper.follow(lambda: app.should_stop), "following the control topic")

    async def snapshots() -> None:
        await for_ever(pipeline.run_snapshots(), "writing snapshots")

    async def watchdog() -> None:
        await for_ever(watch(app, pipeline), "the watchdog")

    async def metrics() -> None:
        queries = Queries(composition.settings, pipeline)
        try:
            _, port = await serve_metrics(composition, queries)
        except OSError as error:
            end_process(f"ONESTOP_WORKER_ADDRESS={composition.settings.worker_address} cannot be listened on ({error}); choose another")
        log.info("worker %s serves metrics and queries on port %d", composition.settings.worker_id, port)
        await for_ever(keep_registered(composition.settings, advertised(composition.settings, port), queries.owned), "the registry")

    app.at_start += [rounds, control, snapshots, watchdog, metrics]


def spare_the_collector() -> None:
    """Have the collector of cyclic garbage look at what is new, and hardly ever at the rest: facts and entities are not cyclic.

    Walking them again and again took two thirds of the time (measured). Generations are small, for each is walked at a stretch: with forty
    times as much in them they held the event loop for 140 ms, with four times as much for 25 to 30.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 5, 40_000)


def run(composition: Composition) -> None:
    """Run the worker until it is told to stop. Does not return: the process ends with the exit code.

    Raises:
        WorkerRefusedError: as `wait_for_cluster`.
    """
    check_address(composition.settings)
    wait_for_cluster(composition.settings)
    wait_for_clock(composition.settings)
    check_snapshots(composition.settings)
    spare_the_collector()
    _make_data_dir(composition.settings)
    app, pipeline = create_app(composition)
    _add_tasks(app, pipeline, composition)
    # Its spinner writes to stdout, quiet or not: with stdout on a full disk that ended the worker.
    worker = app.Worker(override_logging=False, redirect_stdouts=False, quiet=True, stdout=io.StringIO())
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        error = end.__context__  # mode turns every error into an exit code
        if not isinstance(error, KafkaError):
            raise
        # Eight workers once ended because the cluster was not ready when they started (NodeNotReadyError): starting must retry.
        start_over(f"the worker could not start: {kafka_fault(composition.settings, error)[1]}", RETRY_SECONDS)
