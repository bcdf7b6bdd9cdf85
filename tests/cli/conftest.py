"""The command line run within the test: `cli("score", path, ...)` gives the exit code, stdout and stderr."""

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from models.settings import settings
from streams.cli.main import run
from tests.support.builder import D1, D2, D3, History

AS_OF = ("--as-of", "2020-11-10T12:00:00+08:00")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """The JSON objects, one a line, of stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    def ends_with_a_sentence(self, code: int, *said: str) -> None:
        """Nothing on stdout, one line on stderr that says all of this."""
        assert (self.code, self.out) == (code, ""), self
        assert self.err.startswith("onestop: ")
        assert self.err.count("\n") == 1, "one sentence on one line"
        for part in said:
            assert part in self.err


Cli = Callable[..., Result]


@pytest.fixture
def cli(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command with its arguments; `stdin` in bytes, settings by their names. Nothing ever ends in a traceback or a fault."""

    def command(*arguments: object, stdin: bytes = b"", **environment: str) -> Result:
        settings.cache_clear()
        capfdbinary.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            for name, value in environment.items():
                patch.setenv(f"ONESTOP_{name}", value)
            code = run([str(argument) for argument in arguments])
        out, err = (text.decode() for text in capfdbinary.readouterr())
        assert "Traceback" not in err, err
        assert "a fault of the program" not in err, err
        assert code in (0, 1, 2, 3)
        return Result(code, out, err)

    return command


def city() -> list[dict[str, Any]]:
    """Three departments: D2 before D1 and D3, which share the second rank."""
    events = []
    for department in (D1, D2, D3):
        h = (
            History(department)
            .add("department.registered", "2020-08-20", name=f"部门{department[-6:-2]}")
            .add("item.published", "2020-08-20")
        )
        h.add("department.docking_changed", "2020-08-20", docked=department == D2)
        h.case("S1", issued="2020-09-01", accepted="2020-09-02", passed="2020-09-03", completed="2020-09-04")
        h.case("S2", issued="2020-09-01", accepted="2020-09-02", completed="2020-09-21").add("licence.generated", "2020-09-05")
        events += h.events
    return events


def lines(events: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(event, ensure_ascii=False).encode() for event in events]


@pytest.fixture
def city_file(tmp_path: Path) -> Path:
    path = tmp_path / "city.jsonl"
    path.write_bytes(b"\n".join(lines(city())) + b"\n")
    return path
