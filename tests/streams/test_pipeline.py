"""The pipeline: what waits for what, and what never does, whatever comes in between."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from faust.types import TP

from models.events import INPUT_TOPICS, TOPIC_OF_TYPE
from models.records import AlertRecord
from models.rulesets import default_ruleset
from models.settings import Settings
from scoring.context import create_context
from scoring.indicators import BY_ID
from streams.changelog import AlertsRecord, ChunkRecord, decode, encode_chunk
from streams.control import Gatekeeper
from streams.driver import Interval
from streams.intake import partition_of
from streams.metrics import WorkerMetrics
from streams.partition import PartitionState
from streams.pipeline import APPENDS_IN_FLIGHT, ROUND_SECONDS_CATCHING_UP, Pipeline, pause_catching_up
from streams.publisher import SCORES_EVERY, Publisher
from tests.support.builder import D1, D2, History, department_code
from tests.support.desk import OVERDUE, Desk, More, case_due, instant, recovered
from tests.support.faust_fakes import input_record


class Broker:
    """A producer whose requests are answered when the test says so; everything is in order of sending."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []  # key and record of each score
        self.asked: set[int] = set()
        self.appended: list[int] = []
        self.answers = asyncio.Event()
        self.takes = asyncio.Event()  # whether it takes scores; else their sender waits, as for room in the buffer
        self.answers.set()
        self.takes.set()

    def create_batch(self) -> Any:
        return SimpleNamespace(append=lambda **_: None, close=lambda: None)

    async def send_batch(self, batch: Any, topic: str, partition: int) -> asyncio.Future[Any]:
        # Of several that wait aiokafka takes any, and the time of the others may run out.
        assert partition not in self.asked
        self.asked.add(partition)
        await self.answers.wait()
        self.asked.discard(partition)
        self.appended.append(partition)
        return _known(SimpleNamespace(offset=len(self.appended) - 1))

    async def send(self, topic: str, value: bytes, key: bytes, partition: int, headers: Any) -> asyncio.Future[Any]:
        assert topic == "scores"
        await self.takes.wait()
        self.sent.append((key.decode(), orjson.loads(value)))
        return _known(None)

    def told(self, field: str, department: str = "") -> list[str]:
        """What was published of the first indicator, of all departments or of one: a field of each record, in their order."""
        return [record[field] for key, record in self.sent if key.startswith(department) and key.endswith("|case_aggregation")]


def _known(value: Any) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future


