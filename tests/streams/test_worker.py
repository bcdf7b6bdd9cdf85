"""The worker around the pipeline: what it says while it waits for its cluster, and the watchdog that ends a process which does nothing."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mode
import pytest
from aiohttp import ClientSession
from aiokafka.errors import NodeNotReadyError
from faust.types import TP
from kafka.errors import BrokerNotAvailableError

from models.instants import SECOND, parse_instant
from models.rulesets import default_ruleset
from models.settings import Settings
from scoring.workdays import Workdays, override_of, published_workdays
from streams import fatal, worker
from streams.app import Composition
from streams.app import create_app as create_worker_app
from streams.clock import SystemClock
from streams.metrics import WorkerMetrics
from streams.queries import Queries
from streams.topics import Fault
from streams.worker import WorkerRefusedError, serve_metrics, wait_for_cluster, watch
from tests.support.faust_fakes import CASES, CHANGELOG, create_app

C0, C1, LOG = TP(CASES, 0), TP(CASES, 1), TP(CHANGELOG, 0)


class Ended(BaseException):
    """The process has ended. Not an exception that anything may swallow."""


@pytest.fixture(autouse=True)
def _ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(reason: str) -> None:
        raise Ended(reason)

    monkeypatch.setattr(worker, "end_process", end)


# --- waiting for the cluster


class Cluster:
    """What each look at the cluster finds: faults, or an error."""

    def __init__(self, *found: Any) -> None:
        self.found = list(found)
        self.naps: list[float] = []

    @contextlib.contextmanager
    def admin(self, settings: Settings) -> Iterator[Cluster]:
        if isinstance(self.found[0], Exception):
            raise self.found.pop(0)
        yield self

    def check(self, settings: Settings, client: Cluster) -> list[Fault]:
        return self.found.pop(0)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Cluster]:
    def found(*looks: Any) -> Cluster:
        made = Cluster(*looks)
        monkeypatch.setattr(worker.topics, "admin", made.admin)
        monkeypatch.setattr(worker.topics, "check", made.check)
        monkeypatch.setattr(worker, "time", SimpleNamespace(sleep=made.naps.append))
        return made

    return found


def missing(*names: str) -> list[Fault]:
    return [Fault(name, "is missing", "make it with `onestop topics create`") for name in names]


def test_a_cluster_that_is_ready_is_not_waited_for(cluster: Any, caplog: pytest.LogCaptureFixture) -> None:
    looked = cluster([])
    wait_for_cluster(Settings())
    assert (looked.found, looked.naps, caplog.messages) == ([], [], [])


def test_waiting_says_so_once_and_again_when_it_waits_for_something_else(cluster: Any, caplog: pytest.LogCaptureFixture) -> None:
    looked = cluster(
        BrokerNotAvailableError(), BrokerNotAvailableError(), ConnectionRefusedError(), missing("cases", "scores"), missing("cases", "scores"), missing("cases"), []
    )  # fmt: skip
    wait_for_cluster(Settings(broker="kafka-1:9092"))
    assert looked.naps == [worker.RETRY_SECONDS] * 6
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 4
    away, refused, two, one = caplog.messages
    assert away.startswith("Kafka at kafka-1:9092 cannot be reached (BrokerNotAvailableError")
    assert away.endswith("trying again every 2 s")
    assert "ConnectionRefusedError" in refused
    assert two == "2 topics are missing on kafka-1:9092: make them with `onestop topics create`; waiting for them"
    assert one.startswith("1 topics are missing")


def test_a_long_error_is_cut(cluster: Any, caplog: pytest.LogCaptureFixture) -> None:
    cluster(OSError("x" * 10_000), [])
    wait_for_cluster(Settings())
    assert len(caplog.messages[0]) < 350


def test_a_topic_that_is_wrong_is_refused_with_what_mends_it(cluster: Any) -> None:
    looked = cluster([*missing("cases"), Fault("scores", "has 3 partitions, not 12", "set ONESTOP_PARTITIONS=3"), Fault("facts", "x", "y")])
    with pytest.raises(WorkerRefusedError) as refused:
        wait_for_cluster(Settings())
    assert str(refused.value) == "topic scores: has 3 partitions, not 12; set ONESTOP_PARTITIONS=3; topic facts: x; y"
    assert looked.naps == []


def test_other_errors_are_not_waited_away(cluster: Any) -> None:
    cluster(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        wait_for_cluster(Settings())


def test_a_data_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkerRefusedError, match=r"ONESTOP_DATA_DIR=.*file/data: Not a directory; name a directory that can be written"):
        worker._make_data_dir(Settings(data_dir=tmp_path / "file" / "data"))
    worker._make_data_dir(Settings(data_dir=tmp_path / "a" / "b", topic_prefix="x-"))
    assert (tmp_path / "a" / "b" / "x-").is_dir()


def queries_of(composition: Composition) -> Queries:
    _, pipeline = create_worker_app(composition)
    return Queries(composition.settings, pipeline)


async def test_metrics_and_health_are_served() -> None:
    settings = Settings(worker_address="127.0.0.1:0")
    composition = Composition(settings, default_ruleset(), published_workdays(), SystemClock(), WorkerMetrics())
    runner, port = await serve_metrics(composition, queries_of(composition))
    try:
        async with ClientSession() as client:
            async with client.get(f"http://127.0.0.1:{port}/healthz") as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")
            async with client.get(f"http://127.0.0.1:{port}/metrics") as answer:
                assert 'govscore_events_consumed_total{topic="cases"} 0.0' in await answer.text()
    finally:
        await runner.cleanup()


# --- starting


@pytest.mark.parametrize(("fault", "again"), [(NodeNotReadyError("node 2"), True), (ValueError("no fault of the cluster"), False)])
def test_a_broker_that_goes_while_it_starts_makes_it_start_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Exception, again: bool
) -> None:
    # mode turns every error into an exit code: an `except KafkaError` around it never saw one, and workers ended with 1 (seen).
    class Failing(mode.Worker):
        async def on_first_start(self) -> None:
            raise fault

    class Executed(BaseException):
        pass

    def execute(*_: Any) -> None:
        raise Executed

    loop = asyncio.new_event_loop()
    app = SimpleNamespace(task=lambda: lambda task: task, Worker=lambda **options: Failing(loop=loop, **options))
    monkeypatch.setattr(worker, "create_app", lambda _: (app, None))
    for wait in ("wait_for_cluster", "wait_for_clock", "check_snapshots", "_add_tasks"):
        monkeypatch.setattr(worker, wait, lambda *_: None)
    monkeypatch.setattr(worker.gc, "freeze", lambda: None)
    monkeypatch.setattr(worker.gc, "set_threshold", lambda *_: None)
    monkeypatch.setattr(fatal.os, "execvp", execute)
    monkeypatch.setattr(fatal.logging, "shutdown", lambda: None)
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0.0)
    settings = Settings(data_dir=tmp_path)
    composition = Composition(settings, default_ruleset(), published_workdays(), SystemClock(), WorkerMetrics())
    with pytest.raises(Executed if again else SystemExit):
        worker.run(composition)


async def test_it_says_until_when_holidays_are_published() -> None:
    workdays = Workdays([override_of({"year": 2049, "holidays": [], "workdays": []})])
    clock = SimpleNamespace(now=lambda: parse_instant("2049-11-24T12:00:00+08:00"))
    composition = Composition(Settings(), default_ruleset(), workdays, clock, WorkerMetrics())
    create_worker_app(composition)
    told = composition.metrics.registry.get_sample_value("govscore_calendar_published_until_timestamp_seconds")
    assert told == parse_instant("2050-01-01T00:00:00+08:00") / SECOND


async def test_a_rebalance_takes_back_what_was_said_of_partitions() -> None:
    composition = Composition(Settings(), default_ruleset(), published_workdays(), SystemClock(), WorkerMetrics())
    _, pipeline = create_worker_app(composition)
    metrics = composition.metrics
    for gauge in (metrics.lag, metrics.heartbeat, metrics.catching_up):
        gauge.labels("cases", "0").set(1)
    await pipeline.on_assigned()
    assert not [s for family in metrics.registry.collect() for s in family.samples if "partition" in s.labels]


async def test_metrics_need_the_token_where_one_is_set() -> None:
    settings = Settings(worker_address="127.0.0.1:0", metrics_token="a-token-for-prometheus")  # type: ignore[arg-type]
    composition = Composition(settings, default_ruleset(), published_workdays(), SystemClock(), WorkerMetrics())
    runner, port = await serve_metrics(composition, queries_of(composition))
    found = {}
    try:
        async with ClientSession() as client:
            for path in ("/metrics", "/healthz", "/nothing"):
                for given in ("", "Bearer a-token-for-prometheu", "Basic a-token-for-prometheus", "Bearer a-token-for-prometheus"):
                    async with client.get(f"http://127.0.0.1:{port}{path}", headers={"Authorization": given}) as answer:
                        found[path, given[:6], given.endswith("s")] = answer.status
                        assert "Server" not in answer.headers
                        assert answer.headers["Cache-Control"] == "no-store"
    finally:
        await runner.cleanup()
    right = ("Bearer", True)
    assert {(path, status) for (path, *given), status in found.items() if tuple(given) == right} == {
        ("/metrics", 200), ("/healthz", 200), ("/nothing", 404)
    }  # fmt: skip
    assert {(path, status) for (path, *given), status in found.items() if tuple(given) != right} == {
        ("/metrics", 401), ("/healthz", 200), ("/nothing", 401)
    }  # fmt: skip


async def statuses_of(given: dict[str, str], **settings: Any) -> dict[str, int]:
    """What `/queries/…`, `/metrics` and `/healthz` answer to who bears a token; 503: let in, and nothing is owned."""
    composition = Composition(Settings(**settings), default_ruleset(), published_workdays(), SystemClock(), WorkerMetrics())
    queries = Queries(composition.settings, SimpleNamespace(app=SimpleNamespace(rebalancing=False), owned_states=list))  # type: ignore[arg-type]
    runner, port = await serve_metrics(composition, queries)
    try:
        async with ClientSession(headers=given) as client:
            found = {}
            for path in (
                "/queries/cases?partitions=0",
                "/queries/explain?indicator=online_depth",
                "/queries/nothing",
                "/metrics",
                "/healthz",
            ):
                async with client.get(f"http://127.0.0.1:{port}{path}") as answer:
                    found[path.partition("?")[0]] = answer.status
                    assert "Server" not in answer.headers
            return found
    finally:
        await runner.cleanup()


QUERY_TOKEN, METRICS_TOKEN = "a-token-for-queries", "a-token-for-prometheus"


@pytest.mark.parametrize(
    "given", ["", f"Bearer {METRICS_TOKEN}", f"Bearer {QUERY_TOKEN}x", f"Basic {QUERY_TOKEN}", f"Bearer {QUERY_TOKEN}"]
)
async def test_queries_need_their_own_token(given: str) -> None:
    found = await statuses_of({"Authorization": given}, worker_address="127.0.0.1:0", query_token=QUERY_TOKEN, metrics_token=METRICS_TOKEN)
    right = given == f"Bearer {QUERY_TOKEN}"
    assert found == {
        "/queries/cases": 503 if right else 401, "/queries/explain": 503 if right else 401, "/queries/nothing": 404 if right else 401,
        "/metrics": 200 if given == f"Bearer {METRICS_TOKEN}" else 401, "/healthz": 200,
    }  # fmt: skip


async def test_queries_outside_loopback_are_refused_without_a_token() -> None:
    let_in = {"/queries/cases": 503, "/queries/explain": 503, "/queries/nothing": 404}
    refused = dict.fromkeys(let_in, 403)
    bearer = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    outside = {"worker_address": "0.0.0.0:0", "metrics_token": METRICS_TOKEN}
    assert (await statuses_of(bearer, **outside)).items() >= refused.items()
    assert (await statuses_of({}, **outside, query_token=QUERY_TOKEN))["/queries/cases"] == 401
    assert (await statuses_of({}, worker_address="0.0.0.0:0", trusted_proxy=True)).items() >= let_in.items()
    assert (await statuses_of({}, worker_address="127.0.0.1:0")).items() >= let_in.items()


@pytest.mark.parametrize("address", ["0.0.0.0:9101", "[::]:0", "10.0.0.1:9101", "worker:9101"])
def test_metrics_outside_loopback_need_a_token(address: str, tmp_path: Path) -> None:
    with pytest.raises(WorkerRefusedError, match=r"ONESTOP_WORKER_ADDRESS: .*ONESTOP_METRICS_TOKEN_FILE"):
        worker.run(Composition(Settings(worker_address=address), default_ruleset(), published_workdays(), SystemClock(), WorkerMetrics()))
    worker.check_address(Settings(worker_address=address, trusted_proxy=True))
    worker.check_address(Settings(worker_address=address, metrics_token="a-token-for-prometheus"))  # type: ignore[arg-type]
    worker.check_address(Settings(worker_address="127.0.0.1:9101"))


def test_the_worker_under_torture_is_served_in_the_same_way() -> None:
    """It stands in for `serve_metrics`, and is called as that is."""
    from tests.torture import worker as torture

    assert [*inspect.signature(torture.serve_metrics).parameters] == [*inspect.signature(serve_metrics).parameters]


# --- the watchdog


async def _at_once() -> None:
    """There are tables from the start."""


class Watched:
    """A worker as the watchdog sees it. Each look goes a step further: seconds pass, then something is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        self.lags: dict[TP, int] = {}
        self.finished_at: dict[int, float] = {}
        self.owned: dict[TP, int] = {C0: 0}
        self.assigned = {C0, LOG}
        self.rebalancing = False
        self.held_topics: set[str] = set()
        self.recovery: Any = SimpleNamespace(started=True, should_stop=False, in_recovery=False, _futures=set(), _get_tasks=lambda: ())
        self.consumer = SimpleNamespace(
            is_input=lambda tp: tp.topic == CASES, assignment=lambda: self.assigned, flowing=lambda: {tp.partition for tp in self.owned}
        )
        self.tables = SimpleNamespace(recovery=self.recovery, wait_until_tables_registered=_at_once)
        self.without_changelog: set[int] = set()
        self._steps: list[tuple[float, dict[str, Any]]] = []
        monkeypatch.setattr(worker, "WATCH_SECONDS", 0)
        monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: self.now))

    @property
    def should_stop(self) -> bool:
        if not self._steps:
            return True
        seconds, what = self._steps.pop(0)
        self.now += seconds
        for name, value in what.items():
            setattr(self.recovery if name == "in_recovery" else self, name, value)
        return False

    def must_have_changelogs(self, partitions: Iterable[int]) -> None:
        if self.without_changelog.intersection(partitions):
            raise Ended("starts over")

    async def after(self, *steps: tuple[float, dict[str, Any]]) -> str | None:
        """Watch through some steps; the reason why the process ended, if it did."""
        self._steps = list(steps)
        try:
            await watch(self, self)  # type: ignore[arg-type]
        except Ended as ended:
            return str(ended)
        return None


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


