"""The registry of owners in Redis: which worker answers for a partition. It expires by itself and is never waited for."""

import asyncio
import logging
import socket
from collections.abc import Callable, Collection

from redis import RedisError

from models.settings import Settings, host_and_port
from streams.serving.connection import connect_async, redis_address
from streams.serving.layout import layout_of
from streams.waiting import SaysOnce

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
# A worker that ends is asked in vain for so long at most; its successor writes itself in as soon as it owns the partition.
EXPIRE_SECONDS = 15
RENEW_LOOKS = 5
EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  # compared with, not listened on


def advertised(settings: Settings, port: int) -> str:
    """Where others reach this worker, which listens on that port."""
    if settings.worker_advertised is not None:
        return settings.worker_advertised
    host, _ = host_and_port(settings.worker_address)
    shown = socket.gethostname() if host in EVERY_ADDRESS else host
    return f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"


async def keep_registered(settings: Settings, address: str, owned: Callable[[], Collection[int]]) -> None:
    """Write for ever which partitions are answered for here.

    Args:
        settings: where Redis is.
        address: where this worker is reached.
        owned: the partitions.
    """
    layout, says = layout_of(settings), SaysOnce(log)
    client = connect_async(settings)
    told: set[int] = set()
    looks = 0
    try:
        while True:
            held = set(owned())
            told &= held  # what went elsewhere and comes back is told at once
            if held - told or looks >= RENEW_LOOKS:
                looks = 0
                try:
                    pipeline = client.pipeline(transaction=False)
                    for partition in held:
                        pipeline.set(layout.owner(partition), address, ex=EXPIRE_SECONDS)
                    await pipeline.execute()
                    told = held
                except (RedisError, OSError) as error:
                    # Scoring goes on; only nobody finds this worker to ask it.
                    says(f"Redis at {redis_address(settings)} cannot be reached ({type(error).__name__}): explanations cannot be asked for")
                    told = set()
            looks += 1
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await client.aclose()