class Worker:
    """A pipeline between a consumer and a broker that are told what to do. It has caught up, and makes no rounds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1_000.0
        self.cpu = 0.0  # what each look at the processor's time adds to it
        self.broker = Broker()
        self.owned = True
        self.ended: list[str] = []  # why it would have
        self.states = {
            number: PartitionState(number, create_context(default_ruleset(), instant("2020-09-30")), {}) for number in range(PARTITIONS)
        }
        consumer = SimpleNamespace(interval_of=lambda message: message.interval if self.owned else None, finish=lambda _: None)
        app: Any = SimpleNamespace(consumer=consumer, producer=SimpleNamespace(_ensure_producer=lambda: self.broker), rebalancing=False)
        store: Any = SimpleNamespace(partition=self.states.__getitem__, owns=lambda _: True, data=self.states)
        settings = Settings(partitions=PARTITIONS)
        self.metrics = WorkerMetrics()
        clock: Any = SimpleNamespace(now=lambda: instant("2020-09-30"))
        self.pipeline = Pipeline(app, store, settings, clock, self.metrics, Gatekeeper(settings))
        for state in self.states.values():
            state.caught_up = True
        self._offsets = count()
        cpu = count()
        monkeypatch.setattr("streams.pipeline.time", SimpleNamespace(monotonic=lambda: self.seconds, perf_counter=lambda: self.seconds))
        monkeypatch.setattr("streams.pipeline.end_process", self.ended.append)
        monkeypatch.setattr("streams.metrics.time", SimpleNamespace(thread_time=lambda: next(cpu) * self.cpu))

    async def take(self, history: History) -> Any:
        """The chunk of one event, of the topic of cases or serials, after it has been processed."""
        [event] = history.events
        offset = next(self._offsets)
        chunk = SimpleNamespace(
            partition=partition_of(event["department"], PARTITIONS), value=[input_record(event, offset=offset)],
            interval=Interval(offset, offset + 1),
        )  # fmt: skip
        await self.pipeline.process(TOPIC_OF_TYPE[event["type"]], chunk)
        return chunk

    async def serial(self, number: int, department: str = D1) -> Any:
        return await self.take(More(department).add("serial.issued", "2020-09-03", serial=f"S{number}"))

    def measured(self) -> float:
        """How often it was measured how long an event took until its score was published."""
        samples = [sample for metric in self.metrics.end_to_end_seconds.collect() for sample in metric.samples]
        return sum(sample.value for sample in samples if sample.name.endswith("_count"))


PARTITIONS = 4


async def test_scores_are_published_with_the_chunk_that_changes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    # While they waited for the next round, the p99 at a thousand events a second was 146 ms instead of 61.
    worker = Worker(monkeypatch)
    await worker.serial(1)
    assert {key for key, _ in worker.broker.sent} == {f"{D1}|2020-09|{name}" for name in (*BY_ID, "total")}
    assert worker.measured() == 1


async def test_those_of_a_department_come_at_most_twenty_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(monkeypatch)
    for number in range(3):
        await worker.serial(number)
    assert worker.broker.told("numerator") == ["0"]
    assert worker.measured() == 1, "what waits is not published yet"
    await worker.serial(9, D2)
    assert len(worker.broker.told("numerator")) == 2, "another department's do not wait"
    worker.seconds += SCORES_EVERY
    await worker.serial(4)
    assert worker.broker.told("denominator", D1) == ["1", "4"]


async def test_scores_of_a_partition_that_catches_up_are_left_to_the_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(monkeypatch)
    worker.states[partition_of(D1, PARTITIONS)].caught_up = False
    await worker.serial(1)
    assert worker.broker.sent == []


async def test_publishing_with_chunks_takes_at_most_half_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(monkeypatch)
    worker.cpu = 0.05
    departments = [department_code(number) for number in range(1, 20)]
    for department in departments:
        await worker.serial(1, department)
    assert len(worker.broker.told("numerator")) == 1
    worker.seconds += 2 * worker.metrics.publishing_seconds
    await worker.serial(2, departments[0])
    assert len(worker.broker.told("numerator")) > 1


async def test_after_a_revocation_nothing_is_published_with_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new owner may have told of more already; the chunk may have waited for its adjustments meanwhile."""
    worker = Worker(monkeypatch)

    async def adjust(*_: Any) -> None:
        worker.owned = False

    monkeypatch.setattr(worker.pipeline, "_adjust", adjust)
    monkeypatch.setattr(PartitionState, "take_adjustments", lambda _: [object()])
    await worker.serial(1)
    assert worker.broker.sent == []


