"""The program as it runs: broker, Redis, a worker, the projector, two web processes; a simulated city, and faults that boards show."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from kafka import KafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from models.events import TOPIC_OF_TYPE
from models.settings import load_settings
from streams.embedded import EmbeddedBroker, EmbeddedRedis, free_ports
from streams.intake import partition_of
from streams.sender import EventSender
from streams.simulator import City, dump
from tests.deploy.scraping import prometheus, value
from tests.deploy.servers import ask, until
from tests.support.builder import History, department_code
from tests.support.live import System

PARTITIONS = 2
DEPARTMENTS = 5
VOLUME = 0.1
UNREGISTERED = department_code(20001)
SECONDS = 120


@dataclass(frozen=True)
class Live:
    """Where the running program and its Prometheus are, and what was sent."""

    prometheus: str
    web: list[str]
    department: str

    def api(self, path: str, **parameters: str) -> Any:
        """What the program's own API says."""
        return ask(f"http://{self.web[0]}/api/v1/{path}", **parameters)


@contextmanager
def live_city(directory: Path) -> Iterator[Live]:
    """Everything started, everything sent, and all of it published and scraped."""
    with ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker())
        redis = stack.enter_context(EmbeddedRedis())
        ports = free_ports(3)
        worker, *web = (f"127.0.0.1:{port}" for port in ports)
        system = System(
            broker.address,
            "",
            directory,
            PARTITIONS,
            {
                "ONESTOP_REDIS_URL": redis.url,
                "ONESTOP_WORKER_ADDRESS": worker,
                "ONESTOP_LANG": "zh",
                "ONESTOP_SNAPSHOT_SECONDS": "1",
            },
        )
        stack.callback(system.close)
        system.run("topics", "create")
        system.start("worker")
        system.start("projector", "projector")
        for number, address in enumerate(web):
            system.start(f"web{number}", "web", ONESTOP_WEB_ADDRESS=address)
        url = stack.enter_context(prometheus(directory, web, [worker], rules_at_once=True))
        # Before anything is sent: of a counter that was never seen at 0, Prometheus does not know that it grew.
        until(lambda: value(url, "count(up == 1) == 3 and on() sum(count_over_time(govscore_events_consumed_total[1m])) > 0"), SECONDS)
        city = City(DEPARTMENTS, seed=3, volume=VOLUME)
        sent = _send(broker.address, city)
        live = Live(url, web, city.codes[0])
        try:
            until(lambda: _is_done(worker, sent) and _shows(live), SECONDS)
            system.run("recount", expect=None)  # what it finds is the recount's own tests' matter
            until(
                lambda: value(url, f"count(govscore_snapshot_timestamp_seconds) == {PARTITIONS} and on() govscore_recount_mismatches"),
                SECONDS,
            )
        except AssertionError:
            raise AssertionError(system.logs()) from None
        yield live


def _is_done(worker: str, sent: int) -> bool:
    families = {family.name: family for family in text_string_to_metric_families(ask(f"http://{worker}/metrics"))}
    consumed = sum(sample.value for sample in families["govscore_events_consumed"].samples)
    lag = sum(sample.value for sample in families["govscore_consumer_lag_records"].samples)
    return consumed >= sent and lag == 0


def _shows(live: Live) -> bool:
    """Whether the read model and Prometheus have the faults that were sent last."""
    down = [interface["interface"] for interface in live.api("interfaces", up="false")["items"]]
    unregistered = live.api("status", department=UNREGISTERED)["items"]
    return (
        "IF1" in down
        and bool(unregistered and unregistered[0]["cases_overdue"])
        and bool(
            value(
                live.prometheus, f'govscore_cases_overdue{{department="{UNREGISTERED}"}} > 0 and on() count(govscore_interface_up == 0) > 0'
            )
        )
        and bool(value(live.prometheus, 'sum(govscore_quarantined_events_total) > 1 and on() count(ALERTS{alertstate="firing"}) > 1'))
    )


def _send(broker: str, city: City) -> int:
    """Two months of the city up to now, and one of each fault; how many records the topics got."""
    zone = ZoneInfo("Asia/Shanghai")
    now = datetime.now(tz=zone).replace(microsecond=0)
    start = (now.replace(day=1) - timedelta(days=1)).replace(day=1, hour=0, minute=0, second=0)
    events = [*city.events(start, now), *_faults(city.codes[0], now)]
    again = events[-20:]
    settings = load_settings(broker=broker, partitions=PARTITIONS)
    sender = EventSender(settings)
    for event in [*events, *again]:
        sender.send(event["type"], event["department"], dump(event))
    sender.flush()
    sender.close()
    return len(events) + len(again) + _send_amiss(broker, city.codes[0], events[-1])


def _faults(code: str, now: datetime) -> Iterator[dict[str, Any]]:
    """What costs a department points or raises an alert now, and what the present month has to count in its first minute too."""

    def at(**ago: float) -> str:
        return (now - timedelta(**ago)).isoformat()

    broken = History(code)
    broken.add("interface.registered", at(days=20), interface="IF1")
    broken.add("interface.failed", at(minutes=20), interface="IF1", failure="F1")
    broken.add("table.registered", at(days=20), table="T1", first_due_at=at(days=15))
    broken.add("table.registered", at(days=20), table="T2", first_due_at=at(days=15))
    broken.add("table.updated", at(days=14), table="T2")
    broken.add("request.raised", at(days=20), request="R1", due_at=at(days=10))
    broken.add("department.docking_changed", at(days=20), docked=False)
    broken.add("item.published", at(days=20))
    broken.case("S1", issued=at(days=9), accepted=at(days=9), due_at=at(days=2))
    broken.case("S2", issued=at(days=9), accepted=at(days=9), due_at=at(hours=-6))
    broken.add("interface.registered", at(days=20), interface="IF2")
    broken.add("interface.failed", at(), interface="IF2", failure="F2")
    broken.case("S4", issued=at(), accepted=at(), passed=at(), completed=at())
    stranger = History(UNREGISTERED)
    stranger.case("S3", issued=at(days=9), accepted=at(days=9), due_at=at(days=2))
    yield from (*broken.events, *stranger.events)


def _send_amiss(broker: str, code: str, event: dict[str, Any]) -> int:
    """Two records that are no events, one with a field that nobody knows, and one in another department's partition."""
    owner = event["department"]
    here, home = partition_of(code, PARTITIONS), partition_of(owner, PARTITIONS)
    records = [
        (code, here, b"{"),
        (code, here, b"[]"),
        (owner, home, orjson.dumps(event | {"event_id": "amiss-1", "colour": "red"})),
        (owner, (home + 1) % PARTITIONS, orjson.dumps(event | {"event_id": "amiss-2"})),
    ]
    producer = KafkaProducer(bootstrap_servers=broker, acks="all")
    for key, partition, body in records:
        producer.send(TOPIC_OF_TYPE[event["type"]], value=body, key=key.encode(), partition=partition)
    producer.flush()
    producer.close()
    return len(records) + 1  # what was sent on is consumed again
