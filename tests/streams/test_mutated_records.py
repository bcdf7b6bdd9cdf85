"""Mutated records: none stops a worker, misleads it, or costs a good neighbour. A million of them: `python -m tests.mutations`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.wire import REASONS
from tests.mutations.checks import in_process, send, verify
from tests.support.live import System
from tests.support.mutations import Mutator

PARTITIONS = 4


@pytest.mark.parametrize("seed", [11, 12])
def test_in_chunks_with_good_ones_each_has_the_verdict_it_has_alone(seed: int) -> None:
    report = in_process(Mutator(seed, PARTITIONS, volume=0.2), 25_000, PARTITIONS, seed)
    assert report.faults == []
    # The generator reaches everything that can become of a record.
    assert report.verdicts.keys() == {*REASONS, "new", "duplicate", "rerouted"}
    assert report.bad > 12_000


@pytest.fixture
def system(kafka: Any, unique_prefix: str, tmp_path: Path) -> Iterator[System]:
    held = System(kafka.address, unique_prefix, tmp_path, PARTITIONS)
    held.run("topics", "create")
    yield held
    held.close()


def test_a_worker_takes_in_the_good_and_quarantines_exactly_the_bad(system: System) -> None:
    worker = system.start("one")
    send(system, Mutator(21, PARTITIONS, volume=0.2).mixed(20_000))
    report = verify(system)
    assert worker.poll() is None, f"the worker has ended\n{system.logs()}"
    assert report.faults == []
    assert report.bad > 10_000
    assert report.verdicts.keys() == {*REASONS, "new", "copy", "rerouted"}
