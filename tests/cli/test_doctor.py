"""`onestop doctor`: a system that lives must not look like one that has lost something; workers by other rules are named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from models.records import Heartbeat
from models.settings import Settings
from streams.changelog import ChunkRecord, encode_chunk
from streams.cli import doctor


class Living:
    """A system that commits another record of topic cases, partition 0, whenever its changelog has been read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *chunks: tuple[int, int], committed: int) -> None:
        self.chunks, self.offset = chunks, committed
        monkeypatch.setattr(doctor.topics, "admin", lambda _: contextlib.nullcontext())
        monkeypatch.setattr(doctor.topics, "committed", lambda *_: {("cases", 0): self.offset})
        monkeypatch.setattr(doctor, "read_topic", self.read)

    def read(self, _: Settings, topic: str) -> Iterator[Any]:
        if topic == doctor.CHANGELOG:
            for begin, end in self.chunks:
                for value in encode_chunk(ChunkRecord("cases", 0, begin, end, consumed=end - begin, duplicates=end - begin)):
                    yield SimpleNamespace(value=value)
            self.offset += 1


def tiling() -> doctor.Finding:
    [found] = [finding for finding in doctor._changelog(Settings()) if finding.check == "intervals"]
    return found


def test_what_is_committed_while_it_reads_is_no_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    Living(monkeypatch, (0, 5), committed=5)
    assert tiling().right


def test_a_hole_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    Living(monkeypatch, (0, 2), (3, 5), committed=5)
    found = tiling()
    assert not found.right
    assert "cases-0 [2, 3)" in found.text


# --- the rulesets of the workers

OWN = next(doctor._rules(Settings())).text


def beats(monkeypatch: pytest.MonkeyPatch, *rulesets: tuple[str, str | None], settings: Settings | None = None) -> list[doctor.Finding]:
    """What is found of heartbeats of partitions 0, 1, …: each the worker and its ruleset."""
    held = [
        Heartbeat(partition=number, as_of="2020-09-01T00:00:00+08:00", lag=0, catching_up=False, worker=worker, ruleset=ruleset)
        for number, (worker, ruleset) in enumerate(rulesets)
    ]
    model = SimpleNamespace(status=lambda: SimpleNamespace(heartbeats=held))
    monkeypatch.setattr(doctor, "open_read_model", lambda _: model)
    return list(doctor._rules_of_workers(settings or Settings()))


def test_workers_by_the_ruleset_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    [found] = beats(monkeypatch, ("w1", OWN), ("w2", OWN), ("w1", OWN))
    assert found.right
    assert found.text == f"w1 (partitions [0, 2]), w2 (partitions [1]): scores by {OWN}"


def test_a_worker_by_another_ruleset_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, right = sorted(beats(monkeypatch, ("w1", OWN), ("w2", "city@1"), ("w2", "city@1")), key=lambda finding: finding.right)
    assert (wrong.right, right.right) == (False, True)
    assert wrong.text.startswith("w2 (partitions [1, 2]): scores by city@1, but the settings here say ")
    assert OWN in wrong.text
    assert "w1" not in wrong.text


def test_workers_that_agree_and_are_not_by_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    [found] = beats(monkeypatch, ("w1", OWN), settings=Settings(timezone="UTC"))
    assert not found.right
    assert "ONESTOP_TIMEZONE" in found.text


def test_workers_of_older_versions_do_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert beats(monkeypatch, ("w1", None)) == []
    old = Heartbeat.model_validate_json(b'{"partition":0,"as_of":"2020-09-01T00:00:00+08:00","lag":0,"catching_up":false,"worker":"w1"}')
    assert old.ruleset is None
    assert b"ruleset" not in old.to_json()
