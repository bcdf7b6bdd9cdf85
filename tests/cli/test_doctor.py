"""What `onestop doctor --deep` reads, and in which order: a system that lives must not look like one that has lost something."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

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
