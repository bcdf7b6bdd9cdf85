"""`onestop up`: the main job with embedded parts, as a newcomer runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

from models.records import ScoreRecord
from models.settings import Settings
from streams.cli.up import _start_servers
from streams.embedded import free_ports
from streams.simulator import chaos, dump, simulate_months
from tests.support.live import ONESTOP, differences, expected_scores, until

END_SECONDS = 10


class Up:
    """A running `onestop up` on free ports, and commands beside it."""

    def __init__(self, directory: Path, *options: str) -> None:
        broker, worker, web = free_ports(3)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ONESTOP_")}
        self.environment = {
            **clean,
            "ONESTOP_BROKER": f"127.0.0.1:{broker}",
            "ONESTOP_WORKER_ADDRESS": f"127.0.0.1:{worker}",
            "ONESTOP_WEB_ADDRESS": f"127.0.0.1:{web}",
            "ONESTOP_PARTITIONS": "4",
        }
        self.web = f"http://127.0.0.1:{web}"
        self.log = directory / "up.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*ONESTOP, "up", *options], env=self.environment, stdout=log, stderr=log, cwd=directory, start_new_session=True
            )
        until(self.told, "the addresses are told", 60, logs=lambda: self.text)
        found = re.search(r"Redis\s+(\S+)", self.text)
        assert found
        self.environment["ONESTOP_REDIS_URL"] = found[1]

    @property
    def text(self) -> str:
        """What it has printed."""
        return self.log.read_text(encoding="utf-8")

    def told(self) -> bool:
        """Whether it is up."""
        assert self.process.poll() is None, self.text
        return "Ctrl-C ends all" in self.text

    def run(self, *arguments: str, expect: int = 0) -> bytes:
        """The output of a command in another terminal."""
        done = subprocess.run([*ONESTOP, *arguments], env=self.environment, capture_output=True, check=False, timeout=120)
        assert done.returncode == expect, done.stderr.decode()
        return done.stdout

    def scores(self) -> dict[str, dict[str, Any]]:
        """The live scores by key."""
        records = map(orjson.loads, self.run("scores", "--json").splitlines())
        return {f"{record['department']}|{record['period']}|{record['indicator']}": record for record in records}

    def get(self, path: str) -> str:
        """A page."""
        with urllib.request.urlopen(self.web + path, timeout=30) as answer:
            return str(answer.read().decode())

    def end(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=END_SECONDS)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[list[Up]]:
    """What a test starts is ended."""
    started: list[Up] = []
    yield started
    for up in started:
        if up.process.poll() is None:
            up.process.kill()
            up.process.wait()


def descendants(pid: int) -> set[int]:
    """The processes started under one, theirs included."""
    found = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, found.splitlines())}
    held = {pid}
    while more := {child for child, parent in parents.items() if parent in held} - held:
        held |= more
    return held - {pid}


def test_a_published_city_is_scored_as_offline_and_ctrl_c_leaves_nothing(tmp_path: Path, running: list[Up]) -> None:
    lines = [dump(event) for event in chaos(simulate_months(4, "2020-08", "2020-09", seed=9, volume=0.3), seed=9)]
    path = tmp_path / "city.jsonl"
    path.write_bytes(b"\n".join([*lines[:50], b"not an event", *lines[50:]]) + b"\n")
    up = Up(tmp_path)
    running.append(up)
    up.run("publish", str(path), expect=1)
    expected = expected_scores(lines)
    until(lambda: not differences(up.scores(), expected), "live scores are the offline ones", logs=lambda: up.text)
    assert up.get("/healthz")
    assert "govscore_department_points{" in up.get("/metrics")
    names = {record["department"] for record in expected.values()}
    assert all(f'department="{name}"' in up.get("/metrics") for name in names)
    assert len(orjson.loads(up.get("/api/v1/scores?period=2020-09"))["items"]) == 17 * len(names)
    assert "市" in up.get("/")
    assert b"rank" in up.run("scores", "--period", "2020-09")
    children = descendants(up.process.pid)
    assert len(children) >= 5
    assert up.end() == 0
    alive = {int(pid) for pid in os.listdir("/proc") if pid.isdigit()}
    assert not children & alive


def test_the_demo_shows_a_ranked_table_that_changes(tmp_path: Path, running: list[Up]) -> None:
    up = Up(tmp_path, "--demo", "--rate", "50")
    running.append(up)

    def totals() -> dict[str, str]:
        return {key: record["points_exact"] for key, record in up.scores().items() if record["indicator"] == "total"}

    until(lambda: "live now" in up.text, "the history is published", logs=lambda: up.text)
    first = until(lambda: len({key.split("|")[0] for key in totals()}) == 20 and totals(), "twenty departments are scored")
    until(lambda: totals() != first, "the totals change")
    assert up.end() == 0


def test_a_worker_that_ends_is_started_again(tmp_path: Path, running: list[Up]) -> None:
    up = Up(tmp_path)
    running.append(up)
    worker = next(pid for pid in descendants(up.process.pid) if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))
    os.kill(worker, signal.SIGKILL)
    until(lambda: "starting it again" in up.text, "it is started again")
    path = tmp_path / "few.jsonl"
    path.write_bytes(b"\n".join(dump(event) for event in simulate_months(1, "2020-08", "2020-08", seed=2, volume=0.05)) + b"\n")
    up.run("publish", str(path))
    until(lambda: len(up.scores()) >= len(ScoreRecord.model_fields), "scores come again")
    assert up.end() == 0


def test_parts_that_are_not_there_are_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [*ONESTOP, "up", "--broker", "127.0.0.1:1"],
        env={**os.environ, "ONESTOP_LANG": "en"},
        capture_output=True,
        check=False,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 3
    assert b"Kafka at 127.0.0.1:1 cannot be reached" in done.stderr
    assert b"Traceback" not in done.stderr


def test_its_processes_get_secrets_and_files_as_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They run in directories of their own: there no `.env` says anything, and no relative path leads anywhere."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("a-token-for-prometheus\n", encoding="utf-8")
    lines = [
        "REDIS_URL=redis://:secret@127.0.0.1:1/0",
        "METRICS_TOKEN_FILE=token",
        "USERS_FILE=users.yaml",
        "KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT",
    ]
    lines += ["KAFKA_SASL_USERNAME=u", "KAFKA_SASL_PASSWORD=a-password"]
    (tmp_path / ".env").write_text("".join(f"ONESTOP_{line}\n" for line in lines), encoding="utf-8")
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")
    monkeypatch.setattr(os, "environ", os.environ.copy())
    with ExitStack() as stack:
        _, servers = _start_servers(stack, "127.0.0.1:1", None)
    assert not servers
    given = {name.removeprefix("ONESTOP_"): value for name, value in os.environ.items() if name.startswith("ONESTOP_")}
    assert given["REDIS_URL"] == "redis://:secret@127.0.0.1:1/0"
    assert (given["METRICS_TOKEN"], given["KAFKA_SASL_PASSWORD"]) == ("a-token-for-prometheus", "a-password")
    assert "METRICS_TOKEN_FILE" not in given
    assert given["USERS_FILE"] == str(tmp_path / "users.yaml")