async def test_a_worker_that_works_is_left_alone(watched: Watched) -> None:
    steps = [(10.0, {"lags": {C0: 5_000 - n}, "finished_at": {0: 1_000.0 + 10 * n}}) for n in range(50)]
    assert await watched.after(*steps) is None


async def test_a_worker_without_lag_may_rest(watched: Watched) -> None:
    assert await watched.after(*[(60.0, {"lags": {C0: 0}})] * 10) is None


async def test_a_partition_with_lag_that_finishes_nothing_ends_the_process(watched: Watched) -> None:
    reason = await watched.after((0, {"lags": {C0: 0, C1: 3}}), (60, {}), (1, {}))
    assert reason == "partition 1 has lag and finished no chunk for 60 s"


async def test_the_time_is_counted_from_the_last_chunk_finished(watched: Watched) -> None:
    assert await watched.after((0, {"lags": {C0: 3}}), (50, {"finished_at": {0: 1_050.0}}), (60, {})) is None
    assert await watched.after((0, {"lags": {C0: 3}}), (61, {})) is not None


async def test_lag_that_comes_after_a_rest_is_not_counted_from_before_it(watched: Watched) -> None:
    watched.finished_at = {0: 1_000.0}
    assert (
        await watched.after(
            (600, {"lags": {C0: 0}}), (5, {"lags": {C0: 9}}), (5, {"lags": {C0: 9}}), (5, {"lags": {C0: 0}}), (56, {"lags": {C0: 9}})
        )
        is None
    )


