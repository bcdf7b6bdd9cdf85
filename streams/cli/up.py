"""`onestop up`: broker, Redis, worker, projector and web in one terminal; `--demo` feeds them a simulated city."""

import os
import signal
import socket
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar
from urllib.error import URLError

import typer
from kafka.errors import KafkaError
from pydantic import SecretStr

from models.settings import Settings, host_and_port, load_settings, masked
from streams import topics
from streams.cli.broker import unreachable
from streams.cli.support import Exit, errors, fail, say, the_settings, the_zone
from streams.embedded import EmbeddedBroker, EmbeddedError, EmbeddedRedis, KafkaProcess, Server, free_ports
from streams.sender import EventSender
from streams.simulator import City, dump

DEMO_DEPARTMENTS = 20
DEMO_SEED = 1
DEMO_VOLUME = 0.5
DEMO_EVENTS_A_SECOND = 5.0
HISTORY_MONTHS = 3


@dataclass(kw_only=True)
class Program(Server):
    """One of our own processes, as a child that ends with us however we end."""

    title: ClassVar[str] = "onestop"
    name: str
    path: str
    stop_timeout: float = 4.0

    def command(self) -> list[str]:
        """The command of the process."""
        return [sys.executable, "-m", "streams.cli.main", self.name]

    def answers(self) -> bool:
        """Whether its HTTP port answers; the projector has none."""
        if not self.path:
            return True
        try:
            with urllib.request.urlopen(f"http://{self.address}{self.path}", timeout=2) as answer:  # loopback
                return bool(answer.status == 200)
        except (URLError, TimeoutError):
            return False

    def prepare(self) -> None:
        """The process listens where the settings say."""


def up(
    demo: Annotated[bool, typer.Option("--demo", help="Publish three months of a simulated city, then go on live.")] = False,
    broker: Annotated[str | None, typer.Option("--broker", help="Use this Kafka instead of the embedded one.", metavar="ADDRESS")] = None,
    kafka_jars: Annotated[Path | None, typer.Option("--kafka-jars", help="Run Apache Kafka from these jars (needs Java).")] = None,
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=5_000, help="Live events a second of the demo.")] = DEMO_EVENTS_A_SECOND,
) -> Exit:
    """Run everything in one terminal, embedded; Ctrl-C ends all.

    Example: onestop up --demo
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with ExitStack() as stack:
            settings, servers = _start_servers(stack, broker, kafka_jars)
            _make_topics(settings)
            programs = _start_programs(stack, settings)
            _tell(settings)
            if demo:
                threading.Thread(target=_feed, args=(settings, rate, stop), daemon=True).start()
            while not stop.wait(0.5):
                for child in (*servers, *programs):
                    if not child.running:
                        _ended(child)
            errors.print(say("正在结束……", "ending …"))
            threads = [threading.Thread(target=program.stop) for program in programs]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    except EmbeddedError as error:
        fail(str(error), Exit.UNREACHABLE)
    return Exit.RIGHT


def _start_servers(stack: ExitStack, broker: str | None, kafka_jars: Path | None) -> tuple[Settings, list[Server]]:
    settings = the_settings()
    servers: list[Server] = []
    if broker is None:
        if settings.kafka_security_protocol != "PLAINTEXT":
            fail(
                say(
                    "内置的消息服务只用明文：请用 --broker ADDRESS，或去掉 ONESTOP_KAFKA_SECURITY_PROTOCOL",
                    "the broker that comes with this speaks plain text: give --broker ADDRESS, or unset ONESTOP_KAFKA_SECURITY_PROTOCOL",
                )
            )
        port = _port(host_and_port(settings.broker.split(",")[0])[1])
        kafka: Server = EmbeddedBroker(port=port) if kafka_jars is None else KafkaProcess(port=port, jars=kafka_jars)
        servers.append(stack.enter_context(kafka))
        broker = kafka.address
    redis_url = settings.redis_url
    if "redis_url" not in settings.model_fields_set:
        redis = stack.enter_context(EmbeddedRedis(port=_port(6379)))
        servers.append(redis)
        redis_url = redis.url
    worker, web = (host_and_port(address) for address in (settings.worker_address, settings.web_address))
    changed = {
        "broker": broker,
        "redis_url": redis_url,
        "worker_address": f"{worker[0]}:{_port(worker[1])}",
        "web_address": f"{web[0]}:{_port(web[1])}",
        "data_dir": settings.data_dir.absolute(),
    }
    if servers and isinstance(servers[0], EmbeddedBroker):
        # A log in memory is gone at the end, and so must be the state that was read from it.
        changed["data_dir"] = servers[0].directory / "data"
    given = {**settings.model_dump(exclude_unset=True), **changed}
    for name, value in given.items():
        if value is not None:
            os.environ[f"ONESTOP_{name.upper()}"] = _as_variable(value)
            os.environ.pop(f"ONESTOP_{name.upper()}_FILE", None)
    return load_settings(**given), servers


def _as_variable(value: Any) -> str:
    """A setting for the processes, which run in directories of their own."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.absolute() if isinstance(value, Path) else value)


