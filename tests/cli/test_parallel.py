"""Large files scored by several processes: the result is that of one, and where it could not be, one process does it all."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.cli import parallel
from streams.simulator import dump, simulate_months
from tests.cli.conftest import Cli, city, lines
from tests.support.builder import D1, D2

AS_OF = ("--as-of", "2020-11-10T12:00:00+08:00", "--json")


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Three processes for files of any size; whether their results were of use, one entry a call."""
    useful: list[bool] = []
    work = parallel.score_in_parallel

    def watched(*arguments: object) -> object:
        found = work(*arguments)  # type: ignore[arg-type]
        useful.append(found is not None)
        return found

    monkeypatch.setattr(parallel, "LEAST_BYTES", 0)
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: 3)
    monkeypatch.setattr("streams.cli.offline.score_in_parallel", watched)
    yield useful


def alone(cli: Cli, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[int, str, str]:
    with monkeypatch.context() as patch:
        patch.setattr(parallel.os, "cpu_count", lambda: 1)
        result = cli("score", *arguments)
    return result.code, result.out, result.err


def test_several_processes_say_what_one_says(cli: Cli, tmp_path: Path, processes: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    events = [dump(event) for event in simulate_months(9, "2020-09", "2020-10", seed=5, volume=0.2)]
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_bytes(b"\n".join([*events[::2], b"bad", b"", b'{"department": 1}']) + b"\n")
    second.write_bytes(b"\n".join([b'{"event_id": "x"}', *events[1::2], *events[:50]]) + b"\n")
    expected = alone(cli, monkeypatch, first, second, *AS_OF)
    result = cli("score", first, second, *AS_OF)
    assert (result.code, result.out, result.err) == expected
    assert processes == [True]
    assert result.code == 1
    assert result.err.count("\n") == 4


def test_a_table_has_the_names(cli: Cli, city_file: Path, processes: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("score", city_file, *AS_OF[:2]).out == alone(cli, monkeypatch, city_file, *AS_OF[:2])[1]
    assert processes == [True]


def test_an_id_in_two_shares_leaves_it_to_one_process(
    cli: Cli, tmp_path: Path, processes: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = city()
    twice = next(event for event in events if event["department"] == D1), next(event for event in events if event["department"] == D2)
    twice[1]["event_id"] = twice[0]["event_id"]
    path = tmp_path / "twice.jsonl"
    path.write_bytes(b"\n".join(lines(events)))
    result = cli("score", path, *AS_OF)
    assert (result.code, result.out, result.err) == alone(cli, monkeypatch, path, *AS_OF)
    assert processes == [False]
    assert "conflicting_event_id" in result.err


@pytest.mark.parametrize("name", ["department", "depart\\u006dent"])
def test_lines_that_look_like_those_of_another_department(
    cli: Cli, tmp_path: Path, processes: list[bool], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """JSON may say a name with escapes, and hold a second one in a field that the contract ignores."""
    events = [json.dumps({**event, "extra": {"department": D2}}).replace('"department"', f'"{name}"', 1) for event in city()]
    path = tmp_path / "looks.jsonl"
    path.write_text("\n".join(events))
    result = cli("score", path, *AS_OF)
    assert (result.code, result.out, result.err) == alone(cli, monkeypatch, path, *AS_OF)
    assert result.out
    assert processes == [name == "department"]  # two names are parsed by all, a wrong one is found out


def test_a_file_that_cannot_be_read_ends_with_a_sentence(cli: Cli, tmp_path: Path, processes: list[bool]) -> None:
    path = tmp_path / "broken.jsonl.gz"
    path.write_bytes(b"\x1f\x8b no archive")
    cli("score", path, *AS_OF).ends_with_a_sentence(2, "give a readable .jsonl or .jsonl.gz file")
    assert processes == []
