"""No secret is in any output or log: every command that is given some, with everything it needs out of reach."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ONESTOP = [sys.executable, "-m", "streams.cli.main"]
SECRETS = ("hidden-kafka-password", "hidden-redis-password", "hidden-metrics-token", "hidden-alert-token")
EVENT = '{"event_id":"e1","type":"item.retired","department":"91350100M000100Y43","occurred_at":"2020-09-01T00:00:00+08:00","source":"s","item":"I1"}'


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ONESTOP_")}
    return {
        **clean,
        "ONESTOP_BROKER": "127.0.0.1:1",
        "ONESTOP_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "ONESTOP_KAFKA_SASL_USERNAME": "somebody",
        "ONESTOP_KAFKA_SASL_PASSWORD": "hidden-kafka-password",
        "ONESTOP_REDIS_URL": "redis://user:hidden-redis-password@127.0.0.1:1/0",
        "ONESTOP_METRICS_TOKEN": "hidden-metrics-token",
        "ONESTOP_ALERT_TOKEN": "hidden-alert-token",
        "ONESTOP_LOG_LEVEL": "debug",
        "ONESTOP_DATA_DIR": str(tmp_path / "data"),
        "ONESTOP_WORKER_ADDRESS": "127.0.0.1:0",
        "ONESTOP_WEB_ADDRESS": "127.0.0.1:0",
        **more,
    }


def assert_hidden(output: str) -> None:
    assert output
    found = [secret for secret in SECRETS if secret in output]
    assert not found, output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["doctor"], 1), (["doctor", "--json"], 1), (["doctor", "--settings"], 0), (["topics", "check"], 3), (["topics", "create", "--acls"], 3),
        (["publish", "events.jsonl"], 3), (["scores"], 3), (["quarantine", "list"], 3), (["period", "list"], 3), (["period", "close", "2020-09"], 3),
        (["users", "list"], 2), (["version"], 0), (["up"], 2), (["up", "--broker", "127.0.0.1:1"], 3),
    ],
)  # fmt: skip
def test_commands(tmp_path: Path, arguments: list[str], code: int) -> None:
    (tmp_path / "events.jsonl").write_text(EVENT + "\n", encoding="utf-8")
    given = {**environment(tmp_path, ONESTOP_DEBUG="1"), "PYTHONPATH": os.getcwd()}
    done = subprocess.run([*ONESTOP, *arguments], cwd=tmp_path, env=given, capture_output=True, text=True, check=False, timeout=120)
    assert_hidden(done.stdout + done.stderr)
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize("command", ["worker", "projector", "web"])
def test_processes(tmp_path: Path, command: str) -> None:
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*ONESTOP, command], env=environment(tmp_path), stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while not (tmp_path / "log").read_bytes().endswith(b"\n") and time.monotonic() < end:
            time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert_hidden((tmp_path / "log").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"ONESTOP_REDIS_URL": "user:hidden-redis-password@127.0.0.1:1"}, {"ONESTOP_REDIS_URL": "http://:hidden-redis-password@h"},
        {"ONESTOP_REDIS_URL": "redis://:hidden-redis-password@h:port/0"}, {"ONESTOP_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"},
        {"ONESTOP_KAFKA_SASL_PASSWORD_FILE": "/none"}, {"ONESTOP_KAFKA_SSL_CAFILE": "/none"},
        {"ONESTOP_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "ONESTOP_KAFKA_SSL_CAFILE": "/none"}, {"ONESTOP_PARTITIONS": "x"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", [["scores"], ["topics", "check"]])
def test_wrong_settings(tmp_path: Path, wrong: dict[str, str], command: list[str]) -> None:
    done = subprocess.run([*ONESTOP, *command], env=environment(tmp_path, **wrong), capture_output=True, text=True, check=False, timeout=60)
    assert_hidden(done.stderr)
    assert done.returncode in (2, 3)
    assert done.stderr.count("\n") == 1
