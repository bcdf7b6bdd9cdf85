"""`onestop recount` in processes; what it counts is tested with the log, by `tests/streams/test_recount.py`."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import nullcontext
from typing import Any

import pytest

from streams.cli import recount


class Pool:
    """A pool that answers at once, with what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def submit(self, _: Any, number: int) -> Future[int]:
        self.asked.append(number)
        answer: Future[int] = Future()
        answer.set_result(number)
        return answer


def test_the_largest_partitions_are_counted_first(monkeypatch: pytest.MonkeyPatch) -> None:
    # In the order of their numbers the largest may begin when all others are done: 1.84 of two cores were used.
    pool = Pool()
    monkeypatch.setattr(recount, "ProcessPoolExecutor", lambda *_, **__: nullcontext(pool))
    asked: Any = None
    count: Any = recount.in_processes(2, asked, {0: 10, 1: 500, 2: 80}, lambda _: None)
    assert set(count([0, 1, 2], set())) == {0, 1, 2}
    assert pool.asked == [1, 2, 0]
