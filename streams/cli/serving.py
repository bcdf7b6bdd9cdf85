"""Commands around the read model: `projector`, `web`, `scores`."""

import asyncio
import gc
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from redis import RedisError

from models.settings import Settings, SettingsError, share_of
from streams.cli.broker import set_up_logging
from streams.cli.offline import DepartmentOption, Json, PeriodOption
from streams.cli.support import Exit, check_department, check_period, fail, output, print_json, say, the_settings
from streams.cli.tables import print_scores
from streams.serving.connection import redis_address
from streams.serving.read_model import ReadModel, open_read_model

T = TypeVar("T")


def read_model(read: Callable[[ReadModel], T]) -> T:
    """What the read model answers, or the end of the command with a sentence."""
    settings = the_settings()
    try:
        model = open_read_model(settings)
    except SettingsError as error:
        fail(str(error))
    try:
        return read(model)
    except RedisError as error:
        fail(redis_unreachable(settings, error), Exit.UNREACHABLE)
    finally:
        model.close()


def redis_unreachable(settings: Settings, error: BaseException) -> str:
    """The sentence for a Redis that does not answer a command."""
    address, fault = redis_address(settings), f"{type(error).__name__}: {error!s:.100}"
    return say(
        f"无法读取 Redis {address}（{fault}）；请启动它，或用 ONESTOP_REDIS_URL 指明地址",
        f"Redis at {address} cannot be read ({fault}); start it, or name another with ONESTOP_REDIS_URL",
    )


def scores(period: PeriodOption = None, department: DepartmentOption = None, json: Json = False) -> Exit:
    """Print the live scores of a period: the current one, or the newest that has any; with --json those of all periods.

    Example: onestop scores --period 2020-09
    """
    check_period(period)
    check_department(department)

    def read(model: ReadModel) -> Exit:
        if json:
            for each in [period] if period else sorted(model.period_labels()):
                for record in model.scores(each, department):
                    print_json(record.model_dump(exclude_none=True))
            return Exit.RIGHT
        label = period or model.default_period()
        records = [] if label is None else model.scores(label, department)
        print_scores(records, model.departments())
        if not records and (labels := model.period_labels()):
            listed = ", ".join(labels)
            output().print(say(f"有得分的考核期：{listed}", f"Periods with scores: {listed}"), highlight=False)
        return Exit.RIGHT

    return read_model(read)


def projector() -> Exit:
    """Run a projector: it brings scores, status, alerts, adjustments and audit from Kafka into Redis, until it is told to stop.

    It also counts there what is in quarantine.

    Example: ONESTOP_REDIS_URL=redis://10.0.0.5:6379/0 onestop projector
    """
    from streams.projector import run  # noqa: PLC0415  # aiokafka takes its time to import

    return _serve(run, the_settings())


def web(
    shard: Annotated[
        str | None, typer.Option("--shard", help="Tell in /metrics about the i-th of n shares of the departments only.", metavar="I/N")
    ] = None,
) -> Exit:
    """Serve scoreboard, API and metrics, until it is told to stop.

    Example: ONESTOP_WEB_ADDRESS=127.0.0.1:8080 onestop web
    """
    from streams.serving.web import run  # noqa: PLC0415  # FastAPI takes its time to import

    # Each answer makes and drops many small things, none of them cyclic; looking for cycles took half the time of large ones.
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    settings = the_settings()
    if shard is not None:
        try:
            share_of(shard)
        except ValueError as error:
            fail(f"--shard: {error}; for example --shard 2/4")
        settings = settings.model_copy(update={"metrics_shard": shard})
    return _serve(run, settings)


def _serve(run: Callable[[Settings, asyncio.Event], Awaitable[None]], settings: Settings) -> Exit:
    set_up_logging(settings)
    # It says by itself, once, what cannot be reached; aiokafka would say so at every try.
    logging.getLogger("aiokafka").propagate = False

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await run(settings, stop)

    try:
        asyncio.run(serve())
    except SettingsError as error:
        fail(str(error))
    return Exit.RIGHT