async def test_no_score_comes_behind_one_that_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The topic keeps the last record of a key: an older one behind a newer would stand until the next fact."""
    worker = Worker(monkeypatch)
    worker.broker.takes.clear()
    first = asyncio.ensure_future(worker.serial(1))
    await asyncio.sleep(0)
    worker.seconds += SCORES_EVERY
    await asyncio.wait_for(worker.serial(2), 60)  # published by the first, which is still waiting
    assert not first.done()
    worker.broker.takes.set()
    await first
    assert worker.broker.told("denominator") == ["1", "2"]
    assert worker.pipeline._telling == {}


@pytest.mark.parametrize("what", ["another publisher", "a rebalance"])
async def test_after_a_rebalance_no_more_scores_are_told(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """They may come behind what the new owner tells, and the publisher's state may be another worker's by now."""
    worker = Worker(monkeypatch)
    worker.broker.takes.clear()
    first = asyncio.ensure_future(worker.serial(1))
    await asyncio.sleep(0)
    worker.seconds += SCORES_EVERY
    await worker.serial(2)
    if what == "a rebalance":
        worker.pipeline.app.rebalancing = True
    else:
        await worker.pipeline.on_assigned()
    worker.broker.takes.set()
    await first
    assert worker.broker.told("denominator") == ["1"]


async def test_chunks_do_not_wait_for_the_appends_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    # aiokafka has one batch of a partition wait for the one before: an agent that waited with it held up the chunks of all partitions.
    worker = Worker(monkeypatch)
    worker.broker.answers.clear()
    for number in range(APPENDS_IN_FLIGHT):
        await asyncio.wait_for(worker.serial(number), 60)
    assert worker.broker.appended == []
    late = asyncio.ensure_future(worker.serial(-1))
    await asyncio.sleep(0)
    assert not late.done(), "what waits is held in memory: there is a bound"
    worker.broker.answers.set()
    await late
    await asyncio.gather(*worker.pipeline._tasks)
    assert worker.ended == []
    assert worker.broker.appended == [partition_of(D1, PARTITIONS)] * (APPENDS_IN_FLIGHT + 1)


async def test_a_chunk_on_its_way_to_the_broker_holds_neither_records_nor_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[ChunkRecord] = []
    monkeypatch.setattr("streams.pipeline.encode_chunk", lambda record: forgotten.append(record) or encode_chunk(record))
    worker = Worker(monkeypatch)
    worker.broker.answers.clear()
    chunk = await worker.serial(1)
    [record] = forgotten
    assert (chunk.value, record.facts, record.arrivals, record.packed, record.taken) == ([], [], [], [], 1)
    worker.broker.answers.set()
    await asyncio.gather(*worker.pipeline._tasks)
    [balance] = [state.balance for state in worker.states.values() if state.balance.rows()]
    assert balance.counts("serials")["taken"] == 1
    assert (worker.ended, worker.broker.appended) == ([], [partition_of(D1, PARTITIONS)])


class Told(Pipeline):
    """A pipeline that writes down what it appends and sends, in order, and may end before any of it."""

    def __init__(self, ends_before: int) -> None:
        self.done: list[tuple[str, str]] = []
        self.ends_before = ends_before
        self._alerting = {}
        self._publishers = {}
        self.app: Any = SimpleNamespace(rebalancing=False)

    def _do(self, what: str, state: str) -> asyncio.Future[Any]:
        if len(self.done) == self.ends_before:
            raise EndedError
        self.done.append((what, state))
        return _known(SimpleNamespace(offset=len(self.done)))  # the place in the changelog

    def hold_notes(self) -> Callable[[], None]:
        """Appends wait, until what is returned is called: then they have their place."""
        loop = asyncio.get_running_loop()
        append, place = loop.create_future(), loop.create_future()
        self._append = lambda *_: append  # type: ignore[assignment,method-assign]  # in the place of a coroutine function

        def note() -> None:
            append.set_result(place)
            place.set_result(SimpleNamespace(offset=1))

        return note

    async def tell(self, desk: Desk) -> None:
        self._publishers[desk.state.number] = desk.publisher
        news, over = desk.publisher.alerts()
        await self._publish_alerts(desk.state, desk.publisher, news, over, desk.publisher.alerts_again(over))

    def begin(self, desk: Desk) -> asyncio.Task[None]:
        self._publishers[desk.state.number] = desk.publisher
        self._begin_alerts(desk.state, desk.publisher)
        return self._alerting[desk.state.number]

    async def _append(self, partition: int, value: bytes) -> asyncio.Future[Any]:
        record = decode(value)
        assert isinstance(record, AlertsRecord)
        return self._do("noted", "firing" if record.announced else "resolved")

    async def _send_alert(self, partition: int, record: AlertRecord) -> asyncio.Future[Any]:
        return self._do("sent", record.state)


class EndedError(Exception):
    """The worker ended here."""


@pytest.mark.parametrize("ends_before", [0, 1, 99])
async def test_whenever_a_worker_ends_no_alert_fires_for_ever(ends_before: int) -> None:
    # Seen on Apache Kafka: alerts were out and not noted when their worker was killed, the backlog ended what they were about, and the
    # successor, knowing nothing of them, never resolved them.
    desk = Desk("2020-09-12", case_due())
    desk.scores()
    pipeline = Told(ends_before)
    with contextlib.suppress(EndedError):
        await pipeline.tell(desk)
    noted = AlertsRecord(3, dict(desk.state.announced), []) if ("noted", "firing") in pipeline.done else AlertsRecord(3, {}, [])
    desk.take(More().case("S1", completed="2020-09-12"))
    other = Desk("", state=recovered(desk, noted))
    other.scores()
    successor = Told(99)
    await successor.tell(other)
    told = [state for what, state in (*pipeline.done, *successor.done) if what == "sent"]
    assert told[-1:] != ["firing"]
    assert other.state.announced == {}


async def test_the_rounds_do_not_wait_for_alerts() -> None:
    # Seen: alerts wait for the broker up to three times, and with them waited the scores of all partitions, for a second and more.
    desk = Desk("2020-09-12", case_due())
    desk.scores()
    pipeline = Told(99)
    note = pipeline.hold_notes()
    task = pipeline.begin(desk)
    assert pipeline.begin(desk) is task, "of a partition one at a time"
    await asyncio.sleep(0)
    assert not task.done()
    assert pipeline.done == [], "not out before they are noted"
    note()
    await task
    assert pipeline.done == [("sent", "firing")]
    assert pipeline._alerting == {}


@pytest.mark.parametrize("what", ["another publisher", "a rebalance"])
async def test_after_a_rebalance_an_alert_is_noted_and_no_longer_told(what: str) -> None:
    # Seen in the torture test: an alert told after the partition had gone to another worker, which did not know of it, fired for ever.
    desk = Desk("2020-09-12", case_due())
    desk.scores()
    pipeline = Told(99)
    note = pipeline.hold_notes()
    task = pipeline.begin(desk)
    await asyncio.sleep(0)
    if what == "a rebalance":
        pipeline.app.rebalancing = True
    else:
        pipeline._publishers[desk.state.number] = Publisher(desk.state)
    note()
    await task
    assert pipeline.done == []
    assert list(desk.state.announced) == [OVERDUE], "noted: whoever has the partition now announces it again, or resolves it"


async def test_alerts_that_cannot_be_published_end_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons: list[str] = []
    monkeypatch.setattr("streams.pipeline.end_process", reasons.append)
    desk = Desk("2020-09-12", case_due())
    desk.scores()
    pipeline = Told(0)
    await pipeline.begin(desk)
    assert reasons == ["publishing alerts failed: EndedError: "]


class Rounds(Pipeline):
    """A pipeline whose rounds are counted; it catches up once its consumer stands at 5."""

    def __init__(self, state: PartitionState) -> None:
        self.settings = Settings(partitions=1)
        self.position = 0
        self.rounds: list[bool] = []
        self.app: Any = SimpleNamespace(
            should_stop=False,
            consumer=SimpleNamespace(positions=lambda: {TP(topic, state.number): self.position for topic in INPUT_TOPICS}),
        )
        self.gatekeeper: Any = SimpleNamespace(is_paused=lambda _: False)
        self.metrics = WorkerMetrics()
        self.state = state

    def owned_states(self) -> list[PartitionState]:
        return [self.state]

    async def _look_at_offsets(self) -> bool:
        return True

    def _note_recovery(self) -> None:
        pass

    async def _publish(self, state: PartitionState) -> None:
        self.rounds.append(state.caught_up)
        if len(self.rounds) == 1:
            asyncio.get_running_loop().call_later(0.01, setattr, self, "position", 5)
        else:
            self.app.should_stop = True


async def test_what_comes_after_a_backlog_does_not_wait_for_its_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.pipeline.ROUND_SECONDS_CATCHING_UP", 3_600.0)
    state = PartitionState(3, create_context(default_ruleset(), 0), {})
    state.targets = dict.fromkeys(INPUT_TOPICS, 5)
    pipeline = Rounds(state)
    await asyncio.wait_for(pipeline.run_rounds(), 60)
    assert pipeline.rounds == [False, True]


class CostlyRounds(Rounds):
    """Rounds that use four seconds of a clock each, and never catch up."""

    def __init__(self, state: PartitionState, clock: list[float]) -> None:
        super().__init__(state)
        self.clock = clock
        self.begun: list[float] = []

    async def _publish(self, state: PartitionState) -> None:
        self.begun.append(self.clock[0])
        self.clock[0] += 4.0
        self.metrics.publishing_seconds += 4.0
        self.app.should_stop = len(self.begun) == 3


async def test_rounds_of_a_backlog_take_at_most_a_tenth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 3,000 departments they took two fifths of it."""
    clock, sleep = [100.0], asyncio.sleep

    async def nap(seconds: float) -> None:
        clock[0] += seconds
        await sleep(0)

    monkeypatch.setattr("streams.pipeline.time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr("streams.pipeline.asyncio.sleep", nap)
    state = PartitionState(3, create_context(default_ruleset(), 0), {})
    state.targets = dict.fromkeys(INPUT_TOPICS, 5)
    pipeline = CostlyRounds(state, clock)
    await pipeline.run_rounds()
    pauses = [after - before - 4.0 for before, after in itertools.pairwise(pipeline.begun)]
    assert all(36.0 <= pause < 40.1 for pause in pauses)
    assert pause_catching_up(0.1) == ROUND_SECONDS_CATCHING_UP
