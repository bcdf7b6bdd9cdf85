"""The projector: on a log in memory, by property; and on the embedded broker, with servers that go away and come back."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
import redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from models.instants import DAY
from models.records import Record
from models.settings import Settings, load_settings
from streams import projector as module
from streams import topics
from streams.embedded import EmbeddedBroker, EmbeddedRedis, free_ports
from streams.projector import AGAIN_HEADER, Projector, run
from streams.quarantine import fold
from streams.serving.connection import connect_async
from streams.serving.layout import Layout, layout_of, record_of
from streams.serving.read_model import open_read_model
from streams.serving.rows import TOPICS
from streams.serving.writer import Writer
from tests.serving.conftest import StandingClock
from tests.serving.records import (
    BEFORE,
    NOW,
    PERIOD,
    SECOND,
    A,
    B,
    adjustment,
    alert,
    audit,
    beat,
    message,
    rows,
    score,
    scores,
    status,
    text,
    total,
)

# On a log in memory


@dataclass
class Consumed:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Log:
    """Topics of two partitions; a department lies in one of them."""

    partitions: dict[TopicPartition, list[Consumed]] = field(default_factory=dict)

    def append(self, topic: str, key: bytes | None, value: bytes | None, partition: int | None = None, headers: Any = ()) -> None:
        number = (sum(key or b"") % 2) if partition is None else partition
        found = self.partitions[TopicPartition(topic, number)]
        found.append(Consumed(topic, number, len(found), key, value, tuple(headers)))


@dataclass
class FakeConsumer:
    log: Log
    limit: int = 3
    positions: dict[TopicPartition, int] = field(default_factory=dict)

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.positions[place] = offset

    async def topics(self) -> set[str]:
        return {place.topic for place in self.log.partitions}

    async def getmany(self, **_: Any) -> dict[TopicPartition, list[Consumed]]:
        found = {}
        for place, records in self.log.partitions.items():
            position = self.positions[place]
            if records[position:]:
                found[place] = records[position : position + self.limit]
                self.positions[place] = position + len(found[place])
        return found

    @property
    def at_the_end(self) -> bool:
        return all(self.positions[place] >= len(records) for place, records in self.log.partitions.items())


class FakeProducer:
    """Appends to the log that it is told of."""

    log: Log

    def __init__(self, **_: Any) -> None:
        pass

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def send(self, topic: str, value: bytes, *, key: bytes, partition: int, headers: Any) -> Awaitable[None]:
        self.log.append(topic, key, value, partition, headers)
        return asyncio.sleep(0)


@dataclass
class World:
    """A log, a Redis, and some projectors between them."""

    settings: Settings
    client: Any
    layout: Layout
    log: Log
    projectors: list[tuple[Projector, FakeConsumer]]

    async def step(self, number: int) -> None:
        projector, consumer = self.projectors[number]
        await projector._step(consumer)

    async def wipe(self) -> None:
        names = [name async for name in self.client.scan_iter(f"{self.layout.base}*")]
        if names:
            await self.client.delete(*names)

    async def settle(self) -> None:
        for _ in range(500):
            for number in range(len(self.projectors)):
                await self.step(number)
            offsets = await self.projectors[0][0]._writer.offsets()
            ends = {(tp.topic.partition("-")[2], tp.partition): len(found) for tp, found in self.log.partitions.items() if found}
            if offsets == ends and all(consumer.at_the_end for _, consumer in self.projectors):
                return
        raise AssertionError("the projectors do not come to rest")

    async def held(self) -> dict[tuple[str, str], bytes]:
        found = {}
        for name in (self.layout.scores(PERIOD), self.layout.status, self.layout.alerts):
            found |= {(name, key.decode()): value for key, value in (await self.client.hgetall(name)).items()}
        return found


async def in_a_world(url: str, count: int, act: Callable[[World], Awaitable[None]]) -> None:
    settings = load_settings(redis_url=url, topic_prefix=f"w{uuid.uuid4().hex}-", partitions=2)
    layout = layout_of(settings)
    client = connect_async(settings)
    log = Log({TopicPartition(settings.topic(name), n): [] for name in TOPICS for n in (0, 1)})
    FakeProducer.log = log
    projectors = []
    for _ in range(count):
        projector = Projector(settings, Writer(client, layout), StandingClock())
        projector._assigned = list(log.partitions)
        projector._heard_at = time.monotonic()
        consumer = FakeConsumer(log)
        await projector._seek(consumer)
        projectors.append((projector, consumer))
    try:
        await act(World(settings, client, layout, log, projectors))
    finally:
        await client.aclose()


@pytest.fixture
def on_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AIOKafkaProducer", FakeProducer)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)


def of_version(version: int, key: int, at: int) -> Record:
    makers: list[Callable[..., Record]] = [
        lambda **s: score("instant_items", A, **s), lambda **s: total(B, **s), lambda **s: status(A, **s),
        lambda **s: alert(state="resolved" if version % 2 else "firing", **s),
    ]  # fmt: skip
    return makers[key](version=version, as_of=text(NOW + at * SECOND))


actions = st.lists(
    st.one_of(
        st.builds(of_version, st.integers(0, 5), st.integers(0, 3), st.integers(0, 1)),
        st.builds(lambda n: beat(0, NOW + n * SECOND), st.integers(0, 3)),
        st.sampled_from(["step 0", "step 0", "step 1", "wipe", "garbage"]),
    ),
    max_size=40,
)


@given(actions, st.integers(1, 2))
@pytest.mark.usefixtures("on_a_log")
def test_whatever_happens_the_greatest_is_held_and_is_the_last_in_the_log(redis_server: EmbeddedRedis, done: list[Any], count: int) -> None:
    """Two workers' records in any order, two projectors, a Redis wiped at any time."""

    async def act(world: World) -> None:
        expected: dict[tuple[str, str], bytes] = {}
        for action in done:
            if action == "wipe":
                await world.wipe()
            elif action == "garbage":
                world.log.append(world.settings.topic("scores"), b"key", b"not json")
            elif isinstance(action, str):
                await world.step(int(action[-1]) % count)
            else:
                topic, key, value = message(action)
                world.log.append(world.settings.topic(topic), key, value)
                [row] = rows(world.layout, action)
                expected[row.key, row.field] = max(expected.get((row.key, row.field), b""), row.value or b"", key=lambda v: v[:42])
        await world.settle()
        held = await world.held()
        assert {key: value[:42] for key, value in held.items()} == {key: value[:42] for key, value in expected.items()}
        # What compaction would leave.
        last: dict[tuple[str, bytes | None], bytes | None] = {}
        for records in world.log.partitions.values():
            last |= {(r.topic, r.key): r.value for r in records if r.key != b"key"}
        assert {record_of(value) for value in held.values()} == set(last.values())

    asyncio.run(in_a_world(redis_server.url, count, act))


