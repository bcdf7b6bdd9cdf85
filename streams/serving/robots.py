"""The group robots of WeCom and DingTalk: sending within their sizes and rates, and saying whether it has arrived.

Nothing is kept here: who asked for a delivery waits until the robot has accepted it, and asks again if it has not. So a crash
loses nothing, and at worst a message is said twice.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import orjson
from yarl import URL

from models.settings import Settings, SettingsError
from streams.serving.notifications import Alert, digest, lines_of, messages, most_severe_first

log = logging.getLogger(__name__)
RATE, WINDOW_SECONDS = 20, 60.0
# Longer than the window: who waits for a place in it gets one. Alertmanager itself waits for its group_interval.
PATIENCE_SECONDS = 90.0
REQUEST_SECONDS = 10.0
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 15.0
MOST_WAITING = 1_000
# A notification that would take more messages than this is told as a digest.
MOST_MESSAGES = 5
BUSY = -1
OUTCOMES = ("sent", "failed")
Counts = dict[tuple[str, str], int]


class UndeliveredError(Exception):
    """The robot has not accepted it; the text says why, without address or secret."""


class _LaterError(UndeliveredError):
    """Trying again may help."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of robot asks for."""

    limit: int  # bytes of UTF-8 of a message
    line_end: str
    payload: Callable[[str], dict[str, Any]]
    too_often: frozenset[int]  # error codes for too many messages


def _wecom(text: str) -> dict[str, Any]:
    return {"msgtype": "markdown", "markdown": {"content": text}}


def _dingtalk(text: str) -> dict[str, Any]:
    # The title is what the list of chats shows.
    return {"msgtype": "markdown", "markdown": {"title": text.split("\n", 1)[0].strip("* ")[:64], "text": text}}


KINDS: Mapping[str, Kind] = {
    "wecom": Kind(4_096, "\n", _wecom, frozenset({45_009})),
    "dingtalk": Kind(20_000, "  \n", _dingtalk, frozenset({130_101, 660_026, 410_100})),
}


@dataclass(eq=False, slots=True)
class _Delivery:
    """A notification that waits, and how many of its messages the robot has."""

    alerts: Sequence[Alert]
    texts: list[str]
    accepted: "asyncio.Future[None]"
    sent: int = 0

    @property
    def rank(self) -> int:
        return min(alert.rank for alert in self.alerts)

    def settle(self, error: UndeliveredError | None = None) -> None:
        if not self.accepted.done():
            self.accepted.set_result(None) if error is None else self.accepted.set_exception(error)