def _port(wanted: int) -> int:
    """The wanted port, or a free one when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return free_ports(1)[0]
        return wanted or free_ports(1)[0]


def _make_topics(settings: Settings) -> None:
    try:
        with topics.admin(settings) as client:
            topics.create(settings, client)
    except topics.UNREACHABLE as error:
        fail(unreachable(settings, error), Exit.UNREACHABLE)


def _start_programs(stack: ExitStack, settings: Settings) -> list[Program]:
    programs = [
        Program(name="worker", path="/healthz", port=host_and_port(settings.worker_address)[1]),
        Program(name="projector", path=""),
        Program(name="web", path="/healthz", port=host_and_port(settings.web_address)[1]),
    ]
    for program in programs:
        stack.callback(program.close)
        program.start(wait=False)
    for program in programs:
        program.wait_ready()
    return programs


def _tell(settings: Settings) -> None:
    rows = [
        (say("页面", "page"), f"http://{settings.web_address}/"),
        (say("指标", "metrics"), f"http://{settings.web_address}/metrics  http://{settings.worker_address}/metrics"),
        ("API", f"http://{settings.web_address}/api/docs"),
        ("Kafka", settings.broker),
        ("Redis", masked(settings, "redis_url")),
    ]
    for name, value in rows:
        errors.print(f"{name:<8} {value}", highlight=False)
    defaults = Settings.model_construct()
    wanted = [f"ONESTOP_{n.upper()}={masked(settings, n)}" for n in ("broker", "redis_url") if getattr(settings, n) != getattr(defaults, n)]
    if settings.topic_prefix:
        wanted.append(f"ONESTOP_TOPIC_PREFIX={settings.topic_prefix}")
    command = " ".join([*wanted, "onestop scores"])
    errors.print(say(f"另开一个终端：{command}\nCtrl-C 结束全部。", f"In another terminal: {command}\nCtrl-C ends all."), highlight=False)


def _ended(child: Server) -> None:
    name = child.name if isinstance(child, Program) else child.title
    last = child.log.read_text(errors="replace").splitlines()[-5:]
    if isinstance(child, Program):
        # As an operator's service manager would: what was not committed is read again.
        errors.print(say(f"{name} 已退出，正在重新启动：", f"{name} ended, starting it again:"), *last, sep="\n  ", highlight=False)
        time.sleep(1)
        child.start(wait=False)
        return
    fail("\n  ".join([say(f"{name} 意外退出：", f"{name} ended by itself:"), *last]), Exit.UNREACHABLE)


def _feed(settings: Settings, rate: float, stop: threading.Event) -> None:
    """Publish the months before now, then go on with what the city does next, each event dated when it is published."""
    now = datetime.now(tz=the_zone()).replace(microsecond=0)
    start = now.replace(day=1, hour=0, minute=0, second=0)
    for _ in range(HISTORY_MONTHS - 1):
        start = (start - timedelta(days=1)).replace(day=1)
    city = City(DEMO_DEPARTMENTS, DEMO_SEED, settings.timezone, DEMO_VOLUME)
    try:
        sender = EventSender(settings)
        for count, event in enumerate(city.events(start, now), start=1):
            sender.send(event["type"], event["department"], dump(event))
            if count % 20_000 == 0:
                errors.print(say(f"已发布 {count} 个历史事件", f"{count} events of history published"), highlight=False)
            if stop.is_set():
                return
        sender.flush()
        errors.print(say(f"历史已发布，现以每秒 {rate:g} 个事件继续", f"history published; live now, {rate:g} events/s"), highlight=False)
        for event in city.events(now, now + timedelta(days=3650)):
            event["occurred_at"] = datetime.now(tz=the_zone()).isoformat()
            sender.send(event["type"], event["department"], dump(event))
            if stop.wait(1 / rate):
                return
    except (KafkaError, OSError) as error:
        if not stop.is_set():
            errors.print(say(f"演示数据中断：{error!r}", f"the demo's events stopped: {error!r}"), highlight=False)
