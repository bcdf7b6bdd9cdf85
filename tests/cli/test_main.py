"""What all offline commands share: usage, settings, calendars, exit codes; never a traceback."""

import json
import random
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli.conftest import AS_OF, Cli
from tests.support.builder import D1

OFFLINE = ("score", "explain", "simulate", "rules", "version")


def test_version(cli: Cli) -> None:
    assert cli("version").out.split() == ["onestop", version("onestop"), "ruleset", "default", "16", "indicators"]
    assert cli("version", "--json").records == [{"version": version("onestop"), "ruleset": "default", "indicators": 16}]


def test_help_lists_every_command_and_each_has_an_example(cli: Cli) -> None:
    top = cli("--help")
    assert top.code == 0
    assert all(command in top.out for command in OFFLINE)
    for command in ("score", "explain", "simulate", "rules show", "rules check"):
        result = cli(*command.split(), "--help")
        assert (result.code, result.err) == (0, "")
        assert f"Example: onestop {command}" in " ".join(result.out.split())


@pytest.mark.parametrize(
    "arguments",
    ["nonsense", "--nonsense", "score", "score --nonsense", "explain", "explain X", "rules nonsense", "rules check", "version extra", "score a.jsonl --as-of",
     "simulate extra", "rules show --ruleset"],
)  # fmt: skip
def test_wrong_usage(cli: Cli, arguments: str) -> None:
    result = cli(*arguments.split())
    assert (result.code, result.out) == (2, "")
    assert "Error: " in result.err


@pytest.mark.parametrize("arguments", ["", "rules"])
def test_nothing_to_do(cli: Cli, arguments: str) -> None:
    result = cli(*arguments.split())
    assert result.code == 2
    assert "Usage: " in result.out + result.err


@pytest.mark.parametrize(
    "command", ["version", "rules show", "score {file} {as_of}", "explain {department} 2020-09 online_depth --file {file} {as_of}"]
)
@pytest.mark.parametrize(("name", "value"), [("LANG", "fr"), ("TIMEZONE", "Beijing"), ("PARTITIONS", "many"), ("BROKER", "kafka")])
def test_a_wrong_setting_ends_with_a_sentence(cli: Cli, city_file: Path, command: str, name: str, value: str) -> None:
    arguments = command.format(file=city_file, as_of=" ".join(AS_OF), department=D1).split()
    cli(*arguments, **{name: value}).ends_with_a_sentence(2, f"ONESTOP_{name}: ", repr(value), f"for example ONESTOP_{name}=")


# --- the calendar


CALENDAR = {"year": 2020, "notice": "n", "holidays": ["2020-09-03"], "workdays": []}


@pytest.mark.parametrize("several", [False, True])
def test_a_calendar_file_is_in_force(cli: Cli, city_file: Path, tmp_path: Path, several: bool) -> None:
    path = tmp_path / "calendar.json"
    path.write_text(json.dumps([CALENDAR] if several else CALENDAR), encoding="utf-8")
    (with_it,) = cli("rules", "show", "--json", CALENDAR_FILE=str(path)).records
    (without,) = cli("rules", "show", "--json").records
    assert with_it["identity"] != without["identity"]
    dues = []
    for environment in ({"CALENDAR_FILE": str(path)}, {}):
        result = cli("explain", D1, "2020-09", "overdue_completion", "--file", city_file, *AS_OF, "--json", **environment)
        dues.append(result.records[0]["evidence"][0]["details"]["due_at"])
    assert dues == ["2020-09-11T00:00:00+08:00", "2020-09-10T00:00:00+08:00"], "5 workdays after the 2nd, the 3rd a holiday or not"


@pytest.mark.parametrize(
    "content",
    [
        b"", b"x", b"{", b"\xff", b"5", b"null", b"[1]", b"{}", b'{"year": "2020", "holidays": [], "workdays": []}',
        b'{"year": 2020, "holidays": ["2020-02-30"], "workdays": []}', b'{"year": 2020, "holidays": ["2021-01-01"], "workdays": []}',
        b'{"year": 2020, "holidays": ["2020-09-05"], "workdays": ["2020-09-05"]}', b'{"year": 2020, "workdays": []}',
        b'[{"year": 2020, "holidays": ["2020-09-01"], "workdays": []}, {"year": 2020, "holidays": [], "workdays": []}]',
        b'{"year": 99999, "holidays": [], "workdays": []}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_wrong_calendar_file_is_named(cli: Cli, city_file: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calendar.json"
    path.write_bytes(content)
    cli("score", city_file, *AS_OF, CALENDAR_FILE=str(path)).ends_with_a_sentence(2, "ONESTOP_CALENDAR_FILE", str(path))


def test_a_calendar_file_that_is_none(cli: Cli, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.json"):
        cli("rules", "show", CALENDAR_FILE=str(path)).ends_with_a_sentence(2, "ONESTOP_CALENDAR_FILE", str(path))


# --- whatever is typed


def test_any_arguments_end_with_an_exit_code(cli: Cli, city_file: Path, tmp_path: Path) -> None:
    """`cli` itself refuses tracebacks, faults of the program and other codes."""
    (tmp_path / "bad.jsonl").write_bytes(b"\x00\xff\n{}\n")
    tokens = [
        *("score", "explain", "rules", "show", "check", "version"), *("--json", "--period", "--department", "--ruleset", "--file", "--as-of", "--", "-"),
        *("2020-09", "2020-99", "20-2009", AS_OF[1], "9999-12-31T00:00:00Z", D1, "online_depth", "total", "default", "", " ", "[/b]", "\x00", "é\n"),
        *(str(city_file), str(tmp_path / "bad.jsonl"), str(tmp_path), "/dev/null", "/proc/self/mem", "--help", "--nonsense"),
    ]  # fmt: skip
    rng = random.Random(1)
    for _ in range(150):
        command = rng.choice(
            [["score", city_file, *AS_OF], ["explain", D1, "2020-09", "online_depth", "--file", city_file, *AS_OF], ["rules"], []]
        )
        arguments = [*command, *rng.choices(tokens, k=rng.randint(1, 5))]
        if rng.random() < 0.3:
            rng.shuffle(arguments)
        cli(*arguments, stdin=b"{}\n")


@pytest.mark.parametrize("command", [["simulate", "--departments", "2", "--months", "2020-09"], ["rules", "show"]])
def test_a_reader_that_has_seen_enough_is_no_fault(command: list[str]) -> None:
    with subprocess.Popen([sys.executable, "-m", "streams.cli.main", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert (process.wait(), process.stderr.read()) == (0, b"")


def test_a_program_ends_with_the_exit_code() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "score", "missing.jsonl", *AS_OF], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("onestop: missing.jsonl: ")
