"""`onestop scores`, `projector` and `web`, as a user runs them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from typing import Any

import orjson
import pytest

from models.settings import Settings
from streams.serving.layout import Layout
from streams.serving.writer import Writer
from tests.serving.records import NOW, PERIOD, SECOND, A, B, audit, scores, status, write

ONESTOP = [sys.executable, "-m", "streams.cli.main"]


def environment(settings: Settings, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ONESTOP_")}
    return {**clean, "ONESTOP_REDIS_URL": settings.redis_url, "ONESTOP_TOPIC_PREFIX": settings.topic_prefix, **more}


def onestop(settings: Settings, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ONESTOP, *arguments], env=environment(settings, **more), capture_output=True, text=True, check=False, timeout=60
    )


async def test_scores_of_the_newest_period(settings: Settings, writer: Writer, layout: Layout) -> None:
    await write(
        writer, layout, *scores(A, points="50"), *scores(B, points="60"), *scores(A, "2020-09"), status(A, "甲局"), status(B, "[b]乙局[/b]")
    )
    table = onestop(settings, "scores")
    assert (table.returncode, table.stderr) == (0, "")
    assert table.stdout.index("[b]乙局[/b]") < table.stdout.index("甲局")
    assert "2020-09" not in table.stdout
    found = [
        orjson.loads(line) for line in onestop(settings, "scores", "--json", "--period", PERIOD, "--department", A).stdout.splitlines()
    ]
    assert [r["indicator"] for r in found][-1] == "total"
    assert (len(found), found[-1]["rank"], found[-1]["ranked"]) == (17, 2, 2)


async def test_scores_of_a_period_without_any(settings: Settings, writer: Writer, layout: Layout) -> None:
    assert "There are no scores" in onestop(settings, "scores").stdout
    await write(writer, layout, *scores(A))
    done = onestop(settings, "scores", "--period", "2019-01")
    assert done.returncode == 0
    assert PERIOD in done.stdout


async def test_the_audit_trail(settings: Settings, writer: Writer, layout: Layout) -> None:
    assert "There are no records yet" in onestop(settings, "audit").stdout
    found = [audit(str(n), NOW + n * SECOND, by=f"[b]{n}[/b]", why="why\x1b[2J", department=[A, B][n % 2]) for n in range(3)]
    await write(writer, layout, *found)
    table = onestop(settings, "audit", "--limit", "2")
    assert (table.returncode, table.stderr) == (0, "")
    assert table.stdout.index("[b]2[/b]") < table.stdout.index("[b]1[/b]")
    assert "[b]0[/b]" not in table.stdout
    assert "\x1b" not in table.stdout
    assert "There are older ones" in table.stdout
    lines = onestop(settings, "audit", "--json", "--department", A, "--action", "period.closed").stdout.splitlines()
    assert [orjson.loads(line) for line in lines] == [record.model_dump() | {"details": {}} for record in (found[2], found[0])]


@pytest.mark.parametrize(("language", "says"), [("en", "cannot be read"), ("zh", "无法读取 Redis")])
def test_redis_that_cannot_be_reached(settings: Settings, language: str, says: str) -> None:
    done = onestop(settings, "scores", ONESTOP_REDIS_URL="redis://:secret@127.0.0.1:1/0", ONESTOP_LANG=language)
    assert (done.returncode, done.stdout) == (3, "")
    [line] = done.stderr.splitlines()
    assert says in line
    assert "127.0.0.1:1/0" in line
    assert "ONESTOP_REDIS_URL" in line
    assert "secret" not in line


def test_the_web_server_refuses_other_addresses(settings: Settings) -> None:
    done = onestop(settings, "web", ONESTOP_WEB_ADDRESS="0.0.0.0:0")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "reverse proxy" in line


@pytest.mark.parametrize("shard", ["0/4", "5/4", "x"])
def test_the_web_server_refuses_what_is_no_shard(settings: Settings, shard: str) -> None:
    done = onestop(settings, "web", "--shard", shard)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "--shard: " in line
    assert repr(shard) in line
    assert line.endswith("; for example --shard 2/4")


def ended(process: subprocess.Popen[Any], how: signal.Signals) -> float:
    started = time.monotonic()
    process.send_signal(how)
    assert process.wait(timeout=20) == 0
    return time.monotonic() - started


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_web_server_runs_until_it_is_told_to_stop(settings: Settings, how: signal.Signals) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen(
        [*ONESTOP, "web", "--shard", "2/4"], env=environment(settings, ONESTOP_WEB_ADDRESS=address), stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    with process.stderr:
        assert any(f"http://{address}/".encode() in line for line in iter(process.stderr.readline, b""))
        with urllib.request.urlopen(f"http://{address}/healthz", timeout=5) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            assert b'govscore_scoreboard_shards{shard="2"} 4.0' in answer.read()
        assert ended(process, how) < 2.5


def test_the_projector_runs_until_it_is_told_to_stop(settings: Settings) -> None:
    """Without a broker: it says so in one line."""
    process = subprocess.Popen([*ONESTOP, "projector"], env=environment(settings, ONESTOP_BROKER="127.0.0.1:1"), stderr=subprocess.PIPE)
    assert process.stderr is not None
    with process.stderr:
        assert b"Kafka at 127.0.0.1:1 cannot be reached" in process.stderr.readline()
        time.sleep(1)
        assert ended(process, signal.SIGTERM) < 2.5
        assert process.stderr.read() == b""