async def test_partitions_that_went_elsewhere_are_forgotten(watched: Watched) -> None:
    assert await watched.after((0, {"lags": {C0: 3}}), (30, {"lags": {}}), (60, {}), (5, {"lags": {C0: 3}})) is None


async def test_inputs_that_do_not_flow_end_the_process(watched: Watched) -> None:
    reason = await watched.after((5, {"owned": {}}), (61, {}))
    assert reason == "partitions are assigned and nothing is read from them for 60 s"


@pytest.mark.parametrize(
    "why",
    [{"in_recovery": True}, {"rebalancing": True}, {"assigned": set()}, {"assigned": {LOG}}],
    ids=["recovering", "rebalancing", "without partitions", "with a changelog alone"],
)
async def test_inputs_may_rest_while_there_is_a_reason(watched: Watched, why: dict[str, Any]) -> None:
    assert await watched.after((5, {"owned": {}, **why}), (61, {}), (600, {})) is None


async def test_inputs_without_their_changelog_are_noticed_while_no_record_comes(watched: Watched) -> None:
    assert await watched.after((5.0, {"without_changelog": {1}})) is None
    assert await watched.after((5.0, {"without_changelog": {0}, "rebalancing": True})) is None
    assert await watched.after((5.0, {"rebalancing": False})) == "starts over"