@dataclass(slots=True)
class Robot:
    """One robot of a group. Of one event loop."""

    name: str
    url: URL
    secret: str
    zone: ZoneInfo
    counts: Counts
    rate: int = RATE
    window: float = WINDOW_SECONDS
    patience: float = PATIENCE_SECONDS
    first_retry: float = FIRST_RETRY_SECONDS
    _waiting: list[_Delivery] = field(default_factory=list)
    _spent: deque[float] = field(default_factory=deque)
    _not_before: float = 0.0
    _failures: int = 0
    _fault: str = ""
    _sender: "asyncio.Task[None] | None" = None
    _client: aiohttp.ClientSession | None = None
    _closed: bool = False

    @property
    def kind(self) -> Kind:
        """Its formats and limits."""
        return KINDS[self.name]

    async def deliver(self, alerts: Sequence[Alert], names: Mapping[str, str]) -> None:
        """Tell alerts; returns once the robot has accepted all of it.

        Args:
            alerts: what to tell.
            names: departments' names by code, as far as known.

        Raises:
            UndeliveredError: it has not, or not in time.
        """
        if self._closed:
            raise UndeliveredError("the process is ending")
        if len(self._waiting) >= MOST_WAITING:
            raise UndeliveredError(f"{MOST_WAITING} notifications wait already")
        end = self.kind.line_end
        paragraphs = [end.join(lines_of(alert, names, self.zone)) for alert in most_severe_first(alerts)]
        texts = messages(paragraphs, self.kind.limit, end + "\n")
        if len(texts) > MOST_MESSAGES:
            texts = [digest(alerts, self.kind.limit, end)]
        delivery = _Delivery(alerts, texts, asyncio.get_running_loop().create_future())
        self._waiting.append(delivery)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_waiting())
        try:
            await asyncio.wait_for(delivery.accepted, self.patience)
        except asyncio.TimeoutError:
            raise UndeliveredError(self._fault or f"more than {self.rate} messages in {self.window:g} s") from None
        finally:
            self._leave(delivery)

    async def close(self) -> None:
        """Stop sending; who still waits is told so."""
        self._closed = True
        if self._sender is not None:
            self._sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sender
        for delivery in self._waiting:
            delivery.settle(UndeliveredError("the process is ending"))
        if self._client is not None:
            await self._client.close()

    def _leave(self, delivery: _Delivery) -> None:
        if delivery in self._waiting:
            self._waiting.remove(delivery)

    async def _send_waiting(self) -> None:
        while self._waiting:
            await self._until_allowed()
            if not self._waiting:
                return  # they have given up meanwhile
            told = self._next()
            try:
                if len(told) > 1:
                    await self._send(digest([alert for delivery in told for alert in delivery.alerts], self.kind.limit, self.kind.line_end))
                else:
                    await self._send_rest(told[0])
            except _LaterError as error:
                self._fail(error)
                continue
            except UndeliveredError as error:
                self._fail(error)
                self._settle(told, error)
                continue
            except Exception as error:
                log.exception("the robot %s failed", self.name)
                self._settle(told, UndeliveredError(f"a fault of the program: {type(error).__name__}"))
                continue
            if self._failures:
                log.info("the robot %s accepts messages again", self.name)
            self._failures, self._fault = 0, ""
            self._settle(told)

    def _next(self) -> list[_Delivery]:
        """The one to send, the most severe first; all that wait, when the messages that are allowed would not do for them."""
        self._forget_old()
        needed = sum(len(delivery.texts) - delivery.sent for delivery in self._waiting)
        if len(self._waiting) > 1 and needed > self.rate - len(self._spent):
            return list(self._waiting)
        return [min(self._waiting, key=lambda delivery: delivery.rank)]

    def _settle(self, told: Sequence[_Delivery], error: UndeliveredError | None = None) -> None:
        for delivery in told:
            delivery.settle(error)
            self._leave(delivery)

    def _fail(self, error: UndeliveredError) -> None:
        self._failures += 1
        self._fault = str(error)
        wait = min(LAST_RETRY_SECONDS, self.first_retry * 2 ** min(self._failures - 1, 10))
        self._not_before = max(self._not_before, time.monotonic() + wait)
        if self._failures == 1 or not isinstance(error, _LaterError):
            log.warning("the robot %s has not accepted a message: %s", self.name, error)

    async def _until_allowed(self) -> None:
        while True:
            self._forget_old()
            now = time.monotonic()
            oldest = self._spent[0] + self.window if len(self._spent) >= self.rate else now
            wait = max(self._not_before, oldest) - now
            if wait <= 0:
                return
            await asyncio.sleep(wait)

    def _forget_old(self) -> None:
        while self._spent and self._spent[0] + self.window <= time.monotonic():
            self._spent.popleft()

    async def _send_rest(self, delivery: _Delivery) -> None:
        while delivery.sent < len(delivery.texts):
            await self._until_allowed()
            await self._send(delivery.texts[delivery.sent])
            delivery.sent += 1

    async def _send(self, text: str) -> None:
        try:
            await self._post(text)
        except UndeliveredError:
            self.counts[self.name, "failed"] += 1
            raise
        finally:
            # When it is over, not when it began: the robot counts an instant in between.
            self._spent.append(time.monotonic())
        self.counts[self.name, "sent"] += 1

    async def _post(self, text: str) -> None:
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS), trust_env=True)
        try:
            async with self._client.post(self._signed(), json=self.kind.payload(text), allow_redirects=False) as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            # Its text may have the address in it, and the address is the secret.
            raise _LaterError(f"it cannot be reached ({type(error).__name__})") from None
        if status != 200:
            kind = _LaterError if status >= 500 or status in (408, 429) else UndeliveredError
            raise kind(f"it answers {status}")
        try:
            said = orjson.loads(body)
            code, why = int(said["errcode"]), str(said.get("errmsg", ""))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise _LaterError("its answer is none of a robot: is there a proxy in between?") from None
        if code in self.kind.too_often:
            self._not_before = time.monotonic() + self.window
        if code:
            kind = _LaterError if code in self.kind.too_often or code == BUSY else UndeliveredError
            raise kind(f"errcode {code}, {self._masked(why)[:200]}")

    def _signed(self) -> URL:
        if not self.secret:
            return self.url
        timestamp = str(round(time.time() * 1_000))
        mac = hmac.new(self.secret.encode(), f"{timestamp}\n{self.secret}".encode(), hashlib.sha256)
        return self.url.update_query(timestamp=timestamp, sign=base64.b64encode(mac.digest()).decode())

    def _masked(self, text: str) -> str:
        for secret in (*self.url.query.values(), self.secret):
            text = text.replace(secret, "…") if secret else text
        return " ".join(text.split())


def no_messages() -> Counts:
    """The counts before the first message."""
    return {(robot, outcome): 0 for robot in KINDS for outcome in OUTCOMES}


def open_robots(settings: Settings, counts: Counts) -> dict[str, Robot]:
    """The robots that the settings name.

    Args:
        settings: addresses and secrets.
        counts: where messages are counted, by robot and outcome.

    Raises:
        SettingsError: an address is none, or anyone could send messages for want of a token.
    """
    addresses = {"wecom": settings.wecom_webhook, "dingtalk": settings.dingtalk_webhook}
    found: dict[str, Robot] = {}
    for name, held in addresses.items():
        address = held.get_secret_value() if held else ""
        if not address:
            continue
        variable = f"ONESTOP_{name.upper()}_WEBHOOK"
        if not settings.alert_token or not settings.alert_token.get_secret_value():
            raise SettingsError(f"ONESTOP_ALERT_TOKEN: has to be set together with {variable}, or anyone could send messages to the group")
        secret = settings.dingtalk_secret if name == "dingtalk" else None
        found[name] = Robot(name, _url(variable, address), secret.get_secret_value() if secret else "", ZoneInfo(settings.timezone), counts)
    return found


def _url(variable: str, address: str) -> URL:
    try:
        url = URL(address)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingsError(f"{variable}: is not the https address that the group shows for its robot")
    return url
