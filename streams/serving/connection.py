"""Connections to the read model's Redis: they fail soon, and never make a reader wait for long."""

from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from models.settings import Settings, SettingsError

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
# Once again at once: a connection that lay idle may have been closed by the server.
RETRIES = 1


def connect(settings: Settings) -> redis.Redis:
    """A client; it connects when it is first used."""
    try:
        return redis.Redis.from_url(settings.redis_url, retry=Retry(NoBackoff(), RETRIES), **_limits())
    except ValueError as error:
        raise _wrong_url(settings, error) from None


def connect_async(settings: Settings) -> redis.asyncio.Redis:
    """The same for asyncio; whoever waits and tries again does so by himself."""
    from redis.asyncio.retry import Retry as AsyncRetry  # noqa: PLC0415

    try:
        return redis.asyncio.Redis.from_url(settings.redis_url, retry=AsyncRetry(NoBackoff(), RETRIES), **_limits())
    except ValueError as error:
        raise _wrong_url(settings, error) from None


def redis_address(settings: Settings) -> str:
    """Where it is, without the password."""
    parts = urlsplit(settings.redis_url)
    if parts.scheme == "unix":
        return parts.path
    host = parts.netloc.rpartition("@")[2] or "localhost"
    return f"{host}{parts.path if parts.path != '/' else ''}"


def _limits() -> dict[str, Any]:
    return {"socket_connect_timeout": CONNECT_SECONDS, "socket_timeout": ANSWER_SECONDS}


def _wrong_url(settings: Settings, error: ValueError) -> SettingsError:
    return SettingsError(f"ONESTOP_REDIS_URL: {redis_address(settings)!r} cannot be used ({error}); for example redis://127.0.0.1:6379/0")