async def test_the_time_without_flow_is_counted_anew_after_a_recovery(watched: Watched) -> None:
    steps = [(5, {"owned": {}}), (50, {"in_recovery": True}), (50, {"in_recovery": False}), (50, {})]
    assert await watched.after(*steps) is None


async def test_a_worker_that_stops_is_not_ended(watched: Watched) -> None:
    watched.recovery.should_stop = True
    watched.recovery._futures, watched.recovery._get_tasks = {_done()}, lambda: (1,)
    assert await watched.after((1, {}), (1, {})) is None


def _done() -> asyncio.Future[None]:
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


async def test_a_recovery_that_waits_for_the_next_rebalance_is_left_alone(watched: Watched) -> None:
    app = create_app()
    app._consumer = SimpleNamespace()
    recovery = app.tables.recovery
    await recovery.start()
    try:
        watched.tables.recovery = watched.recovery = recovery
        assert await watched.after(*[(5, {})] * 20) is None
    finally:
        await recovery.stop()


async def test_a_recovery_that_has_returned_ends_the_process(watched: Watched) -> None:
    """Faust's own recovery, whose step is slower than the request timeout: its task returns, and nothing else shows."""
    app = create_app(broker_request_timeout=0.001, stream_recovery_delay=0.0)
    app.Table("facts")
    app._consumer = SimpleNamespace(highwaters=lambda *_: asyncio.get_running_loop().create_future())
    recovery = app.tables.recovery
    await recovery.start()
    try:
        tasks = set(recovery._futures)
        app.rebalancing = True  # until the recovery has ended
        recovery.signal_recovery_start.set()
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == 1
        assert recovery.started
        assert not recovery.should_stop
        watched.tables.recovery, watched.recovery = recovery, recovery
        watched.owned, watched.rebalancing = {}, app.rebalancing
        assert await watched.after(*[(5, {})] * 20) is not None
    finally:
        await recovery.stop()
