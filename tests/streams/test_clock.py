"""A clock that jumps ends the process before anything is scored as of a wrong time, and it starts again only with a right one."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError

from models.instants import SECOND
from models.settings import Settings
from streams import clock, startup
from streams.clock import JUMP_SECONDS, GuardedClock, SystemClock


class Ended(BaseException):
    """The process has ended."""


class Times:
    """A clock of the day and one that nobody sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.day, self.up = 1_600_000_000 * SECOND, 500 * SECOND
        monkeypatch.setattr(clock, "_uptime", lambda: self.up)

        def end(reason: str) -> None:
            raise Ended(reason)

        monkeypatch.setattr(clock, "end_process", end)

    def now(self) -> int:
        return self.day

    def pass_by(self, seconds: float, set_by: float = 0) -> None:
        self.up += int(seconds * SECOND)
        self.day += int((seconds + set_by) * SECOND)


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    return Times(monkeypatch)


@pytest.mark.parametrize(
    ("seconds", "said"), [(10_800, "10800 s forward"), (-7_200, "7200 s back"), (61, "61 s forward"), (-61, "61 s back")]
)
def test_a_jump_ends_the_process_before_the_wrong_time_is_told(times: Times, seconds: int, said: str) -> None:
    guarded = GuardedClock(times)
    times.pass_by(3_600)
    assert guarded.now() == times.day
    times.pass_by(0.05, set_by=seconds)
    with pytest.raises(Ended, match=f"the clock of this machine was set {said}"):
        guarded.now()


def test_time_that_passes_and_small_corrections_are_no_jumps(times: Times) -> None:
    guarded = GuardedClock(times)
    for _ in range(20):
        times.pass_by(86_400, set_by=JUMP_SECONDS - 1)
        assert guarded.now() == times.day
    times.pass_by(0, set_by=-1)
    assert guarded.now() == times.day


def test_the_system_clock_does_not_jump() -> None:
    guarded = GuardedClock(SystemClock())
    assert abs(guarded.now() - SystemClock().now()) < 60 * SECOND


# --- starting


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(startup, "time", SimpleNamespace(sleep=taken.append))
    return taken


def answers(monkeypatch: pytest.MonkeyPatch, *found: Any) -> None:
    left = list(found)

    def seconds_ahead(_: Settings) -> float:
        answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return float(answer)

    monkeypatch.setattr(startup, "_seconds_ahead", seconds_ahead)


@pytest.mark.parametrize("apart", [0, 60, -60])
def test_a_clock_that_agrees_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, naps: list[float], apart: float) -> None:
    answers(monkeypatch, apart)
    startup.wait_for_clock(Settings())
    assert naps == []


def test_one_that_does_not_is_waited_for_and_said_once(
    monkeypatch: pytest.MonkeyPatch, naps: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    answers(monkeypatch, 7_200, 7_201, -7_200, KafkaTimeoutError(), 0)
    startup.wait_for_clock(Settings(broker="kafka-1:9092"))
    assert naps == [startup.RETRY_SECONDS] * 4
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warned[0] == "the clock of this machine is far ahead of that of Kafka at kafka-1:9092: synchronise both (NTP); waiting for it"
    assert "far behind" in warned[1]
    assert "cannot be asked for the time" in warned[2]
    assert len(warned) == 3
