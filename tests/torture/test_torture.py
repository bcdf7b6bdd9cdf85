"""The torture, in short: some minutes of faults on Apache Kafka. `python -m tests.torture` goes on for as long as one likes."""

from __future__ import annotations

import gc
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.embedded import free_ports
from tests.support.proxy import Proxies
from tests.torture.bed import Options, Servers, Teller, WrongError
from tests.torture.run import run_schedule, run_start, starts_of
from tests.torture.schedule import Step, make_schedule

SECONDS = 45.0
BACKLOG = 15_000
# kafka-python, with which the tests read and send, drops sockets unclosed whose broker was away while it connected.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _dropped_here() -> Iterator[None]:
    """What was dropped is collected where it is ignored, not in another test."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def one_broker() -> Iterator[Servers]:
    with Servers(1) as servers:
        yield servers


def test_one_broker(one_broker: Servers, tmp_path: Path) -> None:
    counts = run_schedule(one_broker, Options(seed=1, directory=tmp_path), SECONDS, Teller())
    assert counts.facts > 0
    assert counts.kills + counts.stops + counts.pauses > 0


@pytest.mark.parametrize("standby", [0, 1])
def test_fresh_starts_on_a_backlog(one_broker: Servers, tmp_path: Path, standby: int) -> None:
    options = Options(seed=7, standby=standby, planned=BACKLOG, directory=tmp_path)
    counts = run_start(one_broker, starts_of(options, standby), BACKLOG, Teller())
    assert counts.facts > BACKLOG // 2


def test_what_is_finished_too_early_is_found(one_broker: Servers, tmp_path: Path) -> None:
    # Offsets committed before their facts are durable: the torture must say so, or it proves nothing.
    options = Options(seed=3, workers=2, early_finish=True, planned=BACKLOG, directory=tmp_path)
    with pytest.raises(WrongError, match="was committed while the changelog tiled to"):
        run_start(one_broker, options, 3_000, Teller())


def test_three_brokers(tmp_path: Path) -> None:
    with Servers(3) as servers:
        counts = run_schedule(servers, Options(seed=15, brokers=3, directory=tmp_path), SECONDS, Teller())
    assert counts.facts > 0
    assert counts.broker_kills > 0


# --- the parts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_a_schedule_follows_from_its_seed_and_asks_for_nothing_impossible(seed: int) -> None:
    def make(number: int) -> list[Step]:
        return make_schedule(number, 300, workers=4, brokers=3)

    steps = make(seed)
    assert steps == make(seed)
    assert steps != make(seed + 1)
    assert [step.second for step in steps] == sorted(step.second for step in steps)
    assert steps[-1].action == "check"
    down: set[int] = set()
    paused: set[int] = set()
    for step in steps:
        if step.action == "broker-kill":
            assert not down  # never more than one at once
            down.add(step.target)
        elif step.action == "broker-start":
            down.remove(step.target)
        elif step.action == "pause":
            paused.add(step.target)
        elif step.action == "wake":
            paused.remove(step.target)
        elif step.action == "check":
            assert not paused
            assert not down
    done = Counter(step.action for step in steps)
    assert done["kill"] > 3
    assert done["broker-kill"] > 0


@pytest.fixture
def echo() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


def test_a_proxy_passes_on_holds_and_cuts(echo: socket.socket) -> None:
    [port] = free_ports(1)
    with Proxies([(port, echo.getsockname()[1])]) as proxies:
        with socket.create_connection(("127.0.0.1", port), 10) as near, echo.accept()[0] as far:
            near.sendall(b"one")
            assert far.recv(10) == b"one"
            proxies.hold()
            near.sendall(b"two")
            far.settimeout(0.3)
            with pytest.raises(TimeoutError):
                far.recv(10)
            proxies.heal()
            far.settimeout(10)
            assert far.recv(10) == b"two"
            proxies.slow(2.0)
            near.sendall(b"three")
            far.settimeout(0.1)
            with pytest.raises(TimeoutError):
                far.recv(10)
            far.settimeout(10)
            assert far.recv(10) == b"three"
            proxies.cut()
            assert _ended(near)
        with socket.create_connection(("127.0.0.1", port), 10) as refused:
            assert _ended(refused)
        proxies.heal()
        with socket.create_connection(("127.0.0.1", port), 10) as near, echo.accept()[0] as far:
            far.sendall(b"again")
            assert near.recv(10) == b"again"


def _ended(connection: Any) -> bool:
    try:
        return connection.recv(10) == b""
    except ConnectionError:
        return True