@pytest.mark.usefixtures("on_a_log")
async def test_a_wiped_redis_is_noticed_by_the_next_chunk(redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(world: World) -> None:
        for record in (*scores(A), status(A)):
            topic, key, value = message(record)
            world.log.append(world.settings.topic(topic), key, value)
        await world.settle()
        monkeypatch.setattr(module, "LOOK_SECONDS", 3_600.0)
        await world.wipe()
        world.log.append(world.settings.topic("scores"), *message(total(B))[1:])
        await world.settle()
        assert len(await world.held()) == 19

    await in_a_world(redis_server.url, 1, act)


@pytest.mark.usefixtures("on_a_log")
async def test_adjustments_and_audit_are_there_again_after_a_wipe(redis_server: EmbeddedRedis) -> None:
    async def act(world: World) -> None:
        said = [adjustment("E1"), adjustment("E2", department=B), audit("1"), audit("2", NOW - SECOND)]
        for record in (*said, *said, adjustment("E1", arrived_at=text(NOW - SECOND))):  # as after a worker that ended in between
            topic, key, value = message(record)
            world.log.append(world.settings.topic(topic), key, value)
        model = open_read_model(world.settings, StandingClock())
        for _ in range(2):
            await world.settle()
            assert model.adjustments(BEFORE) == said[:2]
            assert model.audit(10).items == said[2:]
            await world.wipe()
            assert model.audit(10).items == []
        model.close()
        assert all(projector.counts.appended_again == 0 for projector, _ in world.projectors)

    await in_a_world(redis_server.url, 2, act)


@pytest.mark.usefixtures("on_a_log")
async def test_a_frozen_record_stays_although_its_version_is_smaller(redis_server: EmbeddedRedis) -> None:
    """A late record, then the closing: tombstone and frozen record. What is appended again for the late one must not undo the closing."""

    async def act(world: World) -> None:
        topic = world.settings.topic("scores")
        key = message(score())[1]
        frozen = score(version=8, numerator="1").to_json()
        for value in (score(version=9).to_json(), score(version=7).to_json()):
            world.log.append(topic, key, value)
        world.projectors[0][1].limit = 2
        for value in (None, frozen):
            world.log.append(topic, key, value)
        await world.settle()
        found = [r for records in world.log.partitions.values() for r in records]
        assert [r.value for r in found][-1] == frozen
        assert record_of((await world.held())[world.layout.scores(PERIOD), f"{A}|instant_items"]) == frozen
        await world.wipe()
        await world.settle()
        assert record_of((await world.held())[world.layout.scores(PERIOD), f"{A}|instant_items"]) == frozen

    await in_a_world(redis_server.url, 1, act)


@pytest.mark.usefixtures("on_a_log")
async def test_who_ends_before_appending_again_comes_upon_the_older_record_again(
    redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(world: World) -> None:
        topic, key = world.settings.topic("scores"), message(score())[1]
        for version in (5, 4):
            world.log.append(topic, key, score(version=version).to_json())
            with monkeypatch.context() as patch:
                patch.setattr(FakeProducer, "start", lambda self: (_ for _ in ()).throw(OSError("gone")))
                try:
                    await world.step(0)
                except OSError:
                    assert version == 4
        [(_, first), (second, consumer)] = [
            world.projectors[0],
            (Projector(world.settings, Writer(world.client, world.layout), StandingClock()), FakeConsumer(world.log)),
        ]
        second._assigned = list(world.log.partitions)
        await second._seek(consumer)
        assert consumer.positions != first.positions
        world.projectors[0] = (second, consumer)
        await world.settle()
        assert second.counts.appended_again == 1
        values = [r.value for records in world.log.partitions.values() for r in records]
        assert [orjson.loads(value or b"")["version"] for value in values] == [5, 4, 5]

    await in_a_world(redis_server.url, 1, act)


@pytest.mark.usefixtures("on_a_log")
async def test_the_quarantine_is_counted_by_record_and_state(redis_server: EmbeddedRedis) -> None:
    """As the command that lists it does: a record put there twice is one, and the last of what was done about it counts."""

    async def act(world: World) -> None:
        def say(name: str, **headers: str) -> None:
            value = b"the record" if "reason" in headers else None
            encoded = [(header, said.encode()) for header, said in headers.items()]
            world.log.append(world.settings.topic("quarantine"), name.encode(), value, headers=encoded)

        for number in range(9):
            say(f"cases|0|{number}", reason="not_json" if number % 3 else "missing_field")
        for number in (0, 1, 2, 1):
            say(f"cases|0|{number}", state="retried", by="wang.li", at="1")
        say("cases|0|1", state="dismissed", by="wang.li", at="2")
        say("cases|0|2", reason="not_json")  # once more, by a worker that ended before it committed
        say("cases|0|77", state="dismissed", by="wang.li", at="2")  # of which there is no record
        say("licences|1|0", reason="wrong_key")
        model = open_read_model(world.settings, StandingClock())
        for _ in range(2):
            await world.settle()
            listed = fold(record for found in world.log.partitions.values() for record in found if record.topic.endswith("quarantine"))
            counts = {(held.topic, held.reason): (held.records, held.open) for held in model.quarantine()}
            for (topic, reason), counted in counts.items():
                states = [h.state for h in listed.values() if (h.place[0], h.headers["reason"]) == (topic, reason)]
                assert counted == (len(states), states.count("open"))
            assert counts == {("cases", "not_json"): (6, 4), ("cases", "missing_field"): (3, 2), ("licences", "wrong_key"): (1, 1)}
            assert list(counts) == [("cases", "not_json"), ("cases", "missing_field"), ("licences", "wrong_key")]
            await world.wipe()
            assert model.quarantine() == []
        model.close()

    await in_a_world(redis_server.url, 2, act)


@pytest.mark.usefixtures("on_a_log")
async def test_bad_records_are_left_out_and_named_ten_times(redis_server: EmbeddedRedis, caplog: pytest.LogCaptureFixture) -> None:
    async def act(world: World) -> None:
        for number in range(30):
            world.log.append(world.settings.topic("scores"), b"" if number % 2 else b"key", b"{")
        world.log.append(world.settings.topic("scores"), *message(score())[1:])
        await world.settle()
        assert world.projectors[0][0].counts.malformed == 30
        assert len(await world.held()) == 1

    await in_a_world(redis_server.url, 1, act)
    assert sum("left out: " in message for message in caplog.messages) == 10


@pytest.mark.usefixtures("on_a_log")
async def test_resolved_alerts_are_forgotten_after_a_month(redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FORGET_SECONDS", 0.0)

    async def act(world: World) -> None:
        world.log.append(world.settings.topic("alerts"), *message(alert("old", state="resolved", as_of=text(NOW - 31 * DAY)))[1:])
        world.log.append(world.settings.topic("alerts"), *message(alert("new", state="resolved"))[1:])
        await world.settle()
        await world.step(0)
        assert [name for _, name in await world.held()] == [alert("new").id]

    await in_a_world(redis_server.url, 1, act)


# On the embedded broker


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < end, f"not within {seconds:g} s"
        await asyncio.sleep(0.05)


@pytest.fixture
def live(settings: Settings, broker: EmbeddedBroker) -> Settings:
    return settings.model_copy(update={"broker": broker.address})


async def publish(settings: Settings, *records: Record) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker)
    await producer.start()
    for record in records:
        topic, key, value = message(record)
        await producer.send_and_wait(settings.topic(topic), value, key)
    await producer.stop()


async def published(settings: Settings, topic: str) -> list[Any]:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.broker, auto_offset_reset="earliest")
    await consumer.start()
    places = [TopicPartition(settings.topic(topic), number) for number in range(settings.partitions)]
    consumer.assign(places)
    ends = await consumer.end_offsets(places)
    found: list[Any] = []
    while any([await consumer.position(place) < ends[place] for place in places]):
        for records in (await consumer.getmany(timeout_ms=200)).values():
            found += records
    await consumer.stop()
    return found


async def make_topics(settings: Settings) -> None:
    def make() -> None:
        with topics.admin(settings) as client:
            topics.create(settings, client)

    await asyncio.to_thread(make)


class Running:
    """Projectors that run within a test, and stop in time at its end."""

    def __init__(self, settings: Settings, count: int = 1) -> None:
        self.stop = asyncio.Event()
        self.tasks = [asyncio.create_task(run(settings, self.stop)) for _ in range(count)]

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        started = time.monotonic()
        self.stop.set()
        await asyncio.gather(*self.tasks)
        assert time.monotonic() - started < 2


async def test_it_waits_for_topics_fills_redis_and_fills_it_again(live: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    model = open_read_model(live, StandingClock())
    client = redis.Redis.from_url(live.redis_url)
    async with Running(live):
        await until(lambda: "are not on Kafka" in caplog.text)
        await make_topics(live)
        await publish(live, *scores(A), *scores(B, points="60"), status(A), beat(0), beat(1), alert())
        await until(lambda: len(model.scores(PERIOD)) == 34 and model.alerts().total == 1 and not model.freshness().missing)
        await publish(live, score(version=5), score(version=4))
        await until(lambda: model.scores(PERIOD, A, "instant_items")[0].version == 5)
        before = model.scores(PERIOD)
        for name in client.scan_iter(f"{live.topic_prefix}*"):
            client.delete(name)
        await until(lambda: model.scores(PERIOD) == before and model.alerts().total == 1)
    client.close()
    model.close()
    assert sum("are not on Kafka" in message for message in caplog.messages) == 1
    assert "building it up again from the topics" in caplog.text
    of_key = [r for r in await published(live, "scores") if r.key == message(score())[1]]
    assert orjson.loads(of_key[-1].value)["version"] == 5
    assert (AGAIN_HEADER, b"1") in of_key[-1].headers


async def test_two_projectors_get_on(live: Settings) -> None:
    await make_topics(live)
    model = open_read_model(live, StandingClock())
    async with Running(live, 2):
        for version in range(1, 6):
            await publish(live, *scores(A, version=version))
            await until(lambda version=version: {r.version for r in model.scores(PERIOD)} == {version})
    model.close()


async def test_redis_and_kafka_come_back(caplog: pytest.LogCaptureFixture) -> None:
    """Started before either: it tells each of them once, and goes on when they come, empty as they are."""
    caplog.set_level(logging.INFO)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    kafka_port, redis_port = free_ports(2)
    with EmbeddedBroker(port=kafka_port) as server, EmbeddedRedis(port=redis_port) as store:
        server.stop()
        store.stop()
        settings = load_settings(broker=server.address, redis_url=store.url, partitions=2)
        model = open_read_model(settings, StandingClock())
        async with Running(settings):
            await until(lambda: f"Kafka at {server.address} cannot be reached" in caplog.text)
            await asyncio.to_thread(server.start)
            await make_topics(settings)
            await until(lambda: f"Redis at {store.address}/0 cannot be reached" in caplog.text)
            await asyncio.to_thread(store.start)
            await publish(settings, *scores(A))
            await until(lambda: len(model.scores(PERIOD)) == 17)
            await asyncio.to_thread(store.kill)
            await publish(settings, *scores(B))
            await asyncio.to_thread(store.start)
            await until(lambda: len(model.scores(PERIOD)) == 34)
        model.close()
    logging.getLogger("aiokafka").setLevel(logging.NOTSET)
    assert sum("Kafka at" in message and "cannot be reached" in message for message in caplog.messages) == 1
    assert sum("answers again" in message for message in caplog.messages) >= 2


async def test_it_stops_in_time_when_nothing_can_be_reached() -> None:
    settings = load_settings(broker="127.0.0.1:1", redis_url="redis://127.0.0.1:1/0")
    async with Running(settings):
        await asyncio.sleep(0.3)


async def test_an_interruption_from_within_does_not_end_it(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    # Seen when a broker was killed: a wait within aiokafka was cancelled, and the process ended with exit code 0, as if told to.
    sessions = 0
    again = asyncio.Event()

    async def session(_: Projector) -> None:
        nonlocal sessions
        sessions += 1
        if sessions == 1:
            raise asyncio.CancelledError
        again.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Projector, "_session", session)
    settings = load_settings(broker="127.0.0.1:1", redis_url="redis://127.0.0.1:1/0")
    async with Running(settings):
        await asyncio.wait_for(again.wait(), 10)
    assert "interrupted from within (cancelled)" in caplog.text
